/*
 * watch.h -- a value that changes, and those who want to know its latest.
 *
 * A set never waits: who is slow sees the newest value and misses those between.
 * Each watcher has its own place: it is given a version newer than the one it
 * saw last, once.  The last value is seen before the end.
 *
 * Works between loops: then callbacks, and the type's clone and drop, run under
 * its lock.
 */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

#include <weir/base.h>
#include <weir/chan.h>

WEIR_BEGIN

typedef struct weir_watch weir_watch;

/*
 * Moves *initial in on success; NULL is an all-zero item.  Never NULL; a
 * poisoned one answers with its code: -EINVAL for the type, also one that has
 * a drop but no clone, for every reader gets a copy; -ENOMEM.
 */
WEIR_API weir_watch *weir_watch_new(struct weir_type type, const void *initial);

/*
 * Moves *value in and drops the one before.  0; the close reason (or
 * WEIR_ECLOSED); WEIR_ETYPE; -EINVAL; then it is still the caller's.  Never
 * parks.
 */
#define weir_set(w, value) weir_watch_set(w, value, sizeof *(value))
WEIR_API int weir_watch_set(weir_watch *w, const void *value, size_t size);

/*
 * Changes the value in its place: fn answers 1 if it has, 0 if not, negative
 * (and has not changed it) to fail; it does not park, nor use this watch.  What
 * fn said, or as set.
 */
WEIR_API int weir_watch_edit(weir_watch *w, int (*fn)(void *ctx, void *value), void *ctx);

/* A copy of the present value, also once closed.  1; the clone's failure; WEIR_ETYPE; -EINVAL. */
#define weir_get(w, out) weir_watch_get(w, out, sizeof *(out))
WEIR_API int weir_watch_get(const weir_watch *w, void *out_value, size_t size);

/* How often it has been set, counting the initial value: 1 or more; 0 for a bad handle. */
WEIR_API uint64_t weir_watch_version(const weir_watch *w);

/* No more sets.  `why` 0 or negative is what watchers get once they have seen the last value. */
WEIR_API int weir_watch_close(weir_watch *w, int why);

/* Its watchers get WEIR_ECLOSED from now on.  Sets *w to NULL. */
WEIR_API void weir_watch_free(weir_watch **w);

WEIR_API int weir_watch_error(const weir_watch *w); /* of a poisoned handle, else 0 */

/* In the caller's memory; must stay where it is until fini.  For one fiber at a time. */
struct weir_watcher {
    weir_watch *watch;
    uint64_t seen;
    int why; /* once the watch is gone */
    uint32_t reserved;
    void *link[2], *waiters[2];
};

/* The present value counts as seen.  0, or the watch's code, which fini and recv bear. */
WEIR_API int weir_watcher_init(struct weir_watcher *r, weir_watch *w);
WEIR_API void weir_watcher_fini(struct weir_watcher *r);

/* The present value counts as not seen: the next recv gives it. */
WEIR_API void weir_watcher_rewind(struct weir_watcher *r);

/*
 * A copy of the newest value once it is newer than what was seen.  1; the close
 * reason once closed and seen; WEIR_ECLOSED once the watch is freed; the
 * clone's failure, and it is not seen; -ETIMEDOUT; -ECANCELED; -EAGAIN with a
 * deadline of 0.
 */
#define weir_changed(r, out, deadline) weir_watcher_recv(r, out, sizeof *(out), deadline)
WEIR_API int weir_watcher_recv(struct weir_watcher *r, void *out_value, size_t size,
                               weir_time deadline);

/*
 * The same for the first value, from the present one on, seen or not, for which
 * want() is nonzero; want() does not park, nor use this watch.  It may not see
 * each value: those between are missed.
 */
WEIR_API int weir_watcher_until(struct weir_watcher *r, int (*want)(void *ctx, const void *value),
                                void *ctx, void *out_value, size_t size, weir_time deadline);

/* A case of weir_select: weir_changed. */
#define WEIR_ON_WATCH(r, p)                                                                        \
    {                                                                                              \
        WEIR_SELECT_WATCH, sizeof *(p), (r), (p), 0                                                \
    }

WEIR_END
#endif
