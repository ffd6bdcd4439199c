/*
 * items.h -- what the further operators share: memory for items, aligned as
 * their type asks, and the last step of every constructor.
 */
#ifndef WEIR__ITEMS_H
#define WEIR__ITEMS_H

#include "core/item.h"
#include "stream/stream.h"

/* n items, zeroed, at an address that suits the type (weir__alloc knows 16 only); or NULL. */
void *weir__items_alloc(const struct weir_type *t, size_t n);
/* Of NULL too. */
void weir__items_free(const struct weir_type *t, void *items, size_t n);

void weir__items_drop(const struct weir_type *t, void *items, size_t n);

/* An item of the type can be doubled. */
static inline bool weir__item_clones(const struct weir_type *t)
{
    return t->clone || !t->drop;
}

/* Items of `b` may stand for items of `a`. */
static inline bool weir__type_same(const struct weir_type *a, const struct weir_type *b)
{
    return weir__item_same(a, b);
}

/* 64 bits of n bytes; every bit of the seed and of the bytes counts in all of them. */
uint64_t weir__bytes_hash(uint64_t seed, const void *bytes, size_t n);

/* A block of weir__alloc that begins as *init; NULL if there is none. */
void *weir__self_new(const void *init, size_t size);

/*
 * The stream of `self`, which from here on belongs to it: if `sound` is false
 * (memory is missing) or the stream cannot be made, ops->close frees `self` and
 * what it has, and the result is poisoned.  *me, if not NULL, is set.
 */
weir_stream *weir__self_stream(const struct weir_stream_ops *ops, void *self, struct weir_type type,
                               bool sound, weir_stream **me);

/*
 * The common beginning of a stage's constructor: 0, or why it must refuse.
 * `fn` is any function pointer that it cannot do without.
 */
int weir__stage_check(const weir_stream *s, bool has_fn);

/* A negative result that is the puller's own business, and no end: see stream_latch. */
static inline bool weir__pull_is_resumable(ssize_t r)
{
    return (r == -ECANCELED && weir_cancel_why()) || r == WEIR_ENOFIBER || r == -EBUSY ||
           r == -EXDEV;
}

/* As the ends pull: a cancel is seen although the source never parks. */
static inline ssize_t weir__pull_on(weir_stream *s, void *items, size_t max)
{
    return weir_cancel_why() ? -ECANCELED : weir_pull(s, items, max);
}

/*
 * What a callback has built for the owner of `pen`: 0 if it is sound, of the
 * right type, and the pen has not died meanwhile; else *s is closed and NULL.
 */
int weir__built_check(weir_stream **s, const struct weir_type *type, const struct weir__pen *pen);

#endif
