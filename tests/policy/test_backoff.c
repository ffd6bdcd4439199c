/*
 * test_backoff.c -- the laws of backoff.h: bounds, growth, moments, the cap.
 */
#include "harness/test.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include <weir/backoff.h>

#define LAW(...) law_of((struct weir_backoff_opts){__VA_ARGS__})

static struct weir_backoff law_of(struct weir_backoff_opts o)
{
    struct weir_backoff b;
    EQ(weir_backoff_init(&b, &o), 0);
    return b;
}

static struct weir_rng rng_of(uint64_t stream)
{
    struct weir_rng r;
    weir_rng_init(&r, test_seed(), stream);
    return r;
}

TEST(B2_levels_are_the_documented_ones)
{
    static const struct {
        uint32_t grow, factor;
        weir_span base, cap, level[7]; /* of n = 1 .. 6 and 100 */
    } row[] = {
        {WEIR_GROW_EXPONENTIAL, 0, 10, 2000, {10, 20, 40, 80, 160, 320, 2000}},
        {WEIR_GROW_EXPONENTIAL, 1500, 1, 20, {1, 2, 3, 5, 8, 12, 20}},
        {WEIR_GROW_EXPONENTIAL, 1000, 5, 20, {5, 5, 5, 5, 5, 5, 5}},
        {WEIR_GROW_EXPONENTIAL, 3000, 7, 7, {7, 7, 7, 7, 7, 7, 7}},
        {WEIR_GROW_LINEAR, 0, 10, 45, {10, 20, 30, 40, 45, 45, 45}},
        {WEIR_GROW_FIBONACCI, 0, 10, 75, {10, 10, 20, 30, 50, 75, 75}},
        {WEIR_GROW_FIXED, 0, 10, 45, {10, 10, 10, 10, 10, 10, 10}},
        {WEIR_GROW_NONE, 0, 10, 45, {0, 0, 0, 0, 0, 0, 0}},
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct weir_backoff b = LAW(.base = row[i].base, .cap = row[i].cap, .grow = row[i].grow,
                                    .factor_milli = row[i].factor, .jitter = WEIR_JITTER_NONE);
        struct weir_backoff_state s = {0, 0, 0};
        struct weir_rng rng = rng_of(0);

        for (uint64_t n = 1; n <= 6; n++) {
            EQ(weir_backoff_level(&b, n), row[i].level[n - 1]);
            EQ(weir_backoff_next(&b, &s, &rng), row[i].level[n - 1]);
        }
        EQ(weir_backoff_level(&b, 100), row[i].level[6]);
        EQ(weir_backoff_level(&b, 0), 0);
    }
}

TEST(B1_no_attempt_number_overflows)
{
    static const uint64_t n[] = {1,  31, 32,         33,         62,         63,
                                 64, 65, 1ull << 31, 1ull << 32, 1ull << 63, UINT64_MAX};
    static const weir_span base[] = {1, 1000, WEIR_S(5), INT64_MAX / 2, INT64_MAX};

    for (uint32_t grow = 0; grow <= WEIR_GROW_FIXED; grow++)
        for (size_t b = 0; b < 5; b++)
            for (size_t i = 0; i < 12; i++) {
                struct weir_backoff law = LAW(.base = base[b], .cap = INT64_MAX, .grow = grow);
                weir_span v = weir_backoff_level(&law, n[i]);
                LE(base[b], v);
            }
}

/* ∀ law, jitter, parameters: 1 <= d <= cap, within the documented band, level monotone. */
TEST(B2_every_draw_stays_in_its_band)
{
    for (int round = 0; round < 3000; round++) {
        weir_span base = 1 + (weir_span)(test_random() >> (1 + test_random() % 63)) / 2;
        weir_span cap = base + (weir_span)(test_random() >> (2 + test_random() % 60));
        uint32_t jitter = (uint32_t)(test_random() % 5), pct = 1 + (uint32_t)(test_random() % 100);
        struct weir_backoff b =
            LAW(.base = base, .cap = cap, .grow = (uint32_t)(test_random() % 4), .jitter = jitter,
                .percent = pct, .factor_milli = 1000 + (uint32_t)(test_random() % 4000));
        struct weir_backoff_state s = {0, 0, 0};
        struct weir_rng rng = rng_of((uint64_t)round);
        weir_span before = 0, last = base;

        for (uint64_t n = 1; n <= 70; n++) {
            weir_span d = weir_backoff_next(&b, &s, &rng), v = weir_backoff_level(&b, n);
            LE(before, v);
            LE(v, cap);
            LE(1, d);
            LE(d, weir_backoff_most(&b, n));
            LE(d, cap);
            if (jitter == WEIR_JITTER_EQUAL)
                LE(v - v / 2, d);
            if (jitter == WEIR_JITTER_NONE)
                EQ(d, v);
            if (jitter == WEIR_JITTER_FULL || jitter == WEIR_JITTER_EQUAL)
                LE(d, v);
            if (jitter == WEIR_JITTER_PERCENT)
                LE((double)v * (100 - pct) / 100 - 1 - (double)v * 1e-9, d);
            if (jitter == WEIR_JITTER_DECORRELATED) {
                LE(base, d);
                LE((double)d, 3.0 * (double)last);
                last = d;
            }
            before = v;
        }
    }
}

static int span_compare(const void *a, const void *b)
{
    weir_span x = *(const weir_span *)a, y = *(const weir_span *)b;
    return (x > y) - (x < y);
}

TEST(B3_at_the_cap_the_draws_still_differ)
{
    static const uint32_t jitter[] = {WEIR_JITTER_FULL, WEIR_JITTER_EQUAL, WEIR_JITTER_PERCENT,
                                      WEIR_JITTER_DECORRELATED};
    enum { N = 10000 };
    weir_span *v = malloc(N * sizeof *v);

    for (int j = 0; j < 4; j++) {
        struct weir_backoff b = LAW(.base = WEIR_MS(100), .cap = WEIR_S(2), .jitter = jitter[j]);
        struct weir_backoff_state s = {0, 0, 0};
        struct weir_rng rng = rng_of(3);
        int distinct = 1;

        for (int i = 0; i < 50; i++)
            weir_backoff_next(&b, &s, &rng);
        for (int i = 0; i < N; i++)
            v[i] = weir_backoff_next(&b, &s, &rng);
        qsort(v, N, sizeof *v, span_compare);
        for (int i = 1; i < N; i++)
            distinct += v[i] != v[i - 1];
        LE(1000, distinct);
        LE(v[N - 1], WEIR_S(2));
    }
    free(v);
}

/* Mean (and variance of full jitter) of one draw at level v, in units of v. */
static void moments(uint32_t jitter, double *mean, double *variance)
{
    struct weir_backoff b = LAW(.base = WEIR_S(1), .cap = WEIR_S(1), .jitter = jitter);
    struct weir_rng rng = rng_of(4);
    double sum = 0, square = 0, n = 100000;

    for (int i = 0; i < n; i++) {
        struct weir_backoff_state s = {0, 0, 0};
        double d = (double)weir_backoff_next(&b, &s, &rng) / 1e9;
        sum += d;
        square += d * d;
    }
    *mean = sum / n;
    *variance = square / n - *mean * *mean;
}

TEST(B8_moments_of_full_and_equal_jitter)
{
    double mean, variance;

    moments(WEIR_JITTER_FULL, &mean, &variance);
    LT(fabs(mean - 0.5), 0.006);
    LT(fabs(variance - 1.0 / 12), 0.002);
    moments(WEIR_JITTER_EQUAL, &mean, &variance);
    LT(fabs(mean - 0.75), 0.003);
}

TEST(B8_moments_of_decorrelated_jitter_are_those_of_the_published_law)
{
    static const double expected[] = {10.0, 17.5, 28.75};
    struct weir_backoff b =
        LAW(.base = WEIR_MS(5), .cap = WEIR_MS(2000), .jitter = WEIR_JITTER_DECORRELATED);
    struct weir_rng rng = rng_of(5);
    double sum[20] = {0}, capped[20] = {0}, n = 40000;
    int fell = 0;

    for (int i = 0; i < n; i++) {
        struct weir_backoff_state s = {0, 0, 0};
        weir_span before = 0;
        for (int k = 0; k < 20; k++) {
            weir_span d = weir_backoff_next(&b, &s, &rng);
            sum[k] += (double)d / 1e6;
            capped[k] += d == WEIR_MS(2000);
            fell += d < before;
            before = d;
        }
    }
    for (int k = 0; k < 3; k++)
        LT(fabs(sum[k] / n / expected[k] - 1), 0.03);
    LT(fabs(sum[9] / n / 383 - 1), 0.05);
    LT(fabs(sum[19] / n / 793 - 1), 0.05);
    LT(fabs(capped[9] / n - 0.060), 0.006);
    LT(fabs(capped[19] / n - 0.22), 0.012);
    LT(0, fell);
}

TEST(B6_both_ends_of_each_band_are_reached)
{
    static const struct {
        uint32_t jitter, percent;
        weir_span base, cap, low, high;
    } row[] = {
        {WEIR_JITTER_FULL, 0, 5, 5, 1, 5},         {WEIR_JITTER_FULL, 0, 1, 1, 1, 1},
        {WEIR_JITTER_EQUAL, 0, 5, 5, 3, 5},        {WEIR_JITTER_EQUAL, 0, 6, 6, 3, 6},
        {WEIR_JITTER_EQUAL, 0, 1, 1, 1, 1},        {WEIR_JITTER_PERCENT, 20, 10, 99, 8, 12},
        {WEIR_JITTER_PERCENT, 20, 10, 10, 8, 10},  {WEIR_JITTER_PERCENT, 100, 3, 9, 1, 6},
        {WEIR_JITTER_DECORRELATED, 0, 4, 9, 4, 9},
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct weir_backoff b = LAW(.base = row[i].base, .cap = row[i].cap, .jitter = row[i].jitter,
                                    .percent = row[i].percent);
        struct weir_rng rng = rng_of(7);
        weir_span low = INT64_MAX, high = 0;

        for (int k = 0; k < 1000; k++) {
            struct weir_backoff_state s = {0, 0, 0};
            weir_span d = weir_backoff_next(&b, &s, &rng);
            low = d < low ? d : low;
            high = d > high ? d : high;
        }
        EQ(low, row[i].low);
        EQ(high, row[i].high);
    }
}

TEST(B5_decorrelated_with_base_at_the_cap_is_always_the_cap)
{
    struct weir_backoff b =
        LAW(.base = WEIR_MS(5), .cap = WEIR_MS(5), .jitter = WEIR_JITTER_DECORRELATED);
    struct weir_backoff_state s = {0, 0, 0};
    struct weir_rng rng = rng_of(6);

    for (int i = 0; i < 100; i++)
        EQ(weir_backoff_next(&b, &s, &rng), WEIR_MS(5));
}

TEST(B5_bad_options_are_refused_and_the_law_is_the_default)
{
    static const struct weir_backoff_opts bad[] = {
        {.base = -1},     {.cap = -1},          {.base = 2, .cap = 1}, {.cap = 1},
        {.grow = 5},      {.jitter = 5},        {.factor_milli = 999}, {.factor_milli = 1000001},
        {.percent = 101}, {.reserved = {0, 1}},
    };
    struct weir_backoff b;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_backoff_init(&b, &bad[i]), -EINVAL);
        EQ(weir_backoff_level(&b, 1), WEIR_MS(100));
        EQ(weir_backoff_level(&b, 99), WEIR_S(30));
    }
    EQ(weir_backoff_init(&b, NULL), 0);
    b = LAW(.base = WEIR_MIN(5));
    EQ(weir_backoff_level(&b, 99), WEIR_MIN(5));
}

TEST(B4_small_bases_grow_and_odd_factors_are_refused_or_defined)
{
    struct weir_backoff b = LAW(.base = 1, .cap = 1000, .factor_milli = 1500);
    struct weir_backoff_opts bad = {.factor_milli = 1};

    for (uint64_t n = 1; n < 15; n++) /* (long)(1 * 1.5) would stand still */
        LT(weir_backoff_level(&b, n), weir_backoff_level(&b, n + 1));
    b = LAW(.base = 7, .factor_milli = 1000); /* a factor of one is fixed */
    EQ(weir_backoff_level(&b, 1), weir_backoff_level(&b, UINT64_MAX));
    b = LAW(.base = 1, .cap = INT64_MAX, .factor_milli = 1001);
    EQ(weir_backoff_level(&b, UINT64_MAX), INT64_MAX);
    b = LAW(.base = INT64_MAX / 3, .cap = INT64_MAX, .factor_milli = 1000000);
    EQ(weir_backoff_level(&b, 2), INT64_MAX);
    for (bad.factor_milli = 1; bad.factor_milli < 1000; bad.factor_milli += 7)
        EQ(weir_backoff_init(&b, &bad), -EINVAL); /* a whole number: NaN and -1 cannot be said */
    bad.factor_milli = UINT32_MAX;
    EQ(weir_backoff_init(&b, &bad), -EINVAL);
}

TEST(B5_no_law_ever_draws_zero_but_none)
{
    for (uint32_t grow = 0; grow <= WEIR_GROW_NONE; grow++) {
        for (uint32_t jitter = 0; jitter <= WEIR_JITTER_DECORRELATED; jitter++) {
            struct weir_backoff b =
                LAW(.base = 1, .cap = 1, .grow = grow, .jitter = jitter, .percent = 100);
            struct weir_backoff_state s = {0, 0, 0};
            struct weir_rng rng = rng_of(jitter);

            for (int i = 0; i < 100; i++)
                EQ(weir_backoff_next(&b, &s, &rng), grow != WEIR_GROW_NONE);
        }
    }
}

TEST(B7_each_law_draws_the_same_waits_from_a_seed_on_every_machine)
{
    static const weir_span golden[5][4] = {
        {40893809, 63537198, 160588521, 515160434},   /* full */
        {70446904, 131768599, 280294260, 657580217},  /* equal */
        {96357523, 185414879, 384235408, 846064173},  /* percent */
        {100000000, 200000000, 400000000, 800000000}, /* none */
        {181787616, 241485537, 350701408, 713108031}, /* decorrelated */
    };
    weir_span seen[5][4];

    for (uint32_t jitter = 0; jitter < 5; jitter++) {
        struct weir_backoff b = LAW(.jitter = jitter);
        struct weir_backoff_state s = {0, 0, 0};
        struct weir_rng rng;

        weir_rng_init(&rng, 1, 0);
        for (int i = 0; i < 4; i++)
            seen[jitter][i] = weir_backoff_next(&b, &s, &rng);
    }
    MEMEQ(seen, golden, sizeof golden);
}

TEST(B7_the_waits_of_two_clients_of_one_seed_are_not_correlated)
{
    struct weir_backoff b = LAW(.base = WEIR_S(1), .cap = WEIR_S(1));
    struct weir_rng one = rng_of(1), two = rng_of(2);
    double xy = 0, n = 200000;

    for (int i = 0; i < n; i++) {
        struct weir_backoff_state s = {0, 0, 0}, t = {0, 0, 0};
        xy += ((double)weir_backoff_next(&b, &s, &one) / 1e9 - 0.5) *
              ((double)weir_backoff_next(&b, &t, &two) / 1e9 - 0.5);
    }
    LT(fabs(xy / n * 12), 0.015);
}

TEST(B9_decorrelated_goes_down_too_and_a_fresh_state_starts_over)
{
    struct weir_backoff b = LAW(.base = 5, .cap = 2000, .jitter = WEIR_JITTER_DECORRELATED);
    struct weir_backoff_state s = {0, 0, 0};
    struct weir_rng rng = rng_of(9);
    weir_span last = 0;
    int down = 0;

    for (int i = 0; i < 1000; i++) {
        weir_span d = weir_backoff_next(&b, &s, &rng);
        down += d < last;
        last = d;
    }
    LE(200, down);
    for (int i = 0; i < 1000; i++) {
        struct weir_backoff_state fresh = {0, 0, 0};
        LE(weir_backoff_next(&b, &fresh, &rng), 15); /* within base .. 3 base */
    }
}
