/*
 * test_scope.c -- scopes, limits, cancel: causes, deadlines, results, drain.
 */
#include <errno.h>
#include <weir.h>

#include "harness/test.h"

static void run(int (*fn)(void *))
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_sim_run(test_seed(), &c, fn, NULL), 0);
}

static int ended;

static int nap(void *arg)
{
    int r = weir_sleep(weir_after(WEIR_MS((intptr_t)arg)));

    ended++;
    return r;
}

static int fail_after(void *arg)
{
    int r = weir_sleep(weir_after(WEIR_MS((intptr_t)arg)));

    return r < 0 ? r : -EIO;
}

static int first_cause(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, nap, (void *)1000), 0);
    EQ(weir_go(s, fail_after, (void *)10), 0);
    EQ(weir_go(s, nap, (void *)5), 0);
    EQ(weir_scope_close(&s), -EIO);
    OK(s == NULL);
    EQ(ended, 2);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(10));
    EQ(weir_cancel_why(), 0);
    return 0;
}

TEST(the_first_failure_cancels_the_rest_and_is_what_close_says)
{
    run(first_cause);
}

static int keeps_on(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});

    (void)arg;
    EQ(weir_go(s, fail_after, (void *)1), 0);
    EQ(weir_go(s, nap, (void *)50), 0);
    EQ(weir_scope_close(&s), -EIO);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(50));
    return 0;
}

TEST(with_keep_the_others_run_to_their_end)
{
    run(keeps_on);
}

static int deadlines(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_MS(20))});
    weir_scope *inner;
    struct weir_limit l;

    (void)arg;
    EQ(weir_go(s, nap, (void *)1000), 0);
    inner = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_S(9))});
    EQ(weir_go(inner, nap, (void *)1000), 0);
    EQ(weir_limit_init(&l, weir_after(WEIR_S(5))), 0);
    EQ(weir_sleep(weir_after(WEIR_S(1))), -ECANCELED); /* not its own deadline */
    EQ(weir_limit_fini(&l, -ECANCELED), -ECANCELED);
    EQ(weir_cancel_why(), -ETIMEDOUT);
    EQ(weir_scope_close(&inner), -ECANCELED);
    EQ(weir_scope_close(&s), -ETIMEDOUT); /* its own */
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(20));
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    return 0;
}

TEST(only_the_owner_of_a_deadline_says_timed_out)
{
    run(deadlines);
}

static int shields(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_limit l;

    (void)arg;
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), -ECANCELED);
    EQ(weir_shield_init(&l, WEIR_MS(10)), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(5))), 0);
    EQ(weir_limit_fini(&l, weir_sleep(weir_after(WEIR_MS(50)))), -ETIMEDOUT);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), -ECANCELED);
    EQ(weir_go(s, nap, NULL), -ECANCELED);
    EQ(weir_scope_close(&s), -EPERM);
    return 0;
}

TEST(a_shield_lets_cleanup_park_for_so_long)
{
    run(shields);
}

static int backpressure(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.limit = 2});

    (void)arg;
    for (int i = 0; i < 6; i++) {
        EQ(weir_go(s, nap, (void *)10), 0);
        LE(weir_scope_running(s), 2);
    }
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(20));
    EQ(weir_scope_close(&s), 0);
    EQ(ended, 6);
    return 0;
}

TEST(go_parks_while_the_limit_runs)
{
    run(backpressure);
}

static int in_order_of_ending(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 3});
    struct weir_done d;

    (void)arg;
    EQ(weir_go(s, nap, (void *)30), 0);
    EQ(weir_go(s, nap, (void *)10), 0);
    EQ(weir_go(s, nap, (void *)20), 0);
    EQ(weir_go(s, nap, (void *)40), -EAGAIN);
    EQ(weir_scope_next(s, &d, 0), -EAGAIN);
    for (intptr_t want = 10; want <= 30; want += 10) {
        EQ(weir_scope_next(s, &d, WEIR_NEVER), 1);
        EQ((intptr_t)d.arg, want);
    }
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 0);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

TEST(results_come_in_the_order_of_ending)
{
    run(in_order_of_ending);
}

static int drained(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, nap, (void *)5), 0);
    EQ(weir_go(s, nap, (void *)500), 0);
    EQ(weir_scope_drain(s, weir_after(WEIR_MS(50))), 1);
    EQ(weir_go(s, nap, NULL), -ECANCELED);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(50));
    return 0;
}

TEST(drain_waits_then_cuts_and_counts)
{
    run(drained);
}

static int leaker(void *arg)
{
    (void)arg;
    return weir_go(weir_scope_open(NULL), nap, (void *)1000);
}

static int leaked(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, leaker, NULL), 0);
    EQ(weir_scope_close(&s), WEIR_ELEAK);
    EQ(ended, 1);
    return 0;
}

TEST(a_fiber_that_leaves_a_scope_open_is_told)
{
    run(leaked);
}

static int misuse(void *arg)
{
    weir_scope *a = weir_scope_open(NULL), *b = weir_scope_open(NULL), *none = NULL;
    weir_scope *bad = weir_scope_open(&(struct weir_scope_opts){.deadline = WEIR_S(1)});
    struct weir_done d;

    (void)arg;
    EQ(weir_scope_close(&a), -EINVAL); /* b is inside */
    EQ(weir_scope_close(&none), -EINVAL);
    EQ(weir_error(bad), -EINVAL);
    EQ(weir_go(bad, nap, NULL), -EINVAL);
    EQ(weir_scope_close(&bad), -EINVAL);
    EQ(weir_go(a, NULL, NULL), -EINVAL);
    EQ(weir_go(NULL, nap, NULL), -EINVAL);
    EQ(weir_scope_next(a, &d, 0), -EINVAL); /* keeps no results */
    EQ(weir_scope_cancel(a, 1), -EINVAL);
    EQ(weir_sleep(WEIR_S(1)), -EINVAL); /* a span for an instant */
    EQ(weir_run(NULL, misuse, NULL), -EBUSY);
    EQ(weir_scope_close(&b), 0);
    EQ(weir_scope_close(&a), 0);
    return 0;
}

TEST(what_is_wrong_is_said)
{
    weir_scope *off = weir_scope_open(NULL);

    EQ(weir_error(off), WEIR_ENOFIBER);
    EQ(weir_sleep(WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_run(NULL, NULL, NULL), -EINVAL);
    EQ(weir_run(&(struct weir_config){.loops = 2}, misuse, NULL), -ENOTSUP);
    EQ(weir_run(&(struct weir_config){.stack = 100}, misuse, NULL), -EINVAL);
    run(misuse);
}

static int tree(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.limit = 2});
    int r = 0;

    for (intptr_t i = 1; i < 5 && r == 0; i++)
        r = weir_go(s, (intptr_t)arg > 0 ? tree : nap, (void *)((intptr_t)arg - 1));
    OK(r == 0 || r == -ENOMEM || r == -ECANCELED);
    r = weir_scope_close(&s);
    OK(r == 0 || r == -ENOMEM || r == -ECANCELED || r == -EINVAL);
    return r == -EINVAL ? -ENOMEM : r; /* -EINVAL: the scope itself could not be had */
}

static void tree_once(void *arg)
{
    struct weir_config c = {.alloc = test_alloc};
    int r = weir_sim_run(test_seed(), &c, tree, arg);

    OK(r == 0 || r == -ENOMEM || r == -ECANCELED);
}

TEST(a_fault_at_any_point_of_a_tree_of_scopes_leaves_nothing)
{
    EVERY_POINT(tree_once, (void *)1);
}
