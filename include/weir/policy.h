/*
 * policy.h -- a stack of policies as data.
 *
 *     weir_policy *p = WEIR_POLICY(
 *         WEIR_TIMEOUT(.total = WEIR_S(30)),
 *         WEIR_RETRY(.attempts = 5, .base = WEIR_MS(100)),
 *         WEIR_BREAKER(.failures = 5), WEIR_RATE(.per_sec = 100, .burst = 10),
 *         WEIR_BULKHEAD(.limit = 64), WEIR_TIMEOUT(.each = WEIR_S(5)));
 *
 * Outermost first.  A call passes the layers from left to right; its result
 * goes back from right to left.  What stands right of a retry is taken for
 * each attempt and given back during backoff; what stands left of it is held
 * throughout.  One policy serves any number of calls, and of loops, at once.
 *
 *   TIMEOUT .total  from the start of the call, wherever it stands: queue,
 *                   backoff and attempts.  .each: from the start of an attempt.
 *   RETRY           asks retry.h.  A refusal by a layer to its right that names
 *                   its time (open breaker, rate) is waited out, if the deadline
 *                   and the attempts allow; a full bulkhead is not.
 *   BREAKER         TRANSIENT and SERVER failures (attempt timeouts are) count
 *                   against it; OK and CLIENT for it; THROTTLED, FATAL, CANCELLED
 *                   and local refusals for nothing.  WEIR_EOPEN.
 *   RATE            waits its turn, first come first served, unless the turn
 *                   would come too late: then WEIR_ERATE at once.
 *   BULKHEAD        waits likewise; WEIR_EFULL.  A call takes one permit, or its
 *                   weight (call.h, pass.h).
 *
 * A call that was let through by a breaker and then waited is checked again
 * before it starts.  A deadline that has passed takes nothing: -ETIMEDOUT.
 *
 * Each layer has a mode, which may change at any time.  ENFORCE.  OBSERVE: it
 * counts and remembers, but what it would have refused, delayed, cut or tried
 * again goes on as if it were not there (weir_policy_counts tells).  OFF: as
 * if it were not there.  WEIR_OBSERVED(RATE(.per_sec = 100)) is
 * WEIR_RATE(.per_sec = 100) in the mode OBSERVE; WEIR_SWITCHED_OFF likewise.
 */
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include <weir/breaker.h>
#include <weir/adaptive.h>
#include <weir/bulkhead.h>
#include <weir/rate.h>
#include <weir/retry.h>
#include <weir/shed.h>

WEIR_BEGIN

typedef struct weir_policy weir_policy;

#define WEIR_POLICY_LAYERS 10

struct weir_timeout_opts {
    weir_span total;      /* the whole call; 0: none */
    weir_span each;       /* one attempt; 0: none */
    uint32_t reserved[2]; /* must be zero */
};

enum weir_layer_kind {
    WEIR_LAYER_NONE = 0, /* not a layer: -EINVAL */
    WEIR_LAYER_RETRY,
    WEIR_LAYER_BREAKER,
    WEIR_LAYER_RATE,
    WEIR_LAYER_BULKHEAD,
    WEIR_LAYER_TIMEOUT,
    WEIR_LAYER_ADAPTIVE,
    WEIR_LAYER_SHED
};

/* The numbers are those of enum weir_breaker_mode. */
enum weir_mode { WEIR_ENFORCE = 0, WEIR_OBSERVE, WEIR_OFF };

struct weir_policy_layer {
    uint32_t kind; /* enum weir_layer_kind */
    uint32_t mode; /* enum weir_mode; a breaker's .mode counts too */
    union {
        struct weir_retry_opts retry;
        struct weir_breaker_opts breaker;
        struct weir_rate_opts rate;
        struct weir_bulkhead_opts bulkhead;
        struct weir_timeout_opts timeout;
        struct weir_adaptive_opts adaptive;
        struct weir_shed_opts shed;
    } u;
};

/* A refusal of our own: nothing was sent. */
struct weir_refusal {
    int code;              /* WEIR_EOPEN, ERATE, EFULL, ESHED, -ETIMEDOUT; 0: there was none */
    uint32_t layer;        /* its place in the stack, from 0 */
    uint32_t kind;         /* enum weir_layer_kind */
    int last_result;       /* of the last attempt made before; 0: none was */
    weir_span retry_after; /* when it may be otherwise; 0: not known */
};

/*
 * What a layer has done since the stack was made.
 *
 *               passed          waited          refused           would_wait, would_refuse
 *   RETRY       calls begun     retries         failures it       retries and failures, had
 *                                               gave up on        it been asked
 *   TIMEOUT     let through     --              attempts and      attempts and calls that took
 *                                               calls it cut      longer
 *   the others  let through     those of them   refused           let through, but would have
 *                               that waited                       waited or been refused
 */
struct weir_layer_counts {
    uint64_t passed, waited, refused, would_wait, would_refuse;
};

#ifndef __cplusplus
#define WEIR_POLICY(...)                                                                           \
    weir_policy_new((const struct weir_policy_layer[]){__VA_ARGS__},                               \
                    sizeof((const struct weir_policy_layer[]){__VA_ARGS__}) /                      \
                        sizeof(struct weir_policy_layer))
#define WEIR_RETRY(...)                                                                            \
    {                                                                                              \
        WEIR__BODY_RETRY(__VA_ARGS__)                                                              \
    }
#define WEIR_BREAKER(...)                                                                          \
    {                                                                                              \
        WEIR__BODY_BREAKER(__VA_ARGS__)                                                            \
    }
#define WEIR_RATE(...)                                                                             \
    {                                                                                              \
        WEIR__BODY_RATE(__VA_ARGS__)                                                               \
    }
#define WEIR_BULKHEAD(...)                                                                         \
    {                                                                                              \
        WEIR__BODY_BULKHEAD(__VA_ARGS__)                                                           \
    }
#define WEIR_TIMEOUT(...)                                                                          \
    {                                                                                              \
        WEIR__BODY_TIMEOUT(__VA_ARGS__)                                                            \
    }
#define WEIR_ADAPTIVE(...)                                                                         \
    {                                                                                              \
        WEIR__BODY_ADAPTIVE(__VA_ARGS__)                                                           \
    }
#define WEIR_SHED(...)                                                                             \
    {                                                                                              \
        WEIR__BODY_SHED(__VA_ARGS__)                                                               \
    }
#define WEIR_OBSERVED(...)                                                                         \
    {                                                                                              \
        .mode = WEIR_OBSERVE, WEIR__BODY_##__VA_ARGS__                                             \
    }
#define WEIR_SWITCHED_OFF(...)                                                                     \
    {                                                                                              \
        .mode = WEIR_OFF, WEIR__BODY_##__VA_ARGS__                                                 \
    }
/* private: a layer without its braces */
#define WEIR__BODY_RETRY(...)                                                                      \
    .kind = WEIR_LAYER_RETRY, .u = {.retry = {.reserved0 = 0, __VA_ARGS__}}
#define WEIR__BODY_BREAKER(...)                                                                    \
    .kind = WEIR_LAYER_BREAKER, .u = {.breaker = {.reserved0 = 0, __VA_ARGS__}}
#define WEIR__BODY_RATE(...) .kind = WEIR_LAYER_RATE, .u = {.rate = {.reserved = {0}, __VA_ARGS__}}
#define WEIR__BODY_BULKHEAD(...)                                                                   \
    .kind = WEIR_LAYER_BULKHEAD, .u = {.bulkhead = {.reserved = 0, __VA_ARGS__}}
#define WEIR__BODY_TIMEOUT(...)                                                                    \
    .kind = WEIR_LAYER_TIMEOUT, .u = {.timeout = {.reserved = {0}, __VA_ARGS__}}
#define WEIR__BODY_ADAPTIVE(...)                                                                   \
    .kind = WEIR_LAYER_ADAPTIVE, .u = {.adaptive = {.reserved = 0, __VA_ARGS__}}
#define WEIR__BODY_SHED(...) .kind = WEIR_LAYER_SHED, .u = {.shed = {.reserved = {0}, __VA_ARGS__}}
#endif

/*
 * Copies the layers.  Never NULL: a stack with a bad layer, or with more than
 * WEIR_POLICY_LAYERS, is a poisoned handle for -EINVAL; n = 0 is a stack that
 * lets everything through.  What the options point to is borrowed until free.
 */
WEIR_API weir_policy *weir_policy_new(const struct weir_policy_layer *layers, size_t n);

/*
 * Would weir_policy_new take these layers?  0, and an empty text; or -EINVAL,
 * and the text names the first layer that it refuses, its kind, and the fields
 * that are wrong, or wrong together: "layer 1, breaker: open, open_max".  Cut
 * to size.  Allocates nothing.
 */
WEIR_API int weir_policy_check(const struct weir_policy_layer *layers, size_t n, char *text,
                               size_t size);

/* Frees it and sets *p to NULL.  No call may be in it. */
WEIR_API void weir_policy_free(weir_policy **p);

/* 0, or the code of a poisoned handle; -EINVAL for NULL. */
WEIR_API int weir_policy_error(const weir_policy *p);

/* Starts its jitter from a seed; otherwise each policy gets its own. */
WEIR_API void weir_policy_seed(weir_policy *p, uint64_t seed);

/* All rate layers stop until `until` (rate.h).  The number of rate layers, or negative. */
WEIR_API int weir_policy_pause(weir_policy *p, weir_time until, weir_time now);

/*
 * The options of one layer from now on, or all its mode; layers count from 0.
 * What the layer knows stays: attempts, windows, cells, permits, counts.  Calls
 * that wait in it are looked at again; deadlines that calls have got stay.
 * -EINVAL, and nothing changed, for options that weir_policy_new refuses, for
 * another kind, and when there is no such layer.  Never parks.
 */
WEIR_API int weir_policy_reconfigure(weir_policy *p, uint32_t layer,
                                     const struct weir_policy_layer *to, weir_time now);
WEIR_API int weir_policy_set_mode(weir_policy *p, uint32_t layer, enum weir_mode mode);

/* 0, or -EINVAL: no such layer. */
WEIR_API int weir_policy_counts(weir_policy *p, uint32_t layer, struct weir_layer_counts *out);

/* weir_breaker_force and weir_breaker_state of a breaker in the stack; -EINVAL: it is none. */
WEIR_API int weir_policy_force(weir_policy *p, uint32_t layer, enum weir_breaker_state to,
                               weir_time now);
WEIR_API int weir_policy_breaker_state(weir_policy *p, uint32_t layer, weir_time now);

/*
 * Writes the stack, what it can cost at worst and what looks wrong with it,
 * as lines of text; n bytes at most with the final 0.  How long the whole text
 * is (as snprintf), or negative.
 *
 * The worst case is exact for what the stack itself does: some run takes it.
 * A Retry-After of the other side, a pause and a `delay` come on top.
 */
WEIR_API int weir_policy_explain(const weir_policy *p, char *buf, size_t n);

/* What weir_policy_explain warns of. */
enum weir_lint {
    WEIR_LINT_NO_EACH = 1 << 0,         /* one hung attempt uses up the whole call */
    WEIR_LINT_NESTED_RETRIES = 1 << 1,  /* attempts multiply, and no budget bounds them */
    WEIR_LINT_BUDGETS_DIFFER = 1 << 2,  /* nested retries do not share one budget */
    WEIR_LINT_BULKHEAD_HELD = 1 << 3,   /* a permit is held during backoff */
    WEIR_LINT_RATE_OUTSIDE = 1 << 4,    /* the rate counts calls, not attempts */
    WEIR_LINT_BREAKER_OUTSIDE = 1 << 5, /* so does the breaker */
    WEIR_LINT_NEVER_ENDS = 1 << 6,      /* attempts without limit, and no total */
    WEIR_LINT_TOTAL_SHORT = 1 << 7,     /* the total cannot fit its attempts */
    WEIR_LINT_EACH_OUTSIDE = 1 << 8,    /* .each stands where .total is meant */
    WEIR_LINT_NO_JITTER = 1 << 9,       /* who failed together comes back together */
    WEIR_LINT_NO_BACKOFF = 1 << 10,     /* no wait at all between attempts */
    WEIR_LINT_MIN_ATTEMPT = 1 << 11,    /* an attempt needs more time than it gets */
    WEIR_LINT_RETRIES_FULL = 1 << 12,   /* a full bulkhead is asked again and again */
    WEIR_LINT_LEASE = 1 << 13,          /* a probe may take longer than its lease */
    WEIR_LINT_SLOW = 1 << 14,           /* no call lives to be slow */
    WEIR_LINT_ROW = 1 << 15,            /* a row waits longer than the call may take */
    WEIR_LINT_HERD = 1 << 16            /* calls wait out an open breaker for as long as it takes */
};

/* The WEIR_LINT bits of a stack: 0, nothing looks wrong; or negative.  Never parks. */
WEIR_API int weir_policy_lint(weir_policy *p);

WEIR_END
#endif
