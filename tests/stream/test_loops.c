/*
 * test_loops.c -- streams on several loops: whose a stream is, and the stage as
 * a crossing.
 */
#include "core/loops_world.h"
#include "stream/ints.h"

enum { SEEDS = 20 };

/* fn(arg) on the loop with this index, waited for. */
static int on_loop(int loop, int (*fn)(void *), void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    int r = weir_go_on(s, loop, fn, arg, NULL), end = weir_scope_close(&s);

    return r < 0 ? r : end;
}

/* --- whose it is ----------------------------------------------------------------- */

static int is_foreign(void *arg)
{
    weir_stream *s = arg;
    int64_t x = 7;

    EQ(weir_next(s, &x), -EXDEV);
    EQ(weir_pull(s, &x, 1), -EXDEV);
    EQ(x, 7);
    return 0;
}

LOOPS_TEST(a_stream_belongs_to_the_loop_that_first_pulled_it)
{
    weir_stream *s = weir_range(0, 3);
    int64_t x;

    EQ(weir_next(s, &x), 1);
    EQ(on_loop(1, is_foreign, s), 0);
    EQ(weir_next(s, &x), 1); /* that was no end, and took nothing */
    EQ(x, 1);
    EQ(weir_next(s, &x), 1);
    EQ(weir_next(s, &x), 0);
    EQ(on_loop(2, is_foreign, s), 0); /* also after its end */
    EQ(weir_next(s, &x), 0);
    weir_stream_close(&s);
    return 0;
}

static int pulls_one(void *arg)
{
    int64_t x;

    return weir_next((weir_stream *)arg, &x) == 1 ? 0 : -EIO;
}

LOOPS_TEST(built_here_it_may_be_pulled_first_elsewhere)
{
    weir_stream *s = weir_range(0, 3);
    int64_t x;

    EQ(on_loop(2, pulls_one, s), 0);
    EQ(weir_next(s, &x), -EXDEV);
    EQ(on_loop(1, is_foreign, s), 0);
    EQ(on_loop(2, pulls_one, s), 0);
    weir_stream_close(&s);
    return 0;
}

LOOPS_TEST(a_source_of_another_loop_is_no_end_of_the_stage_above_it)
{
    weir_stream *s = weir_range(0, 3), *t;
    int64_t x;

    EQ(on_loop(1, pulls_one, s), 0);
    t = weir_take(weir_skip(s, 0), 2);
    EQ(weir_next(t, &x), -EXDEV);
    EQ(weir_next(t, &x), -EXDEV);
    weir_stream_close(&t);
    return 0;
}

static int pulls_in_a_run(void *arg)
{
    int64_t x;

    return weir_next((weir_stream *)arg, &x);
}

TEST(a_stream_of_an_earlier_run_is_elsewhere)
{
    for (uint32_t loops = 1; loops <= 2; loops++) {
        weir_stream *s = weir_range(0, 9);
        int64_t x;

        EQ(weir_next(s, &x), 1); /* off a loop it belongs to none yet */
        EQ(loops_run(loops, pulls_in_a_run, s), 1);
        EQ(loops_run(loops, pulls_in_a_run, s), -EXDEV);
        EQ(weir_next(s, &x), -EXDEV);
        weir_stream_close(&s);
    }
}

struct slow {
    weir_stream *s;
    int busy;
};

static int slow_next(void *ctx, void *in, void *out)
{
    (void)ctx, (void)in;
    *(int64_t *)out = 1;
    return weir_sleep(weir_after(WEIR_MS(2))) < 0 ? -ECANCELED : 1;
}

static int finds_it_busy(void *arg)
{
    struct slow *w = arg;
    int64_t x;

    w->busy = weir_next(w->s, &x);
    return 0;
}

static int busy_here_foreign_there(void *arg)
{
    weir_stream *s = weir_unfold(slow_next, NULL, INT);
    struct slow w = {s, 0}, far = {s, 0};
    weir_scope *sc = weir_scope_open(NULL);
    int64_t x;

    (void)arg;
    EQ(weir_next(s, &x), 1);
    GO(sc, finds_it_busy, &w);
    if (weir_loops() > 1)
        EQ(weir_go_on(sc, 1, finds_it_busy, &far, NULL), 0);
    EQ(weir_next(s, &x), 1);
    EQ(weir_scope_close(&sc), 0);
    EQ(w.busy, -EBUSY);
    EQ(far.busy, weir_loops() > 1 ? -EXDEV : 0);
    weir_stream_close(&s);
    return 0;
}

TEST(during_a_pull_others_find_it_busy_and_other_loops_foreign)
{
    EQ(loops_run(1, busy_here_foreign_there, NULL), 0);
    EQ(loops_run(LOOPS, busy_here_foreign_there, NULL), 0);
}

struct outlets {
    weir_stream *out[2];
};

LOOPS_TEST(the_streams_of_one_fan_out_belong_to_one_loop)
{
    struct outlets o;
    weir_broadcast *b;
    weir_stream *sub;
    int64_t x;

    EQ(weir_tee(weir_range(0, 5), 2, NULL, o.out), 0);
    EQ(on_loop(1, pulls_one, o.out[0]), 0);
    EQ(weir_next(o.out[1], &x), -EXDEV);
    EQ(on_loop(1, pulls_one, o.out[1]), 0);
    weir_stream_close(&o.out[0]);
    weir_stream_close(&o.out[1]);
    b = weir_broadcast_new(weir_range(0, 5));
    sub = weir_broadcast_subscribe(b, NULL);
    EQ(on_loop(1, pulls_one, sub), 0);
    EQ(weir_error(weir_broadcast_subscribe(b, NULL)), -EXDEV);
    weir_stream_close(&sub);
    weir_broadcast_close(&b);
    return 0;
}

static int map_is_foreign(void *arg)
{
    weir_stream *m = arg;

    EQ(weir_stream_map_insert(m, 9, weir_range(0, 3)), -EXDEV);
    EQ(weir_stream_map_remove(m, 1), -EXDEV);
    EQ(weir_stream_map_finish(m), -EXDEV);
    return 0;
}

static int limit_is_foreign(void *arg)
{
    EQ(weir_par_set_limit(arg, 1), -EXDEV);
    return 0;
}

static int pass(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return 1;
}

LOOPS_TEST(what_changes_a_stream_is_refused_elsewhere_too)
{
    weir_stream *m = weir_stream_map(INT, NULL), *p;
    struct weir_keyed k;
    int64_t x;

    EQ(weir_stream_map_insert(m, 1, weir_range(0, 3)), 0);
    EQ(weir_next(m, &k), 1);
    EQ(on_loop(1, map_is_foreign, m), 0);
    EQ(weir_stream_map_count(m), 1);
    weir_stream_close(&m);
    p = weir_buffered(weir_range(0, 3), pass, NULL, INT, 2);
    EQ(weir_next(p, &x), 1);
    EQ(on_loop(1, limit_is_foreign, p), 0);
    weir_stream_close(&p);
    return 0;
}

/* --- closing elsewhere --------------------------------------------------------------- */

static int closed_at;

static void tells_where(void *p)
{
    (void)p;
    __atomic_store_n(&closed_at, weir_loop_index(), __ATOMIC_RELAXED);
}

LOOPS_TEST(closing_goes_to_the_loop_it_belongs_to)
{
    weir_stream *s = weir_buffered(weir_range(0, 99), pass, NULL, INT, 2);

    EQ(weir_stream_own(s, &closed_at, tells_where), 0);
    closed_at = -1;
    EQ(on_loop(2, pulls_one, s), 0);
    weir_stream_close(&s);
    EQ(closed_at, 2);
    s = weir_range(0, 9); /* one that nobody has pulled is closed where one stands */
    EQ(weir_stream_own(s, &closed_at, tells_where), 0);
    weir_stream_close(&s);
    EQ(closed_at, 0);
    return 0;
}

/* --- a stage to another loop ------------------------------------------------------------ */

struct where {
    int at[4];
};

static int notes_loop(void *ctx, void *in, void *out)
{
    *(int *)ctx = weir_loop_index();
    return pass(NULL, in, out);
}

static weir_stream *tracked(weir_stream *s, int *at)
{
    return weir_map(s, notes_loop, at, INT);
}

static weir_stream *hop(weir_stream *s, int loop, size_t capacity)
{
    return weir_stage(s, &(struct weir_stage_opts){.loop = loop, .capacity = capacity});
}

static int64_t sum_of(weir_stream *s, int end)
{
    int64_t x, sum = 0;
    int r;

    while ((r = weir_next(s, &x)) > 0)
        sum += x;
    EQ(r, end);
    weir_stream_close(&s);
    return sum;
}

LOOPS_TEST(each_boundary_is_a_step_to_another_loop)
{
    int at[4] = {-1, -1, -1, -1};
    weir_stream *s = tracked(weir_range(0, 1000), &at[3]);

    s = tracked(hop(s, 1, 4), &at[2]);
    s = tracked(hop(s, 1, 0), &at[1]);
    s = tracked(hop(s, 0, 0), &at[0]);
    EQ(sum_of(s, 0), 1000 * 999 / 2);
    EQ(at[0], 0);
    EQ(at[1], 0);
    EQ(at[2], 1);
    EQ(at[3], 2);
    return 0;
}

LOOPS_TEST(what_was_pulled_there_is_closed_there_at_its_end)
{
    weir_stream *s = weir_range(0, 3);
    int64_t x;

    EQ(weir_stream_own(s, &closed_at, tells_where), 0);
    __atomic_store_n(&closed_at, -1, __ATOMIC_RELAXED);
    s = hop(s, 2, 0);
    while (weir_next(s, &x) == 1)
        ;
    while (__atomic_load_n(&closed_at, __ATOMIC_RELAXED) < 0)
        (void)weir_yield();
    EQ(__atomic_load_n(&closed_at, __ATOMIC_RELAXED), 2);
    weir_stream_close(&s);
    return 0;
}

static int any_number_of_loops(void *arg)
{
    int at = -1;

    (void)arg;
    for (int loop = -1; loop < 7; loop++) {
        EQ(sum_of(hop(tracked(weir_range(0, 100), &at), loop, 3), 0), 4950);
        if (loop >= 0)
            EQ(at, loop % weir_loops());
    }
    return 0;
}

TEST(steps_are_counted_round_so_any_number_of_loops_will_do)
{
    for (uint32_t loops = 1; loops < 5; loops++)
        EQ(loops_run(loops, any_number_of_loops, NULL), 0);
}

TEST(a_step_that_is_none_is_refused)
{
    refuses(hop(weir_range(0, 3), -2, 0), -EINVAL);
    refuses(hop(weir_range(0, 3), INT32_MIN, 0), -EINVAL);
}

LOOPS_TEST(a_source_that_was_pulled_here_cannot_be_taken_there)
{
    weir_stream *s = weir_range(0, 9);
    int64_t x;

    EQ(weir_next(s, &x), 1);
    EQ(weir_stream_own(s, &closed_at, tells_where), 0);
    closed_at = -1;
    s = hop(s, 1, 0);
    EQ(weir_next(s, &x), -EXDEV);
    EQ(weir_next(s, &x), -EXDEV);
    weir_stream_close(&s);
    EQ(closed_at, 0); /* closed where it was pulled */
    return 0;
}

static int ends_badly(void *ctx, void *in, void *out)
{
    int64_t *left = ctx;

    (void)in;
    if (*left == 0)
        return -EPROTO;
    *(int64_t *)out = (*left)--;
    return 1;
}

LOOPS_TEST(the_end_and_its_reason_come_across_after_the_items)
{
    int64_t left = 100;

    EQ(sum_of(hop(weir_unfold(ends_badly, &left, INT), 1, 7), -EPROTO), 5050);
    EQ(sum_of(hop(weir_empty(INT), 1, 7), 0), 0);
    EQ(sum_of(hop(weir_fail(INT, -EIO), 2, 7), -EIO), 0);
    return 0;
}

/* What owns fibers goes over with the stage: built here, run, cancelled and joined there. */
static weir_stream *machinery(void)
{
    weir_stream *s = weir_buffered(weir_range(0, INT64_MAX), pass, NULL, INT, 3);

    s = weir_stage(s, NULL);
    s = weir_merge(WEIR_STREAMS(s, weir_buffer_unordered(weir_range(0, 50), pass, NULL, INT, 2)),
                   NULL);
    return s;
}

LOOPS_TEST(what_runs_fibers_of_its_own_runs_them_over_there)
{
    for (int k = 0; k < 30; k++) {
        weir_stream *s = hop(machinery(), k % 3, 5);
        int64_t x;

        for (int i = 0; i < k * 3; i++)
            EQ(weir_next(s, &x), 1);
        weir_stream_close(&s);
    }
    return 0;
}

LOOPS_TEST(when_the_builders_scope_closes_the_far_side_is_joined)
{
    for (int k = 0; k < 30; k++) {
        weir_scope *sc = weir_scope_open(NULL);
        weir_stream *s = hop(machinery(), 1, 5);
        int64_t x;

        for (int i = 0; i < k; i++)
            EQ(weir_next(s, &x), 1);
        EQ(weir_scope_close(&sc), 0);
        while (weir_next(s, &x) > 0)
            ;
        EQ(weir_next(s, &x), -ECANCELED);
        weir_stream_close(&s);
    }
    return 0;
}

LOOPS_TEST(a_pull_that_is_cancelled_is_no_end_across_loops)
{
    weir_stream *s = hop(weir_unfold(slow_next, NULL, INT), 1, 2);
    int64_t x;
    int late = 0;

    for (int i = 0; i < 10; i++) {
        struct weir_limit l;
        int r = weir_limit_init(&l, weir_after(WEIR_US(500)));

        r = weir_limit_fini(&l, r == 0 ? weir_next(s, &x) : r);
        late += r == -ETIMEDOUT;
        OK(r == 1 || r == -ETIMEDOUT);
    }
    OK(late > 0);
    EQ(weir_next(s, &x), 1);
    weir_stream_close(&s);
    return 0;
}

static int starves(void *arg)
{
    weir_chan *ch = weir_chan_new(INT, 1);
    weir_stream *s = hop(weir_from_chan(ch), 1, 2);
    int64_t x;
    int r = weir_next(s, &x);

    (void)arg;
    EQ(r, WEIR_EDEADLOCK);
    EQ(weir_next(s, &x), WEIR_EDEADLOCK);
    weir_stream_close(&s);
    weir_chan_free(&ch);
    return 0;
}

TEST(a_far_side_that_nothing_can_wake_ends_in_a_deadlock)
{
    EQ(loops_run(1, starves, NULL), 0);
    EQ(loops_run(LOOPS, starves, NULL), 0);
}

/* --- conservation -------------------------------------------------------------------------- */

static uint64_t given_up;

static uint64_t weighs(void *ctx, const void *item)
{
    (void)ctx;
    return (uint64_t)((const struct wide *)item)->n % 5;
}

static int wides_live;

static void far_wide_drop(void *p)
{
    struct wide *w = p;

    __atomic_sub_fetch(&wides_live, w->owned, __ATOMIC_RELAXED);
    w->owned = 0;
}

static int far_wide_next(void *ctx, void *in, void *out)
{
    int64_t *left = ctx;

    (void)in;
    if (*left == 0)
        return 0;
    *(struct wide *)out = (struct wide){(*left)--, 1};
    __atomic_add_fetch(&wides_live, 1, __ATOMIC_RELAXED);
    if (*left % 7 == 0)
        (void)weir_yield();
    return 1;
}

static void far_gives_up(void *ctx, void *item)
{
    (void)ctx;
    far_wide_drop(item);
    __atomic_add_fetch(&given_up, 1, __ATOMIC_RELAXED);
}

static void balances(const weir_stream *s)
{
    struct weir_shape_stats b;

    EQ(weir_shape_stats(s, &b), 0);
    EQ(b.in + b.made, b.out + b.replaced + b.refused + b.failed + b.held);
    EQ(weir_stream_dropped(s) >= b.replaced + b.refused + b.failed, 1);
}

/* One run by a seed: any policy, any capacity, pulled n times, then closed. */
static int conserves(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;
    int64_t left = 200 + (int64_t)(seed % 800);
    struct weir_type t = WEIR_TYPE(struct wide);
    struct weir_stage_opts o = {.loop = 1, .capacity = 1 + seed % 17, .overflow = seed % 5};
    uint64_t pulls = seed * 7 % 1500;
    struct wide w[8];
    weir_stream *s;
    ssize_t r = 1;

    t.drop = far_wide_drop;
    if (seed % 3 == 0)
        o.weigh = weighs, o.weight = 9;
    if (seed % 2)
        o.on_drop = far_gives_up;
    s = weir_stage(weir_unfold(far_wide_next, &left, t), &o);
    for (uint64_t i = 0; i < pulls && r > 0; i++) {
        r = weir_pull(s, w, 1 + i % 8);
        for (ssize_t k = 0; k < r; k++)
            far_wide_drop(&w[k]);
        balances(s);
        if (i % 13 == seed % 13)
            (void)weir_yield();
    }
    OK(r >= 0 || (r == WEIR_EFULL && o.overflow == WEIR_FAIL));
    balances(s);
    weir_stream_close(&s);
    EQ(wides_live, 0);
    return 0;
}

TEST(every_item_is_somewhere_under_every_policy)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        uint64_t seed = test_seed() + i;

        EQ(loops_run(2, conserves, &seed), 0);
    }
}
