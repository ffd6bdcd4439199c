/*
 * streams.c -- synchronous chains, chains over channels, bounded concurrency.
 *
 * stream_sync: 0 .. n, the even ones, squared, summed.  stream_chain5: five
 * maps, a filter that keeps half, take; the maps flip the lowest bit an odd
 * number of times, so take(n / 2) ends after n source items.  Both are ns a
 * source item, with a callback an item, or with kernels.
 */
#include <errno.h>
#include <weir.h>

#include "workloads.h"

#define STREAMS_I64 WEIR_TYPE(int64_t)

static int streams_even(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    return *(int64_t *)in % 2 == 0;
}

static int streams_square(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = (int64_t)(*(uint64_t *)in * *(uint64_t *)in);
    return 1;
}

static int streams_add(void *ctx, void *in, void *acc)
{
    (void)ctx;
    *(uint64_t *)acc += *(uint64_t *)in;
    return 1;
}

/* The sum of what comes, a batch at a time. */
static uint64_t streams_batches(weir_stream *s)
{
    uint64_t batch[256], sum = 0;
    ssize_t n;

    while ((n = weir_pull(s, batch, 256)) > 0)
        for (ssize_t i = 0; i < n; i++)
            sum += batch[i];
    bench_check(n == 0, "a stream of kernels failed");
    weir_stream_close(&s);
    return sum;
}

static uint64_t streams_sum(weir_stream *s)
{
    uint64_t sum = 0;

    bench_check(weir_fold(&s, streams_add, NULL, &sum) == 0, "a stream failed");
    return sum;
}

/* 0 + 4 + 16 + ... modulo 2^64 */
static uint64_t streams_even_squares(long n)
{
    uint64_t sum = 0;

    for (uint64_t x = 0; x < (uint64_t)n; x += 2)
        sum += x * x;
    return sum;
}

static long streams_sync(long n)
{
    weir_stream *s = weir_filter(weir_range(0, n), streams_even, NULL);

    bench_sink = (int64_t)streams_sum(weir_map(s, streams_square, NULL, STREAMS_I64));
    return n;
}

WEIR_FILTER(streams_kernel_even, uint64_t, x % 2 == 0)
WEIR_MAP(streams_kernel_square, uint64_t, uint64_t, x *x)

static long streams_sync_kernels(long n)
{
    weir_stream *s = weir_apply(weir_range(0, n), streams_kernel_even, STREAMS_I64);
    uint64_t sum = streams_batches(weir_apply(s, streams_kernel_square, STREAMS_I64));

    bench_sink = (int64_t)sum;
    return n;
}

/* A fiber for each stage, channels of 64 between them. */
static long streams_sync_chan(long n)
{
    static const struct weir_stage_opts stage = {.capacity = 64};
    weir_stream *s = weir_stage(weir_range(0, n), &stage);

    s = weir_stage(weir_filter(s, streams_even, NULL), &stage);
    s = weir_stage(weir_map(s, streams_square, NULL, STREAMS_I64), &stage);
    bench_check(streams_sum(s) == streams_even_squares(n), "wrong sum");
    return n;
}

/* --- five maps ------------------------------------------------------------------ */

#define STREAMS_MAP(name, expression)                                                              \
    static int streams_##name(void *ctx, void *in, void *out)                                      \
    {                                                                                              \
        const uint64_t x = *(uint64_t *)in;                                                        \
        (void)ctx;                                                                                 \
        *(uint64_t *)out = (expression);                                                           \
        return 1;                                                                                  \
    }                                                                                              \
    WEIR_MAP(streams_kernel_##name, uint64_t, uint64_t, expression)

STREAMS_MAP(plus1, x + 1)
STREAMS_MAP(times3, x * 3)
STREAMS_MAP(xor5, x ^ 5)
STREAMS_MAP(plus7, x + 7)
STREAMS_MAP(times5, x * 5)

static weir_fn *const streams_maps[] = {streams_plus1, streams_times3, streams_xor5, streams_plus7,
                                        streams_times5};
static weir_kernel *const streams_kernels[] = {streams_kernel_plus1, streams_kernel_times3,
                                               streams_kernel_xor5, streams_kernel_plus7,
                                               streams_kernel_times5};

static long streams_chain5(long n)
{
    weir_stream *s = weir_range(0, INT64_MAX);

    for (int i = 0; i < 5; i++)
        s = weir_map(s, streams_maps[i], NULL, STREAMS_I64);
    s = weir_take(weir_filter(s, streams_even, NULL), (uint64_t)n / 2);
    bench_sink = (int64_t)streams_sum(s);
    return n;
}

static long streams_chain5_kernels(long n)
{
    weir_stream *s = weir_range(0, INT64_MAX);

    for (int i = 0; i < 5; i++)
        s = weir_apply(s, streams_kernels[i], STREAMS_I64);
    s = weir_take(weir_apply(s, streams_kernel_even, STREAMS_I64), (uint64_t)n / 2);
    bench_sink = (int64_t)streams_batches(s);
    return n;
}

/* --- many at once ----------------------------------------------------------------- */

static int streams_yields(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return weir_yield() < 0 ? -ECANCELED : 1;
}

static int streams_sleeps(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return weir_sleep(weir_after(WEIR_MS(1))) < 0 ? -ECANCELED : 1;
}

static long streams_unordered64(long n)
{
    weir_stream *s = weir_range(0, n);

    s = weir_buffer_unordered(s, streams_yields, NULL, STREAMS_I64, 64);
    bench_check(streams_sum(s) == (uint64_t)bench_sum(n), "wrong sum");
    return n;
}

static long streams_buffered64(long n)
{
    weir_stream *s = weir_buffered(weir_range(0, n), streams_yields, NULL, STREAMS_I64, 64);

    bench_check(streams_sum(s) == (uint64_t)bench_sum(n), "wrong sum");
    return n;
}

/* The same with half of the jobs on another loop. */
static long streams_loops64(long n, bool ordered)
{
    struct weir_par_opts o = {.limit = 64, .ordered = ordered, .loops = 2};
    weir_stream *s = weir_par_map(weir_range(0, n), streams_yields, NULL, STREAMS_I64, &o);

    bench_check(streams_sum(s) == (uint64_t)bench_sum(n), "wrong sum");
    return n;
}

static long streams_unordered64_loops(long n)
{
    return streams_loops64(n, false);
}

static long streams_buffered64_loops(long n)
{
    return streams_loops64(n, true);
}

static long streams_sleep1ms(long n)
{
    weir_stream *s = weir_range(0, n);

    s = weir_buffer_unordered(s, streams_sleeps, NULL, STREAMS_I64, 1000);
    bench_check(streams_sum(s) == (uint64_t)bench_sum(n), "wrong sum");
    return n;
}

const struct bench_case streams_cases[] = {
    {"stream_sync", 9, 10000000, streams_sync},
    {"stream_sync_kernels", 9, 10000000, streams_sync_kernels},
    {"stream_sync_chan_1t", 5, 1000000, streams_sync_chan},
    {"stream_chain5", 9, 10000000, streams_chain5},
    {"stream_chain5_kernels", 9, 10000000, streams_chain5_kernels},
    {"buffer_unordered64_1t", 7, 1000000, streams_unordered64},
    {"buffered64_1t", 7, 1000000, streams_buffered64},
    {"buffer_unordered64_2t", 7, 1000000, streams_unordered64_loops, 2},
    {"buffered64_2t", 7, 1000000, streams_buffered64_loops, 2},
    {"buffer_unordered1000_sleep1ms_1t", 7, 100000, streams_sleep1ms},
    {0},
};
