/*
 * pages.c -- a list that is fetched page by page.
 *
 * A page is made by one call of `fetch`, in the puller, or in a fiber that is
 * at most `prefetch` pages ahead: waiting <= prefetch + 1, the one that is being
 * given out among them.  Made pages stand in a queue; their items are
 * given out, and what is left of them dropped at close.  A failure stands
 * behind the pages that came before it.
 */
#include <string.h>
#include <weir/ops.h>
#include <weir/sync.h>

#include "base/rand.h"
#include "stream/items.h"

enum { PAGES_LIMIT = 100000, PAGES_CURSOR = 64 << 10 };

/* Bytes with a zero behind them; NULL is none. */
struct pages_text {
    char *p;
    size_t n;
};

struct weir_page {
    struct weir__list link;
    struct pages *all;
    uint64_t number;
    struct pages_text next; /* of the page that follows, once it is known */
    char *items;
    size_t at, n, cap;
};

struct pages {
    struct weir__pen pen;
    struct weir_pages_opts opts;
    void *ctx;
    struct weir_type type;
    uint64_t number;          /* of the next page to be fetched */
    struct pages_text cursor; /* its cursor */
    struct weir__list ready;
    size_t waiting; /* pages in `ready` */
    bool over, started;
    int end; /* once over */
    struct weir_event news, room;
    uint64_t seed, *seen; /* hashes of the cursors so far: open addressing, 0 is free */
    size_t seen_n, seen_places;
};

/* --- texts --------------------------------------------------------------------- */

static void pages_text_free(struct pages_text *t)
{
    weir__free(t->p, t->n + 1);
    *t = (struct pages_text){0};
}

static int pages_text_set(struct pages_text *t, const void *from, size_t n)
{
    char *p = weir__alloc(n + 1);

    if (!p)
        return -ENOMEM;
    memcpy(p, from, n);
    pages_text_free(t);
    *t = (struct pages_text){p, n};
    return 0;
}

/* --- cursors that have been there --------------------------------------------------- */

static size_t pages_seen_at(const struct pages *p, uint64_t hash)
{
    size_t i = (size_t)hash & (p->seen_places - 1);

    while (p->seen[i] && p->seen[i] != hash)
        i = (i + 1) & (p->seen_places - 1);
    return i;
}

static int pages_seen_grow(struct pages *p)
{
    size_t places = p->seen_places, n = places ? places * 2 : 64;
    uint64_t *old = p->seen, *seen = weir__alloc(n * sizeof *seen);

    if (!seen)
        return -ENOMEM;
    p->seen = seen;
    p->seen_places = n;
    for (size_t i = 0; i < places; i++)
        if (old[i])
            p->seen[pages_seen_at(p, old[i])] = old[i];
    weir__free(old, places * sizeof *old);
    return 0;
}

/* 0 and it is one of them now; WEIR_EPROTO if it was. */
static int pages_seen_add(struct pages *p, const struct pages_text *t)
{
    uint64_t hash = weir__bytes_hash(p->seed, t->p, t->n);
    size_t i;

    hash += hash == 0;
    if (p->seen_n * 2 >= p->seen_places && pages_seen_grow(p) < 0)
        return -ENOMEM;
    i = pages_seen_at(p, hash);
    if (p->seen[i])
        return WEIR_EPROTO;
    p->seen[i] = hash;
    p->seen_n++;
    return 0;
}

/* --- one page -------------------------------------------------------------------------- */

static void pages_one_free(struct weir_page *g)
{
    const struct weir_type *t = &g->all->type;

    if (g->items)
        weir__items_drop(t, g->items + g->at * t->size, g->n - g->at);
    weir__items_free(t, g->items, g->cap);
    pages_text_free(&g->next);
    weir__free(g, sizeof *g);
}

uint64_t weir_page_number(const weir_page *g)
{
    return g ? g->number : 0;
}

const char *weir_page_cursor(const weir_page *g, size_t *n)
{
    const struct pages_text none = {0}, *t = g ? &g->all->cursor : &none;

    if (n)
        *n = t->n;
    return t->p;
}

int weir_page_next(weir_page *g, const void *cursor, size_t n)
{
    if (!g || !cursor || n == 0 || n > PAGES_CURSOR)
        return -EINVAL;
    return pages_text_set(&g->next, cursor, n);
}

static int pages_one_grow(struct weir_page *g, size_t n)
{
    const struct weir_type *t = &g->all->type;
    size_t cap = 2 * g->cap > n ? 2 * g->cap : n;
    char *items = weir__items_alloc(t, cap);

    if (!items)
        return -ENOMEM;
    if (g->items)
        memcpy(items, g->items, g->n * t->size);
    weir__items_free(t, g->items, g->cap);
    g->items = items;
    g->cap = cap;
    return 0;
}

int weir_page_put(weir_page *g, const void *items, size_t size, size_t n)
{
    if (!g || (n && !items))
        return -EINVAL;
    if (size != g->all->type.size)
        return WEIR_ETYPE;
    if (n > SIZE_MAX / 8 / size)
        return -ENOMEM;
    if (g->n + n > g->cap && pages_one_grow(g, g->n + n) < 0)
        return -ENOMEM;
    if (n)
        memcpy(g->items + g->n * size, items, n * size);
    g->n += n;
    return 0;
}

/* --- fetching --------------------------------------------------------------------------- */

static void pages_end(struct pages *p, int code)
{
    p->over = true;
    p->end = code;
}

/* Page `g` is there; its cursor, if it has one, is that of the page to come. */
static void pages_turn(struct pages *p, struct weir_page *g, bool more)
{
    int r = 0;

    weir__list_append(&p->ready, &g->link);
    p->waiting++;
    p->number++;
    pages_text_free(&p->cursor);
    p->cursor = g->next;
    g->next = (struct pages_text){0};
    if (!more)
        pages_end(p, 0);
    else if (p->opts.limit != UINT32_MAX && p->number >= p->opts.limit)
        pages_end(p, WEIR_ETOOLARGE);
    else if (p->cursor.p && (r = pages_seen_add(p, &p->cursor)) < 0)
        pages_end(p, r);
}

/* 0, a page more or the end; or the puller's own cancel, and nothing has happened. */
static int pages_fetch(struct pages *p)
{
    struct weir_page *g = weir__alloc(sizeof *g);
    int r = -ENOMEM;

    if (g) {
        g->all = p;
        g->number = p->number;
        weir__list_init(&g->link);
        r = p->opts.fetch(p->ctx, g);
    }
    if (r >= 0) {
        pages_turn(p, g, r > 0);
        return 0;
    }
    if (g)
        pages_one_free(g);
    if (weir__pull_is_resumable(r))
        return r;
    pages_end(p, r);
    return 0;
}

static int pages_ahead(void *arg)
{
    struct pages *p = arg;
    int r = 0;

    while (r == 0 && !p->over) {
        if (p->waiting <= p->opts.prefetch) {
            r = pages_fetch(p);
            weir_event_set(&p->news);
            continue;
        }
        weir_event_clear(&p->room);
        r = weir_event_wait(&p->room, WEIR_NEVER);
    }
    if (!p->over)
        pages_end(p, r);
    weir_event_set(&p->news);
    return 0;
}

/* Until there is a page or the end. */
static int pages_wait(struct pages *p)
{
    int r = 0;

    if (!p->opts.prefetch)
        return pages_fetch(p);
    if (!p->started)
        r = weir__pen_go(&p->pen, pages_ahead, p, "pages");
    if (r < 0)
        return r;
    p->started = true;
    weir_event_clear(&p->news);
    return weir_event_wait(&p->news, WEIR_NEVER);
}

/* --- giving -------------------------------------------------------------------------------- */

static size_t pages_give(struct pages *p, char *items, size_t max)
{
    size_t k = 0, size = p->type.size;

    while (k < max && !weir__list_empty(&p->ready)) {
        struct weir_page *g = WEIR__ENTRY(p->ready.next, struct weir_page, link);
        size_t n = g->n - g->at < max - k ? g->n - g->at : max - k;

        if (n)
            memcpy(items + k * size, g->items + g->at * size, n * size);
        k += n;
        g->at += n;
        if (g->at < g->n)
            break;
        weir__list_remove(&g->link);
        p->waiting--;
        pages_one_free(g);
        weir_event_set(&p->room);
    }
    return k;
}

static ssize_t pages_pull(void *self, void *items, size_t max)
{
    struct pages *p = self;
    int r = 0;

    while (r == 0) {
        size_t k = pages_give(p, items, max);

        if (k)
            return (ssize_t)k;
        if (p->over)
            return p->end;
        r = pages_wait(p);
    }
    return r;
}

static void pages_close(void *self, int why)
{
    struct pages *p = self;

    (void)why;
    weir__pen_cancel(&p->pen, -ECANCELED);
    weir__pen_join(&p->pen);
    while (!weir__list_empty(&p->ready)) {
        struct weir_page *g = WEIR__ENTRY(p->ready.next, struct weir_page, link);

        weir__list_remove(&g->link);
        pages_one_free(g);
    }
    pages_text_free(&p->cursor);
    weir__free(p->seen, p->seen_places * sizeof *p->seen);
    weir__free(p, sizeof *p);
}

static const struct weir_stream_ops pages_ops = {sizeof(struct weir_stream_ops),
                                                 WEIR_STREAM_RESUMABLE, pages_pull, pages_close};

weir_stream *weir_pages(const struct weir_pages_opts *opts, void *ctx, struct weir_type type)
{
    struct pages init = {.ctx = ctx, .type = type}, *p;

    if (!opts || !opts->fetch || opts->prefetch > 1 << 20 || weir__type_check(&type) < 0)
        return weir__stream_poison(-EINVAL);
    for (size_t i = 0; i < sizeof opts->reserved / sizeof *opts->reserved; i++)
        if (opts->reserved[i])
            return weir__stream_poison(-EINVAL);
    init.opts = *opts;
    if (init.opts.limit == 0)
        init.opts.limit = PAGES_LIMIT;
    p = weir__self_new(&init, sizeof init);
    if (!p)
        return weir__stream_poison(-ENOMEM);
    p->seed = weir__seed_next();
    weir__list_init(&p->ready);
    weir_event_init(&p->news);
    weir_event_init(&p->room);
    weir__pen_init(&p->pen);
    return weir__self_stream(&pages_ops, p, type, true, NULL);
}
