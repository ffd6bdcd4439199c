/*
 * test_worst.c -- O1: what weir_policy_explain says a stack can do at worst is
 * what the worst of many runs does, against an adversary who owns the other
 * side and everybody else who uses the stack.
 */
#include "harness/test.h"

#include <errno.h>

#include "policy/plan.h"

#define T0 WEIR_EPOCH

enum { RUNS = 40000 };

struct most {
    uint64_t attempts;
    weir_span time;
};

/* Somebody has opened it for as long as it can be; or it is closed. */
static void meddle_breaker(struct weir_breaker *b, weir_time now, int refuse)
{
    EQ(weir_breaker_force(b, WEIR_BREAKER_CLOSED, now), 0);
    if (!refuse)
        return;
    b->state = WEIR_BREAKER_OPEN;
    b->open_for = b->opts.open_max;
    b->until = now + b->open_for;
}

/* Others have reserved: just too much, just as much as can be waited for, or nothing. */
static void meddle_rate(struct weir_rate *r, weir_time now, int how)
{
    struct weir_rate_opts o = {
        .count = r->count, .period = r->period, .burst = r->burst, .max_wait = r->max_wait};
    weir_span most = o.max_wait < 0 ? 0 : o.max_wait;

    EQ(weir_rate_init(r, &o), 0);
    r->max_wait = most;
    while (how && weir_rate_peek(r, 1, now) <= (how == 2 ? most : most - 1)) {
        struct weir_rate_ticket t;
        if (most)
            LE(0, weir_rate_reserve(r, 1, now, WEIR_NEVER, &t));
        else
            EQ(weir_rate_take(r, 1, now), 0);
    }
    r->max_wait = o.max_wait;
}

/* Before the call asks again, the others do their worst, or something else, or nothing. */
static void meddle(weir_policy *p, const struct weir__plan_run *r, weir_time now)
{
    for (uint32_t i = 0; i < p->n; i++) {
        struct weir__plan_layer *l = &p->layer[i];

        if (r->phase == WEIR__PLAN_WAITING && r->pos == i)
            continue;
        if (l->kind == WEIR_LAYER_BREAKER)
            meddle_breaker(&l->u.breaker, now, test_random() % 2 == 0);
        if (l->kind == WEIR_LAYER_RATE && l->u.rate.max_wait)
            meddle_rate(&l->u.rate, now, (int)(test_random() % 3));
        if (l->kind == WEIR_LAYER_BULKHEAD && !r->slot[i].held)
            l->u.bulkhead.used = test_random() % 2 ? l->u.bulkhead.limit : 0;
    }
}

/* The permit comes at the last moment, or too late. */
static void grant(weir_policy *p, uint32_t i, weir_time now)
{
    struct weir__plan_layer *l = &p->layer[i];
    struct weir_policy_layer same = {.kind = WEIR_LAYER_BULKHEAD};

    if (test_random() % 4 == 0)
        return;
    l->u.bulkhead.used = 0;
    same.u.bulkhead = (struct weir_bulkhead_opts){
        .limit = l->u.bulkhead.limit, .max_wait = l->max_wait, .queue = l->queue};
    EQ(weir_policy_reconfigure(p, i, &same, now), 0);
}

static weir_time one_wait(weir_policy *p, struct weir__plan_run *r, int64_t wait, weir_time now)
{
    if (wait != WEIR__PLAN_PARK)
        return now + wait;
    grant(p, r->pos, r->park_until);
    return r->park_until;
}

static void one_run(weir_policy *p, struct most *most)
{
    static weir_time start = T0; /* a later one each time: the clock goes forwards */
    struct weir__plan_run r;
    weir_time now = start += WEIR_S(1);
    int64_t wait;
    int out;

    weir__plan_begin(p, &r, now, WEIR_NEVER);
    for (;;) {
        if (now >= r.not_before)
            meddle(p, &r, now);
        wait = weir__plan_admit(p, &r, now);
        if (wait < 0)
            break;
        if (wait > 0) {
            now = one_wait(p, &r, wait, now);
            continue;
        }
        if (test_random() % 4)
            now = r.attempt_deadline;
        else
            now += (weir_span)(test_random() % (uint64_t)(r.attempt_deadline - now + 1));
        wait = weir__plan_done(p, &r, -ETIMEDOUT, now, &out);
        if (wait == 0)
            break;
        now += wait;
    }
    weir__plan_abandon(p, &r, now);
    if (r.attempt > most->attempts)
        most->attempts = r.attempt;
    if (now - start > most->time)
        most->time = now - start;
}

/* The bound is reached: exactly, or, where chance sets the waits, nearly. */
static void is_worst(const char *file, int line, weir_policy *p, double nearly)
{
    struct weir__plan_bounds w;
    struct most most = {0, 0};

    EQ(weir_policy_error(p), 0);
    w = weir__plan_worst(p);
    for (int i = 0; i < RUNS; i++)
        one_run(p, &most);
    if (most.attempts != w.attempts || most.time > w.time ||
        (double)most.time < nearly * (double)w.time)
        test__fail(file, line, "worst %llu attempts, %lld ns; seen %llu, %lld",
                   (unsigned long long)w.attempts, (long long)w.time,
                   (unsigned long long)most.attempts, (long long)most.time);
    weir_policy_free(&p);
}

#define EXACT(...) is_worst(__FILE__, __LINE__, WEIR_POLICY(__VA_ARGS__), 1)
#define NEARLY(...) is_worst(__FILE__, __LINE__, WEIR_POLICY(__VA_ARGS__), 0.95)
#define STEADY .jitter = WEIR_JITTER_NONE
#define EACH(n) WEIR_TIMEOUT(.each = (n))

TEST_WITH(O1_the_worst_case_of_twenty_stacks_is_what_the_worst_run_takes, .timeout = 60)
{
    EXACT(EACH(70));
    EXACT(WEIR_RETRY(.attempts = 1), EACH(50));
    EXACT(WEIR_RETRY(.attempts = 4, .base = 10, STEADY), EACH(100));
    EXACT(WEIR_RETRY(.attempts = 4, .base = 10, .cap = 15, STEADY), EACH(100));
    EXACT(WEIR_RETRY(.attempts = 3, .grow = WEIR_GROW_NONE), EACH(40));
    EXACT(WEIR_RETRY(.attempts = 3, .grow = WEIR_GROW_FIBONACCI, .base = 7, STEADY), EACH(1));
    EXACT(WEIR_RETRY(.attempts = 2, .base = 70, STEADY),
          WEIR_RETRY(.attempts = 3, .base = 10, .grow = WEIR_GROW_LINEAR, STEADY), EACH(9));
    EXACT(WEIR_RETRY(.attempts = 2, .base = 5, STEADY),
          WEIR_RETRY(.attempts = 2, .base = 9, STEADY),
          WEIR_RETRY(.attempts = 2, .base = 3, STEADY), EACH(8));
    EXACT(WEIR_TIMEOUT(.total = 300), WEIR_RETRY(.attempts = 4, .base = 10, STEADY), EACH(100));
    EXACT(WEIR_TIMEOUT(.total = 500));
    EXACT(WEIR_BULKHEAD(.limit = 1, .max_wait = 30), EACH(20));
    EXACT(WEIR_RETRY(.attempts = 3, .base = 10, STEADY), WEIR_BULKHEAD(.limit = 2, .max_wait = 30),
          EACH(20));
    EXACT(WEIR_BULKHEAD(.limit = 2, .max_wait = 30), WEIR_RETRY(.attempts = 3, .base = 10, STEADY),
          EACH(20));
    EXACT(WEIR_RATE(.count = 1, .period = 10, .max_wait = 50), EACH(20));
    EXACT(WEIR_OBSERVED(RETRY(.attempts = 7)), WEIR_RETRY(.attempts = 2, .base = 9, STEADY),
          WEIR_SWITCHED_OFF(BULKHEAD(.limit = 1)), EACH(8));
    NEARLY(WEIR_RETRY(.attempts = 3, .base = 100, .jitter = WEIR_JITTER_FULL), EACH(50));
    NEARLY(WEIR_RETRY(.attempts = 3, .base = 10, STEADY),
           WEIR_BREAKER(.open = 500, .open_max = 700), EACH(20));
    NEARLY(WEIR_RETRY(.attempts = 3, .base = 10, STEADY),
           WEIR_RATE(.count = 1, .period = 100, .max_wait = 500), EACH(20));
    NEARLY(WEIR_RETRY(.attempts = 3, .base = 10, STEADY),
           WEIR_BREAKER(.open = 500, .open_max = 700), WEIR_BULKHEAD(.limit = 1, .max_wait = 200),
           EACH(20));
    NEARLY(WEIR_RETRY(.attempts = 2, .base = 10, STEADY, .retry_after_cap = 50),
           WEIR_BREAKER(.open = 500), WEIR_RETRY(.attempts = 2, .base = 5, STEADY),
           WEIR_RATE(.count = 1, .period = 10, .max_wait = WEIR_NOWAIT), EACH(3));
}

TEST(O1_what_has_no_bound_is_told_so)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(.attempts = UINT32_MAX), EACH(1)), *q;

    EQ(weir__plan_worst(p).attempts, UINT64_MAX);
    EQ(weir__plan_worst(p).time, WEIR_NEVER);
    q = WEIR_POLICY(WEIR_TIMEOUT(.total = 9), WEIR_RETRY(.attempts = UINT32_MAX), EACH(1));
    EQ(weir__plan_worst(q).time, 9);
    weir_policy_free(&p);
    weir_policy_free(&q);
    p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 1), EACH(1));
    EQ(weir__plan_worst(p).time, WEIR_NEVER);
    weir_policy_free(&p);
    p = WEIR_POLICY(WEIR_RETRY(.attempts = UINT32_MAX - 1, .base = 1, .cap = 1), EACH(1));
    EQ(weir__plan_worst(p).attempts, UINT32_MAX - 1);
    EQ(weir__plan_worst(p).time, 2 * (weir_span)(UINT32_MAX - 1) - 1);
    weir_policy_free(&p);
}
