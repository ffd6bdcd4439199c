/*
 * door.h -- how threads that are not fibers use what lives on a loop.
 *
 * A fiber opens a door and hands it to threads.  A thread that has entered may
 * call everything of chan.h, sync.h, oneshot.h, watch.h, topic.h and token.h,
 * weir_select, weir_offload and weir_scope_cancel, on objects of that loop (or
 * of any of several): the call, with its callback, runs on the loop, as a fiber
 * of its own, while the thread waits; a try (deadline 0) is one trip.  A mutex
 * or a writer's lock is the thread's who took it.  What cancels the scope in
 * which the door was opened cancels these calls; what frees a handle then
 * leaves it to its owner.
 *
 *     thread = enter, any number of calls, leave
 *
 * As long as a door is open nothing is taken for a deadlock: a thread may come
 * and wake somebody.  When the scope in which it was opened has closed, calls
 * give -ECANCELED; the handle is still its owner's to close.
 */
#ifndef WEIR_DOOR_H
#define WEIR_DOOR_H

#include <weir/base.h>

WEIR_BEGIN

typedef struct weir_door weir_door;

/*
 * In a fiber.  Never NULL: a poisoned handle for WEIR_ENOFIBER, -ENOMEM, -EMFILE,
 * -ENFILE; -ENOTSUP in a build without `threads`.
 */
WEIR_API weir_door *weir_door_open(void);

/*
 * On a thread of its own, an offload thread too: its calls go through the door
 * from here to weir_door_leave.  0; -EBUSY on the thread of a loop, or in a
 * door already; -ECANCELED once its loop has ended.
 */
WEIR_API WEIR_MUST_USE int weir_door_enter(weir_door *d);

/* 0, or -EINVAL if this thread has entered none. */
WEIR_API int weir_door_leave(void);

/*
 * Runs fn(arg) as a fiber on the loop and waits for it: it may do whatever a
 * fiber may.  Its result; -ECANCELED; -ENOMEM; WEIR_ENOFIBER if this thread has
 * not entered.
 */
WEIR_API int weir_door_call(int (*fn)(void *), void *arg);

/*
 * Cancels the calls under way, lets no more in, waits until all threads have
 * left (deaf to cancel), frees it and sets *d to NULL.  In a fiber of its loop,
 * or on any thread once that loop has ended; else WEIR_ENOFIBER and no change.
 * Nobody may enter later.
 */
WEIR_API int weir_door_close(weir_door **d);

/* The code of a poisoned handle, else 0. */
WEIR_API int weir_door_error(const weir_door *d);

WEIR_END
#endif
