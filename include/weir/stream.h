/*
 * stream.h -- typed items that are pulled, like bytes from read(2): n > 0
 * items, 0 the end, negative a failure.
 *
 * A pipeline is sources, stages and one end.  Every constructor takes its
 * source, also when it fails, and never returns NULL: a failed one is a
 * poisoned stream that answers its code, so a chain needs no checks between
 * its lines.  The end is latched: after it a pull gives the same answer for
 * ever.  A pull ended by the puller's own cancel is no end: the next resumes.
 *
 * Batches never wait: a pull gives what is there, at least one item.  A pull
 * counts for the fiber's share of the turn, so a source that never parks starves
 * nobody, and an end sees a cancel between two pulls.  Parking in a callback of
 * map, filter, scan or fold works, but holds up the batch; `then` and
 * weir_par_map are for callbacks that park.
 *
 * Of every operator, where nothing else is said: a stream, function or `opts`
 * that is NULL, a size, limit or number of 0, a negative span, an unknown mode
 * and a nonzero reserved word are -EINVAL.  No items make no items.  The end and
 * the failure of its source are its own, after what came before.  While nobody
 * pulls, a stage without a fiber does nothing and its source waits; one with a
 * fiber goes on as far as it may hold items.
 */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <weir/base.h>
#include <weir/chan.h>
#include <weir/policy.h>

WEIR_BEGIN

typedef struct weir_stream weir_stream;

/*
 * 1: `out` is an item; 0: skip; negative: fail the stream with it.  The stage
 * drops `in` afterwards unless it was moved out (zeroed).  In a filter `out`
 * is NULL, and 1 passes `in` on.
 */
typedef int weir_fn(void *ctx, void *in, void *out);

/* --- your own source ---------------------------------------------------- */

enum weir_stream_flags { WEIR_STREAM_RESUMABLE = 1 /* a cancelled pull has lost nothing */ };

struct weir_stream_ops {
    uint32_t size, flags; /* size: sizeof this struct */
    /* Up to max items; parks until there is one.  Not called again after 0 or an error. */
    ssize_t (*pull)(void *self, void *items, size_t max);
    /* Once, for every way to end; `why` is 0, the failure, or -ECANCELED if closed early. */
    void (*close)(void *self, int why);
};

/* `ops` is borrowed for ever, `self` until close. */
WEIR_API weir_stream *weir_stream_new(const struct weir_stream_ops *ops, void *self,
                                      struct weir_type type);

/* Ties memory to a stream: free_fn(ptr) when it is closed.  0, or negative and ptr stays yours. */
WEIR_API int weir_stream_own(weir_stream *s, void *ptr, void (*free_fn)(void *));

/* --- pulling -------------------------------------------------------------- */

/*
 * Up to max items into `items`, which are then the caller's.  A stream belongs
 * to the loop that first pulled it: elsewhere, and in another run, -EXDEV.
 * -EBUSY during another's pull.  Neither is an end.
 */
WEIR_API ssize_t weir_pull(weir_stream *s, void *items, size_t max);

/* One item: 1, 0, negative; WEIR_ETYPE for another size. */
#define weir_next(s, item) weir_stream_next(s, item, sizeof *(item))
WEIR_API int weir_stream_next(weir_stream *s, void *item, size_t size);

/* Cancels what it owns, waits for it, frees.  Accepts NULL, poisoned and ended ones. */
WEIR_API void weir_stream_close(weir_stream **s);

WEIR_API int weir_stream_error(const weir_stream *s); /* of a poisoned handle, else 0 */
WEIR_API struct weir_type weir_stream_type(const weir_stream *s);
/* Items that a stage dropped, all causes. */
WEIR_API uint64_t weir_stream_dropped(const weir_stream *s);

/* --- sources --------------------------------------------------------------- */

/*
 * Borrows the array until close.  Items are copied; cloned if the type has a
 * drop, which then needs a clone (-EINVAL): one that fails is the end.  n 0: empty.
 */
WEIR_API weir_stream *weir_array(const void *items, size_t n, struct weir_type type);
/* int64_t, from <= i < to; that may be none. */
WEIR_API weir_stream *weir_range(int64_t from, int64_t to);
WEIR_API weir_stream *weir_empty(struct weir_type type);
WEIR_API weir_stream *weir_never(struct weir_type type);          /* parks until cancelled */
WEIR_API weir_stream *weir_fail(struct weir_type type, int code); /* code < 0 */

/* next(ctx, NULL, out), one at a time: 1 an item, 0 the end, negative a failure.  May park. */
WEIR_API weir_stream *weir_unfold(weir_fn *next, void *ctx, struct weir_type type);

/* Receives until the channel closes; its close reason is the stream's end.  Borrows the channel. */
WEIR_API weir_stream *weir_from_chan(weir_chan *ch);

/*
 * A generator is a fiber: fn(g, ctx) emits at any call depth, and its result
 * is the end.  An emit moves the item, parks until it is wanted, and gives 1,
 * or negative when nobody will want another: then fn should return.
 */
typedef struct weir_generator weir_generator;
WEIR_API weir_stream *weir_generate(int (*fn)(weir_generator *g, void *ctx), void *ctx,
                                    struct weir_type type);
#define weir_emit(g, item) weir_generator_emit(g, item, sizeof *(item))
WEIR_API int weir_generator_emit(weir_generator *g, const void *item, size_t size);

enum weir_missed { WEIR_BURST = 0, WEIR_DELAY, WEIR_SKIP };

struct weir_interval_opts {
    weir_span period;        /* > 0, at most 2^60 ns */
    uint32_t first_now;      /* 1: the first tick at once, else after a period */
    enum weir_missed missed; /* ticks that came too late: all at once, shifted, left out */
    uint32_t reserved[2];
};

struct weir_tick {
    uint64_t seq;
    weir_time due, now;
};

WEIR_API weir_stream *weir_interval(const struct weir_interval_opts *opts); /* struct weir_tick */

/*
 * Lines of a descriptor, without their ends; a last one without end counts.
 * `text` is lent until the next pull (weir_lines_own: yours) and ends in a zero
 * byte that does not count; a line may hold zero bytes.  Longer than `max` bytes
 * (0: 64 KiB) is WEIR_ETOOLARGE.  Borrows the descriptor; one below -1 is the
 * failure of what should have made it, and the stream's.
 */
struct weir_line {
    char *text;
    size_t len;
};
WEIR_API weir_stream *weir_lines(int fd, size_t max);

/* --- stages ------------------------------------------------------------------ */

WEIR_API weir_stream *weir_map(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out);
WEIR_API weir_stream *weir_filter_map(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out);
WEIR_API weir_stream *weir_scan(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out);
WEIR_API weir_stream *weir_filter(weir_stream *s, weir_fn *fn, void *ctx);
/* As map, for a callback that parks: the next item is not pulled before this one is done. */
WEIR_API weir_stream *weir_then(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out);

/*
 * A kernel works on a batch in place of a callback an item: up to n items of
 * `in` to `out`, how many came out.  WEIR_MAP and WEIR_FILTER define one from
 * an expression over `x`.  For types without drop.
 */
typedef size_t weir_kernel(const void *in, void *out, size_t n);
WEIR_API weir_stream *weir_apply(weir_stream *s, weir_kernel *kernel, struct weir_type out);
#define WEIR_MAP(name, In, Out, expression)                                                        \
    static size_t name(const void *weir_in, void *weir_out, size_t n)                              \
    {                                                                                              \
        const In *in = (const In *)weir_in;                                                        \
        Out *out = (Out *)weir_out;                                                                \
        for (size_t i = 0; i < n; i++) {                                                           \
            const In x = in[i];                                                                    \
            out[i] = (expression);                                                                 \
        }                                                                                          \
        return n;                                                                                  \
    }
#define WEIR_FILTER(name, In, expression)                                                          \
    static size_t name(const void *weir_in, void *weir_out, size_t n)                              \
    {                                                                                              \
        const In *in = (const In *)weir_in;                                                        \
        In *out = (In *)weir_out;                                                                  \
        size_t k = 0;                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const In x = in[i];                                                                    \
            out[k] = x;                                                                            \
            k += (expression) != 0;                                                                \
        }                                                                                          \
        return k;                                                                                  \
    }

/* The first n; upstream is closed with the n-th.  0 ends without a pull. */
WEIR_API weir_stream *weir_take(weir_stream *s, uint64_t n);
/* All but the first n, which are dropped.  0 is all. */
WEIR_API weir_stream *weir_skip(weir_stream *s, uint64_t n);
/* While fn(ctx, item, NULL) is 1; the item that ends it passes if `inclusive`, else is dropped. */
WEIR_API weir_stream *weir_take_while(weir_stream *s, weir_fn *fn, void *ctx, int inclusive);
/* First all of a, then all of b: the same type, else WEIR_ETYPE. */
WEIR_API weir_stream *weir_chain(weir_stream *a, weir_stream *b);

/*
 * Groups of n > 0: an item of this stage is n items of the source in a row, with
 * the count.  The last group may be smaller, also before an error, never empty.
 * A pull that is cut leaves a group half full for the next; closing drops it.
 */
struct weir_chunk {
    size_t n;
    void *items; /* lent until the next pull of the chunks; weir_chunks_own: yours */
};
WEIR_API weir_stream *weir_chunks(weir_stream *s, size_t n);

struct weir_stage_opts {
    const char *name; /* static */
    size_t capacity;  /* items; 0: 64, or 1024 with a weigher */
    enum weir_overflow overflow;
    int32_t
        loop; /* 0: that of the puller; n: the n-th after it; WEIR_ANY_LOOP (loop.h): the idlest */
    uint32_t reserved[2];
    uint64_t weight;     /* the most weight queued; needs `weigh`.  A heavier item goes in alone */
    weir_weigher *weigh; /* NULL: items are not weighed */
    void (*on_drop)(void *ctx, void *item); /* takes what overflows; NULL: it is dropped */
    void *ctx;
};

/*
 * An asynchronous boundary: from the first pull on a fiber pulls `s` ahead into
 * a queue.  Where items are weighed or may overflow it has one more in hand
 * for a moment, or, with WEIR_BLOCK, until there is room.  WEIR_FAIL: the one
 * that finds no room fails the stream with WEIR_EFULL, after what is queued.
 * NULL opts: all defaults.  What is queued comes before the end or a failure;
 * closing drops it.
 * weir_shape_stats (shape.h) has its books.
 *
 * With weir_config.loops the fiber may be on another loop, counted round from
 * the puller's, so the same pipeline runs on any number of them, also on one.
 * What stands before the boundary is then pulled, and closed at its end, over
 * there: it must not have been pulled here (-EXDEV), and its callbacks,
 * `weigh` and `on_drop` run on that thread.
 */
WEIR_API weir_stream *weir_stage(weir_stream *s, const struct weir_stage_opts *opts);

/* --- many at once -------------------------------------------------------------- */

/* 1 with *key set, 0 drop the item (counted), negative: fails all.  Never parks. */
typedef int weir_key_fn(void *ctx, const void *item, uint64_t *key);

enum weir_par_error { WEIR_PAR_FAIL_FAST = 0, WEIR_PAR_DRAIN, WEIR_PAR_HANDLE };

struct weir_par_opts {
    uint32_t limit;   /* attempts running at once; 1 .. 2^22 */
    uint32_t window;  /* items held: running, in backoff, waiting their turn; 0: 4 x limit;
                         else limit .. 2^24 */
    uint32_t ordered; /* 1: results in the order of the items */
    enum weir_par_error on_error; /* DRAIN: what runs may end, its results come first */
    weir_policy *policy;          /* borrowed; a job in backoff holds no slot and no stack */
    /* HANDLE: what a failed job becomes: 1 emit, 0 skip, negative fail. */
    int (*on_fail)(void *ctx, void *in, void *out, int err);
    void (*on_drop)(void *ctx, void *in); /* an item that was taken and never done */
    weir_time deadline;                   /* ends the jobs, not the puller: -ETIMEDOUT */
    /*
     * Items of one key run one after the other, in their order, retries
     * included; those of other keys meanwhile.  What waits for its key is in
     * the window, so a window's worth of one slow key holds up the others.
     */
    weir_key_fn *key;
    /*
     * What an item takes of `limit` while it runs; NULL: 1.  More than all of it
     * takes all of it; 0 takes nothing.  Jobs start in the order in which they
     * became ready, so a heavy one waits for room and is not overtaken.
     */
    weir_weigher *weight;
    /*
     * Of several loops (weir_config.loops) so many may run jobs, the stream's own
     * and those after it; 0 or 1: only its own; more than there are: all.  Each
     * job goes to the one that runs the fewest, and stays there; one that is
     * tried again may go to another.  fn and on_fail run there, all other
     * callbacks where the stream is.
     */
    uint32_t loops;
    /*
     * 1: fn runs on the pool of threads (weir_offload) instead of on a fiber: it
     * may block and compute, but must not call weir, and weir_job_seq is not
     * known to it.  One that runs when it is cancelled is waited for.
     */
    uint32_t offload;
    uint32_t reserved[2];
};

/*
 * fn(ctx, in, out) for each item, on a fiber each, up to `limit` at once.
 * What runs goes on whether or not anyone pulls.
 */
WEIR_API weir_stream *weir_par_map(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out,
                                   const struct weir_par_opts *opts);
/*
 * Another limit for a stream that weir_par_map made, also below further stages
 * while these are open.  What runs above a smaller one goes on.  0; -EINVAL:
 * another stream, 0, or more than the window; the code of a poisoned one.
 */
WEIR_API int weir_par_set_limit(weir_stream *s, uint32_t limit);
/* The place of the running job's item in the source, from 0. */
WEIR_API uint64_t weir_job_seq(void);

WEIR_API weir_stream *weir_buffered(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out,
                                    uint32_t limit);
WEIR_API weir_stream *weir_buffer_unordered(weir_stream *s, weir_fn *fn, void *ctx,
                                            struct weir_type out, uint32_t limit);

/* --- ends: all close the stream and set *s to NULL ------------------------------- */

/* fn(ctx, item, NULL) for each: 0 or 1 goes on, negative stops and is the result.  0 at the end. */
WEIR_API int weir_for_each(weir_stream **s, weir_fn *fn, void *ctx);
/*
 * The same on a fiber of `scope`, which its failure fails; fn NULL drops the
 * items.  Takes s, also on failure.  0, or what weir_go said: nothing runs then.
 */
WEIR_API WEIR_MUST_USE int weir_go_for_each(weir_scope *scope, weir_stream *s, weir_fn *fn,
                                            void *ctx);
WEIR_API int weir_for_each_concurrent(weir_stream **s, weir_fn *fn, void *ctx, uint32_t limit);
/* fn(ctx, item, acc), as above. */
WEIR_API int weir_fold(weir_stream **s, weir_fn *fn, void *ctx, void *acc);
/* At most cap items; *n is always set.  WEIR_ETOOLARGE if there was one more. */
WEIR_API int weir_collect(weir_stream **s, void *items, size_t cap, size_t *n);
WEIR_API int weir_count(weir_stream **s, uint64_t *n);
/* The first item: 1, or 0 if there was none. */
WEIR_API int weir_first(weir_stream **s, void *item);
/* The first for which fn is 1; upstream is closed then. */
WEIR_API int weir_find(weir_stream **s, weir_fn *fn, void *ctx, void *item);
/* The last item: 1, or 0 if there was none.  After a failure none is given. */
WEIR_API int weir_last(weir_stream **s, void *item);
/* Pulls all and drops it.  0 at the end. */
WEIR_API int weir_drain(weir_stream **s);
/* fn(ctx, item, acc): 1 goes on, 0 stops, negative fails.  1 if it was stopped, 0 at the end. */
WEIR_API int weir_try_fold(weir_stream **s, weir_fn *fn, void *ctx, void *acc);
/*
 * The first item is moved to `acc`, then fn(ctx, item, acc) for each other, as
 * in weir_fold.  1, or 0 if there was none.  After a failure *acc is dropped
 * and zero.
 */
WEIR_API int weir_reduce(weir_stream **s, weir_fn *fn, void *ctx, void *acc);
/* cmp(ctx, a, b) < 0, 0, > 0: the least or greatest item, the first of equals.  1, 0, negative. */
typedef int weir_cmp(void *ctx, const void *a, const void *b);
WEIR_API int weir_min(weir_stream **s, weir_cmp *cmp, void *ctx, void *item);
WEIR_API int weir_max(weir_stream **s, weir_cmp *cmp, void *ctx, void *item);
/*
 * The sum of int64_t items, or of doubles (compensated: what is lost by one
 * addition is kept); of none 0.  *sum is written on success only.  0; -ERANGE
 * if the sum, on its way too, does not fit; WEIR_ETYPE for items of another
 * size.
 */
WEIR_API int weir_sum(weir_stream **s, int64_t *sum);
WEIR_API int weir_sum_double(weir_stream **s, double *sum);
/*
 * Is fn(ctx, item, NULL) 1 for any item; for all of them?  1, 0, or negative.
 * Upstream is closed, and waited for, as soon as the answer is known: they
 * pull one at a time.  Of no items: any 0, all 1.
 */
WEIR_API int weir_any(weir_stream **s, weir_fn *fn, void *ctx);
WEIR_API int weir_all(weir_stream **s, weir_fn *fn, void *ctx);
/* Sends all to the channel, which is not closed.  0, or why it stopped. */
WEIR_API int weir_forward(weir_stream **s, weir_chan *ch);

WEIR_END
#endif
