/*
 * race.c -- the source that is first goes on alone; the others are cancelled,
 * awaited and closed.  The winner's fiber goes too if nothing can be lost
 * without it, and the puller pulls the source itself.
 */
#include "stream/fan.h"

struct race {
    struct weir__inlets set;
    struct weir__inlet *winner;
    enum weir_race_mode mode;
    size_t live;
    int end;
    uint64_t in, out, dropped; /* `in`: what went past the inlets */
};

static void race_won(struct race *c, struct weir__inlet *winner)
{
    c->winner = winner;
    for (size_t k = 0; k < c->set.n; k++)
        if (&c->set.all[k] != winner)
            weir__pen_cancel(&c->set.all[k].pen, -ECANCELED);
    for (size_t k = 0; k < c->set.n; k++) {
        struct weir__inlet *i = &c->set.all[k];

        if (i == winner)
            continue;
        weir__inlet_stop(i);
        for (; i->n; c->dropped++) {
            weir__item_drop(&i->type, weir__inlet_head(i));
            weir__inlet_pass(i);
        }
    }
    if (!winner->ended && winner->source && (winner->source->ops->flags & WEIR_STREAM_RESUMABLE))
        weir__inlet_retire(winner);
}

/* True once there is a winner, or all are out. */
static bool race_look(struct race *c)
{
    struct weir__inlet *i;

    while (!c->winner && (i = weir__inlet_next(&c->set))) {
        if (i->n || c->mode == WEIR_RACE_SIGNAL) {
            race_won(c, i);
        } else if (i->ended && !i->told) {
            i->told = true;
            c->live--;
            if (!c->end)
                c->end = i->end;
        }
    }
    return c->winner || c->live == 0;
}

static int race_run(struct race *c)
{
    int r = weir__inlets_start(&c->set);

    while (r == 0 && !race_look(c))
        r = weir__inlets_wait(&c->set);
    return r;
}

static ssize_t race_pull(void *self, void *items, size_t max)
{
    struct race *c = self;
    struct weir__inlet *i = c->winner;
    int r = 0;

    if (!i) {
        r = race_run(c);
        i = c->winner;
        if (r < 0 || !i)
            return r < 0 ? r : c->end;
    }
    while (r == 0 && !i->n && !i->ended) {
        if (i->retired) {
            ssize_t n = weir_pull(i->source, items, max);

            c->in += n > 0 ? (uint64_t)n : 0;
            c->out += n > 0 ? (uint64_t)n : 0;
            return n;
        }
        r = weir__inlets_wait(&c->set);
    }
    if (r < 0 || !i->n)
        return r < 0 ? r : i->end;
    memcpy(items, weir__inlet_head(i), i->type.size);
    weir__inlet_pass(i);
    c->out++;
    return 1;
}

static void race_close(void *self, int why)
{
    struct race *c = self;

    (void)why;
    weir__inlets_fini(&c->set);
    weir__free(c, sizeof *c);
}

static const struct weir_stream_ops race_ops = {sizeof(struct weir_stream_ops),
                                                WEIR_STREAM_RESUMABLE, race_pull, race_close};

static void race_books(const void *self, struct weir_fan_stats *out)
{
    const struct race *c = self;

    weir__inlets_books(&c->set, out);
    out->in += c->in;
    out->out = c->out;
    out->dropped += c->dropped;
}

weir_stream *weir_race_streams(weir_stream *const *sources, size_t n, enum weir_race_mode mode)
{
    struct weir__inlet_how how = {.cap = 1, .same = true};
    struct race *c;
    weir_stream *s;
    int r = (unsigned)mode > WEIR_RACE_VALUE ? -EINVAL : 0;

    if (r < 0)
        return weir__stream_poison(weir__streams_refuse(sources, n, r));
    c = weir__alloc(sizeof *c);
    if (!c)
        return weir__stream_poison(weir__streams_refuse(sources, n, -ENOMEM));
    c->mode = mode;
    c->live = n;
    r = weir__inlets_make(&c->set, sources, n, &how);
    if (r < 0) {
        weir__free(c, sizeof *c);
        return weir__stream_poison(r);
    }
    s = weir_stream_new(&race_ops, c, c->set.all[0].type);
    if (s->poison) {
        race_close(c, s->poison);
        return s;
    }
    s->books = race_books;
    s->steady = false; /* it may pull a source itself */
    return s;
}
