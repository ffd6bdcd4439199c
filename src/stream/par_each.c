/*
 * par_each.c -- weir_par_map under its short names.
 */
#include "stream/stream.h"

weir_stream *weir_buffered(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out,
                           uint32_t limit)
{
    struct weir_par_opts o = {.limit = limit, .ordered = 1};

    return weir_par_map(s, fn, ctx, out, &o);
}

weir_stream *weir_buffer_unordered(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out,
                                   uint32_t limit)
{
    struct weir_par_opts o = {.limit = limit};

    return weir_par_map(s, fn, ctx, out, &o);
}

static int par_skip_result(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return 1;
}

/* The jobs' results are of no use: an int each, never emitted. */
struct par_each {
    weir_fn *fn;
    void *ctx;
};

static int par_each_run(void *ctx, void *in, void *out)
{
    struct par_each *e = ctx;
    int r = e->fn(e->ctx, in, NULL);

    (void)out;
    return r < 0 ? r : 0;
}

int weir_for_each_concurrent(weir_stream **s, weir_fn *fn, void *ctx, uint32_t limit)
{
    struct par_each e = {fn, ctx};
    weir_stream *each;

    if (!s)
        return -EINVAL;
    each = weir_buffer_unordered(*s, fn ? par_each_run : NULL, &e, WEIR_TYPE(int), limit);
    *s = NULL;
    return weir_for_each(&each, par_skip_result, NULL);
}
