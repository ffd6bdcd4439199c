/*
 * caches.c -- a cache that has what is asked for.
 *
 * cache_hit: 100,000 entries with texts as keys and values, asked for at random;
 * each is there, has an hour to live, and its value is read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "workloads.h"

enum { CACHES_KEYS = 100000 };

struct caches_value {
    uint32_t len;
    char text[20];
};

static struct caches {
    weir_cache *cache;
    struct {
        uint32_t len;
        char text[12];
    } key[CACHES_KEYS];
    uint32_t *order;
} caches;

/* Once: the peers do not count it either. */
static void caches_fill(long n)
{
    uint64_t state = 42;

    caches.cache = weir_cache_new(&(struct weir_cache_opts){.type = WEIR_TYPE(struct caches_value),
                                                            .max_entries = 2 * CACHES_KEYS,
                                                            .ttl = WEIR_S(3600)});
    for (long i = 0; i < CACHES_KEYS; i++) {
        struct caches_value v = {0};

        caches.key[i].len =
            (uint32_t)snprintf(caches.key[i].text, sizeof caches.key[i].text, "user_%ld", i);
        v.len = (uint32_t)snprintf(v.text, sizeof v.text, "value_user_%ld", i);
        bench_check(weir_cache_put(caches.cache, caches.key[i].text, caches.key[i].len, &v,
                                   sizeof v, 0) == 0,
                    "a put failed");
    }
    caches.order = malloc((size_t)n * sizeof *caches.order);
    bench_check(caches.order, "no memory");
    for (long i = 0; i < n; i++)
        caches.order[i] = (uint32_t)bench_random(&state, CACHES_KEYS);
}

static long caches_hit(long n)
{
    int64_t bytes = 0;

    if (!caches.cache)
        caches_fill(n);
    for (long i = 0; i < n; i++) {
        uint32_t k = caches.order[i];
        weir_cached *h = NULL;

        if (weir_cache_get(caches.cache, caches.key[k].text, caches.key[k].len, &h) != 1)
            break;
        bytes += ((const struct caches_value *)weir_cached_value(h))->len;
        weir_cached_unref(&h);
    }
    bench_check(bytes > 12 * n, "a miss");
    bench_sink = bytes;
    return n;
}

const struct bench_case caches_cases[] = {
    {"cache_hit_1t", 9, 2000000, caches_hit},
    {0},
};
