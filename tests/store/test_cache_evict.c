/*
 * test_cache_evict.c -- who stays: what each kind of traffic may expect of a full
 * cache (bench/cache_sim compares it with other policies).
 */
#include <weir/cache.h>

#include "base/alloc.h"
#include "core/world.h"

enum { ROOM = 200 };

static weir_cache *cache_of(uint64_t entries, uint64_t weight)
{
    return weir_cache_new(&(struct weir_cache_opts){
        .type = WEIR_TYPE(int), .max_entries = entries, .max_weight = weight});
}

/* 1 for a hit; else puts it. */
static int want(weir_cache *c, int key)
{
    weir_cached *h = NULL;
    int r = weir_cache_get(c, &key, sizeof key, &h);

    if (r == 1)
        EQ(*(const int *)weir_cached_value(h), key);
    else
        EQ(weir_cache_put(c, &key, sizeof key, &key, sizeof key, 0), 0);
    weir_cached_unref(&h);
    return r == 1;
}

/* So many laps over the keys from `first` on; the hits of the last one. */
static int loop_of(weir_cache *c, int first, int keys, int laps)
{
    int hits = 0;

    for (int lap = 0; lap < laps; lap++) {
        hits = 0;
        for (int k = 0; k < keys; k++)
            hits += want(c, first + k);
    }
    return hits;
}

static uint64_t hits_of(const weir_cache *c)
{
    struct weir_cache_stats s;

    weir_cache_stats(c, &s);
    return s.hits;
}

/* Keys 0 .. 999, the low ones more often. */
static int popular(void)
{
    return (int)(test_random() % 1000 * (test_random() % 1000) / 1000 * (test_random() % 1000) /
                 1000);
}

SIM_TEST(a_scan_passes_through)
{
    weir_cache *c = cache_of(ROOM, 0);
    int hits = 0, fresh = 10000;

    EQ(loop_of(c, 0, ROOM / 2, 20), ROOM / 2);
    for (int lap = 0; lap < 20; lap++)
        for (int k = 0; k < ROOM / 2; k++) {
            hits += want(c, k);
            (void)want(c, fresh++); /* twenty lives of the cache, never seen again */
            (void)want(c, fresh++);
        }
    OK(hits >= 20 * ROOM / 2 * 95 / 100);
    weir_cache_free(&c);
    return 0;
}

/*
 * Nobody asks for the old ones meanwhile, and of new keys some are taken for keys that left and
 * come back: with nothing to set against them, they would teach that the new are worth more.
 */
SIM_TEST(a_scan_passes_through_while_nothing_else_is_asked_for)
{
    weir_cache *c = cache_of(ROOM, 0);

    EQ(loop_of(c, 0, ROOM / 2, 5), ROOM / 2);
    EQ(loop_of(c, 10000, 20 * ROOM, 1), 0);
    EQ(loop_of(c, 0, ROOM / 2, 1), ROOM / 2);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(a_loop_that_does_not_fit_keeps_what_it_can)
{
    weir_cache *c = cache_of(ROOM, 0);
    int hits = loop_of(c, 0, 2 * ROOM, 30);

    OK(hits >= ROOM * 90 / 100); /* where the least recently used gives 0 */
    LE(hits, ROOM);
    weir_cache_free(&c);
    return 0;
}

/*
 * What was popular has been so for fifty lives of the cache.  `cache-sim --laps` has the like of it
 * beside other policies.
 */
SIM_TEST(a_loop_that_fits_takes_the_place_of_what_was_popular)
{
    weir_cache *c = cache_of(ROOM, 0);
    uint64_t before;

    for (int i = 0; i < 50 * ROOM; i++)
        (void)want(c, popular());
    before = hits_of(c);
    OK(loop_of(c, 10000, ROOM * 9 / 10, 10) >= ROOM * 85 / 100);
    OK(hits_of(c) - before >= 10 * (ROOM * 9 / 10) / 2);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(what_comes_back_soon_pushes_out_what_does_not)
{
    weir_cache *c = cache_of(ROOM, 0);
    int hits = 0, asked = 0;

    for (int k = 0; k < 50 * ROOM; k++) { /* each key twice, half the cache's size apart */
        (void)want(c, k);
        if (k >= ROOM / 4 && k >= 10 * ROOM) {
            asked++;
            hits += want(c, k - ROOM / 4);
        } else if (k >= ROOM / 4) {
            (void)want(c, k - ROOM / 4);
        }
    }
    OK(hits >= asked * 95 / 100);
    weir_cache_free(&c);
    return 0;
}

SIM_TEST(what_was_put_last_is_there_to_be_got)
{
    weir_cache *c = cache_of(ROOM, 0);

    EQ(loop_of(c, 0, ROOM, 20), ROOM);
    for (int k = 1000; k < 5000; k++) {
        EQ(want(c, k), 0);
        EQ(want(c, k), 1);
    }
    weir_cache_free(&c);
    return 0;
}

static uint64_t weigh_key(void *ctx, const void *key, size_t len, const void *value)
{
    (void)ctx, (void)key, (void)len;
    return *(const int *)value % 2 ? 1 : 20;
}

static uint64_t weigh_huge(void *ctx, const void *key, size_t len, const void *value)
{
    (void)ctx, (void)key, (void)len;
    return *(const int *)value >= 1000000 ? 100 : 1;
}

/* However popular it was: a hundred have to go for each heavy one, which is worth least of all. */
SIM_TEST(what_has_expired_goes_before_what_has_not)
{
    weir_cache *c = weir_cache_new(&(struct weir_cache_opts){
        .type = WEIR_TYPE(int), .max_weight = 10 * ROOM, .weigh = weigh_huge, .ttl = WEIR_S(10)});
    struct weir_cache_stats before, after;

    (void)loop_of(c, 0, 11 * ROOM, 5);
    EQ(weir_sleep(weir_after(WEIR_S(10))), 0);
    weir_cache_stats(c, &before);
    EQ(loop_of(c, 1000000, 3, 1), 0);
    weir_cache_stats(c, &after);
    EQ(after.evicted, before.evicted);
    LE(before.expired + 298, after.expired);
    EQ(loop_of(c, 1000000, 3, 1), 3);
    weir_cache_free(&c);
    return 0;
}

/* All are asked for equally often: a heavy one is worth a twentieth for its room. */
SIM_TEST(of_two_that_are_used_alike_the_lighter_stays)
{
    weir_cache *c = weir_cache_new(&(struct weir_cache_opts){
        .type = WEIR_TYPE(int), .max_weight = 10 * ROOM, .weigh = weigh_key});
    int light = 0, heavy = 0;

    for (int i = 0; i < 200 * ROOM; i++) {
        int key = (int)(test_random() % (4 * ROOM)), hit = want(c, key);

        light += hit && key % 2;
        heavy += hit && key % 2 == 0;
    }
    OK(light > 3 * heavy);
    weir_cache_free(&c);
    return 0;
}

/*
 * The index doubles under a cache that is full by weight: what was learned of its keys
 * goes along.
 */
SIM_TEST(what_is_popular_stays_when_the_index_grows)
{
    weir_cache *c = weir_cache_new(&(struct weir_cache_opts){
        .type = WEIR_TYPE(int), .max_weight = 10 * ROOM, .weigh = weigh_key});
    int hits = 0;

    for (int i = 0; i < 40 * ROOM; i++)
        (void)want(c, 2 * (int)(test_random() % 50)); /* fifty heavy ones: half of it */
    for (int i = 0; i < 20 * ROOM; i++) {
        hits += want(c, 2 * (int)(test_random() % 50));
        (void)want(c, 10001 + 2 * i); /* light ones, a thousand at a time, in a larger index */
    }
    OK(hits >= 20 * ROOM * 90 / 100);
    weir_cache_free(&c);
    return 0;
}

/* A key that left is known when it comes back: it need not be asked for so often again. */
SIM_TEST(a_key_that_comes_back_is_as_hot_as_it_was)
{
    weir_cache *c = cache_of(ROOM, 0);
    int hits = 0, key = 100000;

    for (int turn = 0; turn < 20; turn++) {
        hits = loop_of(c, 0, ROOM / 2, 10) == ROOM / 2;
        for (int i = 0; i < 4 * ROOM; i++, key++) /* something else in between, each twice */
            (void)(want(c, key) + want(c, key - 20));
    }
    EQ(hits, 1);
    weir_cache_free(&c);
    return 0;
}

/* --- without memory to learn ------------------------------------------------------------- */

static int refusing, refused;

static void *no_lore(void *ctx, void *p, size_t old_size, size_t size)
{
    if (refusing && size > 4096) { /* what is learned, not an entry nor the index of twenty */
        refused++;
        return NULL;
    }
    return test_alloc.realloc(ctx, p, old_size, size);
}

static int life_without_lore(void *arg)
{
    weir_cache *c = cache_of(20, 0);
    int hits = 0;

    (void)arg;
    refusing = 1;
    for (int i = 0; i < 500; i++) {
        struct weir_cache_stats s;

        (void)want(c, 1000 + i);
        hits += want(c, i % 5); /* used last: they stay */
        weir_cache_stats(c, &s);
        LE(s.entries, 20);
    }
    refusing = 0;
    OK(hits >= 450);
    weir_cache_free(&c);
    return 0;
}

TEST(without_memory_to_learn_the_bounds_hold_and_what_was_used_last_stays)
{
    struct weir_config config = {.alloc = {no_lore, test_alloc.ctx}};

    refused = 0;
    EQ(weir_sim_run(1, &config, life_without_lore, NULL), 0);
    OK(refused > 0);
}
