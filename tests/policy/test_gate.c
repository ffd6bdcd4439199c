/*
 * test_gate.c -- rows of a bulkhead under CoDel, newest first in overload, and
 * the adaptive limit and the throttle as layers of a stack (M1, M2, G6).
 */
#include <errno.h>
#include <string.h>
#include <weir/codel.h>
#include <weir/pass.h>

#include "harness/test.h"
#include "policy/plan.h"

#define T0 WEIR_EPOCH

/* --- the law ------------------------------------------------------------------ */

TEST(M1_a_standing_queue_is_dropped_at_the_pace_of_the_law)
{
    struct weir_codel c;
    weir_time at[8], now;
    int n = 0;

    EQ(weir_codel_init(&c, &(struct weir_codel_opts){0}), 0);
    for (now = WEIR_EPOCH; n < 8; now += WEIR_US(100))
        if (weir_codel_drop(&c, WEIR_MS(6), now))
            at[n++] = now;
    EQ(at[0], WEIR_EPOCH + WEIR_MS(100)); /* an interval of standing */
    for (int i = 1; i < 8; i++) {         /* 100 ms / sqrt(i) */
        static const int64_t us[] = {100000, 70711, 57735, 50000, 44721, 40825, 37796};
        int64_t gap = (at[i] - at[i - 1]) / 1000;

        LE(us[i - 1] - 200, gap);
        LE(gap, us[i - 1] + 200);
    }
}

TEST(M1_a_good_queue_never_drops)
{
    struct weir_codel c;

    EQ(weir_codel_init(&c, &(struct weir_codel_opts){0}), 0);
    for (int i = 0; i < 100000; i++) { /* long waits, but once in every 90 ms a short one */
        weir_time now = WEIR_EPOCH + i * WEIR_MS(1);

        EQ(weir_codel_drop(&c, i % 90 ? WEIR_S(1) : WEIR_MS(4), now), 0);
        EQ(weir_codel_overloaded(&c), 0);
    }
}

TEST(codel_refuses_bad_options_and_takes_any_time)
{
    struct weir_codel c;

    EQ(weir_codel_init(&c, &(struct weir_codel_opts){.target = -1}), -EINVAL);
    EQ(weir_codel_init(&c, &(struct weir_codel_opts){.interval = -1}), -EINVAL);
    EQ(weir_codel_init(&c, &(struct weir_codel_opts){.target = 2, .interval = 1}), -EINVAL);
    EQ(weir_codel_init(&c, &(struct weir_codel_opts){.target = 1, .interval = 1}), 0);
    EQ(weir_codel_drop(&c, INT64_MAX, INT64_MIN), 0);
    EQ(weir_codel_drop(&c, INT64_MAX, INT64_MAX), 1);
    weir_codel_drop(&c, INT64_MIN, 0);
    weir_codel_empty(&c);
    EQ(weir_codel_init(&c, &(struct weir_codel_opts){.target = 1, .interval = INT64_MAX}), 0);
    EQ(weir_codel_drop(&c, 1, INT64_MIN), 0);
    EQ(weir_codel_drop(&c, 1, 0), 1);
    EQ(weir_codel_drop(&c, 1, 1), 0); /* the next interval is as long */
}

/* --- a server behind a bulkhead ----------------------------------------------------- */

enum { RUNS = 4000 };

static struct sim {
    struct weir__plan_run run[RUNS];
    weir_time born[RUNS], done[RUNS];
    int state[RUNS]; /* 0 waits, 1 runs, 2 done, 3 refused */
    int running[4];
    int n, woken;
    weir_span longest; /* wait of one that was served */
} sim;

static void woken(struct weir__plan_run *r)
{
    (void)r;
    sim.woken = 1;
}

static void ask(weir_policy *p, int i, weir_time now)
{
    int64_t wait = weir__plan_admit(p, &sim.run[i], now);

    if (wait == 0) {
        sim.state[i] = 1;
        sim.done[i] = now + WEIR_MS(10);
        if (now - sim.born[i] > sim.longest)
            sim.longest = now - sim.born[i];
    } else if (wait < 0) {
        EQ(wait, WEIR_EFULL);
        sim.state[i] = 3;
    }
}

static void look_again(weir_policy *p, weir_time now)
{
    while (sim.woken) {
        sim.woken = 0;
        for (int i = 0; i < sim.n; i++)
            if (sim.state[i] == 0)
                ask(p, i, now);
    }
}

/* One place, 10 ms a call, and a call every `gap`: served and refused. */
static void serve(weir_policy *p, int n, weir_span gap, int *served, int *refused)
{
    weir_time now = WEIR_EPOCH;
    int out, left = n;

    memset(&sim, 0, sizeof sim);
    *served = *refused = 0;
    for (weir_time end = WEIR_EPOCH + n * gap; left > 0; now += WEIR_MS(1)) {
        for (int i = 0; i < sim.n; i++)
            if (sim.state[i] == 1 && sim.done[i] <= now) {
                EQ(weir__plan_done(p, &sim.run[i], 0, now, &out), 0);
                sim.state[i] = 2;
                (*served)++;
                left--;
            }
        look_again(p, now);
        while (sim.n < n && WEIR_EPOCH + sim.n * gap <= now && now < end) {
            int i = sim.n++;

            sim.born[i] = now;
            weir__plan_begin(p, &sim.run[i], now, WEIR_NEVER);
            sim.run[i].wake = woken;
            ask(p, i, now);
            look_again(p, now);
        }
        for (int i = 0; i < sim.n; i++)
            if (sim.state[i] == 3) {
                sim.state[i] = 4;
                (*refused)++;
                left--;
            }
        LT(now, WEIR_EPOCH + WEIR_S(600));
    }
    weir_policy_free(&p);
}

TEST(M1_a_row_in_overload_is_kept_short_and_a_good_one_is_left_alone)
{
    int served, refused;

    serve(WEIR_POLICY(WEIR_BULKHEAD(.limit = 1, .target = WEIR_MS(20))), 500, WEIR_MS(11), &served,
          &refused);
    EQ(served, 500);
    serve(WEIR_POLICY(WEIR_BULKHEAD(.limit = 1)), 600, WEIR_MS(8), &served, &refused);
    EQ(refused, 0);
    LT(WEIR_MS(900), sim.longest); /* what it is without */
    serve(WEIR_POLICY(WEIR_BULKHEAD(.limit = 1, .target = WEIR_MS(20))), 600, WEIR_MS(8), &served,
          &refused);
    EQ(served + refused, 600);
    LE(50, refused);
    LE(sim.longest, WEIR_MS(500));
}

/* In overload the newest are served; once it is over, the oldest again. */
TEST(M2_newest_first_only_in_overload)
{
    static const weir_time t = WEIR_EPOCH;
    weir_policy *p = WEIR_POLICY(
        WEIR_BULKHEAD(.limit = 1, .target = WEIR_MS(5), .interval = WEIR_MS(50), .lifo = 1));
    struct weir__plan_run r[8];
    weir_time now = t;
    int out;

    for (int i = 0; i < 6; i++) {
        weir__plan_begin(p, &r[i], now, WEIR_NEVER);
        EQ(weir__plan_admit(p, &r[i], now) == 0, i == 0);
    }
    now = t + WEIR_MS(1); /* no overload yet: the oldest */
    EQ(weir__plan_done(p, &r[0], 0, now, &out), 0);
    EQ(weir__plan_admit(p, &r[1], now), 0);
    now = t + WEIR_MS(10);
    EQ(weir__plan_done(p, &r[1], 0, now, &out), 0);
    EQ(weir__plan_admit(p, &r[2], now), 0); /* above the target, not for an interval yet */
    now = t + WEIR_MS(70);
    EQ(weir__plan_done(p, &r[2], 0, now, &out), 0);
    EQ(weir__plan_admit(p, &r[3], now), WEIR_EFULL); /* the head is refused */
    EQ(weir__plan_admit(p, &r[5], now), 0);          /* the newest is served */
    EQ(weir__plan_admit(p, &r[4], now), WEIR__PLAN_PARK);
    weir__plan_abandon(p, &r[4], now);
    EQ(weir__plan_done(p, &r[5], 0, now, &out), 0);
    for (int i = 0; i < 3; i++) { /* it was empty: the oldest first again */
        weir__plan_begin(p, &r[i], now, WEIR_NEVER);
        EQ(weir__plan_admit(p, &r[i], now) == 0, i == 0);
    }
    EQ(weir__plan_done(p, &r[0], 0, now + 1, &out), 0);
    EQ(weir__plan_admit(p, &r[1], now + 1), 0);
    EQ(weir__plan_done(p, &r[1], 0, now + 2, &out), 0);
    EQ(weir__plan_admit(p, &r[2], now + 2), 0);
    EQ(weir__plan_done(p, &r[2], 0, now + 2, &out), 0);
    weir_policy_free(&p);
}

TEST(bad_options_of_a_row_are_refused)
{
    weir_policy *bad[] = {WEIR_POLICY(WEIR_BULKHEAD(.limit = 1, .lifo = 1)),
                          WEIR_POLICY(WEIR_BULKHEAD(.limit = 1, .lifo = 2, .target = 1)),
                          WEIR_POLICY(WEIR_BULKHEAD(.limit = 1, .interval = 1)),
                          WEIR_POLICY(WEIR_BULKHEAD(.limit = 1, .target = -1)),
                          WEIR_POLICY(WEIR_ADAPTIVE(.max_wait = -2)),
                          WEIR_POLICY(WEIR_SHED(.cls = 4))};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_policy_error(bad[i]), -EINVAL);
        weir_policy_free(&bad[i]);
    }
}

/* --- the adaptive limit and the throttle in a stack ------------------------------------------ */

TEST(an_adaptive_layer_queues_and_learns_from_what_ran)
{
    weir_policy *p = WEIR_POLICY(
        WEIR_ADAPTIVE(.initial = 2, .samples = 1, .window = 1, .law = WEIR_ADAPTIVE_AIMD));
    struct weir__plan_run r[4];
    weir_time now = WEIR_EPOCH;
    int out;

    for (int i = 0; i < 4; i++) {
        weir__plan_begin(p, &r[i], now, WEIR_NEVER);
        EQ(weir__plan_admit(p, &r[i], now), i < 2 ? 0 : WEIR__PLAN_PARK);
    }
    now += WEIR_MS(10);
    EQ(weir__plan_done(p, &r[0], 0, now, &out), 0); /* 3 from here on: two places */
    EQ(weir__plan_admit(p, &r[2], now), 0);
    EQ(weir__plan_admit(p, &r[3], now), 0);
    EQ(p->layer[0].u.adaptive.inflight, 3);
    now += WEIR_MS(10);
    EQ(weir__plan_done(p, &r[2], -ECONNRESET, now, &out), 0); /* a drop */
    EQ(weir_adaptive_limit(&p->layer[0].u.adaptive), 2);
    weir__plan_abandon(p, &r[3], now);
    EQ(weir__plan_done(p, &r[1], -ECANCELED, now, &out), 0);
    EQ(p->layer[0].u.adaptive.inflight, 0);
    weir_policy_free(&p);
}

/* One that was granted and leaves without having run hands on. */
/* --- weights -------------------------------------------------------------------- */

static void weighs(struct weir_pass *c, weir_policy *p, uint32_t weight)
{
    weir_pass_begin(c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_weigh(c, weight), 0);
}

static void ends(struct weir_pass *c)
{
    struct weir_retry_outcome ok = {.result = 0};
    int result;

    EQ(weir_pass_done(c, 1, &ok, T0, &result), 0);
}

TEST(G2_a_heavy_call_is_not_overtaken_and_holds_nobody_up_who_leaves)
{
    weir_policy *p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 4));
    struct weir_pass a, heavy, light, late;

    weighs(&a, p, 2);
    weighs(&heavy, p, 3);
    weighs(&light, p, 1);
    weighs(&late, p, 2);
    EQ(weir_pass_enter(&a, T0), 0);
    LT(0, weir_pass_enter(&heavy, T0));
    LT(0, weir_pass_enter(&light, T0)); /* there is room for it, and one before it */
    ends(&a);
    EQ(weir_pass_enter(&heavy, T0), 0);
    EQ(weir_pass_enter(&light, T0), 0);
    EQ(weir_bulkhead_used(&p->layer[0].u.bulkhead), 4);
    ends(&heavy);
    weighs(&heavy, p, 4);
    LT(0, weir_pass_enter(&heavy, T0));
    LT(0, weir_pass_enter(&late, T0));
    weir_pass_abandon(&heavy, T0);
    EQ(weir_pass_enter(&late, T0), 0); /* the heavy one has left */
    ends(&late);
    ends(&light);
    EQ(weir_bulkhead_used(&p->layer[0].u.bulkhead), 0);
    weir_policy_free(&p);
}

TEST(G5_a_call_too_heavy_for_the_limit_is_refused_at_once_also_when_that_shrinks)
{
    weir_policy *p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 4));
    struct weir_policy_layer small = WEIR_BULKHEAD(.limit = 2);
    struct weir_pass a, heavy, light;

    weighs(&heavy, p, 5);
    EQ(weir_pass_weigh(&heavy, 0), -EINVAL);
    EQ(weir_pass_enter(&heavy, T0), WEIR_EFULL);
    weighs(&heavy, p, UINT32_MAX);
    EQ(weir_pass_enter(&heavy, T0), WEIR_EFULL);
    weighs(&a, p, 2);
    weighs(&heavy, p, 3);
    weighs(&light, p, 1);
    EQ(weir_pass_enter(&a, T0), 0);
    LT(0, weir_pass_enter(&heavy, T0));
    LT(0, weir_pass_enter(&light, T0));
    EQ(weir_policy_reconfigure(p, 0, &small, T0), 0);
    EQ(weir_pass_enter(&heavy, T0), WEIR_EFULL);
    LT(0, weir_pass_enter(&light, T0));
    ends(&a);
    EQ(weir_pass_enter(&light, T0), 0);
    ends(&light);
    EQ(weir_bulkhead_used(&p->layer[0].u.bulkhead), 0);
    weir_policy_free(&p);
}

/* Random weights, limits, ends and cancels: what is used is what runs, nobody starves. */
TEST(G3_permits_of_any_weight_all_come_home)
{
    enum { N = 12 };

    for (int round = 0; round < 100; round++) {
        weir_policy *p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 6));
        struct weir_pass c[N];
        uint32_t weight[N], used = 0;
        int state[N] = {0}; /* 0: none, 1: waits, 2: runs */

        for (int step = 0; step < 600; step++) {
            int i = (int)(test_random() % N);
            int64_t wait = 0;

            if (test_random() % 40 == 0) {
                struct weir_policy_layer to =
                    WEIR_BULKHEAD(.limit = 1 + (uint32_t)(test_random() % 8));
                EQ(weir_policy_reconfigure(p, 0, &to, T0), 0);
            }
            if (state[i] && test_random() % 6 == 0) {
                weir_pass_abandon(&c[i], T0);
                used -= state[i] == 2 ? weight[i] : 0;
                state[i] = 0;
            } else if (state[i] == 2) {
                ends(&c[i]);
                used -= weight[i];
                state[i] = 0;
            } else {
                if (state[i] == 0)
                    weighs(&c[i], p, weight[i] = 1 + (uint32_t)(test_random() % 5));
                wait = weir_pass_enter(&c[i], T0);
                state[i] = wait < 0 ? 0 : wait == 0 ? 2 : 1;
                used += wait == 0 ? weight[i] : 0;
            }
            LE(used, weir_bulkhead_used(&p->layer[0].u.bulkhead)); /* and what is granted */
        }
        for (int i = 0; i < N; i++)
            if (state[i] == 2)
                ends(&c[i]);
        for (int i = 0; i < N; i++) /* who waits is served, one after the other, or refused */
            while (state[i] == 1) {
                int any = 0;
                for (int k = 0; k < N; k++) {
                    int64_t wait = state[k] == 1 ? weir_pass_enter(&c[k], T0) : 1;
                    if (wait == 0)
                        ends(&c[k]);
                    if (wait <= 0)
                        state[k] = 0;
                    any |= wait <= 0;
                }
                OK(any);
            }
        EQ(weir_bulkhead_used(&p->layer[0].u.bulkhead), 0);
        weir_policy_free(&p);
    }
}

TEST(G1_a_grant_that_nobody_takes_goes_to_the_next)
{
    for (int adaptive = 0; adaptive < 2; adaptive++) {
        weir_policy *p = adaptive ? WEIR_POLICY(WEIR_ADAPTIVE(.initial = 1, .max = 1))
                                  : WEIR_POLICY(WEIR_BULKHEAD(.limit = 1));
        struct weir__plan_run r[3];
        int out;

        for (int i = 0; i < 3; i++) {
            weir__plan_begin(p, &r[i], WEIR_EPOCH, WEIR_NEVER);
            EQ(weir__plan_admit(p, &r[i], WEIR_EPOCH) == 0, i == 0);
        }
        EQ(weir__plan_done(p, &r[0], 0, WEIR_EPOCH, &out), 0);
        weir__plan_abandon(p, &r[1], WEIR_EPOCH);
        EQ(weir__plan_admit(p, &r[2], WEIR_EPOCH), 0);
        EQ(weir__plan_done(p, &r[2], 0, WEIR_EPOCH, &out), 0);
        weir_policy_free(&p);
    }
}

TEST(a_throttle_in_a_stack_refuses_when_nothing_is_accepted)
{
    weir_policy *p = WEIR_POLICY(WEIR_SHED());
    struct weir__plan_run r;
    int out, sent = 0;

    for (int i = 0; i < 2000; i++) {
        weir_time now = WEIR_EPOCH + i * WEIR_MS(1);
        int64_t wait;

        weir__plan_begin(p, &r, now, WEIR_NEVER);
        wait = weir__plan_admit(p, &r, now);
        if (wait == 0) {
            EQ(weir__plan_done(p, &r, -ECONNREFUSED, now, &out), 0);
            sent++;
        } else {
            EQ(wait, WEIR_ESHED);
        }
    }
    LE(50, sent);
    LE(sent, 250);
    weir_policy_free(&p);
}
