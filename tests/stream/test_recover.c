/*
 * test_recover.c -- restart with its timeline, its token and its giving up;
 * recover; finally, once for every way to end.
 */
#include <errno.h>
#include <stdlib.h>
#include <weir.h>

#include "core/world.h"

#define INT WEIR_TYPE(int64_t)

static void refuses(weir_stream *s, int code)
{
    EQ(weir_error(s), code);
    weir_stream_close(&s);
}

/* --- restart ------------------------------------------------------------------- */

/* A source of 0, 1, 2 ... 9 whose run k breaks after `breaks` items. */
static struct feed {
    int runs, breaks, code, last_failed, poisoned;
    weir_time at[16];
    uint64_t given[16];
    int64_t token[16];
    weir_span life;
} feed;

static int feed_next(void *ctx, void *in, void *out)
{
    int64_t *at = ctx;

    (void)in;
    if (at[0] == at[1] && feed.life) {
        int r = weir_sleep(weir_after(feed.life));
        if (r < 0)
            return r;
    }
    if (at[0] >= 10)
        return 0;
    if (at[0] == at[1])
        return feed.code;
    *(int64_t *)out = at[0]++;
    return 1;
}

static weir_stream *feed_make(void *ctx, const struct weir_restart *about)
{
    int64_t from = about->token ? *(const int64_t *)about->token : (int64_t)about->given;
    int64_t *at = malloc(2 * sizeof *at);
    weir_stream *s;

    (void)ctx;
    EQ(about->run, feed.runs);
    feed.at[feed.runs] = weir_now();
    feed.given[feed.runs] = about->given;
    feed.token[feed.runs] = from;
    feed.last_failed = about->failed;
    if (feed.runs++ < feed.poisoned) {
        free(at);
        return weir_fail(INT, feed.code);
    }
    at[0] = from;
    at[1] = from + feed.breaks;
    s = weir_unfold(feed_next, at, INT);
    EQ(weir_stream_own(s, at, free), 0);
    return s;
}

static int next_of(void *ctx, void *in, void *out)
{
    (void)ctx;
    *(int64_t *)out = *(int64_t *)in + 1;
    return 1;
}

static void expect_ten(weir_stream *s, int end, size_t want)
{
    int64_t got[20];
    size_t n;

    EQ(weir_collect(&s, got, 20, &n), end);
    EQ(n, want);
    for (size_t i = 0; i < n; i++)
        EQ(got[i], (int64_t)i);
}

SIM_TEST(a_restarted_source_goes_on_behind_its_token)
{
    struct weir_restart_opts o = {
        .retry = {.attempts = 5, .base = WEIR_MS(100), .jitter = WEIR_JITTER_NONE},
        .token = next_of,
        .token_type = INT};

    feed = (struct feed){.breaks = 4, .code = -ECONNRESET};
    expect_ten(weir_restart(feed_make, NULL, INT, &o), 0, 10);
    EQ(feed.runs, 3);
    EQ(feed.last_failed, -ECONNRESET);
    OK(feed.token[0] == 0 && feed.token[1] == 4 && feed.token[2] == 8);
    OK(feed.given[0] == 0 && feed.given[1] == 4 && feed.given[2] == 8);
    EQ(feed.at[1] - feed.at[0], WEIR_MS(100));
    EQ(feed.at[2] - feed.at[1], WEIR_MS(200));
    o.token = NULL; /* the count alone does as well, for a source that can be counted */
    feed = (struct feed){.breaks = 3, .code = -ECONNRESET};
    expect_ten(weir_restart(feed_make, NULL, INT, &o), 0, 10);
    return 0;
}

SIM_TEST(a_restart_gives_up_with_the_last_failure)
{
    struct weir_restart_opts o = {.retry = {.attempts = 3, .base = WEIR_MS(1)}};

    feed = (struct feed){.breaks = 2, .code = -ECONNRESET};
    expect_ten(weir_restart(feed_make, NULL, INT, &o), -ECONNRESET, 6);
    EQ(feed.runs, 3);
    feed = (struct feed){.breaks = 2, .code = -EACCES}; /* of a class that is not retried */
    expect_ten(weir_restart(feed_make, NULL, INT, &o), -EACCES, 2);
    EQ(feed.runs, 1);
    feed = (struct feed){.breaks = 20, .code = -EIO, .poisoned = 2}; /* cannot even be made */
    expect_ten(weir_restart(feed_make, NULL, INT, &o), 0, 10);
    EQ(feed.runs, 3);
    return 0;
}

SIM_TEST(a_restart_counts_anew_after_an_item_or_a_long_life)
{
    struct weir_restart_opts o = {.retry = {.attempts = 2, .base = WEIR_MS(1)}, .anew_on_item = 1};

    feed = (struct feed){.breaks = 1, .code = -EIO};
    expect_ten(weir_restart(feed_make, NULL, INT, &o), 0, 10);
    EQ(feed.runs, 10);
    o.anew_on_item = 0;
    o.stable = WEIR_S(1);
    feed = (struct feed){.breaks = 1, .code = -EIO, .life = WEIR_S(2)};
    expect_ten(weir_restart(feed_make, NULL, INT, &o), 0, 10);
    feed = (struct feed){.breaks = 1, .code = -EIO, .life = WEIR_MS(200)};
    expect_ten(weir_restart(feed_make, NULL, INT, &o), -EIO, 2);
    return 0;
}

SIM_TEST(a_cancel_in_the_backoff_is_no_end_and_no_attempt)
{
    struct weir_restart_opts o = {
        .retry = {.attempts = 2, .base = WEIR_MS(100), .jitter = WEIR_JITTER_NONE}};
    weir_stream *s = weir_restart(feed_make, NULL, INT, &o);
    struct weir_limit l;
    int64_t x;

    feed = (struct feed){.breaks = 10, .poisoned = 1, .code = -EIO};
    for (int i = 0; i < 3; i++) { /* the deadline is nearer than the next attempt, and no reason */
        EQ(weir_limit_init(&l, weir_after(WEIR_MS(20))), 0);
        EQ(weir_limit_fini(&l, weir_next(s, &x)), -ETIMEDOUT);
        EQ(feed.runs, 1);
    }
    EQ(weir_next(s, &x), 1);
    EQ(feed.runs, 2);
    EQ(feed.at[1] - feed.at[0], WEIR_MS(100)); /* one wait, not four */
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(a_restart_that_is_closed_in_its_backoff_gives_the_budget_back)
{
    struct weir_budget budget;
    struct weir_restart_opts o = {
        .retry = {
            .attempts = 9, .base = WEIR_S(100), .jitter = WEIR_JITTER_NONE, .budget = &budget}};
    struct weir_limit l;
    int64_t x;

    EQ(weir_budget_init(&budget, &(struct weir_budget_opts){.ratio_milli = WEIR_BUDGET_NONE}), 0);
    weir_stream *s = weir_restart(feed_make, NULL, INT, &o);
    uint64_t left = weir_budget_left(&budget, weir_now());
    feed = (struct feed){.breaks = 10, .poisoned = 1, .code = -EIO};
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &x)), -ETIMEDOUT);
    EQ(weir_budget_left(&budget, weir_now()), left - 1);
    weir_stream_close(&s);
    EQ(weir_budget_left(&budget, weir_now()), left);
    return 0;
}

static int told, told_wait;

static void on_retry(void *ctx, const struct weir_retry_event *e)
{
    (void)ctx;
    told = told * 10 + (int)e->attempt;
    told_wait = (int)(e->wait / WEIR_MS(1));
    EQ(e->result, -EIO);
}

static weir_stream *other_type(void *ctx, const struct weir_restart *about)
{
    (void)about;
    return ctx ? NULL : weir_empty(WEIR_TYPE(char));
}

SIM_TEST(a_restart_tells_its_observer_and_refuses_nonsense)
{
    struct weir_restart_opts o = {
        .retry = {
            .attempts = 3, .base = WEIR_MS(10), .on_retry = on_retry, .jitter = WEIR_JITTER_NONE}};
    weir_stream *s;

    told = 0;
    feed = (struct feed){.breaks = 1, .code = -EIO};
    expect_ten(weir_restart(feed_make, NULL, INT, &o), -EIO, 3);
    EQ(told, 12);
    EQ(told_wait, 20);
    s = weir_restart(other_type, NULL, INT, NULL);
    EQ(weir_drain(&s), WEIR_ETYPE);
    s = weir_restart(other_type, &o, INT, NULL);
    EQ(weir_drain(&s), -EINVAL);
    refuses(weir_restart(NULL, NULL, INT, NULL), -EINVAL);
    refuses(weir_restart(feed_make, NULL, INT, &(struct weir_restart_opts){.stable = -1}), -EINVAL);
    refuses(weir_restart(feed_make, NULL, INT, &(struct weir_restart_opts){.reserved = {1}}),
            -EINVAL);
    refuses(weir_restart(feed_make, NULL, INT, &(struct weir_restart_opts){.token = next_of}),
            -EINVAL);
    refuses(weir_restart(feed_make, NULL, INT, &(struct weir_restart_opts){.anew_on_item = 2}),
            -EINVAL);
    refuses(
        weir_restart(feed_make, NULL, INT, &(struct weir_restart_opts){.retry = {.percent = 101}}),
        -EINVAL);
    return 0;
}

static int token_fails(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)out;
    return *(int64_t *)in == 2 ? -EBADMSG : 0;
}

SIM_TEST(a_token_that_fails_ends_the_stream_after_what_came_before)
{
    struct weir_restart_opts o = {.token = token_fails, .token_type = INT};

    feed = (struct feed){.breaks = 20, .code = -EIO};
    expect_ten(weir_restart(feed_make, NULL, INT, &o), -EBADMSG, 2);
    EQ(feed.runs, 1);
    return 0;
}

/* --- recover ---------------------------------------------------------------------- */

static int asked;

static weir_stream *instead(void *ctx, int code)
{
    asked++;
    EQ(code, -EIO);
    return ctx ? *(weir_stream **)ctx : NULL;
}

static weir_stream *broken(void)
{
    return weir_chain(weir_range(0, 2), weir_fail(INT, -EIO));
}

SIM_TEST(recover_goes_on_with_another_stream)
{
    weir_stream *more = weir_range(2, 4);

    asked = 0;
    expect_ten(weir_recover(broken(), 0, instead, &more), 0, 4);
    more = weir_fail(INT, -EBADMSG); /* its own failures are its own */
    expect_ten(weir_recover(broken(), 0, instead, &more), -EBADMSG, 2);
    more = weir_empty(WEIR_TYPE(char));
    expect_ten(weir_recover(broken(), 0, instead, &more), WEIR_ETYPE, 2);
    expect_ten(weir_recover(broken(), 0, instead, NULL), -EIO, 2); /* NULL: it stands */
    EQ(asked, 4);
    expect_ten(weir_recover(weir_range(0, 3), 0, instead, NULL), 0, 3);
    expect_ten(weir_recover(broken(), WEIR_CLASS_BIT(WEIR_CLASS_CLIENT), instead, NULL), -EIO, 2);
    EQ(asked, 4);
    refuses(weir_recover(broken(), 0, NULL, NULL), -EINVAL);
    refuses(weir_recover(broken(), UINT32_MAX, instead, NULL), -EINVAL);
    refuses(weir_recover(weir_step_by(broken(), 0), 0, instead, NULL), -EINVAL);
    return 0;
}

static weir_stream *staged_rest(void *ctx, int code)
{
    (void)ctx;
    (void)code;
    return weir_stage(weir_range(2, 8), &(struct weir_stage_opts){.capacity = 1});
}

SIM_TEST(what_recover_goes_on_with_lives_where_recover_was_built)
{
    weir_stream *s = weir_recover(broken(), 0, staged_rest, NULL);
    weir_scope *scope = weir_scope_open(NULL);
    int64_t x;

    for (int64_t i = 0; i < 3; i++) {
        EQ(weir_next(s, &x), 1);
        EQ(x, i);
    }
    EQ(weir_scope_close(&scope), 0);
    for (int64_t i = 3; i < 8; i++) {
        EQ(weir_next(s, &x), 1);
        EQ(x, i);
    }
    EQ(weir_next(s, &x), 0);
    weir_stream_close(&s);
    return 0;
}

SIM_TEST(recover_does_not_catch_the_pullers_cancel)
{
    weir_stream *s =
        weir_recover(weir_never(INT), WEIR_CLASS_BIT(WEIR_CLASS_CANCELLED), instead, NULL);
    struct weir_limit l;
    int64_t x;

    asked = 0;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &x)), -ETIMEDOUT);
    EQ(asked, 0);
    weir_stream_close(&s);
    return 0;
}

/* --- finally ------------------------------------------------------------------------- */

static int ends, end_why;

static void note(void *ctx, int why)
{
    (void)ctx;
    ends++;
    end_why = why;
}

static int closed_first;

static void upstream_closed(void *ctx, int why)
{
    (void)ctx;
    (void)why;
    EQ(ends, 0); /* the inner one, before the outer */
    closed_first++;
}

static int told_once(weir_stream *s, int want)
{
    int r = weir_drain(&s);

    EQ(ends, 1);
    EQ(end_why, want);
    ends = 0;
    return r;
}

SIM_TEST(finally_is_told_once_whatever_the_end)
{
    struct weir_limit l;
    weir_stream *s;
    int64_t x;

    ends = closed_first = 0;
    EQ(told_once(weir_finally(weir_range(0, 3), note, NULL), 0), 0);
    EQ(told_once(weir_finally(broken(), note, NULL), -EIO), -EIO);
    EQ(told_once(weir_take(weir_finally(weir_range(0, 9), note, NULL), 2), -ECANCELED), 0);
    EQ(told_once(weir_finally(weir_step_by(weir_range(0, 1), 0), note, NULL), -EINVAL), -EINVAL);
    EQ(told_once(weir_finally(NULL, note, NULL), -EINVAL), -EINVAL);
    s = weir_finally(weir_never(INT), note, NULL);
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    EQ(weir_limit_fini(&l, weir_next(s, &x)), -ETIMEDOUT);
    EQ(ends, 0); /* a cancelled pull is no end */
    weir_stream_close(&s);
    OK(ends == 1 && end_why == -ECANCELED);
    ends = 0;
    s = weir_finally(weir_finally(weir_range(0, 1), upstream_closed, NULL), note, NULL);
    EQ(told_once(s, 0), 0);
    EQ(closed_first, 1);
    refuses(weir_finally(weir_range(0, 1), NULL, NULL), -EINVAL);
    return 0;
}

/* Also when there was no memory to make it. */
static int finally_fiber(void *arg)
{
    weir_stream *s;

    (void)arg;
    ends = 0;
    s = weir_finally(weir_range(0, 3), note, NULL);
    (void)weir_drain(&s);
    EQ(ends, 1);
    return 0;
}

static void finally_faulted(void *arg)
{
    int r = world_seed(1, finally_fiber, arg);

    OK(r == 0 || r == -ENOMEM);
}

TEST(finally_is_told_at_every_point)
{
    EVERY_POINT(finally_faulted, NULL);
}
