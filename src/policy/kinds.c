/*
 * kinds.c -- what a stack does with each kind of layer, as one table.
 *
 * A new kind is one entry of plan_kinds, its functions here or in a file of
 * its own, a member of the unions in policy.h and plan.h, and a row of the
 * table in explain.c.  Nothing else knows the kinds.  What each function
 * promises stands in plan.h.
 */
#include <errno.h>

#include "base/arith.h"
#include "policy/plan.h"

/* A budget may be shared by policies that run on different threads. */
static atomic_flag kind_budget_lock = ATOMIC_FLAG_INIT;

void weir__budget_enter(void)
{
    weir__plan_lock(&kind_budget_lock);
}

void weir__budget_exit(void)
{
    weir__plan_unlock(&kind_budget_lock);
}

static void kind_lock(const struct weir_budget *b)
{
    if (b)
        weir__budget_enter();
}

static void kind_unlock(const struct weir_budget *b)
{
    if (b)
        weir__budget_exit();
}

/* --- retry ---------------------------------------------------------------- */

static int kind_retry_init(struct weir__plan_layer *l, const struct weir_policy_layer *from)
{
    return weir_retry_init(&l->u.retry, &from->u.retry);
}

static int kind_retry_set(struct weir__plan_layer *l, const struct weir_policy_layer *from,
                          weir_time now)
{
    (void)now;
    return weir_retry_reconfigure(&l->u.retry, &from->u.retry);
}

/* Is the call in a retry with this budget, among layers from .. to - 1? */
static int kind_in_budget(const struct weir__plan_run *r, uint32_t from, uint32_t to,
                          const struct weir_budget *b)
{
    for (uint32_t i = from; i < to; i++)
        if (r->slot[i].budget == b)
            return 1;
    return 0;
}

/* Is it in one around layer i, in this stack or in a call around the whole of it? */
static int kind_budget_outside(const struct weir__plan_run *r, uint32_t i,
                               const struct weir_budget *b)
{
    if (kind_in_budget(r, 0, i, b))
        return 1;
    for (r = r->outer; r; r = r->outer)
        if (kind_in_budget(r, 0, r->pos, b))
            return 1;
    return 0;
}

static int64_t kind_retry_take(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                               struct weir__plan_refused *why)
{
    const struct weir_retry *rule = &p->layer[i].u.retry;
    struct weir_budget *b = rule->opts.budget;
    struct weir__plan_slot *s = &r->slot[i];

    (void)why;
    kind_lock(b);
    if (b && kind_budget_outside(r, i, b))
        weir_retry_nest(rule, &s->u.retry);
    else
        weir_retry_begin(rule, &s->u.retry, now);
    kind_unlock(b);
    s->budget = b;
    s->held = 1;
    return 0;
}

static void kind_retry_start(struct weir__plan_layer *l, struct weir__plan_run *r, uint32_t i)
{
    (void)l;
    r->slot[i].u.retry.paid.tick_plus_one = 0; /* spent: it can no longer be refunded */
}

static void kind_retry_give(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t cls,
                            weir_time now)
{
    const struct weir_retry *rule = &p->layer[i].u.retry;

    (void)cls;
    kind_lock(rule->opts.budget);
    weir_retry_abandon(rule, &r->slot[i].u.retry, now);
    kind_unlock(rule->opts.budget);
}

/* It would have tried again: then nothing was paid. */
static int64_t kind_retry_observed(weir_policy *p, struct weir__plan_run *r, uint32_t i,
                                   int64_t wait, weir_time now)
{
    struct weir_layer_counts *c = &p->layer[i].counts;
    uint32_t giveup = r->slot[i].u.retry.giveup;

    if (wait != WEIR_RETRY_STOP) {
        kind_retry_give(p, r, i, 0, now);
        c->would_wait++;
    } else if (giveup != WEIR_GIVEUP_OK && giveup != WEIR_GIVEUP_CLASS) {
        c->would_refuse++;
    }
    return WEIR_RETRY_STOP;
}

static int64_t kind_retry_ended(weir_policy *p, struct weir__plan_run *r, uint32_t i,
                                uint32_t asked, struct weir_retry_outcome *out, weir_time now)
{
    struct weir__plan_layer *l = &p->layer[i];
    struct weir_budget *b = l->u.retry.opts.budget;
    struct weir_retry_state *state = &r->slot[i].u.retry;
    uint32_t inside = asked < r->pos ? asked : r->pos;
    int64_t wait;

    out->counted = b && kind_in_budget(r, i + 1, inside, b);
    kind_lock(b);
    wait = weir_retry_next(&l->u.retry, state, out, now, r->deadline, &p->rng);
    kind_unlock(b);
    if (l->mode == WEIR_OBSERVE)
        return kind_retry_observed(p, r, i, wait, now);
    r->giveup = state->giveup;
    if (wait == WEIR_RETRY_STOP) {
        l->counts.refused += r->giveup != WEIR_GIVEUP_OK && r->giveup != WEIR_GIVEUP_CLASS;
        return wait;
    }
    l->counts.waited++;
    r->event = (struct weir_retry_event){state->failed, out->result, out->cls, wait};
    r->out = *out;
    r->retrying = i + 1;
    return wait;
}

/* --- breaker -------------------------------------------------------------- */

/* Under the lock: only a note, for weir__plan_exit to tell. */
static void kind_breaker_note(void *ctx, const struct weir_breaker_event *e)
{
    struct weir__plan_layer *l = ctx;
    weir_policy *p = l->policy;
    uint32_t at;

    if (!l->on_change)
        return;
    if (p->news_n == WEIR__PLAN_NEWS) { /* the oldest is forgotten; generations show the gap */
        p->news_head = (p->news_head + 1) % WEIR__PLAN_NEWS;
        p->news_n--;
    }
    at = (p->news_head + p->news_n++) % WEIR__PLAN_NEWS;
    p->news[at] = (struct weir__plan_news){l->on_change, l->ctx, *e};
}

/* The options as this layer wants them: its mode, and the hook by way of the notes. */
static struct weir_breaker_opts kind_breaker_opts(struct weir__plan_layer *l,
                                                  const struct weir_policy_layer *from)
{
    struct weir_breaker_opts o = from->u.breaker;

    if (from->mode != WEIR_ENFORCE)
        o.mode = from->mode;
    o.on_change = kind_breaker_note;
    o.ctx = l;
    return o;
}

static void kind_breaker_hook(struct weir__plan_layer *l, const struct weir_breaker_opts *o)
{
    l->on_change = o->on_change;
    l->ctx = o->ctx;
}

static int kind_breaker_init(struct weir__plan_layer *l, const struct weir_policy_layer *from)
{
    struct weir_breaker_opts o = kind_breaker_opts(l, from);

    kind_breaker_hook(l, &from->u.breaker);
    return weir_breaker_init(&l->u.breaker, &o);
}

static int kind_breaker_set(struct weir__plan_layer *l, const struct weir_policy_layer *from,
                            weir_time now)
{
    struct weir_breaker_opts o = kind_breaker_opts(l, from);
    int r = weir_breaker_reconfigure(&l->u.breaker, &o, now);

    if (r == 0)
        kind_breaker_hook(l, &from->u.breaker);
    return r;
}

static int64_t kind_breaker_take(weir_policy *p, struct weir__plan_run *r, uint32_t i,
                                 weir_time now, struct weir__plan_refused *why)
{
    struct weir_breaker *b = &p->layer[i].u.breaker;
    int64_t wait = weir_breaker_take(b, now, &r->slot[i].u.breaker);

    r->slot[i].held = wait == 0;
    if (wait != 0)
        *why = (struct weir__plan_refused){WEIR_EOPEN, i, wait > 0 ? wait : 0};
    return wait == 0 ? 0 : WEIR_EOPEN;
}

static enum weir_breaker_outcome kind_breaker_verdict(uint32_t cls)
{
    switch (cls) {
    case WEIR_CLASS_OK:
    case WEIR_CLASS_CLIENT:
        return WEIR_BREAKER_OK;
    case WEIR_CLASS_TRANSIENT:
    case WEIR_CLASS_SERVER:
        return WEIR_BREAKER_FAILED;
    default:
        return WEIR_BREAKER_IGNORED;
    }
}

static void kind_breaker_give(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t cls,
                              weir_time now)
{
    weir_breaker_done(&p->layer[i].u.breaker, &r->slot[i].u.breaker, kind_breaker_verdict(cls), now,
                      &p->rng);
}

/* It may have opened since. */
static int kind_breaker_recheck(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                                struct weir__plan_refused *why)
{
    struct weir_breaker *b = &p->layer[i].u.breaker;
    struct weir__plan_slot *s = &r->slot[i];

    if (p->layer[i].mode != WEIR_ENFORCE || !weir_breaker_stale(b, &s->u.breaker))
        return 0;
    s->held = 0;
    kind_breaker_give(p, r, i, WEIR_CLASS_CANCELLED, now);
    return kind_breaker_take(p, r, i, now, why) == 0 ? 0 : WEIR_EOPEN;
}

/* --- rate ------------------------------------------------------------------ */

void weir__plan_enqueue(struct weir__plan_layer *l, struct weir__plan_run *r)
{
    weir__list_append(&l->row, &r->row);
    l->queued++;
    r->phase = WEIR__PLAN_WAITING;
    r->waited = 1;
}

void weir__plan_dequeue(struct weir__plan_layer *l, struct weir__plan_run *r)
{
    if (weir__list_empty(&r->row))
        return;
    weir__list_remove(&r->row);
    l->queued--;
}

static int kind_rate_init(struct weir__plan_layer *l, const struct weir_policy_layer *from)
{
    return weir_rate_init(&l->u.rate, &from->u.rate);
}

static int kind_rate_set(struct weir__plan_layer *l, const struct weir_policy_layer *from,
                         weir_time now)
{
    return weir_rate_set(&l->u.rate, &from->u.rate, now);
}

/* A ticket that is given up moves to the end of the row, where it can be cancelled exactly. */
static void kind_rate_leave(struct weir__plan_layer *l, struct weir__plan_run *r, uint32_t i)
{
    struct weir_rate_ticket *ticket = &r->slot[i].u.rate;
    struct weir__list *at = weir__list_empty(&r->row) ? l->row.next : r->row.next;

    for (; at != &l->row; at = at->next) {
        struct weir__plan_run *later = WEIR__ENTRY(at, struct weir__plan_run, row);
        if (weir_rate_swap(ticket, &later->slot[i].u.rate) == 0 && later->wake)
            later->wake(later);
    }
    weir_rate_cancel(&l->u.rate, ticket);
    weir__plan_dequeue(l, r);
}

static int64_t kind_rate_wait(struct weir__plan_layer *l, struct weir__plan_run *r, uint32_t i,
                              weir_time now, struct weir__plan_refused *why)
{
    int64_t wait = weir_rate_ready(&l->u.rate, &r->slot[i].u.rate, now);

    if (wait > 0 && weir__sat_add(now, wait) >= r->deadline) { /* a pause came */
        *why = (struct weir__plan_refused){WEIR_ERATE, i, wait};
        return WEIR_ERATE;
    }
    if (wait == 0) {
        weir__plan_dequeue(l, r);
        r->phase = WEIR__PLAN_IDLE;
        r->slot[i].held = 1;
    }
    return wait;
}

static int64_t kind_rate_take(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                              struct weir__plan_refused *why)
{
    struct weir__plan_layer *l = &p->layer[i];
    int64_t wait;

    if (r->phase == WEIR__PLAN_WAITING)
        return kind_rate_wait(l, r, i, now, why);
    wait = weir_rate_reserve(&l->u.rate, 1, now, weir__plan_latest(p, r), &r->slot[i].u.rate);
    r->slot[i].held = wait == 0;
    if (wait < 0) {
        int64_t after = weir_rate_peek(&l->u.rate, 1, now);
        *why = (struct weir__plan_refused){(int)wait, i, after > 0 ? after : 0};
    } else if (wait > 0) {
        weir__plan_enqueue(l, r);
    }
    return wait;
}

static void kind_rate_start(struct weir__plan_layer *l, struct weir__plan_run *r, uint32_t i)
{
    (void)l;
    weir_rate_use(&r->slot[i].u.rate);
}

static void kind_rate_give(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t cls,
                           weir_time now)
{
    struct weir_rate_ticket *ticket = &r->slot[i].u.rate;

    (void)cls;
    (void)now;
    if (r->phase != WEIR__PLAN_RUNNING && ticket->n)
        kind_rate_leave(&p->layer[i], r, i);
    weir_rate_use(ticket);
}

/* --- timeout ------------------------------------------------------------------ */

/* Only gathers: weir__plan_sum and weir__plan_overtime do the rest. */
static int kind_timeout_init(struct weir__plan_layer *l, const struct weir_policy_layer *from)
{
    const struct weir_timeout_opts *o = &from->u.timeout;

    if (o->total < 0 || o->each < 0 || o->reserved[0] || o->reserved[1])
        return -EINVAL;
    l->u.timeout = *o;
    return 0;
}

static int kind_timeout_set(struct weir__plan_layer *l, const struct weir_policy_layer *from,
                            weir_time now)
{
    (void)now;
    return kind_timeout_init(l, from);
}

void weir__plan_overtime(weir_policy *p, struct weir__plan_run *r, weir_time now, int over)
{
    weir_span attempt = weir__sat_sub(now, r->attempt_start), all = weir__sat_sub(now, r->begun);
    int ended = !over && r->phase == WEIR__PLAN_RUNNING;

    for (uint32_t i = 0; i < p->n; i++) {
        struct weir__plan_layer *l = &p->layer[i];
        const struct weir_timeout_opts *o = &l->u.timeout;
        uint32_t hits;

        if (l->kind != WEIR_LAYER_TIMEOUT || l->mode == WEIR_OFF)
            continue;
        hits = ended && o->each && attempt >= o->each;
        hits += over && !r->overtime && o->total && all >= o->total;
        if (l->mode == WEIR_OBSERVE)
            l->counts.would_refuse += hits;
        else
            l->counts.refused += hits;
    }
    r->overtime |= over != 0;
}

/* --- the table ------------------------------------------------------------------ */

static const struct weir__plan_kind kind_retry = {
    .name = "retry",
    .init = kind_retry_init,
    .set = kind_retry_set,
    .take = kind_retry_take,
    .start = kind_retry_start,
    .give = kind_retry_give,
    .ended = kind_retry_ended,
};

static const struct weir__plan_kind kind_breaker = {
    .name = "breaker",
    .init = kind_breaker_init,
    .set = kind_breaker_set,
    .take = kind_breaker_take,
    .recheck = kind_breaker_recheck,
    .give = kind_breaker_give,
};

static const struct weir__plan_kind kind_rate = {
    .name = "rate",
    .init = kind_rate_init,
    .set = kind_rate_set,
    .take = kind_rate_take,
    .leave = kind_rate_leave,
    .start = kind_rate_start,
    .give = kind_rate_give,
};

static const struct weir__plan_kind kind_timeout = {
    .name = "timeout",
    .init = kind_timeout_init,
    .set = kind_timeout_set,
};

static const struct weir__plan_kind *const plan_kinds[] = {
    [WEIR_LAYER_RETRY] = &kind_retry,     [WEIR_LAYER_BREAKER] = &kind_breaker,
    [WEIR_LAYER_RATE] = &kind_rate,       [WEIR_LAYER_BULKHEAD] = &weir__kind_bulkhead,
    [WEIR_LAYER_TIMEOUT] = &kind_timeout, [WEIR_LAYER_ADAPTIVE] = &weir__kind_adaptive,
    [WEIR_LAYER_SHED] = &weir__kind_shed,
};

const struct weir__plan_kind *weir__plan_kind(uint32_t kind)
{
    return kind < sizeof plan_kinds / sizeof plan_kinds[0] ? plan_kinds[kind] : NULL;
}
