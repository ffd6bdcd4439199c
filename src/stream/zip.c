/*
 * zip.c -- the i-th items of all sources together: zip, zip_all.
 *
 * A tuple goes out when each source has its item; until then the items wait as
 * heads.  zip ends with the first end and gives up the heads of the others;
 * zip_all goes on without those that have ended.
 */
#include "stream/fan.h"

struct zip {
    struct weir__heads heads;
    weir_zip_fn *fn;
    void **in;
    bool all;
};

/* The callback has had them: drops what it left, and says how many there were. */
static size_t zip_pass(struct zip *z)
{
    size_t passed = 0;

    for (size_t k = 0; k < z->heads.set.n; k++) {
        struct weir__inlet *i = &z->heads.set.all[k];

        if (!z->in[k])
            continue;
        weir__item_drop(&i->type, z->in[k]);
        weir__heads_pass(&z->heads, i);
        passed++;
    }
    return passed;
}

/* 1 emitted, 0 skipped, negative failed. */
static int zip_tuple(struct zip *z, void *out)
{
    struct weir__heads *h = &z->heads;
    size_t n = h->set.n, passed;
    int r;

    for (size_t k = 0; k < n; k++)
        z->in[k] = h->set.all[k].n ? weir__inlet_head(&h->set.all[k]) : NULL;
    r = z->fn(h->ctx, z->in, n, out);
    passed = zip_pass(z);
    if (r > 0)
        h->out += passed;
    else
        h->failed += passed;
    return r;
}

static ssize_t zip_pull(void *self, void *items, size_t max)
{
    struct zip *z = self;
    struct weir__heads *h = &z->heads;
    int r;

    (void)max; /* one: the next may have to be waited for */
    if (h->over)
        return h->end;
    do {
        r = weir__heads_fill(h, !z->all);
        if (r < 0)
            return r;
        if (h->failure || h->live == 0 || (h->some_ended && !z->all))
            return weir__heads_finish(h, h->failure);
        r = zip_tuple(z, items);
    } while (r == 0);
    if (r < 0 && !(r == -ECANCELED && weir_cancel_why()))
        return weir__heads_finish(h, r);
    return r < 0 ? r : 1;
}

static void zip_close(void *self, int why)
{
    struct zip *z = self;

    (void)why;
    weir__free(z->in, z->heads.set.n * sizeof *z->in);
    weir__heads_fini(&z->heads);
    weir__free(z, sizeof *z);
}

static const struct weir_stream_ops zip_ops = {sizeof(struct weir_stream_ops),
                                               WEIR_STREAM_RESUMABLE, zip_pull, zip_close};

static void zip_books(const void *self, struct weir_fan_stats *out)
{
    weir__heads_books(&((const struct zip *)self)->heads, out);
}

static weir_stream *zip_make(weir_stream *const *sources, size_t n, const struct zip *init,
                             struct weir_type out, const struct weir_heads_opts *opts)
{
    struct zip *z;
    weir_stream *s;
    int r = init->fn ? weir__type_check(&out) : -EINVAL;

    if (r < 0)
        return weir__stream_poison(weir__streams_refuse(sources, n, r));
    z = weir__alloc(sizeof *z);
    if (!z)
        return weir__stream_poison(weir__streams_refuse(sources, n, -ENOMEM));
    *z = *init;
    r = weir__heads_make(&z->heads, sources, n, false, opts);
    if (r < 0) {
        weir__free(z, sizeof *z);
        return weir__stream_poison(r);
    }
    z->in = weir__alloc(n * sizeof *z->in);
    s = z->in ? weir_stream_new(&zip_ops, z, out) : weir__stream_poison(-ENOMEM);
    if (s->poison) {
        zip_close(z, s->poison);
        return s;
    }
    s->books = zip_books;
    s->steady = false; /* it may pull a source itself */
    return s;
}

weir_stream *weir_zip(weir_stream *const *sources, size_t n, weir_zip_fn *fn, void *ctx,
                      struct weir_type out, const struct weir_heads_opts *opts)
{
    struct zip z = {.heads = {.ctx = ctx}, .fn = fn};

    return zip_make(sources, n, &z, out, opts);
}

weir_stream *weir_zip_all(weir_stream *const *sources, size_t n, weir_zip_fn *fn, void *ctx,
                          struct weir_type out, const struct weir_heads_opts *opts)
{
    struct zip z = {.heads = {.ctx = ctx}, .fn = fn, .all = true};

    return zip_make(sources, n, &z, out, opts);
}
