/*
 * rwlock.c -- readers counted, one writer, one queue for both.  The lock is
 * handed on by the one who gives it up: all readers at the front, or one writer.
 */
#include <weir/sync.h>

#include "core/door.h"
#include "core/waiters.h"

void weir_rwlock_init(struct weir_rwlock *l)
{
    *l = (struct weir_rwlock){0};
}

static bool rwlock_free_for(const struct weir_rwlock *l, bool write)
{
    return !l->writer && (!write || !l->readers);
}

static void rwlock_grant(struct weir_rwlock *l, bool write, void *who)
{
    if (write)
        l->writer = who;
    else
        l->readers++;
}

/* A waiter's index says whether it wants to write, its item who it is. */
static void rwlock_serve(struct weir_rwlock *l)
{
    struct weir__waiter *w;

    if (!weir__waiters_any(l->waiters))
        return;
    while ((w = weir__waiters_first(l->waiters)) && rwlock_free_for(l, w->index))
        if (weir__waiters_wake(w, 0))
            rwlock_grant(l, w->index, w->item);
}

static int rwlock_take_now(struct weir_rwlock *l, bool write, void *who)
{
    if (l->writer == who)
        return -EDEADLK;
    if (!rwlock_free_for(l, write) ||
        (weir__waiters_any(l->waiters) && weir__waiters_first(l->waiters)))
        return -EAGAIN;
    rwlock_grant(l, write, who);
    return 0;
}

int weir__rwlock_take_as(struct weir_rwlock *l, bool write, weir_time deadline, void *who)
{
    struct weir__loop *g = weir__guard(&l->lock);
    const char *what = write ? "rwlock_write" : "rwlock_read";
    struct weir__waiter w;
    bool served = false;
    int r = rwlock_take_now(l, write, who);

    if (r == -EAGAIN && deadline != 0) {
        weir__waiter_init(&w, NULL, who);
        w.index = write;
        r = g ? weir__waiters_stand_many(l->waiters, &w, deadline, what, g, &l->lock, &served)
              : weir__waiters_stand(l->waiters, &w, deadline, what);
        if (r < 0 && !served)
            rwlock_serve(l); /* a writer that gave up may have held back readers */
    }
    if (!served)
        weir__unguard(g, &l->lock);
    return r;
}

static int rwlock_take(struct weir_rwlock *l, bool write, weir_time deadline)
{
    struct weir__fiber *me = weir__self();

    if (!l || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_sync, write ? WEIR__OUT_WRITE : WEIR__OUT_READ, l, NULL, 0,
                              deadline);
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    return weir__rwlock_take_as(l, write, deadline, me);
}

int weir_rwlock_read(struct weir_rwlock *l, weir_time deadline)
{
    return rwlock_take(l, false, deadline);
}

int weir_rwlock_write(struct weir_rwlock *l, weir_time deadline)
{
    return rwlock_take(l, true, deadline);
}

int weir__rwlock_unlock_as(struct weir_rwlock *l, void *who)
{
    struct weir__loop *g = weir__guard(&l->lock);
    int r = 0;

    if (who && l->writer == who)
        l->writer = NULL;
    else if (l->readers)
        l->readers--;
    else
        r = -EPERM;
    if (r == 0)
        rwlock_serve(l);
    weir__unguard(g, &l->lock);
    return r;
}

int weir_rwlock_unlock(struct weir_rwlock *l)
{
    if (!l)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_RW_UNLOCK, l, NULL, 0, 0);
    return weir__rwlock_unlock_as(l, weir__self());
}

int weir__rwlock_downgrade_as(struct weir_rwlock *l, void *who)
{
    struct weir__loop *g = weir__guard(&l->lock);
    int r = who && l->writer == who ? 0 : -EPERM;

    if (r == 0) {
        l->writer = NULL;
        l->readers = 1;
        rwlock_serve(l);
    }
    weir__unguard(g, &l->lock);
    return r;
}

int weir_rwlock_downgrade(struct weir_rwlock *l)
{
    if (!l)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_DOWNGRADE, l, NULL, 0, 0);
    return weir__rwlock_downgrade_as(l, weir__self());
}
