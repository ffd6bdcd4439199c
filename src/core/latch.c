/*
 * latch.c -- what happens once: a count that reaches nothing, and an
 * initialiser that succeeds.  The role of initialiser is handed on like a lock:
 * while somebody waits for it, it is somebody's.
 */
#include <weir/sync.h>

#include "core/door.h"
#include "core/waiters.h"

int weir_latch_init(struct weir_latch *l, uint64_t count)
{
    if (!l)
        return -EINVAL;
    *l = (struct weir_latch){.count = count};
    return 0;
}

static int latch_add_now(struct weir_latch *l, uint64_t n)
{
    if (n > UINT64_MAX - l->count)
        return -EINVAL;
    if (!l->count)
        return WEIR_ECLOSED;
    l->count += n;
    return 0;
}

int weir_latch_add(struct weir_latch *l, uint64_t n)
{
    struct weir__loop *g;
    int r;

    if (!l || n == 0)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_LATCH_ADD, l, NULL, n, 0);
    g = weir__guard(&l->lock);
    r = latch_add_now(l, n);
    weir__unguard(g, &l->lock);
    return r;
}

static int latch_down_now(struct weir_latch *l, uint64_t n)
{
    if (n > l->count)
        return -EINVAL;
    l->count -= n;
    if (!l->count)
        weir__waiters_wake_all(l->waiters, 0);
    return 0;
}

int weir_latch_down(struct weir_latch *l, uint64_t n)
{
    struct weir__loop *g;
    int r;

    if (!l || n == 0)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_LATCH_DOWN, l, NULL, n, 0);
    g = weir__guard(&l->lock);
    r = latch_down_now(l, n);
    weir__unguard(g, &l->lock);
    return r;
}

int weir_latch_wait(struct weir_latch *l, weir_time deadline)
{
    struct weir__loop *g;

    if (!l || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_LATCH_WAIT, l, NULL, 0, deadline);
    weir__waiters_charge();
    g = weir__guard(&l->lock);
    if (l->count)
        return weir__waiters_wait(l->waiters, NULL, deadline, "latch_wait", g, &l->lock);
    weir__unguard(g, &l->lock);
    return 0;
}

/* --- once -------------------------------------------------------------------- */

enum { ONCE_ROLE = 1 }; /* what a waiter is told: it is its turn to try */

void weir_once_init(struct weir_once *o)
{
    *o = (struct weir_once){0};
}

int weir_once_done(const struct weir_once *o)
{
    return o && __atomic_load_n(&o->done, __ATOMIC_ACQUIRE);
}

/* The role goes to the first who waits, or to nobody. */
static void once_pass(struct weir_once *o)
{
    struct weir__waiter *w = weir__waiters_take(o->waiters, ONCE_ROLE);

    o->owner = w ? w->fiber : NULL;
    o->running = w != NULL;
}

static void once_settle(struct weir_once *o, int result)
{
    o->result = result;
    o->running = 0;
    o->owner = NULL;
    __atomic_store_n(&o->done, 1, __ATOMIC_RELEASE); /* from here on nobody asks for the lock */
    weir__waiters_wake_all(o->waiters, 0);
}

/* The running fiber has the role. */
static int once_try(struct weir_once *o, int (*fn)(void *), void *arg)
{
    int r = fn(arg);
    struct weir__loop *g = weir__guard(&o->lock);

    if (r < 0)
        once_pass(o);
    else
        once_settle(o, r);
    weir__unguard(g, &o->lock);
    return r;
}

/* ONCE_ROLE: it is ours; 0: it is done; else a failure. */
static int once_ask(struct weir_once *o)
{
    struct weir__loop *g = weir__guard(&o->lock);
    int r = 0;

    if (o->running && o->owner != weir__self())
        return weir__waiters_wait(o->waiters, NULL, WEIR_NEVER, "once", g, &o->lock);
    if (o->running)
        r = -EDEADLK;
    else if (!o->done) {
        o->running = r = ONCE_ROLE;
        o->owner = weir__self();
    }
    weir__unguard(g, &o->lock);
    return r;
}

int weir_once_call(struct weir_once *o, int (*fn)(void *), void *arg)
{
    int r;

    if (!o || !fn)
        return -EINVAL;
    weir__waiters_charge();
    if (WEIR__LIKELY(__atomic_load_n(&o->done, __ATOMIC_ACQUIRE)))
        return o->result;
    if (weir__outside())
        return weir__out(&(struct weir__out){
            .make = weir__out_sync, .op = WEIR__OUT_ONCE, .object = o, .fn = fn, .item = arg});
    r = once_ask(o);
    if (r < 0)
        return r;
    return r == ONCE_ROLE ? once_try(o, fn, arg) : o->result;
}
