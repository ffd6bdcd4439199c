/*
 * args_parse.c -- numbers with units, read exactly, and the nearest word.
 *
 * No floating point and no locale: "1.5s" is 1,500,000,000 ns everywhere.  At
 * most four decimals are read.  Nothing is written unless the result is 0.
 */
#include "args.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static int args_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at *text into *out, moving *text past them. */
static int args_take_whole(const char **text, uint64_t *out)
{
    const char *p = *text;
    uint64_t n = 0;

    if (!args_is_digit(*p))
        return -EINVAL;
    for (; args_is_digit(*p); p++) {
        unsigned d = (unsigned)(*p - '0');
        if (n > (UINT64_MAX - d) / 10)
            return -ERANGE;
        n = n * 10 + d;
    }
    *text = p;
    *out = n;
    return 0;
}

/* A number with at most four decimals: *whole + *part / 10000. */
static int args_take_decimal(const char **text, uint64_t *whole, uint64_t *part)
{
    const char *p = *text;
    uint64_t scale = 10000;
    int r = args_take_whole(&p, whole);

    *part = 0;
    if (r < 0)
        return r;
    if (p[0] == '.' && args_is_digit(p[1])) {
        for (p++; args_is_digit(*p); p++) {
            if ((scale /= 10) == 0)
                return -EINVAL;
            *part += (uint64_t)(*p - '0') * scale;
        }
    }
    *text = p;
    return 0;
}

/* whole.part times unit, if it fits in `max`. */
static int args_scale(uint64_t whole, uint64_t part, uint64_t unit, uint64_t max, uint64_t *out)
{
    uint64_t fraction = part * unit / 10000; /* unit <= 86400e9: no overflow */

    if (fraction > max || whole > (max - fraction) / unit)
        return -ERANGE;
    *out = whole * unit + fraction;
    return 0;
}

int args_parse_uint(const char *text, uint64_t *out)
{
    uint64_t n;
    int r = args_take_whole(&text, &n);

    if (r < 0)
        return r;
    if (*text)
        return -EINVAL;
    *out = n;
    return 0;
}

static int64_t args_span_unit(const char *unit)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"", WEIR_S(1)},      {"ns", 1},           {"us", WEIR_US(1)},
                 {"ms", WEIR_MS(1)},   {"s", WEIR_S(1)},    {"m", WEIR_MIN(1)},
                 {"min", WEIR_MIN(1)}, {"h", WEIR_MIN(60)}, {"d", WEIR_MIN(1440)}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].name, unit) == 0)
            return units[i].ns;
    return -EINVAL;
}

int args_parse_span(const char *text, weir_span *out)
{
    uint64_t whole, part, n;
    int64_t unit;
    int r = args_take_decimal(&text, &whole, &part);

    if (r < 0)
        return r;
    if ((unit = args_span_unit(text)) < 0)
        return -EINVAL;
    /* A century is enough for anyone, and keeps now + span below WEIR_NEVER. */
    if ((r = args_scale(whole, part, (uint64_t)unit, (uint64_t)WEIR_MIN(1440) * 36525, &n)) < 0)
        return r;
    *out = (weir_span)n;
    return 0;
}

int args_parse_span_range(const char *text, weir_span *out_low, weir_span *out_high)
{
    const char *dots = strstr(text, "..");
    weir_span low, high;
    char first[32];
    int r;

    if (!dots) {
        if ((r = args_parse_span(text, &low)) == 0)
            *out_low = *out_high = low;
        return r;
    }
    if ((size_t)(dots - text) >= sizeof first)
        return -EINVAL;
    memcpy(first, text, (size_t)(dots - text));
    first[dots - text] = '\0';
    if ((r = args_parse_span(first, &low)) < 0 || (r = args_parse_span(dots + 2, &high)) < 0)
        return r;
    if (low > high)
        return -EINVAL;
    *out_low = low;
    *out_high = high;
    return 0;
}

int args_parse_size(const char *text, uint64_t *out)
{
    static const char letters[] = "KMGT";
    uint64_t whole, part, unit = 1, n;
    const char *letter;
    int r = args_take_decimal(&text, &whole, &part);

    if (r < 0)
        return r;
    if (*text && (letter = strchr(letters, *text == 'k' ? 'K' : *text))) {
        unit = (uint64_t)1 << (10 * (letter - letters + 1));
        text += strncmp(text + 1, "iB", 2) == 0 ? 2 : 1;
    }
    if (*text == 'B')
        text++;
    if (*text || (part && unit == 1))
        return -EINVAL;
    if ((r = args_scale(whole, part, unit, UINT64_MAX, &n)) < 0)
        return r;
    *out = n;
    return 0;
}

int args_parse_percent(const char *text, uint32_t *out_ppm)
{
    uint64_t whole, part;
    int r = args_take_decimal(&text, &whole, &part);

    if (r < 0)
        return r;
    if (*text == '%')
        text++;
    if (*text)
        return -EINVAL;
    if (whole > 100 || (whole == 100 && part))
        return -ERANGE;
    *out_ppm = (uint32_t)(whole * 10000 + part);
    return 0;
}

/* What follows the slash: a unit, or a duration. */
static int args_parse_per(const char *text, size_t n, weir_span *out)
{
    char per[32];

    if (n == 0 || n >= sizeof per)
        return -EINVAL;
    memcpy(per, text, n);
    per[n] = '\0';
    if (args_is_digit(per[0]))
        return args_parse_span(per, out);
    *out = args_span_unit(per);
    return *out < 0 ? -EINVAL : 0;
}

int args_parse_rate(const char *text, struct args_rate *out)
{
    struct args_rate rate = {.per = WEIR_S(1)};
    uint64_t burst;
    size_t n;
    int r = args_take_whole(&text, &rate.count);

    if (r < 0)
        return r;
    if (*text == '/') {
        n = strcspn(++text, ":");
        if ((r = args_parse_per(text, n, &rate.per)) < 0)
            return r;
        text += n;
    }
    if (*text == ':') {
        if ((r = args_parse_uint(text + 1, &burst)) < 0)
            return r;
        if (burst == 0 || burst > 1000000000)
            return -ERANGE;
        rate.burst = (uint32_t)burst;
    } else if (*text) {
        return -EINVAL;
    }
    if (rate.count == 0 || rate.count > 1000000000 || rate.per < 1 || rate.per > WEIR_MIN(1440))
        return -ERANGE;
    *out = rate;
    return 0;
}

/* --- the nearest word ---------------------------------------------------------------------- */

enum { ARGS_WORD_MAX = 40 };

static unsigned args_least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters inserted, left out, changed or swapped with their neighbour; long words are far. */
static unsigned args_distance(const char *a, const char *b)
{
    unsigned char d[ARGS_WORD_MAX + 1][ARGS_WORD_MAX + 1];
    size_t na = strlen(a), nb = strlen(b);

    if (na > ARGS_WORD_MAX || nb > ARGS_WORD_MAX)
        return UINT_MAX;
    for (size_t i = 0; i <= na; i++)
        d[i][0] = (unsigned char)i;
    for (size_t j = 0; j <= nb; j++)
        d[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= na; i++)
        for (size_t j = 1; j <= nb; j++) {
            unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = args_least(best, args_least(d[i - 1][j], d[i][j - 1]) + 1u);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = args_least(best, d[i - 2][j - 2] + 1u);
            d[i][j] = (unsigned char)best;
        }
    return d[na][nb];
}

/* The only word that begins with `text`, of at least three letters. */
static const char *args_completion(const char *text, const char *const *words)
{
    const char *found = NULL;
    size_t n = strlen(text);

    for (; n >= 3 && *words; words++)
        if (strncmp(*words, text, n) == 0) {
            if (found)
                return NULL;
            found = *words;
        }
    return found;
}

const char *args_suggest(const char *text, const char *const *words)
{
    unsigned best = UINT_MAX, limit = (unsigned)((strlen(text) + 2) / 3);
    const char *found = NULL;

    for (const char *const *w = words; *w; w++) {
        unsigned d = args_distance(text, *w);
        if (d < best) {
            best = d;
            found = *w;
        }
    }
    return best <= limit ? found : args_completion(text, words);
}
