/*
 * test_join.c -- join_all and race: a slot each, limits, first causes,
 * deadlines, losers that are waited for.
 */
#include <errno.h>
#include <weir.h>

#include "core/world.h"

/* --- jobs ---------------------------------------------------------------------- */

static struct gauge {
    int running, most, started, ended;
} gauge;

struct nap {
    int ms, result, stubborn; /* stubborn: succeeds although it was cancelled */
    int slow_end;             /* ms that it needs to leave */
};

static int nap(void *arg)
{
    struct nap *n = arg;
    int r;

    gauge.started++;
    if (++gauge.running > gauge.most)
        gauge.most = gauge.running;
    r = weir_sleep(weir_after(WEIR_MS(n->ms)));
    if (n->slow_end) {
        struct weir_limit l;
        EQ(weir_shield_init(&l, WEIR_S(10)), 0);
        EQ(weir_sleep(weir_after(WEIR_MS(n->slow_end))), 0);
        (void)weir_limit_fini(&l, 0);
    }
    gauge.running--;
    gauge.ended++;
    return r < 0 && !n->stubborn ? r : n->result;
}

enum { MOST = 16 };
static struct weir_job jobs[MOST];
static struct nap naps[MOST];

static void set(size_t i, struct nap n)
{
    naps[i] = n;
    jobs[i] = (struct weir_job){nap, &naps[i], 12345};
    gauge = (struct gauge){0};
}

/* --- join ------------------------------------------------------------------------ */

SIM_TEST(join_all_waits_for_all_and_keeps_each_result)
{
    for (int i = 0; i < 8; i++)
        set((size_t)i, (struct nap){.ms = 10 * (8 - i), .result = i});
    EQ(weir_join_all(jobs, 8, NULL), 0);
    for (int i = 0; i < 8; i++)
        EQ(jobs[i].result, i);
    EQ(world_age(), WEIR_MS(80));
    EQ(gauge.most, 8);
    return 0;
}

SIM_TEST(join_all_runs_limit_at_once)
{
    for (int i = 0; i < 9; i++)
        set((size_t)i, (struct nap){.ms = 10});
    EQ(weir_join_all(jobs, 9, &(struct weir_join_opts){.limit = 3}), 0);
    EQ(gauge.most, 3);
    EQ(world_age(), WEIR_MS(30));
    return 0;
}

SIM_TEST(the_first_failure_cancels_the_rest_and_is_the_result)
{
    set(0, (struct nap){.ms = 1, .result = 4});
    set(1, (struct nap){.ms = 5, .result = -EIO});
    set(2, (struct nap){.ms = 50, .slow_end = 20});
    set(3, (struct nap){.ms = 5});
    EQ(weir_join_all(jobs, 4, &(struct weir_join_opts){.limit = 3}), -EIO);
    EQ(jobs[0].result, 4);
    EQ(jobs[1].result, -EIO);
    EQ(jobs[2].result, -ECANCELED);
    EQ(jobs[3].result == WEIR_ENOTRUN || jobs[3].result == -ECANCELED || jobs[3].result == 0, 1);
    EQ(world_age(), WEIR_MS(25)); /* it was waited for */
    EQ(gauge.running, 0);
    return 0;
}

SIM_TEST(keep_runs_the_others_all_the_same)
{
    set(0, (struct nap){.ms = 1, .result = -EIO});
    set(1, (struct nap){.ms = 5, .result = -EACCES});
    set(2, (struct nap){.ms = 10, .result = 7});
    EQ(weir_join_all(jobs, 3, &(struct weir_join_opts){.on_error = WEIR_KEEP, .limit = 1}), -EIO);
    OK(jobs[0].result == -EIO && jobs[1].result == -EACCES && jobs[2].result == 7);
    return 0;
}

SIM_TEST(a_deadline_returns_what_was_done)
{
    set(0, (struct nap){.ms = 5, .result = 1});
    set(1, (struct nap){.ms = 500});
    set(2, (struct nap){.ms = 5});
    EQ(weir_join_all(jobs, 3,
                     &(struct weir_join_opts){.limit = 1, .deadline = weir_after(WEIR_MS(20))}),
       -ETIMEDOUT);
    OK(jobs[0].result == 1 && jobs[1].result == -ETIMEDOUT && jobs[2].result == WEIR_ENOTRUN);
    EQ(world_age(), WEIR_MS(20));
    return 0;
}

static int join_four(void *arg)
{
    (void)arg;
    return weir_join_all(jobs, 4, &(struct weir_join_opts){.limit = 2});
}

SIM_TEST(a_cancelled_join_waits_and_says_who_never_ran)
{
    for (size_t i = 0; i < 4; i++)
        set(i, (struct nap){.ms = 100, .slow_end = 5});
    EQ(weir_within(WEIR_MS(10), join_four, NULL), -ETIMEDOUT);
    EQ(gauge.running, 0);
    OK(jobs[0].result == -ECANCELED && jobs[1].result == -ECANCELED);
    OK(jobs[2].result == WEIR_ENOTRUN && jobs[3].result == WEIR_ENOTRUN);
    return 0;
}

static int nobody(void *arg)
{
    (void)arg;
    return 0;
}

SIM_TEST(join_and_race_refuse_what_makes_no_sense)
{
    struct weir_job none = {0}, fine = {nobody, NULL, 0};

    EQ(weir_join_all(NULL, 0, NULL), 0);
    EQ(weir_join_all(NULL, 1, NULL), -EINVAL);
    EQ(weir_join_all(&none, 1, NULL), -EINVAL);
    EQ(weir_join_all(&fine, SIZE_MAX, NULL), -EINVAL);
    EQ(weir_join_all(&fine, 1, &(struct weir_join_opts){.deadline = 5}), -EINVAL);
    EQ(weir_join_all(&fine, 1, &(struct weir_join_opts){.reserved = {0, 1}}), -EINVAL);
    EQ(weir_join_all(&fine, 1, &(struct weir_join_opts){.on_error = (enum weir_on_error)7}),
       -EINVAL);
    EQ(weir_race(NULL, 0, NULL), -EINVAL);
    EQ(weir_race(&fine, (size_t)INT32_MAX + 1, NULL), -EINVAL);
    EQ(weir_race(&fine, 1, &(struct weir_join_opts){.on_error = WEIR_KEEP}), -EINVAL);
    EQ(weir_race(&none, 1, NULL), -EINVAL);
    EQ(weir_join_all(&fine, 1, &(struct weir_join_opts){.stack = 128 << 20}), -EINVAL);
    return 0;
}

TEST(a_join_off_a_fiber_says_so)
{
    struct weir_job fine = {nobody, NULL, 0};

    EQ(weir_join_all(&fine, 1, NULL), WEIR_ENOFIBER);
    EQ(weir_race(&fine, 1, NULL), WEIR_ENOFIBER);
}

/* --- race ---------------------------------------------------------------------------- */

SIM_TEST(the_first_success_wins_and_the_losers_are_waited_for)
{
    set(0, (struct nap){.ms = 100, .slow_end = 30});
    set(1, (struct nap){.ms = 1, .result = -EIO});
    set(2, (struct nap){.ms = 10, .result = 9});
    set(3, (struct nap){.ms = 100, .stubborn = 1, .result = 3});
    EQ(weir_race(jobs, 4, NULL), 2);
    OK(jobs[0].result == -ECANCELED && jobs[1].result == -EIO && jobs[2].result == 9);
    EQ(jobs[3].result, 3); /* what it made is ours */
    EQ(world_age(), WEIR_MS(40));
    EQ(gauge.running, 0);
    return 0;
}

SIM_TEST(a_race_nobody_wins_has_the_first_failure)
{
    set(0, (struct nap){.ms = 20, .result = -EACCES});
    set(1, (struct nap){.ms = 10, .result = -EIO});
    EQ(weir_race(jobs, 2, NULL), -EIO);
    OK(jobs[0].result == -EACCES && jobs[1].result == -EIO);
    return 0;
}

SIM_TEST(a_limited_race_starts_the_next_when_one_has_failed)
{
    set(0, (struct nap){.ms = 10, .result = -EIO});
    set(1, (struct nap){.ms = 10});
    set(2, (struct nap){.ms = 10});
    EQ(weir_race(jobs, 3, &(struct weir_join_opts){.limit = 1}), 1);
    EQ(jobs[2].result, WEIR_ENOTRUN);
    EQ(gauge.started, 2);
    set(0, (struct nap){.ms = 50});
    set(1, (struct nap){.ms = 50});
    EQ(weir_race(jobs, 2, &(struct weir_join_opts){.deadline = weir_after(WEIR_MS(5))}),
       -ETIMEDOUT);
    OK(jobs[0].result == -ETIMEDOUT && jobs[1].result == -ETIMEDOUT);
    return 0;
}

/* --- a fault at every point ------------------------------------------------------------- */

static int both(void *arg)
{
    int r;

    (void)arg;
    for (size_t i = 0; i < 4; i++)
        set(i, (struct nap){.ms = 5, .result = (int)i});
    r = weir_join_all(jobs, 4, &(struct weir_join_opts){.limit = 2});
    EQ(gauge.running, 0);
    EQ(gauge.started, gauge.ended);
    for (int i = 0, all = 1; i < 4; i++) {
        all = all && jobs[i].result >= 0;
        OK(i < 3 || (r == 0) == all); /* 0 if and only if all ran well */
    }
    r = weir_race(jobs, 4, &(struct weir_join_opts){.limit = 3});
    EQ(gauge.running, 0);
    OK(r >= 0 ? jobs[r].result == r : test_fault_hit());
    return 0;
}

static void both_once(void *arg)
{
    int r = world_seed(5, both, arg);

    OK(r == 0 || test_fault_hit());
}

TEST(join_and_race_leave_nothing_behind_at_any_point)
{
    EVERY_POINT(both_once, NULL);
}
