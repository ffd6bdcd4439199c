/*
 * plan.c -- a call on its way through the layers.
 *
 * Invariant: between two calls of these functions slot[i].held != 0 exactly
 * for the layers i < pos that hold something; layers from pos on hold nothing,
 * but for what the row of layer pos has promised while WAITING.  plan_unwind
 * and plan_leave are the only code that gives back, and only the kinds
 * (kinds.c) know how.
 */
#include "policy/plan.h"

#include <errno.h>

#include "base/arith.h"
#include "base/rand.h"

/* --- the lock, and what is told without it -------------------------------- */

/* In a child process the jitter goes another way than in its parent. */
static void plan_fork_check(weir_policy *p)
{
    uint32_t forks = weir__seed_forks();

    if (p->forks == forks)
        return;
    p->forks = forks;
    if (!p->seeded)
        weir_rng_init(&p->rng, weir__seed_next(), 0);
}

void weir__plan_enter(weir_policy *p)
{
    weir__plan_lock(&p->lock);
    plan_fork_check(p);
}

/* One thread tells at a time, so changes are heard in their order; the hook may come back here. */
void weir__plan_exit(weir_policy *p)
{
    struct weir__plan_news news;

    if (p->telling || p->news_n == 0) {
        weir__plan_unlock(&p->lock);
        return;
    }
    p->telling = 1;
    while (p->news_n > 0) {
        news = p->news[p->news_head];
        p->news_head = (p->news_head + 1) % WEIR__PLAN_NEWS;
        p->news_n--;
        weir__plan_unlock(&p->lock);
        news.on_change(news.ctx, &news.event);
        weir__plan_lock(&p->lock);
    }
    p->telling = 0;
    weir__plan_unlock(&p->lock);
}

/* --- giving back ---------------------------------------------------------- */

/* Gives layer i back; `cls` is how what it guarded has ended. */
static void plan_give(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t cls,
                      weir_time now)
{
    const struct weir__plan_kind *kind = weir__plan_kind(p->layer[i].kind);

    if (!r->slot[i].held)
        return;
    r->slot[i].held = 0;
    if (kind->give)
        kind->give(p, r, i, cls, now);
}

/* Leaves the row of layer pos, with whatever the wait had won already. */
static void plan_leave(weir_policy *p, struct weir__plan_run *r)
{
    struct weir__plan_layer *l;

    if (r->phase != WEIR__PLAN_WAITING)
        return;
    l = &p->layer[r->pos];
    weir__plan_kind(l->kind)->leave(l, r, r->pos);
    r->granted = 0;
    r->phase = WEIR__PLAN_IDLE;
}

/*
 * An outcome travels outwards from layer pos - 1; `asked` and the layers right
 * of it are not asked to go on.  The wait until the call goes on from behind
 * the layer that said so, or WEIR_RETRY_STOP: the call is over with *out.
 */
static int64_t plan_unwind(weir_policy *p, struct weir__plan_run *r, uint32_t asked,
                           struct weir_retry_outcome *out, weir_time now)
{
    for (uint32_t i = r->pos; i-- > 0;) {
        struct weir__plan_layer *l = &p->layer[i];
        const struct weir__plan_kind *kind = weir__plan_kind(l->kind);

        if (i < asked && kind->ended && r->slot[i].held && l->mode != WEIR_OFF) {
            int64_t wait = kind->ended(p, r, i, asked, out, now);
            if (wait != WEIR_RETRY_STOP) {
                r->pos = i + 1;
                r->not_before = weir__sat_add(now, wait);
                r->phase = WEIR__PLAN_IDLE;
                return wait;
            }
        }
        plan_give(p, r, i, out->cls, now);
    }
    weir__plan_overtime(p, r, now, 1);
    r->pos = 0;
    r->phase = WEIR__PLAN_FINISHED;
    return WEIR_RETRY_STOP;
}

/* --- taking ----------------------------------------------------------------- */

weir_time weir__plan_latest(const weir_policy *p, const struct weir__plan_run *r)
{
    return r->deadline == WEIR_NEVER ? WEIR_NEVER : weir__sat_sub(r->deadline, p->min_attempt);
}

/* What a refusal comes to: a wait for the retry around it, or the end with its code. */
static int64_t plan_refuse(weir_policy *p, struct weir__plan_run *r,
                           const struct weir__plan_refused *why, weir_time now)
{
    struct weir_retry_outcome out = {
        .result = why->code, .cls = WEIR_CLASS_REJECTED_LOCAL, .retry_after = why->retry_after};
    int64_t wait;

    r->refusal = (struct weir_refusal){why->code, why->layer, p->layer[why->layer].kind,
                                       r->last_result, why->retry_after};
    plan_leave(p, r);
    wait = plan_unwind(p, r, why->layer, &out, now);
    return wait == WEIR_RETRY_STOP ? out.result : weir__max64(wait, 1);
}

/* Layer pos is asked, and whatever it says the call passes. */
static int64_t plan_observe(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    struct weir__plan_layer *l = &p->layer[r->pos];
    struct weir__plan_refused why;
    bool waited = r->waited;
    int64_t wait = weir__plan_kind(l->kind)->take(p, r, r->pos, now, &why);

    l->counts.would_wait += wait > 0;
    l->counts.would_refuse += wait < 0;
    plan_leave(p, r);
    r->waited = waited;
    return 0;
}

static int64_t plan_take(weir_policy *p, struct weir__plan_run *r, weir_time now,
                         struct weir__plan_refused *why)
{
    struct weir__plan_layer *l = &p->layer[r->pos];
    const struct weir__plan_kind *kind = weir__plan_kind(l->kind);
    int waits = r->phase == WEIR__PLAN_WAITING;
    int64_t wait = 0;

    r->slot[r->pos].budget = NULL;
    if (waits && l->mode != WEIR_ENFORCE) { /* it was switched while the call stood in its row */
        plan_leave(p, r);
    } else if (kind->take && l->mode == WEIR_ENFORCE) {
        wait = kind->take(p, r, r->pos, now, why);
        l->counts.waited += wait > 0 && !waits;
    } else if (kind->take && l->mode == WEIR_OBSERVE) {
        wait = plan_observe(p, r, now);
    }
    l->counts.passed += wait == 0;
    l->counts.refused += wait < 0;
    return wait;
}

/* After a wait: what was taken before it may have gone bad.  0, or the refusal, and *why. */
static int plan_recheck(weir_policy *p, struct weir__plan_run *r, weir_time now,
                        struct weir__plan_refused *why)
{
    for (uint32_t i = 0; i < r->pos; i++) {
        const struct weir__plan_kind *kind = weir__plan_kind(p->layer[i].kind);

        int bad = r->slot[i].held && kind->recheck ? kind->recheck(p, r, i, now, why) : 0;

        if (bad < 0) {
            p->layer[i].counts.refused++;
            return bad;
        }
    }
    return 0;
}

/* Everything is taken: what was reserved is used, and the attempt begins. */
static void plan_start(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    static const struct weir_retry_outcome none;

    r->classifies = 0;
    r->attempt_start = now;
    for (uint32_t i = 0; i < p->n; i++) {
        struct weir__plan_layer *l = &p->layer[i];
        const struct weir__plan_kind *kind = weir__plan_kind(l->kind);

        if (kind->start && r->slot[i].held)
            kind->start(l, r, i);
        r->classifies |= l->kind == WEIR_LAYER_RETRY && l->u.retry.opts.classify != NULL;
    }
    r->phase = WEIR__PLAN_RUNNING;
    r->waited = 0;
    r->attempt++;
    r->hint = none;
    r->attempt_deadline = weir__min64(r->deadline, weir__sat_add(now, p->each));
}

/* Whose deadline it was: the timeout that has run out, else the layer that came next. */
static uint32_t plan_late_layer(const weir_policy *p, const struct weir__plan_run *r)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const struct weir__plan_layer *l = &p->layer[i];
        if (l->kind == WEIR_LAYER_TIMEOUT && l->mode == WEIR_ENFORCE && l->u.timeout.total &&
            weir__sat_add(r->begun, l->u.timeout.total) == r->deadline)
            return i;
    }
    return r->pos < p->n ? r->pos : 0;
}

/* The deadline has passed before anything could start. */
static int64_t plan_late(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    struct weir_retry_outcome out = {.result = -ETIMEDOUT, .cls = WEIR_CLASS_CANCELLED};

    r->refusal = (struct weir_refusal){-ETIMEDOUT, plan_late_layer(p, r), WEIR_LAYER_TIMEOUT,
                                       r->last_result, 0};
    plan_leave(p, r);
    plan_unwind(p, r, 0, &out, now);
    return -ETIMEDOUT;
}

static int64_t plan_admit(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    struct weir__plan_refused why = {0, 0, 0};

    if (r->phase != WEIR__PLAN_IDLE && r->phase != WEIR__PLAN_WAITING)
        return -EINVAL;
    if (!r->entered && p->total != WEIR_NEVER)
        r->deadline = weir__min64(r->deadline, weir__sat_add(r->begun, p->total));
    r->entered = 1;
    if (now >= weir__plan_latest(p, r))
        return plan_late(p, r, now);
    if (r->phase == WEIR__PLAN_IDLE && now < r->not_before)
        return weir__sat_sub(r->not_before, now);
    for (; r->pos < p->n; r->pos++) {
        int64_t wait = plan_take(p, r, now, &why);
        if (wait < 0)
            return plan_refuse(p, r, &why, now);
        if (wait > 0)
            return wait;
    }
    if (r->waited && plan_recheck(p, r, now, &why) < 0)
        return plan_refuse(p, r, &why, now);
    plan_start(p, r, now);
    return 0;
}

/* --- the user's code, without the lock ---------------------------------------- */

/* `delay` wants another wait than layer i's retry: the wait, or WEIR_RETRY_STOP. */
static int64_t plan_delay(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_span want,
                          weir_time now)
{
    weir_time start = weir__sat_add(now, want);
    int64_t wait = want;

    weir__plan_enter(p);
    if (want < 0 || start >= weir__plan_latest(p, r)) {
        r->giveup = want < 0 ? WEIR_GIVEUP_CALLBACK : WEIR_GIVEUP_DEADLINE;
        p->layer[i].counts.refused++;
        p->layer[i].counts.waited--;
        wait = plan_unwind(p, r, i, &r->out, now);
    } else {
        r->not_before = start;
        r->event.wait = want;
    }
    weir__plan_exit(p);
    return wait;
}

/* Asks delay and tells on_retry.  The wait, or WEIR_RETRY_STOP: one of them has ended it. */
static int64_t plan_tell(weir_policy *p, struct weir__plan_run *r, int64_t wait, weir_time now)
{
    while (r->retrying) {
        uint32_t i = r->retrying - 1;
        struct weir_retry_opts o;
        weir_span want;

        weir__plan_enter(p);
        o = p->layer[i].u.retry.opts;
        weir__plan_exit(p);
        r->retrying = 0;
        want = o.delay ? o.delay(o.ctx, &r->event) : r->event.wait;
        if (want != r->event.wait)
            wait = plan_delay(p, r, i, want, now);
        if (o.on_retry && !r->retrying && r->phase != WEIR__PLAN_FINISHED)
            o.on_retry(o.ctx, &r->event);
    }
    return r->phase == WEIR__PLAN_FINISHED ? WEIR_RETRY_STOP : wait; /* they may have ended it */
}

/* The class of a result: what the attempt said, else the innermost classify, else the code. */
static uint32_t plan_class(weir_policy *p, const struct weir__plan_run *r, int result)
{
    int cls = (int)r->hint.cls;

    for (uint32_t i = r->classifies ? p->n : 0; i-- > 0 && cls == WEIR_CLASS_AUTO;) {
        int (*classify)(void *, int) = NULL;
        void *ctx = NULL;

        weir__plan_enter(p);
        if (p->layer[i].kind == WEIR_LAYER_RETRY && p->layer[i].mode != WEIR_OFF) {
            classify = p->layer[i].u.retry.opts.classify;
            ctx = p->layer[i].u.retry.opts.ctx;
        }
        weir__plan_exit(p);
        if (classify)
            cls = classify(ctx, result);
    }
    if (cls == WEIR_CLASS_AUTO)
        return weir_classify(result);
    return cls < 0 || cls > WEIR_CLASS_REJECTED_LOCAL ? WEIR_CLASS_FATAL : (uint32_t)cls;
}

/* --- the doors -------------------------------------------------------------------- */

void weir__plan_begin(const weir_policy *p, struct weir__plan_run *r, weir_time now,
                      weir_time deadline)
{
    static const struct weir__plan_run zero;

    *r = zero;
    weir__list_init(&r->row);
    r->policy = p;
    r->begun = now;
    r->deadline = deadline;
    r->weight = 1;
}

int64_t weir__plan_admit(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    int64_t wait;

    if (weir_policy_error(p) < 0) {
        r->phase = WEIR__PLAN_FINISHED;
        return weir_policy_error(p);
    }
    weir__plan_enter(p);
    wait = plan_admit(p, r, now);
    weir__plan_exit(p);
    if (!r->retrying)
        return wait;
    wait = plan_tell(p, r, wait, now);
    return wait == WEIR_RETRY_STOP ? r->out.result : weir__max64(wait, 1);
}

int64_t weir__plan_done(weir_policy *p, struct weir__plan_run *r, int result, weir_time now,
                        int *out_result)
{
    struct weir_retry_outcome out = {
        .result = result, .retry_after = r->hint.retry_after, .pushback = r->hint.pushback};
    int64_t wait;

    *out_result = result;
    if (r->phase != WEIR__PLAN_RUNNING) {
        *out_result = -EINVAL;
        return 0;
    }
    out.cls = plan_class(p, r, result);
    weir__plan_enter(p);
    r->last_result = result;
    weir__plan_overtime(p, r, now, 0);
    wait = plan_unwind(p, r, UINT32_MAX, &out, now);
    weir__plan_exit(p);
    *out_result = out.result;
    if (r->retrying) {
        wait = plan_tell(p, r, wait, now);
        *out_result = r->out.result;
    }
    return wait == WEIR_RETRY_STOP ? 0 : weir__max64(wait, 1);
}

void weir__plan_abandon(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    struct weir_retry_outcome out = {.result = -ECANCELED, .cls = WEIR_CLASS_CANCELLED};

    if (weir_policy_error(p) < 0 || r->phase == WEIR__PLAN_FINISHED)
        return;
    weir__plan_enter(p);
    plan_leave(p, r);
    plan_unwind(p, r, 0, &out, now);
    weir__plan_exit(p);
}
