/*
 * cache.h -- the inside of a cache: the entry, the index, the queues.
 *
 * An entry is in the index and in one of two queues, or in neither (LOOSE: it
 * is being loaded, or has left).  It has a reference for being in the index,
 * one of its flight, and one for each handle.  Who leaves is put on `dead` and
 * told of when the call is otherwise done (weir__cache_bury), so callbacks see
 * a cache that is whole.
 */
#ifndef WEIR__CACHE_H
#define WEIR__CACHE_H

#include <weir/cache.h>
#include <weir/rand.h>

#include "call/flight.h"

enum { WEIR__CACHE_LOOSE, WEIR__CACHE_SMALL, WEIR__CACHE_MAIN, WEIR__CACHE_QUEUES };

/* What a hit touches comes last, beside the key and the value. */
struct weir_cached {
    struct weir__list link; /* of the queue, or of `dead` */
    uint64_t hash, weight;
    weir_time gone; /* nothing is served from here on */
    size_t size;    /* of the block */
    uint8_t why;    /* on `dead`: enum weir_cache_why */
    uint8_t failures;
    bool left; /* out of the index, and told of */

    uint8_t queue, uses;
    uint32_t refs;
    uint32_t key_len, value_at; /* from the key */
    int error;                  /* kept instead of a value */
    weir_cache *cache;
    weir_time expires, refresh_at;
    unsigned char key[];
};

struct weir__cache_slot {
    uint64_t hash;
    weir_cached *entry;
};

struct weir__cache_ghost {
    uint32_t tag, seq;
};

struct weir__cache_queue {
    struct weir__list list; /* the oldest first */
    uint64_t n, weight;
};

struct weir_cache {
    int poison;
    uint32_t home;
    struct weir_cache_opts opts;
    struct weir__flights set;

    struct weir__cache_slot *slots; /* open addressing; cap is 0 or a power of two */
    size_t cap, n;
    size_t cursor;    /* of the sweep */
    uint32_t lookups; /* since it moved */

    struct weir__cache_queue queue[WEIR__CACHE_QUEUES];
    uint64_t small_n, small_weight; /* the share of the small queue */
    struct weir__cache_ghost *ghosts;
    size_t ghost_cap;
    uint32_t ghost_seq;
    struct weir_rng rng;

    struct weir__list dead;
    bool burying;
    size_t refs; /* the owner's, and one for each entry there is */
    struct weir_cache_stats stats;
};

/* --- entries and the index (cache_index.c) ----------------------------------- */

/* An entry that is LOOSE, with one reference; NULL without memory. */
weir_cached *weir__cached_new(weir_cache *c, uint64_t hash, const void *key, size_t len);
void weir__cached_put(weir_cached *e); /* gives one reference back */

static inline void *weir__cached_place(weir_cached *e)
{
    return e->key + e->value_at;
}

weir_cached *weir__cache_find(const weir_cache *c, uint64_t hash, const void *key, size_t len);
/* Room in the index for one more.  0 or -ENOMEM. */
int weir__cache_index_room(weir_cache *c);
void weir__cache_index_put(weir_cache *c, weir_cached *e);
void weir__cache_index_remove(weir_cache *c, weir_cached *e);

/* Looks at a few entries more and removes those that are gone. */
void weir__cache_sweep(weir_cache *c, weir_time now);

/* --- what stays (cache_evict.c) ------------------------------------------------ */

/*
 * Puts an entry of the index into a queue, that of its predecessor if there
 * was one (else LOOSE), and makes room.  The entry itself may have to leave.
 */
void weir__cache_admit(weir_cache *c, weir_cached *e, int queue, weir_time now);
void weir__cache_unqueue(weir_cache *c, weir_cached *e);

/* --- putting and removing (cache.c) --------------------------------------------- */

/* Takes it out of the index and its queue, onto `dead`. */
void weir__cache_remove(weir_cache *c, weir_cached *e, enum weir_cache_why why);
/* Tells of the dead, and lets go of them. */
void weir__cache_bury(weir_cache *c);
/* Keeps a LOOSE entry for the ttl (> 0), in place of one of its key.  0, or why it is not kept. */
int weir__cache_keep(weir_cache *c, weir_cached *e, weir_span ttl, weir_time now);
/* The span less up to `jitter` percent of it, and at least 1. */
weir_span weir__cache_jitter(weir_cache *c, weir_span span);
int weir__cache_key_check(const weir_cache *c, const void *key, size_t len);

/* The entry of the key, if anything could still be served; tells of those it had to remove. */
weir_cached *weir__cache_look(weir_cache *c, uint64_t hash, const void *key, size_t len,
                              weir_time now);
/* Counts the use; 1 with a handle, or the error kept. */
int weir__cache_serve(weir_cache *c, weir_cached *e, weir_time now, weir_cached **out);

/* --- loading (cache_load.c) ------------------------------------------------------- */

extern const struct weir__flight_ops weir__cache_flight_ops;

#endif
