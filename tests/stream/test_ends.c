/*
 * test_ends.c -- ends that give one answer; each closes its stream, drops what
 * it does not give, and waits for what it cancels.
 */
#include <errno.h>
#include <string.h>
#include <weir.h>

#include "core/world.h"

#define INT WEIR_TYPE(int64_t)

/* --- things that are counted --------------------------------------------------- */

struct thing {
    int64_t n;
    int owned;
};

static int live, closed;

static void thing_drop(void *p)
{
    struct thing *t = p;

    live -= t->owned;
    t->owned = 0;
}

static struct weir_type thing_type(void)
{
    struct weir_type t = WEIR_TYPE(struct thing);

    t.drop = thing_drop;
    return t;
}

static const int64_t numbers[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};
enum { N = 10 };

static struct {
    int at, n, fails;
} feed;

static int feed_next(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    if (feed.at == feed.n)
        return feed.fails;
    *(struct thing *)out = (struct thing){numbers[feed.at++], 1};
    live++;
    return 1;
}

static void note_close(void *ctx, int why)
{
    (void)ctx;
    (void)why;
    closed++;
}

static weir_stream *things(int n, int fails)
{
    feed.at = live = closed = 0;
    feed.n = n;
    feed.fails = fails;
    return weir_finally(weir_unfold(feed_next, NULL, thing_type()), note_close, NULL);
}

static void ended(weir_stream *s)
{
    OK(s == NULL);
    EQ(closed, 1);
    EQ(live, 0);
}

static int by_n(void *ctx, const void *a, const void *b)
{
    int64_t x = ((const struct thing *)a)->n, y = ((const struct thing *)b)->n;

    (void)ctx;
    return (x > y) - (x < y);
}

static int add(void *ctx, void *in, void *acc)
{
    (void)ctx;
    ((struct thing *)acc)->n += ((struct thing *)in)->n;
    return ((struct thing *)in)->n == 9 && ctx ? -EIO : 0;
}

/* --- the tests --------------------------------------------------------------------- */

SIM_TEST(last_min_max_and_reduce_keep_one)
{
    struct thing t;
    weir_stream *s = things(N, 0);

    EQ(weir_last(&s, &t), 1);
    EQ(t.n, 3);
    thing_drop(&t);
    ended(s);
    s = things(N, 0);
    EQ(weir_min(&s, by_n, NULL, &t), 1);
    EQ(t.n, 1);
    thing_drop(&t);
    ended(s);
    s = things(N, 0);
    EQ(weir_max(&s, by_n, NULL, &t), 1);
    EQ(t.n, 9);
    thing_drop(&t);
    ended(s);
    s = things(N, 0);
    EQ(weir_reduce(&s, add, NULL, &t), 1);
    EQ(t.n, 39);
    thing_drop(&t);
    ended(s);
    return 0;
}

SIM_TEST(nothing_is_no_value)
{
    struct thing t = {77, 0};
    weir_stream *s = things(0, 0);

    EQ(weir_last(&s, &t), 0);
    s = things(0, 0);
    EQ(weir_min(&s, by_n, NULL, &t), 0);
    s = things(0, 0);
    EQ(weir_max(&s, by_n, NULL, &t), 0);
    s = things(0, 0);
    EQ(weir_reduce(&s, add, NULL, &t), 0);
    ended(s);
    EQ(t.n, 77); /* nothing was written */
    return 0;
}

SIM_TEST(after_a_failure_none_is_given)
{
    struct thing t = {0, 0};
    weir_stream *s = things(5, -EIO);

    EQ(weir_last(&s, &t), -EIO);
    ended(s);
    OK(t.n == 0 && t.owned == 0);
    s = things(5, -EIO);
    EQ(weir_min(&s, by_n, NULL, &t), -EIO);
    ended(s);
    s = things(N, 0);
    EQ(weir_reduce(&s, add, &t, &t), -EIO); /* at the 9 */
    ended(s);
    EQ(feed.at, 6);
    s = things(5, -EIO);
    EQ(weir_drain(&s), -EIO);
    ended(s);
    return 0;
}

/* Of equals the first: told apart by their place. */
struct placed {
    int64_t key, place;
};

static int by_key(void *ctx, const void *a, const void *b)
{
    int64_t x = ((const struct placed *)a)->key, y = ((const struct placed *)b)->key;

    (void)ctx;
    return (x > y) - (x < y);
}

SIM_TEST(of_equals_the_first_is_the_least_and_the_greatest)
{
    static const struct placed all[] = {{2, 0}, {1, 1}, {3, 2}, {1, 3}, {3, 4}};
    struct placed p;
    weir_stream *s = weir_array(all, 5, WEIR_TYPE(struct placed));

    EQ(weir_min(&s, by_key, NULL, &p), 1);
    EQ(p.place, 1);
    s = weir_array(all, 5, WEIR_TYPE(struct placed));
    EQ(weir_max(&s, by_key, NULL, &p), 1);
    EQ(p.place, 2);
    return 0;
}

static int is_n(void *ctx, void *in, void *out)
{
    OK(out == NULL);
    return ((struct thing *)in)->n == *(int64_t *)ctx;
}

static int is_less(void *ctx, void *in, void *out)
{
    (void)out;
    return ((struct thing *)in)->n < *(int64_t *)ctx;
}

static int breaks(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return -EBADMSG;
}

SIM_TEST(any_and_all_stop_as_soon_as_they_know)
{
    int64_t four = 4, eight = 8, five = 5, ten = 10;
    weir_stream *s = things(N, 0);

    EQ(weir_any(&s, is_n, &four), 1);
    EQ(feed.at, 3); /* not one item more was taken */
    ended(s);
    s = things(N, 0);
    EQ(weir_any(&s, is_n, &eight), 0);
    EQ(feed.at, N);
    ended(s);
    s = things(N, 0);
    EQ(weir_all(&s, is_less, &five), 0);
    EQ(feed.at, 5);
    ended(s);
    s = things(N, 0);
    EQ(weir_all(&s, is_less, &ten), 1);
    ended(s);
    s = things(0, 0);
    EQ(weir_any(&s, is_n, &four), 0);
    s = things(0, 0);
    EQ(weir_all(&s, is_n, &four), 1);
    s = things(2, -EIO);
    EQ(weir_any(&s, is_n, &four), -EIO);
    s = things(2, -EIO);
    EQ(weir_all(&s, is_less, &five), -EIO);
    s = things(2, 0);
    EQ(weir_any(&s, breaks, NULL), -EBADMSG);
    ended(s);
    return 0;
}

/* The upstream that is cancelled takes 50 ms to go, and is waited for. */
static int slow_to_leave(weir_generator *g, void *ctx)
{
    struct weir_limit l;
    int64_t i = 0;

    while (weir_emit(g, &i) > 0)
        i++;
    EQ(weir_shield_init(&l, WEIR_S(1)), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(50))), 0);
    (void)weir_limit_fini(&l, 0);
    *(int *)ctx = 1;
    return 0;
}

static int is_three(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    return *(int64_t *)in == 3;
}

SIM_TEST(what_is_cancelled_is_waited_for)
{
    int left = 0;
    weir_stream *s = weir_generate(slow_to_leave, &left, INT);

    EQ(weir_any(&s, is_three, NULL), 1);
    EQ(left, 1);
    EQ(world_age(), WEIR_MS(50));
    return 0;
}

static int add_to_10(void *ctx, void *in, void *acc)
{
    (void)ctx;
    *(int64_t *)acc += ((struct thing *)in)->n;
    return *(int64_t *)acc < 10;
}

SIM_TEST(try_fold_may_stop_without_a_failure)
{
    int64_t acc = 0;
    weir_stream *s = things(N, 0);

    EQ(weir_try_fold(&s, add_to_10, NULL, &acc), 1);
    EQ(acc, 14);
    EQ(feed.at, 5);
    ended(s);
    acc = -1000;
    s = things(N, 0);
    EQ(weir_try_fold(&s, add_to_10, NULL, &acc), 0);
    ended(s);
    s = things(N, 0);
    EQ(weir_try_fold(&s, breaks, NULL, &acc), -EBADMSG);
    ended(s);
    s = things(2, -EIO);
    acc = 0;
    EQ(weir_try_fold(&s, add_to_10, NULL, &acc), -EIO);
    EQ(acc, 4); /* what there was */
    return 0;
}

/* A NULL where something is needed: -EINVAL, and the stream is closed all the same. */
SIM_TEST(ends_take_their_stream_also_when_they_refuse)
{
    struct thing t;
    weir_stream *s, *none = NULL;

#define REFUSES(call)                                                                              \
    s = things(2, 0);                                                                              \
    EQ(call, -EINVAL);                                                                             \
    ended(s)
    REFUSES(weir_last(&s, NULL));
    REFUSES(weir_min(&s, NULL, NULL, &t));
    REFUSES(weir_min(&s, by_n, NULL, NULL));
    REFUSES(weir_max(&s, NULL, NULL, &t));
    REFUSES(weir_reduce(&s, NULL, NULL, &t));
    REFUSES(weir_reduce(&s, add, NULL, NULL));
    REFUSES(weir_any(&s, NULL, NULL));
    REFUSES(weir_all(&s, NULL, NULL));
    REFUSES(weir_try_fold(&s, NULL, NULL, &t));
    EQ(weir_last(&none, &t), -EINVAL);
    EQ(weir_last(NULL, &t), -EINVAL);
    EQ(weir_drain(&none), -EINVAL);
    EQ(weir_drain(NULL), -EINVAL);
    s = weir_step_by(weir_range(0, 1), 0);
    EQ(weir_all(&s, is_three, NULL), -EINVAL);
    OK(s == NULL);
    return 0;
}

/* --- a fault at every point ------------------------------------------------------------ */

static int every_end(void *arg)
{
    struct thing t = {0, 0};
    int64_t five = 5, acc = 0;
    weir_stream *s;

    (void)arg;
#define END(call)                                                                                  \
    do {                                                                                           \
        t.owned = 0;                                                                               \
        s = weir_stage(things(N, 0), NULL);                                                        \
        int r = call;                                                                              \
        OK(s == NULL);                                                                             \
        if (r < 0)                                                                                 \
            OK(test_fault_hit());                                                                  \
        thing_drop(&t);                                                                            \
        EQ(live, 0);                                                                               \
        EQ(closed, 1);                                                                             \
    } while (0)
    END(weir_last(&s, &t));
    END(weir_min(&s, by_n, NULL, &t));
    END(weir_reduce(&s, add, NULL, &t));
    END(weir_any(&s, is_n, &five));
    END(weir_all(&s, is_n, &five));
    END(weir_try_fold(&s, add_to_10, NULL, &acc));
    END(weir_drain(&s));
    return 0;
}

static void every_end_once(void *arg)
{
    int r = world_seed(3, every_end, arg);

    OK(r == 0 || r == -ENOMEM);
}

TEST(ends_leave_nothing_behind_at_any_point)
{
    EVERY_POINT(every_end_once, NULL);
}
