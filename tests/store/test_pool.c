/*
 * test_pool.c -- what a pool promises, on virtual time: never more than max,
 * errors told at once, first come first served, nothing lost to a cancel.
 */
#include <errno.h>
#include <string.h>
#include <weir.h>

#include "core/world.h"

enum { MOST = 4096 };

static struct farm {
    int made, live, most, checked, creating;
    uint8_t gone[MOST];   /* destroyed, by number */
    int why[MOST];        /* for this reason */
    uint8_t sick[MOST];   /* a check finds it bad */
    weir_span dial, look; /* how long a create and a check take */
    int fails;            /* creates that fail from now on */
    int code;
} farm;

static int farm_create(void *ctx, void **object)
{
    int r;

    (void)ctx;
    farm.creating++;
    r = weir_sleep(weir_after(farm.dial));
    farm.creating--;
    if (r < 0)
        return r;
    if (farm.fails) {
        farm.fails--;
        return farm.code;
    }
    *object = (void *)(intptr_t)++farm.made;
    if (++farm.live > farm.most)
        farm.most = farm.live;
    return 0;
}

static int farm_check(void *ctx, void *object)
{
    int r = weir_sleep(weir_after(farm.look));

    (void)ctx;
    farm.checked++;
    EQ(farm.gone[(intptr_t)object], 0);
    return r < 0 ? r : farm.sick[(intptr_t)object] ? -EPIPE : 0;
}

static void farm_destroy(void *ctx, void *object, int why)
{
    intptr_t n = (intptr_t)object;

    (void)ctx;
    EQ(farm.gone[n], 0);
    OK(weir_sleep(weir_after(WEIR_MS(1))) == 0 || test_fault_hit()); /* whoever calls it */
    farm.gone[n] = 1;
    farm.why[n] = why;
    farm.live--;
}

static struct weir_pool_opts opts(uint32_t max)
{
    return (struct weir_pool_opts){
        .create = farm_create, .check = farm_check, .destroy = farm_destroy, .max = max};
}

static weir_pool *pool_of(struct weir_pool_opts o)
{
    memset(&farm, 0, sizeof farm);
    farm.code = -ECONNREFUSED;
    farm.dial = WEIR_MS(10);
    return weir_pool_new(&o);
}

/* total = idle + used + making, and total <= max. */
static struct weir_pool_stats look(weir_pool *p)
{
    struct weir_pool_stats s;

    EQ(weir_pool_stats(p, &s), 0);
    LE(s.idle + s.used + s.making, s.total);
    return s;
}

static void gone(weir_pool **p)
{
    weir_pool_free(p);
    OK(*p == NULL);
    EQ(farm.live, 0);
}

/* --- getting and giving ---------------------------------------------------------- */

static int reuse(void *arg)
{
    weir_pool *p = pool_of(opts(3));
    struct weir_lease a, b, c, d;

    (void)arg;
    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    EQ(weir_pool_get(p, &b, WEIR_NEVER), 0);
    EQ(a.id, 1);
    EQ(b.id, 2);
    EQ(weir_pool_put(&a, 0), 0);
    OK(a.pool == NULL);
    EQ(weir_pool_get(p, &c, WEIR_NEVER), 0);
    EQ(c.id, 1);
    EQ(c.uses, 2);
    EQ(farm.made, 2);
    EQ(farm.checked, 1); /* a new one needs none */
    EQ(weir_pool_get(p, &d, WEIR_NEVER), 0);
    EQ(d.id, 3); /* not as many as there are: the guide's pool would say 2 */
    EQ(look(p).used, 3);
    EQ(weir_pool_get(p, &a, 0), -EAGAIN);
    EQ(weir_pool_get(p, &a, weir_after(WEIR_MS(5))), -ETIMEDOUT);
    OK(a.object == NULL);
    EQ(weir_pool_put(&b, -EIO), 0);
    EQ(farm.why[2], -EIO);
    EQ(look(p).total, 2);
    EQ(weir_pool_get(p, &b, WEIR_NEVER), 0);
    EQ(b.id, 4); /* never used twice */
    EQ(weir_pool_put(&b, 0), 0);
    EQ(weir_pool_put(&c, 0), 0);
    EQ(weir_pool_put(&d, 0), 0);
    gone(&p);
    return 0;
}

TEST(objects_are_used_again_and_ids_never)
{
    EQ(world_run(reuse, NULL), 0);
}

static int returns(void *arg)
{
    weir_pool *p = pool_of(opts(1));
    struct weir_lease a, copy, b = {0};
    void *object;

    (void)arg;
    EQ(weir_pool_put(&b, 0), -EINVAL);
    EQ(weir_pool_put(NULL, 0), -EINVAL);
    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    copy = a;
    EQ(weir_pool_put(&a, 0), 0);
    EQ(weir_pool_put(&a, 0), -EINVAL);
    EQ(weir_pool_put(&copy, 0), -EINVAL);
    EQ(weir_pool_get(p, &b, WEIR_NEVER), 0);
    EQ(weir_pool_put(&copy, 0), -EINVAL); /* the same object, another lease */
    EQ(weir_pool_put(&b, -EIO), 0);
    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    EQ(weir_pool_put(&copy, 0), -EINVAL);
    EQ(weir_pool_detach(&a, NULL), -EINVAL);
    EQ(weir_pool_detach(&a, &object), 0);
    EQ(weir_pool_detach(&a, &object), -EINVAL);
    EQ(look(p).total, 0);
    weir_pool_free(&p);
    EQ(farm.live, 1); /* it is ours */
    return 0;
}

TEST(L6_what_is_not_out_cannot_be_put_back)
{
    EQ(world_run(returns, NULL), 0);
}

static int failure(void *arg)
{
    weir_pool *p = pool_of(opts(2));
    struct weir_lease a;
    weir_time began = weir_now();

    (void)arg;
    farm.fails = 1;
    EQ(weir_pool_get(p, &a, weir_after(WEIR_S(30))), -ECONNREFUSED);
    EQ(weir_now() - began, WEIR_MS(10)); /* not at the deadline */
    EQ(look(p).total, 0);
    EQ(look(p).last_error, -ECONNREFUSED);
    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    EQ(look(p).last_error, 0);
    EQ(weir_pool_put(&a, 0), 0);
    gone(&p);
    return 0;
}

TEST(L1_the_error_of_a_create_is_told_at_once)
{
    EQ(world_run(failure, NULL), 0);
}

/* --- waiting ------------------------------------------------------------------------ */

static struct shared {
    weir_pool *p;
    int order[MOST], n, failed;
} sh;

static int one_use(void *arg)
{
    struct weir_lease l;
    int r = weir_pool_get(sh.p, &l, WEIR_NEVER);

    if (r < 0) {
        sh.failed++;
        return r;
    }
    sh.order[sh.n++] = (int)(intptr_t)arg;
    r = weir_sleep(weir_after(WEIR_MS(10)));
    EQ(weir_pool_put(&l, r < 0 ? r : 0), 0);
    return r;
}

static int queue(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    sh = (struct shared){.p = pool_of(opts(1))};
    for (intptr_t i = 0; i < 20; i++) {
        EQ(weir_go(s, one_use, (void *)i), 0);
        EQ(weir_sleep(weir_after(WEIR_US(100))), 0);
    }
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 20; i++)
        EQ(sh.order[i], i);
    EQ(farm.most, 1);
    EQ(farm.made, 1);
    gone(&sh.p);
    return 0;
}

TEST(L4_first_come_first_served)
{
    EQ(world_run(queue, NULL), 0);
}

/*
 * The one who makes fails: whoever waits for its place tries in its turn, each told its
 * own error.
 */
static int places(void *arg)
{
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP};
    weir_scope *s = weir_scope_open(&keep);

    (void)arg;
    sh = (struct shared){.p = pool_of(opts(1))};
    farm.fails = 3;
    for (intptr_t i = 0; i < 5; i++)
        EQ(weir_go(s, one_use, (void *)i), 0);
    EQ(weir_scope_close(&s), -ECONNREFUSED);
    EQ(sh.failed, 3);
    EQ(sh.n, 2);
    EQ(farm.made, 1);
    gone(&sh.p);
    return 0;
}

TEST(a_place_is_handed_on_when_a_create_fails)
{
    EQ(world_run(places, NULL), 0);
}

static int bounded_queue(void *arg)
{
    struct weir_pool_opts o = opts(1);
    struct weir_lease a, b;
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    o.waiters = 1;
    sh = (struct shared){.p = pool_of(o)};
    EQ(weir_pool_get(sh.p, &a, WEIR_NEVER), 0);
    EQ(weir_go(s, one_use, NULL), 0);
    EQ(weir_sleep(weir_after(WEIR_US(1))), 0);
    EQ(look(sh.p).waiting, 1);
    EQ(weir_pool_get(sh.p, &b, WEIR_NEVER), WEIR_EFULL);
    EQ(weir_pool_put(&a, 0), 0);
    EQ(weir_scope_close(&s), 0);
    gone(&sh.p);
    return 0;
}

TEST(a_bounded_queue_refuses)
{
    EQ(world_run(bounded_queue, NULL), 0);
}

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

/* --- resize, close, drain ----------------------------------------------------------------- */

static int resized(void *arg)
{
    struct weir_lease l[4];
    weir_pool *p = pool_of(opts(4));

    (void)arg;
    for (int i = 0; i < 4; i++)
        EQ(weir_pool_get(p, &l[i], WEIR_NEVER), 0);
    EQ(weir_pool_put(&l[0], 0), 0);
    EQ(weir_pool_resize(p, 0), -EINVAL);
    EQ(weir_pool_resize(p, 2), 0);
    EQ(look(p).total, 3);
    EQ(weir_pool_put(&l[1], 0), 0);
    EQ(look(p).total, 2);
    EQ(look(p).idle, 0);
    EQ(weir_pool_put(&l[2], 0), 0);
    EQ(look(p).idle, 1);
    EQ(weir_pool_resize(p, 3), 0);
    EQ(weir_pool_get(p, &l[0], WEIR_NEVER), 0);
    EQ(weir_pool_get(p, &l[1], WEIR_NEVER), 0);
    EQ(weir_pool_get(p, &l[2], 0), -EAGAIN);
    EQ(weir_pool_put(&l[0], 0), 0);
    EQ(weir_pool_put(&l[1], 0), 0);
    EQ(weir_pool_put(&l[3], 0), 0);
    gone(&p);
    return 0;
}

TEST(L4_resize_with_leases_out)
{
    EQ(world_run(resized, NULL), 0);
}

static int give_back_late(void *arg)
{
    struct weir_lease *l = arg;

    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    return weir_pool_put(l, 0);
}

static int closing(void *arg)
{
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP};
    weir_scope *s = weir_scope_open(&keep);
    struct weir_lease l, m;
    weir_pool *again;

    (void)arg;
    sh = (struct shared){.p = pool_of(opts(1))};
    EQ(weir_pool_get(sh.p, &l, WEIR_NEVER), 0);
    EQ(weir_go(s, one_use, NULL), 0);
    EQ(weir_go(s, give_back_late, &l), 0);
    weir_yield();
    EQ(weir_pool_drain(sh.p, weir_after(WEIR_MS(10))), -ETIMEDOUT);
    EQ(weir_pool_get(sh.p, &m, WEIR_NEVER), WEIR_ECLOSED);
    EQ(weir_pool_drain(sh.p, WEIR_NEVER), 0);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(10) + WEIR_S(1) + WEIR_MS(1));
    EQ(weir_scope_close(&s), WEIR_ECLOSED); /* the one that waited */
    gone(&sh.p);

    again = pool_of(opts(1));
    EQ(weir_pool_get(again, &l, WEIR_NEVER), 0);
    weir_pool_free(&again);
    EQ(farm.live, 1);
    EQ(weir_pool_put(&l, 0), 0); /* the memory goes with it */
    EQ(farm.live, 0);
    return 0;
}

TEST(L4_closed_and_drained)
{
    EQ(world_run(closing, NULL), 0);
}

TEST(bad_options_and_handles_are_refused)
{
    struct weir_pool_opts bad[] = {opts(0), opts(1), opts(1), opts(1), opts(1), opts(1)};
    struct weir_pool_stats s;
    struct weir_lease l;
    weir_pool *p = NULL;

    bad[1].create = NULL;
    bad[2].destroy = NULL;
    bad[3].min = 2;
    bad[4].idle = -1;
    bad[5].reserved[3] = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p = weir_pool_new(&bad[i]);
        EQ(weir_pool_error(p), -EINVAL);
        EQ(weir_pool_get(p, &l, 0), -EINVAL);
        EQ(weir_pool_stats(p, &s), -EINVAL);
        EQ(weir_pool_resize(p, 1), -EINVAL);
        EQ(weir_pool_drain(p, 0), -EINVAL);
        EQ(weir_pool_reap(p), -EINVAL);
        EQ(weir_pool_close(p), -EINVAL);
        weir_pool_free(&p);
        OK(p == NULL);
    }
    EQ(weir_pool_error(weir_pool_new(NULL)), -EINVAL);
    EQ(weir_pool_get(NULL, &l, 0), -EINVAL);
    weir_pool_free(&p);
    weir_pool_free(NULL);
    p = pool_of(opts(1));
    EQ(weir_pool_get(p, &l, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_pool_get(p, NULL, WEIR_NEVER), -EINVAL);
    weir_pool_free(&p);
}

/* --- random lives, and every point ----------------------------------------------------------- */

static int random_life(void *arg)
{
    int r = 0;

    for (int i = 0; i < 30; i++) {
        struct weir_lease l;
        struct weir_limit limit;
        weir_span patience = WEIR_MS(1 + test_random() % 40);
        weir_time began = weir_now();

        EQ(weir_limit_init(&limit, test_random() % 4 ? WEIR_NEVER : weir_after(WEIR_MS(5))), 0);
        r = weir_pool_get(sh.p, &l, weir_after(patience));
        LE(weir_now() - began, patience + WEIR_MS(4)); /* four destroys, 1 ms each, are deaf */
        if (r == 0) {
            LE(look(sh.p).total, 3);
            (void)weir_sleep(weir_after(WEIR_MS(test_random() % 9)));
            farm.sick[(intptr_t)l.object] = test_random() % 8 == 0;
            EQ(weir_pool_put(&l, test_random() % 6 ? 0 : -EIO), 0);
        } else {
            OK(r == -ETIMEDOUT || r == -ECANCELED || r == -ECONNREFUSED);
        }
        (void)weir_limit_fini(&limit, 0);
        farm.fails = test_random() % 5 == 0;
    }
    (void)arg;
    return 0;
}

static int random_lives(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_pool_opts o = opts(3);
    struct weir_pool_stats st;

    (void)arg;
    o.idle = WEIR_MS(20);
    o.lifetime = WEIR_MS(100);
    o.fifo = test_random() % 2;
    o.min = (uint32_t)(test_random() % 3);
    sh = (struct shared){.p = pool_of(o)};
    farm.dial = WEIR_MS(3);
    farm.look = WEIR_MS(test_random() % 2);
    for (int i = 0; i < 12; i++)
        EQ(weir_go(s, random_life, NULL), 0);
    EQ(weir_scope_close(&s), 0);
    LE(farm.most, 3);
    EQ(weir_pool_drain(sh.p, WEIR_NEVER), 0);
    st = look(sh.p);
    EQ(st.total, 0);
    EQ(st.waiting, 0);
    EQ(st.created, (uint64_t)farm.made);
    EQ(st.broken + st.expired, st.created);
    gone(&sh.p);
    return 0;
}

TEST_WITH(L2_nothing_is_lost_in_random_lives, .timeout = 60)
{
    for (uint64_t i = 0; i < 20; i++)
        EQ(world_seed(test_seed() + i, random_lives, NULL), 0);
}

static int disturbed(void *arg)
{
    struct weir_pool_opts o = opts(1);
    struct weir_scope_opts keep = {.on_error = WEIR_KEEP};
    weir_scope *s = weir_scope_open(&keep);

    (void)arg;
    o.min = 1;
    sh = (struct shared){.p = pool_of(o)};
    farm.look = WEIR_MS(1);
    for (intptr_t i = 0; i < 4; i++)
        if (weir_go(s, one_use, (void *)i) < 0)
            sh.failed++;
    (void)weir_scope_close(&s);
    LE(farm.most, 1);
    EQ(sh.n + sh.failed, 4);
    gone(&sh.p);
    return 0;
}

static void disturbed_run(void *arg)
{
    (void)arg;
    (void)world_seed(7, disturbed, NULL);
}

TEST(nothing_is_lost_at_any_point)
{
    EVERY_POINT(disturbed_run, NULL);
}
