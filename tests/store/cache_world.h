/*
 * cache_world.h -- what the tests of get_or_load share: a cache of numbers that
 * counts its loads.
 */
#ifndef TESTS_STORE_CACHE_WORLD_H
#define TESTS_STORE_CACHE_WORLD_H

#include <weir/cache.h>

#include "core/world.h"

/* --- a world: keys are ints, key k loads as k * 1000 + the number of the load ----------- */

struct world {
    weir_cache *c;
    weir_span takes, ttl; /* of a load; ttl 0: as the cache's */
    int fail;             /* what loads return; 0: success */
    int loads, running, most, cut;
    int key; /* of askers */
    int got, failed, cancelled, code, last;
    weir_span stale; /* of the last value */
    weir_time started[200];
};

static inline int load_number(void *ctx, const void *key, size_t len, void *out, weir_span *ttl)
{
    struct world *w = ctx;
    int number, mine, r;

    EQ(len, sizeof number);
    memcpy(&number, key, sizeof number);
    if (w->loads < 200)
        w->started[w->loads] = weir_now();
    mine = ++w->loads;
    if (++w->running > w->most)
        w->most = w->running;
    r = w->takes ? weir_sleep(weir_after(w->takes)) : 0;
    w->running--;
    w->cut += r < 0;
    if (r < 0 || w->fail)
        return r < 0 ? r : w->fail;
    if (w->ttl)
        *ttl = w->ttl;
    *(int *)out = number * 1000 + mine;
    return 0;
}

static inline weir_cache *make(struct world *w, const struct weir_cache_opts *more)
{
    struct weir_cache_opts o = *more;

    o.type = WEIR_TYPE(int);
    o.load = load_number;
    o.ctx = w;
    w->c = weir_cache_new(&o);
    EQ(weir_cache_error(w->c), 0);
    return w->c;
}

#define WITH(...) (&(struct weir_cache_opts){__VA_ARGS__})

/* The value, or the error; -1 for none of get. */
static inline int take(struct world *w, int r, weir_cached **h)
{
    if (r == 1) {
        w->last = *(const int *)weir_cached_value(*h);
        w->stale = weir_cached_stale(*h);
        w->got++;
        weir_cached_unref(h);
        return w->last;
    }
    OK(!*h);
    w->code = r;
    if (r == -ECANCELED)
        w->cancelled++;
    else
        w->failed++;
    return r ? r : -1;
}

static inline int ask(struct world *w, int key)
{
    weir_cached *h = NULL;
    int r = weir_cache_get_or_load(w->c, &key, sizeof key, &h);

    NE(r, 0);
    return take(w, r, &h);
}

static inline int look(struct world *w, int key)
{
    weir_cached *h = NULL;
    int r = weir_cache_get(w->c, &key, sizeof key, &h);

    return take(w, r, &h);
}

static inline int asker(void *arg)
{
    struct world *w = arg;
    (void)ask(w, w->key);
    return 0;
}

struct numbered {
    struct world *w;
    int key;
};

static inline int asker_of(void *arg)
{
    struct numbered *n = arg;
    (void)ask(n->w, n->key);
    return 0;
}

static inline struct weir_cache_stats stats_of(struct world *w)
{
    struct weir_cache_stats s;
    weir_cache_stats(w->c, &s);
    return s;
}

static inline int put(struct world *w, int key, int value)
{
    return weir_cache_put(w->c, &key, sizeof key, &value, sizeof value, 0);
}

static inline int forget(struct world *w, int key)
{
    return weir_cache_invalidate(w->c, &key, sizeof key);
}

#define AT(span) EQ(weir_sleep(WEIR_EPOCH + (span)), 0)

#endif
