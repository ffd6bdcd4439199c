/*
 * Promises, watches, topics, rwlocks, latches, onces and tokens between loops:
 * what they promise holds, whoever closes, cancels or gives up meanwhile.
 * Items are counted: each that was made or cloned is dropped, once.
 */
#include <stdbool.h>
#include <weir.h>

#include "core/waiters.h"
#include "core/world.h"

enum { LOOPS = 3, MANY = 3 * LOOPS, ROUNDS = 60 };

static int loops_run(int (*fn)(void *), void *arg)
{
    return weir_run(&(struct weir_config){.loops = LOOPS, .alloc = test_alloc}, fn, arg);
}

/* A test whose body is a fiber of the first of three loops. */
#define LOOPS_TEST(NAME)                                                                           \
    static int NAME##__fiber(void *world__arg);                                                    \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        EQ(loops_run(NAME##__fiber, NULL), 0);                                                     \
    }                                                                                              \
    static int NAME##__fiber(void *world__arg __attribute__((unused)))

#define GO_ON(s, loop, fn, arg) EQ(weir_go_on(s, loop, fn, arg, NULL), 0)

static uint64_t random_next(uint64_t *x)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return *x >> 33;
}

/* A wait for ever, or a short one now and then. */
static weir_time hurry(uint64_t *x)
{
    return random_next(x) % 4 ? WEIR_NEVER : weir_after((weir_span)(random_next(x) % 40) * 1000);
}

static void sleep_some(uint64_t *x)
{
    (void)weir_sleep(weir_after((weir_span)(random_next(x) % 150) * 1000));
}

/* Until so many hold the object: its handles, and those who stand there. */
static void until_held(void *object, uint32_t refs)
{
    struct weir__block *b = object;
    uint32_t n = 0;

    while (n < refs) {
        struct weir__loop *g = weir__guard(&b->lock);

        n = b->refs;
        weir__unguard(g, &b->lock);
        EQ(weir_sleep(weir_after(WEIR_US(50))), 0);
    }
}

/* --- counted items ----------------------------------------------------- */

static int balance; /* made and cloned, less dropped; atomic */

struct item {
    int64_t value; /* 0: empty */
};

static struct item item_make(int64_t value)
{
    __atomic_add_fetch(&balance, 1, __ATOMIC_RELAXED);
    return (struct item){value};
}

static void item_drop(void *at)
{
    struct item *i = at;

    if (i->value)
        __atomic_sub_fetch(&balance, 1, __ATOMIC_RELAXED);
    i->value = 0;
}

static int item_clone(void *to, const void *from)
{
    *(struct item *)to = *(const struct item *)from;
    if (((const struct item *)from)->value)
        __atomic_add_fetch(&balance, 1, __ATOMIC_RELAXED);
    return 0;
}

static struct weir_type item_type(void)
{
    struct weir_type t = WEIR_TYPE(struct item);

    t.drop = item_drop;
    t.clone = item_clone;
    return t;
}

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

/* --- reader-writer lock ------------------------------------------------- */

struct book {
    struct weir_rwlock lock;
    int64_t left, right; /* equal but while somebody writes; no atomic: the lock holds */
    uint64_t seed;
};

static int reads_and_writes(void *arg)
{
    struct book *b = arg;
    uint64_t x = __atomic_add_fetch(&b->seed, 77, __ATOMIC_RELAXED);

    for (int i = 0; i < 300; i++) {
        bool write = random_next(&x) % 3 == 0;
        int r =
            write ? weir_rwlock_write(&b->lock, hurry(&x)) : weir_rwlock_read(&b->lock, hurry(&x));

        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return r;
        if (write) {
            EQ(weir_rwlock_write(&b->lock, WEIR_NEVER), -EDEADLK);
            b->left++;
            if (random_next(&x) % 4 == 0)
                (void)weir_yield();
            b->right++;
            if (random_next(&x) % 4 == 0)
                EQ(weir_rwlock_downgrade(&b->lock), 0);
        }
        EQ(b->left, b->right);
        EQ(weir_rwlock_unlock(&b->lock), 0);
    }
    return 0;
}

LOOPS_TEST(readers_and_writers_on_all_loops_never_meet)
{
    struct book b = {.seed = test_seed()};
    uint64_t x = test_seed();

    weir_rwlock_init(&b.lock);
    for (int k = 0; k < ROUNDS / 4; k++) {
        weir_scope *s = weir_scope_open(NULL);
        bool cut = k % 3 == 2;

        for (int i = 0; i < MANY; i++)
            GO_ON(s, i % LOOPS, reads_and_writes, &b);
        if (cut) {
            sleep_some(&x);
            EQ(weir_scope_cancel(s, -EINTR), 0);
        }
        EQ(weir_scope_close(&s), cut ? -EINTR : 0);
        EQ(weir_rwlock_write(&b.lock, 0), 0); /* nobody has left with it */
        EQ(weir_rwlock_unlock(&b.lock), 0);
    }
    return 0;
}

/* --- latch, once -------------------------------------------------------- */

static int counts_down(void *arg)
{
    return weir_latch_down(arg, 1);
}

static int waits_for_latch(void *arg)
{
    int r = weir_latch_wait(arg, WEIR_NEVER);

    return r;
}

struct gate {
    weir_scope *scope;
    int passed;
};

/* The latch is gone the moment it has been waited for. */
static int opens_many(void *arg)
{
    struct gate *g = arg;

    for (int k = 0; k < ROUNDS; k++) {
        struct weir_latch l;
        weir_scope *s = weir_scope_open(NULL);

        EQ(weir_latch_init(&l, LOOPS), 0);
        EQ(weir_latch_add(&l, 1), 0);
        for (int i = 0; i < LOOPS; i++)
            GO_ON(s, i, counts_down, &l);
        GO_ON(s, k % LOOPS, waits_for_latch, &l);
        EQ(weir_latch_wait(&l, 0), -EAGAIN);
        EQ(weir_latch_down(&l, 1), 0);
        EQ(weir_latch_wait(&l, WEIR_NEVER), 0);
        EQ(weir_latch_add(&l, 1), WEIR_ECLOSED);
        EQ(weir_scope_close(&s), 0);
        g->passed++;
    }
    return 0;
}

LOOPS_TEST(a_latch_opens_when_all_loops_have_counted_down)
{
    struct gate g[LOOPS] = {0};
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < LOOPS; i++)
        GO_ON(s, i, opens_many, &g[i]);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < LOOPS; i++)
        EQ(g[i].passed, ROUNDS);
    return 0;
}

struct first {
    struct weir_once once;
    int runs, inside; /* runs: plain, for one at a time runs */
    uint64_t seed;
};

static int initialises(void *arg)
{
    struct first *f = arg;
    uint64_t x = __atomic_add_fetch(&f->seed, 5, __ATOMIC_RELAXED);
    int r;

    EQ(__atomic_add_fetch(&f->inside, 1, __ATOMIC_RELAXED), 1);
    EQ(weir_once_call(&f->once, initialises, f), -EDEADLK);
    r = weir_sleep(weir_after((weir_span)(random_next(&x) % 50) * 1000));
    f->runs++;
    __atomic_sub_fetch(&f->inside, 1, __ATOMIC_RELAXED);
    return r < 0 ? r : f->runs < 3 ? -EIO : 42;
}

static int calls_once(void *arg)
{
    struct first *f = arg;
    int r;

    while ((r = weir_once_call(&f->once, initialises, f)) == -EIO)
        ;
    return r < 0 ? r : r == 42 && weir_once_done(&f->once) == 1 ? 0 : -ERANGE;
}

LOOPS_TEST(once_is_once_on_all_loops_and_a_failure_is_tried_again)
{
    for (int k = 0; k < ROUNDS; k++) {
        struct first f = {.seed = test_seed() + (uint64_t)k};
        weir_scope *s = weir_scope_open(NULL), *cut = weir_scope_open(NULL);

        weir_once_init(&f.once);
        for (int i = 0; i < LOOPS; i++)
            GO_ON(cut, i, calls_once, &f);
        for (int i = 0; i < MANY; i++)
            GO_ON(cut, i % LOOPS, calls_once, &f);
        if (k % 3 == 2)
            EQ(weir_scope_cancel(cut, -EINTR), 0);
        EQ(weir_scope_close(&cut), k % 3 == 2 ? -EINTR : 0);
        EQ(calls_once(&f), 0);
        EQ(f.runs, k % 3 == 2 ? f.runs : 3);
        EQ(weir_scope_close(&s), 0);
    }
    return 0;
}

/* --- tokens ------------------------------------------------------------- */

struct told {
    struct weir_token *parent;
    uint64_t seed;
    int reasons; /* how many were told of the cancel; atomic */
};

static int runs_till_told(void *arg)
{
    (void)arg;
    return weir_sleep(WEIR_NEVER - 1);
}

/* A token of its own under the shared one, and something that runs, waits or asks under it. */
static int obeys(void *arg)
{
    struct told *w = arg;
    uint64_t x = __atomic_add_fetch(&w->seed, 9, __ATOMIC_RELAXED);
    struct weir_token t;
    struct weir_select c[] = {WEIR_ON_TOKEN(&t)};
    weir_span span = (weir_span)(random_next(&x) % 300) * 1000;
    bool mine = random_next(&x) % 3 == 0;
    int r = weir_token_init(&t, w->parent, mine ? weir_after(span) : WEIR_NEVER);

    EQ(r, 0);
    switch (random_next(&x) % 3) {
    case 0:
        r = weir_token_run(&t, runs_till_told, NULL);
        break;
    case 1:
        r = weir_token_wait(&t, WEIR_NEVER);
        r = r == 0 ? weir_token_why(&t) : r;
        break;
    default:
        r = weir_select(c, 1, WEIR_NEVER);
        r = r == 0 ? c[0].result : r;
    }
    OK(r == -EINTR || (mine && r == -ETIMEDOUT));
    EQ(weir_token_why(&t), r);
    EQ(weir_token_fini(&t), 0);
    __atomic_add_fetch(&w->reasons, 1, __ATOMIC_RELAXED);
    return 0;
}

static int cancels_token(void *arg)
{
    return weir_token_cancel(arg, -EINTR);
}

LOOPS_TEST(a_token_cancels_what_runs_under_it_on_all_loops)
{
    uint64_t x = test_seed();

    for (int k = 0; k < ROUNDS; k++) {
        struct weir_token top;
        struct told w = {&top, random_next(&x), 0};
        weir_scope *s = weir_scope_open(NULL);

        EQ(weir_token_init(&top, NULL, WEIR_NEVER), 0);
        for (int i = 0; i < MANY; i++)
            GO_ON(s, i % LOOPS, obeys, &w);
        sleep_some(&x);
        GO_ON(s, k % LOOPS, cancels_token, &top);
        GO_ON(s, (k + 1) % LOOPS, cancels_token, &top);
        EQ(weir_scope_close(&s), 0);
        EQ(w.reasons, MANY);
        EQ(weir_token_fini(&top), 0);
    }
    return 0;
}

/* Sleeps now and then: loops that do nothing but take one lock keep everybody else from it. */
static int runs_briefly(void *arg)
{
    int *n = arg;

    return ++*n % 4 ? weir_yield() : weir_sleep(weir_after(WEIR_US(20)));
}

/* Ends by itself or by the cancel, whichever is first; and its frame is used again at once. */
static int runs_again_and_again(void *arg)
{
    int r = 0, n = 0;

    while (r == 0)
        r = weir_token_run(arg, runs_briefly, &n);
    return r == -EINTR ? 0 : r;
}

LOOPS_TEST(a_run_may_end_while_its_cancel_is_under_way)
{
    uint64_t x = test_seed();

    for (int k = 0; k < ROUNDS; k++) {
        struct weir_token t;
        weir_scope *s = weir_scope_open(NULL);

        EQ(weir_token_init(&t, NULL, WEIR_NEVER), 0);
        for (int i = 1; i < MANY; i++)
            GO_ON(s, 1 + i % (LOOPS - 1), runs_again_and_again, &t);
        (void)weir_sleep(weir_after((weir_span)(random_next(&x) % 30) * 1000));
        EQ(weir_token_cancel(&t, -EINTR), 0);
        EQ(weir_scope_close(&s), 0);
        EQ(weir_token_fini(&t), 0);
    }
    return 0;
}

static int ends_a_foreign_token(void *arg)
{
    EQ(weir_token_fini(arg), -EXDEV);
    EQ(weir_token_cancel(arg, -EPERM), 0); /* that it may */
    EQ(weir_token_fini(arg), -EXDEV);
    return 0;
}

static int ends_a_token(void *arg)
{
    return weir_token_fini(arg);
}

LOOPS_TEST(a_token_with_a_deadline_ends_on_the_loop_of_its_timer)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_token dated, free, below;

    EQ(weir_token_init(&dated, NULL, weir_after(WEIR_S(1000))), 0);
    EQ(weir_token_init(&free, NULL, WEIR_NEVER), 0);
    EQ(weir_token_init(&below, &dated, WEIR_NEVER), 0);
    GO_ON(s, 1, ends_a_foreign_token, &dated);
    GO_ON(s, 2, ends_a_token, &free);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_token_why(&below), -EPERM);
    EQ(weir_token_fini(&below), 0);
    EQ(weir_token_fini(&dated), 0);
    EQ(weir_token_fini(NULL), 0);
    return 0;
}

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
        got = weir_token_run(&w->token, runs_till_told, NULL);
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
    int r = loops_run(point_main, NULL);

    (void)arg;
    EQ(balance, 0);
    OK(test_fault_hit() ? r <= 0 : r == 0);
}

TEST(what_is_between_loops_holds_whatever_fails_on_one)
{
    EVERY_POINT(point_run, NULL);
}
