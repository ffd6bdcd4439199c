/*
 * sim_heap.h -- what happens next: a 4-ary heap of events, ties in the order of their insertion.
 */
#ifndef WEIR_CLI_SIM_HEAP_H
#define WEIR_CLI_SIM_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct sim_event {
    double at;
    uint64_t order;                 /* set by sim_heap_push */
    uint32_t who, what, tag, extra; /* the owner's */
};

struct sim_heap {
    struct sim_event *event;
    size_t n, room;
    uint64_t order;
};

/* 0, or -ENOMEM and nothing changed. */
int sim_heap_push(struct sim_heap *h, struct sim_event e);

/* Takes the earliest; only when n > 0. */
struct sim_event sim_heap_pop(struct sim_heap *h);

/* Empty, and the order starts over; the memory stays. */
void sim_heap_clear(struct sim_heap *h);
void sim_heap_free(struct sim_heap *h);

#endif
