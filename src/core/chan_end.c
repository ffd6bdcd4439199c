/*
 * chan_end.c -- how a channel ends: closed by its producers, shut by its
 * consumers, freed; and what it tells of itself.
 */
#include "core/chan.h"
#include "core/door.h"

/* --- freeing ----------------------------------------------------------- */

static void chan_release(weir_chan *ch)
{
    weir__weighed_fini(ch);
    weir__free(ch, weir__chan_bytes(ch));
}

void weir__chan_stand(weir_chan *ch, struct weir__list *list, struct weir__waiter *w)
{
    w->size = (size_t)weir_now();
    ch->standing++;
    weir__list_append(list, &w->link);
}

/* One that was not served: whoever frees the channel leaves it to the last of these. */
void weir__chan_leave(weir_chan *ch, struct weir__waiter *w)
{
    struct weir__loop *g = weir__guard(&ch->lock);
    bool last;

    weir__list_remove(&w->link);
    last = --ch->standing == 0 && ch->freed;
    if (ch->weigh)
        (void)weir__weighed_admit(ch);
    weir__unguard(g, &ch->lock);
    if (last)
        chan_release(ch);
}

void weir_chan_free(weir_chan **chp)
{
    weir_chan *ch = chp ? *chp : NULL;
    struct weir__loop *g;
    bool last;

    if (!ch)
        return;
    if (weir__outside() && !ch->poison) {
        weir__outside_free(chp);
        return;
    }
    *chp = NULL;
    if (ch->poison)
        return;
    g = weir__guard(&ch->lock);
    weir__chan_end(ch);
    ch->shut = true;
    if (!weir__list_empty(&ch->senders) || !weir__list_empty(&ch->receivers))
        weir__chan_wake_all(ch, WEIR_ECLOSED, WEIR_ECLOSED);
    if (ch->length)
        weir__chan_drop_all(ch);
    ch->freed = true;
    last = ch->standing == 0;
    weir__unguard(g, &ch->lock);
    if (last)
        chan_release(ch);
}

/* --- closing ----------------------------------------------------------- */

static int chan_close_now(weir_chan *ch, int why)
{
    if (ch->closed)
        return WEIR_ECLOSED;
    weir__chan_end(ch);
    ch->why = why;
    weir__chan_wake_all(ch, why < 0 ? why : WEIR_ECLOSED, why);
    return 0;
}

int weir__chan_ended(weir_chan *ch)
{
    struct weir__loop *g = weir__guard(&ch->lock);
    int r = !ch->closed ? 0 : ch->shut ? -EPIPE : ch->why < 0 ? ch->why : WEIR_ECLOSED;

    weir__unguard(g, &ch->lock);
    return r;
}

int weir_chan_close(weir_chan *ch, int why)
{
    struct weir__loop *g;
    int r;

    if (!ch || why > 0)
        return -EINVAL;
    if (ch->poison)
        return ch->poison;
    if (weir__outside())
        return weir__outside_close(ch, why);
    g = weir__guard(&ch->lock);
    r = chan_close_now(ch, why);
    weir__unguard(g, &ch->lock);
    return r;
}

static void chan_shut_now(weir_chan *ch)
{
    weir__chan_end(ch);
    ch->shut = true;
    weir__chan_drop_all(ch);
    weir__chan_wake_all(ch, -EPIPE, ch->why);
}

int weir_chan_shut(weir_chan *ch)
{
    struct weir__loop *g;

    if (!ch)
        return -EINVAL;
    if (ch->poison)
        return ch->poison;
    if (weir__outside())
        return weir__outside_shut(ch);
    g = weir__guard(&ch->lock);
    chan_shut_now(ch);
    weir__unguard(g, &ch->lock);
    return 0;
}

int weir_chan_producer_add(weir_chan *ch)
{
    struct weir__loop *g;
    bool closed;

    if (!ch)
        return -EINVAL;
    if (ch->poison)
        return ch->poison;
    if (weir__outside())
        return weir__outside_producer_add(ch);
    g = weir__guard(&ch->lock);
    closed = ch->closed;
    ch->producers += !closed;
    weir__unguard(g, &ch->lock);
    return closed ? WEIR_ECLOSED : 0;
}

static int chan_producer_done_now(weir_chan *ch, int result)
{
    if (!ch->producers)
        return -EINVAL;
    if (result < 0 && !ch->verdict)
        ch->verdict = result;
    if (--ch->producers == 0 && !ch->closed)
        return chan_close_now(ch, ch->verdict);
    return 0;
}

int weir_chan_producer_done(weir_chan *ch, int result)
{
    struct weir__loop *g;
    int r;

    if (!ch)
        return -EINVAL;
    if (ch->poison)
        return ch->poison;
    if (weir__outside())
        return weir__outside_producer_done(ch, result);
    g = weir__guard(&ch->lock);
    r = chan_producer_done_now(ch, result);
    weir__unguard(g, &ch->lock);
    return r;
}

void weir__chan_feeds(weir_chan *ch)
{
    struct weir__loop *g = weir__guard(&ch->lock);

    ch->producers++;
    weir__unguard(g, &ch->lock);
}

void weir__chan_fed(weir_chan *ch, int result)
{
    (void)weir_chan_producer_done(ch, result);
}

void weir__chan_drains(weir_chan *ch)
{
    struct weir__loop *g = weir__guard(&ch->lock);

    ch->consumers++;
    weir__unguard(g, &ch->lock);
}

void weir__chan_drained(weir_chan *ch)
{
    struct weir__loop *g = weir__guard(&ch->lock);

    if (!ch->poison && --ch->consumers == 0)
        chan_shut_now(ch);
    weir__unguard(g, &ch->lock);
}

/* --- asking ------------------------------------------------------------ */

size_t weir_chan_length(const weir_chan *ch)
{
    if (ch && !ch->poison && weir__outside())
        return weir__outside_length(ch);
    return ch ? __atomic_load_n(&ch->length, __ATOMIC_RELAXED) : 0; /* a hint with many loops */
}

int weir_chan_error(const weir_chan *ch)
{
    return ch ? ch->poison : -EINVAL;
}

struct weir_type weir_chan_type(const weir_chan *ch)
{
    return ch ? ch->type : (struct weir_type){0};
}

int weir_chan_stats(const weir_chan *ch, struct weir_chan_stats *out)
{
    struct weir__loop *g;

    if (!ch || !out)
        return -EINVAL;
    if (ch->poison)
        return ch->poison;
    if (weir__outside())
        return weir__outside_stats(ch, out);
    g = weir__guard((uint32_t *)&ch->lock);
    *out = ch->stats;
    out->length = ch->length;
    out->weight = weir__weighed_queued(ch);
    out->sent = ch->stats.received + ch->stats.dropped + ch->length;
    weir__unguard(g, (uint32_t *)&ch->lock);
    return 0;
}
