/*
 * test_retry_stack.c -- retries as a stack runs them: pushback, delay, late
 * answers, what is kept of an error, whatever the user's code does meanwhile.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/pass.h>

#define T0 WEIR_EPOCH
#define STEADY .jitter = WEIR_JITTER_NONE

static struct weir_retry_outcome failed(int result)
{
    return (struct weir_retry_outcome){.result = result};
}

/* The attempt under way ends so. */
static int64_t end(struct weir_pass *c, struct weir_retry_outcome out, weir_time now, int *result)
{
    return weir_pass_done(c, weir_pass_attempt(c), &out, now, result);
}

static struct weir_layer_counts counts(weir_policy *p, uint32_t layer)
{
    struct weir_layer_counts c;
    EQ(weir_policy_counts(p, layer, &c), 0);
    return c;
}

static weir_span never_asked(void *ctx, const struct weir_retry_event *e)
{
    (void)ctx;
    (void)e;
    FAIL("no delay was to be computed");
    return 0;
}

TEST(C1_one_attempt_is_one_call_and_no_delay_and_zero_is_the_default)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 1, .delay = never_asked));
    struct weir_pass c;
    int result;

    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0), 0);
    EQ(end(&c, failed(-EIO), T0, &result), 0);
    EQ(result, -EIO);
    EQ(weir_pass_attempt(&c), 1);
    EQ(weir_pass_giveup(&c), WEIR_GIVEUP_ATTEMPTS);
    weir_policy_free(&p);
    p = WEIR_POLICY(WEIR_RETRY(.attempts = 0)); /* 0 is not "none": it is the default, three */
    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    for (weir_time now = T0; weir_pass_attempt(&c) < 3;) {
        int64_t wait = weir_pass_enter(&c, now);
        now += wait;
        if (wait == 0)
            (void)!end(&c, failed(-EIO), now, &result);
    }
    EQ(weir_pass_giveup(&c), WEIR_GIVEUP_ATTEMPTS);
    weir_policy_free(&p);
}

struct told {
    uint32_t n, attempt[8];
    int result[8];
    weir_span wait[8], answer;
};

static void tell(void *ctx, const struct weir_retry_event *e)
{
    struct told *t = ctx;
    t->attempt[t->n] = e->attempt;
    t->result[t->n] = e->result;
    t->wait[t->n++] = e->wait;
}

TEST(C2_callbacks_count_attempts_from_one_and_the_last_error_and_result_are_kept)
{
    struct told t = {0};
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 9, STEADY, .on_retry = tell, .ctx = &t),
                                 WEIR_BREAKER(.failures = 3, .open = WEIR_S(500), .jitter = 1));
    static const int errors[] = {-EIO, -EPIPE, -ECONNRESET};
    struct weir_pass c;
    weir_time now = T0;
    int result;

    weir_pass_begin(&c, p, now, now + WEIR_S(100), NULL, NULL);
    for (int i = 0; i < 3; i++) {
        int64_t wait;
        EQ(weir_pass_enter(&c, now), 0);
        wait = end(&c, failed(errors[i]), now, &result);
        LT(0, wait);
        now += wait;
    }
    EQ(weir_pass_enter(&c, now), WEIR_EOPEN); /* the result is the refusal ... */
    EQ(weir_pass_refusal(&c).code, WEIR_EOPEN);
    EQ(weir_pass_refusal(&c).layer, 1);
    EQ(weir_pass_refusal(&c).kind, WEIR_LAYER_BREAKER);
    EQ(weir_pass_refusal(&c).last_result, -ECONNRESET); /* ... and the error is kept */
    LT(WEIR_S(400), weir_pass_refusal(&c).retry_after);
    EQ(weir_pass_giveup(&c), WEIR_GIVEUP_DEADLINE);
    EQ(t.n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        EQ(t.attempt[i], i + 1);
        EQ(t.result[i], errors[i]);
        EQ(t.wait[i], WEIR_MS(100) << i);
    }
    weir_policy_free(&p);
}

TEST(C2_the_state_keeps_the_last_error_through_refusals)
{
    struct weir_retry_outcome broken = {.result = -EPIPE}, refused = {WEIR_EOPEN, 0, 5},
                              good = {.result = 7};
    struct weir_retry_state s;
    struct weir_retry r;
    struct weir_rng rng;

    weir_rng_init(&rng, 1, 0);
    EQ(weir_retry_init(&r, NULL), 0);
    weir_retry_begin(&r, &s, T0);
    LE(0, weir_retry_next(&r, &s, &broken, T0, WEIR_NEVER, &rng));
    LE(0, weir_retry_next(&r, &s, &refused, T0, WEIR_NEVER, &rng));
    EQ(s.last_error, -EPIPE);
    EQ(s.last_class, WEIR_CLASS_TRANSIENT);
    EQ(weir_retry_next(&r, &s, &good, T0, WEIR_NEVER, &rng), WEIR_RETRY_STOP);
    EQ(s.last_error, -EPIPE);
    weir_retry_begin(&r, &s, T0);
    EQ(s.last_error, 0);
}

/* No attempt starts too late, no sleep is begun that cannot end in time; at every deadline. */
TEST(C3_no_deadline_is_overslept)
{
    for (weir_span d = 1; d < 700; d++) {
        weir_policy *p =
            WEIR_POLICY(WEIR_RETRY(.attempts = 9, .base = 100, STEADY, .min_attempt = 30));
        struct weir_pass c;
        weir_time now = T0;
        int64_t wait;
        int result = 0;

        weir_pass_begin(&c, p, now, T0 + d, NULL, NULL);
        while ((wait = weir_pass_enter(&c, now)) == 0) {
            LT(now, T0 + d - 30);
            now += 10;
            wait = end(&c, failed(-EIO), now, &result);
            if (wait == 0)
                break;
            now += wait;
            LT(now, T0 + d - 30);
        }
        if (d <= 30) {
            EQ(wait, -ETIMEDOUT);
            EQ(weir_pass_attempt(&c), 0);
        } else {
            EQ(weir_pass_giveup(&c), WEIR_GIVEUP_DEADLINE);
            EQ(result, -EIO); /* the real error, not the deadline's */
            LT(now, T0 + d);
        }
        weir_policy_free(&p);
    }
}

TEST(C5_a_pushback_is_the_exact_wait_and_the_backoff_starts_over)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 9, .base = 100, STEADY));
    struct weir_retry_outcome push = {.result = -EIO, .pushback = WEIR_PUSHBACK_WAIT};
    struct weir_pass c;
    weir_time now = T0;
    int result;

    weir_pass_begin(&c, p, now, WEIR_NEVER, NULL, NULL);
    for (weir_span level = 100; level <= 400; level *= 2) {
        EQ(weir_pass_enter(&c, now), 0);
        EQ(end(&c, failed(-EIO), now, &result), level);
        now += level;
    }
    EQ(weir_pass_enter(&c, now), 0);
    push.retry_after = 12345;
    EQ(end(&c, push, now, &result), 12345); /* exactly: no quarter on top */
    now += 12345;
    EQ(weir_pass_enter(&c, now), 0);
    EQ(end(&c, failed(-EIO), now, &result), 100); /* from the start */
    now += 100;
    EQ(weir_pass_enter(&c, now), 0);
    push.retry_after = 0;
    EQ(end(&c, push, now, &result), 1); /* at once */
    EQ(weir_pass_enter(&c, now), 0);
    push.pushback = WEIR_PUSHBACK_STOP;
    EQ(end(&c, push, now, &result), 0);
    EQ(result, -EIO);
    EQ(weir_pass_giveup(&c), WEIR_GIVEUP_PUSHBACK);
    weir_policy_free(&p);
}

TEST(C5_a_pushback_beyond_the_deadline_gives_up_at_once)
{
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.total = 1000), WEIR_RETRY(.base = 10));
    struct weir_retry_outcome push = {
        .result = -EIO, .pushback = WEIR_PUSHBACK_WAIT, .retry_after = 1000};
    struct weir_pass c;
    int result;

    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0), 0);
    EQ(end(&c, push, T0, &result), 0);
    EQ(weir_pass_giveup(&c), WEIR_GIVEUP_DEADLINE);
    weir_policy_free(&p);
}

/* --- delay ----------------------------------------------------------------------------- */

static weir_span answer(void *ctx, const struct weir_retry_event *e)
{
    struct told *t = ctx;
    EQ(e->wait, 100);
    return t->answer;
}

TEST(C10_a_delay_of_the_users_may_be_anything)
{
    static const struct {
        weir_span answer;
        uint32_t giveup;
    } row[] = {{100, WEIR_GIVEUP_NONE},      {1, WEIR_GIVEUP_NONE},
               {0, WEIR_GIVEUP_NONE},        {999, WEIR_GIVEUP_NONE},
               {-1, WEIR_GIVEUP_CALLBACK},   {INT64_MIN, WEIR_GIVEUP_CALLBACK},
               {1000, WEIR_GIVEUP_DEADLINE}, {INT64_MAX, WEIR_GIVEUP_DEADLINE}};

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct told t = {.answer = row[i].answer};
        struct weir_budget b;
        weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.total = 1000), WEIR_BULKHEAD(.limit = 1),
                                     WEIR_RETRY(.base = 100, STEADY, .budget = &b, .delay = answer,
                                                .on_retry = tell, .ctx = &t));
        struct weir_pass c;
        int64_t wait;
        int result;
        uint64_t left;

        EQ(weir_budget_init(&b, NULL), 0);
        weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
        EQ(weir_pass_enter(&c, T0), 0);
        left = weir_budget_left(&b, T0);
        wait = end(&c, failed(-EIO), T0, &result);
        EQ(weir_pass_giveup(&c), row[i].giveup);
        if (row[i].giveup) {
            EQ(wait, 0);
            EQ(result, -EIO);
            EQ(t.n, 0);
            EQ(weir_budget_left(&b, T0), left); /* it was not made: it is not paid */
            EQ(counts(p, 2).waited, 0);
        } else {
            EQ(wait, row[i].answer ? row[i].answer : 1);
            EQ(t.n, 1);
            EQ(t.wait[0], row[i].answer);
            if (row[i].answer)
                EQ(weir_pass_enter(&c, T0), row[i].answer);
            EQ(weir_pass_enter(&c, T0 + row[i].answer), 0);
            EQ(end(&c, (struct weir_retry_outcome){.result = 5}, T0 + 999, &result), 0);
            EQ(result, 5);
        }
        weir_policy_free(&p);
    }
}

static weir_span refuse(void *ctx, const struct weir_retry_event *e)
{
    (void)ctx;
    (void)e;
    return -1;
}

TEST(C10_a_delay_that_gives_up_leaves_the_retry_outside_its_say)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 2, .base = 700, STEADY),
                                 WEIR_RETRY(.attempts = 9, .base = 100, .delay = refuse));
    struct weir_pass c;
    int result;

    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0), 0);
    EQ(end(&c, failed(-EIO), T0, &result), 700);
    EQ(weir_pass_enter(&c, T0 + 700), 0);
    EQ(end(&c, failed(-EPIPE), T0 + 700, &result), 0);
    EQ(result, -EPIPE);
    EQ(weir_pass_attempt(&c), 2);
    weir_policy_free(&p);
    /* and for a refusal: the open breaker's */
    p = WEIR_POLICY(WEIR_RETRY(.delay = refuse), WEIR_BREAKER(.failures = 1));
    EQ(weir_policy_force(p, 1, WEIR_BREAKER_FORCED_OPEN, T0), 0);
    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0), WEIR_EOPEN);
    EQ(weir_pass_enter(&c, T0), -EINVAL); /* it is over */
    weir_policy_free(&p);
}

/* --- the life of a call ------------------------------------------------------------------- */

TEST(C7_giving_up_in_the_backoff_refunds_once_and_holds_nothing)
{
    struct weir_budget b;
    weir_policy *p =
        WEIR_POLICY(WEIR_BULKHEAD(.limit = 1), WEIR_RETRY(.budget = &b), WEIR_BULKHEAD(.limit = 1));
    struct weir_pass c;
    uint64_t left;
    int result;

    EQ(weir_budget_init(&b, NULL), 0);
    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0), 0);
    left = weir_budget_left(&b, T0);
    LT(0, end(&c, failed(-EIO), T0, &result));
    EQ(weir_budget_left(&b, T0), left - 1);
    weir_pass_abandon(&c, T0);
    weir_pass_abandon(&c, T0);
    EQ(weir_budget_left(&b, T0), left);
    EQ(weir_pass_enter(&c, T0), -EINVAL);
    EQ(end(&c, failed(-EIO), T0, &result), -EINVAL);
    for (int i = 0; i < 2; i++) { /* both permits are home */
        weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
        EQ(weir_pass_enter(&c, T0), 0);
        weir_pass_abandon(&c, T0);
    }
    weir_policy_free(&p);
}

TEST(C9_a_paid_attempt_that_is_refused_stays_paid_until_it_is_made_or_given_up)
{
    struct weir_budget_opts o = {
        .ratio_milli = WEIR_BUDGET_NONE, .min_per_sec = 1, .ttl = WEIR_S(1)};
    struct weir_budget b;
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 9, .base = 10, STEADY, .budget = &b),
                                 WEIR_BREAKER(.failures = 1, .open = 1000, .jitter = 1));
    struct weir_pass c;
    int64_t wait;
    int result;

    EQ(weir_budget_init(&b, &o), 0); /* one retry is allowed */
    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0), 0);
    EQ(end(&c, failed(-EIO), T0, &result), 10);
    EQ(weir_budget_left(&b, T0), 0);
    wait = weir_pass_enter(&c, T0 + 10); /* open: waited out, at no further cost */
    LT(900, wait);
    EQ(weir_budget_left(&b, T0), 0);
    weir_pass_abandon(&c, T0 + 20);
    EQ(weir_budget_left(&b, T0 + 20), 1);
    weir_policy_free(&p);
}

TEST(C11_a_success_starts_everything_over)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = 100, STEADY));
    struct weir_pass c;
    int result;

    for (int round = 0; round < 3; round++) { /* in the same memory */
        weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
        EQ(weir_pass_enter(&c, T0), 0);
        EQ(end(&c, failed(-EIO), T0, &result), 100);
        EQ(weir_pass_enter(&c, T0 + 100), 0);
        EQ(end(&c, failed(-EIO), T0 + 100, &result), 200);
        EQ(weir_pass_enter(&c, T0 + 300), 0);
        EQ(end(&c, (struct weir_retry_outcome){.result = 42}, T0 + 300, &result), 0);
        EQ(result, 42);
        EQ(weir_pass_giveup(&c), WEIR_GIVEUP_OK);
    }
    weir_policy_free(&p);
}

TEST(C12_a_late_answer_of_a_timed_out_attempt_is_dropped)
{
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = 100, STEADY), WEIR_BREAKER(.failures = 2),
                    WEIR_BULKHEAD(.limit = 1), WEIR_TIMEOUT(.each = 50));
    struct weir_retry_outcome late = {.result = 1}, bad = {.result = -EIO, .counted = 1};
    struct weir_pass c;
    int result = 77;

    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0), 0);
    EQ(weir_pass_deadline(&c), T0 + 50);
    EQ(end(&c, failed(-ETIMEDOUT), T0 + 50, &result), 100);
    EQ(weir_pass_done(&c, 1, &late, T0 + 60, &result), -EINVAL); /* in the backoff */
    EQ(weir_pass_enter(&c, T0 + 150), 0);
    result = 77;
    EQ(weir_pass_done(&c, 1, &late, T0 + 160, &result), -ESTALE); /* in the next attempt */
    EQ(weir_pass_done(&c, 3, &late, T0 + 160, &result), -ESTALE); /* or from nowhere */
    EQ(weir_pass_done(&c, 2, &bad, T0 + 160, &result), -EINVAL);
    bad = (struct weir_retry_outcome){.result = -EIO, .cls = 99};
    EQ(weir_pass_done(&c, 2, &bad, T0 + 160, &result), -EINVAL);
    EQ(result, 77);
    EQ(weir_pass_attempt(&c), 2);
    EQ(weir_policy_breaker_state(p, 1, T0 + 160), WEIR_BREAKER_CLOSED);
    EQ(end(&c, failed(-ETIMEDOUT), T0 + 200, &result), 200);
    EQ(weir_policy_breaker_state(p, 1, T0 + 200), WEIR_BREAKER_OPEN); /* each counted once */
    weir_pass_abandon(&c, T0 + 200);
    weir_policy_free(&p);
}

/* --- the user's code does what it likes ---------------------------------------------------- */

struct wild {
    weir_policy *p;
    struct weir_pass c;
    int classified, delayed, told, changed;
};

static int wild_classify(void *ctx, int result)
{
    struct wild *w = ctx;
    w->classified++;
    EQ(weir_policy_pause(w->p, T0, T0), 1); /* back into the policy */
    LT(0, weir_policy_explain(w->p, NULL, 0));
    return result == -1000 ? WEIR_CLASS_TRANSIENT : WEIR_CLASS_AUTO;
}

static weir_span wild_delay(void *ctx, const struct weir_retry_event *e)
{
    struct wild *w = ctx;
    struct weir_policy_layer other = WEIR_BULKHEAD(.limit = 9);
    w->delayed++;
    EQ(weir_policy_reconfigure(w->p, 3, &other, T0), 0);
    return e->wait + 1;
}

static void wild_told(void *ctx, const struct weir_retry_event *e)
{
    struct wild *w = ctx;
    w->told++;
    if (e->attempt == 2)
        weir_pass_abandon(&w->c, T0 + 1000); /* the call itself, from inside */
}

static void wild_change(void *ctx, const struct weir_breaker_event *e)
{
    struct wild *w = ctx;
    w->changed++;
    if (e->to == WEIR_BREAKER_OPEN)
        EQ(weir_policy_force(w->p, 1, WEIR_BREAKER_CLOSED, T0), 0);
}

TEST(C8_callbacks_may_use_the_policy_and_end_the_call)
{
    static struct wild w;
    weir_time now = T0;
    int64_t wait;
    int result;

    w.p = WEIR_POLICY(WEIR_RETRY(.attempts = 9, .base = 100, STEADY, .classify = wild_classify,
                                 .delay = wild_delay, .on_retry = wild_told, .ctx = &w),
                      WEIR_BREAKER(.failures = 1, .on_change = wild_change, .ctx = &w),
                      WEIR_RATE(.per_sec = 1000000), WEIR_BULKHEAD(.limit = 1));
    weir_pass_begin(&w.c, w.p, now, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&w.c, now), 0);
    wait = end(&w.c, failed(-1000), now, &result);
    EQ(wait, 101);
    EQ(weir_pass_enter(&w.c, now += WEIR_MS(1)), 0);
    EQ(end(&w.c, failed(-1000), now, &result), 0); /* on_retry has ended it */
    EQ(weir_pass_enter(&w.c, now), -EINVAL);
    EQ(w.classified, 2);
    EQ(w.delayed, 2);
    EQ(w.told, 2);
    EQ(w.changed, 4); /* opened and forced closed, twice */
    weir_policy_free(&w.p);
}
