/*
 * pool.c -- a bounded set of objects.  Entries are kept until the pool goes,
 * so that the copy of a lease that is no longer out is told from one that is.
 *
 *     total = idle + used + making  <=  max
 *
 * A place in `total` is what is handed on, with an object in it or empty: who
 * gets an empty one makes the object.  Gets stand in one queue, and whoever
 * frees a place or an object serves its head, so neither is lost when a get
 * is cancelled, and no newcomer overtakes.
 */
#include <weir/pool.h>

#include "base/rand.h"
#include "core/local.h"
#include "core/pen.h"

/* A destroy is deaf to a cancel for so long: it ends a thing, it does not wait for the world. */
#define POOL_DEAF WEIR_S(60)

enum pool_state { POOL_SPARE, POOL_IDLE, POOL_USED };

struct pool_entry {
    struct weir__list link; /* idle: the one idle longest first; spare */
    void *object;
    uint64_t id, uses;
    weir_time since, until; /* idle since; not to be used after */
    uint8_t state;
};

struct pool_waiter {
    struct weir__waiter w;
    struct pool_entry *entry; /* what it was given: NULL is an empty place */
};

struct weir_pool {
    int poison;
    uint32_t home;
    bool closed, freed, tending;
    struct weir_pool_opts opts;
    struct weir__pen pen;
    struct weir_rng rng;
    struct weir__list idle, spare, waiters, drains;
    struct weir_pool_stats stats;
    uint64_t ids;
    uint32_t inside; /* calls that will look at the pool again */
};

static struct weir_pool pool_poisons[] = {{.poison = -EINVAL}, {.poison = -ENOMEM}};

int weir_pool_error(const weir_pool *p)
{
    return p ? p->poison : -EINVAL;
}

/* 0, the handle's code, or -EXDEV. */
static int pool_usable(weir_pool *p)
{
    int r = weir_pool_error(p);

    return r < 0 ? r : weir__home(&p->home);
}

/* --- the end of a pool -------------------------------------------------------- */

static void pool_leave(weir_pool *p)
{
    if (--p->inside || !p->freed || p->stats.total)
        return;
    while (!weir__list_empty(&p->spare)) {
        struct pool_entry *e = WEIR__ENTRY(p->spare.next, struct pool_entry, link);

        weir__list_remove(&e->link);
        weir__free(e, sizeof *e);
    }
    weir__free(p, sizeof *p);
}

/* --- objects -------------------------------------------------------------------- */

static void pool_serve(weir_pool *p);

static void pool_place_free(weir_pool *p)
{
    p->stats.total--;
    if (p->closed && p->stats.total == 0)
        weir__wake_all(&p->drains, 0);
    pool_serve(p);
}

static struct pool_entry *pool_entry_new(weir_pool *p)
{
    struct pool_entry *e = WEIR__ENTRY(p->spare.next, struct pool_entry, link);

    if (weir__list_empty(&p->spare)) {
        e = weir__alloc(sizeof *e);
        if (e)
            weir__list_init(&e->link);
        return e;
    }
    weir__list_remove(&e->link);
    return e;
}

static void pool_entry_spare(weir_pool *p, struct pool_entry *e)
{
    e->state = POOL_SPARE;
    weir__list_append(&p->spare, &e->link);
}

/* What stands in no list and is counted only in total.  Its place stays the caller's. */
static void pool_destroy(weir_pool *p, struct pool_entry *e, int why)
{
    struct weir_limit shield;
    void *object = e->object;
    int r = weir_shield_init(&shield, POOL_DEAF);

    pool_entry_spare(p, e);
    p->opts.destroy(p->opts.ctx, object, why);
    if (r == 0)
        (void)weir_limit_fini(&shield, 0);
}

static void pool_destroy_free(weir_pool *p, struct pool_entry *e, int why)
{
    pool_destroy(p, e, why);
    pool_place_free(p);
}

static void pool_idle_remove(weir_pool *p, struct pool_entry *e)
{
    weir__list_remove(&e->link);
    p->stats.idle--;
}

static bool pool_is_due(const weir_pool *p, const struct pool_entry *e, weir_time now)
{
    if (p->closed || p->stats.total > p->opts.max || now >= e->until)
        return true;
    return p->opts.idle && now - e->since >= p->opts.idle && p->stats.total > p->opts.min;
}

/* At most n of those idle longest; the age of the others is looked at when they are taken. */
static int pool_reap(weir_pool *p, int n)
{
    weir_time now = weir_now();
    int done = 0;

    while (done < n && !weir__list_empty(&p->idle)) {
        struct pool_entry *e = WEIR__ENTRY(p->idle.next, struct pool_entry, link);

        if (!pool_is_due(p, e, now))
            break;
        pool_idle_remove(p, e);
        p->stats.expired++;
        pool_destroy_free(p, e, 0);
        done++;
    }
    return done;
}

static weir_time pool_until(weir_pool *p)
{
    weir_span life = p->opts.lifetime;

    if (!life)
        return WEIR_NEVER;
    return weir_after(life - (weir_span)weir_rng_below(&p->rng, (uint64_t)life / 10 + 1));
}

/* Into the place that the caller holds.  On failure the place is free again. */
static int pool_make(weir_pool *p, weir_time deadline, struct pool_entry **out)
{
    weir_span span = p->opts.create_timeout;
    weir_time at = span ? weir_after(span) : WEIR_NEVER;
    struct pool_entry *e = pool_entry_new(p);
    struct weir_limit l;
    int r = e ? 0 : -ENOMEM;

    p->stats.making++;
    if (r == 0 && weir_cancel_why())
        r = -ECANCELED; /* nobody dials for one who has gone */
    if (r == 0)
        r = weir_limit_init(&l, at < deadline ? at : deadline);
    if (r == 0)
        r = weir_limit_fini(&l, p->opts.create(p->opts.ctx, &e->object));
    p->stats.making--;
    if (r < 0) {
        p->stats.failed++;
        if (r != -ECANCELED)
            p->stats.last_error = r;
        if (e)
            pool_entry_spare(p, e);
        pool_place_free(p);
        return r;
    }
    p->stats.last_error = 0;
    p->stats.created++;
    e->id = ++p->ids;
    e->uses = 0;
    e->until = pool_until(p);
    *out = e;
    return 0;
}

/* --- handing over ----------------------------------------------------------------- */

static void pool_put_idle(weir_pool *p, struct pool_entry *e)
{
    e->state = POOL_IDLE;
    weir__list_append(&p->idle, &e->link);
    p->stats.idle++;
}

static struct pool_entry *pool_idle_next(weir_pool *p)
{
    struct pool_entry *e =
        WEIR__ENTRY(p->opts.fifo ? p->idle.next : p->idle.prev, struct pool_entry, link);

    if (weir__list_empty(&p->idle))
        return NULL;
    pool_idle_remove(p, e);
    return e;
}

/* An idle entry or an empty place, if there is one: true with *out set, NULL for the latter. */
static bool pool_grab(weir_pool *p, struct pool_entry **out)
{
    *out = pool_idle_next(p);
    if (*out)
        return true;
    if (p->stats.total >= p->opts.max)
        return false;
    p->stats.total++;
    return true;
}

static void pool_serve(weir_pool *p)
{
    while (!p->closed && !weir__list_empty(&p->waiters)) {
        struct pool_waiter *w = WEIR__ENTRY(p->waiters.next, struct pool_waiter, w.link);

        if (!weir__sleeps(w->w.fiber)) {
            weir__list_remove(&w->w.link); /* it has just given up */
            continue;
        }
        if (!pool_grab(p, &w->entry))
            return;
        weir__list_remove(&w->w.link);
        (void)weir__wake(w->w.fiber, 0, &w->w);
    }
}

/* To who waits, to the idle ones, or destroyed; it was used last at `since`. */
static void pool_keep(weir_pool *p, struct pool_entry *e)
{
    if (p->closed || p->stats.total > p->opts.max || weir_now() >= e->until) {
        p->stats.expired++;
        pool_destroy_free(p, e, 0);
        return;
    }
    pool_put_idle(p, e);
    pool_serve(p);
}

/* Back to the pool. */
static void pool_return(weir_pool *p, struct pool_entry *e, int broken)
{
    if (broken < 0) {
        p->stats.broken++;
        pool_destroy_free(p, e, broken);
        return;
    }
    e->since = weir_now();
    pool_keep(p, e);
}

/* --- min --------------------------------------------------------------------------- */

static int pool_tender(void *arg)
{
    weir_pool *p = arg;
    struct pool_entry *e;
    int r = 0;

    weir__locals_become(NULL); /* it works for all, not for whoever came first */
    while (r == 0 && !p->closed && p->stats.total < p->opts.min) {
        p->stats.total++;
        r = pool_make(p, WEIR_NEVER, &e);
        if (r == 0)
            pool_return(p, e, 0);
    }
    p->tending = false; /* what failed is tried again by the next get */
    pool_leave(p);
    return 0;
}

static void pool_tend(weir_pool *p)
{
    if (p->tending || p->closed || p->stats.total >= p->opts.min)
        return;
    if (weir__pen_go(&p->pen, pool_tender, p, "pool") == 0) {
        p->tending = true;
        p->inside++;
    }
}

/* --- get ------------------------------------------------------------------------------ */

static int pool_wait(weir_pool *p, weir_time deadline, struct pool_entry **out)
{
    struct weir__fiber *me = weir__self();
    struct pool_waiter w = {.entry = NULL};
    int r;

    if (deadline == 0)
        return -EAGAIN;
    if (p->opts.waiters && p->stats.waiting >= p->opts.waiters)
        return WEIR_EFULL;
    weir__waiter_init(&w.w, me, NULL);
    weir__list_append(&p->waiters, &w.w.link);
    p->stats.waiting++;
    p->stats.waited++;
    r = weir__wait(me, deadline, "pool_get", p);
    weir__list_remove(&w.w.link);
    p->stats.waiting--;
    *out = w.entry;
    return r;
}

/* It is good; else it is destroyed, and its place stays the caller's. */
static bool pool_is_good(weir_pool *p, struct pool_entry *e, weir_time deadline)
{
    weir_time now = weir_now();
    struct weir_limit l;
    int r = 0;

    if (now < e->until) {
        if (!e->uses || !p->opts.check || now - e->since < p->opts.fresh)
            return true;
        r = weir_limit_init(&l, deadline);
        if (r == 0)
            r = weir_limit_fini(&l, p->opts.check(p->opts.ctx, e->object));
        if (r >= 0)
            return true;
        p->stats.broken++;
    } else {
        p->stats.expired++;
    }
    pool_destroy(p, e, r);
    return false;
}

static int pool_obtain(weir_pool *p, weir_time deadline, struct pool_entry **out)
{
    weir_time until = deadline ? deadline : WEIR_NEVER; /* a get that may not wait may make one */
    int r = 0;

    if (!weir__list_empty(&p->waiters) || !pool_grab(p, out))
        r = pool_wait(p, deadline, out);
    /* Nobody checks it for one who has gone: the check would be cut, and the object destroyed. */
    if (r == 0 && *out && weir_cancel_why()) {
        pool_keep(p, *out);
        return -ECANCELED;
    }
    if (r < 0 || (*out && pool_is_good(p, *out, until)))
        return r;
    return pool_make(p, until, out);
}

int weir_pool_get(weir_pool *p, struct weir_lease *out, weir_time deadline)
{
    struct pool_entry *e = NULL;
    int r = pool_usable(p);

    if (!out || weir__deadline_check(deadline) < 0)
        return r < 0 ? r : -EINVAL;
    *out = (struct weir_lease){0};
    if (r < 0)
        return r;
    if (!weir__self())
        return WEIR_ENOFIBER;
    if (p->closed)
        return WEIR_ECLOSED;
    if (weir_cancel_why())
        return -ECANCELED;
    p->inside++;
    pool_tend(p);
    pool_reap(p, 2);
    r = p->closed ? WEIR_ECLOSED : pool_obtain(p, deadline, &e);
    if (r == 0 && p->closed) {
        pool_destroy_free(p, e, 0);
        r = WEIR_ECLOSED;
    }
    if (r == 0) {
        e->state = POOL_USED;
        e->uses++;
        p->stats.used++;
        p->stats.gets++;
        *out = (struct weir_lease){e->object, e->id, e->uses, p, e};
    }
    pool_leave(p);
    return r;
}

/* --- put ------------------------------------------------------------------------------- */

/* The entry of a lease that is out: 0 with *out set. */
static int pool_lent(struct weir_lease *lease, struct pool_entry **out)
{
    struct pool_entry *e = lease && lease->pool ? lease->reserved : NULL;
    int r = e ? weir__home(&lease->pool->home) : -EINVAL;

    if (r < 0)
        return r;
    *out = e;
    if (e->state != POOL_USED || e->id != lease->id || e->uses != lease->uses)
        return -EINVAL;
    return 0;
}

int weir_pool_put(struct weir_lease *lease, int broken)
{
    struct pool_entry *e;
    int r = pool_lent(lease, &e);
    weir_pool *p;

    if (r < 0)
        return r;
    p = lease->pool;
    *lease = (struct weir_lease){0};
    p->inside++;
    p->stats.used--;
    pool_return(p, e, broken);
    pool_reap(p, 2);
    pool_leave(p);
    return 0;
}

int weir_pool_detach(struct weir_lease *lease, void **out)
{
    struct pool_entry *e;
    int r = out ? pool_lent(lease, &e) : -EINVAL;
    weir_pool *p;

    if (r < 0)
        return r;
    p = lease->pool;
    *lease = (struct weir_lease){0};
    *out = e->object;
    p->inside++;
    p->stats.used--;
    pool_entry_spare(p, e);
    pool_place_free(p);
    pool_leave(p);
    return 0;
}

/* --- the pool ---------------------------------------------------------------------------- */

static int pool_opts_check(const struct weir_pool_opts *o)
{
    if (!o || !o->create || !o->destroy || o->max == 0 || o->min > o->max || o->fifo > 1)
        return -EINVAL;
    if (o->idle < 0 || o->lifetime < 0 || o->fresh < 0 || o->create_timeout < 0)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return 0;
}

weir_pool *weir_pool_new(const struct weir_pool_opts *opts)
{
    weir_pool *p;

    if (pool_opts_check(opts) < 0)
        return &pool_poisons[0];
    p = weir__alloc(sizeof *p);
    if (!p)
        return &pool_poisons[1];
    p->opts = *opts;
    weir__list_init(&p->idle);
    weir__list_init(&p->spare);
    weir__list_init(&p->waiters);
    weir__list_init(&p->drains);
    weir_rng_init(&p->rng, weir__seed_next(), 0);
    weir__pen_init(&p->pen);
    return p;
}

int weir_pool_resize(weir_pool *p, uint32_t max)
{
    int r = pool_usable(p);

    if (r < 0 || max == 0)
        return r < 0 ? r : -EINVAL;
    p->inside++;
    p->opts.max = max;
    if (p->opts.min > max)
        p->opts.min = max;
    while (p->stats.total > max && !weir__list_empty(&p->idle))
        pool_reap(p, 1);
    pool_serve(p);
    pool_leave(p);
    return 0;
}

int weir_pool_reap(weir_pool *p)
{
    int r = pool_usable(p);

    if (r < 0)
        return r;
    p->inside++;
    r = pool_reap(p, INT32_MAX);
    pool_leave(p);
    return r;
}

int weir_pool_close(weir_pool *p)
{
    int r = pool_usable(p);

    if (r < 0)
        return r;
    p->inside++;
    p->closed = true;
    weir__wake_all(&p->waiters, WEIR_ECLOSED);
    weir__pen_cancel(&p->pen, -ECANCELED);
    pool_reap(p, INT32_MAX);
    pool_leave(p);
    return 0;
}

int weir_pool_drain(weir_pool *p, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;
    int r = pool_usable(p);

    if (r == 0)
        r = weir__deadline_check(deadline);
    if (r < 0)
        return r;
    if (!me)
        return WEIR_ENOFIBER;
    p->inside++;
    (void)weir_pool_close(p);
    if (p->stats.total) {
        weir__waiter_init(&w, me, NULL);
        weir__list_append(&p->drains, &w.link);
        r = weir__wait(me, deadline, "pool_drain", p);
        weir__list_remove(&w.link);
    }
    pool_leave(p);
    return r;
}

void weir_pool_free(weir_pool **p)
{
    weir_pool *mine = p ? *p : NULL;

    if (!mine || pool_usable(mine) == -EXDEV)
        return;
    *p = NULL;
    if (mine->poison)
        return;
    mine->inside++;
    (void)weir_pool_close(mine);
    weir__pen_join(&mine->pen);
    mine->freed = true;
    pool_leave(mine);
}

int weir_pool_stats(const weir_pool *p, struct weir_pool_stats *out)
{
    int r = pool_usable((weir_pool *)p);

    if (r < 0 || !out)
        return r < 0 ? r : -EINVAL;
    *out = p->stats;
    return 0;
}
