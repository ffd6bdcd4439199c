/*
 * bench.h -- what the bench programs share: a table of workloads, and one
 * result line for each, the line of the peers:
 *
 *     name  min-ns/item  items  median-ns/item  min-CPU-ns/item  median-CPU-ns/item
 *     peak-RSS-kB  RSS-growth-B/item  repeats  others-%
 *
 * separated by tabs.  A workload is run once untimed, then its repeats.  CPU is
 * that of the whole process, kernel included.  Peak RSS is read after the
 * untimed run, growth is from just before it.  Others is the CPU that all else
 * on the machine took during the repeats, in percent of one core.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

struct bench_case {
    const char *name; /* as the peers call it */
    int repeats;
    long items;              /* of one repeat, before --scale */
    long (*run)(long items); /* one repeat; how many items it did */
    uint32_t loops;          /* threads it runs on; 0: one */
};

/*
 *     PROGRAM list | run [--scale F] [--reps N] NAME ...
 *
 * `tables` ends in NULL, each table in a case without a name.  `enter` calls
 * fn(arg) where a workload of so many loops can run (weir_run, say) and returns
 * its result.
 */
int bench_main(int argc, char **argv, const struct bench_case *const *tables,
               int (*enter)(uint32_t loops, int (*fn)(void *), void *arg));

/* Ends the program with `what` if it does not hold: a workload that went wrong has no time. */
void bench_check(bool holds, const char *what);

/* 0 + 1 + ... + (n - 1) */
static inline int64_t bench_sum(long n)
{
    return (int64_t)n * (n - 1) / 2;
}

/* A monotonic clock in nanoseconds. */
int64_t bench_clock(void);

/* The same numbers on every run: below n, from a state that starts as any number but 0. */
uint64_t bench_random(uint64_t *state, uint64_t n);

/* Keeps a result alive. */
extern volatile int64_t bench_sink;

#endif
