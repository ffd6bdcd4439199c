/*
 * supply.c -- further sources: once, repeat, a poll function, a resource, the
 * bytes of a descriptor, what falls due, and one that is made when it is first
 * wanted.
 */
#include <string.h>
#include <weir/io.h>
#include <weir/ops.h>

#include "stream/items.h"

#define SUPPLY_OPS(name, flag)                                                                     \
    static const struct weir_stream_ops supply_##name##_ops = {                                    \
        sizeof(struct weir_stream_ops), flag, supply_##name##_pull, supply_##name##_close}

/* --- once -------------------------------------------------------------------- */

struct supply_once {
    struct weir_type type;
    bool over;
    char *item;
};

static ssize_t supply_once_pull(void *self, void *items, size_t max)
{
    struct supply_once *o = self;

    (void)max;
    if (o->over)
        return 0;
    memcpy(items, o->item, o->type.size);
    o->over = true;
    return 1;
}

static void supply_once_close(void *self, int why)
{
    struct supply_once *o = self;

    (void)why;
    if (o->item && !o->over)
        weir__item_drop(&o->type, o->item);
    weir__items_free(&o->type, o->item, 1);
    weir__free(o, sizeof *o);
}

SUPPLY_OPS(once, WEIR_STREAM_RESUMABLE);

/* The drop gets the item where it may write: it is ours now. */
static weir_stream *supply_once_refuse(const void *item, const struct weir_type *type, int code)
{
    if (item)
        weir__item_drop(type, (void *)(uintptr_t)item);
    return weir__stream_poison(code);
}

weir_stream *weir_once(const void *item, struct weir_type type)
{
    struct supply_once init = {.type = type, .over = true}, *o;
    weir_stream *s;

    if (!item || weir__type_check(&type) < 0)
        return supply_once_refuse(item, &type, -EINVAL);
    o = weir__self_new(&init, sizeof init);
    if (!o)
        return supply_once_refuse(item, &type, -ENOMEM);
    o->item = weir__items_alloc(&type, 1);
    s = weir__self_stream(&supply_once_ops, o, type, o->item, NULL);
    if (s->poison)
        return supply_once_refuse(item, &type, s->poison);
    memcpy(o->item, item, type.size);
    o->over = false;
    return s;
}

/* --- repeat --------------------------------------------------------------------- */

struct supply_repeat {
    const void *item;
    struct weir_type type;
};

/* Never parks, so it lets the others have their turn, and sees a cancel. */
static ssize_t supply_repeat_pull(void *self, void *items, size_t max)
{
    struct supply_repeat *o = self;
    size_t n = weir__stream_batch(&o->type), k;
    int r = weir_checkpoint();

    if (r < 0 && r != WEIR_ENOFIBER)
        return r;
    n = n < max ? n : max;
    r = 0;
    for (k = 0; k < n && r >= 0; k++)
        r = weir__item_clone(&o->type, (char *)items + k * o->type.size, o->item);
    if (r < 0 && k == 1)
        return r;
    return (ssize_t)(r < 0 ? k - 1 : k); /* the clone is tried again by the next pull */
}

static void supply_repeat_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct supply_repeat));
}

SUPPLY_OPS(repeat, WEIR_STREAM_RESUMABLE);

weir_stream *weir_repeat(const void *item, struct weir_type type)
{
    struct supply_repeat init = {item, type}, *o;

    if (!item || weir__type_check(&type) < 0 || !weir__item_clones(&type))
        return weir__stream_poison(-EINVAL);
    o = weir__self_new(&init, sizeof init);
    return o ? weir__self_stream(&supply_repeat_ops, o, type, true, NULL)
             : weir__stream_poison(-ENOMEM);
}

/* --- a poll function --------------------------------------------------------------- */

struct supply_poll {
    weir_fn *next;
    void *ctx;
    struct weir_event *ready;
    size_t size;
    bool over;
    int end; /* to be told once the items before it have been */
};

/* As many as there are: none of these calls parks. */
static size_t supply_poll_ask(struct supply_poll *o, char *items, size_t max, int *r)
{
    size_t k = 0;

    *r = 1;
    while (k < max && (*r = o->next(o->ctx, NULL, items + k * o->size)) > 0)
        k++;
    if (*r <= 0 && *r != -EAGAIN) {
        o->over = true;
        o->end = *r;
    }
    return k;
}

static ssize_t supply_poll_pull(void *self, void *items, size_t max)
{
    struct supply_poll *o = self;
    int r = weir_checkpoint();

    if (r == WEIR_ENOFIBER)
        r = 0;
    while (r == 0 && !o->over) {
        size_t k;

        weir_event_clear(o->ready); /* before: what is set from here on is seen */
        k = supply_poll_ask(o, items, max, &r);
        if (k)
            return (ssize_t)k;
        if (r == -EAGAIN)
            r = weir_event_wait(o->ready, WEIR_NEVER);
    }
    return o->over ? o->end : r;
}

static void supply_poll_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct supply_poll));
}

SUPPLY_OPS(poll, WEIR_STREAM_RESUMABLE);

weir_stream *weir_from_poll(weir_fn *next, void *ctx, struct weir_event *ready,
                            struct weir_type type)
{
    struct supply_poll init = {.next = next, .ctx = ctx, .ready = ready, .size = type.size}, *o;

    if (!next || !ready || weir__type_check(&type) < 0)
        return weir__stream_poison(-EINVAL);
    o = weir__self_new(&init, sizeof init);
    return o ? weir__self_stream(&supply_poll_ops, o, type, true, NULL)
             : weir__stream_poison(-ENOMEM);
}

/* --- a resource ------------------------------------------------------------------------ */

struct supply_resource {
    const struct weir_resource *r;
    void *ctx;
    bool opened;
};

static void supply_resource_shut(struct supply_resource *o, int why)
{
    if (!o->opened)
        return;
    o->opened = false;
    if (o->r->close)
        o->r->close(o->ctx, why);
}

static ssize_t supply_resource_pull(void *self, void *items, size_t max)
{
    struct supply_resource *o = self;
    int r = o->opened || !o->r->open ? 0 : o->r->open(o->ctx);

    (void)max; /* one: the callback may park, and a batch never waits */
    if (r < 0)
        return r;
    o->opened = true;
    r = o->r->next(o->ctx, NULL, items);
    if (r > 0)
        return 1;
    if (!weir__pull_is_resumable(r))
        supply_resource_shut(o, r);
    return r;
}

static void supply_resource_close(void *self, int why)
{
    supply_resource_shut(self, why);
    weir__free(self, sizeof(struct supply_resource));
}

SUPPLY_OPS(resource, 0);

weir_stream *weir_resource(const struct weir_resource *r, void *ctx, struct weir_type type)
{
    struct supply_resource init = {.r = r, .ctx = ctx}, *o;

    if (!r || !r->next || r->reserved || weir__type_check(&type) < 0)
        return weir__stream_poison(-EINVAL);
    o = weir__self_new(&init, sizeof init);
    return o ? weir__self_stream(&supply_resource_ops, o, type, true, NULL)
             : weir__stream_poison(-ENOMEM);
}

/* --- bytes of a descriptor --------------------------------------------------------------- */

struct supply_bytes {
    int fd;
    weir__reader *read;
    size_t size;
    char *buf;
};

static ssize_t supply_bytes_pull(void *self, void *items, size_t max)
{
    struct supply_bytes *o = self;
    ssize_t n = o->read(o->fd, o->buf, o->size);

    (void)max; /* one: its bytes are lent until the next pull */
    if (n <= 0)
        return n;
    *(struct weir_chunk *)items = (struct weir_chunk){(size_t)n, o->buf};
    return 1;
}

static void supply_bytes_close(void *self, int why)
{
    struct supply_bytes *o = self;

    (void)why;
    weir__free(o->buf, o->size);
    weir__free(o, sizeof *o);
}

SUPPLY_OPS(bytes, WEIR_STREAM_RESUMABLE);

static ssize_t supply_bytes_read(int fd, void *buf, size_t size)
{
    return weir_read(fd, buf, size, WEIR_NEVER);
}

weir_stream *weir_bytes(int fd, size_t max)
{
    return weir__bytes_by(fd, max, supply_bytes_read);
}

weir_stream *weir__bytes_by(int fd, size_t max, weir__reader *read)
{
    struct supply_bytes init = {.fd = fd, .read = read, .size = max ? max : 64 << 10}, *o;

    if (fd < 0 || max > SIZE_MAX / 4)
        return weir__stream_poison(fd < -1 ? fd : -EINVAL);
    o = weir__self_new(&init, sizeof init);
    if (!o)
        return weir__stream_poison(-ENOMEM);
    o->buf = weir__alloc(o->size);
    return weir__self_stream(&supply_bytes_ops, o, WEIR_TYPE(struct weir_chunk), o->buf, NULL);
}

/* --- what falls due ------------------------------------------------------------ */

struct supply_due {
    weir_due *due;
    size_t size;
};

static ssize_t supply_due_pull(void *self, void *items, size_t max)
{
    struct supply_due *o = self;
    char *p = items;
    size_t n = 0;
    int r;

    do
        r = weir_due_recv(o->due, p + n * o->size, o->size, n ? 0 : WEIR_NEVER);
    while (r > 0 && ++n < max);
    return n ? (ssize_t)n : r;
}

static void supply_due_close(void *self, int why)
{
    (void)why;
    weir__free(self, sizeof(struct supply_due));
}

SUPPLY_OPS(due, WEIR_STREAM_RESUMABLE);

weir_stream *weir_from_due(weir_due *d)
{
    struct supply_due init = {d, weir_due_type(d).size}, *o;
    int r = weir_due_error(d);

    if (r < 0)
        return weir__stream_poison(r);
    o = weir__self_new(&init, sizeof init);
    if (!o)
        return weir__stream_poison(-ENOMEM);
    return weir__self_stream(&supply_due_ops, o, weir_due_type(d), true, NULL);
}

/* --- made when it is first wanted ----------------------------------------------------------- */

struct supply_defer {
    struct weir__pen pen; /* runs nothing: it knows where we were built */
    weir_make *make;
    void *ctx;
    struct weir_type type;
    weir_stream *inner;
};

static int supply_defer_make(struct supply_defer *o)
{
    struct weir__nest nest;
    int r = weir__pen_why(&o->pen);

    if (r < 0)
        return r;
    weir__nest_enter(&nest, &o->pen);
    o->inner = o->make(o->ctx);
    weir__nest_leave(&nest);
    if (!o->inner)
        o->inner = weir_empty(o->type);
    return weir__built_check(&o->inner, &o->type, &o->pen);
}

static ssize_t supply_defer_pull(void *self, void *items, size_t max)
{
    struct supply_defer *o = self;
    int r = o->inner ? 0 : supply_defer_make(o);

    return r < 0 ? r : weir_pull(o->inner, items, max);
}

static void supply_defer_close(void *self, int why)
{
    struct supply_defer *o = self;

    (void)why;
    weir_stream_close(&o->inner);
    weir__pen_join(&o->pen);
    weir__free(o, sizeof *o);
}

SUPPLY_OPS(defer, WEIR_STREAM_RESUMABLE);

weir_stream *weir_defer(weir_make *make, void *ctx, struct weir_type type)
{
    struct supply_defer init = {.make = make, .ctx = ctx, .type = type}, *o;

    if (!make || weir__type_check(&type) < 0)
        return weir__stream_poison(-EINVAL);
    o = weir__self_new(&init, sizeof init);
    if (!o)
        return weir__stream_poison(-ENOMEM);
    weir__pen_init(&o->pen);
    return weir__self_stream(&supply_defer_ops, o, type, true, NULL);
}
