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

static int policy_layer_check(const struct weir_policy_layer *from)
{
    return !weir__plan_kind(from->kind) || from->mode > WEIR_OFF ? -EINVAL : 0;
}

/* A breaker may say its mode in its own options. */
static uint32_t policy_mode(const struct weir_policy_layer *from)
{
    return from->mode == WEIR_ENFORCE && from->kind == WEIR_LAYER_BREAKER ? from->u.breaker.mode
                                                                          : from->mode;
}

static int policy_layer_init(struct weir_policy *p, uint32_t i,
                             const struct weir_policy_layer *from)
{
    struct weir__plan_layer *l = &p->layer[i];

    if (policy_layer_check(from) < 0)
        return -EINVAL;
    l->kind = from->kind;
    l->mode = policy_mode(from);
    l->policy = p;
    weir__list_init(&l->row);
    return weir__plan_kind(from->kind)->init(l, from);
}

void weir__plan_sum(weir_policy *p)
{
    p->total = p->each = WEIR_NEVER;
    p->min_attempt = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct weir__plan_layer *l = &p->layer[i];
        if (l->mode != WEIR_ENFORCE)
            continue;
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

void weir__plan_stir(struct weir__plan_layer *l)
{
    for (struct weir__list *at = l->row.next; at != &l->row; at = at->next) {
        struct weir__plan_run *r = WEIR__ENTRY(at, struct weir__plan_run, row);
        if (r->wake)
            r->wake(r);
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
    for (uint32_t i = 0; i < n && r == 0; i++)
        r = policy_layer_init(p, i, &layers[i]);
    if (r < 0) {
        weir__free(p, policy_size(n));
        return &policy_invalid;
    }
    weir__plan_sum(p);
    p->forks = weir__seed_forks();
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
    weir__plan_enter(p);
    p->seeded = 1;
    weir_rng_init(&p->rng, seed, 0);
    weir__plan_exit(p);
}

int weir_policy_pause(weir_policy *p, weir_time until, weir_time now)
{
    int rates = 0;

    if (weir_policy_error(p) < 0)
        return weir_policy_error(p);
    weir__plan_enter(p);
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->layer[i].kind != WEIR_LAYER_RATE)
            continue;
        weir_rate_pause(&p->layer[i].u.rate, until, now);
        rates++;
    }
    weir__plan_exit(p);
    return rates;
}

/* The layer, of a stack that has it; NULL otherwise. */
static struct weir__plan_layer *policy_layer(weir_policy *p, uint32_t layer)
{
    return weir_policy_error(p) == 0 && layer < p->n ? &p->layer[layer] : NULL;
}

int weir_policy_reconfigure(weir_policy *p, uint32_t layer, const struct weir_policy_layer *to,
                            weir_time now)
{
    struct weir__plan_layer *l = policy_layer(p, layer);
    int r;

    if (!l || !to || to->kind != l->kind || policy_layer_check(to) < 0)
        return -EINVAL;
    weir__plan_enter(p);
    r = weir__plan_kind(l->kind)->set(l, to, now);
    if (r == 0) {
        l->mode = policy_mode(to);
        weir__plan_sum(p);
        weir__plan_stir(l);
    }
    weir__plan_exit(p);
    return r;
}

int weir_policy_set_mode(weir_policy *p, uint32_t layer, enum weir_mode mode)
{
    struct weir__plan_layer *l = policy_layer(p, layer);

    if (!l || (int)mode < WEIR_ENFORCE || mode > WEIR_OFF)
        return -EINVAL;
    weir__plan_enter(p);
    l->mode = mode;
    if (l->kind == WEIR_LAYER_BREAKER)
        l->u.breaker.opts.mode = mode;
    weir__plan_sum(p);
    weir__plan_stir(l);
    weir__plan_exit(p);
    return 0;
}

int weir_policy_counts(weir_policy *p, uint32_t layer, struct weir_layer_counts *out)
{
    struct weir__plan_layer *l = policy_layer(p, layer);

    if (!l || !out)
        return -EINVAL;
    weir__plan_enter(p);
    *out = l->counts;
    if (l->kind == WEIR_LAYER_BREAKER)
        out->would_refuse = weir_breaker_counts(&l->u.breaker).would_refuse;
    weir__plan_exit(p);
    return 0;
}

int weir_policy_force(weir_policy *p, uint32_t layer, enum weir_breaker_state to, weir_time now)
{
    struct weir__plan_layer *l = policy_layer(p, layer);
    int r;

    if (!l || l->kind != WEIR_LAYER_BREAKER)
        return -EINVAL;
    weir__plan_enter(p);
    r = weir_breaker_force(&l->u.breaker, to, now);
    weir__plan_exit(p);
    return r;
}

int weir_policy_breaker_state(weir_policy *p, uint32_t layer, weir_time now)
{
    struct weir__plan_layer *l = policy_layer(p, layer);
    int state;

    if (!l || l->kind != WEIR_LAYER_BREAKER)
        return -EINVAL;
    weir__plan_enter(p);
    state = (int)weir_breaker_state(&l->u.breaker, now);
    weir__plan_exit(p);
    return state;
}
