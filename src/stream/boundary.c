/*
 * boundary.c -- weir_stage and weir_delay: a fiber that pulls ahead into a
 * queue.
 *
 *     n <= capacity,  weight <= opts.weight unless n = 1
 *
 * Plain items that may wait are pulled straight into the ring, as many as
 * there is room for; those that are weighed or may overflow come one by one
 * through `hand`, the place behind the ring.  The fiber starts at the first
 * pull and goes on whether or not anybody pulls.
 */
#include "stream/shape.h"

struct boundary {
    struct weir__shape base;
    struct weir_stage_opts opts;
    struct weir__pen pen;
    weir_span delay;   /* 0: none */
    weir_time *stamps; /* when each came; of a delay */
    uint64_t *weights; /* of each, if they are weighed */
    size_t cap, at, n;
    uint64_t weight, hand; /* in the ring; 1 with an item in hand */
    struct weir_event news, room;
    bool started, ended;
};

static uint64_t boundary_held(const void *self)
{
    const struct boundary *b = self;

    return b->n + b->hand;
}

/* --- the ring ------------------------------------------------------------------- */

static size_t boundary_place(const struct boundary *b, size_t i)
{
    size_t k = b->at + i;

    return k < b->cap ? k : k - b->cap;
}

/* k items at the end of the ring have been filled. */
static void boundary_grew(struct boundary *b, size_t k)
{
    for (size_t i = 0; b->stamps && i < k; i++)
        b->stamps[boundary_place(b, b->n + i)] = weir_now();
    b->n += k;
    if (b->n > b->base.books.most)
        b->base.books.most = b->n;
    weir_event_set(&b->news);
}

/* The first k have gone out. */
static void boundary_passed(struct boundary *b, size_t k)
{
    for (size_t i = 0; b->weights && i < k; i++)
        b->weight -= b->weights[boundary_place(b, i)];
    b->at = boundary_place(b, k);
    b->n -= k;
    weir_event_set(&b->room);
}

static void boundary_overflow(struct boundary *b, void *item, uint64_t *cause)
{
    if (b->opts.on_drop) {
        b->opts.on_drop(b->opts.ctx, item);
        ++*cause;
        b->base.me->dropped++;
    } else {
        weir__shape_drop(&b->base, item, cause);
    }
}

static void boundary_drop_first(struct boundary *b)
{
    void *first = weir__shape_slot(&b->base, b->at);

    boundary_passed(b, 1);
    boundary_overflow(b, first, &b->base.books.replaced);
}

/* --- the fiber -------------------------------------------------------------------- */

static int boundary_wait(struct boundary *b)
{
    weir_event_clear(&b->room);
    return weir_event_wait(&b->room, WEIR_NEVER);
}

/* Straight into the ring.  What weir_pull gave, or negative. */
static ssize_t boundary_fill(struct boundary *b)
{
    size_t tail = boundary_place(b, b->n), run = b->cap - b->n;
    ssize_t r;

    if (run == 0)
        return boundary_wait(b) < 0 ? -ECANCELED : 1;
    if (run > b->cap - tail)
        run = b->cap - tail;
    r = weir_pull(b->base.source, weir__shape_slot(&b->base, tail), run);
    if (r > 0) {
        b->base.books.in += (uint64_t)r;
        boundary_grew(b, (size_t)r);
    }
    return r;
}

static bool boundary_fits(const struct boundary *b, uint64_t w)
{
    if (b->n == b->cap)
        return false;
    return !b->weights || b->n == 0 || (w <= b->opts.weight && b->weight <= b->opts.weight - w);
}

static void boundary_push(struct boundary *b, uint64_t w)
{
    size_t tail = boundary_place(b, b->n);

    weir__item_copy(weir__shape_slot(&b->base, tail), weir__shape_slot(&b->base, b->cap),
                    b->base.type.size);
    b->hand = 0;
    if (b->weights) {
        b->weights[tail] = w;
        b->weight += w;
    }
    boundary_grew(b, 1);
}

/* Makes room for the item in hand, or gives it up.  1: there is room, 0: it is gone, negative. */
static int boundary_admit(struct boundary *b, uint64_t w)
{
    void *hand = weir__shape_slot(&b->base, b->cap);

    while (!boundary_fits(b, w)) {
        switch (b->opts.overflow) {
        case WEIR_DROP_OLDEST:
            boundary_drop_first(b);
            break;
        case WEIR_LATEST:
            while (b->n)
                boundary_drop_first(b);
            break;
        case WEIR_DROP_NEWEST:
            b->hand = 0;
            boundary_overflow(b, hand, &b->base.books.refused);
            return 0;
        case WEIR_FAIL:
            b->hand = 0;
            boundary_overflow(b, hand, &b->base.books.failed);
            return WEIR_EFULL;
        default:
            if (boundary_wait(b) < 0)
                return -ECANCELED;
        }
    }
    return 1;
}

/* One item through the hand. */
static ssize_t boundary_step(struct boundary *b)
{
    void *hand = weir__shape_slot(&b->base, b->cap);
    ssize_t r = weir_pull(b->base.source, hand, 1);
    uint64_t w;
    int room;

    if (r <= 0)
        return r;
    b->base.books.in++;
    b->hand = 1;
    w = b->opts.weigh ? b->opts.weigh(b->opts.ctx, hand) : 0;
    room = boundary_admit(b, w);
    if (room > 0)
        boundary_push(b, w);
    if (room >= 0)
        room = weir_checkpoint(); /* a source that never parks shares the loop all the same */
    return room < 0 ? room : 1;
}

/* Only the node that ran into the deadlock says so; for all others it is a cancel. */
static int boundary_told(const struct boundary *b, int r)
{
    const struct weir__node *n = b->pen.scope ? &b->pen.scope->node : NULL;

    return r == -ECANCELED && n && n->why == WEIR_EDEADLOCK && !n->inherited ? n->why : r;
}

static int boundary_fiber(void *arg)
{
    struct boundary *b = arg;
    bool plain = b->opts.overflow == WEIR_BLOCK && !b->opts.weigh;
    ssize_t r = 1;

    while (r > 0)
        r = plain ? boundary_fill(b) : boundary_step(b);
    if (b->hand) { /* it was cancelled */
        b->hand = 0;
        weir__shape_drop(&b->base, weir__shape_slot(&b->base, b->cap), &b->base.books.failed);
    }
    b->base.end = boundary_told(b, (int)r);
    b->ended = true;
    weir_event_set(&b->news);
    return 0;
}

static int boundary_start(struct boundary *b)
{
    int r;

    if (b->started)
        return 0;
    r = weir__pen_go(&b->pen, boundary_fiber, b, b->opts.name ? b->opts.name : "stage");
    b->started = r == 0;
    return r;
}

/* --- pulling ------------------------------------------------------------------------- */

/* Items that may go now, up to max. */
static size_t boundary_ripe(const struct boundary *b, size_t max)
{
    size_t k = 0, n = b->n < max ? b->n : max;

    if (!b->stamps)
        return n;
    while (k < n && b->stamps[boundary_place(b, k)] + b->delay <= weir_now())
        k++;
    return k;
}

static size_t boundary_give(struct boundary *b, char *items, size_t max)
{
    size_t size = b->base.type.size, k = boundary_ripe(b, max);
    size_t run = k < b->cap - b->at ? k : b->cap - b->at;

    if (k == 0)
        return 0;
    memcpy(items, weir__shape_slot(&b->base, b->at), run * size);
    memcpy(items + run * size, b->base.slot, (k - run) * size);
    boundary_passed(b, k);
    b->base.books.out += k;
    return k;
}

static ssize_t boundary_pull(void *self, void *items, size_t max)
{
    struct boundary *b = self;
    int r = boundary_start(b);

    while (r == 0) {
        size_t k = boundary_give(b, items, max);

        if (k)
            return (ssize_t)k;
        if (b->n) {
            r = weir_sleep(b->stamps[b->at] + b->delay);
        } else if (b->ended) {
            return b->base.end;
        } else {
            weir_event_clear(&b->news);
            r = weir_event_wait(&b->news, WEIR_NEVER);
        }
    }
    return r;
}

/* --- making and closing ----------------------------------------------------------------- */

static void boundary_fini(void *self)
{
    struct boundary *b = self;

    weir__pen_cancel(&b->pen, -ECANCELED);
    weir__pen_join(&b->pen);
    for (; b->n; boundary_passed(b, 1))
        weir__shape_drop(&b->base, weir__shape_slot(&b->base, b->at), &b->base.books.failed);
    weir__free(b->stamps, b->cap * sizeof *b->stamps);
    weir__free(b->weights, b->cap * sizeof *b->weights);
}

static const struct weir_stream_ops boundary_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, boundary_pull, weir__shape_close};

static int boundary_check(const weir_stream *s, const struct weir_stage_opts *o, size_t cap)
{
    int r = weir__stream_check(s);

    if (r < 0)
        return r;
    if ((unsigned)o->overflow > WEIR_FAIL || (o->weigh != NULL) != (o->weight != 0))
        return -EINVAL;
    if (cap > SIZE_MAX / 2 / (s->type.size + sizeof(weir_time)) - 64)
        return -EINVAL;
    return o->reserved[0] || o->reserved[1] || o->reserved[2] ? -EINVAL : 0;
}

static bool boundary_memory(struct boundary *b)
{
    if (b->delay)
        b->stamps = weir__alloc(b->cap * sizeof *b->stamps);
    if (b->opts.weigh)
        b->weights = weir__alloc(b->cap * sizeof *b->weights);
    return (b->stamps || !b->delay) && (b->weights || !b->opts.weigh);
}

weir_stream *weir__boundary(weir_stream *s, const struct weir_stage_opts *opts, weir_span delay)
{
    struct boundary init = {.base = {.held = boundary_held, .fini = boundary_fini}}, *b;
    weir_stream *made;
    int r;

    init.opts = opts ? *opts : (struct weir_stage_opts){0};
    init.delay = delay;
    init.cap = init.opts.capacity ? init.opts.capacity : init.opts.weigh ? 1024 : 64;
    r = boundary_check(s, &init.opts, init.cap);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    made = weir__shape_make(&boundary_ops, &init, sizeof init, s, init.cap + 1, s->type, 0);
    if (made->poison)
        return made;
    made->steady = true; /* the fiber's pulls are nobody else's */
    b = made->self;
    weir_event_init(&b->news);
    weir_event_init(&b->room);
    weir__pen_init(&b->pen);
    if (!boundary_memory(b))
        return weir__stream_refuse(-ENOMEM, made, NULL);
    return made;
}

weir_stream *weir_stage(weir_stream *s, const struct weir_stage_opts *opts)
{
    return weir__boundary(s, opts, 0);
}

weir_stream *weir_delay(weir_stream *s, weir_span span, size_t in_flight)
{
    struct weir_stage_opts o = {.name = "delay", .capacity = in_flight};
    int r = weir__stream_check(s);

    if (r < 0 || !weir__span_sound(span) || in_flight == 0)
        return weir__stream_refuse(r < 0 ? r : -EINVAL, s, NULL);
    return weir__boundary(s, &o, span);
}
