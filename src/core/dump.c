/*
 * dump.c -- the tree of scopes and fibers as text: who waits for what, since
 * when.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"

struct dump {
    int fd, result; /* the first failure */
};

static __attribute__((format(printf, 2, 3))) void dump_print(struct dump *d, const char *format,
                                                             ...)
{
    va_list args;

    va_start(args, format);
    if (d->result == 0 && vdprintf(d->fd, format, args) < 0)
        d->result = -errno;
    va_end(args);
}

static const char *dump_state(const struct weir__fiber *f)
{
    static const char *const names[] = {"ready", "running", "parked", "parked", "done"};

    return names[f->state];
}

static void dump_fiber(struct dump *d, const struct weir__fiber *f, int depth)
{
    long long us = (long long)(f->loop->now - f->since) / 1000;

    dump_print(d, "%*sfiber %p %s: %s", depth * 2, "", (const void *)f, f->name[0] ? f->name : "-",
               dump_state(f));
    if (weir__sleeps(f))
        dump_print(d, " in %s %p for %lld.%03lld ms%s", f->waits, f->waits_on, us / 1000, us % 1000,
                   f->node->why ? ", cancelled" : "");
    dump_print(d, "\n");
}

static void dump_node(struct dump *d, const struct weir__node *n, int depth)
{
    if (n->kind == WEIR__NODE_SCOPE) {
        const weir_scope *s = (const weir_scope *)n;

        dump_print(d, "%*sscope %p %s: %zu running", depth * 2, "", (const void *)s,
                   s->opts.name ? s->opts.name : "-", s->running);
        if (n->owner)
            dump_print(d, ", opened by %p", (const void *)n->owner);
        if (n->why)
            dump_print(d, ", cancelled: %s", weir_strerror(n->why));
        dump_print(d, "\n");
        for (const struct weir__list *i = s->fibers.next; i != &s->fibers; i = i->next)
            dump_fiber(d, WEIR__ENTRY(i, struct weir__fiber, member), depth + 1);
    }
    for (const struct weir__list *i = n->children.next; i != &n->children; i = i->next)
        dump_node(d, WEIR__ENTRY(i, struct weir__node, sibling), depth + 1);
}

int weir_dump(int fd)
{
    struct weir__loop *l = weir__loop_get();
    struct dump d = {fd, 0};
    int flags;

    if (!l)
        return WEIR_ENOFIBER;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    dump_node(&d, &l->top->node, 0);
    return d.result;
}
