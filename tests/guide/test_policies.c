/*
 * test_policies.c -- codes 9 to 12 of the guide: a rate limit, backoff with
 * and without jitter, a breaker; a test for each thing that is wrong there.
 */
#include <weir.h>

#include "core/world.h"

#define T0 WEIR_EPOCH
#define STEADY .jitter = WEIR_JITTER_NONE

/* --- code 9: a rate limit ------------------------------------------------------------- */

/* How many cells a greedy caller gets in [0, span), the burst taken before. */
static uint64_t admitted(uint32_t per_sec, uint32_t burst, int drained, weir_span span)
{
    struct weir_rate r;
    uint64_t n = 0;
    int64_t wait;

    EQ(weir_rate_init(&r, &(struct weir_rate_opts){.per_sec = per_sec, .burst = burst}), 0);
    if (drained)
        EQ(weir_rate_take(&r, burst, T0), 0);
    for (weir_time now = T0; now < T0 + span;) {
        wait = weir_rate_take(&r, 1, now);
        n += wait == 0;
        now += wait;
    }
    return n;
}

TEST(code_9_the_steady_rate_is_the_configured_one)
{
    const uint32_t rates[] = {100, 1000, 5000, 20000, 100000};

    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        uint64_t n = admitted(rates[i], rates[i], 1, WEIR_S(2));

        LE(2 * (uint64_t)rates[i] - 1, n);
        LE(n, 2 * (uint64_t)rates[i]);
    }
}

TEST(code_9_five_a_second_are_not_nine_in_the_first)
{
    EQ(admitted(5, 1, 0, WEIR_S(1)), 5u);
    EQ(admitted(5, 1, 0, WEIR_S(1) + 1), 6u);
    EQ(admitted(5, 5, 0, WEIR_S(1)), 9u); /* a burst is asked for, by another number */
}

struct limited {
    weir_policy *p;
    int served;
    weir_time last;
};

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int limited(void *arg)
{
    struct limited *l = arg;
    int r = weir_call(l->p, nothing, NULL);

    l->served += r == 0;
    l->last = weir_now();
    return r;
}

/* The run ends with the last call: nothing refills, and so nothing has to be stopped. */
SIM_TEST(code_9_a_limiter_has_no_task_and_dies_when_it_is_freed)
{
    weir_policy *p = WEIR_POLICY(WEIR_RATE(.per_sec = 10));
    uint64_t live;

    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_call(p, nothing, NULL), 0);
    weir_policy_free(&p);
    live = test_alloc_live();
    EQ(weir_sleep(weir_after(WEIR_S(10))), 0);
    EQ(test_alloc_live(), live);
    return 0;
}

TEST(code_9_no_rate_and_a_rate_beyond_all_sense_are_refused_or_exact)
{
    struct weir_rate r;

    EQ(weir_rate_init(&r, &(struct weir_rate_opts){.per_sec = 0}), -EINVAL);
    EQ(weir_rate_take(&r, 1, T0), -EINVAL);
    /* Faster than the clock's nanoseconds: exact all the same, no wait of 0 for a refusal. */
    EQ(admitted(2000000000, 1, 1, WEIR_US(1)), 1998u);
}

/* No cell is stranded between those who wait: a hundred are served in their hundred periods. */
SIM_TEST(code_9_no_cell_is_lost_between_those_who_wait)
{
    struct limited l = {WEIR_POLICY(WEIR_RATE(.per_sec = 100)), 0, 0};
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < 100; i++)
        GO(s, limited, &l);
    EQ(weir_scope_close(&s), 0);
    EQ(l.served, 100);
    EQ(l.last - T0, WEIR_MS(990));
    weir_policy_free(&l.p);
    return 0;
}

TEST(code_9_a_take_has_a_price_a_deadline_and_never_waits)
{
    struct weir_rate r;
    struct weir_rate_ticket t;

    EQ(weir_rate_init(&r, &(struct weir_rate_opts){.per_sec = 10, .burst = 5}), 0);
    EQ(weir_rate_take(&r, 6, T0), WEIR_ERATE); /* more than a burst: never */
    EQ(weir_rate_take(&r, 5, T0), 0);
    EQ(weir_rate_take(&r, 1, T0), WEIR_MS(100)); /* says when, and takes nothing */
    EQ(weir_rate_reserve(&r, 3, T0, T0 + WEIR_MS(200), &t), WEIR_ERATE);
    EQ(weir_rate_reserve(&r, 3, T0, WEIR_NEVER, &t), WEIR_MS(300));
    EQ(weir_rate_cancel(&r, &t), 1);
    EQ(weir_rate_take(&r, 1, T0 + WEIR_MS(100)), 0); /* as if it had never been */
}

SIM_TEST(code_9_who_leaves_the_row_gives_his_turn_to_the_next)
{
    struct limited l = {WEIR_POLICY(WEIR_RATE(.per_sec = 10)), 0, 0};
    weir_scope *outer = weir_scope_open(NULL), *s = weir_scope_open(NULL);

    EQ(weir_call(l.p, nothing, NULL), 0);
    GO(s, limited, &l);
    EQ(weir_sleep(weir_after(WEIR_MS(10))), 0);
    GO(outer, limited, &l);
    world_settle();
    EQ(weir_scope_cancel(s, -EINTR), 0);
    EQ(weir_scope_close(&s), -EINTR);
    EQ(weir_scope_close(&outer), 0);
    EQ(l.served, 1);
    EQ(l.last - T0, WEIR_MS(100)); /* not behind one who is not there */
    weir_policy_free(&l.p);
    return 0;
}

/* --- code 10: retry ------------------------------------------------------------------------ */

static struct tries {
    int made, told, result;
    weir_span takes, waits[16];
    uint32_t attempt[16];
} tries;

static int attempt(void *arg)
{
    int r = tries.takes ? weir_sleep(weir_after(tries.takes)) : 0;

    (void)arg;
    tries.made++;
    return r < 0 ? r : tries.result;
}

static void tell(void *ctx, const struct weir_retry_event *e)
{
    (void)ctx;
    tries.attempt[tries.told] = e->attempt;
    tries.waits[tries.told++] = e->wait;
}

static void tries_of(weir_span takes, int result)
{
    tries = (struct tries){.takes = takes, .result = result};
}

SIM_TEST(code_10_three_attempts_are_three_and_the_last_failure_is_told)
{
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = WEIR_MS(10), STEADY, .on_retry = tell));
    struct weir_call_report report;

    tries_of(0, -ECONNRESET);
    EQ(weir_call_run(p, attempt, NULL, &report), -ECONNRESET);
    EQ(tries.made, 3);
    EQ(tries.told, 2); /* there is no wait behind the last, and none is announced */
    EQ(tries.attempt[0], 1u);
    EQ(tries.attempt[1], 2u);
    EQ(report.attempts, 3u);
    EQ(report.giveup, (uint32_t)WEIR_GIVEUP_ATTEMPTS);
    EQ(report.last_result, -ECONNRESET);
    weir_policy_free(&p);
    return 0;
}

TEST(code_10_the_cap_holds_from_the_first_wait_on)
{
    struct weir_backoff b;

    EQ(weir_backoff_init(&b, &(struct weir_backoff_opts){.base = WEIR_S(60), .cap = WEIR_S(30)}),
       -EINVAL); /* a first wait above the cap is a mistake */
    EQ(weir_backoff_init(
           &b, &(struct weir_backoff_opts){.base = WEIR_S(20), .cap = WEIR_S(30), STEADY}),
       0);
    for (uint64_t n = 1; n < 50; n++) {
        LE(weir_backoff_level(&b, n), WEIR_S(30));
        LE(weir_backoff_level(&b, n), weir_backoff_level(&b, n + 1)); /* never shrinks */
    }
}

SIM_TEST(code_10_it_gives_up_before_a_wait_that_cannot_end_in_time)
{
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_MS(100)),
                                 WEIR_RETRY(.attempts = 9, .base = WEIR_MS(40), STEADY));

    tries_of(WEIR_MS(10), -ECONNRESET);
    EQ(weir_call(p, attempt, NULL), -ECONNRESET);
    EQ(tries.made, 2); /* at 0 and 50; the next would begin at 140 */
    EQ(world_age(), WEIR_MS(60));
    weir_policy_free(&p);
    return 0;
}

SIM_TEST(code_10_an_attempt_that_hangs_is_cut_and_the_next_one_works)
{
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = WEIR_MS(10), STEADY, .on_retry = tell),
                    WEIR_TIMEOUT(.each = WEIR_MS(50)));

    tries_of(WEIR_S(3600), -ECONNRESET);
    EQ(weir_call(p, attempt, NULL), -ETIMEDOUT);
    EQ(tries.made, 3);
    EQ(world_age(), WEIR_MS(50 + 10 + 50 + 20 + 50));
    weir_policy_free(&p);
    return 0;
}

SIM_TEST(code_10_what_is_not_idempotent_is_not_tried_again)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 5, .unsafe = 1));

    tries_of(0, -ECONNRESET);
    EQ(weir_call(p, attempt, NULL), -ECONNRESET); /* who knows what was done before it */
    EQ(tries.made, 1);
    tries_of(0, -ECONNREFUSED);
    EQ(weir_call(p, attempt, NULL), -ECONNREFUSED); /* nothing was */
    EQ(tries.made, 5);
    weir_policy_free(&p);
    return 0;
}

static int call_for_ever(void *arg)
{
    return weir_call(arg, attempt, NULL);
}

SIM_TEST(code_10_a_cancel_ends_the_backoff_at_once)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 9, .base = WEIR_S(30), STEADY));
    weir_scope *s = weir_scope_open(NULL);

    tries_of(0, -ECONNRESET);
    GO(s, call_for_ever, p);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(weir_scope_cancel(s, -EINTR), 0);
    EQ(weir_scope_close(&s), -EINTR);
    EQ(world_age(), WEIR_S(1));
    EQ(tries.made, 1);
    weir_policy_free(&p);
    return 0;
}

SIM_TEST(code_10_a_budget_bounds_what_all_retries_add)
{
    struct weir_budget budget;
    weir_policy *p;

    EQ(weir_budget_init(&budget, &(struct weir_budget_opts){.ratio_milli = 100,
                                                            .min_per_sec = WEIR_BUDGET_NONE}),
       0);
    p = WEIR_POLICY(WEIR_RETRY(.attempts = 4, .base = WEIR_US(1), STEADY, .budget = &budget));
    tries_of(0, -ECONNRESET);
    for (int i = 0; i < 1000; i++)
        LT(weir_call(p, attempt, NULL), 0);
    LE(tries.made, 1100); /* not 4,000 */
    LE(1090, tries.made);
    weir_policy_free(&p);
    return 0;
}

/* --- code 11: jitter ------------------------------------------------------------------------- */

static void law(struct weir_backoff *b, uint32_t jitter, weir_span base, weir_span cap)
{
    EQ(weir_backoff_init(b,
                         &(struct weir_backoff_opts){.base = base, .cap = cap, .jitter = jitter}),
       0);
}

/* min(cap, draw from [base, 3 * the wait before]), a million times: never above the cap. */
TEST(code_11_decorrelated_waits_follow_the_wait_before_within_base_and_cap)
{
    struct weir_backoff b;
    struct weir_rng rng;
    int capped = 0, below = 0;

    law(&b, WEIR_JITTER_DECORRELATED, WEIR_MS(500), WEIR_S(30));
    weir_rng_init(&rng, test_seed(), 0);
    for (int i = 0; i < 100000; i++) {
        struct weir_backoff_state state = {0};
        weir_span last = WEIR_MS(500);

        for (int k = 0; k < 10; k++) {
            weir_span d = weir_backoff_next(&b, &state, &rng);

            LE(WEIR_MS(500), d);
            LE(d, 3 * last < WEIR_S(30) ? 3 * last : WEIR_S(30));
            below += d < last;
            capped += d == WEIR_S(30);
            last = d;
        }
    }
    LT(100000, below); /* it is drawn, not grown */
    LT(1000, capped);
}

TEST(code_11_full_and_equal_jitter_keep_their_bounds)
{
    struct weir_backoff full, equal;
    struct weir_rng rng;

    law(&full, WEIR_JITTER_FULL, WEIR_MS(100), WEIR_S(10));
    law(&equal, WEIR_JITTER_EQUAL, WEIR_MS(100), WEIR_S(10));
    weir_rng_init(&rng, test_seed(), 0);
    for (int i = 0; i < 10000; i++) {
        struct weir_backoff_state f = {0}, e = {0};

        for (uint64_t n = 1; n <= 10; n++) {
            weir_span v = weir_backoff_level(&full, n), d = weir_backoff_next(&full, &f, &rng);

            LT(0, d);
            LE(d, v);
            d = weir_backoff_next(&equal, &e, &rng);
            LE(v / 2, d);
            LE(d, v);
        }
    }
}

TEST(code_11_what_would_be_an_empty_range_or_a_mad_factor_is_refused)
{
    struct weir_backoff b;

    EQ(weir_backoff_init(&b, &(struct weir_backoff_opts){.base = WEIR_S(10), .cap = WEIR_S(1)}),
       -EINVAL);
    EQ(weir_backoff_init(&b, &(struct weir_backoff_opts){.factor_milli = 999}), -EINVAL);
    EQ(weir_backoff_init(&b, &(struct weir_backoff_opts){.base = -1}), -EINVAL);
}

TEST(code_11_microseconds_are_not_lost)
{
    struct weir_backoff b;
    struct weir_rng rng;
    weir_span sum = 0;

    law(&b, WEIR_JITTER_EQUAL, WEIR_US(800), WEIR_US(900));
    weir_rng_init(&rng, test_seed(), 0);
    for (int i = 0; i < 1000; i++) {
        struct weir_backoff_state s = {0};
        weir_span d = weir_backoff_next(&b, &s, &rng);

        LE(WEIR_US(400), d);
        LE(d, WEIR_US(800));
        sum += d % WEIR_US(1) != 0; /* nanoseconds */
    }
    LT(900, sum);
}

TEST(code_11_a_seed_repeats_the_waits)
{
    struct weir_backoff b;
    struct weir_backoff_state s[2] = {{0}, {0}};
    struct weir_rng rng[2];

    law(&b, WEIR_JITTER_FULL, WEIR_MS(100), WEIR_S(10));
    weir_rng_init(&rng[0], 42, 0);
    weir_rng_init(&rng[1], 42, 0);
    for (int i = 0; i < 100; i++)
        EQ(weir_backoff_next(&b, &s[0], &rng[0]), weir_backoff_next(&b, &s[1], &rng[1]));
}
