/*
 * rate.h -- a rate limit that never looks at the clock.
 *
 * Time is an argument, so one piece of code serves the real clock, the
 * simulated clock and a table in a test.  For any two instants a <= b
 *
 *     cells admitted in [a, b]  <=  burst + rate * (b - a + 1 ns)
 *
 * (an instant is a whole nanosecond, and stands for all of it)
 * and a caller that always asks gets all of it: the arithmetic is exact
 * (whole nanoseconds and a fraction with `count` as its denominator), so 3 a
 * second is 3 a second after a year.  The law is GCRA: one instant, the
 * "theoretical arrival time", is the whole state of the bucket.
 *
 * The struct is plain memory without pointers: it may live anywhere, even in
 * memory shared by processes, under a lock of the caller's.  Time that steps
 * back counts as standing still.
 */
#ifndef WEIR_RATE_H
#define WEIR_RATE_H

#include <weir/base.h>

WEIR_BEGIN

#define WEIR_NOWAIT ((weir_span)-1)

struct weir_rate_opts {
    uint32_t per_sec;     /* cells a second; or 0, and `count` and `period` are given */
    uint32_t burst;       /* cells at once from idle; 0 means 1 */
    uint32_t count;       /* cells a `period` */
    weir_span period;     /* at most 366 days */
    weir_span max_wait;   /* the longest a reservation waits; 0: any time; WEIR_NOWAIT: none */
    uint32_t reserved[2]; /* must be zero */
};

struct weir_rate {
    /* private */
    weir_time tat, last, paused_until;
    weir_span step, full, skipped, period, max_wait;
    uint32_t tat_part, step_part, full_part, count, burst, epoch;
};

/* A promise of n cells at a known time; zero is no promise. */
struct weir_rate_ticket {
    /* private */
    weir_time before, after, ready, last;
    uint32_t before_part, after_part, n, epoch;
};

/*
 * 0, or -EINVAL: no rate (NULL opts have none), both spellings of it, reserved words, or a bucket
 * that takes longer than 18 years to fill.  Then every take is -EINVAL.
 */
WEIR_API int weir_rate_init(struct weir_rate *r, const struct weir_rate_opts *opts);

/*
 * Takes n cells if the limit allows it at `now`.  Returns 0 if taken;
 * otherwise nothing changes and the result is how many nanoseconds from `now`
 * the take would be allowed, or negative: never (WEIR_ERATE, n > burst;
 * -EINVAL, not initialised).  n = 0 is always taken.  Never parks.
 */
WEIR_API WEIR_MUST_USE int64_t weir_rate_take(struct weir_rate *r, uint32_t n, weir_time now);

/* What weir_rate_take would return, and the wait of a reservation; takes nothing. */
WEIR_API int64_t weir_rate_peek(const struct weir_rate *r, uint32_t n, weir_time now);

/* How many cells could be taken at `now`; 0 during a pause. */
WEIR_API uint32_t weir_rate_left(const struct weir_rate *r, weir_time now);

/*
 * Takes n cells in advance, behind all who reserved before.  Returns the
 * nanoseconds from `now` after which they may be used (0: at once) and fills
 * the ticket.  WEIR_ERATE: n > burst, or they would come at `deadline` or
 * later, or after more than max_wait; then nothing was taken, and
 * weir_rate_peek tells when.  Never parks.
 */
WEIR_API WEIR_MUST_USE int64_t weir_rate_reserve(struct weir_rate *r, uint32_t n, weir_time now,
                                                 weir_time deadline,
                                                 struct weir_rate_ticket *out_ticket);

/* Nanoseconds until the ticket's cells may be used; a pause lengthens it. */
WEIR_API int64_t weir_rate_ready(const struct weir_rate *r, const struct weir_rate_ticket *t,
                                 weir_time now);

/* The cells were used: the ticket can no longer be cancelled. */
WEIR_API void weir_rate_use(struct weir_rate_ticket *t);

/*
 * Gives unused cells back and empties the ticket.  1: the limit is exactly as
 * if they had never been reserved.  0: nothing came back, because the ticket
 * was empty, or others reserved behind it; taking cells out of the middle of
 * the row would let two be used at once.  To hand the place to the next in
 * the row instead, weir_rate_swap the two and cancel the later one.
 */
WEIR_API int weir_rate_cancel(struct weir_rate *r, struct weir_rate_ticket *t);

/* Two tickets of one limit change places.  -EINVAL if they are for unlike numbers of cells. */
WEIR_API int weir_rate_swap(struct weir_rate_ticket *a, struct weir_rate_ticket *b);

/*
 * Stops the limit's clock until `until`: nothing is admitted and nothing
 * refills, and reservations move back by the pause.  Pauses only ever extend.
 */
WEIR_API void weir_rate_pause(struct weir_rate *r, weir_time until, weir_time now);

/*
 * Another rate or burst.  Used cells stay used, up to a bucket full of them;
 * reservations keep their time and can no longer be given back.  0, or
 * -EINVAL and nothing changed.
 */
WEIR_API int weir_rate_set(struct weir_rate *r, const struct weir_rate_opts *opts, weir_time now);

WEIR_END
#endif
