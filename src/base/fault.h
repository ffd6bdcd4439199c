/*
 * fault.h -- the place where tests make things fail.
 *
 * Each allocation, suspension and system call of the library asks
 * weir__fault_point() first.  Armed with `at` = k, the k-th question since
 * `seen` was 0 is answered 1, and no other:
 *
 *     answered 1  <=>  at != 0 and this is the at-th point of the chosen kinds
 *
 * The state is the thread's own, so that what other threads do does not
 * change the count: points on the thread that armed it are counted, the same
 * ones in each run.  Disarmed, a point costs one load and one branch.
 */
#ifndef WEIR_BASE_FAULT_H
#define WEIR_BASE_FAULT_H

#include <stdint.h>

enum weir__fault_kind {
    WEIR__FAULT_ALLOC = 1,   /* the allocation gives NULL */
    WEIR__FAULT_SUSPEND = 2, /* the fiber is cancelled where it would park */
    WEIR__FAULT_SYSCALL = 4  /* the system call fails */
};

struct weir__fault {
    int64_t at;   /* which point fails, from 1; 0: none, and nothing is counted */
    int64_t seen; /* points passed since armed */
    int kinds;    /* which kinds count; 0: all */
    int hit;      /* the kind that failed; 0: none yet */
};

extern _Thread_local struct weir__fault weir__fault;

/* Counts one point while armed; nonzero if it is the one to fail. */
int weir__fault_step(int kind);

/* Arms the calling thread: the `at`-th point of `kinds` (0: of all) fails.  at 0 disarms. */
void weir__fault_arm(int64_t at, int kinds);

/* Nonzero when this point has to fail. */
static inline int weir__fault_point(int kind)
{
    return weir__fault.at != 0 && weir__fault_step(kind);
}

#endif
