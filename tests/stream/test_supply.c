/*
 * test_supply.c -- further sources, one promise of ops.h a test; what holds for
 * all of them is in test_operators.c, and pages have test_pages.c.
 */
#include <unistd.h>

#include "stream/ints.h"

/* --- sources ------------------------------------------------------------------------ */

SIM_TEST(once_gives_one_and_repeat_never_ends)
{
    int64_t x = 7, got;
    weir_stream *s = weir_repeat(&x, INT);

    EXPECT(weir_once(&x, INT), 0, 7);
    EXPECT(weir_take(weir_repeat(&x, INT), 5), 0, 7, 7, 7, 7, 7);
    x = 8; /* borrowed */
    EQ(weir_next(s, &got), 1);
    EQ(got, 8);
    weir_stream_close(&s);
    return 0;
}

/* An endless source that never parks still lets others run, and can be cancelled. */
static int drain_repeat(void *arg)
{
    weir_stream *s = weir_repeat(arg, INT);

    return weir_drain(&s);
}

SIM_TEST(an_endless_source_leaves_room_for_others)
{
    int64_t x = 1;
    weir_scope *s = weir_scope_open(NULL);

    GO(s, drain_repeat, &x);
    for (int i = 0; i < 50; i++)
        EQ(weir_yield(), 0);
    EQ(weir_scope_cancel(s, -ESTALE), 0);
    EQ(weir_scope_close(&s), -ESTALE);
    return 0;
}

TEST(sources_refuse_what_makes_no_sense)
{
    struct weir_type drops = wide_type(), bad = {.size = 0};
    struct weir_resource none = {0}, odd = {.next = wide_next, .reserved = &none};
    struct weir_event e;
    int64_t x = 0;
    struct wide w = {1, 1};

    drops.clone = NULL;
    weir_event_init(&e);
    refuses(weir_once(NULL, INT), -EINVAL);
    refuses(weir_repeat(NULL, INT), -EINVAL);
    refuses(weir_repeat(&w, drops), -EINVAL);
    refuses(weir_repeat(&x, bad), -EINVAL);
    refuses(weir_from_poll(NULL, NULL, &e, INT), -EINVAL);
    refuses(weir_from_poll(wide_next, NULL, NULL, INT), -EINVAL);
    refuses(weir_resource(NULL, NULL, INT), -EINVAL);
    refuses(weir_resource(&none, NULL, INT), -EINVAL);
    refuses(weir_resource(&odd, NULL, INT), -EINVAL);
    refuses(weir_bytes(-1, 0), -EINVAL);
    refuses(weir_bytes(0, SIZE_MAX), -EINVAL);
    refuses(weir_defer(NULL, NULL, INT), -EINVAL);
    wides = 1;
    drops.size = 0;
    refuses(weir_once(&w, drops), -EINVAL); /* taken all the same */
    EQ(wides, 0);
}

static weir_stream *single(void *ctx, void *item)
{
    (void)ctx;
    return weir_once(item, INT);
}

static int clones_left;

static int clone_some(void *to, const void *from)
{
    if (clones_left-- == 0)
        return -ENOSPC;
    memcpy(to, from, sizeof(int64_t));
    return 0;
}

SIM_TEST(a_clone_that_fails_comes_after_those_that_did_not)
{
    struct weir_type t = INT;
    int64_t x = 7, got[8];
    weir_stream *s;

    t.clone = clone_some;
    clones_left = 3;
    s = weir_repeat(&x, t);
    EQ(weir_pull(s, got, 8), 3);
    clones_left = 0; /* it is tried again */
    EQ(weir_pull(s, got, 8), -ENOSPC);
    EQ(weir_pull(s, got, 8), -ENOSPC);
    weir_stream_close(&s);
    return 0;
}

static int three_numbers(void *ctx, void *in, void *out)
{
    (void)in;
    *(int64_t *)out = ++*(int64_t *)ctx;
    return *(int64_t *)ctx <= 3;
}

/* What never parks needs no fiber. */
TEST(sources_that_do_not_park_work_off_a_fiber)
{
    struct weir_event ready;
    int64_t x = 7, at = 0, got[4];
    weir_stream *s = weir_repeat(&x, INT);

    EQ(weir_pull(s, got, 4), 4);
    weir_stream_close(&s);
    weir_event_init(&ready);
    s = weir_from_poll(three_numbers, &at, &ready, INT);
    EQ(weir_pull(s, got, 4), 3);
    EQ(weir_pull(s, got, 4), 0);
    weir_stream_close(&s);
    EXPECT(weir_flat_map(INTS(1, 2), single, NULL, INT), 0, 1, 2);
}

struct bell {
    struct weir_event ready;
    int asked, rung;
};

static int bell_next(void *ctx, void *in, void *out)
{
    struct bell *b = ctx;

    (void)in;
    b->asked++;
    if (b->rung == 0)
        return -EAGAIN;
    *(int64_t *)out = b->rung--;
    return *(int64_t *)out == 100 ? -EIO : 1;
}

static int ring(void *arg)
{
    struct bell *b = arg;

    for (int i = 1; i <= 3; i++) {
        EQ(weir_sleep(weir_after(WEIR_MS(10))), 0);
        b->rung = i == 3 ? 100 : i;
        weir_event_set(&b->ready);
    }
    return 0;
}

SIM_TEST(a_poll_function_is_asked_when_its_event_is_set)
{
    struct bell b = {.asked = 0};
    weir_scope *s = weir_scope_open(NULL);
    int64_t got[8];
    size_t n;

    weir_event_init(&b.ready);
    GO(s, ring, &b);
    weir_stream *p = weir_from_poll(bell_next, &b, &b.ready, INT);
    EQ(weir_collect(&p, got, 8, &n), -EIO);
    EQ(n, 3); /* 1; 2 1; then the failure */
    EQ(world_age(), WEIR_MS(30));
    EQ(b.asked, 9); /* once more after each -EAGAIN that came behind an item, and no polling */
    EQ(weir_scope_close(&s), 0);
    return 0;
}

/* --- a resource -------------------------------------------------------------------------- */

static struct res {
    int opened, closed, why, left, fail_open, result;
} res;

static int res_open(void *ctx)
{
    struct res *r = ctx;

    r->opened++;
    return r->fail_open ? r->fail_open : weir_sleep(weir_after(WEIR_MS(10)));
}

static int res_next(void *ctx, void *in, void *out)
{
    struct res *r = ctx;

    (void)in;
    *(int64_t *)out = r->left;
    return r->left-- > 0 ? 1 : r->result;
}

static void res_close(void *ctx, int why)
{
    struct res *r = ctx;

    r->closed++;
    r->why = why;
}

static const struct weir_resource res_ops = {res_open, res_next, res_close, NULL};

SIM_TEST(a_resource_is_closed_once_in_every_case)
{
    struct weir_limit l;
    int64_t x;
    weir_stream *s;

    res = (struct res){.left = 2};
    EXPECT(weir_resource(&res_ops, &res, INT), 0, 2, 1);
    OK(res.opened == 1 && res.closed == 1 && res.why == 0);
    res = (struct res){.left = 1, .result = -EIO};
    s = weir_resource(&res_ops, &res, INT);
    EQ(weir_next(s, &x), 1);
    EQ(weir_next(s, &x), -EIO);
    OK(res.closed == 1 && res.why == -EIO); /* at once, not only when the stream is closed */
    weir_stream_close(&s);
    EQ(res.closed, 1);
    res = (struct res){.left = 5};
    EXPECT(weir_take(weir_resource(&res_ops, &res, INT), 2), 0, 5, 4);
    OK(res.closed == 1 && res.why == -ECANCELED);
    res = (struct res){.fail_open = -EACCES};
    EXPECT_NONE(weir_resource(&res_ops, &res, INT), -EACCES);
    OK(res.opened == 1 && res.closed == 0);
    res = (struct res){.left = 1};
    s = weir_resource(&res_ops, &res, INT);
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(3))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &x)), -ETIMEDOUT);
    EQ(weir_next(s, &x), 1); /* opened again, for it was not */
    EQ(res.opened, 2);
    weir_stream_close(&s);
    EQ(res.closed, 1);
    return 0;
}

/* --- bytes ----------------------------------------------------------------------------------- */

SIM_TEST(bytes_come_as_they_are)
{
    struct weir_chunk c;
    weir_stream *s;
    int fds[2];

    EQ(pipe(fds), 0);
    EQ(write(fds[1], "ab\0cd", 5), 5);
    s = weir_bytes(fds[0], 3);
    EQ(weir_next(s, &c), 1);
    EQ(c.n, 3);
    MEMEQ(c.items, "ab\0", 3);
    EQ(weir_next(s, &c), 1);
    EQ(c.n, 2);
    close(fds[1]);
    EQ(weir_next(s, &c), 0);
    weir_stream_close(&s);
    weir_close(fds[0]);
    return 0;
}

/* --- defer ----------------------------------------------------------------------------------- */

static int made;

static weir_stream *make_range(void *ctx)
{
    made++;
    return ctx ? weir_empty(WEIR_TYPE(char)) : weir_range(0, 3);
}

static weir_stream *make_null(void *ctx)
{
    (void)ctx;
    return NULL;
}

static weir_stream *make_poison(void *ctx)
{
    (void)ctx;
    return weir_take(NULL, 1);
}

SIM_TEST(defer_makes_its_source_at_the_first_pull)
{
    weir_stream *s;

    made = 0;
    s = weir_defer(make_range, NULL, INT);
    EQ(made, 0);
    EXPECT(s, 0, 0, 1, 2);
    EQ(made, 1);
    s = weir_defer(make_range, NULL, INT);
    weir_stream_close(&s); /* never wanted, never made */
    EQ(made, 1);
    EXPECT_NONE(weir_defer(make_null, NULL, INT), 0);
    EXPECT_NONE(weir_defer(make_poison, NULL, INT), -EINVAL);
    EXPECT_NONE(weir_defer(make_range, &made, INT), WEIR_ETYPE);
    return 0;
}
