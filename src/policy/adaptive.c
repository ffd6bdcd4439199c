/*
 * adaptive.c -- windows of samples, a law for the step, dips for the base.
 * The laws stand in the header.
 */
#include <weir/adaptive.h>

#include <errno.h>

#include "base/arith.h"

enum { ADAPTIVE_MAX = 1 << 20, ADAPTIVE_DIP_EVERY = 16 };

static const struct weir_adaptive_opts adaptive_defaults; /* zero is the default of each */

static int adaptive_check(const struct weir_adaptive_opts *o)
{
    if ((unsigned)o->law > WEIR_ADAPTIVE_VEGAS || o->reserved)
        return -EINVAL;
    if (o->max > ADAPTIVE_MAX || o->initial > ADAPTIVE_MAX || o->window < 0 || o->slow < 0)
        return -EINVAL;
    if (o->min > (o->max ? o->max : 1000) || (o->backoff && (o->backoff < 50 || o->backoff > 99)))
        return -EINVAL;
    if (o->tolerance && (o->tolerance < 100 || o->tolerance > 500))
        return -EINVAL;
    return 0;
}

static double adaptive_clamp(double x, double least, double most)
{
    return x < least ? least : x > most ? most : x;
}

static void adaptive_fill(struct weir_adaptive_opts *o)
{
    o->min = o->min ? o->min : 1;
    o->max = o->max ? o->max : 1000;
    o->initial = (uint32_t)adaptive_clamp(o->initial ? o->initial : 20, o->min, o->max);
    o->backoff = o->backoff ? o->backoff : 90;
    o->tolerance = o->tolerance ? o->tolerance : 110;
    o->samples = o->samples ? o->samples : 10;
    o->window = o->window ? o->window : WEIR_MS(100);
}

/* Whole, and never less than one can use. */
static void adaptive_publish(struct weir_adaptive *a, double limit)
{
    a->now = (uint32_t)adaptive_clamp(limit, a->opts.min, a->opts.max);
}

static void adaptive_window_open(struct weir_adaptive *a, weir_time now)
{
    a->began = now;
    a->sum = 0;
    a->count = a->drops = 0;
    a->peak = a->inflight;
}

int weir_adaptive_init(struct weir_adaptive *a, const struct weir_adaptive_opts *opts)
{
    static const struct weir_adaptive zero;

    *a = zero;
    opts = opts ? opts : &adaptive_defaults;
    if (adaptive_check(opts) < 0)
        return -EINVAL;
    a->opts = *opts;
    adaptive_fill(&a->opts);
    a->limit = a->opts.initial;
    a->began = INT64_MIN;
    a->dip_at = 2; /* the first base may have been measured in a crowd */
    adaptive_publish(a, a->limit);
    return 0;
}

int weir_adaptive_set(struct weir_adaptive *a, const struct weir_adaptive_opts *opts)
{
    opts = opts ? opts : &adaptive_defaults;
    if (adaptive_check(opts) < 0 || a->opts.max == 0)
        return -EINVAL;
    a->opts = *opts;
    adaptive_fill(&a->opts);
    a->limit = adaptive_clamp(a->limit, a->opts.min, a->opts.max);
    adaptive_publish(a, a->limit);
    return 0;
}

int weir_adaptive_take(struct weir_adaptive *a, weir_time now, struct weir_adaptive_token *out)
{
    static const struct weir_adaptive_token none;

    *out = none;
    if (a->opts.max == 0)
        return -EINVAL;
    if (a->inflight >= a->now)
        return WEIR_EFULL;
    if (a->began == INT64_MIN)
        adaptive_window_open(a, now);
    if (++a->inflight > a->peak)
        a->peak = a->inflight;
    *out = (struct weir_adaptive_token){now, 1};
    return 0;
}

/* --- the laws --------------------------------------------------------------- */

static double adaptive_gradient(const struct weir_adaptive *a, double mean)
{
    double g = a->base * a->opts.tolerance / 100 / mean;

    return a->limit * adaptive_clamp(g, 0.5, 1) + weir__sqrt(a->limit) / 2;
}

static double adaptive_vegas(const struct weir_adaptive *a, double mean)
{
    double queue = a->limit * (1 - a->base / mean), step = weir__sqrt(a->limit) / 2;
    double few = a->limit / 16, many = a->limit / 8;

    if (queue < (few > 2 ? few : 2))
        return a->limit + step;
    return queue > (many > 4 ? many : 4) ? a->limit - step : a->limit;
}

static void adaptive_step(struct weir_adaptive *a)
{
    double mean = a->count ? a->sum / a->count : 0, next = a->limit;

    if (a->drops)
        next = a->limit * a->opts.backoff / 100;
    else if (a->opts.law == WEIR_ADAPTIVE_AIMD)
        next = a->limit + 1;
    else if (mean > 0 && a->base > 0)
        next = a->opts.law == WEIR_ADAPTIVE_VEGAS ? adaptive_vegas(a, mean)
                                                  : adaptive_gradient(a, mean);
    if (next > a->limit && 2 * (double)a->peak < a->limit)
        next = a->limit; /* nobody asked for more */
    a->limit = adaptive_clamp(next, a->opts.min, a->opts.max);
}

/* --- the base ------------------------------------------------------------------ */

/* By the law of Little limit * base / now would be under way without a queue: a quarter less. */
static void adaptive_dip(struct weir_adaptive *a, double mean)
{
    double bare = a->limit * adaptive_clamp(a->base / mean, 0.25, 1);

    a->dipping = 1;
    adaptive_publish(a, bare * 3 / 4);
}

static void adaptive_undip(struct weir_adaptive *a)
{
    a->dipping = 0;
    if (a->count)
        a->base = a->sum / a->count;
    a->windows = 0;
    /*
     * Not always the same, so that many clients do not dip together: the base's low bits
     * are noise.
     */
    a->dip_at = ADAPTIVE_DIP_EVERY + (uint32_t)((uint64_t)a->base % ADAPTIVE_DIP_EVERY);
}

static void adaptive_window_close(struct weir_adaptive *a, weir_time now)
{
    double mean = a->count ? a->sum / a->count : 0;

    if (a->dipping) {
        adaptive_undip(a);
        adaptive_publish(a, a->limit);
    } else {
        if (mean > 0 && (a->base == 0 || mean < a->base))
            a->base = mean;
        adaptive_step(a);
        adaptive_publish(a, a->limit);
        if (++a->windows >= a->dip_at && mean > 0 && a->opts.law != WEIR_ADAPTIVE_AIMD)
            adaptive_dip(a, mean);
    }
    adaptive_window_open(a, now);
}

int weir_adaptive_done(struct weir_adaptive *a, struct weir_adaptive_token *t,
                       enum weir_adaptive_result result, weir_time now)
{
    weir_span took;

    if (!t || !t->held || a->inflight == 0)
        return -EINVAL;
    took = weir__max64(1, weir__sat_sub(now, t->start));
    t->held = 0;
    a->inflight--;
    if (result == WEIR_ADAPTIVE_IGNORED || t->start < a->began)
        return 0; /* of another limit's time: it says nothing about this one */
    if (result == WEIR_ADAPTIVE_DROPPED || (a->opts.slow && took > a->opts.slow)) {
        a->drops++;
    } else {
        a->sum += (double)took;
        a->count++;
    }
    if (a->count + a->drops >= a->opts.samples && weir__sat_sub(now, a->began) >= a->opts.window)
        adaptive_window_close(a, now);
    return 0;
}

uint32_t weir_adaptive_limit(const struct weir_adaptive *a)
{
    return a->now;
}

uint32_t weir_adaptive_inflight(const struct weir_adaptive *a)
{
    return a->inflight;
}

weir_span weir_adaptive_base(const struct weir_adaptive *a)
{
    return weir__sat_of(a->base);
}
