/*
 * sim_heap.c -- the heap of sim_heap.h.  Pop order is a pure function of the pushes.
 */
#include "sim_heap.h"

#include <errno.h>
#include <stdlib.h>

static int heap_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

int sim_heap_push(struct sim_heap *h, struct sim_event e)
{
    size_t i = h->n, up;

    if (h->n == h->room) {
        size_t room = h->room ? 2 * h->room : 256;
        struct sim_event *more = realloc(h->event, room * sizeof *more);
        if (!more)
            return -ENOMEM;
        h->event = more;
        h->room = room;
    }
    e.order = h->order++;
    for (; i > 0 && heap_before(&e, &h->event[up = (i - 1) / 4]); i = up)
        h->event[i] = h->event[up];
    h->event[i] = e;
    h->n++;
    return 0;
}

struct sim_event sim_heap_pop(struct sim_heap *h)
{
    struct sim_event top = h->event[0], last = h->event[--h->n];
    size_t i = 0, child;

    while ((child = 4 * i + 1) < h->n) {
        size_t end = child + 4 < h->n ? child + 4 : h->n, least = child;
        for (size_t k = child + 1; k < end; k++)
            if (heap_before(&h->event[k], &h->event[least]))
                least = k;
        if (!heap_before(&h->event[least], &last))
            break;
        h->event[i] = h->event[least];
        i = least;
    }
    h->event[i] = last;
    return top;
}

void sim_heap_clear(struct sim_heap *h)
{
    h->n = 0;
    h->order = 0;
}

void sim_heap_free(struct sim_heap *h)
{
    free(h->event);
    *h = (struct sim_heap){.event = NULL};
}
