/*
 * args.c -- splitting a command line, and messages a person can act on.
 *
 * Every failure prints exactly one line, which names the flag, the value and
 * what would have been right.
 */
#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void args_init(struct args *a, const char *command, const char *shorts, const struct option *longs,
               int argc, char **argv)
{
    *a = (struct args){.command = command,
                       .shorts = shorts,
                       .longs = longs,
                       .argc = argc,
                       .argv = argv,
                       .first = argc};
    optind = 0; /* glibc and musl: start over */
    opterr = 0;
}

int args_fail(const struct args *a, const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", a->command);
    if (a->flag[0])
        fprintf(stderr, "%s: ", a->flag);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return -EINVAL;
}

/* --- unknown and misused flags ------------------------------------------------------------- */

static const char *args_nearest_flag(const struct args *a, const char *name)
{
    const char *names[129];
    size_t n = 0;

    for (const struct option *o = a->longs; o->name && n < 128; o++)
        names[n++] = o->name;
    names[n] = NULL;
    return args_suggest(name, names);
}

/* How many long options begin with the n bytes of `name`. */
static size_t args_count_prefixed(const struct args *a, const char *name, size_t n)
{
    size_t found = 0;

    for (const struct option *o = a->longs; o->name; o++)
        found += strncmp(o->name, name, n) == 0;
    return found;
}

static int args_fail_long(struct args *a, const char *word)
{
    char name[40];
    size_t n = strcspn(word, "=");
    const char *guess;

    a->flag[0] = '\0';
    if (n >= sizeof name)
        return args_fail(a, "unknown flag '--%.40s...'; see %s --help", word, a->command);
    memcpy(name, word, n);
    name[n] = '\0';
    if (args_count_prefixed(a, name, n) > 1)
        return args_fail(a, "'--%s' could be more than one flag; see %s --help", name, a->command);
    if ((guess = args_nearest_flag(a, name)))
        return args_fail(a, "unknown flag '--%s'; did you mean '--%s'?", name, guess);
    return args_fail(a, "unknown flag '--%s'; see %s --help", name, a->command);
}

/* getopt said '?': an unknown flag, an ambiguous one, or a value given to one that takes none. */
static int args_fail_unknown(struct args *a)
{
    const char *word = a->argv[optind > 0 ? optind - 1 : 0];

    a->flag[0] = '\0';
    if (optopt && !(strncmp(word, "--", 2) == 0 && strchr(word, '=')))
        return args_fail(a, "unknown flag '-%c'; see %s --help", optopt, a->command);
    if (optopt)
        return args_fail(a, "'%s': this flag takes no value", word);
    return args_fail_long(a, word + 2);
}

static int args_fail_valueless(struct args *a)
{
    const char *word = a->argv[optind > 0 ? optind - 1 : 0];

    a->flag[0] = '\0';
    if (strncmp(word, "--", 2) == 0)
        return args_fail(a, "'%s' needs a value", word);
    return args_fail(a, "'-%c' needs a value", optopt);
}

int args_next(struct args *a)
{
    char shorts[80];
    int index = -1, key;

    snprintf(shorts, sizeof shorts, ":%s", a->shorts);
    key = getopt_long(a->argc, a->argv, shorts, a->longs, &index);
    a->flag[0] = '\0';
    a->value = NULL;
    if (key == '?')
        return args_fail_unknown(a);
    if (key == ':')
        return args_fail_valueless(a);
    if (key <= 0) {
        a->first = optind;
        return 0;
    }
    if (index >= 0)
        snprintf(a->flag, sizeof a->flag, "--%s", a->longs[index].name);
    else
        snprintf(a->flag, sizeof a->flag, "-%c", key);
    a->value = optarg;
    return key;
}

/* --- values -------------------------------------------------------------------------------- */

/* "5s", "250ms": the largest unit that says it exactly. */
static void args_show_span(weir_span span, char *out, size_t size)
{
    if (span >= WEIR_S(1) && span % WEIR_S(1) == 0)
        snprintf(out, size, "%llds", (long long)(span / WEIR_S(1)));
    else if (span >= WEIR_MS(1) && span % WEIR_MS(1) == 0)
        snprintf(out, size, "%lldms", (long long)(span / WEIR_MS(1)));
    else
        snprintf(out, size, "%lldns", (long long)span);
}

static int args_fail_span(const struct args *a, int r, const char *form)
{
    if (r == -ERANGE)
        return args_fail(a, "'%s' is too long a time", a->value);
    return args_fail(a, "'%s' is not %s", a->value, form);
}

static int args_check_least(const struct args *a, weir_span span, weir_span least)
{
    char text[32];

    if (span >= least)
        return 0;
    args_show_span(least, text, sizeof text);
    if (least <= 1)
        return args_fail(a, "'%s' must be more than 0", a->value);
    return args_fail(a, "'%s' must be at least %s", a->value, text);
}

int args_span(const struct args *a, weir_span least, weir_span *out)
{
    weir_span span;
    int r = args_parse_span(a->value, &span);

    if (r < 0)
        return args_fail_span(a, r, "a duration such as 250ms, 5s or 2m");
    if ((r = args_check_least(a, span, least)) < 0)
        return r;
    *out = span;
    return 0;
}

int args_span_range(const struct args *a, weir_span least, weir_span *out_low, weir_span *out_high)
{
    weir_span low, high;
    int r = args_parse_span_range(a->value, &low, &high);

    if (r < 0)
        return args_fail_span(a, r, "a range such as 20ms..200ms, the lower end first");
    if ((r = args_check_least(a, low, least)) < 0)
        return r;
    *out_low = low;
    *out_high = high;
    return 0;
}

static int args_check_range(const struct args *a, int r, uint64_t n, uint64_t min, uint64_t max)
{
    if (r == 0 && n >= min && n <= max)
        return 0;
    if (max == UINT64_MAX && r == -ERANGE)
        return args_fail(a, "'%s' is too great", a->value);
    if (max == UINT64_MAX)
        return args_fail(a, "'%s' is out of range: at least %llu", a->value,
                         (unsigned long long)min);
    return args_fail(a, "'%s' is out of range: %llu to %llu", a->value, (unsigned long long)min,
                     (unsigned long long)max);
}

int args_size(const struct args *a, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    int r = args_parse_size(a->value, &n);

    if (r == -EINVAL)
        return args_fail(a, "'%s' is not a size such as 4096, 64K or 1.5M", a->value);
    if ((r = args_check_range(a, r, n, min, max)) < 0)
        return r;
    *out = n;
    return 0;
}

int args_uint(const struct args *a, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t n = 0;
    int r = args_parse_uint(a->value, &n);

    if (r == -EINVAL)
        return args_fail(a, "'%s' is not a whole number%s", a->value,
                         a->value[0] == '-' ? " of 0 or more" : "");
    if ((r = args_check_range(a, r, n, min, max)) < 0)
        return r;
    *out = n;
    return 0;
}

int args_percent(const struct args *a, uint32_t *out_ppm)
{
    int r = args_parse_percent(a->value, out_ppm);

    if (r < 0)
        return args_fail(a, "'%s' is not a percentage from 0%% to 100%%", a->value);
    return 0;
}

int args_rate(const struct args *a, struct args_rate *out)
{
    int r = args_parse_rate(a->value, out);

    if (r == -ERANGE)
        return args_fail(a, "'%s' is out of range: 1 to 1000000000 in at most a day", a->value);
    if (r < 0)
        return args_fail(a, "'%s' is not a rate such as 100/s, 600/m or 100/s:20", a->value);
    return 0;
}

int args_choice(const struct args *a, const char *const *words, int *out)
{
    const char *guess = args_suggest(a->value, words);
    char all[160] = "";

    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], a->value) == 0) {
            *out = i;
            return 0;
        }
    for (int i = 0; words[i]; i++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", words[i]);
    }
    if (guess)
        return args_fail(a, "unknown '%s'; did you mean '%s'? (one of %s)", a->value, guess, all);
    return args_fail(a, "unknown '%s': one of %s", a->value, all);
}
