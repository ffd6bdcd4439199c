/*
 * plan.c -- a call on its way through the layers.
 *
 * Invariant: between two calls of these functions slot[i].held != 0 exactly
 * for the layers i < pos that were taken; layers from pos on hold nothing,
 * but for the rate ticket or the place in a row of layer pos while WAITING.
 * plan_unwind and plan_leave are the only code that gives back, and plan_give
 * the only that knows how.
 */
#include "policy/plan.h"

#include <errno.h>

#include "base/arith.h"

/* A budget may be shared by policies that run on different threads. */
static atomic_flag plan_budget_lock = ATOMIC_FLAG_INIT;

/* --- the rows ----------------------------------------------------------- */

static struct weir__plan_run *plan_first(struct weir__plan_layer *l)
{
    return weir__list_empty(&l->row) ? NULL : WEIR__ENTRY(l->row.next, struct weir__plan_run, row);
}

static void plan_wake(struct weir__plan_run *r)
{
    if (r->wake)
        r->wake(r);
}

static void plan_enqueue(struct weir__plan_layer *l, struct weir__plan_run *r)
{
    weir__list_append(&l->row, &r->row);
    l->queued++;
    r->phase = WEIR__PLAN_WAITING;
    r->waited = 1;
}

static void plan_dequeue(struct weir__plan_layer *l, struct weir__plan_run *r)
{
    if (weir__list_empty(&r->row))
        return;
    weir__list_remove(&r->row);
    l->queued--;
}

/* Hands free permits to those who wait, first come first. */
static void plan_grant(struct weir__plan_layer *l)
{
    struct weir__plan_run *next;

    while ((next = plan_first(l)) != NULL && weir_bulkhead_take(&l->u.bulkhead, 1) == 0) {
        plan_dequeue(l, next);
        next->granted = 1;
        plan_wake(next);
    }
}

/* A ticket that is given up moves to the end of the row, where it can be cancelled exactly. */
static void plan_rate_leave(struct weir__plan_layer *l, struct weir__plan_run *r,
                            struct weir_rate_ticket *ticket, uint32_t index)
{
    struct weir__list *at = weir__list_empty(&r->row) ? l->row.next : r->row.next;

    for (; at != &l->row; at = at->next) {
        struct weir__plan_run *later = WEIR__ENTRY(at, struct weir__plan_run, row);
        if (weir_rate_swap(ticket, &later->slot[index].u.rate) == 0)
            plan_wake(later);
    }
    weir_rate_cancel(&l->u.rate, ticket);
    plan_dequeue(l, r);
}

/* --- giving back -------------------------------------------------------- */

static enum weir_breaker_outcome plan_verdict(uint32_t cls)
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

/* Gives layer i back; `cls` is how what it guarded has ended. */
static void plan_give(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t cls,
                      weir_time now)
{
    struct weir__plan_layer *l = &p->layer[i];
    struct weir__plan_slot *s = &r->slot[i];

    if (!s->held)
        return;
    s->held = 0;
    if (l->kind == WEIR_LAYER_BREAKER) {
        weir_breaker_done(&l->u.breaker, &s->u.breaker, plan_verdict(cls), now, &p->rng);
    } else if (l->kind == WEIR_LAYER_BULKHEAD) {
        weir_bulkhead_give(&l->u.bulkhead, 1);
        plan_grant(l);
    } else if (l->kind == WEIR_LAYER_RATE) {
        if (r->phase != WEIR__PLAN_RUNNING && s->u.rate.n)
            plan_rate_leave(l, r, &s->u.rate, i);
        weir_rate_use(&s->u.rate);
    } else if (l->kind == WEIR_LAYER_RETRY && l->u.retry.opts.budget) {
        weir__plan_lock(&plan_budget_lock);
        weir_retry_abandon(&l->u.retry, &s->u.retry, now);
        weir__plan_unlock(&plan_budget_lock);
    }
}

/* Leaves the row of layer pos, with whatever the wait had won already. */
static void plan_leave(weir_policy *p, struct weir__plan_run *r)
{
    struct weir__plan_layer *l;

    if (r->phase != WEIR__PLAN_WAITING)
        return;
    l = &p->layer[r->pos];
    if (l->kind == WEIR_LAYER_RATE) {
        plan_rate_leave(l, r, &r->slot[r->pos].u.rate, r->pos);
    } else {
        plan_dequeue(l, r);
        if (r->granted) {
            weir_bulkhead_give(&l->u.bulkhead, 1);
            plan_grant(l);
        }
    }
    r->granted = 0;
    r->phase = WEIR__PLAN_IDLE;
}

/* Asks the retry at layer i about an outcome: the wait, or WEIR_RETRY_STOP. */
static int64_t plan_retry(weir_policy *p, struct weir__plan_run *r, uint32_t i,
                          const struct weir_retry_outcome *out, weir_time now)
{
    const struct weir_retry *rule = &p->layer[i].u.retry;
    struct weir_retry_state *state = &r->slot[i].u.retry;
    int64_t wait;

    if (rule->opts.budget)
        weir__plan_lock(&plan_budget_lock);
    wait = weir_retry_next(rule, state, out, now, r->deadline, &p->rng);
    if (rule->opts.budget)
        weir__plan_unlock(&plan_budget_lock);
    r->giveup = state->giveup;
    if (wait == WEIR_RETRY_STOP)
        return wait;
    r->pos = i + 1;
    r->not_before = weir__sat_add(now, wait);
    r->phase = WEIR__PLAN_IDLE;
    r->retrying = i + 1;
    r->event = (struct weir_retry_event){state->failed, out->result, out->cls, wait};
    return wait;
}

/*
 * An outcome travels outwards from layer `from` - 1; `asked` and the layers
 * right of it are not asked to retry.  The wait, or WEIR_RETRY_STOP: the call
 * is over.
 */
static int64_t plan_unwind(weir_policy *p, struct weir__plan_run *r, uint32_t asked,
                           const struct weir_retry_outcome *out, weir_time now)
{
    for (uint32_t i = r->pos; i-- > 0;) {
        if (i < asked && p->layer[i].kind == WEIR_LAYER_RETRY && r->slot[i].held) {
            int64_t wait = plan_retry(p, r, i, out, now);
            if (wait != WEIR_RETRY_STOP)
                return wait;
        }
        plan_give(p, r, i, out->cls, now);
    }
    r->pos = 0;
    r->phase = WEIR__PLAN_FINISHED;
    return WEIR_RETRY_STOP;
}

/* --- taking ------------------------------------------------------------- */

struct plan_refused {
    int code;
    uint32_t layer;
    weir_span retry_after;
};

/* What a refusal comes to: a wait for the retry around it, or the end with its code. */
static int64_t plan_refuse(weir_policy *p, struct weir__plan_run *r, const struct plan_refused *why,
                           weir_time now)
{
    struct weir_retry_outcome out = {why->code, WEIR_CLASS_REJECTED_LOCAL, why->retry_after};
    int64_t wait;

    r->refusal = (struct weir_refusal){why->code, why->layer, p->layer[why->layer].kind,
                                       r->last_result, why->retry_after};
    plan_leave(p, r);
    wait = plan_unwind(p, r, why->layer, &out, now);
    return wait == WEIR_RETRY_STOP ? why->code : weir__max64(wait, 1);
}

/* The instant at which an attempt must have started to make any sense. */
static weir_time plan_latest(const weir_policy *p, const struct weir__plan_run *r)
{
    return r->deadline == WEIR_NEVER ? WEIR_NEVER : weir__sat_sub(r->deadline, p->min_attempt);
}

/* Each taker: 0 taken, positive wait, negative refused with *why filled. */
static int64_t plan_take_rate(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                              struct plan_refused *why)
{
    struct weir__plan_layer *l = &p->layer[i];
    struct weir_rate_ticket *ticket = &r->slot[i].u.rate;
    int64_t wait;

    if (r->phase == WEIR__PLAN_WAITING) {
        wait = weir_rate_ready(&l->u.rate, ticket, now);
        if (wait > 0 && weir__sat_add(now, wait) >= r->deadline) { /* a pause came */
            *why = (struct plan_refused){WEIR_ERATE, i, wait};
            return WEIR_ERATE;
        }
        if (wait == 0) {
            plan_dequeue(l, r);
            r->phase = WEIR__PLAN_IDLE;
        }
        return wait;
    }
    wait = weir_rate_reserve(&l->u.rate, 1, now, plan_latest(p, r), ticket);
    if (wait < 0) {
        int64_t after = weir_rate_peek(&l->u.rate, 1, now);
        *why = (struct plan_refused){(int)wait, i, after > 0 ? after : 0};
    } else if (wait > 0) {
        plan_enqueue(l, r);
    }
    return wait;
}

static int64_t plan_take_bulkhead(weir_policy *p, struct weir__plan_run *r, uint32_t i,
                                  weir_time now, struct plan_refused *why)
{
    struct weir__plan_layer *l = &p->layer[i];

    *why = (struct plan_refused){WEIR_EFULL, i, 0};
    if (r->phase == WEIR__PLAN_WAITING) {
        if (!r->granted)
            return now < r->park_until ? WEIR__PLAN_PARK : WEIR_EFULL;
        r->granted = 0;
        r->phase = WEIR__PLAN_IDLE;
        return 0;
    }
    if (weir__list_empty(&l->row) && weir_bulkhead_take(&l->u.bulkhead, 1) == 0)
        return 0;
    if (l->max_wait == WEIR_NOWAIT || (l->queue && l->queued >= l->queue))
        return WEIR_EFULL;
    r->park_until = plan_latest(p, r);
    if (l->max_wait)
        r->park_until = weir__min64(r->park_until, weir__sat_add(now, l->max_wait));
    if (now >= r->park_until)
        return WEIR_EFULL;
    plan_enqueue(l, r);
    return WEIR__PLAN_PARK;
}

static int64_t plan_take_breaker(weir_policy *p, struct weir__plan_run *r, uint32_t i,
                                 weir_time now, struct plan_refused *why)
{
    int64_t wait = weir_breaker_take(&p->layer[i].u.breaker, now, &r->slot[i].u.breaker);

    if (wait != 0)
        *why = (struct plan_refused){WEIR_EOPEN, i, wait > 0 ? wait : 0};
    return wait == 0 ? 0 : WEIR_EOPEN;
}

static int64_t plan_take(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                         struct plan_refused *why)
{
    const struct weir_retry *rule;

    switch (p->layer[i].kind) {
    case WEIR_LAYER_BREAKER:
        return plan_take_breaker(p, r, i, now, why);
    case WEIR_LAYER_RATE:
        return plan_take_rate(p, r, i, now, why);
    case WEIR_LAYER_BULKHEAD:
        return plan_take_bulkhead(p, r, i, now, why);
    case WEIR_LAYER_RETRY:
        rule = &p->layer[i].u.retry;
        if (rule->opts.budget)
            weir__plan_lock(&plan_budget_lock);
        weir_retry_begin(rule, &r->slot[i].u.retry, now);
        if (rule->opts.budget)
            weir__plan_unlock(&plan_budget_lock);
        return 0;
    default:
        return 0;
    }
}

/* After a wait: breakers passed before it may have opened since.  0, or refused. */
static int plan_recheck(weir_policy *p, struct weir__plan_run *r, weir_time now,
                        struct plan_refused *why)
{
    for (uint32_t i = 0; i < r->pos; i++) {
        struct weir__plan_slot *s = &r->slot[i];
        if (p->layer[i].kind != WEIR_LAYER_BREAKER || !s->held ||
            !weir_breaker_stale(&p->layer[i].u.breaker, &s->u.breaker))
            continue;
        if (p->layer[i].u.breaker.opts.mode == WEIR_BREAKER_OBSERVE)
            continue;
        plan_give(p, r, i, WEIR_CLASS_CANCELLED, now);
        if (plan_take_breaker(p, r, i, now, why) != 0)
            return WEIR_EOPEN;
        s->held = 1;
    }
    return 0;
}

/* Everything is taken: what was reserved is used, and the attempt begins. */
static void plan_start(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    static const struct weir_retry_outcome none;

    for (uint32_t i = 0; i < p->n; i++) {
        if (p->layer[i].kind == WEIR_LAYER_RATE)
            weir_rate_use(&r->slot[i].u.rate);
        if (p->layer[i].kind == WEIR_LAYER_RETRY) /* spent: it can no longer be refunded */
            r->slot[i].u.retry.paid.tick_plus_one = 0;
    }
    r->phase = WEIR__PLAN_RUNNING;
    r->waited = 0;
    r->attempt++;
    r->hint = none;
    r->attempt_start = now;
    r->attempt_deadline = weir__min64(r->deadline, weir__sat_add(now, p->each));
}

/* The deadline has passed before anything could start. */
static int64_t plan_late(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    struct weir_retry_outcome out = {-ETIMEDOUT, WEIR_CLASS_CANCELLED, 0};

    r->refusal = (struct weir_refusal){-ETIMEDOUT, r->pos < p->n ? r->pos : 0, WEIR_LAYER_TIMEOUT,
                                       r->last_result, 0};
    plan_leave(p, r);
    plan_unwind(p, r, 0, &out, now);
    return -ETIMEDOUT;
}

static int64_t plan_admit(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    struct plan_refused why = {0, 0, 0};

    if (r->phase != WEIR__PLAN_IDLE && r->phase != WEIR__PLAN_WAITING)
        return -EINVAL;
    if (now >= plan_latest(p, r))
        return plan_late(p, r, now);
    if (r->phase == WEIR__PLAN_IDLE && now < r->not_before)
        return r->not_before - now;
    for (; r->pos < p->n; r->pos++) {
        int64_t wait = plan_take(p, r, r->pos, now, &why);
        if (wait < 0)
            return plan_refuse(p, r, &why, now);
        if (wait > 0)
            return wait;
        r->slot[r->pos].held = 1;
    }
    if (r->waited && plan_recheck(p, r, now, &why) < 0)
        return plan_refuse(p, r, &why, now);
    plan_start(p, r, now);
    return 0;
}

/* --- the doors ---------------------------------------------------------- */

void weir__plan_begin(const weir_policy *p, struct weir__plan_run *r, weir_time now,
                      weir_time deadline)
{
    static const struct weir__plan_run zero;

    *r = zero;
    weir__list_init(&r->row);
    r->begun = now;
    r->deadline = deadline;
    if (weir_policy_error(p) == 0 && p->total != WEIR_NEVER)
        r->deadline = weir__min64(deadline, weir__sat_add(now, p->total));
}

/* on_retry is the user's code: it runs without the lock. */
static void plan_tell(weir_policy *p, struct weir__plan_run *r)
{
    const struct weir_retry_opts *o;

    if (r->retrying == 0)
        return;
    o = &p->layer[r->retrying - 1].u.retry.opts;
    r->retrying = 0;
    if (o->on_retry)
        o->on_retry(o->ctx, &r->event);
}

int64_t weir__plan_admit(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    int64_t wait;

    if (weir_policy_error(p) < 0) {
        r->phase = WEIR__PLAN_FINISHED;
        return weir_policy_error(p);
    }
    weir__plan_lock(&p->lock);
    wait = plan_admit(p, r, now);
    weir__plan_unlock(&p->lock);
    plan_tell(p, r);
    return wait;
}

/* The class of a result: what the attempt said, else the innermost classify, else the code. */
static uint32_t plan_class(const weir_policy *p, const struct weir__plan_run *r, int result)
{
    int cls = (int)r->hint.cls;

    for (uint32_t i = p->n; i-- > 0 && cls == WEIR_CLASS_AUTO;) {
        const struct weir_retry_opts *o = &p->layer[i].u.retry.opts;
        if (p->layer[i].kind == WEIR_LAYER_RETRY && o->classify)
            cls = o->classify(o->ctx, result);
    }
    if (cls == WEIR_CLASS_AUTO)
        return weir_classify(result);
    return cls < 0 || cls > WEIR_CLASS_REJECTED_LOCAL ? WEIR_CLASS_FATAL : (uint32_t)cls;
}

int64_t weir__plan_done(weir_policy *p, struct weir__plan_run *r, int result, weir_time now,
                        int *out_result)
{
    struct weir_retry_outcome out = {result, 0, r->hint.retry_after};
    int64_t wait;

    *out_result = result;
    if (r->phase != WEIR__PLAN_RUNNING) {
        *out_result = -EINVAL;
        return 0;
    }
    out.cls = plan_class(p, r, result);
    weir__plan_lock(&p->lock);
    r->last_result = result;
    wait = plan_unwind(p, r, UINT32_MAX, &out, now);
    weir__plan_unlock(&p->lock);
    plan_tell(p, r);
    return wait == WEIR_RETRY_STOP ? 0 : weir__max64(wait, 1);
}

void weir__plan_abandon(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    struct weir_retry_outcome out = {-ECANCELED, WEIR_CLASS_CANCELLED, 0};

    if (weir_policy_error(p) < 0 || r->phase == WEIR__PLAN_FINISHED)
        return;
    weir__plan_lock(&p->lock);
    plan_leave(p, r);
    plan_unwind(p, r, 0, &out, now);
    weir__plan_unlock(&p->lock);
}
