/*
 * batch.c -- items by the group: by number, by weight, by time.
 *
 *     buffer:  [ lent | of the batch that is being filled | one too heavy for it ]
 *
 * The front has been given to the puller and is dropped at the next pull.  A
 * pull that is cut leaves the batch half full; the next goes on with it.
 */
#include "stream/shape.h"

struct batch {
    struct weir__shape base;
    struct weir_batch_opts opts;
    size_t n, lent;
    uint64_t weight;      /* of the n - lent */
    uint64_t next_weight; /* of the one too heavy for them */
    bool carry;           /* there is one: the last of the n */
    bool single;          /* a second pull could hurt the source */
    weir_time since;      /* when the first of the batch came, or, lent, the one too heavy */
};

static uint64_t batch_held(const void *self)
{
    const struct batch *b = self;

    return b->n - b->lent;
}

/* What was lent is dropped; one that was too heavy begins the next batch. */
static void batch_reuse(struct batch *b)
{
    struct weir__shape *g = &b->base;

    for (size_t i = 0; i < b->lent; i++)
        weir__item_drop(&g->type, weir__shape_slot(g, i));
    b->n -= b->lent;
    if (b->lent && b->n)
        memcpy(g->slot, weir__shape_slot(g, b->lent), g->type.size);
    if (b->lent) {
        b->weight = b->n ? b->next_weight : 0;
        b->carry = false;
    }
    b->lent = 0;
}

static void batch_fini(void *self)
{
    struct batch *b = self;

    batch_reuse(b);
    for (size_t i = 0; i < b->n; i++)
        weir__shape_drop(&b->base, weir__shape_slot(&b->base, i), &b->base.books.failed);
    b->n = 0;
}

static bool batch_full(const struct batch *b)
{
    return b->n >= b->opts.items || b->carry || (b->opts.weigh && b->weight >= b->opts.weight);
}

static weir_time batch_until(const struct batch *b)
{
    if (b->n == 0 || b->opts.wait == 0)
        return WEIR_NEVER;
    return b->opts.wait == WEIR_NOWAIT ? 0 : b->since + b->opts.wait;
}

static void batch_weigh(struct batch *b)
{
    uint64_t w = b->opts.weigh(b->opts.ctx, weir__shape_slot(&b->base, b->n));
    uint64_t room = b->weight < b->opts.weight ? b->opts.weight - b->weight : 0;

    if (b->n && w > room) {
        b->carry = true;
        b->next_weight = w;
        b->since = weir_now();
        return;
    }
    b->weight += w; /* <= opts.weight, or it is alone */
}

/* Items into the batch until it is full or due.  0, or negative: cut. */
static ssize_t batch_fill(struct batch *b)
{
    struct weir__shape *g = &b->base;

    while (!batch_full(b)) {
        size_t room = b->opts.weigh ? 1 : b->opts.items - b->n;
        ssize_t r = weir__shape_take(g, weir__shape_slot(g, b->n), room, batch_until(b));

        if (r <= 0)
            return r == WEIR__SHAPE_LATE ? 0 : r;
        if (b->n == 0)
            b->since = weir_now();
        if (b->opts.weigh)
            batch_weigh(b);
        b->n += (size_t)r;
        if (b->single)
            break;
    }
    return 0;
}

static ssize_t batch_pull(void *self, void *items, size_t max)
{
    struct batch *b = self;
    ssize_t r;

    (void)max; /* one: the buffer is lent to one batch at a time */
    batch_reuse(b);
    r = batch_fill(b);
    if (r < 0 || b->n == 0)
        return r < 0 ? r : b->base.end;
    b->lent = b->n - (b->carry ? 1 : 0);
    b->base.books.out += b->lent;
    *(struct weir_chunk *)items = (struct weir_chunk){b->lent, b->base.slot};
    return 1;
}

static const struct weir_stream_ops batch_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, batch_pull, weir__shape_close};

static int batch_check(const weir_stream *s, const struct weir_batch_opts *o)
{
    int r = weir__stream_check(s);

    if (r < 0)
        return r;
    if (!o || o->items == 0 || o->items > SIZE_MAX / 2 / s->type.size - 1)
        return -EINVAL;
    if (o->wait != 0 && o->wait != WEIR_NOWAIT && !weir__span_sound(o->wait))
        return -EINVAL;
    if ((o->weigh != NULL) != (o->weight != 0) || o->reserved[0] || o->reserved[1])
        return -EINVAL;
    return 0;
}

weir_stream *weir_batch(weir_stream *s, const struct weir_batch_opts *opts)
{
    struct batch b = {.base = {.held = batch_held, .fini = batch_fini}};
    int r = batch_check(s, opts);

    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    b.opts = *opts;
    b.single = opts->wait == WEIR_NOWAIT && !s->steady;
    return weir__shape_make(&batch_ops, &b, sizeof b, s, opts->items + (opts->weigh ? 1 : 0),
                            WEIR_TYPE(struct weir_chunk), opts->wait > 0 ? WEIR__SHAPE_TIMED : 0);
}

weir_stream *weir_chunks_timeout(weir_stream *s, size_t n, weir_span wait)
{
    struct weir_batch_opts o = {.items = n, .wait = wait};

    return weir_batch(s, wait > 0 ? &o : NULL);
}

weir_stream *weir_ready_chunks(weir_stream *s, size_t n)
{
    struct weir_batch_opts o = {.items = n, .wait = WEIR_NOWAIT};

    return weir_batch(s, &o);
}

weir_stream *weir_chunks_weighted(weir_stream *s, size_t n, uint64_t weight, weir_weigher *weigh,
                                  void *ctx)
{
    struct weir_batch_opts o = {.items = n, .weight = weight, .weigh = weigh, .ctx = ctx};

    return weir_batch(s, weigh ? &o : NULL);
}
