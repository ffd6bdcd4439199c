/*
 * test_shared_sync.c -- rwlocks, latches, onces and tokens between loops: what they promise
 * holds, whoever cancels, gives up or frees meanwhile.
 */
#include "core/shared_world.h"

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
        r = weir_token_run(&t, fiber_forever, NULL);
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
