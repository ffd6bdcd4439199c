/*
 * keyed.h -- one rate limit for each of many keys, in memory of a fixed size.
 *
 * The memory is the caller's.  A key that has been idle until its bucket was
 * full again is as good as one that was never seen, and only the place of such
 * a key is given away: forgetting never grants a fresh quota.  When a flood of
 * keys leaves no such place, a new key shares the bucket of another one, always
 * the same, and takes what it spent there along to a place of its own: keys
 * that share get less than they might, never more than the limit allows for
 * each.  Keys are found by a hash with a seed.
 *
 * For any key and any two instants what weir_rate.h says holds.
 */
#ifndef WEIR_KEYED_H
#define WEIR_KEYED_H

#include <weir/rate.h>

WEIR_BEGIN

struct weir_keyed_slot {
    /* private */
    uint64_t key;
    weir_time tat, last, paused_until, shared;
    weir_span skipped;
    uint32_t tat_part, used;
};

struct weir_keyed_rate {
    /* private */
    struct weir_rate rule;
    struct weir_keyed_slot *slot;
    uint64_t seed;
    uint32_t sets;
};

/*
 * The rule of each key, and the memory: n slots, a multiple of 8, zeroed here
 * and borrowed; `seed` is best random.  0, or -EINVAL; then every take is.
 */
WEIR_API int weir_keyed_init(struct weir_keyed_rate *k, const struct weir_rate_opts *opts,
                             struct weir_keyed_slot *slots, uint32_t n, uint64_t seed);

/* As weir_rate_take, for this key.  Constant time; never parks. */
WEIR_API WEIR_MUST_USE int64_t weir_keyed_take(struct weir_keyed_rate *k, uint64_t key, uint32_t n,
                                               weir_time now);

/*
 * Stops this key's clock, as weir_rate_pause: what the server said with
 * Retry-After.  At most `cap` from now; pauses only ever extend.  1, or 0 when
 * the key would have to share a bucket: others are not paused for it.
 */
WEIR_API int weir_keyed_pause(struct weir_keyed_rate *k, uint64_t key, weir_time until,
                              weir_span cap, weir_time now);

/*
 * Another rule for every key, as weir_rate_set: what a key has used stays used,
 * up to a bucket full of it.  Looks at every slot.  0, or -EINVAL and no change.
 */
WEIR_API int weir_keyed_set(struct weir_keyed_rate *k, const struct weir_rate_opts *opts,
                            weir_time now);

/* Slots that cannot be given away at `now`. */
WEIR_API uint32_t weir_keyed_busy(const struct weir_keyed_rate *k, weir_time now);

WEIR_END
#endif
