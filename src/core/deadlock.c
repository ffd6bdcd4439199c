/*
 * deadlock.c -- when nothing outside can wake any fiber.
 *
 * The smallest scope that holds a stuck fiber is cancelled with
 * WEIR_EDEADLOCK; its close says so.  If that frees nobody else, the next one
 * follows: in the end the whole program returns instead of hanging.  A fiber
 * that waits for a scope to close is not itself the cause.
 */
#include "core/core.h"
#include "core/group.h"

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
    for (const struct weir__list *i = s->fars.next; i != &s->fars; i = i->next)
        if (weir__far_stuck(i))
            return true;
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
    if (((weir_scope *)n)->far) /* its home is told, which tells it */
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

static struct weir__node *deadlock_owner_any(struct weir__loop *const *loops, uint32_t n,
                                             enum weir__node_kind kind, struct weir__loop **owner)
{
    for (uint32_t i = 0; i < n; i++) {
        struct weir__node *found = deadlock_owner(&loops[i]->top->node, kind);

        if (found) {
            *owner = loops[i];
            return found;
        }
    }
    return NULL;
}

struct weir__node *weir__group_deadlock(struct weir__loop *const *loops, uint32_t count,
                                        struct weir__loop **owner)
{
    struct deadlock_pick best = {NULL, -1};
    struct weir__node *n = NULL;

    *owner = loops[0];
    for (uint32_t i = 0; i < count; i++) {
        int depth = best.depth;

        deadlock_search(&loops[i]->top->node, 0, &best);
        if (best.depth > depth)
            *owner = loops[i];
    }
    if (best.depth <= 0)
        n = deadlock_owner_any(loops, count, WEIR__NODE_SCOPE, owner);
    if (!n)
        n = best.node;
    if (!n)
        n = deadlock_owner_any(loops, count, WEIR__NODE_SHIELD, owner);
    weir__log(*owner, WEIR_LOG_ERROR, "deadlock: nothing can wake scope %s",
              n ? deadlock_name(n) : "?");
    weir__dump_still(loops, count, *owner);
    weir__check(n); /* else a close that waits for itself */
    return n;
}

void weir__loop_deadlock(struct weir__loop *l)
{
    struct weir__loop *owner;

    weir__node_cancel(weir__group_deadlock(&l, 1, &owner), WEIR_EDEADLOCK);
}
