/*
 * cache_evict.c -- who stays when there is no room: S3-FIFO (Yang, Zhang, Qiu,
 * Yue, Rashmi, 2023), changed in two places.
 *
 * New entries go to a SMALL queue, a hundredth of the cache; what was used
 * twice before it reaches the end goes on to MAIN, the rest leaves and is
 * remembered as a ghost, whose return goes to MAIN at once.  MAIN gives entries
 * that were used another round.  A use only counts, to three: no hit moves
 * anything.
 *
 * The changes: a newcomer finds no room in MAIN when the next four entries
 * there have all been used (so what is too large to fit, a loop say, does not
 * push itself out), and one in 64 of those that leave SMALL unused gets a try
 * at MAIN nevertheless, one in 8 while MAIN has room.  bench/cache_sim has
 * what each is worth.
 */
#include "store/cache.h"

enum {
    EVICT_SHARE = 100,  /* SMALL is a hundredth */
    EVICT_PATIENCE = 4, /* used entries that a newcomer may find in its way */
    EVICT_ROUND = 64,   /* the same for one that has been used, which then gets its place */
    EVICT_CHANCE = 64,  /* one in so many */
    EVICT_CHANCE_ROOM = 8,
    EVICT_USES = 2, /* that lead from SMALL to MAIN */
    EVICT_WAYS = 4
};

/* --- ghosts ----------------------------------------------------------------------- */

/* Four places in which the hash may be remembered, or NULL. */
static struct weir__cache_ghost *evict_ghosts(weir_cache *c, uint64_t hash)
{
    size_t sets = c->ghost_cap / EVICT_WAYS;

    return sets ? c->ghosts + (hash & (sets - 1)) * EVICT_WAYS : NULL;
}

/* As many places as the index has; without memory nothing is remembered. */
static void evict_ghosts_resize(weir_cache *c)
{
    if (c->ghost_cap == c->cap)
        return;
    weir__free(c->ghosts, c->ghost_cap * sizeof *c->ghosts);
    c->ghosts = weir__alloc(c->cap * sizeof *c->ghosts);
    c->ghost_cap = c->ghosts ? c->cap : 0;
}

static void evict_remember(weir_cache *c, uint64_t hash)
{
    struct weir__cache_ghost *g, *oldest;

    evict_ghosts_resize(c);
    oldest = g = evict_ghosts(c, hash);
    if (!g)
        return;
    c->ghost_seq++;
    for (int i = 1; i < EVICT_WAYS; i++)
        if (c->ghost_seq - g[i].seq > c->ghost_seq - oldest->seq)
            oldest = &g[i];
    *oldest = (struct weir__cache_ghost){(uint32_t)(hash >> 32), c->ghost_seq};
}

/* True, and forgotten, if it left not longer ago than as many others as there are entries. */
static bool evict_recall(weir_cache *c, uint64_t hash)
{
    struct weir__cache_ghost *g = evict_ghosts(c, hash);

    for (int i = 0; g && i < EVICT_WAYS; i++)
        if (g[i].seq && g[i].tag == (uint32_t)(hash >> 32)) {
            bool lately = c->ghost_seq - g[i].seq < c->n;

            g[i] = (struct weir__cache_ghost){0, 0};
            return lately;
        }
    return false;
}

/* --- queues -------------------------------------------------------------------------- */

static void evict_push(weir_cache *c, weir_cached *e, int queue)
{
    struct weir__cache_queue *q = &c->queue[queue];

    e->queue = (uint8_t)queue;
    weir__list_append(&q->list, &e->link);
    q->n++;
    q->weight += e->weight;
}

void weir__cache_unqueue(weir_cache *c, weir_cached *e)
{
    struct weir__cache_queue *q = &c->queue[e->queue];

    weir__list_remove(&e->link);
    q->n--;
    q->weight -= e->weight;
    e->queue = WEIR__CACHE_LOOSE;
}

static weir_cached *evict_oldest(weir_cache *c, int queue)
{
    return WEIR__ENTRY(c->queue[queue].list.next, weir_cached, link);
}

static void evict_remove(weir_cache *c, weir_cached *e, weir_time now)
{
    weir__cache_remove(c, e, now >= e->gone ? WEIR_CACHE_EXPIRED : WEIR_CACHE_EVICTED);
}

static bool evict_over(const weir_cache *c)
{
    const struct weir__cache_queue *s = &c->queue[WEIR__CACHE_SMALL];
    const struct weir__cache_queue *m = &c->queue[WEIR__CACHE_MAIN];

    return s->n + m->n > c->opts.max_entries || s->weight + m->weight > c->opts.max_weight;
}

static bool evict_small_over(const weir_cache *c)
{
    const struct weir__cache_queue *s = &c->queue[WEIR__CACHE_SMALL];

    return s->n > c->small_n || s->weight > c->small_weight;
}

/* Whether MAIN could take so much more without giving anything. */
static bool evict_main_has(const weir_cache *c, uint64_t weight)
{
    const struct weir__cache_queue *m = &c->queue[WEIR__CACHE_MAIN];
    uint64_t most = c->opts.max_weight - c->small_weight;

    return m->n + 1 <= c->opts.max_entries - c->small_n && m->weight <= most &&
           weight <= most - m->weight;
}

/*
 * Makes MAIN have room: past so many used entries, which lose one use each and
 * go round, it gives up; or, if it insists, takes the next one's place.
 */
static bool evict_room(weir_cache *c, uint64_t weight, int patience, bool insist, weir_time now)
{
    while (!evict_main_has(c, weight)) {
        weir_cached *v = evict_oldest(c, WEIR__CACHE_MAIN);

        if (c->queue[WEIR__CACHE_MAIN].n == 0)
            return false;
        if (!v->uses || now >= v->gone || (patience == 0 && insist)) {
            evict_remove(c, v, now);
        } else if (patience == 0) {
            return false;
        } else {
            patience--;
            v->uses--;
            weir__list_remove(&v->link);
            weir__list_append(&c->queue[WEIR__CACHE_MAIN].list, &v->link);
        }
    }
    return true;
}

/* --- who goes --------------------------------------------------------------------------- */

static bool evict_chance(weir_cache *c, uint64_t weight)
{
    uint64_t one_in = evict_main_has(c, weight) ? EVICT_CHANCE_ROOM : EVICT_CHANCE;

    return weir_rng_below(&c->rng, one_in) == 0;
}

static bool evict_deserves(weir_cache *c, const weir_cached *v, weir_time now)
{
    if (now >= v->gone)
        return false;
    if (v->uses >= EVICT_USES)
        return evict_room(c, v->weight, EVICT_ROUND, true, now);
    return evict_chance(c, v->weight) && evict_room(c, v->weight, EVICT_PATIENCE, false, now);
}

/* The oldest of SMALL moves on or leaves. */
static void evict_from_small(weir_cache *c, weir_time now)
{
    weir_cached *v = evict_oldest(c, WEIR__CACHE_SMALL);

    if (evict_deserves(c, v, now)) {
        weir__cache_unqueue(c, v);
        v->uses = 0;
        evict_push(c, v, WEIR__CACHE_MAIN);
    } else {
        evict_remember(c, v->hash);
        evict_remove(c, v, now);
    }
}

/* MAIN gives one, which has had its rounds. */
static void evict_from_main(weir_cache *c, weir_time now)
{
    weir_cached *v = evict_oldest(c, WEIR__CACHE_MAIN);

    for (int i = 0; i < EVICT_ROUND && v->uses && now < v->gone; i++) {
        v->uses--;
        weir__list_remove(&v->link);
        weir__list_append(&c->queue[WEIR__CACHE_MAIN].list, &v->link);
        v = evict_oldest(c, WEIR__CACHE_MAIN);
    }
    evict_remove(c, v, now);
}

/* The newest stays if it can: one that is alone in SMALL is not what must go. */
void weir__cache_admit(weir_cache *c, weir_cached *e, int queue, weir_time now)
{
    if (queue == WEIR__CACHE_LOOSE) {
        bool back = evict_recall(c, e->hash);

        back = back && evict_room(c, e->weight, EVICT_PATIENCE, false, now);
        queue = back ? WEIR__CACHE_MAIN : WEIR__CACHE_SMALL;
    }
    evict_push(c, e, queue);
    while (evict_over(c)) {
        uint64_t small = c->queue[WEIR__CACHE_SMALL].n, main = c->queue[WEIR__CACHE_MAIN].n;

        if (main == 0 || (evict_small_over(c) && small > 1))
            evict_from_small(c, now);
        else
            evict_from_main(c, now);
    }
}
