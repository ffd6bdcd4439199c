/*
 * source.c -- where items come from.
 */
#include <string.h>
#include <weir/ops.h>

#include "stream/stream.h"

/* A source whose self is one block of memory, freed at close. */
static weir_stream *source_make(const struct weir_stream_ops *ops, const void *init, size_t size,
                                struct weir_type type)
{
    void *self = weir__alloc(size);
    weir_stream *s;

    if (!self)
        return weir__stream_poison(-ENOMEM);
    memcpy(self, init, size);
    s = weir_stream_new(ops, self, type);
    if (s->poison)
        weir__free(self, size);
    return s;
}

#define SOURCE_OPS(name, flag)                                                                     \
    static const struct weir_stream_ops name##_ops = {sizeof(struct weir_stream_ops), flag,        \
                                                      name##_pull, name##_close}

/* --- array ------------------------------------------------------------------- */

struct array_source {
    const char *items;
    size_t n, at;
    struct weir_type type;
};

static ssize_t array_pull(void *self, void *items, size_t max)
{
    struct array_source *a = self;
    size_t n = a->n - a->at < max ? a->n - a->at : max, size = a->type.size;

    if (!a->type.clone && n)
        memcpy(items, a->items + a->at * size, n * size);
    for (size_t i = 0; a->type.clone && i < n; i++) {
        int r = a->type.clone((char *)items + i * size, a->items + (a->at + i) * size);

        if (r < 0 && i == 0)
            return r;
        if (r < 0)
            n = i;
    }
    a->at += n;
    return (ssize_t)n;
}

static void array_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct array_source));
}

SOURCE_OPS(array, WEIR_STREAM_RESUMABLE);

weir_stream *weir_array(const void *items, size_t n, struct weir_type type)
{
    struct array_source a = {items, n, 0, type};

    if ((n && !items) || (type.drop && !type.clone)) /* else two would own one thing */
        return weir__stream_poison(-EINVAL);
    return source_make(&array_ops, &a, sizeof a, type);
}

/* --- range --------------------------------------------------------------------- */

struct range_source {
    int64_t at, to;
};

static ssize_t range_pull(void *self, void *items, size_t max)
{
    struct range_source *r = self;
    uint64_t left = r->at < r->to ? (uint64_t)r->to - (uint64_t)r->at : 0;
    size_t n = left < max ? (size_t)left : max;
    int64_t *out = items, at = r->at;

    for (size_t i = 0; i < n; i++)
        out[i] = at + (int64_t)i;
    r->at += (int64_t)n;
    return (ssize_t)n;
}

static void range_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct range_source));
}

SOURCE_OPS(range, WEIR_STREAM_RESUMABLE);

weir_stream *weir_range(int64_t from, int64_t to)
{
    struct range_source r = {from, to};

    return source_make(&range_ops, &r, sizeof r, WEIR_TYPE(int64_t));
}

/* --- empty, never, fail ----------------------------------------------------------- */

struct fixed_source {
    int code; /* 1: never */
};

static ssize_t fixed_pull(void *self, void *items, size_t max)
{
    struct fixed_source *f = self;

    (void)items;
    (void)max;
    return f->code == 1 ? weir_sleep(WEIR_NEVER) : f->code;
}

static void fixed_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct fixed_source));
}

SOURCE_OPS(fixed, WEIR_STREAM_RESUMABLE);

static weir_stream *fixed_make(struct weir_type type, int code)
{
    struct fixed_source f = {code};

    return source_make(&fixed_ops, &f, sizeof f, type);
}

weir_stream *weir_empty(struct weir_type type)
{
    return fixed_make(type, 0);
}

weir_stream *weir_never(struct weir_type type)
{
    return fixed_make(type, 1);
}

weir_stream *weir_fail(struct weir_type type, int code)
{
    return code < 0 ? fixed_make(type, code) : weir__stream_poison(-EINVAL);
}

/* --- unfold ------------------------------------------------------------------------- */

struct unfold_source {
    weir_fn *next;
    void *ctx;
};

static ssize_t unfold_pull(void *self, void *items, size_t max)
{
    struct unfold_source *u = self;

    (void)max; /* one: the callback may park, and a batch never waits */
    return u->next(u->ctx, NULL, items);
}

static void unfold_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct unfold_source));
}

SOURCE_OPS(unfold, 0);

weir_stream *weir_unfold(weir_fn *next, void *ctx, struct weir_type type)
{
    struct unfold_source u = {next, ctx};

    return next ? source_make(&unfold_ops, &u, sizeof u, type) : weir__stream_poison(-EINVAL);
}

/* --- channel -------------------------------------------------------------------------- */

struct chan_source {
    weir_chan *ch;
    size_t size;
};

static ssize_t chan_source_pull(void *self, void *items, size_t max)
{
    struct chan_source *c = self;
    size_t done;

    return weir_chan_recv_n(c->ch, items, c->size, max, &done, WEIR_NEVER);
}

static void chan_source_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct chan_source));
}

SOURCE_OPS(chan_source, WEIR_STREAM_RESUMABLE);

weir_stream *weir_from_chan(weir_chan *ch)
{
    struct chan_source c = {ch, weir_chan_type(ch).size};
    int r = weir_chan_error(ch);

    if (r < 0)
        return weir__stream_poison(r);
    return source_make(&chan_source_ops, &c, sizeof c, weir_chan_type(ch));
}

static void consume_close(void *self, int why)
{
    weir__chan_drained(((struct chan_source *)self)->ch);
    chan_source_close(self, why);
}

static const struct weir_stream_ops consume_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, chan_source_pull, consume_close};

weir_stream *weir_consume(weir_chan *ch)
{
    weir_stream *s = weir_from_chan(ch);

    if (s->poison)
        return s;
    s->ops = &consume_ops;
    weir__chan_drains(ch);
    return s;
}

/* --- interval --------------------------------------------------------------------------- */

struct interval_source {
    struct weir_interval_opts opts;
    weir_time due; /* 0: not started */
    uint64_t seq;
};

static weir_time interval_following(const struct interval_source *v, weir_time now)
{
    weir_span period = v->opts.period;

    switch (v->opts.missed) {
    case WEIR_DELAY:
        return now + period;
    case WEIR_SKIP:
        return v->due + ((now - v->due) / period + 1) * period;
    default:
        return v->due + period;
    }
}

static ssize_t interval_pull(void *self, void *items, size_t max)
{
    struct interval_source *v = self;
    struct weir_tick *t = items;
    int r;

    (void)max;
    if (!v->due)
        v->due = v->opts.first_now ? weir_now() : weir_after(v->opts.period);
    if (v->due > weir_now()) {
        r = weir_sleep(v->due);
        if (r < 0)
            return r;
    } else if (weir__self()) { /* one that is due is there, for a look that must not park too */
        weir__charge(weir__loop_get());
    }
    *t = (struct weir_tick){v->seq++, v->due, weir_now()};
    v->due = interval_following(v, t->now);
    return 1;
}

static void interval_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct interval_source));
}

SOURCE_OPS(interval, WEIR_STREAM_RESUMABLE);

weir_stream *weir_interval(const struct weir_interval_opts *opts)
{
    struct interval_source v = {0};

    if (!opts || opts->period <= 0 || opts->period > WEIR_EPOCH || opts->first_now > 1 ||
        (unsigned)opts->missed > WEIR_SKIP || opts->reserved[0] || opts->reserved[1])
        return weir__stream_poison(-EINVAL);
    v.opts = *opts;
    return source_make(&interval_ops, &v, sizeof v, WEIR_TYPE(struct weir_tick));
}
