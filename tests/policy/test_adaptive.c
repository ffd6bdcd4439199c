/*
 * test_adaptive.c -- H1 to H7 of the adaptive limit, against servers whose
 * best limit is known: so many workers, so long a call, and a queue.
 */
#include <errno.h>
#include <weir/adaptive.h>
#include <weir/rand.h>

#include "harness/test.h"

enum { CALLS = 4096, CLIENTS = 2 };

/*
 * A server of `workers`: a call that comes when n are there takes
 * span * max(1, n / workers), with noise of up to 10 %; above `most` it is dropped.
 */
static struct server {
    int workers, most, there;
    weir_span span;
    int slow_percent, slow_times;
} server;

static struct call {
    weir_time ends;
    struct weir_adaptive_token t;
    int client, dropped;
} calls[CALLS];

static int n_calls;

static weir_time now;
static double mean_of[CLIENTS]; /* of the limit, over the second half */
static uint32_t highest, lowest;

static weir_span service(void)
{
    double load = (double)server.there / server.workers;
    double span = (double)server.span * (load > 1 ? load : 1);

    if ((int)(test_random() % 100) < server.slow_percent)
        span *= server.slow_times;
    return (weir_span)(span * (0.95 + (double)(test_random() % 1000) / 10000));
}

static int start(struct weir_adaptive *a, int client)
{
    struct weir_adaptive_token t;

    if (weir_adaptive_take(a, now, &t) < 0)
        return 0;
    LT(n_calls, CALLS);
    server.there++;
    calls[n_calls] = (struct call){now + service(), t, client, 0};
    if (server.most && server.there > server.most) {
        calls[n_calls].dropped = 1;
        calls[n_calls].ends = now + WEIR_MS(1);
    }
    n_calls++;
    return 1;
}

/* Takes out the call that ends first. */
static struct call first(void)
{
    int at = 0;
    struct call c;

    for (int i = 1; i < n_calls; i++)
        if (calls[i].ends < calls[at].ends)
            at = i;
    c = calls[at];
    calls[at] = calls[--n_calls];
    return c;
}

/* Clients that always have more to do than they may, or at most `want` at once. */
static void drive(struct weir_adaptive *a, int n, weir_span span, uint32_t want)
{
    weir_time end = now + span, half = now + span / 2;
    uint64_t seen = 0;
    double sum[CLIENTS] = {0};

    highest = 0;
    lowest = UINT32_MAX;
    while (now < end) {
        struct call c;

        for (int i = 0, more = 1; more;)
            for (more = 0, i = 0; i < n; i++)
                more |= weir_adaptive_inflight(&a[i]) < want && start(&a[i], i);
        c = first();
        now = c.ends;
        server.there--;
        EQ(weir_adaptive_done(&a[c.client], &c.t,
                              c.dropped ? WEIR_ADAPTIVE_DROPPED : WEIR_ADAPTIVE_OK, now),
           0);
        for (int i = 0; i < n && now >= half; i++) {
            uint32_t l = weir_adaptive_limit(&a[i]);

            sum[i] += l;
            highest = l > highest ? l : highest;
            lowest = l < lowest ? l : lowest;
        }
        seen += now >= half;
    }
    for (int i = 0; i < n; i++)
        mean_of[i] = seen ? sum[i] / (double)seen : 0;
}

static struct weir_adaptive limit_of(enum weir_adaptive_law law, uint32_t max)
{
    struct weir_adaptive a;

    EQ(weir_adaptive_init(&a, &(struct weir_adaptive_opts){.law = law, .max = max}), 0);
    return a;
}

static void world(int workers, weir_span span, int most)
{
    n_calls = 0;
    server = (struct server){.workers = workers, .span = span, .most = most};
    now = WEIR_EPOCH;
}

static const enum weir_adaptive_law delay_laws[] = {WEIR_ADAPTIVE_GRADIENT, WEIR_ADAPTIVE_VEGAS};

static void near(double seen, double best)
{
    if (seen < best * 0.8 || seen > best * 1.2)
        FAIL("%.1f is not within 20 %% of %.1f", seen, best);
}

TEST_WITH(H1_steps_of_capacity_are_followed_within_20_percent_in_30_s, .timeout = 60)
{
    static const int steps[] = {100, 300, 60, 150};

    for (int k = 0; k < 2; k++) {
        struct weir_adaptive a = limit_of(delay_laws[k], 1000);

        world(100, WEIR_MS(20), 0);
        for (int i = 0; i < 4; i++) {
            server.workers = steps[i];
            drive(&a, 1, WEIR_S(30), 1000);
            near(mean_of[0], steps[i]);
        }
    }
}

TEST(H1_aimd_stays_below_what_the_server_drops)
{
    struct weir_adaptive a = limit_of(WEIR_ADAPTIVE_AIMD, 1000);

    world(1000, WEIR_MS(20), 100);
    drive(&a, 1, WEIR_S(40), 1000);
    near(mean_of[0], 97); /* between 90 % of 101 and 101 */
    server.most = 50;
    drive(&a, 1, WEIR_S(40), 1000);
    near(mean_of[0], 48);
}

TEST(H2_a_limit_that_is_not_used_does_not_grow)
{
    for (int k = 0; k < 3; k++) {
        struct weir_adaptive a = limit_of((enum weir_adaptive_law)k, 1000);

        world(1000, WEIR_MS(20), 0);
        drive(&a, 1, WEIR_S(60), 9);
        LE(weir_adaptive_limit(&a), 20);
    }
}

TEST_WITH(H3_a_million_samples_of_overload_do_not_move_it_up, .timeout = 60)
{
    for (int k = 0; k < 2; k++) {
        struct weir_adaptive a = limit_of(delay_laws[k], 4000);

        world(20, WEIR_MS(2), 0);
        drive(&a, 1, WEIR_S(20), 4000);
        near(mean_of[0], 22);
        drive(&a, 1, WEIR_S(100), 4000); /* 10,000 calls a second */
        near(mean_of[0], 22);
        LE(highest, 40);
    }
}

TEST(H4_drops_go_to_the_minimum_and_back)
{
    for (int k = 0; k < 3; k++) {
        struct weir_adaptive a;

        EQ(weir_adaptive_init(
               &a,
               &(struct weir_adaptive_opts){.law = (enum weir_adaptive_law)k, .min = 4, .max = 60}),
           0);
        world(1000, WEIR_MS(20), 1);
        server.there = 10; /* others */
        drive(&a, 1, WEIR_S(30), 1000);
        EQ(lowest, 4);
        EQ(highest, 4);
        server.most = 0;
        server.there -= 10;
        drive(&a, 1, WEIR_S(60), 1000);
        LE(highest, 60);
        LE(40, highest);
    }
}

TEST(H4_one_drop_costs_a_tenth)
{
    struct weir_adaptive a = limit_of(WEIR_ADAPTIVE_AIMD, 1000);
    struct weir_adaptive_token t[20];

    for (int i = 0; i < 20; i++)
        EQ(weir_adaptive_take(&a, WEIR_EPOCH, &t[i]), 0);
    EQ(weir_adaptive_take(&a, WEIR_EPOCH, &t[0]), WEIR_EFULL);
    EQ(weir_adaptive_done(&a, &t[0], WEIR_ADAPTIVE_OK, WEIR_EPOCH), -EINVAL); /* it was none */
    for (int i = 1; i < 20; i++)
        EQ(weir_adaptive_done(&a, &t[i], i == 7 ? WEIR_ADAPTIVE_DROPPED : WEIR_ADAPTIVE_OK,
                              WEIR_EPOCH + WEIR_MS(100) * (i > 10)),
           0);
    EQ(weir_adaptive_limit(&a), 18);
}

TEST(H5_what_is_ignored_has_no_effect)
{
    struct weir_adaptive a = limit_of(WEIR_ADAPTIVE_GRADIENT, 1000), b = a;
    struct weir_adaptive_token t;

    for (int i = 0; i < 1000; i++) {
        EQ(weir_adaptive_take(&a, WEIR_EPOCH + i, &t), 0);
        EQ(weir_adaptive_done(&a, &t, WEIR_ADAPTIVE_IGNORED, WEIR_EPOCH + WEIR_S(1000)), 0);
        EQ(weir_adaptive_done(&a, &t, WEIR_ADAPTIVE_DROPPED, WEIR_EPOCH + WEIR_S(1000)), -EINVAL);
    }
    EQ(weir_adaptive_limit(&a), weir_adaptive_limit(&b));
    EQ(weir_adaptive_inflight(&a), 0);
    EQ(weir_adaptive_base(&a), 0);
    for (int i = 0; i < 1000; i++) { /* no time at all, all the time there is, backwards */
        weir_time start = i % 3 ? WEIR_EPOCH + i * WEIR_MS(20) : INT64_MIN / 2;

        EQ(weir_adaptive_take(&b, start, &t), 0);
        EQ(weir_adaptive_done(&b, &t, WEIR_ADAPTIVE_OK, i % 3 == 1 ? start : INT64_MAX), 0);
    }
    LE(1, weir_adaptive_limit(&b));
    LE(weir_adaptive_limit(&b), 1000);
}

TEST_WITH(H6_two_speeds_and_a_slower_server_settle, .timeout = 60)
{
    for (int k = 0; k < 2; k++) {
        struct weir_adaptive a = limit_of(delay_laws[k], 1000);

        world(100, WEIR_MS(10), 0);
        server.slow_percent = 10;
        server.slow_times = 10;
        drive(&a, 1, WEIR_S(60), 1000);
        LE(50, mean_of[0]); /* noise costs, it does not make it collapse */
        LE(mean_of[0], 200);
        server.slow_percent = 0;
        drive(&a, 1, WEIR_S(30), 1000);
        near(mean_of[0], 100);
        server.span = WEIR_MS(30);
        drive(&a, 1, WEIR_S(60), 1000);
        near(mean_of[0], 100);
    }
}

/*
 * To learn what a call takes without a queue, a quarter of one window's work is given
 * up, not all.
 */
TEST_WITH(a_dip_never_drains_live_traffic, .timeout = 60)
{
    for (int k = 0; k < 2; k++) {
        struct weir_adaptive a = limit_of(delay_laws[k], 1000);

        world(100, WEIR_MS(20), 0);
        drive(&a, 1, WEIR_S(30), 1000);
        drive(&a, 1, WEIR_S(60), 1000);
        near(mean_of[0], 100);
        LT(lowest, 90); /* it does dip */
        LE(60, lowest);
    }
}

TEST_WITH(H7_two_limits_on_one_server_share_it, .timeout = 60)
{
    for (int k = 0; k < 3; k++) {
        struct weir_adaptive a[2] = {limit_of((enum weir_adaptive_law)k, 1000)};

        world(100, WEIR_MS(20), k == WEIR_ADAPTIVE_AIMD ? 100 : 0);
        drive(a, 1, WEIR_S(30), 1000);
        a[1] = limit_of((enum weir_adaptive_law)k, 1000);
        drive(a, 2, WEIR_S(120), 1000);
        if (mean_of[0] > 2 * mean_of[1] || mean_of[1] > 2 * mean_of[0])
            FAIL("law %d: %.1f and %.1f", k, mean_of[0], mean_of[1]);
    }
}

TEST(bad_options_are_refused)
{
    static const struct weir_adaptive_opts bad[] = {{.law = (enum weir_adaptive_law)3},
                                                    {.min = 1001},
                                                    {.min = 5, .max = 4},
                                                    {.max = (1 << 20) + 1},
                                                    {.window = -1},
                                                    {.slow = -1},
                                                    {.backoff = 49},
                                                    {.backoff = 100},
                                                    {.tolerance = 99},
                                                    {.tolerance = 501},
                                                    {.reserved = 1}};
    struct weir_adaptive a;
    struct weir_adaptive_token t;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_adaptive_init(&a, &bad[i]), -EINVAL);
        EQ(weir_adaptive_take(&a, WEIR_EPOCH, &t), -EINVAL);
        EQ(weir_adaptive_set(&a, &(struct weir_adaptive_opts){0}), -EINVAL);
    }
    a = limit_of(WEIR_ADAPTIVE_VEGAS, 500);
    EQ(weir_adaptive_set(&a, &bad[0]), -EINVAL);
    EQ(weir_adaptive_limit(&a), 20);
    EQ(weir_adaptive_done(&a, NULL, WEIR_ADAPTIVE_OK, WEIR_EPOCH), -EINVAL);
    EQ(weir_adaptive_set(&a, &(struct weir_adaptive_opts){.max = 7}), 0);
    EQ(weir_adaptive_limit(&a), 7);
    EQ(weir_adaptive_init(&a, &(struct weir_adaptive_opts){.samples = 1, .window = 1}), 0);
    EQ(weir_adaptive_take(&a, INT64_MIN, &t), 0);
    EQ(weir_adaptive_done(&a, &t, WEIR_ADAPTIVE_OK, INT64_MAX), 0);
    EQ(weir_adaptive_base(&a), INT64_MAX);
}
