/*
 * item.h -- items of a weir_type that lie in a block of ours: which types are
 * sound, how much room one needs, where it lies in it, how it is copied.
 */
#ifndef WEIR__CORE_ITEM_H
#define WEIR__CORE_ITEM_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <weir/base.h>

#include "base/check.h"

static inline int weir__item_check(const struct weir_type *t)
{
    bool sound = t->size && t->size <= 1 << 20 && t->align <= 64 && !(t->align & (t->align - 1));

    return sound ? 0 : -EINVAL;
}

/* Items of either may stand for items of the other; a debug build minds their names too. */
static inline bool weir__item_same(const struct weir_type *a, const struct weir_type *b)
{
    bool named = WEIR__DEBUG && a->name && b->name;

    return a->size == b->size && a->drop == b->drop && (!named || strcmp(a->name, b->name) == 0);
}

/* Whether there can be two of one. */
static inline bool weir__item_copies(const struct weir_type *t)
{
    return t->clone || !t->drop;
}

/* An allocator aligns for plain types only; `drop` may count on the alignment of its item. */
static inline size_t weir__item_room(const struct weir_type *t)
{
    return t->size + (t->align > 16 ? t->align : 0);
}

static inline void *weir__item_place(void *room, const struct weir_type *t)
{
    uintptr_t mask = t->align > 16 ? t->align - 1 : 0, at = (uintptr_t)room;

    return (char *)room + (((at + mask) & ~mask) - at);
}

static inline int weir__item_clone(const struct weir_type *t, void *to, const void *from)
{
    int r = 0;

    if (t->clone)
        r = t->clone(to, from);
    else
        memcpy(to, from, t->size);
    return r < 0 ? r : 0;
}

static inline void weir__item_drop(const struct weir_type *t, void *item)
{
    if (t->drop)
        t->drop(item);
}

#endif
