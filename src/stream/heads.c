/*
 * heads.c -- one item of each source at a time: what zip and merge_sorted
 * stand on.
 *
 * Inlets that lack a head are in a list, so a step costs those that moved.  A
 * source that loses nothing by a cancel is pulled directly, one after another,
 * unless all are to be pulled at the same time.  What was pulled and can go
 * out no more is given to on_drop, or dropped; it is counted either way.
 */
#include "stream/fan.h"

int weir__heads_make(struct weir__heads *h, weir_stream *const *sources, size_t n, bool same,
                     const struct weir_heads_opts *opts)
{
    struct weir__inlet_how how = {.cap = 1, .same = same};
    int r = 0;

    h->opts = opts ? *opts : (struct weir_heads_opts){0};
    for (size_t i = 0; i < sizeof h->opts.reserved / sizeof *h->opts.reserved; i++)
        if (h->opts.reserved[i])
            r = -EINVAL;
    if (r < 0 || h->opts.concurrent > 1)
        return weir__streams_refuse(sources, n, -EINVAL);
    how.direct = !h->opts.concurrent;
    r = weir__inlets_make(&h->set, sources, n, &how);
    if (r < 0)
        return r;
    h->live = n;
    weir__list_init(&h->lacking);
    weir__list_init(&h->fresh);
    for (size_t k = 0; k < n; k++)
        weir__list_append(&h->lacking, &h->set.all[k].lack);
    return 0;
}

static void heads_ended(struct weir__heads *h, struct weir__inlet *i)
{
    weir__list_remove(&i->lack);
    h->live--;
    if (i->end < 0 && !h->failure)
        h->failure = i->end;
    if (i->end == 0)
        h->some_ended = true;
}

/* A look at those that lack a head.  1: some still do; 0; negative: the puller's own affair. */
static int heads_look(struct weir__heads *h, bool first)
{
    struct weir__list *at = h->lacking.next, *next;
    int waits = 0;

    for (; at != &h->lacking && !h->failure && !(first && h->some_ended); at = next) {
        struct weir__inlet *i = WEIR__ENTRY(at, struct weir__inlet, lack);
        int r = i->direct && !i->n ? weir__inlet_pull(i) : 0;

        next = at->next;
        if (r < 0)
            return r;
        if (i->n) {
            weir__list_remove(&i->lack);
            weir__list_append(&h->fresh, &i->lack);
        } else if (i->ended) {
            heads_ended(h, i);
        } else {
            waits = 1;
        }
    }
    return waits && !h->failure && !(first && h->some_ended);
}

int weir__heads_fill(struct weir__heads *h, bool first)
{
    int r = weir__inlets_start(&h->set);

    if (r < 0)
        return r;
    while (r == 0 && !h->failure && (r = heads_look(h, first)) > 0)
        r = weir__inlets_wait(&h->set);
    return r;
}

void weir__heads_pass(struct weir__heads *h, struct weir__inlet *i)
{
    weir__inlet_pass(i);
    weir__list_remove(&i->lack);
    weir__list_append(&h->lacking, &i->lack);
}

static void heads_give_up(struct weir__heads *h)
{
    for (size_t k = 0; k < h->set.n; k++) {
        struct weir__inlet *i = &h->set.all[k];

        for (; i->n; h->dropped++) {
            if (h->opts.on_drop)
                h->opts.on_drop(h->ctx, k, weir__inlet_head(i));
            else
                weir__item_drop(&i->type, weir__inlet_head(i));
            weir__inlet_pass(i);
        }
    }
}

int weir__heads_finish(struct weir__heads *h, int code)
{
    h->over = true;
    h->end = code;
    weir__inlets_stop(&h->set);
    heads_give_up(h);
    return code;
}

void weir__heads_fini(struct weir__heads *h)
{
    if (!h->over)
        weir__heads_finish(h, -ECANCELED);
    weir__inlets_fini(&h->set);
}

void weir__heads_books(const struct weir__heads *h, struct weir_fan_stats *out)
{
    weir__inlets_books(&h->set, out);
    out->out = h->out;
    out->dropped += h->dropped;
    out->failed = h->failed;
}
