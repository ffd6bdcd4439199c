/*
 * cache.h -- the inside of a cache: the entry, the index, what is learned.
 *
 * An entry is in the index, or loose: it is being loaded, or has left.  It has
 * a reference for being in the index, one of its flight, and one for each
 * handle.  Who leaves is put on `dead` and told of when the call is otherwise
 * done (weir__cache_bury), so callbacks see a cache that is whole.
 *
 * A hit reads one slot and writes to one entry.  `heat` is all that is known of
 * how a key is used: when it was last, in ticks of a 64th of the index's size of
 * requests, and how often, as a sum that halves every 768 ticks.
 */
#ifndef WEIR__CACHE_H
#define WEIR__CACHE_H

#include <string.h>
#include <weir/cache.h>
#include <weir/rand.h>

#include "call/flight.h"

/* What a hit touches comes last, beside the key and the value. */
struct weir_cached {
    union {
        struct {
            uint64_t hash, weight;
        };
        struct weir__list link; /* of `dead`: nobody looks for it any more, and it weighs nothing */
    };
    weir_time gone; /* nothing is served from here on */
    uint32_t size;  /* of the block */
    uint8_t why;    /* on `dead`: enum weir_cache_why */
    uint8_t failures;
    bool left; /* out of the index, and told of */
    weir_cache *cache;
    weir_time refresh_at;

    weir_time expires;
    uint32_t heat, refs;
    int error;                  /* kept instead of a value */
    uint32_t key_len, value_at; /* from the key */
    unsigned char key[];
};

struct weir__cache_slot {
    uint64_t hash;
    weir_cached *entry;
};

/* --- heat ------------------------------------------------------------------------- */

enum {
    WEIR__HEAT_TICKS = 64, /* in as many requests as the index has slots */
    WEIR__HEAT_CLASSES = 12,
    WEIR__HEAT_AGES = 44,
    WEIR__HEAT_BITS = 20, /* of the tick; the rest is how often, in 64ths */
    WEIR__HEAT_ONE = 64,
    WEIR__HEAT_MOST = 4095,
    WEIR__HEAT_HALF = 768,
    WEIR__GHOST_WAYS = 16
};

static inline uint32_t weir__heat_age(uint32_t heat, uint64_t tick)
{
    return ((uint32_t)tick - heat) & ((1u << WEIR__HEAT_BITS) - 1);
}

static inline uint32_t weir__heat_make(uint32_t uses, uint64_t tick)
{
    return uses << WEIR__HEAT_BITS | ((uint32_t)tick & ((1u << WEIR__HEAT_BITS) - 1));
}

/* Two classes to each doubling of the uses. */
static inline uint32_t weir__heat_class(uint32_t heat)
{
    uint32_t uses = heat >> WEIR__HEAT_BITS,
             top = 31 - (uint32_t)__builtin_clz(uses | WEIR__HEAT_ONE);

    return 2 * (top - 6) + (uses >> (top - 1) & 1);
}

/* Each of the first four ages, then four to each doubling. */
static inline uint32_t weir__heat_bucket(uint32_t age)
{
    uint32_t top, bucket;

    if (age < 4)
        return age;
    top = 31 - (uint32_t)__builtin_clz(age);
    bucket = 4 * (top - 1) + (age >> (top - 2) & 3);
    return bucket < WEIR__HEAT_AGES ? bucket : WEIR__HEAT_AGES - 1;
}

/* One use more, now; the halving in straight lines. */
static inline uint32_t weir__heat_used(uint32_t heat, uint32_t age, uint64_t tick)
{
    uint32_t halvings = age / WEIR__HEAT_HALF, rest = age % WEIR__HEAT_HALF;
    uint32_t uses = halvings < 12 ? heat >> WEIR__HEAT_BITS >> halvings : 0;

    uses += WEIR__HEAT_ONE - uses * rest / (2 * WEIR__HEAT_HALF);
    return weir__heat_make(uses < WEIR__HEAT_MOST ? uses : WEIR__HEAT_MOST, tick);
}

/*
 * What the cache's own traffic teaches, by class and age: how often a key of
 * that heat was asked for, there or gone, and how much there was of such keys.
 */
struct weir__cache_lore {
    uint32_t asked[WEIR__HEAT_CLASSES][WEIR__HEAT_AGES]; /* since `learned` */
    float hits[WEIR__HEAT_CLASSES][WEIR__HEAT_AGES];
    float alive[WEIR__HEAT_CLASSES][WEIR__HEAT_AGES];
    float worth[WEIR__HEAT_CLASSES][WEIR__HEAT_AGES]; /* hits to come for the time kept */
    uint64_t learned, evicted;                        /* when, in requests */
    float requests;                                   /* of which the hits are some; fades too */
    size_t ghost_sets;                                /* a power of two */
    uint32_t *ghosts; /* of those who left; 0 where there is none (cache_evict.c) */
};

struct weir_cache {
    int poison;
    uint32_t home;
    struct weir_cache_opts opts;
    struct weir__flights set;

    struct weir__cache_slot *slots; /* open addressing; cap is 0 or a power of two */
    size_t cap, n;
    size_t cursor; /* of the sweep */
    /* No entry is gone before `soonest`; nor was one of those passed in this lap before `lap`. */
    weir_time soonest, lap;
    uint32_t lookups; /* since the cursor moved */

    uint64_t clock; /* hits, and entries that came */
    uint32_t shift; /* from the clock to ticks */
    uint64_t weight;
    struct weir__cache_lore *lore; /* from the first eviction on */
    uint64_t hand;                 /* which slots are looked at next for who has to go */
    weir_cached *young;            /* the entry that came last, or NULL */
    struct weir_rng rng;

    struct weir__list dead;
    bool burying;
    size_t refs; /* the owner's, and one for each entry there is */
    struct weir_cache_stats stats;
};

/* --- entries and the index (cache_index.c) ----------------------------------- */

/* An entry that is loose, with one reference; NULL without memory. */
weir_cached *weir__cached_new(weir_cache *c, uint64_t hash, const void *key, size_t len);
void weir__cached_end(weir_cached *e); /* nobody has it any more */

/* Gives one reference back. */
static inline void weir__cached_put(weir_cached *e)
{
    if (--e->refs == 0)
        weir__cached_end(e);
}

static inline void *weir__cached_place(weir_cached *e)
{
    return e->key + e->value_at;
}

/* Whether so many bytes are the same; the usual lengths in two words, which may overlap. */
static inline bool weir__cache_same(const unsigned char *a, const void *b, size_t len)
{
    uint64_t x[2], y[2];

    if (len < sizeof *x || len > sizeof x)
        return len == 0 || memcmp(a, b, len) == 0;
    memcpy(&x[0], a, sizeof *x);
    memcpy(&y[0], b, sizeof *y);
    memcpy(&x[1], a + len - sizeof *x, sizeof *x);
    memcpy(&y[1], (const unsigned char *)b + len - sizeof *y, sizeof *y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static inline weir_cached *weir__cache_find(const weir_cache *c, uint64_t hash, const void *key,
                                            size_t len)
{
    size_t at = hash & (c->cap - 1);

    if (WEIR__UNLIKELY(!c->cap))
        return NULL;
    /* Most are there or in the two behind: steps without a branch, which would be a guess. */
    at = (at + (c->slots[at].hash != hash)) & (c->cap - 1);
    at = (at + (c->slots[at].hash != hash)) & (c->cap - 1);
    for (weir_cached *e; (e = c->slots[at].entry); at = (at + 1) & (c->cap - 1))
        if (c->slots[at].hash == hash && e->key_len == len && weir__cache_same(e->key, key, len))
            return e;
    return NULL;
}

/* Room in the index for one more.  0 or -ENOMEM. */
int weir__cache_index_room(weir_cache *c);
void weir__cache_index_put(weir_cache *c, weir_cached *e);
/* In the place of one of the same key. */
void weir__cache_index_swap(weir_cache *c, const weir_cached *old, weir_cached *e);
void weir__cache_index_remove(weir_cache *c, const weir_cached *e);

/* Looks at a few entries more and removes those that are gone. */
void weir__cache_sweep(weir_cache *c, weir_time now);

/* --- what stays (cache_evict.c, cache_lore.c) ---------------------------------------- */

/* The heat of a key that comes, or comes back. */
uint32_t weir__cache_arrival(weir_cache *c, uint64_t hash);
/* The entry leaves; if its key comes back, that will be known. */
void weir__cache_remember(weir_cache *c, const weir_cached *e);
/* Removes others until the limits hold. */
void weir__cache_make_room(weir_cache *c, weir_cached *e, weir_time now);

/* Makes c->lore, if there is memory, and learns when it is time. */
void weir__cache_learn(weir_cache *c);
void weir__cache_lore_free(weir_cache *c);
uint32_t *weir__cache_ghosts(const weir_cache *c, uint64_t hash);

static inline uint64_t weir__cache_tick(const weir_cache *c)
{
    return c->clock >> c->shift;
}

/* A request for a key of this heat, which it makes hotter. */
static inline uint32_t weir__cache_use(weir_cache *c, uint32_t heat)
{
    uint64_t tick = weir__cache_tick(c);
    uint32_t age = weir__heat_age(heat, tick);

    if (c->lore)
        c->lore->asked[weir__heat_class(heat)][weir__heat_bucket(age)]++;
    return weir__heat_used(heat, age, tick);
}

/* --- putting and removing (cache.c) --------------------------------------------- */

/* Takes it out of the index, onto `dead`. */
void weir__cache_remove(weir_cache *c, weir_cached *e, enum weir_cache_why why);
/* Tells of the dead, and lets go of them. */
void weir__cache_bury(weir_cache *c);
/* Keeps a loose entry for the ttl (> 0), in place of one of its key.  0, or why it is not kept. */
int weir__cache_keep(weir_cache *c, weir_cached *e, weir_span ttl, weir_time now);
/* The span less up to `jitter` percent of it, and at least 1. */
weir_span weir__cache_jitter(weir_cache *c, weir_span span);
int weir__cache_key_check(const weir_cache *c, const void *key, size_t len);

/* Sweeps now and then. */
void weir__cache_tidy(weir_cache *c, weir_time now);
/* It is past its ttl: NULL if it had to go, for nothing of it may be served. */
weir_cached *weir__cache_past(weir_cache *c, weir_cached *e, weir_time now);

/* The entry of the key, if anything could still be served; tells of those it had to remove. */
static inline weir_cached *weir__cache_look(weir_cache *c, uint64_t hash, const void *key,
                                            size_t len, weir_time now)
{
    weir_cached *e;

    if (WEIR__UNLIKELY(now >= c->soonest))
        weir__cache_tidy(c, now);
    e = weir__cache_find(c, hash, key, len);
    return e && WEIR__UNLIKELY(now >= e->expires) ? weir__cache_past(c, e, now) : e;
}

/* Counts the use; 1 with a handle, or the error kept. */
static inline int weir__cache_serve(weir_cache *c, weir_cached *e, weir_time now, weir_cached **out)
{
    if (WEIR__LIKELY(now < e->expires))
        c->stats.hits++;
    else
        c->stats.stale++;
    c->clock++;
    e->heat = weir__cache_use(c, e->heat);
    if (WEIR__UNLIKELY(e->error))
        return e->error;
    e->refs++;
    *out = e;
    return 1;
}

/* --- loading (cache_load.c) ------------------------------------------------------- */

extern const struct weir__flight_ops weir__cache_flight_ops;

#endif
