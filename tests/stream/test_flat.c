/*
 * test_flat.c -- streams of streams: order, limits, fairness, switching, and
 * where the fibers of an inner stream belong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "core/world.h"

#define INT WEIR_TYPE(int64_t)

static void expect(weir_stream *s, int end, size_t n, const int64_t *want)
{
    int64_t got[64];
    size_t k;

    EQ(weir_collect(&s, got, 64, &k), end);
    EQ(k, n);
    MEMEQ(got, want, n * sizeof *got);
}

#define EXPECT(s, end, ...)                                                                        \
    expect(s, end, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static void refuses(weir_stream *s, int code)
{
    EQ(weir_error(s), code);
    weir_stream_close(&s);
}

/* --- inner streams that are watched ------------------------------------------------ */

static struct watch {
    int live, most, made;
} watch;

struct ticker {
    int64_t base, at, n;
    weir_span nap;
    weir_time due;
    int fails;
    weir_span slow_close;
};

static ssize_t ticker_pull(void *self, void *items, size_t max)
{
    struct ticker *t = self;

    (void)max;
    if (t->at == t->n)
        return t->fails;
    if (t->nap) {
        t->due = t->due ? t->due : weir_after(t->nap);
        int r = weir_sleep(t->due);
        if (r < 0)
            return r;
        t->due = 0;
    }
    *(int64_t *)items = t->base * 10 + t->at++;
    return 1;
}

static void ticker_close(void *self, int why)
{
    struct ticker *t = self;
    struct weir_limit l;

    (void)why;
    if (t->slow_close) {
        (void)weir_shield_init(&l, WEIR_S(10));
        (void)weir_sleep(weir_after(t->slow_close));
        (void)weir_limit_fini(&l, 0);
    }
    watch.live--;
    free(t);
}

static const struct weir_stream_ops ticker_ops = {sizeof(struct weir_stream_ops),
                                                  WEIR_STREAM_RESUMABLE, ticker_pull, ticker_close};

static weir_stream *ticker(const struct ticker *init)
{
    struct ticker *t = malloc(sizeof *t);

    *t = *init;
    watch.made++;
    if (++watch.live > watch.most)
        watch.most = watch.live;
    return weir_stream_new(&ticker_ops, t, INT);
}

/* Item n: n0, n1, n2, as *ctx says. */
static weir_stream *ticks_of(void *ctx, void *item)
{
    struct ticker t = *(struct ticker *)ctx;

    t.base = *(int64_t *)item;
    return ticker(&t);
}

/* --- one after the other --------------------------------------------------------------- */

static weir_stream *odd_ones(void *ctx, void *item)
{
    int64_t n = *(int64_t *)item;

    (void)ctx;
    if (n == 7)
        return weir_fail(INT, -EIO);
    if (n == 9)
        return weir_empty(WEIR_TYPE(char));
    if (n == 11)
        return weir_take(NULL, 1);
    return n % 2 ? weir_range(n, n + 2) : NULL;
}

SIM_TEST(flat_map_drains_each_before_the_next)
{
    struct ticker t = {.n = 2};

    watch = (struct watch){0};
    EXPECT(weir_flat_map(weir_range(1, 4), ticks_of, &t, INT), 0, 10, 11, 20, 21, 30, 31);
    OK(watch.most == 1 && watch.live == 0 && watch.made == 3);
    EXPECT(weir_flat_map(weir_range(1, 5), odd_ones, NULL, INT), 0, 1, 2, 3, 4);
    EXPECT(weir_flat_map(weir_range(5, 9), odd_ones, NULL, INT), -EIO, 5, 6);
    EXPECT(weir_take(weir_flat_map(weir_range(9, 10), odd_ones, NULL, INT), 0), 0);
    expect(weir_flat_map(weir_range(9, 10), odd_ones, NULL, INT), WEIR_ETYPE, 0, NULL);
    expect(weir_flat_map(weir_range(11, 12), odd_ones, NULL, INT), -EINVAL, 0, NULL);
    refuses(weir_flat_map(weir_range(0, 1), NULL, NULL, INT), -EINVAL);
    refuses(weir_flat_map(weir_range(0, 1), odd_ones, NULL, (struct weir_type){0}), -EINVAL);
    return 0;
}

static int to_range(void *ctx, void *in, void *out)
{
    int64_t n = *(int64_t *)in;

    (void)ctx;
    *(weir_stream **)out = n == 1 ? NULL : weir_range(n * 10, n * 10 + 2);
    return 1;
}

SIM_TEST(flatten_takes_streams_and_closes_what_it_does_not_give)
{
    weir_stream *s = weir_map(weir_range(0, 3), to_range, NULL, weir_stream_item());

    EXPECT(weir_flatten(s, INT), 0, 0, 1, 20, 21);
    s = weir_map(weir_range(0, 9), to_range, NULL, weir_stream_item());
    EXPECT(weir_take(weir_flatten(s, INT), 1), 0, 0);
    refuses(weir_flatten(weir_empty(WEIR_TYPE(char)), INT), WEIR_ETYPE);
    return 0;
}

/* A fiber of an inner stream belongs to the scope of the flat_map, not of who pulls. */
static weir_stream *staged_ticks(void *ctx, void *item)
{
    return weir_stage(ticks_of(ctx, item), &(struct weir_stage_opts){.capacity = 1});
}

SIM_TEST(inner_fibers_live_where_the_flat_map_was_built)
{
    struct ticker t = {.n = 3, .nap = WEIR_MS(1)};
    weir_stream *s = weir_flat_map(weir_range(1, 2), staged_ticks, &t, INT);
    weir_scope *scope = weir_scope_open(NULL);
    int64_t x;

    EQ(weir_next(s, &x), 1);
    EQ(weir_scope_close(&scope), 0);
    EXPECT(s, 0, 11, 12);
    scope = weir_scope_open(NULL);
    s = weir_flat_map(weir_range(1, 2), staged_ticks, &t, INT);
    EQ(weir_next(s, &x), 1);
    EQ(weir_scope_close(&scope), 0);
    OK(weir_drain(&s) < 0); /* and end with it */
    EQ(watch.live, 0);
    return 0;
}

/* A scope that the callback opens itself is its own business. */
static weir_stream *own_scope(void *ctx, void *item)
{
    weir_scope *scope = weir_scope_open(NULL);
    weir_stream *inner = staged_ticks(ctx, item);
    int64_t x;

    EQ(weir_next(inner, &x), 1);
    EQ(weir_scope_close(&scope), 0);
    EQ(weir_next(inner, &x) < 0, 1); /* it was built in there */
    weir_stream_close(&inner);
    return weir_once(&x, INT);
}

SIM_TEST(a_scope_opened_in_the_callback_owns_what_is_built_in_it)
{
    struct ticker t = {.n = 9, .nap = WEIR_MS(1)};
    weir_stream *s = weir_flat_map(weir_range(1, 3), own_scope, &t, INT);
    uint64_t n;

    EQ(weir_count(&s, &n), 0);
    EQ(n, 2);
    EQ(watch.live, 0);
    return 0;
}

/* --- several at once ------------------------------------------------------------------------ */

SIM_TEST(flat_map_unordered_runs_up_to_limit_at_once)
{
    struct ticker t = {.n = 2, .nap = WEIR_MS(10)};
    int64_t sum = 0, x;
    weir_stream *s = weir_flat_map_unordered(weir_range(0, 6), ticks_of, &t, INT, 3);

    watch = (struct watch){0};
    while (weir_next(s, &x) == 1)
        sum += x;
    weir_stream_close(&s);
    EQ(sum, 2 * (0 + 10 + 20 + 30 + 40 + 50) + 6);
    OK(watch.most == 3 && watch.live == 0);
    EQ(world_age(), WEIR_MS(40)); /* 6 streams of 20 ms, 3 at a time */
    return 0;
}

SIM_TEST(a_slow_puller_gets_items_of_all_in_turn)
{
    struct ticker t = {.n = 50};
    int64_t x, seen[4] = {0};
    weir_stream *s = weir_flat_map_unordered(weir_range(0, 4), ticks_of, &t, INT, 4);

    watch = (struct watch){0};
    for (int i = 0; i < 80; i++) {
        EQ(weir_next(s, &x), 1);
        seen[x < 50 ? 0 : x < 100 ? 1 : 2]++;
        EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    }
    weir_stream_close(&s);
    EQ(watch.live, 0);
    return 0;
}

/* Items of stream k are k0 ..: how far apart may two of them be? */
SIM_TEST(no_stream_is_ahead_of_another_by_more_than_two)
{
    struct ticker t = {.n = 5};
    int64_t x, at[3] = {0};
    weir_stream *s = weir_flat_map_unordered(weir_range(0, 3), ticks_of, &t, INT, 3);

    EQ(weir_next(s, &x), 1);
    at[x / 10]++;
    world_settle(); /* all three wait to give theirs */
    for (int i = 0; i < 11; i++) {
        EQ(weir_next(s, &x), 1);
        at[x / 10]++;
        world_settle();
        for (int k = 0; k < 3; k++)
            LE(at[x / 10] - at[k], 2);
    }
    weir_stream_close(&s);
    return 0;
}

static weir_stream *one_fails(void *ctx, void *item)
{
    struct ticker t = *(struct ticker *)ctx;

    t.base = *(int64_t *)item;
    if (t.base == 1) {
        t.n = 1;
        t.fails = -EIO;
    }
    return ticker(&t);
}

SIM_TEST(a_failing_stream_cancels_the_others)
{
    struct ticker t = {.n = 100, .nap = WEIR_MS(10)};
    int64_t x;
    int r, n = 0;
    weir_stream *s = weir_flat_map_unordered(weir_range(0, 3), one_fails, &t, INT, 3);

    watch = (struct watch){0};
    while ((r = weir_next(s, &x)) == 1)
        n++;
    EQ(r, -EIO);
    LE(n, 3);
    LE(world_age(), WEIR_MS(11));
    weir_stream_close(&s);
    EQ(watch.live, 0);
    s = weir_flat_map_unordered(weir_chain(weir_range(0, 2), weir_fail(INT, -ENOLINK)), ticks_of,
                                &t, INT, 5);
    while ((r = weir_next(s, &x)) == 1)
        ;
    EQ(r, -ENOLINK);
    weir_stream_close(&s);
    EQ(watch.live, 0);
    refuses(weir_flat_map_unordered(weir_range(0, 1), ticks_of, &t, INT, 0), -EINVAL);
    refuses(weir_flat_map_unordered(weir_range(0, 1), NULL, &t, INT, 1), -EINVAL);
    return 0;
}

SIM_TEST(what_runs_goes_on_while_nobody_pulls)
{
    struct ticker t = {.n = 1, .nap = WEIR_MS(30)};
    int64_t x;
    weir_stream *s = weir_flat_map_unordered(weir_range(0, 2), ticks_of, &t, INT, 2);
    struct weir_limit l;

    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &x)), -ETIMEDOUT);
    EQ(weir_sleep(weir_after(WEIR_MS(100))), 0);
    weir_time before = weir_now();
    EQ(weir_next(s, &x), 1);
    EQ(weir_next(s, &x), 1);
    EQ(weir_now(), before);
    weir_stream_close(&s);
    return 0;
}

/* --- only the latest ------------------------------------------------------------------------- */

static weir_stream *every(weir_span nap, int64_t n)
{
    return ticker(&(struct ticker){.n = n, .nap = nap});
}

/*
 *  outer  25 ms:  0         1         2|
 *  inner  10 ms:     00 01     10 11     20 21 22 23|     (base n, item n0 n1 ...)
 */
SIM_TEST(switch_map_keeps_to_the_latest)
{
    struct ticker t = {.n = 4, .nap = WEIR_MS(10)};

    watch = (struct watch){0};
    EXPECT(weir_switch_map(every(WEIR_MS(25), 3), ticks_of, &t, INT), 0, 0, 1, 10, 11, 20, 21, 22,
           23);
    EQ(world_age(), WEIR_MS(75 + 40));
    OK(watch.live == 0 && watch.made == 4);
    return 0;
}

SIM_TEST(a_burst_of_items_leaves_the_last_one)
{
    struct ticker t = {.n = 2, .nap = WEIR_MS(10)};

    EXPECT(weir_switch_map(weir_range(0, 5), ticks_of, &t, INT), 0, 40, 41);
    expect(weir_switch_map(weir_range(0, 0), ticks_of, &t, INT), 0, 0, NULL);
    EXPECT(weir_switch_map(weir_range(4, 6), odd_ones, NULL, INT), 0, 5, 6);
    expect(weir_switch_map(weir_range(5, 7), odd_ones, NULL, INT), 0, 0, NULL); /* NULL: none */
    expect(weir_switch_map(weir_range(9, 10), odd_ones, NULL, INT), WEIR_ETYPE, 0, NULL);
    refuses(weir_switch_map(weir_range(0, 1), NULL, NULL, INT), -EINVAL);
    return 0;
}

/* The old one needs 50 ms to close; the next begins only then. */
SIM_TEST(the_old_stream_has_ended_before_the_new_one_begins)
{
    struct ticker t = {.n = 2, .nap = WEIR_MS(10), .slow_close = WEIR_MS(50)};

    watch = (struct watch){0};
    weir_stream *s = weir_switch_map(every(WEIR_MS(15), 2), ticks_of, &t, INT);
    /* 0 at 25; switched at 30, closed at 80; 10 at 90, 11 at 100 */
    EXPECT(s, 0, 0, 10, 11);
    LE(watch.most, 2); /* the outer one, and one inner */
    EQ(watch.live, 0);
    return 0;
}

/* What the old stream had given and nobody had taken does not come after the switch. */
SIM_TEST(nothing_of_an_old_stream_leaks_into_the_new_one)
{
    struct ticker t = {.n = 3, .nap = WEIR_MS(10)};
    weir_stream *s = weir_switch_map(every(WEIR_MS(15), 2), ticks_of, &t, INT);
    struct weir_limit l;
    int64_t x;

    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &x)), -ETIMEDOUT);
    EQ(weir_sleep(weir_after(WEIR_MS(28))), 0); /* 25: 00 waits; 30: 1 comes */
    EQ(weir_stream_dropped(s), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(2))), 0);
    EQ(weir_stream_dropped(s), 1);
    EXPECT(s, 0, 10, 11, 12);
    return 0;
}

SIM_TEST(a_failure_of_either_ends_a_switch_map)
{
    struct ticker t = {.n = 1, .nap = WEIR_MS(10), .fails = -EIO};
    weir_stream *s =
        weir_switch_map(weir_chain(weir_range(1, 2), weir_never(INT)), ticks_of, &t, INT);

    watch = (struct watch){0};
    EXPECT(s, -EIO, 10);
    t = (struct ticker){.n = 100, .nap = WEIR_MS(10)};
    s = weir_switch_map(ticker(&(struct ticker){.n = 1, .nap = 1, .fails = -ENOLINK}), ticks_of, &t,
                        INT);
    EQ(weir_drain(&s), -ENOLINK);
    EQ(watch.live, 0);
    return 0;
}
