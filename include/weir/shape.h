/*
 * shape.h -- when items go on, and how many at a time.
 *
 * The operators of time work while they are pulled, in their puller's fiber:
 * none runs a timer while nothing is held, and behind a puller that is away
 * the source waits (a weir_stage after one lets it go on).  A pull ended by
 * the puller's own cancel loses nothing: what is held stays for the next.  A
 * source that such a cut could hurt -- one whose callback may park -- gets a
 * boundary of one slot in front, made here: its fiber takes one item ahead.
 *
 * At the source's end what is held comes first, at once, then the end; so it
 * does before a failure, unless an option says otherwise.  What falls due at
 * the very instant at which an item comes may go before or after it.
 *
 * Spans are > 0 and at most 2^60 ns, counts > 0, and reserved words 0: else,
 * and for a NULL where one is not allowed, the stream is poisoned with
 * -EINVAL.  For every stream of this header and each weir_stage, always:
 *
 *     in + made = out + replaced + refused + failed + held
 */
#ifndef WEIR_SHAPE_H
#define WEIR_SHAPE_H

#include <weir/base.h>
#include <weir/rate.h>
#include <weir/scope.h>
#include <weir/stream.h>
#include <weir/sync.h>

WEIR_BEGIN

enum weir_timeout_cause {
    WEIR_TIMEOUT_NONE = 0,
    WEIR_TIMEOUT_FIRST,
    WEIR_TIMEOUT_IDLE,
    WEIR_TIMEOUT_TOTAL,
    WEIR_TIMEOUT_PRESSURE
};

struct weir_shape_stats {
    uint64_t in;       /* items taken from the source */
    uint64_t made;     /* items of its own: keep_alive */
    uint64_t out;      /* given on; of batches, the items in them */
    uint64_t replaced; /* dropped for a newer one */
    uint64_t refused;  /* dropped because they came too early, or found no room */
    uint64_t failed;   /* dropped because the stream failed */
    uint64_t held;     /* taken and not given yet */
    uint64_t most;     /* the most that were held at once, of weir_stage and weir_delay */
    enum weir_timeout_cause cause; /* of -ETIMEDOUT from weir_timeouts */
    uint32_t reserved[3];
};

/*
 * The books of a stream.  0; -EINVAL for one that is neither of this header nor
 * a weir_stage; the code of a poisoned one.  Never parks.
 */
WEIR_API int weir_shape_stats(const weir_stream *s, struct weir_shape_stats *out);

/* --- batches: a struct weir_chunk is an item ------------------------------ */

struct weir_batch_opts {
    size_t items;        /* the most in a batch; > 0: memory for so many is taken at once */
    weir_span wait;      /* the longest after its first item; 0: until full; WEIR_NOWAIT: none */
    uint64_t weight;     /* the most weight of a batch; needs `weigh` */
    weir_weigher *weigh; /* NULL: items are not weighed */
    void *ctx;
    uint32_t reserved[2];
};

/*
 * Groups of items in a row.  One goes out when it is full, when `wait` is over
 * since its *first* item came, at the end and before a failure; never empty,
 * and no timer runs before the first item.  A batch that is due while nobody
 * pulls goes out at the next pull, with what has come meanwhile, up to full.
 * An item heavier than `weight` goes alone.  The array is lent until the next
 * pull, which drops what was not moved out (zeroed).
 */
WEIR_API weir_stream *weir_batch(weir_stream *s, const struct weir_batch_opts *opts);

/* .items = n, .wait = wait */
WEIR_API weir_stream *weir_chunks_timeout(weir_stream *s, size_t n, weir_span wait);

/*
 * .items = n, .wait = WEIR_NOWAIT: parks for one item and adds what is there
 * already.  Of a source whose callback may park that is what one pull gives.
 */
WEIR_API weir_stream *weir_ready_chunks(weir_stream *s, size_t n);

/* .items = n, .weight = weight > 0, .weigh = weigh */
WEIR_API weir_stream *weir_chunks_weighted(weir_stream *s, size_t n, uint64_t weight,
                                           weir_weigher *weigh, void *ctx);

/* --- fewer items ----------------------------------------------------------- */

enum weir_edge { WEIR_LEADING = 1, WEIR_TRAILING = 2 };

struct weir_debounce_opts {
    weir_span quiet;      /* a burst is over when nothing has come for so long */
    weir_span max_wait;   /* and at the latest so long after its first item; 0: never; >= quiet */
    uint32_t edges;       /* WEIR_LEADING | WEIR_TRAILING; 0: WEIR_TRAILING */
    uint32_t drop_failed; /* 1: a failure drops what is held; 0: that comes first */
    uint32_t reserved[4];
};

/*
 * One item for a burst: its last when it is over (TRAILING), its first at once
 * (LEADING), or its first and, if there were more, its last.  The end of the
 * source ends a burst at once.  The others are dropped: `replaced` by a newer
 * one, or, with LEADING alone, `refused`.
 */
WEIR_API weir_stream *weir_debounce(weir_stream *s, const struct weir_debounce_opts *opts);

struct weir_throttle_opts {
    weir_span period;
    uint32_t edges;       /* WEIR_LEADING | WEIR_TRAILING; 0: both */
    uint32_t drop_failed; /* 1: a failure drops what is held; 0: that comes first */
    uint32_t reserved[4];
};

/*
 * At most one item a period, measured from start to start: each item that goes
 * out opens a period, and so does, without LEADING, the first that comes when
 * none is open.  LEADING: with none open an item goes out at once, so the very
 * first does.  TRAILING: the newest that came in a period goes out at its end,
 * and at the end of the source at once.  A puller that comes late moves the
 * periods that follow; one that waits keeps them on a grid.
 */
WEIR_API weir_stream *weir_throttle(weir_stream *s, const struct weir_throttle_opts *opts);

/*
 * The newest item at each multiple of the period since the first pull, if one
 * has come since the multiple before; and at the end.  One that comes on a
 * multiple waits for the next.  The others are `replaced`.
 */
WEIR_API weir_stream *weir_sample(weir_stream *s, weir_span period);

/* --- later ------------------------------------------------------------------- */

struct weir_pace_opts {
    struct weir_rate_opts rate; /* its max_wait must be 0 */
    weir_weigher *cost;         /* NULL: 1 an item; more than the burst is paid in parts */
    void *ctx;
    uint32_t enforce; /* 1: one that comes too early fails the stream (WEIR_ERATE), `failed` */
    uint32_t reserved[3];
};

/*
 * Nothing dropped, nothing faster than a rate, and at that rate as long as the
 * source keeps up: what a wake-up comes late is made good, up to a millisecond.
 * For instants a <= b
 *
 *     cost of what goes out in [a, b]  <=  burst + rate * (b - a + 1 ms)
 *
 * The first item goes at once, and the end is not delayed.
 */
WEIR_API weir_stream *weir_pace(weir_stream *s, const struct weir_pace_opts *opts);

/*
 * Each item `span` after it came: the gaps between them stay.  A fiber takes
 * up to `in_flight` items ahead; beyond that the source waits.  The end comes
 * after the last item.
 */
WEIR_API weir_stream *weir_delay(weir_stream *s, weir_span span, size_t in_flight);

/* --- too late ------------------------------------------------------------------ */

struct weir_timeouts_opts {
    weir_span first;    /* from the first pull to the first item */
    weir_span idle;     /* the longest that the puller waits for any later item */
    weir_span total;    /* from the first pull to the end */
    weir_span pressure; /* the longest that the puller is away after an item */
    uint32_t reserved[4];
};

/*
 * Four limits; 0 is none, all 0 -EINVAL.  The one that is passed first ends
 * the stream with -ETIMEDOUT (weir_shape_stats says which) and closes the
 * source: for `pressure` and `total` also while nobody pulls.  An item that is
 * there already is given, however late; not after `total` or `pressure`.
 */
WEIR_API weir_stream *weir_timeouts(weir_stream *s, const struct weir_timeouts_opts *opts);

/*
 * When no item has gone out for `idle`, since the last one or the first pull,
 * and none is there: make(ctx, NULL, out), 1 an item, 0 none this time (and
 * another `idle`), negative a failure.  A puller that was away finds one item
 * of these at most.
 */
WEIR_API weir_stream *weir_keep_alive(weir_stream *s, weir_span idle, weir_fn *make, void *ctx);

struct weir_until_opts {
    struct weir_event *event; /* borrowed until close; NULL: none */
    weir_scope *stop;         /* its drain, or its cancel; borrowed until close; NULL: none */
    weir_time deadline;       /* 0: none */
    uint32_t reserved[4];
};

/*
 * All items until the event is set, the scope stops, or the deadline has
 * passed: then a clean end, and the source is closed.  Stop comes before data:
 * a pull that begins after it gives nothing more.  Nothing to wait for is
 * -EINVAL.
 */
WEIR_API weir_stream *weir_take_until(weir_stream *s, const struct weir_until_opts *opts);

/* --- how much a queue may hold ---------------------------------------------------- */

/*
 * The capacity of a queue (weir_stage, a channel) that is served at `per_sec`
 * and may make nobody wait longer than `delay`: their product, rounded down, at
 * least 1.  A larger one only delays: no buffer makes up for a rate that is too
 * low for long.  0 and negative arguments give 1; no overflow.  Never parks.
 */
WEIR_API size_t weir_queue_capacity(uint64_t per_sec, weir_span delay);

WEIR_END
#endif
