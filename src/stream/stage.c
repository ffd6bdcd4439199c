/*
 * stage.c -- the synchronous stages: one in, at most one out.
 *
 * A stage pulls a batch of its source into a buffer of its own and walks it.
 * What a pull did not deliver stays in the buffer for the next, so a cancel in
 * the middle loses nothing; a failure at item k comes after the k before it.
 */
#include <string.h>

#include "stream/stream.h"

enum stage_kind { STAGE_MAP, STAGE_FILTER, STAGE_APPLY };

struct stage {
    weir_stream *source, *me;
    weir_fn *fn;
    weir_kernel *kernel;
    void *ctx;
    struct weir_type in, out;
    char *buf; /* a batch of `in` */
    size_t at, n, cap;
    int failed; /* to be told once what came before it has been */
    uint8_t kind;
};

static void stage_item_drop(struct stage *g, void *item)
{
    weir__item_drop(&g->in, item);
}

static void stage_fail(struct stage *g, int code)
{
    g->failed = code;
    for (; g->at < g->n; g->at++) {
        stage_item_drop(g, g->buf + g->at * g->in.size);
        g->me->dropped++;
    }
}

/* The walks keep what they need in locals: a callback may change any memory but those. */
static size_t stage_map_walk(struct stage *g, char *out, size_t max)
{
    weir_fn *fn = g->fn;
    void (*drop)(void *) = g->in.drop, *ctx = g->ctx;
    size_t in_size = g->in.size, out_size = g->out.size, at = g->at, k = 0;
    char *in = g->buf + at * in_size, *end = g->buf + g->n * in_size;
    int r = 0;

    for (; in < end && k < max && r >= 0; in += in_size) {
        r = fn(ctx, in, out);
        if (drop)
            drop(in);
        if (r > 0) {
            out += out_size;
            k++;
        }
    }
    g->at = (size_t)(in - g->buf) / in_size;
    g->me->dropped += g->at - at - k;
    if (r < 0)
        stage_fail(g, r);
    return k;
}

static size_t stage_filter_walk(struct stage *g, char *out, size_t max)
{
    weir_fn *fn = g->fn;
    void *ctx = g->ctx;
    size_t size = g->in.size, k = 0, at = g->at, n = g->n;
    char *in = g->buf + at * size;
    int r = 0;

    for (; at < n && k < max && r >= 0; at++, in += size) {
        r = fn(ctx, in, NULL);
        if (r > 0)
            weir__item_copy(out + k++ * size, in, size);
        else
            stage_item_drop(g, in);
    }
    g->me->dropped += at - g->at - k;
    g->at = at;
    if (r < 0)
        stage_fail(g, r);
    return k;
}

static size_t stage_kernel(struct stage *g, char *out, size_t max)
{
    size_t n = g->n - g->at < max ? g->n - g->at : max;
    size_t k = g->kernel(g->buf + g->at * g->in.size, out, n);

    g->at += n;
    g->me->dropped += n - k;
    return k;
}

static ssize_t stage_fill(struct stage *g, size_t max)
{
    ssize_t r = weir_pull(g->source, g->buf, max < g->cap ? max : g->cap);

    g->at = 0;
    g->n = r > 0 ? (size_t)r : 0;
    return r;
}

static ssize_t stage_pull(void *self, void *items, size_t max)
{
    struct stage *g = self;
    size_t k = 0;

    while (k == 0) {
        if (g->failed)
            return g->failed;
        if (g->at == g->n) {
            ssize_t r = stage_fill(g, max);

            if (r <= 0)
                return r;
        }
        if (g->kind == STAGE_APPLY)
            k = stage_kernel(g, items, max);
        else
            k = g->kind == STAGE_MAP ? stage_map_walk(g, items, max)
                                     : stage_filter_walk(g, items, max);
    }
    return (ssize_t)k;
}

static void stage_close(void *self, int why)
{
    struct stage *g = self;

    (void)why;
    for (; g->at < g->n; g->at++)
        stage_item_drop(g, g->buf + g->at * g->in.size);
    weir_stream_close(&g->source);
    weir__places_free(g->buf, g->cap * g->in.size);
    weir__free(g, sizeof *g);
}

static const struct weir_stream_ops stage_ops = {sizeof(struct weir_stream_ops),
                                                 WEIR_STREAM_RESUMABLE, stage_pull, stage_close};

static struct stage *stage_memory(size_t cap, size_t size)
{
    struct stage *g = weir__alloc(sizeof *g);

    if (!g)
        return NULL;
    g->buf = weir__places_new(cap * size);
    if (!g->buf) {
        weir__free(g, sizeof *g);
        return NULL;
    }
    g->cap = cap;
    return g;
}

static weir_stream *stage_wrap(struct stage *g, weir_stream *s, const struct stage *init)
{
    weir_stream *out;

    g->fn = init->fn;
    g->kernel = init->kernel;
    g->ctx = init->ctx;
    g->kind = init->kind;
    g->in = s->type;
    g->out = init->out;
    g->source = s;
    out = weir_stream_new(&stage_ops, g, init->out);
    if (out->poison) {
        stage_close(g, out->poison);
        return out;
    }
    out->unpaid = true;
    out->steady = g->kernel && s->steady; /* a callback may park, and must not be cut */
    g->me = out;
    return out;
}

static weir_stream *stage_make(weir_stream *s, const struct stage *init, size_t cap)
{
    struct stage *g;
    int r = weir__stream_check(s);

    if (r == 0)
        r = weir__type_check(&init->out);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    g = stage_memory(cap ? cap : weir__stream_batch(&s->type), s->type.size);
    return g ? stage_wrap(g, s, init) : weir__stream_refuse(-ENOMEM, s, NULL);
}

weir_stream *weir_map(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out)
{
    struct stage g = {.fn = fn, .ctx = ctx, .out = out, .kind = STAGE_MAP};

    return fn ? stage_make(s, &g, 0) : weir__stream_refuse(-EINVAL, s, NULL);
}

weir_stream *weir_filter_map(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out)
{
    return weir_map(s, fn, ctx, out);
}

weir_stream *weir_scan(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out)
{
    return weir_map(s, fn, ctx, out);
}

weir_stream *weir_filter(weir_stream *s, weir_fn *fn, void *ctx)
{
    struct stage g = {.fn = fn, .ctx = ctx, .out = weir_stream_type(s), .kind = STAGE_FILTER};

    return fn ? stage_make(s, &g, 0) : weir__stream_refuse(-EINVAL, s, NULL);
}

weir_stream *weir_then(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out)
{
    struct stage g = {.fn = fn, .ctx = ctx, .out = out, .kind = STAGE_MAP};

    return fn ? stage_make(s, &g, 1) : weir__stream_refuse(-EINVAL, s, NULL);
}

weir_stream *weir_apply(weir_stream *s, weir_kernel *kernel, struct weir_type out)
{
    struct stage g = {.kernel = kernel, .out = out, .kind = STAGE_APPLY};

    if (!kernel || out.drop || weir_stream_type(s).drop)
        return weir__stream_refuse(-EINVAL, s, NULL);
    return stage_make(s, &g, 0);
}
