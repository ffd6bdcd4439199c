/*
 * steady.h -- a clock that only goes forwards, out of whatever a caller says.
 *
 * A step back of less than a second is the skew of two threads that look at
 * one clock: time stands still until it has caught up.  A longer one is a
 * clock that was set: time goes on from where it was, so nothing waits longer
 * than it was configured to.
 */
#ifndef WEIR__STEADY_H
#define WEIR__STEADY_H

#include <weir/base.h>

#include "base/arith.h"

/* The steady time of `now`, `last` being the latest so far; moves *shift after a step back. */
static inline weir_time weir__steady(weir_time last, weir_span *shift, weir_time now)
{
    weir_time steady = weir__sat_add(now, *shift);

    if (steady >= last)
        return steady;
    if (weir__sat_sub(last, steady) >= WEIR_S(1))
        *shift = weir__sat_sub(last, now);
    return last;
}

#endif
