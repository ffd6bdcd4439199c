/*
 * backoff.h -- how long to wait before the next try.
 *
 * The n-th wait (n from 1) is drawn in two steps.  First a level v(n), which
 * grows and is capped:
 *
 *     WEIR_GROW_EXPONENTIAL   v = min(cap, base * factor^(n-1))
 *     WEIR_GROW_LINEAR        v = min(cap, base * n)
 *     WEIR_GROW_FIBONACCI     v = min(cap, base * F(n)),  F = 1 1 2 3 5 ...
 *     WEIR_GROW_FIXED         v = base
 *     WEIR_GROW_NONE          no wait at all, whatever the jitter
 *
 * then a draw d, uniform over whole nanoseconds, which never leaves 1 .. cap:
 *
 *     WEIR_JITTER_FULL          d in [1, v]
 *     WEIR_JITTER_EQUAL         d in [v - v/2, v]
 *     WEIR_JITTER_PERCENT       d in [v - v*p/100, min(cap, v + v*p/100)]
 *     WEIR_JITTER_NONE          d = v
 *     WEIR_JITTER_DECORRELATED  d = min(cap, draw from [base, 3 * last d]), last d = base
 *                               at first; it has its own growth and ignores `grow`
 *
 * So at the cap the waits still differ: clients that failed together do not
 * come back together.  Full jitter may well draw a shorter wait than the time
 * before; that is what spreads the load.
 */
#ifndef WEIR_BACKOFF_H
#define WEIR_BACKOFF_H

#include <weir/base.h>
#include <weir/rand.h>

WEIR_BEGIN

enum weir_grow {
    WEIR_GROW_EXPONENTIAL = 0,
    WEIR_GROW_LINEAR,
    WEIR_GROW_FIBONACCI,
    WEIR_GROW_FIXED,
    WEIR_GROW_NONE
};

enum weir_jitter {
    WEIR_JITTER_FULL = 0,
    WEIR_JITTER_EQUAL,
    WEIR_JITTER_PERCENT,
    WEIR_JITTER_NONE,
    WEIR_JITTER_DECORRELATED
};

struct weir_backoff_opts {
    weir_span base;        /* 0 means 100 ms */
    weir_span cap;         /* >= base; 0 means 30 s, or base if that is longer */
    uint32_t grow;         /* enum weir_grow */
    uint32_t jitter;       /* enum weir_jitter */
    uint32_t factor_milli; /* growth a step in thousandths, 1000 .. 1e6; 0 means 2000 */
    uint32_t percent;      /* of WEIR_JITTER_PERCENT, 1 .. 100; 0 means 20 */
    uint32_t reserved[2];  /* must be zero */
};

/* A law; only read after init, so one serves any number of threads. */
struct weir_backoff {
    struct weir_backoff_opts opts; /* private; no field is at its default any more */
};

/* Where one sequence of tries is.  All zero is the start. */
struct weir_backoff_state {
    uint64_t n;      /* waits drawn so far */
    weir_span level; /* v(n) */
    weir_span last;  /* what the law must remember of the step before */
};

/* 0, or -EINVAL; then the law is that of the defaults.  NULL opts are the defaults. */
WEIR_API int weir_backoff_init(struct weir_backoff *b, const struct weir_backoff_opts *opts);

/* Draws the next wait: 0 .. cap nanoseconds, 0 only from WEIR_GROW_NONE.  Never parks. */
WEIR_API weir_span weir_backoff_next(const struct weir_backoff *b, struct weir_backoff_state *state,
                                     struct weir_rng *rng);

/* v(n), the wait before jitter, for any n; v(0) is 0. */
WEIR_API weir_span weir_backoff_level(const struct weir_backoff *b, uint64_t n);

/* The longest that draw n can be. */
WEIR_API weir_span weir_backoff_most(const struct weir_backoff *b, uint64_t n);

WEIR_END
#endif
