/*
 * cache_evict.c -- who goes when there is no room: of some two dozen slots that are
 * looked at in turn, and the entry that came last, the one that is worth least.
 *
 * What an entry of some heat is worth has been learned from the traffic of
 * this very cache (cache_lore.c), so there is nothing to tune: a loop that
 * does not fit keeps its old entries, a crowd of new keys that come back soon
 * pushes out the old, a scan passes through.  Keys that have left are
 * remembered with their heat, eight times as many as the index has slots, or
 * 4,096: when one comes back that is learned too, and it is as hot as it was.
 */
#include <math.h>

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

/* Twelve bits of the hash, seven of how often, in halves, thirteen of when, in four ticks. */
static uint32_t evict_ghost(uint64_t hash, uint32_t heat)
{
    uint32_t halves = ((heat >> WEIR__HEAT_BITS) + WEIR__HEAT_ONE / 4) * 2 / WEIR__HEAT_ONE;

    halves = halves < 127 ? halves : 127;
    return (uint32_t)hash >> 20 << 20 | halves << 13 | (heat >> 2 & 0x1fff);
}

static uint32_t evict_ghost_age(uint32_t ghost, uint64_t tick)
{
    return ((uint32_t)(tick >> 2) - ghost) & 0x1fff;
}

static uint32_t evict_ghost_heat(uint32_t ghost, uint64_t tick)
{
    uint32_t uses = (ghost >> 13 & 127) * WEIR__HEAT_ONE / 2;

    return weir__heat_make(uses, tick - 4 * evict_ghost_age(ghost, tick));
}

uint32_t weir__cache_arrival(weir_cache *c, uint64_t hash)
{
    uint32_t *g = weir__cache_ghosts(c, hash);
    uint64_t tick = weir__cache_tick(c);

    for (int i = 0; g && i < WEIR__GHOST_WAYS; i++)
        if (g[i] && g[i] >> 20 == (uint32_t)hash >> 20) {
            uint32_t heat = weir__cache_use(c, evict_ghost_heat(g[i], tick));

            g[i] = 0;
            return heat;
        }
    return weir__heat_make(WEIR__HEAT_ONE, tick);
}

/* In the place of the one that was used longest ago. */
void weir__cache_remember(weir_cache *c, const weir_cached *e)
{
    uint32_t *g = weir__cache_ghosts(c, e->hash), *to = g;
    uint64_t tick = weir__cache_tick(c);

    for (int i = 0; g && i < WEIR__GHOST_WAYS && *to; i++)
        if (!g[i] || evict_ghost_age(g[i], tick) > evict_ghost_age(*to, tick))
            to = &g[i];
    if (g)
        *to = evict_ghost(e->hash, e->heat);
}

/* --- who goes --------------------------------------------------------------------------- */

struct evict_choice {
    weir_time now;
    weir_cached *spared, *entry; /* the one who goes, or NULL */
    float worth;
    uint32_t class, age;
};

static bool evict_over(const weir_cache *c)
{
    return c->n > c->opts.max_entries || c->weight > c->opts.max_weight;
}

/*
 * Of two that are worth the same the one less used goes, and then the younger: the other
 * has been here.
 */
static bool evict_outlives(const struct evict_choice *x, float worth, uint32_t class, uint32_t age)
{
    if (worth != x->worth)
        return worth > x->worth;
    return class != x->class ? class > x->class : age >= x->age;
}

/*
 * What nobody can be served any more goes first.  Without memory to learn, who was used
 * last stays.
 */
static void evict_consider(const weir_cache *c, weir_cached *e, struct evict_choice *x)
{
    uint32_t age = weir__heat_age(e->heat, weir__cache_tick(c)), class = weir__heat_class(e->heat);
    float worth = -(float)age;

    if (e == x->spared)
        return;
    if (c->lore)
        worth = c->lore->worth[class][weir__heat_bucket(age)];
    if (c->lore && c->opts.max_weight != INT64_MAX)
        worth /= (float)(e->weight + 1);
    if (x->now >= e->gone)
        worth = -INFINITY;
    if (!x->entry || !evict_outlives(x, worth, class, age))
        *x = (struct evict_choice){x->now, x->spared, e, worth, class, age};
}

/* So many requests since the last time that this was asked. */
static uint64_t evict_lapse(weir_cache *c)
{
    uint64_t lapse = c->clock - c->lore->evicted;

    c->lore->evicted = c->clock;
    return lapse < c->cap ? lapse : c->cap;
}

/*
 * Who is seen stands for the others: of each heat there is so much, for the time since
 * the last look.
 */
static void evict_count(weir_cache *c, const weir_cached *e, uint64_t lapse)
{
    *evict_alive(c, e->heat) += (float)lapse * (float)c->cap / (EVICT_GROUPS * EVICT_GROUP);
}

static void evict_count_ghosts(weir_cache *c, uint64_t hash, uint64_t lapse)
{
    uint32_t *g = weir__cache_ghosts(c, hash);
    uint64_t tick = weir__cache_tick(c);

    for (int i = 0; g && i < WEIR__GHOST_WAYS; i++)
        if (g[i])
            *evict_alive(c, evict_ghost_heat(g[i], tick)) +=
                (float)lapse * (float)c->lore->ghost_sets;
}

static size_t evict_group(weir_cache *c)
{
    c->hand += EVICT_STRIDE;
    return (size_t)((c->hand >> 32) * (c->cap / EVICT_GROUP) >> 32) * EVICT_GROUP;
}

static weir_cached *evict_choose(weir_cache *c, weir_cached *spared, weir_time now)
{
    uint64_t lapse = c->lore ? evict_lapse(c) : 0;
    struct evict_choice x = {.now = now, .spared = spared};

    for (int i = 0; i < EVICT_GROUPS || !x.entry; i++) {
        const struct weir__cache_slot *s = c->slots + evict_group(c);

        for (int j = 0; j < EVICT_GROUP; j++) {
            if (!s[j].entry)
                continue;
            if (lapse && i < EVICT_GROUPS)
                evict_count(c, s[j].entry, lapse);
            evict_consider(c, s[j].entry, &x);
        }
    }
    if (c->young)
        evict_consider(c, c->young, &x);
    if (lapse)
        evict_count_ghosts(c, x.entry->hash, lapse);
    return x.entry;
}

void weir__cache_make_room(weir_cache *c, weir_cached *e, weir_time now)
{
    while (evict_over(c)) {
        weir_cached *v;

        weir__cache_learn(c);
        v = evict_choose(c, e, now);
        weir__cache_remove(c, v, now >= v->gone ? WEIR_CACHE_EXPIRED : WEIR_CACHE_EVICTED);
    }
}
