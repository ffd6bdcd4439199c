/*
 * world.h -- what the tests of the core share: a simulated run that counts its
 * memory, the same for several seeds, and a log of who did what in which order.
 */
#ifndef TESTS_CORE_WORLD_H
#define TESTS_CORE_WORLD_H

#include <errno.h>
#include <weir/chan.h>
#include <weir/run.h>
#include <weir/scope.h>
#include <weir/sync.h>

#include "harness/test.h"

enum { WORLD_SEEDS = 20 };

/* fn(arg) in a simulation of the given seed; its result. */
static inline int world_seed(uint64_t seed, int (*fn)(void *), void *arg)
{
    struct weir_config config = {.alloc = test_alloc};
    return weir_sim_run(seed, &config, fn, arg);
}

/* fn(arg) in a simulation of the test's own seed. */
static inline int world_run(int (*fn)(void *), void *arg)
{
    return world_seed(test_seed(), fn, arg);
}

/* fn(NULL) under several seeds; each has to return 0. */
static inline void world_seeds(int (*fn)(void *))
{
    for (uint64_t i = 0; i < WORLD_SEEDS; i++) {
        uint64_t seed = test_seed() + i;
        int r = world_seed(seed, fn, NULL);
        if (r != 0)
            FAIL("seed %llu gave %d (%s)", (unsigned long long)seed, r, weir_strerror(r));
    }
}

/* On the real clock, where ready fibers run first come, first served. */
static inline int world_real(int (*fn)(void *), void *arg)
{
    struct weir_config config = {.alloc = test_alloc};
    return weir_run(&config, fn, arg);
}

/* A test whose body is a fiber, under several seeds. */
#define SIM_TEST(NAME)                                                                             \
    static int NAME##__fiber(void *world__arg);                                                    \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        world_seeds(NAME##__fiber);                                                                \
    }                                                                                              \
    static int NAME##__fiber(void *world__arg __attribute__((unused)))

/* A test whose body is a fiber on the real clock. */
#define REAL_TEST(NAME)                                                                            \
    static int NAME##__fiber(void *world__arg);                                                    \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        EQ(world_real(NAME##__fiber, NULL), 0);                                                    \
    }                                                                                              \
    static int NAME##__fiber(void *world__arg __attribute__((unused)))

#define GO(s, fn, arg) EQ(weir_go(s, fn, arg), 0)

/* Time since the start of a simulation. */
static inline weir_span world_age(void)
{
    return weir_now() - WEIR_EPOCH;
}

/* For fibers that do one thing. */
static inline int fiber_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Sleeps *(weir_span *)arg. */
static inline int fiber_sleep(void *arg)
{
    return weir_sleep(weir_after(*(weir_span *)arg));
}

/* Parks until it is cancelled. */
static inline int fiber_forever(void *arg)
{
    (void)arg;
    return weir_sleep(WEIR_NEVER - 1);
}

/* Returns *(int *)arg. */
static inline int fiber_result(void *arg)
{
    return *(int *)arg;
}

/* Lets everybody else run until they park: more often than any of these tests has fibers. */
static inline void world_settle(void)
{
    for (int i = 0; i < 200; i++)
        (void)weir_yield();
}

#endif
