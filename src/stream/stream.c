/*
 * stream.c -- the object: pulling, the latch, closing.
 */
#include "stream/stream.h"

#include <string.h>
#include <weir/fan.h>

#include "core/group.h"
#include "stream/items.h"

struct weir__stream_owned {
    struct weir__stream_owned *next;
    void *ptr;
    void (*free_fn)(void *);
};

/* --- poison ---------------------------------------------------------------- */

/* One for each errno, and one for each code of weir's own: a chain keeps its first failure. */
enum { STREAM_ERRNOS = 134, STREAM_CODES = 32 };
static struct weir_stream stream_poisons[STREAM_ERRNOS + STREAM_CODES];

weir_stream *weir__stream_poison(int code)
{
    int k = code <= WEIR_EOPEN ? STREAM_ERRNOS + (WEIR_EOPEN - code) : -code;
    struct weir_stream *s;

    if (k <= 0 || k >= STREAM_ERRNOS + STREAM_CODES || (code > WEIR_EOPEN && k >= STREAM_ERRNOS))
        return weir__stream_poison(-EINVAL);
    (void)WEIR_ARG(code != -EINVAL && code != WEIR_ETYPE); /* a constructor was called wrongly */
    s = &stream_poisons[k];
    __atomic_store_n(&s->poison, code, __ATOMIC_RELAXED);
    return s;
}

int weir_stream_error(const weir_stream *s)
{
    return s ? s->poison : -EINVAL;
}

int weir__stream_check(const weir_stream *s)
{
    return weir_stream_error(s);
}

int weir__type_check(const struct weir_type *t)
{
    bool sound =
        t->size > 0 && t->size <= 1 << 20 && t->align <= 64 && (t->align & (t->align - 1)) == 0;

    return sound ? 0 : -EINVAL;
}

weir_stream *weir__stream_refuse(int code, weir_stream *a, weir_stream *b)
{
    weir_stream_close(&a);
    weir_stream_close(&b);
    return weir__stream_poison(code);
}

/* The byte before the first place says how far the block begins before it. */
void *weir__places_new(size_t bytes)
{
    unsigned char *block = weir__alloc(bytes + 64), *places;

    if (!block)
        return NULL;
    places = block + (64 - ((uintptr_t)block & 63));
    places[-1] = (unsigned char)(places - block);
    return places;
}

void weir__places_free(void *places, size_t bytes)
{
    unsigned char *p = places;

    if (p)
        weir__free(p - p[-1], bytes + 64);
}

/* --- making ------------------------------------------------------------------ */

weir_stream *weir_stream_new(const struct weir_stream_ops *ops, void *self, struct weir_type type)
{
    weir_stream *s;

    if (!ops || ops->size != sizeof *ops || !ops->pull || weir__type_check(&type) < 0)
        return weir__stream_poison(-EINVAL);
    s = weir__alloc(sizeof *s);
    if (!s)
        return weir__stream_poison(-ENOMEM);
    s->home = &s->own_home;
    s->ops = ops;
    s->self = self;
    s->type = type;
    s->steady = ops->flags & WEIR_STREAM_RESUMABLE; /* a stage with a source knows better */
    return s;
}

int weir_stream_own(weir_stream *s, void *ptr, void (*free_fn)(void *))
{
    struct weir__stream_owned *o;
    int r = weir_stream_error(s);

    if (r < 0 || !free_fn)
        return r < 0 ? r : -EINVAL;
    o = weir__alloc(sizeof *o);
    if (!o)
        return -ENOMEM;
    *o = (struct weir__stream_owned){s->owned, ptr, free_fn};
    s->owned = o;
    return 0;
}

struct weir_type weir_stream_type(const weir_stream *s)
{
    return s ? s->type : (struct weir_type){0};
}

uint64_t weir_stream_dropped(const weir_stream *s)
{
    struct weir_fan_stats b = {0};

    if (!s || !s->books)
        return s ? __atomic_load_n(&s->dropped, __ATOMIC_RELAXED) : 0;
    s->books(s->self, &b);
    return b.dropped + b.failed;
}

size_t weir__stream_batch(const struct weir_type *t)
{
    size_t n = WEIR__BATCH_BYTES / t->size;

    return n > WEIR__BATCH ? WEIR__BATCH : n ? n : 1;
}

/* --- pulling ------------------------------------------------------------------- */

/*
 * A stream belongs to the loop that first pulled it, and to one pull at a time.
 * `door` says so in one word: the loop's number while it may be pulled, STREAM_BUSY
 * during a pull, and 0 where there is more to ask: nobody has pulled yet, it
 * has ended, or it was pulled where there is no loop.
 */
static const uint64_t STREAM_BUSY = UINT64_MAX;

/* The puller's own cancel is no end, nor is being refused; everything else that is no item is. */
static ssize_t stream_latch(weir_stream *s, ssize_t r)
{
    __atomic_store_n(&s->door, 0, __ATOMIC_RELAXED);
    if (weir__pull_is_resumable(r))
        return r;
    s->ended = true;
    s->end = (int)r;
    return r;
}

bool weir__home_here(const uint64_t *home)
{
    const struct weir__loop *l = weir__loop_here;
    uint64_t number = __atomic_load_n(home, __ATOMIC_RELAXED);

    return number == 0 || (l && number == l->number);
}

/* The same, and it does so from now on. */
static bool stream_comes_here(weir_stream *s, const struct weir__loop *l)
{
    uint64_t none = 0;

    if (l)
        __atomic_compare_exchange_n(s->home, &none, l->number, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
    return weir__stream_here(s);
}

ssize_t weir__stream_enter(weir_stream *s)
{
    if (s->poison)
        return s->poison;
    if (!stream_comes_here(s, weir__loop_here))
        return -EXDEV;
    if (s->ended)
        return s->end;
    if (weir__stream_busy(s))
        return -EBUSY;
    __atomic_store_n(&s->door, STREAM_BUSY, __ATOMIC_RELAXED);
    return WEIR__STREAM_OPEN;
}

ssize_t weir__stream_leave(weir_stream *s, ssize_t r)
{
    if (r <= 0)
        return stream_latch(s, r);
    __atomic_store_n(&s->door, __atomic_load_n(s->home, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    return r;
}

bool weir__stream_busy(const weir_stream *s)
{
    return __atomic_load_n(&s->door, __ATOMIC_RELAXED) == STREAM_BUSY;
}

static __attribute__((noinline)) ssize_t stream_pull_first(weir_stream *s, void *items, size_t max)
{
    ssize_t r = weir__stream_enter(s);

    return r == WEIR__STREAM_OPEN ? weir__stream_leave(s, s->ops->pull(s->self, items, max)) : r;
}

/* A source that never parks shares the loop all the same. */
static inline void stream_charge(struct weir__loop *l)
{
    if (l && (l->budget == 0 || --l->budget == 0))
        weir__budget_spent(l);
}

ssize_t weir_pull(weir_stream *s, void *items, size_t max)
{
    struct weir__loop *l = weir__loop_here;
    ssize_t r;

    if (WEIR_ARG(s && items && max) < 0)
        return -EINVAL;
    if (!s->unpaid)
        stream_charge(l);
    if (WEIR__UNLIKELY(!l || __atomic_load_n(&s->door, __ATOMIC_RELAXED) != l->number))
        return stream_pull_first(s, items, max);
    __atomic_store_n(&s->door, STREAM_BUSY, __ATOMIC_RELAXED);
    r = s->ops->pull(s->self, items, max);
    if (WEIR__UNLIKELY(r <= 0))
        return stream_latch(s, r);
    __atomic_store_n(&s->door, weir__loop_here->number, __ATOMIC_RELAXED);
    return r;
}

int weir_stream_next(weir_stream *s, void *item, size_t size)
{
    if (s && !s->poison && WEIR_ARG_OR(size == s->type.size, WEIR_ETYPE) < 0)
        return WEIR_ETYPE;
    return (int)weir_pull(s, item, 1);
}

static int stream_close_here(void *arg)
{
    weir_stream *s = arg;

    if (s->ops->close)
        s->ops->close(s->self, s->ended ? s->end : -ECANCELED);
    while (s->owned) {
        struct weir__stream_owned *o = s->owned;

        s->owned = o->next;
        o->free_fn(o->ptr);
        weir__free(o, sizeof *o);
    }
    weir__free(s, sizeof *s);
    return 0;
}

void weir_stream_close(weir_stream **sp)
{
    weir_stream *s = sp ? *sp : NULL;

    if (!s)
        return;
    *sp = NULL;
    if (s->poison)
        return;
    if (WEIR__UNLIKELY(!weir__stream_here(s)) &&
        weir__far_call(__atomic_load_n(s->home, __ATOMIC_RELAXED), stream_close_here, s))
        return;
    (void)stream_close_here(s);
}
