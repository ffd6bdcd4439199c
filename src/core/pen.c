/*
 * pen.c -- scopes that belong to objects; core.h has what they promise.
 */
#include "core/group.h"
#include "core/pen.h"

static weir_scope *pen_scope_here(void)
{
    struct weir__fiber *me = weir__self();
    struct weir__node *n = me ? me->node : NULL;

    while (n && n->kind != WEIR__NODE_SCOPE)
        n = n->parent;
    return (weir_scope *)n;
}

/*
 * With many loops a stream may be pulled on another one than it was built on,
 * and its pens go there with it.  One lock guards their lists, of all loops;
 * it is asked once for each object, not for each item.
 */
struct weir__loop *weir__pens_guard(void)
{
    struct weir__loop *l = weir__loop_get();

    if (!l || !l->many)
        return NULL;
    weir__guard_take(l, &l->group->pens);
    return l;
}

void weir__pens_unguard(struct weir__loop *guard)
{
    if (guard)
        weir__guard_give(guard, &guard->group->pens);
}

/* The outermost scope on this loop that the running fiber is in. */
static weir_scope *pen_scope_outermost(const struct weir__loop *l)
{
    weir_scope *found = pen_scope_here();

    for (struct weir__node *n = found ? found->node.parent : NULL; n && n != &l->top->node;
         n = n->parent)
        if (n->kind == WEIR__NODE_SCOPE)
            found = (weir_scope *)n;
    return found;
}

static void pen_belongs(struct weir__pen *p, weir_scope *builder)
{
    weir__list_remove(&p->link);
    p->builder = builder;
    if (builder)
        weir__list_append(&builder->pens, &p->link);
}

/* What was built on another loop belongs, from its first use on, to the fiber that came here. */
static void pen_comes_here(struct weir__pen *p)
{
    struct weir__loop *g = weir__pens_guard();

    if (!g)
        return;
    if (p->builder && p->builder->loop != g)
        pen_belongs(p, pen_scope_outermost(g));
    weir__pens_unguard(g);
}

void weir__pen_beside(struct weir__pen *p, const struct weir__pen *other)
{
    struct weir__loop *g = weir__pens_guard();

    if (p->builder != other->builder)
        pen_belongs(p, other->builder);
    weir__pens_unguard(g);
}

static weir_scope *pen_builder(void)
{
    const struct weir__nest *nest = weir__fiber_slot_get(WEIR__SLOT_NEST);
    weir_scope *s = pen_scope_here();

    return nest && nest->scope == s && nest->pen->builder ? nest->pen->builder : s;
}

void weir__nest_enter(struct weir__nest *n, struct weir__pen *pen)
{
    pen_comes_here(pen);
    *n = (struct weir__nest){pen, pen_scope_here(), weir__fiber_slot_get(WEIR__SLOT_NEST)};
    weir__fiber_slot_set(WEIR__SLOT_NEST, n);
}

void weir__nest_leave(struct weir__nest *n)
{
    weir__fiber_slot_set(WEIR__SLOT_NEST, n->outer);
}

int weir__pen_init(struct weir__pen *p)
{
    struct weir__loop *g;

    *p = (struct weir__pen){0};
    weir__list_init(&p->link);
    g = weir__pens_guard();
    pen_belongs(p, pen_builder());
    weir__pens_unguard(g);
    return 0;
}

static int pen_open(struct weir__pen *p)
{
    if (p->scope)
        return 0;
    if (!weir__loop_get())
        return WEIR_ENOFIBER;
    pen_comes_here(p);
    if (weir__pen_why(p) < 0) /* whoever built it has closed meanwhile */
        return -ECANCELED;
    if (!p->builder) {
        struct weir__loop *g = weir__pens_guard();

        pen_belongs(p, pen_builder());
        weir__pens_unguard(g);
        if (!p->builder)
            return WEIR_ENOFIBER;
    }
    p->scope = weir__scope_new(&p->builder->node, NULL,
                               &(struct weir_scope_opts){.on_error = WEIR_KEEP, .name = "pen"});
    if (!p->scope)
        return -ENOMEM;
    p->scope->pen = p;
    return 0;
}

int weir__pen_go_with(struct weir__pen *p, int (*fn)(void *), void *arg,
                      const struct weir_go_opts *opts)
{
    int r = weir__pen_why(p);

    if (r == 0)
        r = pen_open(p);
    return r < 0 ? r : weir__scope_admit(p->scope, fn, arg, opts, NULL);
}

int weir__pen_go_on(struct weir__pen *p, struct weir__loop *to, int (*fn)(void *), void *arg,
                    const struct weir_go_opts *opts)
{
    int r = weir__pen_why(p);

    if (r == 0)
        r = pen_open(p);
    return r < 0 ? r : weir__scope_admit_on(to, p->scope, fn, arg, opts, NULL);
}

int weir__pen_go(struct weir__pen *p, int (*fn)(void *), void *arg, const char *name)
{
    struct weir_go_opts opts = {.name = name};

    return weir__pen_go_with(p, fn, arg, &opts);
}

void weir__pen_cancel(struct weir__pen *p, int why)
{
    if (p->scope)
        weir__node_cancel(&p->scope->node, why);
}

/* It stays in the builder's list until then: a builder that closes meanwhile has to wait too. */
void weir__pen_join(struct weir__pen *p)
{
    weir_scope *s = p->scope;
    struct weir__loop *g;

    if (s) {
        s->joiners++;
        if (s->running || weir__scope_has_pens(s)) {
            weir__check(weir__self());
            weir__scope_empty(s, weir__self(), "pen");
        }
        s->pen = NULL;
        p->scope = NULL;
        if (--s->joiners == 0)
            weir__scope_destroy(s);
    }
    g = weir__pens_guard();
    pen_belongs(p, NULL);
    weir__pens_unguard(g);
}

int weir__pen_told(const struct weir__pen *p, int r)
{
    const struct weir__node *n = p->scope ? &p->scope->node : NULL;

    return r == -ECANCELED && n && n->why == WEIR_EDEADLOCK && !n->inherited ? n->why : r;
}

int weir__pen_why(const struct weir__pen *p)
{
    if (__atomic_load_n(&p->dead, __ATOMIC_RELAXED))
        return -ECANCELED;
    return p->scope && p->scope->node.why ? -ECANCELED : 0;
}
