/*
 * arith.h -- integer arithmetic that saturates instead of wrapping.
 *
 * Policies take any instant a caller hands them, so no sum or product of
 * times may overflow.  Everything here is total: every input has a result.
 */
#ifndef WEIR_BASE_ARITH_H
#define WEIR_BASE_ARITH_H

#include <stdint.h>

static inline int64_t weir__sat_add(int64_t a, int64_t b)
{
    if (b > 0 && a > INT64_MAX - b)
        return INT64_MAX;
    if (b < 0 && a < INT64_MIN - b)
        return INT64_MIN;
    return a + b;
}

static inline int64_t weir__sat_sub(int64_t a, int64_t b)
{
    if (b < 0 && a > INT64_MAX + b)
        return INT64_MAX;
    if (b > 0 && a < INT64_MIN + b)
        return INT64_MIN;
    return a - b;
}

/* a * b for a, b >= 0. */
static inline int64_t weir__sat_mul(int64_t a, int64_t b)
{
    return b != 0 && a > INT64_MAX / b ? INT64_MAX : a * b;
}

/* x >= 0 without its fraction; the conversion alone has no result from 2^63 on. */
static inline int64_t weir__sat_of(double x)
{
    return x < 0x1p63 ? (int64_t)x : INT64_MAX;
}

/* The root of x >= 1, to the last bits, without libm. */
static inline double weir__sqrt(double x)
{
    double y = x;

    for (int i = 0; i < 40 && y * y > x * (1 + 1e-14); i++)
        y = (y + x / y) / 2;
    return y;
}

static inline int64_t weir__min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t weir__max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* `percent` in a hundred of v, rounded down, for v >= 0 and percent <= 100. */
static inline int64_t weir__percent_of(int64_t v, uint32_t percent)
{
    return v / 100 * (int64_t)percent + v % 100 * (int64_t)percent / 100;
}

/* The high half of the 128-bit product; the low half in *out_low. */
static inline uint64_t weir__mul_wide(uint64_t a, uint64_t b, uint64_t *out_low)
{
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t mid = ah * bl + (al * bl >> 32), mid2 = al * bh + (uint32_t)mid;

    *out_low = a * b;
    return ah * bh + (mid >> 32) + (mid2 >> 32);
}

/* floor(a * b / c), UINT64_MAX where that does not fit or c is 0.  Slow: 64 steps. */
static inline uint64_t weir__mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low, rest = weir__mul_wide(a, b, &low), quotient = 0;

    if (rest >= c)
        return UINT64_MAX;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t carry = rest >> 63;
        rest = rest << 1 | (low >> bit & 1);
        quotient <<= 1;
        if (carry || rest >= c) {
            rest -= c;
            quotient |= 1;
        }
    }
    return quotient;
}

#endif
