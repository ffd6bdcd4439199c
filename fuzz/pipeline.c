/*
 * pipeline.c -- any chain of operators over a range gives what the same chain
 * of loops over an array gives.
 */
#include <string.h>
#include <weir.h>

#include "fuzz.h"

enum { PIPELINE_MOST = 600, PIPELINE_STAGES = 12 };

struct list {
    int64_t at[PIPELINE_MOST];
    size_t n;
};

static int add(void *ctx, void *in, void *out)
{
    *(int64_t *)out = *(int64_t *)in + (intptr_t)ctx;
    return 1;
}

static int add_late(void *ctx, void *in, void *out)
{
    int r = weir_sleep(weir_now() + *(int64_t *)in % 5 + 1);

    return r < 0 ? r : add(ctx, in, out);
}

static int divides(void *ctx, void *in, void *out)
{
    (void)out;
    return *(int64_t *)in % (intptr_t)ctx == 0;
}

static int below(void *ctx, void *in, void *out)
{
    (void)out;
    return *(int64_t *)in < (intptr_t)ctx;
}

static void list_cut(struct list *l, size_t from, size_t n)
{
    if (from > l->n)
        from = l->n;
    if (n > l->n - from)
        n = l->n - from;
    memmove(l->at, l->at + from, n * sizeof *l->at);
    l->n = n;
}

static void list_keep(struct list *l, weir_fn *fn, void *ctx)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        if (fn(ctx, &l->at[i], NULL))
            l->at[n++] = l->at[i];
    l->n = n;
}

static void list_add(struct list *l, int64_t k)
{
    for (size_t i = 0; i < l->n; i++)
        l->at[i] += k;
}

static void list_while(struct list *l, int64_t most, size_t inclusive)
{
    size_t n = 0;

    while (n < l->n && l->at[n] < most)
        n++;
    list_cut(l, 0, n + inclusive);
}

static weir_stream *stage(weir_stream *s, struct list *l, struct bytes *b)
{
    struct weir_type t = WEIR_TYPE(int64_t);
    uint8_t op = byte(b), k = byte(b);
    void *ctx = (void *)(intptr_t)(k % 7 + 1);

    switch (op % 9) {
    case 0:
        list_add(l, k % 7 + 1);
        return weir_map(s, add, ctx, t);
    case 1:
        list_add(l, k % 7 + 1);
        return weir_then(s, add_late, ctx, t);
    case 2:
        list_keep(l, divides, ctx);
        return weir_filter(s, divides, ctx);
    case 3:
        list_cut(l, 0, k);
        return weir_take(s, k);
    case 4:
        list_cut(l, k, l->n);
        return weir_skip(s, k);
    case 5:
        list_while(l, k * 3, k % 2);
        return weir_take_while(s, below, (void *)(intptr_t)(k * 3), k % 2);
    case 6:
        return weir_stage(s, &(struct weir_stage_opts){.capacity = k % 9 + 1u});
    case 7:
        list_add(l, k % 7 + 1);
        return weir_par_map(
            s, add_late, ctx, t,
            &(struct weir_par_opts){.limit = k % 5 + 1u, .window = k % 5 + 3u, .ordered = 1});
    default:
        return s;
    }
}

static int pipeline(void *arg)
{
    static struct list want, have;
    struct bytes *b = arg;
    int64_t n = number(b, PIPELINE_MOST);
    weir_stream *s = weir_range(0, n);
    size_t got = 0;
    int r;

    for (want.n = 0; want.n < (size_t)n; want.n++)
        want.at[want.n] = (int64_t)want.n;
    for (int i = 0; bytes_left(b) && i < PIPELINE_STAGES; i++)
        s = stage(s, &want, b);
    r = weir_collect(&s, have.at, PIPELINE_MOST, &got);
    HOLDS(r == 0);
    HOLDS(got == want.n);
    HOLDS(memcmp(have.at, want.at, got * sizeof *have.at) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, data + size};

    HOLDS(weir_sim_run(1 + byte(&b), NULL, pipeline, &b) == 0);
    return 0;
}
