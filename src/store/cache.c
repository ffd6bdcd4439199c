/*
 * cache.c -- making, looking up, putting, forgetting.
 */
#include <string.h>

#include "base/arith.h"
#include "base/rand.h"
#include "store/cache.h"

enum { CACHE_ENTRIES = 10000, CACHE_SWEEP_EVERY = 16 };

#define CACHE_ENTRIES_MAX ((uint64_t)1 << 31)
#define CACHE_WEIGHT_MAX ((uint64_t)INT64_MAX) /* what is there and one more do not overflow */

static weir_cache cache_invalid = {.poison = -EINVAL};
static weir_cache cache_no_memory = {.poison = -ENOMEM};

/* --- making ---------------------------------------------------------------------------- */

static int cache_check(const struct weir_cache_opts *o)
{
    const struct weir_type *t = &o->type;

    if (!t->size || t->size > 1 << 20 || t->align > 64 || (t->align & (t->align - 1)))
        return -EINVAL;
    if (o->ttl < 0 || o->stale < 0 || o->stale_error < 0 || o->retry < 0 || o->negative_ttl < 0)
        return -EINVAL;
    if (o->jitter > 100 || o->refresh > 99 || o->max_entries > CACHE_ENTRIES_MAX ||
        o->max_weight > CACHE_WEIGHT_MAX)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return 0;
}

static void cache_defaults(weir_cache *c)
{
    struct weir_cache_opts *o = &c->opts;

    if (!o->max_entries)
        o->max_entries = o->max_weight ? CACHE_ENTRIES_MAX : CACHE_ENTRIES;
    if (!o->max_weight)
        o->max_weight = CACHE_WEIGHT_MAX;
    if (!o->ttl)
        o->ttl = WEIR_NEVER;
    if (!o->retry)
        o->retry = WEIR_S(1);
    c->soonest = c->lap = WEIR_NEVER;
}

weir_cache *weir_cache_new(const struct weir_cache_opts *opts)
{
    weir_cache *c;

    if (!opts || cache_check(opts) < 0)
        return &cache_invalid;
    c = weir__alloc(sizeof *c);
    if (!c)
        return &cache_no_memory;
    c->opts = *opts;
    cache_defaults(c);
    weir__list_init(&c->dead);
    c->refs = 1;
    weir__flights_init(&c->set, &weir__cache_flight_ops);
    weir_rng_init(&c->rng, weir__seed_next(), 0);
    return c;
}

int weir_cache_error(const weir_cache *c)
{
    return c ? c->poison : -EINVAL;
}

static int cache_usable(const weir_cache *c)
{
    return !c || c->poison ? weir_cache_error(c) : weir__home((uint32_t *)&c->home);
}

int weir__cache_key_check(const weir_cache *c, const void *key, size_t len)
{
    int r = cache_usable(c);

    if (WEIR__UNLIKELY(r < 0))
        return r;
    return (!key && len) || len > WEIR__KEY_MAX ? -EINVAL : 0;
}

static uint64_t cache_hash(const weir_cache *c, const void *key, size_t len)
{
    return weir__hash_short(&c->set.hash_key, key, len);
}

/* --- leaving --------------------------------------------------------------------------- */

static void cache_leave(weir_cache *c, weir_cached *e, enum weir_cache_why why)
{
    uint64_t *count = why == WEIR_CACHE_EVICTED    ? &c->stats.evicted
                      : why == WEIR_CACHE_EXPIRED  ? &c->stats.expired
                      : why == WEIR_CACHE_REPLACED ? &c->stats.replaced
                                                   : &c->stats.invalidated;

    *count += why != WEIR_CACHE_FREED;
    c->weight -= e->weight;
    if (c->young == e)
        c->young = NULL;
    e->why = (uint8_t)why;
    weir__list_append(&c->dead, &e->link);
}

void weir__cache_remove(weir_cache *c, weir_cached *e, enum weir_cache_why why)
{
    if (why == WEIR_CACHE_EVICTED || why == WEIR_CACHE_EXPIRED)
        weir__cache_remember(c, e);
    weir__cache_index_remove(c, e);
    cache_leave(c, e, why);
}

/* One by one: a callback that removes more adds to the list, and this loop gets to it. */
void weir__cache_bury(weir_cache *c)
{
    if (c->burying)
        return;
    c->burying = true;
    while (!weir__list_empty(&c->dead)) {
        weir_cached *e = WEIR__ENTRY(c->dead.next, weir_cached, link);

        weir__list_remove(&e->link);
        if (c->opts.on_evict && !e->error)
            c->opts.on_evict(c->opts.ctx, e->key, e->key_len, weir__cached_place(e),
                             (enum weir_cache_why)e->why);
        e->left = e->refs > 1;
        c->stats.held += e->left;
        weir__cached_put(e);
    }
    c->burying = false;
}

static void cache_remove_all(weir_cache *c, enum weir_cache_why why)
{
    for (size_t at = 0; at < c->cap && c->n;)
        if (c->slots[at].entry)
            weir__cache_remove(c, c->slots[at].entry, why); /* may move another one here */
        else
            at++;
    if (c->n)
        cache_remove_all(c, why); /* one had moved from the end to the beginning */
}

void weir_cache_free(weir_cache **cp)
{
    weir_cache *c = cp ? *cp : NULL;

    if (c && cache_usable(c) == -EXDEV)
        return;
    if (c && !c->poison) {
        weir__flights_fini(&c->set);
        cache_remove_all(c, WEIR_CACHE_FREED);
        weir__cache_bury(c);
        weir__free(c->slots, c->cap * sizeof *c->slots);
        weir__cache_lore_free(c);
        if (--c->refs == 0)
            weir__free(c, sizeof *c);
    }
    if (cp)
        *cp = NULL;
}

int weir_cache_invalidate(weir_cache *c, const void *key, size_t len)
{
    int r = weir__cache_key_check(c, key, len);
    struct weir__flight *f;
    weir_cached *e;
    uint64_t hash;

    if (r < 0)
        return r;
    hash = cache_hash(c, key, len);
    f = weir__flight_find(&c->set, hash, key, len);
    e = weir__cache_find(c, hash, key, len);
    if (f)
        weir__flight_disown(f);
    if (e)
        weir__cache_remove(c, e, WEIR_CACHE_INVALIDATED);
    weir__cache_bury(c);
    return e || f;
}

int weir_cache_clear(weir_cache *c)
{
    int r = cache_usable(c);

    if (r < 0)
        return r;
    weir__flights_disown(&c->set);
    cache_remove_all(c, WEIR_CACHE_INVALIDATED);
    weir__cache_bury(c);
    return 0;
}

/* --- keeping ----------------------------------------------------------------------------- */

weir_span weir__cache_jitter(weir_cache *c, weir_span span)
{
    weir_span band = weir__percent_of(span, c->opts.jitter);

    if (band <= 0 || span == WEIR_NEVER)
        return span;
    return weir__max64(1, span - (weir_span)weir_rng_below(&c->rng, (uint64_t)band + 1));
}

static void cache_date(weir_cache *c, weir_cached *e, weir_span ttl, weir_time now)
{
    weir_span after = weir__max64(c->opts.stale, c->opts.stale_error);
    weir_span fresh = e->error ? ttl : weir__cache_jitter(c, ttl);

    e->expires = weir__sat_add(now, fresh);
    e->refresh_at = e->gone = e->expires;
    if (e->error || e->expires == WEIR_NEVER)
        return;
    e->gone = weir__sat_add(e->expires, after);
    if (c->opts.refresh)
        e->refresh_at = weir__sat_add(now, weir__percent_of(fresh, c->opts.refresh));
}

static uint64_t cache_weigh(const weir_cache *c, weir_cached *e)
{
    if (!c->opts.weigh || e->error)
        return e->size;
    return c->opts.weigh(c->opts.ctx, e->key, e->key_len, weir__cached_place(e));
}

/* What follows a value takes its place, and is as much used as that was. */
static void cache_replace(weir_cache *c, weir_cached *old, weir_cached *e)
{
    weir_cached *young = c->young == old ? e : c->young;

    e->heat = old->heat;
    weir__cache_index_swap(c, old, e);
    cache_leave(c, old, WEIR_CACHE_REPLACED);
    c->young = young;
}

static void cache_enter(weir_cache *c, weir_cached *e)
{
    c->clock++;
    e->heat = weir__cache_arrival(c, e->hash);
    weir__cache_index_put(c, e);
}

static void cache_count(weir_cache *c, weir_cached *e)
{
    e->refs++;
    c->weight += e->weight;
    c->soonest = weir__min64(c->soonest, e->gone);
    c->lap = weir__min64(c->lap, e->gone);
}

int weir__cache_keep(weir_cache *c, weir_cached *e, weir_span ttl, weir_time now)
{
    weir_cached *old;
    int r;

    e->weight = cache_weigh(c, e);
    if (e->weight > c->opts.max_weight)
        return WEIR_ETOOLARGE;
    if (now >= c->soonest)
        weir__cache_sweep(c, now);
    old = weir__cache_find(c, e->hash, e->key, e->key_len);
    r = old ? 0 : weir__cache_index_room(c);
    if (r < 0)
        return r;
    cache_date(c, e, ttl, now);
    if (old)
        cache_replace(c, old, e);
    else
        cache_enter(c, e);
    cache_count(c, e);
    weir__cache_make_room(c, e, now);
    if (!old)
        c->young = e;
    return 0;
}

int weir_cache_put(weir_cache *c, const void *key, size_t len, void *value, size_t size,
                   weir_span ttl)
{
    int r = weir__cache_key_check(c, key, len);
    struct weir__flight *f;
    weir_cached *e;

    if (r == 0)
        r = !value || ttl < 0 ? -EINVAL : size != c->opts.type.size ? WEIR_ETYPE : 0;
    if (r == 0 && c->set.closed)
        r = WEIR_ECLOSED;
    if (r < 0)
        return r;
    e = weir__cached_new(c, cache_hash(c, key, len), key, len);
    if (!e)
        return -ENOMEM;
    memcpy(weir__cached_place(e), value, size);
    r = weir__cache_keep(c, e, ttl ? ttl : c->opts.ttl, weir_now());
    f = weir__flight_find(&c->set, e->hash, key, len);
    if (r == 0 && f)
        weir__flight_disown(f);
    if (r < 0)
        e->error = r; /* the value is still the caller's */
    weir__cached_put(e);
    weir__cache_bury(c);
    return r;
}

/* --- looking up ---------------------------------------------------------------------------- */

void weir__cache_tidy(weir_cache *c, weir_time now)
{
    if (++c->lookups < CACHE_SWEEP_EVERY)
        return;
    weir__cache_sweep(c, now);
    weir__cache_bury(c);
}

weir_cached *weir__cache_past(weir_cache *c, weir_cached *e, weir_time now)
{
    if (now < e->gone)
        return e;
    weir__cache_remove(c, e, WEIR_CACHE_EXPIRED);
    weir__cache_bury(c);
    return NULL;
}

int weir_cache_get(weir_cache *c, const void *key, size_t len, weir_cached **out)
{
    int r = weir__cache_key_check(c, key, len);
    weir_time now;
    weir_cached *e;

    if (r < 0 || !out)
        return r < 0 ? r : -EINVAL;
    now = weir_now();
    e = weir__cache_look(c, cache_hash(c, key, len), key, len, now);
    if (e && now < e->expires)
        return weir__cache_serve(c, e, now, out);
    c->stats.misses++;
    return 0;
}

/* --- handles and counts ----------------------------------------------------------------------- */

const void *weir_cached_value(const weir_cached *h)
{
    return h ? h->key + h->value_at : NULL;
}

weir_span weir_cached_stale(const weir_cached *h)
{
    return h ? weir__max64(0, weir__sat_sub(weir_now(), h->expires)) : 0;
}

weir_cached *weir_cached_ref(weir_cached *h)
{
    if (!h || cache_usable(h->cache) == -EXDEV)
        return NULL;
    h->refs++;
    return h;
}

void weir_cached_unref(weir_cached **h)
{
    if (h && *h && weir__home(&(*h)->cache->home) == 0) {
        weir__cached_put(*h);
        *h = NULL;
    }
}

void weir_cache_stats(const weir_cache *c, struct weir_cache_stats *out)
{
    *out = (struct weir_cache_stats){0};
    if (cache_usable(c) < 0)
        return;
    *out = c->stats;
    out->entries = c->n;
    out->weight = c->weight;
    out->loading = c->set.flying;
    out->waiting = c->set.waiting;
}
