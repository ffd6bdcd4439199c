/*
 * stackuse.c -- how much of their stacks the fibers of a spawn site have used.
 *
 * A stack is given out zeroed, its pages returned to the kernel; what a fiber
 * has touched ends at the lowest byte that is not zero.  So a report is exact
 * but for zeros at the very end, and each fiber costs two system calls and its
 * page faults anew: it is asked for in weir_config.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stackuse.h"
#include "sys/pages.h"

enum { STACKUSE_SITES = 256 };

struct stackuse_site {
    const void *site;
    uint64_t fibers;
    size_t most, size; /* the most that one has used, and of how much */
};

struct weir__stackuse {
    uint32_t n;
    uint64_t others; /* fibers of sites that found no place */
    struct stackuse_site sites[STACKUSE_SITES];
};

int weir__stackuse_open(struct weir__loop *l)
{
    l->stackuse = weir__alloc(sizeof *l->stackuse);
    return l->stackuse ? 0 : -ENOMEM;
}

/* The page that the record is on stays: the kernel cannot have it. */
static char *stackuse_page(const struct weir__fiber *f)
{
    return (char *)f - (uintptr_t)f % WEIR__PAGE;
}

void weir__stackuse_clean(struct weir__fiber *f)
{
    char *page = stackuse_page(f);

    WEIR__ASAN_CLEAR(f->stack, f->stack_size);
    if (page > f->stack)
        weir__pages_zero(f->stack, (size_t)(page - f->stack));
    else
        page = f->stack;
    WEIR__VG_QUIET();
    memset(page, 0, (size_t)((char *)f - page));
    WEIR__VG_LOUD();
}

/* The lowest byte of [at, end) that is not zero, or end.  A sanitizer forbids some of them. */
static __attribute__((no_sanitize("address", "thread"))) const char *stackuse_scan(const char *at,
                                                                                   const char *end)
{
    while (at < end && *(const volatile char *)at == 0)
        at++;
    return at;
}

static size_t stackuse_look(const struct weir__fiber *f)
{
    const char *at = f->stack, *end = (const char *)f, *page = stackuse_page(f);

    WEIR__MSAN_WRITTEN(f->stack, f->stack_size);
    while (at < page) { /* the guard and the pages start on one */
        const char *next = weir__pages_resident(at, (size_t)(page - at));

        if (next == page)
            break;
        at = stackuse_scan(next, next + WEIR__PAGE);
        if (at < next + WEIR__PAGE)
            return (size_t)(end - at);
    }
    return (size_t)(end - stackuse_scan(page > f->stack ? page : f->stack, end));
}

static size_t stackuse_of(const struct weir__fiber *f)
{
    size_t used;

    WEIR__VG_QUIET(); /* it looks below the stack pointer */
    used = stackuse_look(f);
    WEIR__VG_LOUD();
    return used;
}

static struct stackuse_site *stackuse_find(struct weir__stackuse *u, const void *site)
{
    for (uint32_t i = 0; i < u->n; i++)
        if (u->sites[i].site == site)
            return &u->sites[i];
    if (u->n == STACKUSE_SITES)
        return NULL;
    u->sites[u->n].site = site;
    return &u->sites[u->n++];
}

void weir__stackuse_note(struct weir__loop *l, const struct weir__fiber *f)
{
    struct stackuse_site *s = stackuse_find(l->stackuse, f->site);
    size_t used = stackuse_of(f);

    if (!s) {
        l->stackuse->others++;
        return;
    }
    s->fibers++;
    if (used > s->most) {
        s->most = used;
        s->size = f->stack_size;
    }
}

/* --- the report -------------------------------------------------------- */

static int stackuse_order(const void *a, const void *b)
{
    const struct stackuse_site *x = a, *y = b;

    return x->most < y->most ? 1 : x->most > y->most ? -1 : 0;
}

void weir__stackuse_lines(struct weir__loop *l, void (*line)(void *ctx, const char *text),
                          void *ctx)
{
    struct weir__stackuse *u = l->stackuse;
    char text[256], site[WEIR__SITE_TEXT];

    if (!u)
        return;
    qsort(u->sites, u->n, sizeof *u->sites, stackuse_order);
    for (uint32_t i = 0; i < u->n; i++) {
        const struct stackuse_site *s = &u->sites[i];

        snprintf(text, sizeof text, "stack: %zu of %zu bytes at most, %llu fibers started at %s",
                 s->most, s->size, (unsigned long long)s->fibers, weir__site_text(site, s->site));
        line(ctx, text);
    }
    if (u->others) {
        snprintf(text, sizeof text, "stack: %llu fibers of further sites",
                 (unsigned long long)u->others);
        line(ctx, text);
    }
}

static void stackuse_log(void *ctx, const char *text)
{
    weir__log(ctx, WEIR_LOG_INFO, "%s", text);
}

void weir__stackuse_close(struct weir__loop *l)
{
    weir__stackuse_lines(l, stackuse_log, l);
    if (l->stackuse)
        weir__free(l->stackuse, sizeof *l->stackuse);
    l->stackuse = NULL;
}
