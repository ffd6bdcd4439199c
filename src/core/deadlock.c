/*
 * deadlock.c -- when nothing outside can wake any fiber.
 *
 * The smallest scope that holds a stuck fiber is cancelled with
 * WEIR_EDEADLOCK; its close says so.  If that frees nobody else, the next one
 * follows: in the end the whole program returns instead of hanging.  A fiber
 * that waits for a scope to close is not itself the cause.
 */
#include <string.h>

#include "core/core.h"

static bool deadlock_stuck(const weir_scope *s)
{
    for (const struct weir__list *i = s->fibers.next; i != &s->fibers; i = i->next) {
        const struct weir__fiber *f = WEIR__ENTRY(i, struct weir__fiber, member);

        if (f->state == WEIR__PARKED && !f->shielded)
            return true;
    }
    return false;
}

struct deadlock_pick {
    weir_scope *scope;
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
        *best = (struct deadlock_pick){(weir_scope *)n, depth};
}

/*
 * A fiber that opened a scope and waits in its body, not for its close, is
 * stuck in that scope although it is a member of another.
 */
static void deadlock_owner(struct weir__node *n, struct deadlock_pick *best)
{
    for (struct weir__list *i = n->children.next; i != &n->children; i = i->next)
        deadlock_owner(WEIR__ENTRY(i, struct weir__node, sibling), best);
    if (best->scope || n->why || !n->owner)
        return;
    if (n->kind == WEIR__NODE_SCOPE && n->owner->node == n && n->owner->state == WEIR__PARKED &&
        !n->owner->shielded)
        best->scope = (weir_scope *)n;
}

void weir__loop_deadlock(struct weir__loop *l)
{
    struct deadlock_pick best = {NULL, -1};

    deadlock_search(&l->top->node, 0, &best);
    if (!best.scope || best.depth == 0)
        deadlock_owner(&l->top->node, &best);
    weir__check(best.scope); /* else a shielded wait that nothing can end */
    weir__log(l, WEIR_LOG_ERROR, "deadlock: nothing can wake scope %s",
              best.scope->opts.name ? best.scope->opts.name : "?");
    weir__node_cancel(&best.scope->node, WEIR_EDEADLOCK);
}
