/*
 * chan.h -- the inside of a channel, for those who wait on several at once.
 */
#ifndef WEIR__CORE_CHAN_H
#define WEIR__CORE_CHAN_H

#include <limits.h>
#include <weir/chan.h>

#include "core/core.h"

struct weir_chan {
    int poison;
    uint32_t size, open_size; /* of an item; the same while sends need no more thought, else 0 */
    size_t capacity, head, length;
    char *ring; /* behind all this, aligned */
    struct weir__list senders, receivers;
    struct weir_type type;
    enum weir_overflow overflow;
    bool closed, shut;
    int why;           /* close reason */
    uint32_t lock;     /* of many loops */
    uint32_t standing; /* waiters that will come back to the lock; many loops */
    bool freed;        /* the last of them frees it */
    uint32_t producers, consumers;
    int verdict; /* first negative result of a producer */
    struct weir_chan_stats stats;
    const char *name;
    weir_weigher *weigh; /* NULL: items are counted only */
    void *ctx;
    uint64_t most, total, *before; /* chan_weigh.c */
};

enum { WEIR__CHAN_PARK = INT_MIN }; /* not an errno: any of those may be a close reason */

/*
 * With many loops: whether a try would do something, for a fiber that stands
 * here itself; asks the other waiters but takes nothing.  Under the lock.
 */
bool weir__chan_ready(const weir_chan *ch, bool recv, const void *item,
                      const struct weir__fiber *me);
bool weir__chan_other_waits(const struct weir__list *list, const struct weir__fiber *me);

/* No more sends. */
void weir__chan_end(weir_chan *ch);
int weir__chan_ended(weir_chan *ch); /* what any send is told since; 0: it is open */
void weir__chan_wake_all(weir_chan *ch, int senders, int receivers);
void weir__chan_drop_head(weir_chan *ch);
void weir__chan_drop_all(weir_chan *ch);
bool weir__chan_to_receiver(weir_chan *ch, const void *item);
size_t weir__chan_bytes(const weir_chan *ch); /* with its ring */

/* A waiter stands in a list of the channel; and has come back from it.  Under the lock / not. */
void weir__chan_stand(weir_chan *ch, struct weir__list *list, struct weir__waiter *w);
void weir__chan_leave(weir_chan *ch, struct weir__waiter *w);

/*
 * A waiter has been woken.  Its time is booked here, for once it is off the
 * list it never looks at the channel again, which may be gone when it runs.
 */
void weir__chan_woke_many(weir_chan *ch, struct weir__waiter *w, weir_span *blocked);
static inline void weir__chan_woke(weir_chan *ch, struct weir__waiter *w, weir_span *blocked)
{
    if (WEIR_THREADS && WEIR__UNLIKELY(ch->standing))
        weir__chan_woke_many(ch, w, blocked);
    else
        *blocked += w->fiber->loop->now - w->fiber->since;
}

/* --- of a channel with `weigh` (chan_weigh.c); under the lock ------------ */

int weir__weighed_check(const struct weir_chan_opts *o);
int weir__weighed_init(weir_chan *ch, const struct weir_chan_opts *o);
void weir__weighed_fini(weir_chan *ch);
uint64_t weir__weighed_queued(const weir_chan *ch);
/* To an open channel: 1, WEIR__CHAN_PARK or a failure. */
int weir__weighed_send(weir_chan *ch, const void *item);
/* Lets in the first of the waiting senders for whom there is room now.  Whether there were any. */
bool weir__weighed_admit(weir_chan *ch);
bool weir__weighed_ready(const weir_chan *ch, const void *item, const struct weir__fiber *me);

/* One try, no charge: 1 done, WEIR__CHAN_PARK, or what weir_send and weir_recv give. */
int weir__chan_send_now(weir_chan *ch, const void *item);
int weir__chan_recv_now(weir_chan *ch, void *item);

#endif
