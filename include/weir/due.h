/*
 * due.h -- a queue whose items come out when their time has come.
 *
 * An item goes in with an instant and is known by a key, with which it can be
 * moved to another instant or taken out before.  Whoever receives gets the item
 * with the earliest instant, at that instant or later, never before; equal
 * instants come in the order in which they were set.  One queue costs one timer
 * however much is in it, and an item costs no fiber.
 */
#ifndef WEIR_DUE_H
#define WEIR_DUE_H

#include <weir/base.h>

WEIR_BEGIN

typedef struct weir_due weir_due;

/*
 * At most `most` items, 1 .. 2^31.  Never NULL; a poisoned one answers with its
 * code: -EINVAL for the type or `most`, -ENOMEM.  A queue is for fibers, on any
 * loop of its run, and for whoever builds it: to a thread that has come in by a
 * door all calls are WEIR_ENOFIBER, this one too, and a free changes nothing.
 */
WEIR_API weir_due *weir_due_new(struct weir_type type, size_t most);
WEIR_API int weir_due_error(const weir_due *d); /* of a poisoned handle, else 0 */

/*
 * Moves *item in, due at `at`; 0, or what has passed, is due at once, and at
 * WEIR_NEVER it only waits to be moved or removed.  0 and the key, which is
 * never 0, in *out_key (NULL: not wanted); or the item is still the caller's:
 * WEIR_EFULL, WEIR_ECLOSED, WEIR_ETYPE, -EINVAL, -ENOMEM.  Never parks.
 */
WEIR_API int weir_due_add(weir_due *d, const void *item, size_t size, weir_time at,
                          uint64_t *out_key);

/* Due at `at` instead.  0; -ENOENT once it has come out; -EINVAL.  Never parks. */
WEIR_API int weir_due_reset(weir_due *d, uint64_t key, weir_time at);

/* Takes it out: into *out_item, or it is dropped if that is NULL.  0; -ENOENT; WEIR_ETYPE. */
WEIR_API int weir_due_remove(weir_due *d, uint64_t key, void *out_item, size_t size);

/*
 * Moves the next item that is due out; parks until one is.  Who has waited
 * longest is served.  1; 0 once closed and empty; the close reason if that is
 * negative; -ETIMEDOUT; -ECANCELED; -EAGAIN with a deadline of 0; WEIR_ETYPE.
 */
WEIR_API int weir_due_recv(weir_due *d, void *item, size_t size, weir_time deadline);

/*
 * No more items; those in it still come out when they are due, and then `why`,
 * 0 or negative.  0; WEIR_ECLOSED when it has been closed before.
 */
WEIR_API int weir_due_close(weir_due *d, int why);

/* Drops what is in it and wakes whoever waits with WEIR_ECLOSED.  Sets *d to NULL. */
WEIR_API void weir_due_free(weir_due **d);

WEIR_API size_t weir_due_length(const weir_due *d);
WEIR_API struct weir_type weir_due_type(const weir_due *d);

WEIR_END
#endif
