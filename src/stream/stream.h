/*
 * stream.h -- the inside of a stream: what stages share.
 */
#ifndef WEIR__STREAM_H
#define WEIR__STREAM_H

#include <limits.h>
#include <string.h>
#include <weir/stream.h>

#include "core/item.h"
#include "core/pen.h"

enum { WEIR__BATCH = 256, WEIR__BATCH_BYTES = 16 << 10 };

struct weir_fan_stats;

struct weir_stream {
    int poison;
    int end;     /* latched: 0 or negative, once `ended` */
    bool ended;  /* the end has been told */
    bool marked; /* of inlet.c: it has been met in an array */
    /*
     * The number of the loop that first pulled it; 0: none has.  The streams of
     * one fan-out operator have one home, the operator's.
     */
    uint64_t *home, own_home;
    /*
     * The number of the loop that may pull without being asked more; 0: ask
     * (stream.c).  Another loop may be looking: atomic.
     */
    uint64_t door;
    bool closed; /* ops->close has been called */
    bool steady; /* a timer of another stage may cut a pull: nothing here or above minds */
    bool unpaid; /* a pull costs nothing of the turn: what it pulls itself does */
    struct weir_type type;
    const struct weir_stream_ops *ops;
    void *self;
    uint64_t dropped;
    struct weir__stream_owned *owned;
    void (*books)(const void *self, struct weir_fan_stats *out); /* of fan.h's operators, or NULL */
};

/* By the one who may; another loop may be reading it. */
static inline void weir__stream_dropped_add(weir_stream *s, uint64_t n)
{
    __atomic_store_n(&s->dropped, s->dropped + n, __ATOMIC_RELAXED);
}

weir_stream *weir__stream_poison(int code);

/*
 * What comes round every pull, in the order of weir_pull: WEIR__STREAM_OPEN, or what it gives
 * instead; then the pull's own result, which is passed on.
 */
enum { WEIR__STREAM_OPEN = INT_MIN };
ssize_t weir__stream_enter(weir_stream *s);
ssize_t weir__stream_leave(weir_stream *s, ssize_t r);
bool weir__stream_busy(const weir_stream *s);
/* Who has this home belongs to this loop, or to none yet. */
bool weir__home_here(const uint64_t *home);
static inline bool weir__stream_here(const weir_stream *s)
{
    return weir__home_here(s->home);
}

/* What all stages begin with: the source's poison, or -EINVAL for NULL; 0 if it is sound. */
int weir__stream_check(const weir_stream *s);
int weir__type_check(const struct weir_type *t);

/* Closes the sources and gives the code as a poisoned stream. */
weir_stream *weir__stream_refuse(int code, weir_stream *a, weir_stream *b);

/* Items of a batch of this type; at least 1. */
size_t weir__stream_batch(const struct weir_type *t);

/* Zeroed memory for items of any type, aligned to 64: weir__alloc knows 16 only.  NULL: none. */
void *weir__places_new(size_t bytes);
void weir__places_free(void *places, size_t bytes);

/* weir_lines and weir_bytes with another way to read: as weir_read without a deadline. */
typedef ssize_t weir__reader(int fd, void *buf, size_t size);
weir_stream *weir__lines_by(int fd, size_t max, weir__reader *read);
weir_stream *weir__bytes_by(int fd, size_t max, weir__reader *read);

/* memcpy, without the call for the commonest size. */
static inline void weir__item_copy(void *to, const void *from, size_t size)
{
    if (WEIR__LIKELY(size == 8))
        memcpy(to, from, 8);
    else
        memcpy(to, from, size);
}

#endif
