/*
 * test_sim_backoff.c -- the world of "Exponential Backoff And Jitter" against what it is known to
 * give, and the laws that run in it.
 */
#include "harness/test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "sim_aws.h"

enum { NONE, EXPONENTIAL, EQUAL, FULL, DECORRELATED, POST_LAWS };

static const struct sim_aws_opts post = {.hop = 10, .hop_sd = 2};

static struct sim_rule rule_of(const char *name, weir_span base, weir_span cap)
{
    struct sim_rule r;
    size_t which[SIM_LAWS_MAX];
    const char *guess;
    char bad[32];

    EQ(sim_law_list(name, which, bad, &guess), 1);
    EQ(sim_rule_init(&r, which[0], base, cap), 0);
    return r;
}

static struct sim_aws_cell cell_of(const char *law, const struct sim_aws_opts *o, uint32_t clients,
                                   uint64_t seed, uint32_t trials)
{
    struct sim_aws *w = sim_aws_new(clients);
    struct sim_rule r = rule_of(law, WEIR_MS(5), WEIR_MS(2000));
    struct sim_aws_opts with = *o;
    struct sim_aws_cell c;

    with.clients = clients;
    OK(w);
    EQ(sim_aws_cell(w, &r, &with, seed, trials, &c), 0);
    sim_aws_free(&w);
    return c;
}

static void within(double value, double target, double share)
{
    LT(target * (1 - share), value);
    LT(value, target * (1 + share));
}

/* --- the acceptance test ------------------------------------------------------------------- */

/* Means of 1,000 trials of a model written from the same text by others: time in ms, calls. */
static const struct {
    uint32_t clients;
    double time[POST_LAWS], calls[POST_LAWS];
} known[] = {
    {10, {379, 3448, 731, 472, 434}, {50.8, 50.8, 42.5, 39.1, 37.7}},
    {50, {1139, 36470, 4253, 2897, 2168}, {689.4, 624.1, 347.3, 332.6, 374.8}},
    {100, {2028, 63540, 6651, 4929, 4595}, {2422.5, 1855.6, 812.0, 795.8, 1001.7}},
    {150, {2876, 85659, 8283, 6393, 6528}, {5141.6, 3543.4, 1324.2, 1317.7, 1758.4}},
    {190, {3539, 101092, 9410, 7438, 7904}, {8003.7, 5161.1, 1759.9, 1772.2, 2435.3}},
};

static const char *const post_laws[] = {"none", "exponential", "equal", "full", "decorrelated"};

static void row_is_as_known(size_t row)
{
    uint32_t n = known[row].clients;

    for (int law = 0; law < POST_LAWS; law++) {
        struct sim_aws_cell c = cell_of(post_laws[law], &post, n, test_seed(), 100);
        double calls = law == EXPONENTIAL || n == 10 ? 0.04 : 0.02;
        double time = law >= EQUAL ? 0.08 : law == EXPONENTIAL && n == 10 ? 0.15 : 0.05;

        /* 100 trials: four standard errors may be more than the share */
        calls = fmax(calls, 4 * c.calls.sd / 10 / known[row].calls[law]);
        time = fmax(time, 4 * c.time.sd / 10 / known[row].time[law]);
        test_note("%u clients, %s: %.1f calls, %.0f ms", n, post_laws[law], c.calls.mean,
                  c.time.mean);
        within(c.calls.mean, known[row].calls[law], calls);
        within(c.time.mean, known[row].time[law], time);
        EQ(c.endless, 0);
    }
}

TEST(ten_clients_give_the_known_numbers)
{
    row_is_as_known(0);
}

TEST(fifty_clients_give_the_known_numbers)
{
    row_is_as_known(1);
}

TEST(a_hundred_clients_give_the_known_numbers)
{
    row_is_as_known(2);
}

TEST(a_hundred_and_fifty_clients_give_the_known_numbers)
{
    row_is_as_known(3);
}

TEST(a_hundred_and_ninety_clients_give_the_known_numbers)
{
    row_is_as_known(4);
}

/* What the post says in prose, and what it does not. */
TEST(the_orderings_of_the_post_hold)
{
    struct sim_aws_cell at100[POST_LAWS], at190[POST_LAWS];

    for (int law = 0; law < POST_LAWS; law++) {
        at100[law] = cell_of(post_laws[law], &post, 100, test_seed(), 100);
        at190[law] = cell_of(post_laws[law], &post, 190, test_seed(), 100);
    }
    LT(at100[FULL].calls.mean, at100[EXPONENTIAL].calls.mean / 2);
    LT(at100[FULL].time.mean, at100[EXPONENTIAL].time.mean / 10);
    LT(at100[FULL].calls.mean, at100[EQUAL].calls.mean);
    LT(at100[EQUAL].calls.mean, at100[DECORRELATED].calls.mean);
    LT(at100[DECORRELATED].calls.mean, at100[EXPONENTIAL].calls.mean);
    LT(at100[EXPONENTIAL].calls.mean, at100[NONE].calls.mean);
    LT(at100[NONE].time.mean, at100[DECORRELATED].time.mean);
    LT(at100[DECORRELATED].time.mean, at100[FULL].time.mean);
    LT(at100[FULL].time.mean, at100[EQUAL].time.mean);
    /* with more clients decorrelated loses its advantage in time */
    LT(at190[FULL].time.mean, at190[DECORRELATED].time.mean);
    /* the median client is long done when the last one is */
    within(at100[FULL].median.mean, 1190, 0.08);
    within(at100[NONE].median.mean, 960, 0.08);
}

TEST(without_chance_the_numbers_are_exact)
{
    static const struct {
        uint32_t n;
        const char *law;
        double calls, time;
    } row[] = {{2, "none", 3, 80},
               {10, "none", 55, 400},
               {100, "none", 5050, 4000},
               {2, "exponential", 3, 90},
               {10, "exponential", 55, 4950},
               {100, "exponential", 5050, 188550}};
    static const struct sim_aws_opts still = {.hop = 10};

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct sim_aws_cell c = cell_of(row[i].law, &still, row[i].n, 1, 1);
        EQ(c.calls.mean, row[i].calls);
        EQ(c.time.mean, row[i].time);
    }
}

TEST(calls_less_those_that_lost_are_the_clients)
{
    struct sim_aws *w = sim_aws_new(64);
    const char *name;

    for (size_t law = 0; (name = sim_law_name(law)); law++) {
        struct sim_aws_opts o = post;
        struct sim_aws_run run;
        struct sim_rule r;

        EQ(sim_rule_init(&r, law, WEIR_MS(5), WEIR_MS(2000)), 0);
        o.clients = 64;
        EQ(sim_aws_run(w, &r, &o, test_seed(), 0, &run), 0);
        EQ(run.calls - run.lost, 64);
        EQ(run.requests, 2 * run.calls);
        EQ(run.endless, 0);
        LE(run.median, run.time);
    }
    sim_aws_free(&w);
}

TEST(one_seed_is_one_run_whatever_else_is_run)
{
    struct sim_aws_cell a = cell_of("full", &post, 50, 7, 10), b, c;

    cell_of("none", &post, 50, 8, 3);
    b = cell_of("full", &post, 50, 7, 10);
    c = cell_of("full", &post, 50, 8, 10);
    MEMEQ(&a, &b, sizeof a);
    NE(a.time.mean, c.time.mean);
}

/* --- a server that takes time -------------------------------------------------------------- */

/* One client, no chance: two hops and a service for each of a read and a write. */
TEST(a_request_takes_its_service_time)
{
    struct sim_aws_opts o = {.hop = 10, .service = 3, .servers = 1};
    struct sim_aws_cell c = cell_of("full", &o, 1, 1, 1);

    EQ(c.time.mean, 46);
    EQ(c.calls.mean, 1);
    EQ(c.requests, 2);
}

TEST(on_a_busy_server_who_never_waits_no_longer_wins)
{
    struct sim_aws_opts o = {.hop = 10, .hop_sd = 2, .service = 2, .servers = 1};
    struct sim_aws_cell none = cell_of("none", &o, 100, 1, 20);
    struct sim_aws_cell full = cell_of("full", &o, 100, 1, 20);

    LT(full.time.mean, none.time.mean);
    LT(full.calls.mean, none.calls.mean);
}

TEST(a_full_queue_refuses_and_the_refused_come_back)
{
    struct sim_aws_opts o = {.hop = 10, .hop_sd = 2, .service = 2, .servers = 2, .queue = 5};
    struct sim_aws_cell c = cell_of("full", &o, 100, 1, 5);

    LT(0, c.refused);
    EQ(c.endless, 0);
}

TEST(a_client_that_gave_up_waiting_asks_again)
{
    struct sim_aws_opts o = {.hop = 10, .hop_sd = 2, .service = 2, .servers = 1, .timeout = 60};
    struct sim_aws_cell c = cell_of("full", &o, 100, 1, 5);

    LT(0, c.late);
    EQ(c.endless, 0);
}

/* No answer can come before the timeout: the run says so instead of running for ever. */
TEST(a_run_that_cannot_end_is_given_up)
{
    struct sim_aws_opts o = {.hop = 10, .timeout = 15, .most_calls = 1000};
    struct sim_aws_cell c = cell_of("full", &o, 3, 1, 1);

    EQ(c.endless, 1);
}

/* --- laws ---------------------------------------------------------------------------------- */

TEST(laws_are_found_by_name_and_by_group)
{
    size_t which[SIM_LAWS_MAX];
    const char *guess;
    char bad[32];

    EQ(sim_law_list("aws", which, bad, &guess), 5);
    EQ(sim_law_list("weir", which, bad, &guess), 9);
    EQ(sim_law_list("libs", which, bad, &guess), 11);
    EQ(sim_law_list("all", which, bad, &guess), 20);
    EQ(sim_law_list("full,aws,full", which, bad, &guess), 5);
    STREQ(sim_law_name(which[0]), "full");
    EQ(sim_law_list("full,ful", which, bad, &guess), -EINVAL);
    STREQ(bad, "ful");
    STREQ(guess, "full");
    EQ(sim_law_list("", which, bad, &guess), -EINVAL);
    EQ(sim_law_list("full,", which, bad, &guess), -EINVAL);
    EQ(sim_law_list("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", which, bad, &guess),
       -EINVAL);
    OK(!sim_law_name(20));
    OK(!sim_law_what(20));
}

TEST(a_rule_needs_a_base_and_a_cap_that_is_no_shorter)
{
    struct sim_rule r;

    EQ(sim_rule_init(&r, 0, 0, WEIR_S(1)), -EINVAL);
    EQ(sim_rule_init(&r, 0, WEIR_S(2), WEIR_S(1)), -EINVAL);
    EQ(sim_rule_init(&r, 99, WEIR_S(1), WEIR_S(1)), -EINVAL);
    EQ(sim_rule_init(&r, 0, WEIR_S(1), WEIR_MIN(1441)), -EINVAL);
}

/* Waits long after the cap was reached: how many different ones, and the longest. */
static void at_the_cap(const char *law, int *out_kinds, double *out_most)
{
    struct sim_rule r = rule_of(law, WEIR_MS(5), WEIR_MS(100));
    struct weir_rng rng;
    double seen[200];

    *out_kinds = 0;
    *out_most = 0;
    weir_rng_init(&rng, 1, 0);
    for (int client = 0; client < 200; client++) {
        struct sim_law_state s = {.n = 0};
        double d = 0;
        int known = 0;

        for (int n = 0; n < 40; n++) {
            d = sim_rule_next(&r, &s, &rng);
            LE(0, d);
            *out_most = fmax(*out_most, d);
        }
        for (int i = 0; i < *out_kinds; i++)
            known |= seen[i] == d;
        if (!known)
            seen[(*out_kinds)++] = d;
    }
}

/* The complaint of section 2.6: who clamps after the jitter has none left at the cap. */
TEST(at_a_low_cap_some_laws_lose_their_jitter_and_weirs_do_not)
{
    static const struct {
        const char *law;
        int jitter, above; /* at the cap; above the cap */
    } row[] = {{"full", 1, 0},    {"equal", 1, 0},       {"decorrelated", 1, 0},
               {"percent", 1, 0}, {"exponential", 0, 0}, {"curl", 0, 0},
               {"grpc", 1, 1},    {"failsafe", 1, 1},    {"cenkalti", 1, 1},
               {"envoy", 1, 0},   {"tower", 0, 0},       {"resilience4j", 0, 0},
               {"polly", 0, 0},   {"finagle", 0, 0},     {"finagle-equal", 0, 0}};
    double most;
    int kinds;

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        at_the_cap(row[i].law, &kinds, &most);
        if ((kinds > 20) != row[i].jitter || (most > 100.0001) != row[i].above)
            FAIL("%s: %d kinds of waits, the longest %g", row[i].law, kinds, most);
    }
}

TEST(every_law_draws_something_sane_for_ever)
{
    struct weir_rng rng;

    weir_rng_init(&rng, test_seed(), 0);
    for (size_t law = 0; sim_law_name(law); law++) {
        struct sim_law_state s = {.n = 0};
        struct sim_rule r;

        EQ(sim_rule_init(&r, law, WEIR_MS(5), WEIR_MS(2000)), 0);
        for (int n = 0; n < 3000; n++) {
            double d = sim_rule_next(&r, &s, &rng);
            OK(isfinite(d));
            LE(0, d);
            LE(d, 3000);
        }
    }
}
