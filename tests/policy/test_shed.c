/*
 * test_shed.c -- the SRE book's throttle: its law, its bound, classes, time.
 */
#include <errno.h>
#include <weir/shed.h>

#include "harness/test.h"

static struct weir_rng rng;

static struct weir_shed shed(uint32_t k_milli, uint32_t most)
{
    struct weir_shed s;

    weir_rng_init(&rng, test_seed(), 0);
    EQ(weir_shed_init(&s, &(struct weir_shed_opts){.k_milli = k_milli, .max_percent = most}), 0);
    return s;
}

TEST(nothing_is_refused_while_the_server_takes_it)
{
    struct weir_shed s = shed(0, 0);

    for (int i = 0; i < 10000; i++) {
        weir_time now = WEIR_EPOCH + i * WEIR_MS(10);

        EQ(weir_shed_take(&s, (uint32_t)i % 4, now, &rng), 0);
        if (i % 2 == 0)
            weir_shed_accepted(&s, now); /* half of them: K = 2 bears that */
        EQ(weir_shed_ppm(&s, 0, now), 0);
    }
}

/* p = max(0, (requests - K accepts) / (requests + 1)), of all that were made, refused ones too. */
TEST(the_law_is_that_of_the_book)
{
    for (uint32_t k = 1000; k <= 4000; k += 500)
        for (int accepts = 0; accepts <= 100; accepts += 10) {
            struct weir_shed s = shed(k, 100);
            double want = (100 - k / 1000.0 * accepts) / 101 * 1e6;

            for (int i = 0; i < 100; i++)
                (void)!weir_shed_take(&s, 3, WEIR_EPOCH, &rng);
            for (int i = 0; i < accepts; i++)
                weir_shed_accepted(&s, WEIR_EPOCH);
            LE((int)(want > 0 ? want : 0) - 1, (int)weir_shed_ppm(&s, 3, WEIR_EPOCH));
            LE((int)weir_shed_ppm(&s, 3, WEIR_EPOCH), (int)(want > 0 ? want : 0) + 1);
        }
}

/* A server that takes 100 a second of 1000: about K times that is sent. */
TEST(a_server_gets_k_times_what_it_takes)
{
    struct weir_shed s = shed(0, 0);
    int sent = 0, seconds = 300;

    for (int t = 0; t < seconds; t++) {
        int room = 100;

        for (int i = 0; i < 1000; i++) {
            weir_time now = WEIR_EPOCH + WEIR_S(t) + WEIR_MS(i);

            if (weir_shed_take(&s, 0, now, &rng) < 0)
                continue;
            sent += t >= 130;
            if (room-- > 0)
                weir_shed_accepted(&s, now);
        }
    }
    sent /= seconds - 130;
    LE(170, sent);
    LE(sent, 230);
}

TEST(M3_lower_classes_pay_first)
{
    struct weir_shed s = shed(0, 100);

    for (int i = 0; i < 4000; i++)
        (void)!weir_shed_take(&s, (uint32_t)i % 4, WEIR_EPOCH, &rng);
    for (int i = 0; i < 1250; i++) /* of 4000, 1500 must go */
        weir_shed_accepted(&s, WEIR_EPOCH);
    EQ(weir_shed_ppm(&s, 0, WEIR_EPOCH), 1000000);
    LE(498000, weir_shed_ppm(&s, 1, WEIR_EPOCH));
    LE(weir_shed_ppm(&s, 1, WEIR_EPOCH), 502000);
    EQ(weir_shed_ppm(&s, 2, WEIR_EPOCH), 0);
    EQ(weir_shed_ppm(&s, 3, WEIR_EPOCH), 0);
}

TEST(it_forgets_after_its_window_and_lives_through_any_clock)
{
    struct weir_shed s = shed(0, 100);

    for (int i = 0; i < 1000; i++)
        (void)!weir_shed_take(&s, 0, WEIR_EPOCH, &rng);
    LT(900000, weir_shed_ppm(&s, 0, WEIR_EPOCH));
    LT(900000, weir_shed_ppm(&s, 0, 0)); /* backwards is standing still */
    EQ(weir_shed_ppm(&s, 0, WEIR_EPOCH + WEIR_S(121)), 0);
    EQ(weir_shed_ppm(&s, 0, INT64_MAX), 0);
    EQ(weir_shed_take(&s, 0, INT64_MAX, &rng), 0);
    OK(weir_shed_take(&s, 0, INT64_MIN, &rng) <= 0); /* the second of two without an accept */
    weir_shed_accepted(&s, WEIR_EPOCH);
}

TEST(some_are_sent_even_at_the_worst)
{
    struct weir_shed s = shed(0, 0);
    int sent = 0;

    for (int i = 0; i < 20000; i++)
        sent += weir_shed_take(&s, 0, WEIR_EPOCH + i * WEIR_MS(1), &rng) == 0;
    LE(700, sent); /* 5 % of them */
    LE(sent, 1400);
}

TEST(bad_options_are_refused)
{
    static const struct weir_shed_opts bad[] = {
        {.k_milli = 999}, {.k_milli = 100001}, {.max_percent = 101},  {.cls = 4},
        {.window = -1},   {.window = 15},      {.window = INT64_MAX}, {.reserved = {0, 0, 0, 1}}};
    struct weir_shed s;

    weir_rng_init(&rng, 1, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_shed_init(&s, &bad[i]), -EINVAL);
        EQ(weir_shed_take(&s, 0, WEIR_EPOCH, &rng), -EINVAL);
        weir_shed_accepted(&s, WEIR_EPOCH);
        EQ(weir_shed_ppm(&s, 0, WEIR_EPOCH), 0);
    }
    s = shed(0, 0);
    EQ(weir_shed_take(&s, 4, WEIR_EPOCH, &rng), -EINVAL);
    EQ(weir_shed_take(&s, 0, WEIR_EPOCH, NULL), -EINVAL);
}
