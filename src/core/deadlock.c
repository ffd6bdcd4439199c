/*
 * deadlock.c -- when nothing outside can wake any fiber.
 *
 * The smallest scope that holds a stuck fiber is cancelled with
 * WEIR_EDEADLOCK; its close says so.  If that frees nobody else, the next one
 * follows: in the end the whole program returns instead of hanging.  A fiber
 * that waits for a scope to close is not itself the cause.
 */
#include "core/core.h"

static bool deadlock_parked(const struct weir__fiber *f)
{
    return weir__sleeps(f) && !f->shielded;
}

/* The node that limits only narrow: a scope, or a shield that no cancel from above passes. */
static struct weir__node *deadlock_place(const struct weir__fiber *f)
{
    struct weir__node *n = f->node;

    while (n->kind == WEIR__NODE_LIMIT)
        n = n->parent;
    return n;
}

/* Whether a cancel of the scope would reach one of its fibers that is stuck. */
static bool deadlock_stuck(const weir_scope *s)
{
    for (const struct weir__list *i = s->fibers.next; i != &s->fibers; i = i->next) {
        const struct weir__fiber *f = WEIR__ENTRY(i, struct weir__fiber, member);
        const struct weir__node *n = f->node;

        while (n != &s->node && n->kind != WEIR__NODE_SHIELD)
            n = n->parent;
        if (deadlock_parked(f) && n == &s->node)
            return true;
    }
    return false;
}

struct deadlock_pick {
    struct weir__node *node;
    int depth;
};

/* The deepest scope that has not been cancelled and holds a stuck fiber. */
static void deadlock_search(struct weir__node *n, int depth, struct deadlock_pick *best)
{
    for (struct weir__list *i = n->children.next; i != &n->children; i = i->next)
        deadlock_search(WEIR__ENTRY(i, struct weir__node, sibling), depth + 1, best);
    if (n->kind != WEIR__NODE_SCOPE || n->why || depth <= best->depth)
        return;
    if (deadlock_stuck((weir_scope *)n))
        *best = (struct deadlock_pick){n, depth};
}

/*
 * A fiber that opened a scope and waits in its body, not for its close, is
 * stuck in that scope although it is a member of another.  The same holds for
 * one that has shielded itself.
 */
static struct weir__node *deadlock_owner(struct weir__node *n, enum weir__node_kind kind)
{
    struct weir__node *found = NULL;

    for (struct weir__list *i = n->children.next; !found && i != &n->children; i = i->next)
        found = deadlock_owner(WEIR__ENTRY(i, struct weir__node, sibling), kind);
    if (found || n->why || !n->owner || n->kind != kind)
        return found;
    return deadlock_parked(n->owner) && deadlock_place(n->owner) == n ? n : NULL;
}

static const char *deadlock_name(const struct weir__node *n)
{
    const weir_scope *s = n->kind == WEIR__NODE_SCOPE ? (const weir_scope *)n : NULL;

    return s && s->opts.name ? s->opts.name : "?";
}

void weir__loop_deadlock(struct weir__loop *l)
{
    struct deadlock_pick best = {NULL, -1};
    struct weir__node *n;

    deadlock_search(&l->top->node, 0, &best);
    n = best.depth > 0 ? NULL : deadlock_owner(&l->top->node, WEIR__NODE_SCOPE);
    if (!n)
        n = best.node;
    if (!n)
        n = deadlock_owner(&l->top->node, WEIR__NODE_SHIELD);
    weir__log(l, WEIR_LOG_ERROR, "deadlock: nothing can wake scope %s", n ? deadlock_name(n) : "?");
    weir__check(n); /* else a close that waits for itself */
    weir__node_cancel(n, WEIR_EDEADLOCK);
}
