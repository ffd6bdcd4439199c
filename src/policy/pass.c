/*
 * pass.c -- plan.h for strangers: a run in memory whose insides they cannot see.
 */
#include <weir/pass.h>

#include <errno.h>
#include <string.h>

#include "base/arith.h"
#include "policy/plan.h"

struct pass {
    struct weir__plan_run run;
    weir_policy *policy;
    void (*wake)(void *ctx);
    void *ctx;
};

_Static_assert(sizeof(struct pass) <= sizeof(struct weir_pass), "a pass has room for its run");
_Static_assert(_Alignof(struct pass) <= _Alignof(struct weir_pass), "and is aligned for it");

static struct pass *pass_of(struct weir_pass *c)
{
    return (struct pass *)(void *)c;
}

static const struct pass *pass_see(const struct weir_pass *c)
{
    return (const struct pass *)(const void *)c;
}

static void pass_wake(struct weir__plan_run *r)
{
    struct pass *c = r->wake_ctx;
    c->wake(c->ctx);
}

void weir_pass_begin(struct weir_pass *c, weir_policy *p, weir_time now, weir_time deadline,
                     void (*wake)(void *ctx), void *ctx)
{
    struct pass *pass = pass_of(c);

    memset(c, 0, sizeof *c);
    weir__plan_begin(p, &pass->run, now, deadline);
    pass->policy = p;
    pass->wake = wake;
    pass->ctx = ctx;
    pass->run.wake = wake ? pass_wake : NULL;
    pass->run.wake_ctx = pass;
}

void weir_pass_within(struct weir_pass *c, const struct weir_pass *outer)
{
    pass_of(c)->run.outer = outer ? &pass_see(outer)->run : NULL;
}

int weir_pass_weigh(struct weir_pass *c, uint32_t weight)
{
    if (weight == 0)
        return -EINVAL;
    pass_of(c)->run.weight = weight;
    return 0;
}

int64_t weir_pass_enter(struct weir_pass *c, weir_time now)
{
    struct weir__plan_run *r = &pass_of(c)->run;
    int64_t wait = weir__plan_admit(pass_of(c)->policy, r, now);

    if (wait != WEIR__PLAN_PARK)
        return wait;
    return r->park_until == WEIR_NEVER ? WEIR_NEVER
                                       : weir__max64(weir__sat_sub(r->park_until, now), 1);
}

int64_t weir_pass_done(struct weir_pass *c, uint32_t attempt,
                       const struct weir_retry_outcome *outcome, weir_time now, int *out_result)
{
    struct pass *pass = pass_of(c);
    struct weir__plan_run *r = &pass->run;

    if (attempt != r->attempt)
        return -ESTALE;
    if (r->phase != WEIR__PLAN_RUNNING || outcome->counted ||
        outcome->cls > WEIR_CLASS_REJECTED_LOCAL || outcome->pushback > WEIR_PUSHBACK_STOP)
        return -EINVAL;
    r->hint = *outcome;
    return weir__plan_done(pass->policy, r, outcome->result, now, out_result);
}

void weir_pass_abandon(struct weir_pass *c, weir_time now)
{
    weir__plan_abandon(pass_of(c)->policy, &pass_of(c)->run, now);
}

uint32_t weir_pass_attempt(const struct weir_pass *c)
{
    return pass_see(c)->run.attempt;
}

weir_time weir_pass_deadline(const struct weir_pass *c)
{
    const struct weir__plan_run *r = &pass_see(c)->run;
    return r->attempt ? r->attempt_deadline : r->deadline;
}

enum weir_giveup weir_pass_giveup(const struct weir_pass *c)
{
    return (enum weir_giveup)pass_see(c)->run.giveup;
}

struct weir_refusal weir_pass_refusal(const struct weir_pass *c)
{
    return pass_see(c)->run.refusal;
}
