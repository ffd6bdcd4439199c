/*
 * test_scope_pen.c -- pens: what a scope's own helpers run in ends with the scope.
 */
#include <weir.h>

#include "core/pen.h"
#include "core/world.h"

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
