/*
 * test_keyed.c -- F11: many keys in a small table; a model that has a limit of
 * its own for every key never admits less than the table does.
 */
#include <errno.h>
#include <weir/keyed.h>
#include <weir/rand.h>

#include "harness/test.h"

enum { SLOTS = 64, KEYS = 40 };

static const struct weir_rate_opts three = {.per_sec = 10, .burst = 3};

/* With room for all keys the table is what a limit for each key is. */
TEST(with_room_for_all_it_is_one_limit_a_key)
{
    static struct weir_keyed_slot slots[4096];
    struct weir_rate model[KEYS];
    struct weir_keyed_rate k;
    weir_time now = WEIR_EPOCH;

    EQ(weir_keyed_init(&k, &three, slots, 4096, test_random()), 0);
    for (int i = 0; i < KEYS; i++)
        EQ(weir_rate_init(&model[i], &three), 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t key = test_random() % KEYS;
        uint32_t n = 1 + (uint32_t)(test_random() % 3);

        now += (weir_span)(test_random() % (uint64_t)WEIR_MS(5));
        if (test_random() % 500 == 0) {
            weir_time until = now + (weir_span)(test_random() % (uint64_t)WEIR_S(2));

            EQ(weir_keyed_pause(&k, key, until, WEIR_S(1), now), 1);
            weir_rate_pause(&model[key], until < now + WEIR_S(1) ? until : now + WEIR_S(1), now);
        }
        EQ(weir_keyed_take(&k, key, n, now), weir_rate_take(&model[key], n, now));
    }
}

/*
 * Far too many keys, some of them hot: none ever gets more than a limit of its own would
 * give it.
 */
TEST(F11_a_flood_of_keys_gives_no_fresh_quota)
{
    static struct weir_keyed_slot slots[SLOTS];
    static struct weir_rate model[KEYS * 10];
    struct weir_keyed_rate k;
    weir_time now = WEIR_EPOCH;
    int64_t admitted = 0;

    EQ(weir_keyed_init(&k, &three, slots, SLOTS, test_random()), 0);
    for (int i = 0; i < KEYS * 10; i++)
        EQ(weir_rate_init(&model[i], &three), 0);
    for (int i = 0; i < 1000000; i++) {
        uint64_t key = test_random() % (test_random() % 2 ? KEYS : KEYS * 10);
        uint32_t n = 1 + (uint32_t)(test_random() % 2);

        now += (weir_span)(test_random() % (uint64_t)(i / 100000 % 2 ? WEIR_US(50) : WEIR_MS(4)));
        if (weir_keyed_take(&k, key, n, now) == 0) {
            EQ(weir_rate_take(&model[key], n, now), 0);
            admitted++;
        }
    }
    LE(1000, admitted);
    LE(weir_keyed_busy(&k, now), SLOTS);
    EQ(weir_keyed_busy(&k, now + WEIR_S(10)), 0);
}

/* Keys that come and go, each used up to its burst, then idle long enough. */
TEST(an_idle_key_is_forgotten_and_its_place_used_again)
{
    static struct weir_keyed_slot slots[SLOTS];
    struct weir_keyed_rate k;

    EQ(weir_keyed_init(&k, &three, slots, SLOTS, test_random()), 0);
    for (uint64_t i = 0; i < 100000; i++) {
        weir_time now = WEIR_EPOCH + (weir_span)(i / 4) * WEIR_MS(301);

        EQ(weir_keyed_take(&k, i, 3, now), 0);
        LT(0, weir_keyed_take(&k, i, 1, now));
    }
}

TEST(a_pause_is_capped_extends_and_is_the_key_s_own)
{
    static struct weir_keyed_slot slots[8];
    struct weir_keyed_rate k;

    EQ(weir_keyed_init(&k, &three, slots, 8, 1), 0);
    EQ(weir_keyed_pause(&k, 1, WEIR_NEVER, WEIR_S(5), WEIR_EPOCH), 1);
    EQ(weir_keyed_pause(&k, 1, WEIR_EPOCH + WEIR_S(1), WEIR_S(5), WEIR_EPOCH), 1);
    EQ(weir_keyed_take(&k, 1, 1, WEIR_EPOCH), WEIR_S(5));
    EQ(weir_keyed_take(&k, 2, 1, WEIR_EPOCH), 0);
    for (uint64_t i = 3; i < 9; i++)
        EQ(weir_keyed_take(&k, i, 1, WEIR_EPOCH), 0);
    EQ(weir_keyed_busy(&k, WEIR_EPOCH), 8);
    EQ(weir_keyed_pause(&k, 99, WEIR_NEVER, WEIR_S(5), WEIR_EPOCH), 0);
    EQ(weir_keyed_pause(&k, 1, WEIR_NEVER, -1, WEIR_EPOCH), -EINVAL);
    EQ(weir_keyed_take(&k, 1, 3, WEIR_EPOCH + WEIR_S(5)), 0);
}

TEST(another_rule_holds_for_every_key_and_keeps_what_each_has_used)
{
    static struct weir_keyed_slot slots[SLOTS];
    struct weir_rate_opts slow = {.per_sec = 1, .burst = 2};
    struct weir_keyed_rate k;

    EQ(weir_keyed_init(&k, &three, slots, SLOTS, test_random()), 0);
    EQ(weir_keyed_take(&k, 1, 3, WEIR_EPOCH), 0); /* empty */
    EQ(weir_keyed_take(&k, 2, 1, WEIR_EPOCH), 0);
    EQ(weir_keyed_pause(&k, 3, WEIR_EPOCH + WEIR_S(5), WEIR_S(5), WEIR_EPOCH), 1);
    EQ(weir_keyed_set(&k, &(struct weir_rate_opts){0}, WEIR_EPOCH), -EINVAL);
    EQ(weir_keyed_set(&k, NULL, WEIR_EPOCH), -EINVAL);
    EQ(weir_keyed_set(&k, &slow, WEIR_EPOCH), 0);
    EQ(weir_keyed_take(&k, 1, 1, WEIR_EPOCH), WEIR_S(1)); /* still empty, and slower to fill */
    EQ(weir_keyed_take(&k, 2, 2, WEIR_EPOCH), WEIR_S(1)); /* one of two is used */
    EQ(weir_keyed_take(&k, 2, 1, WEIR_EPOCH), 0);
    EQ(weir_keyed_take(&k, 3, 1, WEIR_EPOCH), WEIR_S(5)); /* still paused */
    EQ(weir_keyed_take(&k, 4, 2, WEIR_EPOCH), 0);         /* one that was never seen */
    EQ(weir_keyed_take(&k, 4, 3, WEIR_EPOCH), WEIR_ERATE);
    EQ(weir_keyed_take(&k, 1, 2, WEIR_EPOCH + WEIR_S(2)), 0);
    k.slot = NULL;
    EQ(weir_keyed_set(&k, &slow, WEIR_EPOCH), -EINVAL);
}

/* However often it changes, a key never gets more than the fastest of the rules would give it. */
TEST(a_rule_that_changes_all_the_time_gives_no_fresh_quota)
{
    static struct weir_keyed_slot slots[8];
    struct weir_keyed_rate k;
    weir_time now = WEIR_EPOCH;
    int admitted[12] = {0};

    EQ(weir_keyed_init(&k, &three, slots, 8, test_random()), 0);
    for (int i = 0; i < 100000; i++) {
        uint64_t key = test_random() % 12; /* more than there is room for */

        now += (weir_span)(test_random() % (uint64_t)WEIR_MS(2));
        if (i % 100 == 0) {
            struct weir_rate_opts o = {.per_sec = 1 + (uint32_t)(test_random() % 10),
                                       .burst = 1 + (uint32_t)(test_random() % 3)};
            EQ(weir_keyed_set(&k, &o, now), 0);
        }
        admitted[key] += weir_keyed_take(&k, key, 1, now) == 0;
    }
    for (int i = 0; i < 12; i++)
        LE(admitted[i], 3 + 10 * ((now - WEIR_EPOCH) / WEIR_S(1) + 1));
}

TEST(bad_input_is_refused)
{
    static struct weir_keyed_slot slots[8];
    struct weir_keyed_rate k;

    EQ(weir_keyed_init(&k, &three, NULL, 8, 1), -EINVAL);
    EQ(weir_keyed_init(&k, &three, slots, 0, 1), -EINVAL);
    EQ(weir_keyed_init(&k, &three, slots, 7, 1), -EINVAL);
    EQ(weir_keyed_init(&k, &(struct weir_rate_opts){0}, slots, 8, 1), -EINVAL);
    EQ(weir_keyed_take(&k, 1, 1, WEIR_EPOCH), -EINVAL);
    EQ(weir_keyed_pause(&k, 1, 2, 3, WEIR_EPOCH), -EINVAL);
    EQ(weir_keyed_busy(&k, WEIR_EPOCH), 0);
    EQ(weir_keyed_init(&k, &three, slots, 8, 1), 0);
    EQ(weir_keyed_take(&k, 1, 0, WEIR_EPOCH), 0);
    EQ(weir_keyed_take(&k, 1, 4, WEIR_EPOCH), WEIR_ERATE);
    EQ(weir_keyed_take(&k, 1, 1, INT64_MIN), 0);
    EQ(weir_keyed_take(&k, 1, 1, INT64_MAX), 0);
}
