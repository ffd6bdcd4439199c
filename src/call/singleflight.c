/*
 * singleflight.c -- flights whose value goes to their callers and is forgotten.
 *
 * A flight is one block: the record, the key, the value.  The last caller to
 * leave gets the value itself, those before it copies.
 */
#include <weir/singleflight.h>

#include <string.h>

#include "call/flight.h"
#include "core/group.h"

struct weir_flights {
    int poison;
    uint32_t home;
    struct weir_flights_opts opts;
    struct weir_flights_stats stats;
    struct weir__flights set;
};

struct singleflight_one {
    struct weir__flight flight;
    weir_flights *group;
    void *value;
    size_t size; /* of the block */
};

static weir_flights singleflight_invalid = {.poison = -EINVAL};
static weir_flights singleflight_no_memory = {.poison = -ENOMEM};

/* --- one flight ---------------------------------------------------------------- */

static struct singleflight_one *singleflight_of(struct weir__flight *f)
{
    return WEIR__ENTRY(f, struct singleflight_one, flight);
}

static struct singleflight_one *singleflight_alloc(weir_flights *g, const void *key, size_t len)
{
    size_t align = g->opts.type.align ? g->opts.type.align : 1;
    size_t size = sizeof(struct singleflight_one) + len + align + g->opts.type.size;
    struct singleflight_one *one = weir__alloc(size);
    uintptr_t end;

    if (!one)
        return NULL;
    one->group = g;
    one->size = size;
    one->flight.key = one + 1;
    one->flight.key_len = len;
    if (len)
        memcpy(one + 1, key, len);
    end = (uintptr_t)(one + 1) + len;
    one->value = (char *)(one + 1) + len + (-end & (align - 1));
    return one;
}

static int singleflight_load(struct weir__flight *f)
{
    struct singleflight_one *one = singleflight_of(f);

    return one->group->opts.load(one->group->opts.ctx, f->key, f->key_len, one->value);
}

static void singleflight_land(struct weir__flight *f)
{
    weir_flights *g = singleflight_of(f)->group;

    if (f->abandoned)
        g->stats.abandoned++;
    else if (f->result < 0 && !f->node.why)
        g->stats.failed++;
}

static void singleflight_drop(struct weir__flight *f)
{
    struct singleflight_one *one = singleflight_of(f);

    if (f->result >= 0 && one->group->opts.type.drop)
        one->group->opts.type.drop(one->value);
    weir__free(one, one->size);
}

static const struct weir__flight_ops singleflight_ops = {singleflight_load, singleflight_land,
                                                         singleflight_drop};

/* --- making and freeing ------------------------------------------------------------ */

static int singleflight_check(const struct weir_flights_opts *o)
{
    const struct weir_type *t = &o->type;

    if (!o->load || (t->drop && !t->clone))
        return -EINVAL;
    if (!t->size || t->size > 1 << 20 || t->align > 64 || (t->align & (t->align - 1)))
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return 0;
}

weir_flights *weir_flights_new(const struct weir_flights_opts *opts)
{
    weir_flights *g;

    if (!opts || singleflight_check(opts) < 0)
        return &singleflight_invalid;
    g = weir__alloc(sizeof *g);
    if (!g)
        return &singleflight_no_memory;
    g->opts = *opts;
    weir__flights_init(&g->set, &singleflight_ops);
    return g;
}

void weir_flights_free(weir_flights **gp)
{
    weir_flights *g = gp ? *gp : NULL;

    if (g && weir__home(&g->home) < 0)
        return;
    if (g && !g->poison) {
        weir__flights_fini(&g->set);
        weir__free(g, sizeof *g);
    }
    if (gp)
        *gp = NULL;
}

int weir_flights_error(const weir_flights *g)
{
    return g ? g->poison : -EINVAL;
}

void weir_flights_stats(const weir_flights *g, struct weir_flights_stats *out)
{
    *out = (struct weir_flights_stats){0};
    if (weir_flights_error(g) < 0 || weir__home((uint32_t *)&g->home) < 0)
        return;
    *out = g->stats;
    out->flying = g->set.flying;
    out->waiting = g->set.waiting;
}

/* --- calling -------------------------------------------------------------------------- */

static int singleflight_key_check(const weir_flights *g, const void *key, size_t len)
{
    int r = weir_flights_error(g);

    return r == 0 && ((!key && len) || len > WEIR__KEY_MAX) ? -EINVAL : r;
}

/* A copy for this caller; the last one gets the value itself. */
static int singleflight_share(struct singleflight_one *one, void *out)
{
    const struct weir_type *t = &one->group->opts.type;

    if (t->clone && one->flight.refs > 1)
        return t->clone(out, one->value);
    memcpy(out, one->value, t->size);
    if (t->drop)
        memset(one->value, 0, t->size);
    return 0;
}

/* The flight of the key, or a new one. */
static int singleflight_get(weir_flights *g, const void *key, size_t len, struct weir__flight **out)
{
    uint64_t hash = weir__hash(&g->set.hash_key, key, len);
    struct singleflight_one *one;
    int r;

    *out = weir__flight_find(&g->set, hash, key, len);
    r = weir__flight_hangs(*out);
    if (*out || r < 0)
        return r;
    one = singleflight_alloc(g, key, len);
    r = one ? weir__flight_start(&g->set, &one->flight, hash) : -ENOMEM;
    if (r < 0) {
        if (one)
            weir__free(one, one->size);
        return r;
    }
    g->stats.loads++;
    *out = &one->flight;
    return 0;
}

static int singleflight_run(weir_flights *g, const void *key, size_t len, void *out)
{
    struct weir__flight *f;
    int r = singleflight_get(g, key, len, &f), shared;

    if (r < 0)
        return r;
    r = weir__flight_wait(f);
    shared = r < 0 ? 0 : singleflight_share(singleflight_of(f), out);
    weir__flight_unref(f);
    return shared < 0 ? shared : r;
}

static int singleflight_run_here(weir_flights *g, const void *key, size_t len, void *out)
{
    struct weir__fiber *me = weir__self();
    int r = !me ? WEIR_ENOFIBER : me->node->why ? -ECANCELED : weir__flights_enter(&g->set);

    if (r < 0)
        return r;
    g->stats.calls++;
    r = singleflight_run(g, key, len, out);
    weir__flights_leave(&g->set);
    return r;
}

static int singleflight_forget_here(weir_flights *g, const void *key, size_t len)
{
    struct weir__flight *f =
        weir__flight_find(&g->set, weir__hash(&g->set.hash_key, key, len), key, len);

    if (f)
        weir__flight_disown(f);
    return f != NULL;
}

/* --- from another loop ------------------------------------------------------------------- */

struct singleflight_question {
    weir_flights *group;
    const void *key;
    size_t len;
    void *out; /* NULL: to forget it */
    int result;
};

static int singleflight_answer(void *arg)
{
    struct singleflight_question *q = arg;

    q->result = q->out ? singleflight_run_here(q->group, q->key, q->len, q->out)
                       : singleflight_forget_here(q->group, q->key, q->len);
    return 0;
}

/* All of a set is on one loop: a fiber goes there; the caller's memory stays until it is back. */
static int singleflight_ask(weir_flights *g, const void *key, size_t len, void *out)
{
    struct singleflight_question q = {g, key, len, out, -ECANCELED};
    uint32_t home;
    int r;

    if (weir__home(&g->home) == 0)
        return out ? singleflight_run_here(g, key, len, out)
                   : singleflight_forget_here(g, key, len);
    home = __atomic_load_n(&g->home, __ATOMIC_RELAXED);
    r = weir__far_ask(home - 1, singleflight_answer, &q);
    return r < 0 && q.result == -ECANCELED ? r : q.result;
}

int weir_flights_run(weir_flights *g, const void *key, size_t len, void *out, size_t size)
{
    int r = singleflight_key_check(g, key, len);

    if (r == 0 && !out)
        r = -EINVAL;
    if (r == 0 && size != g->opts.type.size)
        r = WEIR_ETYPE;
    return r < 0 ? r : singleflight_ask(g, key, len, out);
}

int weir_flights_forget(weir_flights *g, const void *key, size_t len)
{
    int r = singleflight_key_check(g, key, len);

    return r < 0 ? r : singleflight_ask(g, key, len, NULL);
}
