/*
 * shed.h -- refusing early, so that what is left can be done.
 *
 * The client-side throttle of the SRE book ("Handling Overload"): over a
 * window of two minutes,
 *
 *     p(refuse) = max(0, (requests - K * accepts) / (requests + 1))
 *
 * where the requests that were refused here count too: while a server takes
 * nothing, a client sends it 1 / K of what it took before at most.
 * Requests have a class; lower classes pay first: class 0 is refused
 * altogether before class 1 is touched.
 *
 * Plain memory, no pointers, no clock, no lock.
 */
#ifndef WEIR_SHED_H
#define WEIR_SHED_H

#include <weir/base.h>
#include <weir/rand.h>

WEIR_BEGIN

#define WEIR_SHED_BUCKETS 16
#define WEIR_SHED_CLASSES 4

struct weir_shed_opts {
    uint32_t k_milli;     /* K in thousandths, 1000 .. 100000; 0: 2000.  Less K sheds sooner */
    uint32_t max_percent; /* of a class that may be refused, 1 .. 100; 0: 95, to see it recover */
    uint32_t cls;         /* in a stack: the class of its calls */
    weir_span window;     /* 0: 2 min; at least 16 ns, at most 366 days */
    uint32_t reserved[4];
};

struct weir_shed {
    /* private */
    struct weir_shed_opts opts;
    struct {
        int64_t tick;
        uint64_t requests[WEIR_SHED_CLASSES], accepts;
    } bucket[WEIR_SHED_BUCKETS];
    weir_time last;
};

/* 0; -EINVAL, then every take is.  NULL opts are the defaults. */
WEIR_API int weir_shed_init(struct weir_shed *s, const struct weir_shed_opts *opts);

/*
 * Counts a request of a class, 0 (the first to go) .. 3.  0: send it; WEIR_ESHED: do not; -EINVAL.
 * Never parks.
 */
WEIR_API WEIR_MUST_USE int weir_shed_take(struct weir_shed *s, uint32_t cls, weir_time now,
                                          struct weir_rng *rng);

/*
 * A request that was sent was accepted, whatever came of it: an answer that says
 * overload is none.
 */
WEIR_API void weir_shed_accepted(struct weir_shed *s, weir_time now);

/* The probability, in millionths, with which a request of the class is refused now. */
WEIR_API uint32_t weir_shed_ppm(const struct weir_shed *s, uint32_t cls, weir_time now);

WEIR_END
#endif
