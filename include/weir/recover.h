/*
 * recover.h -- streams that outlive a failure.
 *
 * Only failures of the source are seen here: what fails further down is never
 * caught by a stage above it.  The puller's own cancel is no failure, and is
 * handed on as it is.
 */
#ifndef WEIR_RECOVER_H
#define WEIR_RECOVER_H

#include <weir/base.h>
#include <weir/retry.h>
#include <weir/stream.h>

WEIR_BEGIN

/* --- from the beginning ------------------------------------------------------ */

/* What a factory of sources is told. */
struct weir_restart {
    uint64_t run;      /* which one this is, from 0 */
    int failed;        /* why the last one ended; 0 for the first */
    uint64_t given;    /* items passed on so far, by all of them */
    const void *token; /* of the last item passed on; all zero before there was one */
};

struct weir_restart_opts {
    struct weir_retry_opts retry; /* which failures, how often, how long between: see retry.h */
    /*
     * token(ctx, item, out) for each item that is passed on: 1 `out` is the
     * resume token from here on, 0 the one before stays, negative fails.
     * Tokens are plain data.  NULL: none.
     */
    weir_fn *token;
    struct weir_type token_type; /* ignored without `token` */
    weir_span stable;            /* a source that lived so long starts the count anew; 0: none */
    uint32_t anew_on_item;       /* 1: so does one that gave an item */
    uint32_t reserved[3];
};

typedef weir_stream *weir_restart_fn(void *ctx, const struct weir_restart *about);

/*
 * make(ctx, about) at the first pull gives the source; when that fails, it is
 * closed, and after a backoff make gives the next, until the rule gives up:
 * then the last failure is the end.  A poisoned source counts as one that
 * failed; NULL is -EINVAL.  No item is lost or comes twice if `make` goes on
 * behind the token (or after `given` items).  A pull that is cancelled in the
 * backoff goes on with it the next time; the puller's deadline is not the
 * rule's, and min_attempt has no meaning here.  The budget and `ctx` of the
 * rule are borrowed.  NULL opts: all defaults.
 */
WEIR_API weir_stream *weir_restart(weir_restart_fn *make, void *ctx, struct weir_type type,
                                   const struct weir_restart_opts *opts);

/* --- with something else ------------------------------------------------------- */

/* Makes the stream to go on with after `code`.  NULL: none, the failure stands. */
typedef weir_stream *weir_recover_fn(void *ctx, int code);

/*
 * When `s` fails with a code of one of `classes` (WEIR_CLASS_BITs; 0: all but
 * CANCELLED), closes it and goes on with make(ctx, code), whose own failures
 * are not caught.  weir_empty ends it well, weir_fail gives another code.  A
 * poisoned `s` is no failure but a mistake in building, and stays poisoned.
 */
WEIR_API weir_stream *weir_recover(weir_stream *s, uint32_t classes, weir_recover_fn *make,
                                   void *ctx);

/* --- at the end, whatever it was ------------------------------------------------ */

/*
 * Calls fn(ctx, why) once: 0 at the end, the failure, or -ECANCELED when it is
 * closed before either; after `s` has been closed.  Also when this itself
 * fails, or `s` is poisoned: at once, with that code.
 */
WEIR_API weir_stream *weir_finally(weir_stream *s, void (*fn)(void *ctx, int why), void *ctx);

WEIR_END
#endif
