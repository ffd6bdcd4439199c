/*
 * backoff.c -- the laws of include/weir/backoff.h, in integers.
 *
 * Invariants: 0 <= level <= cap, level never falls, 1 <= draw <= cap (but for
 * WEIR_GROW_NONE).  The cap is applied before the draw, and the upper end of
 * the draw is folded to it, so jitter survives at the cap.
 */
#include <weir/backoff.h>

#include <errno.h>

#include "base/arith.h"

enum { BACKOFF_CAP_S = 30, BACKOFF_BASE_MS = 100, BACKOFF_FACTOR = 2000, BACKOFF_PERCENT = 20 };

static int backoff_check(const struct weir_backoff_opts *o)
{
    if (o->reserved[0] || o->reserved[1] || o->base < 0 || o->cap < 0)
        return -EINVAL;
    if (o->grow > WEIR_GROW_NONE || o->jitter > WEIR_JITTER_DECORRELATED || o->percent > 100)
        return -EINVAL;
    if (o->factor_milli && (o->factor_milli < 1000 || o->factor_milli > 1000000))
        return -EINVAL;
    return o->cap && (o->base ? o->base : WEIR_MS(BACKOFF_BASE_MS)) > o->cap ? -EINVAL : 0;
}

int weir_backoff_init(struct weir_backoff *b, const struct weir_backoff_opts *opts)
{
    static const struct weir_backoff_opts defaults;
    int r = opts ? backoff_check(opts) : 0;
    struct weir_backoff_opts *o = &b->opts;

    *o = opts && r == 0 ? *opts : defaults;
    if (o->base == 0)
        o->base = WEIR_MS(BACKOFF_BASE_MS);
    if (o->cap == 0)
        o->cap = weir__max64(o->base, WEIR_S(BACKOFF_CAP_S));
    if (o->factor_milli == 0)
        o->factor_milli = BACKOFF_FACTOR;
    if (o->percent == 0)
        o->percent = BACKOFF_PERCENT;
    return r;
}

/* min(cap, ceil(v * factor / 1000)): rounded up, so that 1 ns x 1.5 grows. */
static weir_span backoff_grow(const struct weir_backoff_opts *o, weir_span v)
{
    int64_t f = o->factor_milli, high = weir__sat_mul(v / 1000, f);

    return weir__min64(o->cap, weir__sat_add(high, (v % 1000 * f + 999) / 1000));
}

/* One step of the level; a fresh state steps to v(1). */
static void backoff_step(const struct weir_backoff_opts *o, struct weir_backoff_state *s)
{
    weir_span v = s->level;

    if (s->n < UINT64_MAX)
        s->n++;
    if (v == 0)
        s->level = o->base;
    else if (o->grow == WEIR_GROW_EXPONENTIAL)
        s->level = backoff_grow(o, v);
    else if (o->grow == WEIR_GROW_LINEAR)
        s->level = weir__min64(o->cap, weir__sat_add(v, o->base));
    else if (o->grow == WEIR_GROW_FIBONACCI)
        s->level = weir__min64(o->cap, weir__sat_add(v, s->last));
    if (o->grow == WEIR_GROW_FIBONACCI)
        s->last = v;
}

static weir_span backoff_between(struct weir_rng *rng, weir_span low, weir_span high)
{
    low = weir__max64(low, 1);
    return low + (weir_span)weir_rng_below(rng, (uint64_t)(high - low) + 1);
}

static weir_span backoff_decorrelated(const struct weir_backoff_opts *o,
                                      struct weir_backoff_state *s, struct weir_rng *rng)
{
    weir_span last = s->last ? s->last : o->base;

    s->last = weir__min64(o->cap, backoff_between(rng, o->base, weir__sat_mul(last, 3)));
    return s->last;
}

weir_span weir_backoff_next(const struct weir_backoff *b, struct weir_backoff_state *state,
                            struct weir_rng *rng)
{
    const struct weir_backoff_opts *o = &b->opts;
    weir_span v, part;

    if (o->grow == WEIR_GROW_NONE) {
        state->n += state->n < UINT64_MAX;
        return 0;
    }
    if (o->jitter == WEIR_JITTER_DECORRELATED) {
        state->n += state->n < UINT64_MAX;
        return state->level = backoff_decorrelated(o, state, rng);
    }
    backoff_step(o, state);
    v = state->level;
    switch (o->jitter) {
    case WEIR_JITTER_FULL:
        return backoff_between(rng, 1, v);
    case WEIR_JITTER_EQUAL:
        return backoff_between(rng, v - v / 2, v);
    case WEIR_JITTER_PERCENT:
        part = weir__percent_of(v, o->percent);
        return backoff_between(rng, v - part, weir__min64(o->cap, weir__sat_add(v, part)));
    default:
        return v;
    }
}

weir_span weir_backoff_level(const struct weir_backoff *b, uint64_t n)
{
    const struct weir_backoff_opts *o = &b->opts;
    struct weir_backoff_state s = {0, 0, 0};

    if (n == 0 || o->grow == WEIR_GROW_NONE)
        return 0;
    if (o->grow == WEIR_GROW_FIXED || (o->grow == WEIR_GROW_EXPONENTIAL && o->factor_milli == 1000))
        return o->base;
    if (o->grow == WEIR_GROW_LINEAR)
        return n > (uint64_t)(o->cap / o->base) ? o->cap : o->base * (weir_span)n;
    while (s.n < n && s.level < o->cap)
        backoff_step(o, &s);
    return s.level;
}

weir_span weir_backoff_most(const struct weir_backoff *b, uint64_t n)
{
    const struct weir_backoff_opts *o = &b->opts;
    weir_span v = weir_backoff_level(b, n);

    if (n == 0 || o->grow == WEIR_GROW_NONE)
        return 0;
    if (o->jitter == WEIR_JITTER_PERCENT)
        return weir__min64(o->cap, weir__sat_add(v, weir__percent_of(v, o->percent)));
    if (o->jitter != WEIR_JITTER_DECORRELATED)
        return v;
    for (v = o->base; n > 0 && v < o->cap; n--)
        v = weir__min64(o->cap, weir__sat_mul(v, 3));
    return v;
}
