/*
 * flat_many.c -- flat_map_unordered: up to `limit` of the streams at once.
 *
 * A feeder fiber pulls items while there is room; each item's stream has a
 * fiber, which sends what it gives into a channel of no capacity.  Senders are
 * served first come, first served: so nobody is ahead of the others by more
 * than an item, and one item a stream is all that is held.  All fibers feed the
 * channel, and the first failure is its close reason.
 */
#include <weir/ops.h>
#include <weir/sync.h>

#include "stream/items.h"

struct flat_many {
    struct weir__pen pen;
    weir_stream *source, *me;
    weir_chan *ch;
    weir_make_of *fn;
    void *ctx;
    struct weir_type in, out;
    uint32_t limit, live;
    struct weir_event room;
    bool started, failed;
};

struct flat_one {
    struct flat_many *all;
    char *item, *given; /* of the source; of its own stream */
};

static void flat_one_free(struct flat_one *o)
{
    struct flat_many *m = o->all;

    weir__items_free(&m->in, o->item, 1);
    weir__items_free(&m->out, o->given, 1);
    weir__free(o, sizeof *o);
}

static struct flat_one *flat_one_new(struct flat_many *m)
{
    struct flat_one *o = weir__alloc(sizeof *o);

    if (!o)
        return NULL;
    o->all = m;
    o->item = weir__items_alloc(&m->in, 1);
    o->given = weir__items_alloc(&m->out, 1);
    if (o->item && o->given)
        return o;
    flat_one_free(o);
    return NULL;
}

/* The first failure cancels all; its own result reaches the channel before anybody else's. */
static int flat_many_end(struct flat_many *m, ssize_t r)
{
    if (r < 0 && !m->failed) {
        m->failed = true;
        weir__pen_cancel(&m->pen, (int)r);
    }
    return r < 0 ? (int)r : 0;
}

/* Everything of one stream, into the channel. */
static ssize_t flat_one_pass(struct flat_many *m, struct flat_one *o, weir_stream *inner)
{
    ssize_t r;

    while ((r = weir_pull(inner, o->given, 1)) > 0) {
        r = weir_chan_send(m->ch, o->given, m->out.size, WEIR_NEVER);
        if (r < 0) {
            weir__item_drop(&m->out, o->given);
            m->me->dropped++;
            break;
        }
    }
    return r;
}

static int flat_one_main(void *arg)
{
    struct flat_one *o = arg;
    struct flat_many *m = o->all;
    weir_stream *inner = m->fn(m->ctx, o->item);
    ssize_t r = inner ? weir__built_check(&inner, &m->out, &m->pen) : 0;

    if (inner)
        r = flat_one_pass(m, o, inner);
    weir_stream_close(&inner);
    weir__item_drop(&m->in, o->item);
    flat_one_free(o);
    m->live--;
    weir_event_set(&m->room);
    return flat_many_end(m, r);
}

static ssize_t flat_many_room(struct flat_many *m)
{
    int r = 0;

    while (r == 0 && m->live >= m->limit) {
        weir_event_clear(&m->room);
        r = weir_event_wait(&m->room, WEIR_NEVER);
    }
    return r;
}

/* One more item, and a fiber for its stream: 1, or why there is none. */
static ssize_t flat_many_next(struct flat_many *m)
{
    struct weir_go_opts opts = {.feeds = m->ch, .name = "flat_map"};
    struct flat_one *o = flat_one_new(m);
    ssize_t r;
    int e;

    if (!o)
        return -ENOMEM;
    r = weir_pull(m->source, o->item, 1);
    if (r > 0) {
        e = weir__pen_go_with(&m->pen, flat_one_main, o, &opts);
        if (e == 0) {
            m->live++;
            return 1;
        }
        weir__item_drop(&m->in, o->item);
        m->me->dropped++;
        r = e;
    }
    flat_one_free(o);
    return r;
}

static int flat_many_feed(void *arg)
{
    struct flat_many *m = arg;
    ssize_t r;

    while ((r = flat_many_room(m)) == 0 && (r = flat_many_next(m)) > 0)
        ;
    return flat_many_end(m, r);
}

static ssize_t flat_many_pull(void *self, void *items, size_t max)
{
    struct flat_many *m = self;
    struct weir_go_opts opts = {.feeds = m->ch, .name = "flat_feed"};
    size_t done;

    if (!m->started) {
        int r = weir__pen_go_with(&m->pen, flat_many_feed, m, &opts);

        if (r < 0)
            return r;
        m->started = true;
    }
    return weir_chan_recv_n(m->ch, items, m->out.size, max, &done, WEIR_NEVER);
}

static void flat_many_close(void *self, int why)
{
    struct flat_many *m = self;

    (void)why;
    weir__pen_cancel(&m->pen, -ECANCELED);
    weir_chan_shut(m->ch); /* a send that shields itself must end too */
    weir__pen_join(&m->pen);
    weir_stream_close(&m->source);
    weir_chan_free(&m->ch);
    weir__free(m, sizeof *m);
}

static const struct weir_stream_ops flat_many_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, flat_many_pull, flat_many_close};

weir_stream *weir_flat_map_unordered(weir_stream *s, weir_make_of *fn, void *ctx,
                                     struct weir_type out, uint32_t limit)
{
    struct flat_many init = {.source = s, .fn = fn, .ctx = ctx, .out = out, .limit = limit}, *m;
    int r = weir__stage_check(s, fn && limit > 0);

    if (r == 0)
        r = weir__type_check(&out);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    m = weir__self_new(&init, sizeof init);
    if (!m)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    m->in = s->type;
    weir_event_init(&m->room);
    weir__pen_init(&m->pen);
    m->ch = weir_chan_with(out, &(struct weir_chan_opts){.capacity = 0, .name = "flat_map"});
    return weir__self_stream(&flat_many_ops, m, out, weir_chan_error(m->ch) == 0, &m->me);
}
