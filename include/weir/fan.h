/*
 * fan.h -- many streams into one, one stream into many.
 *
 * Every operator takes its sources, also when it fails; the array that names
 * them is borrowed until return.  Building starts nothing: the first pull
 * starts what runs, and that goes on whether or not anyone pulls, as far as
 * the stated number of items lets it.  A pull ended by the puller's own cancel
 * loses nothing.  No item is lost in silence: for each stream made here
 *
 *     in  =  out + dropped + failed + held
 *
 * (weir_fan_stats).  Streams that wait for each other in a ring end in
 * WEIR_EDEADLOCK.  n = 0, NULL, a stream named twice, unknown modes and
 * nonzero reserved words are -EINVAL; sources of different types where they
 * must be the same are WEIR_ETYPE.
 */
#ifndef WEIR_FAN_H
#define WEIR_FAN_H

#include <weir/chan.h>
#include <weir/stream.h>

WEIR_BEGIN

/* Two arguments, the array and its length: weir_merge(WEIR_STREAMS(a, b, c), NULL). */
#define WEIR_STREAMS(...)                                                                          \
    (weir_stream *[]){__VA_ARGS__}, sizeof((weir_stream *[]){__VA_ARGS__}) / sizeof(weir_stream *)

/*
 * The books of one stream made here, in items of its sources.  What an
 * operator took and nobody could be given any more, because the subscriber it
 * was meant for had left, is in `left` of all its streams, and in nobody's
 * `in`.
 */
struct weir_fan_stats {
    uint64_t in;      /* taken for this stream */
    uint64_t out;     /* given to its puller; of zip: in tuples that were given */
    uint64_t dropped; /* by an overflow policy, replaced by a newer one, lost a race, unpaired */
    uint64_t failed;  /* the callback failed, or skipped it */
    uint64_t held;    /* queued, or waiting for the others */
    uint64_t left;    /* of the whole operator: nobody was there to take them */
    uint64_t reserved[2];
};

/*
 * -EINVAL for a stream that fan.h did not make.  Never parks.  Of these
 * weir_stream_dropped gives dropped + failed.
 */
WEIR_API int weir_fan_stats(const weir_stream *s, struct weir_fan_stats *out);

/* --- many into one --------------------------------------------------------- */

enum weir_merge_error {
    WEIR_MERGE_FAIL_FIRST = 0, /* the first failure ends the others; what is held comes first */
    WEIR_MERGE_DELAY_ERROR     /* the others go on to their ends; then the first failure */
};

struct weir_merge_opts {
    enum weir_merge_error on_error;
    uint32_t eager; /* 1: the first source to end ends the others; 0: all have to end */
    uint32_t ahead; /* items taken ahead from each source; 0: 1; at most 65536 */
    uint32_t reserved[5];
};

/*
 * Items of all sources as they come.  Fair: of the sources that have one each
 * gives one in turn.  A pull costs what is ready, not what there is.  opts
 * NULL: all defaults.
 */
WEIR_API weir_stream *weir_merge(weir_stream *const *sources, size_t n,
                                 const struct weir_merge_opts *opts);

/* The same, but of the sources that have an item the first in the array gives it: it may starve
 * the others. */
WEIR_API weir_stream *weir_merge_preferred(weir_stream *const *sources, size_t n,
                                           const struct weir_merge_opts *opts);

struct weir_heads_opts {
    /*
     * 0: a source that loses nothing by a cancel (WEIR_STREAM_RESUMABLE) is
     * pulled by the puller itself, one source after another, no fiber between;
     * 1: each has a fiber, and they are pulled at the same time.
     */
    uint32_t concurrent;
    uint32_t reserved[5];
    /* Takes an item that was pulled and can go out no more; NULL: it is dropped.  Counted. */
    void (*on_drop)(void *ctx, size_t source, void *item);
};

/*
 * Sorted sources into one sorted stream; equal items in the order of the
 * sources.  One item of each is held, and none goes out before each source has
 * one or has ended.  A failure of a source comes after what is held.  One that
 * stalls holds up all: weir_timeouts round it (.idle) makes that a failure, and
 * weir_recover with weir_empty round that lets the others go on without it.
 */
WEIR_API weir_stream *weir_merge_sorted(weir_stream *const *sources, size_t n, weir_cmp *cmp,
                                        void *ctx, const struct weir_heads_opts *opts);

/*
 * in[i] is an item of source i: 1 `out` is an item, 0 skip, negative fail.
 * The items are dropped afterwards unless moved out (zeroed).
 */
typedef int weir_zip_fn(void *ctx, void *const in[], size_t n, void *out);

/*
 * The i-th items of all sources, together.  Ends when one source ends, with
 * its code, and closes the others; items that were already pulled from them
 * go to on_drop, else are dropped and counted.
 */
WEIR_API weir_stream *weir_zip(weir_stream *const *sources, size_t n, weir_zip_fn *fn, void *ctx,
                               struct weir_type out, const struct weir_heads_opts *opts);

/* Until all have ended: in[i] is NULL for one that has, for fn to fill in.  A failure ends it. */
WEIR_API weir_stream *weir_zip_all(weir_stream *const *sources, size_t n, weir_zip_fn *fn,
                                   void *ctx, struct weir_type out,
                                   const struct weir_heads_opts *opts);

/*
 * The latest item of each source, whenever one of them is new; first when each
 * has given one.  Conflates: an item replaced before anybody pulled is dropped
 * and counted.  in[i] is lent to fn: it may not be moved out, and fn may not
 * park.  Ends when all sources have ended, or one has without an item, or one
 * fails: after what is new, and the others are cancelled.
 */
WEIR_API weir_stream *weir_combine_latest(weir_stream *const *sources, size_t n, weir_zip_fn *fn,
                                          void *ctx, struct weir_type out);

/*
 * The newest item of `s` whenever `sampler`, of any type, gives one, unless it
 * has been given already; and at the end of either, which ends both: a failure
 * comes after it.  All others are dropped and counted.  Both run on while
 * nobody pulls; what the sampler gave meanwhile counts as one.  (weir_sample of
 * shape.h goes by a period.)
 */
WEIR_API weir_stream *weir_sample_by(weir_stream *s, weir_stream *sampler);

enum weir_race_mode {
    WEIR_RACE_SIGNAL = 0, /* the first that gives an item, ends or fails */
    WEIR_RACE_VALUE       /* the first that gives an item; if none does, the first failure, or 0 */
};

/* The source that is first goes on alone; the others are cancelled, awaited and closed. */
WEIR_API weir_stream *weir_race_streams(weir_stream *const *sources, size_t n,
                                        enum weir_race_mode mode);

/* --- a set of streams that changes -------------------------------------------- */

struct weir_keyed {
    uint64_t key;
    int result; /* 1: an item; 0: this stream has ended; negative: it has failed */
    void *item; /* lent until the next pull, or yours if you zero it; NULL without one */
};

struct weir_stream_map_opts {
    uint32_t most; /* streams at once; 0: 65536 */
    uint32_t hold; /* 1: a pull of an empty map parks for an insert; 0: it is the end */
    uint32_t reserved[6];
};

/*
 * Streams of `type` by key, as a stream of struct weir_keyed: fair, a pull
 * costs what is ready.  An end or failure of one is an item, and takes it out
 * of the map; it ends no other.  The end of an empty map is not final: an
 * insert revives it.  opts NULL: all defaults.
 */
WEIR_API weir_stream *weir_stream_map(struct weir_type type,
                                      const struct weir_stream_map_opts *opts);

/*
 * Takes s, also on failure.  What it has to say wakes a pull that waits.  Its
 * fiber belongs to the scope of the map; what s itself runs, to the one in
 * which s was built.  0; -EEXIST; WEIR_EFULL; WEIR_ETYPE; -EPIPE after finish;
 * -ECANCELED when the map's scope has ended; -ENOMEM; -EINVAL if m is no map;
 * the code of a poisoned s.  Never parks but to close s on failure.
 */
WEIR_API int weir_stream_map_insert(weir_stream *m, uint64_t key, weir_stream *s);

/* Cancels and closes the stream of this key, waits for it; what it held is dropped.  0; -ENOENT. */
WEIR_API int weir_stream_map_remove(weir_stream *m, uint64_t key);

/* No more inserts (they are -EPIPE): an empty map that holds ends.  0; -EINVAL. */
WEIR_API int weir_stream_map_finish(weir_stream *m);

WEIR_API size_t weir_stream_map_count(const weir_stream *m); /* streams in it */

/* --- one into many --------------------------------------------------------------- */

/*
 * Of one subscriber: how many items may wait for it, and what becomes of one
 * more.  WEIR_BLOCK holds up the source, and so all the others; WEIR_FAIL ends
 * this subscriber with WEIR_EFULL after what it has queued.  A fan-out
 * operator holds one more item in its hand.  What a subscriber has queued
 * comes before the end.  One that closes its stream leaves; it stalls nobody.
 * When all have left, the source is closed.
 */
struct weir_outlet_opts {
    size_t capacity; /* items; 0: 64 */
    enum weir_overflow overflow;
    /*
     * If this subscriber's queue has been full for so long while another one
     * waited for an item, all end in WEIR_EFULL: for shapes that may deadlock
     * in a program whose timers keep the detector quiet.  0: wait for ever.
     */
    weir_span patience;
    uint32_t reserved[4];
};

/*
 * Each item to each of out[0 .. n-1].  `opts` has one entry a subscriber, or
 * is NULL.  For types with `clone` or without drop.  0, or negative: out[] are
 * then poisoned streams of that code.
 */
WEIR_API int weir_tee(weir_stream *s, size_t n, const struct weir_outlet_opts *opts,
                      weir_stream **out);

/*
 * A tee whose subscribers come and go.  One gets what comes after it has
 * subscribed.  While there is none the source is not pulled.  Never NULL.
 */
typedef struct weir_broadcast weir_broadcast;
WEIR_API weir_broadcast *weir_broadcast_new(weir_stream *s);
/*
 * The same, and who subscribes gets the last n items first (1 .. 65536), or as
 * many of them as its capacity holds; after the end too.  They are clones.
 */
WEIR_API weir_broadcast *weir_broadcast_replay(weir_stream *s, size_t n);
WEIR_API weir_stream *weir_broadcast_subscribe(weir_broadcast *b,
                                               const struct weir_outlet_opts *opts);
/* The subscribers go on; the last of them to leave closes the source.  Accepts NULL. */
WEIR_API void weir_broadcast_close(weir_broadcast **b);
WEIR_API int weir_broadcast_error(const weir_broadcast *b); /* of a poisoned handle, else 0 */

/*
 * Each item to one of out[]: to the one that has waited longest, or the first
 * to come.  A pull gives one item, so that nobody hoards.  `capacity` items may
 * wait for a subscriber; 0: none, the item is in the hand of the operator.
 */
WEIR_API int weir_balance(weir_stream *s, size_t n, size_t capacity, weir_stream **out);

/* The number of the subscriber, 0 .. n-1, or negative: fails all.  n and more is -ERANGE. */
typedef int weir_route_fn(void *ctx, const void *item);

/* Each item to out[route(ctx, item)].  `opts` as in weir_tee. */
WEIR_API int weir_partition(weir_stream *s, size_t n, weir_route_fn *route, void *ctx,
                            const struct weir_outlet_opts *opts, weir_stream **out);

/*
 * split(ctx, in, a, b) makes two items of one: 1 they go to out[0] and out[1],
 * 0 skip, negative fail.  `in` is dropped afterwards unless moved out (zeroed).
 * `opts` has two entries, or is NULL.
 */
typedef int weir_unzip_fn(void *ctx, void *in, void *a, void *b);
WEIR_API int weir_unzip(weir_stream *s, weir_unzip_fn *split, void *ctx, struct weir_type a,
                        struct weir_type b, const struct weir_outlet_opts *opts,
                        weir_stream *out[2]);

/*
 * A copy of each item that passes goes into `tap`, if there is room: the tap
 * never holds up the stream.  What did not fit is in weir_stream_dropped and
 * `dropped` of this stream; a channel with an overflow policy counts its own.
 * The stream is a producer of the channel, which it ends with its own end.
 * Borrows the channel.  No fiber.
 */
WEIR_API weir_stream *weir_wire_tap(weir_stream *s, weir_chan *tap);

/* --- groups ------------------------------------------------------------------------- */

enum weir_group_limit {
    WEIR_GROUP_FAIL = 0, /* one key too many: WEIR_EFULL, for all */
    WEIR_GROUP_DROP,     /* its item is dropped, and counted in `left` */
    WEIR_GROUP_EVICT     /* the group idle longest, with nothing queued, ends; FAIL if none is */
};

struct weir_group_opts {
    uint32_t most;                 /* groups at once; 0: 1024; at most 1 << 24 */
    enum weir_group_limit at_most; /* what a key beyond them does */
    size_t capacity;               /* items queued a group; 0: 64 */
    enum weir_overflow overflow;   /* of a full group */
    /*
     * WEIR_BLOCK waits for room in a full group.  If nobody pulls that group
     * for so long while somebody waits for another stream of this operator,
     * all end in WEIR_EFULL.  0: 10 s; WEIR_NEVER: wait.
     */
    weir_span patience;
    uint32_t reserved[4];
};

struct weir_group {
    uint64_t key;
    weir_stream *items; /* yours; the item's drop closes it */
};

/*
 * A stream of struct weir_group: a new one for each key that has none.  Close
 * a group and the key's next item opens a new one.  More groups than consumers
 * is no deadlock: a full group ends it (patience) or drops (overflow).  When
 * the stream of groups is closed, its groups go on and items of other keys
 * are dropped, counted in `left`.  All groups end with the end of the source.
 */
WEIR_API weir_stream *weir_group_by(weir_stream *s, weir_key_fn *key, void *ctx,
                                    const struct weir_group_opts *opts);

/* --- reduce --------------------------------------------------------------------------- */

/* Adds `right` to `left`: 0 or 1, or negative.  May park.  `right` is dropped afterwards. */
typedef int weir_reduce_fn(void *ctx, void *left, void *right);

/*
 * One item of all, by up to `workers` combinations at once, each of two
 * neighbours: `fn` has to be associative, not commutative.  1 with *out set;
 * 0 for an empty stream; the first failure.  Closes the stream.
 */
WEIR_API int weir_par_reduce(weir_stream **s, weir_reduce_fn *fn, void *ctx, uint32_t workers,
                             void *out);

struct weir_map_reduce {
    uint32_t workers; /* > 0: mappers at once, and reducers at once */
    uint32_t most;    /* keys; beyond: WEIR_EFULL.  0: 65536 */
    struct weir_type value;
    /* Makes a value of an item: 1, 0 skip, negative fail.  May park; up to `workers` at once. */
    int (*map)(void *ctx, void *in, uint64_t *key, void *value);
    /* Of one key in the order of the items, never two at once; of two keys at once.  May park. */
    int (*combine)(void *ctx, uint64_t key, void *acc, void *value);
    /* For each key at the end, ascending; acc is dropped afterwards unless moved out (zeroed). */
    int (*emit)(void *ctx, uint64_t key, void *acc);
    void *ctx;
    uint32_t reserved[4];
};

/* The first value of a key is its acc.  0, or the first failure (nothing is emitted then). */
WEIR_API int weir_map_reduce(weir_stream **s, const struct weir_map_reduce *job);

WEIR_END
#endif
