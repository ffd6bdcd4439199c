/*
 * test_fan_mix.c -- operators of fan.h in random nets: whatever is put on top
 * of what, whoever leaves early, is slow or times out, nothing hangs, nothing
 * is lost, nothing is dropped twice, every source is closed once.
 */
#include "fan_world.h"

enum { MIX_DRAINERS = 64, MIX_SEEDS = 400 };

struct mix {
    uint64_t rng;
    weir_scope *scope;
    struct drainer d[MIX_DRAINERS];
    int drainers, feeds;
};

static int mix_below(struct mix *m, int n)
{
    m->rng = m->rng * 6364136223846793005u + 1442695040888963407u;
    return (int)((m->rng >> 33) % (unsigned)n);
}

static int mix_cmp(void *ctx, const void *a, const void *b)
{
    (void)ctx;
    return ((const struct thing *)a)->n - ((const struct thing *)b)->n;
}

/* Takes the first there is; sometimes skips. */
static int mix_zip(void *ctx, void *const in[], size_t n, void *out)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++) {
        struct thing *t = in[i];

        if (!t || t->n % 5 == 4)
            continue;
        *(struct thing *)out = *t;
        memset(t, 0, sizeof *t);
        return 1;
    }
    return 0;
}

static int mix_latest(void *ctx, void *const in[], size_t n, void *out)
{
    (void)ctx;
    (void)n;
    return thing_clone(out, in[0]) < 0 ? -ENOMEM : 1;
}

static int mix_odd(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    return ((struct thing *)in)->n % 2;
}

static int mix_route(void *ctx, const void *item)
{
    return ((const struct thing *)item)->n % *(int *)ctx;
}

static int mix_key(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = (uint64_t)((const struct thing *)item)->n % 3;
    return 1;
}

static weir_stream *mix_leaf(struct mix *m)
{
    static const int every[] = {0, 0, 1, 3, 20}, ends[] = {0, 0, 0, 0, -EIO};
    int at = m->feeds++;

    if (at >= FAN_FEEDS)
        return weir_empty(thing_type());
    return feed_as(at, mix_below(m, 13), WEIR_MS(every[mix_below(m, 5)]), ends[mix_below(m, 5)],
                   mix_below(m, 2));
}

/* Somebody who pulls beside the main one; without a place for him the stream is closed. */
static void mix_aside(struct mix *m, weir_stream *s)
{
    struct drainer *d = &m->d[m->drainers];

    if (m->drainers == MIX_DRAINERS || mix_below(m, 6) == 0) {
        weir_stream_close(&s);
        return;
    }
    m->drainers++;
    *d = (struct drainer){.s = s, .pause = WEIR_MS(mix_below(m, 4)), .most = mix_below(m, 9)};
    if (weir_go(m->scope, drainer_main, d) < 0)
        weir_stream_close(&d->s);
}

static int mix_groups(void *arg)
{
    weir_stream *s = arg;
    struct weir_group g;
    int n = 0, r;

    while ((r = weir_next(s, &g)) == 1) {
        (void)fan_drain(g.items, &n);
        weir_stream_close(&g.items);
    }
    weir_stream_close(&s);
    return 0;
}

static int ways = 3;

static weir_stream *mix_out(struct mix *m, weir_stream *s)
{
    struct weir_outlet_opts o[3];
    struct weir_group_opts g = {.capacity = 2, .patience = WEIR_MS(40)};
    weir_stream *out[4], *groups;
    int kind = mix_below(m, 4), keep = mix_below(m, 3), r;

    for (int i = 0; i < 3; i++)
        o[i] = (struct weir_outlet_opts){.capacity = (size_t)mix_below(m, 4),
                                         .overflow = (enum weir_overflow)mix_below(m, 5),
                                         .patience = WEIR_MS(40 * mix_below(m, 3))};
    if (kind == 3) { /* half of it into groups that one fiber goes through */
        if (weir_tee(s, 2, o, out) == 0) {
            groups = weir_group_by(out[1], mix_key, NULL, &g);
            if (weir_go(m->scope, mix_groups, groups) < 0)
                weir_stream_close(&groups);
        }
        return out[0];
    }
    r = kind == 0   ? weir_tee(s, 3, o, out)
        : kind == 1 ? weir_partition(s, 3, mix_route, &ways, o, out)
                    : weir_balance(s, 3, (size_t)mix_below(m, 3), out);
    for (int i = 0; i < 3; i++)
        if (i != keep && r == 0)
            mix_aside(m, out[i]);
    return out[keep];
}

static weir_stream *mix_net(struct mix *m, int depth)
{
    struct weir_merge_opts mo = {.on_error = (enum weir_merge_error)mix_below(m, 2),
                                 .eager = mix_below(m, 5) == 0,
                                 .ahead = (uint32_t)mix_below(m, 4)};
    struct weir_heads_opts ho = {.concurrent = (uint32_t)mix_below(m, 2)};
    weir_stream *in[3];
    size_t n = (size_t)mix_below(m, 3) + 1;
    int kind = depth ? mix_below(m, 11) : 0;

    if (kind == 0)
        return mix_leaf(m);
    if (kind < 4)
        return mix_out(m, mix_net(m, depth - 1));
    for (size_t i = 0; i < n; i++)
        in[i] = i < n - 1 || kind < 10 ? mix_net(m, depth - 1) : mix_leaf(m);
    switch (kind) {
    case 4:
        return weir_merge(in, n, &mo);
    case 5:
        return weir_merge_preferred(in, n, &mo);
    case 6:
        return weir_race_streams(in, n, (enum weir_race_mode)mix_below(m, 2));
    case 7:
        return weir_merge_sorted(in, n, mix_cmp, NULL, &ho);
    case 8:
        return weir_zip(in, n, mix_zip, NULL, thing_type(), &ho);
    case 9:
        return weir_zip_all(in, n, mix_zip, NULL, thing_type(), &ho);
    default:
        return weir_stage(
            weir_filter(weir_combine_latest(in, n, mix_latest, NULL, thing_type()), mix_odd, NULL),
            &(struct weir_stage_opts){.capacity = (size_t)mix_below(m, 4)});
    }
}

static int mix_run(void *arg)
{
    struct mix *m = arg;
    weir_stream *s;
    struct weir_fan_stats b;
    int n = 0, r, leave = mix_below(m, 3) ? 1000 : mix_below(m, 10);

    m->scope = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
    if (weir_scope_error(m->scope) < 0)
        return weir_scope_error(m->scope);
    s = mix_net(m, 4);
    do {
        struct weir_limit l;
        struct thing t;

        r = weir_limit_init(&l, weir_after(WEIR_MS(mix_below(m, 30))));
        r = weir_limit_fini(&l, r < 0 ? r : weir_next(s, &t));
        if (weir_fan_stats(s, &b) == 0)
            EQ(b.in, b.out + b.dropped + b.failed + b.held);
        if (r == 1)
            thing_drop(&t);
    } while ((r == 1 || r == -ETIMEDOUT) && ++n < leave);
    weir_stream_close(&s);
    r = weir_scope_close(&m->scope);
    for (int i = 0; i < m->drainers; i++) /* those that were never started */
        weir_stream_close(&m->d[i].s);
    return r == WEIR_EDEADLOCK || r == -ECANCELED ? 0 : r;
}

TEST_WITH(random_nets_lose_nothing_and_end, .timeout = 60)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + MIX_SEEDS; seed++) {
        struct mix m = {.rng = seed};
        int r = fan_run_seed(seed, mix_run, &m);

        if (r != 0 && r != WEIR_EDEADLOCK)
            FAIL("seed %llu gave %d (%s)", (unsigned long long)seed, r, weir_strerror(r));
    }
}

/* One net at every point: a few of them that are small. */
static int mix_small(void *arg)
{
    struct mix m = {.rng = *(uint64_t *)arg};
    int r = mix_run(&m);

    return r == WEIR_EDEADLOCK ? 0 : r;
}

TEST_WITH(random_nets_lose_nothing_when_anything_fails, .timeout = 60)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        FAN_POINTS(mix_small, &seed);
}
