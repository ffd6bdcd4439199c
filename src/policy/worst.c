/*
 * worst.c -- the worst that a stack can do, from its options alone.
 *
 * Innermost first.  An attempt takes at most .each, a row at most .max_wait.
 * A retry makes n tries of what is inside it.  Each but the last costs the
 * longer of two things: a whole pass and its longest backoff, or the way to a
 * refusal inside and the wait that the refusal names (with the quarter on
 * top, retry.h).  Whatever waits without a limit makes the time unbounded,
 * until a .total bounds it.  What the other side may ask for (Retry-After),
 * pauses and `delay` are not known here and come on top.  Layers that do not
 * enforce are not there.
 */
#include "base/arith.h"
#include "policy/plan.h"

/* A refusal somewhere inside: how late it can come, and how long a wait it can name. */
struct worst_refusal {
    weir_span before, after;
    int named; /* it names its time, so any retry waits it out */
};

struct worst {
    uint64_t attempts;
    weir_span time, start; /* of a pass; until its last attempt starts */
    int waits;             /* there is a row inside */
    uint32_t n;
    struct worst_refusal refusal[WEIR_POLICY_LAYERS];
};

static void worst_before(struct worst *w, weir_span more)
{
    for (uint32_t i = 0; i < w->n; i++)
        w->refusal[i].before = weir__sat_add(w->refusal[i].before, more);
    w->start = weir__sat_add(w->start, more);
    w->time = weir__sat_add(w->time, more);
}

static void worst_row(struct worst *w, weir_span max_wait)
{
    weir_span most = max_wait == WEIR_NOWAIT ? 0 : max_wait ? max_wait : WEIR_NEVER;

    worst_before(w, most);
    w->waits |= most > 0;
}

/* What the k-th of a retry's tries can cost, the wait after it included. */
static weir_span worst_try(const struct worst *w, const struct weir_retry *r, weir_span backoff)
{
    weir_span most = weir__sat_add(w->time, backoff), cap = r->opts.retry_after_cap;
    int local = (r->opts.retry_on & WEIR_CLASS_BIT(WEIR_CLASS_REJECTED_LOCAL)) != 0;

    for (uint32_t i = 0; i < w->n; i++) {
        weir_span after = w->refusal[i].after;
        if (!w->refusal[i].named && !local)
            continue;
        if (cap)
            after = cap == WEIR_RETRY_AFTER_IGNORE ? 0 : weir__min64(after, cap);
        after = weir__max64(backoff, weir__sat_add(after, after / 4));
        most = weir__max64(most, weir__sat_add(w->refusal[i].before, after));
    }
    return most;
}

static void worst_retry(struct worst *w, const struct weir_retry *r)
{
    uint64_t tries = r->opts.attempts, n;
    weir_span sum = 0;

    if (tries == UINT32_MAX || w->attempts > UINT32_MAX) {
        w->attempts = UINT64_MAX;
        worst_before(w, WEIR_NEVER);
        return;
    }
    for (n = 1; n < tries && sum != WEIR_NEVER; n++) {
        weir_span most = weir_backoff_most(&r->backoff, n);
        weir_span cost = worst_try(w, r, weir__max64(most, 1));
        sum = weir__sat_add(sum, cost);
        if (most == r->backoff.opts.cap || most == 0) { /* and so for all that follow */
            sum = weir__sat_add(sum, weir__sat_mul(cost, (int64_t)(tries - 1 - n)));
            break;
        }
    }
    w->attempts *= tries;
    worst_before(w, sum);
}

/* What layer l adds to what is inside it. */
static void worst_layer(struct worst *w, const struct weir__plan_layer *l)
{
    const struct weir_breaker_opts *o = &l->u.breaker.opts;
    struct worst_refusal *mine = &w->refusal[w->n];

    switch (l->kind) {
    case WEIR_LAYER_RETRY:
        worst_retry(w, &l->u.retry);
        break;
    case WEIR_LAYER_RATE:
        worst_row(w, l->u.rate.max_wait);
        if (l->u.rate.max_wait == 0) /* it refuses only for the deadline */
            break;
        *mine = (struct worst_refusal){0,
                                       weir__sat_add(weir__max64(l->u.rate.max_wait, 0),
                                                     l->u.rate.step + (l->u.rate.step_part > 0)),
                                       1};
        w->n++;
        break;
    case WEIR_LAYER_SHED:
        *mine = (struct worst_refusal){0, 0, 0};
        w->n++;
        break;
    case WEIR_LAYER_BULKHEAD:
    case WEIR_LAYER_ADAPTIVE:
        worst_row(w, l->max_wait);
        *mine = (struct worst_refusal){weir__max64(l->max_wait, 0), 0, 0};
        w->n++;
        break;
    case WEIR_LAYER_BREAKER: /* it looks again after a wait in a row inside it */
        *mine =
            (struct worst_refusal){w->waits ? w->start : 0, weir__max64(o->open_max, o->lease), 1};
        w->n++;
        break;
    default:
        break;
    }
}

struct weir__plan_bounds weir__plan_worst(const weir_policy *p)
{
    struct worst w = {.attempts = 1, .time = p->each};

    for (uint32_t i = p->n; i-- > 0;)
        if (p->layer[i].mode == WEIR_ENFORCE)
            worst_layer(&w, &p->layer[i]);
    return (struct weir__plan_bounds){w.attempts, weir__min64(w.time, p->total)};
}

/* --- in the long run ------------------------------------------------------------ */

static int worst_seen(const weir_policy *p, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (p->layer[k].kind == WEIR_LAYER_RETRY && p->layer[k].mode == WEIR_ENFORCE &&
            p->layer[k].u.retry.opts.budget == p->layer[i].u.retry.opts.budget)
            return 1;
    return 0;
}

double weir__plan_long_run(const weir_policy *p)
{
    double all = 1;

    for (uint32_t i = 0; i < p->n; i++) {
        const struct weir_retry_opts *o = &p->layer[i].u.retry.opts;
        double ratio;

        if (p->layer[i].kind != WEIR_LAYER_RETRY || p->layer[i].mode != WEIR_ENFORCE)
            continue;
        ratio = o->budget ? (double)o->budget->ratio_milli / 1000 : 0;
        if (o->budget && worst_seen(p, i))
            continue;
        if (o->budget && o->budget->form == WEIR_BUDGET_RATIO)
            all *= 1 + ratio;
        else if (o->budget && o->budget->form == WEIR_BUDGET_SHARE)
            all *= 1 / (1 - ratio);
        else
            return 0;
    }
    return all;
}
