/*
 * par_world.h -- what the tests of weir_par_map on several loops share: jobs that nap,
 * counted on all loops.
 */
#ifndef TESTS_STREAM_PAR_WORLD_H
#define TESTS_STREAM_PAR_WORLD_H

#include "core/loops_world.h"
#include "stream/ints.h"

#define PAR(s, fn, ctx, ...)                                                                       \
    weir_par_map(s, fn, ctx, INT, &(struct weir_par_opts){.loops = LOOPS, __VA_ARGS__})

static inline int add(int *n, int k)
{
    return __atomic_add_fetch(n, k, __ATOMIC_RELAXED);
}

static inline int get(const int *n)
{
    return __atomic_load_n(n, __ATOMIC_RELAXED);
}

struct gauge {
    int running, most, at[8], started, failed;
};

static inline int naps(void *ctx, void *in, void *out)
{
    struct gauge *g = ctx;
    int64_t i = *(int64_t *)in;
    int n = add(&g->running, 1), r;

    add(&g->started, 1);
    for (int m = get(&g->most); m < n;)
        if (__atomic_compare_exchange_n(&g->most, &m, n, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            break;
    add(&g->at[weir_loop_index()], 1);
    EQ(weir_job_seq(), i);
    r = weir_sleep(weir_after(WEIR_US(i * 37 % 300)));
    add(&g->running, -1);
    *(int64_t *)out = i;
    return r < 0 ? r : 1;
}

#endif
