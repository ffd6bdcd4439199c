/*
 * test_retry.c -- retry.h: when it stops, and how long it waits.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/retry.h>

#define T0 WEIR_EPOCH
#define RETRY(...) retry_of((struct weir_retry_opts){__VA_ARGS__})

static struct weir_rng rng;

static struct weir_retry retry_of(struct weir_retry_opts o)
{
    struct weir_retry r;
    weir_rng_init(&rng, test_seed(), 0);
    EQ(weir_retry_init(&r, &o), 0);
    return r;
}

/* What the rule says to one more failure. */
static int64_t next(const struct weir_retry *r, struct weir_retry_state *s, int result,
                    weir_span after, weir_time now, weir_time deadline)
{
    struct weir_retry_outcome out = {result, WEIR_CLASS_AUTO, after};
    return weir_retry_next(r, s, &out, now, deadline, &rng);
}

static int fails(const struct weir_retry *r, int result)
{
    struct weir_retry_state s;
    int n = 1;

    weir_retry_begin(r, &s, T0);
    while (n < 1000 && next(r, &s, result, 0, T0, WEIR_NEVER) != WEIR_RETRY_STOP)
        n++;
    return n;
}

TEST(C2_attempts_include_the_first)
{
    struct weir_retry r = RETRY(.attempts = 0);
    struct weir_retry_state s;

    EQ(fails(&r, -EIO), 3);
    r = RETRY(.attempts = 1);
    EQ(fails(&r, -EIO), 1);
    r = RETRY(.attempts = 7);
    EQ(fails(&r, -EIO), 7);
    r = RETRY(.attempts = UINT32_MAX);
    EQ(fails(&r, -EIO), 1000);
    r = RETRY(.attempts = 2);
    weir_retry_begin(&r, &s, T0);
    LE(1, next(&r, &s, -EIO, 0, T0, WEIR_NEVER));
    EQ(next(&r, &s, -EIO, 0, T0, WEIR_NEVER), WEIR_RETRY_STOP);
    EQ(s.giveup, WEIR_GIVEUP_ATTEMPTS);
    EQ(s.failed, 2);
    weir_retry_begin(&r, &s, T0); /* the state serves again */
    EQ(next(&r, &s, 5, 0, T0, WEIR_NEVER), WEIR_RETRY_STOP);
    EQ(s.giveup, WEIR_GIVEUP_OK);
    EQ(s.failed, 0);
}

TEST(C6_only_classes_that_may_pass_are_retried)
{
    static const struct {
        int result, tries;
        enum weir_class cls;
    } row[] = {
        {-ETIMEDOUT, 3, WEIR_CLASS_TRANSIENT},
        {-ECONNRESET, 3, WEIR_CLASS_TRANSIENT},
        {WEIR_EDNS, 3, WEIR_CLASS_TRANSIENT},
        {WEIR_ETRUNCATED, 3, WEIR_CLASS_TRANSIENT},
        {WEIR_EPROTO, 3, WEIR_CLASS_SERVER},
        {-EINVAL, 1, WEIR_CLASS_CLIENT},
        {-ENOENT, 1, WEIR_CLASS_CLIENT},
        {-ECANCELED, 1, WEIR_CLASS_CANCELLED},
        {WEIR_EOPEN, 1, WEIR_CLASS_REJECTED_LOCAL},
        {WEIR_EFULL, 1, WEIR_CLASS_REJECTED_LOCAL},
        {WEIR_ERATE, 1, WEIR_CLASS_REJECTED_LOCAL},
        {-4095, 1, WEIR_CLASS_FATAL},
        {-99999, 1, WEIR_CLASS_FATAL},
        {INT32_MIN, 1, WEIR_CLASS_FATAL},
        {0, 1, WEIR_CLASS_OK},
        {7, 1, WEIR_CLASS_OK},
    };
    struct weir_retry r = RETRY(.attempts = 3), own;

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        EQ(weir_classify(row[i].result), row[i].cls);
        EQ(fails(&r, row[i].result), row[i].tries);
    }
    own = RETRY(.attempts = 3, .retry_on = WEIR_CLASS_BIT(WEIR_CLASS_REJECTED_LOCAL));
    EQ(fails(&own, WEIR_EFULL), 3);
    EQ(fails(&own, -EIO), 1);
}

static int classify(void *ctx, int result)
{
    return result == -EPERM ? *(int *)ctx : WEIR_CLASS_AUTO;
}

TEST(C6_a_classify_function_decides_and_anything_unknown_is_fatal)
{
    int cls = WEIR_CLASS_TRANSIENT;
    struct weir_retry r = RETRY(.classify = classify, .ctx = &cls);

    EQ(fails(&r, -EPERM), 3);
    EQ(fails(&r, -EACCES), 1);
    EQ(fails(&r, -EIO), 3);
    cls = 77;
    EQ(fails(&r, -EPERM), 1);
    cls = -5;
    EQ(fails(&r, -EPERM), 1);
    cls = WEIR_CLASS_OK;
    EQ(fails(&r, -EPERM), 1);
}

TEST(C6_what_is_not_idempotent_is_retried_only_if_never_sent)
{
    struct weir_retry r = RETRY(.unsafe = 1);

    EQ(fails(&r, -ECONNRESET), 1);
    EQ(fails(&r, -ETIMEDOUT), 1);
    EQ(fails(&r, -ECONNREFUSED), 3);
    EQ(fails(&r, WEIR_EDNS), 3);
}

TEST(C3_it_gives_up_before_a_sleep_that_cannot_end_in_time)
{
    struct weir_retry r = RETRY(.base = 100, .cap = 100, .jitter = WEIR_JITTER_NONE,
                                .min_attempt = 50, .attempts = 9);
    struct weir_retry_state s;

    weir_retry_begin(&r, &s, T0);
    EQ(next(&r, &s, -EIO, 0, T0, T0 + 151), 100);
    EQ(next(&r, &s, -EIO, 0, T0, T0 + 150), WEIR_RETRY_STOP);
    EQ(s.giveup, WEIR_GIVEUP_DEADLINE);
    EQ(next(&r, &s, -EIO, 0, T0 + 1, T0 + 151), WEIR_RETRY_STOP);
    EQ(next(&r, &s, -EIO, 0, INT64_MAX - 5, INT64_MAX - 1), WEIR_RETRY_STOP);
    EQ(next(&r, &s, -EIO, 0, T0, WEIR_NEVER), 100);
}

TEST(C4_a_retry_after_is_a_floor_with_jitter_above_it)
{
    struct weir_retry r = RETRY(.base = 1000, .cap = 1000, .attempts = UINT32_MAX);
    struct weir_retry_state s;
    int distinct = 0;
    int64_t last = 0;

    weir_retry_begin(&r, &s, T0);
    for (int i = 0; i < 500; i++) {
        int64_t wait = next(&r, &s, -EIO, WEIR_S(2), T0, WEIR_NEVER);
        OK(wait >= WEIR_S(2) && wait <= WEIR_MS(2500));
        distinct += wait != last;
        last = wait;
        LE(next(&r, &s, -EIO, 0, T0, WEIR_NEVER), 1000); /* nothing asked: nothing invented */
    }
    LE(490, distinct);
    EQ(next(&r, &s, -EIO, WEIR_S(2), T0, T0 + WEIR_S(2)), WEIR_RETRY_STOP);
    EQ(s.giveup, WEIR_GIVEUP_DEADLINE);
    LE(WEIR_S(1), next(&r, &s, -EIO, INT64_MAX, T0, WEIR_NEVER));
    r = RETRY(.base = 1000, .cap = 1000, .retry_after_cap = WEIR_S(1));
    weir_retry_begin(&r, &s, T0);
    LE(next(&r, &s, -EIO, WEIR_S(3600), T0, WEIR_NEVER), WEIR_MS(1250));
    r = RETRY(.base = 1000, .cap = 1000, .retry_after_cap = WEIR_RETRY_AFTER_IGNORE);
    weir_retry_begin(&r, &s, T0);
    LE(next(&r, &s, -EIO, WEIR_S(3600), T0, WEIR_NEVER), 1000);
}

TEST(C6_a_refusal_that_names_its_time_is_waited_out)
{
    struct weir_retry r = RETRY(.base = 1000, .cap = 1000);
    struct weir_retry_state s;

    weir_retry_begin(&r, &s, T0);
    LE(WEIR_S(3), next(&r, &s, WEIR_EOPEN, WEIR_S(3), T0, WEIR_NEVER));
    EQ(next(&r, &s, WEIR_EOPEN, WEIR_S(3), T0, T0 + WEIR_S(3)), WEIR_RETRY_STOP);
    weir_retry_begin(&r, &s, T0);
    EQ(next(&r, &s, WEIR_EFULL, 0, T0, WEIR_NEVER), WEIR_RETRY_STOP);
    EQ(s.giveup, WEIR_GIVEUP_CLASS);
}

TEST(C9_the_budget_is_asked_before_the_wait_and_refunded_when_it_is_cut)
{
    struct weir_budget_opts o = {
        .ratio_milli = WEIR_BUDGET_NONE, .min_per_sec = 1, .ttl = WEIR_S(2)};
    struct weir_budget b;
    struct weir_retry r;
    struct weir_retry_state s;

    EQ(weir_budget_init(&b, &o), 0);
    r = RETRY(.budget = &b, .attempts = 9);
    weir_retry_begin(&r, &s, T0);
    LE(1, next(&r, &s, -EIO, 0, T0, WEIR_NEVER));
    EQ(weir_budget_left(&b, T0), 1);
    weir_retry_abandon(&r, &s, T0);
    weir_retry_abandon(&r, &s, T0); /* once */
    EQ(weir_budget_left(&b, T0), 2);
    LE(1, next(&r, &s, -EIO, 0, T0, WEIR_NEVER));
    LE(1, next(&r, &s, -EIO, 0, T0, WEIR_NEVER));
    EQ(next(&r, &s, -EIO, 0, T0, WEIR_NEVER), WEIR_RETRY_STOP);
    EQ(s.giveup, WEIR_GIVEUP_BUDGET);
    weir_retry_abandon(&r, &s, T0); /* the attempts before were made */
    EQ(weir_budget_left(&b, T0), 0);
}

TEST(C9_a_retry_that_was_made_is_not_refunded)
{
    struct weir_budget b;
    struct weir_retry r;
    struct weir_retry_state s;
    uint64_t left;

    EQ(weir_budget_init(&b, NULL), 0);
    r = RETRY(.budget = &b, .attempts = 2);
    weir_retry_begin(&r, &s, T0);
    LE(1, next(&r, &s, -EIO, 0, T0, WEIR_NEVER));
    left = weir_budget_left(&b, T0);
    EQ(next(&r, &s, -EIO, 0, T0, WEIR_NEVER), WEIR_RETRY_STOP);
    weir_retry_abandon(&r, &s, T0);
    EQ(weir_budget_left(&b, T0), left);
}

TEST(P1_bad_options_are_refused_and_mean_one_attempt)
{
    static const struct weir_retry_opts bad[] = {
        {.base = -1},          {.base = 5, .cap = 4},
        {.min_attempt = -1},   {.unsafe = 2},
        {.jitter = 9},         {.retry_after_cap = -2},
        {.retry_on = 1},       {.retry_on = 2},
        {.retry_on = 1u << 9}, {.retry_on = WEIR_CLASS_BIT(WEIR_CLASS_CANCELLED)},
        {.reserved0 = 1},      {.reserved = {0, 1}},
        {.factor_milli = 10},  {.percent = 101},
    };
    struct weir_retry r;

    weir_rng_init(&rng, 1, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_retry_init(&r, &bad[i]), -EINVAL);
        EQ(fails(&r, -EIO), 1);
    }
    EQ(weir_retry_init(&r, NULL), 0);
    EQ(fails(&r, -EIO), 3);
}
