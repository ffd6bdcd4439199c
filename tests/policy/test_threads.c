/*
 * test_threads.c -- one stack, many threads: what may be shared is.
 */
#include "harness/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <weir.h>

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

/* --- limits that find themselves, throttles, rates ------------------------------------- */

TEST_WITH(H_an_adaptive_limit_and_a_throttle_may_be_used_from_many_threads, .timeout = 60)
{
    pthread_t thread[THREADS];

    EQ(weir_budget_init(&budget, NULL), 0);
    policy = WEIR_POLICY(
        WEIR_SHED(.window = 1000), WEIR_RETRY(.base = 5, .budget = &budget),
        WEIR_ADAPTIVE(.law = WEIR_ADAPTIVE_VEGAS, .initial = 2, .max = LIMIT, .window = 50,
                      .samples = 3, .max_wait = 30),
        WEIR_BULKHEAD(.limit = LIMIT, .target = 3, .interval = 9, .lifo = 1, .max_wait = 30));
    other = WEIR_POLICY(WEIR_RETRY(.base = 5, .budget = &budget));
    EQ(weir_policy_error(policy), 0);
    atomic_store(&inside, 0);
    atomic_store(&most, 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        EQ(pthread_create(&thread[i], NULL, hammer, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        EQ(pthread_join(thread[i], NULL), 0);
    EQ(weir_adaptive_inflight(&policy->layer[2].u.adaptive), 0);
    EQ(weir_bulkhead_used(&policy->layer[3].u.bulkhead), 0);
    LE(weir_adaptive_limit(&policy->layer[2].u.adaptive), LIMIT);
    LE(atomic_load(&most), LIMIT);
    OK(weir__list_empty(&policy->layer[2].row) && weir__list_empty(&policy->layer[3].row));
    weir_policy_free(&policy);
    weir_policy_free(&other);
}

/* One clock for all, a nanosecond a try; who was admitted, and when, is what F1 is about. */
enum { F8_THREADS = 64, F8_TRIES = 3000, F8_STEP = 50, F8_BURST = 7 };

static _Atomic weir_time f8_clock;
static atomic_int f8_admitted;

static void *f8_try(void *arg)
{
    for (int i = 0; i < F8_TRIES; i++) {
        struct weir_pass c;
        struct weir_retry_outcome ok = {.result = 0};
        weir_time now = atomic_fetch_add(&f8_clock, 1);
        int result;

        weir_pass_begin(&c, arg, now, WEIR_NEVER, NULL, NULL);
        if (weir_pass_enter(&c, now) == 0) {
            atomic_fetch_add(&f8_admitted, 1);
            EQ(weir_pass_done(&c, 1, &ok, now, &result), 0);
        }
    }
    return NULL;
}

TEST_WITH(F8_threads_at_a_rate_get_what_one_would_get, .timeout = 60)
{
    static pthread_t thread[F8_THREADS];
    int64_t all = (int64_t)F8_THREADS * F8_TRIES;
    weir_policy *p = WEIR_POLICY(
        WEIR_RATE(.count = 1, .period = F8_STEP, .burst = F8_BURST, .max_wait = WEIR_NOWAIT));

    atomic_store(&f8_clock, WEIR_EPOCH);
    for (int i = 0; i < F8_THREADS; i++)
        EQ(pthread_create(&thread[i], NULL, f8_try, p), 0);
    for (int i = 0; i < F8_THREADS; i++)
        EQ(pthread_join(thread[i], NULL), 0);
    EQ(atomic_load(&f8_clock), WEIR_EPOCH + all);
    /*
     * Never more than burst and rate; a try may come late, with an older time than others
     * had, so a cell may be missed at the end only: those that nobody asked for any more.
     */
    LE(atomic_load(&f8_admitted), F8_BURST + all / F8_STEP);
    LE(F8_BURST + all / F8_STEP - F8_BURST - F8_THREADS, atomic_load(&f8_admitted));
    weir_policy_free(&p);
}

/* --- plain structs, under a lock of their user's ------------------------------------------ */

static struct weir_keyed_rate keyed;
static struct weir_keyed_slot keyed_slots[64];
static pthread_mutex_t keyed_lock = PTHREAD_MUTEX_INITIALIZER;
static weir_time keyed_now;

static void *keyed_ask(void *arg)
{
    int64_t *admitted = arg;

    for (int i = 0; i < CALLS; i++) {
        EQ(pthread_mutex_lock(&keyed_lock), 0);
        keyed_now += 100;
        admitted[i % 8] += weir_keyed_take(&keyed, (uint64_t)i % 8, 1, keyed_now) == 0;
        EQ(pthread_mutex_unlock(&keyed_lock), 0);
    }
    return NULL;
}

TEST_WITH(F11_a_keyed_limit_under_a_lock_holds_for_each_key, .timeout = 60)
{
    static int64_t admitted[THREADS][8];
    pthread_t thread[THREADS];
    weir_span all = 100 * (weir_span)THREADS * CALLS;

    keyed_now = WEIR_EPOCH;
    EQ(weir_keyed_init(&keyed, &(struct weir_rate_opts){.count = 1, .period = 50000, .burst = 2},
                       keyed_slots, 64, 5),
       0);
    for (int i = 0; i < THREADS; i++)
        EQ(pthread_create(&thread[i], NULL, keyed_ask, admitted[i]), 0);
    for (int i = 0; i < THREADS; i++)
        EQ(pthread_join(thread[i], NULL), 0);
    for (int k = 0; k < 8; k++) {
        int64_t sum = 0;
        for (int i = 0; i < THREADS; i++)
            sum += admitted[i][k];
        LE(sum, 2 + all / 50000 + 1);
        LE(all / 50000 / 2, sum); /* somebody asks for each key all the time */
    }
}

/* --- hedges on several loops, with a budget that a stack has too ------------------------------ */

enum { H_LOOPS = 3, H_CALLS = 200 };

static struct weir_hedge hedge;

static int hedge_work(void *ctx, void *out)
{
    static atomic_int turn;

    (void)ctx;
    *(int *)out = 1;
    return atomic_fetch_add(&turn, 1) % 4 ? 0 : weir_sleep(weir_after(WEIR_US(300)));
}

static int hedge_fails(void *arg)
{
    (void)arg;
    return -EIO;
}

static int hedge_caller(void *arg)
{
    struct weir_hedge_stats s;
    int out;

    (void)arg;
    for (int i = 0; i < H_CALLS; i++) {
        EQ(weir_hedged(&hedge, hedge_work, NULL, WEIR_TYPE(int), &out, 1, 0), 0);
        EQ(out, 1);
        EQ(weir_call(policy, hedge_fails, NULL), -EIO);
        weir_hedge_stats(&hedge, &s);
        LE(s.won, s.sent);
    }
    return 0;
}

static int hedge_loops(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    for (int i = 0; i < H_LOOPS; i++)
        EQ(weir_go_on(s, i, hedge_caller, NULL, NULL), 0);
    return weir_scope_close(&s);
}

TEST_WITH(D4_hedges_and_retries_of_several_loops_share_one_budget, .timeout = 60)
{
    NEEDS_THREADS();
    struct weir_config config = {.loops = H_LOOPS};
    struct weir_budget_opts few = {.ratio_milli = WEIR_BUDGET_NONE,
                                   .min_per_sec = 50,
                                   .ttl = WEIR_S(1000)}; /* fifty thousand: enough, and counted */
    struct weir_hedge_stats s;
    struct weir_layer_counts c;

    EQ(weir_budget_init(&budget, &few), 0);
    EQ(weir_hedge_init(&hedge, &(struct weir_hedge_opts){.delay = WEIR_US(50),
                                                         .least = WEIR_US(50),
                                                         .budget = &budget}),
       0);
    policy = WEIR_POLICY(WEIR_RETRY(.attempts = 2, .base = 1000, .budget = &budget));
    EQ(weir_run(&config, hedge_loops, NULL), 0);
    weir_hedge_stats(&hedge, &s);
    EQ(weir_policy_counts(policy, 0, &c), 0);
    EQ(s.calls, H_LOOPS * H_CALLS);
    EQ(c.waited, H_LOOPS * H_CALLS);
    EQ(weir_budget_left(&budget, WEIR_EPOCH + WEIR_S(1)), 50000 - c.waited - s.sent);
    weir_policy_free(&policy);
}

/* --- G8: who holds a permit dies ------------------------------------------------------------- */

static struct weir_pass g8_call;

static void *g8_dies(void *arg)
{
    weir_pass_begin(&g8_call, arg, WEIR_EPOCH, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&g8_call, WEIR_EPOCH), 0);
    return NULL; /* in the middle of its attempt */
}

/*
 * What a call holds stands in the call, which outlives the thread that made it: whoever finds
 * it gives all of it back.  A probe that nobody finds is replaced when its lease ends.
 */
TEST(G8_what_a_dead_thread_held_comes_home)
{
    weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.failures = 1, .open = 100, .probes = 1, .lease = 50),
                                 WEIR_BULKHEAD(.limit = 1, .max_wait = WEIR_NOWAIT));
    struct weir_retry_outcome ok = {.result = 0};
    struct weir_pass c;
    pthread_t thread;
    int result;

    EQ(pthread_create(&thread, NULL, g8_dies, p), 0);
    EQ(pthread_join(thread, NULL), 0);
    weir_pass_begin(&c, p, WEIR_EPOCH, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, WEIR_EPOCH), WEIR_EFULL);
    weir_pass_abandon(&g8_call, WEIR_EPOCH);
    weir_pass_abandon(&g8_call, WEIR_EPOCH); /* once */
    EQ(weir_bulkhead_used(&p->layer[1].u.bulkhead), 0);
    weir_pass_begin(&c, p, WEIR_EPOCH, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, WEIR_EPOCH), 0);
    EQ(weir_pass_done(&c, 1, &ok, WEIR_EPOCH, &result), 0);
    weir_policy_free(&p);
}
