/*
 * shape.h -- the inside of the operators of time: what they share.
 *
 * Each begins with a struct weir__shape: its source, its books, and places for
 * items.  It pulls the source through weir__shape_take, which knows three ways
 * to come back without an item: the end (kept, to be told when what is held is
 * gone), its own time limit, and what is the puller's business and no end.
 */
#ifndef WEIR__SHAPE_H
#define WEIR__SHAPE_H

#include <limits.h>
#include <weir/shape.h>

#include "stream/stream.h"

enum { WEIR__SHAPE_LATE = INT_MIN };

struct weir__shape {
    weir_stream *source, *me;
    struct weir_type type; /* of the source's items */
    struct weir_shape_stats books;
    uint64_t (*held)(const void *self); /* NULL: 1 if `holding` */
    void (*fini)(void *self);           /* first of all at close; NULL: nothing to do */
    struct weir__node *limit;           /* of the pull that is going on */
    bool exposed;                       /* every pull has a limit, for others to cancel */
    bool over;                          /* the source has ended, with `end` */
    bool holding;                       /* the item in weir__shape_kept */
    int end;
    uint32_t lock; /* of what is shared with another loop: the books */
    size_t size, slots, slot_bytes;
    char *slot; /* the slots, aligned to 64 */
    void *block;
};

enum weir__shape_needs {
    WEIR__SHAPE_TIMED = 1, /* cuts pulls that it goes on with: the source has to be steady */
    WEIR__SHAPE_CALLS = 2  /* has callbacks, or its source may be hurt by a cut: not steady */
};

/*
 * The stream of a copy of *init, which is `size` bytes and begins with a struct
 * weir__shape, over `s`, with room for so many items.  Takes s.  ops->close has
 * to be weir__shape_close.
 */
weir_stream *weir__shape_make(const struct weir_stream_ops *ops, const void *init, size_t size,
                              weir_stream *s, size_t slots, struct weir_type out, int needs);
void weir__shape_close(void *self, int why);

/*
 * Up to max items of the source: how many.  0: it is over.  WEIR__SHAPE_LATE:
 * none until `until` (0: none there now).  Other negatives are no end, and are
 * to be returned as they are.
 */
ssize_t weir__shape_take(struct weir__shape *g, void *items, size_t max, weir_time until);

static inline void *weir__shape_slot(const struct weir__shape *g, size_t i)
{
    return g->slot + i * g->type.size;
}

/* Slot 0 keeps the newest item, slot 1 is where the next one comes in. */
static inline void *weir__shape_kept(const struct weir__shape *g)
{
    return g->slot;
}

static inline void *weir__shape_fresh(const struct weir__shape *g)
{
    return g->slot + g->type.size;
}

/* Keeps the fresh item; one that was kept is replaced. */
void weir__shape_keep(struct weir__shape *g);
/* Drops an item, counted in *cause. */
void weir__shape_drop(struct weir__shape *g, void *item, uint64_t *cause);
/* Gives the kept item, or the fresh one; 1. */
ssize_t weir__shape_give(struct weir__shape *g, void *items);
ssize_t weir__shape_pass(struct weir__shape *g, void *items);
/* After a failure: drops the kept item. */
void weir__shape_forget(struct weir__shape *g);

static inline bool weir__span_sound(weir_span span)
{
    return span > 0 && span <= WEIR_EPOCH;
}

/* A boundary of `capacity` that holds each item back for `delay`, 0: not at all. */
weir_stream *weir__boundary(weir_stream *s, const struct weir_stage_opts *opts, weir_span delay);

#endif
