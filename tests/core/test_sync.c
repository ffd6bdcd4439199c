/*
 * test_sync.c -- semaphore, mutex, event, offload.
 */
#include <unistd.h>
#include <weir.h>

#include "core/world.h"

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

/* --- arguments ---------------------------------------------------------- */

static const weir_time not_instants[] = {1, -1, WEIR_EPOCH - 1, INT64_MIN};

SIM_TEST(wrong_arguments_of_each_are_told)
{
    struct weir_sem s;
    struct weir_mutex m;
    struct weir_event e;
    EQ(weir_sem_init(NULL, 1), -EINVAL);
    EQ(weir_sem_init(&s, 0), -EINVAL);
    EQ(weir_sem_init(&s, UINT64_MAX), 0);
    EQ(weir_sem_take(NULL, 1, 0), -EINVAL);
    EQ(weir_sem_take(&s, 0, 0), -EINVAL);
    EQ(weir_sem_give(NULL, 1), -EINVAL);
    EQ(weir_sem_give(&s, 1), -EINVAL);
    EQ(weir_sem_take(&s, UINT64_MAX, 0), 0);
    EQ(weir_sem_take(&s, 1, 0), -EAGAIN);
    EQ(weir_sem_give(&s, UINT64_MAX), 0);
    EQ(weir_sem_init(&s, 5), 0);
    EQ(weir_sem_take(&s, 6, WEIR_NEVER), -EINVAL);
    EQ(weir_sem_take(&s, UINT64_MAX, WEIR_NEVER), -EINVAL);
    EQ(weir_sem_give(&s, UINT64_MAX), -EINVAL);
    weir_mutex_init(&m);
    EQ(weir_mutex_lock(NULL, 0), -EINVAL);
    EQ(weir_mutex_unlock(NULL), -EINVAL);
    EQ(weir_mutex_unlock(&m), -EPERM);
    weir_event_init(&e);
    EQ(weir_event_wait(NULL, 0), -EINVAL);
    for (int i = 0; i < 4; i++) {
        EQ(weir_sem_take(&s, 1, not_instants[i]), -EINVAL);
        EQ(weir_mutex_lock(&m, not_instants[i]), -EINVAL);
        EQ(weir_event_wait(&e, not_instants[i]), -EINVAL);
    }
    EQ(s.permits, 5u);
    return 0;
}

TEST(off_a_fiber_what_would_park_says_so)
{
    struct weir_sem s;
    struct weir_mutex m;
    struct weir_event e;
    EQ(weir_sem_init(&s, 1), 0);
    EQ(weir_sem_take(&s, 1, WEIR_NEVER), 0);
    EQ(weir_sem_take(&s, 1, 0), -EAGAIN);
    EQ(weir_sem_take(&s, 1, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_sem_give(&s, 1), 0);
    weir_mutex_init(&m);
    EQ(weir_mutex_lock(&m, 0), WEIR_ENOFIBER);
    EQ(weir_mutex_unlock(&m), -EPERM);
    weir_event_init(&e);
    EQ(weir_event_wait(&e, WEIR_NEVER), WEIR_ENOFIBER);
    weir_event_set(&e);
    EQ(weir_event_wait(&e, WEIR_NEVER), 0);
}

/* --- hand-over ---------------------------------------------------------- */

struct queue {
    struct weir_sem sem;
    struct weir_mutex mutex;
    struct weir_event event;
    int order[20], n, results[20];
};

struct queuer {
    struct queue *q;
    int id;
    uint64_t weight;
    weir_time deadline;
};

static int queue_take(void *arg)
{
    struct queuer *u = arg;
    EQ(weir_sleep(weir_after(u->id + 1)), 0); /* they come in order */
    int r = weir_sem_take(&u->q->sem, u->weight, u->deadline);
    u->q->results[u->id] = r;
    if (r < 0)
        return r;
    u->q->order[u->q->n++] = u->id;
    (void)weir_yield();
    EQ(weir_sem_give(&u->q->sem, u->weight), 0);
    return 0;
}

SIM_TEST(takes_of_any_weight_are_served_in_order)
{
    struct queue q = {.n = 0};
    struct queuer u[10];
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_sem_init(&q.sem, 5), 0);
    EQ(weir_sem_take(&q.sem, 5, 0), 0);
    for (int i = 0; i < 10; i++) {
        u[i] = (struct queuer){&q, i, 3 + test_random() % 3, WEIR_NEVER};
        GO(s, queue_take, &u[i]);
    }
    EQ(weir_sleep(weir_after(100)), 0);
    EQ(q.n, 0);
    EQ(weir_sem_give(&q.sem, 5), 0);
    EQ(weir_sem_take(&q.sem, 1, 0), -EAGAIN); /* nobody new can take it first */
    EQ(weir_scope_close(&s), 0);
    EQ(q.n, 10);
    EQ(q.sem.permits, 5u);
    for (int i = 0; i < 10; i++) /* no two fit together, so the order shows */
        EQ(q.order[i], i);
    return 0;
}

SIM_TEST(a_permit_handed_over_before_the_cancel_is_kept_and_one_after_is_not_lost)
{
    for (int first = 0; first < 2; first++) {
        struct queue q = {.n = 0};
        struct queuer u = {&q, 0, 1, WEIR_NEVER};
        weir_scope *s = weir_scope_open(NULL);
        EQ(weir_sem_init(&q.sem, 1), 0);
        EQ(weir_sem_take(&q.sem, 1, 0), 0);
        GO(s, queue_take, &u);
        EQ(weir_sleep(weir_after(10)), 0);
        if (first)
            EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(weir_sem_give(&q.sem, 1), 0);
        if (!first)
            EQ(weir_scope_cancel(s, -EPERM), 0);
        EQ(weir_scope_close(&s), -EPERM);
        EQ(q.results[0], first ? -ECANCELED : 0);
        EQ(q.sem.permits, 1u);
    }
    return 0;
}

/* At the very instant at which the large one gives up, permits come back. */
SIM_TEST(a_large_take_that_times_out_as_permits_return_frees_those_behind)
{
    struct queue q = {.n = 0};
    struct queuer large = {&q, 0, 5, weir_after(50)}, small = {&q, 1, 1, WEIR_NEVER};
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
    EQ(weir_sem_init(&q.sem, 5), 0);
    EQ(weir_sem_take(&q.sem, 3, 0), 0);
    GO(s, queue_take, &large);
    GO(s, queue_take, &small);
    EQ(weir_sleep(weir_after(50)), 0);
    EQ(weir_sem_give(&q.sem, 1), 0);
    EQ(weir_sleep(weir_after(10)), 0);
    EQ(q.results[0], -ETIMEDOUT);
    EQ(q.n, 1);
    EQ(q.order[0], 1);
    EQ(weir_sem_give(&q.sem, 2), 0);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    EQ(q.sem.permits, 5u);
    return 0;
}

SIM_TEST(a_closed_semaphore_wakes_all_who_wait)
{
    struct queue q = {.n = 0};
    struct queuer u[4];
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
    EQ(weir_sem_init(&q.sem, 2), 0);
    EQ(weir_sem_take(&q.sem, 2, 0), 0);
    for (int i = 0; i < 4; i++) {
        u[i] = (struct queuer){&q, i, 1 + (uint64_t)i % 2, WEIR_NEVER};
        GO(s, queue_take, &u[i]);
    }
    EQ(weir_sleep(weir_after(10)), 0);
    weir_sem_close(&q.sem);
    EQ(weir_scope_close(&s), WEIR_ECLOSED);
    for (int i = 0; i < 4; i++)
        EQ(q.results[i], WEIR_ECLOSED);
    EQ(weir_sem_take(&q.sem, 1, 0), WEIR_ECLOSED);
    EQ(weir_sem_give(&q.sem, 2), 0);
    EQ(weir_sem_take(&q.sem, 1, 0), WEIR_ECLOSED);
    return 0;
}

static int queue_lock(void *arg)
{
    struct queuer *u = arg;
    EQ(weir_sleep(weir_after(u->id + 1)), 0);
    int r = weir_mutex_lock(&u->q->mutex, u->deadline);
    u->q->results[u->id] = r;
    if (r < 0)
        return r;
    EQ(weir_mutex_lock(&u->q->mutex, WEIR_NEVER), -EDEADLK);
    u->q->order[u->q->n++] = u->id;
    (void)weir_yield();
    EQ(weir_mutex_unlock(&u->q->mutex), 0);
    return 0;
}

SIM_TEST(a_mutex_goes_to_the_one_who_waited_longest)
{
    struct queue q = {.n = 0};
    struct queuer u[6];
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});
    weir_mutex_init(&q.mutex);
    EQ(weir_mutex_lock(&q.mutex, 0), 0);
    for (int i = 0; i < 6; i++) { /* the third and the fifth give up */
        u[i] = (struct queuer){&q, i, 1, i == 2 || i == 4 ? weir_after(20) : WEIR_NEVER};
        GO(s, queue_lock, &u[i]);
    }
    EQ(weir_sleep(weir_after(30)), 0);
    EQ(weir_mutex_unlock(&q.mutex), 0);
    EQ(weir_mutex_lock(&q.mutex, 0), -EAGAIN); /* it has been handed on */
    EQ(weir_mutex_unlock(&q.mutex), -EPERM);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    static const int want[] = {0, 1, 3, 5};
    EQ(q.n, 4);
    MEMEQ(q.order, want, sizeof want);
    EQ(weir_mutex_lock(&q.mutex, 0), 0);
    EQ(weir_mutex_unlock(&q.mutex), 0);
    return 0;
}

SIM_TEST(a_mutex_handed_over_before_the_cancel_is_held_and_given_back)
{
    struct queue q = {.n = 0};
    struct queuer u[2] = {{&q, 0, 1, WEIR_NEVER}, {&q, 1, 1, WEIR_NEVER}};
    weir_scope *b = weir_scope_open(NULL), *a = weir_scope_open(NULL);
    weir_mutex_init(&q.mutex);
    EQ(weir_mutex_lock(&q.mutex, 0), 0);
    GO(a, queue_lock, &u[0]);
    GO(b, queue_lock, &u[1]);
    EQ(weir_sleep(weir_after(10)), 0);
    EQ(weir_mutex_unlock(&q.mutex), 0); /* to the first, which is cancelled before it runs */
    EQ(weir_scope_cancel(a, -EPERM), 0);
    EQ(weir_scope_close(&a), -EPERM);
    EQ(weir_scope_close(&b), 0);
    EQ(q.results[0], 0);
    EQ(q.results[1], 0);
    OK(!q.mutex.owner);
    return 0;
}

static int queue_event(void *arg)
{
    struct queuer *u = arg;
    u->q->results[u->id] = weir_event_wait(&u->q->event, u->deadline);
    u->q->n++;
    return 0;
}

SIM_TEST(an_event_wakes_all_even_if_it_is_cleared_at_once)
{
    struct queue q = {.n = 0};
    struct queuer u[5];
    weir_scope *s = weir_scope_open(NULL);
    weir_event_init(&q.event);
    weir_event_set(&q.event);
    weir_event_clear(&q.event);
    for (int i = 0; i < 5; i++) {
        u[i] = (struct queuer){&q, i, 0, i == 4 ? weir_after(3) : WEIR_NEVER};
        GO(s, queue_event, &u[i]);
    }
    EQ(weir_sleep(weir_after(10)), 0);
    EQ(q.n, 1);
    EQ(q.results[4], -ETIMEDOUT);
    weir_event_set(&q.event);
    weir_event_clear(&q.event);
    EQ(weir_scope_close(&s), 0);
    EQ(q.n, 5);
    for (int i = 0; i < 4; i++)
        EQ(q.results[i], 0);
    EQ(weir_event_wait(&q.event, 0), -EAGAIN);
    return 0;
}

/* --- conservation ------------------------------------------------------- */

static uint64_t churn_held, churn_most;

static int churn_take(void *arg)
{
    struct queue *q = arg;
    for (int i = 0; i < 100; i++) {
        uint64_t n = 1 + test_random() % 4;
        int r = weir_sem_take(&q->sem, n, weir_after((weir_span)(test_random() % 4)));
        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return r;
        churn_held += n;
        if (churn_held > churn_most)
            churn_most = churn_held;
        r = weir_sleep(weir_after((weir_span)(test_random() % 3)));
        churn_held -= n;
        EQ(weir_sem_give(&q->sem, n), 0);
        if (r < 0)
            return r;
    }
    return 0;
}

SIM_TEST(permits_are_conserved_through_timeouts_and_cancels)
{
    struct queue q = {.n = 0};
    weir_scope *s[6];
    churn_held = churn_most = 0;
    EQ(weir_sem_init(&q.sem, 4), 0);
    for (int i = 0; i < 6; i++)
        s[i] = weir_scope_open(NULL);
    for (int i = 0; i < 6; i++)
        GO(s[i], churn_take, &q);
    for (int i = 6; i--;) {
        EQ(weir_sleep(weir_after((weir_span)(test_random() % 40))), 0);
        if (i % 2)
            EQ(weir_scope_cancel(s[i], -EPERM), 0);
        (void)weir_scope_close(&s[i]);
    }
    EQ(churn_held, 0u);
    EQ(churn_most, 4u);
    EQ(q.sem.permits, 4u);
    return 0;
}

static int sync_flow(void *arg)
{
    struct queue q = {.n = 0};
    struct queuer u[2] = {{&q, 0, 2, WEIR_NEVER}, {&q, 1, 1, WEIR_NEVER}};
    weir_scope *s = weir_scope_open(NULL);
    int r = 0;
    (void)arg;
    EQ(weir_sem_init(&q.sem, 2), 0);
    weir_mutex_init(&q.mutex);
    for (int i = 0; i < 2 && r == 0; i++)
        if ((r = weir_go(s, fiber_nothing, &u[i])) == 0)
            r = weir_sem_take(&q.sem, u[i].weight, weir_after(1));
    if (r == 0)
        EQ(q.sem.permits, 0u); /* 2 and 1 do not fit: the second timed out */
    int c = weir_scope_close(&s);
    return r < 0 ? r : c;
}

static void sync_under_faults(void *arg)
{
    int r = world_run(sync_flow, arg);
    OK(r == -ETIMEDOUT || (test_fault_hit() && (r == -ENOMEM || r == -ECANCELED || r == -EINVAL)));
}

TEST(sync_holds_whatever_fails)
{
    EVERY_POINT(sync_under_faults, NULL);
}
