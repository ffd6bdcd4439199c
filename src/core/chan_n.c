/*
 * chan_n.c -- n at a time: a run of items is copied at once where nobody has to
 * be woken for each, and goes the way of single ones where somebody has.
 */
#include <string.h>

#include "core/chan.h"
#include "core/door.h"

/* A run is copied, not walked, but charged like as many single operations.  May let others run. */
static void chan_charge_run(size_t n)
{
    struct weir__loop *l = weir__loop_get();

    if (!l)
        return;
    l->budget = l->budget > n ? l->budget - (uint32_t)n : 0;
    if (l->budget == 0)
        weir__budget_spent(l);
}

/* As many as there is room for, when nobody waits for them; in two pieces at most. */
static size_t chan_push_run(weir_chan *ch, const char *items, size_t n)
{
    size_t room = ch->capacity - ch->length, at = ch->head + ch->length, piece;

    if (!ch->open_size || !room || !weir__list_empty(&ch->receivers))
        return 0;
    if (n > room)
        n = room;
    if (at >= ch->capacity)
        at -= ch->capacity;
    piece = n < ch->capacity - at ? n : ch->capacity - at;
    memcpy(ch->ring + at * ch->size, items, piece * ch->size);
    memcpy(ch->ring, items + piece * ch->size, (n - piece) * ch->size);
    ch->length += n;
    if (ch->length > ch->stats.high_water)
        ch->stats.high_water = ch->length;
    return n;
}

/* As many as are queued in one piece; waiting senders fill the places. */
static size_t chan_take_run(weir_chan *ch, char *items, size_t max)
{
    size_t n = ch->length < ch->capacity - ch->head ? ch->length : ch->capacity - ch->head;

    if (n > max)
        n = max;
    memcpy(items, ch->ring + ch->head * ch->size, n * ch->size);
    ch->head += n;
    if (ch->head == ch->capacity)
        ch->head = 0;
    ch->length -= n;
    ch->stats.received += n;
    while (ch->length < ch->capacity && weir__chan_from_sender(ch))
        ;
    return n;
}

/* Nothing is to be sent: what a send would be told that needs no room. */
static int chan_send_none(weir_chan *ch)
{
    struct weir__loop *g = weir__guard(&ch->lock);
    int r = ch->closed ? weir__chan_refusal(ch) : 0;

    weir__unguard(g, &ch->lock);
    return r;
}

ssize_t weir_chan_send_n(weir_chan *ch, const void *items, size_t size, size_t n, size_t *done,
                         weir_time deadline)
{
    const char *p = n ? items : "";
    size_t k = 0;
    int r;

    if (!done)
        return -EINVAL;
    *done = 0;
    r = weir__chan_args(ch, p, size, deadline);
    if (r < 0)
        return r;
    if (weir__outside())
        return weir__outside_send_n(ch, items, size, n, done, deadline);
    if (n == 0)
        return chan_send_none(ch);
    while (k < n && (r = weir_chan_send(ch, p + k * size, size, deadline)) > 0) {
        struct weir__loop *g = weir__guard(&ch->lock);
        size_t run = ++k < n ? chan_push_run(ch, p + k * size, n - k) : 0;

        weir__unguard(g, &ch->lock);
        k += run;
        chan_charge_run(run);
    }
    *done = k;
    return r > 0 ? (ssize_t)k : r;
}

/* What is there, without parking or letting others run. */
static size_t chan_take_all(weir_chan *ch, char *items, size_t max)
{
    size_t k = 0;

    while (k < max) {
        if (ch->length)
            k += chan_take_run(ch, items + k * ch->size, max - k);
        else if (weir__chan_recv_held(ch, items + k * ch->size) > 0)
            k++;
        else
            break;
    }
    return k;
}

ssize_t weir_chan_recv_n(weir_chan *ch, void *items, size_t size, size_t max, size_t *done,
                         weir_time deadline)
{
    struct weir__loop *g;
    int r;

    if (!done)
        return -EINVAL;
    *done = 0;
    r = max ? weir__chan_args(ch, items, size, deadline) : -EINVAL;
    if (r < 0)
        return r;
    if (weir__outside())
        return weir__outside_recv_n(ch, items, size, max, done, deadline);
    g = weir__guard(&ch->lock);
    *done = chan_take_all(ch, items, max);
    weir__unguard(g, &ch->lock);
    if (*done) {
        chan_charge_run(*done); /* last: the channel may be gone when this returns */
        return (ssize_t)*done;
    }
    r = weir_chan_recv(ch, items, size, deadline); /* and one that had to wait is given alone */
    *done = r > 0;
    return r;
}
