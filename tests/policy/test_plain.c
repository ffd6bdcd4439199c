/*
 * test_plain.c -- what holds of each plain struct beside the breaker and the
 * budget: a copy of it goes on as the original (P6), any clock is defined (A1
 * to A4), and D7, F10, F11, M3 at their full size.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/adaptive.h>
#include <weir/codel.h>
#include <weir/hedge.h>
#include <weir/keyed.h>
#include <weir/pass.h>
#include <weir/shed.h>

#include "core/annotate.h"

#define T0 WEIR_EPOCH

enum { SLOTS = 16 };

/* One of each, and what drives them. */
struct plain {
    struct weir_adaptive adaptive;
    struct weir_adaptive_token token[8];
    struct weir_shed shed;
    struct weir_hedge hedge;
    struct weir_codel codel;
    struct weir_rate rate;
    struct weir_keyed_rate keyed;
    struct weir_keyed_slot slots[SLOTS];
    struct weir_rng rng;
};

static void plain_init(struct plain *p, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    EQ(weir_adaptive_init(&p->adaptive, &(struct weir_adaptive_opts){.law = WEIR_ADAPTIVE_VEGAS,
                                                                     .initial = 4,
                                                                     .window = 50,
                                                                     .samples = 3}),
       0);
    EQ(weir_shed_init(&p->shed, &(struct weir_shed_opts){.window = 1600}), 0);
    EQ(weir_hedge_init(&p->hedge, &(struct weir_hedge_opts){.samples = 5, .least = 1}), 0);
    EQ(weir_codel_init(&p->codel, &(struct weir_codel_opts){.target = 5, .interval = 40}), 0);
    EQ(weir_rate_init(&p->rate, &(struct weir_rate_opts){.count = 3, .period = 100, .burst = 2}),
       0);
    EQ(weir_keyed_init(&p->keyed, &(struct weir_rate_opts){.count = 1, .period = 90, .burst = 2},
                       p->slots, SLOTS, seed),
       0);
    weir_rng_init(&p->rng, seed, 0);
}

/* Something happens to each; what they answer, as one number. */
static uint64_t plain_step(struct plain *p, uint64_t what, weir_time now)
{
    struct weir_adaptive_token *t = &p->token[what % 8];
    uint64_t all = 0;

    if (t->held)
        all += (uint64_t)weir_adaptive_done(&p->adaptive, t, (enum weir_adaptive_result)(what % 3),
                                            now);
    else
        all += (uint64_t)weir_adaptive_take(&p->adaptive, now, t);
    all = all * 31 + (uint64_t)weir_shed_take(&p->shed, what % 4, now, &p->rng);
    if (what >> 8 & 1)
        weir_shed_accepted(&p->shed, now);
    weir_hedge_begin(&p->hedge, now);
    weir_hedge_record(&p->hedge, (weir_span)(what >> 9 & 0xffff), now);
    all = all * 31 + (uint64_t)weir_hedge_delay(&p->hedge, now);
    all = all * 31 + (uint64_t)weir_hedge_take(&p->hedge, now);
    all = all * 31 + (uint64_t)weir_codel_drop(&p->codel, (weir_span)(what >> 20 & 15), now);
    all = all * 31 + (uint64_t)weir_rate_take(&p->rate, 1 + what % 2, now);
    all = all * 31 + (uint64_t)weir_keyed_take(&p->keyed, what % 40, 1, now);
    if (what % 97 == 0)
        all += (uint64_t)weir_keyed_pause(&p->keyed, what % 40,
                                          now > INT64_MAX - 500 ? INT64_MAX : now + 500, 200, now);
    return all * 31 + weir_adaptive_limit(&p->adaptive) + weir_shed_ppm(&p->shed, 1, now);
}

/* --- P6 ------------------------------------------------------------------------------ */

TEST(P6_a_copy_of_any_plain_struct_goes_on_exactly_as_the_original)
{
    static struct plain a, b;

    for (int round = 0; round < 50; round++) {
        weir_time now = T0;
        int at = (int)(test_random() % 500);

        plain_init(&a, test_random());
        for (int i = 0; i < 1000; i++) {
            uint64_t what = test_random();

            now += (weir_span)(what >> 40 & 15);
            if (i == at) {
                memcpy(&b, &a, sizeof b);
                b.keyed.slot = b.slots; /* the one pointer: memory that the caller handed over */
            }
            uint64_t said = plain_step(&a, what, now);
            if (i >= at)
                EQ(plain_step(&b, what, now), said);
        }
        b.keyed.slot = a.keyed.slot;
        WEIR__MSAN_WRITTEN(&a, sizeof a); /* padding counts as well: it was copied */
        WEIR__MSAN_WRITTEN(&b, sizeof b);
        MEMEQ(&a, &b, sizeof a);
    }
}

/* --- A: any clock ------------------------------------------------------------------------ */

/* What must hold whatever the clock does. */
static void plain_sane(const struct plain *p, weir_time now)
{
    LE(1, weir_adaptive_limit(&p->adaptive));
    LE(weir_adaptive_limit(&p->adaptive), 1000);
    LE(weir_adaptive_inflight(&p->adaptive), 8);
    LE(0, weir_adaptive_base(&p->adaptive));
    for (uint32_t c = 0; c < 4; c++)
        LE(weir_shed_ppm(&p->shed, c, now), 950000);
    LE(1, weir_hedge_delay(&p->hedge, now));
    LE(weir_rate_left(&p->rate, now), 2);
    LE(weir_keyed_busy(&p->keyed, now), SLOTS);
}

TEST(A1_A2_A3_each_plain_struct_lives_through_any_clock)
{
    static const weir_time jumps[] = {0, 1, INT64_MAX, INT64_MIN, INT64_MAX - 1, -1, T0};
    static const weir_span steps[] = {-WEIR_S(1), -WEIR_S(3600),
                                      -(weir_span)100 * 365 * 86400 * 1000000000, WEIR_S(3600),
                                      (weir_span)100 * 365 * 86400 * 1000000000};
    static struct plain p;

    for (int round = 0; round < 20; round++) {
        weir_time now = T0;

        plain_init(&p, test_random());
        for (int i = 0; i < 3000; i++) {
            uint64_t what = test_random();

            if (what % 50 == 0)
                now = jumps[test_random() % 7];
            else if (what % 50 == 1 && !__builtin_add_overflow(now, steps[test_random() % 5], &now))
                now = T0;
            else if (now < INT64_MAX - 100)
                now += (weir_span)(what >> 40 & 63);
            (void)plain_step(&p, what, now);
            plain_sane(&p, now);
        }
    }
}

/* A step back mints nothing: in real time no more is admitted than without it. */
TEST(A1_a_keyed_limit_mints_nothing_from_a_clock_that_steps_back)
{
    static struct weir_keyed_slot slots[SLOTS];
    struct weir_keyed_rate k;
    weir_time now = T0;
    int admitted = 0;

    EQ(weir_keyed_init(&k, &(struct weir_rate_opts){.per_sec = 10, .burst = 3}, slots, SLOTS, 1),
       0);
    for (int i = 0; i < 10000; i++) { /* back and forth over the same second */
        now = T0 + WEIR_MS(i % 1000) - (i % 7 == 0 ? WEIR_S(500) : 0);
        admitted += weir_keyed_take(&k, 1, 1, now) == 0;
    }
    LE(admitted, 3 + 10);
}

TEST(A4_a_million_calls_at_one_instant_leave_each_plain_struct_as_it_should_be)
{
    static struct plain p;

    plain_init(&p, 7);
    for (int i = 0; i < 300000; i++)
        (void)plain_step(&p, test_random(), T0);
    plain_sane(&p, T0);
    EQ(weir_rate_left(&p.rate, T0), 0);
}

/* --- D7 --------------------------------------------------------------------------------- */

/* What is sent and accepted in each window, of a server that takes nothing for a while. */
TEST(D7_what_a_throttle_lets_through_settles_and_comes_back)
{
    struct weir_shed s;
    struct weir_rng rng;
    uint64_t sent[40] = {0};

    weir_rng_init(&rng, test_seed(), 0);
    EQ(weir_shed_init(&s, &(struct weir_shed_opts){.window = WEIR_S(10), .max_percent = 95}), 0);
    EQ(weir_shed_ppm(&s, 0, T0), 0);      /* at the start */
    for (int i = 0; i < 40 * 1000; i++) { /* 100 requests a second, 400 s */
        weir_time now = T0 + i * WEIR_MS(10);
        int up = i < 5000 || i >= 20000;

        if (weir_shed_take(&s, 3, now, &rng) == 0) {
            sent[i / 1000]++;
            if (up)
                weir_shed_accepted(&s, now);
        }
    }
    EQ(sent[4], 1000);
    for (int w = 7; w < 20; w++) { /* all refused: a twentieth is sent, to see it recover */
        LT(20, sent[w]);
        LT(sent[w], 90);
    }
    /* By the law what is sent about doubles from window to window until it is all. */
    LT(sent[20], 300);
    LT(sent[19], sent[21]);
    LT(950, sent[24]);
    EQ(sent[30], 1000);
}

/* --- F10, F11 ------------------------------------------------------------------------------ */

/*
 * Waiters in a row while the rate and the burst change: F1 holds, all are served,
 * nothing is negative.
 */
TEST(F10_a_rate_that_changes_while_calls_wait_serves_them_all_and_no_more)
{
    for (int round = 0; round < 200; round++) {
        weir_policy *p = WEIR_POLICY(WEIR_RATE(.count = 1, .period = 100, .burst = 5));
        struct weir_pass c[30];
        weir_time now = T0;
        int left = 30, most = 0, started[30] = {0};

        for (int i = 0; i < 30; i++)
            weir_pass_begin(&c[i], p, now, WEIR_NEVER, NULL, NULL);
        while (left > 0) {
            struct weir_policy_layer to = WEIR_RATE(.count = 1 + (uint32_t)(test_random() % 3),
                                                    .period = 50 + (weir_span)(test_random() % 100),
                                                    .burst = 1 + (uint32_t)(test_random() % 5));
            if (test_random() % 4 == 0)
                EQ(weir_policy_reconfigure(p, 0, &to, now), 0);
            for (int i = 0; i < 30; i++) {
                int64_t wait = started[i] ? -1 : weir_pass_enter(&c[i], now);
                struct weir_retry_outcome ok = {.result = 0};
                int result;
                if (wait != 0)
                    continue;
                EQ(weir_pass_done(&c[i], 1, &ok, now, &result), 0);
                started[i] = 1;
                left--;
                most++;
            }
            /* the fastest there can be is 3 in 50, and a burst of 5 */
            LE(most, 5 + 3 * ((int)(now - T0) / 50 + 1));
            now += 1 + (weir_span)(test_random() % 60);
            LT(now, T0 + 30 * 150 * 4);
        }
        weir_policy_free(&p);
    }
}

enum { F11_SLOTS = 10000, F11_KEYS = 10000000, F11_HOT = 8 };

static struct weir_keyed_slot f11_slots[F11_SLOTS + 1];

/* Ten million keys in ten thousand places, and a few that never stop asking. */
TEST_WITH(F11_ten_million_keys_do_not_grow_it_nor_feed_the_hot_ones, .timeout = 120)
{
    struct weir_rate_opts o = {.per_sec = 10, .burst = 3};
    struct weir_rate model[F11_HOT];
    struct weir_keyed_rate k;
    weir_time now = T0;

    memset(&f11_slots[F11_SLOTS], 0x5a,
           sizeof f11_slots[0]); /* a guard: memory stays where it is */
    EQ(weir_keyed_init(&k, &o, f11_slots, F11_SLOTS, test_random()), 0);
    for (int i = 0; i < F11_HOT; i++)
        EQ(weir_rate_init(&model[i], &o), 0);
    for (int i = 0; i < F11_KEYS; i++) {
        uint64_t hot = (uint64_t)i % F11_HOT;

        now += WEIR_US(2);
        (void)!weir_keyed_take(&k, test_random() | 1u << 20, 1, now);
        if (i % 16 < 2 && weir_keyed_take(&k, hot, 1, now) == 0)
            EQ(weir_rate_take(&model[hot], 1, now), 0);
    }
    LE(weir_keyed_busy(&k, now), F11_SLOTS);
    for (size_t i = 0; i < sizeof f11_slots[0]; i++)
        EQ(((unsigned char *)&f11_slots[F11_SLOTS])[i], 0x5a);
}

/* --- M3 ------------------------------------------------------------------------------------ */

/* A low class that waits, or comes more often, takes nothing from a high one. */
TEST(M3_a_lower_class_never_displaces_a_higher_one)
{
    struct weir_shed s;
    struct weir_rng rng;
    uint64_t refused[4] = {0}, asked[4] = {0};

    weir_rng_init(&rng, test_seed(), 0);
    EQ(weir_shed_init(&s, &(struct weir_shed_opts){.window = WEIR_S(10), .max_percent = 100}), 0);
    for (int i = 0; i < 200000; i++) { /* the lowest asks ten times as often; half is accepted */
        weir_time now = T0 + i * WEIR_MS(1);
        uint32_t cls = i % 13 < 10 ? 0 : (uint32_t)i % 13 - 9;
        int r = weir_shed_take(&s, cls, now, &rng);

        asked[cls]++;
        refused[cls] += r < 0;
        if (r == 0 && i % 4 == 0)
            weir_shed_accepted(&s, now);
        for (uint32_t c = 1; c < 4; c++)
            LE(weir_shed_ppm(&s, c, now), weir_shed_ppm(&s, c - 1, now));
    }
    LT(asked[0] / 4, refused[0]);
    for (uint32_t c = 1; c < 4; c++)
        LE(refused[c] * asked[c - 1], refused[c - 1] * asked[c]);
}
