/*
 * flight.c -- one fiber, many waiters.
 *
 * The fiber enters the flight's node before it loads, so that a cancel of this
 * node ends this load and no other.  A flight whose last waiter leaves is
 * unlisted at once: the next caller of its key gets a load that has a future.
 */
#include "call/flight.h"
#include "core/local.h"

#include <string.h>

/* --- the table of those that may be joined --------------------------------- */

static struct weir__flight **flight_bucket(const struct weir__flights *s, uint64_t hash)
{
    return &s->buckets[hash & s->mask];
}

struct weir__flight *weir__flight_find(const struct weir__flights *s, uint64_t hash,
                                       const void *key, size_t len)
{
    struct weir__flight *f = *flight_bucket(s, hash);

    while (f && (f->hash != hash || f->key_len != len || (len && memcmp(f->key, key, len) != 0)))
        f = f->chain;
    return f;
}

static void flight_buckets_free(struct weir__flights *s)
{
    if (s->buckets != s->first)
        weir__free(s->buckets, (s->mask + 1) * sizeof(struct weir__flight *));
    s->buckets = s->first;
}

/* Twice as many buckets; without memory the chains grow instead. */
static void flight_grow(struct weir__flights *s)
{
    size_t n = s->mask + 1;
    struct weir__flights bigger = *s;

    bigger.mask = 2 * n - 1;
    bigger.buckets = weir__alloc(2 * n * sizeof(struct weir__flight *));
    if (!bigger.buckets)
        return;
    for (size_t i = 0; i < n; i++)
        for (struct weir__flight *f = s->buckets[i], *next; f; f = next) {
            next = f->chain;
            f->chain = *flight_bucket(&bigger, f->hash);
            *flight_bucket(&bigger, f->hash) = f;
        }
    flight_buckets_free(s);
    s->buckets = bigger.buckets;
    s->mask = bigger.mask;
}

static void flight_list(struct weir__flights *s, struct weir__flight *f)
{
    if (s->listed > s->mask)
        flight_grow(s);
    f->chain = *flight_bucket(s, f->hash);
    *flight_bucket(s, f->hash) = f;
    f->listed = true;
    s->listed++;
}

static void flight_unlist(struct weir__flight *f)
{
    struct weir__flight **at;

    if (!f->listed)
        return;
    at = flight_bucket(f->set, f->hash);
    while (*at != f)
        at = &(*at)->chain;
    *at = f->chain;
    f->listed = false;
    f->set->listed--;
}

/* --- who waits for whom ------------------------------------------------------ */

/* Never armed: a node that has it is a flight's. */
static void flight_mark(struct weir__timer *t)
{
    (void)t;
}

/* True if `f` can land only after what runs at node n: it is around it, or waits for what is. */
static bool flight_awaits(const struct weir__flight *f, const struct weir__node *n, int deep)
{
    if (deep == 0)
        return true;
    for (; n; n = n->parent) {
        const struct weir__flight *around = WEIR__ENTRY(n, struct weir__flight, node);
        const struct weir__list *i;

        if (n->timer.fire != flight_mark)
            continue;
        if (around == f)
            return true;
        for (i = around->waiters.next; i != &around->waiters; i = i->next)
            if (flight_awaits(f, WEIR__ENTRY(i, struct weir__waiter, link)->fiber->node, deep - 1))
                return true;
    }
    return false;
}

int weir__flight_hangs(const struct weir__flight *f)
{
    const struct weir__fiber *me = weir__self();

    weir__check(me);
    return flight_awaits(f, me->node, WEIR__FLIGHT_DEEP) ? -EDEADLK : 0;
}

/* --- the flight ---------------------------------------------------------------- */

void weir__flight_unref(struct weir__flight *f)
{
    if (--f->refs == 0)
        f->set->ops->drop(f);
}

static int flight_load(struct weir__flight *f)
{
    struct weir__fiber *me = weir__self();
    int r = -ECANCELED;

    weir__check(me);
    weir__node_init(&f->node, me->node, me, WEIR__NODE_LIMIT);
    f->node.timer.fire = flight_mark;
    me->node = &f->node;
    f->running = true;
    if (!f->abandoned && !f->node.why)
        r = f->set->ops->load(f);
    f->running = false;
    me->node = f->node.parent;
    weir__node_leave(&f->node);
    return weir__pen_told(&f->set->pen, r);
}

static int flight_main(void *arg)
{
    struct weir__flight *f = arg;

    weir__locals_become(NULL); /* those of the first caller may end with it */
    f->result = flight_load(f);
    f->wanted = f->listed;
    flight_unlist(f);
    f->set->ops->land(f);
    f->landed = true;
    f->set->flying--;
    weir__wake_all(&f->waiters, 0);
    weir__flight_unref(f);
    return 0;
}

int weir__flight_start(struct weir__flights *s, struct weir__flight *f, uint64_t hash)
{
    int r;

    f->set = s;
    f->hash = hash;
    f->refs = 1;
    weir__list_init(&f->waiters);
    flight_list(s, f);
    r = weir__pen_go(&s->pen, flight_main, f, "load");
    if (r < 0)
        flight_unlist(f);
    else
        s->flying++;
    return r;
}

static void flight_abandon(struct weir__flight *f)
{
    f->abandoned = true;
    flight_unlist(f);
    if (f->running)
        weir__node_cancel(&f->node, -ECANCELED);
}

void weir__flight_disown(struct weir__flight *f)
{
    if (f->waiting)
        flight_unlist(f);
    else
        flight_abandon(f);
}

void weir__flights_disown(struct weir__flights *s)
{
    for (size_t i = 0; i <= s->mask; i++)
        while (s->buckets[i])
            weir__flight_disown(s->buckets[i]);
}

int weir__flight_wait(struct weir__flight *f)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;
    int r;

    weir__check(me);
    f->refs++;
    f->waiting++;
    f->set->waiting++;
    weir__waiter_init(&w, me, NULL);
    weir__list_append(&f->waiters, &w.link);
    r = weir__wait(me, WEIR_NEVER, "load", f);
    weir__list_remove(&w.link);
    f->set->waiting--;
    if (--f->waiting == 0 && !f->landed && !f->kept)
        flight_abandon(f);
    return f->landed ? f->result : r;
}

/* --- the set ---------------------------------------------------------------------- */

void weir__flights_init(struct weir__flights *s, const struct weir__flight_ops *ops)
{
    s->ops = ops;
    s->buckets = s->first;
    s->mask = WEIR__FLIGHT_BUCKETS - 1;
    s->hash_key = weir__hash_key_new();
    weir__list_init(&s->leavers);
    weir__pen_init(&s->pen);
}

int weir__flights_enter(struct weir__flights *s)
{
    if (s->closed)
        return WEIR_ECLOSED;
    s->inside++;
    return 0;
}

void weir__flights_leave(struct weir__flights *s)
{
    if (--s->inside == 0)
        weir__wake_all(&s->leavers, 0);
}

void weir__flights_fini(struct weir__flights *s)
{
    struct weir__waiter w;

    s->closed = true;
    weir__pen_cancel(&s->pen, -ECANCELED);
    weir__pen_join(&s->pen);
    while (s->inside) {
        weir__waiter_init(&w, weir__self(), NULL);
        weir__list_append(&s->leavers, &w.link);
        weir__wait_shielded(weir__self(), "leavers", s);
        weir__list_remove(&w.link);
    }
    flight_buckets_free(s);
}
