/*
 * split.c -- each item to one of a fixed number of subscribers: partition,
 * balance; and unzip, which makes two items of one.
 */
#include "stream/fan.h"

/* --- what tee shares ------------------------------------------------------- */

void weir__split_gone(struct weir__pump *p, struct weir__outlet *o)
{
    struct weir__split *t = (struct weir__split *)p;

    if (t->outlets[o->index] == o) {
        t->outlets[o->index] = NULL;
        t->open--;
        p->left += o->owed;
    }
}

void weir__split_finish(struct weir__pump *p, int code)
{
    struct weir__split *t = (struct weir__split *)p;

    if (t->shared)
        (void)weir_chan_close(t->shared, code);
    for (size_t i = 0; i < t->n && !t->shared; i++)
        if (t->outlets[i])
            (void)weir_chan_close(t->outlets[i]->ch, code);
}

bool weir__split_deaf(const struct weir__split *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->outlets[i] && !t->outlets[i]->deaf)
            return false;
    return true;
}

void weir__split_free(struct weir__pump *p)
{
    struct weir__split *t = (struct weir__split *)p;

    weir_chan_free(&t->shared);
    weir__slots_free(&t->halves);
    weir__free(t->outlets, t->cap * sizeof(struct weir__outlet *));
    weir__free(t, sizeof *t);
}

/* The pump alone, with room for n outlets.  Takes s on success only, the shared channel always. */
struct weir__split *weir__split_new(const struct weir__split *init,
                                    const struct weir__pump_ops *ops, weir_stream *s, size_t n,
                                    int *why)
{
    struct weir__split *t = weir__alloc(sizeof *t);
    weir_chan *shared = init->shared;

    *why = -ENOMEM;
    if (!t) {
        weir_chan_free(&shared);
        return NULL;
    }
    *t = *init;
    t->cap = n;
    t->outlets = weir__alloc(n * sizeof(struct weir__outlet *));
    if (!t->outlets || weir__pump_init(&t->pump, ops, s, 2) < 0) {
        weir__split_free(&t->pump);
        return NULL;
    }
    *why = 0;
    return t;
}

static int split_outlets(struct weir__split *t, size_t n, const struct weir_outlet_opts *opts,
                         weir_stream **out)
{
    int r = 0;

    for (size_t i = 0; i < n; i++) {
        struct weir_type type = t->split_fn ? t->types[i] : t->pump.type;
        struct weir__outlet *o =
            weir__outlet_new(&t->pump, type, opts ? &opts[i] : NULL, t->shared, &r);

        if (!o)
            return r;
        o->index = i;
        o->most_one = t->shared;
        t->outlets[i] = o;
        t->n = i + 1;
        t->open++;
        out[i] = o->me;
    }
    return 0;
}

/* Closes the outlets that are there already, and with the last reference the pump. */
static int split_undo(struct weir__split *t, weir_stream **out, size_t n, int code)
{
    size_t made = t->n;

    for (size_t i = 0; i < made; i++)
        weir_stream_close(&out[i]);
    weir__pump_unref(&t->pump);
    return weir__outlets_refuse(out, n, code);
}

int weir__split_make(const struct weir__split *init, const struct weir__pump_ops *ops,
                     weir_stream *s, size_t n, const struct weir_outlet_opts *opts,
                     weir_stream **out)
{
    struct weir__split *t = NULL;
    int r = weir__stream_check(s);

    if (r == 0 && (!out || n == 0 || n > 1 << 20))
        r = -EINVAL;
    if (r == 0)
        t = weir__split_new(init, ops, s, n, &r);
    if (!t) {
        weir_stream_close(&s);
        return weir__outlets_refuse(out, n, r);
    }
    if (t->split_fn) {
        t->half = weir__stride(t->types[0].size);
        r = weir__slots_make(&t->halves, 1, t->half + t->types[1].size);
    }
    if (r == 0)
        r = split_outlets(t, n, opts, out);
    if (r < 0)
        return split_undo(t, out, n, r);
    t->pump.refs--;
    return 0;
}

/* A fan-out that nobody can be given: its sources are closed all the same. */
static int split_refuse(weir_stream *s, weir_stream **out, size_t n, int code)
{
    int r = weir__stream_check(s);

    weir_stream_close(&s);
    return weir__outlets_refuse(out, n, r < 0 ? r : code);
}

/* --- partition ------------------------------------------------------------------ */

static int partition_route(struct weir__pump *p, void *item)
{
    struct weir__split *t = (struct weir__split *)p;
    int k = t->route_fn(t->ctx, item);

    if (k >= 0 && (size_t)k < t->n) {
        int r = weir__outlet_put(p, &t->outlets[k], &p->type, item);

        return r == 0 && weir__split_deaf(t) ? WEIR_EFULL : r;
    }
    weir__item_drop(&p->type, item);
    p->left++;
    return k < 0 ? k : -ERANGE;
}

static const struct weir__pump_ops partition_ops = {
    "partition", NULL, partition_route, weir__split_finish, weir__split_gone, weir__split_free,
};

int weir_partition(weir_stream *s, size_t n, weir_route_fn *route, void *ctx,
                   const struct weir_outlet_opts *opts, weir_stream **out)
{
    struct weir__split t = {.route_fn = route, .ctx = ctx};

    if (!route)
        return split_refuse(s, out, n, -EINVAL);
    return weir__split_make(&t, &partition_ops, s, n, opts, out);
}

/* --- unzip -------------------------------------------------------------------------- */

/* A half that has gone to its subscriber, or has nobody to go to: true. */
static bool unzip_half(struct weir__split *t, int k, void *half)
{
    if (t->outlets[k])
        return weir__outlet_try(t->outlets[k], half);
    weir__item_drop(&t->types[k], half);
    t->pump.left++;
    return true;
}

/* Each half as soon as there is room for it: neither waits for the other. */
static int unzip_route(struct weir__pump *p, void *item)
{
    struct weir__split *t = (struct weir__split *)p;
    char *half[2] = {t->halves.items, t->halves.items + t->half};
    bool gone[2] = {false, false};
    int r = t->split_fn(t->ctx, item, half[0], half[1]);

    weir__item_drop(&p->type, item);
    if (r <= 0) {
        p->left++;
        return r;
    }
    weir__pump_patient(p);
    for (r = 0; r == 0 && !(gone[0] && gone[1]);) {
        for (int k = 0; k < 2; k++)
            gone[k] = gone[k] || unzip_half(t, k, half[k]);
        if (!(gone[0] && gone[1]))
            r = weir__pump_wait(p, t->outlets[gone[0]]->patience);
    }
    for (int k = 0; k < 2; k++)
        if (!gone[k]) {
            weir__item_drop(&t->types[k], half[k]);
            p->left++;
        }
    return r == 0 && weir__split_deaf(t) ? WEIR_EFULL : r;
}

static const struct weir__pump_ops unzip_ops = {
    "unzip", NULL, unzip_route, weir__split_finish, weir__split_gone, weir__split_free,
};

int weir_unzip(weir_stream *s, weir_unzip_fn *split, void *ctx, struct weir_type a,
               struct weir_type b, const struct weir_outlet_opts *opts, weir_stream *out[2])
{
    struct weir__split t = {.split_fn = split, .ctx = ctx, .types = {a, b}};

    if (!split || weir__type_check(&a) < 0 || weir__type_check(&b) < 0)
        return split_refuse(s, out, 2, -EINVAL);
    return weir__split_make(&t, &unzip_ops, s, 2, opts, out);
}

/* --- balance --------------------------------------------------------------------------- */

/*
 * Whoever waits is in the channel's own queue: this pump parks there, for the channel
 * outlives it.
 */
static int balance_route(struct weir__pump *p, void *item)
{
    struct weir__split *t = (struct weir__split *)p;
    int r = weir_chan_send(t->shared, item, p->type.size, WEIR_NEVER);

    if (r > 0)
        return 0;
    weir__item_drop(&p->type, item);
    p->left++;
    return r;
}

static const struct weir__pump_ops balance_ops = {
    "balance", NULL, balance_route, weir__split_finish, weir__split_gone, weir__split_free,
};

int weir_balance(weir_stream *s, size_t n, size_t capacity, weir_stream **out)
{
    struct weir__split t = {0};
    int r = weir__stream_check(s);

    if (r < 0)
        return split_refuse(s, out, n, r);
    t.shared = weir_chan_new(s->type, capacity);
    r = weir_chan_error(t.shared);
    if (r < 0)
        return split_refuse(s, out, n, r);
    if (!out || n == 0 || n > 1 << 20) {
        weir_chan_free(&t.shared);
        return split_refuse(s, out, n, -EINVAL);
    }
    return weir__split_make(&t, &balance_ops, s, n, NULL, out);
}
