/*
 * test_clock.c -- whatever the clock does, no policy waits longer than it was
 * configured to, gives away what it should not, or does what C leaves open.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/pass.h>

#define T0 WEIR_EPOCH
#define YEARS(n) ((weir_span)(n)*WEIR_S(31557600))

static const weir_span steps[] = {WEIR_S(1), WEIR_S(3600), YEARS(30)};
static struct weir_rng rng = {{1, 2, 3, 4}};

static struct weir_breaker opened(weir_time at)
{
    struct weir_breaker_opts o = {
        .failures = 1, .open = WEIR_S(10), .probes = 1, .lease = WEIR_S(5), .jitter = 1};
    struct weir_breaker_token t;
    struct weir_breaker b;

    EQ(weir_breaker_init(&b, &o), 0);
    EQ(weir_breaker_take(&b, at, &t), 0);
    EQ(weir_breaker_done(&b, &t, WEIR_BREAKER_FAILED, at, &rng), 1);
    return b;
}

TEST(A1_a_clock_set_back_leaves_a_breaker_open_no_longer_than_configured)
{
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        struct weir_breaker b = opened(T0);
        struct weir_breaker_token t;
        weir_time now = T0 + WEIR_S(4);
        weir_span left;

        LT(0, weir_breaker_take(&b, now, &t)); /* it has seen this instant */
        left = weir_breaker_left(&b, now);
        now -= steps[s];
        EQ(weir_breaker_take(&b, now, &t), left); /* as before the step */
        EQ(weir_breaker_left(&b, now), left);
        EQ(weir_breaker_take(&b, now + left - 1, &t), 1);
        EQ(weir_breaker_take(&b, now + left, &t), 0);
        now += left;
        now -= steps[s]; /* a probe is out: its lease is as long as it was */
        EQ(weir_breaker_take(&b, now, &t), WEIR_S(5));
        EQ(weir_breaker_take(&b, now + WEIR_S(5), &t), 0);
        EQ(weir_breaker_done(&b, &t, WEIR_BREAKER_OK, now - steps[s], &rng), 1);
        EQ(weir_breaker_state(&b, now), WEIR_BREAKER_CLOSED);
    }
}

TEST(A1_a_small_step_back_stands_still)
{
    struct weir_breaker b = opened(T0);
    weir_span left = weir_breaker_left(&b, T0);
    struct weir_breaker_token t;

    for (int i = 0; i < 1000; i++) /* two threads, one of them half a second behind */
        LT(0, weir_breaker_take(&b, T0 + WEIR_MS(i) - i % 2 * WEIR_MS(500), &t));
    EQ(weir_breaker_left(&b, T0 + WEIR_MS(998)), left - WEIR_MS(998));
}

TEST(A1_a_clock_set_back_mints_no_retries_and_strands_none)
{
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        struct weir_budget_opts o = {.ratio_milli = 1000, .min_per_sec = WEIR_BUDGET_NONE};
        struct weir_budget_token t;
        struct weir_budget b;
        weir_time now = T0;

        EQ(weir_budget_init(&b, &o), 0);
        for (int i = 0; i < 5; i++)
            weir_budget_deposit(&b, now);
        EQ(weir_budget_left(&b, now - steps[s]), 5);
        now -= steps[s];
        for (int i = 0; i < 5; i++)
            EQ(weir_budget_take(&b, now, &t), 0);
        EQ(weir_budget_take(&b, now, &t), WEIR_EBUDGET);
        EQ(weir_budget_left(&b, now + WEIR_S(10)), 0); /* deposits and takes age out together */
        weir_budget_deposit(&b, now + WEIR_S(10));
        EQ(weir_budget_left(&b, now + WEIR_S(10)), 1);
        EQ(weir_budget_left(&b, now + WEIR_S(20)), 0); /* ten seconds later, not a step later */
    }
}

TEST(A2_after_a_jump_of_a_century_the_breaker_is_half_open_and_the_budget_has_its_minimum)
{
    struct weir_budget_opts o = {.ratio_milli = 1000, .min_per_sec = 3};
    struct weir_breaker b = opened(T0);
    struct weir_breaker_token t;
    struct weir_budget u;
    weir_time then = T0 + YEARS(100);

    EQ(weir_breaker_state(&b, then), WEIR_BREAKER_HALF_OPEN);
    EQ(weir_breaker_left(&b, then), 0);
    EQ(weir_breaker_take(&b, then, &t), 0);
    LT(0, weir_breaker_take(&b, then, &t)); /* one probe, not closed */
    EQ(weir_budget_init(&u, &o), 0);
    for (int i = 0; i < 1000; i++)
        weir_budget_deposit(&u, T0);
    EQ(weir_budget_left(&u, T0), 1030);
    EQ(weir_budget_left(&u, then), 30);
}

TEST(A2_a_call_that_slept_through_its_deadline_is_late_and_takes_nothing)
{
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(1)), WEIR_RETRY(.attempts = 3),
                                 WEIR_BREAKER(), WEIR_BULKHEAD(.limit = 1));
    struct weir_layer_counts counts;
    struct weir_pass c;

    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0 + YEARS(100)), -ETIMEDOUT);
    EQ(weir_pass_refusal(&c).code, -ETIMEDOUT);
    EQ(weir_pass_refusal(&c).layer, 0);
    for (uint32_t i = 1; i < 4; i++) {
        EQ(weir_policy_counts(p, i, &counts), 0);
        EQ(counts.passed, 0);
    }
    weir_policy_free(&p);
}

/* Every policy at every instant there is: UBSan looks on. */
TEST(A3_any_instant_is_defined)
{
    static const weir_time at[] = {INT64_MIN,     INT64_MIN + 1, -1,        0, 1,         T0,
                                   INT64_MAX - 1, INT64_MAX,     INT64_MIN, 0, INT64_MAX, T0,
                                   T0 - WEIR_S(2)};
    struct weir_breaker_opts o = {.failures = 1, .period = 16, .slow = 5, .open_max = INT64_MAX};
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.total = INT64_MAX - 1), WEIR_RETRY(.base = 5),
                                 WEIR_BREAKER(.failures = 1), WEIR_TIMEOUT(.each = INT64_MAX - 1));
    struct weir_breaker b;
    struct weir_budget u;

    EQ(weir_breaker_init(&b, &o), 0);
    EQ(weir_budget_init(&u, NULL), 0);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
            struct weir_retry_outcome out = {.result = -EIO};
            struct weir_breaker_token t;
            struct weir_budget_token paid;
            struct weir_pass c;
            int result;

            if (weir_breaker_take(&b, at[i], &t) == 0)
                LE(0, weir_breaker_done(&b, &t, (enum weir_breaker_outcome)(k % 2), at[k], &rng));
            LE(0, weir_breaker_left(&b, at[k]));
            weir_budget_deposit(&u, at[i]);
            if (weir_budget_take(&u, at[k], &paid) == 0)
                weir_budget_refund(&u, at[i], &paid);
            LE(weir_budget_left(&u, at[i]), 100 + sizeof at * sizeof at);
            weir_pass_begin(&c, p, at[i], WEIR_NEVER, NULL, NULL);
            if (weir_pass_enter(&c, at[k]) == 0)
                LE(0, weir_pass_done(&c, 1, &out, at[i], &result));
            weir_pass_abandon(&c, at[k]);
        }
    }
    weir_policy_free(&p);
}

TEST(A4_a_million_calls_at_one_instant_divide_by_nothing_and_stick_nowhere)
{
    struct weir_breaker_opts o = {.percent = 50, .period = WEIR_S(1), .min_calls = 10};
    struct weir_budget_token paid;
    struct weir_breaker_token t;
    struct weir_breaker b;
    struct weir_budget u;

    EQ(weir_breaker_init(&b, &o), 0);
    EQ(weir_budget_init(&u, NULL), 0);
    for (int i = 0; i < 1000000; i++) {
        EQ(weir_breaker_take(&b, T0, &t), 0);
        EQ(weir_breaker_done(&b, &t, i % 3 == 0 ? WEIR_BREAKER_FAILED : WEIR_BREAKER_OK, T0, &rng),
           1);
        weir_budget_deposit(&u, T0);
        if (i % 5 == 0)
            EQ(weir_budget_take(&u, T0, &paid), 0);
    }
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_CLOSED);
    EQ(weir_budget_left(&u, T0), 100); /* what was there before the first */
}
