/*
 * dump.c -- the tree of scopes and fibers as text, a line each: who waits for
 * what, since when, held by whom, and where it was started.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/sync.h>

#include "core/chan.h"
#include "core/stackuse.h"

enum { DUMP_LINE = 512, DUMP_LOGGED = 60 };

/* Either to a descriptor or, a stated number of lines, to a loop's log. */
struct dump {
    int fd, result; /* the first failure */
    struct weir__loop *log;
    int left;
    char line[DUMP_LINE];
    size_t n;
};

/* --- text -------------------------------------------------------------- */

static __attribute__((format(printf, 2, 3))) void dump_print(struct dump *d, const char *format,
                                                             ...)
{
    size_t room = sizeof d->line - d->n;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(d->line + d->n, room, format, args);
    va_end(args);
    d->n += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

static void dump_line_ends(struct dump *d)
{
    if (!d->log && d->result == 0 && dprintf(d->fd, "%s\n", d->line) < 0)
        d->result = -errno;
    if (d->log && d->left && d->left-- > 0)
        weir__log(d->log, WEIR_LOG_ERROR, "%s", d->left ? d->line : "and so on");
    d->n = 0;
}

/* An old libc has it in a library of its own, which need not be there. */
#pragma weak dladdr

const char *weir__site_text(char out_text[WEIR__SITE_TEXT], const void *site)
{
    const char *at = site, *file;
    Dl_info info;

    if (!dladdr || !dladdr(site, &info) || !info.dli_fname) {
        snprintf(out_text, WEIR__SITE_TEXT, "%p", site);
        return out_text;
    }
    file = strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname;
    if (info.dli_sname)
        snprintf(out_text, WEIR__SITE_TEXT, "%s+%#tx (%s+%#tx)", info.dli_sname,
                 at - (const char *)info.dli_saddr, file, at - (const char *)info.dli_fbase);
    else
        snprintf(out_text, WEIR__SITE_TEXT, "%s+%#tx", file, at - (const char *)info.dli_fbase);
    return out_text;
}

/* --- a fiber ----------------------------------------------------------- */

static const char *dump_state(const struct weir__fiber *f)
{
    static const char *const names[] = {"ready", "running", "parked", "parked", "done"};

    return names[f->state];
}

static bool dump_waits_in(const struct weir__fiber *f, const char *what)
{
    return strcmp(f->waits, what) == 0;
}

/* Who holds what it waits for; NULL if that is nobody in particular. */
static const struct weir__fiber *dump_holder(const struct weir__fiber *f)
{
    const void *on = f->waits_on;

    if (dump_waits_in(f, "mutex_lock"))
        return WEIR__ENTRY(on, struct weir_mutex, waiters)->owner;
    if (dump_waits_in(f, "rwlock_read") || dump_waits_in(f, "rwlock_write"))
        return WEIR__ENTRY(on, struct weir_rwlock, waiters)->writer;
    if (dump_waits_in(f, "once"))
        return WEIR__ENTRY(on, struct weir_once, waiters)->owner;
    return NULL;
}

/* What the other loops change meanwhile is shown by its address only. */
static void dump_wait(struct dump *d, const struct weir__fiber *f)
{
    const struct weir__fiber *holder = dump_holder(f);
    long long us = (long long)(f->loop->now - f->since) / 1000;
    const weir_chan *ch = f->waits_on;
    bool alone = !f->loop->many;

    dump_print(d, " in %s %p for %lld.%03lld ms", f->waits, f->waits_on, us / 1000, us % 1000);
    if (alone && (dump_waits_in(f, "recv") || dump_waits_in(f, "send")) && ch->name)
        dump_print(d, " (channel %s)", ch->name);
    if (holder)
        dump_print(d, ", held by %p %s", (const void *)holder,
                   alone && holder->name[0] ? holder->name : "-");
    if (f->node->why)
        dump_print(d, ", cancelled");
}

static void dump_fiber(struct dump *d, const struct weir__fiber *f, int depth)
{
    char site[WEIR__SITE_TEXT];

    dump_print(d, "%*sfiber %p %s: %s", depth * 2, "", (const void *)f, f->name[0] ? f->name : "-",
               dump_state(f));
    if (weir__sleeps(f))
        dump_wait(d, f);
    dump_print(d, ", started at %s", weir__site_text(site, f->site));
    dump_line_ends(d);
}

/* --- the tree ---------------------------------------------------------- */

static void dump_scope(struct dump *d, const weir_scope *s, int depth)
{
    dump_print(d, "%*sscope %p %s: %zu running", depth * 2, "", (const void *)s,
               s->opts.name ? s->opts.name : "-", s->running);
    if (s->node.owner)
        dump_print(d, ", opened by %p", (const void *)s->node.owner);
    if (s->node.why)
        dump_print(d, ", cancelled: %s", weir_strerror(s->node.why));
    dump_line_ends(d);
    for (const struct weir__list *i = s->fibers.next; i != &s->fibers; i = i->next)
        dump_fiber(d, WEIR__ENTRY(i, struct weir__fiber, member), depth + 1);
}

static void dump_node(struct dump *d, const struct weir__node *n, int depth)
{
    if (n->kind == WEIR__NODE_SCOPE)
        dump_scope(d, (const weir_scope *)n, depth);
    for (const struct weir__list *i = n->children.next; i != &n->children; i = i->next)
        dump_node(d, WEIR__ENTRY(i, struct weir__node, sibling), depth + 1);
}

void weir__dump_log(struct weir__loop *l, const struct weir__node *n)
{
    struct dump d = {.log = l, .left = DUMP_LOGGED};

    if (!l->config.log)
        return;
    if (n->owner) /* it may be the one who is stuck, and a member of a scope above */
        dump_fiber(&d, n->owner, 0);
    dump_node(&d, n, 0);
}

static void dump_stack_line(void *ctx, const char *text)
{
    dump_print(ctx, "%s", text);
    dump_line_ends(ctx);
}

int weir_dump(int fd)
{
    struct weir__loop *l = weir__loop_get();
    struct dump d = {.fd = fd};
    int flags;

    if (!l)
        return WEIR_ENOFIBER;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    dump_node(&d, &l->top->node, 0);
    weir__stackuse_lines(l, dump_stack_line, &d);
    return d.result;
}
