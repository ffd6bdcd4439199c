/*
 * cache_index.c -- entries by key: open addressing, at most three quarters
 * full, removal without tombstones, one block an entry.
 */
#include <string.h>

#include "base/arith.h"
#include "store/cache.h"

enum { CACHE_FIRST = 16, CACHE_SWEEP = 8 };

/* --- entries --------------------------------------------------------------------- */

weir_cached *weir__cached_new(weir_cache *c, uint64_t hash, const void *key, size_t len)
{
    size_t align = c->opts.type.align ? c->opts.type.align : 1;
    size_t size = sizeof(weir_cached) + len + align - 1 + c->opts.type.size;
    weir_cached *e = weir__alloc(size);

    if (!e)
        return NULL;
    e->size = (uint32_t)size;
    e->cache = c;
    e->hash = hash;
    e->refs = 1;
    e->key_len = (uint32_t)len;
    if (len)
        memcpy(e->key, key, len);
    e->value_at = (uint32_t)(len + (-((uintptr_t)e->key + len) & (align - 1)));
    c->refs++;
    return e;
}

void weir__cached_end(weir_cached *e)
{
    weir_cache *c = e->cache;

    c->stats.held -= e->left;
    if (c->opts.type.drop && !e->error)
        c->opts.type.drop(weir__cached_place(e));
    weir__free(e, e->size);
    if (--c->refs == 0)
        weir__free(c, sizeof *c);
}

/* --- the index --------------------------------------------------------------------- */

static size_t cache_next(const weir_cache *c, size_t at)
{
    return (at + 1) & (c->cap - 1);
}

static size_t cache_home(const weir_cache *c, size_t at)
{
    return c->slots[at].hash & (c->cap - 1);
}

static size_t cache_at(const weir_cache *c, const weir_cached *e)
{
    size_t at = e->hash & (c->cap - 1);

    while (c->slots[at].entry != e)
        at = cache_next(c, at);
    return at;
}

void weir__cache_index_put(weir_cache *c, weir_cached *e)
{
    size_t at = e->hash & (c->cap - 1);

    while (c->slots[at].entry)
        at = cache_next(c, at);
    c->slots[at] = (struct weir__cache_slot){e->hash, e};
    c->n++;
}

void weir__cache_index_swap(weir_cache *c, const weir_cached *old, weir_cached *e)
{
    c->slots[cache_at(c, old)].entry = e;
}

/* Ticks are as long as the index is large: ages are counted in the new ones. */
static void cache_index_move(weir_cache *c, weir_cached *e, uint64_t tick, uint32_t shorter)
{
    uint32_t age = weir__heat_age(e->heat, tick) >> shorter;

    e->heat = weir__heat_make(e->heat >> WEIR__HEAT_BITS, weir__cache_tick(c) - age);
    weir__cache_index_put(c, e);
}

int weir__cache_index_room(weir_cache *c)
{
    struct weir__cache_slot *old = c->slots;
    size_t old_cap = c->cap, cap = old_cap ? old_cap * 2 : CACHE_FIRST;
    uint64_t tick = weir__cache_tick(c);
    uint32_t shorter = cap > WEIR__HEAT_TICKS;

    if (4 * (c->n + 1) <= 3 * old_cap)
        return 0;
    c->slots = weir__alloc(cap * sizeof *old);
    if (!c->slots) {
        c->slots = old;
        return c->n + 1 < old_cap ? 0 : -ENOMEM;
    }
    c->cap = cap;
    c->shift += shorter;
    c->n = c->cursor = 0;
    c->lap = WEIR_NEVER;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].entry)
            cache_index_move(c, old[i].entry, tick, shorter);
    weir__free(old, old_cap * sizeof *old);
    return 0;
}

/* What stands behind the hole and could not stand in it before moves up; the sweep may miss it. */
void weir__cache_index_remove(weir_cache *c, const weir_cached *e)
{
    size_t hole = cache_at(c, e);

    c->n--;
    for (size_t at = cache_next(c, hole); c->slots[at].entry; at = cache_next(c, at))
        if (((at - cache_home(c, at)) & (c->cap - 1)) >= ((at - hole) & (c->cap - 1))) {
            c->lap = weir__min64(c->lap, c->slots[at].entry->gone);
            c->slots[hole] = c->slots[at];
            hole = at;
        }
    c->slots[hole] = (struct weir__cache_slot){0, NULL};
}

/* --- the sweep ----------------------------------------------------------------------- */

/* A removal may move another entry to where the cursor is: it is looked at again. */
void weir__cache_sweep(weir_cache *c, weir_time now)
{
    c->lookups = 0;
    for (int i = 0; i < CACHE_SWEEP && c->n; i++) {
        weir_cached *e = c->slots[c->cursor].entry;

        if (e && now >= e->gone) {
            weir__cache_remove(c, e, WEIR_CACHE_EXPIRED);
            continue;
        }
        if (e)
            c->lap = weir__min64(c->lap, e->gone);
        c->cursor = cache_next(c, c->cursor);
        if (c->cursor == 0) {
            c->soonest = c->lap;
            c->lap = WEIR_NEVER;
        }
    }
}
