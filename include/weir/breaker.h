/*
 * breaker.h -- stop calling what is broken, and find out when it is not.
 *
 *     CLOSED     calls pass and are counted; enough failures open it
 *     OPEN       calls are refused until the open time has passed
 *     HALF_OPEN  exactly `probes` calls pass; all succeed: CLOSED, one fails: OPEN
 *
 * What others leave open is pinned here.  Thresholds are reached at >=.  A
 * slow call counts as one failure, a slow failed call too.  Cancelled and
 * locally refused calls count for nothing and give their probe back.  Each
 * change of state starts a new generation: results of calls that began in an
 * older one are stale and ignored, so a late failure never prolongs OPEN and
 * a late success never closes.  A probe is a lease: one that has not reported
 * when it ends is replaced, so a lost probe cannot wedge the breaker.  The
 * window is empty after each change of state.  The open time doubles with
 * each re-opening up to open_max, is shortened at random by up to `jitter`
 * percent, and starts over once the breaker was closed for as long as it was
 * last open.  Time is whatever the caller says: a step back of less than a
 * second stands still, after a longer one time goes on from where it was, so
 * no open time and no lease is ever longer than configured.
 *
 * A struct weir_breaker is plain memory: a copy of it is a snapshot.  Nothing
 * here locks; weir_policy does.
 */
#ifndef WEIR_BREAKER_H
#define WEIR_BREAKER_H

#include <weir/rand.h>

WEIR_BEGIN

#define WEIR_BREAKER_WINDOW 1024
#define WEIR_BREAKER_BUCKETS 16
#define WEIR_BREAKER_PROBES 16

enum weir_breaker_state {
    WEIR_BREAKER_CLOSED = 0,
    WEIR_BREAKER_OPEN,
    WEIR_BREAKER_HALF_OPEN,
    WEIR_BREAKER_FORCED_OPEN,  /* refuses all, until told otherwise */
    WEIR_BREAKER_FORCED_CLOSED /* admits all, counts nothing */
};

enum weir_breaker_mode {
    WEIR_BREAKER_ENFORCE = 0,
    WEIR_BREAKER_OBSERVE, /* admits all, but counts what it would have refused */
    WEIR_BREAKER_OFF
};

/* A change of state, as it has just happened. */
struct weir_breaker_event {
    uint32_t from, to;     /* enum weir_breaker_state */
    uint32_t generation;   /* goes up by one a change (and skips 0 as it wraps) */
    uint32_t calls, fails; /* in the window, or the row of failures, when it changed */
    weir_time at;
    weir_span open_for; /* to OPEN: for how long; else 0 */
};

enum weir_breaker_outcome { WEIR_BREAKER_OK = 0, WEIR_BREAKER_FAILED, WEIR_BREAKER_IGNORED };

/*
 * When it opens:
 *     neither window nor period   `failures` in a row
 *     window                      `failures` among the last `window` calls
 *     period                      `failures` within `period` (15/16 of it to all of it)
 *     percent with either         that share of the calls, once there are min_calls
 */
struct weir_breaker_opts {
    uint32_t failures;  /* 0 means 5; not together with percent */
    uint32_t window;    /* calls, 1 .. 1024, >= failures; 0: none */
    uint32_t percent;   /* 1 .. 100; 0: `failures` decides */
    uint32_t min_calls; /* with percent; 0 means 20, or `window` if that is less */
    uint32_t probes;    /* 1 .. 16; 0 means 3 */
    uint32_t jitter;    /* percent, 0 .. 100; 0 means 10 */
    uint32_t mode;      /* enum weir_breaker_mode */
    uint32_t reserved0; /* must be zero */
    weir_span period;   /* at least 16 ns; 0: none.  Not together with window */
    weir_span slow;     /* a call that takes this long is a failure; 0: none is */
    weir_span open;     /* 0 means 30 s */
    weir_span open_max; /* >= open; 0 means 10 x open */
    weir_span lease;    /* how long a probe may take; 0 means open */
    /*
     * After each change of state, once, in their order.  It may call back into
     * the breaker.  In a stack it runs without the stack's lock, one at a time.
     */
    void (*on_change)(void *ctx, const struct weir_breaker_event *e);
    void *ctx;            /* borrowed, for on_change */
    uint32_t reserved[2]; /* must be zero */
};

struct weir_breaker_counts {
    uint64_t admitted, refused, would_refuse, succeeded, failed, stale, opened;
};

struct weir_breaker {
    /* private */
    struct weir_breaker_opts opts;
    struct weir_breaker_counts counts;
    weir_time last, since, until;
    weir_span open_for, shift;
    uint32_t state, generation, level, streak, serial, probes_ok;
    uint32_t calls, fails, head;
    int64_t tick;
    struct weir_breaker_event change; /* the latest */
    uint64_t bits[WEIR_BREAKER_WINDOW / 64];
    struct {
        uint32_t calls, fails;
    } bucket[WEIR_BREAKER_BUCKETS];
    struct {
        weir_time ends;
        uint32_t serial, done;
    } probe[WEIR_BREAKER_PROBES];
};

/* One admitted call; zero is none. */
struct weir_breaker_token {
    /* private */
    weir_time start;
    uint32_t generation, serial, slot, live;
};

/* 0, or -EINVAL; then the breaker is that of the defaults.  NULL opts are the defaults. */
WEIR_API int weir_breaker_init(struct weir_breaker *b, const struct weir_breaker_opts *opts);

/*
 * May a call go out?  0: yes, and the token must go to weir_breaker_done.
 * Positive: no, ask again in so many nanoseconds.  WEIR_EOPEN: no, it is
 * forced open.  Never parks.
 */
WEIR_API WEIR_MUST_USE int64_t weir_breaker_take(struct weir_breaker *b, weir_time now,
                                                 struct weir_breaker_token *out_token);

/*
 * How an admitted call ended.  1: it counted.  0: it did not (stale, or
 * ignored).  -EALREADY: the token was used up before.  Empties the token.
 */
WEIR_API int weir_breaker_done(struct weir_breaker *b, struct weir_breaker_token *token,
                               enum weir_breaker_outcome outcome, weir_time now,
                               struct weir_rng *rng);

/* Nonzero if the state has changed since the token was given: its result will be ignored. */
WEIR_API int weir_breaker_stale(const struct weir_breaker *b,
                                const struct weir_breaker_token *token);

WEIR_API enum weir_breaker_state weir_breaker_state(const struct weir_breaker *b, weir_time now);

/* Nanoseconds of open time left: 0 unless open, never more than was configured. */
WEIR_API weir_span weir_breaker_left(const struct weir_breaker *b, weir_time now);

/* Forces it open or closed; WEIR_BREAKER_CLOSED starts afresh.  -EINVAL for other states. */
WEIR_API int weir_breaker_force(struct weir_breaker *b, enum weir_breaker_state to, weir_time now);

/*
 * Other options from now on.  The state, the counts and the calls under way
 * stay; a window of calls keeps its newest results, a window of time keeps all
 * of its, for a whole new period, and a window of the other kind starts empty.
 * OPEN lasts no longer than the new open_max allows.  New thresholds are looked
 * at with the next result.  0, or -EINVAL and nothing changed.  NULL opts are
 * the defaults.
 */
WEIR_API int weir_breaker_reconfigure(struct weir_breaker *b, const struct weir_breaker_opts *opts,
                                      weir_time now);

/* What it has counted since init; would_refuse is what observing let through. */
WEIR_API struct weir_breaker_counts weir_breaker_counts(const struct weir_breaker *b);

WEIR_END
#endif
