/*
 * keyed.c -- sets of eight slots, as in a processor's cache.  A slot is what
 * changes of a weir_rate; the rest of it is the rule, of which there is one.
 */
#include <weir/keyed.h>

#include <errno.h>

#include "base/arith.h"

enum { KEYED_WAYS = 8 };

int weir_keyed_init(struct weir_keyed_rate *k, const struct weir_rate_opts *opts,
                    struct weir_keyed_slot *slots, uint32_t n, uint64_t seed)
{
    static const struct weir_keyed_rate zero;
    static const struct weir_keyed_slot empty;

    *k = zero;
    if (!slots || n == 0 || n % KEYED_WAYS || weir_rate_init(&k->rule, opts) < 0)
        return -EINVAL;
    for (uint32_t i = 0; i < n; i++)
        slots[i] = empty;
    k->slot = slots;
    k->sets = n / KEYED_WAYS;
    k->seed = seed;
    return 0;
}

/* The finisher of splitmix64, of a key that an attacker cannot aim without the seed. */
static uint64_t keyed_hash(const struct weir_keyed_rate *k, uint64_t key)
{
    uint64_t h = key ^ k->seed;

    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu + k->seed;
    h = (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9u;
    return h ^ (h >> 31);
}

static struct weir_rate keyed_load(const struct weir_keyed_rate *k, const struct weir_keyed_slot *s)
{
    struct weir_rate r = k->rule;

    if (!s->used)
        return r;
    r.tat = s->tat;
    r.tat_part = s->tat_part;
    r.last = s->last;
    r.paused_until = s->paused_until;
    r.skipped = s->skipped;
    return r;
}

static void keyed_store(struct weir_keyed_slot *s, const struct weir_rate *r)
{
    s->tat = r->tat;
    s->tat_part = r->tat_part;
    s->last = r->last;
    s->paused_until = r->paused_until;
    s->skipped = r->skipped;
}

/* The same as one never seen: full, not paused, and its clock has not been turned back. */
static int keyed_is_idle(const struct weir_keyed_rate *k, const struct weir_keyed_slot *s,
                         weir_time now)
{
    struct weir_rate r;

    if (!s->used)
        return 1;
    r = keyed_load(k, s);
    return now >= s->last && weir_rate_left(&r, now) == r.burst;
}

/*
 * A slot for a key that has none.  What strangers spent in the bucket that the
 * key would have to share, it may have spent: that comes along.
 */
static void keyed_settle(struct weir_keyed_slot *idle, const struct weir_keyed_slot *share,
                         uint64_t key, weir_time now)
{
    static const struct weir_keyed_slot empty;

    *idle = share != idle && share->used && share->shared > now ? *share : empty;
    idle->key = key;
    idle->shared = 0;
}

/*
 * The key's own slot, else one that may be given away, else NULL; and the one that it
 * would share.
 */
static struct weir_keyed_slot *keyed_find(struct weir_keyed_rate *k, uint64_t key, weir_time now,
                                          struct weir_keyed_slot **share)
{
    uint64_t h = keyed_hash(k, key);
    struct weir_keyed_slot *set = k->slot + ((h >> 32) * k->sets >> 32) * KEYED_WAYS;

    *share = &set[h % KEYED_WAYS];
    for (int i = 0; i < KEYED_WAYS; i++)
        if (set[i].used && set[i].key == key)
            return &set[i];
    for (int i = 0; i < KEYED_WAYS; i++)
        if (keyed_is_idle(k, &set[i], now)) {
            keyed_settle(&set[i], *share, key, now);
            return &set[i];
        }
    return NULL;
}

int64_t weir_keyed_take(struct weir_keyed_rate *k, uint64_t key, uint32_t n, weir_time now)
{
    struct weir_keyed_slot *share, *s;
    struct weir_rate r;
    int64_t wait;
    int own;

    if (!k->slot)
        return -EINVAL;
    if (n == 0 || n > k->rule.burst)
        return weir_rate_peek(&k->rule, n, now);
    s = keyed_find(k, key, now, &share);
    own = s != NULL;
    s = own ? s : share;
    r = keyed_load(k, s);
    wait = weir_rate_take(&r, n, now);
    if (wait != 0)
        return wait;
    keyed_store(s, &r);
    s->used = 1;
    if (!own)
        s->shared = weir__sat_add(r.tat, r.skipped + 1);
    return 0;
}

int weir_keyed_pause(struct weir_keyed_rate *k, uint64_t key, weir_time until, weir_span cap,
                     weir_time now)
{
    struct weir_keyed_slot *share, *s;
    struct weir_rate r;

    if (!k->slot || cap < 0)
        return -EINVAL;
    s = keyed_find(k, key, now, &share);
    if (!s)
        return 0;
    r = keyed_load(k, s);
    weir_rate_pause(&r, weir__min64(until, weir__sat_add(now, cap)), now);
    keyed_store(s, &r);
    s->used = 1;
    return 1;
}

int weir_keyed_set(struct weir_keyed_rate *k, const struct weir_rate_opts *opts, weir_time now)
{
    struct weir_rate rule;

    if (!k->slot || weir_rate_init(&rule, opts) < 0)
        return -EINVAL;
    for (uint32_t i = 0; i < k->sets * KEYED_WAYS; i++) {
        struct weir_keyed_slot *s = &k->slot[i];
        struct weir_rate r = keyed_load(k, s);

        if (!s->used)
            continue;
        (void)weir_rate_set(&r, opts, now);
        keyed_store(s, &r);
        if (s->shared > now) /* what strangers have used there has another price now */
            s->shared = weir__max64(s->shared, weir__sat_add(r.tat, r.skipped + 1));
    }
    k->rule = rule;
    return 0;
}

uint32_t weir_keyed_busy(const struct weir_keyed_rate *k, weir_time now)
{
    uint32_t n = 0;

    for (uint32_t i = 0; k->slot && i < k->sets * KEYED_WAYS; i++)
        n += !keyed_is_idle(k, &k->slot[i], now);
    return n;
}
