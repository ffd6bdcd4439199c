/*
 * retry.h -- whether to try again, and when.
 *
 * After each attempt weir_retry_next gives the wait before the next one, or
 * says stop and why.  It stops
 *
 *     when the result is no failure, or of a class that is not retried,
 *     when `attempts` were made (the first included),
 *     when the next attempt could not start min_attempt before the deadline
 *         -- before sleeping, not after --
 *     when the retry budget is spent, asked before sleeping too.
 *
 * A Retry-After is a floor: the wait is the longer of the backoff and of
 * Retry-After plus up to a quarter of it, drawn at random, so that those who
 * were told the same time do not come at the same time.  A pushback (gRPC's) is
 * an order instead: exactly that wait, and the backoff starts over; or no retry.
 *
 * The state keeps the last error that was not a refusal of our own, whatever
 * came after it.
 */
#ifndef WEIR_RETRY_H
#define WEIR_RETRY_H

#include <weir/backoff.h>
#include <weir/budget.h>

WEIR_BEGIN

enum weir_class {
    WEIR_CLASS_AUTO = 0,      /* by the code: weir_classify */
    WEIR_CLASS_OK,            /* not a failure */
    WEIR_CLASS_TRANSIENT,     /* may well work next time: timeouts, resets, refused, DNS */
    WEIR_CLASS_THROTTLED,     /* alive, but asks for less: HTTP 429 */
    WEIR_CLASS_SERVER,        /* the other side is broken: HTTP 5xx, bad protocol */
    WEIR_CLASS_CLIENT,        /* the request is wrong, and will be next time */
    WEIR_CLASS_FATAL,         /* anything unknown: not retried */
    WEIR_CLASS_CANCELLED,     /* nobody wants it any more */
    WEIR_CLASS_REJECTED_LOCAL /* a policy of our own refused; nothing was sent */
};

#define WEIR_CLASS_BIT(c) (1u << (c))

/* The class of a result by its code alone, never by a text.  Results >= 0 are OK. */
WEIR_API enum weir_class weir_classify(int result);

/* Nonzero if the code says that nothing reached the other side (refused, no route, no name). */
WEIR_API int weir_never_sent(int result);

struct weir_retry_event {
    uint32_t attempt; /* the one that failed, from 1 */
    int result;
    uint32_t cls;   /* enum weir_class */
    weir_span wait; /* before the next */
};

/* What an answer of the other side says of a retry. */
enum weir_pushback {
    WEIR_PUSHBACK_NONE = 0,
    WEIR_PUSHBACK_WAIT, /* exactly retry_after, 0 too, and the backoff starts over */
    WEIR_PUSHBACK_STOP  /* no retry */
};

#define WEIR_RETRY_AFTER_IGNORE ((weir_span)-1)

struct weir_retry_opts {
    uint32_t attempts; /* the first included; 0 means 3; UINT32_MAX: no limit */
    uint32_t unsafe;   /* 1: not idempotent, retried only if it was surely never sent */
    uint32_t retry_on; /* WEIR_CLASS_BITs; 0 means TRANSIENT, THROTTLED, SERVER */
    uint32_t grow;     /* these six: see backoff.h */
    uint32_t jitter;
    uint32_t factor_milli;
    uint32_t percent;
    uint32_t reserved0; /* must be zero */
    weir_span base, cap;
    weir_span min_attempt;      /* what an attempt needs before the deadline; 0: anything */
    weir_span retry_after_cap;  /* a longer Retry-After is cut to it; 0: never; _IGNORE */
    struct weir_budget *budget; /* borrowed and shared; NULL: none */
    int (*classify)(void *ctx, int result); /* an enum weir_class; AUTO: by the code */
    /*
     * In a stack: before each wait, outside its locks.  `delay` says what the
     * wait shall be instead: negative gives up, one that cannot end before the
     * deadline gives up at once.  Then on_retry is told.
     */
    weir_span (*delay)(void *ctx, const struct weir_retry_event *e);
    void (*on_retry)(void *ctx, const struct weir_retry_event *e);
    void *ctx;            /* borrowed, for all three */
    uint32_t reserved[2]; /* must be zero */
};

/* A rule; only read after init (but for its budget). */
struct weir_retry {
    struct weir_retry_opts opts; /* private; no field is at its default any more */
    struct weir_backoff backoff;
};

enum weir_giveup {
    WEIR_GIVEUP_NONE = 0, /* it did not: there is a next attempt */
    WEIR_GIVEUP_OK,       /* nothing to retry */
    WEIR_GIVEUP_CLASS,    /* failures of this class are not retried */
    WEIR_GIVEUP_ATTEMPTS,
    WEIR_GIVEUP_DEADLINE,
    WEIR_GIVEUP_BUDGET,
    WEIR_GIVEUP_PUSHBACK, /* the other side said so */
    WEIR_GIVEUP_CALLBACK  /* `delay` said so */
};

/* One operation.  All zero is the start, and the start of the next. */
struct weir_retry_state {
    struct weir_backoff_state backoff;
    struct weir_budget_token paid; /* for the attempt being waited for */
    uint32_t failed;               /* attempts that failed so far */
    uint32_t giveup;               /* enum weir_giveup, why the last answer was to stop */
    int last_error;                /* the last failure that was not a local refusal; 0: none */
    uint32_t last_class;           /* enum weir_class of it */
    uint32_t nested;               /* 1: weir_retry_nest */
};

/* What one attempt ended with. */
struct weir_retry_outcome {
    int result;
    uint32_t cls;          /* enum weir_class; AUTO asks `classify`, then the code */
    weir_span retry_after; /* what the other side asked for; 0: nothing */
    uint32_t pushback;     /* enum weir_pushback */
    uint32_t counted;      /* 1: the budget has heard of this result, from a retry inside */
};

#define WEIR_RETRY_STOP ((int64_t)INT64_MIN)

/* 0, or -EINVAL; then it is one attempt and no more.  NULL opts are the defaults. */
WEIR_API int weir_retry_init(struct weir_retry *r, const struct weir_retry_opts *opts);

/* A new operation starts: tells the budget. */
WEIR_API void weir_retry_begin(const struct weir_retry *r, struct weir_retry_state *state,
                               weir_time now);

/*
 * The same for an operation inside another whose retry has the same budget:
 * the budget hears of the other's first try and success, not of this one's.
 */
WEIR_API void weir_retry_nest(const struct weir_retry *r, struct weir_retry_state *state);

/*
 * An attempt has ended: the nanoseconds to wait before the next one, or
 * WEIR_RETRY_STOP with the reason in state->giveup; after STOP the state is
 * ready for the next operation's begin.  `delay` and on_retry are not called:
 * they are the driver's.  Never parks.
 */
WEIR_API int64_t weir_retry_next(const struct weir_retry *r, struct weir_retry_state *state,
                                 const struct weir_retry_outcome *outcome, weir_time now,
                                 weir_time deadline, struct weir_rng *rng);

/*
 * Other options from now on, for operations under way too; attempts made and
 * waits drawn stay.  The budget is not touched, but may be another.  0, or
 * -EINVAL and nothing changed.  NULL opts are the defaults.
 */
WEIR_API int weir_retry_reconfigure(struct weir_retry *r, const struct weir_retry_opts *opts);

/* The wait was cut short and the attempt will not be made: gives the budget back, once. */
WEIR_API void weir_retry_abandon(const struct weir_retry *r, struct weir_retry_state *state,
                                 weir_time now);

WEIR_END
#endif
