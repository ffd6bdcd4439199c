/*
 * topic_world.h -- what the tests of topics share: items that are counted, and
 * short ways to tell, to subscribe and to hear.
 */
#ifndef TESTS_CORE_TOPIC_WORLD_H
#define TESTS_CORE_TOPIC_WORLD_H

#include <weir.h>

#include "core/world.h"

static int live, fail_clone; /* items that nobody has dropped; the n-th clone from now fails */

static inline void item_drop(void *v)
{
    live -= *(int *)v != 0;
    *(int *)v = 0;
}

static inline int item_clone(void *to, const void *from)
{
    if (fail_clone && --fail_clone == 0)
        return -ENOMEM;
    *(int *)to = *(const int *)from;
    live += *(int *)to != 0;
    return 0;
}

static inline struct weir_type item_type(void)
{
    struct weir_type t = WEIR_TYPE(int);
    t.drop = item_drop;
    t.clone = item_clone;
    return t;
}

static inline int tell(weir_topic *t, int v, weir_time deadline)
{
    live++;
    int r = weir_tell(t, &v, deadline);
    live -= r != 1; /* still ours, and forgotten */
    return r;
}

static inline weir_sub *subscribe(weir_topic *t, size_t capacity, enum weir_overflow overflow)
{
    return weir_topic_subscribe(
        t, &(struct weir_sub_opts){.capacity = capacity, .overflow = overflow});
}

/* What can be heard now, in one number. */
static inline int hear_all(weir_sub *s)
{
    int v, sum = 0, r;
    while ((r = weir_hear(s, &v, 0)) == 1) {
        sum = sum * 10 + v;
        item_drop(&v);
    }
    OK(r == -EAGAIN || r == 0 || r == WEIR_ECLOSED);
    return sum;
}

#endif
