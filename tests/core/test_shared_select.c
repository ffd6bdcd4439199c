/*
 * test_shared_select.c -- promises, watches, topics and tokens together, between loops: a
 * select stands at all of them, a wait for one another is a deadlock, and a fault at any
 * point of one loop leaves the others whole.
 */
#include "core/shared_world.h"

/* --- stillness ------------------------------------------------------------ */

static int awaits_word(void *arg)
{
    struct item i;

    return weir_await((weir_future *)arg, &i, WEIR_NEVER);
}

static int waits_for_token(void *arg)
{
    return weir_token_wait(arg, WEIR_NEVER);
}

LOOPS_TEST(waiting_for_each_other_on_all_loops_is_a_deadlock)
{
    for (int k = 0; k < 10; k++) {
        weir_promise *p = weir_promise_new(item_type());
        weir_future *f = weir_promise_future(p);
        weir_scope *s = weir_scope_open(NULL);
        struct weir_token t;
        struct weir_latch l;

        EQ(weir_token_init(&t, NULL, WEIR_NEVER), 0);
        EQ(weir_latch_init(&l, 1), 0);
        GO_ON(s, 0, awaits_word, f);
        GO_ON(s, 1, waits_for_token, &t);
        GO_ON(s, 2, waits_for_latch, &l);
        EQ(weir_scope_close(&s), WEIR_EDEADLOCK);
        EQ(weir_token_fini(&t), 0);
        weir_promise_free(&p);
        weir_future_free(&f);
    }
    return 0;
}

/* --- select -------------------------------------------------------------- */

struct cases {
    weir_future *f;
    struct weir_token token;
    struct weir_event event;
    weir_watch *watch;
    weir_topic *topic;
    weir_promise *p;
    uint64_t seed;
    int got; /* values of the future; atomic */
};

/* Stands at five things of other loops until the token says that it is over. */
static int selects(void *arg)
{
    struct cases *w = arg;
    weir_sub *sub = weir_topic_subscribe(w->topic, &(struct weir_sub_opts){.capacity = 2});
    uint64_t x = __atomic_add_fetch(&w->seed, 3, __ATOMIC_RELAXED);
    struct weir_watcher r;
    int k = 0;

    EQ(weir_watcher_init(&r, w->watch), 0);
    do {
        struct item i = {0}, j = {0}, f = {0};
        struct weir_select c[] = {WEIR_ON_TOKEN(&w->token), WEIR_ON_FUTURE(w->f, &f),
                                  WEIR_ON_WATCH(&r, &i), WEIR_ON_SUB(sub, &j),
                                  WEIR_ON_EVENT(&w->event)};

        k = weir_select(c, random_next(&x) % 2 ? 5 : 4, hurry(&x));
        if (k == 0)
            EQ(c[0].result, -EINTR);
        if (k == 1 && c[1].result == 1)
            EQ(__atomic_add_fetch(&w->got, 1, __ATOMIC_RELAXED), 1);
        if (k == 1 && c[1].result == 0)
            (void)weir_sleep(weir_after(WEIR_US(20))); /* somebody else has it */
        if (k == 2)
            OK(c[2].result == 1);
        EQ(f.value != 0, k == 1 && c[1].result == 1);
        EQ(i.value != 0, k == 2);
        EQ(j.value != 0, k == 3);
        item_drop(&f);
        item_drop(&i);
        item_drop(&j);
    } while (k > 0 || k == -ETIMEDOUT);
    weir_watcher_fini(&r);
    weir_sub_free(&sub);
    return k == 0 ? 0 : k;
}

static int happens(void *arg)
{
    struct cases *w = arg;
    uint64_t x = __atomic_add_fetch(&w->seed, 3, __ATOMIC_RELAXED);

    for (int n = 0; n < 40; n++) {
        struct item i = item_make(n + 1);
        int r = n % 2 ? weir_set(w->watch, &i) : weir_tell(w->topic, &i, hurry(&x));

        if (r < 0)
            item_drop(&i);
        if (n == 20) {
            i = item_make(9);
            if (weir_fulfil(w->p, &i) != 1)
                item_drop(&i);
            weir_event_set(&w->event);
            weir_event_clear(&w->event);
        }
    }
    return 0;
}

LOOPS_TEST(select_stands_at_all_of_them_at_once)
{
    for (int k = 0; k < ROUNDS / 3; k++) {
        struct item first = item_make(1);
        struct cases w = {.watch = weir_watch_new(item_type(), &first),
                          .topic = weir_topic_new(item_type()),
                          .p = weir_promise_new(item_type()),
                          .seed = test_seed() + (uint64_t)k};
        weir_scope *in = weir_scope_open(NULL), *out = weir_scope_open(NULL);

        w.f = weir_promise_future(w.p);
        weir_event_init(&w.event);
        EQ(weir_token_init(&w.token, NULL, WEIR_NEVER), 0);
        for (int i = 0; i < 2 * LOOPS; i++)
            GO_ON(in, i % LOOPS, selects, &w);
        for (int i = 0; i < LOOPS; i++)
            GO_ON(out, i, happens, &w);
        EQ(weir_scope_close(&out), 0);
        EQ(weir_token_cancel(&w.token, -EINTR), 0);
        EQ(weir_scope_close(&in), 0);
        LE(w.got, 1);
        EQ(weir_token_fini(&w.token), 0);
        weir_promise_free(&w.p);
        weir_future_free(&w.f);
        weir_watch_free(&w.watch);
        weir_topic_free(&w.topic);
        EQ(balance, 0);
    }
    return 0;
}

/* --- every point ---------------------------------------------------------- */

struct point {
    weir_promise *p;
    weir_future *f;
    weir_watch *watch;
    weir_topic *topic;
    weir_sub *sub;
    struct weir_token token;
};

static int point_other(void *arg)
{
    struct point *w = arg;
    struct item i = item_make(3);

    if (weir_fulfil(w->p, &i) != 1)
        item_drop(&i);
    i = item_make(4);
    if (weir_set(w->watch, &i) < 0)
        item_drop(&i);
    i = item_make(5);
    if (weir_tell(w->topic, &i, WEIR_NEVER) != 1)
        item_drop(&i);
    return weir_token_cancel(&w->token, -EINTR);
}

/* What the other loop sends; 0 or the first failure. */
static int point_receives(struct point *w, struct weir_watcher *r)
{
    struct item i = {0};
    int got = weir_await(w->f, &i, WEIR_NEVER);

    item_drop(&i);
    if (got == 1)
        got = weir_changed(r, &i, WEIR_NEVER);
    item_drop(&i);
    if (got == 1)
        got = weir_hear(w->sub, &i, WEIR_NEVER);
    item_drop(&i);
    if (got == 1)
        got = weir_token_run(&w->token, fiber_forever, NULL);
    return got == -EINTR ? 0 : got;
}

static int point_main(void *arg)
{
    struct point w = {.p = weir_promise_new(item_type()),
                      .watch = weir_watch_new(item_type(), NULL),
                      .topic = weir_topic_new(item_type())};
    weir_scope *s = weir_scope_open(NULL);
    struct weir_watcher r;
    int got, closed;

    (void)arg;
    w.f = weir_promise_future(w.p);
    w.sub = weir_topic_subscribe(w.topic, &(struct weir_sub_opts){.capacity = 2});
    (void)weir_watcher_init(&r, w.watch);
    EQ(weir_token_init(&w.token, NULL, WEIR_NEVER), 0);
    got = weir_go_on(s, 1, point_other, &w, NULL);
    if (got == 0)
        got = point_receives(&w, &r);
    closed = weir_scope_close(&s);
    weir_watcher_fini(&r);
    weir_sub_free(&w.sub);
    weir_future_free(&w.f);
    weir_promise_free(&w.p);
    weir_watch_free(&w.watch);
    weir_topic_free(&w.topic);
    EQ(weir_token_fini(&w.token), 0);
    return got < 0 ? got : closed;
}

/* Faults are the first loop's; the other two go on. */
static void point_run(void *arg)
{
    int r = loops_run(LOOPS, point_main, NULL);

    (void)arg;
    EQ(balance, 0);
    OK(test_fault_hit() ? r <= 0 : r == 0);
}

TEST(what_is_between_loops_holds_whatever_fails_on_one)
{
    EVERY_POINT(point_run, NULL);
}
