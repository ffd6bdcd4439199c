/*
 * scope_close.c -- the end of a scope: whoever closes it waits for every fiber
 * and pen that it has, and takes the first cause along.
 */
#include "core/core.h"
#include "core/group.h"
#include "core/pen.h"

struct scope_grace {
    struct weir__timer timer;
    weir_scope *scope;
};

/* Past `grace` the log is told who has not returned. */
static void scope_grace_over(struct weir__timer *t)
{
    weir_scope *s = WEIR__ENTRY(t, struct scope_grace, timer)->scope;
    struct weir__fiber *f;

    if (weir__list_empty(&s->fibers))
        return;
    f = WEIR__ENTRY(s->fibers.next, struct weir__fiber, member);
    weir__log(s->loop, WEIR_LOG_WARN, "scope %s: close waits for %zu fibers, first %s in %s",
              s->opts.name ? s->opts.name : "?", s->running, f->name[0] ? f->name : "?",
              f->waits ? f->waits : "?");
}

/* Waits for the fibers of a scope, deaf to cancel. */
void weir__scope_join(weir_scope *s, struct weir__fiber *me, const char *what)
{
    struct scope_grace grace = {{.fire = scope_grace_over}, s};
    struct weir__waiter w;

    while (s->running || s->promised) {
        weir__waiter_init(&w, me, NULL);
        weir__list_append(&s->end_waiters, &w.link);
        if (s->node.why && s->loop->config.log) /* one that is not cancelled may take its time */
            (void)weir__timer_arm(&grace.timer, weir_after(s->loop->config.grace));
        weir__wait_shielded(me, what, s);
        weir__timer_stop(&grace.timer);
        weir__list_remove(&w.link);
    }
}

/* Waits for fibers and pens; each may leave something of the other kind behind. */
void weir__scope_empty(weir_scope *s, struct weir__fiber *me, const char *what)
{
    do {
        weir__scope_join(s, me, what);
        weir__scope_pens_close(s, me);
    } while (s->running || s->promised);
}

bool weir__scope_has_pens(const weir_scope *s)
{
    struct weir__loop *g = weir__pens_guard();
    bool any = !weir__list_empty(&s->pens);

    weir__pens_unguard(g);
    return any;
}

/* A pen of the scope, which is now dead; its own scope in *out.  False: there is none. */
static bool scope_take_pen(weir_scope *s, weir_scope **out)
{
    struct weir__loop *g = weir__pens_guard();
    struct weir__pen *p = NULL;

    if (!weir__list_empty(&s->pens)) {
        p = WEIR__ENTRY(s->pens.next, struct weir__pen, link);
        weir__list_remove(&p->link);
        p->builder = NULL;
        __atomic_store_n(&p->dead, true, __ATOMIC_RELAXED);
        *out = p->scope;
    }
    weir__pens_unguard(g);
    return p != NULL;
}

/* The object that owns the pen may be closing it at the same time, in another fiber. */
static void scope_close_pen(weir_scope *s, struct weir__fiber *me)
{
    weir__node_cancel(&s->node, -ECANCELED);
    s->joiners++;
    weir__scope_empty(s, me, "pen");
    weir__node_leave(&s->node);
    s->node.parent = NULL;
    if (s->pen)
        s->pen->scope = NULL;
    if (--s->joiners == 0)
        weir__scope_destroy(s);
}

void weir__scope_pens_close(weir_scope *s, struct weir__fiber *me)
{
    weir_scope *pen;

    while (scope_take_pen(s, &pen))
        if (pen)
            scope_close_pen(pen, me);
}

static int scope_result(const weir_scope *s)
{
    if (s->first)
        return s->first;
    return s->node.why && s->node.inherited ? -ECANCELED : s->node.why;
}

static int scope_leave(weir_scope *s, struct weir__fiber *me)
{
    int r;

    weir__scope_empty(s, me, "scope_close");
    r = scope_result(s);
    me->node = s->node.parent;
    weir__scope_destroy(s);
    return r;
}

int weir_scope_close(weir_scope **sp)
{
    struct weir__fiber *me = weir__self();
    weir_scope *s;
    int r;

    if (!sp || !*sp)
        return -EINVAL;
    s = *sp;
    if (s->poison) {
        r = s->poison;
        *sp = NULL;
        return r;
    }
    if (!me)
        return WEIR_ENOFIBER;
    if (me->node != &s->node || s->node.owner != me) /* a member's innermost node is it, too */
        return -EINVAL;
    r = scope_leave(s, me);
    *sp = NULL;
    return r;
}

int weir__scope_unwind(struct weir__fiber *me, int result)
{
    while (me->node != &me->scope->node) {
        struct weir__node *n = me->node;

        if (n->kind == WEIR__NODE_SCOPE) {
            weir__node_cancel(n, WEIR_ELEAK);
            scope_leave((weir_scope *)n, me);
            result = WEIR_ELEAK;
            continue;
        }
        me->node = n->parent; /* a limit left open: its memory may be gone with the frame */
        weir__check(!"a fiber returned inside a weir_limit");
    }
    return result;
}

/* True if the scope cannot empty before `f` itself has ended. */
static bool scope_holds(const weir_scope *s, const struct weir__fiber *f)
{
    const struct weir__node *n = &f->scope->node;

    while (n && n != &s->node)
        n = n->parent;
    return n;
}

int weir_scope_drain(weir_scope *s, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;
    int cut, r = 0;

    if (!s || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    if (s->poison)
        return s->poison;
    if (!me)
        return WEIR_ENOFIBER;
    if (me->loop != s->loop)
        return -EXDEV;
    if (scope_holds(s, me))
        return -EDEADLK;
    s->draining = true;
    s->plain = false;
    weir__wake_all(&s->stop_waiters, 1);
    weir__fars_drain(s);
    weir__wake_all(&s->go_waiters, -ECANCELED);
    while (s->running && r == 0) {
        weir__waiter_init(&w, me, NULL);
        weir__list_append(&s->end_waiters, &w.link);
        r = weir__wait(me, deadline, "scope_drain", s);
        weir__list_remove(&w.link);
    }
    cut = (int)s->running;
    if (cut)
        weir__node_cancel(&s->node, r == -ECANCELED ? -ECANCELED : -ETIMEDOUT);
    weir__scope_join(s, me, "scope_drain");
    return cut;
}
