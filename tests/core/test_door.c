/*
 * Plain threads at a loop: what they call, who waits for whom, and the end.
 */
#include <pthread.h>
#include <time.h>
#include <weir.h>

#include "core/world.h"

enum { DOOR_THREADS = 4, DOOR_ITEMS = 200 };

/* What most tests share; threads get it whole. */
struct door_world {
    weir_door *door;
    weir_chan *ch, *back;
    struct weir_sem sem;
    struct weir_event event;
    weir_scope *scope;
    pthread_t thread;
    int inside; /* atomic */
    int result;
};

static void thread_start(pthread_t *t, void *(*fn)(void *), void *arg)
{
    EQ(pthread_create(t, NULL, fn, arg), 0);
}

static int join_thread(void *arg)
{
    return -pthread_join(*(pthread_t *)arg, NULL);
}

/* Parks until the thread has ended. */
static void thread_end(pthread_t *t)
{
    EQ(weir_offload(join_thread, t), 0);
}

/* --- channels ---------------------------------------------------------- */

static void *sends_items(void *arg)
{
    struct door_world *w = arg;

    EQ(weir_door_enter(w->door), 0);
    for (int i = 1; i <= DOOR_ITEMS; i++)
        EQ(weir_send(w->ch, &i, WEIR_NEVER), 1);
    EQ(weir_chan_producer_done(w->ch, 0), 0);
    EQ(weir_door_leave(), 0);
    return NULL;
}

REAL_TEST(threads_send_and_a_fiber_receives)
{
    struct door_world w = {.door = weir_door_open(), .ch = weir_chan_new(WEIR_TYPE(int), 3)};
    pthread_t t[DOOR_THREADS];
    int x, sum = 0;

    for (int i = 0; i < DOOR_THREADS; i++)
        EQ(weir_chan_producer_add(w.ch), 0);
    for (int i = 0; i < DOOR_THREADS; i++)
        thread_start(&t[i], sends_items, &w);
    while (weir_recv(w.ch, &x, WEIR_NEVER) > 0)
        sum += x;
    EQ(sum, DOOR_THREADS * DOOR_ITEMS * (DOOR_ITEMS + 1) / 2);
    EQ(weir_door_close(&w.door), 0);
    OK(!w.door);
    for (int i = 0; i < DOOR_THREADS; i++)
        thread_end(&t[i]);
    weir_chan_free(&w.ch);
    return 0;
}

static void *receives_items(void *arg)
{
    struct door_world *w = arg;
    int x[8], sum = 0;
    size_t n;

    EQ(weir_door_enter(w->door), 0);
    while (weir_chan_recv_n(w->ch, x, sizeof *x, 8, &n, WEIR_NEVER) > 0)
        for (size_t i = 0; i < n; i++)
            sum += x[i];
    EQ(weir_send(w->back, &sum, WEIR_NEVER), 1);
    EQ(weir_door_leave(), 0);
    return NULL;
}

REAL_TEST(a_fiber_sends_and_threads_receive)
{
    struct door_world w = {.door = weir_door_open(),
                           .ch = weir_chan_new(WEIR_TYPE(int), 3),
                           .back = weir_chan_new(WEIR_TYPE(int), 0)};
    pthread_t t[DOOR_THREADS];
    int x, sum = 0;

    for (int i = 0; i < DOOR_THREADS; i++)
        thread_start(&t[i], receives_items, &w);
    for (int i = 1; i <= DOOR_ITEMS; i++)
        EQ(weir_send(w.ch, &i, WEIR_NEVER), 1);
    EQ(weir_chan_close(w.ch, 0), 0);
    for (int i = 0; i < DOOR_THREADS; i++) {
        EQ(weir_recv(w.back, &x, WEIR_NEVER), 1);
        sum += x;
    }
    EQ(sum, DOOR_ITEMS * (DOOR_ITEMS + 1) / 2);
    EQ(weir_door_close(&w.door), 0);
    for (int i = 0; i < DOOR_THREADS; i++)
        thread_end(&t[i]);
    weir_chan_free(&w.ch);
    weir_chan_free(&w.back);
    return 0;
}

static void *tries(void *arg)
{
    struct door_world *w = arg;
    struct weir_chan_stats stats;
    struct weir_select two[] = {WEIR_ON_RECV(w->back, &w->result), WEIR_ON_RECV(w->ch, &w->result)};
    int x = 5, three[3] = {1, 2, 3};
    size_t n;

    EQ(weir_send(w->ch, &x, WEIR_NEVER), 1); /* without a loop nobody else uses it: as ever */
    EQ(weir_send(w->ch, &x, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_door_enter(w->door), 0);
    EQ(weir_send(w->ch, &x, 0), -EAGAIN);
    EQ(weir_send(w->ch, &x, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    EQ(weir_chan_length(w->ch), 1);
    EQ(weir_select(two, 2, WEIR_NEVER), 1);
    EQ(w->result, 5);
    EQ(weir_recv(w->ch, &x, 0), -EAGAIN);
    EQ(weir_chan_send_n(w->ch, three, sizeof *three, 3, &n, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    EQ(n, 1);
    EQ(weir_chan_send_n(w->ch, three, sizeof *three, 0, &n, 0), 0);
    EQ(weir_chan_send_n(NULL, three, sizeof *three, 0, &n, 0), -EINVAL);
    EQ(weir_chan_producer_add(w->ch), 0);
    EQ(weir_chan_producer_done(w->ch, -EIO), 0);
    EQ(weir_chan_close(w->ch, 0), WEIR_ECLOSED);
    EQ(weir_chan_stats(w->ch, &stats), 0);
    EQ(stats.length, 1);
    EQ(weir_chan_shut(w->ch), 0);
    EQ(weir_send(w->ch, &x, WEIR_NEVER), -EPIPE);
    EQ(weir_chan_send_n(w->ch, three, sizeof *three, 0, &n, 0), -EPIPE);
    weir_chan_free(&w->ch);
    OK(!w->ch);
    EQ(weir_door_leave(), 0);
    EQ(weir_door_leave(), -EINVAL);
    return NULL;
}

REAL_TEST(each_channel_call_answers_a_thread_as_it_answers_a_fiber)
{
    struct door_world w = {.door = weir_door_open(),
                           .ch = weir_chan_new(WEIR_TYPE(int), 1),
                           .back = weir_chan_new(WEIR_TYPE(int), 1)};
    pthread_t t;

    thread_start(&t, tries, &w);
    thread_end(&t);
    EQ(weir_door_close(&w.door), 0);
    weir_chan_free(&w.back);
    return 0;
}

/* --- semaphores, events, offload --------------------------------------- */

static void *takes_and_gives(void *arg)
{
    struct door_world *w = arg;

    EQ(weir_door_enter(w->door), 0);
    for (int i = 0; i < 100; i++) {
        EQ(weir_sem_take(&w->sem, 1, WEIR_NEVER), 0);
        LE(__atomic_add_fetch(&w->inside, 1, __ATOMIC_RELAXED), 2);
        __atomic_sub_fetch(&w->inside, 1, __ATOMIC_RELAXED);
        EQ(weir_sem_give(&w->sem, 1), 0);
    }
    EQ(weir_event_wait(&w->event, WEIR_NEVER), 0);
    EQ(weir_door_leave(), 0);
    return NULL;
}

REAL_TEST(a_semaphore_holds_among_threads_and_fibers)
{
    struct door_world w = {.door = weir_door_open()};
    pthread_t t[DOOR_THREADS];

    EQ(weir_sem_init(&w.sem, 2), 0);
    weir_event_init(&w.event);
    for (int i = 0; i < DOOR_THREADS; i++)
        thread_start(&t[i], takes_and_gives, &w);
    for (int i = 0; i < 100; i++) {
        EQ(weir_sem_take(&w.sem, 1, WEIR_NEVER), 0);
        LE(__atomic_add_fetch(&w.inside, 1, __ATOMIC_RELAXED), 2);
        (void)weir_yield();
        __atomic_sub_fetch(&w.inside, 1, __ATOMIC_RELAXED);
        EQ(weir_sem_give(&w.sem, 1), 0);
    }
    weir_event_set(&w.event);
    for (int i = 0; i < DOOR_THREADS; i++)
        thread_end(&t[i]);
    EQ(weir_door_close(&w.door), 0);
    EQ(w.sem.permits, 2);
    return 0;
}

static int doubled(void *arg)
{
    return *(int *)arg * 2;
}

static int sleeps_a_little(void *arg)
{
    return weir_sleep(weir_after(WEIR_MS(1))) < 0 ? -EIO : *(int *)arg;
}

static void *offloads_and_calls(void *arg)
{
    struct door_world *w = arg;
    int x = 21;

    EQ(weir_offload(doubled, &x), WEIR_ENOFIBER);
    EQ(weir_door_call(doubled, &x), WEIR_ENOFIBER);
    EQ(weir_door_enter(w->door), 0);
    EQ(weir_door_enter(w->door), -EBUSY);
    EQ(weir_offload(doubled, &x), 42);
    EQ(weir_offload_own(doubled, &x, NULL), 42);
    EQ(weir_door_call(sleeps_a_little, &x), 21);
    EQ(weir_door_call(NULL, &x), -EINVAL);
    weir_event_set(&w->event);
    weir_event_clear(&w->event);
    EQ(weir_event_wait(&w->event, 0), -EAGAIN);
    weir_sem_close(&w->sem);
    EQ(weir_sem_take(&w->sem, 1, WEIR_NEVER), WEIR_ECLOSED);
    EQ(weir_scope_cancel(w->scope, -EINTR), 0);
    EQ(weir_door_leave(), 0);
    return NULL;
}

REAL_TEST(a_thread_offloads_calls_and_cancels)
{
    struct door_world w = {.door = weir_door_open(), .scope = weir_scope_open(NULL)};
    pthread_t t;

    EQ(weir_sem_init(&w.sem, 1), 0);
    weir_event_init(&w.event);
    GO(w.scope, fiber_forever, NULL);
    thread_start(&t, offloads_and_calls, &w);
    EQ(weir_scope_close(&w.scope), -EINTR);
    EQ(weir_door_close(&w.door), 0);
    thread_end(&t);
    return 0;
}

static int worker_sends(void *arg)
{
    struct door_world *w = arg;
    int x = 9, r = weir_door_enter(w->door);

    if (r == 0)
        r = weir_send(w->ch, &x, WEIR_NEVER);
    return weir_door_leave() < 0 ? -EIO : r;
}

static int offloads_a_sender(void *arg)
{
    return weir_offload(worker_sends, arg) == 1 ? 0 : -EIO;
}

REAL_TEST(an_offload_thread_may_enter_too)
{
    struct door_world w = {.door = weir_door_open(), .ch = weir_chan_new(WEIR_TYPE(int), 0)};
    weir_scope *s = weir_scope_open(NULL);
    int x;

    GO(s, offloads_a_sender, &w);
    EQ(weir_recv(w.ch, &x, WEIR_NEVER), 1);
    EQ(x, 9);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_door_close(&w.door), 0);
    weir_chan_free(&w.ch);
    return 0;
}

/* --- the end ----------------------------------------------------------- */

static void *receives_until_it_ends(void *arg)
{
    struct door_world *w = arg;
    int x = 0;

    EQ(weir_door_enter(w->door), 0);
    weir_event_set(&w->event);
    EQ(weir_recv(w->ch, &x, WEIR_NEVER), -ECANCELED);
    EQ(weir_recv(w->ch, &x, WEIR_NEVER), -ECANCELED); /* and so does whatever follows */
    EQ(weir_door_call(fiber_nothing, NULL), -ECANCELED);
    EQ(weir_door_leave(), 0);
    return NULL;
}

static int opens_and_leaves(void *arg)
{
    struct door_world *w = arg;

    w->door = weir_door_open();
    OK(!weir_door_error(w->door));
    thread_start(&w->thread, receives_until_it_ends, w);
    return weir_event_wait(&w->event, WEIR_NEVER);
}

/* Its fibers are those of the scope in which it was opened. */
REAL_TEST(a_scope_that_closes_cancels_the_calls_through_its_doors)
{
    struct door_world w = {.ch = weir_chan_new(WEIR_TYPE(int), 0)};
    weir_scope *s = weir_scope_open(NULL);

    weir_event_init(&w.event);
    GO(s, opens_and_leaves, &w);
    EQ(weir_scope_close(&s), 0);
    thread_end(&w.thread);
    EQ(weir_door_close(&w.door), 0);
    weir_chan_free(&w.ch);
    return 0;
}

static void counts_up(void *arg)
{
    ++*(int *)arg;
}

static void *receives_until_closed(void *arg)
{
    struct door_world *w = arg;
    int x = 0;

    EQ(weir_door_enter(w->door), 0);
    weir_event_set(&w->event);
    EQ(weir_recv(w->ch, &x, WEIR_NEVER), -ECANCELED);
    EQ(weir_recv(w->ch, &x, WEIR_NEVER), -ECANCELED);
    EQ(weir_offload_own(doubled, &x, counts_up), -ECANCELED);
    EQ(x, 1);      /* -ECANCELED: dropped, though it never got to the loop */
    w->result = 1; /* before it leaves, so before the close returns */
    EQ(weir_door_leave(), 0);
    return NULL;
}

REAL_TEST(closing_a_door_cancels_the_calls_and_waits_until_all_have_left)
{
    struct door_world w = {.ch = weir_chan_new(WEIR_TYPE(int), 0), .door = weir_door_open()};
    pthread_t t;

    weir_event_init(&w.event);
    thread_start(&t, receives_until_closed, &w);
    EQ(weir_event_wait(&w.event, WEIR_NEVER), 0);
    EQ(weir_door_close(&w.door), 0);
    EQ(w.result, 1);
    thread_end(&t);
    weir_chan_free(&w.ch);
    return 0;
}

static int leaves_a_door_open(void *arg)
{
    struct door_world *w = arg;

    w->door = weir_door_open();
    return weir_door_error(w->door);
}

static void *closes_it(void *arg)
{
    struct door_world *w = arg;

    EQ(weir_door_enter(w->door), -ECANCELED);
    EQ(weir_door_close(&w->door), 0);
    return NULL;
}

TEST(a_door_outlives_its_loop_until_somebody_closes_it)
{
    struct door_world w = {0};
    pthread_t t;

    EQ(world_real(leaves_a_door_open, &w), 0);
    thread_start(&t, closes_it, &w);
    EQ(pthread_join(t, NULL), 0);
    OK(!w.door);
}

/* --- deadlock ---------------------------------------------------------- */

static void *sends_late(void *arg)
{
    struct door_world *w = arg;
    struct timespec t = {.tv_nsec = 30000000};
    int x = 4;

    nanosleep(&t, NULL); /* long enough for the loop to have nothing left to do */
    EQ(weir_door_enter(w->door), 0);
    EQ(weir_send(w->ch, &x, WEIR_NEVER), 1);
    EQ(weir_door_leave(), 0);
    return NULL;
}

static int receives_then_is_stuck(void *arg)
{
    struct door_world w = {.door = weir_door_open(), .ch = weir_chan_new(WEIR_TYPE(int), 0)};
    pthread_t t;
    int x = 0, r;

    thread_start(&t, sends_late, &w);
    EQ(weir_recv(w.ch, &x, WEIR_NEVER), 1); /* no alarm */
    EQ(x, 4);
    EQ(weir_door_close(&w.door), 0);
    EQ(pthread_join(t, NULL), 0);
    r = weir_recv(w.ch, &x, WEIR_NEVER); /* and now it is one */
    weir_chan_free(&w.ch);
    return r + *(int *)arg;
}

TEST(an_open_door_is_no_deadlock_and_a_closed_one_is)
{
    int zero = 0;

    EQ(world_real(receives_then_is_stuck, &zero), WEIR_EDEADLOCK);
    EQ(world_run(receives_then_is_stuck, &zero), WEIR_EDEADLOCK);
}

/* --- virtual time ------------------------------------------------------ */

static void *is_busy(void *arg)
{
    struct door_world *w = arg;
    struct timespec t = {.tv_nsec = 20000000};
    int x = 1;

    EQ(weir_door_enter(w->door), 0);
    EQ(weir_send(w->ch, &x, WEIR_NEVER), 1);
    nanosleep(&t, NULL);
    EQ(weir_send(w->ch, &x, WEIR_NEVER), 1);
    EQ(weir_recv(w->back, &x, WEIR_NEVER), 1); /* while it waits here, time may pass */
    EQ(weir_door_leave(), 0);
    return NULL;
}

SIM_TEST(virtual_time_stands_still_while_a_thread_in_a_door_is_busy)
{
    struct door_world w = {.door = weir_door_open(),
                           .ch = weir_chan_new(WEIR_TYPE(int), 0),
                           .back = weir_chan_new(WEIR_TYPE(int), 0)};
    pthread_t t;
    int x = 0;

    thread_start(&t, is_busy, &w);
    EQ(weir_recv(w.ch, &x, WEIR_NEVER), 1);
    EQ(weir_recv(w.ch, &x, weir_after(WEIR_MS(1))), 1);
    EQ(weir_sleep(weir_after(WEIR_S(3600))), 0);
    EQ(weir_send(w.back, &x, WEIR_NEVER), 1);
    EQ(weir_door_close(&w.door), 0);
    EQ(pthread_join(t, NULL), 0);
    weir_chan_free(&w.ch);
    weir_chan_free(&w.back);
    return 0;
}

/* --- what is wrong ----------------------------------------------------- */

static int closes_another_loops(void *arg)
{
    EQ(weir_door_enter(*(weir_door **)arg), -EBUSY); /* the thread has a loop */
    EQ(weir_door_call(fiber_nothing, NULL), WEIR_ENOFIBER);
    EQ(weir_door_leave(), -EINVAL);
    EQ(weir_door_close(arg), 0);
    return 0;
}

static void *closes_from_outside(void *arg)
{
    EQ(weir_door_close(arg), WEIR_ENOFIBER);
    return NULL;
}

REAL_TEST(a_door_says_what_is_wrong)
{
    weir_door *d = weir_door_open(), *none = NULL;
    pthread_t t;

    EQ(weir_door_error(NULL), -EINVAL);
    EQ(weir_door_enter(NULL), -EINVAL);
    EQ(weir_door_close(NULL), -EINVAL);
    EQ(weir_door_close(&none), -EINVAL);
    thread_start(&t, closes_from_outside, &d);
    thread_end(&t);
    return closes_another_loops(&d);
}

TEST(off_a_fiber_there_is_no_door_to_open)
{
    weir_door *d = weir_door_open();

    EQ(weir_error(d), WEIR_ENOFIBER);
    EQ(weir_door_enter(d), WEIR_ENOFIBER);
    EQ(weir_door_close(&d), WEIR_ENOFIBER);
    OK(!d);
}

static void door_under_faults(void *arg)
{
    int r = world_real(leaves_a_door_open, arg);
    struct door_world *w = arg;

    OK(r == 0 || test_fault_hit());
    if (w->door)
        (void)weir_door_close(&w->door);
}

TEST(a_door_survives_every_fault)
{
    struct door_world w = {0};

    EVERY_POINT(door_under_faults, &w);
}
