/*
 * local.h -- the values that go with a fiber, for those who start and end it.
 */
#ifndef WEIR__CORE_LOCAL_H
#define WEIR__CORE_LOCAL_H

#include "core/core.h"

struct weir__locals;

/* One more fiber has them, and one fewer; NULL are none. */
struct weir__locals *weir__locals_join(struct weir__locals *t);
void weir__locals_leave(struct weir__locals *t);

/* The running fiber has these from here on, and no others. */
void weir__locals_become(struct weir__locals *t);

/* A new fiber of `l` gets those of the one that starts it. */
static inline void weir__locals_inherit(struct weir__fiber *f, const struct weir__loop *l)
{
    void *t = l->current->slots[WEIR__SLOT_LOCALS];

    if (WEIR__UNLIKELY(t != NULL))
        f->slots[WEIR__SLOT_LOCALS] = weir__locals_join(t);
}

#endif
