/*
 * test_pool_life.c -- a get that leaves as it is served, a check that hangs, callbacks
 * that use the pool they are of: what other pools lose things or themselves to.
 */
#include <errno.h>
#include <weir/pool.h>

#include "core/world.h"

/* Things are numbers from 1; what each callback does besides is set by the test. */
static struct shop {
    weir_pool *p;
    int made, destroyed, code;
    weir_span dial, look;
    int uses_itself, seen; /* the callbacks call the pool; how often they did */
    int got, late, cancelled;
} shop;

static void shop_use_itself(void)
{
    struct weir_pool_stats s;

    if (!shop.uses_itself)
        return;
    EQ(weir_pool_stats(shop.p, &s), 0);
    LE(s.idle + s.used + s.making, s.total);
    LE(s.total, 3);
    EQ(weir_pool_resize(shop.p, 1 + (uint32_t)shop.seen % 3), 0);
    LE(0, weir_pool_reap(shop.p));
    EQ(weir_pool_resize(shop.p, 3), 0);
    shop.seen++;
}

static int shop_create(void *ctx, void **object)
{
    int r = weir_sleep(weir_after(shop.dial));

    (void)ctx;
    if (r < 0)
        return r;
    shop_use_itself();
    *object = (void *)(intptr_t)++shop.made;
    return 0;
}

static int shop_check(void *ctx, void *object)
{
    int r = weir_sleep(weir_after(shop.look));

    (void)ctx, (void)object;
    shop_use_itself();
    return r;
}

static void shop_destroy(void *ctx, void *object, int why)
{
    (void)ctx, (void)object;
    shop.code = why;
    shop.destroyed++;
    shop_use_itself();
}

static weir_pool *shop_open(uint32_t max)
{
    shop = (struct shop){0};
    shop.p = weir_pool_new(&(struct weir_pool_opts){
        .create = shop_create, .check = shop_check, .destroy = shop_destroy, .max = max});
    EQ(weir_pool_error(shop.p), 0);
    return shop.p;
}

static void shop_close(void)
{
    EQ(weir_pool_drain(shop.p, WEIR_NEVER), 0);
    weir_pool_free(&shop.p);
    EQ(shop.made, shop.destroyed);
}

static struct weir_pool_stats stats(void)
{
    struct weir_pool_stats s;

    EQ(weir_pool_stats(shop.p, &s), 0);
    return s;
}

/* --- who leaves as it is served ------------------------------------------------------------ */

static int customer(void *arg)
{
    struct weir_lease l;
    int r = weir_pool_get(shop.p, &l, weir_after(*(weir_span *)arg));

    shop.got += r == 0;
    shop.late += r == -ETIMEDOUT;
    shop.cancelled += r == -ECANCELED;
    if (r == 0)
        EQ(weir_pool_put(&l, 0), 0);
    return 0;
}

/*
 * At the very instant at which the object is given back the first of three runs out of
 * time; or is cancelled.  Whether it had it or not, the other two get it.
 */
static int leave_as_served(int cancel)
{
    weir_span brief = cancel ? WEIR_S(9) : WEIR_S(1), long_time = WEIR_S(100);
    weir_scope *rest = weir_scope_open(NULL), *first = weir_scope_open(NULL);
    struct weir_lease l;

    (void)shop_open(1);
    EQ(weir_pool_get(shop.p, &l, WEIR_NEVER), 0);
    GO(first, customer, &brief);
    EQ(weir_yield(), 0);
    GO(rest, customer, &long_time);
    GO(rest, customer, &long_time);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    if (cancel == 1)
        EQ(weir_scope_cancel(first, -EINTR), 0);
    EQ(weir_pool_put(&l, 0), 0);
    if (cancel == 2)
        EQ(weir_scope_cancel(first, -EINTR), 0);
    EQ(weir_scope_close(&first), cancel ? -EINTR : 0);
    EQ(weir_scope_close(&rest), 0);
    EQ(shop.got + shop.late + shop.cancelled, 3);
    LE(2, shop.got);
    EQ(shop.made, 1);
    EQ(stats().total, 1);
    EQ(stats().idle, 1);
    EQ(stats().waiting, 0);
    shop_close();
    return 0;
}

SIM_TEST(a_get_that_runs_out_of_time_as_it_is_served_loses_nothing)
{
    return leave_as_served(0);
}

SIM_TEST(a_get_that_is_cancelled_as_it_is_served_loses_nothing)
{
    int r = leave_as_served(1);

    return r < 0 ? r : leave_as_served(2);
}

/* --- what hangs ------------------------------------------------------------------------------ */

/* The deadline of the get is that of the check and of the create after it too. */
SIM_TEST(a_check_that_hangs_ends_with_the_deadline_of_the_get)
{
    struct weir_lease l;
    weir_time began;

    (void)shop_open(1);
    EQ(weir_pool_get(shop.p, &l, WEIR_NEVER), 0);
    EQ(weir_pool_put(&l, 0), 0);
    shop.look = WEIR_S(1000);
    began = weir_now();
    EQ(weir_pool_get(shop.p, &l, weir_after(WEIR_S(2))), -ETIMEDOUT);
    EQ(weir_now() - began, WEIR_S(2));
    EQ(shop.destroyed, 1); /* nobody knows what state it is in */
    EQ(shop.code, -ETIMEDOUT);
    EQ(stats().total, 0);
    shop.look = 0;
    EQ(weir_pool_get(shop.p, &l, weir_after(WEIR_S(2))), 0);
    EQ(l.id, 2);
    EQ(weir_pool_put(&l, 0), 0);
    shop_close();
    return 0;
}

SIM_TEST(a_create_that_hangs_ends_with_the_deadline_of_the_get)
{
    struct weir_lease l;

    (void)shop_open(1);
    shop.dial = WEIR_S(1000);
    EQ(weir_pool_get(shop.p, &l, weir_after(WEIR_S(2))), -ETIMEDOUT);
    EQ(weir_now(), WEIR_EPOCH + WEIR_S(2));
    EQ(stats().total, 0);
    EQ(stats().last_error, -ETIMEDOUT);
    shop_close();
    return 0;
}

/* --- callbacks that use the pool ----------------------------------------------------------- */

static int regular(void *arg)
{
    weir_span patience = WEIR_S(60);

    (void)arg;
    for (int i = 0; i < 20; i++) {
        (void)customer(&patience);
        EQ(weir_sleep(weir_after(WEIR_MS(test_random() % 10))), 0);
    }
    return 0;
}

SIM_TEST(callbacks_may_use_the_pool_they_are_of)
{
    weir_scope *s;

    (void)shop_open(3);
    shop.uses_itself = 1;
    shop.dial = shop.look = WEIR_MS(1);
    s = weir_scope_open(NULL);
    for (int i = 0; i < 6; i++)
        GO(s, regular, NULL);
    EQ(weir_scope_close(&s), 0);
    EQ(shop.got, 6 * 20);
    LE(50, shop.seen);
    EQ(stats().used + stats().making + stats().waiting, 0);
    shop.uses_itself = 0;
    shop_close();
    return 0;
}
