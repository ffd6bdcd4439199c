/*
 * pen.c -- scopes that belong to objects; core.h has what they promise.
 */
#include "core/core.h"

static weir_scope *pen_scope_here(void)
{
    struct weir__fiber *me = weir__self();
    struct weir__node *n = me ? me->node : NULL;

    while (n && n->kind != WEIR__NODE_SCOPE)
        n = n->parent;
    return (weir_scope *)n;
}

static weir_scope *pen_builder(void)
{
    const struct weir__nest *nest = weir__fiber_slot_get(WEIR__SLOT_NEST);
    weir_scope *s = pen_scope_here();

    return nest && nest->scope == s && nest->pen->builder ? nest->pen->builder : s;
}

void weir__nest_enter(struct weir__nest *n, const struct weir__pen *pen)
{
    *n = (struct weir__nest){pen, pen_scope_here(), weir__fiber_slot_get(WEIR__SLOT_NEST)};
    weir__fiber_slot_set(WEIR__SLOT_NEST, n);
}

void weir__nest_leave(struct weir__nest *n)
{
    weir__fiber_slot_set(WEIR__SLOT_NEST, n->outer);
}

int weir__pen_init(struct weir__pen *p)
{
    *p = (struct weir__pen){.builder = pen_builder()};
    weir__list_init(&p->link);
    if (p->builder)
        weir__list_append(&p->builder->pens, &p->link);
    return 0;
}

static int pen_open(struct weir__pen *p)
{
    if (p->scope)
        return 0;
    if (!p->builder) {
        p->builder = pen_builder();
        if (!p->builder)
            return WEIR_ENOFIBER;
        weir__list_append(&p->builder->pens, &p->link);
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

    if (s) {
        s->joiners++;
        if (s->running || !weir__list_empty(&s->pens)) {
            weir__check(weir__self());
            weir__scope_empty(s, weir__self(), "pen");
        }
        s->pen = NULL;
        p->scope = NULL;
        if (--s->joiners == 0)
            weir__scope_destroy(s);
    }
    weir__list_remove(&p->link);
    p->builder = NULL;
}

int weir__pen_told(const struct weir__pen *p, int r)
{
    const struct weir__node *n = p->scope ? &p->scope->node : NULL;

    return r == -ECANCELED && n && n->why == WEIR_EDEADLOCK && !n->inherited ? n->why : r;
}

int weir__pen_why(const struct weir__pen *p)
{
    if (p->dead)
        return -ECANCELED;
    return p->scope && p->scope->node.why ? -ECANCELED : 0;
}
