/*
 * test_stack.c -- a stack in service: modes and options that change while
 * calls are in it, hooks, and deadlines.
 */
#include "policy/stack_world.h"

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
