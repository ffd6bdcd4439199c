/*
 * test_left_out.c -- what a synchronous stage does not hand on is counted, one
 * by one: what its callback skips, what a kernel leaves out, the item that
 * fails and those that had been taken behind it.
 */
#include "stream/ints.h"

static int keep_even(void *ctx, void *in, void *out)
{
    *(int64_t *)out = *(int64_t *)in;
    (void)ctx;
    return *(int64_t *)in % 2 == 0;
}

static int keep_even_until(void *ctx, void *in, void *out)
{
    return *(int64_t *)in == *(int64_t *)ctx ? -EIO : keep_even(NULL, in, out);
}

WEIR_FILTER(even_only, int64_t, x % 2 == 0)

static void counts_out(weir_stream *s, int end, uint64_t items, uint64_t dropped)
{
    int64_t x;
    uint64_t n = 0;
    int r;

    while ((r = weir_next(s, &x)) > 0)
        n++;
    EQ(r, end);
    EQ(n, items);
    EQ(weir_stream_dropped(s), dropped);
    weir_stream_close(&s);
}

SIM_TEST(what_a_stage_leaves_out_is_counted)
{
    int64_t bad = 600;

    counts_out(weir_filter_map(weir_range(0, 1001), keep_even, NULL, INT), 0, 501, 500);
    counts_out(weir_scan(weir_range(0, 1001), keep_even, NULL, INT), 0, 501, 500);
    counts_out(weir_map(weir_range(0, 1001), keep_even, NULL, INT), 0, 501, 500);
    counts_out(weir_then(weir_range(0, 1001), keep_even, NULL, INT), 0, 501, 500);
    counts_out(weir_apply(weir_range(0, 1001), even_only, INT), 0, 501, 500);
    counts_out(weir_then(weir_range(0, 1001), keep_even_until, &bad, INT), -EIO, 300, 301);
    return 0;
}

/* The one that failed, and those that had been taken behind it. */
SIM_TEST(a_failure_counts_its_item_and_those_behind_it)
{
    int64_t bad = 255, out[256];
    weir_stream *s = weir_map(weir_range(0, 256), keep_even_until, &bad, INT);

    EQ(weir_pull(s, out, 256), 128);
    EQ(weir_stream_dropped(s), 128u);
    EQ(weir_pull(s, out, 256), -EIO);
    weir_stream_close(&s);
    bad = 10;
    s = weir_map(weir_range(0, 256), keep_even_until, &bad, INT);
    EQ(weir_pull(s, out, 256), 5);
    EQ(weir_stream_dropped(s), 251u);
    weir_stream_close(&s);
    return 0;
}
