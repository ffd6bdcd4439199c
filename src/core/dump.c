/*
 * dump.c -- the tree of scopes and fibers as text: who waits for what, since
 * when.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"

static const char *dump_state(const struct weir__fiber *f)
{
    static const char *const names[] = {"ready", "running", "parked", "done"};

    return names[f->state];
}

static void dump_fiber(int fd, const struct weir__fiber *f, int depth)
{
    long long us = (long long)(f->loop->now - f->since) / 1000;

    dprintf(fd, "%*sfiber %p %s: %s", depth * 2, "", (const void *)f, f->name[0] ? f->name : "-",
            dump_state(f));
    if (f->state == WEIR__PARKED)
        dprintf(fd, " in %s %p for %lld.%03lld ms%s", f->waits, f->waits_on, us / 1000, us % 1000,
                f->node->why ? ", cancelled" : "");
    dprintf(fd, "\n");
}

static void dump_node(int fd, const struct weir__node *n, int depth)
{
    if (n->kind == WEIR__NODE_SCOPE) {
        const weir_scope *s = (const weir_scope *)n;

        dprintf(fd, "%*sscope %p %s: %zu running", depth * 2, "", (const void *)s,
                s->opts.name ? s->opts.name : "-", s->running);
        if (n->owner)
            dprintf(fd, ", opened by %p", (const void *)n->owner);
        if (n->why)
            dprintf(fd, ", cancelled: %s", weir_strerror(n->why));
        dprintf(fd, "\n");
        for (const struct weir__list *i = s->fibers.next; i != &s->fibers; i = i->next)
            dump_fiber(fd, WEIR__ENTRY(i, struct weir__fiber, member), depth + 1);
    }
    for (const struct weir__list *i = n->children.next; i != &n->children; i = i->next)
        dump_node(fd, WEIR__ENTRY(i, struct weir__node, sibling), depth + 1);
}

int weir_dump(int fd)
{
    struct weir__loop *l = weir__loop_get();

    if (!l)
        return WEIR_ENOFIBER;
    if (fd < 0)
        return -EBADF;
    dump_node(fd, &l->top->node, 0);
    return 0;
}
