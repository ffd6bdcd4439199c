/*
 * fetch_hist.c -- a histogram in 516 bytes.
 * Promises: true quantile <= answer <= 1.125 * true quantile + 1 us; O(1) add.
 */
#include "fetch_hist.h"

/* 0 .. 15 us have a bucket each; above, eight to a power of two. */
static uint32_t hist_bucket(weir_span sample)
{
    uint64_t us = sample <= 0 ? 0 : (uint64_t)sample / 1000;
    if (us < 16)
        return (uint32_t)us;
    uint32_t top = 63u - (uint32_t)__builtin_clzll(us);
    uint32_t b = 16 + (top - 4) * 8 + (uint32_t)(us >> (top - 3) & 7);
    return b < FETCH_HIST_BUCKETS ? b : FETCH_HIST_BUCKETS - 1;
}

/* The first sample that is no longer in bucket b. */
static weir_span hist_edge(uint32_t b)
{
    if (b < 16)
        return WEIR_US((int64_t)b + 1);
    uint32_t top = (b - 16) / 8 + 4;
    uint64_t eighth = (b - 16) % 8 + 9;
    return WEIR_US((int64_t)(eighth << (top - 3)));
}

static void hist_fade(struct fetch_hist *h)
{
    h->total = 0;
    for (uint32_t i = 0; i < FETCH_HIST_BUCKETS; i++) {
        h->count[i] /= 2;
        h->total += h->count[i];
    }
}

void fetch_hist_add(struct fetch_hist *h, weir_span sample)
{
    if (h->total >= FETCH_HIST_FULL)
        hist_fade(h);
    h->count[hist_bucket(sample)]++;
    h->total++;
}

weir_span fetch_hist_quantile(const struct fetch_hist *h, uint32_t thousandths)
{
    uint64_t rank = ((uint64_t)h->total * thousandths + 999) / 1000;
    uint64_t seen = 0;
    if (h->total == 0)
        return 0;
    for (uint32_t i = 0; i < FETCH_HIST_BUCKETS; i++) {
        seen += h->count[i];
        if (seen >= rank && h->count[i] > 0)
            return hist_edge(i);
    }
    return hist_edge(FETCH_HIST_BUCKETS - 1);
}
