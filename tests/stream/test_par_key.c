/*
 * test_par_key.c -- weir_par_map by key and by weight, and with a limit that
 * changes: one of a key at a time and in order, the weights that run never
 * above the limit, nothing lost whatever happens.
 */
#include <errno.h>
#include <weir.h>

#include "harness/test.h"

enum { KEYS = 5, MOST = 400 };

static struct world {
    uint64_t key_of[MOST], weight_of[MOST];
    int running[KEYS], next_of[KEYS]; /* jobs of a key; the least number that may come */
    uint64_t used, limit, peak;
    int now, most, made, dropped, tries[MOST];
    weir_span span_of[MOST];
    int fails_every; /* the first attempt of every so-manieth */
    weir_stream *s;
} w;

static void live_drop(void *p)
{
    int64_t *n = p;

    w.dropped += *n != 0;
    *n = 0;
}

/* Number n is stored as n + 1: 0 is an item that was moved out. */
static int64_t number_of(const void *item)
{
    return *(const int64_t *)item - 1;
}

static struct weir_type live_type(void)
{
    struct weir_type t = WEIR_TYPE(int64_t);

    t.drop = live_drop;
    return t;
}

static int make(void *ctx, void *in, void *out)
{
    int64_t *left = ctx;

    (void)in;
    if (w.made == *left)
        return 0;
    *(int64_t *)out = ++w.made;
    return 1;
}

static int key_of(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = w.key_of[number_of(item)];
    return 1;
}

static uint64_t weight_of(void *ctx, const void *item)
{
    (void)ctx;
    return w.weight_of[number_of(item)];
}

static void enter(int64_t n)
{
    uint64_t k = w.key_of[n];

    EQ(w.running[k]++, 0);
    LE(w.next_of[k], n);
    w.next_of[k] = (int)n; /* itself once more is a retry */
    if (++w.now > w.most)
        w.most = w.now;
}

static int keyed_job(void *ctx, void *in, void *out)
{
    int64_t n = number_of(in);
    int r;

    (void)ctx;
    enter(n);
    r = weir_sleep(weir_after(w.span_of[n]));
    w.running[w.key_of[n]]--;
    w.now--;
    if (r < 0)
        return r;
    if (w.fails_every && n % w.fails_every == 0 && w.tries[n]++ == 0)
        return -EIO;
    *(int64_t *)out = *(int64_t *)in;
    *(int64_t *)in = 0;
    return 1;
}

static void run(int (*fn)(void *))
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_sim_run(test_seed(), &c, fn, NULL), 0);
}

static void fill(int n, weir_span most)
{
    w = (struct world){0};
    for (int i = 0; i < n; i++) {
        w.key_of[i] = test_random() % KEYS;
        w.weight_of[i] = test_random() % 7;
        w.span_of[i] = (weir_span)(test_random() % (uint64_t)most);
    }
}

/* --- keys ---------------------------------------------------------------------- */

static int by_key(void *arg)
{
    static int64_t n = MOST;
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 2, .base = WEIR_MS(30)));
    int64_t last[KEYS] = {0}, x;
    int out = 0;

    (void)arg;
    fill(MOST, WEIR_MS(20));
    w.fails_every = 7;
    w.s =
        weir_par_map(weir_unfold(make, &n, live_type()), keyed_job, NULL, live_type(),
                     &(struct weir_par_opts){.limit = 4, .window = 64, .key = key_of, .policy = p});
    while (weir_next(w.s, &x) == 1) {
        uint64_t k = w.key_of[x - 1];

        LT(last[k], x); /* results of a key come in order, too */
        last[k] = x;
        live_drop(&x);
        out++;
    }
    weir_stream_close(&w.s);
    weir_policy_free(&p);
    EQ(out, MOST);
    EQ(w.dropped, MOST);
    EQ(w.most, 4);
    return 0;
}

TEST(jobs_of_a_key_run_one_at_a_time_and_in_order_with_their_retries)
{
    run(by_key);
}

/* Four keys of ten jobs of 10 ms each: 100 ms if and only if keys run side by side. */
static int side_by_side(void *arg)
{
    static int64_t n = 40;

    (void)arg;
    fill(40, 1);
    for (int i = 0; i < 40; i++) {
        w.key_of[i] = (uint64_t)i % 4;
        w.span_of[i] = WEIR_MS(10);
    }
    w.s = weir_par_map(weir_unfold(make, &n, live_type()), keyed_job, NULL, live_type(),
                       &(struct weir_par_opts){.limit = 8, .window = 40, .key = key_of});
    EQ(weir_drain(&w.s), 0);
    EQ(w.most, 4);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(100));
    return 0;
}

TEST(keys_run_side_by_side)
{
    run(side_by_side);
}

/* One key has a job of a second; the others of the window are done long before. */
static int slow_key(void *arg)
{
    static int64_t n = 20;
    int64_t x;

    (void)arg;
    fill(20, 1);
    for (int i = 0; i < 20; i++) {
        w.key_of[i] = i % 5 == 0 ? 0 : 1 + (uint64_t)i % 4;
        w.span_of[i] = i == 0 ? WEIR_S(1) : WEIR_MS(1);
    }
    w.s = weir_par_map(weir_unfold(make, &n, live_type()), keyed_job, NULL, live_type(),
                       &(struct weir_par_opts){.limit = 3, .window = 20, .key = key_of});
    for (int i = 0; i < 16; i++) {
        EQ(weir_next(w.s, &x), 1);
        OK(w.key_of[x - 1] != 0);
        live_drop(&x);
    }
    LT(weir_now() - WEIR_EPOCH, WEIR_MS(50));
    EQ(weir_drain(&w.s), 0);
    EQ(w.dropped, 20);
    return 0;
}

TEST(a_slow_key_holds_up_no_other_in_the_window)
{
    run(slow_key);
}

static int odd_keys_only(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = 0;
    return (int)(number_of(item) % 2);
}

static int no_key_of_seven(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = 0;
    return number_of(item) == 7 ? -ERANGE : 1;
}

static int refusals(void *arg)
{
    static int64_t n = 10;
    uint64_t out = 0;

    (void)arg;
    fill(10, 1);
    for (int i = 0; i < 10; i++)
        w.key_of[i] = 0;
    w.s = weir_par_map(weir_unfold(make, &n, live_type()), keyed_job, NULL, live_type(),
                       &(struct weir_par_opts){.limit = 3, .key = odd_keys_only});
    EQ(weir_count(&w.s, &out), 0);
    EQ(out, 5);
    EQ(w.dropped, 10);
    w.made = w.dropped = 0;
    w.next_of[0] = 0;
    w.s = weir_par_map(
        weir_unfold(make, &n, live_type()), keyed_job, NULL, live_type(),
        &(struct weir_par_opts){.limit = 3, .key = no_key_of_seven, .on_error = WEIR_PAR_DRAIN});
    EQ(weir_drain(&w.s), -ERANGE);
    EQ(w.dropped, w.made);
    return 0;
}

TEST(a_key_may_skip_its_item_or_fail)
{
    run(refusals);
}

/* --- weights and limits ------------------------------------------------------------ */

static int weighed_job(void *ctx, void *in, void *out)
{
    int64_t n = number_of(in);
    uint64_t share = w.weight_of[n] < w.limit ? w.weight_of[n] : w.limit;
    int r;

    (void)ctx;
    w.used += share;
    if (w.used > w.peak)
        w.peak = w.used;
    if (w.weight_of[n] >= w.limit)
        EQ(w.used, w.limit); /* alone, but for what weighs nothing */
    r = weir_sleep(weir_after(w.span_of[n]));
    w.used -= share;
    *(int64_t *)out = *(int64_t *)in;
    *(int64_t *)in = 0;
    return r < 0 ? r : 1;
}

static int by_weight(void *arg)
{
    static int64_t n = MOST;
    uint64_t out;

    (void)arg;
    fill(MOST, WEIR_MS(20));
    w.limit = 5;
    w.s = weir_par_map(weir_unfold(make, &n, live_type()), weighed_job, NULL, live_type(),
                       &(struct weir_par_opts){.limit = 5, .window = 50, .weight = weight_of});
    EQ(weir_count(&w.s, &out), 0);
    EQ(out, MOST);
    EQ(w.peak, 5);
    return 0;
}

TEST(weights_that_run_never_exceed_the_limit)
{
    run(by_weight);
}

/* Light jobs without end may not keep a heavy one waiting. */
static int heavy(void *arg)
{
    static int64_t n = 100;
    int64_t x;
    int before = 0;

    (void)arg;
    fill(100, 1);
    w.limit = 4;
    for (int i = 0; i < 100; i++) {
        w.weight_of[i] = i == 6 ? 4 : 1;
        w.span_of[i] = WEIR_MS(10 + i % 3);
    }
    w.s = weir_par_map(weir_unfold(make, &n, live_type()), weighed_job, NULL, live_type(),
                       &(struct weir_par_opts){.limit = 4, .window = 100, .weight = weight_of});
    while (weir_next(w.s, &x) == 1 && x != 7) {
        live_drop(&x);
        before++;
    }
    EQ(before, 6);
    live_drop(&x);
    EQ(weir_drain(&w.s), 0);
    return 0;
}

TEST(a_heavy_job_is_not_overtaken)
{
    run(heavy);
}

static int gauge_job(void *ctx, void *in, void *out)
{
    int r;

    (void)ctx;
    if (++w.now > w.most)
        w.most = w.now;
    r = weir_sleep(weir_after(WEIR_MS(10)));
    w.now--;
    *(int64_t *)out = *(int64_t *)in;
    *(int64_t *)in = 0;
    return r < 0 ? r : 1;
}

static void pulled(weir_stream *s, int n)
{
    int64_t x;

    for (; n; n--) {
        EQ(weir_next(s, &x), 1);
        live_drop(&x);
    }
}

static int limits(void *arg)
{
    static int64_t n = 100;
    weir_stream *other = weir_range(0, 3), *top;

    (void)arg;
    fill(100, 1);
    w.s = weir_par_map(weir_unfold(make, &n, live_type()), gauge_job, NULL, live_type(),
                       &(struct weir_par_opts){.limit = 2, .window = 16});
    EQ(weir_par_set_limit(w.s, 0), -EINVAL);
    EQ(weir_par_set_limit(w.s, 17), -EINVAL);
    EQ(weir_par_set_limit(other, 1), -EINVAL);
    EQ(weir_par_set_limit(NULL, 1), -EINVAL);
    top = weir_take(w.s, 100);
    pulled(top, 10);
    EQ(w.most, 2);
    EQ(weir_par_set_limit(w.s, 16), 0);
    pulled(top, 40);
    EQ(w.most, 16);
    EQ(weir_par_set_limit(w.s, 1), 0);
    pulled(top, 16); /* what ran goes on */
    w.most = 0;
    pulled(top, 34);
    EQ(w.most, 1);
    EQ(weir_drain(&top), 0);
    EQ(w.dropped, 100);
    weir_stream_close(&other);
    return 0;
}

TEST(the_limit_changes_while_it_runs)
{
    run(limits);
}

/* --- whatever happens ----------------------------------------------------------------- */

static int disturbed(void *arg)
{
    static int64_t n = 24;
    int64_t x;
    int r;

    (void)arg;
    for (int i = 0; i < 24; i++) {
        w.key_of[i] = (uint64_t)i % 3;
        w.weight_of[i] = (uint64_t)i % 4;
        w.span_of[i] = WEIR_MS(1 + i % 5);
    }
    w.s = weir_par_map(
        weir_unfold(make, &n, live_type()), keyed_job, NULL, live_type(),
        &(struct weir_par_opts){.limit = 4, .window = 9, .key = key_of, .weight = weight_of});
    while ((r = weir_next(w.s, &x)) == 1)
        live_drop(&x);
    weir_stream_close(&w.s);
    EQ(w.dropped, w.made);
    return r;
}

static void disturbed_run(void *arg)
{
    struct weir_config c = {.alloc = test_alloc};
    int r;

    (void)arg;
    w = (struct world){0};
    r = weir_sim_run(7, &c, disturbed, NULL);
    OK(r == 0 || test_fault_hit());
}

TEST(nothing_is_lost_at_any_point)
{
    EVERY_POINT(disturbed_run, NULL);
}
