/*
 * cache.h -- values by key: bounded, expiring, loaded once for all who miss.
 *
 *     entries <= max_entries   and   the sum of weights <= max_weight
 *
 * hold after every call.  Keys are bytes, values a weir_type.  Nothing runs in
 * the background and no timer is armed: what has expired is dropped when it is
 * met, and now and then a call looks at a few entries more.  Fibers exist only
 * while something is loaded.
 *
 * A value is reached through a handle that keeps it alive, whatever becomes of
 * the entry or of the cache meanwhile.  It is shared: read it, do not write.
 */
#ifndef WEIR_CACHE_H
#define WEIR_CACHE_H

#include <weir/base.h>

WEIR_BEGIN

typedef struct weir_cache weir_cache;
typedef struct weir_cached weir_cached; /* one value, held */

/* Why an entry left. */
enum weir_cache_why {
    WEIR_CACHE_EVICTED = 1, /* there was no room */
    WEIR_CACHE_EXPIRED,
    WEIR_CACHE_REPLACED,    /* by another value */
    WEIR_CACHE_INVALIDATED, /* or cleared */
    WEIR_CACHE_FREED        /* with the cache */
};

struct weir_cache_opts {
    struct weir_type type; /* of the values; drop is called when the last handle has gone */

    /*
     * Loads the value of a key into *out_value, which is zero: 0 or more; or
     * leaves it empty and returns the error.  *ttl is the cache's, the load
     * may set another: 0 or less hands the value to those who wait and does
     * not keep it.  Runs on a fiber of the cache, may park; it may outlive
     * every caller and gets nothing of theirs but the key.
     */
    int (*load)(void *ctx, const void *key, size_t key_len, void *out_value, weir_span *ttl);

    /* NULL: the bytes of the entry's block: value, key, bookkeeping.  Never parks. */
    uint64_t (*weigh)(void *ctx, const void *key, size_t key_len, const void *value);

    /*
     * Called once for each value that was kept, when it leaves, after the
     * call that made it leave has done all else; it may call the cache, but
     * not park and not free it.  The value is dropped afterwards, or when the
     * last handle has gone.
     */
    void (*on_evict)(void *ctx, const void *key, size_t key_len, const void *value,
                     enum weir_cache_why why);
    void *ctx; /* of the three; borrowed until weir_cache_free returns */

    uint64_t max_entries; /* 0: no limit if max_weight is given, else 10,000; at most 2^31 */
    uint64_t max_weight;  /* 0: no limit; at most 2^63 - 1 */

    weir_span ttl;   /* fresh until exactly then; 0: for ever */
    uint32_t jitter; /* percent, to 100: a ttl, or a retry, is sooner by up to so much, at random */
    uint32_t refresh;      /* percent of the ttl, to 99: older, it is loaded anew while served */
    weir_span stale;       /* so long past the ttl it is served while loaded anew */
    weir_span stale_error; /* so long past the ttl it is served if a load fails */
    weir_span retry;       /* after a failed load of what there still is; doubles 6 times; 0: 1 s */
    weir_span negative_ttl; /* so long an error is the answer, exactly; 0: errors are not kept */
    uint32_t reserved[4];   /* must be zero */
};

/*
 * Loads run in a child of the scope the cache is made in: when that closes,
 * they are cancelled and joined, get_or_load gives -ECANCELED for what would
 * have to be loaded, and the rest goes on.  Never NULL: a poisoned handle
 * answers with its code (-EINVAL, -ENOMEM).  Never parks.  A cache belongs to
 * the loop that uses it first, its handles too: on another loop calls give
 * -EXDEV, ref NULL, stats zeros, and free and unref change nothing.
 */
WEIR_API weir_cache *weir_cache_new(const struct weir_cache_opts *opts);

/* The code of a poisoned handle, else 0. */
WEIR_API int weir_cache_error(const weir_cache *c);

/*
 * What is there and fresh: 1 with *out set; 0; the error kept under the key;
 * -EINVAL, also for a key longer than 64 KiB.  Loads nothing, never parks.
 */
WEIR_API int weir_cache_get(weir_cache *c, const void *key, size_t key_len, weir_cached **out);

/*
 * The same, or loads it.  1 with *out set, and *out is stale only as `stale`
 * and `stale_error` allow; else negative, and *out is as it was: the error of
 * the load, which all who wait get; -ECANCELED (whoever leaves disturbs nobody,
 * and the last one to leave ends the load); -EDEADLK when a load, or one it
 * waits for, asks for itself, or 64 deep; -ENOMEM; -EINVAL, also without
 * `load`; WEIR_ECLOSED during the free; WEIR_ENOFIBER.  Parks unless there is
 * something to serve.
 */
WEIR_API int weir_cache_get_or_load(weir_cache *c, const void *key, size_t key_len,
                                    weir_cached **out);

/*
 * Keeps a value, takes it on success.  A ttl of 0 is the cache's.  A load of
 * the key that is running is for those who wait for it, no more: it does not
 * replace this.  In the place of a value that is there it is as much used as
 * that was.  0; WEIR_ETOOLARGE if it weighs more than max_weight; WEIR_ETYPE
 * for another size; WEIR_ECLOSED during the free; -ENOMEM; -EINVAL.  Never parks.
 */
WEIR_API int weir_cache_put(weir_cache *c, const void *key, size_t key_len, void *value,
                            size_t size, weir_span ttl);

/*
 * Forgets the key.  A load that is running is for those who wait for it: its
 * result is not kept, and the next caller starts another.  1 if there was a
 * value or a load; 0; -EINVAL.  Never parks.
 */
WEIR_API int weir_cache_invalidate(weir_cache *c, const void *key, size_t key_len);

/* The same for all keys.  0, -EINVAL. */
WEIR_API int weir_cache_clear(weir_cache *c);

struct weir_cache_stats {
    uint64_t hits;      /* fresh; those of kept errors too */
    uint64_t stale;     /* served past the ttl */
    uint64_t misses;    /* of get, and of get_or_load: what waited for a load */
    uint64_t loads;     /* started */
    uint64_t refreshes; /* of them: nobody had to wait for */
    uint64_t failed;    /* of the loads: ended in an error that was not their cancel */
    uint64_t abandoned; /* of the loads: cancelled, for the last caller had left */
    uint64_t refused;   /* loaded, and not kept: too heavy, ttl 0, or invalidated meanwhile */
    uint64_t evicted, expired, replaced, invalidated; /* entries that left */
    weir_span load_time;                              /* the sum over all loads that ended */
    uint64_t entries, weight;                         /* now; kept errors too */
    uint64_t held;    /* entries that have left, but for a handle somebody has */
    uint64_t loading; /* loads, now */
    uint64_t waiting; /* callers, now */
};

/* Fills *out; all zero for a poisoned handle.  Never parks. */
WEIR_API void weir_cache_stats(const weir_cache *c, struct weir_cache_stats *out);

/*
 * Cancels all loads, waits until they have ended and their callers have left
 * with -ECANCELED, lets go of all entries and sets *c to NULL; NULL is
 * accepted.  Handles stay valid.  Parks, deaf to cancel, while there are loads;
 * not from within a load of this cache.
 */
WEIR_API void weir_cache_free(weir_cache **c);

/* The value; NULL for NULL.  Lent as long as the handle is held. */
WEIR_API const void *weir_cached_value(const weir_cached *h);

/* How long it is past its ttl; 0: it is fresh.  NULL: 0.  Never parks. */
WEIR_API weir_span weir_cached_stale(const weir_cached *h);

/* One handle more on the same value.  NULL for NULL. */
WEIR_API weir_cached *weir_cached_ref(weir_cached *h);

/* Gives a handle back and sets *h to NULL; NULL is accepted.  Never parks. */
WEIR_API void weir_cached_unref(weir_cached **h);

WEIR_END
#endif
