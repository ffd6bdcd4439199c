/*
 * attempt.h -- one attempt of a call that somebody else drives (par_map keeps
 * its jobs as weir__plan_runs, and has a fiber only while one is running).
 */
#ifndef WEIR__ATTEMPT_H
#define WEIR__ATTEMPT_H

#include "policy/plan.h"

/*
 * Runs fn(arg) on this fiber as the attempt that the run was admitted for:
 * under its deadline (unless the fiber's own is as early) and known to
 * weir_try_info.  The result goes to weir__plan_done.
 */
int weir__attempt_run(struct weir__plan_run *r, int (*fn)(void *), void *arg);

/* The least deadline that the running fiber's scopes and limits put on it. */
weir_time weir__attempt_outer(void);

#endif
