/*
 * items.c -- memory for items, and the last step of a constructor.
 */
#include "stream/items.h"

#include <string.h>

void *weir__items_alloc(const struct weir_type *t, size_t n)
{
    return n == 0 || n > (SIZE_MAX - 64) / t->size ? NULL : weir__places_new(n * t->size);
}

void weir__items_free(const struct weir_type *t, void *items, size_t n)
{
    weir__places_free(items, n * t->size);
}

void weir__items_drop(const struct weir_type *t, void *items, size_t n)
{
    for (size_t i = 0; t->drop && i < n; i++)
        t->drop((char *)items + i * t->size);
}

/* The finisher of splitmix64: a change of any bit changes each bit half of the time. */
static uint64_t items_mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

uint64_t weir__bytes_hash(uint64_t seed, const void *bytes, size_t n)
{
    const char *p = bytes;
    uint64_t h = items_mix(seed + n), word;

    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        h = items_mix((h + 0x9e3779b97f4a7c15u) ^ word);
    }
    word = 0;
    memcpy(&word, p, n);
    return items_mix((h + 0x9e3779b97f4a7c15u) ^ word);
}

void *weir__self_new(const void *init, size_t size)
{
    void *self = weir__alloc(size);

    return self ? memcpy(self, init, size) : NULL;
}

weir_stream *weir__self_stream(const struct weir_stream_ops *ops, void *self, struct weir_type type,
                               bool sound, weir_stream **me)
{
    weir_stream *s = sound ? weir_stream_new(ops, self, type) : weir__stream_poison(-ENOMEM);

    if (s->poison) {
        ops->close(self, s->poison);
        return s;
    }
    s->steady = false; /* it may call back, or pull a source that is not */
    if (me)
        *me = s;
    return s;
}

int weir__stage_check(const weir_stream *s, bool has_fn)
{
    int r = weir__stream_check(s);

    return r < 0 || has_fn ? r : -EINVAL;
}

int weir__built_check(weir_stream **s, const struct weir_type *type, const struct weir__pen *pen)
{
    int r = weir__stream_check(*s);

    if (r == 0 && !weir__type_same(&(*s)->type, type))
        r = WEIR_ETYPE;
    if (r == 0)
        r = weir__pen_why(pen);
    if (r < 0)
        weir_stream_close(s);
    return r;
}
