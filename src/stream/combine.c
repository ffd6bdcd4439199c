/*
 * combine.c -- the latest item of each source, whenever one is new.
 *
 * Each inlet keeps its newest item and replaces it as they come, pulled or
 * not.  What was replaced before it had been in a result is dropped and
 * counted; so memory is one item a source, and a slow puller sees the present.
 */
#include "stream/fan.h"

struct combine {
    struct weir__inlets set;
    weir_zip_fn *fn;
    void *ctx;
    void **in;
    size_t live, have; /* sources that have not ended; that have given an item */
    bool news, over;
    int end;
    uint64_t out, dropped, failed;
};

static void combine_ended(struct combine *c, struct weir__inlet *i)
{
    i->told = true;
    c->live--;
    if (i->end < 0 && !c->end)
        c->end = i->end;
    if (i->end < 0 || !i->n)
        c->over = true;
}

static void combine_look(struct combine *c)
{
    struct weir__inlet *i;

    while ((i = weir__inlet_next(&c->set))) {
        if (i->n && !c->in[i->index]) {
            c->in[i->index] = i->slots.items;
            c->have++;
        }
        c->news = c->news || (i->n && !i->seen);
        if (i->ended && !i->told)
            combine_ended(c, i);
    }
    if (c->live == 0)
        c->over = true;
}

static int combine_emit(struct combine *c, void *out)
{
    int r = c->fn(c->ctx, c->in, c->set.n, out);

    c->news = false;
    for (size_t k = 0; k < c->set.n; k++) {
        struct weir__inlet *i = &c->set.all[k];

        if (!i->seen && r > 0)
            c->out++;
        else if (!i->seen)
            c->failed++;
        i->seen = true;
    }
    return r;
}

/* The end: what never was in a result is counted; the items go with the stream. */
static int combine_finish(struct combine *c, int code)
{
    c->over = true;
    c->end = code;
    weir__inlets_stop(&c->set);
    for (size_t k = 0; k < c->set.n; k++) {
        struct weir__inlet *i = &c->set.all[k];

        c->dropped += i->n && !i->seen;
        i->seen = true;
    }
    return code;
}

static ssize_t combine_pull(void *self, void *items, size_t max)
{
    struct combine *c = self;
    int r = weir__inlets_start(&c->set);

    (void)max; /* there is only one present */
    while (r == 0) {
        combine_look(c);
        if (c->news && c->have == c->set.n) {
            int got = combine_emit(c, items);

            if (got)
                return got > 0 ? 1 : combine_finish(c, got);
            continue;
        }
        if (c->over)
            return combine_finish(c, c->end);
        r = weir__inlets_wait(&c->set);
    }
    return r;
}

static void combine_close(void *self, int why)
{
    struct combine *c = self;

    (void)why;
    weir__free(c->in, c->set.n * sizeof *c->in);
    weir__inlets_fini(&c->set);
    weir__free(c, sizeof *c);
}

static const struct weir_stream_ops combine_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, combine_pull, combine_close};

static void combine_books(const void *self, struct weir_fan_stats *out)
{
    const struct combine *c = self;

    weir__inlets_books(&c->set, out);
    out->out = c->out;
    out->dropped += c->dropped;
    out->failed = c->failed;
}

weir_stream *weir_combine_latest(weir_stream *const *sources, size_t n, weir_zip_fn *fn, void *ctx,
                                 struct weir_type out)
{
    struct weir__inlet_how how = {.cap = 1, .latest = true};
    struct combine *c;
    weir_stream *s;
    int r = fn ? weir__type_check(&out) : -EINVAL;

    if (r < 0)
        return weir__stream_poison(weir__streams_refuse(sources, n, r));
    c = weir__alloc(sizeof *c);
    if (!c)
        return weir__stream_poison(weir__streams_refuse(sources, n, -ENOMEM));
    c->fn = fn;
    c->ctx = ctx;
    c->live = n;
    r = weir__inlets_make(&c->set, sources, n, &how);
    if (r < 0) {
        weir__free(c, sizeof *c);
        return weir__stream_poison(r);
    }
    c->in = weir__alloc(n * sizeof *c->in);
    s = c->in ? weir_stream_new(&combine_ops, c, out) : weir__stream_poison(-ENOMEM);
    if (s->poison)
        combine_close(c, s->poison);
    else
        s->books = combine_books;
    return s;
}
