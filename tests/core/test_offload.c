/*
 * test_offload.c -- work on threads: borrowed and owned, cancelled while it is
 * queued and while it runs, a full queue.  Real threads, so nothing here is
 * timed: gates say who is where.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/core.h"
#include "core/world.h"

/* A job that says that it runs and goes on when told to. */
struct gate {
    atomic_int entered, open, runs, drops;
    int result;
};

static void gate_wait(atomic_int *what, int n)
{
    while (atomic_load(what) < n)
        usleep(200);
}

static int gate_job(void *arg)
{
    struct gate *g = arg;
    atomic_fetch_add(&g->entered, 1);
    gate_wait(&g->open, 1);
    atomic_fetch_add(&g->runs, 1);
    return g->result;
}

static void gate_drop(void *arg)
{
    struct gate *g = arg;
    atomic_fetch_add(&g->drops, 1);
}

static void gate_counts(void *arg)
{
    --*(int *)arg;
}

/* Waits on the loop's side without holding the loop for long. */
static void gate_until(atomic_int *what, int n)
{
    while (atomic_load(what) < n)
        EQ(weir_sleep(weir_after(WEIR_US(200))), 0);
}

static int offload_run(uint32_t threads, uint32_t queue, int (*fn)(void *), void *arg)
{
    struct weir_config c = {
        .alloc = test_alloc, .offload_threads = threads, .offload_queue = queue};
    return weir_run(&c, fn, arg);
}

static int gate_borrow(void *arg)
{
    struct gate *g = arg;
    return weir_offload(gate_job, g);
}

static int gate_own(void *arg)
{
    return weir_offload_own(gate_job, arg, gate_drop);
}

/* --- arguments and results ---------------------------------------------- */

static int simple(void *arg)
{
    struct gate g = {.open = 1, .result = -EIO};
    (void)arg;
    EQ(weir_offload(NULL, &g), -EINVAL);
    EQ(weir_offload_own(NULL, &g, gate_drop), -EINVAL);
    EQ(weir_offload(gate_job, &g), -EIO);
    g.result = 12;
    EQ(weir_offload_own(gate_job, &g, gate_drop), 12);
    EQ(weir_offload_own(gate_job, &g, NULL), 12);
    EQ(atomic_load(&g.drops), 0); /* on success it is the caller's again */
    EQ(atomic_load(&g.runs), 3);
    g.result = -EIO;
    EQ(weir_offload_own(gate_job, &g, gate_drop), -EIO);
    EQ(atomic_load(&g.drops), 0); /* and on a failure */
    g.result = -ECANCELED;
    EQ(weir_offload_own(gate_job, &g, gate_drop), -ECANCELED);
    EQ(atomic_load(&g.drops), 1); /* nobody can tell this one from a cancel: so it is the same */
    return 0;
}

TEST(the_result_is_the_jobs_and_the_argument_comes_back)
{
    EQ(offload_run(0, 0, simple, NULL), 0);
    EQ(world_run(simple, NULL), 0);
}

static int masked(void *arg)
{
    sigset_t now;
    (void)arg;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, SIGTERM) && sigismember(&now, SIGINT);
}

static int signals_main(void *arg)
{
    (void)arg;
    EQ(weir_offload(masked, NULL), 1);
    EQ(masked(NULL), 0);
    return 0;
}

TEST(signals_are_not_delivered_to_the_threads)
{
    EQ(offload_run(1, 1, signals_main, NULL), 0);
}

static int many_one(void *arg)
{
    struct gate *g = arg;
    for (int i = 0; i < 40; i++)
        EQ(weir_offload(gate_job, g), 3);
    return 0;
}

static int many_main(void *arg)
{
    struct gate g = {.open = 1, .result = 3};
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    for (int i = 0; i < 50; i++)
        GO(s, many_one, &g);
    EQ(weir_scope_close(&s), 0);
    EQ(atomic_load(&g.runs), 2000);
    return 0;
}

TEST(thousands_of_jobs_through_a_small_queue_all_come_back)
{
    EQ(offload_run(3, 2, many_main, NULL), 0);
    EQ(offload_run(1, 1, many_main, NULL), 0);
}

/* --- concurrency -------------------------------------------------------- */

static int meet_job(void *arg)
{
    atomic_int *met = arg;
    atomic_fetch_add(met, 1);
    gate_wait(met, 4); /* all four at once, or never */
    return 0;
}

static int meet_one(void *arg)
{
    return weir_offload(meet_job, arg);
}

static int meet_main(void *arg)
{
    for (int round = 0; round < 30; round++) {
        atomic_int met = 0;
        weir_scope *s = weir_scope_open(NULL);
        for (int i = 0; i < 4; i++)
            GO(s, meet_one, &met);
        EQ(weir_scope_close(&s), 0);
    }
    (void)arg;
    return 0;
}

TEST(as_many_jobs_run_at_once_as_there_are_threads)
{
    EQ(offload_run(4, 100, meet_main, NULL), 0);
}

TEST(a_queue_of_one_still_feeds_all_threads)
{
    EQ(offload_run(4, 1, meet_main, NULL), 0);
}

/* --- cancel ------------------------------------------------------------- */

struct cancels {
    int (*how)(void *);
    int running;
};

/* One thread, held by a first job: a second one is queued. */
static int queued_main(void *arg)
{
    struct cancels *c = arg;
    struct gate first = {.result = 1}, second = {.result = 2};
    weir_scope *a = weir_scope_open(&(struct weir_scope_opts){.results = 1}), *b;
    struct weir_done d;
    GO(a, gate_borrow, &first);
    gate_until(&first.entered, 1);
    b = weir_scope_open(&(struct weir_scope_opts){.results = 1});
    GO(b, c->how, &second);
    for (int i = 0; i < 5; i++)
        EQ(weir_yield(), 0);
    EQ(weir_scope_cancel(b, -EPERM), 0);
    EQ(weir_scope_close(&b), -EPERM); /* does not wait for the first */
    EQ(atomic_load(&second.entered), 0);
    EQ(atomic_load(&second.drops), c->how == gate_own);
    atomic_store(&first.open, 1);
    EQ(weir_scope_next(a, &d, WEIR_NEVER), 1);
    EQ(d.result, 1);
    EQ(weir_scope_close(&a), 0);
    EQ(atomic_load(&second.runs), 0); /* withdrawn: it never ran */
    return 0;
}

TEST(a_cancelled_job_that_is_queued_is_withdrawn)
{
    struct cancels borrow = {gate_borrow, 0}, own = {gate_own, 0};
    EQ(offload_run(1, 4, queued_main, &borrow), 0);
    EQ(offload_run(1, 4, queued_main, &own), 0);
}

static void *opener(void *arg)
{
    struct gate *g = arg;
    usleep(20000);
    atomic_store(&g->open, 1);
    return NULL;
}

static int running_borrowed(void *arg)
{
    struct gate g = {.result = 7};
    pthread_t t;
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 1});
    struct weir_done d;
    (void)arg;
    GO(s, gate_borrow, &g);
    gate_until(&g.entered, 1);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(pthread_create(&t, NULL, opener, &g), 0);
    struct weir_limit shield;
    EQ(weir_shield_init(&shield, WEIR_S(10)), 0);
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 1); /* it is waited for, whatever is cancelled */
    EQ(weir_limit_fini(&shield, 0), 0);
    EQ(d.result, 7);
    EQ(atomic_load(&g.runs), 1);
    EQ(weir_scope_close(&s), -EPERM);
    pthread_join(t, NULL);
    return 0;
}

TEST(a_borrowed_job_that_runs_is_waited_for)
{
    EQ(offload_run(1, 4, running_borrowed, NULL), 0);
}

static struct gate owned_gate;

static int running_owned(void *arg)
{
    struct gate *g = &owned_gate;
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    GO(s, gate_own, g);
    gate_until(&g->entered, 1);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM); /* at once, though the job still runs */
    EQ(atomic_load(&g->runs), 0);
    EQ(atomic_load(&g->drops), 0);
    atomic_store(&g->open, 1);
    if (arg)
        return 0; /* the run's end waits for it */
    gate_until(&g->drops, 1);
    EQ(atomic_load(&g->runs), 1);
    return 0;
}

TEST(an_owned_job_that_runs_is_left_and_dropped_when_it_ends)
{
    EQ(offload_run(1, 4, running_owned, NULL), 0);
    EQ(atomic_load(&owned_gate.drops), 1);
}

TEST(the_end_of_the_run_waits_for_jobs_left_behind)
{
    EQ(offload_run(1, 4, running_owned, &owned_gate), 0);
    EQ(atomic_load(&owned_gate.runs), 1);
    EQ(atomic_load(&owned_gate.drops), 1);
}

/* --- a full queue ------------------------------------------------------- */

static int full_main(void *arg)
{
    struct gate first = {.result = 0}, rest = {.open = 1, .result = 0};
    weir_scope *a = weir_scope_open(NULL), *b = weir_scope_open(NULL);
    (void)arg;
    GO(a, gate_borrow, &first);
    gate_until(&first.entered, 1);
    GO(b, gate_own, &rest); /* fills the queue */
    GO(b, gate_own, &rest); /* these wait for room */
    GO(b, gate_borrow, &rest);
    for (int i = 0; i < 5; i++)
        EQ(weir_yield(), 0);
    EQ(weir_scope_cancel(b, -EPERM), 0);
    EQ(weir_scope_close(&b), -EPERM);
    EQ(atomic_load(&rest.entered), 0);
    EQ(atomic_load(&rest.drops), 2); /* one was queued, one was not: both are told -ECANCELED */
    b = weir_scope_open(NULL);
    for (int i = 0; i < 6; i++)
        GO(b, gate_borrow, &rest);
    for (int i = 0; i < 5; i++)
        EQ(weir_yield(), 0);
    atomic_store(&first.open, 1);
    EQ(weir_scope_close(&b), 0);
    EQ(atomic_load(&rest.runs), 6);
    EQ(weir_scope_close(&a), 0);
    return 0;
}

TEST(a_full_queue_parks_and_can_be_cancelled)
{
    EQ(offload_run(1, 1, full_main, NULL), 0);
}

static int cancelled_main(void *arg)
{
    struct gate g = {.open = 1};
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_offload(gate_job, &g), -ECANCELED);
    EQ(weir_offload_own(gate_job, &g, gate_drop), -ECANCELED);
    EQ(atomic_load(&g.drops), 1); /* -ECANCELED: it has been taken */
    EQ(weir_offload_own(gate_job, &g, NULL), -ECANCELED);
    EQ(atomic_load(&g.drops), 1);
    EQ(atomic_load(&g.entered), 0);
    EQ(weir_scope_close(&s), -EPERM);
    return 0;
}

TEST(a_cancelled_fiber_starts_no_job)
{
    EQ(offload_run(1, 1, cancelled_main, NULL), 0);
}

/* --- left behind while it runs ------------------------------------------- */

/* A worker writes its result while the caller leaves: ThreadSanitizer says who reads it. */
static int ends_at_once(void *arg)
{
    (void)arg;
    return 5;
}

static int counts_drop(void *arg)
{
    int *balance = arg;
    int r = weir_offload_own(ends_at_once, balance, gate_counts);
    if (r != -ECANCELED)
        --*balance;
    return r < 0 ? r : 0;
}

static int leaves_soon(void *arg)
{
    uint64_t x = test_seed();
    (void)arg;
    for (int k = 0; k < 300; k++) {
        int balance[4] = {1, 1, 1, 1};
        weir_scope *s = weir_scope_open(NULL);
        for (int i = 0; i < 4; i++)
            GO(s, counts_drop, &balance[i]);
        for (x = x * 6364136223846793005u + 1; (x >> 61) != 0; x = x * 6364136223846793005u + 1)
            EQ(weir_yield(), 0);
        EQ(weir_scope_cancel(s, -EINTR), 0);
        EQ(weir_scope_close(&s), -EINTR);
        for (int i = 0; i < 4; i++)
            while (balance[i] > 0) /* left behind: it is dropped later */
                EQ(weir_sleep(weir_after(WEIR_US(50))), 0);
        for (int i = 0; i < 4; i++)
            EQ(balance[i], 0); /* once, by one of the two */
    }
    return 0;
}

TEST(a_job_that_ends_while_it_is_left_is_dropped_or_comes_back)
{
    EQ(offload_run(2, 2, leaves_soon, NULL), 0);
}

/* --- every point -------------------------------------------------------- */

struct point {
    struct gate gate;
    bool owned; /* it came to the second job */
};

static int point_main(void *arg)
{
    struct point *p = arg;
    int r = weir_offload(gate_job, &p->gate);
    p->owned = r >= 0;
    if (r >= 0)
        r = weir_offload_own(gate_job, &p->gate, gate_drop);
    return r;
}

static void point_run(void *arg)
{
    struct point p = {.gate = {.open = 1, .result = 0}};
    int r = offload_run(1, 1, point_main, &p);
    (void)arg;
    EQ(atomic_load(&p.gate.drops), p.owned && r == -ECANCELED);
    OK(test_fault_hit() ? r == 0 || r == -ENOMEM || r == -ECANCELED : r == 0);
}

TEST(offload_holds_whatever_fails)
{
    EVERY_POINT(point_run, NULL);
}
