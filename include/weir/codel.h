/*
 * codel.h -- when a queue is too slow, and whom to refuse.
 *
 * CoDel (Nichols and Jacobson, RFC 8289): a queue is good as long as what
 * leaves it has waited less than `target`, if only once in every `interval`.
 * One that has not been so for an interval is overloaded: then its head is
 * refused, and again after interval / sqrt(n) until it is good, so the pace
 * grows until it is met.  A good queue never drops, however long it is for a
 * moment.  Plain memory, no clock.
 */
#ifndef WEIR_CODEL_H
#define WEIR_CODEL_H

#include <weir/base.h>

WEIR_BEGIN

struct weir_codel_opts {
    weir_span target;   /* 0: 5 ms */
    weir_span interval; /* 0: 100 ms; not less than the target */
};

struct weir_codel {
    /* private */
    weir_span target, interval;
    weir_time above_since, next;
    uint32_t count, last;
    int above, dropping;
};

/* 0, or -EINVAL.  NULL opts are the defaults. */
WEIR_API int weir_codel_init(struct weir_codel *c, const struct weir_codel_opts *opts);

/* The head has waited so long: 1: refuse it and ask about the next; 0: it may be served. */
WEIR_API int weir_codel_drop(struct weir_codel *c, weir_span waited, weir_time now);

/* The queue is empty: as good as it can be. */
WEIR_API void weir_codel_empty(struct weir_codel *c);

/* 1 while the queue stands. */
WEIR_API int weir_codel_overloaded(const struct weir_codel *c);

WEIR_END
#endif
