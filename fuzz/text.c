/*
 * text.c -- what a shell may hand to the tool: any text gives a value in its
 * range or a refusal, never both, and a URL's slices lie in its text.
 */
#include <errno.h>
#include <string.h>

#include "args.h"
#include "fetch_url.h"
#include "fuzz.h"

static void numbers(const char *text)
{
    static const weir_span span_mark = -77;
    weir_span span = span_mark, low = span_mark, high = span_mark;
    struct args_rate rate = {.count = 0};
    uint32_t ppm = UINT32_MAX;
    uint64_t n = 77, m = 77;
    int r = args_parse_span(text, &span);

    HOLDS(r == 0 ? span >= 0 : (r == -EINVAL || r == -ERANGE) && span == span_mark);
    r = args_parse_span_range(text, &low, &high);
    HOLDS(r == 0 ? low >= 0 && low <= high : r == -EINVAL || r == -ERANGE);
    r = args_parse_percent(text, &ppm);
    HOLDS(r == 0 ? ppm <= 1000000 : (r == -EINVAL || r == -ERANGE) && ppm == UINT32_MAX);
    r = args_parse_rate(text, &rate);
    HOLDS(r == 0 ? rate.count >= 1 && rate.count <= 1000000000 && rate.per > 0
                 : (r == -EINVAL || r == -ERANGE) && rate.count == 0);
    r = args_parse_uint(text, &n);
    HOLDS(r == 0 || ((r == -EINVAL || r == -ERANGE) && n == 77));
    if (r == 0) { /* the same number in plain decimals */
        const char *digits = text + strspn(text, "0");
        char back[32];

        snprintf(back, sizeof back, "%llu", (unsigned long long)n);
        HOLDS(strcmp(n ? digits : "0", back) == 0);
        HOLDS(args_parse_uint(back, &m) == 0 && m == n);
    }
    r = args_parse_size(text, &m);
    HOLDS(r == 0 || r == -EINVAL || r == -ERANGE);
}

static void url(const char *text, size_t len)
{
    struct fetch_url u = {0};
    char name[128], small[5];
    const char *wrong = fetch_url_check(text, len, &u);

    if (wrong) {
        HOLDS(*wrong);
    } else {
        HOLDS(u.end <= len && u.origin_len <= u.end);
        HOLDS(u.host_len > 0 && u.host_at + u.host_len <= u.end);
        HOLDS(!memchr(text, '#', u.end));
    }
    fetch_url_name(text, name, sizeof name);
    HOLDS(*name && *name != '.' && strlen(name) <= 100);
    for (const char *p = name; *p; p++)
        HOLDS(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *p));
    fetch_url_name(text, small, sizeof small);
    HOLDS(strlen(small) < sizeof small);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"full", "equal", "decorrelated", "none", NULL};
    char *text = malloc(size + 1);
    const char *guess;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    numbers(text);
    url(text, size);
    guess = args_suggest(text, words);
    HOLDS(!guess || guess == words[0] || guess == words[1] || guess == words[2] ||
          guess == words[3]);
    free(text);
    return 0;
}
