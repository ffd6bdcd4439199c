/*
 * loop.h -- weir inside another's event loop.
 *
 * A host (epoll, libuv, GLib) polls one descriptor for reading and calls one
 * function when it is readable; fibers, timers, descriptors and offload all
 * run in that call.  Between two steps code of the host, on the same thread,
 * may do whatever does not park: start fibers in an open scope, try a send,
 * give a permit, cancel.  What it wakes runs in the next step, for which the
 * descriptor is readable by then.
 *
 * A thread has one loop: while one is open here, weir_run is -EBUSY.  A hosted
 * loop is never in deadlock, for the host may still wake anybody.
 */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <weir/base.h>
#include <weir/run.h>

WEIR_BEGIN

typedef struct weir_loop weir_loop;

/*
 * Opens a loop on this thread with `fn` as its first fiber; nothing runs yet.
 * NULL is the default configuration.  Never NULL: a poisoned handle for
 * -EBUSY (there is one on this thread), -EINVAL, -ENOTSUP (`loops` > 1),
 * -ENOMEM or what the system said.
 */
WEIR_API weir_loop *weir_loop_open(const struct weir_config *config, int (*fn)(void *), void *arg);

/* To be polled for reading, never read.  It is the loop's, and stays the same.  Or a failure. */
WEIR_API int weir_loop_fd(const weir_loop *l);

/*
 * Runs what can run now and never blocks; one turn, so that a busy loop
 * leaves the host its own.  1 while fibers live, 0 once all have ended;
 * -EXDEV on another thread, -EBUSY from inside a step.
 */
WEIR_API int weir_loop_step(weir_loop *l);

/*
 * Cancels what still runs, waits for it (this blocks), frees the loop and sets
 * *l to NULL.  The result of `fn`, as weir_run gives it; -EXDEV, -EBUSY.
 */
WEIR_API int weir_loop_close(weir_loop **l);

/* The code of a poisoned handle, else 0. */
WEIR_API int weir_loop_error(const weir_loop *l);

WEIR_END
#endif
