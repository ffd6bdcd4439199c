/*
 * bulkhead.h -- at most `limit` at once.
 *
 * A counting semaphore as plain state: permits in use never pass the limit,
 * and what is taken is given back once.  It does not wait; weir_policy and
 * weir_sem add the queue.  A permit is held while the work runs, not while it
 * is ready to run.
 */
#ifndef WEIR_BULKHEAD_H
#define WEIR_BULKHEAD_H

#include <weir/base.h>

WEIR_BEGIN

struct weir_bulkhead_opts {
    uint32_t limit;     /* permits, 1 .. 2^31; it has no default */
    uint32_t queue;     /* in a stack: callers that may wait; 0 means any number */
    weir_span max_wait; /* in a stack: the longest wait; 0: any; WEIR_NOWAIT: none */
    /*
     * In a stack: a row whose head has waited `target` or more for an
     * `interval` (0: 100 ms) is overloaded, and heads are refused (codel.h);
     * with `lifo` = 1 the newest are served until it is not.  target 0: never.
     */
    weir_span target, interval;
    uint32_t lifo;
    uint32_t reserved; /* must be zero */
};

struct weir_bulkhead {
    /* private */
    uint32_t limit, used;
};

/* 0, or -EINVAL, as for NULL opts, which have no limit; then every take is -EINVAL. */
WEIR_API int weir_bulkhead_init(struct weir_bulkhead *b, const struct weir_bulkhead_opts *opts);

/*
 * 0: n permits taken.  WEIR_EFULL: not now.  -EINVAL: n is 0 or more than the
 * limit, so never.  Never parks.
 */
WEIR_API WEIR_MUST_USE int weir_bulkhead_take(struct weir_bulkhead *b, uint32_t n);

/* Gives n permits back.  -EINVAL, and nothing given, when fewer were taken. */
WEIR_API int weir_bulkhead_give(struct weir_bulkhead *b, uint32_t n);

/* Another limit; below what is in use it holds as permits come home.  -EINVAL for 0. */
WEIR_API int weir_bulkhead_set(struct weir_bulkhead *b, uint32_t limit);

WEIR_API uint32_t weir_bulkhead_used(const struct weir_bulkhead *b);

WEIR_END
#endif
