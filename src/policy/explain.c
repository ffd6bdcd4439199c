/*
 * explain.c -- what a stack will do, in words, before it does it.
 *
 * The worst case is computed from the layers alone, innermost first: an
 * attempt takes at most .each; a retry multiplies what is inside it and adds
 * its longest backoffs (a Retry-After of the other side is not known here);
 * whatever waits without a limit makes the time unbounded, until a .total
 * bounds it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/arith.h"
#include "policy/plan.h"

struct explain_text {
    char *buf;
    size_t room, length;
};

__attribute__((format(printf, 2, 3))) static void explain_add(struct explain_text *t,
                                                              const char *format, ...)
{
    size_t at = t->length < t->room ? t->length : t->room;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->room ? t->buf + at : NULL, t->room - at, format, args);
    va_end(args);
    t->length += n > 0 ? (size_t)n : 0;
}

/* A span with the largest unit that keeps three digits of it. */
static void explain_span(struct explain_text *t, weir_span v)
{
    if (v == WEIR_NEVER)
        explain_add(t, "unbounded");
    else if (v >= WEIR_MIN(3))
        explain_add(t, "%.4g min", (double)v / 6e10);
    else if (v >= WEIR_S(1))
        explain_add(t, "%.4g s", (double)v / 1e9);
    else if (v >= WEIR_MS(1))
        explain_add(t, "%.4g ms", (double)v / 1e6);
    else
        explain_add(t, "%.4g us", (double)v / 1e3);
}

/* Sum of the longest waits of k backoffs. */
static weir_span explain_waits(const struct weir_retry *r, uint64_t k)
{
    weir_span sum = 0;

    for (uint64_t n = 1; n <= k; n++) {
        weir_span most = weir_backoff_most(&r->backoff, n);
        sum = weir__sat_add(sum, most);
        if (most == r->backoff.opts.cap || sum == WEIR_NEVER || most == 0)
            return weir__sat_add(sum, weir__sat_mul(most, (int64_t)(k - n)));
    }
    return sum;
}

static weir_span explain_wait(weir_span max_wait)
{
    return max_wait == WEIR_NOWAIT ? 0 : max_wait ? max_wait : WEIR_NEVER;
}

struct weir__plan_bounds weir__plan_worst(const weir_policy *p)
{
    struct weir__plan_bounds w = {1, p->each};

    for (uint32_t i = p->n; i-- > 0;) {
        const struct weir__plan_layer *l = &p->layer[i];
        if (l->kind == WEIR_LAYER_RATE)
            w.time = weir__sat_add(w.time, explain_wait(l->u.rate.max_wait));
        if (l->kind == WEIR_LAYER_BULKHEAD)
            w.time = weir__sat_add(w.time, explain_wait(l->max_wait));
        if (l->kind != WEIR_LAYER_RETRY)
            continue;
        if (l->u.retry.opts.attempts == UINT32_MAX || w.attempts > UINT32_MAX) {
            w.attempts = UINT64_MAX;
            w.time = WEIR_NEVER;
            continue;
        }
        w.attempts *= l->u.retry.opts.attempts;
        w.time = weir__sat_mul(w.time, l->u.retry.opts.attempts);
        w.time = weir__sat_add(w.time, explain_waits(&l->u.retry, l->u.retry.opts.attempts - 1));
    }
    w.time = weir__min64(w.time, p->total);
    return w;
}

/* --- the layers --------------------------------------------------------- */

static void explain_retry(struct explain_text *t, const struct weir_retry *r)
{
    static const char *const grow[] = {"exponential", "linear", "fibonacci", "fixed", "no"};
    static const char *const jitter[] = {"full", "equal", "percent", "no", "decorrelated"};
    const struct weir_backoff_opts *b = &r->backoff.opts;

    if (r->opts.attempts == UINT32_MAX)
        explain_add(t, "retry: attempts without limit");
    else
        explain_add(t, "retry: up to %" PRIu32 " attempts", r->opts.attempts);
    explain_add(t, ", %s backoff", grow[b->grow]);
    if (b->grow != WEIR_GROW_NONE) {
        explain_add(t, " from ");
        explain_span(t, b->base);
        explain_add(t, " to at most ");
        explain_span(t, b->cap);
        explain_add(t, ", %s jitter", jitter[b->jitter]);
    }
    explain_add(t, r->opts.budget ? ", within a budget\n" : "\n");
}

static void explain_breaker(struct explain_text *t, const struct weir_breaker_opts *o)
{
    explain_add(t, "breaker: opens after ");
    if (o->percent)
        explain_add(t, "%" PRIu32 "%% failures of at least %" PRIu32 " calls", o->percent,
                    o->min_calls);
    else
        explain_add(t, "%" PRIu32 " failures", o->failures);
    if (o->window)
        explain_add(t, " among the last %" PRIu32 " calls", o->window);
    if (o->period) {
        explain_add(t, " within ");
        explain_span(t, o->period);
    }
    explain_add(t, o->window || o->period ? ", for " : " in a row, for ");
    explain_span(t, o->open);
    explain_add(t, " (growing to ");
    explain_span(t, o->open_max);
    explain_add(t, "), then %" PRIu32 " probes%s\n", o->probes,
                o->mode == WEIR_BREAKER_OBSERVE ? "; observes only"
                : o->mode == WEIR_BREAKER_OFF   ? "; off"
                                                : "");
}

static void explain_queue(struct explain_text *t, weir_span max_wait)
{
    if (max_wait == WEIR_NOWAIT) {
        explain_add(t, ", refuses at once beyond it\n");
    } else if (max_wait == 0) {
        explain_add(t, ", waits for its turn\n");
    } else {
        explain_add(t, ", waits for its turn up to ");
        explain_span(t, max_wait);
        explain_add(t, "\n");
    }
}

static void explain_timeout(struct explain_text *t, const struct weir_timeout_opts *o)
{
    explain_add(t, "timeout:");
    if (o->total) {
        explain_add(t, " whole call ");
        explain_span(t, o->total);
    }
    if (o->each) {
        explain_add(t, "%s each attempt ", o->total ? "," : "");
        explain_span(t, o->each);
    }
    explain_add(t, o->total || o->each ? "\n" : " none\n");
}

static void explain_layer(struct explain_text *t, const struct weir__plan_layer *l, uint32_t depth)
{
    explain_add(t, "%*s", (int)(2 * depth), "");
    switch (l->kind) {
    case WEIR_LAYER_RETRY:
        explain_retry(t, &l->u.retry);
        break;
    case WEIR_LAYER_BREAKER:
        explain_breaker(t, &l->u.breaker.opts);
        break;
    case WEIR_LAYER_RATE:
        explain_add(t, "rate: %" PRIu32 " in ", l->u.rate.count);
        explain_span(t, l->u.rate.period);
        explain_add(t, ", burst %" PRIu32, l->u.rate.burst);
        explain_queue(t, l->u.rate.max_wait);
        break;
    case WEIR_LAYER_BULKHEAD:
        explain_add(t, "bulkhead: %" PRIu32 " at once", l->u.bulkhead.limit);
        explain_queue(t, l->max_wait);
        break;
    default:
        explain_timeout(t, &l->u.timeout);
        break;
    }
}

/* --- what looks wrong --------------------------------------------------- */

static uint32_t explain_next(const weir_policy *p, uint32_t from, uint32_t kind)
{
    while (from < p->n && p->layer[from].kind != kind)
        from++;
    return from;
}

static void explain_warn_order(struct explain_text *t, const weir_policy *p, uint32_t retry)
{
    uint32_t inner = explain_next(p, retry + 1, WEIR_LAYER_RETRY);

    if (explain_next(p, 0, WEIR_LAYER_BULKHEAD) < retry)
        explain_add(t, "warning: a bulkhead outside the retry is held during backoff\n");
    if (explain_next(p, 0, WEIR_LAYER_RATE) < retry)
        explain_add(t, "warning: a rate limit outside the retry counts calls, not attempts\n");
    if (explain_next(p, 0, WEIR_LAYER_BREAKER) < retry)
        explain_add(t, "warning: a breaker outside the retry counts calls, not attempts\n");
    if (inner < p->n && !p->layer[retry].u.retry.opts.budget &&
        !p->layer[inner].u.retry.opts.budget)
        explain_add(t, "warning: a retry within a retry, without a budget: attempts multiply\n");
}

static void explain_warn_time(struct explain_text *t, const weir_policy *p)
{
    struct weir__plan_bounds w = weir__plan_worst(p);
    weir_span least;

    if (p->each == WEIR_NEVER)
        explain_add(t, "warning: no attempt timeout inside the retry: one hung attempt uses up "
                       "the whole call\n");
    if (w.attempts == UINT64_MAX && p->total == WEIR_NEVER)
        explain_add(t, "warning: attempts without limit and no total timeout: it may never end\n");
    if (p->each == WEIR_NEVER || p->total == WEIR_NEVER || w.attempts == UINT64_MAX)
        return;
    least = weir__sat_mul(p->each, (int64_t)w.attempts);
    if (least <= p->total)
        return;
    explain_add(t, "warning: the total timeout cannot fit its attempts: %" PRIu64 " of ",
                w.attempts);
    explain_span(t, p->each);
    explain_add(t, " take ");
    explain_span(t, least);
    explain_add(t, "\n");
}

static void explain_warn(struct explain_text *t, const weir_policy *p)
{
    uint32_t retry = explain_next(p, 0, WEIR_LAYER_RETRY), i;

    if (retry < p->n)
        explain_warn_time(t, p);
    for (i = retry; i < p->n; i = explain_next(p, i + 1, WEIR_LAYER_RETRY))
        explain_warn_order(t, p, i);
    for (i = 0; retry < p->n && i < retry; i++)
        if (p->layer[i].kind == WEIR_LAYER_TIMEOUT && p->layer[i].u.timeout.each)
            explain_add(t, "warning: .each outside the retry still limits each attempt; use "
                           ".total for the whole call\n");
}

int weir_policy_explain(const weir_policy *p, char *buf, size_t n)
{
    struct explain_text t = {buf, buf ? n : 0, 0};
    struct weir__plan_bounds w;

    if (weir_policy_error(p) < 0)
        return weir_policy_error(p);
    if (t.room)
        buf[0] = 0;
    for (uint32_t i = 0; i < p->n; i++)
        explain_layer(&t, &p->layer[i], i);
    w = weir__plan_worst(p);
    if (w.attempts == UINT64_MAX)
        explain_add(&t, "worst case: attempts unbounded, time ");
    else
        explain_add(&t, "worst case: attempts %" PRIu64 ", time ", w.attempts);
    explain_span(&t, w.time);
    if (w.attempts == UINT64_MAX)
        explain_add(&t, ", amplification unbounded\n");
    else
        explain_add(&t, ", amplification %" PRIu64 "x\n", w.attempts);
    explain_warn(&t, p);
    return t.length > INT32_MAX ? -EOVERFLOW : (int)t.length;
}
