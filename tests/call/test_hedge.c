/*
 * test_hedge.c -- J1 to J7: the percentile, who wins, what is paid, what is
 * never sent; on virtual time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "core/world.h"

static struct weir_hedge h;

static void hedge(struct weir_hedge_opts o)
{
    EQ(weir_hedge_init(&h, &o), 0);
}

/* --- the percentile ------------------------------------------------------------- */

static int span_order(const void *a, const void *b)
{
    weir_span x = *(const weir_span *)a, y = *(const weir_span *)b;

    return (x > y) - (x < y);
}

TEST(J1_the_percentile_is_within_two_percent_and_needs_its_samples)
{
    enum { N = 20000 };
    static weir_span all[N];

    for (uint32_t percent = 50; percent < 100; percent += 7) {
        weir_span exact, seen;

        hedge((struct weir_hedge_opts){.percent = percent, .least = 1});
        for (int i = 0; i < N; i++) {
            all[i] =
                2000 + (weir_span)(test_random() % 1000000) * (weir_span)(test_random() % 90000);
            if (i == 99)
                EQ(weir_hedge_delay(&h, WEIR_EPOCH), WEIR_NEVER);
            weir_hedge_record(&h, all[i], WEIR_EPOCH);
            if (i == 99)
                LT(weir_hedge_delay(&h, WEIR_EPOCH), WEIR_NEVER);
        }
        qsort(all, N, sizeof *all, span_order);
        exact = all[N * percent / 100 - 1];
        seen = weir_hedge_delay(&h, WEIR_EPOCH);
        LE(exact * 98 / 100, seen);
        LE(seen, exact * 102 / 100);
    }
}

TEST(J1_what_is_old_is_forgotten)
{
    hedge((struct weir_hedge_opts){.samples = 10, .period = WEIR_S(10)});
    for (int i = 0; i < 100; i++)
        weir_hedge_record(&h, WEIR_S(1), WEIR_EPOCH);
    for (int i = 0; i < 100; i++)
        weir_hedge_record(&h, WEIR_MS(10), WEIR_EPOCH + WEIR_S(11));
    LT(WEIR_MS(900), weir_hedge_delay(&h, WEIR_EPOCH + WEIR_S(11)));
    weir_hedge_record(&h, WEIR_MS(10), WEIR_EPOCH + WEIR_S(21));
    LT(weir_hedge_delay(&h, WEIR_EPOCH + WEIR_S(21)), WEIR_MS(11));
    EQ(weir_hedge_delay(&h, WEIR_EPOCH + WEIR_S(60)), WEIR_NEVER);
    weir_hedge_record(&h, INT64_MAX, INT64_MAX);
    weir_hedge_record(&h, -5, INT64_MIN);
}

/* --- calls ---------------------------------------------------------------------------- */

static struct plan {
    weir_span takes[10];
    int fails[10];
    int begun, ended, live, dropped;
} plan;

static void thing_drop(void *p)
{
    plan.dropped += *(int *)p != 0;
    plan.live -= *(int *)p != 0;
    *(int *)p = 0;
}

static struct weir_type thing_type(void)
{
    struct weir_type t = WEIR_TYPE(int);

    t.drop = thing_drop;
    return t;
}

static int attempt(void *ctx, void *out)
{
    int i = plan.begun++, r;

    (void)ctx;
    r = weir_sleep(weir_after(plan.takes[i]));
    plan.ended++;
    if (r == 0)
        r = plan.fails[i];
    if (r < 0)
        return r;
    *(int *)out = i + 1;
    plan.live++;
    return 1;
}

/* As attempt, but deaf: it ends well although it was cancelled. */
static int deaf(void *ctx, void *out)
{
    int i = plan.begun++;

    (void)ctx;
    (void)weir_sleep(weir_after(plan.takes[i]));
    plan.ended++;
    *(int *)out = i + 1;
    plan.live++;
    return 1;
}

/* A budget that always pays. */
static struct weir_budget rich;

static int call(weir_hedge_fn *fn, weir_span delay, uint32_t hedges, int idempotent,
                weir_time deadline, int *out)
{
    int r;

    EQ(weir_budget_init(&rich, &(struct weir_budget_opts){.min_per_sec = 1000}), 0);
    hedge((struct weir_hedge_opts){.delay = delay, .hedges = hedges, .budget = &rich});
    r = weir_hedged(&h, fn, NULL, thing_type(), out, idempotent, deadline);
    EQ(plan.begun, plan.ended);
    EQ(plan.live, *out != 0);
    EQ(r > 0, *out != 0);
    plan.live = 0;
    return r;
}

static int winners(void *arg)
{
    int out;
    weir_time began = weir_now();

    (void)arg;
    plan = (struct plan){.takes = {WEIR_S(1), WEIR_MS(10)}};
    EQ(call(attempt, WEIR_MS(50), 0, 1, 0, &out), 1);
    EQ(out, 2);
    EQ(weir_now() - began, WEIR_MS(60));
    EQ(h.won, 1);

    plan = (struct plan){.takes = {WEIR_MS(20), WEIR_MS(10)}};
    EQ(call(attempt, WEIR_MS(50), 0, 1, 0, &out), 1);
    EQ(plan.begun, 1); /* fast enough */
    EQ(out, 1);

    plan = (struct plan){.takes = {WEIR_S(1), WEIR_S(1), WEIR_S(1), WEIR_MS(1), 0}};
    EQ(call(attempt, WEIR_MS(50), 3, 1, 0, &out), 1);
    EQ(out, 4);
    EQ(plan.begun, 4);
    return 0;
}

TEST(the_first_success_wins_and_the_others_are_cancelled)
{
    EQ(world_run(winners, NULL), 0);
}

/* Both end in the same instant, or the loser ends well in spite of its cancel: one is dropped. */
static int ties(void *arg)
{
    int out;

    (void)arg;
    plan = (struct plan){.takes = {WEIR_MS(60), WEIR_MS(10)}};
    EQ(call(attempt, WEIR_MS(50), 0, 1, 0, &out), 1);
    EQ(plan.dropped, plan.begun - 1);
    plan = (struct plan){.takes = {WEIR_S(5), WEIR_MS(10)}};
    EQ(call(deaf, WEIR_MS(50), 0, 1, 0, &out), 1);
    EQ(out, 2);
    EQ(plan.dropped, 1);
    return 0;
}

TEST(J2_a_loser_is_dropped_once)
{
    world_seeds(ties);
}

static int failures(void *arg)
{
    weir_time began = weir_now();
    int out;

    (void)arg;
    plan = (struct plan){.takes = {WEIR_MS(5), WEIR_MS(5)}, .fails = {-EIO}};
    EQ(call(attempt, WEIR_MS(50), 0, 1, 0, &out), -EIO); /* trying again is the retry's */
    EQ(weir_now() - began, WEIR_MS(5));
    EQ(plan.begun, 1);
    plan = (struct plan){.takes = {WEIR_MS(60), WEIR_MS(90)}, .fails = {-EIO}};
    EQ(call(attempt, WEIR_MS(50), 0, 1, 0, &out), 1); /* the other goes on */
    EQ(out, 2);
    plan = (struct plan){.takes = {WEIR_MS(60), WEIR_MS(5)}, .fails = {-EIO, -EPIPE}};
    EQ(call(attempt, WEIR_MS(50), 0, 1, 0, &out), -EIO);
    EQ(plan.begun, 2);
    return 0;
}

TEST(J3_all_fail_is_the_first_one_s_failure)
{
    EQ(world_run(failures, NULL), 0);
}

static int never(void *arg)
{
    int out;

    (void)arg;
    plan = (struct plan){.takes = {WEIR_S(1), 0}};
    EQ(call(attempt, WEIR_MS(50), 0, 0, 0, &out), 1);
    EQ(plan.begun, 1); /* J6 */
    plan = (struct plan){.takes = {WEIR_S(1), 0}};
    EQ(call(attempt, WEIR_MS(50), 0, 1, weir_after(WEIR_MS(50)), &out), -ETIMEDOUT);
    EQ(plan.begun, 1); /* J7 */
    plan = (struct plan){.takes = {WEIR_S(1), WEIR_S(1)}};
    EQ(call(attempt, WEIR_MS(50), 0, 1, weir_after(WEIR_MS(80)), &out), -ETIMEDOUT);
    EQ(plan.begun, 2);
    plan = (struct plan){.takes = {WEIR_MS(10), 0}};
    EQ(call(attempt, 1, 0, 1, 0, &out), 1);
    EQ(plan.begun, 2); /* J4: never sooner than `least`, a millisecond */
    plan = (struct plan){.takes = {WEIR_S(9), 0}};
    EQ(call(attempt, WEIR_NEVER, 0, 1, 0, &out), 1);
    EQ(plan.begun, 1);
    return 0;
}

TEST(J6_J7_what_is_never_hedged)
{
    EQ(world_run(never, NULL), 0);
}

static int slow_everything(void *ctx, void *out)
{
    (void)ctx;
    *(int *)out = 1;
    return weir_sleep(weir_after(WEIR_MS(h.calls <= 200 ? 1 : 100)));
}

/* J5: when all calls are slow the budget, 5 %, bounds what is added. */
static int storm(void *arg)
{
    struct weir_hedge_stats s;
    int out;

    (void)arg;
    hedge((struct weir_hedge_opts){.percent = 90});
    for (int i = 0; i < 1000; i++)
        EQ(weir_hedged(&h, slow_everything, NULL, WEIR_TYPE(int), &out, 1, 0), 0);
    weir_hedge_stats(&h, &s);
    EQ(s.calls, 1000);
    LE(1, s.sent);
    LE(s.sent, 1000 * 5 / 100 + 1);
    return 0;
}

TEST(J5_hedges_are_a_share_of_the_calls)
{
    EQ(world_run(storm, NULL), 0);
}

/* A tenth of all tries takes a second, the others 1 to 9 ms. */
static int now_and_then_slow(void *ctx, void *out)
{
    weir_span takes = test_random() % 10 ? WEIR_MS(1) + test_random() % WEIR_MS(8) : WEIR_S(1);

    (void)ctx, (void)out;
    return weir_sleep(weir_after(takes));
}

/* What is overtaken is as slow as it was: else the percentile would be of the fast alone. */
static int percentile_of_all(void *arg)
{
    struct weir_hedge_stats s;
    int out;

    (void)arg;
    EQ(weir_budget_init(&rich, &(struct weir_budget_opts){.min_per_sec = 1000000}), 0);
    hedge((struct weir_hedge_opts){.percent = 80, .budget = &rich});
    for (int i = 0; i < 4000; i++)
        EQ(weir_hedged(&h, now_and_then_slow, NULL, WEIR_TYPE(int), &out, 1, 0), 0);
    weir_hedge_stats(&h, &s);
    LE(4000 * 17 / 100, s.sent);
    LE(s.sent, 4000 * 23 / 100); /* of the fast alone it would be 28 */
    return 0;
}

TEST(J5_what_is_overtaken_counts_as_slow)
{
    EQ(world_run(percentile_of_all, NULL), 0);
}

/* D4: a hedge spends what retries save up, and is refused alone: what runs goes on. */
static int one_account(void *arg)
{
    struct weir_budget_opts o = {
        .ratio_milli = WEIR_BUDGET_NONE, .min_per_sec = 1, .ttl = WEIR_S(3)};
    struct weir_budget_token paid;
    struct weir_budget b;
    int out;

    (void)arg;
    EQ(weir_budget_init(&b, &o), 0);
    hedge((struct weir_hedge_opts){.delay = WEIR_MS(50), .hedges = 3, .budget = &b});
    EQ(weir_budget_take(&b, weir_now(), &paid), 0); /* a retry, of three */
    plan = (struct plan){.takes = {WEIR_MS(900), WEIR_MS(900), WEIR_MS(900), WEIR_MS(1)}};
    EQ(weir_hedged(&h, attempt, NULL, thing_type(), &out, 1, 0), 1);
    EQ(out, 1); /* two hedges, not three: the first of all answers in the end */
    EQ(plan.begun, 3);
    EQ(h.sent, 2);
    EQ(weir_budget_left(&b, weir_now()), 0);
    plan.live = 0;
    return 0;
}

TEST(D4_hedges_and_retries_draw_from_one_account)
{
    EQ(world_run(one_account, NULL), 0);
}

/* Observing sends none, spends nothing, and counts; off is as if it were not there. */
static int modes(void *arg)
{
    struct weir_hedge_stats s;
    int out;

    (void)arg;
    EQ(weir_budget_init(&rich, NULL), 0);
    for (uint32_t mode = WEIR_OBSERVE; mode <= WEIR_OFF; mode++) {
        hedge((struct weir_hedge_opts){.delay = WEIR_MS(5), .mode = mode, .budget = &rich});
        plan = (struct plan){.takes = {WEIR_MS(20), 0}};
        EQ(weir_hedged(&h, attempt, NULL, thing_type(), &out, 1, 0), 1);
        plan.live = 0;
        EQ(plan.begun, 1);
        weir_hedge_stats(&h, &s);
        EQ(s.calls, 1);
        EQ(s.sent, 0);
        EQ(s.would_send, mode == WEIR_OBSERVE);
        EQ(weir_budget_left(&rich, weir_now()), 100);
    }
    return 0;
}

/* --- in a call ---------------------------------------------------------------------- */

static struct weir_budget shared;
static weir_policy *outer_policy, *inner_policy;
static int asked, told;

static int inner_work(void *arg)
{
    (void)arg;
    return weir_sleep(weir_after(WEIR_MS(asked++ ? 1 : 100)));
}

static int inner_call(void *ctx, void *out)
{
    (void)ctx;
    told += (int)weir_try_info().attempt; /* that of the outer call */
    *(int *)out = 1;
    return weir_call(inner_policy, inner_work, NULL);
}

static int outer_work(void *arg)
{
    int out;

    (void)arg;
    return weir_hedged(&h, inner_call, NULL, WEIR_TYPE(int), &out, 1, 0);
}

/* D5: the budget hears of one first try, though a hedge made two calls of it. */
static int one_call(void *arg)
{
    struct weir_budget_opts o = {.ratio_milli = 1000, .min_per_sec = WEIR_BUDGET_NONE};

    (void)arg;
    asked = told = 0;
    EQ(weir_budget_init(&shared, &o), 0);
    EQ(weir_budget_init(&rich, NULL), 0);
    hedge((struct weir_hedge_opts){.delay = WEIR_MS(10), .budget = &rich});
    outer_policy = WEIR_POLICY(WEIR_RETRY(.budget = &shared));
    inner_policy = WEIR_POLICY(WEIR_RETRY(.budget = &shared));
    EQ(weir_call(outer_policy, outer_work, NULL), 0);
    EQ(asked, 2);
    EQ(told, 2);
    EQ(weir_budget_left(&shared, weir_now()), 1);
    EQ(weir_try_info().attempt, 0);
    weir_policy_free(&outer_policy);
    weir_policy_free(&inner_policy);
    return 0;
}

TEST(D5_calls_in_the_tries_of_a_hedge_are_part_of_one_call)
{
    EQ(world_run(one_call, NULL), 0);
}

static int hinting(void *ctx, void *out)
{
    int i = asked++;

    (void)ctx;
    EQ(weir_sleep(weir_after(WEIR_MS(i ? 30 : 20))), 0);
    EQ(weir_try_hint(i ? WEIR_CLASS_SERVER : WEIR_CLASS_CLIENT, 0),
       0); /* the later one is not it */
    *(int *)out = 1;
    return -EIO;
}

static int hinted(void *arg)
{
    int out;

    (void)arg;
    return weir_hedged(&h, hinting, NULL, WEIR_TYPE(int), &out, 1, 0);
}

/* The hint that counts is that of the try whose result is the result. */
static int one_hint(void *arg)
{
    struct weir_call_report report;

    (void)arg;
    EQ(weir_budget_init(&rich, NULL), 0);
    hedge((struct weir_hedge_opts){.delay = WEIR_MS(10), .budget = &rich});
    outer_policy = WEIR_POLICY(WEIR_RETRY(.attempts = 2), WEIR_BREAKER(.failures = 1));
    asked = told = 0;
    EQ(weir_call_run(outer_policy, hinted, NULL, &report), -EIO);
    EQ(report.attempts, 1); /* the first said CLIENT: no retry, no failure of the breaker */
    EQ(report.giveup, WEIR_GIVEUP_CLASS);
    EQ(weir_policy_breaker_state(outer_policy, 1, weir_now()), WEIR_BREAKER_CLOSED);
    weir_policy_free(&outer_policy);
    return 0;
}

TEST(the_hint_of_a_hedge_is_that_of_the_try_that_counts)
{
    EQ(world_run(one_hint, NULL), 0);
}

/* Other options hold at once, and what was recorded stays. */
static int options(void *arg)
{
    int out;

    (void)arg;
    EQ(weir_budget_init(&rich, NULL), 0);
    hedge((struct weir_hedge_opts){.samples = 10, .budget = &rich});
    for (int i = 0; i < 100; i++)
        weir_hedge_record(&h, WEIR_MS(i < 80 ? 10 : 100), weir_now());
    LT(WEIR_MS(98), weir_hedge_delay(&h, weir_now()));
    EQ(weir_hedge_set(&h, &(struct weir_hedge_opts){.percent = 49}), -EINVAL);
    LT(WEIR_MS(98), weir_hedge_delay(&h, weir_now()));
    EQ(weir_hedge_set(&h, &(struct weir_hedge_opts){.percent = 75, .samples = 10, .budget = &rich}),
       0);
    LT(weir_hedge_delay(&h, weir_now()), WEIR_MS(11));
    plan = (struct plan){.takes = {WEIR_MS(50), 0}};
    EQ(weir_hedged(&h, attempt, NULL, thing_type(), &out, 1, 0), 1);
    EQ(out, 2);
    EQ(h.sent, 1);
    EQ(weir_hedge_set(&h, &(struct weir_hedge_opts){.mode = WEIR_OFF}), 0);
    EQ(weir_hedge_delay(&h, weir_now()), WEIR_NEVER);
    EQ(h.sent, 1);
    EQ(weir_hedge_init(&h, &(struct weir_hedge_opts){.hedges = 9}), -EINVAL);
    EQ(weir_hedge_set(&h, &(struct weir_hedge_opts){0}), -EINVAL); /* it was none */
    plan.live = 0;
    return 0;
}

static int turns_up(void *arg)
{
    EQ(weir_sleep(weir_after(WEIR_MS(15))), 0);
    return weir_hedge_set(&h, arg);
}

/* A call has memory for as many tries as it might send when it began. */
static int more_hedges(void *arg)
{
    struct weir_hedge_opts eight = {.delay = WEIR_MS(10), .hedges = 8, .budget = &rich};
    weir_scope *s = weir_scope_open(NULL);
    int out;

    (void)arg;
    EQ(weir_budget_init(&rich, NULL), 0);
    hedge((struct weir_hedge_opts){.delay = WEIR_MS(10), .hedges = 1, .budget = &rich});
    plan = (struct plan){.takes = {WEIR_MS(200), WEIR_MS(200)}};
    EQ(weir_go(s, turns_up, &eight), 0);
    EQ(weir_hedged(&h, attempt, NULL, thing_type(), &out, 1, 0), 1);
    EQ(plan.begun, 2);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_hedge_delay(&h, weir_now()), WEIR_MS(10));
    plan.live = 0;
    return 0;
}

TEST(options_that_change_during_a_call_send_no_more_than_it_has_room_for)
{
    EQ(world_run(more_hedges, NULL), 0);
}

TEST(other_options_of_a_hedge_hold_at_once_and_keep_what_it_knows)
{
    EQ(world_run(options, NULL), 0);
}

TEST(observing_sends_none_and_counts_those_it_would_have)
{
    EQ(world_run(modes, NULL), 0);
}

TEST(bad_options_are_refused)
{
    static const struct weir_hedge_opts bad[] = {{.percent = 49}, {.percent = 100}, {.hedges = 9},
                                                 {.delay = -1},   {.least = -1},    {.period = -1},
                                                 {.mode = 3},     {.reserved = {1}}};
    int out = 7;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_hedge_init(&h, &bad[i]), -EINVAL);
        EQ(weir_hedge_delay(&h, WEIR_EPOCH), WEIR_NEVER);
        EQ(weir_hedge_take(&h, WEIR_EPOCH), WEIR_EBUDGET);
    }
    hedge((struct weir_hedge_opts){0});
    EQ(weir_hedged(NULL, attempt, NULL, WEIR_TYPE(int), &out, 1, 0), -EINVAL);
    EQ(weir_hedged(&h, NULL, NULL, WEIR_TYPE(int), &out, 1, 0), -EINVAL);
    EQ(weir_hedged(&h, attempt, NULL, WEIR_TYPE(int), NULL, 1, 0), -EINVAL);
    EQ(weir_hedged(&h, attempt, NULL, WEIR_TYPE(int), &out, 1, -1), -EINVAL);
    EQ(weir_hedged(&h, attempt, NULL, (struct weir_type){0}, &out, 1, 0), -EINVAL);
    EQ(weir_hedged(&h, attempt, NULL, WEIR_TYPE(int), &out, 1, 0), WEIR_ENOFIBER);
    EQ(out, 0);
}

static int disturbed(void *arg)
{
    int out, r;

    (void)arg;
    plan = (struct plan){.takes = {WEIR_MS(70), WEIR_MS(60), WEIR_MS(50)}};
    EQ(weir_budget_init(&rich, &(struct weir_budget_opts){.min_per_sec = 1000}), 0);
    hedge((struct weir_hedge_opts){.delay = WEIR_MS(5), .hedges = 2, .budget = &rich});
    r = weir_hedged(&h, attempt, NULL, thing_type(), &out, 1, 0);
    EQ(plan.begun, plan.ended);
    EQ(plan.live, out != 0);
    EQ(r > 0, out != 0);
    return r < 0 ? r : 0;
}

static void disturbed_run(void *arg)
{
    (void)arg;
    (void)world_seed(7, disturbed, NULL);
}

TEST(nothing_is_lost_at_any_point)
{
    EVERY_POINT(disturbed_run, NULL);
}
