/*
 * rand.h -- random numbers that repeat.
 *
 * One seed gives one sequence, the same on every machine, for ever: a policy
 * under simulation replays exactly.  Streams of one seed are independent.
 * xoshiro256**, seeded by splitmix64.  Not for secrets.
 */
#ifndef WEIR_RAND_H
#define WEIR_RAND_H

#include <weir/base.h>

WEIR_BEGIN

struct weir_rng {
    uint64_t s[4]; /* private; all zero only before weir_rng_init */
};

/* Starts the sequence of (seed, stream).  Any two numbers do. */
WEIR_API void weir_rng_init(struct weir_rng *rng, uint64_t seed, uint64_t stream);

/* The next 64 random bits.  Never parks. */
WEIR_API uint64_t weir_rng_next(struct weir_rng *rng);

/*
 * A number from 0 to n - 1, each exactly as likely as the others (Lemire's
 * method, no modulo bias).  n = 0 gives 0.
 */
WEIR_API uint64_t weir_rng_below(struct weir_rng *rng, uint64_t n);

/* A double in [0, 1), a multiple of 2^-53. */
WEIR_API double weir_rng_unit(struct weir_rng *rng);

WEIR_END
#endif
