/*
 * rate.c -- the two promises of a rate limit: between any two instants no more
 * than burst + rate * (b - a + 1 ns) cells are admitted; and a refused take is
 * admitted exactly the stated time later, not a nanosecond before.
 */
#include <weir/rate.h>

#include "fuzz.h"

enum { RATE_TAKES = 200 };

struct taken {
    weir_time at;
    uint32_t n;
};

/* count cells a period, exactly: admitted * period <= burst * period + count * (b - a + 1). */
static void bounded(const struct taken *t, size_t n, const struct weir_rate_opts *o)
{
    uint32_t burst = o->burst ? o->burst : 1;
    __int128 sum = 0;

    for (size_t from = n; from-- > 0;) {
        __int128 span = t[n - 1].at - t[from].at + 1;

        sum += t[from].n;
        HOLDS(sum * o->period <= (__int128)burst * o->period + (__int128)o->count * span);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const weir_span periods[] = {1, 1000, 999983, 1000000007, 86400000000000};
    struct bytes b = {data, data + size};
    struct weir_rate_opts o = {
        .count = number(&b, 100000) + 1, .period = periods[byte(&b) % 5], .burst = number(&b, 300)};
    struct taken taken[RATE_TAKES];
    weir_time now = WEIR_EPOCH;
    struct weir_rate r;
    size_t n = 0;

    if (weir_rate_init(&r, &o) < 0)
        return 0;
    while (bytes_left(&b) && n < RATE_TAKES) {
        uint32_t cells = 1 + byte(&b) % 8;
        int64_t wait = weir_rate_peek(&r, cells, now);

        HOLDS(weir_rate_take(&r, cells, now) == wait);
        HOLDS(wait >= 0 || cells > (o.burst ? o.burst : 1));
        if (wait > 0) {
            struct weir_rate copy = r;

            HOLDS(weir_rate_take(&copy, cells, now + wait - 1) > 0);
            HOLDS(weir_rate_take(&copy, cells, now + wait) == 0);
        } else if (wait == 0) {
            taken[n++] = (struct taken){now, cells};
            bounded(taken, n, &o);
        }
        switch (byte(&b) % 4) {
        case 0:
            now += wait > 0 ? wait : 0; /* asks again at the very instant */
            break;
        case 1:
            now += number(&b, 1000);
            break;
        case 2:
            now += (weir_span)number(&b, 1 << 20) * 1000;
            break;
        default:
            break;
        }
    }
    return 0;
}
