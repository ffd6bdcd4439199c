/*
 * scope.h -- the only place where a fiber can be started.
 *
 * Leaving a scope waits for its fibers.  A scope carries a deadline, a limit
 * on running fibers, and the first error; it is what JoinSet, errgroup,
 * nursery and WaitGroup are elsewhere.
 *
 * Cancelling reaches every fiber of the scope and of the scopes below: each
 * call that parks returns -ECANCELED from then on, until the scope is left.
 * The first cause is kept, never a secondary -ECANCELED.
 *
 * A scope belongs to the loop on which it was opened, though its fibers may be
 * on others (loop.h): elsewhere all that acts on it is -EXDEV.
 */
#ifndef WEIR_SCOPE_H
#define WEIR_SCOPE_H

#include <weir/base.h>

WEIR_BEGIN

typedef struct weir_scope weir_scope;
typedef struct weir_chan weir_chan;

enum weir_on_error { WEIR_FAIL_FAST = 0, WEIR_KEEP = 1 };

struct weir_scope_opts {
    uint32_t limit;     /* fibers running at once; weir_go parks beyond it; 0: no limit */
    uint32_t results;   /* unread results kept for weir_scope_next; 0: none are kept */
    weir_time deadline; /* 0: none.  Past it everything here is cancelled; close says -ETIMEDOUT */
    enum weir_on_error on_error; /* WEIR_KEEP: a failure does not cancel the others */
    uint32_t stack;              /* of fibers here, rounded up; to 64 MiB; 0: weir_config's */
    const char *name;            /* static; for dumps */
    uint32_t spread; /* 1: each fiber starts on the least busy loop (loop.h), and stays there */
    uint32_t reserved[3]; /* must be zero */
};

struct weir_go_opts {
    weir_chan *feeds;  /* the fiber is one of its producers: its result becomes the close reason */
    weir_chan *drains; /* the fiber is one of its consumers */
    const char *name;  /* copied, 15 bytes of it */
    uint32_t stack;    /* 0: the scope's */
    uint32_t reserved[3];
};

struct weir_done {
    int result;
    void *arg; /* as given to weir_go */
};

/* NULL is all defaults.  Never NULL: a poisoned handle answers every call with its code. */
WEIR_API weir_scope *weir_scope_open(const struct weir_scope_opts *opts);

/*
 * Starts fn(arg) as a fiber; its negative result fails the scope.  Parks while
 * `limit` fibers run.  0; -ECANCELED once the scope is cancelled or draining;
 * -EAGAIN when `results` unread ones are there; -ENOMEM.  On failure the
 * caller still owns `arg` and nothing was started.
 */
WEIR_API WEIR_MUST_USE int weir_go(weir_scope *s, int (*fn)(void *), void *arg);
WEIR_API WEIR_MUST_USE int weir_go_with(weir_scope *s, int (*fn)(void *), void *arg,
                                        const struct weir_go_opts *opts);

/*
 * The next result in completion order: 1 with *out set, 0 when nothing runs
 * and nothing is unread, -ETIMEDOUT, -ECANCELED, -EINVAL without `.results`.
 */
WEIR_API int weir_scope_next(weir_scope *s, struct weir_done *out, weir_time deadline);

/* Cancels everything in the scope with a reason (negative).  The first one stays.  Never parks. */
WEIR_API int weir_scope_cancel(weir_scope *s, int why);

/*
 * Waits for all fibers (a cancelled closer waits all the same: its fibers are
 * cancelled too), frees the scope and sets *s to NULL.  0, or the first cause.
 * Scopes close in LIFO order in the fiber that opened them: else -EINVAL.
 */
WEIR_API int weir_scope_close(weir_scope **s);

/*
 * Graceful end: no more fibers start, WEIR_ON_STOP(s) fires in select (for
 * members on other loops too), then waits until `deadline` and cancels what is
 * left.  How many were cut, or negative.  The scope must still be closed.
 */
WEIR_API int weir_scope_drain(weir_scope *s, weir_time deadline);

/* The code of a poisoned handle, else 0. */
WEIR_API int weir_scope_error(const weir_scope *s);

/* Why the scope is cancelled (negative), or 0. */
WEIR_API int weir_scope_why(const weir_scope *s);

/* Fibers that have not ended. */
WEIR_API size_t weir_scope_running(const weir_scope *s);

WEIR_END
#endif
