/*
 * debounce.c -- one item for a burst.
 *
 * A burst is open from its first item until `quiet` has passed since its last,
 * or `max_wait` since its first.  There is a timer only while an item is kept:
 * with LEADING alone the next item finds out by itself that a burst is over.
 */
#include "stream/shape.h"

struct debounce {
    struct weir__shape base;
    struct weir_debounce_opts opts;
    bool any;              /* there has been a burst */
    weir_time first, last; /* items of the latest */
};

static weir_time debounce_due(const struct debounce *d)
{
    weir_time quiet = d->last + d->opts.quiet, most = d->first + d->opts.max_wait;

    return d->opts.max_wait && most < quiet ? most : quiet;
}

/* The fresh item: 1 if it goes out, 0 if it was kept or dropped. */
static ssize_t debounce_arrival(struct debounce *d, void *items)
{
    struct weir__shape *g = &d->base;
    weir_time now = weir_now();
    bool opens = !g->holding && (!d->any || now >= debounce_due(d));

    d->last = now;
    if (opens) {
        d->any = true;
        d->first = now;
        if (d->opts.edges & WEIR_LEADING)
            return weir__shape_pass(g, items);
    }
    if (d->opts.edges & WEIR_TRAILING)
        weir__shape_keep(g);
    else
        weir__shape_drop(g, weir__shape_fresh(g), &g->books.refused);
    return 0;
}

static ssize_t debounce_pull(void *self, void *items, size_t max)
{
    struct debounce *d = self;
    struct weir__shape *g = &d->base;
    ssize_t r = 0;

    (void)max; /* one: the next is not known before its burst is over */
    while (r == 0) {
        if (g->over && g->end < 0 && d->opts.drop_failed)
            weir__shape_forget(g);
        if (g->holding && (g->over || weir_now() >= debounce_due(d)))
            return weir__shape_give(g, items);
        if (g->over)
            return g->end;
        r = weir__shape_take(g, weir__shape_fresh(g), 1, g->holding ? debounce_due(d) : WEIR_NEVER);
        if (r > 0)
            r = debounce_arrival(d, items);
        else if (r == WEIR__SHAPE_LATE)
            r = 0;
    }
    return r;
}

static const struct weir_stream_ops debounce_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, debounce_pull, weir__shape_close};

static int debounce_check(const struct weir_debounce_opts *o)
{
    if (!o || !weir__span_sound(o->quiet) || o->edges > 3 || o->drop_failed > 1)
        return -EINVAL;
    if (o->max_wait && (o->max_wait < o->quiet || !weir__span_sound(o->max_wait)))
        return -EINVAL;
    return o->reserved[0] || o->reserved[1] || o->reserved[2] || o->reserved[3] ? -EINVAL : 0;
}

weir_stream *weir_debounce(weir_stream *s, const struct weir_debounce_opts *opts)
{
    struct debounce d = {0};
    int r = weir__stream_check(s);

    if (r == 0)
        r = debounce_check(opts);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    d.opts = *opts;
    if (!d.opts.edges)
        d.opts.edges = WEIR_TRAILING;
    return weir__shape_make(&debounce_ops, &d, sizeof d, s, 2, s->type, WEIR__SHAPE_TIMED);
}
