/*
 * main.c -- weir's workloads: bench/run.sh sets them beside the floor and the peers.
 */
#include <weir.h>

#include "workloads.h"

static int main_enter(int (*fn)(void *), void *arg)
{
    return weir_run(NULL, fn, arg);
}

int main(int argc, char **argv)
{
    static const struct bench_case *const tables[] = {
        streams_cases, tasks_cases,  chans_cases, locks_cases,
        caches_cases,  timers_cases, echo_cases,  NULL,
    };

    return bench_main(argc, argv, tables, main_enter);
}
