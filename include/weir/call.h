/*
 * call.h -- a function called through a policy stack, on a fiber.
 *
 * The stack (policy.h) decides when an attempt starts, how long it may take
 * and whether there is another.  Waiting parks the fiber.  The deadlines of
 * the fiber's own scopes and limits count too: a backoff that could not end
 * before them is not begun.  A call made inside an attempt of another is part
 * of it: a retry budget that both have hears of one first try.
 */
#ifndef WEIR_CALL_H
#define WEIR_CALL_H

#include <weir/policy.h>

WEIR_BEGIN

/* What became of a call. */
struct weir_call_report {
    uint32_t attempts;           /* made */
    uint32_t giveup;             /* enum weir_giveup: why there was no further one */
    int last_result;             /* of the last attempt; 0 if none was made */
    weir_span took;              /* from the call to its return */
    struct weir_refusal refusal; /* the last refusal of the stack; code 0: there was none */
};

/*
 * Runs fn(arg) through the stack, as often as it says, and returns what the
 * last attempt returned; or WEIR_EOPEN, WEIR_ERATE, WEIR_EFULL when the stack
 * refused; -ETIMEDOUT when an attempt, or the stack's total, ran out of time;
 * -ECANCELED when the fiber was cancelled; WEIR_ENOFIBER off a fiber; -EINVAL.
 * Borrows all it is given.  Parks.
 */
WEIR_API int weir_call(weir_policy *p, int (*fn)(void *), void *arg);

/* The same, and fills the report (which may be NULL) whatever the result. */
WEIR_API int weir_call_run(weir_policy *p, int (*fn)(void *), void *arg,
                           struct weir_call_report *out_report);

/*
 * weir_call_run for a call that takes `weight` permits of each bulkhead, first
 * come first served.  WEIR_EFULL at once where there are fewer altogether;
 * -EINVAL for 0.
 */
WEIR_API int weir_call_weighed(weir_policy *p, uint32_t weight, int (*fn)(void *), void *arg,
                               struct weir_call_report *out_report);

/*
 * weir_call_run with a fallback: a failure is handed to fallback(arg, r), and
 * what that returns is the result; the report still says what failed.  A
 * cancel and a bad argument are the caller's own, and are not handed on.
 */
WEIR_API int weir_call_or(weir_policy *p, int (*fn)(void *), void *arg,
                          int (*fallback)(void *arg, int code),
                          struct weir_call_report *out_report);

/* The attempt that the running fiber is in. */
struct weir_try {
    uint32_t attempt; /* from 1; 0: it is in none */
    weir_time started;
    weir_time deadline; /* WEIR_NEVER: none */
    int last_result;    /* of the attempt before; 0: this is the first */
};

/* All zero when the fiber is in no attempt.  Never parks. */
WEIR_API struct weir_try weir_try_info(void);

/*
 * Tells the stack what the result of this attempt will mean, and for how long
 * the other side asked to be left alone (0: it did not).  WEIR_CLASS_AUTO
 * leaves the class to the code.  The last hint of an attempt holds.  0;
 * -EINVAL; -ENOENT in no attempt.  Never parks.
 */
WEIR_API int weir_try_hint(enum weir_class cls, weir_span retry_after);

/*
 * What the other side orders, should this attempt fail: to be tried again in
 * exactly `wait` (0 too), with the backoff starting over; negative: not at
 * all.  Attempts, deadline, class and budget still have their say.  0; -ENOENT
 * in no attempt.  Never parks.
 */
WEIR_API int weir_try_pushback(weir_span wait);

WEIR_END
#endif
