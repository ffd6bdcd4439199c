/*
 * workloads.h -- the tables of workloads, a file each.
 *
 * `_1t` in a name is one loop on one thread, as with the peers, `_2t` two loops on
 * two; a name without is for a workload that has but one task.
 */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include "bench.h"

extern const struct bench_case streams_cases[], pipeline_cases[], words_cases[], tasks_cases[],
    chans_cases[], locks_cases[], caches_cases[], timers_cases[], echo_cases[];

#endif
