/*
 * cache_ints.h -- what the tests of a cache without a loader share: one of numbers, and
 * short ways to put, look and forget.
 */
#ifndef TESTS_STORE_CACHE_INTS_H
#define TESTS_STORE_CACHE_INTS_H

#include <weir/cache.h>

#include "core/world.h"

static inline weir_cache *ints(const struct weir_cache_opts *more)
{
    struct weir_cache_opts o = *more;

    o.type = WEIR_TYPE(int);
    return weir_cache_new(&o);
}

static inline int put_for(weir_cache *c, int key, int value, weir_span ttl)
{
    return weir_cache_put(c, &key, sizeof key, &value, sizeof value, ttl);
}

static inline int put(weir_cache *c, int key, int value)
{
    return put_for(c, key, value, 0);
}

/* The value, or -1 for none. */
static inline int look(weir_cache *c, int key)
{
    weir_cached *h = NULL;
    int r = weir_cache_get(c, &key, sizeof key, &h), value = -1;

    if (r == 1)
        value = *(const int *)weir_cached_value(h);
    else
        OK(!h);
    weir_cached_unref(&h);
    return value;
}

static inline int drop_key(weir_cache *c, int key)
{
    return weir_cache_invalidate(c, &key, sizeof key);
}

static inline struct weir_cache_stats stats_of(weir_cache *c)
{
    struct weir_cache_stats s;
    weir_cache_stats(c, &s);
    return s;
}

#define LIMITS(...) (&(struct weir_cache_opts){__VA_ARGS__})

static inline uint64_t weigh_value(void *ctx, const void *key, size_t len, const void *value)
{
    (void)ctx, (void)key, (void)len;
    return (uint64_t) * (const int *)value;
}

#endif
