/*
 * test_watch.c -- the latest value, seen once by each watcher.
 */
#include <weir.h>

#include "core/world.h"

static int copies, fail_clone; /* values that nobody has dropped; the n-th clone from now fails */

static void value_drop(void *v)
{
    copies -= *(int *)v != 0;
    *(int *)v = 0;
}

static int value_clone(void *to, const void *from)
{
    if (fail_clone && --fail_clone == 0)
        return -ENOMEM;
    *(int *)to = *(const int *)from;
    copies += *(int *)to != 0;
    return 0;
}

static struct weir_type value_type(void)
{
    struct weir_type t = WEIR_TYPE(int);
    t.drop = value_drop;
    t.clone = value_clone;
    return t;
}

static int value(int v)
{
    copies += v != 0;
    return v;
}

struct reader {
    weir_watch *w;
    int n, last, result, least;
    weir_span pause;
};

/* Reads until the end; what it sees only grows. */
static int reader(void *arg)
{
    struct reader *x = arg;
    struct weir_watcher r;
    int v;
    EQ(weir_watcher_init(&r, x->w), 0);
    while ((x->result = weir_changed(&r, &v, WEIR_NEVER)) > 0) {
        LT(x->last, v);
        x->last = v;
        value_drop(&v);
        x->n++;
        if (x->pause && weir_sleep(weir_after(x->pause)) < 0)
            break;
    }
    weir_watcher_fini(&r);
    return 0;
}

SIM_TEST(a_slow_watcher_sees_the_latest_and_the_last)
{
    copies = 0;
    int v = value(1), got;
    weir_watch *w = weir_watch_new(value_type(), &v);
    weir_scope *s = weir_scope_open(NULL);
    struct reader fast = {.w = w}, slow = {.w = w, .pause = 35};
    GO(s, reader, &fast);
    GO(s, reader, &slow);
    world_settle();
    for (int i = 2; i <= 20; i++) {
        v = value(i);
        EQ(weir_set(w, &v), 0);
        EQ(weir_sleep(weir_after(10)), 0);
    }
    EQ(weir_watch_version(w), 20u);
    v = value(99);
    EQ(weir_set(w, &v), 0);
    EQ(weir_watch_close(w, -EIO), 0);
    v = 3;
    EQ(weir_set(w, &v), -EIO);
    EQ(weir_scope_close(&s), 0);
    EQ(fast.n, 20);
    EQ(fast.last, 99);
    LT(slow.n, 9);
    EQ(slow.last, 99);
    EQ(fast.result, -EIO);
    EQ(slow.result, -EIO);
    EQ(weir_get(w, &got), 1);
    EQ(got, 99);
    value_drop(&got);
    weir_watch_free(&w);
    OK(!w);
    EQ(copies, 0);
    return 0;
}

SIM_TEST(what_was_there_at_first_counts_as_seen)
{
    weir_watch *w = weir_watch_new(WEIR_TYPE(int), NULL);
    struct weir_watcher r, late;
    int v = 5, got = -1;
    EQ(weir_get(w, &got), 1);
    EQ(got, 0);
    EQ(weir_watcher_init(&r, w), 0);
    EQ(weir_changed(&r, &got, 0), -EAGAIN);
    EQ(weir_changed(&r, &got, weir_after(3)), -ETIMEDOUT);
    EQ(weir_set(w, &v), 0);
    EQ(weir_watcher_init(&late, w), 0);
    EQ(weir_changed(&late, &got, 0), -EAGAIN);
    EQ(weir_changed(&r, &got, 0), 1);
    EQ(got, 5);
    EQ(weir_changed(&r, &got, 0), -EAGAIN);
    weir_watcher_rewind(&r);
    got = 0;
    EQ(weir_changed(&r, &got, 0), 1);
    EQ(got, 5);
    EQ(weir_watch_close(w, 0), 0);
    EQ(weir_watch_close(w, 0), WEIR_ECLOSED);
    EQ(weir_changed(&r, &got, WEIR_NEVER), 0);
    weir_watcher_rewind(&r);
    EQ(weir_changed(&r, &got, WEIR_NEVER), 1); /* the last value before the end */
    EQ(weir_changed(&r, &got, WEIR_NEVER), 0);
    weir_watcher_fini(&r);
    weir_watcher_fini(&late);
    weir_watch_free(&w);
    return 0;
}

/* --- until ------------------------------------------------------------------ */

static int at_least(void *ctx, const void *v)
{
    return *(const int *)v >= *(int *)ctx;
}

static int until(void *arg)
{
    struct reader *x = arg;
    struct weir_watcher r;
    EQ(weir_watcher_init(&r, x->w), 0);
    x->result = weir_watcher_until(&r, at_least, &x->least, &x->last, sizeof x->last, WEIR_NEVER);
    weir_watcher_fini(&r);
    return 0;
}

SIM_TEST(one_waits_until_a_value_is_wanted)
{
    weir_watch *w = weir_watch_new(WEIR_TYPE(int), NULL);
    weir_scope *s = weir_scope_open(NULL);
    struct reader x[4] = {
        {.w = w, .least = 0}, {.w = w, .least = 3}, {.w = w, .least = 7}, {.w = w, .least = 50}};
    struct weir_watcher r;
    int big = 100, got;
    for (int i = 0; i < 4; i++)
        GO(s, until, &x[i]);
    EQ(weir_watcher_init(&r, w), 0);
    EQ(weir_watcher_until(&r, at_least, &big, &got, sizeof got, 0), -EAGAIN);
    EQ(weir_watcher_until(&r, at_least, &big, &got, sizeof got, weir_after(2)), -ETIMEDOUT);
    for (int i = 1; i <= 8; i++) {
        EQ(weir_set(w, &i), 0);
        EQ(weir_sleep(weir_after(1)), 0);
    }
    EQ(x[1].last, 3);
    EQ(x[2].last, 7);
    EQ(weir_watch_close(w, -EPIPE), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(x[0].result, 1);
    EQ(x[1].result, 1);
    EQ(x[2].result, 1);
    EQ(x[3].result, -EPIPE);
    EQ(weir_watcher_until(&r, at_least, &big, &got, sizeof got, WEIR_NEVER), -EPIPE);
    weir_watcher_fini(&r);
    weir_watch_free(&w);
    return 0;
}

/* --- edit --------------------------------------------------------------------- */

static int add(void *ctx, void *v)
{
    int by = *(int *)ctx;
    if (by > 0)
        *(int *)v += by;
    return by < 0 ? -ERANGE : by > 0;
}

SIM_TEST(an_edit_tells_only_if_it_changed_something)
{
    weir_watch *w = weir_watch_new(WEIR_TYPE(int), NULL);
    struct weir_watcher r;
    int by = 0, got = 0;
    EQ(weir_watcher_init(&r, w), 0);
    EQ(weir_watch_edit(w, add, &by), 0);
    EQ(weir_changed(&r, &got, 0), -EAGAIN);
    by = -1;
    EQ(weir_watch_edit(w, add, &by), -ERANGE);
    EQ(weir_changed(&r, &got, 0), -EAGAIN);
    by = 4;
    EQ(weir_watch_edit(w, add, &by), 1);
    EQ(weir_changed(&r, &got, 0), 1);
    EQ(got, 4);
    EQ(weir_watch_edit(w, NULL, &by), -EINVAL);
    EQ(weir_watch_edit(NULL, add, &by), -EINVAL);
    EQ(weir_watch_close(w, 0), 0);
    EQ(weir_watch_edit(w, add, &by), WEIR_ECLOSED);
    weir_watcher_fini(&r);
    weir_watch_free(&w);
    return 0;
}

/* --- lives ----------------------------------------------------------------------- */

SIM_TEST(a_watch_that_is_freed_ends_its_watchers)
{
    weir_watch *w = weir_watch_new(WEIR_TYPE(int), NULL);
    struct reader x = {.w = w}, y = {.w = w, .least = 9};
    weir_scope *s = weir_scope_open(NULL);
    struct weir_watcher r;
    int got = 7;
    EQ(weir_watcher_init(&r, w), 0);
    GO(s, reader, &x);
    GO(s, until, &y);
    world_settle();
    weir_watch_free(&w);
    EQ(weir_scope_close(&s), 0);
    EQ(x.result, WEIR_ECLOSED);
    EQ(y.result, WEIR_ECLOSED);
    EQ(weir_changed(&r, &got, WEIR_NEVER), WEIR_ECLOSED);
    EQ(got, 7);
    weir_watcher_rewind(&r);
    weir_watcher_fini(&r);
    weir_watcher_fini(&r);
    EQ(weir_changed(&r, &got, WEIR_NEVER), WEIR_ECLOSED);
    return 0;
}

static int one_change(void *arg)
{
    struct reader *x = arg;
    struct weir_watcher r;
    EQ(weir_watcher_init(&r, x->w), 0);
    x->result = weir_changed(&r, &x->last, WEIR_NEVER);
    if (x->result < 0)
        x->n = weir_changed(&r, &x->least, 0);
    weir_watcher_fini(&r);
    return 0;
}

SIM_TEST(a_change_is_not_lost_between_hand_over_and_cancel)
{
    for (int first = 0; first < 2; first++) {
        weir_watch *w = weir_watch_new(value_type(), NULL);
        struct reader x = {.w = w};
        weir_scope *s = weir_scope_open(NULL);
        copies = 0;
        int v = value(6);
        GO(s, one_change, &x);
        world_settle();
        if (first)
            EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(weir_set(w, &v), 0);
        if (!first) {
            weir_watch_free(&w); /* the waiting one has its copy already */
            EQ(weir_scope_cancel(s, -EPERM), 0);
        }
        EQ(weir_scope_close(&s), -EPERM);
        EQ(x.result, first ? -ECANCELED : 1);
        EQ(x.n, first ? 1 : 0);
        value_drop(&x.last);
        value_drop(&x.least);
        weir_watch_free(&w);
        EQ(copies, 0);
    }
    return 0;
}

SIM_TEST(a_copy_that_fails_is_told_and_does_not_count_as_seen)
{
    weir_watch *w = weir_watch_new(value_type(), NULL);
    struct reader x = {.w = w};
    struct weir_watcher r;
    weir_scope *s = weir_scope_open(NULL);
    copies = 0;
    int v = value(6), got;
    EQ(weir_watcher_init(&r, w), 0);
    GO(s, one_change, &x);
    world_settle();
    fail_clone = 1;
    EQ(weir_set(w, &v), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(x.result, -ENOMEM);
    EQ(x.n, 1);
    EQ(x.least, 6);
    value_drop(&x.least);
    fail_clone = 1;
    EQ(weir_changed(&r, &got, 0), -ENOMEM);
    EQ(weir_changed(&r, &got, 0), 1);
    value_drop(&got);
    fail_clone = 1;
    EQ(weir_get(w, &got), -ENOMEM);
    weir_watcher_fini(&r);
    weir_watch_free(&w);
    EQ(copies, 0);
    return 0;
}

static int set_later(void *arg)
{
    struct reader *x = arg;
    int v = 8;
    EQ(weir_sleep(weir_after(10)), 0);
    EQ(weir_set(x->w, &v), 0);
    return 0;
}

SIM_TEST(a_watcher_is_a_case_of_select)
{
    weir_watch *w = weir_watch_new(WEIR_TYPE(int), NULL), *q = weir_watch_new(WEIR_TYPE(int), NULL);
    struct weir_watcher a, b;
    struct reader x = {.w = q};
    weir_scope *s = weir_scope_open(NULL);
    int va = 0, vb = 0;
    EQ(weir_watcher_init(&a, w), 0);
    EQ(weir_watcher_init(&b, q), 0);
    GO(s, set_later, &x);
    struct weir_select cases[] = {WEIR_ON_WATCH(&a, &va), WEIR_ON_WATCH(&b, &vb)};
    EQ(weir_select(cases, 2, 0), -EAGAIN);
    EQ(weir_select(cases, 2, WEIR_NEVER), 1);
    EQ(cases[1].result, 1);
    EQ(vb, 8);
    EQ(weir_select(cases, 2, weir_after(5)), -ETIMEDOUT); /* seen */
    EQ(weir_watch_close(w, 0), 0);
    EQ(weir_select(cases, 2, WEIR_NEVER), 0);
    EQ(cases[0].result, 0);
    weir_watch_free(&w);
    EQ(weir_select(cases, 2, WEIR_NEVER), 0);
    EQ(cases[0].result, WEIR_ECLOSED);
    cases[1].size = 1;
    EQ(weir_select(cases, 2, 0), WEIR_ETYPE);
    cases[1].item = NULL;
    EQ(weir_select(cases, 2, 0), -EINVAL);
    EQ(weir_scope_close(&s), 0);
    weir_watcher_fini(&a);
    weir_watcher_fini(&b);
    weir_watch_free(&q);
    return 0;
}

SIM_TEST(wrong_arguments_to_a_watch_are_told)
{
    struct weir_type odd[] = {{.size = 0, .align = 1},
                              {.size = 8, .align = 3},
                              {.size = 4, .align = 4, .drop = value_drop}};
    struct weir_watcher r;
    weir_watch *w, *none = NULL;
    int v = 0;
    char c = 0;
    for (int i = 0; i < 3; i++) {
        w = weir_watch_new(odd[i], NULL);
        EQ(weir_error(w), -EINVAL);
        EQ(weir_set(w, &v), -EINVAL);
        EQ(weir_get(w, &v), -EINVAL);
        EQ(weir_watch_close(w, 0), -EINVAL);
        EQ(weir_watch_version(w), 0u);
        EQ(weir_watcher_init(&r, w), -EINVAL);
        EQ(weir_changed(&r, &v, WEIR_NEVER), -EINVAL);
        weir_watcher_fini(&r);
        weir_watch_free(&w);
    }
    w = weir_watch_new(WEIR_TYPE(int), NULL);
    EQ(weir_watcher_init(&r, NULL), -EINVAL);
    EQ(weir_changed(&r, &v, 0), -EINVAL);
    weir_watcher_fini(&r);
    EQ(weir_watcher_init(NULL, w), -EINVAL);
    EQ(weir_watcher_init(&r, w), 0);
    EQ(weir_set(w, &c), WEIR_ETYPE);
    EQ(weir_get(w, &c), WEIR_ETYPE);
    EQ(weir_changed(&r, &c, 0), WEIR_ETYPE);
    EQ(weir_watch_set(w, NULL, 4), -EINVAL);
    EQ(weir_watch_set(NULL, &v, 4), -EINVAL);
    EQ(weir_watch_get(w, NULL, 4), -EINVAL);
    EQ(weir_watch_get(NULL, &v, 4), -EINVAL);
    EQ(weir_watcher_recv(NULL, &v, 4, 0), -EINVAL);
    EQ(weir_watcher_recv(&r, NULL, 4, 0), -EINVAL);
    EQ(weir_changed(&r, &v, 5), -EINVAL);
    EQ(weir_watcher_until(&r, NULL, NULL, &v, 4, 0), -EINVAL);
    EQ(weir_watcher_until(&r, at_least, &v, &v, 4, -5), -EINVAL);
    EQ(weir_watcher_until(&r, at_least, &v, &v, 3, 0), WEIR_ETYPE);
    EQ(weir_watch_close(w, 1), -EINVAL);
    EQ(weir_watch_close(NULL, 0), -EINVAL);
    EQ(weir_watch_version(NULL), 0u);
    EQ(weir_watch_error(NULL), -EINVAL);
    weir_watcher_rewind(NULL);
    weir_watcher_fini(NULL);
    weir_watcher_fini(&r);
    weir_watch_free(NULL);
    weir_watch_free(&none);
    weir_watch_free(&w);
    return 0;
}

TEST(off_a_fiber_a_watch_can_be_set_and_read)
{
    weir_watch *w = weir_watch_new(WEIR_TYPE(int), NULL);
    struct weir_watcher r;
    int v = 3, got = 0;
    EQ(weir_watcher_init(&r, w), 0);
    EQ(weir_changed(&r, &got, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_set(w, &v), 0);
    EQ(weir_changed(&r, &got, WEIR_NEVER), 1);
    EQ(got, 3);
    weir_watcher_fini(&r);
    weir_watch_free(&w);
}

/* --- a model: random sets, readers that come, go and are cancelled ----------------- */

static int churn_read(void *arg)
{
    struct reader *x = arg;
    struct weir_watcher r;
    int last = 0, got = 0, v;
    EQ(weir_watcher_init(&r, x->w), 0);
    EQ(weir_get(x->w, &last), 1);
    value_drop(&(int){last});
    for (int i = 0; i < 50; i++) {
        got = weir_changed(&r, &v, weir_after((weir_span)(test_random() % 5)));
        if (got == 1) {
            LT(last, v); /* newer than what was seen, and no older than the watch at that time */
            last = v;
            value_drop(&v);
        } else if (got != -ETIMEDOUT) {
            break;
        } else if (weir_get(x->w, &v) == 1) {
            if (last < v) { /* set between the timeout and now */
                EQ(weir_changed(&r, &last, 0), 1);
                value_drop(&(int){last});
            }
            EQ(v, last); /* nothing was missed for ever */
            value_drop(&v);
        }
        if (weir_sleep(weir_after((weir_span)(test_random() % 3))) < 0)
            break;
        if (test_random() % 8 == 0) {
            weir_watcher_fini(&r);
            EQ(weir_watcher_init(&r, x->w), 0);
            EQ(weir_get(x->w, &last), 1);
            value_drop(&(int){last});
        }
    }
    weir_watcher_fini(&r);
    return 0;
}

SIM_TEST(no_watcher_misses_the_latest_for_ever)
{
    weir_watch *w = weir_watch_new(value_type(), NULL);
    struct reader x = {.w = w};
    weir_scope *s[5];
    copies = 0;
    for (int i = 0; i < 5; i++)
        s[i] = weir_scope_open(NULL);
    for (int i = 0; i < 5; i++)
        GO(s[i], churn_read, &x);
    for (int i = 1; i < 100; i++) {
        int v = value(i);
        EQ(weir_set(w, &v), 0);
        if (test_random() % 2)
            EQ(weir_sleep(weir_after((weir_span)(test_random() % 4))), 0);
        if (i == 50) {
            EQ(weir_scope_cancel(s[4], -EPERM), 0);
            EQ(weir_scope_close(&s[4]), -EPERM);
        }
    }
    for (int i = 4; i--;)
        EQ(weir_scope_close(&s[i]), 0);
    weir_watch_free(&w);
    EQ(copies, 0);
    return 0;
}

static int flow(void *arg)
{
    weir_watch *w = weir_watch_new(value_type(), NULL);
    struct reader x[2] = {{.w = w}, {.w = w}};
    weir_scope *s = weir_scope_open(NULL);
    int v, r = weir_error(w), c;
    (void)arg;
    copies = 0;
    for (int i = 0; i < 2 && r == 0; i++)
        r = weir_go(s, reader, &x[i]);
    for (int i = 1; i < 4 && r == 0; i++)
        if ((r = weir_sleep(weir_after(1))) == 0) {
            v = value(i * 2);
            EQ(weir_set(w, &v), 0);
        }
    (void)weir_watch_close(w, 0);
    c = weir_scope_close(&s);
    weir_watch_free(&w);
    EQ(copies, 0);
    return r < 0 ? r : c;
}

static void flow_under_faults(void *arg)
{
    int r = world_run(flow, arg);
    OK(r == 0 || (test_fault_hit() && (r == -ENOMEM || r == -ECANCELED || r == -EINVAL)));
}

TEST(a_watch_holds_whatever_fails)
{
    EVERY_POINT(flow_under_faults, NULL);
}
