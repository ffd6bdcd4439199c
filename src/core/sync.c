/*
 * sync.c -- semaphore, mutex, event: a count, an owner, a level, each with one
 * queue.  What is given back goes to the first in the queue before anybody new
 * can take it.
 */
#include <weir/sync.h>

#include "core/core.h"
#include "core/door.h"

static inline __attribute__((always_inline)) int sync_stand(void *words[2], struct weir__waiter *w,
                                                            weir_time deadline, const char *what)
{
    struct weir__fiber *me = weir__self();
    int r;

    if (!me)
        return WEIR_ENOFIBER;
    w->fiber = me;
    weir__list_append(weir__list_of(words), &w->link);
    r = weir__wait_solo(me, deadline, what, words);
    weir__list_remove(&w->link);
    return r;
}

/*
 * With many loops: gives the lock and parks.  True in *served: somebody has
 * taken the waiter off the list, and the object may be gone; else the lock is
 * held again.
 */
static int sync_stand_many(void *words[2], struct weir__waiter *w, weir_time deadline,
                           const char *what, struct weir__loop *g, uint32_t *lock, bool *served)
{
    struct weir__fiber *me = weir__self();
    int r;

    *served = false;
    if (!me)
        return WEIR_ENOFIBER;
    w->fiber = me;
    weir__claim_open(me);
    weir__list_append(weir__list_of(words), &w->link);
    weir__unguard(g, lock);
    r = weir__wait_many(me, deadline, what, words);
    *served = me->hit == w;
    if (*served)
        return r;
    weir__guard_take(g, lock);
    weir__list_remove(&w->link);
    return r;
}

/* What does not park is charged too, or a loop of it would starve the others. */
static inline void sync_charge(struct weir__loop *l)
{
    if (l)
        weir__charge(l);
}

static bool sync_waited_for(void *words[2])
{
    return words[0] && !weir__list_empty(weir__list_of(words));
}

/* --- semaphore --------------------------------------------------------- */

int weir_sem_init(struct weir_sem *s, uint64_t permits)
{
    if (!s || permits == 0)
        return -EINVAL;
    *s = (struct weir_sem){.permits = permits, .limit = permits};
    return 0;
}

/* Hands permits on in order; the first that does not fit makes all behind it wait. */
static void sem_serve(struct weir_sem *s)
{
    struct weir__list *list = weir__list_of(s->waiters);

    while (!weir__list_empty(list)) {
        struct weir__waiter *w = WEIR__ENTRY(list->next, struct weir__waiter, link);

        if (weir__sleeps(w->fiber) && w->size > s->permits)
            return;
        weir__list_remove(&w->link);
        if (weir__wake(w->fiber, 0, w))
            s->permits -= w->size;
    }
}

/* 0, -EAGAIN where it has to wait, or a failure. */
static inline __attribute__((always_inline)) int sem_take_now(struct weir_sem *s, uint64_t n)
{
    if (WEIR__UNLIKELY(s->closed))
        return WEIR_ECLOSED;
    if (WEIR__UNLIKELY(s->permits < n || sync_waited_for(s->waiters)))
        return -EAGAIN;
    s->permits -= n;
    return 0;
}

/* Where the loop is not alone, or is none. */
static __attribute__((noinline)) int sem_take_elsewhere(struct weir_sem *s, uint64_t n,
                                                        weir_time deadline)
{
    struct weir__waiter w;
    struct weir__loop *g;
    bool served = false;
    int r;

    if (weir__outside())
        return weir__outside_sem_take(s, n, deadline);
    sync_charge(weir__loop_get());
    g = weir__guard(&s->lock);
    r = n > s->limit ? -EINVAL : sem_take_now(s, n);
    if (r == -EAGAIN && deadline != 0) {
        weir__waiter_init(&w, NULL, NULL);
        w.size = n;
        r = g ? sync_stand_many(s->waiters, &w, deadline, "sem_take", g, &s->lock, &served)
              : WEIR_ENOFIBER;
        if (r < 0 && !served)
            sem_serve(s);
    }
    if (!served)
        weir__unguard(g, &s->lock);
    return r;
}

int weir_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline)
{
    struct weir__loop *l = weir__solo_here;
    struct weir__waiter w;
    int r;

    if (!s || n == 0 || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (WEIR__UNLIKELY(!l))
        return sem_take_elsewhere(s, n, deadline);
    if (n > s->limit)
        return -EINVAL;
    weir__charge(l);
    r = sem_take_now(s, n);
    if (WEIR__LIKELY(r != -EAGAIN || deadline == 0))
        return r;
    weir__waiter_init(&w, NULL, NULL);
    w.size = n;
    r = sync_stand(s->waiters, &w, deadline, "sem_take");
    if (r < 0 && r != WEIR_ECLOSED)
        sem_serve(s); /* a large one that gave up may have held back smaller ones */
    return r;
}

static inline __attribute__((always_inline)) int sem_give_now(struct weir_sem *s, uint64_t n)
{
    if (n > s->limit - s->permits)
        return -EINVAL;
    s->permits += n;
    if (s->waiters[0])
        sem_serve(s);
    return 0;
}

static __attribute__((noinline)) int sem_give_elsewhere(struct weir_sem *s, uint64_t n)
{
    struct weir__loop *g;
    int r;

    if (weir__outside())
        return weir__outside_sem_give(s, n);
    g = weir__guard(&s->lock);
    r = sem_give_now(s, n);
    weir__unguard(g, &s->lock);
    return r;
}

int weir_sem_give(struct weir_sem *s, uint64_t n)
{
    if (!s)
        return -EINVAL;
    return WEIR__LIKELY(weir__solo_here) ? sem_give_now(s, n) : sem_give_elsewhere(s, n);
}

void weir_sem_close(struct weir_sem *s)
{
    struct weir__loop *g;

    if (weir__outside()) {
        weir__outside_sem_close(s);
        return;
    }
    g = weir__guard(&s->lock);
    s->closed = 1;
    weir__wake_all(weir__list_of(s->waiters), WEIR_ECLOSED);
    weir__unguard(g, &s->lock);
}

/* --- mutex ------------------------------------------------------------- */

void weir_mutex_init(struct weir_mutex *m)
{
    *m = (struct weir_mutex){0};
}

static inline __attribute__((always_inline)) int mutex_lock_now(struct weir_mutex *m,
                                                                struct weir__fiber *me)
{
    if (WEIR__LIKELY(!m->owner)) {
        m->owner = me;
        return 0;
    }
    return m->owner == me ? -EDEADLK : -EAGAIN;
}

static __attribute__((noinline)) int mutex_lock_many(struct weir_mutex *m, weir_time deadline,
                                                     struct weir__fiber *me)
{
    struct weir__loop *g = weir__guard(&m->lock);
    struct weir__waiter w;
    bool served = false;
    int r = mutex_lock_now(m, me);

    if (r == -EAGAIN && deadline != 0) {
        weir__waiter_init(&w, me, NULL);
        r = sync_stand_many(m->waiters, &w, deadline, "mutex_lock", g, &m->lock, &served);
    }
    if (!served)
        weir__unguard(g, &m->lock);
    return r;
}

int weir_mutex_lock(struct weir_mutex *m, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;
    int r;

    if (!m || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    if (WEIR__UNLIKELY(me->loop->many))
        return mutex_lock_many(m, deadline, me);
    r = mutex_lock_now(m, me);
    if (WEIR__LIKELY(r != -EAGAIN || deadline == 0))
        return r;
    weir__waiter_init(&w, me, NULL);
    return sync_stand(m->waiters, &w, deadline, "mutex_lock");
}

static inline __attribute__((always_inline)) int mutex_unlock_now(struct weir_mutex *m,
                                                                  struct weir__fiber *me)
{
    struct weir__waiter *w;

    if (!me || m->owner != me)
        return -EPERM;
    w = sync_waited_for(m->waiters) ? weir__wake_first(weir__list_of(m->waiters), 0) : NULL;
    m->owner = w ? w->fiber : NULL;
    return 0;
}

static __attribute__((noinline)) int mutex_unlock_many(struct weir_mutex *m)
{
    struct weir__loop *g = weir__guard(&m->lock);
    int r = mutex_unlock_now(m, weir__self());

    weir__unguard(g, &m->lock);
    return r;
}

int weir_mutex_unlock(struct weir_mutex *m)
{
    struct weir__loop *l = weir__solo_here;

    if (!m)
        return -EINVAL;
    return WEIR__LIKELY(l) ? mutex_unlock_now(m, l->current) : mutex_unlock_many(m);
}

/* --- event ------------------------------------------------------------- */

void weir_event_init(struct weir_event *e)
{
    *e = (struct weir_event){0};
}

void weir_event_set(struct weir_event *e)
{
    struct weir__loop *g;

    if (weir__outside()) {
        weir__outside_event_set(e);
        return;
    }
    g = weir__guard(&e->lock);
    e->set = 1;
    if (e->waiters[0])
        weir__wake_all(weir__list_of(e->waiters), 0);
    weir__unguard(g, &e->lock);
}

void weir_event_clear(struct weir_event *e)
{
    struct weir__loop *g;

    if (weir__outside()) {
        weir__outside_event_clear(e);
        return;
    }
    g = weir__guard(&e->lock);
    e->set = 0;
    weir__unguard(g, &e->lock);
}

int weir_event_wait(struct weir_event *e, weir_time deadline)
{
    struct weir__waiter w;
    struct weir__loop *g;
    bool served = false;
    int r;

    if (!e || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__outside_event_wait(e, deadline);
    sync_charge(weir__loop_get());
    g = weir__guard(&e->lock);
    r = e->set ? 0 : -EAGAIN;
    if (r < 0 && deadline != 0) {
        weir__waiter_init(&w, NULL, NULL);
        r = g ? sync_stand_many(e->waiters, &w, deadline, "event_wait", g, &e->lock, &served)
              : sync_stand(e->waiters, &w, deadline, "event_wait");
    }
    if (!served)
        weir__unguard(g, &e->lock);
    return r;
}
