/*
 * shape.c -- what the operators of time share: making, taking from the source
 * under a time limit, the books.
 */
#include "stream/shape.h"

/* --- making and closing ------------------------------------------------------ */

static bool shape_memory(struct weir__shape *g, size_t slots)
{
    uintptr_t at;

    if (slots == 0)
        return true;
    g->slots = slots;
    g->slot_bytes = slots * g->type.size + 64;
    g->block = weir__alloc(g->slot_bytes);
    if (!g->block)
        return false;
    at = (uintptr_t)g->block;
    g->slot = (char *)g->block + ((64 - (at & 63)) & 63);
    return true;
}

void weir__shape_close(void *self, int why)
{
    struct weir__shape *g = self;

    (void)why;
    if (g->fini)
        g->fini(self);
    weir__shape_forget(g);
    weir_stream_close(&g->source);
    weir__free(g->block, g->slot_bytes);
    weir__free(self, g->size);
}

static struct weir__shape *shape_copy(const void *init, size_t size, weir_stream *s, size_t slots)
{
    struct weir__shape *g = weir__alloc(size);

    if (!g)
        return NULL;
    memcpy(g, init, size);
    g->size = size;
    g->source = s;
    g->type = s->type;
    if (shape_memory(g, slots))
        return g;
    weir__free(g, size);
    return NULL;
}

weir_stream *weir__shape_make(const struct weir_stream_ops *ops, const void *init, size_t size,
                              weir_stream *s, size_t slots, struct weir_type out, int needs)
{
    static const struct weir_stage_opts one = {.name = "slot", .capacity = 1};
    struct weir__shape *g;
    weir_stream *made;

    if (!s->steady && needs & WEIR__SHAPE_TIMED)
        s = weir__boundary(s, &one, 0);
    if (s->poison)
        return s;
    g = shape_copy(init, size, s, slots);
    if (!g)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    made = weir_stream_new(ops, g, out);
    if (made->poison) {
        g->fini = NULL; /* nothing has begun */
        weir__shape_close(g, made->poison);
        return made;
    }
    g->me = made;
    made->steady = s->steady && !(needs & WEIR__SHAPE_CALLS);
    return made;
}

/* --- taking --------------------------------------------------------------------- */

/* The end is kept, what is the puller's own business is handed on. */
static ssize_t shape_no_item(struct weir__shape *g, int r, bool late)
{
    if (late)
        return WEIR__SHAPE_LATE;
    if ((r == -ECANCELED && weir_cancel_why()) || r == WEIR_ENOFIBER || r == -EBUSY)
        return r;
    g->over = true;
    g->end = r;
    return 0;
}

static ssize_t shape_took(struct weir__shape *g, ssize_t n)
{
    g->books.in += (uint64_t)n;
    return n;
}

ssize_t weir__shape_take(struct weir__shape *g, void *items, size_t max, weir_time until)
{
    struct weir_limit l;
    ssize_t n;
    int cut, r;

    if (g->over)
        return 0;
    if (until == WEIR_NEVER && !g->exposed) {
        n = weir_pull(g->source, items, max);
        return n > 0 ? shape_took(g, n) : shape_no_item(g, (int)n, false);
    }
    r = weir_limit_init(&l, until);
    if (r == 0)
        g->limit = (struct weir__node *)&l;
    n = r < 0 ? r : weir_pull(g->source, items, max);
    g->limit = NULL;
    cut = n < 0 ? (int)n : 0;
    r = weir_limit_fini(&l, cut);
    return n > 0 ? shape_took(g, n) : shape_no_item(g, r, cut == -ECANCELED && r == -ETIMEDOUT);
}

/* --- the kept item ---------------------------------------------------------------- */

void weir__shape_drop(struct weir__shape *g, void *item, uint64_t *cause)
{
    weir__item_drop(&g->type, item);
    ++*cause;
    g->me->dropped++;
}

void weir__shape_keep(struct weir__shape *g)
{
    if (g->holding)
        weir__shape_drop(g, weir__shape_kept(g), &g->books.replaced);
    weir__item_copy(weir__shape_kept(g), weir__shape_fresh(g), g->type.size);
    g->holding = true;
}

ssize_t weir__shape_give(struct weir__shape *g, void *items)
{
    weir__item_copy(items, weir__shape_kept(g), g->type.size);
    g->holding = false;
    g->books.out++;
    return 1;
}

ssize_t weir__shape_pass(struct weir__shape *g, void *items)
{
    weir__item_copy(items, weir__shape_fresh(g), g->type.size);
    g->books.out++;
    return 1;
}

void weir__shape_forget(struct weir__shape *g)
{
    if (g->holding)
        weir__shape_drop(g, weir__shape_kept(g), &g->books.failed);
    g->holding = false;
}

/* --- the books ---------------------------------------------------------------------- */

int weir_shape_stats(const weir_stream *s, struct weir_shape_stats *out)
{
    const struct weir__shape *g;
    int r = weir_stream_error(s);

    if (r < 0 || !out || s->ops->close != weir__shape_close)
        return r < 0 ? r : -EINVAL;
    g = s->self;
    *out = g->books;
    out->held = g->held ? g->held(g) : g->holding;
    return 0;
}
