/*
 * merge.c -- items of many streams as they come: merge, merge_preferred, race.
 *
 * Each source has an inlet; the puller takes from those that are ready, one
 * item each in turn.  A failure, or the first end of an eager merge, cancels
 * the others; what they hold still goes out, and the end waits until the last
 * of them has gone.
 */
#include "stream/fan.h"

struct merge {
    struct weir__inlets set;
    struct weir_merge_opts opts;
    size_t live;
    bool stopping;
    int end; /* the first failure */
    uint64_t out;
};

static void merge_stop(struct merge *m)
{
    if (m->stopping)
        return;
    m->stopping = true;
    weir__inlets_cancel(&m->set);
}

/* Failures of those that we cancelled ourselves are echoes. */
static void merge_ended(struct merge *m, struct weir__inlet *i)
{
    i->told = true;
    m->live--;
    if (i->end < 0 && !m->stopping) {
        if (!m->end)
            m->end = i->end;
        if (m->opts.on_error == WEIR_MERGE_FAIL_FIRST)
            merge_stop(m);
    } else if (i->end == 0 && m->opts.eager) {
        merge_stop(m);
    }
}

static size_t merge_give(struct merge *m, char *items, size_t max)
{
    struct weir__inlet *i;
    size_t k = 0;

    while (k < max && (i = weir__inlet_next(&m->set))) {
        if (i->n) {
            memcpy(items + k++ * i->type.size, weir__inlet_head(i), i->type.size);
            weir__inlet_pass(i);
        }
        if (i->n)
            weir__inlet_ready(i);
        else if (i->ended && !i->told)
            merge_ended(m, i);
    }
    m->out += k;
    return k;
}

static ssize_t merge_pull(void *self, void *items, size_t max)
{
    struct merge *m = self;
    int r = weir__inlets_start(&m->set);

    while (r == 0) {
        size_t k = merge_give(m, items, max);

        if (k)
            return (ssize_t)k;
        if (m->live == 0)
            return m->end;
        r = weir__inlets_wait(&m->set);
    }
    return r;
}

static void merge_close(void *self, int why)
{
    struct merge *m = self;

    (void)why;
    weir__inlets_fini(&m->set);
    weir__free(m, sizeof *m);
}

static const struct weir_stream_ops merge_ops = {sizeof(struct weir_stream_ops),
                                                 WEIR_STREAM_RESUMABLE, merge_pull, merge_close};

static void merge_books(const void *self, struct weir_fan_stats *out)
{
    const struct merge *m = self;

    out->out = m->out;
    weir__inlets_books(&m->set, out);
}

static int merge_check(const struct weir_merge_opts *o)
{
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    if ((unsigned)o->on_error > WEIR_MERGE_DELAY_ERROR || o->eager > 1 || o->ahead > 65536)
        return -EINVAL;
    return 0;
}

static weir_stream *merge_make(weir_stream *const *sources, size_t n,
                               const struct weir_merge_opts *opts, bool sorted)
{
    struct weir_merge_opts o = opts ? *opts : (struct weir_merge_opts){0};
    struct weir__inlet_how how = {.cap = o.ahead ? o.ahead : 1, .same = true, .sorted = sorted};
    struct merge *m;
    weir_stream *s;
    int r = merge_check(&o);

    if (r < 0)
        return weir__stream_poison(weir__streams_refuse(sources, n, r));
    m = weir__alloc(sizeof *m);
    if (!m)
        return weir__stream_poison(weir__streams_refuse(sources, n, -ENOMEM));
    m->opts = o;
    m->live = n;
    r = weir__inlets_make(&m->set, sources, n, &how);
    if (r < 0) {
        weir__free(m, sizeof *m);
        return weir__stream_poison(r);
    }
    s = weir_stream_new(&merge_ops, m, m->set.all[0].type);
    if (s->poison)
        merge_close(m, s->poison);
    else
        s->books = merge_books;
    return s;
}

weir_stream *weir_merge(weir_stream *const *sources, size_t n, const struct weir_merge_opts *opts)
{
    return merge_make(sources, n, opts, false);
}

weir_stream *weir_merge_preferred(weir_stream *const *sources, size_t n,
                                  const struct weir_merge_opts *opts)
{
    return merge_make(sources, n, opts, true);
}
