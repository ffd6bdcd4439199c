/*
 * test_budget.c -- budget.h: exact ratios, ageing, refunds; and bulkhead.h.
 */
#include "harness/test.h"

#include <errno.h>

#include <weir/budget.h>
#include <weir/bulkhead.h>

#define T0 WEIR_EPOCH

static struct weir_budget budget_of(uint32_t ratio, uint32_t min, weir_span ttl)
{
    struct weir_budget_opts o = {.ratio_milli = ratio, .min_per_sec = min, .ttl = ttl};
    struct weir_budget b;
    EQ(weir_budget_init(&b, &o), 0);
    return b;
}

TEST(D1_the_long_run_ratio_is_exact)
{
    static const uint32_t milli[] = {WEIR_BUDGET_NONE, 1, 100, 300, 333, 500, 600, 990, 1000, 2500,
                                     1000000};

    for (size_t i = 0; i < sizeof milli / sizeof *milli; i++) {
        struct weir_budget b = budget_of(milli[i], WEIR_BUDGET_NONE, WEIR_S(1000));
        struct weir_budget_token t;
        uint64_t requests = milli[i] == 1000000 ? 1000 : 100000, retries = 0;

        for (uint64_t k = 0; k < requests; k++) {
            weir_time now = T0 + WEIR_MS(1) * (weir_span)k;
            weir_budget_deposit(&b, now);
            while (weir_budget_take(&b, now, &t) == 0)
                retries++;
        }
        EQ(retries, requests * (milli[i] == WEIR_BUDGET_NONE ? 0 : milli[i]) / 1000);
    }
}

/* ∀ window of ttl: withdrawals <= ratio * deposits + reserve, against the list of both. */
TEST(D1_no_window_allows_more_than_its_share)
{
    enum { N = 3000 };
    static weir_time deposit[N], retry[N];
    struct weir_budget b = budget_of(250, 2, WEIR_S(1));
    struct weir_budget_token t;
    weir_time now = T0;
    int d = 0, r = 0;

    while (d < N && r < N) {
        now += (weir_span)(test_random() % WEIR_MS(20));
        if (test_random() % 3)
            weir_budget_deposit(&b, deposit[d++] = now);
        else if (weir_budget_take(&b, now, &t) == 0)
            retry[r++] = now;
    }
    for (int i = 0; i < r; i++) { /* a window of ten slices that ends in the slice of retry i */
        weir_time from = (retry[i] / WEIR_MS(100) - 9) * WEIR_MS(100);
        int paid = 0, made = 0;
        for (int j = 0; j <= i; j++)
            made += retry[j] >= from;
        for (int j = 0; j < d && deposit[j] <= retry[i]; j++)
            paid += deposit[j] >= from;
        LE(made * 1000, paid * 250 + 2000);
    }
    LT(100, r);
}

TEST(D2_without_traffic_the_minimum_is_there_and_comes_back)
{
    struct weir_budget b = budget_of(0, 3, WEIR_S(10));
    struct weir_budget_token t;

    EQ(weir_budget_left(&b, T0), 30);
    for (int i = 0; i < 30; i++)
        EQ(weir_budget_take(&b, T0, &t), 0);
    EQ(weir_budget_take(&b, T0, &t), WEIR_EBUDGET);
    EQ(weir_budget_take(&b, T0 + WEIR_S(9) - 1, &t), WEIR_EBUDGET);
    EQ(weir_budget_left(&b, T0 + WEIR_S(10)), 30);
    EQ(weir_budget_left(&b, INT64_MAX), 30);
    EQ(weir_budget_left(&b, 0), 30); /* steps back stand still */
}

TEST(D2_old_deposits_age_out_and_old_refunds_mint_nothing)
{
    struct weir_budget b = budget_of(1000, WEIR_BUDGET_NONE, WEIR_S(10));
    struct weir_budget_token t;

    weir_budget_deposit(&b, T0);
    weir_budget_deposit(&b, T0);
    EQ(weir_budget_take(&b, T0, &t), 0);
    weir_budget_refund(&b, T0 + WEIR_S(5), &t);
    EQ(weir_budget_left(&b, T0 + WEIR_S(5)), 2);
    weir_budget_refund(&b, T0 + WEIR_S(5), &t);
    EQ(weir_budget_left(&b, T0 + WEIR_S(5)), 2);
    EQ(weir_budget_take(&b, T0 + WEIR_S(5), &t), 0);
    EQ(weir_budget_left(&b, T0 + WEIR_S(11)), 0);
    weir_budget_refund(&b, T0 + WEIR_S(60), &t);
    EQ(weir_budget_left(&b, T0 + WEIR_S(60)), 0);
}

TEST(P1_bad_budget_options_are_refused)
{
    struct weir_budget_opts bad[] = {{.ttl = -1}, {.ttl = 9}, {.reserved = {1}}};
    struct weir_budget b;

    for (int i = 0; i < 3; i++)
        EQ(weir_budget_init(&b, &bad[i]), -EINVAL);
    EQ(weir_budget_left(&b, T0), 100); /* the default: 10 a second over 10 s */
    EQ(weir_budget_init(&b, NULL), 0);
}

TEST(permits_are_counted)
{
    struct weir_bulkhead_opts o = {.limit = 3}, bad[] = {{0},
                                                         {.limit = 1, .max_wait = -2},
                                                         {.limit = 1, .reserved = 1}};
    struct weir_bulkhead b;

    EQ(weir_bulkhead_init(&b, &o), 0);
    EQ(weir_bulkhead_take(&b, 0), -EINVAL);
    EQ(weir_bulkhead_take(&b, 4), -EINVAL);
    EQ(weir_bulkhead_take(&b, 2), 0);
    EQ(weir_bulkhead_take(&b, 2), WEIR_EFULL);
    EQ(weir_bulkhead_take(&b, 1), 0);
    EQ(weir_bulkhead_give(&b, 4), -EINVAL);
    EQ(weir_bulkhead_used(&b), 3);
    EQ(weir_bulkhead_set(&b, 1), 0); /* below what is in use */
    EQ(weir_bulkhead_take(&b, 1), WEIR_EFULL);
    EQ(weir_bulkhead_give(&b, 2), 0);
    EQ(weir_bulkhead_take(&b, 1), WEIR_EFULL);
    EQ(weir_bulkhead_give(&b, 1), 0);
    EQ(weir_bulkhead_take(&b, 1), 0);
    EQ(weir_bulkhead_set(&b, 2), 0);
    EQ(weir_bulkhead_take(&b, 1), 0);
    EQ(weir_bulkhead_set(&b, 0), -EINVAL);
    for (int i = 0; i < 3; i++) {
        EQ(weir_bulkhead_init(&b, &bad[i]), -EINVAL);
        EQ(weir_bulkhead_take(&b, 1), -EINVAL);
    }
}
