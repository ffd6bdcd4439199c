/*
 * budget.c -- Finagle's retry budget with exact ratios.
 *
 * slice[i] holds deposits minus withdrawals of one tenth of ttl; balance is
 * their sum; a retry is allowed iff reserve + balance >= 1000.
 */
#include <weir/budget.h>

#include <errno.h>

#include "base/arith.h"

#define BUDGET_COST 1000
#define BUDGET_MOST ((int64_t)1 << 52)

static uint32_t budget_or(uint32_t given, uint32_t normal)
{
    return given == 0 ? normal : given == WEIR_BUDGET_NONE ? 0 : given;
}

int weir_budget_init(struct weir_budget *b, const struct weir_budget_opts *opts)
{
    static const struct weir_budget_opts defaults;
    static const struct weir_budget zero;
    int bad = opts && (opts->reserved[0] || opts->reserved[1] || opts->ttl < 0 ||
                       (opts->ttl && opts->ttl < WEIR_BUDGET_SLICES));
    const struct weir_budget_opts *o = opts && !bad ? opts : &defaults;
    weir_span ttl = o->ttl ? o->ttl : WEIR_S(10);
    uint64_t reserve = weir__mul_div((uint64_t)budget_or(o->min_per_sec, 10) * BUDGET_COST,
                                     (uint64_t)ttl, (uint64_t)WEIR_S(1));

    *b = zero;
    b->ratio_milli = budget_or(o->ratio_milli, 200);
    b->width = ttl / WEIR_BUDGET_SLICES;
    b->reserve = reserve > (uint64_t)BUDGET_MOST ? BUDGET_MOST : (int64_t)reserve;
    return bad ? -EINVAL : 0;
}

/* Ages slices out; returns the slice of now.  Time that steps back stands still. */
static int64_t *budget_slice(struct weir_budget *b, weir_time now)
{
    int64_t tick = weir__max64(now, 0) / b->width, age = tick - b->tick;

    for (int64_t i = 1; age > 0 && i <= weir__min64(age, WEIR_BUDGET_SLICES); i++) {
        int64_t *old = &b->slice[(b->tick + i) % WEIR_BUDGET_SLICES];
        b->balance -= *old;
        *old = 0;
    }
    b->tick = weir__max64(tick, b->tick);
    return &b->slice[b->tick % WEIR_BUDGET_SLICES];
}

static void budget_move(struct weir_budget *b, int64_t *slice, int64_t amount)
{
    if (b->balance > BUDGET_MOST && amount > 0)
        return;
    *slice += amount;
    b->balance += amount;
}

void weir_budget_deposit(struct weir_budget *b, weir_time now)
{
    budget_move(b, budget_slice(b, now), b->ratio_milli);
}

int weir_budget_take(struct weir_budget *b, weir_time now, struct weir_budget_token *out_token)
{
    int64_t *slice = budget_slice(b, now);

    out_token->tick_plus_one = 0;
    if (b->reserve + b->balance < BUDGET_COST)
        return WEIR_EBUDGET;
    budget_move(b, slice, -BUDGET_COST);
    out_token->tick_plus_one = b->tick + 1;
    return 0;
}

void weir_budget_refund(struct weir_budget *b, weir_time now, struct weir_budget_token *token)
{
    int64_t tick = token->tick_plus_one - 1;

    token->tick_plus_one = 0;
    budget_slice(b, now);
    if (tick >= 0 && tick <= b->tick && b->tick - tick < WEIR_BUDGET_SLICES)
        budget_move(b, &b->slice[tick % WEIR_BUDGET_SLICES], BUDGET_COST);
}

uint64_t weir_budget_left(struct weir_budget *b, weir_time now)
{
    budget_slice(b, now);
    return b->reserve + b->balance < 0 ? 0 : (uint64_t)(b->reserve + b->balance) / BUDGET_COST;
}
