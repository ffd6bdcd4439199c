/*
 * budget.c -- the four forms of include/weir/budget.h, in whole thousandths.
 *
 * RATIO and SHARE: slice[i] holds deposits minus withdrawals of one tenth of
 * ttl; balance is their sum; a retry is allowed iff reserve + balance >= cost.
 * A share of all tries is a ratio whose retries deposit too, that is, cost less.
 * TOKENS and COST: balance is the bucket, 0 <= balance <= most.
 */
#include <weir/budget.h>

#include <errno.h>

#include "base/arith.h"
#include "policy/steady.h"

#define BUDGET_ONE 1000
#define BUDGET_MOST ((int64_t)1 << 52)

enum { BUDGET_TOKENS = 10, BUDGET_BUCKET = 500, BUDGET_COST_OF_RETRY = 5 };

static int budget_bucket(uint32_t form)
{
    return form >= WEIR_BUDGET_TOKENS;
}

static uint32_t budget_or(uint32_t given, uint32_t normal)
{
    return given == 0 ? normal : given == WEIR_BUDGET_NONE ? 0 : given;
}

static int budget_check(const struct weir_budget_opts *o)
{
    if (o->reserved[0] || o->reserved[1] || o->form > WEIR_BUDGET_COST)
        return -EINVAL;
    if (o->ttl < 0 || (o->ttl && o->ttl < WEIR_BUDGET_SLICES))
        return -EINVAL;
    if (budget_bucket(o->form) ? o->ttl || o->min_per_sec : o->tokens != 0)
        return -EINVAL;
    if (o->form == WEIR_BUDGET_SHARE && budget_or(o->ratio_milli, 0) >= BUDGET_ONE)
        return -EINVAL;
    if (o->form == WEIR_BUDGET_TOKENS && o->tokens > 1000)
        return -EINVAL;
    return o->form == WEIR_BUDGET_COST && o->ratio_milli ? -EINVAL : 0;
}

/* The rule alone, of options that are good. */
static void budget_configure(struct weir_budget *b, const struct weir_budget_opts *o)
{
    int share = o->form == WEIR_BUDGET_SHARE;
    weir_span ttl = o->ttl ? o->ttl : share ? WEIR_S(120) : WEIR_S(10);
    uint32_t least = budget_or(o->min_per_sec, share ? 1 : 10);
    uint64_t reserve =
        weir__mul_div((uint64_t)least * BUDGET_ONE, (uint64_t)ttl, (uint64_t)WEIR_S(1));

    b->form = o->form;
    b->ratio_milli = budget_or(o->ratio_milli, o->form == WEIR_BUDGET_RATIO ? 200 : 100);
    b->width = ttl / WEIR_BUDGET_SLICES;
    b->cost = share ? BUDGET_ONE - b->ratio_milli : BUDGET_ONE;
    b->reserve = weir__min64(BUDGET_MOST, reserve > INT64_MAX ? INT64_MAX : (int64_t)reserve);
    b->most = BUDGET_MOST;
    if (!budget_bucket(o->form))
        return;
    b->reserve = 0;
    if (o->form == WEIR_BUDGET_COST)
        b->cost = BUDGET_COST_OF_RETRY * BUDGET_ONE;
    b->most = o->tokens ? o->tokens : o->form == WEIR_BUDGET_COST ? BUDGET_BUCKET : BUDGET_TOKENS;
    b->most *= BUDGET_ONE;
}

int weir_budget_init(struct weir_budget *b, const struct weir_budget_opts *opts)
{
    static const struct weir_budget_opts defaults;
    static const struct weir_budget zero;
    int bad = opts && budget_check(opts) < 0;

    *b = zero;
    budget_configure(b, opts && !bad ? opts : &defaults);
    if (budget_bucket(b->form))
        b->balance = b->most;
    return bad ? -EINVAL : 0;
}

/* Ages slices out; returns the slice of now. */
static int64_t *budget_slice(struct weir_budget *b, weir_time now)
{
    int64_t tick, age;

    b->last = weir__steady(b->last, &b->shift, now);
    tick = b->last / b->width;
    age = tick - b->tick;
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

/* Moves a bucket's level, within its ends. */
static void budget_fill(struct weir_budget *b, int64_t amount)
{
    b->balance = weir__max64(0, weir__min64(b->most, b->balance + amount));
}

int weir_budget_reconfigure(struct weir_budget *b, const struct weir_budget_opts *opts,
                            weir_time now)
{
    static const struct weir_budget_opts defaults;
    weir_span width = b->width;
    int64_t most = b->most;

    opts = opts ? opts : &defaults;
    if (budget_check(opts) < 0 || opts->form != b->form)
        return -EINVAL;
    budget_slice(b, now);
    budget_configure(b, opts);
    if (budget_bucket(b->form)) {
        b->balance =
            (int64_t)weir__mul_div((uint64_t)b->balance, (uint64_t)b->most, (uint64_t)most);
    } else if (b->width != width) { /* all of it is as if it had just come in */
        for (int i = 0; i < WEIR_BUDGET_SLICES; i++)
            b->slice[i] = 0;
        b->tick = b->last / b->width;
        b->slice[b->tick % WEIR_BUDGET_SLICES] = b->balance;
    }
    return 0;
}

void weir_budget_deposit(struct weir_budget *b, weir_time now)
{
    if (!budget_bucket(b->form))
        budget_move(b, budget_slice(b, now), b->ratio_milli);
}

void weir_budget_failed(struct weir_budget *b, weir_time now)
{
    (void)now;
    if (b->form == WEIR_BUDGET_TOKENS)
        budget_fill(b, -BUDGET_ONE);
}

void weir_budget_succeeded(struct weir_budget *b, weir_time now,
                           const struct weir_budget_token *token)
{
    (void)now;
    if (b->form == WEIR_BUDGET_TOKENS)
        budget_fill(b, b->ratio_milli);
    else if (b->form == WEIR_BUDGET_COST)
        budget_fill(b, token && token->cost ? token->cost : BUDGET_ONE);
}

int weir_budget_take_n(struct weir_budget *b, uint32_t n, weir_time now,
                       struct weir_budget_token *out_token)
{
    int64_t *slice, cost = (int64_t)b->cost * n;

    out_token->tick_plus_one = out_token->cost = 0;
    if (n == 0 || n > 1000)
        return -EINVAL;
    slice = budget_slice(b, now);
    if (b->form == WEIR_BUDGET_TOKENS)
        return b->balance > b->most / 2 ? 0 : WEIR_EBUDGET;
    if (b->reserve + b->balance < cost)
        return WEIR_EBUDGET;
    if (b->form == WEIR_BUDGET_COST)
        budget_fill(b, -cost);
    else
        budget_move(b, slice, -cost);
    *out_token = (struct weir_budget_token){b->tick + 1, cost};
    return 0;
}

int weir_budget_take(struct weir_budget *b, weir_time now, struct weir_budget_token *out_token)
{
    return weir_budget_take_n(b, 1, now, out_token);
}

void weir_budget_refund(struct weir_budget *b, weir_time now, struct weir_budget_token *token)
{
    int64_t tick = token->tick_plus_one - 1, cost = token->cost;

    token->tick_plus_one = token->cost = 0;
    if (tick < 0)
        return;
    budget_slice(b, now);
    if (b->form == WEIR_BUDGET_COST)
        budget_fill(b, cost);
    else if (tick <= b->tick && b->tick - tick < WEIR_BUDGET_SLICES)
        budget_move(b, &b->slice[tick % WEIR_BUDGET_SLICES], cost);
}

uint64_t weir_budget_left(struct weir_budget *b, weir_time now)
{
    int64_t have;

    budget_slice(b, now);
    have = b->reserve + b->balance;
    if (b->form == WEIR_BUDGET_TOKENS) /* failures until it refuses */
        have = b->balance > b->most / 2 ? b->balance - b->most / 2 + BUDGET_ONE - 1 : 0;
    return have < 0 ? 0 : (uint64_t)have / b->cost;
}
