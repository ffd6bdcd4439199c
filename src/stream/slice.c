/*
 * slice.c -- stages that count: take, skip, take_while, chain, chunks.  They
 * hand the caller's own buffer on and keep nothing between pulls, but for the
 * chunk that is being filled.
 */
#include <string.h>

#include "core/item.h"
#include "stream/stream.h"

struct slice {
    weir_stream *source, *second, *me;
    weir_fn *fn;
    void *ctx;
    uint64_t left;
    bool inclusive, over;
    struct weir_type type;
    char *buf; /* of chunks */
    size_t n, size;
    bool given; /* the buffer has been lent out */
};

static void slice_close(void *self, int why)
{
    struct slice *l = self;

    (void)why;
    for (size_t i = 0; l->buf && i < l->n; i++)
        weir__item_drop(&l->type, l->buf + i * l->type.size);
    weir_stream_close(&l->source);
    weir_stream_close(&l->second);
    weir__places_free(l->buf, l->size * l->type.size);
    weir__free(l, sizeof *l);
}

static weir_stream *slice_make(const struct weir_stream_ops *ops, const struct slice *init,
                               struct weir_type type)
{
    struct slice *l = weir__alloc(sizeof *l);
    weir_stream *s;

    if (!l)
        return weir__stream_refuse(-ENOMEM, init->source, init->second);
    *l = *init;
    if (l->size && !(l->buf = weir__places_new(l->size * l->type.size))) {
        weir__free(l, sizeof *l);
        return weir__stream_refuse(-ENOMEM, init->source, init->second);
    }
    s = weir_stream_new(ops, l, type);
    if (s->poison) {
        slice_close(l, s->poison);
        return s;
    }
    l->me = s;
    s->unpaid = true;
    s->steady = l->source->steady && (!l->second || l->second->steady) && !l->fn;
    return s;
}

#define SLICE_OPS(name)                                                                            \
    static const struct weir_stream_ops name##_ops = {                                             \
        sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, name##_pull, slice_close}

/* --- take, skip ------------------------------------------------------------------ */

static ssize_t take_pull(void *self, void *items, size_t max)
{
    struct slice *l = self;
    ssize_t r;

    if (l->left == 0)
        return 0;
    r = weir_pull(l->source, items, max < l->left ? max : (size_t)l->left);
    if (r > 0 && (l->left -= (uint64_t)r) == 0)
        weir_stream_close(&l->source); /* nobody will want more: connections go now */
    return r;
}

SLICE_OPS(take);

weir_stream *weir_take(weir_stream *s, uint64_t n)
{
    struct slice l = {.source = s, .left = n};
    int r = weir__stream_check(s);

    return r < 0 ? weir__stream_refuse(r, s, NULL) : slice_make(&take_ops, &l, s->type);
}

static ssize_t skip_pull(void *self, void *items, size_t max)
{
    struct slice *l = self;

    while (l->left) {
        ssize_t r = weir_pull(l->source, items, max < l->left ? max : (size_t)l->left);

        if (r <= 0)
            return r;
        for (ssize_t i = 0; i < r; i++)
            weir__item_drop(&l->type, (char *)items + (size_t)i * l->type.size);
        l->left -= (uint64_t)r;
        l->me->dropped += (uint64_t)r;
    }
    return weir_pull(l->source, items, max);
}

SLICE_OPS(skip);

weir_stream *weir_skip(weir_stream *s, uint64_t n)
{
    struct slice l = {.source = s, .left = n, .type = weir_stream_type(s)};
    int r = weir__stream_check(s);

    return r < 0 ? weir__stream_refuse(r, s, NULL) : slice_make(&skip_ops, &l, s->type);
}

/* --- take_while -------------------------------------------------------------------- */

static ssize_t while_pull(void *self, void *items, size_t max)
{
    struct slice *l = self;
    ssize_t r;
    int more;

    (void)max; /* one: what comes after the end of this stage is not its to take */
    if (l->over)
        return 0;
    r = weir_pull(l->source, items, 1);
    if (r <= 0)
        return r;
    more = l->fn(l->ctx, items, NULL);
    if (more > 0)
        return 1;
    l->over = true;
    weir_stream_close(&l->source);
    if (more == 0 && l->inclusive)
        return 1;
    weir__item_drop(&l->type, items);
    l->me->dropped++;
    return more;
}

SLICE_OPS(while);

weir_stream *weir_take_while(weir_stream *s, weir_fn *fn, void *ctx, int inclusive)
{
    struct slice l = {.source = s, .fn = fn, .ctx = ctx, .inclusive = inclusive != 0};
    int r = weir__stream_check(s);

    if (r < 0 || !fn)
        return weir__stream_refuse(r < 0 ? r : -EINVAL, s, NULL);
    l.type = s->type;
    return slice_make(&while_ops, &l, s->type);
}

/* --- chain ---------------------------------------------------------------------------- */

static ssize_t chain_pull(void *self, void *items, size_t max)
{
    struct slice *l = self;
    ssize_t r;

    if (!l->source)
        return weir_pull(l->second, items, max);
    r = weir_pull(l->source, items, max);
    if (r != 0)
        return r;
    weir_stream_close(&l->source);
    return weir_pull(l->second, items, max);
}

SLICE_OPS(chain);

weir_stream *weir_chain(weir_stream *a, weir_stream *b)
{
    struct slice l = {.source = a, .second = b};
    int r = weir__stream_check(a);

    if (r == 0)
        r = weir__stream_check(b);
    if (r == 0 && !weir__item_same(&a->type, &b->type))
        r = WEIR_ETYPE;
    return r < 0 ? weir__stream_refuse(r, a, b) : slice_make(&chain_ops, &l, a->type);
}

/* --- chunks ---------------------------------------------------------------------------- */

static void chunks_reuse(struct slice *l)
{
    if (!l->given)
        return;
    for (size_t i = 0; i < l->n; i++)
        weir__item_drop(&l->type, l->buf + i * l->type.size);
    l->n = 0;
    l->given = false;
}

/* A chunk that a cancel interrupts stays half full for the next pull. */
static ssize_t chunks_pull(void *self, void *items, size_t max)
{
    struct slice *l = self;
    struct weir_chunk *out = items;
    ssize_t r = 1;

    (void)max;
    chunks_reuse(l);
    while (l->n < l->size) {
        r = weir_pull(l->source, l->buf + l->n * l->type.size, l->size - l->n);
        if (r <= 0)
            break;
        l->n += (size_t)r;
    }
    if (r == -ECANCELED && weir_cancel_why())
        return r;
    if (l->n == 0)
        return r;
    *out = (struct weir_chunk){l->n, l->buf};
    l->given = true;
    return 1; /* an end after a partial chunk is told by the source's latch at the next pull */
}

SLICE_OPS(chunks);

weir_stream *weir_chunks(weir_stream *s, size_t n)
{
    struct slice l = {.source = s, .size = n, .type = weir_stream_type(s)};
    int r = weir__stream_check(s);

    if (r < 0 || n == 0 || n > SIZE_MAX / 2 / l.type.size)
        return weir__stream_refuse(r < 0 ? r : -EINVAL, s, NULL);
    return slice_make(&chunks_ops, &l, WEIR_TYPE(struct weir_chunk));
}
