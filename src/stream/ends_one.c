/*
 * ends_one.c -- ends that give one answer: last, drain, reduce, min, max, and
 * those that may stop early: try_fold, any, all.  Each closes its stream,
 * whatever happens; what it does not give away it drops.
 */
#include <string.h>

#include "stream/items.h"

/* An item of its own, and a place for the next, both on the heap: an item may be 1 MiB. */
struct ends_pair {
    struct weir_type type;
    char *next;
};

static int ends_open(weir_stream **s, bool sound, struct ends_pair *p)
{
    int r = s ? weir_stream_error(*s) : -EINVAL;

    if (r >= 0 && !sound)
        r = -EINVAL;
    if (r >= 0) {
        p->type = (*s)->type;
        p->next = weir__items_alloc(&p->type, 1);
        r = p->next ? 0 : -ENOMEM;
    }
    if (r < 0 && s)
        weir_stream_close(s);
    return r;
}

static int ends_shut(weir_stream **s, struct ends_pair *p, int r)
{
    weir__items_free(&p->type, p->next, 1);
    weir_stream_close(s);
    return r;
}

/* The item that has been kept goes, after a failure. */
static void ends_unkeep(const struct ends_pair *p, void *kept)
{
    weir__item_drop(&p->type, kept);
    memset(kept, 0, p->type.size);
}

/* --- all of them --------------------------------------------------------------- */

int weir_drain(weir_stream **s)
{
    uint64_t n;

    return weir_count(s, &n);
}

/*
 * The first item is kept; keep(ctx, kept, next) says of each other what to do:
 * 1 it takes the place of the kept one, 0 it is dropped, negative a failure.
 */
static int ends_keep(weir_stream **s, int (*keep)(void *ctx, void *kept, void *next), void *ctx,
                     void *kept)
{
    struct ends_pair p = {0};
    ssize_t n;
    int r = ends_open(s, kept, &p);
    bool any = false;

    if (r < 0)
        return r;
    while (r >= 0 && (n = weir__pull_on(*s, p.next, 1)) > 0) {
        r = any ? keep(ctx, kept, p.next) : 1;
        if (any)
            weir__item_drop(&p.type, r > 0 ? kept : p.next);
        else
            any = true;
        if (r > 0)
            memcpy(kept, p.next, p.type.size);
    }
    r = r < 0 ? r : n < 0 ? (int)n : 0;
    if (r < 0 && any)
        ends_unkeep(&p, kept);
    return ends_shut(s, &p, r < 0 ? r : any);
}

static int ends_keep_last(void *ctx, void *kept, void *next)
{
    (void)ctx;
    (void)kept;
    (void)next;
    return 1;
}

int weir_last(weir_stream **s, void *item)
{
    return ends_keep(s, ends_keep_last, NULL, item);
}

struct ends_fn {
    weir_fn *fn;
    weir_cmp *cmp;
    void *ctx;
};

static int ends_keep_reduced(void *ctx, void *kept, void *next)
{
    struct ends_fn *f = ctx;
    int r = f->fn(f->ctx, next, kept);

    return r < 0 ? r : 0;
}

int weir_reduce(weir_stream **s, weir_fn *fn, void *ctx, void *acc)
{
    struct ends_fn f = {fn, NULL, ctx};

    return ends_keep(s, ends_keep_reduced, &f, fn ? acc : NULL);
}

static int ends_keep_less(void *ctx, void *kept, void *next)
{
    struct ends_fn *f = ctx;

    return f->cmp(f->ctx, next, kept) < 0;
}

static int ends_keep_more(void *ctx, void *kept, void *next)
{
    struct ends_fn *f = ctx;

    return f->cmp(f->ctx, next, kept) > 0;
}

int weir_min(weir_stream **s, weir_cmp *cmp, void *ctx, void *item)
{
    struct ends_fn f = {NULL, cmp, ctx};

    return ends_keep(s, ends_keep_less, &f, cmp ? item : NULL);
}

int weir_max(weir_stream **s, weir_cmp *cmp, void *ctx, void *item)
{
    struct ends_fn f = {NULL, cmp, ctx};

    return ends_keep(s, ends_keep_more, &f, cmp ? item : NULL);
}

/* --- until the answer is known ------------------------------------------------------ */

/* One at a time, while fn gives `on`.  1 if it was stopped, 0 at the end, negative. */
static int ends_while(weir_stream **s, weir_fn *fn, void *ctx, void *out, bool on)
{
    struct ends_pair p = {0};
    ssize_t n = 0;
    int r = ends_open(s, fn, &p);
    bool stopped = false;

    if (r < 0)
        return r;
    while (r >= 0 && !stopped && (n = weir__pull_on(*s, p.next, 1)) > 0) {
        r = fn(ctx, p.next, out);
        weir__item_drop(&p.type, p.next);
        stopped = (r > 0) != on;
    }
    return ends_shut(s, &p, r < 0 ? r : n < 0 ? (int)n : stopped);
}

int weir_try_fold(weir_stream **s, weir_fn *fn, void *ctx, void *acc)
{
    return ends_while(s, fn, ctx, acc, true);
}

int weir_any(weir_stream **s, weir_fn *fn, void *ctx)
{
    return ends_while(s, fn, ctx, NULL, false);
}

int weir_all(weir_stream **s, weir_fn *fn, void *ctx)
{
    int r = ends_while(s, fn, ctx, NULL, true);

    return r < 0 ? r : !r;
}
