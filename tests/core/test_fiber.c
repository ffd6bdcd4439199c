/*
 * test_fiber.c -- what a fiber can do by itself, and that nobody starves.
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"
#include "core/world.h"

/* --- names -------------------------------------------------------------- */

static int fiber_has_name(void *arg)
{
    STREQ(weir__self()->name, (const char *)arg);
    return 0;
}

SIM_TEST(a_name_is_copied_and_cut_at_fifteen_bytes)
{
    char name[] = "0123456789abcdefgh";
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_go_with(s, fiber_has_name, (char *)"0123456789abcde",
                    &(struct weir_go_opts){.name = name}),
       0);
    memset(name, 'x', sizeof name - 1);
    EQ(weir_go_with(s, fiber_has_name, (char *)"", &(struct weir_go_opts){.name = NULL}), 0);
    EQ(weir_go_with(s, fiber_has_name, (char *)"", NULL), 0);
    weir_name(name);
    STREQ(weir__self()->name, "xxxxxxxxxxxxxxx");
    weir_name("short");
    STREQ(weir__self()->name, "short");
    weir_name(NULL);
    STREQ(weir__self()->name, "short");
    return weir_scope_close(&s);
}

/* --- yield -------------------------------------------------------------- */

SIM_TEST(a_yield_alone_returns_at_once)
{
    for (int i = 0; i < 10000; i++)
        EQ(weir_yield(), 0);
    for (int i = 0; i < 10000; i++)
        EQ(weir_checkpoint(), 0);
    return 0;
}

struct order {
    char text[64];
    size_t n;
};

struct orderer {
    struct order *order;
    char name;
};

static int order_add(void *arg)
{
    struct orderer *o = arg;
    for (int i = 0; i < 3; i++) {
        o->order->text[o->order->n++] = o->name;
        EQ(weir_yield(), 0);
    }
    return 0;
}

REAL_TEST(ready_fibers_run_first_come_first_served)
{
    struct order order = {.n = 0};
    struct orderer o[3] = {{&order, 'a'}, {&order, 'b'}, {&order, 'c'}};
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 3; i++)
        GO(s, order_add, &o[i]);
    EQ(weir_scope_close(&s), 0);
    STREQ(order.text, "abcabcabc");
    return 0;
}

static int fiber_cancelled_yields(void *arg)
{
    (void)arg;
    EQ(weir_sleep(WEIR_NEVER), -ECANCELED);
    EQ(weir_yield(), -ECANCELED);
    EQ(weir_checkpoint(), -ECANCELED);
    EQ(weir_sleep(weir_now()), -ECANCELED);
    EQ(weir_sleep(0), -ECANCELED);
    EQ(weir_sleep(weir_after(1)), -ECANCELED);
    EQ(weir_cancel_why(), -EXDEV);
    return 0;
}

SIM_TEST(a_cancelled_fiber_is_told_at_each_call)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, fiber_cancelled_yields, NULL);
    EQ(weir_cancel_why(), 0);
    EQ(weir_yield(), 0);
    EQ(weir_scope_cancel(s, -EXDEV), 0);
    EQ(weir_cancel_why(), -EXDEV);
    EQ(weir_scope_close(&s), -EXDEV);
    EQ(weir_cancel_why(), 0);
    return 0;
}

SIM_TEST(a_cancel_before_the_first_step_is_seen_too)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, fiber_cancelled_yields, NULL);
    EQ(weir_scope_cancel(s, -EXDEV), 0);
    EQ(weir_scope_close(&s), -EXDEV);
    return 0;
}

/* --- fairness ----------------------------------------------------------- */

static int fair_spin_yield(void *arg)
{
    volatile int *stop = arg;
    while (!*stop)
        (void)weir_yield();
    return 0;
}

static int fair_spin_checkpoint(void *arg)
{
    volatile int *stop = arg;
    while (!*stop)
        (void)weir_checkpoint();
    return 0;
}

struct fair_chan {
    volatile int *stop;
    weir_chan *ch;
};

static int fair_spin_chan(void *arg)
{
    struct fair_chan *f = arg;
    long v = 1;
    while (!*f->stop) {
        OK(weir_send(f->ch, &v, 0) != 0);
        OK(weir_recv(f->ch, &v, 0) != 0);
    }
    return 0;
}

static int fair_spin_select(void *arg)
{
    struct fair_chan *f = arg;
    long v = 1;
    while (!*f->stop) {
        struct weir_select c[] = {WEIR_ON_SEND(f->ch, &v)};
        LE(weir_select(c, 1, 0), 0);
        OK(weir_recv(f->ch, &v, 0) != 0);
    }
    return 0;
}

static int fair_spin_mutex(void *arg)
{
    volatile int *stop = arg;
    struct weir_mutex m;
    weir_mutex_init(&m);
    while (!*stop) {
        EQ(weir_mutex_lock(&m, WEIR_NEVER), 0);
        EQ(weir_mutex_unlock(&m), 0);
    }
    return 0;
}

static int fair_spin_sem(void *arg)
{
    volatile int *stop = arg;
    struct weir_sem s;
    EQ(weir_sem_init(&s, 1), 0);
    while (!*stop) {
        EQ(weir_sem_take(&s, 1, WEIR_NEVER), 0);
        EQ(weir_sem_give(&s, 1), 0);
    }
    return 0;
}

static int fair_spin_event(void *arg)
{
    volatile int *stop = arg;
    struct weir_event e;
    weir_event_init(&e);
    weir_event_set(&e);
    while (!*stop)
        EQ(weir_event_wait(&e, WEIR_NEVER), 0);
    return 0;
}

static int fair_stop(void *arg)
{
    *(volatile int *)arg = 1;
    return 0;
}

/* Whoever spins, a fiber that is ready gets its turn, be it the first or the last to come. */
static int fair_ready(int (*spin)(void *), void *arg, volatile int *stop)
{
    for (int first = 0; first < 2; first++) {
        weir_scope *s = weir_scope_open(NULL);
        *stop = 0;
        if (first)
            GO(s, fair_stop, (void *)stop);
        for (int i = 0; i < 12; i++)
            GO(s, spin, arg);
        for (int i = 0; i < 20; i++)
            GO(s, fiber_nothing, NULL);
        if (!first)
            GO(s, fair_stop, (void *)stop);
        EQ(weir_scope_close(&s), 0);
    }
    return 0;
}

SIM_TEST(a_fiber_that_spins_on_yield_starves_nobody)
{
    volatile int stop = 0;
    return fair_ready(fair_spin_yield, (void *)&stop, &stop);
}

SIM_TEST(a_fiber_that_spins_on_checkpoint_starves_nobody)
{
    volatile int stop = 0;
    return fair_ready(fair_spin_checkpoint, (void *)&stop, &stop);
}

SIM_TEST(a_fiber_that_spins_on_a_ready_channel_starves_nobody)
{
    volatile int stop = 0;
    struct fair_chan f = {&stop, weir_chan_new(WEIR_TYPE(long), 8)};
    int r = fair_ready(fair_spin_chan, &f, &stop);
    weir_chan_free(&f.ch);
    return r;
}

SIM_TEST(a_fiber_that_spins_on_a_ready_select_starves_nobody)
{
    volatile int stop = 0;
    struct fair_chan f = {&stop, weir_chan_new(WEIR_TYPE(long), 8)};
    int r = fair_ready(fair_spin_select, &f, &stop);
    weir_chan_free(&f.ch);
    return r;
}

SIM_TEST(a_fiber_that_spins_on_a_free_mutex_starves_nobody)
{
    volatile int stop = 0;
    return fair_ready(fair_spin_mutex, (void *)&stop, &stop);
}

SIM_TEST(a_fiber_that_spins_on_a_free_semaphore_starves_nobody)
{
    volatile int stop = 0;
    return fair_ready(fair_spin_sem, (void *)&stop, &stop);
}

SIM_TEST(a_fiber_that_spins_on_a_set_event_starves_nobody)
{
    volatile int stop = 0;
    return fair_ready(fair_spin_event, (void *)&stop, &stop);
}

static int fair_stop_later(void *arg)
{
    EQ(weir_sleep(weir_after(WEIR_MS(5))), 0);
    return fair_stop(arg);
}

/* On the real clock: a timer fires although somebody is always ready. */
static int fair_timer(int (*spin)(void *), void *arg, volatile int *stop)
{
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 2; i++)
        GO(s, spin, arg);
    GO(s, fair_stop_later, (void *)stop);
    return weir_scope_close(&s);
}

REAL_TEST(fibers_that_yield_for_ever_do_not_starve_timers)
{
    volatile int stop = 0;
    return fair_timer(fair_spin_yield, (void *)&stop, &stop);
}

REAL_TEST(fibers_on_a_ready_channel_do_not_starve_timers)
{
    volatile int stop = 0;
    struct fair_chan f = {&stop, weir_chan_new(WEIR_TYPE(long), 8)};
    int r = fair_timer(fair_spin_chan, &f, &stop);
    weir_chan_free(&f.ch);
    return r;
}

REAL_TEST(a_single_spinning_fiber_does_not_starve_timers)
{
    volatile int stop = 0;
    weir_scope *s = weir_scope_open(NULL);
    GO(s, fair_stop_later, (void *)&stop);
    while (!stop)
        (void)weir_checkpoint();
    return weir_scope_close(&s);
}

static void fiber_burn(weir_span span)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    do
        clock_gettime(CLOCK_MONOTONIC, &b);
    while ((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < span);
}

REAL_TEST(a_checkpoint_refreshes_now)
{
    weir_time before = weir_now();
    fiber_burn(WEIR_MS(2));
    EQ(weir_checkpoint(), 0);
    LE(before + WEIR_MS(2), weir_now());
    return 0;
}

/* 1 ms of computing between two checkpoints: the timer may not wait for thousands of them. */
REAL_TEST(slow_steps_with_checkpoints_do_not_starve_timers)
{
    volatile int stop = 0;
    int steps = 0;
    weir_scope *s = weir_scope_open(NULL);
    GO(s, fair_stop_later, (void *)&stop);
    for (; !stop && steps < 1000; steps++) {
        fiber_burn(WEIR_MS(1));
        (void)weir_checkpoint();
    }
    LT(steps, 500);
    return weir_scope_close(&s);
}

/* --- many --------------------------------------------------------------- */

static int fiber_count(void *arg)
{
    ++*(int *)arg;
    return weir_yield();
}

SIM_TEST(fibers_by_the_thousand_all_run)
{
    int n = 0;
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 3000; i++)
        GO(s, fiber_count, &n);
    EQ(weir_scope_running(s), 3000u);
    EQ(weir_scope_close(&s), 0);
    EQ(n, 3000);
    return 0;
}

static int fiber_deep(void *arg)
{
    int depth = *(int *)arg;
    weir_scope *s;
    if (depth == 0)
        return weir_yield();
    s = weir_scope_open(NULL);
    depth--;
    GO(s, fiber_deep, &depth);
    GO(s, fiber_nothing, NULL);
    return weir_scope_close(&s);
}

SIM_TEST(fibers_in_fibers_a_hundred_deep)
{
    int depth = 100;
    return fiber_deep(&depth);
}

static int fiber_uses_stack(void *arg)
{
    volatile char big[200 << 10];
    for (size_t i = 0; i < sizeof big; i += 1024)
        big[i] = (char)i;
    (void)arg;
    return weir_yield();
}

SIM_TEST(a_larger_stack_is_as_large_as_asked)
{
    struct weir_go_opts big = {.stack = 1 << 20};
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.stack = 512 << 10});
    GO(s, fiber_uses_stack, NULL);
    EQ(weir_go_with(s, fiber_uses_stack, NULL, &big), 0);
    EQ(weir_go_with(s, fiber_nothing, NULL, &(struct weir_go_opts){.stack = (64 << 20) + 1}),
       -EINVAL);
    EQ(weir_go_with(s, fiber_nothing, NULL, &(struct weir_go_opts){.stack = 1}), 0);
    return weir_scope_close(&s);
}

static int fiber_errno(void *arg)
{
    for (int i = 0; i < 50; i++) {
        double x = *(double *)arg;
        (void)weir_yield();
        EQ(x * 2, *(double *)arg * 2);
    }
    return 0;
}

SIM_TEST(registers_survive_a_switch)
{
    double v[4] = {1.5, 2.25, -3.125, 1e300};
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 4; i++)
        GO(s, fiber_errno, &v[i]);
    return weir_scope_close(&s);
}

struct slots_seen {
    void *first;
};

static int fiber_slots(void *arg)
{
    for (int i = 0; i < WEIR__SLOTS; i++) {
        OK(!weir__fiber_slot_get(i)); /* also on a stack that was used before */
        weir__fiber_slot_set(i, arg);
    }
    (void)weir_yield();
    for (int i = 0; i < WEIR__SLOTS; i++)
        OK(weir__fiber_slot_get(i) == arg);
    weir__fiber_slot_set(WEIR__SLOT_LOCALS, NULL); /* what is there at the end is let go */
    return 0;
}

SIM_TEST(slots_are_the_fibers_own_and_empty_at_its_start)
{
    int v[10];
    for (int round = 0; round < 3; round++) {
        weir_scope *s = weir_scope_open(NULL);
        for (int i = 0; i < 10; i++)
            GO(s, fiber_slots, &v[i]);
        EQ(weir_scope_close(&s), 0);
    }
    return 0;
}
