/*
 * rwlock.c -- readers counted, one writer, one queue for both.  The lock is
 * handed on by the one who gives it up: all readers at the front, or one writer.
 */
#include <weir/sync.h>

#include "core/waiters.h"

enum { RWLOCK_READ, RWLOCK_WRITE }; /* what a waiter wants: its index */

void weir_rwlock_init(struct weir_rwlock *l)
{
    *l = (struct weir_rwlock){0};
}

static bool rwlock_free_for(const struct weir_rwlock *l, uint32_t want)
{
    return !l->writer && (want == RWLOCK_READ || !l->readers);
}

static void rwlock_grant(struct weir_rwlock *l, uint32_t want, struct weir__fiber *f)
{
    if (want == RWLOCK_WRITE)
        l->writer = f;
    else
        l->readers++;
}

static void rwlock_serve(struct weir_rwlock *l)
{
    struct weir__waiter *w;

    while ((w = weir__waiters_first(l->waiters)) && rwlock_free_for(l, w->index)) {
        rwlock_grant(l, w->index, w->fiber);
        weir__waiters_wake(w, 0);
    }
}

static int rwlock_take(struct weir_rwlock *l, uint32_t want, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;
    int r;

    if (!l || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    if (l->writer == me)
        return -EDEADLK;
    if (WEIR__LIKELY(rwlock_free_for(l, want) &&
                     (!weir__waiters_any(l->waiters) || !weir__waiters_first(l->waiters)))) {
        rwlock_grant(l, want, me);
        return 0;
    }
    if (deadline == 0)
        return -EAGAIN;
    weir__waiter_init(&w, me, NULL);
    w.index = want;
    r = weir__waiters_stand(l->waiters, &w, deadline, want ? "rwlock_write" : "rwlock_read");
    if (r < 0)
        rwlock_serve(l); /* a writer that gave up may have held back readers */
    return r;
}

int weir_rwlock_read(struct weir_rwlock *l, weir_time deadline)
{
    return rwlock_take(l, RWLOCK_READ, deadline);
}

int weir_rwlock_write(struct weir_rwlock *l, weir_time deadline)
{
    return rwlock_take(l, RWLOCK_WRITE, deadline);
}

/* Whether the running fiber writes. */
static bool rwlock_mine(const struct weir_rwlock *l)
{
    struct weir__fiber *me = weir__self();

    return me && l->writer == me;
}

int weir_rwlock_unlock(struct weir_rwlock *l)
{
    if (!l)
        return -EINVAL;
    if (rwlock_mine(l))
        l->writer = NULL;
    else if (l->readers)
        l->readers--;
    else
        return -EPERM;
    if (weir__waiters_any(l->waiters))
        rwlock_serve(l);
    return 0;
}

int weir_rwlock_downgrade(struct weir_rwlock *l)
{
    if (!l)
        return -EINVAL;
    if (!rwlock_mine(l))
        return -EPERM;
    l->writer = NULL;
    l->readers = 1;
    rwlock_serve(l);
    return 0;
}
