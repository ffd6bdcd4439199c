/*
 * sample_by.c -- the newest item of one stream whenever another gives one.
 *
 * Both are pulled all the time into one place each, the newest over the one
 * before; so a slow puller sees the present, and memory is two items.
 */
#include "stream/fan.h"

enum { SAMPLED, SAMPLER };

struct sample_by {
    struct weir__inlets set;
    bool fire, over; /* the sampler has given one; one of the two has ended */
    int end;
    uint64_t out, dropped;
};

static void sample_by_look(struct sample_by *g)
{
    struct weir__inlet *i;

    while ((i = weir__inlet_next(&g->set))) {
        if (i->index == SAMPLER && i->n && !i->seen) {
            i->seen = g->fire = true;
            g->out++;
        }
        if (i->ended && !i->told) {
            i->told = g->over = true;
            if (!g->end)
                g->end = i->end;
        }
    }
}

/* The newest item, if it has not been given: 1, its place in the inlet is empty then. */
static int sample_by_give(struct sample_by *g, void *out)
{
    struct weir__inlet *i = &g->set.all[SAMPLED];
    bool due = g->fire || g->over;

    g->fire = false;
    if (!due || !i->n || i->seen)
        return 0;
    memcpy(out, i->slots.items, i->type.size);
    memset(i->slots.items, 0, i->type.size);
    i->seen = true;
    g->out++;
    return 1;
}

static int sample_by_finish(struct sample_by *g)
{
    weir__inlets_stop(&g->set);
    for (size_t k = 0; k < g->set.n; k++) {
        struct weir__inlet *i = &g->set.all[k];

        g->dropped += i->n && !i->seen;
        i->seen = true;
    }
    return g->end;
}

static ssize_t sample_by_pull(void *self, void *items, size_t max)
{
    struct sample_by *g = self;
    int r = weir__inlets_start(&g->set);

    (void)max; /* there is only one present */
    while (r == 0) {
        sample_by_look(g);
        if (sample_by_give(g, items))
            return 1;
        if (g->over)
            return sample_by_finish(g);
        r = weir__inlets_wait(&g->set);
    }
    return r;
}

static void sample_by_close(void *self, int why)
{
    struct sample_by *g = self;

    (void)why;
    weir__inlets_fini(&g->set);
    weir__free(g, sizeof *g);
}

static const struct weir_stream_ops sample_by_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, sample_by_pull, sample_by_close};

static void sample_by_books(const void *self, struct weir_fan_stats *out)
{
    const struct sample_by *g = self;

    weir__inlets_books(&g->set, out);
    out->out = g->out;
    out->dropped += g->dropped;
}

weir_stream *weir_sample_by(weir_stream *s, weir_stream *sampler)
{
    struct weir__inlet_how how = {.cap = 1, .latest = true};
    weir_stream *const both[] = {s, sampler};
    struct sample_by *g = weir__alloc(sizeof *g);
    weir_stream *made;
    int r;

    if (!g)
        return weir__stream_poison(weir__streams_refuse(both, 2, -ENOMEM));
    r = weir__inlets_make(&g->set, both, 2, &how);
    if (r < 0) {
        weir__free(g, sizeof *g);
        return weir__stream_poison(r);
    }
    made = weir_stream_new(&sample_by_ops, g, g->set.all[SAMPLED].type);
    if (made->poison)
        sample_by_close(g, made->poison);
    else
        made->books = sample_by_books;
    return made;
}
