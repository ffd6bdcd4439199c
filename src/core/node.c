/*
 * node.c -- cancelling, in one place.
 *
 * A cancel goes down the tree.  A fiber is woken for its innermost node only,
 * so one that shields itself goes on, and one that has left the node is not
 * disturbed.
 */
#include "core/core.h"
#include "core/group.h"

void weir__node_init(struct weir__node *n, struct weir__node *parent, struct weir__fiber *owner,
                     enum weir__node_kind kind)
{
    n->parent = parent;
    n->owner = owner;
    n->kind = (uint8_t)kind;
    n->why = parent && kind != WEIR__NODE_SHIELD ? parent->why : 0;
    n->inherited = n->why != 0;
    n->expired = false;
    n->timer = (struct weir__timer){0};
    weir__list_init(&n->children);
    weir__list_init(&n->sibling);
    if (parent)
        weir__list_append(&parent->children, &n->sibling);
}

void weir__node_leave(struct weir__node *n)
{
    weir__timer_stop(&n->timer);
    weir__list_remove(&n->sibling);
}

static void node_wake(struct weir__node *n, struct weir__fiber *f)
{
    if (f && f->node == n && !f->shielded)
        weir__wake(f, -ECANCELED, NULL);
}

static void node_wake_members(weir_scope *s)
{
    for (struct weir__list *i = s->fibers.next; i != &s->fibers; i = i->next)
        node_wake(&s->node, WEIR__ENTRY(i, struct weir__fiber, member));
    weir__fars_cancel(s);
    weir__wake_all(&s->stop_waiters, 1);
    weir__wake_all(&s->go_waiters, -ECANCELED); /* they may be anybody's fibers */
}

/* The next node of the subtree of `top` in pre-order, shields left out; NULL at its end. */
static struct weir__node *node_following(struct weir__node *top, struct weir__node *n, bool down)
{
    struct weir__list *next = &n->children;

    if (!down || weir__list_empty(&n->children)) {
        while (n != top && n->sibling.next == &n->parent->children)
            n = n->parent;
        if (n == top)
            return NULL;
        return WEIR__ENTRY(n->sibling.next, struct weir__node, sibling);
    }
    return WEIR__ENTRY(next->next, struct weir__node, sibling);
}

void weir__node_cancel(struct weir__node *top, int why)
{
    struct weir__node *n = top;

    while (n) {
        bool reached = n == top || n->kind != WEIR__NODE_SHIELD;

        reached = reached && !n->why;
        if (reached) {
            n->why = why;
            n->inherited = n != top;
            node_wake(n, n->owner);
            if (n->kind == WEIR__NODE_SCOPE)
                node_wake_members((weir_scope *)n);
        }
        n = node_following(top, n, reached);
    }
}

static void node_expire(struct weir__timer *t)
{
    struct weir__node *n = WEIR__ENTRY(t, struct weir__node, timer);

    if (n->why)
        return;
    n->expired = true;
    weir__node_cancel(n, -ETIMEDOUT);
}

int weir__node_deadline(struct weir__node *n, weir_time deadline)
{
    struct weir__loop *l = weir__loop_get();

    n->timer.fire = node_expire;
    if (deadline == WEIR_NEVER)
        return 0;
    if (deadline > l->now)
        return weir__timer_arm(&n->timer, deadline);
    node_expire(&n->timer);
    return 0;
}

/* --- limits ------------------------------------------------------------ */

_Static_assert(sizeof(struct weir__node) <= sizeof(struct weir_limit), "a limit is a node");

static int limit_open(struct weir_limit *l, weir_time deadline, enum weir__node_kind kind)
{
    struct weir__node *n = (struct weir__node *)l;
    struct weir__fiber *me = weir__self();
    int r;

    n->owner = NULL; /* fini of a failed init passes through */
    if (!me)
        return WEIR_ENOFIBER;
    if (weir__deadline_check(deadline) < 0)
        return -EINVAL;
    weir__node_init(n, me->node, me, kind);
    me->node = n;
    r = weir__node_deadline(n, deadline);
    if (r < 0) {
        me->node = n->parent;
        weir__node_leave(n);
        n->owner = NULL;
    }
    return r;
}

int weir_limit_init(struct weir_limit *l, weir_time deadline)
{
    return l ? limit_open(l, deadline, WEIR__NODE_LIMIT) : -EINVAL;
}

int weir_shield_init(struct weir_limit *l, weir_span span)
{
    return l ? limit_open(l, weir_after(span), WEIR__NODE_SHIELD) : -EINVAL;
}

int weir_limit_fini(struct weir_limit *l, int r)
{
    struct weir__node *n = (struct weir__node *)l;
    bool outer;

    if (!l || !n->owner)
        return r;
    weir__check(n->owner == weir__self() && n->owner->node == n);
    outer = n->kind == WEIR__NODE_LIMIT && n->parent->why;
    n->owner->node = n->parent;
    weir__node_leave(n);
    return r == -ECANCELED && n->expired && !outer ? -ETIMEDOUT : r;
}

int weir_within(weir_span span, int (*fn)(void *), void *arg)
{
    struct weir_limit l;
    int r = fn ? weir_limit_init(&l, weir_after(span)) : -EINVAL;

    if (!fn)
        return r;
    return weir_limit_fini(&l, r < 0 ? r : fn(arg));
}

int weir_cancel_why(void)
{
    struct weir__fiber *me = weir__self();

    return me ? me->node->why : 0;
}
