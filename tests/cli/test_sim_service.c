/*
 * test_sim_service.c -- the service world against arithmetic and queueing theory, and what
 * policies do to it in an outage.
 */
#include "harness/test.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_service.h"

/* 500 calls a second for 40 s, an outage from 10 s to 20 s, a server for 1,000 a second. */
static struct sim_service_opts world_of(enum sim_fault fault)
{
    return (struct sim_service_opts){.rate_count = 500,
                                     .rate_per = WEIR_S(1),
                                     .duration = WEIR_S(40),
                                     .instances = 5,
                                     .servers = 10,
                                     .queue = 1000,
                                     .hop = WEIR_MS(1),
                                     .service = WEIR_MS(10),
                                     .fault = fault,
                                     .share = 1000000,
                                     .factor = 3,
                                     .fault_at = WEIR_S(10),
                                     .fault_for = WEIR_S(10),
                                     .seed = 7};
}

static struct sim_service_sum run(const struct sim_service_opts *o, const char *stack)
{
    static struct sim_service_sum s; /* it is large */
    struct sim_expr e;
    struct sim_error error;

    if (sim_expr_parse(stack, &e, &error) < 0)
        FAIL("%s: %s", stack, error.text);
    EQ(sim_service_run(o, &e, &s), 0);
    return s;
}

static void within(double value, double target, double share)
{
    LT(target * (1 - share), value);
    LT(value, target * (1 + share));
}

/* --- the world without faults -------------------------------------------------------------- */

TEST(calls_arrive_at_their_rate_and_all_succeed)
{
    struct sim_service_opts o = world_of(SIM_DOWN);
    struct sim_service_sum s;

    o.share = 0;
    o.seed = test_seed();
    s = run(&o, "timeout(each=5s)");
    within((double)s.calls, 20000, 5 / sqrt(20000));
    EQ(s.good, s.calls);
    EQ(s.sent, s.calls);
    EQ(s.served, s.sent);
    EQ(s.vain + s.local + s.endless, 0);
    EQ(s.recovery, 0);
    EQ(s.waves, 0);
}

/* M/M/1: a call stays 1/(mu - lambda) on average, exponentially: half of them ln 2 times that. */
TEST(a_single_server_is_as_slow_as_theory_says)
{
    struct sim_service_opts o = world_of(SIM_DOWN);
    struct sim_service_sum s;

    o.share = 0;
    o.servers = 1;
    o.rate_count = 60; /* mu is 100 */
    o.duration = WEIR_S(2000);
    o.queue = 100000;
    s = run(&o, "timeout(each=1m)");
    within(s.p50, 2 + log(2) * 1000 / 40, 0.05);
    within(s.p99, 2 + log(100) * 1000 / 40, 0.1);
}

TEST(the_same_seed_is_the_same_world_and_every_stack_gets_the_same_calls)
{
    struct sim_service_opts o = world_of(SIM_ERROR);
    static struct sim_service_sum a, b, c, d;

    a = run(&o, "retry(3,full) > timeout(each=1s)");
    b = run(&o, "retry(3,full) > timeout(each=1s)");
    c = run(&o, "timeout(each=1s)");
    o.seed++;
    d = run(&o, "retry(3,full) > timeout(each=1s)");
    MEMEQ(&a, &b, sizeof a);
    EQ(a.calls, c.calls);
    for (int i = 0; i < SIM_BUCKETS; i++)
        EQ(a.bucket[i].calls, c.bucket[i].calls);
    NE(a.calls, d.calls);
}

/* --- faults -------------------------------------------------------------------------------- */

TEST(without_retries_an_outage_fails_its_calls_and_no_others)
{
    static const enum sim_fault faults[] = {SIM_DOWN, SIM_ERROR, SIM_HANG};

    for (int i = 0; i < 3; i++) {
        struct sim_service_opts o = world_of(faults[i]);
        struct sim_service_sum s = run(&o, "timeout(each=200ms)");

        EQ(s.sent, s.calls);
        LE(s.fault_good, 3); /* began just before its end, arrived after it */
        LE(s.calls - s.good, s.fault_calls + 3);
        EQ(s.after_good, s.after_calls);
        LE(s.recovery, WEIR_MS(200));
        EQ(s.endless, 0);
    }
}

TEST(a_share_of_a_fault_is_that_share)
{
    struct sim_service_opts o = world_of(SIM_ERROR);
    struct sim_service_sum s;

    o.share = 300000;
    s = run(&o, "timeout(each=200ms)");
    within((double)s.fault_good, 0.7 * (double)s.fault_calls, 0.05);
}

TEST(retries_at_once_multiply_the_load_of_an_outage)
{
    struct sim_service_opts o = world_of(SIM_DOWN);
    struct sim_service_sum s = run(&o, "retry(3,none) > timeout(each=1s)");

    within((double)s.fault_sent, 3 * (double)s.fault_calls, 0.01);
    LE(s.sent, 3 * s.calls);
    within(s.peak, 1500, 0.35);
}

TEST(a_budget_bounds_what_retries_add)
{
    struct sim_service_opts o = world_of(SIM_DOWN);
    struct sim_service_sum s = run(&o, "retry(5,full,100ms..5s,budget=20%) > timeout(each=1s)");

    /* a fifth of the calls, ten a second of each instance, and what was saved up before */
    LT((double)s.fault_sent, 1.2 * (double)s.fault_calls + 5 * 10 * 20 + 1.2 * 0.2 * 5000);
    LT((double)s.fault_calls, (double)s.fault_sent);
}

TEST(enough_retries_with_backoff_live_through_a_short_outage)
{
    struct sim_service_opts o = world_of(SIM_DOWN);
    struct sim_service_sum s;

    o.fault_for = WEIR_S(2);
    s = run(&o, "retry(12,equal,200ms..5s) > timeout(each=1s)");
    EQ(s.good, s.calls);
    LT(s.calls, s.sent);
}

TEST(a_breaker_spares_the_server_and_fails_at_once)
{
    struct sim_service_opts o = world_of(SIM_HANG);
    struct sim_service_sum s = run(&o, "breaker(5,1s) > timeout(each=500ms)");

    LT(s.fault_sent, s.fault_calls / 3);
    LT(s.fault_calls / 2, s.local);
    LE(s.recovery, WEIR_S(11));
    LT(0, s.recovery);
}

TEST(a_call_that_hangs_without_a_timeout_has_no_end)
{
    struct sim_service_opts o = world_of(SIM_HANG);
    struct sim_service_sum s;

    o.rate_count = 50;
    s = run(&o, "retry(3)");
    LT(0, s.endless);
    EQ(s.endless, s.calls - s.good);
}

/* Slow by 3, the server can do 333 of 500 a second: who retries what timed out makes it worse. */
TEST(retries_of_an_overloaded_server_are_served_in_vain)
{
    struct sim_service_opts o = world_of(SIM_SLOW);
    struct sim_service_sum once, again;

    once = run(&o, "timeout(each=300ms)");
    again = run(&o, "retry(4,none) > timeout(each=300ms)");
    LT(0, once.vain);
    LT(2 * once.vain, again.vain);
    LT(again.good, once.good);
}

TEST(a_limit_sheds_the_surge_and_keeps_the_rest_fast)
{
    struct sim_service_opts o = world_of(SIM_SURGE);
    struct sim_service_sum open, limited;

    open = run(&o, "timeout(each=2s)");
    limited = run(&o, "bulkhead(2, nowait) > timeout(each=2s)");
    EQ(open.calls, limited.calls);
    LT(0, limited.local);
    LT(limited.p99, 100);
    LT(500, open.p99);
}

/* GCRA of each instance: in all never more than the rates together and their bursts. */
TEST(a_rate_holds_in_every_bucket)
{
    struct sim_service_opts o = world_of(SIM_SURGE);
    struct sim_service_sum s = run(&o, "rate(50/s:5, nowait) > timeout(each=1s)");

    for (int i = 0; i < SIM_BUCKETS; i++)
        LE(s.bucket[i].sent, 5 * (5 + 50.0 * 40 / SIM_BUCKETS + 1));
    within((double)s.fault_sent, 2500, 0.05);
}

/* A queue of the stack lets waiting calls through as permits come home: nobody is forgotten. */
TEST(those_who_wait_for_a_permit_are_woken)
{
    struct sim_service_opts o = world_of(SIM_SURGE);
    struct sim_service_sum s = run(&o, "bulkhead(3) > timeout(each=1m)");

    EQ(s.endless, 0);
    EQ(s.good, s.calls);
}

/* --- hedges -------------------------------------------------------------------------------- */

/* Of attempts that hang, p: a call fails if its hedge hangs too. */
TEST(a_hedge_answers_for_a_try_that_hangs)
{
    struct sim_service_opts o = world_of(SIM_HANG);
    static struct sim_service_sum once, twice, thrice;

    o.share = 100000;
    once = run(&o, "timeout(each=1s)");
    twice = run(&o, "hedge(200ms, budget=100%) > timeout(each=1s)");
    thrice = run(&o, "hedge(200ms, hedges=2, budget=100%) > timeout(each=1s)");
    EQ(once.calls, twice.calls);
    within((double)(once.fault_calls - once.fault_good), 0.1 * (double)once.fault_calls, 0.2);
    within((double)(twice.fault_calls - twice.fault_good), 0.01 * (double)once.fault_calls, 0.6);
    LT(thrice.fault_calls - thrice.fault_good, (twice.fault_calls - twice.fault_good) / 2);
    within((double)twice.fault_sent, 1.1 * (double)twice.fault_calls, 0.03);
    EQ(twice.after_good, twice.after_calls);
    EQ(twice.endless, 0);
}

/*
 * What hangs is as slow as can be: of a tenth that do, no more than a fifth is hedged, once
 * the percentile has heard of it.  Of what answers alone it would be 35 of a hundred.
 */
TEST(a_try_that_was_overtaken_counts_as_slow)
{
    struct sim_service_opts o = world_of(SIM_HANG);
    static struct sim_service_sum s;

    o.share = 100000;
    o.servers = 100; /* nobody waits for another */
    s = run(&o, "hedge(80%, budget=100%) > timeout(each=1s)");
    LT(1.1 * (double)s.fault_calls, (double)s.fault_sent);
    LT((double)s.fault_sent, 1.3 * (double)s.fault_calls);
    LT((double)(s.sent - s.fault_sent), 1.23 * (double)(s.calls - s.fault_calls));
}

/* J5 in this world: all is slow, and what hedges add stays a share of the calls. */
TEST(when_all_is_slow_hedges_stay_within_their_budget)
{
    struct sim_service_opts o = world_of(SIM_SLOW);
    static struct sim_service_sum s, free_;

    s = run(&o, "hedge(90%, budget=5%) > timeout(each=2s)");
    free_ = run(&o, "hedge(90%, budget=100%) > timeout(each=2s)");
    LT((double)s.calls, (double)s.sent);
    /* what was saved up is of ten seconds at most */
    LE((double)s.sent, 1.05 * (double)s.calls + 5);
    LE((double)s.fault_sent, 1.05 * (double)s.fault_calls + 0.05 * 5000 + 5);
    LT(1.1 * (double)s.sent, (double)free_.sent);
    LT(s.vain, free_.vain);
}

/* What hangs is cut by the attempt's own deadline, then the retry outside tries again. */
TEST(a_hedge_stands_between_a_retry_and_the_attempts)
{
    struct sim_service_opts o = world_of(SIM_DOWN);
    static struct sim_service_sum s;

    s = run(&o, "retry(3, none) > hedge(100ms, budget=100%) > timeout(each=1s)");
    within((double)s.fault_sent, 3 * (double)s.fault_calls,
           0.01); /* who fails fast is not hedged */
    o = world_of(SIM_HANG);
    s = run(&o, "retry(3, none) > timeout(each=300ms) > hedge(100ms, budget=100%)");
    within((double)s.fault_sent, 6 * (double)s.fault_calls, 0.05); /* two of each attempt */
    EQ(s.endless, 0);
    s = run(&o, "hedge(100ms, budget=100%) > retry(3, none) > timeout(each=300ms)");
    within((double)s.fault_sent, 6 * (double)s.fault_calls, 0.05);
    EQ(s.endless, 0);
}

/* --- limits that find themselves, throttles, rows that are kept short ------------------------ */

/* Two clients, 100 ms and more of queue: each law keeps it short, and nearly all is served. */
TEST(an_adaptive_limit_keeps_a_surge_from_the_server)
{
    static const char *const laws[] = {"adaptive(aimd, slow=60ms, nowait)",
                                       "adaptive(gradient, nowait)", "adaptive(vegas, nowait)"};
    struct sim_service_opts o = world_of(SIM_SURGE);
    static struct sim_service_sum open, s;

    o.instances = 1;
    open = run(&o, "timeout(each=2s)");
    LT(500, open.p99);
    for (int i = 0; i < 3; i++) {
        char stack[100];
        snprintf(stack, sizeof stack, "%s > timeout(each=2s)", laws[i]);
        s = run(&o, stack);
        LT(s.p99, 150);
        LT(0, s.local);
        LT(0.5 * (double)open.fault_good, (double)s.fault_good);
        LT(0.9 * (double)s.after_calls, (double)s.after_good);
    }
}

/* The SRE law: of a server that takes nothing, 1 / K of what it took before, and 5 % to see. */
TEST(a_throttle_spares_a_server_that_takes_nothing)
{
    struct sim_service_opts o = world_of(SIM_ERROR);
    static struct sim_service_sum s;

    o.fault_for = WEIR_S(20);
    o.duration = WEIR_S(80);
    s = run(&o, "shed(2, window=5s) > timeout(each=1s)");
    LT(s.fault_sent, s.fault_calls / 3);
    LT(s.fault_calls / 2, s.local);
    LE(s.recovery, WEIR_S(20)); /* what is accepted doubles, about, in each window */
}

/* A row that stands is cut at its head, or served from its end: what is served, is fast. */
TEST(a_row_that_is_refused_from_its_head_is_a_short_one)
{
    struct sim_service_opts o = world_of(SIM_SURGE);
    static struct sim_service_sum stands, lifo;

    stands = run(&o, "bulkhead(3) > timeout(each=2s)");
    lifo = run(&o, "bulkhead(3, target=20ms, lifo) > timeout(each=2s)");
    LT(1000, stands.p99);
    LT(lifo.p99, 500);
    LT(0, lifo.local);
    EQ(lifo.endless, 0);
}

/* --- what the lint WEIR_LINT_HERD warns of ---------------------------------------------------- */

/*
 * Calls that wait out an open breaker, with nothing to end that, come back
 * together and open it again; a total timeout lets the old ones go.
 */
TEST_WITH(a_retry_that_waits_out_a_breaker_needs_a_total_timeout, .timeout = 60)
{
    struct sim_service_opts o = world_of(SIM_HANG);
    static struct sim_service_sum with, without;

    o.rate_count = 2000; /* the world of `weir sim breaker` */
    o.instances = 20;
    o.servers = 30;
    o.duration = WEIR_S(120);
    o.fault_at = o.fault_for = WEIR_S(30);
    o.seed = 1;
    without = run(&o, "retry(3) > breaker(5, 5s) > timeout(each=1s)");
    with = run(&o, "timeout(5s) > retry(3) > breaker(5, 5s) > timeout(each=1s)");
    LT(with.recovery, WEIR_S(15));
    LT(WEIR_S(30), without.recovery);
    LT(1.1 * with.peak_after, without.peak_after);
    LT(5 * with.p99, without.p99);
}

/* Calls every 2 ms for 40 s: they fail from 10 s to 20 s, are slow until `slow_until`. */
static struct sim_service_sum summed(weir_span slow_until, weir_span fail_again)
{
    struct sim_service_opts o = world_of(SIM_DOWN);
    static struct sim_service_sum s;
    struct sim_record *r = calloc(20000, sizeof *r);

    memset(&s, 0, sizeof s);
    for (int i = 0; i < 20000; i++) {
        weir_span at = WEIR_MS(2) * (19999 - i);
        int bad = (at >= o.fault_at && at < o.fault_at + o.fault_for) || at >= fail_again;
        r[i] = (struct sim_record){
            at, at < slow_until && at >= WEIR_S(20) ? WEIR_MS(50) : WEIR_MS(10), !bad, 0};
    }
    EQ(sim_service_sum(&o, r, 20000, &s), 0);
    free(r);
    return s;
}

TEST(recovery_is_when_all_is_as_before_for_good)
{
    struct sim_service_sum s = summed(0, WEIR_S(99));

    EQ(s.recovery, 0);
    EQ(s.fault_good, 0);
    EQ(s.after_good, s.after_calls);
    EQ(s.p50, 10);
    s = summed(WEIR_S(25), WEIR_S(99));
    LE(WEIR_MS(4500), s.recovery);
    LE(s.recovery, WEIR_MS(5500));
    EQ(s.longest, 50);
    s = summed(0, WEIR_S(39));
    EQ(s.recovery, WEIR_NEVER);
}

/* No stack, however made, loses a call, and the sums agree. */
TEST(every_call_is_accounted_for_under_random_stacks_and_faults)
{
    static const char *const layer[] = {"retry(3,full,10ms..1s)",
                                        "retry(2,none)",
                                        "breaker(3,500ms)",
                                        "rate(40/s:5,nowait)",
                                        "rate(80/s)",
                                        "bulkhead(4)",
                                        "bulkhead(2,nowait)",
                                        "timeout(2s)",
                                        "retry(4,equal,50ms..1s,budget=10%)",
                                        "observe(breaker(2))",
                                        "adaptive(vegas, nowait)",
                                        "adaptive(gradient, max_wait=1s)",
                                        "shed(2, window=3s)",
                                        "bulkhead(3, target=5ms, lifo)"};

    for (int round = 0; round < 20; round++) {
        struct sim_service_opts o = world_of((enum sim_fault)(test_random() % 5));
        struct sim_service_sum s;
        char stack[400] = "timeout(each=300ms)";

        for (int i = (int)(test_random() % 3); i >= 0; i--) {
            char rest[300];
            snprintf(rest, sizeof rest, "%.299s", stack);
            snprintf(stack, sizeof stack, "%s > %s", layer[test_random() % 14], rest);
            if (i == 1 && test_random() % 2) {
                snprintf(rest, sizeof rest, "%.280s", stack);
                snprintf(stack, sizeof stack, "hedge(50ms, budget=50%%) > %s", rest);
            }
        }
        o.duration = WEIR_S(12);
        o.fault_at = WEIR_S(3);
        o.fault_for = WEIR_S(4);
        o.share = (uint32_t)(test_random() % 1000001);
        o.queue = (uint32_t)(test_random() % 50);
        o.seed = test_random();
        test_note("%s", stack);
        s = run(&o, stack);
        EQ(s.endless, 0);
        LE(s.good + s.local, s.calls);
        LE(s.served, s.sent);
        LE(s.vain, s.served);
        LE(s.good, s.served);
        LE(s.fault_good, s.fault_calls);
        LE(s.after_good, s.after_calls);
    }
}
