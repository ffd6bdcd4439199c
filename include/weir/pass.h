/*
 * pass.h -- a policy stack without weir's fibers: one call as a small machine.
 *
 *     weir_pass_begin(&c, p, now, deadline, wake, ctx);
 *     for (;;) {
 *         while ((wait = weir_pass_enter(&c, now)) > 0)
 *             ... come back after `wait`, or when woken ...
 *         if (wait < 0)
 *             return wait;                        the stack has refused
 *         ... make the attempt, until weir_pass_deadline at most ...
 *         wait = weir_pass_done(&c, attempt, &outcome, now, &result);
 *         if (wait == 0)
 *             return result;
 *         ... come back after `wait` ...
 *     }
 *
 * and weir_pass_abandon instead of any step when nobody wants the call any
 * more.  What the call has taken is given back exactly once, whichever way it
 * ends.  Threads, poll, epoll, libuv: whoever can wait can drive it.  Nothing
 * here allocates, parks or reads a clock; `now` may be any clock of yours that
 * does not step back, in nanoseconds, as long as it is the same for a policy.
 *
 * A struct weir_pass is the caller's memory, must not move from begin to the
 * end of the call, and is used by one thread at a time.
 */
#ifndef WEIR_PASS_H
#define WEIR_PASS_H

#include <weir/policy.h>

WEIR_BEGIN

struct weir_pass {
    uint64_t room[136]; /* private */
};

/*
 * Starts a call, with a deadline of its own (WEIR_NEVER: none) besides those
 * of the stack.  Borrows the policy until the end of the call.  `wake` (or
 * NULL: then every wait is slept out, or polled) says that enter should be
 * called again; any thread that uses the policy may call it, with the policy
 * locked: it may only make somebody runnable, and call nothing of weir.
 */
WEIR_API void weir_pass_begin(struct weir_pass *c, weir_policy *p, weir_time now,
                              weir_time deadline, void (*wake)(void *ctx), void *ctx);

/*
 * Makes c part of `outer`, a call that is under way on the same thread; right
 * after begin.  A retry budget that both have hears of one first try.
 */
WEIR_API void weir_pass_within(struct weir_pass *c, const struct weir_pass *outer);

/*
 * It weighs so much: it takes so many permits of each bulkhead, first come
 * first served, and is refused at once where there are fewer altogether; 1 at
 * first.  Right after begin.  0; -EINVAL for 0.
 */
WEIR_API int weir_pass_weigh(struct weir_pass *c, uint32_t weight);

/*
 * 0: the attempt starts now.  Positive: call again after so many nanoseconds
 * (WEIR_NEVER: no time is known) or when woken; too early does no harm.
 * Negative: the call is over, with WEIR_EOPEN, WEIR_ERATE, WEIR_EFULL,
 * -ETIMEDOUT or the last error; -EINVAL: an attempt is being made, or the
 * call is over, or the policy is a poisoned handle.
 */
WEIR_API WEIR_MUST_USE int64_t weir_pass_enter(struct weir_pass *c, weir_time now);

/*
 * The attempt ended.  0: the call is over with *out_result.  Positive: enter
 * after so many nanoseconds.  -ESTALE, and nothing happens: it is not the
 * attempt that is being made, but a late answer of one that was given up; its
 * result is the caller's to throw away.  -EINVAL: none is being made.
 * outcome->cls 0 leaves the class to the stack; `counted` must be 0.
 */
WEIR_API WEIR_MUST_USE int64_t weir_pass_done(struct weir_pass *c, uint32_t attempt,
                                              const struct weir_retry_outcome *outcome,
                                              weir_time now, int *out_result);

/* Gives everything back; harmless after the end. */
WEIR_API void weir_pass_abandon(struct weir_pass *c, weir_time now);

/* The attempt that is being made, or the last: from 1; 0: none yet. */
WEIR_API uint32_t weir_pass_attempt(const struct weir_pass *c);

/*
 * When that attempt has to be given up, and reported as -ETIMEDOUT;
 * WEIR_NEVER: at no time.  Before the first it is the call's own deadline.
 */
WEIR_API weir_time weir_pass_deadline(const struct weir_pass *c);

/* Why there was no further attempt, and the last refusal of the stack (code 0: none). */
WEIR_API enum weir_giveup weir_pass_giveup(const struct weir_pass *c);
WEIR_API struct weir_refusal weir_pass_refusal(const struct weir_pass *c);

WEIR_END
#endif
