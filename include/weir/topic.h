/*
 * topic.h -- a broadcast channel: each subscriber gets each item sent while it
 * is subscribed, or a count of those it missed.
 *
 * Capacity and overflow are each subscriber's own, so one that is slow and may
 * lose items does not hold up the others.  An item reaches all of them in one
 * step or, when the send fails, none.  Every item that a subscriber does not
 * get is counted for it.  Works between loops: then the type's clone and drop
 * run under its lock.
 */
#ifndef WEIR_TOPIC_H
#define WEIR_TOPIC_H

#include <weir/base.h>
#include <weir/chan.h>

WEIR_BEGIN

typedef struct weir_topic weir_topic;
typedef struct weir_sub weir_sub;

struct weir_sub_opts {
    size_t capacity;             /* items that wait for it, 1 or more; exact */
    enum weir_overflow overflow; /* when it is full; WEIR_BLOCK and WEIR_FAIL concern all */
    const char *name;            /* static; for dumps */
    uint32_t reserved[4];
};

struct weir_topic_stats {
    uint64_t sent, unheard; /* unheard: of these, when nobody was subscribed */
    size_t subscribers;
};

struct weir_sub_stats {
    uint64_t received, missed;
    size_t length, capacity, high_water;
};

/*
 * Never NULL; a poisoned one answers with its code: -EINVAL for the type, also
 * one that has a drop but no clone; -ENOMEM.
 */
WEIR_API weir_topic *weir_topic_new(struct weir_type type);

/*
 * Moves *item in, for all who are subscribed now; with nobody, it is dropped
 * and counted.  Parks while a WEIR_BLOCK subscriber is full; senders that wait
 * are served in order.  1 when done.  Otherwise nobody gets it, and it is still
 * the caller's: WEIR_EFULL when a WEIR_FAIL subscriber is full; the close
 * reason (or WEIR_ECLOSED); -ETIMEDOUT; -ECANCELED; -EAGAIN; WEIR_ETYPE.
 */
#define weir_tell(t, item, deadline) weir_topic_send(t, item, sizeof *(item), deadline)
WEIR_API int weir_topic_send(weir_topic *t, const void *item, size_t size, weir_time deadline);

/* No more sends.  Subscribers get what is queued, then `why`: 0 or negative.  Never parks. */
WEIR_API int weir_topic_close(weir_topic *t, int why);

/* What is queued is dropped; subscribers and senders get WEIR_ECLOSED.  Sets *t to NULL. */
WEIR_API void weir_topic_free(weir_topic **t);

WEIR_API int weir_topic_error(const weir_topic *t); /* of a poisoned handle, else 0 */
WEIR_API int weir_topic_stats(const weir_topic *t, struct weir_topic_stats *out);

/* What is sent from now on.  Never NULL; -EINVAL, -ENOMEM.  To a closed topic: the end at once. */
WEIR_API weir_sub *weir_topic_subscribe(weir_topic *t, const struct weir_sub_opts *opts);

/*
 * The oldest item that waits: a copy, or the item itself for the last who gets
 * it.  1; the close reason after the last; WEIR_ECLOSED once the topic is
 * freed; the clone's failure, and the item still waits; -ETIMEDOUT;
 * -ECANCELED; -EAGAIN with a deadline of 0.
 */
#define weir_hear(s, item, deadline) weir_sub_recv(s, item, sizeof *(item), deadline)
WEIR_API int weir_sub_recv(weir_sub *s, void *item, size_t size, weir_time deadline);

/* How many were missed directly before the item received last. */
WEIR_API uint64_t weir_sub_gap(const weir_sub *s);
WEIR_API int weir_sub_stats(const weir_sub *s, struct weir_sub_stats *out);

/* Ends the subscription, before or after the topic.  Who waits on it gets WEIR_ECLOSED. */
WEIR_API void weir_sub_free(weir_sub **s);

WEIR_API int weir_sub_error(const weir_sub *s); /* of a poisoned handle, else 0 */

/* A case of weir_select: weir_hear. */
#define WEIR_ON_SUB(s, p)                                                                          \
    {                                                                                              \
        WEIR_SELECT_SUB, sizeof *(p), (s), (p), 0                                                  \
    }

WEIR_END
#endif
