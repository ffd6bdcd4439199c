/*
 * test_rand.c -- the generator repeats, is unbiased, and its streams are apart.
 */
#include "harness/test.h"

#include <math.h>
#include <stdlib.h>

#include <weir/rand.h>

#include "base/arith.h"
#include "base/rand.h"

TEST(B7_a_seed_gives_the_same_sequence_on_every_machine)
{
    struct weir_rng a, b;
    uint64_t golden[4];

    weir_rng_init(&a, 1, 0);
    weir_rng_init(&b, 1, 0);
    for (int i = 0; i < 4; i++)
        golden[i] = weir_rng_next(&a);
    for (int i = 0; i < 4; i++)
        EQ(weir_rng_next(&b), golden[i]);
    EQ(golden[0], UINT64_C(7543576138200307233));
    EQ(golden[3], UINT64_C(11878790839180375880));
}

TEST(xoshiro_matches_the_published_algorithm)
{
    struct weir_rng r = {{1, 2, 3, 4}};

    EQ(weir_rng_next(&r), UINT64_C(11520)); /* first outputs of the reference from 1 2 3 4 */
    EQ(weir_rng_next(&r), UINT64_C(0));
    EQ(weir_rng_next(&r), UINT64_C(1509978240));
    EQ(weir_rng_next(&r), UINT64_C(1215971899390074240));
}

TEST(B7_streams_of_one_seed_are_not_correlated)
{
    struct weir_rng a, b;
    double xy = 0, n = 200000;

    weir_rng_init(&a, test_seed(), 1);
    weir_rng_init(&b, test_seed(), 2);
    for (int i = 0; i < n; i++)
        xy += (weir_rng_unit(&a) - 0.5) * (weir_rng_unit(&b) - 0.5);
    LT(fabs(xy / n * 12), 0.015);
}

TEST(B6_a_bounded_draw_is_unbiased_and_reaches_both_ends)
{
    struct weir_rng r;
    long hit[3] = {0};
    double chi = 0, n = 900000;

    weir_rng_init(&r, test_seed(), 0);
    for (int i = 0; i < n; i++)
        hit[weir_rng_below(&r, 3)]++;
    for (int i = 0; i < 3; i++)
        chi += (hit[i] - n / 3) * (hit[i] - n / 3) / (n / 3);
    LT(chi, 25.0); /* two degrees of freedom: once in 270 000 seeds */
    EQ(weir_rng_below(&r, 0), 0);
    EQ(weir_rng_below(&r, 1), 0);
}

/* Three quarters of 2^64: without rejection every third number would come twice as often. */
TEST(a_bounded_draw_of_a_huge_range_has_no_bias)
{
    struct weir_rng r;
    uint64_t n = UINT64_C(3) << 62;
    long low = 0, third = 0, draws = 200000;

    weir_rng_init(&r, test_seed(), 0);
    for (long i = 0; i < draws; i++) {
        uint64_t x = weir_rng_below(&r, n);
        low += x < UINT64_C(1) << 62;
        third += x % 3 == 0;
    }
    LT(labs(low - draws / 3), 1500);
    LT(labs(third - draws / 3), 1500);
}

static int rand_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

TEST(B6_draws_are_uniform_by_kolmogorov_and_smirnov)
{
    enum { N = 100000 };
    double *v = malloc(N * sizeof *v), most = 0;
    struct weir_rng r;

    weir_rng_init(&r, test_seed(), 0);
    for (int i = 0; i < N; i++)
        v[i] = weir_rng_unit(&r);
    qsort(v, N, sizeof *v, rand_compare);
    for (int i = 0; i < N; i++) {
        double gap = fabs(v[i] - (i + 0.5) / N);
        most = gap > most ? gap : most;
    }
    free(v);
    LT(most * most * N, 2.7 * 2.7); /* once in a million seeds */
}

TEST(seeds_differ_until_they_are_set_and_then_repeat)
{
    uint64_t a, b;

    NE(weir__seed_next(), weir__seed_next());
    weir__seed_set(7);
    a = weir__seed_next();
    b = weir__seed_next();
    NE(a, b);
    weir__seed_set(7);
    EQ(weir__seed_next(), a);
    weir__seed_set(8);
    NE(weir__seed_next(), a);
}

TEST(wide_arithmetic_agrees_with_128_bits)
{
    for (int i = 0; i < 20000; i++) {
        uint64_t a = test_random() >> test_random() % 64, b = test_random() >> test_random() % 64;
        uint64_t c = (test_random() >> test_random() % 64) | 1, low;
        uint64_t high = weir__mul_wide(a, b, &low);
        unsigned __int128 p = (unsigned __int128)a * b, q = p / c;

        EQ(low, (uint64_t)p);
        EQ(high, (uint64_t)(p >> 64));
        EQ(weir__mul_div(a, b, c), q > UINT64_MAX ? UINT64_MAX : (uint64_t)q);
    }
    EQ(weir__mul_div(1, 1, 0), UINT64_MAX);
    EQ(weir__sat_add(INT64_MAX, 1), INT64_MAX);
    EQ(weir__sat_add(INT64_MIN, -1), INT64_MIN);
    EQ(weir__sat_sub(INT64_MIN, 1), INT64_MIN);
    EQ(weir__sat_sub(0, INT64_MIN), INT64_MAX);
    EQ(weir__sat_mul(INT64_MAX / 2, 3), INT64_MAX);
}
