/*
 * test_limits.c -- section 2 of the guide, codes 5 to 8: many at once, a
 * semaphore, a pool; and "Barbara", whose loop body is busy.
 */
#include <pthread.h>
#include <stdio.h>

#include "stream/ints.h"

/* --- code 5: results of jobs ------------------------------------------------------- */

static struct gauge {
    int running, most, started, dropped;
    weir_span longest;
} gauge;

static int gauge_nap(weir_span span)
{
    int r;

    gauge.started++;
    if (++gauge.running > gauge.most)
        gauge.most = gauge.running;
    r = weir_sleep(weir_after(span));
    gauge.running--;
    return r;
}

struct answer {
    uint64_t index;
    int64_t input, value;
    int status;
};

static int request(void *arg)
{
    struct answer *a = arg;
    int r = gauge_nap(a->input == 3 ? WEIR_S(60) : WEIR_MS(30 - 5 * (a->input % 5)));

    a->value = a->input * 100;
    return r < 0 ? r : a->input == 5 ? -ECONNREFUSED : 0;
}

/* The item of a result says whose it is and how it went. */
static int fetch(void *ctx, void *in, void *out)
{
    struct answer *a = out;

    *a = (struct answer){weir_job_seq(), *(int64_t *)in, 0, 0};
    a->status = weir_call(ctx, request, a);
    return a->status == -ECANCELED ? a->status : 1;
}

SIM_TEST(code_5_each_result_knows_its_index_its_input_and_its_status)
{
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.each = WEIR_S(1)));
    weir_stream *s = weir_buffer_unordered(weir_range(0, 8), fetch, p, WEIR_TYPE(struct answer), 5);
    struct answer a;
    int n = 0, order = 0;
    uint64_t before = 0;

    while (weir_next(s, &a) == 1) {
        EQ(a.index, (uint64_t)a.input);
        EQ(a.status, a.input == 3 ? -ETIMEDOUT : a.input == 5 ? -ECONNREFUSED : 0);
        order += n && a.index < before;
        before = a.index;
        n++;
    }
    EQ(n, 8);
    LT(0, order);               /* as they ended, and each can be told */
    EQ(world_age(), WEIR_S(1)); /* one that hangs costs its own timeout, nobody else's */
    weir_stream_close(&s);
    weir_policy_free(&p);
    return 0;
}

static int nap_100(void *ctx, void *in, void *out)
{
    int r = gauge_nap(WEIR_MS(100));

    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : 1;
}

SIM_TEST(code_5_a_collect_is_bounded)
{
    int64_t out[5];
    size_t n;
    weir_stream *s = weir_buffered(weir_range(0, 6), nap_100, NULL, INT, 2);

    EQ(weir_collect(&s, out, 5, &n), WEIR_ETOOLARGE);
    EQ(n, 5u);
    return 0;
}

static void count_dropped(void *ctx, void *in)
{
    (void)ctx;
    (void)in;
    gauge.dropped++;
}

SIM_TEST(code_5_what_a_close_cuts_is_told_one_by_one)
{
    weir_stream *s =
        weir_par_map(weir_range(0, 100), nap_100, NULL, INT,
                     &(struct weir_par_opts){.limit = 5, .window = 16, .on_drop = count_dropped});
    int64_t x;

    memset(&gauge, 0, sizeof gauge);
    EQ(weir_next(s, &x), 1);
    EQ(weir_sleep(weir_after(WEIR_MS(50))), 0);
    weir_stream_close(&s);
    EQ(gauge.running, 0);
    LE(5, gauge.dropped); /* those that ran, and those that had not begun */
    LE(gauge.dropped, 16);
    return 0;
}

/* --- code 6: ordered, unordered --------------------------------------------------------- */

static int even_is_slow(void *ctx, void *in, void *out)
{
    int r = gauge_nap(*(int64_t *)in % 2 ? WEIR_MS(50) : WEIR_MS(200));

    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : 1;
}

static weir_span phase(uint32_t ordered, uint32_t window)
{
    weir_time began = weir_now();
    weir_stream *s =
        weir_par_map(weir_range(1, 7), even_is_slow, NULL, INT,
                     &(struct weir_par_opts){.limit = 3, .window = window, .ordered = ordered});

    EQ(weir_drain(&s), 0);
    return weir_now() - began;
}

SIM_TEST(code_6_each_phase_is_measured_alone_and_order_costs_no_more_than_its_window)
{
    EQ(phase(0, 3), WEIR_MS(300));
    EQ(phase(1, 3), WEIR_MS(400)); /* what `buffered` gives: what has ended holds a place */
    EQ(phase(1, 6), WEIR_MS(300));
    return 0;
}

static int four_are_slow(void *ctx, void *in, void *out)
{
    int r = gauge_nap(*(int64_t *)in < 4 ? WEIR_MS(500) : WEIR_MS(10));

    (void)ctx;
    *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : 1;
}

/* Futures' `buffered` takes 2.06 s. */
SIM_TEST(code_6_finished_results_that_wait_their_turn_take_no_slot)
{
    weir_stream *s = weir_par_map(weir_range(0, 40), four_are_slow, NULL, INT,
                                  &(struct weir_par_opts){.limit = 4, .window = 40, .ordered = 1});
    int64_t x, n = 0;

    while (weir_next(s, &x) == 1)
        EQ(x, n++);
    EQ(n, 40);
    LE(world_age(), WEIR_MS(750));
    weir_stream_close(&s);
    return 0;
}

/* --- Barbara: the loop body is busy --------------------------------------------------------- */

static int timed_job(void *ctx, void *in, void *out)
{
    struct weir_sem *sem = ctx;
    weir_time began = weir_now();
    int r = weir_sem_take(sem, 1, WEIR_NEVER);

    if (r < 0)
        return r;
    r = gauge_nap(WEIR_MS(20));
    weir_sem_give(sem, 1);
    if (weir_now() - began > gauge.longest)
        gauge.longest = weir_now() - began;
    *(int64_t *)out = *(int64_t *)in;
    return r < 0 ? r : 1;
}

SIM_TEST(barbara_no_job_notices_that_the_loop_body_parks)
{
    struct weir_sem sem;
    weir_stream *s;
    int64_t x;
    int n = 0;

    memset(&gauge, 0, sizeof gauge);
    EQ(weir_sem_init(&sem, 5), 0);
    s = weir_buffer_unordered(weir_range(0, 40), timed_job, &sem, INT, 5);
    for (; weir_next(s, &x) == 1; n++)
        EQ(weir_sleep(weir_after(WEIR_MS(100))), 0);
    weir_stream_close(&s);
    EQ(n, 40);
    EQ(gauge.most, 5);
    LE(gauge.longest, WEIR_MS(25));
    return 0;
}

/* With two permits for five jobs and the body: futures deadlock here. */
SIM_TEST(barbara_a_semaphore_used_inside_and_after_the_stage_completes)
{
    struct weir_sem sem;
    weir_stream *s;
    int64_t x;
    int n = 0;

    EQ(weir_sem_init(&sem, 2), 0);
    s = weir_buffer_unordered(weir_range(0, 40), timed_job, &sem, INT, 5);
    for (; weir_next(s, &x) == 1; n++) {
        EQ(weir_sem_take(&sem, 1, WEIR_NEVER), 0);
        EQ(weir_sleep(weir_after(WEIR_MS(100))), 0);
        EQ(weir_sem_give(&sem, 1), 0);
    }
    weir_stream_close(&s);
    EQ(n, 40);
    EQ(weir_sem_taken(&sem), 0u);
    return 0;
}

static struct watch {
    pthread_mutex_t lock;
    char text[256];
    int n;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void watch_log(void *ctx, int level, const char *text)
{
    (void)ctx;
    (void)level;
    pthread_mutex_lock(&watch.lock);
    watch.n++;
    snprintf(watch.text, sizeof watch.text, "%s", text);
    pthread_mutex_unlock(&watch.lock);
}

static int watched(void)
{
    int n;

    pthread_mutex_lock(&watch.lock);
    n = watch.n;
    pthread_mutex_unlock(&watch.lock);
    return n;
}

/* The body computes, and never looks up, until it has been told of. */
static int busy_body(void *arg)
{
    weir_stream *s = weir_buffer_unordered(weir_range(0, 10), nap_100, NULL, INT, 5);
    int64_t x;

    (void)arg;
    weir_name("barbara");
    EQ(weir_next(s, &x), 1);
    while (!watched())
        ;
    EQ(weir_next(s, &x), 1);
    weir_stream_close(&s);
    return 0;
}

TEST(barbara_a_body_that_burns_cpu_is_named_by_the_watchdog)
{
    struct weir_config c = {.alloc = test_alloc, .watchdog = WEIR_MS(30), .log = watch_log};

    EQ(weir_run(&c, busy_body, NULL), 0);
    OK(strstr(watch.text, "barbara"));
}

/* --- code 7: a semaphore ---------------------------------------------------------------------- */

static int one_nap(void *arg)
{
    (void)arg;
    return gauge_nap(WEIR_MS(10));
}

SIM_TEST(code_7_spawning_waits_for_room_so_memory_is_bounded)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.limit = 10});
    size_t most = 0;

    memset(&gauge, 0, sizeof gauge);
    for (int i = 0; i < 1000; i++) {
        GO(s, one_nap, NULL);
        most = weir_scope_running(s) > most ? weir_scope_running(s) : most;
    }
    EQ(weir_scope_close(&s), 0);
    EQ(gauge.started, 1000);
    EQ(most, 10u); /* live, not only running */
    EQ(world_age(), WEIR_S(1));
    return 0;
}

struct holder {
    struct weir_sem *sem;
    weir_span holds;
};

static int hold(void *arg)
{
    struct holder *h = arg;
    int r = weir_sem_take(h->sem, 1, WEIR_NEVER);

    if (r < 0)
        return r;
    r = weir_sleep(weir_after(h->holds));
    weir_sem_give(h->sem, 1);
    return r;
}

SIM_TEST(code_7_permits_are_counted_exactly)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_sem sem;
    struct holder h = {&sem, WEIR_MS(10)};

    EQ(weir_sem_init(&sem, 3), 0);
    for (int i = 0; i < 10; i++)
        GO(s, hold, &h);
    for (int i = 0; i < 3; i++) {
        EQ(weir_sleep(WEIR_EPOCH + WEIR_MS(10 * i + 5)), 0);
        EQ(weir_sem_taken(&sem), 3u);
    }
    EQ(weir_scope_close(&s), 0);
    EQ(weir_sem_taken(&sem), 0u);
    return 0;
}

SIM_TEST(code_7_an_acquire_has_a_deadline_and_a_closed_semaphore_says_so)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_sem sem;
    struct holder h = {&sem, WEIR_MS(100)};

    EQ(weir_sem_init(&sem, 1), 0);
    GO(s, hold, &h);
    world_settle();
    EQ(weir_sem_take(&sem, 1, 0), -EAGAIN);
    EQ(weir_sem_take(&sem, 1, weir_after(WEIR_MS(20))), -ETIMEDOUT);
    EQ(world_age(), WEIR_MS(20));
    weir_sem_close(&sem);
    EQ(weir_sem_take(&sem, 1, WEIR_NEVER), WEIR_ECLOSED); /* an answer, no panic */
    EQ(weir_scope_close(&s), 0);
    return 0;
}

static int fail_soon(void *arg)
{
    int r = weir_sleep(weir_after(WEIR_MS(5)));

    (void)arg;
    return r < 0 ? r : -EBADMSG;
}

SIM_TEST(code_7_the_first_failure_is_told_and_nobody_is_left_behind)
{
    weir_scope *s = weir_scope_open(NULL);

    memset(&gauge, 0, sizeof gauge);
    GO(s, fail_soon, NULL);
    for (int i = 0; i < 9; i++)
        GO(s, one_nap, NULL);
    EQ(weir_scope_close(&s), -EBADMSG);
    EQ(gauge.running, 0);
    EQ(world_age(), WEIR_MS(5));
    return 0;
}

/* --- code 8: a pool --------------------------------------------------------------------------- */

static struct dialled {
    int made, closed, live, sick;
    unsigned char in_use[256]; /* by id */
} dialled;

static int dial(void *ctx, void **object)
{
    int r = weir_sleep(weir_after(WEIR_MS(1)));

    (void)ctx;
    if (r < 0)
        return r;
    dialled.live++;
    *object = (void *)(intptr_t)++dialled.made;
    return 0;
}

static int ping(void *ctx, void *object)
{
    (void)ctx;
    return (intptr_t)object == dialled.sick ? -EPIPE : 0;
}

static void hang_up(void *ctx, void *object, int why)
{
    (void)ctx;
    (void)object;
    (void)why;
    dialled.live--;
    dialled.closed++;
}

static weir_pool *pool_of(uint32_t max, weir_span idle)
{
    memset(&dialled, 0, sizeof dialled);
    return weir_pool_new(&(struct weir_pool_opts){
        .create = dial, .check = ping, .destroy = hang_up, .max = max, .idle = idle});
}

static int use_one(void *arg)
{
    struct weir_lease l;
    int r = weir_pool_get(arg, &l, WEIR_NEVER);

    if (r < 0)
        return r;
    LT(l.id, 256u);
    EQ(dialled.in_use[l.id], 0); /* nobody alive has this number */
    dialled.in_use[l.id] = 1;
    r = weir_sleep(weir_after(WEIR_MS(1 + (weir_span)(test_random() % 7))));
    dialled.in_use[l.id] = 0;
    return r < 0 ? r : weir_pool_put(&l, test_random() % 4 == 0 ? -EPIPE : 0);
}

SIM_TEST(code_8_ids_of_live_connections_are_unique)
{
    weir_pool *p = pool_of(3, 0);
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < 50; i++)
        GO(s, use_one, p);
    EQ(weir_scope_close(&s), 0);
    LE(dialled.live, 3);
    weir_pool_free(&p);
    return 0;
}

/* Take 1 and 2, give 1 back, take: the guide calls the third #2, which is alive. */
SIM_TEST(code_8_ids_are_unique_for_one_fiber_too)
{
    weir_pool *p = pool_of(3, 0);
    struct weir_lease a, b, c;

    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    EQ(weir_pool_get(p, &b, WEIR_NEVER), 0);
    EQ(weir_pool_put(&a, 0), 0);
    EQ(weir_pool_get(p, &c, WEIR_NEVER), 0);
    NE(c.id, b.id);
    EQ(weir_pool_put(&c, -EPIPE), 0); /* nor does one that is made anew get it */
    EQ(weir_pool_get(p, &c, WEIR_NEVER), 0);
    NE(c.id, b.id);
    EQ(weir_pool_put(&b, 0), 0);
    EQ(weir_pool_put(&c, 0), 0);
    weir_pool_free(&p);
    return 0;
}

SIM_TEST(code_8_a_connection_is_kept_and_used_again_the_warmest_first)
{
    weir_pool *p = pool_of(3, 0);
    struct weir_lease a, b;
    uint64_t warm;

    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    EQ(weir_pool_get(p, &b, WEIR_NEVER), 0);
    warm = b.id;
    EQ(weir_pool_put(&a, 0), 0);
    EQ(weir_pool_put(&b, 0), 0);
    for (uint64_t i = 2; i < 12; i++) {
        EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
        EQ(a.id, warm);
        EQ(a.uses, i);
        EQ(weir_pool_put(&a, 0), 0);
    }
    EQ(dialled.made, 2);
    weir_pool_free(&p);
    EQ(dialled.live, 0);
    return 0;
}

SIM_TEST(code_8_when_put_has_returned_the_place_is_free)
{
    weir_pool *p = pool_of(1, 0);
    struct weir_lease a, b;

    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    EQ(weir_pool_get(p, &b, 0), -EAGAIN);
    EQ(weir_pool_put(&a, 0), 0);
    EQ(weir_pool_get(p, &b, 0), 0);
    EQ(weir_pool_put(&b, 0), 0);
    weir_pool_free(&p);
    return 0;
}

SIM_TEST(code_8_a_get_has_a_deadline)
{
    weir_pool *p = pool_of(1, 0);
    struct weir_lease a, b;

    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    EQ(weir_pool_get(p, &b, weir_after(WEIR_MS(50))), -ETIMEDOUT);
    EQ(world_age(), WEIR_MS(51));
    EQ(weir_pool_put(&a, 0), 0);
    weir_pool_free(&p);
    return 0;
}

SIM_TEST(code_8_a_sick_connection_is_not_given_out_nor_an_old_one_kept)
{
    weir_pool *p = pool_of(2, WEIR_S(10));
    struct weir_lease a;
    uint64_t first;

    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    first = a.id;
    EQ(weir_pool_put(&a, 0), 0);
    dialled.sick = 1;
    EQ(weir_pool_get(p, &a, WEIR_NEVER), 0);
    NE(a.id, first);
    EQ(dialled.live, 1);
    EQ(weir_pool_put(&a, 0), 0);
    EQ(weir_sleep(weir_after(WEIR_S(11))), 0);
    EQ(weir_pool_reap(p), 1);
    EQ(dialled.live, 0);
    weir_pool_free(&p);
    return 0;
}

SIM_TEST(code_8_a_pool_is_closed_and_drained)
{
    weir_pool *p = pool_of(2, 0);
    weir_scope *s = weir_scope_open(NULL);
    struct weir_lease a;

    GO(s, use_one, p);
    EQ(weir_sleep(weir_after(WEIR_US(1500))), 0);
    EQ(weir_pool_drain(p, weir_after(WEIR_S(1))), 0);
    EQ(weir_pool_get(p, &a, WEIR_NEVER), WEIR_ECLOSED);
    EQ(dialled.live, 0);
    EQ(weir_scope_close(&s), 0);
    weir_pool_free(&p);
    return 0;
}
