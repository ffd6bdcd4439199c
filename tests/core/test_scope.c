/*
 * test_scope.c -- scopes, limits, cancel: causes, deadlines, drain, and what a go
 * waits for.
 */
#include <weir.h>

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
