/*
 * tap.c -- a copy of what passes, for whoever watches: never a reason to wait.
 *
 *     copies offered  =  taken by the channel + dropped
 */
#include "stream/fan.h"

#include "core/chan.h"

struct tap {
    weir_stream *source;
    weir_chan *ch;
    struct weir_type type;
    struct weir__slots copy;
    uint64_t offered, taken, dropped;
    bool over; /* the channel has been told the end */
};

static void tap_offer(struct tap *t, const void *item)
{
    int r = 0;

    t->offered++;
    if (t->type.clone)
        r = t->type.clone(t->copy.items, item);
    else
        memcpy(t->copy.items, item, t->type.size);
    if (r >= 0) {
        r = weir__chan_send_now(t->ch, t->copy.items);
        if (r <= 0)
            weir__item_drop(&t->type, t->copy.items);
    }
    if (r > 0)
        t->taken++;
    else
        t->dropped++;
}

static void tap_end(struct tap *t, int why)
{
    if (!t->over)
        (void)weir_chan_producer_done(t->ch, why);
    t->over = true;
}

static ssize_t tap_pull(void *self, void *items, size_t max)
{
    struct tap *t = self;
    ssize_t n = weir_pull(t->source, items, max);

    for (ssize_t i = 0; i < n; i++)
        tap_offer(t, (const char *)items + (size_t)i * t->type.size);
    if (n <= 0 && t->source->ended)
        tap_end(t, (int)n);
    return n;
}

static void tap_close(void *self, int why)
{
    struct tap *t = self;

    tap_end(t, why);
    weir_stream_close(&t->source);
    weir__slots_free(&t->copy);
    weir__free(t, sizeof *t);
}

static const struct weir_stream_ops tap_ops = {sizeof(struct weir_stream_ops),
                                               WEIR_STREAM_RESUMABLE, tap_pull, tap_close};

static void tap_books(const void *self, struct weir_fan_stats *out)
{
    const struct tap *t = self;

    out->in = t->offered;
    out->out = t->taken;
    out->dropped = t->dropped;
}

static int tap_check(const weir_stream *s, const weir_chan *ch)
{
    int r = weir__stream_check(s);

    if (r == 0)
        r = weir_chan_error(ch);
    if (r == 0 && s->type.size != ch->type.size)
        r = WEIR_ETYPE;
    if (r == 0 && s->type.drop && !s->type.clone)
        r = -EINVAL;
    return r;
}

weir_stream *weir_wire_tap(weir_stream *s, weir_chan *ch)
{
    struct tap *t;
    weir_stream *made;
    int r = tap_check(s, ch);

    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    t = weir__alloc(sizeof *t);
    if (!t)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    t->source = s;
    t->ch = ch;
    t->type = s->type;
    t->over = true;
    made = weir__slots_make(&t->copy, 1, t->type.size) < 0 ? weir__stream_poison(-ENOMEM)
                                                           : weir_stream_new(&tap_ops, t, t->type);
    if (!made->poison) {
        r = weir_chan_producer_add(ch);
        if (r == 0) {
            t->over = false;
            made->books = tap_books;
            made->steady = t->source->steady;
            return made;
        }
        weir_stream_close(&made);
        return weir__stream_poison(r);
    }
    tap_close(t, made->poison);
    return made;
}
