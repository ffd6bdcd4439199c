/*
 * test_pool.c -- what a pool promises, on virtual time: never more than max,
 * errors told at once, first come first served, nothing lost to a cancel.
 */
#include "store/pool_world.h"

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
