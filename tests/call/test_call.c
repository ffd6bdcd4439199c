/*
 * test_call.c -- weir_call on fibers, under virtual time.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/call.h>
#include <weir/run.h>
#include <weir/scope.h>

/* Runs a test's body as the first fiber of a simulation. */
#define SIM(NAME)                                                                                  \
    static int NAME##_body(void *arg);                                                             \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        struct weir_config config = {.alloc = test_alloc};                                         \
        EQ(weir_sim_run(test_seed(), &config, NAME##_body, NULL), 0);                              \
    }                                                                                              \
    static int NAME##_body(void *arg __attribute__((unused)))

struct job {
    int n, fail_first, code;
    weir_span takes;
    int running, most;
    struct weir_try seen[8];
};

static int work(void *arg)
{
    struct job *j = arg;
    int r;

    if (j->n < 8)
        j->seen[j->n] = weir_try_info();
    j->n++;
    if (++j->running > j->most)
        j->most = j->running;
    r = j->takes ? weir_sleep(weir_after(j->takes)) : 0;
    j->running--;
    return r < 0 ? r : j->n <= j->fail_first ? j->code : 42;
}

SIM(a_call_is_tried_again_after_each_backoff)
{
    struct job j = {.fail_first = 2, .code = -EIO};
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.attempts = 5, .base = WEIR_S(1), .jitter = WEIR_JITTER_NONE));
    weir_time start = weir_now();

    EQ(weir_call(p, work, &j), 42);
    EQ(j.n, 3);
    EQ(weir_now() - start, WEIR_S(3));
    for (uint32_t i = 0; i < 3; i++) {
        EQ(j.seen[i].attempt, i + 1);
        EQ(j.seen[i].last_result, i ? -EIO : 0);
        EQ(j.seen[i].deadline, WEIR_NEVER);
    }
    EQ(weir_try_info().attempt, 0);
    EQ(weir_try_hint(WEIR_CLASS_SERVER, 0), -ENOENT);
    weir_policy_free(&p);
    return 0;
}

SIM(an_attempt_timeout_is_etimedout_and_is_retried)
{
    struct job j = {.takes = WEIR_S(10)};
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 3, .grow = WEIR_GROW_NONE),
                                 WEIR_TIMEOUT(.each = WEIR_S(2)));
    struct weir_call_report report;
    weir_time start = weir_now();

    EQ(weir_call_run(p, work, &j, &report), -ETIMEDOUT);
    EQ(report.attempts, 3);
    EQ(report.giveup, WEIR_GIVEUP_ATTEMPTS);
    EQ(report.last_result, -ETIMEDOUT);
    OK(weir_now() - start >= WEIR_S(6) && weir_now() - start < WEIR_S(6) + 100);
    EQ(j.seen[0].deadline, start + WEIR_S(2));
    weir_policy_free(&p);
    return 0;
}

SIM(the_total_covers_queue_backoff_and_attempts)
{
    struct job j = {.fail_first = 99, .code = -EIO, .takes = WEIR_MS(400)};
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(2)),
                                 WEIR_RETRY(.attempts = 99, .base = WEIR_MS(500),
                                            .cap = WEIR_MS(500), .jitter = WEIR_JITTER_NONE));
    struct weir_call_report report;
    weir_time start = weir_now();

    EQ(weir_call_run(p, work, &j, &report), -ETIMEDOUT); /* the third is cut at two seconds */
    EQ(report.attempts, 3);
    EQ(report.took, WEIR_S(2));
    j.takes = WEIR_MS(10);
    start = weir_now();
    EQ(weir_call_run(p, work, &j, &report), -EIO); /* the last backoff would not fit: the error */
    EQ(report.giveup, WEIR_GIVEUP_DEADLINE);
    EQ(report.attempts, 4);
    LT(weir_now() - start, WEIR_S(2));
    weir_policy_free(&p);
    return 0;
}

SIM(a_deadline_of_the_scope_is_known_to_the_retry)
{
    struct job j = {.fail_first = 99, .code = -EIO};
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.base = WEIR_S(5), .jitter = WEIR_JITTER_NONE));
    struct weir_limit l;
    weir_time start = weir_now();

    EQ(weir_limit_init(&l, weir_after(WEIR_S(3))), 0);
    EQ(weir_limit_fini(&l, weir_call(p, work, &j)), -EIO);
    EQ(weir_now(), start); /* at once, not after three seconds of sleep */
    EQ(j.n, 1);
    weir_policy_free(&p);
    return 0;
}

SIM(only_the_owner_of_a_deadline_says_etimedout)
{
    struct job j = {.takes = WEIR_S(10)};
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(), WEIR_TIMEOUT(.each = WEIR_S(5)));
    struct weir_limit l;
    int r;

    EQ(weir_limit_init(&l, weir_after(WEIR_S(3))), 0);
    r = weir_call(p, work, &j);
    EQ(r, -ECANCELED);
    EQ(weir_call(p, work, &j), -ECANCELED); /* cancelled already: no attempt */
    EQ(j.n, 1);
    EQ(weir_limit_fini(&l, r), -ETIMEDOUT);
    weir_policy_free(&p);
    return 0;
}

static int hinting(void *arg)
{
    struct job *j = arg;
    j->n++;
    if (j->n == 1)
        EQ(weir_try_hint(WEIR_CLASS_THROTTLED, WEIR_S(7)), 0);
    EQ(weir_try_hint((enum weir_class)99, 0), -EINVAL);
    EQ(weir_try_hint(WEIR_CLASS_SERVER, -1), -EINVAL);
    return j->n == 1 ? -99999 : 42; /* the code alone would not be retried */
}

SIM(a_hint_gives_the_class_and_the_floor_of_the_wait)
{
    struct job j = {0};
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.base = 1000, .cap = 1000));
    weir_time start = weir_now();

    EQ(weir_call(p, hinting, &j), 42);
    EQ(j.n, 2);
    OK(weir_now() - start >= WEIR_S(7) && weir_now() - start <= WEIR_S(9));
    weir_policy_free(&p);
    return 0;
}

struct shared {
    weir_policy *p;
    struct job job;
};

static int caller(void *arg)
{
    struct shared *s = arg;
    int r = weir_call(s->p, work, &s->job);
    return r < 0 ? r : 0;
}

SIM(a_bulkhead_makes_fibers_wait_for_their_turn)
{
    struct shared s = {WEIR_POLICY(WEIR_BULKHEAD(.limit = 3)), {.takes = WEIR_S(1)}};
    weir_scope *scope = weir_scope_open(NULL);
    weir_time start = weir_now();

    for (int i = 0; i < 30; i++)
        EQ(weir_go(scope, caller, &s), 0);
    EQ(weir_scope_close(&scope), 0);
    EQ(s.job.n, 30);
    EQ(s.job.most, 3);
    EQ(weir_now() - start, WEIR_S(10));
    weir_policy_free(&s.p);
    return 0;
}

static int weigh_runs, weigh_most;

static int weigh_work(void *arg)
{
    int mine = *(int *)arg, r;

    weigh_runs += mine;
    weigh_most = weigh_runs > weigh_most ? weigh_runs : weigh_most;
    r = weir_sleep(weir_after(WEIR_MS(10)));
    weigh_runs -= mine;
    return r;
}

static weir_policy *weigh_policy;

static int weigh_call(void *arg)
{
    return weir_call_weighed(weigh_policy, (uint32_t) * (int *)arg, weigh_work, arg, NULL);
}

SIM(calls_of_different_weight_share_a_bulkhead)
{
    weir_scope *s = weir_scope_open(NULL);
    int weight[12];

    weigh_policy = WEIR_POLICY(WEIR_BULKHEAD(.limit = 5));
    weigh_runs = weigh_most = 0;
    for (int i = 0; i < 12; i++) {
        weight[i] = 1 + i % 4;
        EQ(weir_go(s, weigh_call, &weight[i]), 0);
    }
    EQ(weir_scope_close(&s), 0);
    LE(weigh_most, 5);
    LE(4, weigh_most);
    EQ(weir_call_weighed(weigh_policy, 6, weigh_work, &weight[0], NULL), WEIR_EFULL);
    EQ(weir_call_weighed(weigh_policy, 0, weigh_work, &weight[0], NULL), -EINVAL);
    weir_policy_free(&weigh_policy);
    return 0;
}

SIM(a_rate_spaces_the_attempts_of_all_fibers)
{
    struct shared s = {WEIR_POLICY(WEIR_RATE(.per_sec = 10)), {0}};
    weir_scope *scope = weir_scope_open(NULL);
    weir_time start = weir_now();

    for (int i = 0; i < 31; i++)
        EQ(weir_go(scope, caller, &s), 0);
    EQ(weir_scope_close(&scope), 0);
    EQ(weir_now() - start, WEIR_S(3));
    weir_policy_free(&s.p);
    return 0;
}

SIM(cancelled_waiters_give_their_places_back)
{
    struct shared s = {WEIR_POLICY(WEIR_RATE(.per_sec = 1), WEIR_BULKHEAD(.limit = 1)), {0}};
    weir_scope *scope;
    weir_time start;

    s.job.takes = WEIR_S(100);
    for (int round = 0; round < 5; round++) {
        scope = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_S(5))});
        for (int i = 0; i < 20; i++)
            EQ(weir_go(scope, caller, &s), 0);
        LT(weir_scope_close(&scope), 0);
    }
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    s.job.takes = 0;
    start = weir_now();
    EQ(weir_call(s.p, work, &s.job), 42); /* nothing is owed and nothing is held */
    EQ(weir_now(), start);
    weir_policy_free(&s.p);
    return 0;
}

SIM(a_cancel_during_backoff_ends_the_call_at_once)
{
    struct shared s = {
        WEIR_POLICY(WEIR_RETRY(.base = WEIR_S(60), .cap = WEIR_S(60), .jitter = WEIR_JITTER_NONE)),
        {.fail_first = 9, .code = -EIO}};
    weir_scope *scope = weir_scope_open(NULL);
    weir_time start = weir_now();

    EQ(weir_go(scope, caller, &s), 0);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(weir_scope_cancel(scope, -EINTR), 0);
    EQ(weir_scope_close(&scope), -EINTR);
    EQ(weir_now() - start, WEIR_S(1));
    EQ(s.job.n, 1);
    weir_policy_free(&s.p);
    return 0;
}

static int outer_work(void *arg)
{
    struct shared *s = arg;
    int r = weir_call(s->p, work, &s->job);

    EQ(weir_try_info().attempt, 1); /* the outer one again */
    return r;
}

SIM(a_shield_hides_the_deadlines_outside_it)
{
    struct job j = {.fail_first = 1, .code = -EIO};
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.base = WEIR_S(5), .jitter = WEIR_JITTER_NONE));
    struct weir_limit limit, shield;

    EQ(weir_limit_init(&limit, weir_after(WEIR_S(3))), 0);
    EQ(weir_shield_init(&shield, WEIR_S(9)), 0);
    EQ(weir_call(p, work, &j), 42);
    EQ(weir_limit_fini(&shield, 0), 0);
    EQ(weir_limit_fini(&limit, 0), 0);
    weir_policy_free(&p);
    return 0;
}

SIM(those_behind_a_cancelled_waiter_move_up)
{
    struct shared s = {WEIR_POLICY(WEIR_RATE(.per_sec = 1)), {0}};
    weir_scope *all = weir_scope_open(NULL), *one;
    weir_time start = weir_now();

    EQ(weir_call(s.p, work, &s.job), 42);
    one = weir_scope_open(NULL);
    EQ(weir_go(one, caller, &s), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(10))), 0);
    EQ(weir_scope_cancel(one, -EINTR), 0); /* its place, at 1 s, is free again */
    EQ(weir_scope_close(&one), -EINTR);
    EQ(weir_go(all, caller, &s), 0);
    EQ(weir_scope_close(&all), 0);
    EQ(weir_now() - start, WEIR_S(1));
    weir_policy_free(&s.p);
    return 0;
}

SIM(a_waiter_that_moved_up_still_waits_for_its_turn)
{
    struct shared s = {WEIR_POLICY(WEIR_RATE(.per_sec = 1)), {0}};
    weir_scope *all = weir_scope_open(NULL), *one = weir_scope_open(NULL);
    weir_time start = weir_now();

    EQ(weir_call(s.p, work, &s.job), 42);
    EQ(weir_go(one, caller, &s), 0);
    EQ(weir_sleep(weir_after(1)), 0);
    EQ(weir_go(all, caller, &s), 0);
    EQ(weir_go(all, caller, &s), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(10))), 0);
    EQ(weir_scope_cancel(one, -EINTR), 0);
    EQ(weir_scope_close(&one), -EINTR);
    EQ(weir_scope_close(&all), 0);
    EQ(weir_now() - start, WEIR_S(2));
    EQ(s.job.n, 3);
    weir_policy_free(&s.p);
    return 0;
}

SIM(a_turn_that_comes_after_the_fibers_own_deadline_is_refused_at_once)
{
    struct shared s = {WEIR_POLICY(WEIR_RATE(.per_sec = 1)), {0}};
    weir_time start = weir_now();

    EQ(weir_call(s.p, work, &s.job), 42);
    EQ(weir_within(WEIR_MS(500), caller, &s), WEIR_ERATE);
    EQ(weir_now(), start);
    weir_policy_free(&s.p);
    return 0;
}

SIM(calls_nest)
{
    struct shared s = {WEIR_POLICY(WEIR_RETRY(.base = 10)), {.fail_first = 2, .code = -EIO}};
    weir_policy *outer = WEIR_POLICY(WEIR_TIMEOUT(.each = WEIR_S(60)));

    EQ(weir_call(outer, outer_work, &s), 42);
    EQ(s.job.seen[2].attempt, 3);
    weir_policy_free(&outer);
    weir_policy_free(&s.p);
    return 0;
}

TEST(off_a_fiber_and_with_bad_arguments_it_says_so)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY()), *bad = WEIR_POLICY(WEIR_RATE());
    struct job j = {0};

    EQ(weir_call(p, work, &j), WEIR_ENOFIBER);
    EQ(weir_call(p, NULL, &j), -EINVAL);
    EQ(weir_call(NULL, work, &j), -EINVAL);
    EQ(weir_call(bad, work, &j), -EINVAL);
    EQ(weir_try_info().attempt, 0);
    EQ(weir_try_hint(WEIR_CLASS_OK, 0), -ENOENT);
    EQ(j.n, 0);
    weir_policy_free(&p);
    weir_policy_free(&bad);
}

static int everything(void *arg)
{
    struct shared *s = arg;
    weir_scope *scope = weir_scope_open(NULL);
    int r = 0;

    s->p = WEIR_POLICY(WEIR_RETRY(.base = WEIR_MS(10)), WEIR_BREAKER(.failures = 2),
                       WEIR_RATE(.per_sec = 100), WEIR_BULKHEAD(.limit = 1),
                       WEIR_TIMEOUT(.each = WEIR_MS(50)));
    for (int i = 0; i < 3 && r == 0; i++)
        r = weir_go(scope, caller, s);
    r = weir_scope_close(&scope);
    weir_policy_free(&s->p);
    return r;
}

static void one_point(void *arg __attribute__((unused)))
{
    struct shared s = {NULL, {.fail_first = 1, .code = -EIO, .takes = WEIR_MS(1)}};
    struct weir_config config = {.alloc = test_alloc};
    int r = weir_sim_run(1, &config, everything, &s);

    if (!test_fault_hit())
        EQ(r, 0);
    EQ(s.job.running, 0);
}

TEST_WITH(whatever_point_fails_nothing_is_left_behind, .timeout = 60)
{
    EVERY_POINT(one_point, NULL);
}

static int instead(void *arg, int code)
{
    struct job *j = arg;

    j->most = code;
    return 7;
}

SIM(a_fallback_has_the_last_word_but_not_over_a_cancel)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 2));
    struct job good = {0}, bad = {.fail_first = 9, .code = -EIO}, cut = {.takes = WEIR_S(1)};
    struct weir_call_report report;
    struct weir_limit l;

    EQ(weir_call_or(p, work, &good, instead, &report), 42);
    EQ(weir_call_or(p, work, &bad, instead, &report), 7);
    EQ(bad.most, -EIO);
    EQ(report.last_result, -EIO);
    EQ(report.attempts, 2);
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, weir_call_or(p, work, &cut, instead, NULL)), -ETIMEDOUT);
    EQ(cut.most, 1);
    EQ(weir_call_or(p, NULL, &bad, instead, NULL), -EINVAL);
    EQ(weir_call_or(p, work, &bad, NULL, NULL), -EINVAL);
    EQ(weir_call_or(NULL, work, &bad, instead, NULL), -EINVAL);
    weir_policy_free(&p);
    return 0;
}
