/*
 * fetch_heap.h -- who is due next: a binary heap of nodes that live in their owners.
 *
 * Push, pop and remove are O(log n); nodes due at the same instant leave in
 * the order in which they were pushed.
 */
#ifndef WEIR_CLI_FETCH_HEAP_H
#define WEIR_CLI_FETCH_HEAP_H

#include <stdbool.h>
#include <weir/base.h>

struct fetch_node {
    weir_time at;
    uint64_t order; /* private */
    size_t place;   /* private: index + 1; 0: in no heap */
    int kind;       /* the owner's, to tell nodes apart */
};

struct fetch_heap {
    struct fetch_node **nodes;
    size_t n, cap;
    uint64_t order;
};

/* 0, or -ENOMEM and nothing changed.  The node must be in no heap. */
int fetch_heap_push(struct fetch_heap *h, struct fetch_node *node, weir_time at);

/* The earliest node if it is due at `now`, taken out; else NULL. */
struct fetch_node *fetch_heap_pop(struct fetch_heap *h, weir_time now);

/* Takes a node out; one that is in no heap is left alone. */
void fetch_heap_remove(struct fetch_heap *h, struct fetch_node *node);

/* When the earliest is due; WEIR_NEVER if there is none. */
weir_time fetch_heap_next(const struct fetch_heap *h);

void fetch_heap_fini(struct fetch_heap *h);

#endif
