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
    uint32_t size, open_size; /* of an item; the same while sends are welcome, else 0 */
    size_t capacity, head, length;
    char *ring, *memory; /* the ring lies in it, aligned */
    struct weir__list senders, receivers;
    struct weir_type type;
    enum weir_overflow overflow;
    bool closed, shut;
    int why; /* close reason */
    uint32_t producers, consumers;
    int verdict; /* first negative result of a producer */
    struct weir_chan_stats stats;
    const char *name;
};

enum { WEIR__CHAN_PARK = INT_MIN }; /* not an errno: any of those may be a close reason */

/* One try, no charge: 1 done, WEIR__CHAN_PARK, or what weir_send and weir_recv give. */
int weir__chan_send_now(weir_chan *ch, const void *item);
int weir__chan_recv_now(weir_chan *ch, void *item);

#endif
