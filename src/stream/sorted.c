/*
 * sorted.c -- sorted sources into one: a heap of their heads.
 *
 * Nothing goes out before each source has a head or has ended, for the missing
 * one might be the least.  After a failure what is held still goes out, in
 * order, and then the failure.
 */
#include "stream/fan.h"

struct sorted {
    struct weir__heads heads;
    weir_cmp *cmp;
    struct weir__inlet **heap;
    size_t n;
    bool stopped;
};

static bool sorted_before(const struct sorted *t, const struct weir__inlet *a,
                          const struct weir__inlet *b)
{
    int r = t->cmp(t->heads.ctx, weir__inlet_head(a), weir__inlet_head(b));

    return r < 0 || (r == 0 && a->index < b->index);
}

static void sorted_push(struct sorted *t, struct weir__inlet *i)
{
    size_t at = t->n++;

    for (; at && sorted_before(t, i, t->heap[(at - 1) / 2]); at = (at - 1) / 2)
        t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = i;
}

static struct weir__inlet *sorted_pop(struct sorted *t)
{
    struct weir__inlet *top = t->heap[0], *last = t->heap[--t->n];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < t->n) {
        if (child + 1 < t->n && sorted_before(t, t->heap[child + 1], t->heap[child]))
            child++;
        if (!sorted_before(t, t->heap[child], last))
            break;
        t->heap[at] = t->heap[child];
        at = child;
    }
    t->heap[at] = last;
    return top;
}

static void sorted_enter(struct sorted *t)
{
    struct weir__list *fresh = &t->heads.fresh;

    while (!weir__list_empty(fresh)) {
        struct weir__inlet *i = WEIR__ENTRY(fresh->next, struct weir__inlet, lack);

        weir__list_remove(&i->lack);
        sorted_push(t, i);
    }
}

/* After a failure: what came while the others were being stopped goes out, too. */
static void sorted_stop(struct sorted *t)
{
    struct weir__list *lacking = &t->heads.lacking, *at, *next;

    if (t->stopped)
        return;
    t->stopped = true;
    weir__inlets_stop(&t->heads.set);
    for (at = lacking->next; at != lacking; at = next) {
        struct weir__inlet *i = WEIR__ENTRY(at, struct weir__inlet, lack);

        next = at->next;
        weir__list_remove(at);
        if (i->n)
            weir__list_append(&t->heads.fresh, at);
    }
}

static ssize_t sorted_pull(void *self, void *items, size_t max)
{
    struct sorted *t = self;
    struct weir__inlet *i;
    int r;

    (void)max; /* one: the next may have to be waited for */
    if (t->heads.over)
        return t->heads.end;
    r = weir__heads_fill(&t->heads, false);
    if (r < 0)
        return r;
    if (t->heads.failure)
        sorted_stop(t);
    sorted_enter(t);
    if (t->n == 0)
        return weir__heads_finish(&t->heads, t->heads.failure);
    i = sorted_pop(t);
    memcpy(items, weir__inlet_head(i), i->type.size);
    weir__heads_pass(&t->heads, i);
    t->heads.out++;
    return 1;
}

static void sorted_close(void *self, int why)
{
    struct sorted *t = self;

    (void)why;
    weir__free(t->heap, t->heads.set.n * sizeof(struct weir__inlet *));
    weir__heads_fini(&t->heads);
    weir__free(t, sizeof *t);
}

static const struct weir_stream_ops sorted_ops = {sizeof(struct weir_stream_ops),
                                                  WEIR_STREAM_RESUMABLE, sorted_pull, sorted_close};

static void sorted_books(const void *self, struct weir_fan_stats *out)
{
    weir__heads_books(&((const struct sorted *)self)->heads, out);
}

weir_stream *weir_merge_sorted(weir_stream *const *sources, size_t n, weir_cmp *cmp, void *ctx,
                               const struct weir_heads_opts *opts)
{
    struct sorted *t;
    weir_stream *s;
    int r;

    if (!cmp)
        return weir__stream_poison(weir__streams_refuse(sources, n, -EINVAL));
    t = weir__alloc(sizeof *t);
    if (!t)
        return weir__stream_poison(weir__streams_refuse(sources, n, -ENOMEM));
    t->cmp = cmp;
    t->heads.ctx = ctx;
    r = weir__heads_make(&t->heads, sources, n, true, opts);
    if (r < 0) {
        weir__free(t, sizeof *t);
        return weir__stream_poison(r);
    }
    t->heap = weir__alloc(n * sizeof(struct weir__inlet *));
    s = t->heap ? weir_stream_new(&sorted_ops, t, t->heads.set.all[0].type)
                : weir__stream_poison(-ENOMEM);
    if (s->poison) {
        sorted_close(t, s->poison);
        return s;
    }
    s->books = sorted_books;
    s->steady = false; /* it may pull a source itself */
    return s;
}
