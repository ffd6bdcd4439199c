/*
 * rate.c -- GCRA in exact arithmetic.
 *
 * An instant is (ns, part): ns + part / count nanoseconds, 0 <= part < count.
 * One cell costs step = period / count; a full bucket is worth
 * full = burst * step.  With T the theoretical arrival time, n cells are
 * admitted at t iff
 *
 *     max(T, t) + n * step  <=  t + full          and then T becomes the left side
 *
 * where "max" lets T stand if it is less than 1 ns before t.
 * t is the limit's own clock: real time, never backwards, minus all pauses.
 * Bounds: 0 <= t <= 2^62, full <= 2^59, T <= t + 2^61, so no sum overflows.
 */
#include <weir/rate.h>

#include <errno.h>

#include "base/arith.h"

#define RATE_TIME_MAX ((weir_time)1 << 62)
#define RATE_AHEAD_MAX ((weir_span)1 << 61)
#define RATE_FULL_MAX ((weir_span)1 << 59)
#define RATE_PERIOD_MAX (WEIR_S(86400) * 366)

struct rate_instant {
    weir_time ns;
    uint32_t part;
};

static int rate_check(const struct weir_rate_opts *o, uint32_t *out_count, weir_span *out_period)
{
    uint64_t burst = o->burst ? o->burst : 1, part;
    weir_span step, full;

    if (o->reserved[0] || o->reserved[1] || o->max_wait < WEIR_NOWAIT)
        return -EINVAL;
    if (o->per_sec ? o->count || o->period : !o->count || o->period <= 0)
        return -EINVAL;
    *out_count = o->per_sec ? o->per_sec : o->count;
    *out_period = o->per_sec ? WEIR_S(1) : o->period;
    step = *out_period / *out_count;
    part = (uint64_t)(*out_period % *out_count);
    if (*out_period > RATE_PERIOD_MAX)
        return -EINVAL;
    full = weir__sat_mul(step, (int64_t)burst);
    full = weir__sat_add(full, (int64_t)(burst * part / *out_count));
    return full >= RATE_FULL_MAX ? -EINVAL : 0;
}

/* n steps after an instant. */
static inline struct rate_instant rate_plus(const struct weir_rate *r, weir_time ns, uint32_t part,
                                            uint32_t n)
{
    struct rate_instant at;
    uint64_t parts = (uint64_t)r->step_part * n + part;

    if (parts < r->count) {
        at.ns = ns + r->step * n;
        at.part = (uint32_t)parts;
    } else if (parts - r->count < r->count) { /* always so for n = 1: no division */
        at.ns = ns + r->step * n + 1;
        at.part = (uint32_t)(parts - r->count);
    } else {
        at.ns = ns + r->step * n + (weir_span)(parts / r->count);
        at.part = (uint32_t)(parts % r->count);
    }
    return at;
}

static void rate_configure(struct weir_rate *r, const struct weir_rate_opts *o, uint32_t count,
                           weir_span period)
{
    struct rate_instant full;

    r->count = count;
    r->period = period;
    r->burst = o->burst ? o->burst : 1;
    r->max_wait = o->max_wait;
    r->step = period / count;
    r->step_part = (uint32_t)(period % count);
    full = rate_plus(r, 0, 0, r->burst);
    r->full = full.ns;
    r->full_part = full.part;
}

int weir_rate_init(struct weir_rate *r, const struct weir_rate_opts *opts)
{
    static const struct weir_rate zero;
    uint32_t count;
    weir_span period;

    *r = zero;
    if (!opts || rate_check(opts, &count, &period) < 0)
        return -EINVAL;
    r->tat = -RATE_TIME_MAX;
    rate_configure(r, opts, count, period);
    return 0;
}

/* Real time, clamped: never before the last take, never past what the sums allow. */
static inline weir_time rate_now(const struct weir_rate *r, weir_time now)
{
    now = now > RATE_TIME_MAX ? RATE_TIME_MAX : now;
    return now < r->last ? r->last : now;
}

/* What is left of a pause at a clamped now. */
static inline weir_span rate_paused(const struct weir_rate *r, weir_time now)
{
    return r->paused_until > now ? r->paused_until - now : 0;
}

/*
 * Where T would be after n more cells at limit time t.  A T less than 1 ns ago
 * is kept: the caller could come no sooner, and must not lose the fraction.
 */
static inline struct rate_instant rate_next(const struct weir_rate *r, uint32_t n, weir_time t)
{
    int ahead = r->tat + (r->tat_part > 0) >= t;

    return ahead ? rate_plus(r, r->tat, r->tat_part, n) : rate_plus(r, t, 0, n);
}

/* Nanoseconds from t, rounded up, until T = next is allowed. */
static inline weir_span rate_excess(const struct weir_rate *r, struct rate_instant next,
                                    weir_time t)
{
    weir_span wait = next.ns - r->full - t + (next.part > r->full_part);

    return wait > 0 ? wait : 0;
}

static int rate_never(const struct weir_rate *r, uint32_t n)
{
    return r->count == 0 ? -EINVAL : n > r->burst ? WEIR_ERATE : 0;
}

int64_t weir_rate_take(struct weir_rate *r, uint32_t n, weir_time now)
{
    weir_time real = rate_now(r, now), t;
    weir_span paused = rate_paused(r, real), wait;
    struct rate_instant next;

    if (n - 1 >= r->burst) /* n = 0 wraps: one test for every rare case */
        return n ? rate_never(r, n) : r->count ? 0 : -EINVAL;
    t = real + paused - r->skipped;
    next = rate_next(r, n, t);
    wait = rate_excess(r, next, t) + paused;
    if (wait > 0)
        return wait > RATE_AHEAD_MAX ? WEIR_ERATE : wait;
    r->tat = next.ns;
    r->tat_part = next.part;
    r->last = real;
    return 0;
}

int64_t weir_rate_peek(const struct weir_rate *r, uint32_t n, weir_time now)
{
    weir_time real = rate_now(r, now), t;
    weir_span paused = rate_paused(r, real), wait;

    if (rate_never(r, n) < 0)
        return rate_never(r, n);
    t = real + paused - r->skipped;
    wait = n ? rate_excess(r, rate_next(r, n, t), t) + paused : 0;
    return wait > RATE_AHEAD_MAX ? WEIR_ERATE : wait;
}

uint32_t weir_rate_left(const struct weir_rate *r, weir_time now)
{
    weir_time real = rate_now(r, now), t = real - r->skipped;
    uint32_t low = 0, high = rate_paused(r, real) > 0 ? 0 : r->burst;

    while (low < high) { /* the most that cost no wait */
        uint32_t n = high - (high - low) / 2;
        if (rate_excess(r, rate_next(r, n, t), t) == 0)
            low = n;
        else
            high = n - 1;
    }
    return low;
}

int64_t weir_rate_reserve(struct weir_rate *r, uint32_t n, weir_time now, weir_time deadline,
                          struct weir_rate_ticket *out_ticket)
{
    static const struct weir_rate_ticket none;
    weir_time real = rate_now(r, now), t = real + rate_paused(r, real) - r->skipped;
    int64_t wait = weir_rate_peek(r, n, now);
    struct rate_instant next;

    *out_ticket = none;
    if (wait < 0 || n == 0)
        return wait;
    if (wait > 0 && (r->max_wait == WEIR_NOWAIT || (r->max_wait && wait > r->max_wait) ||
                     weir__sat_add(real, wait) >= deadline))
        return WEIR_ERATE;
    next = rate_next(r, n, t);
    *out_ticket = (struct weir_rate_ticket){.before = r->tat,
                                            .before_part = r->tat_part,
                                            .after = next.ns,
                                            .after_part = next.part,
                                            .ready = t + rate_excess(r, next, t),
                                            .last = r->last,
                                            .n = n,
                                            .epoch = r->epoch};
    r->tat = next.ns;
    r->tat_part = next.part;
    r->last = real;
    return wait;
}

int64_t weir_rate_ready(const struct weir_rate *r, const struct weir_rate_ticket *t, weir_time now)
{
    weir_time real = rate_now(r, now);
    weir_span paused = rate_paused(r, real);

    return t->n ? paused + weir__max64(0, t->ready - (real + paused - r->skipped)) : 0;
}

void weir_rate_use(struct weir_rate_ticket *t)
{
    t->n = 0;
}

int weir_rate_cancel(struct weir_rate *r, struct weir_rate_ticket *t)
{
    int last = t->n && t->epoch == r->epoch && t->after == r->tat && t->after_part == r->tat_part;

    if (last) {
        r->tat = t->before;
        r->tat_part = t->before_part;
        r->last = t->last;
    }
    t->n = 0;
    return last;
}

int weir_rate_swap(struct weir_rate_ticket *a, struct weir_rate_ticket *b)
{
    struct weir_rate_ticket t = *a;

    if (a->n != b->n || a->n == 0 || a->epoch != b->epoch)
        return -EINVAL;
    *a = *b;
    *b = t;
    return 0;
}

void weir_rate_pause(struct weir_rate *r, weir_time until, weir_time now)
{
    weir_time real = rate_now(r, now), from = weir__max64(real, r->paused_until);

    until = weir__min64(until, RATE_TIME_MAX);
    if (until <= from)
        return;
    r->skipped += until - from;
    r->paused_until = until;
    r->last = real;
}

/* T after a change of rate or burst at limit time t, from the old settings. */
static struct rate_instant rate_carry(const struct weir_rate *old, const struct weir_rate *r,
                                      weir_time t)
{
    weir_span debt = old->tat - t + (old->tat_part > 0), ahead = debt - old->full;
    uint64_t cells;

    if (debt <= 0)
        return (struct rate_instant){old->tat, 0};
    if (ahead > 0) /* reserved to then: at that instant the new bucket is empty */
        return (struct rate_instant){t + ahead + r->full, r->full_part};
    cells = weir__mul_div((uint64_t)debt, old->count, (uint64_t)old->period);
    cells += weir__mul_div(cells, (uint64_t)old->period, old->count) < (uint64_t)debt; /* up */
    if (cells >= r->burst)
        return (struct rate_instant){t + r->full, r->full_part};
    return rate_plus(r, t, 0, (uint32_t)cells);
}

int weir_rate_set(struct weir_rate *r, const struct weir_rate_opts *opts, weir_time now)
{
    struct weir_rate old = *r;
    weir_time real = rate_now(r, now), t = real + rate_paused(r, real) - r->skipped;
    uint32_t count;
    weir_span period;
    struct rate_instant tat;

    if (!opts || rate_check(opts, &count, &period) < 0)
        return -EINVAL;
    rate_configure(r, opts, count, period);
    if (old.count) {
        tat = rate_carry(&old, r, t);
        r->tat = tat.ns;
        r->tat_part = tat.part;
    } else {
        r->tat = -RATE_TIME_MAX;
    }
    r->last = real;
    r->epoch++;
    return 0;
}
