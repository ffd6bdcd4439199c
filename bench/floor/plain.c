/*
 * plain.c -- the floor of what needs no fiber: loops over batches of 256, an
 * addition behind a call, a clock read.
 *
 * A stage is a function of its own that the compiler may not merge with the
 * next, as in a library whose stages are chosen at run time.
 */
#include "floor.h"

#define PLAIN_APART __attribute__((noinline))

enum { PLAIN_BATCH = 256 };

/* --- streams ---------------------------------------------------------------------- */

static PLAIN_APART long plain_range(uint64_t *out, uint64_t from)
{
    for (long i = 0; i < PLAIN_BATCH; i++)
        out[i] = from + (uint64_t)i;
    return PLAIN_BATCH;
}

static PLAIN_APART long plain_even(const uint64_t *in, uint64_t *out, long n)
{
    long k = 0;

    for (long i = 0; i < n; i++) {
        out[k] = in[i];
        k += in[i] % 2 == 0;
    }
    return k;
}

static PLAIN_APART uint64_t plain_add(const uint64_t *in, long n)
{
    uint64_t sum = 0;

    for (long i = 0; i < n; i++)
        sum += in[i];
    return sum;
}

#define PLAIN_MAP(name, expression)                                                                \
    static PLAIN_APART long plain_##name(const uint64_t *in, uint64_t *out, long n)                \
    {                                                                                              \
        for (long i = 0; i < n; i++) {                                                             \
            const uint64_t x = in[i];                                                              \
            out[i] = (expression);                                                                 \
        }                                                                                          \
        return n;                                                                                  \
    }
PLAIN_MAP(square, x *x)
PLAIN_MAP(plus1, x + 1)
PLAIN_MAP(times3, x * 3)
PLAIN_MAP(xor5, x ^ 5)
PLAIN_MAP(plus7, x + 7)
PLAIN_MAP(times5, x * 5)

static long plain_stream_sync(long n)
{
    uint64_t a[PLAIN_BATCH], b[PLAIN_BATCH], sum = 0;

    n = n / PLAIN_BATCH * PLAIN_BATCH;
    for (uint64_t from = 0; from < (uint64_t)n; from += PLAIN_BATCH)
        sum += plain_add(a, plain_square(b, a, plain_even(a, b, plain_range(a, from))));
    bench_sink = (int64_t)sum;
    return n;
}

static long plain_stream_chain5(long n)
{
    uint64_t a[PLAIN_BATCH], b[PLAIN_BATCH], sum = 0;

    n = n / PLAIN_BATCH * PLAIN_BATCH;
    for (uint64_t from = 0; from < (uint64_t)n; from += PLAIN_BATCH) {
        long k = plain_plus1(a, b, plain_range(a, from));

        k = plain_plus7(a, b, plain_xor5(b, a, plain_times3(b, a, k)));
        sum += plain_add(b, plain_even(a, b, plain_times5(b, a, k)));
    }
    bench_sink = (int64_t)sum;
    return n;
}

/* --- permits ---------------------------------------------------------------------- */

static PLAIN_APART int plain_take(long *permits)
{
    if (*permits == 0)
        return 1;
    --*permits;
    __asm__ volatile("" ::: "memory");
    return 0;
}

static PLAIN_APART int plain_give(long *permits)
{
    ++*permits;
    __asm__ volatile("" ::: "memory");
    return 0;
}

static long plain_permits(long n)
{
    long permits = 1;
    int r = 0;

    for (long i = 0; i < n; i++)
        r |= plain_take(&permits) | plain_give(&permits);
    bench_check(r == 0 && permits == 1, "lost a permit");
    return n;
}

/* --- rate limit: one instant, compared and moved ------------------------------------- */

static PLAIN_APART int plain_rate(int64_t *tat, int64_t now)
{
    if (*tat - now > 1000000000)
        return 1;
    *tat = (*tat > now ? *tat : now) + 1;
    return 0;
}

static long plain_rate_clock(long n)
{
    int64_t tat = 0;
    int r = 0;

    for (long i = 0; i < n; i++)
        r |= plain_rate(&tat, bench_clock());
    bench_check(r == 0, "limited");
    return n;
}

static long plain_rate_loop(long n)
{
    int64_t tat = 0, now = bench_clock();
    int r = 0;

    for (long i = 0; i < n; i++)
        r |= plain_rate(&tat, now);
    bench_check(r == 0, "limited");
    return n;
}

const struct bench_case plain_cases[] = {
    {"stream_sync", 9, 10000000, plain_stream_sync},
    {"stream_chain5", 9, 10000000, plain_stream_chain5},
    {"sem_uncontended", 9, 5000000, plain_permits},
    {"mutex_uncontended", 9, 5000000, plain_permits},
    {"ratelimit_clock", 9, 5000000, plain_rate_clock},
    {"ratelimit_loop", 9, 5000000, plain_rate_loop},
    {0},
};
