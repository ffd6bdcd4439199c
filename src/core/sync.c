/*
 * sync.c -- semaphore, mutex, event: a count, an owner, a level, each with one
 * queue (waiters.h).  What is given back goes to the first in the queue before anybody new
 * can take it.
 */
#include <weir/sync.h>

#include "core/select.h"

/* --- semaphore --------------------------------------------------------- */

int weir_sem_init_with(struct weir_sem *s, const struct weir_sem_opts *opts)
{
    if (!s || !opts || opts->permits == 0 || opts->overtake > 1)
        return -EINVAL;
    for (size_t i = 0; i < sizeof opts->reserved / sizeof *opts->reserved; i++)
        if (opts->reserved[i])
            return -EINVAL;
    *s = (struct weir_sem){
        .permits = opts->permits, .limit = opts->permits, .overtake = opts->overtake};
    return 0;
}

int weir_sem_init(struct weir_sem *s, uint64_t permits)
{
    return weir_sem_init_with(s, &(struct weir_sem_opts){.permits = permits});
}

static void sem_grant(struct weir_sem *s, struct weir__waiter *w)
{
    s->permits -= w->size;
    weir__waiters_wake(w, 0);
}

/* Serves whoever fits, in order. */
static void sem_serve_any(struct weir_sem *s)
{
    struct weir__list *list = weir__list_of(s->waiters);

    for (struct weir__list *i = list->next, *next; i != list && s->permits; i = next) {
        struct weir__waiter *w = weir__waiters_entry(i);

        next = i->next;
        if (w->size <= s->permits && weir__waiter_sleeps(w))
            sem_grant(s, w);
    }
}

/* Hands permits on in order; the first that does not fit makes all behind it wait. */
static void sem_serve(struct weir_sem *s)
{
    struct weir__waiter *w;

    if (s->overtake)
        sem_serve_any(s);
    else
        while ((w = weir__waiters_first(s->waiters)) && w->size <= s->permits)
            sem_grant(s, w);
}

int weir_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline)
{
    struct weir__waiter w;
    int r;

    if (!s || n == 0 || n > s->limit || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    weir__waiters_charge();
    if (s->closed)
        return WEIR_ECLOSED;
    if (WEIR__LIKELY(s->permits >= n && (!weir__waiters_any(s->waiters) || s->overtake))) {
        s->permits -= n;
        return 0;
    }
    if (deadline == 0)
        return -EAGAIN;
    weir__waiter_init(&w, NULL, NULL);
    w.size = n;
    r = weir__waiters_stand(s->waiters, &w, deadline, "sem_take");
    if (r < 0 && r != WEIR_ECLOSED)
        sem_serve(s); /* a large one that gave up may have held back smaller ones */
    return r;
}

uint64_t weir_sem_taken(const struct weir_sem *s)
{
    return s ? s->limit + s->owed - s->permits : 0;
}

int weir_sem_give(struct weir_sem *s, uint64_t n)
{
    uint64_t kept;

    if (!s || n > weir_sem_taken(s))
        return -EINVAL;
    kept = n < s->owed ? n : s->owed;
    s->owed -= kept;
    s->permits += n - kept;
    if (s->waiters[0])
        sem_serve(s);
    return 0;
}

/* Those who wait for more than there will ever be. */
static void sem_refuse(struct weir_sem *s)
{
    struct weir__list *list = weir__list_of(s->waiters);

    for (struct weir__list *i = list->next, *next; i != list; i = next) {
        struct weir__waiter *w = weir__waiters_entry(i);

        next = i->next;
        if (w->size > s->limit)
            weir__waiters_wake(w, -EINVAL);
    }
}

int weir_sem_resize(struct weir_sem *s, uint64_t limit)
{
    uint64_t taken = weir_sem_taken(s);

    if (!s || limit == 0)
        return -EINVAL;
    s->limit = limit;
    s->permits = limit > taken ? limit - taken : 0;
    s->owed = limit > taken ? 0 : taken - limit;
    sem_refuse(s);
    sem_serve(s);
    return 0;
}

int weir_sem_forget(struct weir_sem *s, uint64_t n)
{
    uint64_t paid = s && n > s->owed ? s->owed : n;

    if (!s || n == 0 || n > weir_sem_taken(s) || n - paid >= s->limit)
        return -EINVAL;
    s->owed -= paid;
    s->limit -= n - paid;
    sem_refuse(s);
    sem_serve(s);
    return 0;
}

void weir_sem_close(struct weir_sem *s)
{
    if (!s)
        return;
    s->closed = 1;
    weir__waiters_wake_all(s->waiters, WEIR_ECLOSED);
}

/* --- permits ------------------------------------------------------------ */

static void permit_drop(void *item)
{
    (void)weir_permit_give(item);
}

struct weir_type weir_permit_type(void)
{
    struct weir_type t = WEIR_TYPE(struct weir_permit);

    t.drop = permit_drop;
    return t;
}

int weir_permit_take(struct weir_sem *s, uint64_t n, weir_time deadline,
                     struct weir_permit *out_permit)
{
    int r = out_permit ? weir_sem_take(s, n, deadline) : -EINVAL;

    if (r == 0)
        *out_permit = (struct weir_permit){s, n};
    return r;
}

int weir_permit_give(struct weir_permit *p)
{
    struct weir_permit had = p ? *p : (struct weir_permit){0};
    int r = had.sem ? weir_sem_give(had.sem, had.n) : -EINVAL;

    if (r == 0)
        *p = (struct weir_permit){0};
    return r;
}

int weir_permit_split(struct weir_permit *p, uint64_t n, struct weir_permit *out_rest)
{
    if (!p || !out_rest || p == out_rest || !p->sem || n == 0 || n >= p->n)
        return -EINVAL;
    *out_rest = (struct weir_permit){p->sem, n};
    p->n -= n;
    return 0;
}

int weir_permit_merge(struct weir_permit *p, struct weir_permit *other)
{
    if (!p || !other || p == other || !p->sem || p->sem != other->sem)
        return -EINVAL;
    p->n += other->n;
    *other = (struct weir_permit){0};
    return 0;
}

int weir_permit_forget(struct weir_permit *p)
{
    int r = p && p->sem ? weir_sem_forget(p->sem, p->n) : -EINVAL;

    if (r == 0)
        *p = (struct weir_permit){0};
    return r;
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
    return weir__waiters_stand(m->waiters, &w, deadline, "mutex_lock");
}

int weir_mutex_unlock(struct weir_mutex *m)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter *w;

    if (!m)
        return -EINVAL;
    if (!me || m->owner != me)
        return -EPERM;
    w = weir__waiters_any(m->waiters) ? weir__wake_first(weir__list_of(m->waiters), 0) : NULL;
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
    e->set = 1;
    weir__waiters_wake_all(e->waiters, 0);
}

void weir_event_clear(struct weir_event *e)
{
    e->set = 0;
}

int weir_event_wait(struct weir_event *e, weir_time deadline)
{
    if (!e || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    weir__waiters_charge();
    if (e->set)
        return 0;
    return weir__waiters_wait(e->waiters, NULL, deadline, "event_wait");
}

static int event_case(const struct weir_select *c)
{
    (void)c;
    return 0;
}

static int event_look(void *object, void *item)
{
    (void)item;
    return ((struct weir_event *)object)->set ? 0 : WEIR__CHAN_PARK;
}

static void **event_queue(void *object)
{
    return ((struct weir_event *)object)->waiters;
}

const struct weir__select_kind weir__select_event = {event_case, event_look, event_queue};
