/*
 * test_scope.c -- scopes, limits, cancel: causes, deadlines, results, drain.
 */
#include <stdio.h>
#include <weir.h>

#include "core/pen.h"
#include "core/world.h"

static void run(int (*fn)(void *))
{
    struct weir_config c = {.alloc = test_alloc};

    EQ(weir_sim_run(test_seed(), &c, fn, NULL), 0);
}

static int ended;

static int nap(void *arg)
{
    int r = weir_sleep(weir_after(WEIR_MS((intptr_t)arg)));

    ended++;
    return r;
}

static int fail_after(void *arg)
{
    int r = weir_sleep(weir_after(WEIR_MS((intptr_t)arg)));

    return r < 0 ? r : -EIO;
}

static int first_cause(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, nap, (void *)1000), 0);
    EQ(weir_go(s, fail_after, (void *)10), 0);
    EQ(weir_go(s, nap, (void *)5), 0);
    EQ(weir_scope_close(&s), -EIO);
    OK(s == NULL);
    EQ(ended, 2);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(10));
    EQ(weir_cancel_why(), 0);
    return 0;
}

TEST(the_first_failure_cancels_the_rest_and_is_what_close_says)
{
    run(first_cause);
}

static int keeps_on(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.on_error = WEIR_KEEP});

    (void)arg;
    EQ(weir_go(s, fail_after, (void *)1), 0);
    EQ(weir_go(s, nap, (void *)50), 0);
    EQ(weir_scope_close(&s), -EIO);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(50));
    return 0;
}

TEST(with_keep_the_others_run_to_their_end)
{
    run(keeps_on);
}

static int deadlines(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_MS(20))});
    weir_scope *inner;
    struct weir_limit l;

    (void)arg;
    EQ(weir_go(s, nap, (void *)1000), 0);
    inner = weir_scope_open(&(struct weir_scope_opts){.deadline = weir_after(WEIR_S(9))});
    EQ(weir_go(inner, nap, (void *)1000), 0);
    EQ(weir_limit_init(&l, weir_after(WEIR_S(5))), 0);
    EQ(weir_sleep(weir_after(WEIR_S(1))), -ECANCELED); /* not its own deadline */
    EQ(weir_limit_fini(&l, -ECANCELED), -ECANCELED);
    EQ(weir_cancel_why(), -ETIMEDOUT);
    EQ(weir_scope_close(&inner), -ECANCELED);
    EQ(weir_scope_close(&s), -ETIMEDOUT); /* its own */
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(20));
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    return 0;
}

TEST(only_the_owner_of_a_deadline_says_timed_out)
{
    run(deadlines);
}

static int shields(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    struct weir_limit l;

    (void)arg;
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), -ECANCELED);
    EQ(weir_shield_init(&l, WEIR_MS(10)), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(5))), 0);
    EQ(weir_limit_fini(&l, weir_sleep(weir_after(WEIR_MS(50)))), -ETIMEDOUT);
    EQ(weir_sleep(weir_after(WEIR_MS(1))), -ECANCELED);
    EQ(weir_go(s, nap, NULL), -ECANCELED);
    EQ(weir_scope_close(&s), -EPERM);
    return 0;
}

TEST(a_shield_lets_cleanup_park_for_so_long)
{
    run(shields);
}

static int backpressure(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.limit = 2});

    (void)arg;
    for (int i = 0; i < 6; i++) {
        EQ(weir_go(s, nap, (void *)10), 0);
        LE(weir_scope_running(s), 2);
    }
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(20));
    EQ(weir_scope_close(&s), 0);
    EQ(ended, 6);
    return 0;
}

TEST(go_parks_while_the_limit_runs)
{
    run(backpressure);
}

static int in_order_of_ending(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 3});
    struct weir_done d;

    (void)arg;
    EQ(weir_go(s, nap, (void *)30), 0);
    EQ(weir_go(s, nap, (void *)10), 0);
    EQ(weir_go(s, nap, (void *)20), 0);
    EQ(weir_go(s, nap, (void *)40), -EAGAIN);
    EQ(weir_scope_next(s, &d, 0), -EAGAIN);
    for (intptr_t want = 10; want <= 30; want += 10) {
        EQ(weir_scope_next(s, &d, WEIR_NEVER), 1);
        EQ((intptr_t)d.arg, want);
    }
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 0);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

TEST(results_come_in_the_order_of_ending)
{
    run(in_order_of_ending);
}

static int drained(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, nap, (void *)5), 0);
    EQ(weir_go(s, nap, (void *)500), 0);
    EQ(weir_scope_drain(s, weir_after(WEIR_MS(50))), 1);
    EQ(weir_go(s, nap, NULL), -ECANCELED);
    EQ(weir_scope_close(&s), -ETIMEDOUT);
    EQ(weir_now() - WEIR_EPOCH, WEIR_MS(50));
    return 0;
}

TEST(drain_waits_then_cuts_and_counts)
{
    run(drained);
}

static int leaker(void *arg)
{
    (void)arg;
    return weir_go(weir_scope_open(NULL), nap, (void *)1000);
}

static int leaked(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);

    (void)arg;
    EQ(weir_go(s, leaker, NULL), 0);
    EQ(weir_scope_close(&s), WEIR_ELEAK);
    EQ(ended, 1);
    return 0;
}

TEST(a_fiber_that_leaves_a_scope_open_is_told)
{
    run(leaked);
}

static int misuse(void *arg)
{
    weir_scope *a = weir_scope_open(NULL), *b = weir_scope_open(NULL), *none = NULL;
    weir_scope *bad = weir_scope_open(&(struct weir_scope_opts){.deadline = WEIR_S(1)});
    struct weir_done d;

    (void)arg;
    EQ(weir_scope_close(&a), -EINVAL); /* b is inside */
    EQ(weir_scope_close(&none), -EINVAL);
    EQ(weir_error(bad), -EINVAL);
    EQ(weir_go(bad, nap, NULL), -EINVAL);
    EQ(weir_scope_close(&bad), -EINVAL);
    EQ(weir_go(a, NULL, NULL), -EINVAL);
    EQ(weir_go(NULL, nap, NULL), -EINVAL);
    EQ(weir_scope_next(a, &d, 0), -EINVAL); /* keeps no results */
    EQ(weir_scope_cancel(a, 1), -EINVAL);
    EQ(weir_sleep(WEIR_S(1)), -EINVAL); /* a span for an instant */
    EQ(weir_run(NULL, misuse, NULL), -EBUSY);
    EQ(weir_scope_close(&b), 0);
    EQ(weir_scope_close(&a), 0);
    return 0;
}

TEST(what_is_wrong_is_said)
{
    weir_scope *off = weir_scope_open(NULL);

    EQ(weir_error(off), WEIR_ENOFIBER);
    EQ(weir_sleep(WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_run(NULL, NULL, NULL), -EINVAL);
    EQ(weir_run(&(struct weir_config){.loops = 257}, misuse, NULL), -EINVAL);
    EQ(weir_run(&(struct weir_config){.stack = 100}, misuse, NULL), -EINVAL);
    run(misuse);
}

static int tree(void *arg)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.limit = 2});
    int r = 0;

    for (intptr_t i = 1; i < 5 && r == 0; i++)
        r = weir_go(s, (intptr_t)arg > 0 ? tree : nap, (void *)((intptr_t)arg - 1));
    OK(r == 0 || r == -ENOMEM || r == -ECANCELED);
    r = weir_scope_close(&s);
    OK(r == 0 || r == -ENOMEM || r == -ECANCELED || r == -EINVAL);
    return r == -EINVAL ? -ENOMEM : r; /* -EINVAL: the scope itself could not be had */
}

static void tree_once(void *arg)
{
    struct weir_config c = {.alloc = test_alloc};
    int r = weir_sim_run(test_seed(), &c, tree, arg);

    OK(r == 0 || r == -ENOMEM || r == -ECANCELED);
}

TEST(a_fault_at_any_point_of_a_tree_of_scopes_leaves_nothing)
{
    EVERY_POINT(tree_once, (void *)1);
}

/* --- go ----------------------------------------------------------------- */

SIM_TEST(a_scope_with_wrong_options_is_poisoned)
{
    struct weir_scope_opts o[] = {
        {.deadline = 1},
        {.deadline = -1},
        {.deadline = WEIR_EPOCH - 1},
        {.stack = (64 << 20) + 1},
        {.results = UINT32_MAX},
        {.on_error = (enum weir_on_error)7},
        {.spread = 2},
        {.reserved = {0, 0, 1}},
    };
    for (size_t i = 0; i < sizeof o / sizeof *o; i++) {
        struct weir_done d;
        weir_scope *s = weir_scope_open(&o[i]);
        OK(s);
        EQ(weir_scope_error(s), -EINVAL);
        EQ(weir_scope_why(s), -EINVAL);
        EQ(weir_scope_running(s), 0u);
        EQ(weir_go(s, fiber_nothing, NULL), -EINVAL);
        EQ(weir_scope_next(s, &d, 0), -EINVAL);
        EQ(weir_scope_cancel(s, -EPERM), -EINVAL);
        EQ(weir_scope_drain(s, 0), -EINVAL);
        EQ(weir_scope_close(&s), -EINVAL);
        OK(!s);
    }
    EQ(weir_scope_error(NULL), -EINVAL);
    EQ(weir_scope_why(NULL), -EINVAL);
    EQ(weir_scope_running(NULL), 0u);
    EQ(weir_scope_close(NULL), -EINVAL);
    EQ(weir_scope_drain(NULL, 0), -EINVAL);
    EQ(weir_scope_cancel(NULL, -1), -EINVAL);
    return 0;
}

SIM_TEST(wrong_arguments_change_nothing)
{
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.results = 2});
    struct weir_go_opts o = {.reserved = {0, 0, 1}};
    weir_chan *bad = weir_chan_new((struct weir_type){0}, 1);
    struct weir_done d;
    EQ(weir_go_with(s, fiber_nothing, NULL, &o), -EINVAL);
    EQ(weir_go_with(s, fiber_nothing, NULL, &(struct weir_go_opts){.feeds = bad}), -EINVAL);
    EQ(weir_go_with(s, fiber_nothing, NULL, &(struct weir_go_opts){.drains = bad}), -EINVAL);
    EQ(weir_go_with(s, NULL, NULL, NULL), -EINVAL);
    EQ(weir_scope_running(s), 0u);
    EQ(weir_scope_next(s, NULL, 0), -EINVAL);
    EQ(weir_scope_next(s, &d, 1), -EINVAL);
    EQ(weir_scope_next(NULL, &d, 0), -EINVAL);
    EQ(weir_scope_drain(s, 5), -EINVAL);
    EQ(weir_scope_cancel(s, 0), -EINVAL);
    EQ(weir_scope_why(s), 0);
    EQ(weir_scope_next(s, &d, WEIR_NEVER), 0); /* nothing runs, nothing is unread */
    GO(s, fiber_nothing, NULL);
    EQ(weir_scope_close(&s), 0);
    return 0;
}

struct spawner {
    weir_scope *scope;
    int n, running, most, result, told;
    weir_span span;
};

static int spawned(void *arg)
{
    struct spawner *p = arg;
    if (++p->running > p->most)
        p->most = p->running;
    int r = weir_sleep(weir_after(p->span));
    p->running--;
    return r;
}

static int spawner_main(void *arg)
{
    struct spawner *p = arg;
    for (int i = 0; i < 20 && p->result == 0; i++) {
        p->result = weir_go(p->scope, spawned, p);
        p->n += p->result == 0;
    }
    p->told += p->result < 0;
    return 0;
}

SIM_TEST(the_limit_is_exact_with_many_who_spawn)
{
    weir_scope *work = weir_scope_open(&(struct weir_scope_opts){.limit = 3}), *who;
    struct spawner shared = {.scope = work, .span = 2};
    who = weir_scope_open(NULL);
    for (int i = 0; i < 4; i++)
        GO(who, spawner_main, &shared);
    EQ(weir_scope_close(&who), 0);
    EQ(weir_scope_close(&work), 0);
    EQ(shared.n, 80);
    EQ(shared.most, 3);
    EQ(world_age(), 54); /* 80 in threes */
    return 0;
}

struct line {
    weir_scope *scope;
    int order[10], n;
};

struct line_place {
    struct line *line;
    int id;
};

static int line_spawned(void *arg)
{
    struct line_place *p = arg;
    p->line->order[p->line->n++] = p->id;
    return weir_sleep(weir_after(WEIR_MS(1)));
}

static int line_stand(void *arg)
{
    struct line_place *p = arg;
    EQ(weir_sleep(weir_after(p->id)), 0);
    GO(p->line->scope, line_spawned, p);
    return 0;
}

SIM_TEST(those_who_wait_to_spawn_are_served_in_order)
{
    struct line l = {.n = 0};
    struct line_place p[10];
    weir_scope *who;
    l.scope = weir_scope_open(&(struct weir_scope_opts){.limit = 1});
    who = weir_scope_open(NULL);
    for (int i = 0; i < 10; i++) {
        p[i] = (struct line_place){&l, i};
        GO(who, line_stand, &p[i]);
    }
    EQ(weir_scope_close(&who), 0);
    EQ(weir_scope_close(&l.scope), 0);
    EQ(l.n, 10);
    for (int i = 0; i < 10; i++)
        EQ(l.order[i], i);
    return 0;
}

SIM_TEST(a_cancel_reaches_outsiders_who_wait_to_spawn)
{
    struct spawner p = {.span = WEIR_S(1)};
    weir_scope *who = weir_scope_open(NULL), *work;
    work = p.scope = weir_scope_open(&(struct weir_scope_opts){.limit = 1});
    for (int i = 0; i < 4; i++)
        GO(who, spawner_main, &p);
    world_settle();
    EQ(weir_scope_cancel(work, -EPERM), 0);
    EQ(weir_scope_close(&work), -EPERM);
    EQ(weir_scope_close(&who), 0);
    EQ(p.result, -ECANCELED);
    EQ(p.n, 1);
    return 0;
}

SIM_TEST(a_drain_turns_away_those_who_wait_to_spawn)
{
    struct spawner p = {.span = WEIR_MS(10)};
    weir_scope *who = weir_scope_open(NULL), *work;
    work = p.scope = weir_scope_open(&(struct weir_scope_opts){.limit = 2});
    for (int i = 0; i < 4; i++)
        GO(who, spawner_main, &p);
    world_settle();
    EQ(weir_scope_drain(work, WEIR_NEVER), 0);
    EQ(p.n, 2);
    EQ(p.result, -ECANCELED);
    EQ(weir_scope_why(work), 0);
    EQ(weir_scope_close(&work), 0);
    EQ(weir_scope_close(&who), 0);
    return 0;
}

/* Three wait for one place; the results fill up meanwhile: each is told, none waits for ever. */
SIM_TEST(full_results_release_all_who_wait_to_spawn)
{
    struct spawner p = {.span = WEIR_MS(1)};
    weir_scope *who = weir_scope_open(NULL), *work;
    work = p.scope = weir_scope_open(&(struct weir_scope_opts){.limit = 1, .results = 3});
    for (int i = 0; i < 5; i++)
        GO(who, spawner_main, &p);
    EQ(weir_sleep(weir_after(WEIR_S(1))), 0);
    EQ(p.n, 3);
    EQ(p.result, -EAGAIN);
    EQ(p.told, 5);
    EQ(weir_scope_close(&work), 0);
    EQ(weir_scope_close(&who), 0);
    return 0;
}

static int go_cancelled(void *arg)
{
    struct spawner *p = arg;
    struct weir_limit l;
    EQ(weir_limit_init(&l, weir_after(WEIR_MS(3))), 0);
    p->result = weir_limit_fini(&l, weir_go(p->scope, spawned, p));
    return 0;
}

SIM_TEST(a_go_that_gives_up_has_started_nothing)
{
    struct spawner p = {.span = WEIR_MS(10)};
    weir_scope *work = weir_scope_open(&(struct weir_scope_opts){.limit = 1});
    p.scope = work;
    GO(work, spawned, &p);
    EQ(go_cancelled(&p), 0);
    EQ(p.result, -ETIMEDOUT);
    EQ(weir_scope_running(work), 1u);
    EQ(weir_scope_close(&work), 0);
    EQ(p.most, 1);
    EQ(world_age(), WEIR_MS(10));
    return 0;
}

static int go_deeper(void *arg)
{
    struct spawner *p = arg;
    if (p->n++ < 50)
        GO(p->scope, go_deeper, p); /* a member spawns, while the owner closes */
    return 0;
}

SIM_TEST(members_may_spawn_while_the_scope_closes)
{
    struct spawner p = {.n = 0};
    weir_scope *s = p.scope = weir_scope_open(NULL);
    GO(s, go_deeper, &p);
    EQ(weir_scope_close(&s), 0);
    EQ(p.n, 51);
    return 0;
}

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

/* --- pens --------------------------------------------------------------- */

struct pen_world {
    struct weir__pen pen;
    weir_scope *outer;
    int ended, result;
};

static int pen_fiber(void *arg)
{
    struct pen_world *p = arg;
    int r = weir_sleep(WEIR_NEVER - 1);
    struct weir_limit l;
    EQ(weir_shield_init(&l, WEIR_S(1)), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(5))), 0);
    EQ(weir_limit_fini(&l, 0), 0);
    p->ended++;
    return r;
}

SIM_TEST(a_pen_ends_with_the_scope_it_was_built_in)
{
    struct pen_world p = {.ended = 0};
    weir_scope *s = weir_scope_open(NULL);
    EQ(weir__pen_init(&p.pen), 0);
    EQ(weir__pen_go(&p.pen, pen_fiber, &p, "pen"), 0);
    EQ(weir__pen_go(&p.pen, pen_fiber, &p, "pen"), 0);
    world_settle();
    EQ(weir_scope_close(&s), 0);
    EQ(p.ended, 2);
    EQ(weir__pen_why(&p.pen), -ECANCELED);
    EQ(weir__pen_go(&p.pen, pen_fiber, &p, "pen"), -ECANCELED);
    weir__pen_cancel(&p.pen, -EPERM);
    weir__pen_join(&p.pen);
    return 0;
}

static int pen_closer(void *arg)
{
    struct pen_world *p = arg;
    weir__pen_cancel(&p->pen, -EPERM);
    weir__pen_join(&p->pen);
    memset(&p->pen, 0xee, sizeof p->pen); /* its memory is the owner's again */
    return 0;
}

/* The owner waits for the pen in one fiber, the builder's scope closes in another. */
SIM_TEST(a_pen_may_be_closed_by_two_at_once)
{
    for (int order = 0; order < 3; order++) {
        struct pen_world p = {.ended = 0};
        weir_scope *out = weir_scope_open(NULL), *s = weir_scope_open(NULL);
        EQ(weir__pen_init(&p.pen), 0);
        EQ(weir__pen_go(&p.pen, pen_fiber, &p, "pen"), 0);
        EQ(weir__pen_go(&p.pen, pen_fiber, &p, "pen"), 0);
        world_settle();
        GO(out, pen_closer, &p);
        for (int i = 0; i < order; i++)
            (void)weir_yield();
        if (order == 2)
            EQ(weir_sleep(weir_after(WEIR_MS(2))), 0);
        EQ(weir_scope_close(&s), 0);
        EQ(p.ended, 2); /* none outlives the scope it is a child of */
        EQ(weir_scope_close(&out), 0);
    }
    return 0;
}

static int pen_builds_pen(void *arg)
{
    struct pen_world *p = arg;
    EQ(weir__pen_init(&p->pen), 0);
    EQ(weir__pen_go(&p->pen, pen_fiber, p, "inner"), 0);
    return 0; /* and leaves it */
}

SIM_TEST(a_pen_built_in_a_pen_ends_with_it)
{
    for (int how = 0; how < 2; how++) {
        struct pen_world inner = {.ended = 0};
        struct weir__pen outer;
        weir_scope *s = weir_scope_open(NULL);
        EQ(weir__pen_init(&outer), 0);
        EQ(weir__pen_go(&outer, pen_builds_pen, &inner, "outer"), 0);
        world_settle();
        if (how == 0)
            weir__pen_join(&outer);
        EQ(weir_scope_close(&s), 0);
        EQ(inner.ended, 1);
        EQ(weir__pen_why(&inner.pen), -ECANCELED);
        weir__pen_join(&inner.pen);
        if (how == 1)
            weir__pen_join(&outer);
    }
    return 0;
}

static int pen_late(void *arg)
{
    struct pen_world *p = arg;
    EQ(weir_sleep(weir_after(WEIR_MS(5))), 0);
    p->ended++;
    return 0;
}

static int pen_spawns_in_scope(void *arg)
{
    struct pen_world *p = arg;
    (void)weir_sleep(WEIR_NEVER - 1);
    GO(p->outer, pen_late, p);
    return 0;
}

SIM_TEST(a_pen_that_spawns_into_the_closing_scope_is_waited_for)
{
    struct pen_world p = {.ended = 0};
    weir_scope *s = weir_scope_open(NULL);
    p.outer = s;
    EQ(weir__pen_init(&p.pen), 0);
    EQ(weir__pen_go(&p.pen, pen_spawns_in_scope, &p, "pen"), 0);
    world_settle();
    EQ(weir_scope_close(&s), 0);
    EQ(p.ended, 1);
    weir__pen_join(&p.pen);
    return 0;
}

static struct pen_world pen_of_main;

static int pen_main(void *arg)
{
    (void)arg;
    EQ(weir__pen_init(&pen_of_main.pen), 0);
    return weir__pen_go(&pen_of_main.pen, pen_fiber, &pen_of_main, "refresher");
}

TEST(a_pen_that_main_leaves_does_not_keep_the_program_alive)
{
    EQ(world_run(pen_main, NULL), 0);
    EQ(pen_of_main.ended, 1);
    EQ(weir__pen_why(&pen_of_main.pen), -ECANCELED);
    weir__pen_join(&pen_of_main.pen); /* freed by its owner, after the run */
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
    weir_time began = weir_now();

    EQ(weir_go(w.jobs, nap, (void *)10), 0);
    EQ(weir_go(w.jobs, nap, (void *)20), 0);
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
