/*
 * test_oneshot.c -- promises and futures: each end tells the other what becomes
 * of it.
 */
#include <stdlib.h>
#include <weir.h>

#include "core/world.h"

static int live; /* items that nobody has dropped */

static void item_drop(void *item)
{
    int *v = item;
    if (*v)
        live--;
    *v = 0;
}

static struct weir_type item_type(void)
{
    struct weir_type t = WEIR_TYPE(int);
    t.drop = item_drop;
    return t;
}

struct side {
    weir_promise *p;
    weir_future *f;
    int value, result;
    weir_time deadline;
};

static int side_await(void *arg)
{
    struct side *x = arg;
    x->result = weir_await(x->f, &x->value, x->deadline);
    return 0;
}

static int side_wait(void *arg)
{
    struct side *x = arg;
    x->result = weir_promise_wait(x->p, x->deadline);
    return 0;
}

SIM_TEST(a_value_goes_to_the_one_who_waits)
{
    weir_promise *p = weir_promise_new(WEIR_TYPE(int));
    weir_future *f = weir_promise_future(p);
    struct side x = {.f = f, .deadline = WEIR_NEVER};
    weir_scope *s = weir_scope_open(NULL);
    int v = 7;
    EQ(weir_await(f, &v, 0), -EAGAIN);
    EQ(weir_await(f, &v, weir_after(3)), -ETIMEDOUT);
    EQ(v, 7);
    GO(s, side_await, &x);
    world_settle();
    EQ(weir_fulfil(p, &v), 1);
    weir_future_free(&f); /* the waiting one has its value already */
    weir_promise_free(&p);
    EQ(weir_scope_close(&s), 0);
    EQ(x.result, 1);
    EQ(x.value, 7);
    return 0;
}

SIM_TEST(a_value_sent_first_is_kept_and_taken_once)
{
    weir_promise *p = weir_promise_new(WEIR_TYPE(int));
    weir_future *f;
    int v = 7, w = 0;
    EQ(weir_fulfil(p, &v), 1);
    EQ(weir_fulfil(p, &v), WEIR_ECLOSED);
    EQ(weir_promise_fail(p, -EIO), WEIR_ECLOSED);
    f = weir_promise_future(p);
    weir_promise_free(&p);
    OK(!p);
    EQ(weir_await(f, &w, 0), 1);
    EQ(w, 7);
    EQ(weir_await(f, &w, WEIR_NEVER), 0);
    weir_future_free(&f);
    OK(!f);
    return 0;
}

SIM_TEST(of_several_who_wait_one_gets_the_value_and_the_others_the_end)
{
    weir_promise *p = weir_promise_new(WEIR_TYPE(int));
    weir_future *f = weir_promise_future(p);
    struct side x[3];
    weir_scope *s = weir_scope_open(NULL);
    int v = 7, ones = 0;
    for (int i = 0; i < 3; i++) {
        x[i] = (struct side){.f = f, .deadline = WEIR_NEVER};
        GO(s, side_await, &x[i]);
    }
    world_settle();
    EQ(weir_fulfil(p, &v), 1);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 3; i++) {
        ones += x[i].result;
        EQ(x[i].value, x[i].result * 7);
    }
    EQ(ones, 1);
    weir_promise_free(&p);
    weir_future_free(&f);
    return 0;
}

SIM_TEST(a_promise_that_vanishes_is_no_clean_end)
{
    for (int waits = 0; waits < 2; waits++) {
        weir_promise *p = weir_promise_new(WEIR_TYPE(int));
        weir_future *f = weir_promise_future(p);
        struct side x = {.f = f, .deadline = WEIR_NEVER};
        weir_scope *s = weir_scope_open(NULL);
        if (waits)
            GO(s, side_await, &x);
        world_settle();
        weir_promise_free(&p);
        EQ(weir_scope_close(&s), 0);
        EQ(waits ? x.result : WEIR_EABANDONED, WEIR_EABANDONED);
        EQ(weir_await(f, &x.value, WEIR_NEVER), WEIR_EABANDONED);
        weir_future_free(&f);
    }
    return 0;
}

SIM_TEST(a_promise_fails_with_a_reason)
{
    weir_promise *p = weir_promise_new(WEIR_TYPE(int));
    weir_future *f = weir_promise_future(p);
    int v = 0;
    EQ(weir_promise_fail(p, 0), -EINVAL);
    EQ(weir_promise_fail(p, 1), -EINVAL);
    EQ(weir_promise_fail(p, -EIO), 0);
    EQ(weir_promise_fail(p, -EPERM), WEIR_ECLOSED);
    EQ(weir_fulfil(p, &v), WEIR_ECLOSED);
    weir_promise_free(&p);
    EQ(weir_await(f, &v, WEIR_NEVER), -EIO);
    EQ(weir_await(f, &v, 0), -EIO);
    weir_future_free(&f);
    return 0;
}

SIM_TEST(the_sender_sees_that_nobody_wants_the_value)
{
    weir_promise *p = weir_promise_new(WEIR_TYPE(int));
    weir_future *f = weir_promise_future(p);
    struct side x = {.p = p, .deadline = WEIR_NEVER};
    weir_scope *s = weir_scope_open(NULL);
    int v = 7;
    EQ(weir_promise_wait(p, 0), -EAGAIN);
    EQ(weir_promise_wait(p, weir_after(2)), -ETIMEDOUT);
    GO(s, side_wait, &x);
    world_settle();
    weir_future_free(&f);
    EQ(weir_scope_close(&s), 0);
    EQ(x.result, 0);
    EQ(weir_promise_wait(p, 0), 0);
    EQ(weir_fulfil(p, &v), -EPIPE);
    EQ(weir_promise_fail(p, -EIO), -EPIPE);
    EQ(v, 7);
    weir_promise_free(&p);
    return 0;
}

SIM_TEST(a_value_nobody_took_is_dropped_once)
{
    int order[] = {0, 1, 2};
    for (int i = 0; i < 3; i++) {
        weir_promise *p = weir_promise_new(item_type());
        weir_future *f = order[i] == 2 ? NULL : weir_promise_future(p);
        int v = 5;
        live = 1;
        EQ(weir_fulfil(p, &v), 1);
        if (order[i] == 1)
            weir_future_free(&f);
        weir_promise_free(&p);
        weir_future_free(&f);
        EQ(live, 0);
    }
    return 0;
}

/* The value is handed over before the cancel comes, or the cancel is first: it is not lost. */
SIM_TEST(a_value_is_not_lost_between_hand_over_and_cancel)
{
    for (int first = 0; first < 2; first++) {
        weir_promise *p = weir_promise_new(item_type());
        weir_future *f = weir_promise_future(p);
        struct side x = {.f = f, .deadline = WEIR_NEVER};
        weir_scope *s = weir_scope_open(NULL);
        int v = 5;
        live = 1;
        GO(s, side_await, &x);
        world_settle();
        if (first)
            EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(weir_fulfil(p, &v), 1);
        if (!first)
            EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(weir_scope_close(&s), -EPERM);
        EQ(x.result, first ? -ECANCELED : 1);
        EQ(live, 1);
        if (first)
            EQ(weir_await(f, &x.value, 0), 1);
        EQ(x.value, 5);
        weir_future_free(&f);
        weir_promise_free(&p);
        item_drop(&x.value);
        EQ(live, 0);
    }
    return 0;
}

static int fulfil_later(void *arg)
{
    struct side *x = arg;
    EQ(weir_sleep(weir_after(10)), 0);
    EQ(weir_fulfil(x->p, &x->value), 1);
    return 0;
}

SIM_TEST(a_future_is_a_case_of_select)
{
    weir_promise *p = weir_promise_new(WEIR_TYPE(int)), *q = weir_promise_new(WEIR_TYPE(int));
    weir_future *f = weir_promise_future(p), *g = weir_promise_future(q);
    struct side x = {.p = q, .value = 9};
    weir_scope *s = weir_scope_open(NULL);
    struct weir_event e;
    int a = 0, b = 0, c = 0;
    weir_event_init(&e);
    GO(s, fulfil_later, &x);
    struct weir_select cases[] = {WEIR_ON_FUTURE(f, &a), WEIR_ON_FUTURE(g, &b), WEIR_ON_EVENT(&e)};
    EQ(weir_select(cases, 3, 0), -EAGAIN);
    EQ(weir_select(cases, 3, weir_after(5)), -ETIMEDOUT);
    EQ(weir_select(cases, 3, WEIR_NEVER), 1);
    EQ(cases[1].result, 1);
    EQ(b, 9);
    weir_promise_free(&p);
    EQ(weir_select(cases, 1, WEIR_NEVER), 0);
    EQ(cases[0].result, WEIR_EABANDONED);
    EQ(a, 0);
    weir_event_set(&e);
    EQ(weir_select(&cases[2], 1, WEIR_NEVER), 0);
    EQ(cases[2].result, 0);
    cases[0].item = NULL;
    EQ(weir_select(cases, 1, 0), -EINVAL);
    cases[0].item = &c;
    cases[0].size = 1;
    EQ(weir_select(cases, 1, 0), WEIR_ETYPE);
    cases[0].object = NULL;
    EQ(weir_select(cases, 1, 0), -EINVAL);
    EQ(weir_scope_close(&s), 0);
    weir_promise_free(&q);
    weir_future_free(&f);
    weir_future_free(&g);
    return 0;
}

static int set_and_clear(void *arg)
{
    EQ(weir_sleep(weir_after(3)), 0);
    weir_event_set(arg);
    weir_event_clear(arg);
    return 0;
}

SIM_TEST(an_event_wakes_a_select_even_if_it_is_cleared_at_once)
{
    struct weir_event e;
    weir_scope *s = weir_scope_open(NULL);
    struct weir_select c = WEIR_ON_EVENT(&e);
    weir_event_init(&e);
    GO(s, set_and_clear, &e);
    EQ(weir_select(&c, 1, weir_after(5)), 0);
    EQ(c.result, 0);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_select(&c, 1, 0), -EAGAIN);
    return 0;
}

SIM_TEST(wrong_arguments_to_the_ends_are_told)
{
    struct weir_type odd[] = {{.size = 0, .align = 1},
                              {.size = 1 << 21, .align = 1},
                              {.size = 8, .align = 3},
                              {.size = 8, .align = 128}};
    weir_promise *p, *none = NULL;
    weir_future *f, *second, *nothing = NULL;
    int v = 0;
    char c = 0;
    for (int i = 0; i < 4; i++) {
        p = weir_promise_new(odd[i]);
        f = weir_promise_future(p);
        EQ(weir_error(p), -EINVAL);
        EQ(weir_error(f), -EINVAL);
        EQ(weir_fulfil(p, &v), -EINVAL);
        EQ(weir_promise_fail(p, -EIO), -EINVAL);
        EQ(weir_promise_wait(p, 0), -EINVAL);
        EQ(weir_await(f, &v, WEIR_NEVER), -EINVAL);
        weir_promise_free(&p);
        weir_future_free(&f);
    }
    p = weir_promise_new(WEIR_TYPE(int));
    f = weir_promise_future(p);
    second = weir_promise_future(p);
    EQ(weir_error(f), 0);
    EQ(weir_future_error(second), -EBUSY);
    EQ(weir_await(second, &v, 0), -EBUSY);
    EQ(weir_future_error(weir_promise_future(NULL)), -EINVAL);
    EQ(weir_fulfil(p, &c), WEIR_ETYPE);
    EQ(weir_await(f, &c, 0), WEIR_ETYPE);
    EQ(weir_promise_send(p, NULL, 4), -EINVAL);
    EQ(weir_promise_send(NULL, &v, 4), -EINVAL);
    EQ(weir_promise_fail(NULL, -1), -EINVAL);
    EQ(weir_promise_wait(NULL, 0), -EINVAL);
    EQ(weir_promise_wait(p, 5), -EINVAL);
    EQ(weir_future_recv(NULL, &v, 4, 0), -EINVAL);
    EQ(weir_future_recv(f, NULL, 4, 0), -EINVAL);
    EQ(weir_await(f, &v, 5), -EINVAL);
    EQ(weir_promise_error(NULL), -EINVAL);
    EQ(weir_future_error(NULL), -EINVAL);
    weir_promise_free(NULL);
    weir_promise_free(&none);
    weir_future_free(NULL);
    weir_future_free(&nothing);
    weir_future_free(&second);
    weir_future_free(&f);
    weir_promise_free(&p);
    return 0;
}

TEST(off_a_fiber_a_future_that_is_ready_can_be_read)
{
    weir_promise *p = weir_promise_new(WEIR_TYPE(int));
    weir_future *f = weir_promise_future(p);
    int v = 3;
    EQ(weir_await(f, &v, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_fulfil(p, &v), 1);
    v = 0;
    EQ(weir_await(f, &v, WEIR_NEVER), 1);
    EQ(v, 3);
    weir_promise_free(&p);
    weir_future_free(&f);
}

struct wide {
    _Alignas(64) char bytes[64];
};

static void wide_drop(void *item)
{
    EQ((uintptr_t)item % 64, 0u);
    live--;
}

SIM_TEST(a_value_lies_aligned_when_it_is_dropped)
{
    struct weir_type t = WEIR_TYPE(struct wide);
    t.drop = wide_drop;
    live = 10;
    for (int i = 0; i < 10; i++) {
        weir_promise *p = weir_promise_new(t);
        struct wide w = {{0}};
        EQ(weir_fulfil(p, &w), 1);
        weir_promise_free(&p);
    }
    EQ(live, 0);
    return 0;
}

static int flow(void *arg)
{
    weir_promise *p = weir_promise_new(item_type());
    weir_future *f = weir_promise_future(p);
    struct side x = {.f = f, .deadline = WEIR_NEVER};
    weir_scope *s = weir_scope_open(NULL);
    int v = 5, r = weir_error(p), c;
    (void)arg;
    live = 0;
    if (r == 0)
        r = weir_go(s, side_await, &x);
    if (r == 0)
        r = weir_sleep(weir_after(5));
    if (r == 0) {
        live = 1;
        EQ(weir_fulfil(p, &v), 1);
    }
    weir_promise_free(&p);
    c = weir_scope_close(&s);
    weir_future_free(&f);
    item_drop(&x.value);
    EQ(live, 0);
    return r < 0 ? r : c < 0 ? c : x.result == 1 ? 0 : x.result;
}

static void flow_under_faults(void *arg)
{
    int r = world_run(flow, arg);
    OK(r == 0 || (test_fault_hit() && (r == -ENOMEM || r == -ECANCELED || r == -EINVAL)));
}

TEST(a_value_is_not_lost_whatever_fails)
{
    EVERY_POINT(flow_under_faults, NULL);
}
