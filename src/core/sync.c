/*
 * sync.c -- semaphore, mutex, event: a count, an owner, a level, each with one
 * queue.  What is given back goes to the first in the queue before anybody new
 * can take it.
 */
#include <weir/sync.h>

#include "core/core.h"
#include "core/door.h"

/*
 * Gives the lock and parks.  True in *served: somebody has taken the waiter off
 * the list and the object may be gone; else the lock is held again.
 */
static inline __attribute__((always_inline)) int sync_stand(void *words[2], struct weir__waiter *w,
                                                            weir_time deadline, const char *what,
                                                            struct weir__loop *g, uint32_t *lock,
                                                            bool *served)
{
    struct weir__fiber *me = w->fiber;
    int r;

    if (WEIR__UNLIKELY(g))
        weir__claim_open(me);
    weir__list_append(weir__list_of(words), &w->link);
    weir__unguard(g, lock);
    r = weir__wait(me, deadline, what, words);
    *served = me->hit == w;
    if (WEIR__UNLIKELY(!*served)) {
        if (g)
            weir__guard_take(g, lock);
        weir__list_remove(&w->link);
    }
    return r;
}

/* What does not park is charged too, or a loop of it would starve the others. */
static inline void sync_charge(void)
{
    struct weir__fiber *me = weir__self();

    if (me)
        weir__charge(me->loop);
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
static inline int sem_take_now(struct weir_sem *s, uint64_t n)
{
    if (n > s->limit)
        return -EINVAL;
    if (s->closed)
        return WEIR_ECLOSED;
    if (WEIR__UNLIKELY(s->permits < n || sync_waited_for(s->waiters)))
        return -EAGAIN;
    s->permits -= n;
    return 0;
}

static __attribute__((noinline)) int sem_take_wait(struct weir_sem *s, uint64_t n,
                                                   weir_time deadline, struct weir__loop *g)
{
    struct weir__waiter w;
    bool served;
    int r;

    weir__waiter_init(&w, weir__self(), NULL);
    if (!w.fiber) {
        weir__unguard(g, &s->lock);
        return WEIR_ENOFIBER;
    }
    w.size = n;
    r = sync_stand(s->waiters, &w, deadline, "sem_take", g, &s->lock, &served);
    if (served)
        return r;
    sem_serve(s); /* a large one that gave up may have held back smaller ones */
    weir__unguard(g, &s->lock);
    return r;
}

int weir_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline)
{
    struct weir__loop *g;
    int r;

    if (!s || n == 0 || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__outside_sem_take(s, n, deadline);
    sync_charge();
    g = weir__guard(&s->lock);
    r = sem_take_now(s, n);
    if (WEIR__UNLIKELY(r == -EAGAIN && deadline != 0))
        return sem_take_wait(s, n, deadline, g);
    weir__unguard(g, &s->lock);
    return r;
}

static inline int sem_give_now(struct weir_sem *s, uint64_t n)
{
    if (n > s->limit - s->permits)
        return -EINVAL;
    s->permits += n;
    if (s->waiters[0])
        sem_serve(s);
    return 0;
}

int weir_sem_give(struct weir_sem *s, uint64_t n)
{
    struct weir__loop *g;
    int r;

    if (!s)
        return -EINVAL;
    if (weir__outside())
        return weir__outside_sem_give(s, n);
    g = weir__guard(&s->lock);
    r = sem_give_now(s, n);
    weir__unguard(g, &s->lock);
    return r;
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

static inline int mutex_lock_now(struct weir_mutex *m, struct weir__fiber *me)
{
    if (m->owner == me)
        return -EDEADLK;
    if (WEIR__UNLIKELY(m->owner))
        return -EAGAIN;
    m->owner = me;
    return 0;
}

static __attribute__((noinline)) int mutex_lock_wait(struct weir_mutex *m, weir_time deadline,
                                                     struct weir__fiber *me, struct weir__loop *g)
{
    struct weir__waiter w;
    bool served;
    int r;

    weir__waiter_init(&w, me, NULL);
    r = sync_stand(m->waiters, &w, deadline, "mutex_lock", g, &m->lock, &served);
    if (!served)
        weir__unguard(g, &m->lock);
    return r;
}

int weir_mutex_lock(struct weir_mutex *m, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    struct weir__loop *g;
    int r;

    if (!m || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    g = weir__guard(&m->lock);
    r = mutex_lock_now(m, me);
    if (WEIR__UNLIKELY(r == -EAGAIN && deadline != 0))
        return mutex_lock_wait(m, deadline, me, g);
    weir__unguard(g, &m->lock);
    return r;
}

int weir_mutex_unlock(struct weir_mutex *m)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter *w;
    struct weir__loop *g;
    bool mine;

    if (!m)
        return -EINVAL;
    g = weir__guard(&m->lock);
    mine = me && m->owner == me;
    if (WEIR__LIKELY(mine)) {
        w = sync_waited_for(m->waiters) ? weir__wake_first(weir__list_of(m->waiters), 0) : NULL;
        m->owner = w ? w->fiber : NULL;
    }
    weir__unguard(g, &m->lock);
    return mine ? 0 : -EPERM;
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

static __attribute__((noinline)) int event_wait_parked(struct weir_event *e, weir_time deadline,
                                                       struct weir__loop *g)
{
    struct weir__waiter w;
    bool served;
    int r;

    weir__waiter_init(&w, weir__self(), NULL);
    if (!w.fiber) {
        weir__unguard(g, &e->lock);
        return WEIR_ENOFIBER;
    }
    r = sync_stand(e->waiters, &w, deadline, "event_wait", g, &e->lock, &served);
    if (!served)
        weir__unguard(g, &e->lock);
    return r;
}

int weir_event_wait(struct weir_event *e, weir_time deadline)
{
    struct weir__loop *g;
    bool set;

    if (!e || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__outside_event_wait(e, deadline);
    sync_charge();
    g = weir__guard(&e->lock);
    set = e->set;
    if (!set && deadline != 0)
        return event_wait_parked(e, deadline, g);
    weir__unguard(g, &e->lock);
    return set ? 0 : -EAGAIN;
}
