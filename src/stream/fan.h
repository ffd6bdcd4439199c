/*
 * fan.h -- the inside of many into one and one into many: what the operators
 * share.
 *
 * An *inlet* is one source of a fan-in: a fiber in a pen of its own that pulls
 * the source into a few places and parks while they are full; or none, when
 * the puller pulls the source directly.  Inlets that have news (an item, the
 * end) stand in the set's ready list, so looking costs what is ready.
 *
 * A *pump* is the one fiber of a fan-out: it pulls the source and routes each
 * item into channels.  An *outlet* is the stream that a subscriber pulls, with
 * the channel behind it.  The pump never parks in a channel, only in `room`,
 * which every pull and every leave sets: so an outlet may go at any time.
 */
#ifndef WEIR__FAN_H
#define WEIR__FAN_H

#include <weir/fan.h>
#include <weir/sync.h>

#include "core/item.h"
#include "stream/stream.h"

/* --- places for items --------------------------------------------------- */

struct weir__slots {
    char *items;
    size_t bytes;
};

int weir__slots_make(struct weir__slots *s, size_t n, size_t size);
void weir__slots_free(struct weir__slots *s);

static inline size_t weir__stride(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

/* One more item: shares the loop, and hears of a cancel where nothing parks.  0 or -ECANCELED. */
static inline int weir__fan_turn(void)
{
    weir__charge(weir__loop_get());
    return WEIR__UNLIKELY(weir_cancel_why() != 0) ? -ECANCELED : 0;
}

/* Their items can be in one stream. */
static inline bool weir__type_agrees(const struct weir_type *a, const struct weir_type *b)
{
    return weir__item_same(a, b);
}

/* --- a table of pointers by number --------------------------------------- */

struct weir__table_entry {
    uint64_t key;
    void *value; /* NULL: free */
};

struct weir__table {
    struct weir__table_entry *entries;
    size_t cap, n; /* cap: 0 or a power of two */
};

void *weir__table_get(const struct weir__table *t, uint64_t key);
/* In place of what the key had.  0, -ENOMEM. */
int weir__table_put(struct weir__table *t, uint64_t key, void *value);
void weir__table_remove(struct weir__table *t, uint64_t key);
void weir__table_free(struct weir__table *t);
/* The next entry from *at on, which it advances; NULL after the last.  Starts at 0. */
struct weir__table_entry *weir__table_next(const struct weir__table *t, size_t *at);

/* --- inlets ------------------------------------------------------------------ */

struct weir__inlets {
    struct weir__inlet *all;
    size_t n;
    struct weir__list ready;
    struct weir_event news;
    bool started, sorted; /* sorted: the ready list by index, not by time */
    int refused;          /* why they could not be started */
};

struct weir__inlet {
    struct weir__pen pen;
    struct weir__list link; /* in the ready list */
    struct weir__list lack; /* of heads.c */
    struct weir__inlets *set;
    weir_stream *source; /* NULL once closed */
    struct weir_type type;
    struct weir__slots slots;
    struct weir_event room;
    uint32_t at, n, cap, index;
    uint64_t taken, replaced, used; /* items from the source; `latest` only: dropped; gone out */
    bool direct;                    /* no fiber: the puller pulls it */
    bool latest;                    /* holds the newest item: a new one replaces it */
    bool seen;                      /* `latest`: the item has been in a result */
    bool retired, ended, told, mute;
    int end;
};

struct weir__inlet_how {
    uint32_t cap;
    bool latest, same; /* same: all of one type */
    bool direct;       /* where nothing can be lost */
    bool sorted;
};

/* Closes them; the code. */
int weir__streams_refuse(weir_stream *const *sources, size_t n, int code);
/* Takes the sources, also on failure. */
int weir__inlets_make(struct weir__inlets *set, weir_stream *const *sources, size_t n,
                      const struct weir__inlet_how *how);
int weir__inlets_start(struct weir__inlets *set);
/* Parks for news; the caller then looks at everything. */
int weir__inlets_wait(struct weir__inlets *set);
void weir__inlets_cancel(struct weir__inlets *set);
/* Cancels and joins all, closes all sources; items stay. */
void weir__inlets_stop(struct weir__inlets *set);
/* Stops, drops what is held, frees. */
void weir__inlets_fini(struct weir__inlets *set);
/* in and held of all. */
void weir__inlets_books(const struct weir__inlets *set, struct weir_fan_stats *out);

int weir__inlet_init(struct weir__inlet *i, struct weir__inlets *set, weir_stream *s,
                     const struct weir__inlet_how *how);
int weir__inlet_start(struct weir__inlet *i);
void weir__inlet_fail(struct weir__inlet *i, int code);         /* it could not be started */
void weir__inlet_ready(struct weir__inlet *i);                  /* into the ready list */
struct weir__inlet *weir__inlet_next(struct weir__inlets *set); /* out of it; NULL: empty */
/* Direct ones: 0 with an item or the end; negative: neither, the puller's own affair. */
int weir__inlet_pull(struct weir__inlet *i);
/* For one whose item has been seen and not taken: its fiber goes, and takes nothing more. */
void weir__inlet_retire(struct weir__inlet *i);
void weir__inlet_stop(struct weir__inlet *i);
void weir__inlet_fini(struct weir__inlet *i);

static inline void *weir__inlet_head(const struct weir__inlet *i)
{
    return i->slots.items + (size_t)i->at * i->type.size;
}

/* The head has been moved out or dropped. */
static inline void weir__inlet_pass(struct weir__inlet *i)
{
    i->at++;
    if (--i->n == 0)
        weir_event_set(&i->room);
}

/* --- one head of each: zip, merge_sorted ----------------------------------- */

struct weir__heads {
    struct weir__inlets set;
    struct weir__list lacking; /* inlets without a head that have not ended */
    struct weir__list fresh;   /* those that have got one, until somebody takes them out */
    struct weir_heads_opts opts;
    void *ctx;
    uint64_t out, dropped, failed;
    size_t live;     /* inlets that have not ended */
    bool some_ended; /* one has, cleanly */
    int failure;     /* of a source */
    bool over;
    int end;
};

int weir__heads_make(struct weir__heads *h, weir_stream *const *sources, size_t n, bool same,
                     const struct weir_heads_opts *opts);
/* Until each has a head or has ended; or one has failed, or ended if `first`.  0 or negative. */
int weir__heads_fill(struct weir__heads *h, bool first);
/* The head has gone: the inlet lacks one. */
void weir__heads_pass(struct weir__heads *h, struct weir__inlet *i);
/* It is over: stops all, gives up what is held.  `code`. */
int weir__heads_finish(struct weir__heads *h, int code);
void weir__heads_fini(struct weir__heads *h);
void weir__heads_books(const struct weir__heads *h, struct weir_fan_stats *out);

/* --- pumps and outlets ---------------------------------------------------------- */

struct weir__pump;
struct weir__outlet;

struct weir__pump_ops {
    const char *name;
    /* Parks until an item is wanted; NULL: always.  0 or negative. */
    int (*wanted)(struct weir__pump *p);
    /* Takes the item.  0, or why it is over. */
    int (*route)(struct weir__pump *p, void *item);
    /* Closes all channels with the code. */
    void (*finish)(struct weir__pump *p, int code);
    /* The outlet leaves: forget it. */
    void (*gone)(struct weir__pump *p, struct weir__outlet *o);
    void (*free)(struct weir__pump *p);
};

struct weir__pump {
    struct weir__pen pen;
    const struct weir__pump_ops *ops;
    weir_stream *source;
    struct weir_type type;
    struct weir__slots hand;
    struct weir_event room;
    size_t refs;    /* outlets, and handles */
    size_t waiting; /* pulls of outlets that have not returned */
    uint64_t home;  /* of all outlets' streams: the loop on which the first of them was pulled */
    uint64_t left;
    bool watches;       /* `room` is set by the beginning of a pull, too */
    weir_time starving; /* since when somebody waits while another is full; 0: not now */
    bool started, ended;
    int end;
};

struct weir__outlet {
    struct weir__pump *pump;
    weir_stream *me;
    weir_chan *ch;
    uint64_t in, refused;
    size_t index;
    uint64_t key;
    struct weir__list link; /* of group.c */
    bool owed;              /* of tee.c: it has not got the item in hand */
    bool deaf;              /* it has failed: WEIR_FAIL */
    weir_span patience;
    bool most_one; /* a pull gives one item */
    bool shared;   /* the channel is the pump's */
};

/* `places` items in hand.  Takes nothing on failure. */
int weir__pump_init(struct weir__pump *p, const struct weir__pump_ops *ops, weir_stream *s,
                    size_t places);
int weir__pump_start(struct weir__pump *p);
/*
 * Parks for room.  WEIR_EFULL when it has been so for `patience` (0: for ever)
 * while somebody waited for another stream of this pump.  A wait begins with
 * weir__pump_patient.
 */
static inline void weir__pump_patient(struct weir__pump *p)
{
    p->starving = 0;
}
int weir__pump_wait(struct weir__pump *p, weir_span patience);
/* One handle or outlet less; the last one ends the pump. */
void weir__pump_unref(struct weir__pump *p);

int weir__outlet_check(const struct weir_outlet_opts *o);
/* A stream on a channel of its own, or `shared`; poisoned on failure.  Counts as a reference. */
struct weir__outlet *weir__outlet_new(struct weir__pump *p, struct weir_type type,
                                      const struct weir_outlet_opts *opts, weir_chan *shared,
                                      int *why);
/* True if an item would not be parked. */
bool weir__outlet_room(const struct weir__outlet *o);
/* The item into the channel, or where its policy says: true.  False: no room, it is still yours. */
bool weir__outlet_try(struct weir__outlet *o, void *item);
/* The same, waits for room.  0, or why the pump has to end; the item is gone in any case. */
int weir__outlet_put(struct weir__pump *p, struct weir__outlet **o, const struct weir_type *type,
                     void *item);

/* Fills out[] with the poison of a code; the code. */
int weir__outlets_refuse(weir_stream **out, size_t n, int code);

/* A fixed number of outlets: tee, partition, unzip, balance. */
struct weir__split {
    struct weir__pump pump;
    struct weir__outlet **outlets;
    size_t n, cap;
    int (*route_fn)(void *ctx, const void *item);
    weir_unzip_fn *split_fn;
    void *ctx;
    struct weir_type types[2];
    struct weir__slots halves;
    size_t half; /* where the second begins */
    weir_chan *shared;
    size_t open;             /* outlets that are there */
    struct weir__slots past; /* broadcast: a ring of the last items, and one more place */
    size_t past_cap, past_n, past_at;
};

void weir__split_gone(struct weir__pump *p, struct weir__outlet *o);
void weir__split_finish(struct weir__pump *p, int code);
bool weir__split_deaf(const struct weir__split *t); /* nobody is there who could be given an item */
void weir__split_free(struct weir__pump *p);
/* Makes the pump and its n outlets.  Takes s; fills out[] also on failure. */
int weir__split_make(const struct weir__split *init, const struct weir__pump_ops *ops,
                     weir_stream *s, size_t n, const struct weir_outlet_opts *opts,
                     weir_stream **out);
struct weir__split *weir__split_new(const struct weir__split *init,
                                    const struct weir__pump_ops *ops, weir_stream *s, size_t n,
                                    int *why);

#endif
