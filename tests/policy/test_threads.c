/*
 * test_threads.c -- one stack, many threads: what may be shared is.
 */
#include "harness/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "policy/plan.h"

enum { THREADS = 6, CALLS = 20000, LIMIT = 3 };

static weir_policy *policy, *other;
static struct weir_budget budget;
static atomic_int inside, most;

static void *hammer(void *arg)
{
    weir_time now = WEIR_EPOCH;
    struct weir__plan_run r;
    weir_policy *p = (uintptr_t)arg % 2 ? policy : other;

    for (int i = 0; i < CALLS; i++) {
        int64_t wait = 0;
        int out, seen;

        weir__plan_begin(p, &r, now, WEIR_NEVER);
        while ((wait = weir__plan_admit(p, &r, now)) >= 0) {
            if (wait > 0) {
                if (i % 3 == 0)
                    break;
                now += wait == WEIR__PLAN_PARK ? 1 : wait;
                continue;
            }
            seen = p == policy ? atomic_fetch_add(&inside, 1) + 1 : 0;
            if (seen > atomic_load(&most))
                atomic_store(&most, seen);
            if (p == policy)
                atomic_fetch_sub(&inside, 1);
            if (weir__plan_done(p, &r, i % 4 ? 0 : -EIO, now, &out) == 0)
                break;
        }
        weir__plan_abandon(p, &r, now);
    }
    return NULL;
}

TEST_WITH(a_stack_and_a_budget_may_be_used_from_many_threads, .timeout = 60)
{
    pthread_t thread[THREADS];

    EQ(weir_budget_init(&budget, NULL), 0);
    policy = WEIR_POLICY(WEIR_RETRY(.base = 5, .budget = &budget),
                         WEIR_BREAKER(.failures = 50, .open = 9),
                         WEIR_RATE(.count = 1, .period = 2), WEIR_BULKHEAD(.limit = LIMIT));
    other = WEIR_POLICY(WEIR_RETRY(.base = 5, .budget = &budget));
    EQ(weir_policy_error(policy), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        EQ(pthread_create(&thread[i], NULL, hammer, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        EQ(pthread_join(thread[i], NULL), 0);
    EQ(weir_bulkhead_used(&policy->layer[3].u.bulkhead), 0);
    LE(atomic_load(&most), LIMIT);
    OK(weir__list_empty(&policy->layer[2].row) && weir__list_empty(&policy->layer[3].row));
    weir_policy_free(&policy);
    weir_policy_free(&other);
}

/* --- a thousand at one instant ---------------------------------------------------- */

enum { CROWD = 1000 };

struct crowd {
    weir_policy *p;
    weir_time now;
    pthread_barrier_t start;
    atomic_int inside, refused, retried;
};

/* Runs fn in a thousand threads. */
static void crowd_run(struct crowd *c, void *(*fn)(void *))
{
    static pthread_t thread[CROWD];
    pthread_attr_t attr;

    EQ(pthread_attr_init(&attr), 0);
    EQ(pthread_attr_setstacksize(&attr, 128 * 1024), 0);
    EQ(pthread_barrier_init(&c->start, NULL, CROWD), 0);
    for (int i = 0; i < CROWD; i++)
        EQ(pthread_create(&thread[i], &attr, fn, c), 0);
    for (int i = 0; i < CROWD; i++)
        EQ(pthread_join(thread[i], NULL), 0);
    pthread_barrier_destroy(&c->start);
    pthread_attr_destroy(&attr);
}

static void *crowd_probe(void *arg)
{
    struct crowd *c = arg;
    struct weir__plan_run r;
    int out;

    weir__plan_begin(c->p, &r, c->now, WEIR_NEVER);
    pthread_barrier_wait(&c->start);
    if (weir__plan_admit(c->p, &r, c->now) == 0)
        atomic_fetch_add(&c->inside, 1);
    else
        atomic_fetch_add(&c->refused, 1);
    pthread_barrier_wait(&c->start); /* all have asked before one reports */
    if (r.phase == WEIR__PLAN_RUNNING)
        EQ(weir__plan_done(c->p, &r, 0, c->now, &out), 0);
    weir__plan_abandon(c->p, &r, c->now);
    return NULL;
}

struct changes {
    atomic_int n;
    uint32_t generation, to[8];
};

static void changed(void *ctx, const struct weir_breaker_event *e)
{
    struct changes *x = ctx;
    int n = atomic_fetch_add(&x->n, 1);

    LT(x->generation, e->generation);
    x->generation = e->generation;
    x->to[n % 8] = e->to;
}

TEST_WITH(E3_a_thousand_threads_at_the_end_of_the_open_time_are_k_probes_and_one_change,
          .timeout = 60)
{
    static struct crowd c;
    static struct changes x;
    struct weir__plan_run r;
    int out;

    c.p = WEIR_POLICY(WEIR_BREAKER(.failures = 1, .open = 100, .jitter = 1, .probes = 7,
                                   .on_change = changed, .ctx = &x));
    weir__plan_begin(c.p, &r, WEIR_EPOCH, WEIR_NEVER);
    EQ(weir__plan_admit(c.p, &r, WEIR_EPOCH), 0);
    EQ(weir__plan_done(c.p, &r, -EIO, WEIR_EPOCH, &out), 0);
    EQ(x.n, 1);
    c.now = WEIR_EPOCH + 100;
    crowd_run(&c, crowd_probe);
    EQ(c.inside, 7);
    EQ(c.refused, CROWD - 7);
    EQ(x.n, 3); /* half open once, closed once */
    EQ(x.to[1], WEIR_BREAKER_HALF_OPEN);
    EQ(x.to[2], WEIR_BREAKER_CLOSED);
    weir_policy_free(&c.p);
}

static void *crowd_retry(void *arg)
{
    struct crowd *c = arg;
    struct weir__plan_run r;
    int out;

    weir__plan_begin(c->p, &r, c->now, WEIR_NEVER);
    EQ(weir__plan_admit(c->p, &r, c->now), 0);
    pthread_barrier_wait(&c->start);
    if (weir__plan_done(c->p, &r, -EIO, c->now, &out) > 0)
        atomic_fetch_add(&c->retried, 1);
    pthread_barrier_wait(&c->start);
    weir__plan_abandon(c->p, &r, c->now);
    return NULL;
}

TEST_WITH(D3_of_a_thousand_threads_at_one_token_one_wins, .timeout = 60)
{
    static struct crowd c;
    struct weir_budget_opts o = {
        .ratio_milli = WEIR_BUDGET_NONE, .min_per_sec = 1, .ttl = WEIR_S(1)};

    EQ(weir_budget_init(&budget, &o), 0);
    c.p = WEIR_POLICY(WEIR_RETRY(.budget = &budget));
    c.now = WEIR_EPOCH;
    crowd_run(&c, crowd_retry);
    EQ(c.retried, 1);
    EQ(weir_budget_left(&budget, c.now), 1); /* and has given it back */
    weir_policy_free(&c.p);
}

/* --- changes while threads are in it ------------------------------------------------ */

static atomic_int stop;

static void *turn_knobs(void *arg)
{
    weir_policy *p = arg;
    struct weir_policy_layer to[] = {WEIR_RETRY(.base = 5, .budget = &budget, .attempts = 2),
                                     WEIR_BREAKER(.failures = 3, .open = 9),
                                     WEIR_RATE(.count = 1, .period = 3), WEIR_BULKHEAD(.limit = 2)};
    struct weir_layer_counts counts;
    char text[2000];

    for (uint32_t i = 0; !atomic_load(&stop); i++) {
        EQ(weir_policy_reconfigure(p, i % 4, &to[i % 4], WEIR_EPOCH), 0);
        EQ(weir_policy_set_mode(p, i / 4 % 4, (enum weir_mode)(i % 3)), 0);
        EQ(weir_policy_counts(p, i % 4, &counts), 0);
        LT(0, weir_policy_explain(p, text, sizeof text));
        if (i % 50 == 0)
            EQ(weir_policy_force(p, 1, WEIR_BREAKER_CLOSED, WEIR_EPOCH), 0);
    }
    return NULL;
}

TEST_WITH(everything_of_a_stack_may_change_under_its_callers, .timeout = 60)
{
    static struct changes x;
    pthread_t thread[3], knobs;

    EQ(weir_budget_init(&budget, NULL), 0);
    policy = WEIR_POLICY(WEIR_RETRY(.base = 5, .budget = &budget),
                         WEIR_BREAKER(.failures = 5, .open = 9, .on_change = changed, .ctx = &x),
                         WEIR_RATE(.count = 1, .period = 2), WEIR_BULKHEAD(.limit = LIMIT));
    EQ(pthread_create(&knobs, NULL, turn_knobs, policy), 0);
    for (uintptr_t i = 0; i < 3; i++)
        EQ(pthread_create(&thread[i], NULL, hammer, (void *)1), 0);
    for (int i = 0; i < 3; i++)
        EQ(pthread_join(thread[i], NULL), 0);
    atomic_store(&stop, 1);
    EQ(pthread_join(knobs, NULL), 0);
    EQ(weir_bulkhead_used(&policy->layer[3].u.bulkhead), 0);
    OK(weir__list_empty(&policy->layer[2].row) && weir__list_empty(&policy->layer[3].row));
    weir_policy_free(&policy);
}
