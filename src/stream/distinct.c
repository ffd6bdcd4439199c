/*
 * distinct.c -- lets an item through if its key is not among the last `max`
 * different ones.
 *
 * The keys stand in a ring, the oldest at `head` once it is full; a table of
 * twice as many places finds them:
 *
 *     table[i] = 0, free, or 1 + the place of a key in the ring
 *
 * with linear probing.  Forgetting one closes the gap it leaves, so a search
 * ends at the first free place.
 */
#include <string.h>
#include <weir/ops.h>

#include "base/rand.h"
#include "stream/items.h"

struct distinct {
    weir_stream *source, *me;
    weir_fn *key;
    void *ctx;
    struct weir_type type;
    size_t size, max, n, head; /* of a key; of the ring */
    size_t places;             /* of the table, a power of two */
    uint64_t seed;
    char *keys;     /* the ring, and behind it room for one more */
    uint64_t *hash; /* of each of these */
    uint32_t *table;
    int failed;
};

enum { DISTINCT_MOST = 1 << 28 };

static char *distinct_at(const struct distinct *d, size_t i)
{
    return d->keys + i * d->size;
}

/* Where the search for key k of the ring begins. */
static size_t distinct_home(const struct distinct *d, size_t k)
{
    return (size_t)d->hash[k] & (d->places - 1);
}

static bool distinct_same(const struct distinct *d, size_t a, size_t b)
{
    return d->hash[a] == d->hash[b] && memcmp(distinct_at(d, a), distinct_at(d, b), d->size) == 0;
}

/* The place of the table that holds the same key as k, or the free one where it belongs. */
static size_t distinct_find(const struct distinct *d, size_t k)
{
    size_t i = distinct_home(d, k);

    while (d->table[i] && !distinct_same(d, d->table[i] - 1, k))
        i = (i + 1) & (d->places - 1);
    return i;
}

/* Frees a place, and moves up those behind it that were put off by it. */
static void distinct_forget(struct distinct *d, size_t gap)
{
    size_t mask = d->places - 1;

    for (size_t i = (gap + 1) & mask; d->table[i]; i = (i + 1) & mask) {
        size_t home = distinct_home(d, d->table[i] - 1);

        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        d->table[gap] = d->table[i];
        gap = i;
    }
    d->table[gap] = 0;
}

/*
 * The key in the room behind the ring is a new one, and belongs to `place`: it
 * replaces the oldest, which may have moved that place.
 */
static void distinct_remember(struct distinct *d, size_t place)
{
    size_t to = d->n;

    if (d->n == d->max) {
        to = d->head;
        distinct_forget(d, distinct_find(d, to));
        d->head = d->head + 1 < d->max ? d->head + 1 : 0;
        place = distinct_find(d, d->max);
    } else {
        d->n++;
    }
    weir__item_copy(distinct_at(d, to), distinct_at(d, d->max), d->size);
    d->hash[to] = d->hash[d->max];
    d->table[place] = (uint32_t)to + 1;
}

/* 1 if the item is a new one, 0 if not, negative. */
static int distinct_test(struct distinct *d, void *item)
{
    char *key = distinct_at(d, d->max);
    size_t place;
    int r = 1;

    if (d->key) {
        memset(key, 0, d->size);
        r = d->key(d->ctx, item, key);
    } else {
        weir__item_copy(key, item, d->size);
    }
    if (r <= 0)
        return r;
    d->hash[d->max] = weir__bytes_hash(d->seed, key, d->size);
    place = distinct_find(d, d->max);
    if (d->table[place])
        return 0;
    distinct_remember(d, place);
    return 1;
}

static size_t distinct_walk(struct distinct *d, char *items, size_t n)
{
    size_t size = d->type.size, k = 0;
    int r = 1;

    for (size_t i = 0; i < n; i++) {
        r = r < 0 ? r : distinct_test(d, items + i * size);
        if (r <= 0) {
            weir__item_drop(&d->type, items + i * size);
            d->me->dropped++;
        } else if (k++ != i) {
            memcpy(items + (k - 1) * size, items + i * size, size);
        }
    }
    if (r < 0)
        d->failed = r;
    return k;
}

static ssize_t distinct_pull(void *self, void *items, size_t max)
{
    struct distinct *d = self;
    size_t k = 0;

    while (k == 0 && !d->failed) {
        ssize_t r = weir_pull(d->source, items, max);

        if (r <= 0)
            return r;
        k = distinct_walk(d, items, (size_t)r);
    }
    return k ? (ssize_t)k : d->failed;
}

static void distinct_close(void *self, int why)
{
    struct distinct *d = self;

    (void)why;
    weir_stream_close(&d->source);
    weir__free(d->keys, (d->max + 1) * d->size);
    weir__free(d->hash, (d->max + 1) * sizeof *d->hash);
    weir__free(d->table, d->places * sizeof *d->table);
    weir__free(d, sizeof *d);
}

static const struct weir_stream_ops distinct_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, distinct_pull, distinct_close};

static int distinct_check(const weir_stream *s, weir_fn *key, const struct weir_type *key_type,
                          size_t max)
{
    int r = weir__stage_check(s, max > 0 && max <= DISTINCT_MOST);

    if (r == 0 && key)
        r = weir__type_check(key_type);
    return r == 0 && (key ? key_type->drop : s->type.drop) ? -EINVAL : r;
}

weir_stream *weir_distinct(weir_stream *s, weir_fn *key, void *ctx, struct weir_type key_type,
                           size_t max)
{
    struct distinct init = {.source = s, .key = key, .ctx = ctx, .max = max, .places = 4}, *d;
    int r = distinct_check(s, key, &key_type, max);

    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    d = weir__self_new(&init, sizeof init);
    if (!d)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    d->type = s->type;
    d->size = key ? key_type.size : s->type.size;
    while (d->places < 2 * max)
        d->places *= 2;
    d->seed = weir__seed_next();
    d->keys = weir__alloc((max + 1) * d->size);
    d->hash = weir__alloc((max + 1) * sizeof *d->hash);
    d->table = weir__alloc(d->places * sizeof *d->table);
    return weir__self_stream(&distinct_ops, d, s->type, d->keys && d->hash && d->table, &d->me);
}
