/*
 * test_budget_forms.c -- budget.h: the SRE book's, gRPC's and the AWS SDKs'
 * forms, options that change, one budget under many layers.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/pass.h>

#define T0 WEIR_EPOCH
#define BUDGET(...) budget_of((struct weir_budget_opts){__VA_ARGS__})

static struct weir_budget budget_of(struct weir_budget_opts o)
{
    struct weir_budget b;
    EQ(weir_budget_init(&b, &o), 0);
    return b;
}

static int take(struct weir_budget *b, weir_time now)
{
    struct weir_budget_token t;
    return weir_budget_take(b, now, &t);
}

/* --- the SRE book ------------------------------------------------------------------ */

TEST(D1_a_share_is_of_all_tries_the_retries_too)
{
    static const uint32_t milli[] = {1, 100, 250, 333, 500, 900, 999};

    for (size_t i = 0; i < sizeof milli / sizeof *milli; i++) {
        struct weir_budget b = BUDGET(.form = WEIR_BUDGET_SHARE, .ratio_milli = milli[i],
                                      .min_per_sec = WEIR_BUDGET_NONE, .ttl = WEIR_S(1000));
        uint64_t firsts = 20000, retries = 0;

        for (uint64_t k = 0; k < firsts; k++) {
            weir_budget_deposit(&b, T0 + WEIR_MS(1) * (weir_span)k);
            while (take(&b, T0 + WEIR_MS(1) * (weir_span)k) == 0)
                retries++;
            LE(retries * 1000, milli[i] * (k + 1 + retries));
        }
        LT(milli[i] * (firsts + retries + 1), (retries + 1) * 1000); /* and not one fewer */
    }
}

/* --- gRPC, A6 ----------------------------------------------------------------------- */

TEST(D6_tokens_are_those_of_the_grpc_proposal)
{
    struct weir_budget b = BUDGET(.form = WEIR_BUDGET_TOKENS, .tokens = 10, .ratio_milli = 100);

    for (int failures = 1; failures <= 10; failures++) { /* allowed iff more than half is left */
        weir_budget_failed(&b, T0);
        EQ(take(&b, T0), 10 - failures > 5 ? 0 : WEIR_EBUDGET);
    }
    EQ(b.balance, 0);
    weir_budget_failed(&b, T0);
    EQ(b.balance, 0);            /* never below */
    for (int i = 0; i < 50; i++) /* 50 x 0.1 = 5: not more than half */
        weir_budget_succeeded(&b, T0, NULL);
    EQ(take(&b, T0), WEIR_EBUDGET);
    weir_budget_succeeded(&b, T0, NULL);
    EQ(take(&b, T0), 0);
    EQ(take(&b, T0), 0); /* a retry itself costs nothing */
    EQ(weir_budget_left(&b, T0), 1);
    for (int i = 0; i < 1000; i++)
        weir_budget_succeeded(&b, T0, NULL);
    EQ(b.balance, 10000); /* never above */
    EQ(weir_budget_left(&b, T0), 5);
    b = BUDGET(.form = WEIR_BUDGET_TOKENS, .tokens = 10, .ratio_milli = 1); /* three decimals */
    weir_budget_failed(&b, T0);
    weir_budget_succeeded(&b, T0, NULL);
    EQ(b.balance, 9001);
    b = BUDGET(.form = WEIR_BUDGET_TOKENS, .tokens = 3); /* an odd number: half is 1.5 */
    weir_budget_failed(&b, T0);
    EQ(take(&b, T0), 0);
    weir_budget_failed(&b, T0);
    EQ(take(&b, T0), WEIR_EBUDGET);
}

TEST(D6_a_retry_tells_the_tokens_what_happened)
{
    struct weir_budget b = BUDGET(.form = WEIR_BUDGET_TOKENS, .tokens = 10);
    struct weir_retry_opts o = {.attempts = 100, .grow = WEIR_GROW_NONE, .budget = &b};
    struct weir_retry_outcome bad = {.result = -EIO}, good = {.result = 0}, wrong = {-EINVAL},
                              local = {WEIR_EOPEN, 0, 5},
                              stop = {.result = -EPROTO, .pushback = WEIR_PUSHBACK_STOP};
    struct weir_retry_state s;
    struct weir_retry r;
    struct weir_rng rng;
    int n = 1;

    weir_rng_init(&rng, 1, 0);
    EQ(weir_retry_init(&r, &o), 0);
    weir_retry_begin(&r, &s, T0);
    while (weir_retry_next(&r, &s, &bad, T0, WEIR_NEVER, &rng) != WEIR_RETRY_STOP)
        n++;
    EQ(n, 5);
    EQ(s.giveup, WEIR_GIVEUP_BUDGET);
    EQ(weir_retry_next(&r, &s, &good, T0, WEIR_NEVER, &rng), WEIR_RETRY_STOP);
    EQ(b.balance, 5100);
    EQ(weir_retry_next(&r, &s, &wrong, T0, WEIR_NEVER, &rng), WEIR_RETRY_STOP);
    EQ(b.balance, 5100); /* a mistake of ours says nothing of the server's load */
    LE(0, weir_retry_next(&r, &s, &local, T0, WEIR_NEVER, &rng));
    EQ(b.balance, 5100);
    EQ(weir_retry_next(&r, &s, &stop, T0, WEIR_NEVER, &rng), WEIR_RETRY_STOP);
    EQ(b.balance, 4100);
    weir_retry_nest(&r, &s); /* inside another: that one tells of the success */
    EQ(weir_retry_next(&r, &s, &good, T0, WEIR_NEVER, &rng), WEIR_RETRY_STOP);
    EQ(b.balance, 4100);
}

/* --- the AWS SDKs -------------------------------------------------------------------- */

TEST(D8_a_weighted_bucket_is_never_negative_and_gives_back_what_it_took)
{
    struct weir_budget b = BUDGET(.form = WEIR_BUDGET_COST);
    struct weir_budget_token t[60];
    int n = 0;

    EQ(weir_budget_left(&b, T0), 100);
    while (weir_budget_take_n(&b, 2, T0, &t[n]) == 0)
        n++;
    EQ(n, 50);
    EQ(b.balance, 0);
    EQ(take(&b, T0), WEIR_EBUDGET);
    weir_budget_succeeded(&b, T0, &t[0]); /* the retry's cost */
    EQ(b.balance, 10000);
    weir_budget_succeeded(&b, T0, NULL); /* a first try: one */
    EQ(b.balance, 11000);
    weir_budget_refund(&b, T0, &t[1]);
    weir_budget_refund(&b, T0, &t[1]); /* once */
    EQ(b.balance, 21000);
    for (int i = 0; i < 100000; i++) {
        struct weir_budget_token u = {0, 0};
        switch (test_random() % 4) {
        case 0:
            if (weir_budget_take_n(&b, 1 + (uint32_t)(test_random() % 3), T0, &u) == 0 &&
                test_random() % 2)
                weir_budget_refund(&b, T0, &u);
            break;
        case 1:
            weir_budget_succeeded(&b, T0, &u);
            break;
        default:
            (void)!weir_budget_take(&b, T0, &u);
            weir_budget_refund(&b, T0, &(struct weir_budget_token){0, 0}); /* nothing */
        }
        OK(b.balance >= 0 && b.balance <= 500000);
    }
}

TEST(D8_transient_failures_cost_double_and_a_success_brings_it_back)
{
    struct weir_budget b = BUDGET(.form = WEIR_BUDGET_COST, .tokens = 40);
    struct weir_retry_opts o = {.attempts = 100, .budget = &b};
    struct weir_retry_state s;
    struct weir_retry r;
    struct weir_rng rng;
    struct weir_retry_outcome slow = {.result = -ETIMEDOUT}, broken = {.result = WEIR_EPROTO},
                              good = {.result = 1};

    weir_rng_init(&rng, 1, 0);
    EQ(weir_retry_init(&r, &o), 0);
    weir_retry_begin(&r, &s, T0);
    LE(0, weir_retry_next(&r, &s, &slow, T0, WEIR_NEVER, &rng));
    EQ(b.balance, 30000);
    LE(0, weir_retry_next(&r, &s, &broken, T0, WEIR_NEVER, &rng));
    EQ(b.balance, 25000);
    EQ(weir_retry_next(&r, &s, &good, T0, WEIR_NEVER, &rng), WEIR_RETRY_STOP);
    EQ(b.balance, 30000); /* the last retry's five are back, the ten are spent */
}

/* --- other options --------------------------------------------------------------------- */

TEST(another_ratio_ttl_or_bucket_keeps_what_was_paid_in)
{
    struct weir_budget b = BUDGET(.ratio_milli = 1000, .min_per_sec = WEIR_BUDGET_NONE);
    struct weir_budget_opts o = {.ratio_milli = 2000, .min_per_sec = WEIR_BUDGET_NONE};

    for (int i = 0; i < 5; i++)
        weir_budget_deposit(&b, T0);
    EQ(weir_budget_reconfigure(&b, &o, T0), 0);
    EQ(weir_budget_left(&b, T0), 5);
    weir_budget_deposit(&b, T0);
    EQ(weir_budget_left(&b, T0), 7);
    o.ttl = WEIR_S(1);
    EQ(weir_budget_reconfigure(&b, &o, T0 + WEIR_S(5)), 0);
    EQ(weir_budget_left(&b, T0 + WEIR_S(5)), 7);
    EQ(weir_budget_left(&b, T0 + WEIR_S(6)), 0);
    o.form = WEIR_BUDGET_TOKENS;
    EQ(weir_budget_reconfigure(&b, &o, T0), -EINVAL); /* another form is another budget */
    EQ(weir_budget_reconfigure(&b, NULL, T0 + WEIR_S(6)), 0);
    EQ(weir_budget_left(&b, T0 + WEIR_S(6)), 100);
    b = BUDGET(.form = WEIR_BUDGET_TOKENS, .tokens = 10);
    weir_budget_failed(&b, T0);
    weir_budget_failed(&b, T0);
    o = (struct weir_budget_opts){.form = WEIR_BUDGET_TOKENS, .tokens = 1000};
    EQ(weir_budget_reconfigure(&b, &o, T0), 0);
    EQ(b.balance, 800000); /* as full as before */
}

TEST(P1_bad_options_of_each_form_are_refused)
{
    static const struct weir_budget_opts bad[] = {
        {.form = 4},
        {.form = UINT32_MAX},
        {.form = WEIR_BUDGET_SHARE, .ratio_milli = 1000},
        {.form = WEIR_BUDGET_SHARE, .tokens = 1},
        {.form = WEIR_BUDGET_RATIO, .tokens = 1},
        {.form = WEIR_BUDGET_TOKENS, .tokens = 1001},
        {.form = WEIR_BUDGET_TOKENS, .ttl = WEIR_S(1)},
        {.form = WEIR_BUDGET_TOKENS, .min_per_sec = 1},
        {.form = WEIR_BUDGET_COST, .ratio_milli = 1},
        {.form = WEIR_BUDGET_COST, .ttl = INT64_MIN},
        {.reserved = {0, 1}},
    };
    struct weir_budget b = BUDGET(.ratio_milli = 7), before = b;
    struct weir_budget_token t;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weir_budget fresh;
        EQ(weir_budget_reconfigure(&b, &bad[i], T0), -EINVAL);
        MEMEQ(&b, &before, sizeof b);
        EQ(weir_budget_init(&fresh, &bad[i]), -EINVAL);
        EQ(weir_budget_left(&fresh, T0), 100); /* the defaults */
    }
    EQ(weir_budget_take_n(&b, 0, T0, &t), -EINVAL);
    EQ(weir_budget_take_n(&b, 1001, T0, &t), -EINVAL);
    b = BUDGET(.ratio_milli = UINT32_MAX - 1, .min_per_sec = UINT32_MAX - 1, .ttl = INT64_MAX);
    for (int i = 0; i < 1000; i++)
        weir_budget_deposit(&b, T0);
    EQ(weir_budget_take_n(&b, 1000, T0, &t), 0);
}

/* --- one budget, many layers ---------------------------------------------------------------- */

enum { DEPTH = 4 };

/* Attempts of a call that always fails, through stacks[i], and within each through the rest. */
static uint64_t descend(weir_policy **stacks, int n, const struct weir_pass *outer, weir_time now)
{
    struct weir_retry_outcome out = {.result = -EIO};
    struct weir_pass c;
    uint64_t calls = 0;
    int64_t wait;
    int result;

    if (n == 0)
        return 1;
    weir_pass_begin(&c, stacks[0], now, WEIR_NEVER, NULL, NULL);
    weir_pass_within(&c, outer);
    do {
        while ((wait = weir_pass_enter(&c, now)) > 0)
            now += wait;
        EQ(wait, 0);
        calls += descend(stacks + 1, n - 1, &c, now);
        wait = weir_pass_done(&c, weir_pass_attempt(&c), &out, now, &result);
        LE(0, wait);
        now += wait;
    } while (wait > 0);
    return calls;
}

TEST(D5_calls_within_calls_that_share_one_budget_amplify_by_its_ratio_not_by_a_power)
{
    static const uint32_t forms[] = {WEIR_BUDGET_RATIO, WEIR_BUDGET_SHARE};

    for (int shared = 0; shared < 2; shared++) {
        for (size_t f = 0; f < 2; f++) {
            struct weir_budget_opts o = {.form = forms[f],
                                         .ratio_milli = 100,
                                         .min_per_sec = WEIR_BUDGET_NONE,
                                         .ttl = WEIR_S(1000)};
            struct weir_budget b[DEPTH];
            weir_policy *stacks[DEPTH];
            uint64_t calls = 0, n = 3000;
            double x;

            for (int i = 0; i < DEPTH; i++) {
                EQ(weir_budget_init(&b[i], &o), 0);
                stacks[i] = WEIR_POLICY(WEIR_RETRY(.grow = WEIR_GROW_NONE, .attempts = 3,
                                                   .budget = shared ? &b[0] : &b[i]));
            }
            for (uint64_t i = 0; i < n; i++)
                calls += descend(stacks, DEPTH, NULL, T0 + (weir_time)i * WEIR_US(10));
            x = (double)calls / (double)n;
            if (shared)
                OK(x <= (f ? 1 / 0.9 : 1.1) + 1e-9 && x > 1.09);
            else /* each layer its own: (1 + r)^4 */
                OK(x > 1.45);
            for (int i = 0; i < DEPTH; i++)
                weir_policy_free(&stacks[i]);
        }
    }
}

TEST(D4_one_account_serves_two_stacks_and_refusing_one_leaves_the_other_alone)
{
    struct weir_budget b =
        BUDGET(.ratio_milli = WEIR_BUDGET_NONE, .min_per_sec = 1, .ttl = WEIR_S(2));
    weir_policy *p[2];
    struct weir_pass c[2];
    struct weir_retry_outcome out = {.result = -EIO};
    int result;

    for (int i = 0; i < 2; i++) {
        p[i] = WEIR_POLICY(WEIR_RETRY(.attempts = 9, .base = WEIR_MS(1), .budget = &b));
        weir_pass_begin(&c[i], p[i], T0, WEIR_NEVER, NULL, NULL);
        EQ(weir_pass_enter(&c[i], T0), 0);
    }
    LT(0, weir_pass_done(&c[0], 1, &out, T0, &result)); /* takes one of the two */
    LT(0, weir_pass_done(&c[1], 1, &out, T0, &result)); /* the other */
    EQ(weir_pass_enter(&c[0], T0 + WEIR_MS(1)), 0);
    EQ(weir_pass_done(&c[0], 2, &out, T0 + WEIR_MS(1), &result), 0); /* refused */
    EQ(weir_pass_giveup(&c[0]), WEIR_GIVEUP_BUDGET);
    EQ(weir_pass_enter(&c[1], T0 + WEIR_MS(1)), 0); /* what was paid for is still made */
    weir_pass_abandon(&c[1], T0 + WEIR_MS(1));
    for (int i = 0; i < 2; i++)
        weir_policy_free(&p[i]);
}
