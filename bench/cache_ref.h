/*
 * cache_ref.h -- the policies that weir's is measured against, each as its
 * authors describe it, simple and exact: arrays by key, no sketch, no sampling.
 *
 *     lru       the least recently used goes
 *     s3-fifo   Yang et al., 2023: a small queue of a tenth, a main one, a ghost
 *               queue as long as the main one; uses count to 3, two lead to main
 *     tinylfu   W-TinyLFU, Einziger, Friedman, Manes, 2017: a window of one
 *               hundredth, a segmented LRU of which 80 % are protected, counts to
 *               15, halved each ten cache sizes of requests
 *     climbing  the same, its window moved by hill climbing as in Caffeine: steps
 *               of 6.25 % of the cache each ten sizes, that shrink by 2 %
 */
#ifndef CACHE_REF_H
#define CACHE_REF_H

#include "cache_trace.h"

enum cache_ref { REF_LRU, REF_S3_FIFO, REF_TINYLFU, REF_CLIMBING, REFS };

extern const char *const cache_ref_names[REFS];

/* The hits that the policy has on the trace with room for `size` keys; negative: no memory. */
long cache_ref_hits(enum cache_ref which, const struct cache_trace *t, size_t size);

#endif
