/*
 * 18-map-reduce.c -- counting words (the guide's code example 18).
 *
 * Words are counted as they come: no list of (word, 1) is ever built, and each
 * word has one counter however often it comes.  The result is sorted by count,
 * then by word, so it is the same in every run.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

enum { WORDS = 64, LONGEST = 24 };

struct word {
    char text[LONGEST];
    uint64_t count;
};

/* Words by number: the number is the key. */
struct vocabulary {
    struct word word[WORDS];
    size_t n;
};

/* The k-th word of a text, in small letters and without punctuation; 0: it has no more. */
static int nth_word(void *ctx, void *in, uint64_t k, void *out)
{
    const char *p = *(const char **)in;
    struct word *word = out;
    size_t n = 0;

    (void)ctx;
    for (; *p != '\0'; p++) {
        if (isalpha((unsigned char)*p)) {
            if (k == 0 && n < LONGEST - 1)
                word->text[n++] = (char)tolower((unsigned char)*p);
        } else if (p != *(const char **)in && isalpha((unsigned char)p[-1]) && k-- == 0) {
            break;
        }
    }
    return n > 0;
}

static int map(void *ctx, void *in, uint64_t *key, void *value)
{
    struct vocabulary *v = ctx;
    const struct word *word = in;
    size_t i = 0;

    while (i < v->n && strcmp(v->word[i].text, word->text) != 0)
        i++;
    if (i == WORDS)
        return WEIR_EFULL;
    if (i == v->n)
        v->word[v->n++] = *word;
    *key = i;
    *(uint64_t *)value = 1;
    return 1;
}

static int combine(void *ctx, uint64_t key, void *acc, void *value)
{
    (void)ctx, (void)key;
    *(uint64_t *)acc += *(uint64_t *)value;
    return 1;
}

static int emit(void *ctx, uint64_t key, void *acc)
{
    ((struct vocabulary *)ctx)->word[key].count = *(uint64_t *)acc;
    return 1;
}

static int by_count(const void *a, const void *b)
{
    const struct word *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->text, y->text);
}

static int app(void *arg)
{
    static const char *const texts[] = {
        "Hello, world! Hello, weir.",
        "weir is fast, and hello world.",
        "Async weir is awesome; hello!",
    };
    struct vocabulary v = {.n = 0};
    struct weir_map_reduce job = {.workers = 4,
                                  .value = WEIR_TYPE(uint64_t),
                                  .map = map,
                                  .combine = combine,
                                  .emit = emit,
                                  .ctx = &v};
    weir_stream *s = weir_array(texts, 3, WEIR_TYPE(const char *));
    int r;

    (void)arg;
    s = weir_map_concat(s, nth_word, NULL, WEIR_TYPE(struct word));
    r = weir_map_reduce(&s, &job);
    qsort(v.word, v.n, sizeof *v.word, by_count);
    for (size_t i = 0; i < v.n; i++)
        printf("%-8s %" PRIu64 "\n", v.word[i].text, v.word[i].count);
    return r;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "map-reduce: %s\n", weir_strerror(r));
    return r < 0;
}
