/*
 * cache_trace.h -- what is asked of a cache: seeded sequences of keys.
 *
 * Keys are 0 .. keys - 1.  A trace is a function of its row, the size of the
 * cache, the number of requests and the seed, on every machine.
 */
#ifndef CACHE_TRACE_H
#define CACHE_TRACE_H

#include <stddef.h>
#include <stdint.h>

enum cache_trace_kind {
    TRACE_ZIPF,  /* popularity as 1 / rank^skew over 100,000 keys */
    TRACE_LOOP,  /* the same `span` cache sizes of keys over and over */
    TRACE_SCANS, /* Zipf; every `every` cache sizes of requests a scan of `span` of new keys */
    TRACE_THEN,  /* Zipf for `every` percent of it, then a loop of `span`; 0: new keys for good */
    TRACE_SHIFT, /* Zipf; every `every` cache sizes all keys change their popularity */
    TRACE_DRIFT, /* Zipf; every `every` cache sizes as many ranks as the cache has move */
    TRACE_MIX,   /* half Zipf, half a loop of `span` */
    TRACE_BURST, /* a key is asked for a few times within about `span` of requests, never again */
    TRACE_TURNS  /* Zipf and a loop of `span` in turns of `every` cache sizes of requests */
};

struct cache_trace_row {
    const char *name;
    enum cache_trace_kind kind;
    double skew, span, every;
};

struct cache_trace {
    uint32_t *key;
    size_t n;
    uint32_t keys;
};

/* All of them; the last has no name. */
extern const struct cache_trace_row cache_trace_rows[];

/* 0 or -ENOMEM. */
int cache_trace_make(struct cache_trace *t, const struct cache_trace_row *row, size_t size,
                     size_t n, uint64_t seed);
void cache_trace_free(struct cache_trace *t);

#endif
