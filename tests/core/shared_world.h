/*
 * shared_world.h -- what the tests of objects between loops share: short waits at random,
 * and counted items, each of which that was made or cloned is dropped, once.
 */
#ifndef TESTS_CORE_SHARED_WORLD_H
#define TESTS_CORE_SHARED_WORLD_H

#include <stdbool.h>
#include <weir.h>

#include "core/loops_world.h"
#include "core/waiters.h"

enum { MANY = 3 * LOOPS, ROUNDS = 60 };

static inline uint64_t random_next(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return *x >> 33;
}

/* A wait for ever, or a short one now and then. */
static inline weir_time hurry(uint64_t *x)
{
    return random_next(x) % 4 ? WEIR_NEVER : weir_after((weir_span)(random_next(x) % 40) * 1000);
}

static inline void sleep_some(uint64_t *x)
{
    (void)weir_sleep(weir_after((weir_span)(random_next(x) % 150) * 1000));
}

/* Until so many hold the object: its handles, and those who stand there. */
static inline void until_held(void *object, uint32_t refs)
{
    struct weir__block *b = object;
    uint32_t n = 0;

    while (n < refs) {
        struct weir__loop *g = weir__guard(&b->lock);

        n = b->refs;
        weir__unguard(g, &b->lock);
        EQ(weir_sleep(weir_after(WEIR_US(50))), 0);
    }
}

static inline int waits_for_latch(void *arg)
{
    return weir_latch_wait(arg, WEIR_NEVER);
}

/* --- counted items ----------------------------------------------------- */

static int balance; /* made and cloned, less dropped; atomic */

struct item {
    int64_t value; /* 0: empty */
};

static inline struct item item_make(int64_t value)
{
    __atomic_add_fetch(&balance, 1, __ATOMIC_RELAXED);
    return (struct item){value};
}

static inline void item_drop(void *at)
{
    struct item *i = at;

    if (i->value)
        __atomic_sub_fetch(&balance, 1, __ATOMIC_RELAXED);
    i->value = 0;
}

static inline int item_clone(void *to, const void *from)
{
    *(struct item *)to = *(const struct item *)from;
    if (((const struct item *)from)->value)
        __atomic_add_fetch(&balance, 1, __ATOMIC_RELAXED);
    return 0;
}

static inline struct weir_type item_type(void)
{
    struct weir_type t = WEIR_TYPE(struct item);

    t.drop = item_drop;
    t.clone = item_clone;
    return t;
}

#endif
