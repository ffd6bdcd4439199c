/*
 * Pools and caches belong to the loop that uses them first; another one is told
 * so, and changes nothing.  Flights live there and are asked from everywhere.
 */
#include <string.h>
#include <weir/cache.h>
#include <weir/loop.h>
#include <weir/pool.h>
#include <weir/singleflight.h>

#include "core/world.h"

static int on_two_loops(int (*fn)(void *), void *arg)
{
    struct weir_config c = {.loops = 2}; /* malloc: one pool outlives its run */

    return weir_run(&c, fn, arg);
}

/* fn(arg) on the other loop, to its end. */
static void elsewhere(int (*fn)(void *), void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    EQ(weir_go_on(s, 1, fn, arg, NULL), 0);
    EQ(weir_scope_close(&s), 0);
}

/* --- pool -------------------------------------------------------------- */

static int makes(void *ctx, void **object)
{
    *object = ctx;
    return 0;
}

static void unmakes(void *ctx, void *object, int why)
{
    (void)why;
    OK(object == ctx);
}

struct pooled {
    weir_pool *pool;
    struct weir_lease lease;
};

static int uses_a_foreign_pool(void *arg)
{
    struct pooled *w = arg;
    struct weir_pool_stats stats;
    struct weir_lease lease;
    weir_pool *p = w->pool;
    void *object;

    EQ(weir_pool_get(p, &lease, WEIR_NEVER), -EXDEV);
    EQ(weir_pool_put(&w->lease, 0), -EXDEV);
    EQ(weir_pool_detach(&w->lease, &object), -EXDEV);
    EQ(weir_pool_resize(p, 3), -EXDEV);
    EQ(weir_pool_reap(p), -EXDEV);
    EQ(weir_pool_close(p), -EXDEV);
    EQ(weir_pool_drain(p, WEIR_NEVER), -EXDEV);
    EQ(weir_pool_stats(p, &stats), -EXDEV);
    weir_pool_free(&p);
    OK(p == w->pool);
    return 0;
}

static int gets_and_puts(void *arg)
{
    struct weir_lease lease;
    int r = weir_pool_get(arg, &lease, WEIR_NEVER);

    return r < 0 ? r : weir_pool_put(&lease, 0);
}

static int pool_main(void *arg)
{
    struct pooled w = {.pool = weir_pool_new(&(struct weir_pool_opts){
                           .create = makes, .destroy = unmakes, .ctx = &w, .max = 1})};
    struct weir_pool_stats stats;
    weir_scope *s;

    (void)arg;
    EQ(weir_pool_get(w.pool, &w.lease, WEIR_NEVER), 0);
    elsewhere(uses_a_foreign_pool, &w);
    s = weir_scope_open(NULL);
    GO(s, gets_and_puts, w.pool); /* one that waits is served, with several loops too */
    world_settle();
    EQ(weir_pool_put(&w.lease, 0), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_pool_stats(w.pool, &stats), 0);
    EQ(stats.gets, 2);
    EQ(stats.waited, 1);
    EQ(stats.used, 0);
    weir_pool_free(&w.pool);
    OK(!w.pool);
    return 0;
}

TEST(a_pool_refuses_another_loop)
{
    EQ(on_two_loops(pool_main, NULL), 0);
}

static int uses_first(void *arg)
{
    EQ(gets_and_puts(arg), 0);
    EQ(weir_pool_close(arg), 0);
    return 0;
}

static int built_here_used_there(void *arg)
{
    weir_pool *p = weir_pool_new(
        &(struct weir_pool_opts){.create = makes, .destroy = unmakes, .max = 1, .ctx = arg});
    struct weir_lease lease;

    elsewhere(uses_first, p);
    EQ(weir_pool_get(p, &lease, 0), -EXDEV); /* it is the other's by now */
    weir_pool_free(&p);
    OK(p);
    *(weir_pool **)arg = p;
    return 0;
}

TEST(it_is_not_who_made_it_but_who_uses_it_first)
{
    weir_pool *p = NULL;

    EQ(on_two_loops(built_here_used_there, &p), 0);
    weir_pool_free(&p); /* off all loops it is whoever's turn it is */
    OK(!p);
}

/* --- cache ------------------------------------------------------------- */

struct cached {
    weir_cache *cache;
    weir_cached *handle;
};

static int uses_a_foreign_cache(void *arg)
{
    struct cached *w = arg;
    struct weir_cache_stats stats;
    weir_cache *c = w->cache;
    weir_cached *h = w->handle, *none = NULL;
    int x = 2;

    EQ(weir_cache_get(c, "k", 1, &none), -EXDEV);
    EQ(weir_cache_get_or_load(c, "k", 1, &none), -EXDEV);
    EQ(weir_cache_put(c, "k", 1, &x, sizeof x, 0), -EXDEV);
    EQ(weir_cache_invalidate(c, "k", 1), -EXDEV);
    EQ(weir_cache_clear(c), -EXDEV);
    weir_cache_stats(c, &stats);
    EQ(stats.entries, 0);
    OK(!weir_cached_ref(h));
    weir_cached_unref(&h);
    OK(h == w->handle && !none);
    weir_cache_free(&c);
    OK(c == w->cache);
    return 0;
}

static int loads(void *ctx, const void *key, size_t len, void *value, weir_span *ttl)
{
    (void)ctx, (void)key, (void)len, (void)ttl;
    *(int *)value = 1;
    return 0;
}

static int cache_main(void *arg)
{
    struct cached w = {
        .cache = weir_cache_new(&(struct weir_cache_opts){.type = WEIR_TYPE(int), .load = loads})};
    struct weir_cache_stats stats;

    (void)arg;
    EQ(weir_cache_get_or_load(w.cache, "k", 1, &w.handle), 1);
    elsewhere(uses_a_foreign_cache, &w);
    weir_cache_stats(w.cache, &stats);
    EQ(stats.entries, 1);
    EQ(*(const int *)weir_cached_value(w.handle), 1);
    weir_cached_unref(&w.handle);
    weir_cache_free(&w.cache);
    OK(!w.cache);
    return 0;
}

TEST(a_cache_refuses_another_loop)
{
    EQ(on_two_loops(cache_main, NULL), 0);
}

/* --- flights ------------------------------------------------------------ */

struct flights {
    weir_flights *set;
    struct weir_event gate;
    int loads, loop;
};

static int flies(void *ctx, const void *key, size_t len, void *value)
{
    struct flights *w = ctx;

    (void)len;
    w->loads++;
    w->loop = weir_loop_index();
    if (*(const char *)key == 'e')
        return -EIO;
    *(int *)value = w->loads;
    return weir_event_wait(&w->gate, WEIR_NEVER);
}

static void flights_make(struct flights *w)
{
    weir_event_init(&w->gate);
    w->set = weir_flights_new(
        &(struct weir_flights_opts){.type = WEIR_TYPE(int), .load = flies, .ctx = w});
}

static int wants_k(void *arg)
{
    struct flights *w = arg;
    int x = 0, r = weir_flights_run(w->set, "k", 1, &x, sizeof x);

    return r < 0 ? r : x == 1 ? 0 : -ERANGE;
}

static int flights_main(void *arg)
{
    struct flights w = {0};
    weir_scope *s = weir_scope_open(NULL);
    struct weir_flights_stats stats;

    (void)arg;
    flights_make(&w);
    GO(s, wants_k, &w);
    world_settle(); /* the set is this loop's */
    for (int i = 0; i < 10; i++)
        EQ(weir_go_on(s, i % 2, wants_k, &w, NULL), 0);
    do {
        EQ(weir_yield(), 0);
        weir_flights_stats(w.set, &stats);
    } while (stats.waiting < 11);
    weir_event_set(&w.gate);
    EQ(weir_scope_close(&s), 0);
    EQ(w.loads, 1);
    EQ(w.loop, 0);
    weir_flights_free(&w.set);
    OK(!w.set);
    return 0;
}

TEST(callers_on_several_loops_share_one_load)
{
    EQ(on_two_loops(flights_main, NULL), 0);
}

static int asks_from_afar(void *arg)
{
    struct flights *w = arg;
    struct weir_flights_stats stats;
    int x = 5;

    EQ(weir_flights_run(w->set, "e", 1, &x, sizeof x), -EIO);
    EQ(x, 5);
    EQ(weir_flights_run(w->set, NULL, 1, &x, sizeof x), -EINVAL);
    EQ(weir_flights_run(w->set, "k", 1, NULL, sizeof x), -EINVAL);
    EQ(weir_flights_run(w->set, "k", 1, &x, 1), WEIR_ETYPE);
    EQ(weir_flights_forget(w->set, "nobody", 6), 0);
    EQ(weir_flights_forget(w->set, "k", 1), 1); /* the load that the gate holds */
    weir_flights_stats(w->set, &stats);
    EQ(stats.calls, 0);
    return 0;
}

static int leaves_from_afar(void *arg)
{
    struct flights *w = arg;
    int x = 5;

    EQ(weir_flights_run(w->set, "slow", 4, &x, sizeof x), -ECANCELED);
    EQ(x, 5);
    weir_flights_free(&w->set);
    OK(w->set);
    return 0;
}

static int afar_main(void *arg)
{
    struct flights w = {0};
    weir_scope *s = weir_scope_open(NULL), *leavers;
    struct weir_flights_stats stats;

    (void)arg;
    flights_make(&w);
    GO(s, wants_k, &w);
    world_settle();
    elsewhere(asks_from_afar, &w);
    leavers = weir_scope_open(NULL);
    EQ(weir_go_on(leavers, 1, leaves_from_afar, &w, NULL), 0);
    while (w.loads < 3)
        EQ(weir_yield(), 0);
    EQ(weir_scope_cancel(leavers, -ECANCELED), 0);
    EQ(weir_scope_close(&leavers), -ECANCELED);
    weir_flights_stats(w.set, &stats);
    EQ(stats.abandoned, 1); /* the last who waited for it had left */
    EQ(stats.failed, 1);
    EQ(stats.loads, 3);
    weir_event_set(&w.gate);
    EQ(weir_scope_close(&s), 0);
    weir_flights_free(&w.set);
    return 0;
}

TEST(errors_forgetting_and_leaving_cross_the_loops)
{
    EQ(on_two_loops(afar_main, NULL), 0);
}
