/*
 * test_reduce.c -- par_reduce keeps the order, whatever the parentheses;
 * map_reduce combines each key in the order of its items.
 */
#include "fan_world.h"

/* --- par_reduce: a run is a stretch of numbers that are next to each other ----------- */

struct run {
    _Alignas(64) struct thing t;
    int to;
};

static struct weir_type run_type(void)
{
    struct weir_type t = WEIR_TYPE(struct run);

    t.drop = thing_drop;
    return t;
}

static int to_run(void *ctx, void *in, void *out)
{
    struct thing *t = in;

    (void)ctx;
    *(struct run *)out = (struct run){*t, t->n + 1};
    memset(t, 0, sizeof *t);
    return 1;
}

static int at_once, most_at_once;

static int join_runs(void *ctx, void *left, void *right)
{
    struct run *a = left, *b = right;
    int r;

    EQ(a->to, b->t.n);
    if (++at_once > most_at_once)
        most_at_once = at_once;
    r = weir_sleep(weir_after(WEIR_MS(1 + b->t.n % 3)));
    at_once--;
    EQ(a->to, b->t.n); /* nobody else has touched them */
    a->to = b->to;
    return ctx && b->to >= 40 ? *(int *)ctx : r;
}

static weir_stream *runs(int n)
{
    return weir_then(feed(0, n, 0), to_run, NULL, run_type());
}

FAN_TEST(neighbours_are_combined_in_order_by_many_at_once)
{
    struct run out;
    weir_stream *s = runs(200);

    most_at_once = 0;
    EQ(weir_par_reduce(&s, join_runs, NULL, 8, &out), 1);
    OK(s == NULL);
    EQ(out.t.n, 0);
    EQ(out.to, 200);
    EQ(most_at_once, 8);
    LE(fan_age(), WEIR_MS(80)); /* 400 ms of work */
    thing_drop(&out.t);
    return 0;
}

FAN_TEST(one_item_is_itself_and_none_is_none)
{
    struct run out;
    weir_stream *s = runs(1);

    EQ(weir_par_reduce(&s, join_runs, NULL, 3, &out), 1);
    EQ(out.to, 1);
    thing_drop(&out.t);
    s = runs(0);
    EQ(weir_par_reduce(&s, join_runs, NULL, 3, &out), 0);
    s = runs(50);
    EQ(weir_par_reduce(&s, join_runs, NULL, 1, &out), 1);
    EQ(out.to, 50);
    thing_drop(&out.t);
    return 0;
}

FAN_TEST(a_failure_of_source_or_callback_is_the_result)
{
    int code = -ERANGE;
    struct run out;
    weir_stream *s = runs(100);

    EQ(weir_par_reduce(&s, join_runs, &code, 4, &out), -ERANGE);
    s = weir_then(feed_as(0, 9, 0, -EIO, 0), to_run, NULL, run_type());
    EQ(weir_par_reduce(&s, join_runs, NULL, 4, &out), -EIO);
    EQ(feeds_open, 0);
    return 0;
}

FAN_TEST(bad_reductions_are_refused_and_close_their_source)
{
    struct run out;
    weir_stream *s = runs(3);

    EQ(weir_par_reduce(&s, NULL, NULL, 3, &out), -EINVAL);
    OK(s == NULL);
    EQ(weir_par_reduce(&s, join_runs, NULL, 3, &out), -EINVAL);
    EQ(weir_par_reduce(NULL, join_runs, NULL, 3, &out), -EINVAL);
    s = runs(3);
    EQ(weir_par_reduce(&s, join_runs, NULL, 0, &out), -EINVAL);
    s = runs(3);
    EQ(weir_par_reduce(&s, join_runs, NULL, 1 << 17, &out), -EINVAL);
    s = runs(3);
    EQ(weir_par_reduce(&s, join_runs, NULL, 3, NULL), -EINVAL);
    EQ(feeds_open, 0);
    return 0;
}

/* --- map_reduce ------------------------------------------------------------------------- */

struct tally {
    int busy[10], last[10], emitted, sum, most, running, fail_at, code;
};

static int map_mod(void *ctx, void *in, uint64_t *key, void *value)
{
    struct tally *y = ctx;
    struct thing *t = in;
    int r = weir_sleep(weir_after(WEIR_MS(t->n % 20 == 3 ? 50 : 1)));

    if (r < 0 || t->n % 11 == 5)
        return r;
    if (y->fail_at && t->n == y->fail_at)
        return y->code;
    *key = (uint64_t)(t->n % 10);
    *(struct thing *)value = *t;
    memset(t, 0, sizeof *t);
    return 1;
}

static int combine_sum(void *ctx, uint64_t key, void *acc, void *value)
{
    struct tally *y = ctx;
    struct thing *a = acc, *v = value;
    int r;

    EQ(y->busy[key]++, 0); /* never two of one key */
    LT(y->last[key], v->n);
    y->last[key] = v->n;
    if (++y->running > y->most)
        y->most = y->running;
    r = weir_sleep(weir_after(WEIR_MS(2)));
    y->running--;
    y->busy[key]--;
    a->n += v->n;
    return r;
}

static int emit_sum(void *ctx, uint64_t key, void *acc)
{
    struct tally *y = ctx;

    EQ((int)key, y->emitted);
    y->emitted++;
    y->sum += ((struct thing *)acc)->n;
    return y->code && !y->fail_at && key == 4 ? y->code : 0;
}

static int tally(struct tally *y, weir_stream *s, uint32_t workers, uint32_t most)
{
    struct weir_map_reduce job = {.workers = workers,
                                  .most = most,
                                  .value = thing_type(),
                                  .map = map_mod,
                                  .combine = combine_sum,
                                  .emit = emit_sum,
                                  .ctx = y};

    for (int i = 0; i < 10; i++)
        y->last[i] = -1;
    return weir_map_reduce(&s, &job);
}

FAN_TEST(each_key_is_combined_in_order_and_told_once)
{
    struct tally y = {{0}};
    int want = 0;

    for (int i = 0; i < 200; i++)
        want += i % 11 == 5 ? 0 : i;
    EQ(tally(&y, feed(0, 200, 0), 6, 0), 0);
    EQ(y.emitted, 10);
    EQ(y.sum, want);
    LE(2, y.most);
    LE(y.most, 6);
    return 0;
}

FAN_TEST(map_reduce_of_little_and_nothing)
{
    struct tally y = {{0}};

    EQ(tally(&y, feed(0, 0, 0), 4, 0), 0);
    EQ(y.emitted, 0);
    EQ(tally(&y, feed(0, 1, 0), 1, 0), 0);
    EQ(y.emitted, 1);
    return 0;
}

FAN_TEST(a_failure_anywhere_is_the_result_and_nothing_is_told)
{
    struct tally y = {.fail_at = 61, .code = -ERANGE};

    EQ(tally(&y, feed(0, 200, 0), 4, 0), -ERANGE);
    y.fail_at = 0;
    y.code = 0;
    EQ(tally(&y, feed_as(0, 60, 0, -EIO, 0), 4, 0), -EIO);
    EQ(tally(&y, feed(0, 60, 0), 4, 7), WEIR_EFULL);
    EQ(y.emitted, 0);
    y.code = -EPIPE;
    EQ(tally(&y, feed(0, 60, 0), 4, 0), -EPIPE); /* emit's own */
    EQ(y.emitted, 5);
    return 0;
}

FAN_TEST(bad_jobs_are_refused_and_close_their_source)
{
    struct weir_map_reduce good = {.workers = 1,
                                   .value = thing_type(),
                                   .map = map_mod,
                                   .combine = combine_sum,
                                   .emit = emit_sum},
                           bad[7];

    for (int i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].workers = 0;
    bad[1].workers = 1 << 17;
    bad[2].map = NULL;
    bad[3].combine = NULL;
    bad[4].emit = NULL;
    bad[5].value.size = 0;
    bad[6].reserved[3] = 1;
    for (int i = 0; i < 7; i++) {
        weir_stream *s = feed(0, 3, 0);

        EQ(weir_map_reduce(&s, &bad[i]), -EINVAL);
        OK(s == NULL);
        EQ(weir_map_reduce(&s, &good), -EINVAL);
    }
    EQ(weir_map_reduce(NULL, &good), -EINVAL);
    return 0;
}

static int reduce_slowly(void *arg)
{
    weir_stream *s = weir_then(feed(0, 100, WEIR_MS(3)), to_run, NULL, run_type());
    struct run out;

    (void)arg;
    return weir_par_reduce(&s, join_runs, NULL, 4, &out);
}

static int tally_slowly(void *arg)
{
    return tally(arg, feed(1, 200, WEIR_MS(1)), 4, 0);
}

FAN_TEST(a_deadline_cuts_a_reduction_and_nothing_is_lost)
{
    struct tally y = {{0}};

    EQ(weir_within(WEIR_MS(50), reduce_slowly, NULL), -ETIMEDOUT);
    at_once = 0;
    EQ(weir_within(WEIR_MS(50), tally_slowly, &y), -ETIMEDOUT);
    EQ(fan_age(), WEIR_MS(100));
    EQ(feeds_open, 0);
    EQ(fan.live, 0);
    return 0;
}

/* --- every point ---------------------------------------------------------------------------- */

static int reduced(void *arg)
{
    weir_stream *s = runs(5);
    struct run out;
    int r = weir_par_reduce(&s, join_runs, NULL, 2, &out);

    (void)arg;
    at_once = 0;
    OK(r < 0 || (r == 1 && out.to == 5));
    if (r == 1)
        thing_drop(&out.t);
    return r < 0 ? r : 0;
}

static int tallied(void *arg)
{
    struct tally y = {{0}};

    (void)arg;
    return tally(&y, feed(0, 6, 0), 2, 0);
}

TEST(a_fault_at_any_point_loses_nothing_of_a_reduction)
{
    FAN_POINTS(reduced, NULL);
    FAN_POINTS(tallied, NULL);
}
