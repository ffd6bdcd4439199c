/*
 * words.c -- word count of a text of Zipf-distributed words by two workers; an
 * item is a byte.  The text is that of the peers: 50,000 words, the one of rank
 * r with weight 1/r, a tenth capitalised.  Each half is counted by a job of
 * weir_par_map, on a loop of its own, into a table of its own; the tables are
 * merged and sorted by count.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

#include "workloads.h"

enum { WORDS = 50000, WORDS_LONGEST = 32, WORDS_SLOTS_FIRST = 1 << 16 };

/* --- the text ---------------------------------------------------------------------- */

struct words_vocabulary {
    char word[WORDS][WORDS_LONGEST];
    size_t len[WORDS];
    double upto[WORDS]; /* the sum of the weights so far */
};

static size_t words_log2(size_t n)
{
    size_t k = 0;

    while (n >>= 1)
        k++;
    return k;
}

static struct words_vocabulary *words_invent(uint64_t *rng)
{
    struct words_vocabulary *v = malloc(sizeof *v);
    double total = 0;

    bench_check(v != NULL, "no memory for a vocabulary");
    for (size_t rank = 0; rank < WORDS; rank++) {
        v->len[rank] = 2 + words_log2(rank + 2) / 2 + bench_random(rng, 4);
        for (size_t i = 0; i < v->len[rank]; i++)
            v->word[rank][i] = (char)('a' + bench_random(rng, 26));
        v->upto[rank] = total += 1.0 / (double)(rank + 1);
    }
    return v;
}

static size_t words_pick(const struct words_vocabulary *v, uint64_t *rng)
{
    double at = (double)bench_random(rng, (uint64_t)1 << 53) / (double)((uint64_t)1 << 53) *
                v->upto[WORDS - 1];
    size_t low = 0, high = WORDS - 1;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (v->upto[mid] < at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* n bytes, and a little more, up to the end of a word. */
static char *words_write(size_t n, size_t *len)
{
    uint64_t rng = 1;
    struct words_vocabulary *v = words_invent(&rng);
    char *text = calloc(1, n + 2 * WORDS_LONGEST), *p = text;
    size_t column = 0;

    bench_check(text != NULL, "no memory for a text");
    while ((size_t)(p - text) < n) {
        size_t w = words_pick(v, &rng);

        memcpy(p, v->word[w], v->len[w]);
        if (bench_random(&rng, 10) == 0)
            *p = (char)(*p - 'a' + 'A');
        p += v->len[w];
        column += v->len[w] + 1;
        *p++ = column > 72 ? '\n' : ' ';
        if (column > 72)
            column = 0;
    }
    *len = (size_t)(p - text);
    free(v);
    return text;
}

/* --- a table of counts ------------------------------------------------------------------ */

/* Words up to 24 bytes, in lower case, zeros behind them: compared and hashed as three numbers. */
struct words_word {
    uint64_t part[3];
};

struct words_slot {
    struct words_word word;
    uint64_t count; /* 0: free */
};

struct words_table {
    struct words_slot *slots;
    size_t size, used; /* a power of two */
};

struct words_part {
    const char *text; /* ends in white space, with 8 bytes behind it that can be read */
    size_t len;
};

static void words_table_make(struct words_table *t, size_t size)
{
    *t = (struct words_table){calloc(size, sizeof *t->slots), size, 0};
    bench_check(t->slots != NULL, "no memory for a table");
}

static inline uint64_t words_hash(struct words_word w)
{
    uint64_t h = w.part[0] ^ w.part[1] * 0x9e3779b97f4a7c15 ^ w.part[2] * 0xc2b2ae3d27d4eb4f;

    h *= 0xff51afd7ed558ccd;
    return h ^ h >> 32;
}

static inline bool words_same(struct words_word a, struct words_word b)
{
    return ((a.part[0] ^ b.part[0]) | (a.part[1] ^ b.part[1]) | (a.part[2] ^ b.part[2])) == 0;
}

/* Its slot, or the free one where it belongs. */
static inline struct words_slot *words_find(const struct words_table *t, struct words_word w)
{
    size_t at = words_hash(w) & (t->size - 1);

    while (t->slots[at].count && !words_same(t->slots[at].word, w))
        at = (at + 1) & (t->size - 1);
    return &t->slots[at];
}

static void words_table_grow(struct words_table *t)
{
    struct words_table had = *t;

    words_table_make(t, had.size * 2);
    t->used = had.used;
    for (size_t i = 0; i < had.size; i++)
        if (had.slots[i].count)
            *words_find(t, had.slots[i].word) = had.slots[i];
    free(had.slots);
}

static inline void words_table_add(struct words_table *t, struct words_word w, uint64_t count)
{
    struct words_slot *s = words_find(t, w);

    s->count += count;
    if (s->count > count)
        return;
    s->word = w;
    if (++t->used * 2 > t->size)
        words_table_grow(t);
}

/* --- eight bytes at a time ---------------------------------------------------------------- */

#define WORDS_ALL(byte) (0x0101010101010101u * (byte))

/* The lowest bit set is that of the first byte that is white space; of text in ASCII. */
static inline uint64_t words_spaces(uint64_t x)
{
    return (x - WORDS_ALL(0x21)) & ~x & WORDS_ALL(0x80);
}

static inline uint64_t words_lower(uint64_t x)
{
    uint64_t low = x & WORDS_ALL(0x7f);
    uint64_t upper = (low + WORDS_ALL(0x80 - 'A')) ^ (low + WORDS_ALL(0x7f - 'Z'));

    return x | (upper & ~x & WORDS_ALL(0x80)) >> 2;
}

/* The word at p, and how long it is: 0 where there is white space. */
static inline size_t words_read(const char *p, struct words_word *w)
{
    *w = (struct words_word){{0, 0, 0}};
    for (size_t i = 0; i < 3; i++) {
        uint64_t x, end;

        memcpy(&x, p + 8 * i, 8);
        end = words_spaces(x);
        if (end) {
            int bits = __builtin_ctzll(end) - 7;

            w->part[i] = words_lower(x & (((uint64_t)1 << bits) - 1));
            return 8 * i + (size_t)bits / 8;
        }
        w->part[i] = words_lower(x);
    }
    bench_check(false, "a word is too long");
    return 0;
}

static int words_count(void *ctx, void *in, void *out)
{
    const struct words_part *part = in;
    struct words_table *t = out;

    (void)ctx;
    words_table_make(t, WORDS_SLOTS_FIRST);
    for (size_t i = 0; i < part->len; i++) {
        struct words_word w;
        size_t n = words_read(part->text + i, &w);

        if (n)
            words_table_add(t, w, 1);
        i += n;
    }
    return 1;
}

static int words_merge(void *ctx, void *in, void *acc)
{
    struct words_table *t = acc, *from = in;

    (void)ctx;
    for (size_t i = 0; i < from->size; i++)
        if (from->slots[i].count)
            words_table_add(t, from->slots[i].word, from->slots[i].count);
    free(from->slots);
    return 1;
}

static int words_by_count(const void *a, const void *b)
{
    uint64_t x = ((const struct words_slot *)a)->count, y = ((const struct words_slot *)b)->count;

    return (x < y) - (x > y);
}

/* The distinct words, sorted. */
static size_t words_sort(struct words_table *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->size; i++)
        if (t->slots[i].count)
            t->slots[n++] = t->slots[i];
    qsort(t->slots, n, sizeof *t->slots, words_by_count);
    return n;
}

static long words_fast(long n)
{
    static char *text;
    static size_t len;
    struct words_table total;
    struct words_part parts[2];
    struct weir_par_opts o = {.limit = 2, .loops = 2};
    weir_stream *s;

    if (!text)
        text = words_write((size_t)n, &len);
    parts[0] = (struct words_part){text, len / 2};
    while (parts[0].text[parts[0].len] > ' ')
        parts[0].len++;
    parts[1] = (struct words_part){text + parts[0].len, len - parts[0].len};
    s = weir_array(parts, 2, WEIR_TYPE(struct words_part));
    s = weir_par_map(s, words_count, NULL, WEIR_TYPE(struct words_table), &o);
    bench_check(weir_reduce(&s, words_merge, NULL, &total) == 1, "counting failed");
    bench_check(words_sort(&total) > 0 && total.slots[0].count > len / 1000, "words are missing");
    free(total.slots);
    return (long)len;
}

const struct bench_case words_cases[] = {
    {"mapreduce_fast", 5, 100000000, words_fast, 2},
    {0},
};
