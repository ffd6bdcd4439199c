/*
 * cache_ref.c -- the reference policies; cache_ref.h says which.
 *
 * Queues are doubly linked through arrays by key, the newest at the head.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cache_ref.h"

enum {
    Q_NONE,
    Q_A,
    Q_B,
    Q_C,
    Q_COUNT
}; /* small or window, main or probation, ghost or protected */

const char *const cache_ref_names[REFS] = {"lru", "s3-fifo", "tinylfu", "climbing"};

struct ref_queue {
    uint32_t head, tail; /* of key + 1; 0: none */
    size_t n;
};

struct ref {
    size_t size, window, main, guarded; /* room: all, window or small, the rest, protected */
    uint32_t *newer, *older;            /* by key, of key + 1 */
    uint8_t *where, *uses;
    struct ref_queue q[Q_COUNT];
    size_t keys, counted;

    double rate, step; /* of the climbing */
    size_t asked, hits;
};

/* --- queues ------------------------------------------------------------------------ */

static void ref_push(struct ref *r, uint32_t key, int queue)
{
    struct ref_queue *q = &r->q[queue];

    r->where[key] = (uint8_t)queue;
    r->newer[key] = 0;
    r->older[key] = q->head;
    if (q->head)
        r->newer[q->head - 1] = key + 1;
    else
        q->tail = key + 1;
    q->head = key + 1;
    q->n++;
}

static void ref_take(struct ref *r, uint32_t key)
{
    struct ref_queue *q = &r->q[r->where[key]];
    uint32_t newer = r->newer[key], older = r->older[key];

    *(newer ? &r->older[newer - 1] : &q->head) = older;
    *(older ? &r->newer[older - 1] : &q->tail) = newer;
    r->where[key] = Q_NONE;
    q->n--;
}

static void ref_move(struct ref *r, uint32_t key, int queue)
{
    ref_take(r, key);
    ref_push(r, key, queue);
}

static uint32_t ref_oldest(const struct ref *r, int queue)
{
    return r->q[queue].tail - 1;
}

/* --- LRU ------------------------------------------------------------------------------ */

static bool ref_lru(struct ref *r, uint32_t key)
{
    if (r->where[key]) {
        ref_move(r, key, Q_A);
        return true;
    }
    if (r->q[Q_A].n >= r->size)
        ref_take(r, ref_oldest(r, Q_A));
    ref_push(r, key, Q_A);
    return false;
}

/* --- S3-FIFO ---------------------------------------------------------------------------- */

static void ref_s3_ghost(struct ref *r, uint32_t key)
{
    ref_push(r, key, Q_C);
    if (r->q[Q_C].n > r->main)
        ref_take(r, ref_oldest(r, Q_C));
}

static void ref_s3_from_main(struct ref *r)
{
    while (r->q[Q_B].n) {
        uint32_t v = ref_oldest(r, Q_B);

        ref_take(r, v);
        if (!r->uses[v])
            return;
        r->uses[v]--;
        ref_push(r, v, Q_B);
    }
}

static void ref_s3_from_small(struct ref *r)
{
    while (r->q[Q_A].n) {
        uint32_t v = ref_oldest(r, Q_A);

        ref_take(r, v);
        if (r->uses[v] < 2) {
            ref_s3_ghost(r, v);
            return;
        }
        r->uses[v] = 0;
        ref_push(r, v, Q_B);
        if (r->q[Q_B].n > r->main)
            ref_s3_from_main(r);
    }
}

static bool ref_s3(struct ref *r, uint32_t key)
{
    bool back = r->where[key] == Q_C;

    if (r->where[key] && !back) {
        r->uses[key] += r->uses[key] < 3;
        return true;
    }
    if (back)
        ref_take(r, key);
    while (r->q[Q_A].n + r->q[Q_B].n >= r->size) {
        if (r->q[Q_A].n >= r->window || !r->q[Q_B].n)
            ref_s3_from_small(r);
        else
            ref_s3_from_main(r);
    }
    r->uses[key] = 0;
    ref_push(r, key, back ? Q_B : Q_A);
    return false;
}

/* --- W-TinyLFU ---------------------------------------------------------------------------- */

static void ref_count(struct ref *r, uint32_t key)
{
    r->uses[key] += r->uses[key] < 15;
    if (++r->counted < 10 * r->size)
        return;
    r->counted = 0;
    for (size_t i = 0; i < r->keys; i++)
        r->uses[i] /= 2;
}

/* What leaves the window and the oldest of probation: who was used more stays. */
static void ref_tiny_contest(struct ref *r)
{
    uint32_t candidate = ref_oldest(r, Q_A), victim;

    if (r->q[Q_B].n + r->q[Q_C].n < r->main) {
        ref_move(r, candidate, Q_B);
        return;
    }
    victim = ref_oldest(r, r->q[Q_B].n ? Q_B : Q_C);
    if (r->main && r->uses[candidate] > r->uses[victim]) {
        ref_take(r, victim);
        ref_move(r, candidate, Q_B);
    } else {
        ref_take(r, candidate);
    }
}

static void ref_tiny_guard(struct ref *r, uint32_t key)
{
    ref_move(r, key, Q_C);
    while (r->q[Q_C].n > r->guarded)
        ref_move(r, ref_oldest(r, Q_C), Q_B);
}

static bool ref_tiny(struct ref *r, uint32_t key)
{
    ref_count(r, key);
    if (r->where[key] == Q_A)
        ref_move(r, key, Q_A);
    else if (r->where[key])
        ref_tiny_guard(r, key);
    else {
        ref_push(r, key, Q_A);
        if (r->q[Q_A].n > r->window)
            ref_tiny_contest(r);
        return false;
    }
    return true;
}

/* --- climbing ------------------------------------------------------------------------------- */

static void ref_window(struct ref *r, size_t window)
{
    r->window = window;
    r->main = r->size - window;
    r->guarded = r->main * 8 / 10;
    while (r->q[Q_C].n > r->guarded)
        ref_move(r, ref_oldest(r, Q_C), Q_B);
    while (r->q[Q_B].n + r->q[Q_C].n > r->main)
        ref_move(r, ref_oldest(r, r->q[Q_B].n ? Q_B : Q_C), Q_A);
    while (r->q[Q_A].n > r->window && r->q[Q_B].n + r->q[Q_C].n < r->main)
        ref_move(r, ref_oldest(r, Q_A), Q_B);
}

static void ref_climb(struct ref *r)
{
    double rate = (double)r->hits / (double)r->asked, change = rate - r->rate, window;

    if (change < 0)
        r->step = -r->step;
    window = (double)r->window + r->step;
    window = window < 1 ? 1 : window > (double)r->size * 0.99 ? (double)r->size * 0.99 : window;
    ref_window(r, (size_t)window);
    if (change >= 0.05 || change <= -0.05)
        r->step = (r->step < 0 ? -0.0625 : 0.0625) * (double)r->size;
    else
        r->step *= 0.98;
    r->rate = rate;
    r->asked = r->hits = 0;
}

static bool ref_climbing(struct ref *r, uint32_t key)
{
    bool hit = ref_tiny(r, key);

    r->hits += hit;
    if (++r->asked >= 10 * r->size)
        ref_climb(r);
    return hit;
}

/* --- a run ------------------------------------------------------------------------------------ */

static void ref_init(struct ref *r, enum cache_ref which, size_t keys, size_t size)
{
    size_t share = which == REF_S3_FIFO ? 10 : 100;

    *r = (struct ref){.size = size, .keys = keys};
    r->window = size < share ? 1 : size / share;
    r->main = size - r->window;
    r->guarded = r->main * 8 / 10;
    r->step = 0.0625 * (double)size;
    r->newer = calloc(keys, sizeof *r->newer);
    r->older = calloc(keys, sizeof *r->older);
    r->where = calloc(keys, 1);
    r->uses = calloc(keys, 1);
}

long cache_ref_hits(enum cache_ref which, const struct cache_trace *t, size_t size)
{
    static bool (*const ask[REFS])(struct ref *, uint32_t) = {ref_lru, ref_s3, ref_tiny,
                                                              ref_climbing};
    struct ref r;
    long hits = 0;

    ref_init(&r, which, t->keys, size);
    if (!r.newer || !r.older || !r.where || !r.uses)
        hits = -ENOMEM;
    for (size_t i = 0; i < t->n && hits >= 0; i++)
        hits += ask[which](&r, t->key[i]);
    free(r.newer);
    free(r.older);
    free(r.where);
    free(r.uses);
    return hits;
}
