/*
 * adaptive.h -- a limit on concurrency that finds itself.
 *
 * How much may be under way at once is learned from what comes back: how long
 * calls take and whether they are dropped.  Time is an argument; nothing here
 * reads a clock, allocates or locks.
 *
 * Samples are gathered in windows: a window is over once it has lasted
 * `window` and has `samples` calls that both started and ended in it, and then
 * the limit takes one step:
 *
 *   AIMD      - 1 up; after a drop, or a call longer than `slow`, times `backoff`.
 *   GRADIENT  - limit * min(1, tolerance * base / now) + sqrt(limit) / 2, and never
 *               less than half: after Netflix' Gradient2 and Envoy's gradient.
 *   VEGAS     - with queue = limit * (1 - base / now): up by sqrt(limit) / 2 below
 *               limit / 16 (at least 2), down by as much above limit / 8 (at least 4).
 *
 * `base` is what a call takes when nothing queues.  A mean of the past would
 * learn the queue itself and drift up for ever; so every 16 to 31 windows the
 * limit dips for one window, by a quarter below where it believes the queue
 * ends, and what that window shows is the base.  A dip never goes to the
 * minimum: it costs a quarter of the work of one window in some twenty.  A
 * server that has become three times slower is believed at the next dip.
 *
 * A limit that is not used is not raised: in a window in which less than half
 * of it was under way it only goes down.
 */
#ifndef WEIR_ADAPTIVE_H
#define WEIR_ADAPTIVE_H

#include <weir/rate.h>

WEIR_BEGIN

enum weir_adaptive_law { WEIR_ADAPTIVE_AIMD = 0, WEIR_ADAPTIVE_GRADIENT, WEIR_ADAPTIVE_VEGAS };

enum weir_adaptive_result {
    WEIR_ADAPTIVE_OK = 0,
    WEIR_ADAPTIVE_IGNORED, /* cancelled, or failed for a reason of its own: no sample */
    WEIR_ADAPTIVE_DROPPED  /* refused by the server, or timed out */
};

struct weir_adaptive_opts {
    enum weir_adaptive_law law;
    uint32_t initial;   /* 0: 20, within min and max */
    uint32_t min, max;  /* 0: 1 and 1000; max at most 1 << 20 */
    uint32_t backoff;   /* percent that is left after a drop, 50 .. 99; 0: 90 */
    uint32_t tolerance; /* of GRADIENT: percent of base that is no overload, 100 .. 500; 0: 110 */
    uint32_t samples;   /* a window needs so many; 0: 10 */
    weir_span window;   /* and is at least so long; 0: 100 ms */
    weir_span slow;     /* a longer call counts as dropped; 0: none does */
    uint32_t queue;     /* in a stack: callers that may wait; 0: any number */
    uint32_t reserved;
    weir_span max_wait; /* in a stack: the longest wait; 0: any; WEIR_NOWAIT: none */
};

struct weir_adaptive {
    /* private */
    struct weir_adaptive_opts opts;
    double limit, base, sum;
    weir_time began;
    uint32_t now, inflight, peak, count, drops, windows, dip_at;
    int dipping;
};

/* One call under way; zero is none. */
struct weir_adaptive_token {
    weir_time start; /* private, as is the rest */
    uint32_t held;
};

/* 0, or -EINVAL; then every take is -EINVAL.  NULL opts are the defaults. */
WEIR_API int weir_adaptive_init(struct weir_adaptive *a, const struct weir_adaptive_opts *opts);

/* 0: one more is under way.  WEIR_EFULL: as many as the limit are.  -EINVAL.  Never parks. */
WEIR_API WEIR_MUST_USE int weir_adaptive_take(struct weir_adaptive *a, weir_time now,
                                              struct weir_adaptive_token *out);

/* It is over, and how; a second report of a token changes nothing.  0; -EINVAL for no token. */
WEIR_API int weir_adaptive_done(struct weir_adaptive *a, struct weir_adaptive_token *t,
                                enum weir_adaptive_result result, weir_time now);

/*
 * Other options, and the limit stays, within them.  0; -EINVAL and no change.
 * NULL opts are the defaults.
 */
WEIR_API int weir_adaptive_set(struct weir_adaptive *a, const struct weir_adaptive_opts *opts);

/* How many may be under way, how many are, and the base in nanoseconds (0: not known yet). */
WEIR_API uint32_t weir_adaptive_limit(const struct weir_adaptive *a);
WEIR_API uint32_t weir_adaptive_inflight(const struct weir_adaptive *a);
WEIR_API weir_span weir_adaptive_base(const struct weir_adaptive *a);

WEIR_END
#endif
