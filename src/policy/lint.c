/*
 * lint.c -- what looks wrong with a stack.  Facts only: explain.c has the
 * words, policy.h the list.  Layers that do not enforce are not there.
 */
#include <errno.h>

#include "base/arith.h"
#include "policy/plan.h"

static int lint_is(const weir_policy *p, uint32_t i, uint32_t kind)
{
    return i < p->n && p->layer[i].kind == kind && p->layer[i].mode == WEIR_ENFORCE;
}

static uint32_t lint_next(const weir_policy *p, uint32_t from, uint32_t kind)
{
    while (from < p->n && !lint_is(p, from, kind))
        from++;
    return from;
}

/* The retry at `i` against those inside it. */
static int lint_nested(const weir_policy *p, uint32_t i)
{
    const struct weir_retry_opts *o = &p->layer[i].u.retry.opts, *inner;

    for (uint32_t k = i + 1; k < p->n; k++) {
        inner = &p->layer[k].u.retry.opts;
        if (lint_is(p, k, WEIR_LAYER_RETRY) && o->attempts > 1 && inner->attempts > 1 &&
            !(o->budget && o->budget == inner->budget))
            return o->budget || inner->budget ? WEIR_LINT_BUDGETS_DIFFER : WEIR_LINT_NESTED_RETRIES;
    }
    return 0;
}

static int lint_order(const weir_policy *p, uint32_t retry)
{
    int bits = lint_nested(p, retry);

    if (lint_next(p, 0, WEIR_LAYER_BULKHEAD) < retry ||
        lint_next(p, 0, WEIR_LAYER_ADAPTIVE) < retry)
        bits |= WEIR_LINT_BULKHEAD_HELD;
    if (lint_next(p, 0, WEIR_LAYER_RATE) < retry)
        bits |= WEIR_LINT_RATE_OUTSIDE;
    if (lint_next(p, 0, WEIR_LAYER_BREAKER) < retry)
        bits |= WEIR_LINT_BREAKER_OUTSIDE;
    for (uint32_t i = 0; i < retry; i++)
        if (lint_is(p, i, WEIR_LAYER_TIMEOUT) && p->layer[i].u.timeout.each)
            bits |= WEIR_LINT_EACH_OUTSIDE;
    return bits;
}

/* Calls that wait out an open breaker gather for as long as they may, and come back together. */
static int lint_herd(const weir_policy *p, uint32_t i)
{
    const struct weir_retry_opts *o = &p->layer[i].u.retry.opts;

    return o->attempts > 1 && o->retry_after_cap != WEIR_RETRY_AFTER_IGNORE &&
           p->total == WEIR_NEVER && lint_next(p, i + 1, WEIR_LAYER_BREAKER) < p->n;
}

/* A retry's options against the rest of the stack. */
static int lint_retry(const weir_policy *p, uint32_t i)
{
    const struct weir_retry *r = &p->layer[i].u.retry;
    int bits = lint_order(p, i);

    if (r->opts.attempts > 1 && r->backoff.opts.jitter == WEIR_JITTER_NONE &&
        r->backoff.opts.grow != WEIR_GROW_NONE)
        bits |= WEIR_LINT_NO_JITTER;
    if (r->opts.attempts > 1 && r->backoff.opts.grow == WEIR_GROW_NONE)
        bits |= WEIR_LINT_NO_BACKOFF;
    if (r->opts.min_attempt > p->each || r->opts.min_attempt >= p->total)
        bits |= WEIR_LINT_MIN_ATTEMPT;
    if (r->opts.retry_on & WEIR_CLASS_BIT(WEIR_CLASS_REJECTED_LOCAL) &&
        (lint_next(p, i + 1, WEIR_LAYER_BULKHEAD) < p->n ||
         lint_next(p, i + 1, WEIR_LAYER_ADAPTIVE) < p->n))
        bits |= WEIR_LINT_RETRIES_FULL;
    if (lint_herd(p, i))
        bits |= WEIR_LINT_HERD;
    return bits;
}

static int lint_breaker(const weir_policy *p, const struct weir_breaker_opts *o)
{
    int bits = 0;

    if (p->each != WEIR_NEVER && o->lease < p->each)
        bits |= WEIR_LINT_LEASE;
    if (p->each != WEIR_NEVER && o->slow > p->each)
        bits |= WEIR_LINT_SLOW;
    return bits;
}

static int lint_row(const weir_policy *p, weir_span max_wait)
{
    return p->total != WEIR_NEVER && max_wait != WEIR_NOWAIT && max_wait >= p->total ? WEIR_LINT_ROW
                                                                                     : 0;
}

static int lint_time(const weir_policy *p)
{
    struct weir__plan_bounds w = weir__plan_worst(p);
    int bits = 0;

    if (p->each == WEIR_NEVER)
        bits |= WEIR_LINT_NO_EACH;
    if (w.attempts == UINT64_MAX && p->total == WEIR_NEVER)
        bits |= WEIR_LINT_NEVER_ENDS;
    if (p->each != WEIR_NEVER && p->total != WEIR_NEVER && w.attempts != UINT64_MAX &&
        weir__sat_mul(p->each, (int64_t)w.attempts) > p->total)
        bits |= WEIR_LINT_TOTAL_SHORT;
    return bits;
}

int weir__plan_lint(const weir_policy *p)
{
    int bits = lint_next(p, 0, WEIR_LAYER_RETRY) < p->n ? lint_time(p) : 0;

    for (uint32_t i = 0; i < p->n; i++) {
        const struct weir__plan_layer *l = &p->layer[i];
        if (lint_is(p, i, WEIR_LAYER_RETRY))
            bits |= lint_retry(p, i);
        else if (lint_is(p, i, WEIR_LAYER_BREAKER))
            bits |= lint_breaker(p, &l->u.breaker.opts);
        else if (lint_is(p, i, WEIR_LAYER_RATE))
            bits |= lint_row(p, l->u.rate.max_wait);
        else if (lint_is(p, i, WEIR_LAYER_BULKHEAD) || lint_is(p, i, WEIR_LAYER_ADAPTIVE))
            bits |= lint_row(p, l->max_wait);
    }
    return bits;
}

int weir_policy_lint(weir_policy *p)
{
    int bits = weir_policy_error(p);

    if (bits < 0)
        return bits;
    weir__plan_enter(p);
    bits = weir__plan_lint(p);
    weir__plan_exit(p);
    return bits;
}
