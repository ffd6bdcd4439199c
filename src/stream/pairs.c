/*
 * pairs.c -- map_reduce: values by key, combined as they come.
 *
 * Made of parts: an ordered weir_par_map makes (key, value) pairs, a
 * weir_partition sends each key to one of `workers` reducers, and a reducer
 * keeps one accumulator a key.  So the values of one key are combined in the
 * order of the items and never two at once, and memory is one value a key.
 */
#include <stdlib.h>

#include "stream/fan.h"

/* A pair is this head and, at `offset`, the value. */
struct pairs_head {
    uint64_t key;
    void (*drop)(void *);
    size_t offset;
};

/* One accumulator: the pair that came first, in memory of its own. */
struct pairs_acc {
    struct pairs_acc *next;
    struct weir__slots slot;
};

struct pairs_job {
    const struct weir_map_reduce *job;
    struct weir_type pair;
    size_t offset;
    uint32_t keys;
    struct pairs_acc *accs;
};

struct pairs_reducer {
    struct pairs_job *job;
    weir_stream *in;
    struct weir__table table;
};

static void pairs_drop(void *item)
{
    struct pairs_head *p = item;

    if (p->drop)
        p->drop((char *)item + p->offset);
}

static struct pairs_head *pairs_acc_pair(const struct pairs_acc *a)
{
    return (struct pairs_head *)(void *)a->slot.items;
}

/* --- map ------------------------------------------------------------------ */

static int pairs_map(void *ctx, void *in, void *out)
{
    struct pairs_job *j = ctx;
    struct pairs_head *p = out;
    int r = j->job->map(j->job->ctx, in, &p->key, (char *)out + j->offset);

    p->drop = j->job->value.drop;
    p->offset = j->offset;
    return r;
}

static int pairs_route(void *ctx, const void *item)
{
    const struct pairs_job *j = ctx;
    uint64_t key = ((const struct pairs_head *)item)->key;

    key = (key ^ key >> 31) * 0x9e3779b97f4a7c15u;
    return (int)((key >> 32) % j->job->workers);
}

/* --- combine ------------------------------------------------------------------ */

static int pairs_first(struct pairs_reducer *r, struct pairs_head *p)
{
    struct pairs_job *j = r->job;
    struct pairs_acc *a;

    if (j->keys >= (j->job->most ? j->job->most : 65536))
        return WEIR_EFULL;
    a = weir__alloc(sizeof *a);
    if (!a)
        return -ENOMEM;
    if (weir__slots_make(&a->slot, 1, j->pair.size) < 0 ||
        weir__table_put(&r->table, p->key, a) < 0) {
        weir__slots_free(&a->slot);
        weir__free(a, sizeof *a);
        return -ENOMEM;
    }
    memcpy(a->slot.items, p, j->pair.size);
    memset(p, 0, j->pair.size);
    a->next = j->accs;
    j->accs = a;
    j->keys++;
    return 0;
}

static int pairs_one(void *ctx, void *in, void *out)
{
    struct pairs_reducer *r = ctx;
    struct pairs_head *p = in;
    struct pairs_acc *a = weir__table_get(&r->table, p->key);

    (void)out;
    if (!a)
        return pairs_first(r, p);
    return r->job->job->combine(r->job->job->ctx, p->key, a->slot.items + r->job->offset,
                                (char *)in + r->job->offset);
}

static int pairs_reducer_main(void *arg)
{
    struct pairs_reducer *r = arg;

    return weir_for_each(&r->in, pairs_one, r);
}

static int pairs_all(struct pairs_job *j, struct pairs_reducer *reducers)
{
    weir_scope *scope = weir_scope_open(&(struct weir_scope_opts){.name = "map_reduce"});
    int r = weir_scope_error(scope), closed;

    for (uint32_t i = 0; r == 0 && i < j->job->workers; i++)
        r = weir_go(scope, pairs_reducer_main, &reducers[i]);
    if (r < 0 && weir_scope_error(scope) == 0)
        (void)weir_scope_cancel(scope, r);
    closed = weir_scope_close(&scope);
    for (uint32_t i = 0; i < j->job->workers; i++) {
        weir_stream_close(&reducers[i].in);
        weir__table_free(&reducers[i].table);
    }
    return closed < 0 ? closed : r;
}

static int pairs_spread(struct pairs_job *j, weir_stream *s)
{
    uint32_t n = j->job->workers;
    struct weir_par_opts opts = {.limit = n, .ordered = 1};
    struct pairs_reducer *reducers = weir__alloc(n * sizeof *reducers);
    weir_stream **outs = weir__alloc(n * sizeof(weir_stream *));
    int r = reducers && outs ? 0 : -ENOMEM;

    if (r == 0)
        r = weir_partition(weir_par_map(s, pairs_map, j, j->pair, &opts), n, pairs_route, j, NULL,
                           outs);
    else
        weir_stream_close(&s);
    for (uint32_t i = 0; r == 0 && i < n; i++)
        reducers[i] = (struct pairs_reducer){.job = j, .in = outs[i]};
    if (r == 0)
        r = pairs_all(j, reducers);
    weir__free(outs, n * sizeof(weir_stream *));
    weir__free(reducers, n * sizeof *reducers);
    return r;
}

/* --- emit --------------------------------------------------------------------------- */

static int pairs_by_key(const void *a, const void *b)
{
    uint64_t x = pairs_acc_pair(*(struct pairs_acc *const *)a)->key;
    uint64_t y = pairs_acc_pair(*(struct pairs_acc *const *)b)->key;

    return x < y ? -1 : x > y;
}

static void pairs_accs_free(struct pairs_job *j)
{
    while (j->accs) {
        struct pairs_acc *a = j->accs;

        j->accs = a->next;
        pairs_drop(a->slot.items);
        weir__slots_free(&a->slot);
        weir__free(a, sizeof *a);
    }
}

static int pairs_emit(struct pairs_job *j)
{
    struct pairs_acc **all = weir__alloc((j->keys + 1) * sizeof *all);
    size_t n = 0;
    int r = all ? 0 : -ENOMEM;

    for (struct pairs_acc *a = j->accs; r == 0 && a; a = a->next)
        all[n++] = a;
    if (n)
        qsort(all, n, sizeof *all, pairs_by_key);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = j->job->emit(j->job->ctx, pairs_acc_pair(all[i])->key, all[i]->slot.items + j->offset);
    weir__free(all, (j->keys + 1) * sizeof *all);
    return r < 0 ? r : 0;
}

static int pairs_job_check(const struct weir_map_reduce *o)
{
    if (!o || !o->map || !o->combine || !o->emit || o->workers == 0 || o->workers > 1 << 16)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return weir__type_check(&o->value);
}

int weir_map_reduce(weir_stream **s, const struct weir_map_reduce *job)
{
    struct pairs_job j = {.job = job};
    int r = s ? weir_stream_error(*s) : -EINVAL;
    weir_stream *source;

    if (r == 0)
        r = pairs_job_check(job);
    if (r < 0) {
        if (s)
            weir_stream_close(s);
        return r;
    }
    source = *s;
    *s = NULL;
    j.pair = WEIR_TYPE(struct pairs_head);
    j.offset = job->value.align > 32 ? 64 : 32;
    j.pair.align = job->value.align > j.pair.align ? job->value.align : j.pair.align;
    j.pair.size = (uint32_t)(j.offset + job->value.size + j.pair.align - 1) & ~(j.pair.align - 1);
    j.pair.drop = pairs_drop;
    r = pairs_spread(&j, source);
    if (r == 0)
        r = pairs_emit(&j);
    pairs_accs_free(&j);
    return r;
}
