/*
 * Plain threads at all that is not a channel: each call through a door does what
 * a fiber's would, and a lock is the thread's who took it.
 */
#include <pthread.h>
#include <weir.h>

#include "core/world.h"

enum { THREADS = 4, TURNS = 100 };

struct world {
    weir_door *door;
    struct weir_mutex mutex;
    struct weir_rwlock rwlock;
    struct weir_latch latch;
    struct weir_once once;
    struct weir_sem sem;
    struct weir_event event;
    struct weir_token token;
    weir_promise *promise;
    weir_future *future;
    weir_watch *watch;
    weir_topic *topic;
    weir_due *due;
    int plain, ran; /* no atomic: a lock holds, or TSan tells */
};

/* fn(w) on a thread that has entered the door, to its end. */
struct errand {
    void (*fn)(struct world *);
    struct world *w;
    pthread_t thread;
};

static void *errand_run(void *arg)
{
    struct errand *e = arg;

    EQ(weir_door_enter(e->w->door), 0);
    e->fn(e->w);
    EQ(weir_door_leave(), 0);
    return NULL;
}

static void errand_start(struct errand *e, struct world *w, void (*fn)(struct world *))
{
    *e = (struct errand){.fn = fn, .w = w};
    EQ(pthread_create(&e->thread, NULL, errand_run, e), 0);
}

static int errand_join(void *arg)
{
    return -pthread_join(((struct errand *)arg)->thread, NULL);
}

static void errand_end(struct errand *e)
{
    EQ(weir_offload(errand_join, e), 0);
}

static void errand_whole(struct world *w, void (*fn)(struct world *))
{
    struct errand e;

    errand_start(&e, w, fn);
    errand_end(&e);
}

/* Each on one loop, and on the first of two. */
#define DOOR_TEST(NAME)                                                                            \
    static int NAME##__fiber(void *world__arg);                                                    \
    TEST(NAME)                                                                                     \
    {                                                                                              \
        EQ(world_real(NAME##__fiber, NULL), 0);                                                    \
        EQ(weir_run(&(struct weir_config){.loops = 2, .alloc = test_alloc}, NAME##__fiber, NULL),  \
           0);                                                                                     \
    }                                                                                              \
    static int NAME##__fiber(void *world__arg __attribute__((unused)))

/* --- mutex -------------------------------------------------------------- */

static void locks(struct world *w)
{
    for (int i = 0; i < TURNS; i++) {
        EQ(weir_mutex_lock(&w->mutex, WEIR_NEVER), 0);
        EQ(weir_mutex_lock(&w->mutex, WEIR_NEVER), -EDEADLK);
        w->plain++;
        EQ(weir_mutex_unlock(&w->mutex), 0);
        EQ(weir_mutex_unlock(&w->mutex), -EPERM);
    }
}

static int locks_too(void *arg)
{
    struct world *w = arg;

    for (int i = 0; i < TURNS; i++) {
        EQ(weir_mutex_lock(&w->mutex, WEIR_NEVER), 0);
        w->plain++;
        (void)weir_yield();
        EQ(weir_mutex_unlock(&w->mutex), 0);
    }
    return 0;
}

static void finds_it_locked(struct world *w)
{
    EQ(weir_mutex_lock(&w->mutex, 0), -EAGAIN);
    EQ(weir_mutex_lock(&w->mutex, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    EQ(weir_mutex_lock(&w->mutex, 1), -EINVAL);
    EQ(weir_mutex_lock(NULL, 0), -EINVAL);
    EQ(weir_mutex_unlock(&w->mutex), -EPERM); /* it is the fiber's */
}

static void locks_and_goes(struct world *w)
{
    EQ(weir_mutex_lock(&w->mutex, 0), 0);
}

DOOR_TEST(a_mutex_is_the_threads_who_locked_it)
{
    struct world w = {.door = weir_door_open()};
    weir_scope *s = weir_scope_open(NULL);
    struct errand e[THREADS];

    weir_mutex_init(&w.mutex);
    for (int i = 0; i < THREADS; i++)
        errand_start(&e[i], &w, locks);
    for (int i = 0; i < THREADS; i++)
        EQ(weir_go_on(s, weir_loops() - 1, locks_too, &w, NULL), 0);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < THREADS; i++)
        errand_end(&e[i]);
    EQ(w.plain, 2 * THREADS * TURNS);
    EQ(weir_mutex_lock(&w.mutex, 0), 0);
    errand_whole(&w, finds_it_locked);
    EQ(weir_mutex_unlock(&w.mutex), 0);
    errand_whole(&w, locks_and_goes); /* what it holds when it goes stays locked */
    EQ(weir_mutex_lock(&w.mutex, 0), -EAGAIN);
    EQ(weir_mutex_unlock(&w.mutex), -EPERM);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}

/* --- reader-writer lock ------------------------------------------------- */

static void reads_and_writes(struct world *w)
{
    for (int i = 0; i < TURNS; i++) {
        EQ(weir_rwlock_write(&w->rwlock, WEIR_NEVER), 0);
        EQ(weir_rwlock_read(&w->rwlock, WEIR_NEVER), -EDEADLK);
        w->plain++;
        if (i % 2)
            EQ(weir_rwlock_downgrade(&w->rwlock), 0);
        EQ(weir_rwlock_unlock(&w->rwlock), 0);
        EQ(weir_rwlock_read(&w->rwlock, WEIR_NEVER), 0);
        OK(w->plain > 0); /* a read that meets no write */
        EQ(weir_rwlock_unlock(&w->rwlock), 0);
    }
}

static void cannot_write(struct world *w)
{
    EQ(weir_rwlock_write(&w->rwlock, 0), -EAGAIN);
    EQ(weir_rwlock_downgrade(&w->rwlock), -EPERM);
    EQ(weir_rwlock_read(&w->rwlock, 0), 0);
    EQ(weir_rwlock_unlock(&w->rwlock), 0);
}

DOOR_TEST(a_thread_reads_and_writes_like_a_fiber)
{
    struct world w = {.door = weir_door_open()};
    struct errand e[THREADS];

    weir_rwlock_init(&w.rwlock);
    w.plain = 1;
    for (int i = 0; i < THREADS; i++)
        errand_start(&e[i], &w, reads_and_writes);
    for (int i = 0; i < THREADS; i++)
        errand_end(&e[i]);
    EQ(w.plain, 1 + THREADS * TURNS);
    EQ(weir_rwlock_read(&w.rwlock, 0), 0);
    errand_whole(&w, cannot_write);
    EQ(weir_rwlock_unlock(&w.rwlock), 0);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}

/* --- latch, once, semaphore ---------------------------------------------- */

static int counts(void *arg)
{
    struct world *w = arg;

    w->ran++;
    return weir_sleep(weir_after(WEIR_US(100))) < 0 ? -EIO : 5; /* on the loop: it may park */
}

static void counts_down(struct world *w)
{
    EQ(weir_latch_wait(&w->latch, 0), -EAGAIN);
    EQ(weir_latch_add(&w->latch, 2), 0);
    EQ(weir_latch_down(&w->latch, 3), 0);
    EQ(weir_latch_wait(&w->latch, WEIR_NEVER), 0);
    EQ(weir_latch_add(&w->latch, 1), WEIR_ECLOSED);
    EQ(weir_once_call(&w->once, counts, w), 5);
    EQ(weir_once_done(&w->once), 1);
}

static void counts_permits(struct world *w)
{
    struct weir_permit p;

    EQ(weir_sem_take(&w->sem, 2, 0), 0);
    EQ(weir_sem_take(&w->sem, 2, 0), -EAGAIN);
    EQ(weir_sem_taken(&w->sem), 2);
    EQ(weir_sem_resize(&w->sem, 6), 0);
    EQ(weir_sem_resize(&w->sem, 0), -EINVAL);
    EQ(weir_sem_forget(&w->sem, 1), 0);
    EQ(weir_sem_give(&w->sem, 1), 0);
    EQ(weir_permit_take(&w->sem, 5, 0, &p), 0);
    EQ(weir_permit_give(&p), 0);
    EQ(weir_sem_taken(&w->sem), 0);
}

DOOR_TEST(a_thread_counts_down_runs_once_and_takes_permits)
{
    struct world w = {.door = weir_door_open()};
    struct errand e[THREADS];

    EQ(weir_latch_init(&w.latch, THREADS), 0);
    weir_once_init(&w.once);
    EQ(weir_sem_init(&w.sem, 3), 0);
    for (int i = 0; i < THREADS; i++)
        errand_start(&e[i], &w, counts_down);
    EQ(weir_latch_wait(&w.latch, WEIR_NEVER), 0);
    for (int i = 0; i < THREADS; i++)
        errand_end(&e[i]);
    EQ(w.ran, 1);
    errand_whole(&w, counts_permits);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}

/* --- values ---------------------------------------------------------------- */

static void fulfils(struct world *w)
{
    int x = 11;

    EQ(weir_promise_wait(w->promise, 0), -EAGAIN);
    EQ(weir_promise_send(w->promise, &x, 1), WEIR_ETYPE);
    EQ(weir_fulfil(w->promise, &x), 1);
    EQ(weir_promise_fail(w->promise, -EIO), WEIR_ECLOSED);
    weir_promise_free(&w->promise);
    OK(!w->promise);
}

static void awaits(struct world *w)
{
    weir_future *again = weir_promise_future(w->promise);
    int x = 0;

    EQ(weir_future_error(again), -EBUSY);
    EQ(weir_await(w->future, &x, 0), -EAGAIN);
    weir_event_set(&w->event);
    EQ(weir_await(w->future, &x, WEIR_NEVER), 1);
    EQ(x, 12);
    EQ(weir_await(w->future, &x, WEIR_NEVER), 0);
    weir_future_free(&w->future);
    OK(!w->future);
}

DOOR_TEST(a_thread_has_either_end_of_a_promise)
{
    struct world w = {.door = weir_door_open(), .promise = weir_promise_new(WEIR_TYPE(int))};
    struct errand e;
    int x = 0;

    w.future = weir_promise_future(w.promise);
    errand_start(&e, &w, fulfils);
    EQ(weir_await(w.future, &x, WEIR_NEVER), 1);
    EQ(x, 11);
    errand_end(&e);
    weir_future_free(&w.future);
    w.promise = weir_promise_new(WEIR_TYPE(int));
    w.future = weir_promise_future(w.promise);
    weir_event_init(&w.event);
    errand_start(&e, &w, awaits);
    EQ(weir_event_wait(&w.event, WEIR_NEVER), 0);
    x = 12;
    EQ(weir_fulfil(w.promise, &x), 1);
    errand_end(&e);
    EQ(weir_promise_wait(w.promise, 0), 0);
    weir_promise_free(&w.promise);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}

static int wants(void *ctx, const void *value)
{
    return *(const int *)value >= *(int *)ctx;
}

static int doubles(void *ctx, void *value)
{
    *(int *)value *= *(int *)ctx;
    return 1;
}

static void watches(struct world *w)
{
    struct weir_watcher r;
    int x = 0, two = 2, least = 8;

    EQ(weir_watcher_init(&r, w->watch), 0);
    EQ(weir_changed(&r, &x, 0), -EAGAIN);
    weir_watcher_rewind(&r);
    EQ(weir_changed(&r, &x, 0), 1);
    EQ(x, 4);
    EQ(weir_watch_edit(w->watch, doubles, &two), 1);
    EQ(weir_get(w->watch, &x), 1);
    EQ(x, 8);
    EQ(weir_watcher_until(&r, wants, &least, &x, sizeof x, 0), 1);
    weir_event_set(&w->event);
    EQ(weir_changed(&r, &x, WEIR_NEVER), 1);
    EQ(x, 9);
    EQ(weir_set(w->watch, &two), 0);
    EQ(weir_watch_version(w->watch), 4);
    EQ(weir_watch_close(w->watch, -EPIPE), 0);
    EQ(weir_changed(&r, &x, WEIR_NEVER), 1);
    EQ(weir_changed(&r, &x, WEIR_NEVER), -EPIPE);
    weir_watcher_fini(&r);
    weir_watch_free(&w->watch);
    OK(!w->watch);
}

DOOR_TEST(a_thread_watches_and_sets)
{
    int x = 4;
    struct world w = {.door = weir_door_open(), .watch = weir_watch_new(WEIR_TYPE(int), &x)};
    struct errand e;

    weir_event_init(&w.event);
    errand_start(&e, &w, watches);
    EQ(weir_event_wait(&w.event, WEIR_NEVER), 0);
    x = 9;
    EQ(weir_set(w.watch, &x), 0);
    errand_end(&e);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}

static void hears(struct world *w)
{
    weir_sub *s = weir_topic_subscribe(w->topic, &(struct weir_sub_opts){.capacity = 1});
    weir_sub *bad = weir_topic_subscribe(w->topic, &(struct weir_sub_opts){.capacity = 0});
    struct weir_sub_stats stats;
    struct weir_topic_stats all;
    int x = 0;

    EQ(weir_sub_error(bad), -EINVAL);
    EQ(weir_hear(s, &x, 0), -EAGAIN);
    weir_event_set(&w->event);
    EQ(weir_hear(s, &x, WEIR_NEVER), 1);
    EQ(x, 3);
    EQ(weir_sub_gap(s), 0);
    EQ(weir_tell(w->topic, &x, 0), 1);
    EQ(weir_tell(w->topic, &x, 0), -EAGAIN);
    EQ(weir_sub_stats(s, &stats), 0);
    EQ(stats.received, 1);
    EQ(weir_topic_stats(w->topic, &all), 0);
    EQ(all.sent, 2);
    EQ(weir_topic_close(w->topic, 0), 0);
    EQ(weir_hear(s, &x, WEIR_NEVER), 1);
    EQ(weir_hear(s, &x, WEIR_NEVER), 0);
    weir_sub_free(&s);
    weir_topic_free(&w->topic);
    OK(!s && !w->topic);
}

DOOR_TEST(a_thread_tells_and_hears)
{
    struct world w = {.door = weir_door_open(), .topic = weir_topic_new(WEIR_TYPE(int))};
    struct errand e;
    int x = 3;

    weir_event_init(&w.event);
    errand_start(&e, &w, hears);
    EQ(weir_event_wait(&w.event, WEIR_NEVER), 0);
    EQ(weir_tell(w.topic, &x, WEIR_NEVER), 1);
    errand_end(&e);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}

/* --- tokens ------------------------------------------------------------------ */

static int sleeps(void *arg)
{
    (void)arg;
    return weir_sleep(WEIR_NEVER - 1);
}

static void runs_under_it(struct world *w)
{
    struct weir_token mine;

    EQ(weir_token_init(&mine, &w->token, WEIR_NEVER), 0);
    EQ(weir_token_wait(&mine, 0), -EAGAIN);
    weir_event_set(&w->event);
    EQ(weir_token_run(&mine, sleeps, NULL), -EINTR);
    EQ(weir_token_wait(&mine, WEIR_NEVER), 0);
    EQ(weir_token_why(&mine), -EINTR);
    EQ(weir_token_fini(&mine), 0);
    EQ(weir_token_init(&mine, NULL, weir_after(WEIR_US(100))), 0);
    EQ(weir_token_wait(&mine, WEIR_NEVER), 0);
    EQ(weir_token_why(&mine), -ETIMEDOUT);
    EQ(weir_token_fini(&mine), 0);
}

static void cancels_it(struct world *w)
{
    EQ(weir_token_cancel(&w->token, 0), -EINVAL);
    EQ(weir_token_cancel(&w->token, -EINTR), 0);
}

DOOR_TEST(a_thread_runs_under_a_token_and_cancels_one)
{
    struct world w = {.door = weir_door_open()};
    struct errand e;

    weir_event_init(&w.event);
    EQ(weir_token_init(&w.token, NULL, WEIR_NEVER), 0);
    errand_start(&e, &w, runs_under_it);
    EQ(weir_event_wait(&w.event, WEIR_NEVER), 0);
    errand_whole(&w, cancels_it);
    errand_end(&e);
    EQ(weir_token_fini(&w.token), 0);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}

/* --- select and tries ---------------------------------------------------------- */

static void selects(struct world *w)
{
    int x = 0;
    struct weir_select c[] = {WEIR_ON_FUTURE(w->future, &x), WEIR_ON_TOKEN(&w->token),
                              WEIR_ON_EVENT(&w->event)};

    EQ(weir_select(c, 3, 0), -EAGAIN);
    weir_event_set(&w->event);
    EQ(weir_select(c, 2, WEIR_NEVER), 1);
    EQ(c[1].result, -EINTR);
}

DOOR_TEST(a_thread_selects_among_them)
{
    struct world w = {.door = weir_door_open(), .promise = weir_promise_new(WEIR_TYPE(int))};
    struct errand e;

    weir_event_init(&w.event);
    w.future = weir_promise_future(w.promise);
    EQ(weir_token_init(&w.token, NULL, WEIR_NEVER), 0);
    errand_start(&e, &w, selects);
    EQ(weir_event_wait(&w.event, WEIR_NEVER), 0);
    EQ(weir_token_cancel(&w.token, -EINTR), 0);
    errand_end(&e);
    EQ(weir_token_fini(&w.token), 0);
    weir_promise_free(&w.promise);
    weir_future_free(&w.future);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}

/* --- a door that is shut --------------------------------------------------------- */

static void comes_too_late(struct world *w)
{
    struct weir_watcher r;
    weir_promise *p = w->promise;
    int x = 1;

    EQ(weir_event_wait(&w->event, WEIR_NEVER), -ECANCELED); /* until the door is being closed */
    EQ(weir_mutex_lock(&w->mutex, WEIR_NEVER), -ECANCELED);
    EQ(weir_fulfil(w->promise, &x), -ECANCELED);
    EQ(weir_future_error(weir_promise_future(w->promise)), -ECANCELED);
    EQ(weir_sub_error(weir_topic_subscribe(w->topic, &(struct weir_sub_opts){.capacity = 1})),
       -ECANCELED);
    EQ(weir_watcher_init(&r, w->watch), -ECANCELED);
    EQ(weir_changed(&r, &x, 0), -ECANCELED);
    weir_watcher_fini(&r);
    EQ(weir_once_call(&w->once, counts, w), -ECANCELED);
    EQ(weir_token_cancel(&w->token, -EINTR), -ECANCELED);
    weir_promise_free(&w->promise);
    weir_topic_free(&w->topic);
    weir_watch_free(&w->watch);
    OK(w->promise == p && w->topic && w->watch); /* still the owner's */
}

DOOR_TEST(what_a_shut_door_refuses_stays_as_it_was)
{
    struct world w = {.door = weir_door_open(),
                      .promise = weir_promise_new(WEIR_TYPE(int)),
                      .topic = weir_topic_new(WEIR_TYPE(int)),
                      .watch = weir_watch_new(WEIR_TYPE(int), NULL)};
    struct errand e;

    weir_event_init(&w.event);
    weir_mutex_init(&w.mutex);
    weir_once_init(&w.once);
    EQ(weir_token_init(&w.token, NULL, WEIR_NEVER), 0);
    errand_start(&e, &w, comes_too_late);
    while (!w.event.waiters[0] || w.event.waiters[0] == (void *)w.event.waiters)
        EQ(weir_sleep(weir_after(WEIR_US(50))), 0); /* it is in */
    EQ(weir_door_close(&w.door), 0);
    errand_end(&e);
    EQ(w.ran, 0);
    EQ(weir_token_why(&w.token), 0);
    EQ(weir_mutex_lock(&w.mutex, 0), 0);
    weir_promise_free(&w.promise);
    weir_topic_free(&w.topic);
    weir_watch_free(&w.watch);
    return 0;
}

/* --- what is for fibers only ---------------------------------------------- */

static void is_no_fiber(struct world *w)
{
    weir_due *q = weir_due_new(WEIR_TYPE(int), 1), *theirs = w->due;
    int v = 1;

    EQ(weir_due_error(q), WEIR_ENOFIBER);
    EQ(weir_due_add(q, &v, sizeof v, 0, NULL), WEIR_ENOFIBER);
    weir_due_free(&q);
    OK(!q);
    EQ(weir_due_add(w->due, &v, sizeof v, 0, NULL), WEIR_ENOFIBER);
    EQ(weir_due_recv(w->due, &v, sizeof v, 0), WEIR_ENOFIBER);
    weir_due_free(&w->due);
    OK(w->due == theirs);
}

DOOR_TEST(a_thread_gets_no_due_queue_that_it_could_not_free)
{
    struct world w = {.door = weir_door_open(), .due = weir_due_new(WEIR_TYPE(int), 1)};

    errand_whole(&w, is_no_fiber);
    EQ(weir_due_length(w.due), 0);
    weir_due_free(&w.due);
    OK(!w.due);
    EQ(weir_door_close(&w.door), 0);
    return 0;
}
