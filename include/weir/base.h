/*
 * base.h -- what every other header stands on: results, time, item types.
 *
 * One result convention holds in the whole library: n > 0 items, 0 the end or
 * plain success, negative a failure.  Failures are negative errno, or one of
 * the WEIR_E... codes below, which all lie below -4096 so that they can never
 * be mistaken for an errno.  0 never means "not now": that is -EAGAIN.
 */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define WEIR_BEGIN extern "C" {
#define WEIR_END }
#define WEIR_ALIGNOF(T) alignof(T)
#else
#define WEIR_BEGIN
#define WEIR_END
#define WEIR_ALIGNOF(T) _Alignof(T)
#endif

#define WEIR_API __attribute__((visibility("default")))
#define WEIR_MUST_USE __attribute__((warn_unused_result))

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

WEIR_BEGIN

/* --- failures that errno has no word for ------------------------------- */

enum weir_error_code {
    WEIR_EOPEN = -4097,      /* a circuit breaker is open */
    WEIR_ERATE = -4098,      /* a rate limit refused; it would not allow it in time */
    WEIR_EFULL = -4099,      /* a bulkhead or a bounded queue is full */
    WEIR_EABANDONED = -4100, /* the last producer vanished without a word */
    WEIR_EDEADLOCK = -4101,  /* nothing could ever have woken the fibers of this scope */
    WEIR_ENOTRUN = -4102,    /* the job was never started */
    WEIR_ENOFIBER = -4103,   /* the call must park, and this is not a fiber */
    WEIR_ELEAK = -4104,      /* a fiber returned with a scope still open */
    WEIR_ETYPE = -4105,      /* an item of another size or type than the channel's or stream's */
    WEIR_ETRUNCATED = -4106, /* the data ended before it was complete */
    WEIR_ETOOLARGE = -4107,  /* a stated maximum was passed */
    WEIR_ECLOSED = -4108,    /* the channel or handle was closed */
    WEIR_EPROTO = -4109,     /* the peer broke the protocol */
    WEIR_EDNS = -4110,       /* the name does not resolve */
    WEIR_ETLS = -4111,       /* the TLS handshake or verification failed */
    WEIR_EBUDGET = -4112,    /* the retry budget is spent */
    WEIR_ESHED = -4113       /* refused to keep an overloaded service alive */
};

/* The text of a code of either kind; never NULL, static, never freed. */
WEIR_API const char *weir_strerror(int code);

/* "MAJOR.MINOR.PATCH" of the library that runs, which may differ from the header's. */
WEIR_API const char *weir_version(void);

/* --- time -------------------------------------------------------------- */

/*
 * A weir_time is an absolute instant in nanoseconds of weir's monotonic clock,
 * which starts at 2^60; a weir_span is a duration in nanoseconds.  The two
 * cannot be mistaken for one another: a deadline that is neither 0 nor
 * >= 2^60 is a span by mistake, and answers -EINVAL (a debug build traps).
 * A deadline of 0, or one that has passed, tries once and never parks.
 */
typedef int64_t weir_time;
typedef int64_t weir_span;

#define WEIR_EPOCH ((weir_time)1 << 60)
#define WEIR_NEVER INT64_MAX
#define WEIR_NS(n) ((weir_span)(n))
#define WEIR_US(n) ((weir_span)(n)*1000)
#define WEIR_MS(n) ((weir_span)(n)*1000000)
#define WEIR_S(n) ((weir_span)(n)*1000000000)
#define WEIR_MIN(n) ((weir_span)(n)*60000000000)

/*
 * The loop's idea of now, refreshed once a turn and at each checkpoint;
 * off a loop, the clock itself.
 */
WEIR_API weir_time weir_now(void);

/* now + span, saturating at WEIR_NEVER; a span <= 0 gives now. */
WEIR_API weir_time weir_after(weir_span span);

/* --- item types -------------------------------------------------------- */

/*
 * What a channel or stream carries.  Items are values and move by memcpy.  An
 * all-zero item is empty: `drop` must accept it.  `drop` and `clone` never
 * park.  size 1 .. 1 MiB, align a power of two <= 64; else -EINVAL.
 */
struct weir_type {
    uint32_t size, align;
    void (*drop)(void *item);                 /* NULL: plain data */
    int (*clone)(void *to, const void *from); /* 0, or a negative errno; NULL: memcpy if no drop */
    const char *name;                         /* static; for messages */
};

static inline struct weir_type weir_type_of(size_t size, size_t align, const char *name)
{
    struct weir_type t = {(uint32_t)size, (uint32_t)align, NULL, NULL, name};
    return t;
}

#define WEIR_TYPE(T) weir_type_of(sizeof(T), WEIR_ALIGNOF(T), #T)

/* --- memory ------------------------------------------------------------ */

/*
 * Where the runtime gets its memory.  `realloc(ctx, p, old, size)`: p NULL
 * (old 0) allocates, size 0 frees and returns NULL; NULL otherwise is -ENOMEM.
 * Called on the loop's thread and on attached threads: it must be thread safe.
 */
struct weir_alloc {
    void *(*realloc)(void *ctx, void *p, size_t old_size, size_t size);
    void *ctx;
};

WEIR_END
#endif
