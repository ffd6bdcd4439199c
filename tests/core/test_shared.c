/*
 * test_shared.c -- promises, watches and topics between loops: what they promise holds,
 * whoever closes, cancels or gives up meanwhile.
 */
#include "core/shared_world.h"

/* --- promises ---------------------------------------------------------- */

struct pair {
    weir_promise *p;
    weir_future *f;
    uint64_t seed;
    int got; /* values received */
};

static int promises(void *arg)
{
    struct pair *w = arg;
    uint64_t x = w->seed;
    struct item i = item_make(7);
    int r = 0;

    if (random_next(&x) % 2)
        sleep_some(&x);
    switch (random_next(&x) % 4) {
    case 0: /* without a word */
        break;
    case 1:
        r = weir_promise_fail(w->p, -EIO);
        OK(r == 0 || r == -EPIPE);
        break;
    case 2:
        r = weir_promise_wait(w->p, weir_after(WEIR_US(50))); /* the other may wait for us */
        OK(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
        break;
    default:
        r = weir_fulfil(w->p, &i);
        OK(r == 1 || r == -EPIPE);
        if (r == 1)
            i.value = 0;
    }
    item_drop(&i);
    weir_promise_free(&w->p);
    return 0;
}

static int awaits(void *arg)
{
    struct pair *w = arg;
    uint64_t x = w->seed * 3;
    struct item i = {0};
    int r = 0;

    if (random_next(&x) % 2)
        sleep_some(&x);
    if (random_next(&x) % 4)
        r = weir_await(w->f, &i, hurry(&x));
    OK(r == 1 || r == 0 || r == -EIO || r == WEIR_EABANDONED || r == -ETIMEDOUT || r == -ECANCELED);
    EQ(i.value, r == 1 ? 7 : 0);
    item_drop(&i);
    weir_future_free(&w->f);
    return 0;
}

LOOPS_TEST(a_value_reaches_the_future_or_is_dropped_whoever_leaves_first)
{
    uint64_t x = test_seed();

    for (int k = 0; k < ROUNDS; k++) {
        weir_scope *s = weir_scope_open(NULL);
        struct pair w[MANY];
        int r;

        for (int i = 0; i < MANY; i++) {
            w[i] = (struct pair){.p = weir_promise_new(item_type()), .seed = random_next(&x)};
            w[i].f = weir_promise_future(w[i].p);
            GO_ON(s, i % LOOPS, promises, &w[i]);
            GO_ON(s, i / LOOPS, awaits, &w[i]);
        }
        if (k % 3 == 0) {
            sleep_some(&x);
            EQ(weir_scope_cancel(s, -EINTR), 0);
        }
        r = weir_scope_close(&s);
        OK(r == 0 || r == -EINTR);
        EQ(balance, 0);
        for (int i = 0; i < MANY; i++) { /* one that was cancelled before it ran */
            weir_promise_free(&w[i].p);
            weir_future_free(&w[i].f);
        }
    }
    return 0;
}

static int awaits_for_ever(void *arg)
{
    struct item i;

    return weir_await((weir_future *)arg, &i, WEIR_NEVER) == WEIR_ECLOSED ? 0 : -EIO;
}

LOOPS_TEST(a_future_may_be_freed_under_those_who_wait_for_it)
{
    uint64_t x = test_seed();

    for (int k = 0; k < ROUNDS; k++) {
        weir_scope *s = weir_scope_open(NULL);
        weir_promise *p = weir_promise_new(item_type());
        weir_future *f = weir_promise_future(p);
        int r;

        for (int i = 0; i < LOOPS; i++)
            GO_ON(s, i, awaits_for_ever, f);
        until_held(f, 2 + LOOPS);
        weir_future_free(&f);
        if (random_next(&x) % 2)
            EQ(weir_scope_cancel(s, -EINTR), 0);
        weir_promise_free(&p);
        r = weir_scope_close(&s);
        OK(r == 0 || r == -EINTR);
    }
    return 0;
}

/* --- watches ----------------------------------------------------------- */

enum { SETS = 300 };

struct watched {
    weir_watch *w;
    uint64_t seed;
    bool until;
};

static int big_enough(void *ctx, const void *value)
{
    return ((const struct item *)value)->value >= *(int64_t *)ctx;
}

/* Sees values that only grow, the last one, and then the end. */
static int follows(void *arg)
{
    struct watched *a = arg;
    uint64_t x = __atomic_add_fetch(&a->seed, 7, __ATOMIC_RELAXED);
    struct weir_watcher r;
    int64_t last = 0, next;
    int got = weir_watcher_init(&r, a->w);

    weir_watcher_rewind(&r);
    while (got >= 0 || got == -ETIMEDOUT) {
        struct item i = {0};

        next = last + 1;
        if (a->until)
            got = weir_watcher_until(&r, big_enough, &next, &i, sizeof i, hurry(&x));
        else
            got = weir_changed(&r, &i, hurry(&x));
        if (got == 1) {
            OK(i.value > last);
            last = i.value;
            OK(weir_watch_version(a->w) >= (uint64_t)last);
        }
        item_drop(&i);
    }
    weir_watcher_fini(&r);
    OK(got == -EPIPE || got == -ECANCELED);
    EQ(last, got == -EPIPE ? SETS : last);
    return 0;
}

static int sets(void *arg)
{
    struct watched *a = arg;

    for (int64_t v = 2; v <= SETS; v++) {
        struct item i = item_make(v);

        EQ(weir_set(a->w, &i), 0);
        if (v % 32 == 0)
            (void)weir_yield();
    }
    return weir_watch_close(a->w, -EPIPE);
}

LOOPS_TEST(watchers_on_all_loops_see_values_that_only_grow_and_the_last_one)
{
    for (int k = 0; k < ROUNDS / 4; k++) {
        struct item first = item_make(1);
        struct watched a = {weir_watch_new(item_type(), &first), test_seed() + (uint64_t)k,
                            k % 2 == 1};
        weir_scope *s = weir_scope_open(NULL);

        for (int i = 0; i < MANY; i++)
            GO_ON(s, i % LOOPS, follows, &a);
        GO_ON(s, k % LOOPS, sets, &a);
        EQ(weir_scope_close(&s), 0);
        weir_watch_free(&a.w);
        EQ(balance, 0);
    }
    return 0;
}

static int follows_to_the_grave(void *arg)
{
    struct weir_watcher r;
    struct item i = {0};
    int got = 1;

    EQ(weir_watcher_init(&r, ((struct watched *)arg)->w), 0);
    while (got == 1) {
        got = weir_changed(&r, &i, WEIR_NEVER);
        item_drop(&i);
    }
    OK(got == WEIR_ECLOSED || got == -ECANCELED);
    EQ(weir_changed(&r, &i, 0), WEIR_ECLOSED); /* whatever it was told, that is what it is now */
    weir_watcher_fini(&r);
    return 0;
}

LOOPS_TEST(a_watch_may_be_freed_under_its_watchers)
{
    uint64_t x = test_seed();

    for (int k = 0; k < ROUNDS; k++) {
        struct item v = item_make(1);
        struct watched a = {weir_watch_new(item_type(), &v), 0, false};
        weir_scope *s = weir_scope_open(NULL);
        int r;

        for (int i = 0; i < MANY; i++)
            GO_ON(s, i % LOOPS, follows_to_the_grave, &a);
        until_held(a.w, 1 + 2 * MANY);
        v = item_make(2);
        EQ(weir_set(a.w, &v), 0);
        sleep_some(&x);
        weir_watch_free(&a.w);
        if (k % 2)
            EQ(weir_scope_cancel(s, -EINTR), 0);
        r = weir_scope_close(&s);
        EQ(r, k % 2 ? -EINTR : 0);
        EQ(balance, 0);
    }
    return 0;
}

/* --- topics ------------------------------------------------------------ */

enum { TOLD = 200 };

struct talk {
    weir_topic *t;
    uint64_t seed;
    enum weir_overflow overflow;
    int heard; /* atomic */
};

static int tells(void *arg)
{
    struct talk *a = arg;
    int64_t me = weir_loop_index() + 1;
    uint64_t x = __atomic_add_fetch(&a->seed, 13, __ATOMIC_RELAXED);
    int r = 1;

    for (int64_t n = 1; n <= TOLD && r != -ECANCELED; n += r == 1) {
        struct item i = item_make(me * 1000 + n);

        r = weir_tell(a->t, &i, hurry(&x));
        OK(r == 1 || r == -ETIMEDOUT || r == -ECANCELED);
        if (r != 1)
            item_drop(&i);
    }
    return 0;
}

/* Each sender's items come in its order; what is missing has been counted. */
static int hears(void *arg)
{
    struct talk *a = arg;
    uint64_t x = __atomic_add_fetch(&a->seed, 13, __ATOMIC_RELAXED);
    weir_sub *s =
        weir_topic_subscribe(a->t, &(struct weir_sub_opts){.capacity = 1 + random_next(&x) % 4,
                                                           .overflow = a->overflow});
    struct weir_sub_stats stats;
    int64_t last[LOOPS + 1] = {0};
    uint64_t n = 0, gaps = 0;
    int r = 1;

    __atomic_add_fetch(&a->heard, 1, __ATOMIC_RELEASE); /* it is there */
    while (r == 1 || r == -ETIMEDOUT) {
        struct item i = {0};

        r = weir_hear(s, &i, hurry(&x));
        if (r == 1) {
            int64_t from = i.value / 1000, nth = i.value % 1000;

            OK(nth > last[from]);
            last[from] = nth;
            gaps += weir_sub_gap(s);
            n++;
        }
        item_drop(&i);
    }
    OK(r == 0 || r == -ECANCELED);
    EQ(weir_sub_stats(s, &stats), 0);
    EQ(stats.received, n);
    if (r == 0 && a->overflow == WEIR_BLOCK)
        EQ(n, LOOPS * TOLD);
    if (r == 0)
        OK(n + stats.missed == LOOPS * TOLD && gaps <= stats.missed);
    weir_sub_free(&s);
    return 0;
}

LOOPS_TEST(subscribers_on_all_loops_hear_each_item_once_or_count_it)
{
    static const enum weir_overflow kinds[] = {WEIR_BLOCK, WEIR_DROP_OLDEST, WEIR_DROP_NEWEST,
                                               WEIR_LATEST};

    for (int k = 0; k < ROUNDS / 5; k++) {
        struct talk a = {weir_topic_new(item_type()), test_seed() + (uint64_t)k, kinds[k % 4], 0};
        weir_scope *out = weir_scope_open(NULL), *in = weir_scope_open(NULL);
        uint64_t x = a.seed;
        int r;

        for (int i = 0; i < MANY; i++)
            GO_ON(in, i % LOOPS, hears, &a);
        while (__atomic_load_n(&a.heard, __ATOMIC_ACQUIRE) < MANY)
            EQ(weir_sleep(weir_after(WEIR_US(50))), 0);
        for (int i = 0; i < LOOPS; i++)
            GO_ON(in, i, tells, &a);
        if (k % 3 == 2) {
            sleep_some(&x);
            EQ(weir_scope_cancel(in, -EINTR), 0);
        } else {
            while (weir_scope_running(in) > MANY)
                EQ(weir_sleep(weir_after(WEIR_US(50))), 0);
            EQ(weir_topic_close(a.t, 0), 0);
        }
        r = weir_scope_close(&in);
        EQ(r, k % 3 == 2 ? -EINTR : 0);
        EQ(weir_scope_close(&out), 0);
        weir_topic_free(&a.t);
        EQ(balance, 0);
    }
    return 0;
}

static int hears_to_the_grave(void *arg)
{
    struct talk *a = arg;
    weir_sub *s = weir_topic_subscribe(a->t, &(struct weir_sub_opts){.capacity = 1});
    struct item i = {0};
    int r = 1;

    __atomic_add_fetch(&a->heard, 1, __ATOMIC_RELEASE);
    while (r == 1) {
        r = weir_hear(s, &i, WEIR_NEVER);
        item_drop(&i);
    }
    OK(r == WEIR_ECLOSED || r == -ECANCELED);
    EQ(weir_hear(s, &i, 0), WEIR_ECLOSED);
    weir_sub_free(&s);
    return 0;
}

LOOPS_TEST(a_topic_may_be_freed_under_its_subscribers)
{
    uint64_t x = test_seed();

    for (int k = 0; k < ROUNDS; k++) {
        struct talk a = {.t = weir_topic_new(item_type())};
        weir_scope *s = weir_scope_open(NULL);
        struct item i;

        for (int n = 0; n < MANY; n++)
            GO_ON(s, n % LOOPS, hears_to_the_grave, &a);
        while (__atomic_load_n(&a.heard, __ATOMIC_ACQUIRE) < MANY)
            EQ(weir_sleep(weir_after(WEIR_US(50))), 0);
        for (int n = 0; n < 3; n++) {
            i = item_make(1);
            EQ(weir_tell(a.t, &i, WEIR_NEVER), 1);
        }
        sleep_some(&x);
        weir_topic_free(&a.t);
        if (k % 2)
            EQ(weir_scope_cancel(s, -EINTR), 0);
        EQ(weir_scope_close(&s), k % 2 ? -EINTR : 0);
        EQ(balance, 0);
    }
    return 0;
}
