/*
 * weighed_world.h -- what the tests of weighed channels share: items with a weight
 * that are counted, and short ways to make, fill and empty such a channel.
 */
#ifndef TESTS_CORE_WEIGHED_WORLD_H
#define TESTS_CORE_WEIGHED_WORLD_H

#include <weir.h>

#include "core/world.h"

struct load {
    uint32_t id, bytes;
};

static int dropped, weighed;

static inline uint64_t load_weight(void *ctx, const void *item)
{
    OK(ctx == &weighed);
    weighed++;
    return ((const struct load *)item)->bytes;
}

static inline void load_drop(void *item)
{
    dropped += ((struct load *)item)->bytes != 0;
}

static inline struct weir_type load_type(void)
{
    struct weir_type t = WEIR_TYPE(struct load);

    t.drop = load_drop;
    return t;
}

static inline weir_chan *chan(size_t capacity, uint64_t weight, enum weir_overflow overflow)
{
    weir_chan *ch = weir_chan_with(load_type(), &(struct weir_chan_opts){.capacity = capacity,
                                                                         .weight = weight,
                                                                         .weigh = load_weight,
                                                                         .ctx = &weighed,
                                                                         .overflow = overflow});
    dropped = 0;
    EQ(weir_chan_error(ch), 0);
    return ch;
}

static inline int put(weir_chan *ch, uint32_t id, uint32_t bytes, weir_time deadline)
{
    struct load l = {id, bytes};

    return weir_send(ch, &l, deadline);
}

/* The id of what comes out, or negative. */
static inline int get(weir_chan *ch, weir_time deadline)
{
    struct load l;
    int r = weir_recv(ch, &l, deadline);

    return r > 0 ? (int)l.id : r == 0 ? WEIR_ECLOSED : r;
}

static inline struct weir_chan_stats stats(const weir_chan *ch)
{
    struct weir_chan_stats s;

    EQ(weir_chan_stats(ch, &s), 0);
    return s;
}

#endif
