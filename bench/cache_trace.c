/*
 * cache_trace.c -- the traces; cache_trace.h says what is in each.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <weir/rand.h>

#include "cache_trace.h"

enum { TRACE_KEYS = 100000 };

const struct cache_trace_row cache_trace_rows[] = {
    {"zipf 0.6", TRACE_ZIPF, 0.6, 0, 0},
    {"zipf 0.8", TRACE_ZIPF, 0.8, 0, 0},
    {"zipf 0.9", TRACE_ZIPF, 0.9, 0, 0},
    {"zipf 1.0", TRACE_ZIPF, 1.0, 0, 0},
    {"zipf 1.2", TRACE_ZIPF, 1.2, 0, 0},
    {"loop 0.9", TRACE_LOOP, 0, 0.9, 0},
    {"loop 1.1", TRACE_LOOP, 0, 1.1, 0},
    {"loop 1.5", TRACE_LOOP, 0, 1.5, 0},
    {"loop 2", TRACE_LOOP, 0, 2, 0},
    {"loop 5", TRACE_LOOP, 0, 5, 0},
    {"zipf 0.8, scans of 1 each 10", TRACE_SCANS, 0.8, 1, 10},
    {"zipf 1.0, scans of 3 each 10", TRACE_SCANS, 1.0, 3, 10},
    {"zipf 1.0, scans of 1 each 3", TRACE_SCANS, 1.0, 1, 3},
    {"zipf 1.0, then new keys for good", TRACE_THEN, 1.0, 0, 50},
    {"zipf 1.0, then a loop of 0.5 for good", TRACE_THEN, 1.0, 0.5, 50},
    {"zipf 1.0, then a loop of 0.9 for good", TRACE_THEN, 1.0, 0.9, 50},
    {"zipf 1.0, then a loop of 1.5 for good", TRACE_THEN, 1.0, 1.5, 50},
    {"zipf 0.8, then a loop of 0.9 for good", TRACE_THEN, 0.8, 0.9, 20},
    {"zipf 1.0, shift each 100", TRACE_SHIFT, 1.0, 0, 100},
    {"zipf 1.0, shift each 20", TRACE_SHIFT, 1.0, 0, 20},
    {"zipf 1.0, shift each 5", TRACE_SHIFT, 1.0, 0, 5},
    {"zipf 0.8, drift each 50", TRACE_DRIFT, 0.8, 0, 50},
    {"zipf 1.0, drift each 10", TRACE_DRIFT, 1.0, 0, 10},
    {"zipf 1.0 and a loop of 1", TRACE_MIX, 1.0, 1, 0},
    {"zipf 1.0 and a loop of 3", TRACE_MIX, 1.0, 3, 0},
    {"bursts within 0.1", TRACE_BURST, 0, 0.1, 0},
    {"bursts within 0.5", TRACE_BURST, 0, 0.5, 0},
    {"bursts within 2", TRACE_BURST, 0, 2, 0},
    {"zipf 1.0 and a loop of 0.9, turns of 20", TRACE_TURNS, 1.0, 0.9, 20},
    {"zipf 1.0 and a loop of 2, turns of 20", TRACE_TURNS, 1.0, 2, 20},
    {0},
};

struct trace_maker {
    const struct cache_trace_row *row;
    struct weir_rng rng;
    double *sum;       /* of the popularities up to a rank */
    uint32_t *of_rank; /* the key */
    uint32_t ranks, loop, at, fresh;
    size_t size, every;
};

/* --- Zipf ------------------------------------------------------------------------ */

static uint32_t trace_rank(struct trace_maker *m)
{
    double x = weir_rng_unit(&m->rng) * m->sum[m->ranks - 1];
    uint32_t low = 0, high = m->ranks - 1;

    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (m->sum[mid] > x)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static void trace_shuffle(struct trace_maker *m)
{
    for (uint32_t i = m->ranks - 1; i > 0; i--) {
        uint32_t j = (uint32_t)weir_rng_below(&m->rng, i + 1), k = m->of_rank[i];

        m->of_rank[i] = m->of_rank[j];
        m->of_rank[j] = k;
    }
}

/* So many ranks get other keys: each trades places with any other rank. */
static void trace_drift(struct trace_maker *m, uint32_t ranks)
{
    for (uint32_t i = 0; i < ranks; i++) {
        uint32_t a = (uint32_t)weir_rng_below(&m->rng, m->ranks);
        uint32_t b = (uint32_t)weir_rng_below(&m->rng, m->ranks), k = m->of_rank[a];

        m->of_rank[a] = m->of_rank[b];
        m->of_rank[b] = k;
    }
}

static uint32_t trace_zipf(struct trace_maker *m)
{
    return m->of_rank[trace_rank(m)];
}

/* --- the others --------------------------------------------------------------------- */

static uint32_t trace_loop(struct trace_maker *m)
{
    m->at = (m->at + 1) % m->loop;
    return m->ranks + m->at;
}

static uint32_t trace_fresh(struct trace_maker *m)
{
    return m->ranks + m->loop + m->fresh++;
}

/* Half of the requests are for a new key, half for one that is young. */
static uint32_t trace_burst(struct trace_maker *m)
{
    double back = -log(1 - weir_rng_unit(&m->rng)) * m->row->span * (double)m->size / 2;

    if (m->fresh == 0 || back >= (double)m->fresh || weir_rng_below(&m->rng, 2))
        return trace_fresh(m);
    return m->ranks + m->loop + m->fresh - 1 - (uint32_t)back;
}

static uint32_t trace_next(struct trace_maker *m, size_t i, size_t n)
{
    size_t turn = m->every ? i % m->every : 1;

    switch (m->row->kind) {
    case TRACE_ZIPF:
        return trace_zipf(m);
    case TRACE_LOOP:
        return trace_loop(m);
    case TRACE_SCANS:
        return turn < (size_t)(m->row->span * (double)m->size) ? trace_fresh(m) : trace_zipf(m);
    case TRACE_THEN:
        if ((double)i < (double)n * m->row->every / 100)
            return trace_zipf(m);
        return m->row->span > 0 ? trace_loop(m) : trace_fresh(m);
    case TRACE_SHIFT:
        if (turn == 0)
            trace_shuffle(m);
        return trace_zipf(m);
    case TRACE_DRIFT:
        if (turn == 0)
            trace_drift(m, (uint32_t)m->size);
        return trace_zipf(m);
    case TRACE_MIX:
        return weir_rng_below(&m->rng, 2) ? trace_zipf(m) : trace_loop(m);
    case TRACE_BURST:
        return trace_burst(m);
    case TRACE_TURNS:
        return i / m->every % 2 ? trace_loop(m) : trace_zipf(m);
    }
    return 0;
}

/* --- making ----------------------------------------------------------------------------- */

static int trace_maker_init(struct trace_maker *m, const struct cache_trace_row *row, size_t size,
                            uint64_t seed)
{
    double sum = 0;

    *m = (struct trace_maker){.row = row, .size = size, .ranks = TRACE_KEYS};
    m->loop = (uint32_t)(row->span * (double)size);
    m->loop += m->loop == 0;
    m->every = (size_t)(row->every * (double)size);
    weir_rng_init(&m->rng, seed, (uint64_t)(row - cache_trace_rows));
    m->sum = malloc(m->ranks * sizeof *m->sum);
    m->of_rank = malloc(m->ranks * sizeof *m->of_rank);
    if (!m->sum || !m->of_rank)
        return -ENOMEM;
    for (uint32_t i = 0; i < m->ranks; i++) {
        sum += pow(i + 1, -row->skew);
        m->sum[i] = sum;
        m->of_rank[i] = i;
    }
    trace_shuffle(m);
    return 0;
}

int cache_trace_make(struct cache_trace *t, const struct cache_trace_row *row, size_t size,
                     size_t n, uint64_t seed)
{
    struct trace_maker m;
    int r = trace_maker_init(&m, row, size, seed);

    *t = (struct cache_trace){.n = n, .key = malloc(n * sizeof *t->key)};
    if (r == 0 && t->key)
        for (size_t i = 0; i < n; i++)
            t->key[i] = trace_next(&m, i, n);
    t->keys = m.ranks + m.loop + m.fresh;
    free(m.sum);
    free(m.of_rank);
    if (r < 0 || !t->key) {
        cache_trace_free(t);
        return -ENOMEM;
    }
    return 0;
}

void cache_trace_free(struct cache_trace *t)
{
    free(t->key);
    *t = (struct cache_trace){0};
}
