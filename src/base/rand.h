/*
 * rand.h -- where objects that own a generator get their seeds.
 *
 * Each call of weir__seed_next gives another seed.  After weir__seed_set(s)
 * the seeds are a function of s and of the order of the calls, which is what a
 * simulation needs; before, they differ from process to process, those of a
 * child from its parent's too.
 */
#ifndef WEIR_BASE_RAND_H
#define WEIR_BASE_RAND_H

#include <weir/rand.h>

uint64_t weir__seed_next(void);
void weir__seed_set(uint64_t seed);

/* How often the process and its forebears have forked since the first seed: what to compare. */
uint32_t weir__seed_forks(void);

#endif
