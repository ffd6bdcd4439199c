/*
 * gate.c -- layers that let so many through at once: a bulkhead, whose limit
 * is given, and an adaptive limit, which finds it; both with a row.  And the
 * throttle, which has none.
 *
 * A row is served first come, first served.  With `target` set it is watched
 * by CoDel: while its head has stood too long for too long, heads are refused
 * at the pace of the law, and with `lifo` the newest are served meanwhile, for
 * they are the ones that somebody still waits for.
 */
#include <errno.h>

#include "base/arith.h"
#include "policy/plan.h"

/* --- the row ---------------------------------------------------------------- */

static int gate_is_adaptive(const struct weir__plan_layer *l)
{
    return l->kind == WEIR_LAYER_ADAPTIVE;
}

/* Room for this one?  Then it is taken: 1. */
static int gate_try(struct weir__plan_layer *l, struct weir__plan_run *r, weir_time now)
{
    uint32_t i = (uint32_t)(l - l->policy->layer);

    if (gate_is_adaptive(l))
        return weir_adaptive_take(&l->u.adaptive, now, &r->slot[i].u.adaptive) == 0;
    return weir_bulkhead_take(&l->u.bulkhead, r->weight) == 0;
}

static int gate_has_room(const struct weir__plan_layer *l, const struct weir__plan_run *r)
{
    if (gate_is_adaptive(l))
        return weir_adaptive_inflight(&l->u.adaptive) < weir_adaptive_limit(&l->u.adaptive);
    return (uint64_t)l->u.bulkhead.used + r->weight <= l->u.bulkhead.limit;
}

/* There will never be room for it. */
static int gate_too_heavy(const struct weir__plan_layer *l, const struct weir__plan_run *r)
{
    return !gate_is_adaptive(l) && r->weight > l->u.bulkhead.limit;
}

static void gate_wake(struct weir__plan_run *r)
{
    if (r->wake)
        r->wake(r);
}

static struct weir__plan_run *gate_head(const struct weir__plan_layer *l)
{
    return WEIR__ENTRY(l->row.next, struct weir__plan_run, row);
}

/* The one that is served next: the newest in overload, where that was asked for. */
static struct weir__plan_run *gate_next(const struct weir__plan_layer *l)
{
    if (l->lifo && weir_codel_overloaded(&l->codel))
        return WEIR__ENTRY(l->row.prev, struct weir__plan_run, row);
    return gate_head(l);
}

/* Its wait is over, without a permit. */
static void gate_turn_away(struct weir__plan_layer *l, struct weir__plan_run *r)
{
    weir__plan_dequeue(l, r);
    r->park_until = INT64_MIN;
    gate_wake(r);
}

/* Refuses heads as the law says.  It stands again before somebody is served. */
static void gate_shed(struct weir__plan_layer *l, weir_time now)
{
    while (l->codel.target && !weir__list_empty(&l->row)) {
        struct weir__plan_run *head = gate_head(l);

        if (!weir_codel_drop(&l->codel, weir__sat_sub(now, head->not_before), now))
            return;
        gate_turn_away(l, head);
    }
}

/* Hands what is free to those who wait. */
static void gate_grant(struct weir__plan_layer *l, weir_time now)
{
    while (!weir__list_empty(&l->row) && gate_has_room(l, gate_next(l))) {
        struct weir__plan_run *next;

        gate_shed(l, now);
        if (weir__list_empty(&l->row))
            break;
        next = gate_next(l);
        if (!gate_try(l, next, now))
            return;
        weir__plan_dequeue(l, next);
        next->granted = 1;
        gate_wake(next);
    }
    if (weir__list_empty(&l->row))
        weir_codel_empty(&l->codel);
}

static int64_t gate_take(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                         struct weir__plan_refused *why)
{
    struct weir__plan_layer *l = &p->layer[i];

    l->seen = weir__max64(l->seen, now);
    *why = (struct weir__plan_refused){WEIR_EFULL, i, 0};
    if (r->phase == WEIR__PLAN_WAITING) {
        if (!r->granted)
            return now < r->park_until ? WEIR__PLAN_PARK : WEIR_EFULL;
        r->granted = 0;
        r->phase = WEIR__PLAN_IDLE;
        r->slot[i].held = 1;
        return 0;
    }
    if (gate_too_heavy(l, r))
        return WEIR_EFULL;
    r->slot[i].held = weir__list_empty(&l->row) && gate_try(l, r, now);
    if (r->slot[i].held)
        return 0;
    if (l->max_wait == WEIR_NOWAIT || (l->queue && l->queued >= l->queue))
        return WEIR_EFULL;
    r->park_until = weir__plan_latest(p, r);
    if (l->max_wait)
        r->park_until = weir__min64(r->park_until, weir__sat_add(now, l->max_wait));
    if (now >= r->park_until)
        return WEIR_EFULL;
    r->not_before = now;
    weir__plan_enqueue(l, r);
    return WEIR__PLAN_PARK;
}

/* What was held by one that never ran, or ran: cls says. */
static void gate_give(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t cls,
                      weir_time now)
{
    struct weir__plan_layer *l = &p->layer[i];
    enum weir_adaptive_result result = WEIR_ADAPTIVE_IGNORED;

    l->seen = weir__max64(l->seen, now);
    if (cls == WEIR_CLASS_OK || cls == WEIR_CLASS_CLIENT)
        result = WEIR_ADAPTIVE_OK;
    else if (cls == WEIR_CLASS_THROTTLED || cls == WEIR_CLASS_TRANSIENT)
        result = WEIR_ADAPTIVE_DROPPED;
    if (gate_is_adaptive(l))
        (void)weir_adaptive_done(&l->u.adaptive, &r->slot[i].u.adaptive, result, now);
    else
        weir_bulkhead_give(&l->u.bulkhead, r->weight);
    gate_grant(l, now);
}

static void gate_leave(struct weir__plan_layer *l, struct weir__plan_run *r, uint32_t i)
{
    weir__plan_dequeue(l, r);
    if (r->granted)
        gate_give(l->policy, r, i, WEIR_CLASS_CANCELLED, r->not_before);
    else
        gate_grant(l, l->seen); /* a heavy one may have held up those behind it */
}

/* The call runs from here on; what it waited is not the server's doing. */
static void gate_start(struct weir__plan_layer *l, struct weir__plan_run *r, uint32_t i)
{
    if (gate_is_adaptive(l) && r->slot[i].u.adaptive.held)
        r->slot[i].u.adaptive.start = r->attempt_start;
}

/* --- bulkhead --------------------------------------------------------------------- */

static int gate_bulkhead_init(struct weir__plan_layer *l, const struct weir_policy_layer *from)
{
    const struct weir_bulkhead_opts *o = &from->u.bulkhead;
    struct weir_codel_opts c = {.target = o->target, .interval = o->interval};

    if (o->lifo > 1 || ((o->lifo || o->interval) && !o->target) ||
        weir_codel_init(&l->codel, &c) < 0)
        return -EINVAL;
    if (!o->target)
        l->codel.target = 0;
    l->max_wait = o->max_wait;
    l->queue = o->queue;
    l->lifo = o->lifo;
    return weir_bulkhead_init(&l->u.bulkhead, o);
}

/* Those for whom the limit has become too small. */
static void gate_refuse_heavy(struct weir__plan_layer *l)
{
    struct weir__list *at = l->row.next, *next;

    for (; at != &l->row; at = next) {
        struct weir__plan_run *r = WEIR__ENTRY(at, struct weir__plan_run, row);
        next = at->next;
        if (gate_too_heavy(l, r))
            gate_turn_away(l, r);
    }
}

static int gate_bulkhead_set(struct weir__plan_layer *l, const struct weir_policy_layer *from,
                             weir_time now)
{
    struct weir__plan_layer fresh = {.kind = l->kind};

    if (gate_bulkhead_init(&fresh, from) < 0)
        return -EINVAL;
    l->max_wait = fresh.max_wait;
    l->queue = fresh.queue;
    l->lifo = fresh.lifo;
    l->codel.target = fresh.codel.target;
    l->codel.interval = fresh.codel.interval;
    weir_bulkhead_set(&l->u.bulkhead, from->u.bulkhead.limit);
    gate_refuse_heavy(l);
    gate_grant(l, now);
    return 0;
}

const struct weir__plan_kind weir__kind_bulkhead = {
    .name = "bulkhead",
    .init = gate_bulkhead_init,
    .set = gate_bulkhead_set,
    .take = gate_take,
    .leave = gate_leave,
    .give = gate_give,
};

/* --- adaptive limit ------------------------------------------------------------------ */

static int gate_adaptive_init(struct weir__plan_layer *l, const struct weir_policy_layer *from)
{
    const struct weir_adaptive_opts *o = &from->u.adaptive;

    if (o->max_wait < WEIR_NOWAIT || weir_adaptive_init(&l->u.adaptive, o) < 0)
        return -EINVAL;
    l->max_wait = o->max_wait;
    l->queue = o->queue;
    return 0;
}

static int gate_adaptive_set(struct weir__plan_layer *l, const struct weir_policy_layer *from,
                             weir_time now)
{
    if (from->u.adaptive.max_wait < WEIR_NOWAIT ||
        weir_adaptive_set(&l->u.adaptive, &from->u.adaptive) < 0)
        return -EINVAL;
    l->max_wait = from->u.adaptive.max_wait;
    l->queue = from->u.adaptive.queue;
    gate_grant(l, now);
    return 0;
}

const struct weir__plan_kind weir__kind_adaptive = {
    .name = "adaptive",
    .init = gate_adaptive_init,
    .set = gate_adaptive_set,
    .take = gate_take,
    .leave = gate_leave,
    .start = gate_start,
    .give = gate_give,
};

/* --- throttle --------------------------------------------------------------------------- */

static int gate_shed_init(struct weir__plan_layer *l, const struct weir_policy_layer *from)
{
    return weir_shed_init(&l->u.shed, &from->u.shed);
}

static int gate_shed_set(struct weir__plan_layer *l, const struct weir_policy_layer *from,
                         weir_time now)
{
    struct weir_shed fresh;

    (void)now;
    if (weir_shed_init(&fresh, &from->u.shed) < 0)
        return -EINVAL;
    if (fresh.opts.window != l->u.shed.opts.window)
        l->u.shed = fresh; /* buckets of another width say nothing */
    else
        l->u.shed.opts = fresh.opts;
    return 0;
}

static int64_t gate_shed_take(weir_policy *p, struct weir__plan_run *r, uint32_t i, weir_time now,
                              struct weir__plan_refused *why)
{
    struct weir_shed *s = &p->layer[i].u.shed;
    int refused = weir_shed_take(s, s->opts.cls, now, &p->rng);

    r->slot[i].held = refused == 0;
    if (refused)
        *why = (struct weir__plan_refused){WEIR_ESHED, i, 0};
    return refused;
}

/* An answer is an accept, whatever it says, unless it says overload or there was none. */
static void gate_shed_give(weir_policy *p, struct weir__plan_run *r, uint32_t i, uint32_t cls,
                           weir_time now)
{
    (void)r;
    if (cls == WEIR_CLASS_OK || cls == WEIR_CLASS_CLIENT || cls == WEIR_CLASS_FATAL)
        weir_shed_accepted(&p->layer[i].u.shed, now);
}

const struct weir__plan_kind weir__kind_shed = {
    .name = "shed",
    .init = gate_shed_init,
    .set = gate_shed_set,
    .take = gate_shed_take,
    .give = gate_shed_give,
};
