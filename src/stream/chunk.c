/*
 * chunk.c -- chunks and lines that are the receiver's own, chunks as items
 * again, and a stage that pulls one at a time.
 *
 * An array that is owned has its type in the 64 bytes before it: an item's drop
 * knows nothing but the item.
 */
#include <weir/ops.h>

#include "stream/items.h"

enum { CHUNK_HEAD = 64 };

struct chunk_head {
    struct weir_type type;
    size_t n;
};

static size_t chunk_bytes(const struct chunk_head *h)
{
    return CHUNK_HEAD + h->n * h->type.size;
}

static void chunk_drop(void *item)
{
    struct weir_chunk *c = item;
    struct chunk_head *h;

    if (!c->items)
        return;
    h = (struct chunk_head *)((char *)c->items - CHUNK_HEAD);
    weir__items_drop(&h->type, c->items, h->n);
    weir__places_free(h, chunk_bytes(h));
    *c = (struct weir_chunk){0, NULL};
}

struct weir_type weir_chunk_item(void)
{
    struct weir_type t = WEIR_TYPE(struct weir_chunk);

    t.drop = chunk_drop;
    return t;
}

/* Moves what is lent into an array of its own.  0, or -ENOMEM and nothing has happened. */
static int chunk_take(const struct weir_type *type, struct weir_chunk *c)
{
    struct chunk_head head = {*type, c->n}, *h;

    if (c->n > (SIZE_MAX / 2 - CHUNK_HEAD) / type->size)
        return -ENOMEM;
    h = weir__places_new(chunk_bytes(&head));
    if (!h)
        return -ENOMEM;
    *h = head;
    if (c->n)
        memcpy((char *)h + CHUNK_HEAD, c->items, c->n * type->size);
    if (type->drop) /* moved out, which the one who lent it can see */
        memset(c->items, 0, c->n * type->size);
    c->items = (char *)h + CHUNK_HEAD;
    return 0;
}

/* --- lines --------------------------------------------------------------------------- */

static void chunk_line_drop(void *item)
{
    struct weir_line *l = item;
    struct weir_chunk c = {l->len, l->text};

    chunk_drop(&c);
    *l = (struct weir_line){NULL, 0};
}

struct weir_type weir_line_item(void)
{
    struct weir_type t = WEIR_TYPE(struct weir_line);

    t.drop = chunk_line_drop;
    return t;
}

/* The text and the zero byte behind it. */
static int chunk_line_take(const struct weir_type *type, struct weir_line *l)
{
    struct weir_chunk c = {l->len + 1, l->text};
    int r = chunk_take(type, &c);

    if (r == 0)
        l->text = c.items;
    return r;
}

/* --- the stages ------------------------------------------------------------------------------ */

struct chunk_stage {
    weir_stream *source, *me;
    struct weir_type type;   /* of the items in a chunk */
    struct weir_chunk chunk; /* unchunk: the one it is at */
    size_t at;
    bool owned;
};

static ssize_t own_pull(void *self, void *items, size_t max)
{
    struct chunk_stage *g = self;
    ssize_t r = weir_pull(g->source, items, 1);

    (void)max; /* the next would end the loan of this one */
    if (r > 0 && chunk_take(&g->type, items) < 0) {
        g->me->dropped++;
        memset(items, 0, sizeof(struct weir_chunk));
        return -ENOMEM;
    }
    return r;
}

static ssize_t chunk_line_pull(void *self, void *items, size_t max)
{
    struct chunk_stage *g = self;
    ssize_t r = weir_pull(g->source, items, 1);

    (void)max;
    if (r > 0 && chunk_line_take(&g->type, items) < 0) {
        g->me->dropped++;
        memset(items, 0, sizeof(struct weir_line));
        return -ENOMEM;
    }
    return r;
}

static void unchunk_next(struct chunk_stage *g)
{
    if (g->owned)
        chunk_drop(&g->chunk);
    g->chunk = (struct weir_chunk){0, NULL};
    g->at = 0;
}

/* An owned one knows what is in it. */
static int unchunk_look(const struct chunk_stage *g)
{
    const struct chunk_head *h = (void *)((char *)g->chunk.items - CHUNK_HEAD);

    return g->owned && g->chunk.items && !weir__type_same(&h->type, &g->type) ? WEIR_ETYPE : 0;
}

static ssize_t unchunk_pull(void *self, void *items, size_t max)
{
    struct chunk_stage *g = self;
    size_t size = g->type.size, n;
    char *from;

    while (g->at >= g->chunk.n) {
        ssize_t r;

        unchunk_next(g);
        r = weir_pull(g->source, &g->chunk, 1);
        if (r <= 0)
            return r;
        r = unchunk_look(g);
        if (r < 0)
            return r;
    }
    n = g->chunk.n - g->at < max ? g->chunk.n - g->at : max;
    from = (char *)g->chunk.items + g->at * size;
    memcpy(items, from, n * size);
    if (g->type.drop)
        memset(from, 0, n * size);
    g->at += n;
    return (ssize_t)n;
}

static ssize_t unbatch_pull(void *self, void *items, size_t max)
{
    (void)max;
    return weir_pull(((struct chunk_stage *)self)->source, items, 1);
}

static void chunk_close(void *self, int why)
{
    struct chunk_stage *g = self;

    (void)why;
    unchunk_next(g);
    weir_stream_close(&g->source);
    weir__free(g, sizeof *g);
}

#define CHUNK_OPS(name)                                                                            \
    static const struct weir_stream_ops name##_ops = {                                             \
        sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, name##_pull, chunk_close}

CHUNK_OPS(own);
CHUNK_OPS(chunk_line);
CHUNK_OPS(unchunk);
CHUNK_OPS(unbatch);

static weir_stream *chunk_make(const struct weir_stream_ops *ops, struct chunk_stage *init,
                               struct weir_type out)
{
    weir_stream *s = init->source, *made;
    bool steady = s->steady;
    struct chunk_stage *g = weir__self_new(init, sizeof *init);

    if (!g)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    made = weir__self_stream(ops, g, out, true, &g->me);
    if (!made->poison) {
        made->steady = steady;
        made->unpaid = ops != &unchunk_ops; /* it may have a million at hand */
    }
    return made;
}

/* Both are 16 bytes: a line for a chunk, or the other way round, is known by its name only. */
static bool chunk_is(const struct weir_type *t, size_t size, const char *never)
{
    return t->size == size && !(t->name && strcmp(t->name, never) == 0);
}

/* 0 if s is a stream of chunks, and `type` can be in them. */
static int chunk_check(const weir_stream *s, const struct weir_type *type)
{
    int r = weir__stream_check(s);

    if (r == 0)
        r = weir__type_check(type);
    if (r == 0 && (!chunk_is(&s->type, sizeof(struct weir_chunk), "struct weir_line") ||
                   (s->type.drop && s->type.drop != chunk_drop)))
        r = WEIR_ETYPE;
    return r;
}

weir_stream *weir_chunks_own(weir_stream *s, struct weir_type type)
{
    struct chunk_stage g = {.source = s, .type = type};
    int r = chunk_check(s, &type);

    if (r == 0 && s->type.drop)
        r = WEIR_ETYPE;
    return r < 0 ? weir__stream_refuse(r, s, NULL) : chunk_make(&own_ops, &g, weir_chunk_item());
}

weir_stream *weir_unchunk(weir_stream *s, struct weir_type type)
{
    struct chunk_stage g = {.source = s, .type = type};
    int r = chunk_check(s, &type);

    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    g.owned = s->type.drop == chunk_drop;
    return chunk_make(&unchunk_ops, &g, type);
}

weir_stream *weir_unbatch(weir_stream *s)
{
    struct chunk_stage g = {.source = s};
    int r = weir__stream_check(s);

    return r < 0 ? weir__stream_refuse(r, s, NULL) : chunk_make(&unbatch_ops, &g, s->type);
}

weir_stream *weir_lines_own(weir_stream *s)
{
    struct chunk_stage g = {.source = s, .type = WEIR_TYPE(char)};
    int r = weir__stream_check(s);

    if (r == 0 &&
        (s->type.drop || !chunk_is(&s->type, sizeof(struct weir_line), "struct weir_chunk")))
        r = WEIR_ETYPE;
    return r < 0 ? weir__stream_refuse(r, s, NULL)
                 : chunk_make(&chunk_line_ops, &g, weir_line_item());
}
