/*
 * test_par_loops.c -- weir_par_map with jobs on several loops: every option means the
 * same there.
 */
#include "stream/par_world.h"

enum { SEEDS = 30 };

/* --- where, how many, in which order ---------------------------------------------- */

/* Each of the first n loops has run so many. */
static bool all_used(const struct gauge *g, int n, int times)
{
    for (int i = 0; i < n; i++)
        if (get(&g->at[i]) < times)
            return false;
    return true;
}

LOOPS_TEST(jobs_run_on_all_loops_and_the_limit_counts_them_all)
{
    struct gauge g = {0};
    weir_stream *s = PAR(weir_range(0, INT64_MAX), naps, &g, .limit = 6, .ordered = 1);
    int64_t x, want = 0;

    while (want < 600 || !all_used(&g, LOOPS, 50)) {
        EQ(weir_next(s, &x), 1);
        EQ(x, want++);
    }
    weir_stream_close(&s);
    LE(g.most, 6);
    EQ(get(&g.running), 0);
    return 0;
}

static int as_many_as_asked_for(void *arg)
{
    (void)arg;
    for (uint32_t loops = 0; loops < 6; loops++) {
        struct gauge g = {0};
        struct weir_par_opts o = {.limit = 12, .loops = loops == 5 ? UINT32_MAX : loops};
        weir_stream *s = weir_par_map(weir_range(0, INT64_MAX), naps, &g, INT, &o);
        int all = weir_loops(), want = loops <= 1 ? 1 : loops < (uint32_t)all ? (int)loops : all;
        int64_t x;

        for (int i = 0; i < 100 || !all_used(&g, want, 1); i++)
            EQ(weir_next(s, &x), 1);
        weir_stream_close(&s);
        for (int i = want; i < 8; i++)
            EQ(g.at[i], 0);
    }
    return 0;
}

TEST(as_many_loops_as_asked_for_and_as_there_are)
{
    EQ(loops_run(4, as_many_as_asked_for, NULL), 0);
    EQ(loops_run(1, as_many_as_asked_for, NULL), 0);
}

LOOPS_TEST(a_limit_of_one_is_one_job_at_a_time_wherever_it_is)
{
    struct gauge g = {0};
    weir_stream *s = PAR(weir_range(0, 100), naps, &g, .limit = 1);

    EQ(weir_drain(&s), 0);
    EQ(g.most, 1);
    EQ(g.started, 100);
    return 0;
}

static int keyed(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = (uint64_t)(*(const int64_t *)item % 5);
    return 1;
}

struct turns {
    int64_t last[5];
    int inside[5];
};

static int in_turn(void *ctx, void *in, void *out)
{
    struct turns *t = ctx;
    int64_t i = *(int64_t *)in;

    EQ(add(&t->inside[i % 5], 1), 1);
    LE(t->last[i % 5] + 1, i); /* not atomic: TSan would see two of one key at once */
    t->last[i % 5] = i;
    if (weir_sleep(weir_after(WEIR_US(i % 3 * 50))) < 0)
        return -ECANCELED;
    add(&t->inside[i % 5], -1);
    *(int64_t *)out = i;
    return 1;
}

LOOPS_TEST(items_of_one_key_take_turns_though_they_change_loops)
{
    struct turns t = {.last = {-1, -1, -1, -1, -1}};
    weir_stream *s = PAR(weir_range(0, 500), in_turn, &t, .limit = 8, .window = 64, .key = keyed);

    EQ(weir_drain(&s), 0);
    for (int i = 0; i < 5; i++)
        EQ(t.last[i], 495 + i);
    return 0;
}

static uint64_t heavy(void *ctx, const void *item)
{
    (void)ctx;
    return (uint64_t)(*(const int64_t *)item % 4);
}

static int weighed_running;

static int weighed(void *ctx, void *in, void *out)
{
    int w = (int)(*(int64_t *)in % 4);

    (void)ctx;
    LE(add(&weighed_running, w), 4);
    if (weir_sleep(weir_after(WEIR_US(50))) < 0)
        return -ECANCELED;
    add(&weighed_running, -w);
    *(int64_t *)out = *(int64_t *)in;
    return 1;
}

LOOPS_TEST(weights_are_counted_over_all_loops)
{
    weir_stream *s = PAR(weir_range(0, 300), weighed, NULL, .limit = 4, .weight = heavy);
    uint64_t n;

    EQ(weir_count(&s, &n), 0);
    EQ(n, 300);
    return 0;
}

LOOPS_TEST(another_limit_holds_for_all_loops)
{
    struct gauge g = {0};
    weir_stream *s = PAR(weir_range(0, 400), naps, &g, .limit = 2, .window = 40);
    int64_t x;

    for (int i = 0; i < 50; i++)
        EQ(weir_next(s, &x), 1);
    LE(g.most, 2);
    EQ(weir_par_set_limit(s, 9), 0);
    for (int i = 0; i < 200; i++)
        EQ(weir_next(s, &x), 1);
    LE(g.most, 9);
    LE(3, g.most);
    weir_stream_close(&s);
    return 0;
}

/* --- failures ------------------------------------------------------------------------ */

static int fails_at_50(void *ctx, void *in, void *out)
{
    int r = naps(ctx, in, out);

    return r == 1 && *(int64_t *)in == 50 ? -EPROTO : r;
}

LOOPS_TEST(the_first_failure_cancels_the_jobs_on_every_loop)
{
    struct gauge g = {0};
    weir_stream *s = PAR(weir_range(0, 100000), fails_at_50, &g, .limit = 8);
    int64_t x;
    int n = 0, r;

    while ((r = weir_next(s, &x)) == 1)
        n++;
    EQ(r, -EPROTO);
    EQ(get(&g.running), 0);
    LE(n, 50 + 8 + 32);
    EQ(weir_next(s, &x), -EPROTO);
    weir_stream_close(&s);
    return 0;
}

LOOPS_TEST(drain_lets_what_runs_end_on_every_loop)
{
    struct gauge g = {0};
    weir_stream *s = PAR(weir_range(0, 100000), fails_at_50, &g, .limit = 8, .window = 8,
                         .on_error = WEIR_PAR_DRAIN);
    uint64_t dropped;
    int64_t x;
    int n = 0, r;

    while ((r = weir_next(s, &x)) == 1)
        n++;
    EQ(r, -EPROTO);
    dropped = weir_stream_dropped(s);
    EQ(g.started, n + 1); /* all that began came out, but for the one */
    LE(1, dropped);
    weir_stream_close(&s);
    return 0;
}

static int odd_fails(void *ctx, void *in, void *out)
{
    int r = naps(ctx, in, out);

    return r == 1 && *(int64_t *)in % 2 ? -EIO : r;
}

static int mends(void *ctx, void *in, void *out, int err)
{
    struct gauge *g = ctx;

    EQ(err, -EIO);
    add(&g->failed, 1);
    if (weir_yield() < 0) /* it is on a fiber, and may park */
        return -ECANCELED;
    *(int64_t *)out = -*(int64_t *)in;
    return *(int64_t *)in % 3 ? 1 : 0;
}

LOOPS_TEST(a_failed_job_may_become_an_item_or_none)
{
    struct gauge g = {0};
    weir_stream *s = PAR(weir_range(0, 300), odd_fails, &g, .limit = 8, .ordered = 1,
                         .on_error = WEIR_PAR_HANDLE, .on_fail = mends);
    int64_t x, n = 0;

    for (int64_t i = 0; i < 300; i++) {
        if (i % 2 && i % 3 == 0)
            continue;
        EQ(weir_next(s, &x), 1);
        EQ(x, i % 2 ? -i : i);
        n++;
    }
    EQ(weir_next(s, &x), 0);
    EQ(n, 250);
    EQ(g.failed, 150);
    weir_stream_close(&s);
    return 0;
}

static int thrice(void *ctx, void *in, void *out)
{
    struct gauge *g = ctx;

    add(&g->started, 1);
    *(int64_t *)out = *(int64_t *)in;
    return weir_try_info().attempt < 3 ? -EAGAIN : 1;
}

LOOPS_TEST(a_policy_retries_on_any_loop)
{
    struct gauge g = {0};
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = WEIR_US(200)));
    weir_stream *s = PAR(weir_range(0, 200), thrice, &g, .limit = 6, .ordered = 1, .policy = p);
    int64_t x, want = 0;

    while (weir_next(s, &x) == 1)
        EQ(x, want++);
    EQ(want, 200);
    EQ(g.started, 600);
    weir_stream_close(&s);
    weir_policy_free(&p);
    return 0;
}

/* What waits in a policy's row is called from whichever loop gives its place back. */
LOOPS_TEST(a_bulkhead_holds_and_wakes_over_loops)
{
    struct gauge g = {0};
    weir_policy *p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 2, .queue = 1000));
    weir_stream *s = PAR(weir_range(0, 300), naps, &g, .limit = 12, .window = 48, .policy = p);
    uint64_t n;

    EQ(weir_count(&s, &n), 0);
    EQ(n, 300);
    LE(g.most, 2);
    weir_policy_free(&p);
    return 0;
}

LOOPS_TEST(a_deadline_ends_the_jobs_on_every_loop_not_the_puller)
{
    struct gauge g = {0};
    weir_stream *s =
        PAR(weir_range(0, 1000000), naps, &g, .limit = 9, .deadline = weir_after(WEIR_MS(20)));

    EQ(weir_drain(&s), -ETIMEDOUT);
    EQ(weir_cancel_why(), 0);
    EQ(get(&g.running), 0);
    return 0;
}

static int stuck(void *ctx, void *in, void *out)
{
    (void)in, (void)out;
    return weir_recv((weir_chan *)ctx, (int64_t *)out, WEIR_NEVER);
}

static int stuck_jobs(void *arg)
{
    weir_chan *ch = weir_chan_new(INT, 1);
    weir_stream *s = PAR(weir_range(0, 9), stuck, ch, .limit = 3);
    int64_t x;

    (void)arg;
    EQ(weir_next(s, &x), WEIR_EDEADLOCK);
    weir_stream_close(&s);
    weir_chan_free(&ch);
    return 0;
}

TEST(jobs_that_nothing_can_wake_are_a_deadlock)
{
    EQ(loops_run(1, stuck_jobs, NULL), 0);
    EQ(loops_run(LOOPS, stuck_jobs, NULL), 0);
}

static int waits_in_vain(void *arg)
{
    int64_t x;

    return weir_recv(*(weir_chan **)arg, &x, WEIR_NEVER);
}

static int deadlocks;

static void counts_deadlocks(void *ctx, int level, const char *text)
{
    (void)ctx, (void)level;
    if (strstr(text, "deadlock"))
        add(&deadlocks, 1);
}

static int ended_beside_a_deadlock(void *arg)
{
    weir_chan *ch = weir_chan_new(INT, 1);
    weir_scope *outer = weir_scope_open(NULL), *inner;
    struct gauge g = {0};
    weir_stream *s = PAR(weir_range(0, 20), naps, &g, .limit = 3);
    int64_t x;

    (void)arg;
    while (weir_next(s, &x) == 1)
        ;
    inner = weir_scope_open(NULL);
    GO(inner, waits_in_vain, &ch);
    EQ(weir_scope_close(&inner), WEIR_EDEADLOCK);
    EQ(weir_next(s, &x), 0);
    EQ(weir_scope_close(&outer), 0);
    weir_stream_close(&s);
    weir_chan_free(&ch);
    return 0;
}

TEST(an_operator_that_has_ended_is_nobodys_deadlock)
{
    struct weir_config c = {.loops = LOOPS, .log = counts_deadlocks};

    EQ(weir_run(&c, ended_beside_a_deadlock, NULL), 0);
    EQ(deadlocks, 1); /* its crews had left */
}

LOOPS_TEST(the_builders_scope_ends_the_jobs_on_every_loop)
{
    for (int k = 0; k < 30; k++) {
        weir_scope *sc = weir_scope_open(NULL);
        struct gauge g = {0};
        weir_stream *s = PAR(weir_range(0, 100000), naps, &g, .limit = 6);
        int64_t x;

        for (int i = 0; i < k; i++)
            EQ(weir_next(s, &x), 1);
        EQ(weir_scope_close(&sc), 0);
        EQ(get(&g.running), 0);
        while (weir_next(s, &x) > 0)
            ;
        EQ(weir_next(s, &x), -ECANCELED);
        weir_stream_close(&s);
    }
    return 0;
}

/* --- conservation ------------------------------------------------------------------------ */

static int live_in, live_out, made, given;

static void in_drop(void *p)
{
    struct wide *w = p;

    add(&live_in, -w->owned);
    w->owned = 0;
}

static void out_drop(void *p)
{
    struct wide *w = p;

    add(&live_out, -w->owned);
    w->owned = 0;
}

static void gives_back(void *ctx, void *in)
{
    (void)ctx;
    EQ(((struct wide *)in)->owned, 1); /* never done: it is whole */
    add(&given, 1);
    in_drop(in);
}

static int make_wide(void *ctx, void *in, void *out)
{
    int64_t *left = ctx;

    (void)in;
    if (*left == 0)
        return 0;
    *(struct wide *)out = (struct wide){(*left)--, 1};
    add(&live_in, 1);
    made++;
    return 1;
}

/* By the item: sleeps or not, emits, skips, is to be tried again, fails. */
static int any_job(void *ctx, void *in, void *out)
{
    uint64_t seed = *(uint64_t *)ctx;
    struct wide *w = in;
    uint64_t x = ((uint64_t)w->n + seed) * 0x9e3779b97f4a7c15u >> 40;

    if (x % 3 == 0 && weir_sleep(weir_after(WEIR_US(x % 200))) < 0)
        return -ECANCELED;
    if (x % 31 == 0)
        return -EAGAIN;
    if (x % 257 == 0)
        return -EPROTO;
    if (x % 7 == 0)
        return 0;
    *(struct wide *)out = (struct wide){w->n, 1};
    add(&live_out, 1);
    return 1;
}

static int any_fail(void *ctx, void *in, void *out, int err)
{
    (void)ctx, (void)out;
    return ((struct wide *)in)->n % 97 ? 0 : err;
}

static int any_key(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = (uint64_t)((const struct wide *)item)->n % 6;
    return ((const struct wide *)item)->n % 50 != 0;
}

static int conserves(void *arg)
{
    uint64_t seed = *(uint64_t *)arg, pulls = seed % 4 ? seed * 11 % 500 : UINT64_MAX;
    struct weir_type in = WEIR_TYPE(struct wide), out = WEIR_TYPE(struct wide);
    int64_t left = 400;
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 2, .base = WEIR_US(50)),
                                 WEIR_BULKHEAD(.limit = 3, .queue = 100));
    struct weir_par_opts o = {.limit = 1 + seed % 7, .loops = 2 + seed % 2};
    uint64_t got = 0;
    struct wide w;
    weir_stream *s;
    int r = 1;

    in.drop = in_drop;
    out.drop = out_drop;
    o.window = o.limit + seed % 40;
    o.ordered = seed / 2 % 2;
    o.on_error = seed % 3;
    o.on_fail = any_fail;
    o.policy = seed % 5 < 3 ? p : NULL;
    o.key = seed % 7 < 2 ? any_key : NULL;
    o.on_drop = seed % 3 ? gives_back : NULL;
    made = 0;
    s = weir_par_map(weir_unfold(make_wide, &left, in), any_job, &seed, out, &o);
    while (got < pulls && (r = weir_next(s, &w)) == 1) {
        out_drop(&w);
        got++;
    }
    OK(r == 1 || r == 0 || r == -EAGAIN || r == -EPROTO);
    LE(got + weir_stream_dropped(s), (uint64_t)made);
    weir_stream_close(&s);
    EQ(get(&live_in), 0);
    EQ(get(&live_out), 0);
    weir_policy_free(&p);
    return 0;
}

TEST(every_item_is_somewhere_whatever_happens)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        uint64_t seed = test_seed() + i;

        EQ(loops_run(LOOPS, conserves, &seed), 0);
    }
}
