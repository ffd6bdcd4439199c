/*
 * hedge.h -- a second try of what takes longer than usual.
 *
 * The slow few percent of calls are often slow by accident, and another server
 * or connection answers at once (Dean and Barroso, "The Tail at Scale").  So a
 * call that has lasted longer than, say, 95 % of the calls before is started a
 * second time, and the first answer counts.  That is only sound for work that
 * may be done twice, and only helps while few calls are slow: hedges are paid
 * for out of a budget, so when everything is slow there are none.
 *
 * struct weir_hedge is plain memory without clock, lock or malloc: the delay
 * as a pure function of what was recorded.  weir_hedged runs it on fibers, and
 * locks: one struct serves the calls of any number of loops, and may share its
 * budget with stacks.  The other functions are the caller's to serialise.
 */
#ifndef WEIR_HEDGE_H
#define WEIR_HEDGE_H

#include <weir/budget.h>
#include <weir/base.h>

WEIR_BEGIN

#define WEIR_HEDGE_BUCKETS 1024

struct weir_hedge_opts {
    uint32_t percent; /* hedge what is slower than so many of a hundred, 50 .. 99; 0: 95 */
    uint32_t samples; /* none before so many calls were recorded; 0: 100 */
    uint32_t hedges;  /* of one call, at most 8; 0: 1 */
    weir_span delay;  /* > 0: after so long, whatever was recorded */
    weir_span least;  /* never sooner; 0: 1 ms */
    weir_span period; /* records are forgotten after one to two of it; 0: 30 s */
    struct weir_budget *budget; /* borrowed, may be shared with retries; NULL: a ratio of 5 % */
    uint32_t mode; /* as enum weir_mode: 1 sends none and counts those it would have; 2 is off */
    uint32_t reserved[3];
};

struct weir_hedge {
    /* private */
    struct weir_hedge_opts opts;
    struct weir_budget own;
    uint32_t count[2][WEIR_HEDGE_BUCKETS];
    uint64_t n[2];
    weir_time since;
    uint32_t at;
    uint64_t calls, sent, won, would;
};

/* 0, or -EINVAL; then nothing is hedged.  NULL opts are the defaults. */
WEIR_API int weir_hedge_init(struct weir_hedge *h, const struct weir_hedge_opts *opts);

/*
 * Other options from now on; what was recorded and counted stays, and its own
 * budget.  A call under way sends no more than it might before.  0, or -EINVAL
 * and no change.  NULL opts are the defaults.
 */
WEIR_API int weir_hedge_set(struct weir_hedge *h, const struct weir_hedge_opts *opts);

/* How long after its start a call should be hedged; WEIR_NEVER: not at all. */
WEIR_API weir_span weir_hedge_delay(const struct weir_hedge *h, weir_time now);

/* A call began: the budget grows. */
WEIR_API void weir_hedge_begin(struct weir_hedge *h, weir_time now);

/* May one more be sent?  0 and it is paid for, or WEIR_EBUDGET. */
WEIR_API WEIR_MUST_USE int weir_hedge_take(struct weir_hedge *h, weir_time now);

/*
 * A try succeeded after so long since its own start; or had not, as another did or its time was
 * out, and that was past the delay already.  Failures and other cancels say nothing.
 */
WEIR_API void weir_hedge_record(struct weir_hedge *h, weir_span took, weir_time now);

/* Makes *out, an item of the type that was given: 0 or more, or negative.  May park. */
typedef int weir_hedge_fn(void *ctx, void *out);

struct weir_hedge_stats {
    uint64_t calls, sent, won; /* calls; hedges sent; hedges that were the answer */
    uint64_t would_send;       /* hedges that observing did not send */
    uint64_t reserved[2];
};

/*
 * fn(ctx, out) on a fiber, and again while it lasts too long; the first that
 * succeeds is the result, the others are cancelled, waited for, and what they
 * made is dropped.  A failure ends the call if no other try is under way; if
 * all fail, what the first one said.  `idempotent` 0: never twice.  A deadline
 * that comes before the hedge would does without.  In an attempt of a weir_call
 * each try is in that attempt too (weir_try_info, weir_try_hint: the winner's
 * counts); calls in it are part of the same call.  -ETIMEDOUT, -ECANCELED,
 * WEIR_ENOFIBER, -ENOMEM, -EINVAL.  After a failure *out is zero.
 */
WEIR_API int weir_hedged(struct weir_hedge *h, weir_hedge_fn *fn, void *ctx, struct weir_type type,
                         void *out, int idempotent, weir_time deadline);

WEIR_API void weir_hedge_stats(const struct weir_hedge *h, struct weir_hedge_stats *out);

WEIR_END
#endif
