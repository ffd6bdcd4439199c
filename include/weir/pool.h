/*
 * pool.h -- a bounded set of things that are dear to make and are used by one
 * at a time: connections, handles, buffers.
 *
 * All of a pool happens on the fibers that use it: a get that finds nothing
 * idle makes one itself, so a failure to make one is told to the one who
 * asked, at once, and a cancelled get leaves nothing behind.  What is due to
 * be destroyed is found by later calls: a pool keeps no program alive.  Only
 * `min` has a fiber, in the scope in which the pool was made, until so many
 * are there.
 *
 * A pool belongs to the loop that uses it first: on another loop every call is
 * -EXDEV, and weir_pool_free changes nothing.
 */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <weir/base.h>

WEIR_BEGIN

typedef struct weir_pool weir_pool;

struct weir_pool_opts {
    /* Makes one: 0 with *object set, or negative.  May park; a cancel is its to clean up after. */
    int (*create)(void *ctx, void **object);
    /* Before it is given out again: 0 good, negative it is destroyed.  May park.  NULL: good. */
    int (*check)(void *ctx, void *object);
    /* May park, for 60 s deaf to a cancel of whoever runs it.  `why`: 0, or what was wrong. */
    void (*destroy)(void *ctx, void *object, int why);
    void *ctx;
    uint32_t max;     /* there are never more, those being made included; > 0 */
    uint32_t min;     /* a get starts making so many in the background; <= max */
    uint32_t waiters; /* gets that may wait; one more is WEIR_EFULL; 0: no bound */
    uint32_t
        fifo; /* 1: the one idle longest is next; 0: the one used last, which lets others age */
    weir_span idle; /* idle for so long: destroyed, unless `min` would not be left; 0: never */
    weir_span
        lifetime; /* so old: destroyed when idle or returned; less up to 10 % at random; 0: never */
    weir_span fresh;          /* one used less long ago is given out without a check */
    weir_span create_timeout; /* of each create, as well as the deadline of the get; 0: none */
    const char *name;         /* static; for dumps */
    uint32_t reserved[4];
};

/* What a get gives: one object, until it is put back. */
struct weir_lease {
    void *object;
    uint64_t id;   /* of the object: from 1, never used twice in a pool */
    uint64_t uses; /* of the object, this one included */
    weir_pool *pool;
    void *reserved;
};

struct weir_pool_stats {
    uint64_t created, failed; /* creates that succeeded, that did not */
    uint64_t broken, expired; /* destroyed: by put or check; by age or idle time */
    uint64_t gets, waited;    /* gets that succeeded; of all gets those that had to wait */
    uint32_t total, idle, used, making; /* total = idle + used + making */
    uint32_t waiting;
    int last_error; /* of the last create if it failed, else 0 */
    uint32_t reserved[4];
};

/* Copies *opts.  Never NULL: a poisoned handle answers every call with its code.  Makes nothing. */
WEIR_API weir_pool *weir_pool_new(const struct weir_pool_opts *opts);
WEIR_API int weir_pool_error(const weir_pool *p);

/*
 * One object: idle, or made now, or given back by another; first come, first
 * served.  0; -ETIMEDOUT (last_error says whether creates have failed
 * meanwhile); -ECANCELED; -EAGAIN with a deadline of 0 when it would have to
 * wait; the code of its own create; WEIR_EFULL; WEIR_ECLOSED; WEIR_ENOFIBER;
 * -EINVAL.  On failure *out is zero.
 */
WEIR_API WEIR_MUST_USE int weir_pool_get(weir_pool *p, struct weir_lease *out, weir_time deadline);

/*
 * Gives it back, and zeroes *lease.  broken < 0: it is destroyed, for this
 * reason; 0: the next may have it.  0; -EINVAL for a lease that is not out:
 * a second return, of a copy too while the pool is there.  Parks only in
 * `destroy`.
 */
WEIR_API int weir_pool_put(struct weir_lease *lease, int broken);

/* The object is the caller's from now on; the pool may make another.  As weir_pool_put. */
WEIR_API int weir_pool_detach(struct weir_lease *lease, void **out);

/* Another bound: idle ones above it are destroyed now, others when put back.  0; -EINVAL for 0. */
WEIR_API int weir_pool_resize(weir_pool *p, uint32_t max);

/* Destroys what is idle and due.  How many.  The other calls do two of them each. */
WEIR_API int weir_pool_reap(weir_pool *p);

/* Nobody gets any more (WEIR_ECLOSED, those who wait too); idle ones are destroyed. */
WEIR_API int weir_pool_close(weir_pool *p);

/* Closes it and waits until all are back.  0; -ETIMEDOUT, -ECANCELED: some are still out. */
WEIR_API int weir_pool_drain(weir_pool *p, weir_time deadline);

/* Closes it; the memory goes with the last lease.  *p is NULL afterwards.  Accepts NULL. */
WEIR_API void weir_pool_free(weir_pool **p);

WEIR_API int weir_pool_stats(const weir_pool *p, struct weir_pool_stats *out);

WEIR_END
#endif
