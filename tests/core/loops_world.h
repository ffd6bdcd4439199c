/*
 * loops_world.h -- what tests of several loops share: a run with so many of them, which
 * counts its memory, and a test that is a fiber of the first of three.
 */
#ifndef TESTS_CORE_LOOPS_WORLD_H
#define TESTS_CORE_LOOPS_WORLD_H

#include <weir/loop.h>

#include "core/world.h"

enum { LOOPS = 3 };

static inline int loops_run(uint32_t loops, int (*fn)(void *), void *arg)
{
    return weir_run(&(struct weir_config){.loops = loops, .alloc = test_alloc}, fn, arg);
}

/* A test whose body is a fiber of the first of three loops. */
#define LOOPS_TEST(NAME)                                                                           \
    static int NAME##__fiber(void *world__arg);                                                    \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        EQ(loops_run(LOOPS, NAME##__fiber, NULL), 0);                                              \
    }                                                                                              \
    static int NAME##__fiber(void *world__arg __attribute__((unused)))

#define GO_ON(s, loop, fn, arg) EQ(weir_go_on(s, loop, fn, arg, NULL), 0)

#endif
