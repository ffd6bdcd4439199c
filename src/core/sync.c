/*
 * sync.c -- semaphore, mutex, event: a count, an owner, a level, each with one
 * queue (waiters.h).  What is given back goes to the first in the queue before anybody new
 * can take it.
 */
#include <weir/sync.h>

#include "core/door.h"
#include "core/select.h"

/* What does not park is charged too, or a loop of it would starve the others. */
static inline void sync_charge(struct weir__loop *l)
{
    if (l)
        weir__charge(l);
}

/* Where a fast path has charged already, if that has used the share up. */
static void sync_charge_slow(struct weir__loop *l)
{
    if (l->budget == 0 || --l->budget == 0)
        weir__budget_spent(l);
}

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

/* Another hand may be waking it, too: then nothing is taken for it. */
static void sem_grant(struct weir_sem *s, struct weir__waiter *w)
{
    weir__list_remove(&w->link);
    if (weir__wake(w->fiber, 0, w))
        s->permits -= w->size;
}

/* Serves whoever fits, in order. */
static void sem_serve_any(struct weir_sem *s)
{
    struct weir__list *list = weir__list_of(s->waiters);

    for (struct weir__list *i = list->next, *next; i != list && s->permits; i = next) {
        struct weir__waiter *w = weir__waiters_entry(i);

        next = i->next;
        if (w->size <= s->permits)
            sem_grant(s, w);
    }
}

/*
 * Hands permits on in order; the first that does not fit makes all behind it wait.  0: a give ends
 * in a jump to it.
 */
static __attribute__((noinline)) int sem_serve(struct weir_sem *s)
{
    struct weir__list *list = weir__list_of(s->waiters);

    if (s->overtake) {
        sem_serve_any(s);
        return 0;
    }
    while (s->permits && !weir__list_empty(list)) {
        struct weir__waiter *w = weir__waiters_entry(list->next);

        if (w->size > s->permits && weir__sleeps(w->fiber))
            break;
        if (w->size > s->permits)
            weir__list_remove(&w->link); /* it is leaving */
        else
            sem_grant(s, w);
    }
    return 0;
}

/* 0, -EAGAIN where it has to wait, or a failure. */
static inline __attribute__((always_inline)) int sem_take_now(struct weir_sem *s, uint64_t n)
{
    if (WEIR__UNLIKELY(s->closed))
        return WEIR_ECLOSED;
    if (WEIR__UNLIKELY(s->permits < n || (weir__waiters_any(s->waiters) && !s->overtake)))
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
        r = g ? weir__waiters_stand_many(s->waiters, &w, deadline, "sem_take", g, &s->lock, &served)
              : WEIR_ENOFIBER;
        if (r < 0 && !served)
            sem_serve(s);
    }
    if (!served)
        weir__unguard(g, &s->lock);
    return r;
}

/* All but the common case.  The fast path jumps here, so a park is one call deep. */
static __attribute__((noinline)) int sem_take_slow(struct weir_sem *s, uint64_t n,
                                                   weir_time deadline)
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
    sync_charge_slow(l);
    r = sem_take_now(s, n);
    if (WEIR__LIKELY(r != -EAGAIN || deadline == 0))
        return r;
    weir__waiter_init(&w, NULL, NULL);
    w.size = n;
    r = weir__waiters_stand(s->waiters, &w, deadline, "sem_take");
    if (r < 0 && r != WEIR_ECLOSED)
        sem_serve(s); /* a large one that gave up may have held back smaller ones */
    return r;
}

int weir_sem_take(struct weir_sem *s, uint64_t n, weir_time deadline)
{
    struct weir__loop *l = weir__solo_here;

    if (WEIR__UNLIKELY(!l || !s || n - 1 >= s->permits || s->closed ||
                       weir__waiters_any(s->waiters) || weir__deadline_check(deadline) < 0 ||
                       --l->budget == 0))
        return sem_take_slow(s, n, deadline);
    s->permits -= n;
    return 0;
}

static inline uint64_t sem_out(const struct weir_sem *s)
{
    return s->limit + s->owed - s->permits;
}

/* What is left of n that come back once some have been kept away. */
static uint64_t sem_pay(struct weir_sem *s, uint64_t n)
{
    uint64_t kept = n < s->owed ? n : s->owed;

    s->owed -= kept;
    return n - kept;
}

/* Some of what comes back is kept away. */
static __attribute__((noinline)) int sem_give_owed(struct weir_sem *s, uint64_t n)
{
    if (n > sem_out(s))
        return -EINVAL;
    s->permits += sem_pay(s, n);
    return sem_serve(s);
}

static inline __attribute__((always_inline)) int sem_give_now(struct weir_sem *s, uint64_t n)
{
    if (WEIR__UNLIKELY(s->owed))
        return sem_give_owed(s, n);
    if (n > s->limit - s->permits)
        return -EINVAL;
    s->permits += n;
    return WEIR__LIKELY(!weir__waiters_any(s->waiters)) ? 0 : sem_serve(s);
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

    if (!s)
        return;
    if (weir__outside()) {
        weir__outside_sem_close(s);
        return;
    }
    g = weir__guard(&s->lock);
    s->closed = 1;
    weir__wake_all(weir__list_of(s->waiters), WEIR_ECLOSED);
    weir__unguard(g, &s->lock);
}

/* --- limit ------------------------------------------------------------- */

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

static int sem_resize_now(struct weir_sem *s, uint64_t limit)
{
    uint64_t out = sem_out(s);

    s->limit = limit;
    s->permits = limit > out ? limit - out : 0;
    s->owed = limit > out ? 0 : out - limit;
    sem_refuse(s);
    sem_serve(s);
    return 0;
}

int weir_sem_resize(struct weir_sem *s, uint64_t limit)
{
    struct weir__loop *g;
    int r;

    if (!s || limit == 0)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_SEM_RESIZE, s, NULL, limit, 0);
    g = weir__guard(&s->lock);
    r = sem_resize_now(s, limit);
    weir__unguard(g, &s->lock);
    return r;
}

static int sem_forget_now(struct weir_sem *s, uint64_t n)
{
    uint64_t paid = n > s->owed ? s->owed : n;

    if (n == 0 || n > sem_out(s) || n - paid >= s->limit)
        return -EINVAL;
    s->owed -= paid;
    s->limit -= n - paid;
    sem_refuse(s);
    sem_serve(s);
    return 0;
}

int weir_sem_forget(struct weir_sem *s, uint64_t n)
{
    struct weir__loop *g;
    int r;

    if (!s)
        return -EINVAL;
    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_SEM_FORGET, s, NULL, n, 0);
    g = weir__guard(&s->lock);
    r = sem_forget_now(s, n);
    weir__unguard(g, &s->lock);
    return r;
}

static uint64_t sem_taken_elsewhere(struct weir_sem *s)
{
    struct weir__loop *g;
    uint64_t n = 0;

    if (weir__outside()) {
        (void)weir__out_call(weir__out_sync, WEIR__OUT_SEM_TAKEN, s, &n, 0, 0);
        return n;
    }
    g = weir__guard(&s->lock);
    n = sem_out(s);
    weir__unguard(g, &s->lock);
    return n;
}

uint64_t weir_sem_taken(const struct weir_sem *s)
{
    if (!s)
        return 0;
    return WEIR__LIKELY(weir__solo_here) ? sem_out(s) : sem_taken_elsewhere((struct weir_sem *)s);
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

static inline __attribute__((always_inline)) int mutex_lock_now(struct weir_mutex *m, void *who)
{
    if (WEIR__LIKELY(!m->owner)) {
        m->owner = who;
        return 0;
    }
    return m->owner == who ? -EDEADLK : -EAGAIN;
}

int weir__mutex_lock_as(struct weir_mutex *m, weir_time deadline, void *who)
{
    struct weir__loop *g = weir__guard(&m->lock);
    int r = mutex_lock_now(m, who);

    if (r == -EAGAIN)
        return weir__waiters_wait(m->waiters, who, deadline, "mutex_lock", g, &m->lock);
    weir__unguard(g, &m->lock);
    return r;
}

static __attribute__((noinline)) int mutex_lock_elsewhere(struct weir_mutex *m, weir_time deadline)
{
    struct weir__fiber *me = weir__self();

    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_LOCK, m, NULL, 0, deadline);
    if (!me)
        return WEIR_ENOFIBER;
    weir__charge(me->loop);
    return weir__mutex_lock_as(m, deadline, me);
}

static __attribute__((noinline)) int mutex_lock_slow(struct weir_mutex *m, weir_time deadline)
{
    struct weir__loop *l = weir__solo_here;
    struct weir__fiber *me;
    struct weir__waiter w;
    int r;

    if (!m || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (WEIR__UNLIKELY(!l || (me = l->current) == &l->root))
        return mutex_lock_elsewhere(m, deadline);
    sync_charge_slow(l);
    r = mutex_lock_now(m, me);
    if (WEIR__LIKELY(r != -EAGAIN || deadline == 0))
        return r;
    weir__waiter_init(&w, NULL, me);
    return weir__waiters_stand(m->waiters, &w, deadline, "mutex_lock");
}

int weir_mutex_lock(struct weir_mutex *m, weir_time deadline)
{
    struct weir__loop *l = weir__solo_here;

    if (WEIR__UNLIKELY(!l || !m || m->owner || l->current == &l->root ||
                       weir__deadline_check(deadline) < 0 || --l->budget == 0))
        return mutex_lock_slow(m, deadline);
    m->owner = l->current;
    return 0;
}

/* To the first who waits, or to nobody. */
static __attribute__((noinline)) int mutex_hand_on(struct weir_mutex *m)
{
    struct weir__waiter *w = weir__waiters_take(m->waiters, 0);

    m->owner = w ? w->item : NULL;
    return 0;
}

static inline __attribute__((always_inline)) int mutex_unlock_now(struct weir_mutex *m, void *who)
{
    if (!who || m->owner != who)
        return -EPERM;
    if (WEIR__UNLIKELY(weir__waiters_any(m->waiters)))
        return mutex_hand_on(m);
    m->owner = NULL;
    return 0;
}

int weir__mutex_unlock_as(struct weir_mutex *m, void *who)
{
    struct weir__loop *g = weir__guard(&m->lock);
    int r = mutex_unlock_now(m, who);

    weir__unguard(g, &m->lock);
    return r;
}

static __attribute__((noinline)) int mutex_unlock_elsewhere(struct weir_mutex *m)
{
    if (weir__outside())
        return weir__out_call(weir__out_sync, WEIR__OUT_UNLOCK, m, NULL, 0, 0);
    return weir__mutex_unlock_as(m, weir__self());
}

int weir_mutex_unlock(struct weir_mutex *m)
{
    struct weir__loop *l = weir__solo_here;

    if (!m)
        return -EINVAL;
    return WEIR__LIKELY(l) ? mutex_unlock_now(m, l->current) : mutex_unlock_elsewhere(m);
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
    struct weir__loop *g;

    if (!e || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (weir__outside())
        return weir__outside_event_wait(e, deadline);
    sync_charge(weir__loop_get());
    g = weir__guard(&e->lock);
    if (!e->set)
        return weir__waiters_wait(e->waiters, NULL, deadline, "event_wait", g, &e->lock);
    weir__unguard(g, &e->lock);
    return 0;
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

static bool event_ready(const void *object)
{
    return ((const struct weir_event *)object)->set;
}

static void **event_queue(void *object)
{
    return ((struct weir_event *)object)->waiters;
}

static uint32_t *event_lock(void *object)
{
    return &((struct weir_event *)object)->lock;
}

const struct weir__select_kind weir__select_event = {event_case,  event_look, event_ready,
                                                     event_queue, event_lock, false};
