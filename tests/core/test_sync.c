/*
 * test_sync.c -- semaphore, mutex, event, offload.
 */
#include <errno.h>
#include <unistd.h>
#include <weir.h>

#include "harness/test.h"

static void run(int (*fn)(void *))
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_sim_run(test_seed(), &c, fn, NULL), 0);
}

static struct weir_sem sem;
static struct weir_mutex mutex;
static int order[8], n_order, inside, most;

static int taker(void *arg)
{
    intptr_t n = (intptr_t)arg;
    int r = weir_sleep(weir_after(WEIR_MS(n < 0 ? 2 : 1)));

    if (n < 0)
        n = -n;
    r = weir_sem_take(&sem, (uint64_t)n, WEIR_NEVER);
    if (r < 0)
        return r;
    order[n_order++] = (int)n;
    r = weir_sleep(weir_after(WEIR_MS(1)));
    EQ(weir_sem_give(&sem, (uint64_t)n), 0);
    return r;
}

static int large_first(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_sem_init(&sem, 4), 0);
    EQ(weir_sem_take(&sem, 2, WEIR_NEVER), 0);
    EQ(weir_go(s, taker, (void *)4), 0);            /* waits, being larger than what is left */
    EQ(weir_go(s, taker, (void *)(intptr_t)-1), 0); /* would fit, but came later */
    EQ(weir_sleep(weir_after(WEIR_MS(10))), 0);
    EQ(n_order, 0);
    EQ(weir_sem_take(&sem, 1, 0), -EAGAIN);
    EQ(weir_sem_give(&sem, 2), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(order[0], 4);
    EQ(order[1], 1);
    EQ(weir_sem_give(&sem, 1), -EINVAL); /* more than there ever were */
    EQ(weir_sem_take(&sem, 5, WEIR_NEVER), -EINVAL);
    EQ(weir_sem_take(&sem, 0, WEIR_NEVER), -EINVAL);
    return 0;
}

TEST(a_large_take_is_not_overtaken)
{
    run(large_first);
}

static int gives_up(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_sem_init(&sem, 2), 0);
    EQ(weir_sem_take(&sem, 1, WEIR_NEVER), 0);
    EQ(weir_go(s, taker, (void *)(intptr_t)-1), 0);
    EQ(weir_sem_take(&sem, 2, weir_after(WEIR_MS(5))), -ETIMEDOUT);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(n_order, 1); /* the one it held back went on */
    EQ(weir_scope_close(&s), 0);
    weir_sem_close(&sem);
    EQ(weir_sem_take(&sem, 1, WEIR_NEVER), WEIR_ECLOSED);
    return 0;
}

TEST(a_take_that_gives_up_lets_the_next_one_pass)
{
    run(gives_up);
}

static int locker(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int r = weir_mutex_lock(&mutex, WEIR_NEVER);

        EQ(r, 0);
        if (++inside > most)
            most = inside;
        weir_yield();
        inside--;
        EQ(weir_mutex_unlock(&mutex), 0);
    }
    return 0;
}

static int mutexes(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    weir_mutex_init(&mutex);
    EQ(weir_mutex_lock(&mutex, 0), 0);
    EQ(weir_mutex_lock(&mutex, WEIR_NEVER), -EDEADLK);
    for (int i = 0; i < 5; i++)
        EQ(weir_go(s, locker, NULL), 0);
    EQ(weir_mutex_unlock(&mutex), 0);
    EQ(weir_mutex_unlock(&mutex), -EPERM);
    EQ(weir_scope_close(&s), 0);
    EQ(most, 1);
    return 0;
}

TEST(a_mutex_has_one_owner)
{
    run(mutexes);
}

static int setter(void *arg)
{
    int r = weir_sleep(weir_after(WEIR_MS(5)));

    weir_event_set(arg);
    return r;
}

static int events(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_event e;

    (void)arg;
    weir_event_init(&e);
    EQ(weir_event_wait(&e, 0), -EAGAIN);
    EQ(weir_event_wait(&e, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    EQ(weir_go(s, setter, &e), 0);
    EQ(weir_event_wait(&e, WEIR_NEVER), 0);
    EQ(weir_event_wait(&e, 0), 0); /* a level */
    weir_event_clear(&e);
    EQ(weir_event_wait(&e, 0), -EAGAIN);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

TEST(an_event_stays_set)
{
    run(events);
}

static int square(void *arg)
{
    int *x = arg;

    *x *= *x;
    return 7;
}

static int off(void *arg)
{
    int x = (int)(intptr_t)arg, want = x * x;

    EQ(weir_offload(square, &x), 7);
    EQ(x, want);
    return 0;
}

static int offloads(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    for (intptr_t i = 0; i < 200; i++)
        EQ(weir_go(s, off, (void *)i), 0);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

TEST(offloaded_work_comes_back_to_its_fiber)
{
    struct weir_config c = {.alloc = test_alloc, .offload_threads = 3, .offload_queue = 8};

    EQ(weir_run(&c, offloads, NULL), 0);
}

static int slow_began;

static int slow(void *arg)
{
    __atomic_store_n(&slow_began, 1, __ATOMIC_RELEASE);
    usleep(20000);
    return *(int *)arg;
}

static int cancelled_offload(void *arg)
{
    struct weir_limit l;
    int x = 5, r;

    (void)arg;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(1))), 0);
    r = weir_limit_fini(&l, weir_offload(slow, &x));
    if (__atomic_load_n(&slow_began, __ATOMIC_ACQUIRE))
        EQ(r, 5); /* borrowed: it is waited for */
    else
        EQ(r, -ETIMEDOUT); /* still queued: withdrawn */
    return 0;
}

TEST(borrowed_work_is_waited_for_once_it_runs)
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_run(&c, cancelled_offload, NULL), 0);
}
