/*
 * chan.c -- a ring with two queues of waiters.
 *
 * At most one queue holds sleepers.  A receiver that waits gets its item
 * straight from the sender, and a freed place is filled from the first waiting
 * sender, so order and capacity are exact; yet the other side is woken once
 * for a whole ring, because the woken one runs only when this one parks.
 */
#include "core/chan.h"

#include <string.h>

#include "core/door.h"
#include "core/lock.h"

/* --- the ring ---------------------------------------------------------- */

static inline void chan_copy(void *to, const void *from, size_t size)
{
    if (WEIR__LIKELY(size == 8))
        memcpy(to, from, 8);
    else
        memcpy(to, from, size);
}

/* The place of the next item to come, which now counts. */
static inline size_t chan_tail_add(weir_chan *ch)
{
    size_t at = ch->head + ch->length++;

    if (WEIR__UNLIKELY(ch->length > ch->stats.high_water))
        ch->stats.high_water = ch->length;
    return at >= ch->capacity ? at - ch->capacity : at;
}

/* The place of the oldest item, which counts no more. */
static inline size_t chan_head_drop(weir_chan *ch)
{
    size_t at = ch->head;

    ch->head = at + 1 == ch->capacity ? 0 : at + 1;
    ch->length--;
    return at;
}

static inline void chan_push(weir_chan *ch, const void *item)
{
    size_t at = chan_tail_add(ch);

    chan_copy(ch->ring + at * ch->size, item, ch->size);
}

static inline void *chan_head_take(weir_chan *ch)
{
    return ch->ring + chan_head_drop(ch) * ch->size;
}

/* The end of the fast paths for all sizes but that of a word; they jump here, and stay leaves. */
static __attribute__((noinline)) int chan_push_sized(weir_chan *ch, const void *item)
{
    memcpy(ch->ring + chan_tail_add(ch) * ch->size, item, ch->size);
    return 1;
}

static __attribute__((noinline)) int chan_take_sized(weir_chan *ch, void *item)
{
    memcpy(item, chan_head_take(ch), ch->size);
    return 1;
}

void weir__chan_drop_head(weir_chan *ch)
{
    void *item = chan_head_take(ch);

    if (ch->type.drop)
        ch->type.drop(item);
    ch->stats.dropped++;
}

void weir__chan_drop_all(weir_chan *ch)
{
    while (ch->length)
        weir__chan_drop_head(ch);
}

void weir__chan_end(weir_chan *ch)
{
    ch->closed = true;
    ch->open_size = 0;
}

/* With many loops. */
__attribute__((noinline, cold)) void weir__chan_woke_many(weir_chan *ch, struct weir__waiter *w,
                                                          weir_span *blocked)
{
    weir_span stood = weir_now() - (weir_time)w->size; /* its fiber may not be looked at */

    *blocked += stood > 0 ? stood : 0; /* two loops, two ideas of now */
    ch->standing--;
}

/* Wakes the first waiter. */
static inline struct weir__waiter *chan_wake(weir_chan *ch, struct weir__list *list, int result,
                                             weir_span *blocked)
{
    struct weir__waiter *w = weir__wake_first(list, result);

    if (WEIR__LIKELY(w))
        weir__chan_woke(ch, w, blocked);
    return w;
}

void weir__chan_wake_all(weir_chan *ch, int senders, int receivers)
{
    while (chan_wake(ch, &ch->senders, senders, &ch->stats.blocked_send))
        ;
    while (chan_wake(ch, &ch->receivers, receivers, &ch->stats.blocked_recv))
        ;
}

/* --- many loops -------------------------------------------------------- */

bool weir__chan_other_waits(const struct weir__list *list, const struct weir__fiber *me)
{
    for (const struct weir__list *i = list->next; i != list; i = i->next) {
        const struct weir__fiber *f = WEIR__ENTRY(i, struct weir__waiter, link)->fiber;

        if (f != me && weir__sleeps(f))
            return true;
    }
    return false;
}

bool weir__chan_ready(const weir_chan *ch, bool recv, const void *item,
                      const struct weir__fiber *me)
{
    if (ch->closed)
        return true;
    if (recv)
        return ch->length || weir__chan_other_waits(&ch->senders, me);
    if (ch->weigh)
        return weir__weighed_ready(ch, item, me);
    return ch->length < ch->capacity || ch->overflow != WEIR_BLOCK ||
           weir__chan_other_waits(&ch->receivers, me);
}

/* --- hand-over --------------------------------------------------------- */

/* The first waiting sender's item: into `item`, or into the ring if NULL.  False if none waits. */
static inline __attribute__((always_inline)) bool chan_from_sender(weir_chan *ch, void *item)
{
    struct weir__waiter *w;

    if (WEIR__LIKELY(weir__list_empty(&ch->senders)))
        return false;
    if (WEIR__UNLIKELY(ch->weigh))
        return weir__weighed_admit(ch);
    w = chan_wake(ch, &ch->senders, 1, &ch->stats.blocked_send);
    if (!w)
        return false;
    if (item)
        chan_copy(item, w->item, ch->size);
    else
        chan_push(ch, w->item);
    return true;
}

/* To a receiver that waits.  False if none does. */
static inline bool chan_to_receiver(weir_chan *ch, const void *item)
{
    struct weir__waiter *w;

    if (WEIR__LIKELY(weir__list_empty(&ch->receivers)))
        return false;
    w = chan_wake(ch, &ch->receivers, 1, &ch->stats.blocked_recv);
    if (!w)
        return false;
    chan_copy(w->item, item, ch->size);
    ch->stats.received++;
    return true;
}

bool weir__chan_to_receiver(weir_chan *ch, const void *item)
{
    return chan_to_receiver(ch, item);
}

static int chan_overflow(weir_chan *ch, const void *item)
{
    switch (ch->overflow) {
    case WEIR_DROP_NEWEST:
        if (ch->type.drop) /* it has moved to us, who let it go where it lies */
            ch->type.drop((void *)item);
        ch->stats.dropped++;
        break;
    case WEIR_DROP_OLDEST:
        weir__chan_drop_head(ch);
        chan_push(ch, item);
        break;
    case WEIR_LATEST:
        weir__chan_drop_all(ch);
        chan_push(ch, item);
        break;
    case WEIR_FAIL:
        return WEIR_EFULL;
    case WEIR_BLOCK:
        return WEIR__CHAN_PARK;
    }
    return 1;
}

/* To one that is closed, or that weighs its items. */
static __attribute__((noinline)) int chan_send_odd(weir_chan *ch, const void *item)
{
    if (ch->closed)
        return ch->shut ? -EPIPE : ch->why < 0 ? ch->why : WEIR_ECLOSED;
    return weir__weighed_send(ch, item);
}

/* 1 done, WEIR__CHAN_PARK, or a failure. */
static inline int chan_send_now(weir_chan *ch, const void *item)
{
    if (WEIR__UNLIKELY(!ch->open_size))
        return chan_send_odd(ch, item);
    if (chan_to_receiver(ch, item))
        return 1;
    if (WEIR__UNLIKELY(ch->length >= ch->capacity))
        return WEIR__LIKELY(ch->overflow == WEIR_BLOCK) ? WEIR__CHAN_PARK : chan_overflow(ch, item);
    chan_push(ch, item);
    return 1;
}

/* 1 done, 0 the end, WEIR__CHAN_PARK, or the close reason. */
static inline int chan_recv_now(weir_chan *ch, void *item)
{
    if (WEIR__LIKELY(ch->length)) {
        chan_copy(item, chan_head_take(ch), ch->size);
        chan_from_sender(ch, NULL);
        ch->stats.received++;
        return 1;
    }
    if (!weir__list_empty(&ch->senders) && chan_from_sender(ch, item)) {
        ch->stats.received++;
        return 1;
    }
    return ch->closed ? ch->why : WEIR__CHAN_PARK;
}

/* --- send and receive -------------------------------------------------- */

static inline int chan_args(const weir_chan *ch, const void *item, size_t size, weir_time deadline)
{
    if (WEIR_ARG(ch && item) < 0)
        return -EINVAL;
    if (ch->poison)
        return ch->poison;
    if (WEIR_ARG_OR(size == ch->size, WEIR_ETYPE) < 0)
        return WEIR_ETYPE;
    return weir__deadline_check(deadline);
}

/* Stands in `list` until served.  What the other side left, or why the wait ended. */
static inline __attribute__((always_inline)) int chan_stand(struct weir__loop *l,
                                                            struct weir__list *list, void *item,
                                                            weir_time deadline, const char *what,
                                                            weir_chan *ch, weir_span *blocked)
{
    struct weir__fiber *me = l->current;
    weir_time began = l->now;
    struct weir__waiter w;
    int r;

    if (me == &l->root)
        return WEIR_ENOFIBER;
    weir__waiter_init(&w, me, item);
    weir__list_append(list, &w.link);
    r = weir__wait_solo(me, deadline, what, ch);
    if (WEIR__UNLIKELY(!weir__list_empty(&w.link))) { /* else the channel may be gone */
        weir__list_remove(&w.link);
        *blocked += l->now - began;
        if (ch->weigh)
            (void)weir__weighed_admit(ch); /* who stood behind it may be lighter */
    }
    return r;
}

/* Charges an operation that is not on the fast path; may let others run. */
static inline void chan_charge_slow(struct weir__loop *l)
{
    if (l && (l->budget == 0 || --l->budget == 0))
        weir__budget_spent(l);
}

/* --- with many loops: the same under the lock --------------------------- */

static int chan_send_slow(weir_chan *ch, const void *item, size_t size, weir_time deadline);
static int chan_recv_slow(weir_chan *ch, void *item, size_t size, weir_time deadline);

static int chan_stand_many(weir_chan *ch, bool recv, void *item, weir_time deadline,
                           struct weir__loop *g)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;
    int r;

    if (!me) {
        weir__unguard(g, &ch->lock);
        return WEIR_ENOFIBER;
    }
    weir__waiter_init(&w, me, item);
    weir__claim_open(me);
    weir__chan_stand(ch, recv ? &ch->receivers : &ch->senders, &w);
    weir__unguard(g, &ch->lock);
    r = weir__wait_many(me, deadline, recv ? "recv" : "send", ch);
    if (me->hit != &w) /* else the channel may be gone */
        weir__chan_leave(ch, &w);
    return r;
}

/* Under the lock, which `g` has taken. */
static int chan_guarded(weir_chan *ch, bool recv, void *item, weir_time deadline,
                        struct weir__loop *g)
{
    struct weir__loop *l = weir__loop_get();
    int r = recv ? chan_recv_now(ch, item) : chan_send_now(ch, item);

    if (r == WEIR__CHAN_PARK && deadline != 0)
        return chan_stand_many(ch, recv, item, deadline, g);
    weir__unguard(g, &ch->lock);
    chan_charge_slow(l);
    return r == WEIR__CHAN_PARK ? -EAGAIN : r;
}

/* On one of many loops; on a thread that has entered a door; on one that is alone with it. */
static __attribute__((noinline)) int chan_elsewhere(weir_chan *ch, bool recv, void *item,
                                                    weir_time deadline)
{
    if (weir__outside())
        return recv ? weir__outside_recv(ch, item, ch->size, deadline)
                    : weir__outside_send(ch, item, ch->size, deadline);
    return chan_guarded(ch, recv, item, deadline, weir__guard(&ch->lock));
}

/*
 * On one of many loops, in the common case: nobody is to be woken, so the lock is all.  Else, with
 * the lock held, the rest.
 */
static __attribute__((noinline)) int chan_send_many(weir_chan *ch, const void *item, size_t size,
                                                    weir_time deadline)
{
    struct weir__loop *l = weir__loop_here;

    if (WEIR__UNLIKELY(!l || !ch || !item || size != ch->size || l->budget <= 1 ||
                       weir__deadline_check(deadline) < 0))
        return chan_send_slow(ch, item, size, deadline);
    weir__lock_take(&ch->lock);
    if (WEIR__LIKELY(ch->open_size && ch->length < ch->capacity &&
                     weir__list_empty(&ch->receivers))) {
        chan_push(ch, item);
        weir__lock_give(&ch->lock);
        l->budget--;
        return 1;
    }
    l->holding++;
    return chan_guarded(ch, false, (void *)item, deadline, l);
}

static __attribute__((noinline)) int chan_recv_many(weir_chan *ch, void *item, size_t size,
                                                    weir_time deadline)
{
    struct weir__loop *l = weir__loop_here;

    if (WEIR__UNLIKELY(!l || !ch || !item || size != ch->size || l->budget <= 1 ||
                       weir__deadline_check(deadline) < 0))
        return chan_recv_slow(ch, item, size, deadline);
    weir__lock_take(&ch->lock);
    if (WEIR__LIKELY(ch->length && weir__list_empty(&ch->senders))) {
        chan_copy(item, chan_head_take(ch), size);
        ch->stats.received++;
        weir__lock_give(&ch->lock);
        l->budget--;
        return 1;
    }
    l->holding++;
    return chan_guarded(ch, true, item, deadline, l);
}

/* All but the common case.  The fast path jumps here, so a park is one call deep. */
static __attribute__((noinline)) int chan_send_slow(weir_chan *ch, const void *item, size_t size,
                                                    weir_time deadline)
{
    struct weir__loop *l = weir__solo_here;
    int r = chan_args(ch, item, size, deadline);

    if (WEIR__UNLIKELY(r < 0))
        return r;
    if (WEIR__UNLIKELY(!l))
        return chan_elsewhere(ch, false, (void *)item, deadline);
    r = chan_send_now(ch, item);
    if (r == WEIR__CHAN_PARK && deadline != 0)
        return chan_stand(l, &ch->senders, (void *)item, deadline, "send", ch,
                          &ch->stats.blocked_send);
    chan_charge_slow(l); /* last: the channel may be gone when this returns */
    return r == WEIR__CHAN_PARK ? -EAGAIN : r;
}

int weir_chan_send(weir_chan *ch, const void *item, size_t size, weir_time deadline)
{
    struct weir__loop *l = weir__solo_here;

    if (WEIR__UNLIKELY(!l)) /* first: another thread must not even look */
        return chan_send_many(ch, item, size, deadline);
    if (WEIR__LIKELY(ch && item && size == ch->open_size && ch->length < ch->capacity &&
                     weir__list_empty(&ch->receivers) && weir__deadline_check(deadline) == 0 &&
                     --l->budget)) {
        if (WEIR__UNLIKELY(size != 8))
            return chan_push_sized(ch, item);
        memcpy(ch->ring + chan_tail_add(ch) * 8, item, 8);
        return 1;
    }
    return chan_send_slow(ch, item, size, deadline);
}

static __attribute__((noinline)) int chan_recv_slow(weir_chan *ch, void *item, size_t size,
                                                    weir_time deadline)
{
    struct weir__loop *l = weir__solo_here;
    int r = chan_args(ch, item, size, deadline);

    if (WEIR__UNLIKELY(r < 0))
        return r;
    if (WEIR__UNLIKELY(!l))
        return chan_elsewhere(ch, true, item, deadline);
    r = chan_recv_now(ch, item);
    if (r == WEIR__CHAN_PARK && deadline != 0)
        return chan_stand(l, &ch->receivers, item, deadline, "recv", ch, &ch->stats.blocked_recv);
    chan_charge_slow(l);
    return r == WEIR__CHAN_PARK ? -EAGAIN : r;
}

int weir_chan_recv(weir_chan *ch, void *item, size_t size, weir_time deadline)
{
    struct weir__loop *l = weir__solo_here;

    if (WEIR__UNLIKELY(!l))
        return chan_recv_many(ch, item, size, deadline);
    if (WEIR__LIKELY(ch && item && size == ch->size && ch->length &&
                     weir__list_empty(&ch->senders) && weir__deadline_check(deadline) == 0 &&
                     --l->budget)) {
        ch->stats.received++;
        if (WEIR__UNLIKELY(size != 8))
            return chan_take_sized(ch, item);
        memcpy(item, ch->ring + chan_head_drop(ch) * 8, 8);
        return 1;
    }
    return chan_recv_slow(ch, item, size, deadline);
}

/* --- n at a time ------------------------------------------------------- */

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
    while (ch->length < ch->capacity && chan_from_sender(ch, NULL))
        ;
    return n;
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
    if ((r = chan_args(ch, p, size, deadline)) < 0)
        return r;
    if (weir__outside())
        return weir__outside_send_n(ch, items, size, n, done, deadline);
    if (n == 0)
        return weir__chan_ended(ch);
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
        else if (chan_recv_now(ch, items + k * ch->size) > 0)
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
    r = max ? chan_args(ch, items, size, deadline) : -EINVAL;
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

int weir__chan_send_now(weir_chan *ch, const void *item)
{
    struct weir__loop *g = weir__guard(&ch->lock);
    int r = chan_send_now(ch, item);

    weir__unguard(g, &ch->lock);
    return r;
}

int weir__chan_recv_now(weir_chan *ch, void *item)
{
    struct weir__loop *g = weir__guard(&ch->lock);
    int r = chan_recv_now(ch, item);

    weir__unguard(g, &ch->lock);
    return r;
}
