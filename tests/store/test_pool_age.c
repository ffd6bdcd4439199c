/*
 * test_pool_age.c -- how old an object of a pool may get: idle time, lifetime and its
 * jitter, checks, which one is taken, and how many are kept.
 */
#include "store/pool_world.h"

/* --- age ------------------------------------------------------------------------------ */

static void used_for(weir_pool *p, weir_span span, uint64_t id)
{
    struct weir_lease l;

    EQ(weir_pool_get(p, &l, WEIR_NEVER), 0);
    if (id)
        EQ(l.id, id);
    EQ(weir_sleep(weir_after(span)), 0);
    EQ(weir_pool_put(&l, 0), 0);
}

static int ages(void *arg)
{
    struct weir_pool_opts o = opts(4);
    weir_pool *p;

    (void)arg;
    o.idle = WEIR_S(10);
    p = pool_of(o);
    used_for(p, WEIR_S(1), 1);
    EQ(weir_sleep(weir_after(WEIR_S(9))), 0);
    used_for(p, WEIR_S(1), 1);
    EQ(weir_sleep(weir_after(WEIR_S(11))), 0);
    used_for(p, WEIR_S(1), 2); /* reaped, though nobody was there to do it */
    EQ(farm.live, 1);
    EQ(weir_sleep(weir_after(WEIR_S(11))), 0);
    EQ(weir_pool_reap(p), 1);
    EQ(farm.live, 0);
    gone(&p);

    o = opts(4);
    o.lifetime = WEIR_S(100);
    p = pool_of(o);
    for (int i = 0; i < 9; i++)
        used_for(p, WEIR_S(9), 1);
    used_for(p, WEIR_S(30), 1);
    EQ(farm.gone[1], 1); /* too old when it came back */
    used_for(p, WEIR_S(1), 2);
    EQ(weir_sleep(weir_after(WEIR_S(100))), 0);
    used_for(p, WEIR_S(1), 3); /* too old in the pool */
    gone(&p);
    return 0;
}

TEST(L3_idle_time_and_lifetime)
{
    EQ(world_run(ages, NULL), 0);
}

/* Made together, they do not die together: within the last tenth of the lifetime. */
static int jitter(void *arg)
{
    struct weir_pool_opts o = opts(64);
    struct weir_lease l[64];
    weir_pool *p;
    int before;

    (void)arg;
    o.lifetime = WEIR_S(100);
    p = pool_of(o);
    farm.dial = 0;
    for (int i = 0; i < 64; i++)
        EQ(weir_pool_get(p, &l[i], WEIR_NEVER), 0);
    EQ(weir_sleep(WEIR_EPOCH + WEIR_S(89)), 0);
    for (int i = 0; i < 32; i++)
        EQ(weir_pool_put(&l[i], 0), 0);
    EQ(farm.live, 64);
    EQ(weir_sleep(WEIR_EPOCH + WEIR_S(95)), 0);
    for (int i = 32; i < 64; i++)
        EQ(weir_pool_put(&l[i], 0), 0);
    before = farm.live;
    LE(33, before);
    LE(before, 63);
    gone(&p);
    return 0;
}

TEST(L3_lifetimes_differ)
{
    EQ(world_run(jitter, NULL), 0);
}

static int sick(void *arg)
{
    struct weir_pool_opts o = opts(2);
    weir_pool *p;

    (void)arg;
    o.fresh = WEIR_S(1);
    p = pool_of(o);
    used_for(p, 0, 1);
    farm.sick[1] = 1;
    used_for(p, 0, 1); /* fresh: not looked at */
    EQ(weir_sleep(weir_after(WEIR_S(2))), 0);
    used_for(p, 0, 2);
    EQ(farm.why[1], -EPIPE);
    EQ(look(p).broken, 1);
    EQ(look(p).total, 1);
    gone(&p);
    return 0;
}

TEST(L3_a_sick_one_is_replaced_before_it_is_given_out)
{
    EQ(world_run(sick, NULL), 0);
}

static int order_of(uint32_t fifo)
{
    struct weir_pool_opts o = opts(2);
    struct weir_lease a, b;
    weir_pool *p;
    int id;

    o.fifo = fifo;
    p = pool_of(o);
    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    EQ(weir_pool_get(p, &b, WEIR_NEVER), 0);
    EQ(weir_pool_put(&a, 0), 0);
    EQ(weir_pool_put(&b, 0), 0);
    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    id = (int)a.id;
    EQ(weir_pool_put(&a, 0), 0);
    gone(&p);
    return id;
}

static int orders(void *arg)
{
    (void)arg;
    EQ(order_of(0), 2);
    EQ(order_of(1), 1);
    return 0;
}

TEST(L4_lifo_or_fifo)
{
    EQ(world_run(orders, NULL), 0);
}

static int keeps_min(void *arg)
{
    struct weir_pool_opts o = opts(5);
    weir_pool *p;

    (void)arg;
    o.min = 3;
    o.idle = WEIR_S(1);
    p = pool_of(o);
    EQ(farm.made, 0); /* making a pool makes nothing */
    used_for(p, WEIR_MS(100), 0);
    EQ(farm.live, 3);
    EQ(weir_sleep(weir_after(WEIR_S(5))), 0);
    EQ(weir_pool_reap(p), 0);
    EQ(farm.live, 3);
    gone(&p);
    return 0;
}

TEST(L3_min_is_kept)
{
    EQ(world_run(keeps_min, NULL), 0);
}
