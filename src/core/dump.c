/*
 * dump.c -- the tree of scopes and fibers as text, a line each: who waits for
 * what, since when, held by whom, and where it was started; and the rings of
 * those who wait for each other.
 *
 * Of several loops weir_dump shows its own, for the others go on meanwhile; a
 * deadlock, when all are still, is written to the log with all of them, rings
 * first, a stated number of lines.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weir/sync.h>

#include "core/chan.h"
#include "core/core.h"
#include "core/group.h"
#include "core/stackuse.h"

/*
 * Who is at the other end of a channel, and in a ring, is looked for among a few
 * fibers only: it takes the square of them.
 */
enum { DUMP_LINE = 512, DUMP_RING = 64, DUMP_LOGGED = 60, DUMP_FEW = 1000 };

struct dump {
    int fd;                /* or: */
    struct weir__loop *to; /* whose log takes so many lines */
    int left;
    struct weir__loop *const *loops;
    uint32_t count;
    bool few;   /* fibers are shown, few enough to compare them with each other */
    int result; /* the first failure */
    char line[DUMP_LINE];
    size_t len;
};

static void dump_line(struct dump *d)
{
    if (d->to && d->left > 0)
        weir__log(d->to, WEIR_LOG_ERROR, "%s", --d->left ? d->line : "and so on");
    else if (!d->to && d->result == 0 && dprintf(d->fd, "%s\n", d->line) < 0)
        d->result = -errno;
    d->len = 0;
}

static __attribute__((format(printf, 2, 3))) void dump_print(struct dump *d, const char *format,
                                                             ...)
{
    size_t room = sizeof d->line - d->len;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(d->line + d->len, room, format, args);
    va_end(args);
    if (n > 0)
        d->len += (size_t)n < room ? (size_t)n : room - 1;
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

/* --- all fibers of the loops that are shown ---------------------------------- */

typedef void dump_fn(void *ctx, struct weir__fiber *f);

static void dump_each_below(const struct weir__node *n, dump_fn *fn, void *ctx)
{
    const weir_scope *s = n->kind == WEIR__NODE_SCOPE ? (const weir_scope *)n : NULL;

    for (struct weir__list *i = s ? s->fibers.next : NULL; s && i != &s->fibers; i = i->next)
        fn(ctx, WEIR__ENTRY(i, struct weir__fiber, member));
    for (const struct weir__list *i = n->children.next; i != &n->children; i = i->next)
        dump_each_below(WEIR__ENTRY(i, struct weir__node, sibling), fn, ctx);
}

static void dump_each(const struct dump *d, dump_fn *fn, void *ctx)
{
    for (uint32_t i = 0; i < d->count; i++)
        dump_each_below(&d->loops[i]->top->node, fn, ctx);
}

struct dump_seek {
    const void *wanted;
    uint32_t n;
    bool found;
};

static void dump_seek(void *ctx, struct weir__fiber *f)
{
    struct dump_seek *s = ctx;

    s->n++;
    s->found |= f == s->wanted;
}

/* Who is among those that are shown may be looked at: a holder may be a thread, too. */
static bool dump_shown(const struct dump *d, const void *f)
{
    struct dump_seek s = {.wanted = f};

    if (d->few)
        dump_each(d, dump_seek, &s);
    return s.found;
}

/* --- held by whom -------------------------------------------------------------- */

static bool dump_waits(const struct weir__fiber *f, const char *what)
{
    return f->waits_on && strcmp(f->waits, what) == 0;
}

static struct weir__fiber *dump_read(uint32_t *lock, void *const *owner)
{
    struct weir__loop *g = weir__guard(lock);
    void *found = *owner;

    weir__unguard(g, lock);
    return found;
}

/* Who holds what it waits for; NULL if that is nobody in particular. */
static struct weir__fiber *dump_owner(const struct weir__fiber *f)
{
    void *on = (void *)f->waits_on;

    if (dump_waits(f, "mutex_lock")) {
        struct weir_mutex *m = WEIR__ENTRY(on, struct weir_mutex, waiters);

        return dump_read(&m->lock, &m->owner);
    }
    if (dump_waits(f, "rwlock_read") || dump_waits(f, "rwlock_write")) {
        struct weir_rwlock *rw = WEIR__ENTRY(on, struct weir_rwlock, waiters);

        return dump_read(&rw->lock, &rw->writer);
    }
    if (dump_waits(f, "once")) {
        struct weir_once *once = WEIR__ENTRY(on, struct weir_once, waiters);

        return dump_read(&once->lock, &once->owner);
    }
    return NULL;
}

/* Those who feed or drain a channel, as weir_go_with was told. */
struct dump_ends {
    struct dump *d;
    const weir_chan *ch;
    bool feeds;
    uint32_t n;
    struct weir__fiber *last;
};

static void dump_end(void *ctx, struct weir__fiber *f)
{
    struct dump_ends *e = ctx;

    if ((e->feeds ? f->feeds : f->drains) != e->ch)
        return;
    if (e->d)
        dump_print(e->d, "%s %p %s",
                   e->n       ? ","
                   : e->feeds ? ", fed by"
                              : ", drained by",
                   (void *)f, f->name[0] ? f->name : "-");
    e->n++;
    e->last = f;
}

static void dump_chan(struct dump *d, const weir_chan *ch)
{
    struct dump_ends feeds = {d, ch, true, 0, NULL}, drains = {d, ch, false, 0, NULL};
    struct weir_chan_stats stats;

    if (weir_chan_stats(ch, &stats) < 0)
        return;
    if (ch->name)
        dump_print(d, " (channel %s)", ch->name);
    dump_print(d, ", %zu of %zu queued", stats.length, stats.capacity);
    if (!d->few)
        return;
    dump_each(d, dump_end, &feeds);
    dump_each(d, dump_end, &drains);
}

static void dump_owner_of(struct dump *d, const struct weir__fiber *owner)
{
    if (dump_shown(d, owner))
        dump_print(d, ", held by %p %s", (const void *)owner, owner->name[0] ? owner->name : "-");
    else
        dump_print(d, ", held by %p", (const void *)owner);
}

static void dump_sem(struct dump *d, const void *waiters)
{
    struct weir_sem *s = WEIR__ENTRY((void *)waiters, struct weir_sem, waiters);
    struct weir__loop *g = weir__guard(&s->lock);
    uint64_t permits = s->permits, limit = s->limit;

    weir__unguard(g, &s->lock);
    dump_print(d, ", %llu of %llu free", (unsigned long long)permits, (unsigned long long)limit);
}

static void dump_object(struct dump *d, const struct weir__fiber *f)
{
    const struct weir__fiber *owner = dump_owner(f);

    if (owner)
        dump_owner_of(d, owner);
    else if (dump_waits(f, "sem_take"))
        dump_sem(d, f->waits_on);
    else if (dump_waits(f, "recv") || dump_waits(f, "send"))
        dump_chan(d, f->waits_on);
}

/* --- rings ------------------------------------------------------------------------- */

/* Whom it waits for, if that is one whom we know; else NULL. */
static struct weir__fiber *dump_next(const struct dump *d, const struct weir__fiber *f)
{
    struct dump_ends e = {.ch = f->waits_on};
    struct weir__fiber *next = NULL;

    if (!dump_shown(d, f) || !weir__sleeps(f))
        return NULL;
    next = dump_owner(f);
    if (next)
        return next;
    if (!dump_waits(f, "recv") && !dump_waits(f, "send"))
        return NULL;
    e.feeds = dump_waits(f, "recv");
    dump_each(d, dump_end, &e);
    if (e.n == 1)
        next = e.last;
    return next;
}

/* The ring that leads back to f is told by the one of it that lies lowest. */
static void dump_ring(void *ctx, struct weir__fiber *f)
{
    struct dump *d = ctx;
    struct weir__fiber *next = dump_next(d, f);
    int n = 1;

    for (; next && next != f && n < DUMP_RING; n++) {
        if (next < f)
            return;
        next = dump_next(d, next);
    }
    if (next != f)
        return;
    dump_print(d, "ring of %d: %p %s", n, (void *)f, f->name[0] ? f->name : "-");
    next = f;
    do {
        const char *how = next->waits;

        next = dump_next(d, next);
        dump_print(d, " -> (%s) %p %s", how, (void *)next, next->name[0] ? next->name : "-");
    } while (next != f);
    dump_line(d);
}

/* --- the tree --------------------------------------------------------------------- */

static const char *dump_state(const struct weir__fiber *f)
{
    static const char *const names[] = {"ready", "running", "parked", "parked", "done"};

    return names[f->state];
}

static void dump_fiber(struct dump *d, const struct weir__fiber *f, int depth)
{
    long long us = (long long)(f->loop->now - f->since) / 1000;
    char site[WEIR__SITE_TEXT];

    dump_print(d, "%*sfiber %p %s: %s", depth * 2, "", (const void *)f, f->name[0] ? f->name : "-",
               dump_state(f));
    if (weir__sleeps(f)) {
        dump_print(d, " in %s %p for %lld.%03lld ms%s", f->waits, f->waits_on, us / 1000, us % 1000,
                   f->node->why ? ", cancelled" : "");
        dump_object(d, f);
    }
    dump_print(d, ", started at %s", weir__site_text(site, f->site));
    dump_line(d);
}

static void dump_scope(struct dump *d, const weir_scope *s, int depth)
{
    size_t far = 0;

    for (const struct weir__list *i = s->fars.next; i != &s->fars; i = i->next)
        far++;
    dump_print(d, "%*sscope %p %s: %zu running", depth * 2, "", (const void *)s,
               s->opts.name ? s->opts.name : "-", s->running);
    if (far)
        dump_print(d, ", %zu on other loops", far);
    if (s->node.owner)
        dump_print(d, ", opened by %p", (const void *)s->node.owner);
    if (s->node.why)
        dump_print(d, ", cancelled: %s", weir_strerror(s->node.why));
    dump_line(d);
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

static void dump_loops(struct dump *d)
{
    struct dump_seek all = {.wanted = NULL};

    dump_each(d, dump_seek, &all);
    d->few = all.n <= DUMP_FEW;
    if (d->few)
        dump_each(d, dump_ring, d);
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->loops[i]->many) {
            dump_print(d, "loop %u of %u", d->loops[i]->index, d->loops[i]->group->count);
            dump_line(d);
        }
        dump_node(d, &d->loops[i]->top->node, 0);
    }
}

void weir__dump_still(struct weir__loop *const *loops, uint32_t count, struct weir__loop *to)
{
    struct dump d = {.to = to, .left = DUMP_LOGGED, .loops = loops, .count = count};

    if (to->config.log)
        dump_loops(&d);
}

static void dump_stack_line(void *ctx, const char *text)
{
    dump_print(ctx, "%s", text);
    dump_line(ctx);
}

int weir_dump(int fd)
{
    struct weir__loop *l = weir__loop_get();
    struct dump d = {.fd = fd, .loops = &l, .count = 1};
    int flags;

    if (!l)
        return WEIR_ENOFIBER;
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    dump_loops(&d);
    weir__stackuse_lines(l, dump_stack_line, &d);
    return d.result;
}
