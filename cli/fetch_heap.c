/*
 * fetch_heap.c -- an intrusive binary heap.
 * Invariant: nodes[i]->place == i + 1, and no node is before its parent.
 */
#include "fetch_heap.h"

#include <errno.h>
#include <stdlib.h>

static bool heap_before(const struct fetch_node *a, const struct fetch_node *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_put(struct fetch_heap *h, size_t i, struct fetch_node *node)
{
    h->nodes[i] = node;
    node->place = i + 1;
}

static void heap_up(struct fetch_heap *h, size_t i)
{
    struct fetch_node *node = h->nodes[i];
    while (i > 0 && heap_before(node, h->nodes[(i - 1) / 2])) {
        heap_put(h, i, h->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(h, i, node);
}

static void heap_down(struct fetch_heap *h, size_t i)
{
    struct fetch_node *node = h->nodes[i];
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && heap_before(h->nodes[child + 1], h->nodes[child]))
            child++;
        if (!heap_before(h->nodes[child], node))
            break;
        heap_put(h, i, h->nodes[child]);
    }
    heap_put(h, i, node);
}

int fetch_heap_push(struct fetch_heap *h, struct fetch_node *node, weir_time at)
{
    if (h->n == h->cap) {
        size_t cap = h->cap > 0 ? h->cap * 2 : 64;
        struct fetch_node **nodes = realloc(h->nodes, cap * sizeof *nodes);
        if (nodes == NULL)
            return -ENOMEM;
        h->nodes = nodes;
        h->cap = cap;
    }
    node->at = at;
    node->order = h->order++;
    heap_put(h, h->n++, node);
    heap_up(h, h->n - 1);
    return 0;
}

void fetch_heap_remove(struct fetch_heap *h, struct fetch_node *node)
{
    if (node->place == 0)
        return;
    size_t i = node->place - 1;
    struct fetch_node *last = h->nodes[--h->n];
    node->place = 0;
    if (last == node)
        return;
    heap_put(h, i, last);
    heap_up(h, i);
    heap_down(h, last->place - 1);
}

struct fetch_node *fetch_heap_pop(struct fetch_heap *h, weir_time now)
{
    if (h->n == 0 || h->nodes[0]->at > now)
        return NULL;
    struct fetch_node *node = h->nodes[0];
    fetch_heap_remove(h, node);
    return node;
}

weir_time fetch_heap_next(const struct fetch_heap *h)
{
    return h->n > 0 ? h->nodes[0]->at : WEIR_NEVER;
}

void fetch_heap_fini(struct fetch_heap *h)
{
    free(h->nodes);
    *h = (struct fetch_heap){NULL, 0, 0, 0};
}
