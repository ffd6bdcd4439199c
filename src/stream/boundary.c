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

#include "core/group.h"

struct boundary {
    struct weir__shape base; /* its lock guards all that follows but what only one side knows */
    struct weir_stage_opts opts;
    struct weir__pen pen;
    weir_span delay;   /* 0: none */
    weir_time *stamps; /* when each came; of a delay */
    uint64_t *weights; /* of each, if they are weighed */
    size_t cap, at, n;
    uint64_t weight, hand; /* in the ring; 1 with an item in hand */
    struct weir_event news, room;
    bool started; /* the puller's */
    bool away;    /* the fiber is on another loop, and closes the source there */
    bool ended;
};

static uint64_t boundary_held(const void *self)
{
    const struct boundary *b = self;

    return b->n + b->hand;
}

/* --- the ring, under the lock ----------------------------------------------------- */

static struct weir__loop *boundary_guard(struct boundary *b)
{
    return weir__guard(&b->base.lock);
}

static void boundary_unguard(struct weir__loop *guard, struct boundary *b)
{
    weir__unguard(guard, &b->base.lock);
}

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

static void boundary_lost(struct boundary *b, uint64_t *cause)
{
    ++*cause;
    weir__stream_dropped_add(b->base.me, 1);
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

/* --- the fiber -------------------------------------------------------------------- */

/* An item that has been counted as lost; its callback runs outside the lock. */
static void boundary_give_up(struct boundary *b, void *item)
{
    if (b->opts.on_drop)
        b->opts.on_drop(b->opts.ctx, item);
    else
        weir__item_drop(&b->base.type, item);
}

/* Its place stays as it is until this fiber fills it again. */
static void boundary_drop_first(struct boundary *b)
{
    struct weir__loop *g = boundary_guard(b);
    void *first = b->n ? weir__shape_slot(&b->base, b->at) : NULL;

    if (first) {
        boundary_passed(b, 1);
        boundary_lost(b, &b->base.books.replaced);
    }
    boundary_unguard(g, b);
    if (first)
        boundary_give_up(b, first);
}

static void boundary_drop_hand(struct boundary *b, uint64_t *cause)
{
    struct weir__loop *g = boundary_guard(b);

    b->hand = 0;
    boundary_lost(b, cause);
    boundary_unguard(g, b);
}

/* How many fit in one piece, and where they go. */
static size_t boundary_free(struct boundary *b, size_t *tail)
{
    struct weir__loop *g = boundary_guard(b);
    size_t run = b->cap - b->n;

    *tail = boundary_place(b, b->n);
    boundary_unguard(g, b);
    return run < b->cap - *tail ? run : b->cap - *tail;
}

/* Straight into the ring.  What weir_pull gave, or negative. */
static ssize_t boundary_fill(struct boundary *b)
{
    struct weir__loop *g;
    size_t tail, run = boundary_free(b, &tail);
    ssize_t r;

    if (run == 0) { /* room that is made from here on sets the event */
        weir_event_clear(&b->room);
        run = boundary_free(b, &tail);
    }
    if (run == 0)
        return weir_event_wait(&b->room, WEIR_NEVER) < 0 ? -ECANCELED : 1;
    r = weir_pull(b->base.source, weir__shape_slot(&b->base, tail), run);
    if (r <= 0)
        return r;
    g = boundary_guard(b);
    b->base.books.in += (uint64_t)r;
    boundary_grew(b, (size_t)r);
    boundary_unguard(g, b);
    return r;
}

static bool boundary_try(struct boundary *b, uint64_t w)
{
    struct weir__loop *g = boundary_guard(b);
    bool fits = boundary_fits(b, w);

    if (fits)
        boundary_push(b, w);
    boundary_unguard(g, b);
    return fits;
}

static size_t boundary_count(struct boundary *b)
{
    struct weir__loop *g = boundary_guard(b);
    size_t n = b->n;

    boundary_unguard(g, b);
    return n;
}

/* Parks until there may be room for the item in hand.  1: it has gone in; 0; -ECANCELED. */
static int boundary_wait(struct boundary *b, uint64_t w)
{
    weir_event_clear(&b->room);
    if (boundary_try(b, w))
        return 1;
    return weir_event_wait(&b->room, WEIR_NEVER) < 0 ? -ECANCELED : 0;
}

/* Puts the item in hand into the ring, or gives it up.  0 or negative. */
static int boundary_admit(struct boundary *b, uint64_t w)
{
    void *hand = weir__shape_slot(&b->base, b->cap);
    int r = 0;

    while (r == 0 && !boundary_try(b, w)) {
        switch (b->opts.overflow) {
        case WEIR_DROP_OLDEST:
            boundary_drop_first(b);
            break;
        case WEIR_LATEST:
            while (boundary_count(b))
                boundary_drop_first(b);
            break;
        case WEIR_DROP_NEWEST:
            boundary_drop_hand(b, &b->base.books.refused);
            boundary_give_up(b, hand);
            return 0;
        case WEIR_FAIL:
            boundary_drop_hand(b, &b->base.books.failed);
            boundary_give_up(b, hand);
            return WEIR_EFULL;
        default:
            r = boundary_wait(b, w);
        }
    }
    return r < 0 ? r : 0;
}

/* One item through the hand. */
static ssize_t boundary_step(struct boundary *b)
{
    void *hand = weir__shape_slot(&b->base, b->cap);
    ssize_t r = weir_pull(b->base.source, hand, 1);
    struct weir__loop *g;
    int room;

    if (r <= 0)
        return r;
    g = boundary_guard(b);
    b->base.books.in++;
    b->hand = 1;
    boundary_unguard(g, b);
    room = boundary_admit(b, b->opts.weigh ? b->opts.weigh(b->opts.ctx, hand) : 0);
    if (room >= 0)
        room = weir_checkpoint(); /* a source that never parks shares the loop all the same */
    return room < 0 ? room : 1;
}

static void boundary_end(struct boundary *b, int r)
{
    struct weir__loop *g = boundary_guard(b);

    b->base.end = r;
    b->ended = true;
    weir_event_set(&b->news);
    boundary_unguard(g, b);
}

static int boundary_fiber(void *arg)
{
    struct boundary *b = arg;
    bool plain = b->opts.overflow == WEIR_BLOCK && !b->opts.weigh;
    ssize_t r = 1;

    while (r > 0)
        r = plain ? boundary_fill(b) : boundary_step(b);
    if (b->hand) { /* it was cancelled */
        boundary_drop_hand(b, &b->base.books.failed);
        weir__item_drop(&b->base.type, weir__shape_slot(&b->base, b->cap));
    }
    boundary_end(b, (int)r);
    if (b->away) /* what has been pulled on this loop ends on this loop */
        weir_stream_close(&b->base.source);
    return 0;
}

static int boundary_start(struct boundary *b)
{
    struct weir_go_opts opts = {.name = b->opts.name ? b->opts.name : "stage"};
    struct weir__loop *here = weir__loop_get(), *to;
    int r;

    if (b->started)
        return 0;
    to = here ? weir__group_beyond(here, b->opts.loop) : NULL;
    b->away = to != here;
    r = weir__pen_go_on(&b->pen, to, boundary_fiber, b, &opts);
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
    struct weir__loop *g = boundary_guard(b);
    size_t size = b->base.type.size, k = boundary_ripe(b, max);
    size_t run = k < b->cap - b->at ? k : b->cap - b->at;

    if (k) {
        memcpy(items, weir__shape_slot(&b->base, b->at), run * size);
        memcpy(items + run * size, b->base.slot, (k - run) * size);
        boundary_passed(b, k);
        b->base.books.out += k;
    }
    boundary_unguard(g, b);
    return k;
}

/* Only the node that ran into the deadlock says so; for all others it is a cancel. */
static int boundary_over(const struct boundary *b)
{
    return weir__pen_told(&b->pen, b->base.end);
}

/* Parks while there is nothing to give; 0, or why not.  True in *over: that is the end. */
static int boundary_await(struct boundary *b, bool *over)
{
    weir_time due = 0;
    struct weir__loop *g;
    size_t n;

    weir_event_clear(&b->news); /* what comes from here on sets it */
    g = boundary_guard(b);
    n = b->n;
    *over = n == 0 && b->ended;
    if (n && b->stamps)
        due = b->stamps[b->at] + b->delay;
    boundary_unguard(g, b);
    if (*over)
        return boundary_over(b);
    if (due)
        return weir_sleep(due);
    return n ? 0 : weir_event_wait(&b->news, WEIR_NEVER);
}

static ssize_t boundary_pull(void *self, void *items, size_t max)
{
    struct boundary *b = self;
    bool over = false;
    int r = boundary_start(b);

    while (r == 0 && !over) {
        size_t k = boundary_give(b, items, max);

        if (k)
            return (ssize_t)k;
        r = boundary_await(b, &over);
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
    return o->reserved[0] || o->reserved[1] || o->loop < WEIR_ANY_LOOP ? -EINVAL : 0;
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
