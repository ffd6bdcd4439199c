/*
 * cache_evict.c -- who goes when there is no room: of some two dozen slots that are
 * looked at in turn, and the entry that came last, the one that is worth least.
 *
 * What an entry of some heat is worth has been learned from the traffic of
 * this very cache (cache_lore.c), so there is nothing to tune: a loop that
 * does not fit keeps its old entries, a crowd of new keys that come back soon
 * pushes out the old, a scan passes through.  Keys that have left are
 * remembered with their heat, four times as many as there is room for, or
 * 2,048: when one comes back that is learned too, and it is as hot as it was.
 */
#include "base/arith.h"
#include "store/cache.h"

/* Groups of slots, a cache line each, spread over the index by the golden ratio. */
enum { EVICT_GROUPS = 8, EVICT_GROUP = 4 };

#define EVICT_STRIDE 0x9e3779b97f4a7c15u

/* --- those who left ------------------------------------------------------------------ */

static float *evict_alive(weir_cache *c, uint32_t heat)
{
    uint32_t age = weir__heat_age(heat, weir__cache_tick(c));

    return &c->lore->alive[weir__heat_class(heat)][weir__heat_bucket(age)];
}

uint32_t weir__cache_arrival(weir_cache *c, uint64_t hash)
{
    struct weir__cache_ghost *g = weir__cache_ghosts(c, hash);

    for (int i = 0; g && i < WEIR__GHOST_WAYS; i++)
        if (g[i].heat && g[i].tag == (uint32_t)hash) {
            uint32_t heat = weir__cache_use(c, g[i].heat);

            g[i].heat = 0;
            return heat;
        }
    return weir__heat_make(WEIR__HEAT_ONE, weir__cache_tick(c));
}

/* In the place of the one that left first. */
void weir__cache_remember(weir_cache *c, size_t at)
{
    struct weir__cache_ghost *g = weir__cache_ghosts(c, c->slots[at].entry->hash), *to = g;
    uint64_t tick = weir__cache_tick(c);

    for (int i = 0; g && i < WEIR__GHOST_WAYS && to->heat; i++)
        if (!g[i].heat || weir__heat_age(g[i].heat, tick) > weir__heat_age(to->heat, tick))
            to = &g[i];
    if (g)
        *to = (struct weir__cache_ghost){c->slots[at].hash, c->slots[at].heat};
}

/* --- who goes --------------------------------------------------------------------------- */

struct evict_choice {
    weir_cached *spared;
    float worth;
    uint32_t class, age;
    size_t at;
    bool any;
};

static bool evict_over(const weir_cache *c)
{
    return c->n > c->opts.max_entries || c->weight > c->opts.max_weight;
}

/* Of two that are worth the same the one less used goes, and then the younger: the other has been here. */
static bool evict_outlives(const struct evict_choice *x, float worth, uint32_t class, uint32_t age)
{
    if (worth != x->worth)
        return worth > x->worth;
    return class != x->class ? class > x->class : age >= x->age;
}

/* Without memory to learn, who was used last stays. */
static void evict_consider(const weir_cache *c, size_t at, struct evict_choice *x)
{
    const struct weir__cache_slot *s = &c->slots[at];
    uint32_t age = weir__heat_age(s->heat, weir__cache_tick(c)), class = weir__heat_class(s->heat);
    float worth = -(float)age;

    if (s->entry == x->spared)
        return;
    if (c->lore)
        worth = c->lore->worth[class][weir__heat_bucket(age)];
    if (c->lore && c->opts.max_weight != INT64_MAX)
        worth /= (float)(s->entry->weight + 1);
    if (!x->any || !evict_outlives(x, worth, class, age))
        *x = (struct evict_choice){x->spared, worth, class, age, at, true};
}

/* So many requests since the last time that this was asked. */
static uint64_t evict_lapse(weir_cache *c)
{
    uint64_t lapse = c->clock - c->lore->evicted;

    c->lore->evicted = c->clock;
    return lapse < c->cap ? lapse : c->cap;
}

/* Who is seen stands for the others: of each heat there is so much, for the time since the last look. */
static void evict_count(weir_cache *c, size_t from, uint64_t lapse)
{
    float each = (float)lapse * (float)c->cap / (EVICT_GROUPS * EVICT_GROUP);

    for (size_t i = 0; i < EVICT_GROUP; i++)
        if (c->slots[from + i].entry)
            *evict_alive(c, c->slots[from + i].heat) += each;
}

static void evict_count_ghosts(weir_cache *c, uint64_t hash, uint64_t lapse)
{
    struct weir__cache_ghost *g = weir__cache_ghosts(c, hash);

    for (int i = 0; g && i < WEIR__GHOST_WAYS; i++)
        if (g[i].heat)
            *evict_alive(c, g[i].heat) += (float)lapse * (float)c->lore->ghost_sets;
}

static size_t evict_group(weir_cache *c)
{
    c->hand += EVICT_STRIDE;
    return (size_t)((c->hand >> 32) * (c->cap / EVICT_GROUP) >> 32) * EVICT_GROUP;
}

static size_t evict_choose(weir_cache *c, weir_cached *spared)
{
    uint64_t lapse = c->lore ? evict_lapse(c) : 0;
    struct evict_choice x = {.spared = spared};

    for (int i = 0; i < EVICT_GROUPS || !x.any; i++) {
        size_t from = evict_group(c);

        if (lapse && i < EVICT_GROUPS)
            evict_count(c, from, lapse);
        for (size_t at = from; at < from + EVICT_GROUP; at++)
            if (c->slots[at].entry)
                evict_consider(c, at, &x);
    }
    if (c->young && c->young != spared)
        evict_consider(c, weir__cache_index_at(c, c->young), &x);
    if (lapse)
        evict_count_ghosts(c, c->slots[x.at].entry->hash, lapse);
    return x.at;
}

void weir__cache_make_room(weir_cache *c, weir_cached *e, weir_time now)
{
    while (evict_over(c)) {
        size_t at;

        weir__cache_learn(c);
        at = evict_choose(c, e);
        weir__cache_remove(
            c, at, now >= c->slots[at].entry->gone ? WEIR_CACHE_EXPIRED : WEIR_CACHE_EVICTED);
    }
}
