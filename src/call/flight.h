/*
 * flight.h -- a load that several callers wait for: what singleflight.c and
 * the cache share.
 *
 * A flight is LISTED (new callers of its key join it) until it lands, is
 * abandoned or is disowned.  It is referenced by its fiber and by each caller
 * that waits; the last one lets go of it.  `land` runs once, before the
 * waiters are woken.  Everything happens on one loop.
 */
#ifndef WEIR__FLIGHT_H
#define WEIR__FLIGHT_H

#include "base/hash.h"
#include "core/pen.h"

enum { WEIR__FLIGHT_BUCKETS = 16, WEIR__FLIGHT_DEEP = 64, WEIR__KEY_MAX = 64 << 10 };

struct weir__flights;

struct weir__flight {
    struct weir__flight *chain; /* the next in the bucket */
    struct weir__flights *set;
    struct weir__node node; /* the load runs below it */
    struct weir__list waiters;
    uint64_t hash;
    const void *key; /* valid as long as the flight */
    size_t key_len;
    uint32_t waiting, refs;
    int result;
    bool listed, running, landed, abandoned;
    bool wanted; /* for `land`: nobody has disowned or abandoned it */
    bool kept;   /* goes on when nobody waits */
};

struct weir__flight_ops {
    int (*load)(struct weir__flight *f);  /* on the flight's fiber */
    void (*land)(struct weir__flight *f); /* may change f->result */
    void (*drop)(struct weir__flight *f); /* nobody refers to it any more: frees it */
};

struct weir__flights {
    const struct weir__flight_ops *ops;
    struct weir__pen pen;
    struct weir__hash_key hash_key;
    struct weir__flight **buckets, *first[WEIR__FLIGHT_BUCKETS];
    size_t mask, listed;
    size_t flying;  /* fibers */
    size_t waiting; /* callers */
    size_t inside;  /* calls that still need the set */
    struct weir__list leavers;
    bool closed;
};

void weir__flights_init(struct weir__flights *s, const struct weir__flight_ops *ops);

/* Cancels and joins everything, waits until no call is inside, frees the table.  Deaf to cancel. */
void weir__flights_fini(struct weir__flights *s);

/* Between these two the set stays.  WEIR_ECLOSED once it is being freed. */
int weir__flights_enter(struct weir__flights *s);
void weir__flights_leave(struct weir__flights *s);

struct weir__flight *weir__flight_find(const struct weir__flights *s, uint64_t hash,
                                       const void *key, size_t len);

/*
 * Lists a flight, whose key and `kept` are set, and starts it.  On failure the caller
 * still owns it.
 */
int weir__flight_start(struct weir__flights *s, struct weir__flight *f, uint64_t hash);

/*
 * 0; -EDEADLK when f could land only after the running fiber itself, or, f
 * being NULL for one that is still to start, when the fiber runs too deep in
 * loads that wait for one another.
 */
int weir__flight_hangs(const struct weir__flight *f);

/*
 * Parks until it has landed; its result, or -ECANCELED.  The caller has a reference to
 * give back.
 */
int weir__flight_wait(struct weir__flight *f);
void weir__flight_unref(struct weir__flight *f);

/* No longer joined by new callers; lands for those it has, and is cancelled if it has none. */
void weir__flight_disown(struct weir__flight *f);
void weir__flights_disown(struct weir__flights *s); /* all */

#endif
