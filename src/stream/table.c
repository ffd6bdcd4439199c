/*
 * table.c -- pointers by number: open addressing, at most half full, removal
 * without tombstones, so that a table that breathes does not grow.
 */
#include "stream/fan.h"

enum { TABLE_FIRST = 16 };

static size_t table_home(const struct weir__table *t, uint64_t key)
{
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15u;
    return (size_t)(key >> 32 ^ key >> 7) & (t->cap - 1);
}

/* The place of the key, or the free one where it would go.  The table is not full. */
static size_t table_place(const struct weir__table *t, uint64_t key)
{
    size_t at = table_home(t, key);

    while (t->entries[at].value && t->entries[at].key != key)
        at = (at + 1) & (t->cap - 1);
    return at;
}

void *weir__table_get(const struct weir__table *t, uint64_t key)
{
    return t->n ? t->entries[table_place(t, key)].value : NULL;
}

static int table_grow(struct weir__table *t)
{
    struct weir__table bigger = {.cap = t->cap ? t->cap * 2 : TABLE_FIRST, .n = t->n};

    bigger.entries = weir__alloc(bigger.cap * sizeof *bigger.entries);
    if (!bigger.entries)
        return -ENOMEM;
    for (size_t i = 0; i < t->cap; i++)
        if (t->entries[i].value)
            bigger.entries[table_place(&bigger, t->entries[i].key)] = t->entries[i];
    weir__table_free(t);
    *t = bigger;
    return 0;
}

int weir__table_put(struct weir__table *t, uint64_t key, void *value)
{
    size_t at;

    if (2 * (t->n + 1) > t->cap && table_grow(t) < 0)
        return -ENOMEM;
    at = table_place(t, key);
    t->n += !t->entries[at].value;
    t->entries[at] = (struct weir__table_entry){key, value};
    return 0;
}

/* What stands behind the hole and could not stand in it before moves up. */
void weir__table_remove(struct weir__table *t, uint64_t key)
{
    size_t hole, at, mask = t->cap - 1;

    if (!t->n)
        return;
    hole = at = table_place(t, key);
    if (!t->entries[hole].value)
        return;
    t->n--;
    for (;;) {
        at = (at + 1) & mask;
        if (!t->entries[at].value)
            break;
        if (((at - table_home(t, t->entries[at].key)) & mask) >= ((at - hole) & mask)) {
            t->entries[hole] = t->entries[at];
            hole = at;
        }
    }
    t->entries[hole] = (struct weir__table_entry){0};
}

void weir__table_free(struct weir__table *t)
{
    weir__free(t->entries, t->cap * sizeof *t->entries);
    *t = (struct weir__table){0};
}

struct weir__table_entry *weir__table_next(const struct weir__table *t, size_t *at)
{
    while (*at < t->cap)
        if (t->entries[(*at)++].value)
            return &t->entries[*at - 1];
    return NULL;
}
