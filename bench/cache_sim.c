/*
 * cache_sim.c -- hit ratios of weir's cache beside LRU, S3-FIFO and W-TinyLFU.
 *
 *     cache_sim [--size N] [--requests N] [--seed N] [--only TEXT] [--check] [--laps]
 *
 * A line for each trace: the hits in percent of each policy, and how far weir
 * is above the best of the others.  --check is a short slice: one size, and the
 * program fails if weir is more than one point below on any trace.  --laps is
 * another table: how soon a loop that fits has the place of what was popular.
 * A seed gives the same numbers each time.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/cache.h>
#include <weir/run.h>

#include "cache_ref.h"

struct sim {
    size_t size, requests;
    uint64_t seed;
    const char *only;
    bool check, laps;
    int rows, below;
    double least, sum;
};

static void sim_need(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "cache_sim: %s\n", what);
    exit(1);
}

struct sim_weir {
    const struct cache_trace *trace;
    size_t size;
    long hits;
};

static int sim_weir_run(void *arg)
{
    struct sim_weir *w = arg;
    const struct cache_trace *t = w->trace;
    weir_cache *c = weir_cache_new(
        &(struct weir_cache_opts){.type = WEIR_TYPE(uint32_t), .max_entries = w->size});
    struct weir_cache_stats s;

    sim_need(weir_cache_error(c) == 0, "no cache");
    for (size_t i = 0; i < t->n; i++) {
        uint32_t key = t->key[i], value = key;
        weir_cached *h = NULL;
        int r = weir_cache_get(c, &key, sizeof key, &h);

        if (r == 1)
            sim_need(*(const uint32_t *)weir_cached_value(h) == key, "another key's value");
        else
            r = weir_cache_put(c, &key, sizeof key, &value, sizeof value, 0);
        sim_need(r >= 0, "a call failed");
        weir_cached_unref(&h);
    }
    weir_cache_stats(c, &s);
    sim_need(s.entries <= w->size, "more entries than there may be");
    weir_cache_free(&c);
    w->hits = (long)s.hits;
    return 0;
}

/* In a simulation, so that the key of its hash comes from the seed. */
static long sim_weir(const struct cache_trace *t, size_t size, uint64_t seed)
{
    struct sim_weir w = {t, size, 0};

    sim_need(weir_sim_run(seed, NULL, sim_weir_run, &w) == 0, "a simulation failed");
    return w.hits;
}

static double sim_percent(const struct cache_trace *t, long hits)
{
    sim_need(hits >= 0, "no memory");
    return 100.0 * (double)hits / (double)t->n;
}

static void sim_row(struct sim *s, const struct cache_trace_row *row, size_t size)
{
    struct cache_trace t;
    double best = 0, weir;

    sim_need(cache_trace_make(&t, row, size, s->requests, s->seed) == 0, "no memory");
    printf("%6zu  %-40s", size, row->name);
    for (int i = 0; i < REFS; i++) {
        double percent = sim_percent(&t, cache_ref_hits((enum cache_ref)i, &t, size));

        printf(" %8.2f", percent);
        best = percent > best ? percent : best;
    }
    weir = sim_percent(&t, sim_weir(&t, size, s->seed));
    printf(" %8.2f  %+6.2f%s\n", weir, weir - best, weir < best - 1 ? "  *" : "");
    fflush(stdout);
    cache_trace_free(&t);
    s->rows++;
    s->below += weir < best - 1;
    s->sum += weir - best;
    s->least = weir - best < s->least ? weir - best : s->least;
}

static void sim_size(struct sim *s, size_t size)
{
    for (const struct cache_trace_row *row = cache_trace_rows; row->name; row++)
        if (!s->only || strstr(row->name, s->only))
            sim_row(s, row, size);
}

/* --- laps -------------------------------------------------------------------------- */

enum { LAPS = 15, LAPS_SEEDS = 40, LAPS_BEFORE = 50 };

/* The hits of each lap of each policy, weir's last. */
struct sim_laps {
    double hits[REFS + 1][LAPS];
    size_t before, loop; /* requests */
};

static long laps_hits(int policy, const struct cache_trace *t, size_t size, uint64_t seed)
{
    return policy < REFS ? cache_ref_hits((enum cache_ref)policy, t, size)
                         : sim_weir(t, size, seed);
}

/* What a lap hits is what the trace hits up to its end and not up to its beginning. */
static void laps_add(struct sim_laps *l, struct cache_trace *t, size_t size, uint64_t seed)
{
    for (int policy = 0; policy <= REFS; policy++) {
        long before;

        t->n = l->before;
        before = laps_hits(policy, t, size, seed);
        for (int lap = 0; lap < LAPS; lap++) {
            long hits;

            t->n += l->loop;
            hits = laps_hits(policy, t, size, seed);
            sim_need(before >= 0 && hits >= before, "no memory");
            l->hits[policy][lap] += (double)(hits - before);
            before = hits;
        }
    }
}

static void laps_print(const struct sim_laps *l, size_t size)
{
    printf("size %zu: zipf 1.0 for %d sizes, then a loop of %zu: hits in each lap, mean of %d "
           "seeds\n%4s",
           size, LAPS_BEFORE, l->loop, LAPS_SEEDS, "lap");
    for (int policy = 0; policy <= REFS; policy++)
        printf(" %9s", policy < REFS ? cache_ref_names[policy] : "weir");
    for (int lap = 0; lap < LAPS; lap++) {
        printf("\n%4d", lap + 1);
        for (int policy = 0; policy <= REFS; policy++)
            printf(" %9.1f", l->hits[policy][lap] / LAPS_SEEDS);
    }
    printf("\n");
}

static const struct cache_trace_row *laps_row(void)
{
    const struct cache_trace_row *row = cache_trace_rows;

    while (row->name && strcmp(row->name, "zipf 1.0, then a loop of 0.9 for good") != 0)
        row++;
    sim_need(row->name, "no such trace");
    return row;
}

static int sim_laps(const struct sim *s)
{
    static struct sim_laps l;
    size_t size = s->size ? s->size : 200, n = 2 * LAPS_BEFORE * size;
    const struct cache_trace_row *row = laps_row(); /* the second half of it is the loop */
    struct cache_trace t;

    l.before = n / 2;
    l.loop = (size_t)(row->span * (double)size);
    for (uint64_t i = 0; i < LAPS_SEEDS; i++) {
        sim_need(cache_trace_make(&t, row, size, n, s->seed + i) == 0, "no memory");
        laps_add(&l, &t, size, s->seed + i);
        cache_trace_free(&t);
    }
    laps_print(&l, size);
    return 0;
}

/* --- the program --------------------------------------------------------------------- */

static int sim_options(struct sim *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--check") == 0) {
            s->check = true;
            continue;
        }
        if (strcmp(argv[i], "--laps") == 0) {
            s->laps = true;
            continue;
        }
        if (value && strcmp(argv[i], "--size") == 0)
            s->size = (size_t)atol(value);
        else if (value && strcmp(argv[i], "--requests") == 0)
            s->requests = (size_t)atol(value);
        else if (value && strcmp(argv[i], "--seed") == 0)
            s->seed = (uint64_t)atol(value);
        else if (value && strcmp(argv[i], "--only") == 0)
            s->only = value;
        else
            return 2;
        i++;
    }
    if (s->check) {
        s->size = 250;
        s->requests = 100000;
    }
    return s->requests < 1 || s->requests > 100000000 || s->size > 1000000 ? 2 : 0;
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {100, 1000, 10000};
    struct sim s = {.requests = 1000000, .seed = 1, .least = 100};

    if (sim_options(&s, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--size N] [--requests N] [--seed N] [--only TEXT] [--check] "
                "[--laps]\n",
                argv[0]);
        return 2;
    }
    if (s.laps)
        return sim_laps(&s);
    printf("%6s  %-40s", "size", "hits in percent");
    for (int i = 0; i < REFS; i++)
        printf(" %8s", cache_ref_names[i]);
    printf(" %8s  %6s\n", "weir", "points");
    for (size_t i = 0; i < (s.size ? 1 : sizeof sizes / sizeof *sizes); i++)
        sim_size(&s, s.size ? s.size : sizes[i]);
    sim_need(s.rows > 0, "no such trace");
    printf("%d traces of %zu requests, seed %llu: least %+.2f, mean %+.2f, more than a point "
           "below: %d\n",
           s.rows, s.requests, (unsigned long long)s.seed, s.least, s.sum / s.rows, s.below);
    return s.check && s.below ? 1 : 0;
}
