/*
 * fibers.c -- streams with a fiber of their own: the generator and the stage.
 *
 * Both are a bounded channel and one fiber in a pen.  The fiber starts at the
 * first pull; closing the stream cancels it and waits.
 */
#include "stream/stream.h"

struct weir_generator {
    struct weir__pen pen;
    weir_chan *ch;
    int (*fn)(weir_generator *g, void *ctx);
    void *ctx;
    weir_stream *source; /* of a stage */
    char *batch;
    struct weir_type type;
    size_t batch_items;
    bool started;
    int cut; /* why an emit failed */
};

static void generator_close(void *self, int why)
{
    weir_generator *g = self;

    (void)why;
    weir__pen_cancel(&g->pen, -ECANCELED);
    weir_chan_shut(g->ch); /* an emit that shields itself must end too */
    weir__pen_join(&g->pen);
    weir_stream_close(&g->source);
    weir_chan_free(&g->ch);
    weir__places_free(g->batch, g->batch_items * g->type.size);
    weir__free(g, sizeof *g);
}

static int generator_main(void *arg)
{
    weir_generator *g = arg;
    int r = g->fn(g, g->ctx);

    r = r >= 0 && g->cut ? g->cut : r; /* what was cut short is no clean end */
    return weir__pen_told(&g->pen, r);
}

static int generator_start(weir_generator *g)
{
    struct weir_go_opts opts = {.feeds = g->ch, .name = g->source ? "stage" : "generator"};
    int r;

    if (g->started)
        return 0;
    r = weir__pen_go_with(&g->pen, generator_main, g, &opts);
    g->started = r == 0;
    return r;
}

static ssize_t generator_pull(void *self, void *items, size_t max)
{
    weir_generator *g = self;
    size_t done;
    int r = generator_start(g);

    if (r < 0)
        return r;
    return weir_chan_recv_n(g->ch, items, g->type.size, max, &done, WEIR_NEVER);
}

static const struct weir_stream_ops generator_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, generator_pull, generator_close};

static weir_stream *generator_make(const weir_generator *init, const struct weir_chan_opts *copts)
{
    weir_generator *g = weir__alloc(sizeof *g);
    weir_stream *s = NULL;
    int r = g ? 0 : -ENOMEM;

    if (r < 0)
        return weir__stream_refuse(r, init->source, NULL);
    *g = *init;
    g->ch = weir_chan_with(g->type, copts);
    r = weir_chan_error(g->ch);
    if (r == 0 && g->batch_items && !(g->batch = weir__places_new(g->batch_items * g->type.size)))
        r = -ENOMEM;
    if (r == 0) {
        s = weir_stream_new(&generator_ops, g, g->type);
        r = s->poison;
    }
    weir__pen_init(&g->pen);
    if (r == 0)
        return s;
    generator_close(g, r);
    return weir__stream_poison(r);
}

weir_stream *weir_generate(int (*fn)(weir_generator *g, void *ctx), void *ctx,
                           struct weir_type type)
{
    weir_generator g = {.fn = fn, .ctx = ctx, .type = type};

    if (!fn || weir__type_check(&type) < 0)
        return weir__stream_poison(-EINVAL);
    return generator_make(&g, &(struct weir_chan_opts){.capacity = 1, .name = "generator"});
}

int weir_generator_emit(weir_generator *g, const void *item, size_t size)
{
    int r = g ? weir_chan_send(g->ch, item, size, WEIR_NEVER) : -EINVAL;

    if (r < 0 && g)
        g->cut = r;
    return r;
}

/* --- stage -------------------------------------------------------------------------- */

/* Moves batches from the source to the channel; what could not be sent is dropped. */
static int stage_fiber(weir_generator *g, void *ctx)
{
    ssize_t n;

    (void)ctx;
    while ((n = weir_pull(g->source, g->batch, g->batch_items)) > 0) {
        size_t done;
        ssize_t r = weir_chan_send_n(g->ch, g->batch, g->type.size, (size_t)n, &done, WEIR_NEVER);

        if (r >= 0)
            continue;
        for (size_t i = done; i < (size_t)n; i++)
            weir__item_drop(&g->type, g->batch + i * g->type.size);
        return (int)r;
    }
    return (int)n;
}

weir_stream *weir_stage(weir_stream *s, const struct weir_stage_opts *opts)
{
    struct weir_stage_opts o = opts ? *opts : (struct weir_stage_opts){0};
    struct weir_chan_opts c = {o.capacity ? o.capacity : 64, o.overflow, o.name, {0}};
    weir_generator g = {.fn = stage_fiber, .source = s, .type = weir_stream_type(s)};
    int r = weir__stream_check(s);

    if (r == 0 && (o.reserved[0] || o.reserved[1] || o.reserved[2]))
        r = -EINVAL;
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    /* No more than the stated capacity is taken ahead, and one in hand. */
    g.batch_items = 1;
    return generator_make(&g, &c);
}
