/*
 * pass.c -- stages that look at items and let some of them through: inspect,
 * skip_while, step_by, distinct_until_changed, enumerate.  They walk the
 * puller's own buffer, so they hold nothing and copy only to close a gap.
 */
#include <string.h>
#include <weir/ops.h>

#include "stream/items.h"

struct pass_stage {
    weir_stream *source, *me;
    weir_fn *fn;
    void *ctx;
    struct weir_type type, out; /* out: of enumerate */
    /* Looks at n items and keeps k of them, in front; drops the others. */
    size_t (*walk)(struct pass_stage *p, char *items, size_t n);
    uint64_t at, step;
    size_t offset; /* of the item in an item of enumerate */
    int failed;    /* to be told once what came before it has been */
    size_t key;    /* size of a key */
    char *keys;    /* the last one, and room for the next */
    bool keyed;    /* there is a last one */
};

static void pass_drop(struct pass_stage *p, char *items, size_t n)
{
    weir__items_drop(&p->type, items, n);
    p->me->dropped += n;
}

/* Item `at` of n failed: it and those behind it go. */
static void pass_fail(struct pass_stage *p, char *items, size_t at, size_t n, int code)
{
    pass_drop(p, items + at * p->type.size, n - at);
    p->failed = code;
}

static ssize_t pass_pull(void *self, void *items, size_t max)
{
    struct pass_stage *p = self;
    size_t k = 0;

    while (k == 0 && !p->failed) {
        ssize_t r = weir_pull(p->source, items, max);

        if (r <= 0)
            return r;
        k = p->walk(p, items, (size_t)r);
    }
    return k ? (ssize_t)k : p->failed;
}

static void pass_close(void *self, int why)
{
    struct pass_stage *p = self;

    (void)why;
    weir_stream_close(&p->source);
    weir__free(p->keys, 2 * p->key);
    weir__free(p, sizeof *p);
}

static const struct weir_stream_ops pass_ops = {sizeof(struct weir_stream_ops),
                                                WEIR_STREAM_RESUMABLE, pass_pull, pass_close};

static weir_stream *pass_make(const struct weir_stream_ops *ops, const struct pass_stage *init)
{
    struct pass_stage *p = weir__self_new(init, sizeof *init);

    if (!p)
        return weir__stream_refuse(-ENOMEM, init->source, NULL);
    p->type = p->source->type;
    if (p->key)
        p->keys = weir__alloc(2 * p->key);
    return weir__self_stream(ops, p, p->out.size ? p->out : p->type, p->keys || !p->key, &p->me);
}

/* --- inspect, skip_while, step_by ------------------------------------------------ */

static size_t pass_inspect(struct pass_stage *p, char *items, size_t n)
{
    weir_fn *fn = p->fn;
    void *ctx = p->ctx;
    size_t size = p->type.size;

    for (size_t i = 0; i < n; i++) {
        int r = fn(ctx, items + i * size, NULL);

        if (r < 0) {
            pass_fail(p, items, i, n, r);
            return i;
        }
    }
    return n;
}

weir_stream *weir_inspect(weir_stream *s, weir_fn *fn, void *ctx)
{
    struct pass_stage p = {.source = s, .fn = fn, .ctx = ctx, .walk = pass_inspect};
    int r = weir__stage_check(s, fn);

    return r < 0 ? weir__stream_refuse(r, s, NULL) : pass_make(&pass_ops, &p);
}

static size_t pass_all(struct pass_stage *p, char *items, size_t n)
{
    (void)p;
    (void)items;
    return n;
}

static size_t pass_skip(struct pass_stage *p, char *items, size_t n)
{
    size_t size = p->type.size, i = 0;
    int r = 1;

    while (i < n && (r = p->fn(p->ctx, items + i * size, NULL)) > 0)
        i++;
    pass_drop(p, items, i);
    if (r < 0)
        pass_fail(p, items, i, n, r);
    if (r != 0)
        return 0;
    p->walk = pass_all;
    memmove(items, items + i * size, (n - i) * size);
    return n - i;
}

weir_stream *weir_skip_while(weir_stream *s, weir_fn *fn, void *ctx)
{
    struct pass_stage p = {.source = s, .fn = fn, .ctx = ctx, .walk = pass_skip};
    int r = weir__stage_check(s, fn);

    return r < 0 ? weir__stream_refuse(r, s, NULL) : pass_make(&pass_ops, &p);
}

static size_t pass_step(struct pass_stage *p, char *items, size_t n)
{
    size_t size = p->type.size, k = 0;

    for (size_t i = 0; i < n; i++) {
        if (p->at == 0 && k++ != i)
            memcpy(items + (k - 1) * size, items + i * size, size);
        else if (p->at != 0)
            pass_drop(p, items + i * size, 1);
        p->at = p->at + 1 < p->step ? p->at + 1 : 0;
    }
    return k;
}

weir_stream *weir_step_by(weir_stream *s, uint64_t n)
{
    struct pass_stage p = {.source = s, .step = n, .walk = pass_step};
    int r = weir__stage_check(s, n > 0);

    return r < 0 ? weir__stream_refuse(r, s, NULL) : pass_make(&pass_ops, &p);
}

/* --- distinct_until_changed ----------------------------------------------------------- */

/* 1 if the item's key differs from the one before it, 0, negative. */
static int pass_changed(struct pass_stage *p, void *item)
{
    const void *key = item;

    if (p->fn) {
        char *next = p->keys + p->key;
        int r;

        memset(next, 0, p->key);
        r = p->fn(p->ctx, item, next);
        if (r <= 0)
            return r;
        key = next;
    }
    if (p->keyed && memcmp(p->keys, key, p->key) == 0)
        return 0;
    weir__item_copy(p->keys, key, p->key);
    p->keyed = true;
    return 1;
}

static size_t pass_changes(struct pass_stage *p, char *items, size_t n)
{
    size_t size = p->type.size, k = 0;

    for (size_t i = 0; i < n; i++) {
        int r = pass_changed(p, items + i * size);

        if (r < 0) {
            pass_fail(p, items, i, n, r);
            break;
        }
        if (r == 0)
            pass_drop(p, items + i * size, 1);
        else if (k++ != i)
            memcpy(items + (k - 1) * size, items + i * size, size);
    }
    return k;
}

weir_stream *weir_distinct_until_changed(weir_stream *s, weir_fn *key, void *ctx,
                                         struct weir_type key_type)
{
    struct pass_stage p = {.source = s, .fn = key, .ctx = ctx, .walk = pass_changes};
    int r = weir__stream_check(s);

    if (r == 0 && key)
        r = weir__type_check(&key_type);
    if (r == 0 && (key ? key_type.drop : s->type.drop))
        r = -EINVAL;
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    p.key = key ? key_type.size : s->type.size;
    return pass_make(&pass_ops, &p);
}

/* --- enumerate --------------------------------------------------------------------------- */

/*
 * The items are pulled into the far end of the puller's buffer, where each
 * stands behind the place that it is moved to: item i is read before anything
 * is written beyond it.
 */
static ssize_t pass_number_pull(void *self, void *items, size_t max)
{
    struct pass_stage *p = self;
    size_t in = p->type.size, out = p->out.size;
    char *to = items, *from = to + max * (out - in);
    ssize_t r = weir_pull(p->source, from, max);

    for (ssize_t i = 0; i < r; i++, to += out, from += in, p->at++) {
        memmove(to + p->offset, from, in);
        memcpy(to, &p->at, sizeof p->at);
    }
    return r;
}

static const struct weir_stream_ops pass_number_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, pass_number_pull, pass_close};

weir_stream *weir_enumerate(weir_stream *s, uint64_t first, struct weir_type out)
{
    struct pass_stage p = {.source = s, .at = first, .out = out};
    size_t align;
    int r = weir__stream_check(s);

    if (r == 0)
        r = weir__type_check(&out);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    align = s->type.align > _Alignof(uint64_t) ? s->type.align : _Alignof(uint64_t);
    p.offset = align;
    if (out.size != (p.offset + s->type.size + align - 1) / align * align)
        r = WEIR_ETYPE;
    else if (s->type.drop && !out.drop)
        r = -EINVAL;
    return r < 0 ? weir__stream_refuse(r, s, NULL) : pass_make(&pass_number_ops, &p);
}
