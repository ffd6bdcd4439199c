/*
 * tasks.c -- starting, joining, switching.
 *
 * spawn_join: all fibers are started before the first ends.  _each: one at a
 * time, its result taken by weir_scope_next.  _scope: one at a time, each in a
 * scope of its own.
 */
#include <stdlib.h>
#include <weir.h>

#include "workloads.h"

static int64_t *tasks_results;

static int tasks_store(void *arg)
{
    int64_t *slot = arg;

    *slot = slot - tasks_results;
    return 0;
}

static void tasks_alloc(long n)
{
    tasks_results = calloc((size_t)n, sizeof *tasks_results);
    bench_check(tasks_results, "no memory");
}

static void tasks_judge(long n)
{
    int64_t sum = 0;

    for (long i = 0; i < n; i++)
        sum += tasks_results[i];
    bench_check(sum == bench_sum(n), "wrong sum");
    free(tasks_results);
}

static long tasks_spawn_join(long n)
{
    weir_scope *s = weir_scope_open(NULL);
    int r = 0;

    tasks_alloc(n);
    for (long i = 0; i < n && r == 0; i++)
        r = weir_go(s, tasks_store, &tasks_results[i]);
    bench_check(r == 0 && weir_scope_close(&s) == 0, "spawning failed");
    tasks_judge(n);
    return n;
}

static int tasks_add(void *arg)
{
    ++*(int64_t *)arg;
    return 0;
}

static long tasks_spawn_join_each(long n)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 1});
    struct weir_done done;
    int64_t count = 0;
    int r = 1;

    for (long i = 0; i < n && r == 1; i++)
        r = weir_go(s, tasks_add, &count) == 0 ? weir_scope_next(s, &done, WEIR_NEVER) : 0;
    bench_check(weir_scope_close(&s) == 0 && count == n, "spawning failed");
    return n;
}

static long tasks_spawn_join_scope(long n)
{
    int64_t count = 0;
    int r = 0;

    for (long i = 0; i < n && r == 0; i++) {
        weir_scope *s = weir_scope_open(NULL);

        r = weir_go(s, tasks_add, &count);
        if (r == 0)
            r = weir_scope_close(&s);
    }
    bench_check(count == n, "spawning failed");
    return n;
}

static int tasks_yields(void *arg)
{
    long n = *(long *)arg;
    int r = 0;

    for (long i = 0; i < n && r == 0; i++)
        r = weir_yield();
    return r;
}

static long tasks_yield_switch(long n)
{
    weir_scope *s = weir_scope_open(NULL);
    long half = n / 2;
    int r = weir_go(s, tasks_yields, &half);

    if (r == 0)
        r = weir_go(s, tasks_yields, &half);
    bench_check(r == 0 && weir_scope_close(&s) == 0, "yielding failed");
    return half * 2;
}

const struct bench_case tasks_cases[] = {
    {"spawn_join_1t", 7, 1000000, tasks_spawn_join},
    {"spawn_join_each_1t", 7, 1000000, tasks_spawn_join_each},
    {"spawn_join_scope_1t", 7, 1000000, tasks_spawn_join_scope},
    {"yield_switch_1t", 7, 1000000, tasks_yield_switch},
    {0},
};
