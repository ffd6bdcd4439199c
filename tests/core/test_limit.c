/*
 * test_limit.c -- limits, within and shields: who says -ETIMEDOUT, who says
 * -ECANCELED, and how they nest.
 */
#include "core/world.h"

static int limit_long(void *arg)
{
    (void)arg;
    return weir_sleep(weir_after(WEIR_S(100)));
}

SIM_TEST(a_limit_ends_what_parks_and_its_owner_says_timed_out)
{
    struct weir_limit l;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(10))), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(4))), 0);
    EQ(weir_cancel_why(), 0);
    EQ(limit_long(NULL), -ECANCELED);
    EQ(weir_cancel_why(), -ETIMEDOUT);
    EQ(limit_long(NULL), -ECANCELED); /* and stays so until it is left */
    EQ(weir_limit_fini(&l, -ECANCELED), -ETIMEDOUT);
    EQ(weir_cancel_why(), 0);
    EQ(world_age(), WEIR_MS(10));
    EQ(weir_sleep(weir_after(1)), 0);
    return 0;
}

SIM_TEST(a_limit_passes_on_every_other_result)
{
    static const int results[] = {0, 1, 77, -EIO, -ETIMEDOUT, WEIR_ECLOSED};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        struct weir_limit l;
        EQ(weir_limit_init(&l, weir_after(WEIR_MS(10))), 0);
        EQ(weir_limit_fini(&l, results[i]), results[i]);
        EQ(weir_limit_init(&l, weir_now()), 0); /* expired at once */
        EQ(weir_limit_fini(&l, results[i]), results[i]);
    }
    struct weir_limit l;
    EQ(weir_limit_init(&l, WEIR_NEVER), 0); /* -ECANCELED, but not of this limit's doing */
    EQ(weir_limit_fini(&l, -ECANCELED), -ECANCELED);
    return 0;
}

SIM_TEST(a_limit_that_has_passed_never_parks)
{
    struct weir_limit l;
    weir_time past[] = {0, WEIR_EPOCH, weir_now()};
    for (int i = 0; i < 3; i++) {
        EQ(weir_limit_init(&l, past[i]), 0);
        EQ(weir_limit_fini(&l, limit_long(NULL)), -ETIMEDOUT);
    }
    EQ(world_age(), 0);
    return 0;
}

SIM_TEST(bad_arguments_are_told_and_fini_passes_through)
{
    struct weir_limit l;
    static const weir_time bad[] = {1, -1, WEIR_EPOCH - 1, INT64_MIN};
    for (int i = 0; i < 4; i++) {
        EQ(weir_limit_init(&l, bad[i]), -EINVAL);
        EQ(weir_limit_fini(&l, -EINVAL), -EINVAL);
        EQ(weir_limit_fini(&l, -ECANCELED), -ECANCELED);
    }
    EQ(weir_limit_init(NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_shield_init(NULL, 1), -EINVAL);
    EQ(weir_limit_fini(NULL, 3), 3);
    EQ(weir_within(WEIR_S(1), NULL, NULL), -EINVAL);
    return 0;
}

SIM_TEST(the_least_deadline_wins_and_the_outer_owner_says_so)
{
    struct weir_limit a, b;
    EQ(weir_limit_init(&a, weir_after(WEIR_MS(10))), 0);
    EQ(weir_limit_init(&b, weir_after(WEIR_MS(20))), 0);
    EQ(limit_long(NULL), -ECANCELED);
    EQ(world_age(), WEIR_MS(10));
    EQ(weir_limit_fini(&b, -ECANCELED), -ECANCELED); /* not b's */
    EQ(weir_limit_fini(&a, -ECANCELED), -ETIMEDOUT);

    EQ(weir_limit_init(&a, weir_after(WEIR_MS(20))), 0);
    EQ(weir_limit_init(&b, weir_after(WEIR_MS(10))), 0);
    EQ(limit_long(NULL), -ECANCELED);
    EQ(weir_limit_fini(&b, -ECANCELED), -ETIMEDOUT);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0); /* a still has time */
    EQ(weir_limit_fini(&a, 0), 0);
    return 0;
}

SIM_TEST(equal_deadlines_belong_to_the_outer)
{
    struct weir_limit a, b;
    weir_time until = weir_after(WEIR_MS(10));
    EQ(weir_limit_init(&a, until), 0);
    EQ(weir_limit_init(&b, until), 0);
    EQ(limit_long(NULL), -ECANCELED);
    EQ(weir_limit_fini(&b, -ECANCELED), -ECANCELED);
    EQ(weir_limit_fini(&a, -ECANCELED), -ETIMEDOUT);
    return 0;
}

SIM_TEST(a_calls_own_deadline_is_told_apart_from_the_limits)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    struct weir_limit l;
    int v;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(10))), 0);
    EQ(weir_recv(ch, &v, weir_after(WEIR_MS(5))), -ETIMEDOUT);
    EQ(weir_recv(ch, &v, weir_after(WEIR_MS(50))), -ECANCELED);
    EQ(weir_limit_fini(&l, -ECANCELED), -ETIMEDOUT);
    weir_chan_free(&ch);
    return 0;
}

static int limit_park(void *arg)
{
    (void)arg;
    return weir_sleep(WEIR_NEVER - 1);
}

static int limit_quick(void *arg)
{
    (void)arg;
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    return 42;
}

SIM_TEST(within_gives_the_result_or_timed_out)
{
    EQ(weir_within(WEIR_MS(10), limit_quick, NULL), 42);
    EQ(weir_within(WEIR_MS(10), limit_park, NULL), -ETIMEDOUT);
    EQ(world_age(), WEIR_MS(11));
    EQ(weir_within(0, limit_park, NULL), -ETIMEDOUT);
    EQ(weir_within(-5, limit_park, NULL), -ETIMEDOUT);
    EQ(weir_within(INT64_MAX, limit_quick, NULL), 42);
    return 0;
}

static int limit_within_within(void *arg)
{
    (void)arg;
    EQ(weir_within(WEIR_S(1), limit_park, NULL), -ECANCELED);
    return -ECANCELED;
}

SIM_TEST(within_inside_within_lets_the_outer_speak)
{
    EQ(weir_within(WEIR_MS(10), limit_within_within, NULL), -ETIMEDOUT);
    return 0;
}

/* --- scopes and limits -------------------------------------------------- */

SIM_TEST(a_scope_in_a_limit_is_cancelled_by_it)
{
    struct weir_limit l;
    weir_scope *s;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(10))), 0);
    s = weir_scope_open(NULL);
    GO(s, limit_park, NULL);
    int r = weir_scope_close(&s);
    EQ(r, -ECANCELED);
    EQ(world_age(), WEIR_MS(10));
    EQ(weir_limit_fini(&l, r), -ETIMEDOUT);
    return 0;
}

SIM_TEST(a_limit_in_a_scope_sees_the_scopes_cancel_as_such)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(5)});
    struct weir_limit l;
    EQ(weir_limit_init(&l, weir_after(100)), 0);
    EQ(limit_park(NULL), -ECANCELED);
    EQ(weir_limit_fini(&l, -ECANCELED), -ECANCELED);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    return 0;
}

static int limit_own(void *arg)
{
    struct weir_limit l;
    EQ(weir_limit_init(&l, weir_after(*(weir_span *)arg)), 0);
    int r = weir_limit_fini(&l, limit_park(NULL));
    EQ(r, -ETIMEDOUT);
    EQ(world_age(), *(weir_span *)arg);
    return 0;
}

SIM_TEST(limits_of_different_fibers_do_not_meet)
{
    weir_span span[20];
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 20; i++) {
        span[i] = 1 + (weir_span)(test_random() % 30);
        GO(s, limit_own, &span[i]);
    }
    EQ(weir_scope_close(&s), 0);
    return 0;
}

/* --- shields ------------------------------------------------------------ */

static int shield_cleanup(void *arg)
{
    struct weir_limit l;
    int *cleaned = arg;
    EQ(limit_park(NULL), -ECANCELED);
    EQ(weir_shield_init(&l, WEIR_MS(50)), 0);
    EQ(weir_cancel_why(), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(20))), 0);
    *cleaned = 1;
    EQ(weir_sleep(weir_after(WEIR_MS(100))), -ECANCELED); /* its span is over */
    EQ(weir_limit_fini(&l, -ECANCELED), -ETIMEDOUT);
    EQ(weir_sleep(weir_after(1)), -ECANCELED);
    return -ECANCELED;
}

SIM_TEST(a_shield_lets_cleanup_park_but_not_for_ever)
{
    int cleaned = 0;
    weir_scope *s = weir_scope_open(NULL);
    GO(s, shield_cleanup, &cleaned);
    EQ(weir_sleep(weir_after(WEIR_MS(5))), 0);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    EQ(cleaned, 1);
    EQ(world_age(), WEIR_MS(55));
    return 0;
}

static int shield_first(void *arg)
{
    struct weir_limit l;
    (void)arg;
    EQ(weir_shield_init(&l, WEIR_S(1)), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(20))), 0); /* cancelled at 5 ms: not disturbed */
    EQ(world_age(), WEIR_MS(20));
    EQ(weir_limit_fini(&l, 0), 0);
    EQ(weir_cancel_why(), -EPERM);
    return limit_park(NULL);
}

SIM_TEST(a_cancel_that_comes_during_a_shield_waits_for_its_end)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, shield_first, NULL);
    EQ(weir_sleep(weir_after(WEIR_MS(5))), 0);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    EQ(world_age(), WEIR_MS(20));
    return 0;
}

SIM_TEST(a_scope_under_a_shield_works_in_a_cancelled_one)
{
    weir_scope *out = weir_scope_open(NULL), *in;
    struct weir_limit l;
    weir_span span = WEIR_MS(1);
    EQ(weir_scope_cancel(out, -EPERM), 0);
    EQ(weir_shield_init(&l, WEIR_S(1)), 0);
    in = weir_scope_open(NULL);
    GO(in, fiber_sleep, &span);
    EQ(weir_scope_close(&in), 0);
    in = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_MS(5))});
    GO(in, limit_park, NULL);
    EQ(weir_scope_close(&in), -ETIMEDOUT);
    EQ(weir_limit_fini(&l, 0), 0);
    EQ(weir_scope_close(&out), -EPERM);
    return 0;
}

SIM_TEST(a_limit_inside_a_shield_is_heard)
{
    struct weir_limit l, m;
    EQ(weir_shield_init(&l, WEIR_S(1)), 0);
    EQ(weir_limit_init(&m, weir_after(WEIR_MS(3))), 0);
    EQ(weir_limit_fini(&m, limit_park(NULL)), -ETIMEDOUT);
    EQ(weir_limit_fini(&l, 0), 0);
    EQ(weir_shield_init(&l, 0), 0); /* a shield of no time at all */
    EQ(weir_limit_fini(&l, limit_park(NULL)), -ETIMEDOUT);
    return 0;
}

/* --- every point -------------------------------------------------------- */

static int limit_flow(void *arg)
{
    struct weir_limit l;
    weir_span span = 1;
    (void)arg;
    int r = weir_limit_init(&l, weir_after(WEIR_MS(5)));
    if (r == 0) {
        weir_scope *s = weir_scope_open(NULL);
        r = weir_go(s, fiber_sleep, &span);
        int c = weir_scope_close(&s);
        if (r == 0)
            r = c;
    }
    if (r == 0)
        r = limit_park(NULL);
    r = weir_limit_fini(&l, r);
    return r == -ETIMEDOUT ? 0 : r;
}

static void limit_under_faults(void *arg)
{
    int r = world_run(limit_flow, arg);
    OK(test_fault_hit() ? r == 0 || r == -ENOMEM || r == -ECANCELED || r == -EINVAL : r == 0);
}

TEST(limits_hold_whatever_fails)
{
    EVERY_POINT(limit_under_faults, NULL);
}
