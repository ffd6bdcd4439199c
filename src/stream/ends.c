/*
 * ends.c -- what a pipeline is for.  Each closes its stream, whatever happens.
 */
#include <string.h>

#include "stream/items.h"

enum { ENDS_BUFFER = 4096 };

/* fn for each of n items, until one fails; all of them are dropped.  The failure, or 0. */
static int ends_batch(const struct weir_type *t, char *item, ssize_t n, weir_fn *fn, void *ctx,
                      void *out)
{
    void (*drop)(void *) = t->drop;
    size_t size = t->size;
    char *end = item + (size_t)n * size;
    int r = 0;

    for (; item < end && r >= 0; item += size) {
        r = fn(ctx, item, out);
        if (drop)
            drop(item);
    }
    for (; drop && item < end; item += size)
        drop(item);
    return r < 0 ? r : 0;
}

/* fn for each item, by batches; an item belongs to this end and is dropped after it. */
static int ends_walk(weir_stream *s, weir_fn *fn, void *ctx, void *out)
{
    _Alignas(64) char small[ENDS_BUFFER];
    struct weir_type t = weir_stream_type(s);
    bool fits = t.size && t.size <= sizeof small;
    char *buf = fits ? small : weir__items_alloc(&t, 1);
    size_t max = fits ? sizeof small / t.size : 1;
    ssize_t n = buf ? 1 : -ENOMEM;
    int r = 0;

    while (r == 0 && n > 0 && (n = weir__pull_on(s, buf, max)) > 0)
        r = ends_batch(&t, buf, n, fn, ctx, out);
    if (!fits)
        weir__items_free(&t, buf, 1);
    return r < 0 ? r : (int)n;
}

static int ends_begin(weir_stream **s, const void *needed)
{
    int r = s ? weir_stream_error(*s) : -EINVAL;

    if (r == 0 && !needed)
        r = -EINVAL;
    if (r < 0 && s)
        weir_stream_close(s);
    return r;
}

int weir_fold(weir_stream **s, weir_fn *fn, void *ctx, void *acc)
{
    int r = ends_begin(s, (const void *)(uintptr_t)fn);

    if (r < 0 || !fn)
        return r;
    r = ends_walk(*s, fn, ctx, acc);
    weir_stream_close(s);
    return r;
}

int weir_for_each(weir_stream **s, weir_fn *fn, void *ctx)
{
    return weir_fold(s, fn, ctx, NULL);
}

static int ends_count_one(void *ctx, void *in, void *out)
{
    (void)in;
    (void)out;
    ++*(uint64_t *)ctx;
    return 1;
}

int weir_count(weir_stream **s, uint64_t *n)
{
    if (n)
        *n = 0;
    return weir_fold(s, n ? ends_count_one : NULL, n, NULL);
}

/* Is there one more than fits?  It is dropped. */
static int ends_overflow(weir_stream *s)
{
    void *one = weir__items_alloc(&s->type, 1);
    ssize_t r = one ? weir_pull(s, one, 1) : -ENOMEM;

    if (r > 0)
        weir__item_drop(&s->type, one);
    weir__items_free(&s->type, one, 1);
    return r > 0 ? WEIR_ETOOLARGE : (int)r;
}

int weir_collect(weir_stream **s, void *items, size_t cap, size_t *n)
{
    size_t size;
    ssize_t r;

    if (n)
        *n = 0;
    r = ends_begin(s, n);
    if (r == 0 && cap && !items)
        r = ends_begin(s, NULL);
    if (r < 0 || !n)
        return (int)r;
    size = (*s)->type.size;
    r = 1;
    while (r > 0 && *n < cap) {
        r = weir__pull_on(*s, (char *)items + *n * size, cap - *n);
        *n += r > 0 ? (size_t)r : 0;
    }
    if (r > 0 || cap == 0)
        r = ends_overflow(*s);
    weir_stream_close(s);
    return (int)r;
}

int weir_first(weir_stream **s, void *item)
{
    ssize_t r = ends_begin(s, item);

    if (r < 0)
        return (int)r;
    r = weir_pull(*s, item, 1);
    weir_stream_close(s);
    return (int)r;
}

int weir_find(weir_stream **s, weir_fn *fn, void *ctx, void *item)
{
    ssize_t r = ends_begin(s, fn ? item : NULL);
    int found = 0;

    if (r < 0 || !fn)
        return (int)r;
    while (found == 0 && (r = weir__pull_on(*s, item, 1)) > 0) {
        found = fn(ctx, item, NULL);
        if (found <= 0)
            weir__item_drop(&(*s)->type, item);
    }
    weir_stream_close(s);
    return found ? found : (int)r;
}

int weir_forward(weir_stream **s, weir_chan *ch)
{
    struct weir_type t;
    void *item;
    ssize_t r = ends_begin(s, ch);

    if (r < 0)
        return (int)r;
    t = (*s)->type;
    item = weir__items_alloc(&t, 1);
    if (!item)
        r = -ENOMEM;
    while (r >= 0 && (r = weir__pull_on(*s, item, 1)) > 0) {
        r = weir_chan_send(ch, item, t.size, WEIR_NEVER);
        if (r < 0)
            weir__item_drop(&t, item);
    }
    weir__items_free(&t, item, 1);
    weir_stream_close(s);
    return (int)r;
}
