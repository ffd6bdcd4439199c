/*
 * test_breaker.c -- code 12 of the guide, a circuit breaker: a test for each
 * of the ways in which the one there lets calls through, opens late or never
 * closes.
 */
#include <weir.h>

#include "core/world.h"

#define T0 WEIR_EPOCH

static struct weir_breaker b;
static struct weir_rng rng;

#define BREAKER(...)                                                                               \
    do {                                                                                           \
        weir_rng_init(&rng, test_seed(), 0);                                                       \
        EQ(weir_breaker_init(&b, &(struct weir_breaker_opts){.jitter = 0, __VA_ARGS__}), 0);       \
    } while (0)

static struct weir_breaker_token take(weir_time now)
{
    struct weir_breaker_token t;

    EQ(weir_breaker_take(&b, now, &t), 0);
    return t;
}

static int done(struct weir_breaker_token t, enum weir_breaker_outcome outcome, weir_time now)
{
    return weir_breaker_done(&b, &t, outcome, now, &rng);
}

static void call(enum weir_breaker_outcome outcome, weir_time now)
{
    (void)done(take(now), outcome, now);
}

static void fail(int n, weir_time now)
{
    for (int i = 0; i < n; i++)
        call(WEIR_BREAKER_FAILED, now);
}

static enum weir_breaker_state state(weir_time now)
{
    return weir_breaker_state(&b, now);
}

/* When it has opened at `now`, the first instant at which it lets a probe through. */
static weir_time half_open(weir_time now)
{
    EQ(state(now), WEIR_BREAKER_OPEN);
    return now + weir_breaker_left(&b, now);
}

/* --- who reaches a broken backend ------------------------------------------------------------ */

struct backend {
    weir_policy *p;
    int reached, refused;
};

static int broken(void *arg)
{
    struct backend *w = arg;
    int r = weir_sleep(weir_after(WEIR_MS(100)));

    w->reached++;
    return r < 0 ? r : -ECONNREFUSED;
}

static int caller(void *arg)
{
    struct backend *w = arg;

    w->refused += weir_call(w->p, broken, w) == WEIR_EOPEN;
    return 0;
}

SIM_TEST(code_12_of_a_thousand_callers_only_the_probes_reach_a_broken_backend)
{
    struct backend w = {WEIR_POLICY(WEIR_BREAKER(.failures = 5, .open = WEIR_S(30), .probes = 3)),
                        0, 0};
    weir_scope *s = weir_scope_open(NULL);

    for (int i = 0; i < 5; i++)
        EQ(weir_call(w.p, broken, &w), -ECONNREFUSED);
    EQ(weir_sleep(weir_after(WEIR_S(30))), 0);
    EQ(weir_policy_breaker_state(w.p, 0, weir_now()), WEIR_BREAKER_HALF_OPEN);
    w.reached = 0;
    for (int i = 0; i < 1000; i++)
        GO(s, caller, &w);
    EQ(weir_scope_close(&s), 0);
    EQ(w.reached, 3);
    EQ(w.refused, 997);
    EQ(weir_policy_breaker_state(w.p, 0, weir_now()), WEIR_BREAKER_OPEN);
    weir_policy_free(&w.p);
    return 0;
}

/* --- results of another time ----------------------------------------------------------------- */

/* Closed again after an outage, and then a call that began before it fails. */
TEST(code_12_a_late_failure_does_not_open_a_healthy_circuit)
{
    struct weir_breaker_token late[5];
    weir_time now = T0;

    BREAKER(.failures = 3, .probes = 1);
    for (int i = 0; i < 5; i++)
        late[i] = take(now);
    fail(3, now);
    now = half_open(now);
    call(WEIR_BREAKER_OK, now);
    EQ(state(now), WEIR_BREAKER_CLOSED);
    for (int i = 0; i < 5; i++)
        EQ(done(late[i], WEIR_BREAKER_FAILED, now), 0);
    EQ(state(now), WEIR_BREAKER_CLOSED);
}

TEST(code_12_late_failures_do_not_prolong_the_open_time)
{
    struct weir_breaker_token late[20];
    weir_time now = T0, ends;

    BREAKER(.failures = 3, .open = WEIR_S(30));
    for (int i = 0; i < 20; i++)
        late[i] = take(now);
    fail(3, now);
    ends = half_open(now);
    for (int i = 0; i < 20; i++)
        (void)done(late[i], WEIR_BREAKER_FAILED, now += WEIR_S(1));
    EQ(now + weir_breaker_left(&b, now), ends);
    EQ(state(ends), WEIR_BREAKER_HALF_OPEN);
}

/*
 * Successes from before must not count as probes: with 3 needed, 2 of them and 1 probe
 * would close.
 */
TEST(code_12_a_late_success_does_not_close_a_circuit_that_is_being_probed)
{
    struct weir_breaker_token late[2] = {{0}, {0}};
    weir_time now = T0;

    BREAKER(.failures = 3, .probes = 3);
    late[0] = take(now);
    late[1] = take(now);
    fail(3, now);
    now = half_open(now);
    call(WEIR_BREAKER_OK, now);
    EQ(done(late[0], WEIR_BREAKER_OK, now), 0);
    EQ(done(late[1], WEIR_BREAKER_OK, now), 0);
    EQ(state(now), WEIR_BREAKER_HALF_OPEN);
    call(WEIR_BREAKER_OK, now);
    call(WEIR_BREAKER_OK, now);
    EQ(state(now), WEIR_BREAKER_CLOSED);
}

/* --- what counts ----------------------------------------------------------------------------- */

TEST(code_12_eighty_percent_of_failures_open_it_although_successes_come_between)
{
    weir_time now = T0;
    int calls = 0;

    BREAKER(.window = 50, .percent = 50, .min_calls = 20);
    for (; calls < 1000 && state(now) == WEIR_BREAKER_CLOSED; calls++)
        call(calls % 5 == 4 ? WEIR_BREAKER_OK : WEIR_BREAKER_FAILED, now += WEIR_MS(1));
    EQ(state(now), WEIR_BREAKER_OPEN);
    EQ(calls, 20);
}

SIM_TEST(code_12_calls_that_time_out_are_failures)
{
    struct backend w = {
        WEIR_POLICY(WEIR_BREAKER(.failures = 20), WEIR_TIMEOUT(.each = WEIR_MS(50))), 0, 0};

    for (int i = 0; i < 20; i++)
        EQ(weir_call(w.p, broken, &w), -ETIMEDOUT);
    EQ(weir_policy_breaker_state(w.p, 0, weir_now()), WEIR_BREAKER_OPEN);
    EQ(weir_call(w.p, broken, &w), WEIR_EOPEN);
    weir_policy_free(&w.p);
    return 0;
}

static int not_found(void *arg)
{
    (void)arg;
    EQ(weir_try_hint(WEIR_CLASS_CLIENT, 0), 0); /* HTTP 404: the service is well */
    return -ENOENT;
}

SIM_TEST(code_12_a_404_is_no_failure_of_the_service)
{
    weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.failures = 2));

    for (int i = 0; i < 10; i++)
        EQ(weir_call(p, not_found, NULL), -ENOENT);
    EQ(weir_policy_breaker_state(p, 0, weir_now()), WEIR_BREAKER_CLOSED);
    weir_policy_free(&p);
    return 0;
}

/* --- each state begins with nothing ---------------------------------------------------------- */

TEST(code_12_a_change_of_state_starts_its_counts_anew)
{
    weir_time now = T0;

    BREAKER(.failures = 3, .probes = 2);
    fail(3, now);
    now = half_open(now);
    call(WEIR_BREAKER_OK, now);
    call(WEIR_BREAKER_FAILED, now); /* one is enough, and it is not the fourth of a row */
    now = half_open(now);
    call(WEIR_BREAKER_OK, now); /* the success of the last time is forgotten */
    EQ(state(now), WEIR_BREAKER_HALF_OPEN);
    call(WEIR_BREAKER_OK, now);
    EQ(state(now), WEIR_BREAKER_CLOSED);
    fail(2, now);
    EQ(state(now), WEIR_BREAKER_CLOSED);
    fail(1, now);
    EQ(state(now), WEIR_BREAKER_OPEN);
}

/* The guide's falls through and executes when there is no `last_failure`. */
TEST(code_12_an_open_circuit_refuses_whoever_opened_it)
{
    struct weir_breaker_token t;

    BREAKER(.failures = 3);
    EQ(weir_breaker_force(&b, WEIR_BREAKER_FORCED_OPEN, T0), 0);
    EQ(weir_breaker_take(&b, T0 + WEIR_S(3600), &t), WEIR_EOPEN);
    EQ(weir_breaker_force(&b, WEIR_BREAKER_CLOSED, T0 + WEIR_S(3600)), 0);
    EQ(weir_breaker_take(&b, T0 + WEIR_S(3600), &t), 0);
    EQ(weir_breaker_done(&b, &t, WEIR_BREAKER_OK, T0 + WEIR_S(3600), &rng), 1);
}

TEST(code_12_the_open_time_grows_up_to_its_limit_and_is_not_the_same_for_all)
{
    weir_span before = 0, first[2];
    weir_time now = T0;

    BREAKER(.failures = 1, .probes = 1, .open = WEIR_S(10), .open_max = WEIR_S(60));
    for (int i = 0; i < 8; i++) {
        fail(1, now);
        LE(weir_breaker_left(&b, now), WEIR_S(60));
        LE(before, weir_breaker_left(&b, now) + WEIR_S(6)); /* less up to 10 % */
        before = weir_breaker_left(&b, now);
        now = half_open(now);
    }
    LE(WEIR_S(54), before);
    for (int i = 0; i < 2; i++) {
        BREAKER(.failures = 1, .open = WEIR_S(10));
        weir_rng_init(&rng, test_seed() + (uint64_t)i, 0);
        fail(1, T0);
        first[i] = weir_breaker_left(&b, T0);
    }
    NE(first[0], first[1]);
}

static int changes;

static void changed(void *ctx, const struct weir_breaker_event *e)
{
    static const uint32_t to[] = {WEIR_BREAKER_OPEN, WEIR_BREAKER_HALF_OPEN, WEIR_BREAKER_CLOSED};

    (void)ctx;
    LT(changes, 3);
    EQ(e->to, to[changes++]);
}

TEST(code_12_each_change_of_state_is_told_once)
{
    weir_time now = T0;

    BREAKER(.failures = 2, .probes = 1, .on_change = changed);
    changes = 0;
    fail(2, now);
    now = half_open(now);
    call(WEIR_BREAKER_OK, now);
    EQ(changes, 3);
}
