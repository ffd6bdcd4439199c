/*
 * test_call_life.c -- calls on fibers that are cancelled, late, nested, or
 * meddled with by the user's own code (properties C, D and I).
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/call.h>
#include <weir/run.h>
#include <weir/scope.h>

#include "core/world.h"

#define STEADY .jitter = WEIR_JITTER_NONE

struct job {
    weir_policy *p;
    int n, result, running;
    weir_span takes, cancel_after;
    weir_scope *scope;
    int (*also)(struct job *j);
    struct weir_call_report report;
    struct weir_budget *budget;
    int returned, classified, told;
};

static int work(void *arg)
{
    struct job *j = arg;
    int r;

    j->n++;
    j->running++;
    r = j->takes ? weir_sleep(weir_after(j->takes)) : 0;
    j->running--;
    if (r == 0 && j->also)
        r = j->also(j);
    return r < 0 ? r : j->result;
}

static int caller(void *arg)
{
    struct job *j = arg;
    int r = weir_call_run(j->p, work, j, &j->report);

    j->returned++;
    return r;
}

static struct weir_layer_counts counts(weir_policy *p, uint32_t layer)
{
    struct weir_layer_counts c;
    EQ(weir_policy_counts(p, layer, &c), 0);
    return c;
}

/* --- C ------------------------------------------------------------------------------- */

/* Cancelled at each of many instants: in the attempts and in the backoffs. */
SIM_TEST(C7_a_cancel_ends_a_call_at_once_whatever_it_is_doing)
{
    for (int at = 0; at < 40; at++) {
        struct weir_budget b;
        struct job j = {.result = -EIO, .takes = WEIR_MS(3)};
        weir_scope *scope = weir_scope_open(NULL);
        weir_time start = weir_now();
        uint64_t paid;

        EQ(weir_budget_init(&b, NULL), 0);
        j.p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 1),
                          WEIR_RETRY(.attempts = 4, .base = WEIR_MS(5), STEADY, .budget = &b),
                          WEIR_BREAKER(), WEIR_BULKHEAD(.limit = 1));
        EQ(weir_go(scope, caller, &j), 0);
        EQ(weir_sleep(start + WEIR_MS(at)), 0);
        EQ(weir_scope_cancel(scope, -EINTR), 0);
        EQ(weir_scope_close(&scope), j.returned && at > 47 ? -EIO : -EINTR);
        EQ(weir_now() - start, WEIR_MS(at)); /* promptly */
        EQ(j.returned, 1);                   /* once */
        EQ(j.running, 0);
        paid = 100 - weir_budget_left(&b, weir_now());
        LE(paid, j.n ? (uint64_t)j.n - 1 : 0); /* a backoff that was cut is refunded */
        EQ(counts(j.p, 2).passed, j.n);
        j.takes = 0;
        j.result = 9;
        EQ(weir_call(j.p, work, &j), 9); /* the permits are home */
        weir_policy_free(&j.p);
    }
    return 0;
}

static int cancel_myself(struct job *j)
{
    EQ(weir_scope_cancel(j->scope, -EINTR), 0);
    return 0;
}

static int cancel_classify(void *ctx, int result)
{
    struct job *j = ctx;

    (void)result;
    j->classified++;
    EQ(weir_scope_cancel(j->scope, -EINTR), 0);
    return WEIR_CLASS_AUTO;
}

static void cancel_told(void *ctx, const struct weir_retry_event *e)
{
    struct job *j = ctx;

    (void)e;
    j->told++;
    EQ(weir_scope_cancel(j->scope, -EINTR), 0);
}

SIM_TEST(C8_a_cancel_from_the_attempt_the_classifier_or_the_hook_ends_the_call_once)
{
    for (int where = 0; where < 3; where++) {
        struct job j = {.result = -EIO, .scope = weir_scope_open(NULL)};
        weir_time start = weir_now();

        j.also = where == 0 ? cancel_myself : NULL;
        j.p = WEIR_POLICY(WEIR_RETRY(.attempts = 5, .base = WEIR_S(1),
                                     .classify = where == 1 ? cancel_classify : NULL,
                                     .on_retry = where == 2 ? cancel_told : NULL, .ctx = &j),
                          WEIR_BULKHEAD(.limit = 1));
        EQ(weir_go(j.scope, caller, &j), 0);
        EQ(weir_scope_close(&j.scope), -EINTR);
        EQ(weir_now(), start);
        EQ(j.n, 1);
        EQ(j.returned, 1);
        EQ(j.classified + j.told, where > 0);
        EQ(j.report.last_result, -EIO); /* what it was about is kept */
        weir_policy_free(&j.p);         /* no call is in it */
    }
    return 0;
}

SIM_TEST(C11_a_policy_and_a_job_serve_again_after_success)
{
    struct job j = {.result = 5};
    weir_time start;

    j.p = WEIR_POLICY(WEIR_RETRY(.attempts = 2, .base = WEIR_S(1), STEADY));
    for (int i = 0; i < 5; i++) {
        start = weir_now();
        j.result = i % 2 ? -EIO : 5;
        EQ(weir_call(j.p, work, &j), j.result);
        EQ(weir_now() - start, i % 2 ? WEIR_S(1) : 0);
    }
    weir_policy_free(&j.p);
    return 0;
}

static int order(struct job *j)
{
    EQ(weir_try_pushback(j->n == 1 ? WEIR_S(7) : -1), 0);
    return 0;
}

SIM_TEST(C5_an_attempt_passes_on_the_servers_orders)
{
    struct job j = {.result = -EIO, .also = order};
    weir_time start = weir_now();

    EQ(weir_try_pushback(0), -ENOENT);
    j.p = WEIR_POLICY(WEIR_RETRY(.attempts = 9, .base = WEIR_MS(1)));
    EQ(weir_call_run(j.p, work, &j, &j.report), -EIO);
    EQ(weir_now() - start, WEIR_S(7));
    EQ(j.n, 2);
    EQ(j.report.giveup, WEIR_GIVEUP_PUSHBACK);
    weir_policy_free(&j.p);
    return 0;
}

/* --- D5: a call within a call within a call ---------------------------------------------- */

struct nest {
    weir_policy *p[3];
    int depth, calls;
};

static int descend(void *arg)
{
    struct nest *n = arg;
    int r;

    if (n->depth == 3) {
        n->calls++;
        return -EIO;
    }
    n->depth++;
    r = weir_call(n->p[n->depth - 1], descend, n);
    n->depth--;
    return r;
}

SIM_TEST(D5_nested_calls_that_share_a_budget_tell_it_of_one_first_try)
{
    struct weir_budget_opts o = {
        .ratio_milli = 100, .min_per_sec = WEIR_BUDGET_NONE, .ttl = WEIR_S(100)};
    struct weir_budget b;
    struct nest n = {{NULL}, 0, 0};

    EQ(weir_budget_init(&b, &o), 0);
    for (int i = 0; i < 3; i++)
        n.p[i] = WEIR_POLICY(WEIR_RETRY(.grow = WEIR_GROW_NONE, .budget = &b));
    for (int i = 0; i < 1000; i++)
        EQ(descend(&n), -EIO);
    EQ(n.calls, 1100);
    for (int i = 0; i < 3; i++)
        weir_policy_free(&n.p[i]);
    return 0;
}

/* --- I ---------------------------------------------------------------------------------- */

SIM_TEST(I1_of_all_deadlines_the_least_holds_and_one_that_has_passed_starts_nothing)
{
    static const weir_span total[] = {0, WEIR_MS(20), WEIR_MS(40), INT64_MAX},
                           each[] = {0, WEIR_MS(10), WEIR_MS(30), INT64_MAX},
                           limit[] = {WEIR_MS(5), WEIR_MS(25), WEIR_S(99)};

    for (int t = 0; t < 4; t++) {
        for (int e = 0; e < 4; e++) {
            for (int l = 0; l < 3; l++) {
                struct job j = {.takes = WEIR_S(1)};
                weir_span least = limit[l], took;
                weir_time start = weir_now();
                struct weir_limit x;
                int r;

                least = total[t] && total[t] < least ? total[t] : least;
                least = each[e] && each[e] < least ? each[e] : least;
                least = least < j.takes ? least : j.takes;
                j.p = WEIR_POLICY(WEIR_TIMEOUT(.total = total[t], .each = each[e]));
                EQ(weir_limit_init(&x, weir_after(limit[l])), 0);
                r = weir_limit_fini(&x, weir_call(j.p, work, &j));
                took = weir_now() - start;
                EQ(took, least);
                EQ(r, least == j.takes ? 0 : -ETIMEDOUT);
                weir_policy_free(&j.p);
            }
        }
    }
    return 0;
}

SIM_TEST(I1_nothing_starts_under_a_deadline_that_has_passed)
{
    struct job j = {.result = 5};
    struct weir_limit x;

    j.p = WEIR_POLICY(WEIR_RETRY(), WEIR_BREAKER(), WEIR_RATE(.per_sec = 1));
    EQ(weir_limit_init(&x, 0), 0); /* 0 is long ago */
    EQ(weir_limit_fini(&x, weir_call(j.p, work, &j)), -ETIMEDOUT);
    EQ(j.n, 0);
    for (uint32_t i = 0; i < 3; i++)
        EQ(counts(j.p, i).passed, 0);
    weir_policy_free(&j.p);
    return 0;
}

SIM_TEST(I2_a_result_at_the_very_deadline_has_one_outcome)
{
    for (int d = -1; d <= 1; d++) {
        struct job j = {.result = 5, .takes = WEIR_MS(10) + d};
        int r;

        j.p = WEIR_POLICY(WEIR_BREAKER(.failures = 1), WEIR_TIMEOUT(.each = WEIR_MS(10)));
        r = weir_call_run(j.p, work, &j, &j.report);
        OK(r == 5 || r == -ETIMEDOUT);
        if (d)
            EQ(r, d < 0 ? 5 : -ETIMEDOUT);
        EQ(j.report.last_result, r);
        EQ(j.report.attempts, 1);
        EQ(weir_policy_breaker_state(j.p, 0, weir_now()) == WEIR_BREAKER_OPEN, r != 5);
        weir_policy_free(&j.p);
    }
    return 0;
}

struct remain {
    weir_policy *inner;
    weir_time outer, seen[8];
    int n;
};

static int remain_inner(void *arg)
{
    struct remain *x = arg;
    int r;

    x->seen[x->n++] = weir_try_info().deadline;
    LE(weir_try_info().deadline, x->outer);
    LE(weir_now(), weir_try_info().deadline);
    r = weir_sleep(weir_after(WEIR_MS(30)));
    return r < 0 ? r : -EIO;
}

static int remain_outer(void *arg)
{
    struct remain *x = arg;

    x->outer = weir_try_info().deadline;
    return weir_call(x->inner, remain_inner, x);
}

SIM_TEST(I3_one_deadline_spans_queue_backoff_and_attempts_and_inner_calls)
{
    struct remain x = {.n = 0};
    weir_policy *outer = WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_MS(100)));
    weir_time start = weir_now();
    int r;

    x.inner = WEIR_POLICY(
        WEIR_RETRY(.attempts = 8, .base = WEIR_MS(10), .cap = WEIR_MS(10), STEADY),
        WEIR_RATE(.count = 1, .period = WEIR_MS(25)), WEIR_TIMEOUT(.each = WEIR_MS(50)));
    r = weir_call(outer, remain_outer, &x);
    LE(weir_now() - start, WEIR_MS(100));
    EQ(x.outer, start + WEIR_MS(100));
    EQ(x.n, 3); /* at 0, 40 and 80; the last is cut at 100 */
    EQ(x.seen[0], start + WEIR_MS(50));
    EQ(x.seen[1], start + WEIR_MS(90));
    EQ(x.seen[2], start + WEIR_MS(100));
    EQ(r, -ETIMEDOUT);
    weir_policy_free(&x.inner);
    weir_policy_free(&outer);
    return 0;
}

static int many_timers(void *arg)
{
    struct job j = {.result = 5};
    uint64_t live = 0;

    (void)arg;
    j.p = WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(9), .each = WEIR_S(5)));
    for (int i = 0; i < 1000000; i++) {
        EQ(weir_call(j.p, work, &j), 5);
        if (i == 10)
            live = test_alloc_live();
    }
    EQ(test_alloc_live(), live);
    weir_policy_free(&j.p);
    return 0;
}

TEST_WITH(I4_a_million_timers_set_and_cancelled_leave_nothing, .timeout = 60)
{
    EQ(world_run(many_timers, NULL), 0);
}
