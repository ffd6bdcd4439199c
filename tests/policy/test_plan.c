/*
 * test_plan.c -- stacks without a fiber: a small discrete simulation drives
 * them, and whatever happens, all that was taken comes back exactly once.
 */
#include "harness/test.h"

#include <errno.h>

#include "policy/plan.h"

#define T0 WEIR_EPOCH

static int64_t admit(weir_policy *p, struct weir__plan_run *r, weir_time now)
{
    return weir__plan_admit(p, r, now);
}

static int64_t done(weir_policy *p, struct weir__plan_run *r, int result, weir_time now, int *out)
{
    return weir__plan_done(p, r, result, now, out);
}

static uint32_t used(const weir_policy *p, int layer)
{
    return weir_bulkhead_used(&p->layer[layer].u.bulkhead);
}

TEST(an_empty_stack_lets_a_call_through)
{
    weir_policy *p = weir_policy_new(NULL, 0);
    struct weir__plan_run r;
    int out;

    EQ(weir_policy_error(p), 0);
    weir__plan_begin(p, &r, T0, WEIR_NEVER);
    EQ(admit(p, &r, T0), 0);
    EQ(r.attempt, 1);
    EQ(r.attempt_deadline, WEIR_NEVER);
    EQ(done(p, &r, -EIO, T0, &out), 0);
    EQ(out, -EIO);
    EQ(done(p, &r, -EIO, T0, &out), 0); /* a second result is a mistake */
    EQ(out, -EINVAL);
    weir_policy_free(&p);
    OK(p == NULL);
    weir_policy_free(&p);
}

TEST(P1_bad_stacks_are_poisoned_handles)
{
    struct weir_policy_layer many[WEIR_POLICY_LAYERS + 1] = {{.kind = WEIR_LAYER_TIMEOUT}};
    weir_policy *bad[] = {
        WEIR_POLICY(WEIR_RETRY(.base = -1)),
        WEIR_POLICY(WEIR_BULKHEAD(.limit = 0)),
        WEIR_POLICY(WEIR_RATE(.burst = 2)),
        WEIR_POLICY(WEIR_BREAKER(.probes = 99)),
        WEIR_POLICY(WEIR_TIMEOUT(.each = -1)),
        WEIR_POLICY({.kind = 9}),
        WEIR_POLICY({.kind = WEIR_LAYER_TIMEOUT, .mode = 3}),
        WEIR_POLICY({0}),
        weir_policy_new(many, WEIR_POLICY_LAYERS + 1),
        weir_policy_new(NULL, 2),
    };
    struct weir__plan_run r;
    char text[8];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_policy_error(bad[i]), -EINVAL);
        weir__plan_begin(bad[i], &r, T0, WEIR_NEVER);
        EQ(admit(bad[i], &r, T0), -EINVAL);
        weir__plan_abandon(bad[i], &r, T0);
        EQ(weir_policy_explain(bad[i], text, sizeof text), -EINVAL);
        EQ(weir_policy_pause(bad[i], T0, T0), -EINVAL);
        weir_policy_free(&bad[i]);
    }
    EQ(weir_policy_error(NULL), -EINVAL);
    weir__plan_begin(NULL, &r, T0, WEIR_NEVER);
    EQ(admit(NULL, &r, T0), -EINVAL);
}

TEST(layers_without_options_are_their_defaults)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(), WEIR_BREAKER(), WEIR_TIMEOUT());

    EQ(weir_policy_error(p), 0);
    EQ(weir__plan_worst(p).attempts, 3);
    weir_policy_free(&p);
}

TEST(the_retry_waits_and_the_deadlines_nest)
{
    weir_policy *p = WEIR_POLICY(
        WEIR_TIMEOUT(.total = WEIR_S(3)),
        WEIR_RETRY(.attempts = 9, .base = WEIR_S(1), .cap = WEIR_S(1), .jitter = WEIR_JITTER_NONE),
        WEIR_TIMEOUT(.each = WEIR_MS(800)));
    struct weir__plan_run r;
    int out;

    weir__plan_begin(p, &r, T0, WEIR_NEVER);
    EQ(admit(p, &r, T0), 0);
    EQ(r.attempt_deadline, T0 + WEIR_MS(800));
    EQ(done(p, &r, -EIO, T0 + WEIR_MS(500), &out), WEIR_S(1));
    EQ(admit(p, &r, T0 + WEIR_MS(900)), WEIR_MS(600)); /* too early */
    EQ(admit(p, &r, T0 + WEIR_MS(1500)), 0);
    EQ(r.attempt, 2);
    EQ(done(p, &r, -EIO, T0 + WEIR_MS(1500), &out), WEIR_S(1));
    EQ(admit(p, &r, T0 + WEIR_MS(2500)), 0);
    EQ(r.attempt_deadline, T0 + WEIR_S(3)); /* what is left of the total */
    EQ(done(p, &r, -EPIPE, T0 + WEIR_MS(2600), &out), 0);
    EQ(out, -EPIPE);
    EQ(r.giveup, WEIR_GIVEUP_DEADLINE);
    weir__plan_begin(p, &r, T0, T0); /* a deadline that has passed takes nothing */
    EQ(admit(p, &r, T0), -ETIMEDOUT);
    EQ(r.attempt, 0);
    weir_policy_free(&p);
}

TEST(attempt_timeouts_open_the_breaker_and_local_refusals_do_not)
{
    weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.failures = 2, .open = WEIR_S(10)),
                                 WEIR_BULKHEAD(.limit = 1, .max_wait = WEIR_NOWAIT));
    struct weir__plan_run holder, r;
    int out;

    weir__plan_begin(p, &holder, T0, WEIR_NEVER);
    EQ(admit(p, &holder, T0), 0);
    for (int i = 0; i < 10; i++) {
        weir__plan_begin(p, &r, T0, WEIR_NEVER);
        EQ(admit(p, &r, T0), WEIR_EFULL);
        EQ(r.refusal.code, WEIR_EFULL);
        EQ(r.refusal.layer, 1);
        EQ(r.refusal.kind, WEIR_LAYER_BULKHEAD);
    }
    EQ(p->layer[0].u.breaker.streak, 0);
    EQ(done(p, &holder, -ETIMEDOUT, T0, &out), 0);
    weir__plan_begin(p, &r, T0, WEIR_NEVER);
    EQ(admit(p, &r, T0), 0);
    EQ(done(p, &r, -ETIMEDOUT, T0, &out), 0);
    weir__plan_begin(p, &r, T0, WEIR_NEVER);
    EQ(admit(p, &r, T0), WEIR_EOPEN);
    EQ(r.refusal.kind, WEIR_LAYER_BREAKER);
    OK(r.refusal.retry_after > WEIR_S(8) && r.refusal.retry_after <= WEIR_S(10));
    weir_policy_free(&p);
}

TEST(throttled_cancelled_and_client_results_do_not_open_the_breaker)
{
    static const struct {
        int result;
        enum weir_class hint;
        int streak;
    } row[] = {{-EIO, WEIR_CLASS_AUTO, 1},       {-EIO, WEIR_CLASS_THROTTLED, 1},
               {-ECANCELED, WEIR_CLASS_AUTO, 1}, {-4095, WEIR_CLASS_AUTO, 1},
               {0, WEIR_CLASS_SERVER, 2},        {-EINVAL, WEIR_CLASS_AUTO, 0}};
    weir_policy *p = WEIR_POLICY(WEIR_BREAKER());
    struct weir__plan_run r;
    int out;

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        weir__plan_begin(p, &r, T0, WEIR_NEVER);
        EQ(admit(p, &r, T0), 0);
        r.hint.cls = row[i].hint;
        EQ(done(p, &r, row[i].result, T0, &out), 0);
        EQ(out, row[i].result);
        EQ(p->layer[0].u.breaker.streak, row[i].streak);
    }
    weir_policy_free(&p);
}

TEST(the_outer_retry_waits_out_an_open_breaker_if_that_fits)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = 1000, .cap = 1000),
                                 WEIR_BREAKER(.failures = 1, .open = WEIR_S(5), .probes = 1));
    struct weir__plan_run r;
    int64_t wait;
    int out;

    weir__plan_begin(p, &r, T0, WEIR_NEVER);
    EQ(admit(p, &r, T0), 0);
    LE(1, done(p, &r, -EIO, T0, &out)); /* it opens */
    wait = admit(p, &r, T0 + 1000);
    OK(wait >= WEIR_S(4) && wait <= WEIR_S(7));
    EQ(r.refusal.code, WEIR_EOPEN);
    EQ(r.refusal.last_result, -EIO);
    EQ(admit(p, &r, T0 + 1000 + wait), 0);
    EQ(r.attempt, 2);
    EQ(done(p, &r, 0, T0 + 1000 + wait, &out), 0);
    EQ(out, 0);
    weir__plan_begin(p, &r, T0 + 1000 + wait, T0 + wait + WEIR_S(2));
    EQ(admit(p, &r, T0 + 1000 + wait), 0);
    EQ(done(p, &r, -EIO, T0 + 1000 + wait, &out) > 0, 1);
    EQ(admit(p, &r, T0 + 9000 + wait), WEIR_EOPEN); /* five seconds do not fit into two */
    weir_policy_free(&p);
}

TEST(a_permit_is_not_held_in_backoff_inside_the_retry_and_is_outside)
{
    for (int outside = 0; outside < 2; outside++) {
        weir_policy *p = outside ? WEIR_POLICY(WEIR_BULKHEAD(.limit = 1), WEIR_RETRY())
                                 : WEIR_POLICY(WEIR_RETRY(), WEIR_BULKHEAD(.limit = 1));
        struct weir__plan_run r;
        int out;

        weir__plan_begin(p, &r, T0, WEIR_NEVER);
        EQ(admit(p, &r, T0), 0);
        EQ(used(p, !outside), 1);
        LE(1, done(p, &r, -EIO, T0, &out));
        EQ(used(p, !outside), outside);
        weir__plan_abandon(p, &r, T0);
        weir__plan_abandon(p, &r, T0);
        EQ(used(p, !outside), 0);
        weir_policy_free(&p);
    }
}

static struct weir__plan_run *woken[8];
static int woken_n;

static void on_wake(struct weir__plan_run *r)
{
    woken[woken_n++ % 8] = r;
}

TEST(waiters_at_a_bulkhead_are_served_first_come_first_served)
{
    weir_policy *p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 1, .queue = 3));
    struct weir__plan_run r[5], barger;
    int out;

    woken_n = 0;
    for (int i = 0; i < 5; i++) {
        weir__plan_begin(p, &r[i], T0, WEIR_NEVER);
        r[i].wake = on_wake;
        EQ(admit(p, &r[i], T0), i == 0 ? 0 : i < 4 ? WEIR__PLAN_PARK : WEIR_EFULL);
    }
    weir__plan_abandon(p, &r[1], T0); /* leaves the row: nothing else happens */
    EQ(woken_n, 0);
    EQ(done(p, &r[0], 0, T0, &out), 0);
    EQ(woken_n, 1);
    OK(woken[0] == &r[2]);
    weir__plan_begin(p, &barger, T0, WEIR_NEVER);
    EQ(admit(p, &barger, T0), WEIR__PLAN_PARK); /* the permit is promised */
    weir__plan_abandon(p, &r[2], T0);           /* granted, then not wanted: to the next */
    EQ(woken_n, 2);
    OK(woken[1] == &r[3]);
    EQ(admit(p, &r[3], T0), 0);
    EQ(done(p, &r[3], 0, T0, &out), 0);
    EQ(admit(p, &barger, T0), 0);
    weir__plan_abandon(p, &barger, T0); /* also while running */
    EQ(used(p, 0), 0);
    weir_policy_free(&p);
}

TEST(a_wait_at_a_bulkhead_ends_by_max_wait_or_the_deadline)
{
    weir_policy *p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 1, .max_wait = WEIR_S(2)));
    struct weir__plan_run holder, r;
    int out;

    weir__plan_begin(p, &holder, T0, WEIR_NEVER);
    EQ(admit(p, &holder, T0), 0);
    weir__plan_begin(p, &r, T0, WEIR_NEVER);
    EQ(admit(p, &r, T0), WEIR__PLAN_PARK);
    EQ(r.park_until, T0 + WEIR_S(2));
    EQ(admit(p, &r, T0 + WEIR_S(1)), WEIR__PLAN_PARK);
    EQ(admit(p, &r, T0 + WEIR_S(2)), WEIR_EFULL);
    weir__plan_begin(p, &r, T0, T0 + WEIR_S(1));
    EQ(admit(p, &r, T0), WEIR__PLAN_PARK);
    EQ(r.park_until, T0 + WEIR_S(1));
    EQ(admit(p, &r, T0 + WEIR_S(1)), -ETIMEDOUT);
    EQ(done(p, &holder, 0, T0, &out), 0);
    EQ(used(p, 0), 0);
    weir_policy_free(&p);
}

TEST(the_rate_makes_a_row_and_a_hopeless_place_in_it_is_refused_at_once)
{
    weir_policy *p = WEIR_POLICY(WEIR_RATE(.per_sec = 10));
    struct weir__plan_run r[4];

    woken_n = 0;
    for (int i = 0; i < 4; i++) {
        weir__plan_begin(p, &r[i], T0, i == 3 ? T0 + WEIR_MS(300) : WEIR_NEVER);
        r[i].wake = on_wake;
        EQ(admit(p, &r[i], T0), i == 3 ? WEIR_ERATE : WEIR_MS(100) * i);
    }
    EQ(r[3].refusal.retry_after, WEIR_MS(300));
    weir__plan_abandon(p, &r[1], T0 + WEIR_MS(20)); /* its place goes to the next */
    EQ(woken_n, 1);
    OK(woken[0] == &r[2]);
    EQ(admit(p, &r[2], T0 + WEIR_MS(20)), WEIR_MS(80));
    EQ(admit(p, &r[2], T0 + WEIR_MS(100)), 0);
    EQ(weir_rate_peek(&p->layer[0].u.rate, 1, T0 + WEIR_MS(100)), WEIR_MS(100)); /* none lost */
    weir_policy_free(&p);
}

TEST(cells_of_an_attempt_that_never_started_come_back)
{
    weir_policy *p = WEIR_POLICY(WEIR_RATE(.per_sec = 1, .burst = 2),
                                 WEIR_BULKHEAD(.limit = 1, .max_wait = WEIR_NOWAIT));
    struct weir__plan_run a, b;
    int out;

    weir__plan_begin(p, &a, T0, WEIR_NEVER);
    EQ(admit(p, &a, T0), 0);
    for (int i = 0; i < 5; i++) {
        weir__plan_begin(p, &b, T0, WEIR_NEVER);
        EQ(admit(p, &b, T0), WEIR_EFULL);
    }
    EQ(weir_rate_left(&p->layer[0].u.rate, T0), 1);
    EQ(done(p, &a, 0, T0, &out), 0);
    EQ(weir_rate_left(&p->layer[0].u.rate, T0), 1); /* the made one does not */
    weir_policy_free(&p);
}

TEST(a_call_that_waited_inside_an_opened_breaker_does_not_start)
{
    weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.failures = 1), WEIR_BULKHEAD(.limit = 1));
    struct weir__plan_run a, b;
    int out;

    weir__plan_begin(p, &a, T0, WEIR_NEVER);
    weir__plan_begin(p, &b, T0, WEIR_NEVER);
    EQ(admit(p, &a, T0), 0);
    EQ(admit(p, &b, T0), WEIR__PLAN_PARK);
    EQ(done(p, &a, -EIO, T0, &out), 0);
    EQ(admit(p, &b, T0), WEIR_EOPEN);
    EQ(used(p, 1), 0);
    weir_policy_free(&p);
}

TEST(a_refusal_is_no_business_of_a_retry_inside_the_layer_that_refused)
{
    weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.failures = 1), WEIR_BULKHEAD(.limit = 1),
                                 WEIR_RETRY(.retry_on = WEIR_CLASS_BIT(WEIR_CLASS_THROTTLED)),
                                 WEIR_BULKHEAD(.limit = 1));
    struct weir__plan_run a, b;
    int out;

    weir__plan_begin(p, &a, T0, WEIR_NEVER);
    weir__plan_begin(p, &b, T0, WEIR_NEVER);
    EQ(admit(p, &a, T0), 0);
    EQ(admit(p, &b, T0), WEIR__PLAN_PARK);
    EQ(done(p, &a, -EIO, T0, &out), 0);
    EQ(out, -EIO);
    EQ(admit(p, &b, T0), WEIR_EOPEN);
    EQ(b.phase, WEIR__PLAN_FINISHED);
    EQ(used(p, 1) + used(p, 3), 0);
    weir_policy_free(&p);
}

TEST(a_pause_holds_those_who_wait_and_those_who_come)
{
    weir_policy *p = WEIR_POLICY(WEIR_RATE(.per_sec = 10));
    struct weir__plan_run r[2];

    weir__plan_begin(p, &r[0], T0, WEIR_NEVER);
    EQ(admit(p, &r[0], T0), 0);
    weir__plan_begin(p, &r[1], T0, WEIR_NEVER);
    EQ(admit(p, &r[1], T0), WEIR_MS(100));
    EQ(weir_policy_pause(p, T0 + WEIR_S(2), T0), 1);
    EQ(admit(p, &r[1], T0 + WEIR_MS(100)), WEIR_S(2));
    EQ(admit(p, &r[1], T0 + WEIR_MS(2100)), 0);
    weir_policy_free(&p);
}

TEST(D5_nested_retries_multiply_and_a_shared_budget_bounds_them)
{
    struct weir_budget_opts o = {.ratio_milli = 100, .min_per_sec = WEIR_BUDGET_NONE};

    for (int shared = 0; shared < 2; shared++) {
        struct weir_budget b;
        weir_policy *p;
        uint64_t attempts = 0;

        EQ(weir_budget_init(&b, &o), 0);
        p = WEIR_POLICY(WEIR_RETRY(.grow = WEIR_GROW_NONE, .budget = shared ? &b : NULL),
                        WEIR_RETRY(.grow = WEIR_GROW_NONE, .budget = shared ? &b : NULL),
                        WEIR_RETRY(.grow = WEIR_GROW_NONE, .budget = shared ? &b : NULL));
        EQ(weir__plan_worst(p).attempts, 27);
        for (int i = 0; i < 1000; i++) {
            struct weir__plan_run r;
            weir_time now = T0 + WEIR_MS(i);
            int out;
            weir__plan_begin(p, &r, now, WEIR_NEVER);
            do
                EQ(admit(p, &r, now), 0);
            while (done(p, &r, -EIO, now++, &out) > 0);
            attempts += r.attempt;
        }
        if (!shared)
            EQ(attempts, 27000);
        else /* a tenth of the first tries, whatever the depth */
            EQ(attempts, 1100);
        weir_policy_free(&p);
    }
}

struct told {
    uint32_t n, attempt;
    int result;
    weir_span wait;
    weir_policy *p;
};

static void on_retry(void *ctx, const struct weir_retry_event *e)
{
    struct told *t = ctx;
    t->n++;
    t->attempt = e->attempt;
    t->result = e->result;
    t->wait = e->wait;
    EQ(weir_policy_pause(t->p, 0, T0), 0); /* it may call back into the policy */
}

TEST(on_retry_hears_of_each_wait_and_may_call_back)
{
    struct told t = {0, 0, 0, 0, NULL};
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.on_retry = on_retry, .ctx = &t, .attempts = 3));
    struct weir__plan_run r;
    int64_t wait;
    int out;

    t.p = p;
    weir__plan_begin(p, &r, T0, WEIR_NEVER);
    for (uint32_t i = 1; i <= 3; i++) {
        EQ(admit(p, &r, r.not_before ? r.not_before : T0), 0);
        wait = done(p, &r, i == 2 ? -EPIPE : -EIO, T0, &out);
        EQ(t.n, i < 3 ? i : 2);
        EQ(t.attempt, i < 3 ? i : 2);
        EQ(t.result, i < 2 ? -EIO : -EPIPE);
        EQ(t.wait, i < 3 ? wait : t.wait);
    }
    weir_policy_free(&p);
}

/* --- random stacks ------------------------------------------------------- */

enum { RUNS = 24 };

static weir_policy *random_stack(void)
{
    struct weir_policy_layer l[6];
    size_t n = test_random() % 7;

    for (size_t i = 0; i < n; i++) {
        static const struct weir_policy_layer kinds[] = {
            WEIR_RETRY(.attempts = 3, .base = 50, .cap = 400),
            WEIR_RETRY(.attempts = 2, .jitter = WEIR_JITTER_DECORRELATED, .base = 5, .cap = 900),
            WEIR_BREAKER(.failures = 3, .open = 500, .probes = 2, .lease = 300),
            WEIR_BREAKER(.window = 10, .percent = 50, .min_calls = 4, .open = 200),
            WEIR_RATE(.count = 1, .period = 40, .burst = 3),
            WEIR_RATE(.count = 1, .period = 90, .max_wait = 300),
            WEIR_BULKHEAD(.limit = 3),
            WEIR_BULKHEAD(.limit = 2, .queue = 4, .max_wait = 200),
            WEIR_BULKHEAD(.limit = 5, .max_wait = WEIR_NOWAIT),
            WEIR_TIMEOUT(.total = 3000, .each = 250),
        };
        l[i] = kinds[test_random() % (sizeof kinds / sizeof *kinds)];
    }
    return weir_policy_new(l, n);
}

static void check_books(const weir_policy *p, const struct weir__plan_run *r, int idle)
{
    for (uint32_t i = 0; i < p->n; i++) {
        const struct weir__plan_layer *l = &p->layer[i];
        uint32_t held = 0;

        if (l->kind != WEIR_LAYER_BULKHEAD)
            continue;
        for (int k = 0; k < RUNS; k++)
            held += r[k].slot[i].held ||
                    (r[k].phase == WEIR__PLAN_WAITING && r[k].pos == i && r[k].granted);
        EQ(weir_bulkhead_used(&l->u.bulkhead), held);
        LE(held, l->u.bulkhead.limit);
        if (idle)
            EQ(held, 0);
    }
}

static void live_a_while(weir_policy *p)
{
    static struct weir__plan_run r[RUNS];
    int active[RUNS] = {0}, out;
    weir_time now = T0;

    memset(r, 0, sizeof r);
    for (int step = 0; step < 3000; step++) {
        int i = (int)(test_random() % RUNS);
        now += (weir_span)(test_random() % 30);
        if (!active[i]) {
            weir__plan_begin(p, &r[i], now, test_random() % 3 ? WEIR_NEVER : now + 2000);
            active[i] = 1;
        } else if (test_random() % 20 == 0) {
            weir__plan_abandon(p, &r[i], now);
            active[i] = 0;
        } else if (r[i].phase == WEIR__PLAN_RUNNING) {
            static const int results[] = {0, -EIO, -ETIMEDOUT, -EINVAL, -ECANCELED};
            active[i] = done(p, &r[i], results[test_random() % 5], now, &out) > 0;
        } else {
            int64_t w = admit(p, &r[i], now);
            active[i] = w >= 0;
            EQ(r[i].phase == WEIR__PLAN_FINISHED, w < 0);
            EQ(r[i].phase == WEIR__PLAN_RUNNING, w == 0);
        }
        if (!active[i])
            for (uint32_t k = 0; k < p->n; k++)
                EQ(r[i].slot[k].held, 0);
        check_books(p, r, 0);
    }
    for (int i = 0; i < RUNS; i++)
        if (active[i])
            weir__plan_abandon(p, &r[i], now);
    check_books(p, r, 1);
    for (uint32_t i = 0; i < p->n; i++)
        OK(weir__list_empty(&p->layer[i].row) && p->layer[i].queued == 0);
}

TEST_WITH(O3_whatever_happens_all_that_was_taken_comes_back, .timeout = 60)
{
    for (int i = 0; i < 150; i++) {
        weir_policy *p = random_stack();
        EQ(weir_policy_error(p), 0);
        live_a_while(p);
        weir_policy_free(&p);
    }
}

TEST(a_run_is_small_enough_to_keep_thousands)
{
    LE(sizeof(struct weir__plan_run), 1024);
}

TEST(E6_a_probe_that_an_inner_bulkhead_refuses_or_a_cancel_ends_gives_its_place_back)
{
    weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.failures = 1, .open = 100, .jitter = 1, .probes = 1),
                                 WEIR_BULKHEAD(.limit = 1, .max_wait = WEIR_NOWAIT));
    struct weir__plan_run r;
    int out;

    weir__plan_begin(p, &r, T0, WEIR_NEVER);
    EQ(admit(p, &r, T0), 0);
    EQ(done(p, &r, -EIO, T0, &out), 0);
    EQ(weir_bulkhead_take(&p->layer[1].u.bulkhead, 1), 0);
    for (int i = 0; i < 5; i++) {
        weir__plan_begin(p, &r, T0 + 100, WEIR_NEVER);
        EQ(admit(p, &r, T0 + 100), WEIR_EFULL); /* each of the five was the one probe */
        EQ(weir_breaker_state(&p->layer[0].u.breaker, T0 + 100), WEIR_BREAKER_HALF_OPEN);
    }
    EQ(weir_bulkhead_give(&p->layer[1].u.bulkhead, 1), 0);
    for (int i = 0; i < 5; i++) {
        weir__plan_begin(p, &r, T0 + 100, WEIR_NEVER);
        EQ(admit(p, &r, T0 + 100), 0);
        weir__plan_abandon(p, &r, T0 + 100);
        EQ(weir_breaker_state(&p->layer[0].u.breaker, T0 + 100), WEIR_BREAKER_HALF_OPEN);
    }
    weir__plan_begin(p, &r, T0 + 100, WEIR_NEVER);
    EQ(admit(p, &r, T0 + 100), 0);
    EQ(done(p, &r, 0, T0 + 100, &out), 0);
    EQ(weir_breaker_state(&p->layer[0].u.breaker, T0 + 100), WEIR_BREAKER_CLOSED);
    weir_policy_free(&p);
}
