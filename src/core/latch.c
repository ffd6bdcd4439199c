/*
 * latch.c -- what happens once: a count that reaches nothing, and an
 * initialiser that succeeds.  The role of initialiser is handed on like a lock:
 * while somebody waits for it, it is somebody's.
 */
#include <weir/sync.h>

#include "core/waiters.h"

int weir_latch_init(struct weir_latch *l, uint64_t count)
{
    if (!l)
        return -EINVAL;
    *l = (struct weir_latch){.count = count};
    return 0;
}

int weir_latch_add(struct weir_latch *l, uint64_t n)
{
    if (!l || n == 0 || n > UINT64_MAX - l->count)
        return -EINVAL;
    if (!l->count)
        return WEIR_ECLOSED;
    l->count += n;
    return 0;
}

int weir_latch_down(struct weir_latch *l, uint64_t n)
{
    if (!l || n == 0 || n > l->count)
        return -EINVAL;
    l->count -= n;
    if (!l->count)
        weir__waiters_wake_all(l->waiters, 0);
    return 0;
}

int weir_latch_wait(struct weir_latch *l, weir_time deadline)
{
    if (!l || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    weir__waiters_charge();
    return l->count ? weir__waiters_wait(l->waiters, NULL, deadline, "latch_wait") : 0;
}

/* --- once -------------------------------------------------------------------- */

enum { ONCE_ROLE = 1 }; /* what a waiter is told: it is its turn to try */

void weir_once_init(struct weir_once *o)
{
    *o = (struct weir_once){0};
}

int weir_once_done(const struct weir_once *o)
{
    return o && o->done;
}

/* The role goes to the first who waits, or to nobody. */
static void once_pass(struct weir_once *o)
{
    struct weir__waiter *w = weir__waiters_first(o->waiters);

    o->owner = w ? w->fiber : NULL;
    o->running = w != NULL;
    if (w)
        weir__waiters_wake(w, ONCE_ROLE);
}

static int once_try(struct weir_once *o, int (*fn)(void *), void *arg)
{
    int r;

    o->running = 1;
    o->owner = weir__self();
    r = fn(arg);
    if (r < 0) {
        once_pass(o);
        return r;
    }
    o->result = r;
    o->running = 0;
    o->owner = NULL;
    o->done = 1;
    weir__waiters_wake_all(o->waiters, 0);
    return r;
}

int weir_once_call(struct weir_once *o, int (*fn)(void *), void *arg)
{
    int r = ONCE_ROLE;

    if (!o || !fn)
        return -EINVAL;
    weir__waiters_charge();
    if (WEIR__LIKELY(o->done))
        return o->result;
    if (o->running) {
        if (o->owner == weir__self())
            return -EDEADLK;
        r = weir__waiters_wait(o->waiters, NULL, WEIR_NEVER, "once");
    }
    if (r < 0)
        return r;
    return r == ONCE_ROLE ? once_try(o, fn, arg) : o->result;
}
