/*
 * timers.c -- n fibers, each sleeping a random time below a second.  The wall
 * time is the sleep; read the CPU time and the memory.
 */
#include <weir.h>

#include "workloads.h"

static int timers_sleep(void *arg)
{
    return weir_sleep(weir_after(WEIR_US((intptr_t)arg)));
}

static long timers_run(long n)
{
    weir_scope *s = weir_scope_open(NULL);
    uint64_t random = 7;
    int r = 0;

    for (long i = 0; i < n && r == 0; i++)
        r = weir_go(s, timers_sleep, (void *)(intptr_t)bench_random(&random, 1000000));
    bench_check(r == 0 && weir_scope_close(&s) == 0, "sleeping failed");
    return n;
}

const struct bench_case timers_cases[] = {
    {"timers_100k_1t", 5, 100000, timers_run},
    {"timers_1m_1t", 5, 1000000, timers_run},
    {0},
};
