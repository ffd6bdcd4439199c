/*
 * loop.h -- weir on several loops, and weir inside another's event loop.
 *
 * With weir_config.loops = n there are n threads with a loop each.  A fiber
 * belongs to the loop on which it was started, for good; weir_go_on starts one
 * elsewhere.  Channels, promises, watches, topics, tokens, due queues, policies
 * and all of sync.h work between all of them.  A stream belongs to the loop that first pulled it,
 * and crosses to another in weir_stage and weir_par_map (stream.h).  Whatever
 * else is used where it was made, and is -EXDEV elsewhere: a scope, a pool, a
 * cache, a process.  A descriptor is anybody's: each loop waits for itself, so
 * who closes it sees to it that nobody waits elsewhere (io.h).
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
#include <weir/scope.h>

WEIR_BEGIN

enum { WEIR_ANY_LOOP = -1 };

/*
 * As weir_go_with, but the fiber runs on the loop with this index from 0, or on
 * the least busy one: one that sleeps if there is any, and then where the fewest
 * have been placed.  With weir_scope_opts.spread weir_go and weir_go_with place
 * theirs so too, which pays where a fiber works for some ten microseconds or
 * more.  What has been placed does not move.  It is a member of `s` like any
 * other: limit, results, first error, cancel and close hold.  -EINVAL for an
 * index that does not exist; -EXDEV when `s` is not of this loop.  If the other
 * loop has no memory for it, its result is -ENOMEM.
 */
WEIR_API WEIR_MUST_USE int weir_go_on(weir_scope *s, int loop, int (*fn)(void *), void *arg,
                                      const struct weir_go_opts *opts);

/* How many loops run, and which one this is; WEIR_ENOFIBER off a loop. */
WEIR_API int weir_loops(void);
WEIR_API int weir_loop_index(void);

/* --- a guest ----------------------------------------------------------- */

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
