/*
 * chan_weigh.c -- a channel that is bounded by what its items weigh.
 *
 *     length <= capacity   and   the sum of the weights queued <= most
 *
 * `total` is what all items that ever came in weighed, and before[i] what it
 * was before the one in place i, so that taking an item out is the plain
 * channel's work: the weight queued is total - before[head].  A sender that
 * has no room keeps those behind it waiting, however light; so whoever leaves
 * without being served has the next looked at.
 */
#include <string.h>

#include "core/chan.h"

/* --- making and freeing ------------------------------------------------ */

int weir__weighed_check(const struct weir_chan_opts *o)
{
    if ((o->weigh != NULL) != (o->weight != 0))
        return -EINVAL;
    if (o->weigh && (o->capacity == 0 || o->capacity > SIZE_MAX / 2 / sizeof(uint64_t)))
        return -EINVAL;
    return 0;
}

int weir__weighed_init(weir_chan *ch, const struct weir_chan_opts *o)
{
    if (!o->weigh)
        return 0;
    ch->before = weir__alloc(o->capacity * sizeof *ch->before);
    if (!ch->before)
        return -ENOMEM;
    ch->weigh = o->weigh;
    ch->ctx = o->ctx;
    ch->most = o->weight;
    ch->open_size = 0; /* no send goes the short way */
    return 0;
}

void weir__weighed_fini(weir_chan *ch)
{
    if (ch->weigh)
        weir__free(ch->before, ch->capacity * sizeof *ch->before);
}

/* --- the ring ---------------------------------------------------------- */

uint64_t weir__weighed_queued(const weir_chan *ch)
{
    return ch->weigh && ch->length ? ch->total - ch->before[ch->head] : 0;
}

static bool weighed_fits(const weir_chan *ch, uint64_t weight)
{
    return ch->length < ch->capacity && weight <= ch->most - weir__weighed_queued(ch);
}

static void weighed_push(weir_chan *ch, const void *item, uint64_t weight)
{
    size_t at = ch->head + ch->length++;

    if (at >= ch->capacity)
        at -= ch->capacity;
    memcpy(ch->ring + at * ch->size, item, ch->size);
    ch->before[at] = ch->total;
    ch->total += weight;
    if (ch->length > ch->stats.high_water)
        ch->stats.high_water = ch->length;
    if (weir__weighed_queued(ch) > ch->stats.high_weight)
        ch->stats.high_weight = weir__weighed_queued(ch);
}

/* --- sending ----------------------------------------------------------- */

static int weighed_overflow(weir_chan *ch, const void *item, uint64_t weight)
{
    switch (ch->overflow) {
    case WEIR_DROP_NEWEST:
        if (ch->type.drop)
            ch->type.drop((void *)item);
        ch->stats.dropped++;
        break;
    case WEIR_DROP_OLDEST:
        while (!weighed_fits(ch, weight))
            weir__chan_drop_head(ch);
        weighed_push(ch, item, weight);
        break;
    case WEIR_LATEST:
        weir__chan_drop_all(ch);
        weighed_push(ch, item, weight);
        break;
    case WEIR_FAIL:
        return WEIR_EFULL;
    case WEIR_BLOCK:
        return WEIR__CHAN_PARK;
    }
    return 1;
}

int weir__weighed_send(weir_chan *ch, const void *item)
{
    uint64_t weight = ch->weigh(ch->ctx, item);

    if (weight > ch->most)
        return WEIR_ETOOLARGE;
    if (weir__chan_to_receiver(ch, item))
        return 1;
    if (!weighed_fits(ch, weight) || weir__chan_other_waits(&ch->senders, NULL))
        return weighed_overflow(ch, item, weight);
    weighed_push(ch, item, weight);
    return 1;
}

bool weir__weighed_ready(const weir_chan *ch, const void *item, const struct weir__fiber *me)
{
    uint64_t weight = ch->weigh(ch->ctx, item);

    return weight > ch->most || ch->overflow != WEIR_BLOCK ||
           weir__chan_other_waits(&ch->receivers, me) ||
           (weighed_fits(ch, weight) && !weir__chan_other_waits(&ch->senders, me));
}

/* --- those who wait ---------------------------------------------------- */

static bool weighed_wake(weir_chan *ch, struct weir__waiter *w, int result)
{
    weir__list_remove(&w->link);
    if (!weir__wake(w->fiber, result, w))
        return false;
    weir__chan_woke(ch, w, &ch->stats.blocked_send);
    return true;
}

bool weir__weighed_admit(weir_chan *ch)
{
    bool any = false;

    while (!weir__list_empty(&ch->senders)) {
        struct weir__waiter *w = WEIR__ENTRY(ch->senders.next, struct weir__waiter, link);
        uint64_t weight = ch->weigh(ch->ctx, w->item); /* its sender comes back to our lock first */

        if (weight > ch->most) { /* it has grown meanwhile */
            (void)weighed_wake(ch, w, WEIR_ETOOLARGE);
            continue;
        }
        if (weir__sleeps(w->fiber) && !weighed_fits(ch, weight))
            break;
        if (weighed_wake(ch, w, 1)) {
            weighed_push(ch, w->item, weight);
            any = true;
        }
    }
    return any;
}
