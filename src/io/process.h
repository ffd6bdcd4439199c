/*
 * process.h -- making a child, apart from keeping it.
 */
#ifndef WEIR__PROCESS_H
#define WEIR__PROCESS_H

#include <weir/process.h>

/*
 * Starts it.  0 with *pid and our ends of its pipes, -1 where there is none; or
 * negative, and nothing is left.  Never parks, but the thread stands still until the
 * child has executed.
 */
int weir__process_spawn(const char *const *argv, const struct weir_process_opts *opts, pid_t *pid,
                        int ends[3]);

#endif
