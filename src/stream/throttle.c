/*
 * throttle.c -- at most one item a period: throttle, whose periods the items
 * open, and sample, whose periods are a grid.
 *
 * There is a timer only while an item is kept.
 */
#include "stream/shape.h"

struct throttle {
    struct weir__shape base;
    struct weir_throttle_opts opts;
    bool open, waited; /* the puller was there when the period ended */
    weir_time start;   /* of the open period */
    weir_time anchor;  /* of sample's grid; 0: not pulled yet */
    weir_time due;     /* of sample's kept item */
};

/* --- throttle ------------------------------------------------------------------- */

static weir_time throttle_end(const struct throttle *t)
{
    return t->start + t->opts.period;
}

/*
 * The kept item goes out, and with it begins the next period: at the end of
 * the last one if the puller waited for that, whatever the wake-up came late.
 */
static ssize_t throttle_give(struct throttle *t, void *items)
{
    weir_time now = weir_now(), end = throttle_end(t);

    t->start = t->waited && now - end < t->opts.period ? end : now;
    return weir__shape_give(&t->base, items);
}

static ssize_t throttle_arrival(struct throttle *t, void *items)
{
    struct weir__shape *g = &t->base;
    weir_time now = weir_now();

    if (!g->holding && (!t->open || now >= throttle_end(t))) {
        t->open = true;
        t->start = now;
        if (t->opts.edges & WEIR_LEADING)
            return weir__shape_pass(g, items);
    }
    if (t->opts.edges & WEIR_TRAILING)
        weir__shape_keep(g);
    else
        weir__shape_drop(g, weir__shape_fresh(g), &g->books.refused);
    return 0;
}

static ssize_t throttle_pull(void *self, void *items, size_t max)
{
    struct throttle *t = self;
    struct weir__shape *g = &t->base;
    ssize_t r = 0;

    (void)max; /* one a period */
    t->waited = false;
    while (r == 0) {
        if (g->over && g->end < 0 && t->opts.drop_failed)
            weir__shape_forget(g);
        if (g->holding && (g->over || weir_now() >= throttle_end(t)))
            return throttle_give(t, items);
        if (g->over)
            return g->end;
        r = weir__shape_take(g, weir__shape_fresh(g), 1, g->holding ? throttle_end(t) : WEIR_NEVER);
        if (r > 0) {
            r = throttle_arrival(t, items);
        } else if (r == WEIR__SHAPE_LATE) {
            t->waited = true;
            r = 0;
        }
    }
    return r;
}

static const struct weir_stream_ops throttle_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, throttle_pull, weir__shape_close};

static int throttle_check(const struct weir_throttle_opts *o)
{
    if (!o || !weir__span_sound(o->period) || o->edges > 3 || o->drop_failed > 1)
        return -EINVAL;
    return o->reserved[0] || o->reserved[1] || o->reserved[2] || o->reserved[3] ? -EINVAL : 0;
}

weir_stream *weir_throttle(weir_stream *s, const struct weir_throttle_opts *opts)
{
    struct throttle t = {0};
    int r = weir__stream_check(s);

    if (r == 0)
        r = throttle_check(opts);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    t.opts = *opts;
    if (!t.opts.edges)
        t.opts.edges = WEIR_LEADING | WEIR_TRAILING;
    return weir__shape_make(&throttle_ops, &t, sizeof t, s, 2, s->type, WEIR__SHAPE_TIMED);
}

/* --- sample ------------------------------------------------------------------------ */

static void sample_arrival(struct throttle *t)
{
    weir_span period = t->opts.period, age = weir_now() - t->anchor;

    if (!t->base.holding)
        t->due = t->anchor + (age / period + 1) * period;
    weir__shape_keep(&t->base);
}

static ssize_t sample_pull(void *self, void *items, size_t max)
{
    struct throttle *t = self;
    struct weir__shape *g = &t->base;
    ssize_t r = 0;

    (void)max;
    if (!t->anchor)
        t->anchor = weir_now();
    while (r >= 0 || r == WEIR__SHAPE_LATE) {
        if (g->holding && (g->over || weir_now() >= t->due))
            return weir__shape_give(g, items);
        if (g->over)
            return g->end;
        r = weir__shape_take(g, weir__shape_fresh(g), 1, g->holding ? t->due : WEIR_NEVER);
        if (r > 0)
            sample_arrival(t);
    }
    return r;
}

static const struct weir_stream_ops sample_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, sample_pull, weir__shape_close};

weir_stream *weir_sample(weir_stream *s, weir_span period)
{
    struct throttle t = {.opts = {.period = period}};
    int r = weir__stream_check(s);

    if (r < 0 || !weir__span_sound(period))
        return weir__stream_refuse(r < 0 ? r : -EINVAL, s, NULL);
    return weir__shape_make(&sample_ops, &t, sizeof t, s, 2, s->type, WEIR__SHAPE_TIMED);
}
