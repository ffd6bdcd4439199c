/*
 * test_stack.c -- a stack in service: modes and options that change while
 * calls are in it, hooks, forks, memory; and random lives of random stacks.
 */
#include "harness/test.h"

#include <errno.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/pass.h>

#include "base/alloc.h"
#include "core/annotate.h"
#include "policy/plan.h"

#define T0 WEIR_EPOCH
#define STEADY .jitter = WEIR_JITTER_NONE

static struct weir_layer_counts counts(weir_policy *p, uint32_t layer)
{
    struct weir_layer_counts c;
    EQ(weir_policy_counts(p, layer, &c), 0);
    return c;
}

static int64_t end(struct weir_pass *c, int code, weir_time now, int *result)
{
    struct weir_retry_outcome out = {.result = code};
    return weir_pass_done(c, weir_pass_attempt(c), &out, now, result);
}

/* A whole call at one instant: its attempts, and what it came to. */
static int once(weir_policy *p, int code, weir_time now)
{
    struct weir_pass c;
    int64_t wait;
    int result = 0;

    weir_pass_begin(&c, p, now, WEIR_NEVER, NULL, NULL);
    wait = weir_pass_enter(&c, now);
    if (wait == 0)
        wait = end(&c, code, now, &result);
    weir_pass_abandon(&c, now);
    return wait < 0 ? (int)wait : wait > 0 ? 1 : result;
}

/* --- modes -------------------------------------------------------------------- */

TEST(observing_counts_what_enforcing_would_do_and_does_nothing)
{
    weir_policy *p =
        WEIR_POLICY(WEIR_OBSERVED(TIMEOUT(.total = 100, .each = 50)), WEIR_OBSERVED(RETRY()),
                    WEIR_OBSERVED(BREAKER(.failures = 2, .open = 1000)),
                    WEIR_OBSERVED(RATE(.count = 1, .period = 1000, .max_wait = 1000)),
                    WEIR_OBSERVED(BULKHEAD(.limit = 1, .max_wait = 10)));
    struct weir_pass c[4];
    int result;

    for (int i = 0; i < 4; i++) { /* all four are let through */
        weir_pass_begin(&c[i], p, T0, WEIR_NEVER, NULL, NULL);
        EQ(weir_pass_enter(&c[i], T0), 0);
        EQ(weir_pass_deadline(&c[i]), WEIR_NEVER);
    }
    EQ(counts(p, 3).passed, 4);
    EQ(counts(p, 3).would_wait, 3); /* none of them moved the others: each would have waited */
    EQ(counts(p, 4).would_wait, 3);
    EQ(end(&c[0], -EIO, T0 + 60, &result), 0); /* no retry */
    EQ(result, -EIO);
    EQ(counts(p, 0).would_refuse, 1); /* .each */
    EQ(counts(p, 1).would_wait, 1);
    EQ(end(&c[1], -EIO, T0 + 110, &result), 0);
    EQ(counts(p, 0).would_refuse, 3); /* .each and .total */
    EQ(weir_policy_breaker_state(p, 2, T0 + 110), WEIR_BREAKER_OPEN);
    EQ(end(&c[2], 0, T0 + 110, &result), 0);
    EQ(end(&c[3], -EINVAL, T0 + 120, &result), 0);
    EQ(counts(p, 1).would_wait, 2); /* a mistake of the caller's is not tried again anyway */
    EQ(once(p, 3, T0 + 130), 3);
    EQ(counts(p, 2).would_refuse, 1);
    for (uint32_t i = 0; i < 5; i++) {
        EQ(counts(p, i).waited, 0);
        EQ(counts(p, i).refused, 0);
        EQ(counts(p, i).passed, 5);
    }
    EQ(weir_bulkhead_used(&p->layer[4].u.bulkhead), 0);
    weir_policy_free(&p);
}

TEST(an_observed_retry_spends_nothing_of_a_budget)
{
    struct weir_budget b;
    weir_policy *p = WEIR_POLICY(WEIR_OBSERVED(RETRY(.budget = &b)));

    EQ(weir_budget_init(&b, &(struct weir_budget_opts){.ratio_milli = WEIR_BUDGET_NONE}), 0);
    for (int i = 0; i < 200; i++)
        EQ(once(p, -EIO, T0), -EIO);
    EQ(weir_budget_left(&b, T0), 100);
    EQ(counts(p, 0).would_wait, 200);
    weir_policy_free(&p);
}

TEST(off_is_as_if_the_layer_were_not_there)
{
    weir_policy *p =
        WEIR_POLICY(WEIR_SWITCHED_OFF(TIMEOUT(.total = 1, .each = 1)), WEIR_SWITCHED_OFF(RETRY()),
                    WEIR_SWITCHED_OFF(BREAKER(.failures = 1)),
                    WEIR_SWITCHED_OFF(RATE(.per_sec = 1)), WEIR_SWITCHED_OFF(BULKHEAD(.limit = 1)));
    struct weir_pass c[2];
    int result;

    for (int i = 0; i < 2; i++) {
        weir_pass_begin(&c[i], p, T0, WEIR_NEVER, NULL, NULL);
        EQ(weir_pass_enter(&c[i], T0 + 5), 0);
        EQ(end(&c[i], -EIO, T0 + 9, &result), 0);
    }
    for (uint32_t i = 0; i < 5; i++) {
        EQ(counts(p, i).passed, 2);
        EQ(counts(p, i).waited + counts(p, i).refused, 0);
        EQ(counts(p, i).would_wait + counts(p, i).would_refuse, 0);
    }
    weir_policy_free(&p);
}

TEST(each_layer_counts_what_it_did)
{
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.attempts = 3, .base = 10, STEADY),
                    WEIR_RATE(.count = 1, .period = 100, .max_wait = 100),
                    WEIR_BULKHEAD(.limit = 1, .max_wait = WEIR_NOWAIT), WEIR_TIMEOUT(.each = 50));
    struct weir_pass c;
    weir_time now = T0;
    int64_t wait;
    int result, waits = 0;

    weir_pass_begin(&c, p, now, WEIR_NEVER, NULL, NULL);
    for (;;) {
        while ((wait = weir_pass_enter(&c, now)) > 0) {
            now += wait;
            waits++;
        }
        EQ(wait, 0);
        now += 50;
        wait = end(&c, -ETIMEDOUT, now, &result);
        if (wait == 0)
            break;
        now += wait;
    }
    EQ(counts(p, 0).passed, 1);
    EQ(counts(p, 0).waited, 2);
    EQ(counts(p, 0).refused, 1);
    EQ(counts(p, 1).passed, 3);
    EQ(counts(p, 1).waited, waits);
    EQ(counts(p, 2).passed, 3);
    EQ(counts(p, 3).refused, 3);
    EQ(weir_policy_counts(p, 4, &(struct weir_layer_counts){0}), -EINVAL);
    EQ(weir_policy_counts(p, 0, NULL), -EINVAL);
    weir_policy_free(&p);
}

/* --- changes while calls are in it ---------------------------------------------- */

static void woken(void *ctx)
{
    ++*(int *)ctx;
}

TEST(switching_a_row_off_wakes_and_frees_who_stands_in_it)
{
    for (int kind = 0; kind < 2; kind++) {
        weir_policy *p = kind ? WEIR_POLICY(WEIR_BULKHEAD(.limit = 1))
                              : WEIR_POLICY(WEIR_RATE(.count = 1, .period = WEIR_S(1)));
        struct weir_pass c[3];
        int wakes = 0, result;

        for (int i = 0; i < 3; i++) {
            weir_pass_begin(&c[i], p, T0, WEIR_NEVER, woken, &wakes);
            EQ(weir_pass_enter(&c[i], T0) == 0, i == 0);
        }
        EQ(weir_policy_set_mode(p, 0, WEIR_OFF), 0);
        EQ(wakes, 2);
        EQ(weir_pass_enter(&c[1], T0), 0);
        EQ(weir_policy_set_mode(p, 0, WEIR_ENFORCE), 0); /* the third still stands there */
        LT(0, weir_pass_enter(&c[2], T0));
        EQ(weir_policy_set_mode(p, 0, WEIR_OBSERVE), 0);
        EQ(weir_pass_enter(&c[2], T0), 0);
        EQ(weir_policy_set_mode(p, 0, WEIR_ENFORCE), 0);
        for (int i = 0; i < 3; i++)
            EQ(end(&c[i], 0, T0, &result), 0);
        if (kind) { /* one permit was taken and is back: never more */
            EQ(weir_bulkhead_used(&p->layer[0].u.bulkhead), 0);
        }
        OK(weir__list_empty(&p->layer[0].row) && p->layer[0].queued == 0);
        weir_policy_free(&p);
    }
}

TEST(a_larger_bulkhead_lets_in_who_waits_and_a_smaller_one_holds_as_they_come_home)
{
    weir_policy *p = WEIR_POLICY(WEIR_BULKHEAD(.limit = 1));
    struct weir_policy_layer to = WEIR_BULKHEAD(.limit = 3);
    struct weir_pass c[5];
    int wakes = 0, result;

    for (int i = 0; i < 5; i++) {
        weir_pass_begin(&c[i], p, T0, WEIR_NEVER, woken, &wakes);
        EQ(weir_pass_enter(&c[i], T0) == 0, i == 0);
    }
    EQ(weir_policy_reconfigure(p, 0, &to, T0), 0);
    LE(2, wakes);
    for (int i = 1; i < 5; i++)
        EQ(weir_pass_enter(&c[i], T0) == 0, i < 3);
    to.u.bulkhead.limit = 1;
    EQ(weir_policy_reconfigure(p, 0, &to, T0), 0);
    for (int i = 0; i < 3; i++) {
        EQ(end(&c[i], 0, T0, &result), 0);
        EQ(weir_pass_enter(&c[3], T0) == 0, i == 2);
    }
    EQ(end(&c[3], 0, T0, &result), 0);
    EQ(weir_pass_enter(&c[4], T0), 0);
    weir_pass_abandon(&c[4], T0);
    EQ(weir_bulkhead_used(&p->layer[0].u.bulkhead), 0);
    weir_policy_free(&p);
}

TEST(other_options_of_each_layer_hold_at_once_and_keep_what_it_knows)
{
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.each = 100), WEIR_RETRY(.base = 100, STEADY),
                                 WEIR_BREAKER(.failures = 5, .open = 1000, .jitter = 1),
                                 WEIR_RATE(.count = 1, .period = 10, .burst = 10));
    struct weir_policy_layer timeout = WEIR_TIMEOUT(.each = 500),
                             retry = WEIR_RETRY(.attempts = 2, .base = 100, STEADY),
                             breaker = WEIR_BREAKER(.failures = 2, .open = 1000, .jitter = 1),
                             rate = WEIR_RATE(.count = 1, .period = 1000, .burst = 10);
    struct weir_pass c;
    int result;

    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0), 0);
    EQ(weir_pass_deadline(&c), T0 + 100);
    EQ(weir_policy_reconfigure(p, 0, &timeout, T0), 0);
    EQ(weir_policy_reconfigure(p, 1, &retry, T0), 0);
    EQ(weir_policy_reconfigure(p, 2, &breaker, T0), 0);
    EQ(weir_policy_reconfigure(p, 3, &rate, T0), 0);
    EQ(weir_pass_deadline(&c), T0 + 100); /* it has got that */
    EQ(end(&c, -EIO, T0, &result), 100);
    EQ(weir_pass_enter(&c, T0 + 100), 0);
    EQ(weir_pass_deadline(&c), T0 + 600);
    EQ(end(&c, -EIO, T0 + 100, &result), 0);                          /* the second of now two */
    EQ(weir_policy_breaker_state(p, 2, T0 + 100), WEIR_BREAKER_OPEN); /* and of now two */
    EQ(weir_policy_force(p, 2, WEIR_BREAKER_CLOSED, T0 + 100), 0);
    LE(weir_rate_left(&p->layer[3].u.rate, T0 + 100), 8); /* two cells are used */
    LE(7, weir_rate_left(&p->layer[3].u.rate, T0 + 100)); /* (a part of one is all of it) */
    weir_policy_free(&p);
}

TEST(P1_what_cannot_be_reconfigured_says_so_and_changes_nothing)
{
    weir_policy *p = WEIR_POLICY(WEIR_RETRY(), WEIR_BREAKER(), WEIR_RATE(.per_sec = 5),
                                 WEIR_BULKHEAD(.limit = 2), WEIR_TIMEOUT(.each = 5));
    struct weir_policy_layer bad[] = {
        WEIR_RETRY(.base = -1),    WEIR_BREAKER(.percent = 101), WEIR_RATE(.burst = 5),
        WEIR_BULKHEAD(.limit = 0), WEIR_TIMEOUT(.total = -1),    {.kind = 99},
        {.kind = WEIR_LAYER_NONE},
    };
    weir_policy *poison = WEIR_POLICY(WEIR_RATE());
    char before[4096], after[4096];

    LT(0, weir_policy_explain(p, before, sizeof before));
    for (uint32_t i = 0; i < 7; i++) {
        EQ(weir_policy_reconfigure(p, i, &bad[i], T0), -EINVAL);
        EQ(weir_policy_reconfigure(p, (i + 1) % 5, &bad[i], T0), -EINVAL); /* another kind */
    }
    for (uint32_t i = 0; i < 5; i++) {
        bad[0] = (struct weir_policy_layer){.kind = p->layer[i].kind, .mode = 3};
        bad[0].u.bulkhead.limit = 1;
        EQ(weir_policy_reconfigure(p, i, &bad[0], T0), -EINVAL);
    }
    EQ(weir_policy_reconfigure(p, 0, NULL, T0), -EINVAL);
    EQ(weir_policy_reconfigure(poison, 0, &bad[0], T0), -EINVAL);
    EQ(weir_policy_set_mode(p, 5, WEIR_OFF), -EINVAL);
    EQ(weir_policy_set_mode(p, 0, (enum weir_mode)3), -EINVAL);
    EQ(weir_policy_set_mode(p, 0, (enum weir_mode) - 1), -EINVAL);
    EQ(weir_policy_set_mode(NULL, 0, WEIR_OFF), -EINVAL);
    EQ(weir_policy_force(p, 0, WEIR_BREAKER_CLOSED, T0), -EINVAL);
    EQ(weir_policy_force(p, 1, WEIR_BREAKER_OPEN, T0), -EINVAL);
    EQ(weir_policy_breaker_state(p, 2, T0), -EINVAL);
    LT(0, weir_policy_explain(p, after, sizeof after));
    STREQ(after, before);
    weir_policy_free(&p);
    weir_policy_free(&poison);
}

/* --- hooks ------------------------------------------------------------------------ */

struct ear {
    weir_policy *p;
    uint32_t n, generation;
};

static void hear(void *ctx, const struct weir_breaker_event *e)
{
    struct ear *h = ctx;

    LT(h->generation, e->generation);
    h->generation = e->generation;
    h->n++;
    if (e->to == WEIR_BREAKER_OPEN && h->n < 100) { /* a call of its own, in the hook */
        EQ(weir_policy_force(h->p, 0, WEIR_BREAKER_CLOSED, T0), 0);
        EQ(once(h->p, -EIO, T0), -EIO);
    }
}

TEST(E11_the_hook_of_a_breaker_in_a_stack_may_use_the_stack)
{
    struct ear h = {NULL, 0, 0};
    weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.failures = 1, .on_change = hear, .ctx = &h));

    h.p = p;
    EQ(once(p, -EIO, T0), -EIO);
    EQ(h.n, 101); /* opened and closed by turns, told one after the other, not one in another */
    weir_policy_free(&p);
}

/* --- I5 ------------------------------------------------------------------------------ */

TEST(I5_a_deadline_that_has_passed_takes_no_permit_no_cell_no_budget_and_no_count)
{
    struct weir_budget b;
    weir_policy *p =
        WEIR_POLICY(WEIR_RETRY(.budget = &b), WEIR_BREAKER(.failures = 1), WEIR_RATE(.per_sec = 1),
                    WEIR_BULKHEAD(.limit = 1), WEIR_TIMEOUT(.total = 10));
    struct weir_pass c;

    EQ(weir_budget_init(&b, NULL), 0);
    for (weir_time deadline = T0 - 1; deadline <= T0; deadline++) {
        weir_pass_begin(&c, p, T0, deadline, NULL, NULL);
        EQ(weir_pass_enter(&c, T0), -ETIMEDOUT);
    }
    weir_pass_begin(&c, p, T0, WEIR_NEVER, NULL, NULL);
    EQ(weir_pass_enter(&c, T0 + 10), -ETIMEDOUT);
    EQ(weir_pass_refusal(&c).layer, 4);
    EQ(weir_pass_refusal(&c).kind, WEIR_LAYER_TIMEOUT);
    EQ(weir_budget_left(&b, T0), 100);
    EQ(b.balance, 0);
    EQ(weir_rate_left(&p->layer[2].u.rate, T0), 1);
    EQ(weir_bulkhead_used(&p->layer[3].u.bulkhead), 0);
    EQ(weir_breaker_counts(&p->layer[1].u.breaker).admitted, 0);
    EQ(counts(p, 4).refused, 1); /* the last was the total's */
    weir_policy_free(&p);
}

/* --- memory and processes --------------------------------------------------------------- */

TEST(P2_nothing_is_allocated_after_init)
{
    struct weir_budget b;
    weir_policy *p = WEIR_POLICY(WEIR_TIMEOUT(.total = WEIR_S(1)), WEIR_RETRY(.budget = &b),
                                 WEIR_BREAKER(.failures = 3), WEIR_RATE(.per_sec = 10),
                                 WEIR_BULKHEAD(.limit = 2));
    struct weir_policy_layer to = WEIR_BULKHEAD(.limit = 3);
    size_t before = mallinfo2().uordblks;
    static char text[4096];

    WEIR__MSAN_WRITTEN(&before, sizeof before); /* it does not know mallinfo2 */
    EQ(weir_budget_init(&b, NULL), 0);
    for (int i = 0; i < 10000; i++) {
        struct mallinfo2 now;

        (void)once(p, i % 3 ? 0 : -EIO, T0 + WEIR_MS(i));
        to.u.bulkhead.limit = 1 + (uint32_t)i % 7;
        EQ(weir_policy_reconfigure(p, 4, &to, T0 + WEIR_MS(i)), 0);
        now = mallinfo2();
        WEIR__MSAN_WRITTEN(&now, sizeof now);
        EQ(now.uordblks, before);
    }
    LT(0, weir_policy_explain(p, text, sizeof text));
    LE(0, weir_policy_lint(p));
    weir_policy_free(&p);
}

TEST(P2_without_memory_a_stack_is_a_poisoned_handle)
{
    struct weir_alloc before = weir__alloc_use(&test_alloc);
    weir_policy *p;

    test_alloc_fail_at(1);
    p = WEIR_POLICY(WEIR_RETRY());
    EQ(weir_policy_error(p), -ENOMEM);
    EQ(once(p, 0, T0), -ENOMEM);
    EQ(weir_policy_lint(p), -ENOMEM);
    weir_policy_free(&p);
    test_alloc_fail_at(0);
    weir__alloc_use(&before);
}

/* The first waits that a policy draws in a child process. */
static void in_child(weir_policy *p, int fd, int fresh)
{
    weir_policy *mine = fresh ? WEIR_POLICY(WEIR_RETRY(.base = WEIR_S(1))) : p;
    struct weir_pass c;
    int64_t wait;
    int result;

    weir_pass_begin(&c, mine, T0, WEIR_NEVER, NULL, NULL);
    if (weir_pass_enter(&c, T0) != 0)
        _exit(1);
    wait = end(&c, -EIO, T0, &result);
    if (write(fd, &wait, sizeof wait) != sizeof wait)
        _exit(1);
    _exit(0);
}

static int64_t wait_of_child(weir_policy *p, int fresh)
{
    int64_t wait = 0;
    int ends[2], status;
    pid_t pid;

    EQ(pipe(ends), 0);
    pid = fork();
    if (pid == 0)
        in_child(p, ends[1], fresh);
    EQ(read(ends[0], &wait, sizeof wait), sizeof wait);
    EQ(waitpid(pid, &status, 0), pid);
    EQ(status, 0);
    close(ends[0]);
    close(ends[1]);
    return wait;
}

TEST(P5_children_draw_other_waits_than_their_parent_and_each_other)
{
    for (int fresh = 0; fresh < 2; fresh++) { /* a policy from before the fork, or after it */
        weir_policy *p = WEIR_POLICY(WEIR_RETRY(.base = WEIR_S(1)));
        int64_t a = wait_of_child(p, fresh), b = wait_of_child(p, fresh);

        LT(0, a);
        LT(0, b);
        NE(a, b);               /* of 10^9 */
        weir_policy_seed(p, 7); /* what was asked for is kept */
        a = wait_of_child(p, 0);
        EQ(wait_of_child(p, 0), a);
        weir_policy_free(&p);
    }
}

TEST(P6_a_copy_of_the_state_goes_on_exactly_as_the_original)
{
    for (int i = 0; i < 200; i++) {
        struct weir_breaker_opts o = {.window = 20, .percent = 40, .open = 300, .probes = 2};
        struct weir_breaker_token t[2];
        struct weir_breaker b[2];
        struct weir_budget u[2];
        struct weir_rng rng[2];
        weir_time now = T0;
        int at = (int)(test_random() % 400);

        EQ(weir_breaker_init(&b[0], &o), 0);
        EQ(weir_budget_init(&u[0], NULL), 0);
        weir_rng_init(&rng[0], test_random(), 0);
        for (int k = 0; k < 800; k++) {
            uint64_t what = test_random();
            int copies = k >= at ? 2 : 1;

            now += (weir_span)(what % 50);
            if (k == at) { /* the snapshot */
                memcpy(&b[1], &b[0], sizeof b[0]);
                memcpy(&u[1], &u[0], sizeof u[0]);
                memcpy(&rng[1], &rng[0], sizeof rng[0]);
            }
            for (int c = 0; c < copies; c++) {
                struct weir_budget_token paid;
                if (weir_breaker_take(&b[c], now, &t[c]) == 0)
                    LE(0,
                       weir_breaker_done(&b[c], &t[c], (enum weir_breaker_outcome)(what >> 32) % 2,
                                         now + 3, &rng[c]));
                weir_budget_deposit(&u[c], now);
                (void)!weir_budget_take(&u[c], now, &paid);
            }
        }
        MEMEQ(&b[0], &b[1], sizeof b[0]);
        MEMEQ(&u[0], &u[1], sizeof u[0]);
    }
}

/* --- O3: random lives --------------------------------------------------------------------- */

enum { CALLS = 16, LAYERS = 6 };

static const struct weir_policy_layer pieces[] = {
    WEIR_RETRY(.attempts = 3, .base = 50, .cap = 400),
    WEIR_RETRY(.attempts = 2, .jitter = WEIR_JITTER_DECORRELATED, .base = 5, .cap = 900),
    WEIR_OBSERVED(RETRY(.attempts = 5)),
    WEIR_BREAKER(.failures = 3, .open = 500, .probes = 2, .lease = 300),
    WEIR_BREAKER(.window = 10, .percent = 50, .min_calls = 4, .open = 200),
    WEIR_OBSERVED(BREAKER(.failures = 2, .open = 100)),
    WEIR_RATE(.count = 1, .period = 40, .burst = 3),
    WEIR_RATE(.count = 1, .period = 90, .max_wait = 300),
    WEIR_OBSERVED(RATE(.count = 1, .period = 90)),
    WEIR_BULKHEAD(.limit = 3),
    WEIR_BULKHEAD(.limit = 2, .queue = 4, .max_wait = 200),
    WEIR_BULKHEAD(.limit = 5, .max_wait = WEIR_NOWAIT),
    WEIR_OBSERVED(BULKHEAD(.limit = 1)),
    WEIR_TIMEOUT(.total = 3000, .each = 250),
    WEIR_OBSERVED(TIMEOUT(.total = 100, .each = 20)),
};

enum { PIECES = sizeof pieces / sizeof pieces[0] };

struct life {
    weir_policy *p;
    struct weir_budget budget;
    struct weir__plan_run r[CALLS];
    int active[CALLS];
    uint64_t begun, ended, attempts;
    weir_time now;
};

static struct weir_policy_layer piece(struct life *l, uint32_t kind)
{
    struct weir_policy_layer x;

    do
        x = pieces[test_random() % PIECES];
    while (kind && x.kind != kind);
    if (x.kind == WEIR_LAYER_RETRY && test_random() % 2)
        x.u.retry.budget = &l->budget;
    return x;
}

static void step_one(struct life *l, int i)
{
    static const int results[] = {0, -EIO, -ETIMEDOUT, -EINVAL, -ECANCELED, 3};
    struct weir__plan_run *r = &l->r[i];
    int out;

    if (!l->active[i]) {
        weir__plan_begin(l->p, r, l->now, test_random() % 3 ? WEIR_NEVER : l->now + 2000);
        l->active[i] = 1;
        l->begun++;
    } else if (test_random() % 20 == 0) {
        weir__plan_abandon(l->p, r, l->now);
        l->active[i] = 0;
    } else if (r->phase == WEIR__PLAN_RUNNING) {
        l->active[i] = weir__plan_done(l->p, r, results[test_random() % 6], l->now, &out) > 0;
    } else {
        int64_t w = weir__plan_admit(l->p, r, l->now);
        l->active[i] = w >= 0;
        EQ(r->phase == WEIR__PLAN_FINISHED, w < 0);
        EQ(r->phase == WEIR__PLAN_RUNNING, w == 0);
        l->attempts += w == 0;
    }
    if (l->active[i])
        return;
    EQ(r->phase, WEIR__PLAN_FINISHED);
    l->ended++;
    for (uint32_t k = 0; k < LAYERS; k++)
        EQ(r->slot[k].held, 0);
}

/* Somebody turns the knobs. */
static void step_knobs(struct life *l)
{
    uint32_t i = (uint32_t)(test_random() % l->p->n);
    struct weir_policy_layer to = piece(l, l->p->layer[i].kind);

    if (test_random() % 2)
        EQ(weir_policy_reconfigure(l->p, i, &to, l->now), 0);
    else
        EQ(weir_policy_set_mode(l->p, i, (enum weir_mode)(test_random() % 3)), 0);
}

/* Permits in use are those that calls hold; a breaker has heard of no call twice. */
static void check(const struct life *l)
{
    for (uint32_t i = 0; i < l->p->n; i++) {
        const struct weir__plan_layer *x = &l->p->layer[i];
        uint32_t held = 0, row = 0;

        for (int k = 0; k < CALLS; k++) {
            const struct weir__plan_run *r = &l->r[k];
            int waits = l->active[k] && r->phase == WEIR__PLAN_WAITING && r->pos == i;
            held += l->active[k] && (r->slot[i].held || (waits && r->granted));
            row += waits && !r->granted;
        }
        EQ(x->queued, row);
        if (x->kind == WEIR_LAYER_BULKHEAD)
            EQ(weir_bulkhead_used(&x->u.bulkhead), held);
        if (x->kind == WEIR_LAYER_BREAKER) {
            struct weir_breaker_counts c = weir_breaker_counts(&x->u.breaker);
            LE(c.succeeded + c.failed + c.stale + held, c.admitted);
        }
        LE(x->counts.passed, l->attempts + x->counts.passed);
    }
}

static void live(struct life *l, int steps)
{
    struct weir_policy_layer layers[LAYERS];

    memset(l, 0, sizeof *l);
    EQ(weir_budget_init(&l->budget, &(struct weir_budget_opts){.min_per_sec = 1}), 0);
    for (int i = 0; i < LAYERS; i++)
        layers[i] = piece(l, 0);
    l->p = weir_policy_new(layers, LAYERS);
    EQ(weir_policy_error(l->p), 0);
    l->now = T0;
    for (int s = 0; s < steps; s++) {
        l->now += (weir_span)(test_random() % 30);
        if (test_random() % 50 == 0)
            step_knobs(l);
        step_one(l, (int)(test_random() % CALLS));
        check(l);
    }
    for (int i = 0; i < CALLS; i++) {
        if (l->active[i])
            weir__plan_abandon(l->p, &l->r[i], l->now);
        l->ended += l->active[i] != 0;
        l->active[i] = 0;
    }
    EQ(l->begun, l->ended);
    check(l);
    for (uint32_t i = 0; i < LAYERS; i++)
        OK(weir__list_empty(&l->p->layer[i].row));
    weir_policy_free(&l->p);
}

TEST_WITH(O3_random_stacks_calls_cancels_and_changes_give_everything_back, .timeout = 60)
{
    static struct life l;

    for (int i = 0; i < 150; i++)
        live(&l, 2000);
}

/* Without cancels: one layer of each kind hears of each call, or attempt, exactly once. */
TEST(O3_no_policy_counts_a_call_twice)
{
    for (int i = 0; i < 300; i++) {
        weir_policy *p = WEIR_POLICY(WEIR_BREAKER(.window = 1000, .failures = 1000),
                                     WEIR_RETRY(.attempts = 3, .base = 5),
                                     WEIR_BREAKER(.window = 1000, .failures = 1000),
                                     WEIR_RATE(.per_sec = 1000000), WEIR_BULKHEAD(.limit = 1));
        uint64_t calls = 1 + test_random() % 20, attempts = 0, failed = 0, ended = 0;
        weir_time now = T0;

        for (uint64_t k = 0; k < calls; k++) {
            struct weir_pass c;
            int64_t wait;
            int result = 0;

            weir_pass_begin(&c, p, now, WEIR_NEVER, NULL, NULL);
            do {
                int code = test_random() % 2 ? -EIO : 0;
                while ((wait = weir_pass_enter(&c, now)) > 0)
                    now += wait;
                EQ(wait, 0);
                failed += code < 0;
                wait = end(&c, code, now, &result);
                now += wait;
            } while (wait > 0);
            attempts += weir_pass_attempt(&c);
            ended += result < 0;
        }
        EQ(weir_breaker_counts(&p->layer[0].u.breaker).succeeded, calls - ended);
        EQ(weir_breaker_counts(&p->layer[0].u.breaker).failed, ended);
        EQ(weir_breaker_counts(&p->layer[2].u.breaker).succeeded, attempts - failed);
        EQ(weir_breaker_counts(&p->layer[2].u.breaker).failed, failed);
        EQ(counts(p, 0).passed, calls);
        EQ(counts(p, 1).passed, calls);
        EQ(counts(p, 1).waited, attempts - calls);
        for (uint32_t x = 2; x < 5; x++)
            EQ(counts(p, x).passed, attempts);
        weir_policy_free(&p);
    }
}
