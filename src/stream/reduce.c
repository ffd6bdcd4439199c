/*
 * reduce.c -- one item of all, by neighbours.
 *
 * Items stand in a row in the order of the stream.  A worker takes two
 * neighbours that nobody works on, adds the right one to the left one, and
 * takes the right one's place away; if there are no such two, it pulls one
 * more item to the end of the row.  So the order is kept, whatever the
 * parentheses.
 */
#include "stream/fan.h"

struct reduce_node {
    struct weir__list link; /* in the row, or free */
    char *item;
    bool busy;
};

struct reduce {
    weir_stream *source;
    weir_reduce_fn *fn;
    void *ctx;
    struct weir_type type;
    struct reduce_node *nodes;
    struct weir__slots slots;
    size_t n; /* nodes */
    struct weir__list row, free;
    struct weir_event news;
    size_t busy;
    bool pulling, over;
};

/* The left one of two neighbours that are free to be combined, or NULL. */
static struct reduce_node *reduce_pair(struct reduce *d)
{
    for (struct weir__list *at = d->row.next; at->next != &d->row && at != &d->row; at = at->next) {
        struct reduce_node *a = WEIR__ENTRY(at, struct reduce_node, link);

        if (!a->busy && !WEIR__ENTRY(at->next, struct reduce_node, link)->busy)
            return a;
    }
    return NULL;
}

static int reduce_combine(struct reduce *d, struct reduce_node *a)
{
    struct reduce_node *b = WEIR__ENTRY(a->link.next, struct reduce_node, link);
    int r;

    a->busy = b->busy = true;
    d->busy++;
    r = d->fn(d->ctx, a->item, b->item);
    weir__item_drop(&d->type, b->item);
    a->busy = b->busy = false;
    d->busy--;
    weir__list_remove(&b->link);
    weir__list_append(&d->free, &b->link);
    return r < 0 ? r : 0;
}

static int reduce_more(struct reduce *d)
{
    struct reduce_node *a = WEIR__ENTRY(d->free.next, struct reduce_node, link);
    ssize_t r;

    weir__list_remove(&a->link);
    d->pulling = true;
    r = weir_pull(d->source, a->item, 1);
    d->pulling = false;
    weir__list_append(r > 0 ? &d->row : &d->free, &a->link);
    if (r <= 0)
        d->over = true;
    return r < 0 ? (int)r : 0;
}

static int reduce_worker(void *arg)
{
    struct reduce *d = arg;
    int r = 0;

    while (r == 0) {
        struct reduce_node *a = reduce_pair(d);

        if (a) {
            r = reduce_combine(d, a);
        } else if (!d->over && !d->pulling && !weir__list_empty(&d->free)) {
            r = reduce_more(d);
        } else if (d->over && !d->busy) {
            return 0;
        } else {
            weir_event_clear(&d->news);
            r = weir_event_wait(&d->news, WEIR_NEVER);
            continue;
        }
        weir_event_set(&d->news);
        if (r == 0)
            r = weir__fan_turn();
    }
    return r;
}

static int reduce_memory(struct reduce *d, uint32_t workers)
{
    size_t stride = weir__stride(d->type.size);

    d->n = 2 * (size_t)workers + 1;
    weir__list_init(&d->row);
    weir__list_init(&d->free);
    weir_event_init(&d->news);
    d->nodes = weir__alloc(d->n * sizeof *d->nodes);
    if (!d->nodes || weir__slots_make(&d->slots, d->n, stride) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < d->n; i++) {
        d->nodes[i].item = d->slots.items + i * stride;
        weir__list_append(&d->free, &d->nodes[i].link);
    }
    return 0;
}

static int reduce_run(struct reduce *d, uint32_t workers)
{
    weir_scope *scope = weir_scope_open(&(struct weir_scope_opts){.name = "reduce"});
    int r = weir_scope_error(scope), closed;

    for (uint32_t i = 0; r == 0 && i < workers; i++)
        r = weir_go(scope, reduce_worker, d);
    if (r < 0 && weir_scope_error(scope) == 0)
        (void)weir_scope_cancel(scope, r);
    closed = weir_scope_close(&scope);
    return closed < 0 ? closed : r;
}

/* What is left in the row: the result, or what a failure left behind. */
static int reduce_result(struct reduce *d, int r, void *out)
{
    while (!weir__list_empty(&d->row)) {
        struct reduce_node *a = WEIR__ENTRY(d->row.next, struct reduce_node, link);

        weir__list_remove(&a->link);
        if (r == 0) {
            memcpy(out, a->item, d->type.size);
            r = 1;
        } else {
            weir__item_drop(&d->type, a->item);
        }
    }
    return r;
}

int weir_par_reduce(weir_stream **s, weir_reduce_fn *fn, void *ctx, uint32_t workers, void *out)
{
    struct reduce d = {.fn = fn, .ctx = ctx};
    int r = s ? weir_stream_error(*s) : -EINVAL;

    if (r == 0 && (!fn || !out || workers == 0 || workers > 1 << 16))
        r = -EINVAL;
    if (r == 0) {
        d.source = *s;
        d.type = d.source->type;
        r = reduce_memory(&d, workers);
        if (r == 0)
            r = reduce_result(&d, reduce_run(&d, workers), out);
        weir__slots_free(&d.slots);
        weir__free(d.nodes, d.n * sizeof *d.nodes);
    }
    if (s)
        weir_stream_close(s);
    return r;
}
