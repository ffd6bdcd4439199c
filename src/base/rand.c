/*
 * rand.c -- xoshiro256** and the seeds of the process.
 *
 * The generator is never in the all-zero state: splitmix64 is a bijection of a
 * counter that moves, so four zeros in a row cannot come out of it, and a
 * struct that was never initialised is started with seed 0 at its first use.
 */
#include "base/rand.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/arith.h"

static _Atomic uint64_t rand_seed_base;
static _Atomic uint64_t rand_seed_count;
static _Atomic uint32_t rand_seed_forks, rand_seed_fixed;
static pthread_once_t rand_seed_once = PTHREAD_ONCE_INIT;

static uint64_t rand_mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t rand_rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void weir_rng_init(struct weir_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t z = rand_mix(seed + 0x9e3779b97f4a7c15u) ^ rand_mix(~stream);

    for (int i = 0; i < 4; i++)
        rng->s[i] = rand_mix(z += 0x9e3779b97f4a7c15u);
}

uint64_t weir_rng_next(struct weir_rng *rng)
{
    uint64_t *s = rng->s, out, t;

    if (!(s[0] | s[1] | s[2] | s[3]))
        weir_rng_init(rng, 0, 0);
    out = rand_rotl(s[1] * 5, 7) * 9;
    t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rand_rotl(s[3], 45);
    return out;
}

uint64_t weir_rng_below(struct weir_rng *rng, uint64_t n)
{
    uint64_t low, high = weir__mul_wide(weir_rng_next(rng), n, &low);

    if (low < n) { /* rare: only here can a draw be one of the surplus ones */
        uint64_t surplus = (0 - n) % n;
        while (low < surplus)
            high = weir__mul_wide(weir_rng_next(rng), n, &low);
    }
    return high;
}

double weir_rng_unit(struct weir_rng *rng)
{
    return (double)(weir_rng_next(rng) >> 11) * 0x1p-53;
}

/* The kernel hands every program 16 random bytes: no system call is needed for them. */
static uint64_t rand_process_seed(void)
{
    uint64_t seed = 0;
    const void *random_bytes = (const void *)getauxval(AT_RANDOM);

    if (random_bytes)
        memcpy(&seed, random_bytes, sizeof seed);
    return seed | 1;
}

/* In a child: other seeds from here on, unless they were set. */
static void rand_forked(void)
{
    uint64_t base = atomic_load(&rand_seed_base);

    atomic_fetch_add(&rand_seed_forks, 1);
    if (base && !atomic_load(&rand_seed_fixed))
        atomic_store(&rand_seed_base, rand_mix(base ^ rand_mix((uint64_t)getpid())) | 1);
}

static void rand_watch_forks(void)
{
    pthread_atfork(NULL, NULL, rand_forked);
}

uint32_t weir__seed_forks(void)
{
    return atomic_load(&rand_seed_forks);
}

uint64_t weir__seed_next(void)
{
    uint64_t base = atomic_load(&rand_seed_base), none = 0;

    pthread_once(&rand_seed_once, rand_watch_forks);
    if (base == 0) {
        base = rand_process_seed();
        if (!atomic_compare_exchange_strong(&rand_seed_base, &none, base))
            base = none;
    }
    return rand_mix(base + 0x9e3779b97f4a7c15u * (atomic_fetch_add(&rand_seed_count, 1) + 1));
}

void weir__seed_set(uint64_t seed)
{
    atomic_store(&rand_seed_fixed, 1);
    atomic_store(&rand_seed_base, rand_mix(seed) | 1);
    atomic_store(&rand_seed_count, 0);
}
