/*
 * explain.c -- what a stack will do, in words, before it does it.  The numbers
 * come from worst.c, the warnings from lint.c.
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
    explain_add(t, r->opts.budget ? ", within a budget" : "");
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
    explain_add(t, "), then %" PRIu32 " probes", o->probes);
}

static void explain_queue(struct explain_text *t, weir_span max_wait)
{
    if (max_wait == WEIR_NOWAIT) {
        explain_add(t, ", refuses at once beyond it");
    } else if (max_wait == 0) {
        explain_add(t, ", waits for its turn");
    } else {
        explain_add(t, ", waits for its turn up to ");
        explain_span(t, max_wait);
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
    explain_add(t, o->total || o->each ? "" : " none");
}

static void explain_as_retry(struct explain_text *t, const struct weir__plan_layer *l)
{
    explain_retry(t, &l->u.retry);
}

static void explain_as_breaker(struct explain_text *t, const struct weir__plan_layer *l)
{
    explain_breaker(t, &l->u.breaker.opts);
}

static void explain_as_rate(struct explain_text *t, const struct weir__plan_layer *l)
{
    explain_add(t, "rate: %" PRIu32 " in ", l->u.rate.count);
    explain_span(t, l->u.rate.period);
    explain_add(t, ", burst %" PRIu32, l->u.rate.burst);
    explain_queue(t, l->u.rate.max_wait);
}

static void explain_as_bulkhead(struct explain_text *t, const struct weir__plan_layer *l)
{
    explain_add(t, "bulkhead: %" PRIu32 " at once", l->u.bulkhead.limit);
    explain_queue(t, l->max_wait);
    if (!l->codel.target)
        return;
    explain_add(t, "; refuses heads that stood ");
    explain_span(t, l->codel.target);
    explain_add(t, l->lifo ? ", newest first meanwhile" : "");
}

static void explain_as_adaptive(struct explain_text *t, const struct weir__plan_layer *l)
{
    static const char *const law[] = {"AIMD", "gradient", "Vegas"};

    explain_add(t, "adaptive limit: %s, %" PRIu32 " .. %" PRIu32 ", now %" PRIu32,
                law[l->u.adaptive.opts.law], l->u.adaptive.opts.min, l->u.adaptive.opts.max,
                weir_adaptive_limit(&l->u.adaptive));
    explain_queue(t, l->max_wait);
}

static void explain_as_shed(struct explain_text *t, const struct weir__plan_layer *l)
{
    explain_add(t, "shed: class %" PRIu32 " beyond %" PRIu32 ".%03" PRIu32 " x accepts in ",
                l->u.shed.opts.cls, l->u.shed.opts.k_milli / 1000, l->u.shed.opts.k_milli % 1000);
    explain_span(t, l->u.shed.opts.window);
}

static void explain_as_timeout(struct explain_text *t, const struct weir__plan_layer *l)
{
    explain_timeout(t, &l->u.timeout);
}

/* One line a kind, without its end. */
static void (*const explain_kinds[])(struct explain_text *, const struct weir__plan_layer *) = {
    [WEIR_LAYER_RETRY] = explain_as_retry,     [WEIR_LAYER_BREAKER] = explain_as_breaker,
    [WEIR_LAYER_RATE] = explain_as_rate,       [WEIR_LAYER_BULKHEAD] = explain_as_bulkhead,
    [WEIR_LAYER_TIMEOUT] = explain_as_timeout, [WEIR_LAYER_ADAPTIVE] = explain_as_adaptive,
    [WEIR_LAYER_SHED] = explain_as_shed,
};

static void explain_layer(struct explain_text *t, const struct weir__plan_layer *l, uint32_t depth)
{
    static const char *const mode[] = {"", "; observes only", "; off"};

    explain_add(t, "%*s", (int)(2 * depth), "");
    explain_kinds[l->kind](t, l);
    explain_add(t, "%s\n", mode[l->mode]);
}

/* --- what looks wrong --------------------------------------------------- */

/* In the order in which they are told. */
static const struct {
    int bit;
    const char *text;
} explain_lints[] = {
    {WEIR_LINT_NO_EACH,
     "no attempt timeout inside the retry: one hung attempt uses up the whole call"},
    {WEIR_LINT_NEVER_ENDS, "attempts without limit and no total timeout: it may never end"},
    {WEIR_LINT_BULKHEAD_HELD, "a bulkhead outside the retry is held during backoff"},
    {WEIR_LINT_RATE_OUTSIDE, "a rate limit outside the retry counts calls, not attempts"},
    {WEIR_LINT_BREAKER_OUTSIDE, "a breaker outside the retry counts calls, not attempts"},
    {WEIR_LINT_NESTED_RETRIES, "a retry within a retry, without a budget: attempts multiply"},
    {WEIR_LINT_BUDGETS_DIFFER,
     "a retry within a retry, without a budget that both share: their retries multiply"},
    {WEIR_LINT_EACH_OUTSIDE,
     ".each outside the retry still limits each attempt; use .total for the whole call"},
    {WEIR_LINT_NO_JITTER, "no jitter: those who failed together come back together"},
    {WEIR_LINT_NO_BACKOFF, "no backoff: what fails is tried again at once"},
    {WEIR_LINT_MIN_ATTEMPT, "min_attempt is longer than any attempt may take"},
    {WEIR_LINT_RETRIES_FULL, "a full bulkhead is asked again and again by the retry outside it"},
    {WEIR_LINT_LEASE,
     "a probe of the breaker may take longer than its lease: it is replaced, its result ignored"},
    {WEIR_LINT_SLOW, "no call lives to be slow: the attempt timeout comes before"},
    {WEIR_LINT_ROW, "a row waits longer than the whole call may take"},
    {WEIR_LINT_HERD,
     "a retry waits out the open breaker inside it, and no total timeout ends that: calls gather "
     "and come back together"},
};

static void explain_warn(struct explain_text *t, const weir_policy *p)
{
    uint64_t attempts = weir__plan_worst(p).attempts;
    int bits = weir__plan_lint(p);

    for (size_t i = 0; i < sizeof explain_lints / sizeof explain_lints[0]; i++)
        if (bits & explain_lints[i].bit)
            explain_add(t, "warning: %s\n", explain_lints[i].text);
    if (!(bits & WEIR_LINT_TOTAL_SHORT))
        return;
    explain_add(t, "warning: the total timeout cannot fit its attempts: %" PRIu64 " of ", attempts);
    explain_span(t, p->each);
    explain_add(t, " take ");
    explain_span(t, weir__sat_mul(p->each, (int64_t)attempts));
    explain_add(t, "\n");
}

static void explain_worst(struct explain_text *t, const weir_policy *p)
{
    struct weir__plan_bounds w = weir__plan_worst(p);
    double run = weir__plan_long_run(p);

    if (w.attempts == UINT64_MAX)
        explain_add(t, "worst case: attempts unbounded, time ");
    else
        explain_add(t, "worst case: attempts %" PRIu64 ", time ", w.attempts);
    explain_span(t, w.time);
    if (w.attempts == UINT64_MAX)
        explain_add(t, ", amplification unbounded\n");
    else
        explain_add(t, ", amplification %" PRIu64 "x\n", w.attempts);
    if (run > 1 && run < (double)w.attempts)
        explain_add(t, "in the long run: amplification %.4gx, by the budget\n", run);
}

int weir_policy_explain(const weir_policy *p, char *buf, size_t n)
{
    struct explain_text t = {buf, buf ? n : 0, 0};
    weir_policy *whole = (weir_policy *)(uintptr_t)p; /* for its lock only */

    if (weir_policy_error(p) < 0)
        return weir_policy_error(p);
    if (t.room)
        buf[0] = 0;
    weir__plan_enter(whole);
    for (uint32_t i = 0; i < p->n; i++)
        explain_layer(&t, &p->layer[i], i);
    explain_worst(&t, p);
    explain_warn(&t, p);
    weir__plan_exit(whole);
    return t.length > INT32_MAX ? -EOVERFLOW : (int)t.length;
}
