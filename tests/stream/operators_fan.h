/*
 * operators_fan.h -- callbacks and sources of the lines for fan.h.
 */
#ifndef TESTS_STREAM_OPERATORS_FAN_H
#define TESTS_STREAM_OPERATORS_FAN_H

#include "stream/operators.h"

static int by_number(void *ctx, const void *a, const void *b)
{
    int64_t x = ((const struct thing *)a)->n, y = ((const struct thing *)b)->n;

    (void)ctx;
    return (x > y) - (x < y);
}

/* The sum of what is there, and nothing is moved. */
static int sum_of(void *ctx, void *const in[], size_t n, void *out)
{
    int64_t sum = 0;

    (void)ctx;
    for (size_t i = 0; i < n; i++)
        sum += in[i] ? ((const struct thing *)in[i])->n : 100;
    *(int64_t *)out = sum;
    return 1;
}

static int odd_or_even(void *ctx, const void *item, uint64_t *key)
{
    (void)ctx;
    *key = (uint64_t)((const struct thing *)item)->n % 2;
    return 1;
}

static weir_stream *mapped(void)
{
    weir_stream *m = weir_stream_map(thing_type(), NULL);
    int r = 0;

    for (uint64_t key = 0; key < 2 && r == 0; key++)
        r = weir_stream_map_insert(m, key, source());
    if (r < 0 && weir_error(m) == 0) {
        weir_stream_close(&m);
        m = weir__stream_poison(r);
    }
    return m;
}

static weir_stream *subscribed(weir_broadcast *b)
{
    weir_stream *s = weir_broadcast_subscribe(b, NULL);

    weir_broadcast_close(&b);
    return s;
}

/* Into a channel that has room for two. */
static weir_stream *tapped(void)
{
    weir_chan *ch = weir_chan_new(thing_type(), 2);
    weir_stream *s = weir_wire_tap(source(), ch);

    if (weir_error(s) == 0 && weir_stream_own(s, ch, chan_free) < 0) {
        weir_stream_close(&s);
        weir_chan_free(&ch);
        return weir__stream_poison(-ENOMEM);
    }
    if (weir_error(s) < 0)
        weir_chan_free(&ch);
    return s;
}

#endif
