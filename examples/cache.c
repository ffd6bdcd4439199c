/*
 * cache.c -- a hundred clients, one slow source: values loaded once for all who
 * ask, and served old while the source is down.
 * The source is a sleep here; a real one asks a database or another server.
 * It runs on a virtual clock, so its hours take no time: weir_run is the real one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

struct source {
    int asked;
    int down;
};

struct price {
    char name[16];
    int cents;
};

/* Runs on a fiber of the cache, which gives it nothing of the caller's but the key. */
static int source_load(void *ctx, const void *key, size_t len, void *out, weir_span *ttl)
{
    struct source *s = ctx;
    struct price *p = out;
    int r;

    (void)ttl;
    s->asked++;
    r = weir_sleep(weir_after(WEIR_MS(20)));
    if (r < 0)
        return r;
    if (s->down || len >= sizeof p->name)
        return s->down ? -EHOSTUNREACH : -EINVAL;
    memcpy(p->name, key, len);
    p->cents = (int)len * 100 + s->asked;
    return 0;
}

struct client {
    weir_cache *cache;
    const char *want;
    int cents;
    weir_span stale;
};

static int client_run(void *arg)
{
    struct client *c = arg;
    weir_cached *h = NULL;
    int r = weir_cache_get_or_load(c->cache, c->want, strlen(c->want), &h);

    if (r < 0)
        return r;
    c->cents = ((const struct price *)weir_cached_value(h))->cents;
    c->stale = weir_cached_stale(h);
    weir_cached_unref(&h);
    return 0;
}

/* A hundred at once, for four things. */
static int clients_run(weir_cache *cache)
{
    static const char *const goods[] = {"trout", "perch", "pike", "eel"};
    weir_scope *s = weir_scope_open(NULL);
    struct client c[100];
    int r = 0, closed;

    for (int i = 0; i < 100 && r == 0; i++) {
        c[i] = (struct client){.cache = cache, .want = goods[i % 4]};
        r = weir_go(s, client_run, &c[i]);
    }
    closed = weir_scope_close(&s);
    return r < 0 ? r : closed;
}

static int show(const char *what, weir_cache *cache, const struct source *s)
{
    struct weir_cache_stats n;

    weir_cache_stats(cache, &n);
    printf("%-28s source asked %2d times; hits %3llu, stale %3llu, misses %3llu\n", what, s->asked,
           (unsigned long long)n.hits, (unsigned long long)n.stale, (unsigned long long)n.misses);
    return 0;
}

static int scenes(weir_cache *cache, struct source *s)
{
    struct client lost = {.cache = cache, .want = "carp"};
    int r = clients_run(cache);

    if (r == 0)
        r = show("nobody has anything yet:", cache, s);
    if (r == 0)
        r = clients_run(cache);
    if (r == 0)
        r = show("all is there:", cache, s);
    s->down = 1;
    if (r == 0)
        r = weir_sleep(weir_after(WEIR_S(600))); /* past the ttl */
    if (r == 0)
        r = clients_run(cache);
    if (r == 0)
        r = show("too old, the source is down:", cache, s);
    if (r == 0 && client_run(&lost) != -EHOSTUNREACH) /* never seen: the error itself */
        r = -EIO;
    return r;
}

static int app(void *arg)
{
    struct source source = {0};
    weir_cache *cache = weir_cache_new(&(struct weir_cache_opts){.type = WEIR_TYPE(struct price),
                                                                 .load = source_load,
                                                                 .ctx = &source,
                                                                 .max_entries = 1000,
                                                                 .ttl = WEIR_S(300),
                                                                 .jitter = 10,
                                                                 .stale_error = WEIR_S(3600)});
    int r = weir_cache_error(cache);

    (void)arg;
    if (r == 0)
        r = scenes(cache, &source);
    if (r == 0 && source.asked != 4 + 4 + 1) /* four things, twice, and the one that nobody had */
        r = -EIO;
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
