/*
 * cache_load.c -- get_or_load: one load for all who miss, refresh before and
 * after the ttl, old values in place of errors.
 *
 * `refresh_at` is when a value may next be loaded anew: at its age's percent,
 * or at its ttl, and after a load that failed not before a wait that doubles.
 * With now in
 *
 *     [refresh_at, expires)            served, and loaded beside
 *     [expires, expires + stale)       the same
 *     [expires, gone)                  loaded, and served if that fails
 *
 * where what is served because a load failed is served without another until
 * refresh_at.
 */
#include "base/arith.h"
#include "store/cache.h"

enum { LOAD_DOUBLINGS = 6 };

struct cache_load {
    struct weir__flight flight;
    weir_cached *entry;
    weir_time started;
    weir_span ttl;
};

static struct cache_load *load_of(struct weir__flight *f)
{
    return WEIR__ENTRY(f, struct cache_load, flight);
}

/* --- a load ------------------------------------------------------------------------------ */

static int load_run(struct weir__flight *f)
{
    struct cache_load *l = load_of(f);
    weir_cache *c = l->entry->cache;

    l->started = weir_now();
    l->ttl = c->opts.ttl;
    return c->opts.load(c->opts.ctx, f->key, f->key_len, weir__cached_place(l->entry), &l->ttl);
}

/*
 * A value that is there stays what it was, and is not loaded again too soon; else the
 * error may be kept.
 */
static void load_failed(weir_cache *c, struct cache_load *l, weir_time now)
{
    weir_cached *old = weir__cache_find(c, l->entry->hash, l->flight.key, l->flight.key_len);
    weir_span wait;

    c->stats.failed++;
    if (!l->flight.wanted)
        return;
    if (old && !old->error && now < old->gone) {
        wait = weir__sat_mul(c->opts.retry, (int64_t)1 << old->failures);
        old->failures += old->failures < LOAD_DOUBLINGS;
        old->refresh_at = weir__sat_add(now, weir__cache_jitter(c, wait));
    } else if (c->opts.negative_ttl) {
        (void)weir__cache_keep(c, l->entry, c->opts.negative_ttl, now);
    }
}

static void load_land(struct weir__flight *f)
{
    struct cache_load *l = load_of(f);
    weir_cache *c = l->entry->cache;
    weir_time now = weir_now();

    if (l->started)
        c->stats.load_time += now - l->started;
    c->stats.abandoned += f->abandoned;
    if (f->result < 0) {
        l->entry->error = f->result;
        if (!f->abandoned && !f->node.why)
            load_failed(c, l, now);
    } else if (!f->wanted || l->ttl <= 0 || weir__cache_keep(c, l->entry, l->ttl, now) < 0) {
        c->stats.refused += !f->abandoned;
    }
    weir__cache_bury(c);
}

static void load_drop(struct weir__flight *f)
{
    struct cache_load *l = load_of(f);

    weir__cached_put(l->entry);
    weir__free(l, sizeof *l);
}

const struct weir__flight_ops weir__cache_flight_ops = {load_run, load_land, load_drop};

/* --- starting ------------------------------------------------------------------------------ */

static int load_start(weir_cache *c, uint64_t hash, const void *key, size_t len, bool kept,
                      struct weir__flight **out)
{
    struct cache_load *l = weir__alloc(sizeof *l);
    int r = -ENOMEM;

    if (!l)
        return r;
    l->entry = weir__cached_new(c, hash, key, len);
    if (l->entry) {
        l->flight.key = l->entry->key;
        l->flight.key_len = len;
        l->flight.kept = kept;
        r = weir__flight_start(&c->set, &l->flight, hash);
        if (r == 0) {
            c->stats.loads++;
            *out = &l->flight;
            return 0;
        }
        l->entry->error = r;
        weir__cached_put(l->entry);
    }
    weir__free(l, sizeof *l);
    return r;
}

/* Beside what is served; if it cannot even start, that is as if it had failed. */
static void load_refresh(weir_cache *c, weir_cached *e, weir_time now)
{
    struct weir__flight *f = weir__flight_find(&c->set, e->hash, e->key, e->key_len);

    if (f || now < e->refresh_at || !weir__self() || c->set.closed)
        return;
    if (load_start(c, e->hash, e->key, e->key_len, true, &f) == 0)
        c->stats.refreshes++;
    else
        e->refresh_at = weir__sat_add(now, c->opts.retry);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static int load_join(weir_cache *c, uint64_t hash, const void *key, size_t len, weir_cached **out)
{
    struct weir__flight *f = weir__flight_find(&c->set, hash, key, len);
    struct weir__fiber *me = weir__self();
    int r;

    if (!me)
        return WEIR_ENOFIBER;
    r = me->node->why ? -ECANCELED : weir__flight_hangs(f);
    if (r == 0 && !f)
        r = load_start(c, hash, key, len, false, &f);
    if (r < 0)
        return r;
    r = weir__flight_wait(f);
    if (r >= 0) {
        *out = weir_cached_ref(load_of(f)->entry);
        r = 1;
    }
    weir__flight_unref(f);
    return r;
}

/* The result of waiting for a load; when that is an error, what there still is. */
static int load_wait(weir_cache *c, uint64_t hash, const void *key, size_t len, weir_cached **out)
{
    int r = weir__flights_enter(&c->set);
    weir_cached *e;

    if (r < 0)
        return r;
    c->stats.misses++;
    r = load_join(c, hash, key, len, out);
    if (r < 0 && weir__self() && !weir__self()->node->why) {
        weir_time now = weir_now();

        e = weir__cache_find(c, hash, key, len);
        if (e && !e->error && now < e->gone)
            r = weir__cache_serve(c, e, now, out);
    }
    weir__flights_leave(&c->set);
    return r;
}

int weir_cache_get_or_load(weir_cache *c, const void *key, size_t len, weir_cached **out)
{
    struct weir__fiber *me = weir__self();
    int r = weir__cache_key_check(c, key, len);
    weir_time now, until;
    weir_cached *e;
    uint64_t hash;

    if (r < 0 || !out || !c->opts.load)
        return r < 0 ? r : -EINVAL;
    if (me)
        weir__charge(me->loop);
    now = weir_now();
    hash = weir__hash_short(&c->set.hash_key, key, len);
    e = weir__cache_look(c, hash, key, len, now);
    if (e && WEIR__LIKELY(now < e->refresh_at))
        return weir__cache_serve(c, e, now, out);
    until = e ? weir__sat_add(e->expires, c->opts.stale) : 0;
    if (e && !e->error && now < until) {
        r = weir__cache_serve(c, e, now, out);
        load_refresh(c, e, now);
        return r;
    }
    return load_wait(c, hash, key, len, out);
}
