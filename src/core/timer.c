/*
 * timer.c -- a 4-ary heap of instants; equal instants fire in the order in
 * which they were armed.  The key stands in the heap itself, so that sifting
 * touches no timer but to tell it its place.
 */
#include "core/core.h"

/*
 * The instant, which is never negative, then the order of arming: one number, compared without a
 * branch.
 */
__extension__ typedef unsigned __int128 timer_key;

static inline timer_key timer_key_of(const struct weir__heap_slot *s)
{
    return (timer_key)(uint64_t)s->at << 64 | s->seq;
}

static inline bool timer_before(const struct weir__heap_slot *a, const struct weir__heap_slot *b)
{
    return timer_key_of(a) < timer_key_of(b);
}

static void timer_put(struct weir__loop *l, uint32_t i, struct weir__heap_slot slot)
{
    l->heap[i] = slot;
    slot.timer->pos = i + 1;
}

static void timer_up(struct weir__loop *l, uint32_t i, struct weir__heap_slot slot)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 4;

        if (!timer_before(&slot, &l->heap[parent]))
            break;
        timer_put(l, i, l->heap[parent]);
        i = parent;
    }
    timer_put(l, i, slot);
}

/* The least of the n, 1 to 4, at `at`. */
static uint32_t timer_least(const struct weir__heap_slot *heap, uint32_t at, uint32_t n)
{
    uint32_t least = at, other = at + 2;

    if (WEIR__LIKELY(n == 4)) {
        least += timer_before(&heap[at + 1], &heap[at]);
        other += timer_before(&heap[at + 3], &heap[at + 2]);
        return timer_before(&heap[other], &heap[least]) ? other : least;
    }
    for (uint32_t k = at + 1; k < at + n; k++)
        if (timer_before(&heap[k], &heap[least]))
            least = k;
    return least;
}

/*
 * Moves the hole at i down to where there is nothing below it.  What is to fill
 * it was the last of all, and goes up again a step or none: so nothing is
 * compared with it on the way down.
 */
static uint32_t timer_sink(struct weir__loop *l, uint32_t i)
{
    uint32_t child, n = l->heap_len;

    while ((child = i * 4 + 1) < n) {
        uint32_t least = timer_least(l->heap, child, n - child < 4 ? n - child : 4);

        timer_put(l, i, l->heap[least]);
        i = least;
    }
    return i;
}

static int timer_grow(struct weir__loop *l)
{
    uint32_t cap = l->heap_cap ? l->heap_cap * 2 : 64;
    size_t old = l->heap_cap * sizeof *l->heap;
    struct weir__heap_slot *heap = weir__realloc(l->heap, old, cap * sizeof *heap);

    if (!heap)
        return -ENOMEM;
    l->heap = heap;
    l->heap_cap = cap;
    return 0;
}

int weir__timer_arm(struct weir__timer *t, weir_time at)
{
    struct weir__loop *l = weir__loop_get();
    struct weir__heap_slot slot;

    weir__timer_stop(t);
    if (at == WEIR_NEVER)
        return 0;
    if (l->heap_len == l->heap_cap && timer_grow(l) < 0)
        return -ENOMEM;
    t->at = at;
    slot = (struct weir__heap_slot){at, l->heap_seq++, t};
    timer_up(l, l->heap_len++, slot);
    return 0;
}

void weir__timer_stop(struct weir__timer *t)
{
    struct weir__loop *l = weir__loop_get();
    struct weir__heap_slot last;
    uint32_t i;

    if (!t->pos)
        return;
    i = t->pos - 1;
    t->pos = 0;
    last = l->heap[--l->heap_len];
    if (i < l->heap_len)
        timer_up(l, timer_sink(l, i), last);
}

bool weir__timer_next(const struct weir__loop *l, weir_time *at)
{
    if (l->heap_len)
        *at = l->heap[0].at;
    return l->heap_len > 0;
}

/* Fires what is due now; what is armed meanwhile for now waits for the next turn. */
void weir__timer_run(struct weir__loop *l)
{
    uint64_t seq = l->heap_seq;

    while (l->heap_len && l->heap[0].at <= l->now && l->heap[0].seq < seq) {
        struct weir__timer *t = l->heap[0].timer;

        weir__timer_stop(t);
        t->fire(t);
    }
}

/* A timer of an object that outlives the loop is disarmed: its owner will stop it off a loop. */
void weir__timer_free(struct weir__loop *l)
{
    for (uint32_t i = 0; i < l->heap_len; i++)
        l->heap[i].timer->pos = 0;
    weir__free(l->heap, l->heap_cap * sizeof *l->heap);
    l->heap = NULL;
    l->heap_len = l->heap_cap = 0;
}
