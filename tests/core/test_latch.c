/*
 * test_latch.c -- latches, and what is done once.
 */
#include <weir.h>

#include "core/world.h"

static struct weir_latch latch;

static int lower(void *arg)
{
    EQ(weir_sleep(weir_after((weir_span)(test_random() % 20))), 0);
    EQ(weir_latch_down(arg, 1), 0);
    return 0;
}

struct waiting {
    weir_time deadline;
    int result;
};

static int wait(void *arg)
{
    struct waiting *w = arg;
    w->result = weir_latch_wait(&latch, w->deadline);
    return 0;
}

SIM_TEST(a_latch_opens_when_all_have_come)
{
    weir_scope *s = weir_scope_open(NULL);
    struct waiting w[3] = {{WEIR_NEVER, 9}, {weir_after(1000), 9}, {weir_after(1), 9}};
    EQ(weir_latch_init(&latch, 1), 0);
    for (int i = 0; i < 10; i++) {
        EQ(weir_latch_add(&latch, 1), 0);
        GO(s, lower, &latch);
    }
    for (int i = 0; i < 3; i++)
        GO(s, wait, &w[i]);
    EQ(weir_sleep(weir_after(100)), 0);
    EQ(w[0].result, 9); /* our own count is left */
    EQ(weir_latch_wait(&latch, 0), -EAGAIN);
    EQ(weir_latch_down(&latch, 1), 0);
    EQ(weir_latch_wait(&latch, 0), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w[0].result, 0);
    EQ(w[1].result, 0);
    EQ(w[2].result, -ETIMEDOUT);
    EQ(weir_latch_add(&latch, 1), WEIR_ECLOSED);
    EQ(weir_latch_down(&latch, 1), -EINVAL);
    return 0;
}

SIM_TEST(who_is_cancelled_at_a_latch_leaves_it)
{
    weir_scope *s = weir_scope_open(NULL);
    struct waiting w = {WEIR_NEVER, 9};
    EQ(weir_latch_init(&latch, 1), 0);
    GO(s, wait, &w);
    world_settle();
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    EQ(w.result, -ECANCELED);
    EQ(weir_latch_down(&latch, 1), 0);
    return 0;
}

SIM_TEST(wrong_arguments_to_a_latch_are_told)
{
    EQ(weir_latch_init(NULL, 1), -EINVAL);
    EQ(weir_latch_init(&latch, 0), 0);
    EQ(weir_latch_wait(&latch, WEIR_NEVER), 0);
    EQ(weir_latch_init(&latch, UINT64_MAX), 0);
    EQ(weir_latch_add(&latch, 1), -EINVAL);
    EQ(weir_latch_add(&latch, 0), -EINVAL);
    EQ(weir_latch_add(NULL, 1), -EINVAL);
    EQ(weir_latch_down(&latch, 0), -EINVAL);
    EQ(weir_latch_down(NULL, 1), -EINVAL);
    EQ(weir_latch_down(&latch, UINT64_MAX - 1), 0);
    EQ(weir_latch_down(&latch, 2), -EINVAL);
    EQ(weir_latch_wait(NULL, 0), -EINVAL);
    EQ(weir_latch_wait(&latch, 7), -EINVAL);
    EQ(latch.count, 1u);
    return 0;
}

/* --- once ------------------------------------------------------------------------ */

static struct weir_once once;
static int tries;

struct doer {
    weir_span takes;
    int gives, result, ran;
};

static int init_it(void *arg)
{
    struct doer *d = arg;
    tries++;
    d->ran = 1;
    int r = weir_sleep(weir_after(d->takes));
    return r < 0 ? r : d->gives;
}

static int doer(void *arg)
{
    struct doer *d = arg;
    d->result = weir_once_call(&once, init_it, d);
    return 0;
}

SIM_TEST(of_many_one_does_it_and_all_get_its_result)
{
    weir_scope *s = weir_scope_open(NULL);
    struct doer d[20];
    int ran = 0;
    weir_once_init(&once);
    tries = 0;
    EQ(weir_once_done(&once), 0);
    for (int i = 0; i < 20; i++) {
        d[i] = (struct doer){.takes = 10, .gives = 100 + i};
        GO(s, doer, &d[i]);
    }
    EQ(weir_scope_close(&s), 0);
    EQ(tries, 1);
    EQ(weir_once_done(&once), 1);
    for (int i = 0; i < 20; i++) {
        EQ(d[i].result, once.result);
        ran += d[i].ran ? 100 + i : 0;
    }
    EQ(ran, once.result);
    EQ(weir_once_call(&once, init_it, &d[0]), once.result);
    EQ(tries, 1);
    return 0;
}

SIM_TEST(a_failure_is_told_to_one_and_the_next_tries)
{
    weir_scope *s = weir_scope_open(NULL);
    struct doer d[5];
    int failed = 0;
    weir_once_init(&once);
    tries = 0;
    for (int i = 0; i < 5; i++) {
        d[i] = (struct doer){.takes = 10, .gives = -EIO};
        GO(s, doer, &d[i]);
    }
    EQ(weir_sleep(weir_after(25)), 0);
    for (int i = 0; i < 5; i++)
        if (!d[i].ran)
            d[i].gives = 7; /* two have failed, the third is at it */
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 5; i++) {
        failed += d[i].result == -EIO;
        OK(d[i].result == 7 || d[i].result == -EIO);
    }
    EQ(failed, 3);
    EQ(tries, 4);
    return 0;
}

SIM_TEST(all_may_fail_and_one_may_try_again_later)
{
    struct doer d = {.gives = -EIO};
    weir_once_init(&once);
    for (int i = 0; i < 3; i++)
        EQ(weir_once_call(&once, init_it, &d), -EIO);
    d.gives = 0;
    EQ(weir_once_call(&once, init_it, &d), 0);
    d.gives = -EIO;
    EQ(weir_once_call(&once, init_it, &d), 0);
    return 0;
}

SIM_TEST(a_cancelled_initialiser_passes_its_role_on)
{
    weir_scope *b = weir_scope_open(NULL), *a = weir_scope_open(NULL);
    struct doer first = {.takes = 50, .gives = 1}, second = {.takes = 5, .gives = 2};
    weir_once_init(&once);
    GO(a, doer, &first);
    EQ(weir_sleep(weir_after(5)), 0);
    GO(b, doer, &second);
    EQ(weir_sleep(weir_after(5)), 0);
    EQ(weir_scope_cancel(a, -EPERM), 0);
    EQ(weir_scope_close(&a), -EPERM);
    EQ(weir_scope_close(&b), 0);
    EQ(first.result, -ECANCELED);
    EQ(second.result, 2);
    return 0;
}

/* The role reaches one that is cancelled before it runs: it is passed on, not lost. */
SIM_TEST(a_role_is_not_lost_between_hand_over_and_cancel)
{
    weir_scope *b = weir_scope_open(NULL), *a = weir_scope_open(NULL);
    struct doer x = {.takes = 10, .gives = -EIO}, y = {.takes = 3, .gives = 4}, z = y;
    weir_once_init(&once);
    GO(b, doer, &x);
    EQ(weir_sleep(weir_after(1)), 0);
    GO(a, doer, &y);
    EQ(weir_sleep(weir_after(1)), 0);
    GO(b, doer, &z);
    while (!x.result)
        (void)weir_sleep(weir_after(1));
    EQ(weir_scope_cancel(a, -EPERM), 0);
    EQ(weir_scope_close(&a), -EPERM);
    EQ(weir_scope_close(&b), 0);
    OK(y.result == -ECANCELED || y.result == 4);
    EQ(z.result, 4);
    EQ(weir_once_done(&once), 1);
    return 0;
}

SIM_TEST(who_is_cancelled_while_it_waits_leaves_the_others)
{
    weir_scope *b = weir_scope_open(NULL), *a = weir_scope_open(NULL);
    struct doer x = {.takes = 20, .gives = 3}, y = {.gives = 4};
    weir_once_init(&once);
    GO(b, doer, &x);
    EQ(weir_sleep(weir_after(1)), 0);
    GO(a, doer, &y);
    world_settle();
    EQ(weir_scope_cancel(a, -EPERM), 0);
    EQ(weir_scope_close(&a), -EPERM);
    EQ(y.result, -ECANCELED);
    EQ(y.ran, 0);
    EQ(weir_scope_close(&b), 0);
    EQ(x.result, 3);
    return 0;
}

static int again(void *arg)
{
    (void)arg;
    return weir_once_call(&once, again, NULL);
}

SIM_TEST(what_calls_itself_is_a_deadlock_at_once)
{
    weir_once_init(&once);
    EQ(weir_once_call(&once, again, NULL), -EDEADLK);
    EQ(weir_once_done(&once), 0);
    EQ(weir_once_call(NULL, again, NULL), -EINVAL);
    EQ(weir_once_call(&once, NULL, NULL), -EINVAL);
    EQ(weir_once_done(NULL), 0);
    return 0;
}

static int five(void *arg)
{
    return arg ? again(NULL) : 5;
}

TEST(off_a_fiber_it_is_done_at_once)
{
    static struct weir_once zero;
    once = zero;
    EQ(weir_once_call(&once, five, &zero), -EDEADLK);
    EQ(weir_once_call(&once, five, NULL), 5);
    EQ(weir_once_call(&once, five, &zero), 5);
}

static int flow(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    struct doer d[3] = {
        {.takes = 3, .gives = -EIO}, {.takes = 3, .gives = 6}, {.takes = 1, .gives = 6}};
    int r = weir_latch_init(&latch, 1), c;
    (void)arg;
    weir_once_init(&once);
    for (int i = 0; i < 3 && r == 0; i++)
        r = weir_go(s, doer, &d[i]);
    if (r == 0)
        r = weir_latch_wait(&latch, weir_after(100));
    c = weir_scope_close(&s);
    OK(!once.running);
    if (!test_fault_hit()) {
        EQ(r, -ETIMEDOUT);
        EQ(c, 0);
        EQ(weir_once_done(&once), 1);
    }
    return r < 0 ? r : c;
}

static void flow_under_faults(void *arg)
{
    int r = world_run(flow, arg);
    OK(r == -ETIMEDOUT || (test_fault_hit() && (r == -ENOMEM || r == -ECANCELED || r == -EINVAL)));
}

TEST(latch_and_once_hold_whatever_fails)
{
    EVERY_POINT(flow_under_faults, NULL);
}
