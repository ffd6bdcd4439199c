/*
 * ints.h -- what the tests of operators share: streams of int64_t and what they
 * have to give, and an item on a line of its own, whose alignment is checked.
 */
#ifndef TESTS_STREAM_INTS_H
#define TESTS_STREAM_INTS_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "core/world.h"

enum { ROOM = 64 };

/* Everything a stream of int64_t gives, which has to be `want`, and its end. */
static inline void expect(weir_stream *s, int end, size_t n, const int64_t *want)
{
    int64_t got[ROOM];
    size_t k;

    EQ(weir_collect(&s, got, ROOM, &k), end);
    EQ(k, n);
    MEMEQ(got, want, n * sizeof *got);
}

#define EXPECT(s, end, ...)                                                                        \
    expect(s, end, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})
#define EXPECT_NONE(s, end) expect(s, end, 0, NULL)

#define INTS(...)                                                                                  \
    weir_array((const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), \
               WEIR_TYPE(int64_t))
#define INT WEIR_TYPE(int64_t)

static inline void refuses(weir_stream *s, int code)
{
    EQ(weir_error(s), code);
    weir_stream_close(&s);
}

/* An item on a line of its own: what is lost or doubled, and where it stands, shows. */
struct wide {
    _Alignas(64) int64_t n;
    int owned;
};

static int wides;

static inline void wide_drop(void *p)
{
    struct wide *w = p;

    EQ((uintptr_t)p % 64, 0);
    wides -= w->owned;
    w->owned = 0;
}

static inline int wide_clone(void *to, const void *from)
{
    *(struct wide *)to = (struct wide){((const struct wide *)from)->n, 1};
    wides++;
    return 0;
}

static inline struct weir_type wide_type(void)
{
    struct weir_type t = WEIR_TYPE(struct wide);

    t.drop = wide_drop;
    t.clone = wide_clone;
    return t;
}

static inline int wide_next(void *ctx, void *in, void *out)
{
    int64_t *left = ctx;

    (void)in;
    EQ((uintptr_t)out % 64, 0);
    if (*left == 0)
        return 0;
    *(struct wide *)out = (struct wide){(*left)--, 1};
    wides++;
    return 1;
}

#endif
