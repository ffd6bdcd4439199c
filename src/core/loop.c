/*
 * loop.c -- one event loop a thread: entry, turns, and the moment when nothing
 * can run.
 *
 * A turn lets at most WEIR__TURN switches happen before descriptors and timers
 * are looked at, so neither can be starved by fibers that only feed each
 * other.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "core/core.h"
#include "core/door.h"
#include "core/group.h"
#include "core/inbox.h"
#include "core/stackuse.h"
#include "sys/clock.h"
#include "sys/shadow.h"

enum { LOOP_MOST = 256 };

__thread struct weir__loop *weir__loop_here;
__thread struct weir__loop *weir__solo_here;

void weir__log(struct weir__loop *l, int level, const char *format, ...)
{
    char text[256];
    va_list args;

    if (!l->config.log)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    l->config.log(l->config.log_ctx, level, text);
}

/* --- configuration ----------------------------------------------------- */

int weir__loop_configure(struct weir_config *c, const struct weir_config *given)
{
    static const struct weir_config defaults;

    *c = given ? *given : defaults;
    for (size_t i = 0; i < sizeof c->reserved / sizeof *c->reserved; i++)
        if (c->reserved[i])
            return -EINVAL;
    if (c->loops > LOOP_MOST)
        return -EINVAL;
    if (c->stack == 0)
        c->stack = WEIR__ASAN || WEIR__TSAN ? 256 << 10 : 64 << 10;
    if (c->stack < 16 << 10 || c->stack > 64 << 20 || c->grace < 0 || c->watchdog < 0)
        return -EINVAL;
    if (c->offload_threads > 1024 || c->catch_overflow > 1 || c->stack_use > 1)
        return -EINVAL;
    if (c->offload_threads == 0)
        c->offload_threads = 4;
    if (c->offload_queue == 0)
        c->offload_queue = 1024;
    if (c->grace == 0)
        c->grace = WEIR_S(5);
    return 0;
}

/* ASan wants to know the stack it comes back to. */
static void loop_root_bounds(struct weir__loop *l)
{
    pthread_attr_t attr;
    void *bottom;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return;
    if (pthread_attr_getstack(&attr, &bottom, &l->root.stack_size) == 0)
        l->root.stack = bottom;
    pthread_attr_destroy(&attr);
}

static void loop_init(struct weir__loop *l, bool sim, uint64_t seed)
{
    l->ready_tail = &l->ready_head;
    l->turn = WEIR__TURN;
    l->sim = sim;
    l->rng = seed * 2 + 1;
    l->now = sim ? WEIR_EPOCH : weir__clock_now();
    l->parked = WEIR__PARKED;
    weir__list_init(&l->doors);
    weir__current_set(l, &l->root);
    l->root.loop = l;
    l->root.tsan = WEIR__TSAN_SELF();
    if (WEIR__ASAN)
        loop_root_bounds(l);
}

/* --- running ----------------------------------------------------------- */

static void loop_enter(struct weir__loop *l, struct weir__fiber *f)
{
    weir__current_set(l, f);
    l->budget = WEIR__TURN;
    WEIR__TSAN_SWITCH(f->tsan);
    WEIR__ASAN_LEAVE(&l->root.asan, f->stack, f->stack_size);
    weir__switch(&l->root.sp, f->sp);
    WEIR__ASAN_ENTER(l->root.asan, NULL, NULL);
    weir__current_set(l, &l->root);
}

/* A fiber that asked for the big stack goes on right after its call, before all others. */
static void loop_serve_calls(struct weir__loop *l)
{
    while (l->call.fn) {
        struct weir__call c = l->call;

        l->call.fn = NULL;
        c.fiber->wake = c.fn(c.arg);
        loop_enter(l, c.fiber);
    }
}

/* Everything that may still wake somebody: while there is any, waiting is no deadlock. */
static bool loop_may_wake(const struct weir__loop *l)
{
    return l->heap_len || weir__poller_pending(l) || weir__offload_pending(l) ||
           weir__doors_open(l);
}

static void loop_wait_real(struct weir__loop *l, weir_time until)
{
    if (l->poller)
        weir__inbox_sleep(l, until);
    else
        weir__clock_sleep(until - l->now);
    l->now = weir__clock_now();
}

/* Virtual time stands still while something real is under way, and jumps when nothing is. */
static void loop_wait_sim(struct weir__loop *l, weir_time until)
{
    if (weir__doors_open(l) && weir__poller_poll(l, l->now, false) > 0)
        return;
    if (weir__offload_pending(l) || weir__doors_busy(l))
        weir__poller_poll(l, WEIR_NEVER, true);
    else if (weir__poller_pending(l) && weir__poller_poll(l, l->now + WEIR_MS(1), true) > 0)
        return;
    else if (until == WEIR_NEVER && weir__doors_open(l))
        weir__poller_poll(l, WEIR_NEVER, true);
    else if (until != WEIR_NEVER && until > l->now)
        l->now = until;
}

static void loop_idle(struct weir__loop *l)
{
    weir_time until = WEIR_NEVER;

    if (l->many && weir__inbox_wait(l)) {
        l->now = weir__clock_now();
        return;
    }
    if (!loop_may_wake(l)) {
        if (weir__many(l))
            weir__group_sleep(l);
        else
            weir__loop_deadlock(l);
        if (!l->sim)
            l->now = weir__clock_now();
        return;
    }
    weir__timer_next(l, &until);
    if (l->sim)
        loop_wait_sim(l, until);
    else
        loop_wait_real(l, until);
}

/* For the watchdog, and who places fibers: a loop that sleeps is not held. */
void weir__loop_idles(struct weir__loop *l, bool idle)
{
    uint64_t bit = (uint64_t)1 << 63;

    __atomic_store_n(&l->turns, idle ? l->turns | bit : l->turns & ~bit, __ATOMIC_RELAXED);
}

static void loop_turn_begin(struct weir__loop *l)
{
    __atomic_store_n(&l->turns, l->turns + 1, __ATOMIC_RELAXED);
    l->turn = WEIR__TURN;
}

static void loop_look_round(struct weir__loop *l)
{
    if (!l->sim)
        l->now = weir__clock_now();
    if (l->many)
        weir__inbox_look(l);
    if (l->poller && (!l->many || weir__poller_pending(l)))
        weir__poller_poll(l, 0, false);
    l->turned = l->now;
    if (l->heap_len)
        weir__timer_run(l);
}

static void loop_turn(struct weir__loop *l)
{
    loop_turn_begin(l);
    if (l->ready_head) {
        loop_look_round(l);
        return;
    }
    weir__loop_idles(l, true);
    loop_idle(l);
    weir__loop_idles(l, false);
    l->turned = l->now;
    if (l->heap_len)
        weir__timer_run(l);
}

static void loop_enter_next(struct weir__loop *l)
{
    struct weir__fiber *f = weir__ready_pop(l);

    if (!f)
        return;
    loop_enter(l, f);
    loop_serve_calls(l);
}

void weir__loop_drive(struct weir__loop *l)
{
    while (l->live || (l->index && !l->stopping)) {
        if (!l->ready_head || l->turn <= 1)
            loop_turn(l);
        loop_enter_next(l);
    }
}

void weir__loop_pass(struct weir__loop *l)
{
    loop_turn_begin(l);
    loop_look_round(l);
    while (l->ready_head && l->turn > 1)
        loop_enter_next(l);
}

int weir_loop_call(int (*fn)(void *), void *arg)
{
    struct weir__fiber *me = weir__self();
    struct weir__loop *l = weir__loop_get();

    if (!fn)
        return -EINVAL;
    if (!me)
        return l ? fn(arg) : WEIR_ENOFIBER; /* already on the loop's stack */
    l->call = (struct weir__call){fn, arg, me};
    weir__switch_to(l, me, &l->root);
    return me->wake;
}

/* --- entry ------------------------------------------------------------- */

static int loop_main_run(void *arg)
{
    struct weir__main *m = arg;

    m->result = m->fn(m->arg);
    weir__scope_pens_close(weir__loop_get()->top, weir__self());
    return m->result;
}

int weir__loop_result(const struct weir__loop *l, const struct weir__main *m)
{
    if (l->top->first == WEIR_ELEAK)
        return WEIR_ELEAK;
    if (m->result == -ECANCELED && l->top->node.why == WEIR_EDEADLOCK)
        return WEIR_EDEADLOCK; /* it is this scope's close */
    return m->result;
}

void weir__loop_down(struct weir__loop *l)
{
    weir__watchdog_stop(l);
    weir__overflow_release(l);
    weir__doors_shut(l);
    weir__offload_free(l);
    weir__poller_free(l);
    weir__stackuse_close(l);
    weir__scope_destroy(l->top);
    weir__fiber_pools_free(l);
    weir__timer_free(l);
    weir__loop_here = weir__solo_here = NULL;
    weir__alloc_use(&l->alloc_before);
}

static int loop_can_switch(struct weir__loop *l)
{
    if (!weir__shadow_on())
        return 0;
    weir__log(l, WEIR_LOG_ERROR,
              "this process has shadow stacks (CET or GCS), which fibers do not switch: run it "
              "without, for glibc by GLIBC_TUNABLES=glibc.cpu.x86_shstk=off");
    return -ENOTSUP;
}

static int loop_start(struct weir__loop *l)
{
    int r = loop_can_switch(l);

    if (r < 0)
        return r;
    l->top = weir__scope_new(NULL, NULL, &(struct weir_scope_opts){.name = "weir_run"});
    if (!l->top)
        return -ENOMEM;
    if (l->config.watchdog)
        r = weir__watchdog_start(l);
    if (r == 0 && l->config.catch_overflow)
        r = weir__overflow_catch(l);
    if (r == 0 && l->config.stack_use)
        r = weir__stackuse_open(l);
    return r;
}

int weir__loop_up(struct weir__loop *l, bool sim, uint64_t seed)
{
    static uint64_t numbers;
    int r;

    loop_init(l, sim, seed);
    l->number = __atomic_add_fetch(&numbers, 1, __ATOMIC_RELAXED);
    l->alloc_before = weir__alloc_use(&l->config.alloc);
    weir__loop_here = l;
    weir__solo_here = l->many ? NULL : l;
    if (sim)
        weir__seed_set(seed);
    r = loop_start(l);
    if (r < 0)
        weir__loop_down(l);
    return r;
}

int weir__loop_main(struct weir__loop *l, struct weir__main *m)
{
    struct weir_go_opts opts = {.name = "main"};

    return weir__fiber_start(l->top, loop_main_run, m, &opts, (const void *)m->fn);
}

int weir__loop_run(const struct weir_config *config, bool sim, uint64_t seed, int (*fn)(void *),
                   void *arg)
{
    struct weir__main m = {fn, arg, 0};
    struct weir__loop l = {0};
    int r;

    if (weir__loop_get())
        return -EBUSY;
    r = WEIR_ARG(fn && weir__loop_configure(&l.config, config) == 0);
    if (r == 0 && l.config.loops > 1)
        return !WEIR_THREADS || sim || l.config.catch_overflow ? -ENOTSUP
                                                               : weir__group_run(&l.config, &m);
    if (r == 0)
        r = weir__loop_up(&l, sim, seed);
    if (r < 0)
        return r;
    r = weir__loop_main(&l, &m);
    if (r == 0) {
        weir__loop_drive(&l);
        r = weir__loop_result(&l, &m);
    }
    weir__loop_down(&l);
    return r;
}

int weir_run(const struct weir_config *config, int (*fn)(void *), void *arg)
{
    return weir__loop_run(config, false, 0, fn, arg);
}

int weir_sim_run(uint64_t seed, const struct weir_config *config, int (*fn)(void *), void *arg)
{
    return weir__loop_run(config, true, seed, fn, arg);
}
