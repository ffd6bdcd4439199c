/*
 * test_breaker.c -- breaker.h: thresholds against a list model, probes,
 * leases, generations, open times.
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

/* One call at `at`, with `took` until its end: what take said. */
static int64_t call(struct weir_breaker *b, enum weir_breaker_outcome how, weir_time at,
                    weir_span took)
{
    struct weir_breaker_token t;
    int64_t r = weir_breaker_take(b, at, &t);

    if (r == 0)
        LE(0, weir_breaker_done(b, &t, how, at + took, &rng));
    return r;
}

static void fail(struct weir_breaker *b, int n, weir_time at)
{
    while (n-- > 0)
        EQ(call(b, WEIR_BREAKER_FAILED, at, 0), 0);
}

TEST(E1_exactly_n_failures_in_a_row_open_it)
{
    struct weir_breaker b = BREAKER(.failures = 5);

    fail(&b, 4, T0);
    EQ(call(&b, WEIR_BREAKER_OK, T0, 0), 0);
    fail(&b, 4, T0);
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_CLOSED);
    fail(&b, 1, T0);
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_OPEN);
    LT(0, call(&b, WEIR_BREAKER_OK, T0, 0));
}

TEST(the_defaults_are_five_failures_thirty_seconds_three_probes)
{
    struct weir_breaker b = BREAKER(.jitter = 0);
    weir_time at = T0;

    fail(&b, 5, at);
    LE(WEIR_S(27), weir_breaker_left(&b, at));
    LE(weir_breaker_left(&b, at), WEIR_S(30));
    at += weir_breaker_left(&b, at);
    for (int i = 0; i < 2; i++)
        EQ(call(&b, WEIR_BREAKER_OK, at, 0), 0);
    EQ(weir_breaker_state(&b, at), WEIR_BREAKER_HALF_OPEN);
    EQ(call(&b, WEIR_BREAKER_OK, at, 0), 0);
    EQ(weir_breaker_state(&b, at), WEIR_BREAKER_CLOSED);
}

TEST(E1_forty_nine_and_a_half_percent_is_not_fifty)
{
    struct weir_breaker b = BREAKER(.window = 200, .percent = 50, .min_calls = 200);

    for (int i = 0; i < 101; i++)
        EQ(call(&b, WEIR_BREAKER_OK, T0, 0), 0);
    fail(&b, 99, T0);
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_CLOSED);
    fail(&b, 1, T0); /* an OK leaves: 100 of 200 */
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_OPEN);
}

TEST(E2_below_the_volume_floor_nothing_opens_and_at_it_any_result_can)
{
    struct weir_breaker b = BREAKER(.period = WEIR_S(16), .percent = 80, .min_calls = 20);

    fail(&b, 19, T0);
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_CLOSED);
    EQ(call(&b, WEIR_BREAKER_OK, T0, 0), 0);
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_OPEN);
}

struct event {
    weir_time at;
    int failed;
};

/* The last events that a window of calls, or of 16 buckets, still holds. */
static int model_trips(const struct weir_breaker_opts *o, const struct event *e, int n)
{
    int calls = 0, fails = 0;
    weir_span width = o->period / 16;

    for (int i = n - 1; i >= 0; i--) {
        if (o->window && calls == (int)o->window)
            break;
        if (o->period && e[n - 1].at / width - e[i].at / width >= 16)
            break;
        calls++;
        fails += e[i].failed;
    }
    if (!o->percent)
        return fails >= (int)o->failures;
    return calls >= (int)o->min_calls && fails * 100 >= (int)o->percent * calls;
}

static void against_model(struct weir_breaker_opts o, int events)
{
    static struct event e[4096];
    struct weir_breaker b = BREAKER(.failures = 1);
    weir_time now = T0;
    int n = 0;

    EQ(weir_breaker_init(&b, &o), 0);
    for (int i = 0; i < events; i++) {
        /* often exactly on an edge of a bucket, sometimes far away */
        weir_span width = o.period ? o.period / 16 : 10;
        now +=
            test_random() % 4 ? (weir_span)(test_random() % (uint64_t)width) : width - now % width;
        if (test_random() % 500 == 0)
            now += 40 * width;
        if (n == 4096) {
            memmove(e, e + 2048, 2048 * sizeof *e);
            n = 2048;
        }
        e[n++] = (struct event){now, (int)(test_random() % 3 == 0)};
        EQ(call(&b, e[n - 1].failed ? WEIR_BREAKER_FAILED : WEIR_BREAKER_OK, now, 0), 0);
        EQ(b.state == WEIR_BREAKER_OPEN, model_trips(&o, e, n));
        if (b.state == WEIR_BREAKER_OPEN) {
            EQ(weir_breaker_force(&b, WEIR_BREAKER_CLOSED, now), 0);
            n = 0;
        }
    }
}

TEST_WITH(E2_windows_agree_with_a_list, .timeout = 60)
{
    against_model((struct weir_breaker_opts){.failures = 4, .window = 7}, 300000);
    against_model((struct weir_breaker_opts){.failures = 1, .window = 1}, 10000);
    against_model((struct weir_breaker_opts){.failures = 45, .window = 100}, 100000);
    against_model((struct weir_breaker_opts){.failures = 400, .window = 1024}, 20000);
    against_model((struct weir_breaker_opts){.window = 65, .percent = 45, .min_calls = 30}, 100000);
    against_model((struct weir_breaker_opts){.period = 1600, .percent = 50, .min_calls = 10},
                  300000);
    against_model((struct weir_breaker_opts){.period = 1601, .failures = 20}, 300000);
    against_model((struct weir_breaker_opts){.period = 16, .percent = 100, .min_calls = 3}, 10000);
}

TEST(E3_exactly_k_probes_pass_and_one_failure_reopens)
{
    struct weir_breaker b = BREAKER(.failures = 1, .open = WEIR_S(1), .probes = 3);
    struct weir_breaker_token t[50];
    weir_time at = T0 + WEIR_S(1);
    int passed = 0;

    fail(&b, 1, T0);
    for (int i = 0; i < 50; i++)
        passed += weir_breaker_take(&b, at, &t[passed]) == 0;
    EQ(passed, 3);
    EQ(weir_breaker_done(&b, &t[0], WEIR_BREAKER_OK, at, &rng), 1);
    LT(0, weir_breaker_take(&b, at, &t[10])); /* its place is used, not free again */
    EQ(weir_breaker_done(&b, &t[1], WEIR_BREAKER_FAILED, at, &rng), 1);
    EQ(weir_breaker_state(&b, at), WEIR_BREAKER_OPEN);
    EQ(weir_breaker_done(&b, &t[2], WEIR_BREAKER_OK, at, &rng), 0);
    EQ(weir_breaker_state(&b, at), WEIR_BREAKER_OPEN);
    EQ(b.counts.stale, 1);
}

TEST(E6_an_ignored_probe_gives_its_place_back)
{
    struct weir_breaker b = BREAKER(.failures = 1, .open = WEIR_S(1), .probes = 1);
    struct weir_breaker_token t;
    weir_time at = T0 + WEIR_S(1);

    fail(&b, 1, T0);
    for (int i = 0; i < 5; i++) {
        EQ(weir_breaker_take(&b, at, &t), 0);
        EQ(weir_breaker_done(&b, &t, WEIR_BREAKER_IGNORED, at, &rng), 0);
        EQ(weir_breaker_state(&b, at), WEIR_BREAKER_HALF_OPEN);
    }
    EQ(call(&b, WEIR_BREAKER_OK, at, 0), 0);
    EQ(weir_breaker_state(&b, at), WEIR_BREAKER_CLOSED);
}

TEST(E7_a_probe_that_never_reports_is_replaced_when_its_lease_ends)
{
    struct weir_breaker b =
        BREAKER(.failures = 1, .open = WEIR_S(1), .probes = 1, .lease = WEIR_S(7));
    struct weir_breaker_token lost, next;
    weir_time at = T0 + WEIR_S(1);

    fail(&b, 1, T0);
    EQ(weir_breaker_take(&b, at, &lost), 0);
    EQ(weir_breaker_take(&b, at + WEIR_S(3), &next), WEIR_S(4));
    EQ(weir_breaker_take(&b, at + WEIR_S(7), &next), 0);
    EQ(weir_breaker_done(&b, &lost, WEIR_BREAKER_FAILED, at + WEIR_S(8), &rng), 0);
    EQ(weir_breaker_state(&b, at + WEIR_S(8)), WEIR_BREAKER_HALF_OPEN);
    EQ(weir_breaker_done(&b, &next, WEIR_BREAKER_OK, at + WEIR_S(8), &rng), 1);
    EQ(weir_breaker_state(&b, at + WEIR_S(8)), WEIR_BREAKER_CLOSED);
}

TEST(E7_a_probe_that_succeeded_is_not_replaced_when_its_lease_ends)
{
    struct weir_breaker b = BREAKER(.failures = 1, .open = WEIR_S(1), .probes = 2);
    struct weir_breaker_token t[3];
    weir_time at = T0 + WEIR_S(1);

    fail(&b, 1, T0);
    EQ(call(&b, WEIR_BREAKER_OK, at, 0), 0);
    EQ(weir_breaker_take(&b, at, &t[0]), 0);
    at += WEIR_S(1);
    EQ(weir_breaker_take(&b, at, &t[1]), 0); /* for the one that is lost */
    LT(0, weir_breaker_take(&b, at, &t[2]));
}

TEST(E4_a_late_result_of_an_older_state_changes_nothing)
{
    for (int failed = 0; failed < 2; failed++) {
        struct weir_breaker b = BREAKER(.failures = 1, .open = WEIR_S(1), .probes = 1);
        struct weir_breaker_token closed, probe, t;
        weir_time at = T0 + WEIR_S(1);
        weir_span left;

        EQ(weir_breaker_take(&b, T0, &closed), 0);
        fail(&b, 1, T0);
        left = weir_breaker_left(&b, T0);
        t = closed; /* while OPEN */
        OK(weir_breaker_stale(&b, &t));
        EQ(weir_breaker_done(&b, &t, (enum weir_breaker_outcome)failed, T0, &rng), 0);
        EQ(weir_breaker_left(&b, T0), left);
        EQ(weir_breaker_take(&b, at, &probe), 0);
        t = closed; /* while HALF_OPEN */
        EQ(weir_breaker_done(&b, &t, (enum weir_breaker_outcome)failed, at, &rng), 0);
        EQ(weir_breaker_state(&b, at), WEIR_BREAKER_HALF_OPEN);
        EQ(weir_breaker_done(&b, &probe, WEIR_BREAKER_OK, at, &rng), 1);
        t = closed; /* while CLOSED again */
        EQ(weir_breaker_done(&b, &t, (enum weir_breaker_outcome)failed, at, &rng), 0);
        EQ(weir_breaker_state(&b, at), WEIR_BREAKER_CLOSED);
    }
}

TEST(E14_a_token_reports_once)
{
    struct weir_breaker b = BREAKER(.failures = 2);
    struct weir_breaker_token t, none = {0, 0, 0, 0, 0};

    EQ(weir_breaker_take(&b, T0, &t), 0);
    EQ(weir_breaker_done(&b, &t, WEIR_BREAKER_FAILED, T0, &rng), 1);
    EQ(weir_breaker_done(&b, &t, WEIR_BREAKER_FAILED, T0, &rng), -EALREADY);
    EQ(weir_breaker_done(&b, &none, WEIR_BREAKER_FAILED, T0, &rng), -EALREADY);
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_CLOSED);
}

TEST(E8_a_slow_call_is_one_failure_also_when_it_failed)
{
    struct weir_breaker b = BREAKER(.failures = 3, .window = 10, .slow = WEIR_S(2));

    EQ(call(&b, WEIR_BREAKER_OK, T0, WEIR_S(2) - 1), 0);
    EQ(call(&b, WEIR_BREAKER_OK, T0 + WEIR_S(10), WEIR_S(2)), 0);
    EQ(call(&b, WEIR_BREAKER_FAILED, T0 + WEIR_S(20), WEIR_S(2)), 0);
    EQ(b.fails, 2);
    EQ(weir_breaker_state(&b, T0 + WEIR_S(22)), WEIR_BREAKER_CLOSED);
    EQ(call(&b, WEIR_BREAKER_OK, T0 + WEIR_S(30), WEIR_S(9)), 0);
    EQ(weir_breaker_state(&b, T0 + WEIR_S(39)), WEIR_BREAKER_OPEN);
}

TEST(E9_the_open_time_doubles_to_its_cap_and_starts_over_after_a_good_time)
{
    static const int factor[] = {1, 2, 4, 8, 10, 10};
    struct weir_breaker b = BREAKER(.failures = 1, .open = WEIR_S(10), .probes = 1, .jitter = 20);
    weir_time at = T0;

    for (int i = 0; i < 6; i++) {
        weir_span left;
        fail(&b, 1, at);
        left = weir_breaker_left(&b, at);
        LE(WEIR_S(8) * factor[i], left);
        LE(left, WEIR_S(10) * factor[i]);
        at += left;
    }
    EQ(call(&b, WEIR_BREAKER_OK, at, 0), 0);
    at += WEIR_S(1); /* closed for a moment only: it goes on growing */
    fail(&b, 1, at);
    LE(WEIR_S(80), weir_breaker_left(&b, at));
    at += weir_breaker_left(&b, at);
    EQ(call(&b, WEIR_BREAKER_OK, at, 0), 0);
    at += WEIR_S(100);
    fail(&b, 1, at);
    LE(weir_breaker_left(&b, at), WEIR_S(10));
}

TEST(E9_open_times_are_jittered_never_longer_than_configured_and_run_down)
{
    int distinct = 0;
    weir_span before = 0;

    for (int i = 0; i < 100; i++) {
        struct weir_breaker b = BREAKER(.failures = 1, .open = WEIR_S(10));
        weir_span left, last = WEIR_S(10);
        fail(&b, 1, T0);
        left = weir_breaker_left(&b, T0);
        distinct += left != before;
        before = left;
        for (int k = 0; k < 12; k++) { /* time wanders, also back */
            left = weir_breaker_left(&b, T0 + WEIR_S(k) - (k % 3 ? WEIR_S(2) : 0));
            OK(left >= 0 && left <= WEIR_S(10));
            if (k % 3 == 0)
                LE(left, last);
            last = k % 3 ? last : left;
        }
    }
    LE(95, distinct);
}

TEST(A1_time_that_steps_back_does_not_prolong_the_open_time)
{
    struct weir_breaker b = BREAKER(.failures = 1, .open = WEIR_S(10));

    fail(&b, 1, T0);
    LE(call(&b, WEIR_BREAKER_OK, 0, 0), WEIR_S(10));
    LE(weir_breaker_left(&b, 0), WEIR_S(10));
    EQ(weir_breaker_state(&b, INT64_MAX), WEIR_BREAKER_HALF_OPEN); /* not closed */
}

TEST(E10_forced_states_stay_until_told_otherwise)
{
    struct weir_breaker b = BREAKER(.failures = 1);

    EQ(weir_breaker_force(&b, WEIR_BREAKER_FORCED_OPEN, T0), 0);
    EQ(call(&b, WEIR_BREAKER_OK, T0 + WEIR_S(86400), 0), WEIR_EOPEN);
    EQ(weir_breaker_force(&b, WEIR_BREAKER_FORCED_CLOSED, T0), 0);
    fail(&b, 20, T0);
    EQ(weir_breaker_force(&b, WEIR_BREAKER_HALF_OPEN, T0), -EINVAL);
    EQ(weir_breaker_force(&b, WEIR_BREAKER_CLOSED, T0), 0);
    fail(&b, 1, T0);
    LT(0, call(&b, WEIR_BREAKER_OK, T0, 0));
}

TEST(E10_observing_never_refuses_and_counts_what_enforcing_would_refuse)
{
    struct weir_breaker_opts o = {.failures = 2, .open = WEIR_S(1), .probes = 1};
    struct weir_breaker real, shadow, off;

    EQ(weir_breaker_init(&real, &o), 0);
    o.mode = WEIR_BREAKER_OBSERVE;
    EQ(weir_breaker_init(&shadow, &o), 0);
    o.mode = WEIR_BREAKER_OFF;
    EQ(weir_breaker_init(&off, &o), 0);
    for (int i = 0; i < 5000; i++) {
        weir_time at = T0 + WEIR_MS(10) * i;
        enum weir_breaker_outcome how = (enum weir_breaker_outcome)(i / 700 % 2);
        struct weir_rng same = {{5, 6, 7, 8}};
        rng = same;
        call(&real, how, at, 0);
        rng = same;
        EQ(call(&shadow, how, at, 0), 0);
        EQ(call(&off, how, at, 0), 0);
    }
    LT(100, real.counts.refused);
    EQ(shadow.counts.would_refuse, real.counts.refused);
    EQ(shadow.counts.opened, real.counts.opened);
    EQ(off.counts.opened, 0);
}

TEST(P1_bad_options_are_refused)
{
    static const struct weir_breaker_opts bad[] = {
        {.window = 1025},
        {.probes = 17},
        {.percent = 101, .window = 10},
        {.percent = 50},
        {.jitter = 101},
        {.failures = 5, .percent = 50, .window = 10},
        {.window = 10, .period = 100},
        {.failures = 5, .window = 4},
        {.window = 4},
        {.period = 15},
        {.period = -1},
        {.slow = -1},
        {.open = -1},
        {.lease = -1},
        {.open = 2, .open_max = 1},
        {.mode = 3},
        {.reserved0 = 1},
        {.reserved = {1}},
        {.min_calls = 5},
        {.window = 5, .percent = 10, .min_calls = 6},
    };
    struct weir_breaker b;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EQ(weir_breaker_init(&b, &bad[i]), -EINVAL);
    fail(&b, 5, T0); /* it is the default one */
    EQ(weir_breaker_state(&b, T0), WEIR_BREAKER_OPEN);
    EQ(weir_breaker_init(&b, NULL), 0);
}

TEST(E12_an_hour_between_calls_counts_in_a_row_but_not_in_a_period)
{
    struct weir_breaker row = BREAKER(.failures = 3);
    struct weir_breaker period = BREAKER(.failures = 3, .period = WEIR_S(60));

    for (int i = 0; i < 3; i++) {
        fail(&row, 1, T0 + WEIR_S(3600) * i);
        fail(&period, 1, T0 + WEIR_S(3600) * i);
    }
    EQ(row.state, WEIR_BREAKER_OPEN);
    EQ(period.state, WEIR_BREAKER_CLOSED);
}
