/*
 * main.c -- weir's workloads: bench/compare.sh sets them beside the floor and the peers.
 */
#include <weir.h>

#include "workloads.h"

static int main_enter(uint32_t loops, int (*fn)(void *), void *arg)
{
    struct weir_config config = {.loops = loops};

    return weir_run(&config, fn, arg);
}

int main(int argc, char **argv)
{
    static const struct bench_case *const tables[] = {
        streams_cases, pipeline_cases, words_cases,  tasks_cases, chans_cases,
        locks_cases,   caches_cases,   timers_cases, echo_cases,  NULL,
    };

    return bench_main(argc, argv, tables, main_enter);
}
