/*
 * flat.c -- an item gives a stream: flat_map and flatten, one after the other.
 *
 * The item stays in `item` until its stream has been closed, so that the stream
 * may borrow from it.  A batch of the inner stream goes straight to the puller.
 */
#include <string.h>
#include <weir/ops.h>

#include "stream/items.h"

struct flat {
    struct weir__pen pen; /* runs nothing: it knows where we were built */
    weir_stream *source, *inner;
    weir_make_of *fn;
    void *ctx;
    struct weir_type in, out;
    char *item;
    bool full; /* there is one */
};

static void flat_shut(struct flat *f)
{
    weir_stream_close(&f->inner);
    if (f->full)
        weir__item_drop(&f->in, f->item);
    f->full = false;
}

/* The item's stream; NULL is none. */
static int flat_open(struct flat *f)
{
    struct weir__nest nest;
    int r = weir__pen_why(&f->pen);

    if (r < 0)
        return r;
    weir__nest_enter(&nest, &f->pen);
    f->inner = f->fn(f->ctx, f->item);
    weir__nest_leave(&nest);
    if (f->inner)
        return weir__built_check(&f->inner, &f->out, &f->pen);
    flat_shut(f);
    return 0;
}

/* The next item and its stream: 1, or why not.  A callback that is cancelled is asked again. */
static ssize_t flat_next(struct flat *f)
{
    ssize_t r = 1;

    if (!f->full) {
        r = weir_pull(f->source, f->item, 1);
        f->full = r > 0;
    }
    if (r > 0) {
        int e = flat_open(f);

        r = e < 0 ? e : 1;
    }
    return r;
}

static ssize_t flat_pull(void *self, void *items, size_t max)
{
    struct flat *f = self;
    ssize_t r = 1;

    while (r > 0) {
        if (f->inner) {
            r = weir_pull(f->inner, items, max);
            if (r != 0)
                return r;
            flat_shut(f);
        }
        r = flat_next(f);
    }
    return r;
}

static void flat_close(void *self, int why)
{
    struct flat *f = self;

    (void)why;
    flat_shut(f);
    weir_stream_close(&f->source);
    weir__pen_join(&f->pen);
    weir__items_free(&f->in, f->item, 1);
    weir__free(f, sizeof *f);
}

static const struct weir_stream_ops flat_ops = {sizeof(struct weir_stream_ops),
                                                WEIR_STREAM_RESUMABLE, flat_pull, flat_close};

weir_stream *weir_flat_map(weir_stream *s, weir_make_of *fn, void *ctx, struct weir_type out)
{
    struct flat init = {.source = s, .fn = fn, .ctx = ctx, .out = out}, *f;
    int r = weir__stage_check(s, fn);

    if (r == 0)
        r = weir__type_check(&out);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    f = weir__self_new(&init, sizeof init);
    if (!f)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    f->in = s->type;
    weir__pen_init(&f->pen);
    f->item = weir__items_alloc(&f->in, 1);
    return weir__self_stream(&flat_ops, f, out, f->item, NULL);
}

/* --- a stream of streams ---------------------------------------------------------- */

static void flat_item_drop(void *item)
{
    weir_stream_close(item);
}

struct weir_type weir_stream_item(void)
{
    struct weir_type t = WEIR_TYPE(weir_stream *);

    t.drop = flat_item_drop;
    return t;
}

static weir_stream *flat_take(void *ctx, void *item)
{
    weir_stream *s = *(weir_stream **)item;

    (void)ctx;
    *(weir_stream **)item = NULL;
    return s;
}

weir_stream *weir_flatten(weir_stream *s, struct weir_type out)
{
    int r = weir__stream_check(s);

    if (r == 0 && s->type.size != sizeof(weir_stream *))
        r = WEIR_ETYPE;
    return r < 0 ? weir__stream_refuse(r, s, NULL) : weir_flat_map(s, flat_take, NULL, out);
}
