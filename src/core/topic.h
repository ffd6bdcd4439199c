/*
 * topic.h -- the inside of a topic, for its subscriptions.  All of both is
 * under the topic's lock.
 */
#ifndef WEIR__CORE_TOPIC_H
#define WEIR__CORE_TOPIC_H

#include <weir/topic.h>

#include "core/door.h"
#include "core/select.h"

struct topic_slot {
    struct topic_slot *next; /* while free */
    size_t refs;
};

struct topic_chunk {
    struct topic_chunk *next;
    size_t bytes;
};

struct weir_topic {
    struct weir__block block; /* first */
    int poison;
    bool closed, freed;
    int why;
    struct weir_type type;
    size_t stride; /* of a slot with its item */
    struct topic_slot *free;
    struct topic_chunk *chunks;
    size_t slots, needed;
    struct weir__list subs;
    void *senders[2];
    struct weir_topic_stats stats;
};

struct topic_mark {
    struct topic_slot *slot;
    uint64_t gap; /* missed before it */
};

struct weir_sub {
    int poison;
    weir_topic *topic;
    struct weir__list link;
    void *receivers[2];
    enum weir_overflow overflow;
    size_t head;
    uint64_t gap, told; /* missed since the newest entry; before the item received last */
    struct weir_sub_stats stats;
    struct topic_mark ring[];
};

/* Slots for all that its rings can hold.  0 or -ENOMEM. */
int weir__topic_slots_make(weir_topic *t);

/* There may be room: those who wait to send, in order. */
void weir__topic_serve(weir_topic *t);

/* The oldest item: 1, or why the copy failed: then it is still there. */
int weir__sub_take(weir_sub *s, void *item);

/* Off the topic, with what it had queued. */
void weir__sub_leave(weir_sub *s);

#endif
