/*
 * policy.c -- making and freeing stacks.
 *
 * A stack is one block; nothing is allocated after it was made.  A failed
 * constructor returns a static handle that knows its code.
 */
#include <errno.h>

#include "base/alloc.h"
#include "base/arith.h"
#include "base/rand.h"
#include "policy/plan.h"

static struct weir_policy policy_invalid = {.poison = -EINVAL, .lock = ATOMIC_FLAG_INIT};
static struct weir_policy policy_no_memory = {.poison = -ENOMEM, .lock = ATOMIC_FLAG_INIT};

static int policy_timeout_check(const struct weir_timeout_opts *o)
{
    return o->total < 0 || o->each < 0 || o->reserved[0] || o->reserved[1] ? -EINVAL : 0;
}

static int policy_layer_init(struct weir__plan_layer *l, const struct weir_policy_layer *from)
{
    l->kind = from->kind;
    weir__list_init(&l->row);
    if (from->reserved)
        return -EINVAL;
    switch (from->kind) {
    case WEIR_LAYER_RETRY:
        return weir_retry_init(&l->u.retry, &from->u.retry);
    case WEIR_LAYER_BREAKER:
        return weir_breaker_init(&l->u.breaker, &from->u.breaker);
    case WEIR_LAYER_RATE:
        return weir_rate_init(&l->u.rate, &from->u.rate);
    case WEIR_LAYER_BULKHEAD:
        l->max_wait = from->u.bulkhead.max_wait;
        l->queue = from->u.bulkhead.queue;
        return weir_bulkhead_init(&l->u.bulkhead, &from->u.bulkhead);
    case WEIR_LAYER_TIMEOUT:
        l->u.timeout = from->u.timeout;
        return policy_timeout_check(&from->u.timeout);
    default:
        return -EINVAL;
    }
}

/* What holds for the whole stack, gathered once. */
static void policy_sum(struct weir_policy *p)
{
    p->total = p->each = WEIR_NEVER;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct weir__plan_layer *l = &p->layer[i];
        if (l->kind == WEIR_LAYER_RETRY)
            p->min_attempt = weir__max64(p->min_attempt, l->u.retry.opts.min_attempt);
        if (l->kind != WEIR_LAYER_TIMEOUT)
            continue;
        if (l->u.timeout.total)
            p->total = weir__min64(p->total, l->u.timeout.total);
        if (l->u.timeout.each)
            p->each = weir__min64(p->each, l->u.timeout.each);
    }
}

static size_t policy_size(size_t n)
{
    return sizeof(struct weir_policy) + n * sizeof(struct weir__plan_layer);
}

weir_policy *weir_policy_new(const struct weir_policy_layer *layers, size_t n)
{
    struct weir_policy *p;
    int r = 0;

    if (n > WEIR_POLICY_LAYERS || (n > 0 && !layers))
        return &policy_invalid;
    p = weir__alloc(policy_size(n));
    if (!p)
        return &policy_no_memory;
    p->n = (uint32_t)n;
    atomic_flag_clear(&p->lock);
    for (size_t i = 0; i < n && r == 0; i++)
        r = policy_layer_init(&p->layer[i], &layers[i]);
    if (r < 0) {
        weir__free(p, policy_size(n));
        return &policy_invalid;
    }
    policy_sum(p);
    weir_rng_init(&p->rng, weir__seed_next(), 0);
    return p;
}

void weir_policy_free(weir_policy **p)
{
    if (!p || !*p)
        return;
    if ((*p)->poison == 0)
        weir__free(*p, policy_size((*p)->n));
    *p = NULL;
}

int weir_policy_error(const weir_policy *p)
{
    return p ? p->poison : -EINVAL;
}

void weir_policy_seed(weir_policy *p, uint64_t seed)
{
    if (weir_policy_error(p) < 0)
        return;
    weir__plan_lock(&p->lock);
    weir_rng_init(&p->rng, seed, 0);
    weir__plan_unlock(&p->lock);
}

int weir_policy_pause(weir_policy *p, weir_time until, weir_time now)
{
    int rates = 0;

    if (weir_policy_error(p) < 0)
        return weir_policy_error(p);
    weir__plan_lock(&p->lock);
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->layer[i].kind != WEIR_LAYER_RATE)
            continue;
        weir_rate_pause(&p->layer[i].u.rate, until, now);
        rates++;
    }
    weir__plan_unlock(&p->lock);
    return rates;
}
