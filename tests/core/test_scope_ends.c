/*
 * test_scope_ends.c -- how a scope ends: the cause that its close tells, results,
 * scopes left open, drains and the grace after which a close is logged.
 */
#include <stdio.h>
#include <weir.h>

#include "core/world.h"

/* --- causes ------------------------------------------------------------- */

static int cause_echo(void *arg)
{
    int r = weir_sleep(WEIR_NEVER);
    EQ(r, -ECANCELED);
    return arg ? *(int *)arg : r;
}

SIM_TEST(the_first_cause_is_never_masked)
{
    int eio = -EIO, other = -EXDEV;
    weir_scope *s = weir_scope_open(NULL);
    GO(s, cause_echo, NULL);
    GO(s, cause_echo, &other); /* fails with something else once it is cancelled */
    GO(s, fiber_result, &eio);
    EQ(weir_scope_close(&s), -EIO);

    s = weir_scope_open(NULL);
    GO(s, cause_echo, &other);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_cancel(s, -EBUSY), 0); /* the first one stays */
    EQ(weir_scope_why(s), -EPERM);
    EQ(weir_scope_close(&s), -EPERM);

    s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(5)});
    GO(s, cause_echo, &other);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    return 0;
}

SIM_TEST(a_cause_of_its_own_is_not_masked_by_a_later_one_from_above)
{
    weir_scope *out = weir_scope_open(NULL), *in = weir_scope_open(NULL);
    EQ(weir_scope_cancel(in, -EPERM), 0);
    EQ(weir_scope_cancel(out, -EBUSY), 0);
    EQ(weir_scope_close(&in), -EPERM);
    EQ(weir_scope_close(&out), -EBUSY);

    out = weir_scope_open(NULL), in = weir_scope_open(NULL);
    EQ(weir_scope_cancel(out, -EBUSY), 0);
    EQ(weir_scope_cancel(in, -EPERM), 0);
    EQ(weir_scope_why(in), -EBUSY);
    EQ(weir_scope_close(&in), -ECANCELED); /* from above */
    EQ(weir_scope_close(&out), -EBUSY);
    return 0;
}

SIM_TEST(a_scope_opened_in_a_cancelled_one_is_cancelled)
{
    weir_scope *out = weir_scope_open(NULL), *in;
    EQ(weir_scope_cancel(out, -EBUSY), 0);
    in = weir_scope_open(NULL);
    EQ(weir_scope_error(in), 0);
    EQ(weir_scope_why(in), -EBUSY);
    EQ(weir_go(in, fiber_nothing, NULL), -ECANCELED);
    EQ(weir_scope_close(&in), -ECANCELED);
    EQ(weir_scope_close(&out), -EBUSY);
    return 0;
}

static int cause_nested(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    GO(s, cause_echo, NULL);
    int r = weir_scope_close(&s);
    EQ(r, -ECANCELED);
    ++*(int *)arg;
    return r;
}

SIM_TEST(a_cancel_goes_down_and_not_up_or_sideways)
{
    int n = 0;
    weir_span span = WEIR_MS(50);
    weir_scope *a = weir_scope_open(NULL), *b = weir_scope_open(NULL);
    GO(a, fiber_sleep, &span);
    GO(b, cause_nested, &n);
    GO(b, cause_nested, &n);
    world_settle();
    EQ(weir_scope_cancel(b, -EPERM), 0);
    EQ(weir_scope_close(&b), -EPERM);
    EQ(n, 2);
    EQ(world_age(), 0);
    EQ(weir_scope_close(&a), 0);
    EQ(world_age(), span);
    return 0;
}

SIM_TEST(the_least_deadline_of_nested_scopes_wins)
{
    weir_scope *a = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(100)});
    weir_scope *b = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(10)});
    weir_scope *c = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(50)});
    GO(c, cause_echo, NULL);
    EQ(weir_scope_close(&c), -ECANCELED);
    EQ(weir_scope_close(&b), -ETIMEDOUT);
    EQ(world_age(), 10);
    EQ(weir_sleep(weir_after(5)), 0);
    EQ(weir_scope_close(&a), 0);
    return 0;
}

SIM_TEST(a_deadline_that_has_passed_cancels_at_once)
{
    EQ(weir_sleep(weir_after(5)), 0);
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.deadline = WEIR_EPOCH + 1});
    EQ(weir_go(s, fiber_nothing, NULL), -ECANCELED);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    s = weir_scope_open(&(struct weir_scope_opts){.deadline = WEIR_NEVER});
    GO(s, fiber_nothing, NULL);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

/* --- results ------------------------------------------------------------ */

SIM_TEST(finished_results_survive_a_timeout)
{
    weir_span span[3] = {5, 10, WEIR_S(9)};
    struct weir_done d;
    int n = 0;
    weir_scope *s =
        weir_scope_open(&(struct weir_scope_opts){.results = 3, .deadline = weir_after(20)});
    for (int i = 0; i < 3; i++)
        GO(s, fiber_sleep, &span[i]);
    (void)weir_sleep(weir_after(30));
    while (weir_scope_next(s, &d, 0) == 1) {
        EQ(d.arg, (void *)&span[n]);
        EQ(d.result, n < 2 ? 0 : -ECANCELED);
        n++;
    }
    LE(2, n);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    return 0;
}

SIM_TEST(a_wait_for_a_result_can_time_out_and_goes_on)
{
    weir_span span = 10;
    struct weir_done d = {0};
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 1});
    GO(s, fiber_sleep, &span);
    EQ(weir_scope_next(s, &d, 0), -EAGAIN);
    EQ(weir_scope_next(s, &d, weir_after(5)), -ETIMEDOUT);
    EQ(weir_go(s, fiber_nothing, NULL), -EAGAIN);
    EQ(weir_scope_next(s, &d, weir_after(50)), 1);
    EQ(d.arg, (void *)&span);
    EQ(d.result, 0);
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 0);
    GO(s, fiber_nothing, NULL); /* there is room again */
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 1);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

/* --- leaks -------------------------------------------------------------- */

static int leak_two(void *arg)
{
    (void)weir_scope_open(NULL);
    GO(weir_scope_open(NULL), cause_echo, NULL);
    return arg ? 5 : 0;
}

SIM_TEST(scopes_left_open_are_cancelled_joined_and_told)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 1});
    struct weir_done d;
    GO(s, leak_two, NULL);
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 1);
    EQ(d.result, WEIR_ELEAK);
    EQ(weir_scope_close(&s), WEIR_ELEAK);
    return 0;
}

TEST(a_program_that_leaves_a_scope_open_is_told)
{
    int five = 5;
    EQ(world_run(leak_two, NULL), WEIR_ELEAK);
    EQ(world_run(leak_two, &five), WEIR_ELEAK);
}

static int close_others(void *arg)
{
    weir_scope *s = arg;
    EQ(weir_scope_close(&s), -EINVAL);
    OK(s == arg);
    return 0;
}

SIM_TEST(only_the_opener_closes_and_in_order)
{
    weir_scope *a = weir_scope_open(NULL), *b = weir_scope_open(NULL), *kept = a;
    struct weir_limit l;
    GO(b, close_others, a);
    GO(b, close_others, b);
    EQ(weir_scope_close(&a), -EINVAL);
    OK(a == kept);
    EQ(weir_limit_init(&l, WEIR_NEVER), 0);
    EQ(weir_scope_close(&b), -EINVAL); /* the limit is inside */
    EQ(weir_limit_fini(&l, 0), 0);
    EQ(weir_scope_close(&b), 0);
    EQ(weir_scope_close(&a), 0);
    return 0;
}

/* --- drain -------------------------------------------------------------- */

SIM_TEST(a_drain_without_time_cuts_all_and_one_with_enough_cuts_none)
{
    weir_span span = WEIR_MS(5);
    weir_scope *s = weir_scope_open(NULL);
    for (int i = 0; i < 7; i++)
        GO(s, fiber_sleep, &span);
    EQ(weir_scope_drain(s, 0), 7);
    EQ(weir_scope_running(s), 0u);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    EQ(world_age(), 0);

    s = weir_scope_open(NULL);
    for (int i = 0; i < 7; i++)
        GO(s, fiber_sleep, &span);
    EQ(weir_scope_drain(s, weir_after(WEIR_S(1))), 0);
    EQ(world_age(), span);
    EQ(weir_scope_drain(s, 0), 0); /* again: nothing to do */
    EQ(weir_scope_close(&s), 0);
    return 0;
}

SIM_TEST(a_cancelled_drainer_cuts_what_is_left)
{
    weir_span span = WEIR_S(5);
    struct weir_limit l;
    weir_scope *s = weir_scope_open(NULL);
    GO(s, fiber_sleep, &span);
    world_settle();
    weir_scope *inner = weir_scope_open(NULL);
    EQ(weir_limit_init(&l, weir_after(5)), 0);
    EQ(weir_scope_drain(s, WEIR_NEVER), 1);
    EQ(weir_limit_fini(&l, 0), 0);
    EQ(world_age(), 5);
    EQ(weir_scope_close(&inner), -ECANCELED);
    EQ(weir_scope_close(&s), -ECANCELED);
    return 0;
}

/* --- grace -------------------------------------------------------------- */

struct grace_log {
    int n;
    char text[256];
};

static void grace_log(void *ctx, int level, const char *text)
{
    struct grace_log *l = ctx;
    EQ(level, WEIR_LOG_WARN);
    l->n++;
    snprintf(l->text, sizeof l->text, "%s", text);
}

static int grace_stubborn(void *arg)
{
    struct weir_limit l;
    (void)arg;
    weir_name("stubborn");
    EQ(weir_shield_init(&l, WEIR_S(60)), 0);
    EQ(weir_sleep(weir_after(WEIR_S(20))), 0);
    return weir_limit_fini(&l, 0);
}

static int grace_main(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "shop"});
    (void)arg;
    GO(s, grace_stubborn, NULL);
    world_settle();
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    EQ(world_age(), WEIR_S(20));
    return 0;
}

TEST(a_close_that_waits_past_its_grace_is_logged_by_name)
{
    struct grace_log log = {0};
    struct weir_config c = {
        .alloc = test_alloc, .log = grace_log, .log_ctx = &log, .grace = WEIR_S(2)};
    EQ(weir_sim_run(test_seed(), &c, grace_main, NULL), 0);
    EQ(log.n, 1);
    OK(strstr(log.text, "shop") && strstr(log.text, "stubborn") && strstr(log.text, "sleep"));
    log.n = 0;
    c.grace = WEIR_S(30);
    EQ(weir_sim_run(test_seed(), &c, grace_main, NULL), 0);
    EQ(log.n, 0);
}

/* --- several in weir_scope_next ------------------------------------------ */

struct next_world {
    weir_scope *jobs;
    weir_time slept, got[2];
};

static int next_gives_up(void *arg)
{
    struct next_world *w = arg;
    struct weir_done d;

    EQ(weir_scope_next(w->jobs, &d, weir_after(WEIR_MS(5))), -ETIMEDOUT);
    EQ(weir_sleep(weir_after(WEIR_MS(100))), 0);
    w->slept = weir_now();
    return 0;
}

static int next_gets(void *arg)
{
    struct next_world *w = arg;
    struct weir_done d;
    int i;

    for (i = 0; w->got[i]; i++)
        ;
    w->got[i] = 1; /* stands */
    EQ(weir_scope_next(w->jobs, &d, WEIR_NEVER), 1);
    w->got[i] = weir_now();
    return 0;
}

SIM_TEST(who_gave_up_on_a_result_is_not_woken_and_those_behind_are_in_turn)
{
    struct next_world w = {.jobs = weir_scope_open(&(struct weir_scope_opts){.results = 4})};
    weir_span ten = WEIR_MS(10), twenty = WEIR_MS(20);
    weir_time began = weir_now();

    GO(w.jobs, fiber_sleep, &ten);
    GO(w.jobs, fiber_sleep, &twenty);
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir_go(s, next_gives_up, &w), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_go(s, next_gets, &w), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    EQ(weir_go(s, next_gets, &w), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w.got[0], began + WEIR_MS(10));
    EQ(w.got[1], began + WEIR_MS(20));
    EQ(w.slept, began + WEIR_MS(105));
    EQ(weir_scope_close(&w.jobs), 0);
    return 0;
}
