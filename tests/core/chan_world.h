/*
 * chan_world.h -- what the tests of channels share: a fiber that sends one item or receives
 * one, and keeps what came of it.
 */
#ifndef TESTS_CORE_CHAN_WORLD_H
#define TESTS_CORE_CHAN_WORLD_H

#include <weir.h>

#include "core/world.h"

struct meet {
    weir_chan *ch;
    int from, n, results[40], values[40];
};

static inline int meet_send(void *arg)
{
    struct meet *m = arg;
    int v = m->from++;
    int r = weir_send(m->ch, &v, WEIR_NEVER);
    m->results[m->n++] = r;
    return 0;
}

static inline int meet_recv(void *arg)
{
    struct meet *m = arg;
    int v = -1, r = weir_recv(m->ch, &v, WEIR_NEVER), at = m->n++;
    m->results[at] = r;
    m->values[at] = v;
    return 0;
}

#endif
