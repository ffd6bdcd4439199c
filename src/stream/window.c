/*
 * window.c -- stages that hold what they look at: scan_until, map_concat,
 * intersperse, sliding, peekable.  One buffer each, whose items from `at` on
 * are theirs to drop.
 */
#include <string.h>
#include <weir/ops.h>

#include "stream/items.h"

struct window {
    weir_stream *source, *me;
    weir_fn *fn, *last;
    weir_fn_k *fn_k;
    void *ctx;
    const void *separator;
    struct weir_type in;
    char *buf;
    size_t at, n, cap; /* items at .. n-1 are held */
    size_t width;      /* of a sliding window */
    uint64_t k;        /* of map_concat */
    int failed;        /* to be told once what came before it has been */
    bool given;        /* the window has been lent out */
    bool due;          /* a separator goes before the next item */
    bool over;         /* of scan_until: it has stopped, but for the last word */
    bool silent;       /* and that has been said */
};

static char *window_item(const struct window *w, size_t i)
{
    return w->buf + i * w->in.size;
}

static void window_close(void *self, int why)
{
    struct window *w = self;

    (void)why;
    if (w->buf)
        weir__items_drop(&w->in, window_item(w, w->at), w->n - w->at);
    weir_stream_close(&w->source);
    weir__items_free(&w->in, w->buf, w->cap);
    weir__free(w, sizeof *w);
}

static weir_stream *window_make(const struct weir_stream_ops *ops, const struct window *init,
                                struct weir_type out)
{
    struct window *w = weir__self_new(init, sizeof *init);

    if (!w)
        return weir__stream_refuse(-ENOMEM, init->source, NULL);
    w->in = w->source->type;
    w->buf = weir__items_alloc(&w->in, w->cap);
    return weir__self_stream(ops, w, out, w->buf, &w->me);
}

#define WINDOW_OPS(name)                                                                           \
    static const struct weir_stream_ops window_##name##_ops = {                                    \
        sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, window_##name##_pull, window_close}

/* All that is held goes; `code` is told next. */
static void window_fail(struct window *w, int code)
{
    w->failed = code;
    w->me->dropped += w->n - w->at;
    weir__items_drop(&w->in, window_item(w, w->at), w->n - w->at);
    w->at = w->n;
}

/* More items, if none are held: 1, or what the source said. */
static ssize_t window_fill(struct window *w, size_t max)
{
    ssize_t r;

    if (w->at < w->n)
        return 1;
    w->at = w->n = 0;
    r = weir_pull(w->source, w->buf, max);
    w->n = r > 0 ? (size_t)r : 0;
    return r;
}

/* The item at `at` has been used. */
static void window_done(struct window *w)
{
    weir__item_drop(&w->in, window_item(w, w->at));
    w->at++;
}

/* --- scan_until ---------------------------------------------------------------- */

static ssize_t window_scan_end(struct window *w, void *items)
{
    int r;

    if (w->silent)
        return 0;
    w->over = true;
    weir_stream_close(&w->source);
    r = w->last ? w->last(w->ctx, NULL, items) : 0;
    w->silent = !weir__pull_is_resumable(r);
    return r;
}

static ssize_t window_scan_pull(void *self, void *items, size_t max)
{
    struct window *w = self;

    (void)max; /* one: what comes after its end is not its to take */
    while (!w->over) {
        ssize_t r = window_fill(w, 1);
        int step;

        if (r < 0)
            return r;
        if (r == 0)
            break;
        step = w->fn(w->ctx, w->buf, items);
        if (step < 0) {
            window_fail(w, step);
            return step;
        }
        window_done(w);
        w->over = step == WEIR_SCAN_STOP || step == WEIR_SCAN_LAST;
        if (w->over)
            weir_stream_close(&w->source);
        if (step != WEIR_SCAN_SKIP && step != WEIR_SCAN_STOP)
            return 1;
    }
    return window_scan_end(w, items);
}

WINDOW_OPS(scan);

weir_stream *weir_scan_until(weir_stream *s, weir_fn *step, weir_fn *last, void *ctx,
                             struct weir_type out)
{
    struct window w = {.source = s, .fn = step, .last = last, .ctx = ctx, .cap = 1};
    int r = weir__stage_check(s, step);

    if (r == 0)
        r = weir__type_check(&out);
    return r < 0 ? weir__stream_refuse(r, s, NULL) : window_make(&window_scan_ops, &w, out);
}

/* --- map_concat ------------------------------------------------------------------- */

/* As many of the item at hand as fit. */
static size_t window_concat_walk(struct window *w, char *out, size_t max)
{
    size_t k = 0, size = w->me->type.size;
    int r = 1;

    while (k < max && (r = w->fn_k(w->ctx, w->buf, w->k, out + k * size)) > 0) {
        k++;
        w->k++;
    }
    if (r > 0)
        return k;
    w->k = 0;
    if (r < 0)
        window_fail(w, r);
    else
        window_done(w);
    return k;
}

/* One item at a time: of two, the second might not be wanted any more. */
static ssize_t window_concat_pull(void *self, void *items, size_t max)
{
    struct window *w = self;
    size_t k = 0;

    while (k == 0 && !w->failed) {
        ssize_t r = window_fill(w, 1);

        if (r <= 0)
            return r;
        k = window_concat_walk(w, items, max);
    }
    return k ? (ssize_t)k : w->failed;
}

WINDOW_OPS(concat);

weir_stream *weir_map_concat(weir_stream *s, weir_fn_k *fn, void *ctx, struct weir_type out)
{
    struct window w = {.source = s, .fn_k = fn, .ctx = ctx, .cap = 1};
    int r = weir__stage_check(s, fn);

    if (r == 0)
        r = weir__type_check(&out);
    return r < 0 ? weir__stream_refuse(r, s, NULL) : window_make(&window_concat_ops, &w, out);
}

/* --- intersperse ---------------------------------------------------------------------- */

static size_t window_sow(struct window *w, char *out, size_t max)
{
    size_t k = 0, size = w->in.size;

    for (; k < max && w->at < w->n; k++, out += size) {
        int r = w->due ? weir__item_clone(&w->in, out, w->separator) : 0;

        if (r < 0) {
            window_fail(w, r);
            break;
        }
        if (!w->due)
            weir__item_copy(out, window_item(w, w->at++), size);
        w->due = !w->due;
    }
    return k;
}

/* As many items as fit with their separators; one at least, to know that one comes. */
static ssize_t window_sow_pull(void *self, void *items, size_t max)
{
    struct window *w = self;
    size_t k = 0;

    while (k == 0 && !w->failed) {
        size_t want = (w->due ? max : max + 1) / 2;
        ssize_t r = window_fill(w, want == 0 ? 1 : want < w->cap ? want : w->cap);

        if (r <= 0)
            return r;
        k = window_sow(w, items, max);
    }
    return k ? (ssize_t)k : w->failed;
}

WINDOW_OPS(sow);

weir_stream *weir_intersperse(weir_stream *s, const void *separator)
{
    struct window w = {.source = s, .separator = separator};
    int r = weir__stage_check(s, separator);

    if (r == 0 && !weir__item_clones(&s->type))
        r = -EINVAL;
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    w.cap = weir__stream_batch(&s->type);
    return window_make(&window_sow_ops, &w, s->type);
}

/* --- sliding ----------------------------------------------------------------------------- */

/* The oldest item goes, and the window moves to the front when it has reached the end. */
static void window_advance(struct window *w)
{
    if (!w->given)
        return;
    w->given = false;
    window_done(w);
    if (w->at + w->width <= w->cap)
        return;
    memmove(w->buf, window_item(w, w->at), (w->n - w->at) * w->in.size);
    w->n -= w->at;
    w->at = 0;
}

static ssize_t window_slide_pull(void *self, void *items, size_t max)
{
    struct window *w = self;

    (void)max; /* one: it is lent until the next pull */
    window_advance(w);
    while (w->n - w->at < w->width) {
        size_t wanted = w->width - (w->n - w->at);
        ssize_t r = weir_pull(w->source, window_item(w, w->n), wanted);

        if (r <= 0)
            return r;
        w->n += (size_t)r;
    }
    w->given = true;
    *(struct weir_chunk *)items = (struct weir_chunk){w->width, window_item(w, w->at)};
    return 1;
}

WINDOW_OPS(slide);

weir_stream *weir_sliding(weir_stream *s, size_t n)
{
    struct window w = {.source = s, .width = n};
    int r = weir__stage_check(s, n > 0);

    if (r < 0 || n > SIZE_MAX / 4 / s->type.size)
        return weir__stream_refuse(r < 0 ? r : -EINVAL, s, NULL);
    w.cap = n + (n < 64 ? 64 : n); /* so it is moved once in 64 or n windows */
    return window_make(&window_slide_ops, &w, WEIR_TYPE(struct weir_chunk));
}

weir_stream *weir_pairwise(weir_stream *s)
{
    return weir_sliding(s, 2);
}

/* --- peekable -------------------------------------------------------------------------------- */

static ssize_t window_peek_pull(void *self, void *items, size_t max)
{
    struct window *w = self;

    if (w->at == w->n)
        return weir_pull(w->source, items, max);
    weir__item_copy(items, window_item(w, w->at), w->in.size);
    w->at = w->n;
    return 1;
}

WINDOW_OPS(peek);

weir_stream *weir_peekable(weir_stream *s)
{
    struct window w = {.source = s, .cap = 1};
    int r = weir__stream_check(s);

    return r < 0 ? weir__stream_refuse(r, s, NULL) : window_make(&window_peek_ops, &w, s->type);
}

int weir_peek(weir_stream *s, void **item)
{
    struct window *w;
    ssize_t r = weir_stream_error(s);

    if (r < 0 || !item || s->ops != &window_peek_ops)
        return r < 0 ? (int)r : -EINVAL;
    r = weir__stream_enter(s);
    if (r != WEIR__STREAM_OPEN)
        return (int)r;
    w = s->self;
    r = weir__stream_leave(s, window_fill(w, 1));
    if (r > 0)
        *item = window_item(w, w->at);
    return (int)r;
}
