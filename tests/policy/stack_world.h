/*
 * stack_world.h -- what the tests of a stack in service share: the counts of a layer,
 * the end of an attempt, and a whole call at one instant.
 */
#ifndef TESTS_POLICY_STACK_WORLD_H
#define TESTS_POLICY_STACK_WORLD_H

#include "harness/test.h"

#include <errno.h>

#include <weir/pass.h>

#include "policy/plan.h"

#define T0 WEIR_EPOCH
#define STEADY .jitter = WEIR_JITTER_NONE

static inline struct weir_layer_counts counts(weir_policy *p, uint32_t layer)
{
    struct weir_layer_counts c;
    EQ(weir_policy_counts(p, layer, &c), 0);
    return c;
}

static inline int64_t end(struct weir_pass *c, int code, weir_time now, int *result)
{
    struct weir_retry_outcome out = {.result = code};
    return weir_pass_done(c, weir_pass_attempt(c), &out, now, result);
}

/* A whole call at one instant: its attempts, and what it came to. */
static inline int once(weir_policy *p, int code, weir_time now)
{
    struct weir_pass c;
    int64_t wait;
    int result = 0;

    weir_pass_begin(&c, p, now, WEIR_NEVER, NULL, NULL);
    wait = weir_pass_enter(&c, now);
    if (wait == 0)
        wait = end(&c, code, now, &result);
    weir_pass_abandon(&c, now);
    return wait < 0 ? (int)wait : wait > 0 ? 1 : result;
}

#endif
