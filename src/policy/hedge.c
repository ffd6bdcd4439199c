/*
 * hedge.c -- when to try a second time: a histogram of two periods whose
 * buckets are a 32nd of an octave wide, so a percentile is within 1.6 %.
 */
#include <weir/hedge.h>
#include <weir/policy.h>

#include <errno.h>

#include "base/arith.h"
#include "policy/plan.h"

enum { HEDGE_FINE = 5, HEDGE_SHIFT = 10 }; /* 2^5 buckets an octave, from 2^10 ns on */

static const struct weir_hedge_opts hedge_defaults; /* zero is the default of each */

static int hedge_check(const struct weir_hedge_opts *o)
{
    if ((o->percent && (o->percent < 50 || o->percent > 99)) || o->hedges > 8 || o->mode > WEIR_OFF)
        return -EINVAL;
    if (o->delay < 0 || o->least < 0 || o->period < 0)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return 0;
}

static void hedge_configure(struct weir_hedge *h, const struct weir_hedge_opts *opts)
{
    h->opts = *opts;
    h->opts.percent = opts->percent ? opts->percent : 95;
    h->opts.samples = opts->samples ? opts->samples : 100;
    h->opts.hedges = opts->hedges ? opts->hedges : 1;
    h->opts.least = opts->least ? opts->least : WEIR_MS(1);
    h->opts.period = opts->period ? opts->period : WEIR_S(30);
}

int weir_hedge_set(struct weir_hedge *h, const struct weir_hedge_opts *opts)
{
    int r = -EINVAL;

    opts = opts ? opts : &hedge_defaults;
    if (hedge_check(opts) < 0)
        return r;
    weir__budget_enter(); /* calls on other loops may be looking */
    if (h->opts.hedges > 0) {
        hedge_configure(h, opts);
        r = 0;
    }
    weir__budget_exit();
    return r;
}

int weir_hedge_init(struct weir_hedge *h, const struct weir_hedge_opts *opts)
{
    static const struct weir_hedge zero;

    *h = zero;
    opts = opts ? opts : &hedge_defaults;
    if (hedge_check(opts) < 0)
        return -EINVAL;
    hedge_configure(h, opts);
    h->since = INT64_MIN;
    return weir_budget_init(
        &h->own, &(struct weir_budget_opts){.ratio_milli = 50, .min_per_sec = WEIR_BUDGET_NONE});
}

/* It was made, and is not off. */
static int hedge_is_on(const struct weir_hedge *h)
{
    return h->opts.hedges > 0 && h->opts.mode != WEIR_OFF;
}

static uint32_t hedge_bucket(weir_span took)
{
    uint64_t t = took > 0 ? (uint64_t)took : 0;
    uint32_t top, at;

    if (t < (1u << HEDGE_SHIFT))
        return 0;
    top = 63 - (uint32_t)__builtin_clzll(t);
    at = ((top - HEDGE_SHIFT) << HEDGE_FINE) + (uint32_t)((t >> (top - HEDGE_FINE)) & 31);
    return at < WEIR_HEDGE_BUCKETS ? at : WEIR_HEDGE_BUCKETS - 1;
}

/* The middle of a bucket. */
static weir_span hedge_value(uint32_t at)
{
    uint32_t octave = (at >> HEDGE_FINE) + HEDGE_SHIFT;
    uint64_t width = (uint64_t)1 << (octave - HEDGE_FINE);

    return (weir_span)(((uint64_t)1 << octave) + (at & 31) * width + width / 2);
}

static void hedge_rotate(struct weir_hedge *h, weir_time now)
{
    if (h->since == INT64_MIN)
        h->since = now;
    for (int i = 0; i < 2 && weir__sat_sub(now, h->since) >= h->opts.period; i++) {
        h->at ^= 1;
        h->n[h->at] = 0;
        for (int b = 0; b < WEIR_HEDGE_BUCKETS; b++)
            h->count[h->at][b] = 0;
        h->since = i ? now : weir__sat_add(h->since, h->opts.period);
    }
}

void weir_hedge_record(struct weir_hedge *h, weir_span took, weir_time now)
{
    if (!hedge_is_on(h))
        return;
    hedge_rotate(h, now);
    h->count[h->at][hedge_bucket(took)]++;
    h->n[h->at]++;
}

static weir_span hedge_percentile(const struct weir_hedge *h, uint64_t n)
{
    uint64_t rank = n - n * (100 - h->opts.percent) / 100, seen = 0;
    uint32_t b = 0;

    for (; b < WEIR_HEDGE_BUCKETS - 1; b++) {
        seen += (uint64_t)h->count[0][b] + h->count[1][b];
        if (seen >= rank)
            break;
    }
    return hedge_value(b);
}

weir_span weir_hedge_delay(const struct weir_hedge *h, weir_time now)
{
    uint64_t n = h->n[0] + h->n[1];

    if (!hedge_is_on(h))
        return WEIR_NEVER;
    if (h->opts.delay)
        return weir__max64(h->opts.delay, h->opts.least);
    if (n < h->opts.samples || weir__sat_sub(now, h->since) >= 2 * h->opts.period)
        return WEIR_NEVER;
    return weir__max64(hedge_percentile(h, n), h->opts.least);
}

static struct weir_budget *hedge_budget(struct weir_hedge *h)
{
    return h->opts.budget ? h->opts.budget : &h->own;
}

void weir_hedge_begin(struct weir_hedge *h, weir_time now)
{
    h->calls++;
    if (hedge_is_on(h))
        weir_budget_deposit(hedge_budget(h), now);
}

int weir_hedge_take(struct weir_hedge *h, weir_time now)
{
    struct weir_budget_token paid;
    int r = WEIR_EBUDGET;

    if (!hedge_is_on(h))
        return r;
    if (h->opts.mode == WEIR_OBSERVE) {
        h->would += weir_budget_left(hedge_budget(h), now) > 0;
        return r;
    }
    r = weir_budget_take(hedge_budget(h), now, &paid);
    h->sent += r == 0;
    return r;
}
