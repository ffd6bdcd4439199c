/*
 * fibers.c -- the generator: a bounded channel of one and a fiber in a pen.
 *
 * The fiber starts at the first pull; closing the stream cancels it and waits.
 */
#include "stream/stream.h"

struct weir_generator {
    struct weir__pen pen;
    weir_chan *ch;
    int (*fn)(weir_generator *g, void *ctx);
    void *ctx;
    struct weir_type type;
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
    weir_chan_free(&g->ch);
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
    struct weir_go_opts opts = {.feeds = g->ch, .name = "generator"};
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

static weir_stream *generator_make(const weir_generator *init)
{
    static const struct weir_chan_opts one = {.capacity = 1, .name = "generator"};
    weir_generator *g = weir__alloc(sizeof *g);
    weir_stream *s = NULL;
    int r;

    if (!g)
        return weir__stream_poison(-ENOMEM);
    *g = *init;
    g->ch = weir_chan_with(g->type, &one);
    r = weir_chan_error(g->ch);
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
    return generator_make(&g);
}

int weir_generator_emit(weir_generator *g, const void *item, size_t size)
{
    int r = g ? weir_chan_send(g->ch, item, size, WEIR_NEVER) : -EINVAL;

    if (r < 0 && g)
        g->cut = r;
    return r;
}
