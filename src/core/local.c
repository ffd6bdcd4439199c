/*
 * local.c -- task locals.
 *
 * A fiber has one table, or none.  A table is never changed once a fiber it
 * was given to could see it: a set makes a new one.  So a child inherits by a
 * count, and each value counts the tables it stands in:
 *
 *     fiber -> table { refs, box, box, ... } -> box { refs, value, drop }
 *
 * The counts are atomic only where there are many loops.
 */
#include <weir/local.h>

#include "core/local.h"

struct local_box {
    uint32_t refs;
    void *value;
    void (*drop)(void *value);
};

struct weir__locals {
    uint32_t refs, n;
    struct local_box *box[];
};

/* The number of the next key; 0 is no number. */
static uint32_t local_keys;

/* --- counts ------------------------------------------------------------ */

static bool local_shared(void)
{
    const struct weir__loop *l = weir__loop_get();

    return l && l->many;
}

static void local_up(uint32_t *refs)
{
    if (WEIR__UNLIKELY(local_shared()))
        __atomic_add_fetch(refs, 1, __ATOMIC_RELAXED);
    else
        ++*refs;
}

/* Whether that was the last. */
static bool local_down(uint32_t *refs)
{
    if (WEIR__UNLIKELY(local_shared()))
        return __atomic_sub_fetch(refs, 1, __ATOMIC_ACQ_REL) == 0;
    return --*refs == 0;
}

static size_t local_bytes(uint32_t n)
{
    return sizeof(struct weir__locals) + n * sizeof(struct local_box *);
}

static void local_box_leave(struct local_box *b)
{
    if (!b || !local_down(&b->refs))
        return;
    if (b->drop && b->value)
        b->drop(b->value);
    weir__free(b, sizeof *b);
}

struct weir__locals *weir__locals_join(struct weir__locals *t)
{
    if (t)
        local_up(&t->refs);
    return t;
}

void weir__locals_leave(struct weir__locals *t)
{
    if (!t || !local_down(&t->refs))
        return;
    for (uint32_t i = 0; i < t->n; i++)
        local_box_leave(t->box[i]);
    weir__free(t, local_bytes(t->n));
}

void weir__locals_become(struct weir__locals *t)
{
    struct weir__locals *old = weir__fiber_slot_get(WEIR__SLOT_LOCALS);

    if (old == t)
        return;
    weir__fiber_slot_set(WEIR__SLOT_LOCALS, weir__locals_join(t));
    weir__locals_leave(old);
}

/* --- keys -------------------------------------------------------------- */

/* Several threads may ask at once; a number that two of them drew for one key is lost. */
static uint32_t local_number(struct weir_local *key)
{
    uint32_t n = __atomic_load_n(&key->number, __ATOMIC_RELAXED), none = 0;

    if (WEIR__LIKELY(n))
        return n;
    n = __atomic_load_n(&local_keys, __ATOMIC_RELAXED);
    do {
        if (n == WEIR_LOCALS_MOST)
            return 0;
    } while (!__atomic_compare_exchange_n(&local_keys, &n, n + 1, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    if (__atomic_compare_exchange_n(&key->number, &none, n + 1, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        return n + 1;
    return none;
}

/* --- get and set ------------------------------------------------------- */

void *weir_local_get(const struct weir_local *key)
{
    const struct weir__locals *t = weir__fiber_slot_get(WEIR__SLOT_LOCALS);
    uint32_t at = key ? __atomic_load_n(&key->number, __ATOMIC_RELAXED) - 1 : UINT32_MAX;

    return t && at < t->n && t->box[at] ? t->box[at]->value : NULL;
}

/* A copy of `old` with `box` in place `at`; the others are in one more table now. */
static struct weir__locals *local_copy(const struct weir__locals *old, uint32_t at,
                                       struct local_box *box)
{
    uint32_t n = old && old->n > at ? old->n : at + 1;
    struct weir__locals *t = weir__alloc(local_bytes(n));

    if (!t)
        return NULL;
    t->refs = 1;
    t->n = n;
    for (uint32_t i = 0; old && i < old->n; i++) {
        t->box[i] = i == at ? NULL : old->box[i];
        if (t->box[i])
            local_up(&t->box[i]->refs);
    }
    t->box[at] = box;
    return t;
}

/* What the fiber would have with the key set. */
static int local_make(struct weir_local *key, void *value, const struct weir__locals *old,
                      struct weir__locals **out)
{
    struct local_box *box = NULL;
    uint32_t number;

    if (!key || key->reserved)
        return -EINVAL;
    if (!weir__self())
        return WEIR_ENOFIBER;
    number = local_number(key);
    if (!number)
        return WEIR_EFULL;
    if (value) {
        box = weir__alloc(sizeof *box);
        if (!box)
            return -ENOMEM;
        *box = (struct local_box){1, value, key->drop};
    }
    *out = local_copy(old, number - 1, box);
    if (!*out)
        weir__free(box, sizeof *box);
    return *out ? 0 : -ENOMEM;
}

int weir_local_set(struct weir_local *key, void *value)
{
    struct weir__locals *old = weir__fiber_slot_get(WEIR__SLOT_LOCALS), *t = NULL;
    int r = local_make(key, value, old, &t);

    if (r < 0)
        return r;
    weir__fiber_slot_set(WEIR__SLOT_LOCALS, t);
    weir__locals_leave(old);
    return 0;
}

int weir_local_with(struct weir_local *key, void *value, int (*fn)(void *), void *arg)
{
    struct weir__locals *old = weir__fiber_slot_get(WEIR__SLOT_LOCALS), *t = NULL;
    int r = fn ? local_make(key, value, old, &t) : -EINVAL;

    if (r < 0)
        return r;
    weir__fiber_slot_set(WEIR__SLOT_LOCALS, t);
    r = fn(arg);
    t = weir__fiber_slot_get(WEIR__SLOT_LOCALS); /* fn may have set more */
    weir__fiber_slot_set(WEIR__SLOT_LOCALS, old);
    weir__locals_leave(t);
    return r;
}
