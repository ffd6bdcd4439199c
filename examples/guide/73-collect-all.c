/*
 * 73-collect-all.c -- a huge stream in memory, and the cures (the guide's
 * anti-pattern 3).
 *
 * weir_collect has an array of a stated size, so "all of it, however much" is
 * an error and not a crash.  What has to be seen once is seen one by one, or in
 * chunks, in memory that does not grow; a chunk has a time limit too, or a slow
 * source would keep its last items for ever.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

enum { ITEMS = 100000, KIB = 1024, TINY = 1000 };

struct huge {
    uint64_t id;
    char data[KIB - sizeof(uint64_t)];
};

/* What weir has taken, and the most of it at any time. */
struct meter {
    size_t now, most;
};

static void *metered(void *ctx, void *p, size_t old, size_t size)
{
    struct meter *m = ctx;
    void *q = size > 0 ? realloc(p, size) : NULL;

    if (size == 0)
        free(p);
    else if (!q)
        return NULL;
    m->now = m->now - old + size;
    m->most = m->now > m->most ? m->now : m->most;
    return q;
}

static int make(void *ctx, void *in, void *out)
{
    uint64_t *next = ctx;

    (void)in;
    if (*next == ITEMS)
        return 0;
    ((struct huge *)out)->id = (*next)++;
    return 1;
}

static int collect_all(void)
{
    uint64_t next = 0;
    weir_stream *s = weir_unfold(make, &next, WEIR_TYPE(struct huge));
    struct huge *items = calloc(TINY, sizeof *items);
    size_t n = 0;
    int r = items ? weir_collect(&s, items, TINY, &n) : -ENOMEM;

    weir_stream_close(&s);
    printf("collected: %zu, and then: %s\n", n, weir_strerror(r));
    free(items);
    return r;
}

static int look(void *ctx, void *in, void *out)
{
    (void)out;
    *(uint64_t *)ctx += ((struct huge *)in)->id;
    return 1;
}

static int one_by_one(struct meter *m)
{
    uint64_t next = 0, sum = 0;
    weir_stream *s = weir_unfold(make, &next, WEIR_TYPE(struct huge));
    int r;

    m->most = m->now;
    r = weir_for_each(&s, look, &sum);
    printf("one by one: sum %" PRIu64 ", with less than a MiB: %s\n", sum,
           m->most < KIB * KIB ? "yes" : "no");
    return r;
}

/* 120 items at once, then five more at long intervals, as from a slow peer. */
static int slow_peer(weir_generator *g, void *ctx)
{
    int r = 0;

    (void)ctx;
    for (int i = 0; i < 125 && r >= 0; i++) {
        if (i >= 120)
            r = weir_sleep(weir_after(WEIR_MS(300)));
        if (r >= 0)
            r = weir_emit(g, &i);
    }
    return r < 0 ? r : 0;
}

static int in_chunks(void)
{
    weir_stream *s = weir_generate(slow_peer, NULL, WEIR_TYPE(int));
    struct weir_chunk chunk;
    weir_time start = weir_now();
    int r;

    s = weir_chunks_timeout(s, 50, WEIR_MS(500));
    while ((r = weir_next(s, &chunk)) > 0)
        printf("%4" PRId64 " ms: a chunk of %zu\n", (weir_now() - start) / WEIR_MS(1), chunk.n);
    weir_stream_close(&s);
    return r;
}

static int app(void *arg)
{
    int r = collect_all();

    if (r != WEIR_ETOOLARGE)
        return r < 0 ? r : -EIO;
    r = one_by_one(arg);
    return r < 0 ? r : in_chunks();
}

int main(void)
{
    struct meter m = {0, 0};
    struct weir_config config = {.alloc = {metered, &m}};
    int r = weir_sim_run(1, &config, app, &m);

    if (r < 0)
        fprintf(stderr, "collect-all: %s\n", weir_strerror(r));
    return r < 0;
}
