/*
 * call.c -- the driver of a policy stack on a fiber: admit, run, done.
 *
 * A call that waits does so on one event, under one deadline; whoever hands it
 * a permit or an earlier place sets the event.  Whatever ends the wait, the
 * plan is asked again, so a spurious wake-up is harmless.
 */
#include <weir/call.h>
#include <weir/run.h>
#include <weir/sync.h>

#include <errno.h>

#include "base/arith.h"
#include "call/attempt.h"
#include "core/core.h"

struct call_frame {
    struct weir__plan_run run;
    struct weir_event event;
};

weir_time weir__attempt_outer(void)
{
    struct weir__fiber *me = weir__self();
    weir_time least = WEIR_NEVER;

    for (const struct weir__node *n = me ? me->node : NULL; n; n = n->parent) {
        if (n->timer.pos)
            least = weir__min64(least, n->timer.at);
        if (n->kind == WEIR__NODE_SHIELD)
            break;
    }
    return least;
}

int weir__attempt_run(struct weir__plan_run *r, int (*fn)(void *), void *arg)
{
    void *outer_run = weir__fiber_slot_get(WEIR__SLOT_TRY);
    int limited = r->attempt_deadline < weir__attempt_outer(), result;
    struct weir_limit l;

    result = limited ? weir_limit_init(&l, r->attempt_deadline) : 0;
    weir__fiber_slot_set(WEIR__SLOT_TRY, r);
    if (result == 0)
        result = fn(arg);
    weir__fiber_slot_set(WEIR__SLOT_TRY, outer_run);
    return limited ? weir_limit_fini(&l, result) : result;
}

static void call_wake(struct weir__plan_run *r)
{
    weir_event_set(r->wake_ctx);
}

/* Parks until the plan may be asked again.  0, or -ECANCELED. */
static int call_wait(struct call_frame *c, int64_t wait)
{
    weir_time until = wait == WEIR__PLAN_PARK ? c->run.park_until : weir__sat_add(weir_now(), wait);
    int r = weir_event_wait(&c->event, until);

    weir_event_clear(&c->event);
    return r == -ETIMEDOUT ? 0 : r;
}

/* Until the plan lets the attempt start: 0; or the call's result. */
static int call_admit(weir_policy *p, struct call_frame *c)
{
    int64_t wait;
    int r;

    while ((wait = weir__plan_admit(p, &c->run, weir_now())) > 0) {
        r = call_wait(c, wait);
        if (r < 0)
            return r;
    }
    return (int)wait;
}

static int call_loop(weir_policy *p, struct call_frame *c, int (*fn)(void *), void *arg)
{
    int64_t wait;
    int r, result;

    for (;;) {
        r = call_admit(p, c);
        if (r < 0)
            return r;
        result = weir__attempt_run(&c->run, fn, arg);
        wait = weir__plan_done(p, &c->run, result, weir_now(), &result);
        if (wait == 0)
            return result;
        r = call_wait(c, wait);
        if (r < 0)
            return r;
    }
}

static void call_report(const struct weir__plan_run *run, struct weir_call_report *out)
{
    *out = (struct weir_call_report){.attempts = run->attempt,
                                     .giveup = run->giveup,
                                     .last_result = run->last_result,
                                     .took = weir_now() - run->begun,
                                     .refusal = run->refusal};
}

int weir_call_weighed(weir_policy *p, uint32_t weight, int (*fn)(void *), void *arg,
                      struct weir_call_report *out_report)
{
    struct weir__fiber *me = weir__self();
    struct call_frame c;
    weir_time outer = weir__attempt_outer();
    int r = weir_policy_error(p);

    weir__plan_begin(p, &c.run, weir_now(), outer);
    c.run.weight = weight;
    c.run.wake = call_wake;
    c.run.wake_ctx = &c.event;
    c.run.outer = me ? weir__fiber_slot_get(WEIR__SLOT_TRY) : NULL;
    weir_event_init(&c.event);
    if (r == 0)
        r = !fn || weight == 0 ? -EINVAL : !me ? WEIR_ENOFIBER : me->node->why ? -ECANCELED : 0;
    if (r == 0)
        r = call_loop(p, &c, fn, arg);
    weir__plan_abandon(p, &c.run, weir_now());
    if (r == -ETIMEDOUT && c.run.refusal.code == -ETIMEDOUT && c.run.deadline == outer)
        r = -ECANCELED; /* the scope's deadline, not ours: its owner says -ETIMEDOUT */
    if (out_report)
        call_report(&c.run, out_report);
    return r;
}

int weir_call_run(weir_policy *p, int (*fn)(void *), void *arg, struct weir_call_report *out_report)
{
    return weir_call_weighed(p, 1, fn, arg, out_report);
}

int weir_call(weir_policy *p, int (*fn)(void *), void *arg)
{
    return weir_call_run(p, fn, arg, NULL);
}

int weir_call_or(weir_policy *p, int (*fn)(void *), void *arg, int (*fallback)(void *arg, int code),
                 struct weir_call_report *out_report)
{
    int r = fallback ? weir_call_run(p, fn, arg, out_report) : -EINVAL;

    if (r >= 0 || !fallback || !fn || weir_policy_error(p) < 0 || r == WEIR_ENOFIBER ||
        weir_cancel_why())
        return r;
    return fallback(arg, r);
}

struct weir_try weir_try_info(void)
{
    const struct weir__plan_run *r = weir__self() ? weir__fiber_slot_get(WEIR__SLOT_TRY) : NULL;
    struct weir_try t = {0, 0, 0, 0};

    if (r)
        t = (struct weir_try){r->attempt, r->attempt_start, r->attempt_deadline, r->last_result};
    return t;
}

int weir_try_hint(enum weir_class cls, weir_span retry_after)
{
    struct weir__plan_run *r = weir__self() ? weir__fiber_slot_get(WEIR__SLOT_TRY) : NULL;

    if ((int)cls < 0 || cls > WEIR_CLASS_REJECTED_LOCAL || retry_after < 0)
        return -EINVAL;
    if (!r)
        return -ENOENT;
    r->hint.cls = cls;
    r->hint.retry_after = retry_after;
    r->hint.pushback = WEIR_PUSHBACK_NONE;
    return 0;
}

int weir_try_pushback(weir_span wait)
{
    struct weir__plan_run *r = weir__self() ? weir__fiber_slot_get(WEIR__SLOT_TRY) : NULL;

    if (!r)
        return -ENOENT;
    r->hint.retry_after = weir__max64(wait, 0);
    r->hint.pushback = wait < 0 ? WEIR_PUSHBACK_STOP : WEIR_PUSHBACK_WAIT;
    return 0;
}
