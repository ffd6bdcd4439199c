/*
 * 84-cache.c -- values that were dear to get, kept for a while (the guide's
 * chapter 8.4).
 *
 * All who miss a key at the same time wait for one load of it, and share its
 * result or its error.  The cache is bounded, its clock is weir's, and nothing
 * runs in the background: what has expired is dropped when it is met.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

enum { CALLERS = 500 };

struct user {
    char name[24];
};

/* A stand-in for a database: 100 ms, and it knows one user. */
static int load(void *ctx, const void *key, size_t key_len, void *out_value, weir_span *ttl)
{
    int r = weir_sleep(weir_after(WEIR_MS(100)));

    (void)ctx, (void)ttl;
    if (r < 0)
        return r;
    printf("  loading %.*s from the database\n", (int)key_len, (const char *)key);
    if (key_len != 6 || memcmp(key, "user_1", 6) != 0)
        return -ENOENT;
    snprintf(((struct user *)out_value)->name, sizeof(struct user), "Alice");
    return 0;
}

struct group {
    weir_cache *cache;
    const char *key;
    int found, failed;
};

static int ask(void *arg)
{
    struct group *g = arg;
    weir_cached *held;
    int r = weir_cache_get_or_load(g->cache, g->key, strlen(g->key), &held);

    if (r > 0) {
        g->found += strcmp(((const struct user *)weir_cached_value(held))->name, "Alice") == 0;
        weir_cached_unref(&held);
    }
    g->failed += r == -ENOENT;
    return r < 0 && r != -ENOENT ? r : 0;
}

static int ask_at_once(weir_cache *cache, const char *key, int callers)
{
    struct group g = {cache, key, 0, 0};
    weir_scope *s = weir_scope_open(NULL);
    int r = 0, r_close;

    for (int i = 0; i < callers && r == 0; i++)
        r = weir_go(s, ask, &g);
    r_close = weir_scope_close(&s);
    printf("%s for %d: %d got Alice, %d were told that there is none\n", key, callers, g.found,
           g.failed);
    return r < 0 ? r : r_close;
}

static int app(void *arg)
{
    weir_cache *cache = weir_cache_new(&(struct weir_cache_opts){.type = WEIR_TYPE(struct user),
                                                                 .load = load,
                                                                 .max_entries = 1000,
                                                                 .ttl = WEIR_S(60),
                                                                 .negative_ttl = WEIR_S(5)});
    struct weir_cache_stats stats;
    int r;

    (void)arg;
    if ((r = ask_at_once(cache, "user_1", CALLERS)) == 0 &&
        (r = ask_at_once(cache, "user_1", 1)) == 0 &&
        (r = ask_at_once(cache, "user_2", CALLERS)) == 0 &&
        (r = weir_sleep(weir_after(WEIR_S(61)))) == 0) {
        puts("a minute later");
        r = ask_at_once(cache, "user_1", 1);
    }
    weir_cache_stats(cache, &stats);
    printf("%" PRIu64 " loads for %" PRIu64 " questions\n", stats.loads, stats.hits + stats.misses);
    weir_cache_free(&cache);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "cache: %s\n", weir_strerror(r));
    return r < 0;
}
