/*
 * join.h -- several operations at once, and their results.
 *
 * Each job is a fiber.  When the call returns, all of them have ended, whatever
 * the result: each slot says how its job went,
 *
 *     what fn returned,
 *     WEIR_ENOTRUN   it was never started,
 *     -ETIMEDOUT     it was cut by the deadline of this call.
 */
#ifndef WEIR_JOIN_H
#define WEIR_JOIN_H

#include <weir/base.h>
#include <weir/scope.h>

WEIR_BEGIN

struct weir_job {
    int (*fn)(void *arg);
    void *arg;
    int result; /* set by the call */
};

struct weir_join_opts {
    uint32_t limit;              /* jobs running at once; 0: all */
    enum weir_on_error on_error; /* join: WEIR_KEEP runs the others although one failed */
    weir_time deadline;          /* 0: none */
    uint32_t stack;              /* of the jobs; 0: as configured */
    uint32_t reserved[3];
};

/*
 * Runs all.  0 when none failed, else the first cause; -ETIMEDOUT; -ECANCELED.
 * n = 0 is 0.  NULL opts: all defaults.
 */
WEIR_API int weir_join_all(struct weir_job *jobs, size_t n, const struct weir_join_opts *opts);

/*
 * Until the first that succeeds (result >= 0): its index.  The others are
 * cancelled and waited for.  One that succeeded all the same keeps its result
 * in its slot: what it made is the caller's.  If all fail: the first failure.
 * -EINVAL for n = 0 or above INT32_MAX, and for WEIR_KEEP, which has no
 * meaning here.
 */
WEIR_API int weir_race(struct weir_job *jobs, size_t n, const struct weir_join_opts *opts);

WEIR_END
#endif
