/*
 * ops.h -- further sources and stages of streams.
 *
 * What stream.h says of all streams holds here: a constructor takes its
 * source also when it fails, never returns NULL, starts nothing; a pull ended
 * by the puller's own cancel resumes and has lost nothing.
 *
 * No item is lost in silence.  For each stage
 *
 *     items in  =  items out  +  weir_stream_dropped  +  held
 *
 * (a stage that makes other items of them counts those it made), and what a
 * stage holds is dropped, once, when it is closed.  How much it may hold is
 * said with it; where nothing is said it holds nothing.
 *
 * A callback that fails ends the stream after the items before it; that item
 * and those already taken behind it are dropped and counted.  Upstream is
 * closed with the stream, or where it is said sooner.
 */
#ifndef WEIR_OPS_H
#define WEIR_OPS_H

#include <weir/base.h>
#include <weir/due.h>
#include <weir/stream.h>
#include <weir/sync.h>

WEIR_BEGIN

/* Makes a stream.  NULL and poisoned ones have a meaning: see who calls it. */
typedef weir_stream *weir_make(void *ctx);
/* Makes a stream of an item, which stays where it is until that stream has been closed. */
typedef weir_stream *weir_make_of(void *ctx, void *item);

/* --- sources --------------------------------------------------------------- */

/* One item, moved in from *item, also when this fails: then it is dropped. */
WEIR_API weir_stream *weir_once(const void *item, struct weir_type type);

/* Clones of *item without end; borrows it until close.  -EINVAL for a drop without clone. */
WEIR_API weir_stream *weir_repeat(const void *item, struct weir_type type);

/*
 * Asks next(ctx, NULL, out), which never parks: 1 an item, 0 the end, -EAGAIN
 * not now: then the stream parks until `ready` is set, clears it and asks
 * again.  Any other negative is a failure.  Borrows `ready`, which no other
 * stream may use.
 */
WEIR_API weir_stream *weir_from_poll(weir_fn *next, void *ctx, struct weir_event *ready,
                                     struct weir_type type);

/* What falls due, as it does, until the queue ends, and as it ends.  Borrows it. */
WEIR_API weir_stream *weir_from_due(weir_due *d);

/*
 * Something that is opened at the first pull, and closed once in every case:
 * at the end, at a failure, or when the stream is closed early (-ECANCELED).
 * If `open` fails nothing is closed; one that the puller's cancel cut short
 * is called again.  `close` may park, but in a cancelled fiber only under a
 * weir_shield.  Borrows *r.
 */
struct weir_resource {
    int (*open)(void *ctx);            /* 0, or a negative errno; may park; NULL: nothing to open */
    weir_fn *next;                     /* next(ctx, NULL, out), as of weir_unfold */
    void (*close)(void *ctx, int why); /* 0, the failure, or -ECANCELED */
    void *reserved;
};
WEIR_API weir_stream *weir_resource(const struct weir_resource *r, void *ctx,
                                    struct weir_type type);

/*
 * Bytes of a descriptor as they come, up to `max` (0: 64 KiB) at a time: each
 * item is a weir_chunk of n bytes, lent until the next pull.  Borrows the
 * descriptor; one below -1 is the stream's failure, as of weir_lines.
 */
WEIR_API weir_stream *weir_bytes(int fd, size_t max);

/*
 * As weir_from_chan, and one of the channel's consumers until it is closed:
 * with the last of them the channel is shut, so what is queued is dropped and
 * senders get -EPIPE.  Borrows the channel.
 */
WEIR_API weir_stream *weir_consume(weir_chan *ch);

/*
 * make(ctx) at the first pull, which may park in it; then what it made.  NULL
 * is an empty stream, a poisoned one its code, one of another type WEIR_ETYPE.
 * What it builds belongs to the scope in which weir_defer was called.
 */
WEIR_API weir_stream *weir_defer(weir_make *make, void *ctx, struct weir_type type);

/*
 * Pages of a list that is fetched piece by piece.  fetch(ctx, page) gets one
 * page: it reads weir_page_number or weir_page_cursor, gives the items with
 * weir_page_add, and says 1 if another page follows, 0 if this was the last,
 * negative if it failed.  Called again for the same page if the puller's
 * cancel cut it short.
 *
 * With cursors: weir_page_next sets the one of the page that follows.  A
 * cursor that was there before would go round for ever: it fails with
 * WEIR_EPROTO, after the items before it.  (Known by 64 bits of hash: among a
 * million pages a false alarm has a chance of 1 in 30 million.)
 *
 * Holds at most `prefetch` + 1 pages.
 */
typedef struct weir_page weir_page;
struct weir_pages_opts {
    int (*fetch)(void *ctx, weir_page *page);
    uint32_t prefetch; /* pages that a fiber fetches ahead; 0: fetched when they are wanted */
    uint32_t limit;    /* WEIR_ETOOLARGE after so many; 0: 100,000; UINT32_MAX: no limit */
    uint32_t reserved[4];
};
WEIR_API weir_stream *weir_pages(const struct weir_pages_opts *opts, void *ctx,
                                 struct weir_type type);
WEIR_API uint64_t weir_page_number(const weir_page *page); /* from 0 */
/* The cursor, *n bytes (n may be NULL) and a zero; NULL on the first page, or if none was set. */
WEIR_API const char *weir_page_cursor(const weir_page *page, size_t *n);
/* Copied; 1 .. 64 KiB bytes.  0, -EINVAL, -ENOMEM. */
WEIR_API int weir_page_next(weir_page *page, const void *cursor, size_t n);
/* Moves n items in.  0; WEIR_ETYPE, -EINVAL, -ENOMEM: they are still the caller's. */
#define weir_page_add(page, items, n) weir_page_put(page, items, sizeof *(items), n)
WEIR_API int weir_page_put(weir_page *page, const void *items, size_t size, size_t n);

/* --- one in, at most one out --------------------------------------------------- */

/*
 * Numbers the items from `first` on (modulo 2^64).  An item of this stage is a
 * uint64_t and behind it, where C puts it, the item: declare
 *
 *     struct numbered { uint64_t index; T item; };
 *
 * and give WEIR_TYPE(struct numbered), with a drop if T has one.  WEIR_ETYPE
 * if the size is another.
 */
WEIR_API weir_stream *weir_enumerate(weir_stream *s, uint64_t first, struct weir_type out);

/* fn(ctx, item, NULL) sees each item that passes: 0 or 1 goes on. */
WEIR_API weir_stream *weir_inspect(weir_stream *s, weir_fn *fn, void *ctx);

/* Drops items while fn(ctx, item, NULL) is 1; then all pass, and fn is asked no more. */
WEIR_API weir_stream *weir_skip_while(weir_stream *s, weir_fn *fn, void *ctx);

/* The first item and each n-th after it.  -EINVAL for 0. */
WEIR_API weir_stream *weir_step_by(weir_stream *s, uint64_t n);

/*
 * Drops an item whose key is that of the item before it.  key(ctx, item, out)
 * writes the key over zeroed memory: 1; 0 drops the item; negative fails.
 * Keys are plain bytes (no drop, else -EINVAL) and compared as such.  key
 * NULL: the item's own bytes, for types without drop or padding; `key_type`
 * is ignored then.
 */
WEIR_API weir_stream *weir_distinct_until_changed(weir_stream *s, weir_fn *key, void *ctx,
                                                  struct weir_type key_type);

/*
 * Drops an item whose key is among the last `max` different ones (> 0); the
 * oldest key is forgotten first, so an item may come again after `max` others.
 * Keys as above.
 */
WEIR_API weir_stream *weir_distinct(weir_stream *s, weir_fn *key, void *ctx,
                                    struct weir_type key_type, size_t max);

/*
 * A scan that may stop, and may say a last word.  step(ctx, in, out) as in
 * weir_map, and besides WEIR_SCAN_STOP: the end, without an item, and
 * WEIR_SCAN_LAST: `out` is the last item.  Upstream is closed then.  At the
 * end, of either kind, last(ctx, NULL, out) may give one item more (1), or
 * not (0); not after a failure.  Pulls one at a time.  `last` may be NULL.
 */
enum weir_scan_result {
    WEIR_SCAN_SKIP = 0,
    WEIR_SCAN_EMIT = 1,
    WEIR_SCAN_STOP = 2,
    WEIR_SCAN_LAST = 3
};
WEIR_API weir_stream *weir_scan_until(weir_stream *s, weir_fn *step, weir_fn *last, void *ctx,
                                      struct weir_type out);

/*
 * Its source is pulled one item at a time, whatever the puller asks for: where
 * a batch would have a callback work on what nobody may come to want.
 */
WEIR_API weir_stream *weir_unbatch(weir_stream *s);

/* --- one in, several out --------------------------------------------------------- */

/*
 * Each item gives items: fn(ctx, in, k, out) for k = 0, 1, ...: 1 `out` is
 * one, 0 no more of this item.  Holds the item that it is at.
 */
typedef int weir_fn_k(void *ctx, void *in, uint64_t k, void *out);
WEIR_API weir_stream *weir_map_concat(weir_stream *s, weir_fn_k *fn, void *ctx,
                                      struct weir_type out);

/*
 * The items of chunks, one by one: undoes weir_chunks, weir_batch and
 * weir_chunks_own.  `type` is what is in them: for owned ones WEIR_ETYPE at the
 * pull if it is another, for lent ones nobody can tell.  Empty chunks are
 * passed over.  WEIR_ETYPE if s has no chunks.  Not for windows (weir_sliding)
 * of a type with drop: they share their items.  Holds a chunk.
 */
WEIR_API weir_stream *weir_unchunk(weir_stream *s, struct weir_type type);

/*
 * Chunks that are lent until the next pull (weir_chunks, weir_batch,
 * weir_bytes, windows of plain types) as chunks that are the receiver's: the
 * items are moved into an array of its own, which the drop of weir_chunk_item
 * frees with what is left in it (what was moved out is zeroed).  They may go to
 * weir_par_map, into a channel, be kept.  An array a chunk; -ENOMEM ends the
 * stream, that chunk is dropped and counted.  WEIR_ETYPE as above.
 */
WEIR_API weir_stream *weir_chunks_own(weir_stream *s, struct weir_type type);
/* The type of an owned chunk; weir_chunk_item().drop(&chunk) where no stream does it. */
WEIR_API struct weir_type weir_chunk_item(void);

/*
 * The same for lines (weir_lines): each in memory of its own, with the zero byte
 * behind it, which the drop of weir_line_item frees.
 */
WEIR_API weir_stream *weir_lines_own(weir_stream *lines);
WEIR_API struct weir_type weir_line_item(void);

/* Clones of *separator between the items; it is borrowed until close.  Holds one item. */
WEIR_API weir_stream *weir_intersperse(weir_stream *s, const void *separator);

/*
 * Each item gives a stream, fn(ctx, item); all of one before the next item is
 * pulled.  NULL stands for an empty one.  A failure in one is the end.
 */
WEIR_API weir_stream *weir_flat_map(weir_stream *s, weir_make_of *fn, void *ctx,
                                    struct weir_type out);
/* The same for a stream of `weir_stream *`, which are taken.  NULL stands for an empty one. */
WEIR_API weir_stream *weir_flatten(weir_stream *s, struct weir_type out);
/* The type of a `weir_stream *` as an item: its drop closes it. */
WEIR_API struct weir_type weir_stream_item(void);

/*
 * As weir_flat_map, with up to `limit` (> 0) of the streams at once, a fiber
 * each; in turn, one item each, while the puller is slower than they are.
 * A failure cancels the others; what they hold is dropped.  Holds one item a
 * stream.
 */
WEIR_API weir_stream *weir_flat_map_unordered(weir_stream *s, weir_make_of *fn, void *ctx,
                                              struct weir_type out, uint32_t limit);

/*
 * As weir_flat_map, but a new item cancels the stream of the one before and
 * waits until it has ended.  `s` is pulled all the time, by a fiber.  Nothing
 * of an old stream comes after a new one has begun: what was held of it, one
 * item at most, is dropped.  The last stream runs to its end.
 */
WEIR_API weir_stream *weir_switch_map(weir_stream *s, weir_make_of *fn, void *ctx,
                                      struct weir_type out);

/* --- looking around ----------------------------------------------------------------- */

/*
 * Windows of n items in a row (n > 0), each one further than the one before:
 * a weir_chunk, lent until the next pull.  Fewer than n items in all give no
 * window.  Holds n items.
 */
WEIR_API weir_stream *weir_sliding(weir_stream *s, size_t n);
/* Windows of two: each item with the one before it. */
WEIR_API weir_stream *weir_pairwise(weir_stream *s);

/* A stream that weir_peek can look into.  Holds one item, once it was looked at. */
WEIR_API weir_stream *weir_peekable(weir_stream *s);
/* Shows the next item, which the next pull gives: 1, lent until then; 0, or negative, the end. */
WEIR_API int weir_peek(weir_stream *peekable, void **item);

WEIR_END
#endif
