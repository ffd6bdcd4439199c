/*
 * fetch_buf.c -- a growing buffer and a small JSON writer.
 * Promises: output is valid JSON text in UTF-8 for every input; amortised O(1) a byte.
 */
#include "fetch_buf.h"

#include <stdlib.h>
#include <string.h>

char *fetch_buf_room(struct fetch_buf *b, size_t more)
{
    if (b->failed)
        return NULL;
    if (more > b->cap - b->n) {
        size_t cap = b->cap > 0 ? b->cap : 4096;
        while (cap - b->n < more && cap <= SIZE_MAX / 4)
            cap *= 2;
        char *p = cap - b->n < more ? NULL : realloc(b->p, cap);
        if (p == NULL) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->n;
}

void fetch_buf_put(struct fetch_buf *b, const void *p, size_t n)
{
    char *to = fetch_buf_room(b, n);
    if (to == NULL || n == 0)
        return;
    memcpy(to, p, n);
    b->n += n;
}

void fetch_buf_text(struct fetch_buf *b, const char *text)
{
    fetch_buf_put(b, text, strlen(text));
}

void fetch_buf_u64(struct fetch_buf *b, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    fetch_buf_put(b, digits + at, sizeof digits - at);
}

static void buf_decimal(struct fetch_buf *b, int64_t units, uint64_t one)
{
    char places[6];
    size_t n = one == 1000000 ? 6 : 3;
    uint64_t u = units < 0 ? 0u - (uint64_t)units : (uint64_t)units;
    uint64_t part = u % one;
    if (units < 0)
        fetch_buf_put(b, "-", 1);
    fetch_buf_u64(b, u / one);
    fetch_buf_put(b, ".", 1);
    for (size_t i = n; i-- > 0; part /= 10)
        places[i] = (char)('0' + part % 10);
    fetch_buf_put(b, places, n);
}

void fetch_buf_seconds(struct fetch_buf *b, int64_t ns)
{
    buf_decimal(b, ns / 1000, 1000000);
}

void fetch_buf_millis(struct fetch_buf *b, int64_t ns)
{
    buf_decimal(b, ns / 1000, 1000);
}

/* The length of the well-formed character at p, 1 .. 4; 0: there is none. */
static size_t buf_utf8_len(const unsigned char *p, size_t n)
{
    unsigned char c = p[0], low = 0x80, high = 0xbf;
    size_t len = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : 0;
    if (c >= 0xf0 && c <= 0xf4)
        len = 4;
    if (len == 0 || len > n)
        return 0;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf)
        if (p[i] < low || p[i] > high)
            return 0;
    return len;
}

bool fetch_utf8_is(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    for (size_t i = 0, len; i < n; i += len) {
        len = u[i] < 0x80 ? 1 : buf_utf8_len(u + i, n - i);
        if (len == 0)
            return false;
    }
    return true;
}

static void buf_escape(struct fetch_buf *b, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char u[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    const char *two = c == '"'    ? "\\\""
                      : c == '\\' ? "\\\\"
                      : c == '\n' ? "\\n"
                      : c == '\r' ? "\\r"
                      : c == '\t' ? "\\t"
                                  : NULL;
    if (two != NULL)
        fetch_buf_put(b, two, 2);
    else
        fetch_buf_put(b, u, 6);
}

static bool buf_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void fetch_buf_json(struct fetch_buf *b, const char *text, size_t n)
{
    const unsigned char *u = (const unsigned char *)text;
    fetch_buf_put(b, "\"", 1);
    for (size_t i = 0; i < n;) {
        size_t run = i;
        while (run < n && buf_plain(u[run]))
            run++;
        fetch_buf_put(b, text + i, run - i);
        if ((i = run) == n)
            break;
        size_t len = u[i] < 0x80 ? 1 : buf_utf8_len(u + i, n - i);
        if (len == 0)
            fetch_buf_put(b, "\xef\xbf\xbd", 3);
        else if (len == 1)
            buf_escape(b, u[i]);
        else
            fetch_buf_put(b, text + i, len);
        i += len > 0 ? len : 1;
    }
    fetch_buf_put(b, "\"", 1);
}

void fetch_buf_base64(struct fetch_buf *b, const void *p, size_t n)
{
    static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *u = p;
    size_t out = (n + 2) / 3 * 4;
    char *to = fetch_buf_room(b, out);
    if (to == NULL)
        return;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)u[i] << 16;
        v |= i + 1 < n ? (uint32_t)u[i + 1] << 8 : 0;
        v |= i + 2 < n ? u[i + 2] : 0;
        *to++ = abc[v >> 18];
        *to++ = abc[v >> 12 & 63];
        *to++ = i + 1 < n ? abc[v >> 6 & 63] : '=';
        *to++ = i + 2 < n ? abc[v & 63] : '=';
    }
    b->n += out;
}

void fetch_buf_reset(struct fetch_buf *b, size_t keep)
{
    b->n = 0;
    b->failed = false;
    if (b->cap > keep)
        fetch_buf_fini(b);
}

void fetch_buf_fini(struct fetch_buf *b)
{
    free(b->p);
    *b = (struct fetch_buf){NULL, 0, 0, false};
}
