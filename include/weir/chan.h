/*
 * chan.h -- a bounded, typed queue.  A full one parks the sender: that is
 * backpressure.
 *
 * Capacity is exact: never more than `capacity` items are queued; 0 is a
 * rendezvous.  Items arrive in the order in which their sends completed, and
 * waiting senders and receivers are served first come, first served.  No item
 * is lost: it is delivered, still the sender's, or dropped by a stated
 * overflow policy and counted.
 */
#ifndef WEIR_CHAN_H
#define WEIR_CHAN_H

#include <weir/base.h>
#include <weir/scope.h>

WEIR_BEGIN

enum weir_overflow {
    WEIR_BLOCK = 0,   /* park the sender */
    WEIR_DROP_NEWEST, /* the item sent is dropped; the send counts as done */
    WEIR_DROP_OLDEST, /* the oldest queued item is dropped */
    WEIR_LATEST,      /* everything queued is dropped: the newest value only */
    WEIR_FAIL         /* the send answers WEIR_EFULL */
};

/*
 * What an item counts; 0 counts nothing.  Of the item alone: asked once or
 * more, on any loop, under a lock.  Never parks.
 */
typedef uint64_t weir_weigher(void *ctx, const void *item);

/*
 * With `weigh` there are two bounds, both exact: never more than `capacity`
 * items, nor more than `weight` of them, are queued.  A sender whose item has
 * no room keeps the lighter ones behind it waiting.  An item that weighs more
 * than `weight` never has room: its send answers WEIR_ETOOLARGE at once.
 * WEIR_DROP_OLDEST drops as many as it takes.
 */
struct weir_chan_opts {
    size_t capacity; /* items; 0: rendezvous, with WEIR_BLOCK or WEIR_FAIL only, unweighed */
    enum weir_overflow overflow;
    const char *name;    /* static; for dumps */
    uint64_t weight;     /* the most weight queued, bytes say; needs `weigh` */
    weir_weigher *weigh; /* NULL: items are not weighed */
    void *ctx;
    uint32_t reserved[4];
};

struct weir_chan_stats {
    uint64_t sent, received, dropped;
    size_t length, capacity, high_water;
    weir_span blocked_send, blocked_recv; /* time spent parked, summed over fibers */
    uint64_t weight, high_weight;         /* queued now, and the most there was; 0 if unweighed */
};

/* A channel of `capacity` items.  Never NULL.  Free with weir_chan_free. */
WEIR_API weir_chan *weir_chan_new(struct weir_type type, size_t capacity);
WEIR_API weir_chan *weir_chan_with(struct weir_type type, const struct weir_chan_opts *opts);

/*
 * Moves *item in; parks while full.  1 when done; the item is then the
 * channel's.  Otherwise it is still the caller's: -EPIPE when the consumers
 * are gone, the close reason (or WEIR_ECLOSED) when closed, -ETIMEDOUT,
 * -ECANCELED, WEIR_EFULL, WEIR_ETOOLARGE, WEIR_ETYPE.  A deadline of 0 never
 * parks: -EAGAIN.
 */
#define weir_send(ch, item, deadline) weir_chan_send(ch, item, sizeof *(item), deadline)
WEIR_API int weir_chan_send(weir_chan *ch, const void *item, size_t size, weir_time deadline);

/*
 * Moves the oldest item out; parks while empty.  1; 0 once the channel is
 * closed and empty; the close reason if that is negative, after the queued
 * items; -ETIMEDOUT; -ECANCELED; -EAGAIN with a deadline of 0.
 */
#define weir_recv(ch, item, deadline) weir_chan_recv(ch, item, sizeof *(item), deadline)
WEIR_API int weir_chan_recv(weir_chan *ch, void *item, size_t size, weir_time deadline);

/*
 * n at a time: all n are sent unless it fails.  *done is always set.  n, or
 * the failure.  With n = 0 it asks whether sends are taken at all: 0, also when
 * full, or the failure that any send would have; never parks.  The channel must
 * not be freed before it returns.
 */
WEIR_API ssize_t weir_chan_send_n(weir_chan *ch, const void *items, size_t size, size_t n,
                                  size_t *done, weir_time deadline);

/* What is there, at most max; parks only while empty.  *done is always set: the result if > 0. */
WEIR_API ssize_t weir_chan_recv_n(weir_chan *ch, void *items, size_t size, size_t max, size_t *done,
                                  weir_time deadline);

/*
 * No more sends.  `why` 0 is a clean end, negative an error that receivers see
 * after the queued items.  The first close counts; later ones return
 * WEIR_ECLOSED.  Never parks.
 */
WEIR_API int weir_chan_close(weir_chan *ch, int why);

/* Nobody will receive: queued items are dropped and senders get -EPIPE. */
WEIR_API int weir_chan_shut(weir_chan *ch);

/*
 * By hand what weir_go_with does with `.feeds`: one more producer; and one
 * less, with its result.  When the last one leaves, the channel closes with
 * the first negative result, or 0.
 */
WEIR_API int weir_chan_producer_add(weir_chan *ch);
WEIR_API int weir_chan_producer_done(weir_chan *ch, int result);

/* Drops what is queued, wakes everybody waiting with WEIR_ECLOSED, frees, sets *ch to NULL. */
WEIR_API void weir_chan_free(weir_chan **ch);

WEIR_API size_t weir_chan_length(const weir_chan *ch);
WEIR_API int weir_chan_error(const weir_chan *ch); /* the code of a poisoned handle, else 0 */
WEIR_API struct weir_type weir_chan_type(const weir_chan *ch);
WEIR_API int weir_chan_stats(const weir_chan *ch, struct weir_chan_stats *out);

/* --- select ------------------------------------------------------------ */

enum weir_select_kind {
    WEIR_SELECT_RECV = 1,
    WEIR_SELECT_SEND,
    WEIR_SELECT_STOP,
    WEIR_SELECT_EVENT,  /* sync.h */
    WEIR_SELECT_FUTURE, /* oneshot.h */
    WEIR_SELECT_WATCH,  /* watch.h */
    WEIR_SELECT_SUB,    /* topic.h */
    WEIR_SELECT_TOKEN,  /* token.h */
    WEIR_SELECT_FD
};

struct weir_select {
    uint32_t kind;
    uint32_t size; /* of the item */
    void *object;  /* weir_chan *, weir_scope *, or what the kind's header says */
    void *item;
    int result; /* set by weir_select for the case that fired: what weir_recv or weir_send gave */
};

#define WEIR_ON_RECV(ch, p)                                                                        \
    {                                                                                              \
        WEIR_SELECT_RECV, sizeof *(p), (ch), (p), 0                                                \
    }
#define WEIR_ON_SEND(ch, p)                                                                        \
    {                                                                                              \
        WEIR_SELECT_SEND, sizeof *(p), (ch), (p), 0                                                \
    }
#define WEIR_ON_STOP(scope)                                                                        \
    {                                                                                              \
        WEIR_SELECT_STOP, 0, (scope), NULL, 0                                                      \
    }

/*
 * weir_fd_wait (io.h) as a case, with what it gives for `result`: the events that
 * are there (> 0), -EBADF when it is closed meanwhile, -EBUSY.  Nothing is read.
 */
#define WEIR_ON_FD(fd, events)                                                                     \
    {                                                                                              \
        WEIR_SELECT_FD, 0, (void *)(intptr_t)(fd), (void *)(intptr_t)(events), 0                   \
    }

/*
 * Waits until one case can go on, does it, and returns its index >= 0; that
 * case's `result` says how it went: a closed channel is reported so, never
 * disabled in silence.  Fair among ready cases.  All other cases are dequeued
 * before it returns, so no item is lost in them.  -ETIMEDOUT, -ECANCELED,
 * -EINVAL for n outside 1 .. 64 or two cases for one direction of a descriptor,
 * WEIR_ETYPE, -EXDEV for a scope of another loop of which the caller is no
 * member, -EAGAIN with a deadline of 0.
 */
WEIR_API int weir_select(struct weir_select *cases, size_t n, weir_time deadline);

WEIR_END
#endif
