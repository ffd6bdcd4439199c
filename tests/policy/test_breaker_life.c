/*
 * test_breaker_life.c -- breaker.h: who hears of changes, other options in
 * mid-life, results that come too late, and clocks that are set.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/breaker.h>

#define T0 WEIR_EPOCH
#define BREAKER(...) breaker_of((struct weir_breaker_opts){__VA_ARGS__})

static struct weir_rng rng = {{1, 2, 3, 4}};

static struct weir_breaker breaker_of(struct weir_breaker_opts o)
{
    struct weir_breaker b;
    EQ(weir_breaker_init(&b, &o), 0);
    return b;
}

static int64_t call(struct weir_breaker *b, enum weir_breaker_outcome how, weir_time at)
{
    struct weir_breaker_token t;
    int64_t r = weir_breaker_take(b, at, &t);

    if (r == 0)
        LE(0, weir_breaker_done(b, &t, how, at, &rng));
    return r;
}

static void fail(struct weir_breaker *b, int n, weir_time at)
{
    while (n-- > 0)
        EQ(call(b, WEIR_BREAKER_FAILED, at), 0);
}

static int is(const struct weir_breaker *b, enum weir_breaker_state state, weir_time at)
{
    return weir_breaker_state(b, at) == state;
}

/* --- thresholds ---------------------------------------------------------------- */

TEST(E1_every_threshold_opens_at_it_and_not_one_before)
{
    for (uint32_t n = 1; n <= 64; n++) {
        struct weir_breaker row = BREAKER(.failures = n);
        struct weir_breaker of = BREAKER(.failures = n, .window = 64);
        struct weir_breaker in = BREAKER(.failures = n, .period = WEIR_S(1));

        fail(&row, (int)n - 1, T0);
        fail(&of, (int)n - 1, T0);
        fail(&in, (int)n - 1, T0);
        OK(is(&row, WEIR_BREAKER_CLOSED, T0) && is(&of, WEIR_BREAKER_CLOSED, T0) &&
           is(&in, WEIR_BREAKER_CLOSED, T0));
        fail(&row, 1, T0);
        fail(&of, 1, T0);
        fail(&in, 1, T0);
        OK(is(&row, WEIR_BREAKER_OPEN, T0) && is(&of, WEIR_BREAKER_OPEN, T0) &&
           is(&in, WEIR_BREAKER_OPEN, T0));
    }
}

TEST(E13_a_window_of_one_and_thresholds_of_one_and_a_hundred_percent)
{
    struct weir_breaker one = BREAKER(.window = 1, .failures = 1);
    struct weir_breaker any = BREAKER(.window = 10, .percent = 1, .min_calls = 10);
    struct weir_breaker all = BREAKER(.window = 10, .percent = 100, .min_calls = 10);

    EQ(call(&one, WEIR_BREAKER_OK, T0), 0);
    fail(&one, 1, T0);
    OK(is(&one, WEIR_BREAKER_OPEN, T0));
    fail(&any, 1, T0);
    fail(&all, 9, T0);
    for (int i = 0; i < 8; i++)
        EQ(call(&any, WEIR_BREAKER_OK, T0), 0);
    OK(is(&any, WEIR_BREAKER_CLOSED, T0));
    EQ(call(&any, WEIR_BREAKER_OK, T0), 0); /* the tenth: 10 % >= 1 % */
    OK(is(&any, WEIR_BREAKER_OPEN, T0));
    EQ(call(&all, WEIR_BREAKER_OK, T0), 0);
    OK(is(&all, WEIR_BREAKER_CLOSED, T0));
    fail(&all, 9, T0);
    OK(is(&all, WEIR_BREAKER_CLOSED, T0));
    fail(&all, 1, T0); /* now all ten have failed */
    OK(is(&all, WEIR_BREAKER_OPEN, T0));
}

/* --- probes ---------------------------------------------------------------------- */

/* Leases as a list: never more than k live ones, and never fewer if more are asked for. */
TEST(E3_random_probes_agree_with_a_list)
{
    enum { K = 3, LEASE = 100, MANY = 4000 };
    struct {
        struct weir_breaker_token t;
        weir_time ends;
        int over;
    } p[MANY];

    for (int round = 0; round < 200; round++) {
        struct weir_breaker b =
            BREAKER(.failures = 1, .open = LEASE, .probes = K, .lease = LEASE, .jitter = 1);
        weir_time now = T0 + LEASE;
        int n = 0, ok = 0;

        fail(&b, 1, T0);
        while (ok < K && n < MANY) {
            int live = 0, i;
            int64_t wait;

            now += (weir_span)(test_random() % 20);
            for (i = 0; i < n; i++)
                live += !p[i].over && p[i].ends > now;
            wait = weir_breaker_take(&b, now, &p[n].t);
            EQ(wait == 0, live + ok < K);
            if (wait == 0) {
                p[n].ends = now + LEASE;
                p[n++].over = 0;
            } else {
                LE(wait, LEASE);
            }
            if (n == 0 || test_random() % 3)
                continue;
            i = n - 1 - (int)(test_random() % (n < 8 ? (uint64_t)n : 8)); /* older ones are over */
            if (p[i].over)
                continue;
            p[i].over = 1;
            if (test_random() % 2) {
                int counted = weir_breaker_done(&b, &p[i].t, WEIR_BREAKER_OK, now, &rng);
                OK(counted || p[i].ends <= now); /* a lease that ended counts until replaced */
                ok += counted;
            } else {
                EQ(weir_breaker_done(&b, &p[i].t, WEIR_BREAKER_IGNORED, now, &rng), 0);
            }
        }
        EQ(is(&b, WEIR_BREAKER_CLOSED, now), ok == K);
        EQ(ok, K);
    }
}

/* Taken in each of three states, reported in each of three later ones, both ways: 18 cases. */
TEST(E4_results_of_an_older_generation_are_ignored_in_all_nine_pairs)
{
    for (int from = 0; from < 3; from++) {
        for (int to = 0; to < 3; to++) {
            for (int failed = 0; failed < 2; failed++) {
                struct weir_breaker b = BREAKER(.failures = 1, .open = 100, .probes = 1,
                                                .jitter = 1, .mode = WEIR_BREAKER_OBSERVE);
                struct weir_breaker_token old, probe;
                weir_time now = T0;
                struct weir_breaker before;

                if (from > 0) /* OPEN: only an observing breaker lets one through */
                    fail(&b, 1, now);
                if (from > 1)
                    now += 100; /* HALF_OPEN: a probe */
                EQ(weir_breaker_take(&b, now, &old), 0);
                EQ(weir_breaker_force(&b, WEIR_BREAKER_CLOSED, now), 0);
                if (to > 0)
                    fail(&b, 1, now);
                if (to > 1) {
                    now += 100;
                    EQ(weir_breaker_take(&b, now, &probe), 0);
                }
                before = b;
                EQ(weir_breaker_done(&b, &old, (enum weir_breaker_outcome)failed, now, &rng), 0);
                b.counts.stale = before.counts.stale;
                MEMEQ(&b, &before, sizeof b);
            }
        }
    }
}

TEST(E5_a_late_failure_does_not_prolong_and_a_late_success_does_not_close)
{
    struct weir_breaker b = BREAKER(.failures = 1, .open = WEIR_S(1));
    struct weir_breaker_token t[2];
    weir_span left;

    EQ(weir_breaker_take(&b, T0, &t[0]), 0);
    EQ(weir_breaker_take(&b, T0, &t[1]), 0);
    fail(&b, 1, T0);
    left = weir_breaker_left(&b, T0 + WEIR_MS(500));
    EQ(weir_breaker_done(&b, &t[0], WEIR_BREAKER_FAILED, T0 + WEIR_MS(500), &rng), 0);
    EQ(weir_breaker_left(&b, T0 + WEIR_MS(500)), left);
    EQ(weir_breaker_done(&b, &t[1], WEIR_BREAKER_OK, T0 + WEIR_MS(500), &rng), 0);
    EQ(weir_breaker_left(&b, T0 + WEIR_MS(500)), left);
}

TEST(E15_calls_under_way_when_it_trips_are_stale)
{
    struct weir_breaker b = BREAKER(.failures = 3, .open = WEIR_S(1), .probes = 1);
    struct weir_breaker_token t[100];

    for (int i = 0; i < 100; i++)
        EQ(weir_breaker_take(&b, T0, &t[i]), 0);
    for (int i = 0; i < 100; i++)
        EQ(weir_breaker_done(&b, &t[i], WEIR_BREAKER_FAILED, T0, &rng), i < 3);
    EQ(weir_breaker_counts(&b).opened, 1);
    EQ(weir_breaker_counts(&b).stale, 97);
    EQ(weir_breaker_counts(&b).failed, 3);
}

TEST(E6_cancelled_probes_neither_open_nor_close_and_free_their_place)
{
    struct weir_breaker b = BREAKER(.failures = 1, .open = 100, .probes = 2, .jitter = 1);
    struct weir_breaker_token t[3];

    fail(&b, 1, T0);
    EQ(weir_breaker_take(&b, T0 + 100, &t[0]), 0);
    EQ(weir_breaker_take(&b, T0 + 100, &t[1]), 0);
    LT(0, weir_breaker_take(&b, T0 + 100, &t[2]));
    EQ(weir_breaker_done(&b, &t[0], WEIR_BREAKER_IGNORED, T0 + 100, &rng), 0);
    OK(is(&b, WEIR_BREAKER_HALF_OPEN, T0 + 100));
    EQ(weir_breaker_take(&b, T0 + 100, &t[2]), 0); /* its place, at once */
    LT(0, weir_breaker_take(&b, T0 + 100, &t[0]));
}

/* --- hooks -------------------------------------------------------------------------- */

struct heard {
    struct weir_breaker *b;
    struct weir_breaker_event e[16];
    int n, depth;
};

static void hear(void *ctx, const struct weir_breaker_event *e)
{
    struct heard *h = ctx;
    h->e[h->n++] = *e;
}

TEST(E11_each_change_is_told_once_and_in_order)
{
    struct heard h = {NULL, {{0}}, 0, 0};
    struct weir_breaker b = BREAKER(.failures = 2, .open = WEIR_S(1), .probes = 1, .jitter = 1,
                                    .on_change = hear, .ctx = &h);
    static const uint32_t chain[] = {
        WEIR_BREAKER_CLOSED,    WEIR_BREAKER_OPEN,   WEIR_BREAKER_HALF_OPEN,   WEIR_BREAKER_OPEN,
        WEIR_BREAKER_HALF_OPEN, WEIR_BREAKER_CLOSED, WEIR_BREAKER_FORCED_OPEN, WEIR_BREAKER_CLOSED};
    weir_time now = T0;

    fail(&b, 2, now);
    EQ(h.n, 1);
    EQ(h.e[0].fails, 2);
    EQ(h.e[0].open_for, weir_breaker_left(&b, now));
    EQ(h.e[0].at, T0);
    now += WEIR_S(1);
    fail(&b, 1, now);
    EQ(h.n, 3);
    LT(h.e[0].open_for, h.e[2].open_for);
    now += WEIR_S(2);
    OK(is(&b, WEIR_BREAKER_HALF_OPEN, now)); /* looking is no change */
    EQ(h.n, 3);
    EQ(call(&b, WEIR_BREAKER_OK, now), 0);
    EQ(call(&b, WEIR_BREAKER_OK, now), 0);
    EQ(weir_breaker_force(&b, WEIR_BREAKER_FORCED_OPEN, now), 0);
    EQ(call(&b, WEIR_BREAKER_OK, now), WEIR_EOPEN);
    EQ(weir_breaker_force(&b, WEIR_BREAKER_CLOSED, now), 0);
    EQ(h.n, 7);
    for (int i = 0; i < 7; i++) {
        EQ(h.e[i].from, chain[i]);
        EQ(h.e[i].to, chain[i + 1]);
        EQ(h.e[i].generation, i + 2);
        EQ(h.e[i].open_for != 0, chain[i + 1] == WEIR_BREAKER_OPEN);
    }
}

/* Forces it closed as soon as it opens, and calls through it. */
static void meddle(void *ctx, const struct weir_breaker_event *e)
{
    struct heard *h = ctx;

    hear(ctx, e);
    EQ(h->depth++ < 3, 1);
    if (e->to == WEIR_BREAKER_OPEN)
        EQ(weir_breaker_force(h->b, WEIR_BREAKER_CLOSED, e->at), 0);
    EQ(call(h->b, WEIR_BREAKER_OK, e->at), 0);
    h->depth--;
}

TEST(E11_the_hook_may_call_back_into_the_breaker)
{
    struct heard h = {NULL, {{0}}, 0, 0};
    struct weir_breaker b = BREAKER(.failures = 1, .on_change = meddle, .ctx = &h);

    h.b = &b;
    fail(&b, 3, T0);
    EQ(h.n, 6);
    for (int i = 0; i < 6; i++)
        EQ(h.e[i].to, i % 2 ? WEIR_BREAKER_CLOSED : WEIR_BREAKER_OPEN);
}

/* --- other options ---------------------------------------------------------------- */

TEST(E13_other_options_keep_the_newest_results_of_the_window)
{
    for (int i = 0; i < 2000; i++) {
        uint32_t m = 1 + test_random() % 130, k = 1 + test_random() % 130, keep, fails = 0;
        struct weir_breaker b = BREAKER(.window = m, .percent = 100, .min_calls = m);
        struct weir_breaker_opts o = {.window = k, .percent = 100, .min_calls = k};
        uint8_t result[400];
        uint32_t n = test_random() % 400;

        for (uint32_t c = 0; c < n; c++) {
            result[c] = test_random() % 3 == 0 && c % m != 0; /* never all of them */
            EQ(call(&b, result[c] ? WEIR_BREAKER_FAILED : WEIR_BREAKER_OK, T0), 0);
        }
        OK(is(&b, WEIR_BREAKER_CLOSED, T0));
        EQ(weir_breaker_reconfigure(&b, &o, T0), 0);
        keep = n < m ? n : m;
        keep = keep < k ? keep : k;
        for (uint32_t c = n - keep; c < n; c++)
            fails += result[c];
        EQ(b.calls, keep);
        EQ(b.fails, fails);
        for (uint32_t c = 0; c < k && b.state == WEIR_BREAKER_CLOSED; c++) { /* in their order */
            fails -= keep == k && result[n - keep + c];
            keep -= keep == k;
            EQ(call(&b, WEIR_BREAKER_OK, T0), 0);
            EQ(b.fails, fails);
            keep++;
            if (keep == k)
                break;
        }
    }
}

TEST(E13_other_options_keep_the_state_the_counts_and_a_periods_results)
{
    struct weir_breaker_opts o = {.period = WEIR_S(16), .failures = 10};
    struct weir_breaker b = BREAKER(.period = WEIR_S(16), .failures = 10);
    struct weir_breaker_token t;

    fail(&b, 6, T0);
    o.failures = 7;
    EQ(weir_breaker_reconfigure(&b, &o, T0), 0);
    EQ(b.fails, 6);
    OK(is(&b, WEIR_BREAKER_CLOSED, T0));
    o.period = WEIR_S(8);
    EQ(weir_breaker_reconfigure(&b, &o, T0 + WEIR_S(15)), 0);
    EQ(weir_breaker_take(&b, T0 + WEIR_S(22), &t), 0); /* six are in it for eight more seconds */
    o.open = WEIR_S(100);
    EQ(weir_breaker_reconfigure(&b, &o, T0 + WEIR_S(22)), 0);
    EQ(weir_breaker_done(&b, &t, WEIR_BREAKER_FAILED, T0 + WEIR_S(22), &rng), 1);
    OK(is(&b, WEIR_BREAKER_OPEN, T0 + WEIR_S(22)));
    LE(WEIR_S(90), weir_breaker_left(&b, T0 + WEIR_S(22)));
    o.open = WEIR_S(1); /* what is open now is open no longer than options allow */
    o.open_max = WEIR_S(2);
    EQ(weir_breaker_reconfigure(&b, &o, T0 + WEIR_S(23)), 0);
    EQ(weir_breaker_left(&b, T0 + WEIR_S(23)), WEIR_S(1));
    EQ(weir_breaker_counts(&b).failed, 7);
    o.percent = 101;
    EQ(weir_breaker_reconfigure(&b, &o, T0 + WEIR_S(23)), -EINVAL);
    EQ(weir_breaker_left(&b, T0 + WEIR_S(23)), WEIR_S(1));
    EQ(weir_breaker_reconfigure(&b, NULL, T0 + WEIR_S(23)), 0);
    EQ(b.opts.failures, 5);
}

TEST(E13_fewer_probes_than_have_succeeded_close_it_and_never_wedge_it)
{
    for (uint32_t before = 1; before <= 4; before++) {
        for (uint32_t after = 1; after <= 4; after++) {
            for (uint32_t ok = 0; ok < before; ok++) {
                struct weir_breaker_opts o = {.failures = 1, .open = 100, .probes = before};
                struct weir_breaker b = BREAKER(.failures = 1, .open = 100, .probes = before);
                weir_time now = T0 + 100;

                fail(&b, 1, T0);
                for (uint32_t i = 0; i < ok; i++)
                    EQ(call(&b, WEIR_BREAKER_OK, now), 0);
                o.probes = after;
                EQ(weir_breaker_reconfigure(&b, &o, now), 0);
                EQ(is(&b, WEIR_BREAKER_CLOSED, now), ok >= after);
                for (uint32_t i = ok; i < after; i++)
                    EQ(call(&b, WEIR_BREAKER_OK, now), 0);
                OK(is(&b, WEIR_BREAKER_CLOSED, now));
            }
        }
    }
}

TEST(E13_a_reset_forgets_the_window_and_the_growth)
{
    struct weir_breaker b = BREAKER(.failures = 2, .open = 100, .jitter = 1);

    fail(&b, 1, T0);
    EQ(weir_breaker_force(&b, WEIR_BREAKER_CLOSED, T0), 0);
    fail(&b, 1, T0);
    OK(is(&b, WEIR_BREAKER_CLOSED, T0));
    fail(&b, 1, T0);
    for (int i = 0; i < 4; i++) {
        LE(weir_breaker_left(&b, T0), 100);
        EQ(weir_breaker_force(&b, WEIR_BREAKER_CLOSED, T0), 0);
        fail(&b, 2, T0);
    }
}

TEST(E10_off_lets_all_through_and_knows_nothing)
{
    struct weir_breaker b = BREAKER(.failures = 1, .mode = WEIR_BREAKER_OFF);
    struct weir_breaker_opts on = {.failures = 1};

    fail(&b, 100, T0);
    OK(is(&b, WEIR_BREAKER_CLOSED, T0));
    EQ(weir_breaker_counts(&b).failed, 0);
    EQ(weir_breaker_reconfigure(&b, &on, T0), 0); /* live */
    fail(&b, 1, T0);
    OK(is(&b, WEIR_BREAKER_OPEN, T0));
    on.mode = WEIR_BREAKER_OFF;
    EQ(weir_breaker_reconfigure(&b, &on, T0), 0);
    fail(&b, 1, T0);
    on.mode = WEIR_BREAKER_ENFORCE;
    EQ(weir_breaker_reconfigure(&b, &on, T0), 0);
    LT(0, call(&b, WEIR_BREAKER_OK, T0)); /* still open */
}

TEST(P1_a_reconfigured_breaker_refuses_what_init_refuses)
{
    static const struct weir_breaker_opts bad[] = {
        {.window = 1025},
        {.probes = 17},
        {.percent = 101},
        {.jitter = 101},
        {.mode = 3},
        {.reserved0 = 1},
        {.reserved = {0, 1}},
        {.window = 5, .period = 16},
        {.period = 15},
        {.open = -1},
        {.open_max = 1},
        {.lease = INT64_MIN},
        {.slow = -1},
        {.window = 3, .failures = 4},
        {.percent = 5},
        {.min_calls = 3},
        {.window = UINT32_MAX},
        {.failures = 3, .window = 9, .percent = 10},
    };
    struct weir_breaker b = BREAKER(.failures = 3), before;

    fail(&b, 2, T0);
    before = b;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_breaker_reconfigure(&b, &bad[i], T0), -EINVAL);
        MEMEQ(&b, &before, sizeof b);
    }
}
