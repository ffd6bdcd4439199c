/*
 * fetch_hist.h -- how long a host takes, as a histogram of fixed size.
 *
 * A bucket is an eighth of a power of two of microseconds, so a quantile is
 * at most 12.5 % above the true one and never below it.  Old samples fade:
 * at FETCH_HIST_FULL samples all counts are halved.
 */
#ifndef WEIR_CLI_FETCH_HIST_H
#define WEIR_CLI_FETCH_HIST_H

#include <weir/base.h>

#define FETCH_HIST_BUCKETS 256
#define FETCH_HIST_FULL 4096

struct fetch_hist {
    uint16_t count[FETCH_HIST_BUCKETS];
    uint32_t total;
};

/* One sample; a negative one counts as 0. */
void fetch_hist_add(struct fetch_hist *h, weir_span sample);

/* The upper edge of the bucket that holds the q-th thousandth (990: p99); 0 while empty. */
weir_span fetch_hist_quantile(const struct fetch_hist *h, uint32_t thousandths);

#endif
