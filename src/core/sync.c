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
    r = weir__wait(me, deadline, what, words);
    weir__list_remove(&w->link);
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

int weir_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline)
{
    struct weir__waiter w;
    int r;

    if (weir__outside() && s)
        return weir__outside_sem_take(s, n, deadline);
    if (!s || n == 0 || n > s->limit || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    sync_charge();
    if (s->closed)
        return WEIR_ECLOSED;
    if (WEIR__LIKELY(s->permits >= n && !sync_waited_for(s->waiters))) {
        s->permits -= n;
        return 0;
    }
    if (deadline == 0)
        return -EAGAIN;
    weir__waiter_init(&w, NULL, NULL);
    w.size = n;
    r = sync_stand(s->waiters, &w, deadline, "sem_take");
    if (r < 0 && r != WEIR_ECLOSED)
        sem_serve(s); /* a large one that gave up may have held back smaller ones */
    return r;
}

int weir_sem_give(struct weir_sem *s, uint64_t n)
{
    if (weir__outside() && s)
        return weir__outside_sem_give(s, n);
    if (!s || n > s->limit - s->permits)
        return -EINVAL;
    s->permits += n;
    if (s->waiters[0])
        sem_serve(s);
    return 0;
}

void weir_sem_close(struct weir_sem *s)
{
    if (weir__outside()) {
        weir__outside_sem_close(s);
        return;
    }
    s->closed = 1;
    weir__wake_all(weir__list_of(s->waiters), WEIR_ECLOSED);
}

/* --- mutex ------------------------------------------------------------- */

void weir_mutex_init(struct weir_mutex *m)
{
    *m = (struct weir_mutex){0};
}

int weir_mutex_lock(struct weir_mutex *m, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;

    if (!m || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    if (m->owner == me)
        return -EDEADLK;
    if (WEIR__LIKELY(!m->owner)) {
        m->owner = me;
        return 0;
    }
    if (deadline == 0)
        return -EAGAIN;
    weir__waiter_init(&w, me, NULL);
    return sync_stand(m->waiters, &w, deadline, "mutex_lock");
}

int weir_mutex_unlock(struct weir_mutex *m)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter *w;

    if (!m)
        return -EINVAL;
    if (!me || m->owner != me)
        return -EPERM;
    w = sync_waited_for(m->waiters) ? weir__wake_first(weir__list_of(m->waiters), 0) : NULL;
    m->owner = w ? w->fiber : NULL;
    return 0;
}

/* --- event ------------------------------------------------------------- */

void weir_event_init(struct weir_event *e)
{
    *e = (struct weir_event){0};
}

void weir_event_set(struct weir_event *e)
{
    if (weir__outside()) {
        weir__outside_event_set(e);
        return;
    }
    e->set = 1;
    if (e->waiters[0])
        weir__wake_all(weir__list_of(e->waiters), 0);
}

void weir_event_clear(struct weir_event *e)
{
    if (weir__outside()) {
        weir__outside_event_clear(e);
        return;
    }
    e->set = 0;
}

int weir_event_wait(struct weir_event *e, weir_time deadline)
{
    struct weir__waiter w;

    if (!e || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__outside_event_wait(e, deadline);
    sync_charge();
    if (e->set)
        return 0;
    if (deadline == 0)
        return -EAGAIN;
    weir__waiter_init(&w, NULL, NULL);
    return sync_stand(e->waiters, &w, deadline, "event_wait");
}
