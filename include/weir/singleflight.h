/*
 * singleflight.h -- callers who want the same thing at the same time share one
 * load of it.
 *
 *     loads of one key that are wanted at any instant  <=  1
 *
 * A load runs on a fiber of the set's own, not on its first caller's: whoever
 * leaves (cancelled, out of time) disturbs nobody else, and when the last one
 * has left, the load is cancelled.  Its result, value or error, goes to all
 * who wait, and is then forgotten; cache.h is for keeping.
 *
 * A set lives on the loop that uses it first, and loads run there.  On another
 * loop run and forget send a fiber over and wait for it (microseconds; -ENOMEM
 * without memory for it); stats are zeros, and free changes nothing.
 */
#ifndef WEIR_SINGLEFLIGHT_H
#define WEIR_SINGLEFLIGHT_H

#include <weir/base.h>

WEIR_BEGIN

typedef struct weir_flights weir_flights;

struct weir_flights_opts {
    struct weir_type type; /* of the value; one that drops must clone too, else -EINVAL */
    /*
     * Loads the value of a key into *out_value, which is zero.  Negative: an
     * error, and *out_value is left empty; else success.  Runs on a fiber of
     * the set, may park.  It gets `ctx` and the key only, for it may outlive
     * every caller.
     */
    int (*load)(void *ctx, const void *key, size_t key_len, void *out_value);
    void *ctx;            /* borrowed until weir_flights_free returns */
    uint32_t reserved[4]; /* must be zero */
};

/*
 * A set of flights, child of the scope it is made in: when that closes, loads
 * are cancelled and joined and callers get -ECANCELED.  Never NULL: a poisoned
 * handle answers with its code (-EINVAL, -ENOMEM).  Never parks.
 */
WEIR_API weir_flights *weir_flights_new(const struct weir_flights_opts *opts);

/*
 * The value of the key, loaded once for all who ask while the load runs.
 * Parks.  *out gets a copy of the caller's own (clone, or memcpy) on success
 * only; `size` is that of the type, else WEIR_ETYPE.  The result of the load;
 * or, with the load undisturbed as long as others wait: -ECANCELED; the
 * failure of clone.  -EDEADLK when the load could only end after the caller
 * itself: asked from within that load, or from one that it waits for, or more
 * than 64 loads deep.  -ENOMEM; -EINVAL for NULL with a length, or a key longer
 * than 64 KiB; WEIR_ECLOSED during the free; WEIR_ENOFIBER.  A load that waits
 * for itself by way of another loop is no -EDEADLK: the runtime finds it when
 * nothing else runs.
 */
WEIR_API int weir_flights_run(weir_flights *f, const void *key, size_t key_len, void *out,
                              size_t size);

/*
 * From here on the key's load is not joined any more: the next caller starts
 * another, while those who wait still get what they wait for.  1 if there was
 * one, 0, -EINVAL.  Never parks, but on another loop than the set's: then it
 * may be -ECANCELED, -ENOMEM and WEIR_ENOFIBER, too.
 */
WEIR_API int weir_flights_forget(weir_flights *f, const void *key, size_t key_len);

struct weir_flights_stats {
    uint64_t calls;     /* of weir_flights_run, with sound arguments */
    uint64_t loads;     /* that were started */
    uint64_t failed;    /* of them: ended in an error that was not their cancel */
    uint64_t abandoned; /* of them: cancelled, for the last caller had left */
    uint64_t flying;    /* now, the abandoned ones that have not ended included */
    uint64_t waiting;   /* callers, now */
};

/* Fills *out; all zero for a poisoned handle.  Never parks. */
WEIR_API void weir_flights_stats(const weir_flights *f, struct weir_flights_stats *out);

/* The code of a poisoned handle, else 0. */
WEIR_API int weir_flights_error(const weir_flights *f);

/*
 * Cancels all loads, waits until they have ended and their callers have left
 * with -ECANCELED, frees the set and sets *f to NULL; NULL is accepted.  Parks,
 * deaf to cancel; not from within a load of the set.
 */
WEIR_API void weir_flights_free(weir_flights **f);

WEIR_END
#endif
