/*
 * fetch_url.c -- the form of a URL.
 * Promises: what passes has a scheme we speak, a host, a sane port, and no
 * byte that could break a request line.
 */
#include "fetch_url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static size_t url_scheme_len(const char *text, size_t len)
{
    if (len >= 7 && strncasecmp(text, "http://", 7) == 0)
        return 7;
    if (len >= 8 && strncasecmp(text, "https://", 8) == 0)
        return 8;
    return 0;
}

static const char *url_bytes_check(const char *text, size_t len)
{
    if (len == 0)
        return "empty";
    if (len > FETCH_URL_MAX)
        return "longer than 65536 bytes";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == ' ' || c == '\t')
            return "has a space in it";
        if (c < 0x20 || c == 0x7f)
            return "has a control character in it";
    }
    return NULL;
}

static const char *url_port_check(const char *p, size_t len)
{
    unsigned port = 0;
    if (len == 0)
        return NULL; /* "host:" is allowed by RFC 3986 */
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)p[i]))
            return "has a port that is no number";
        port = port * 10 + (unsigned)(p[i] - '0');
        if (port > 65535)
            return "has a port above 65535";
    }
    return port == 0 ? "has port 0" : NULL;
}

static const char *url_host_check(const char *h, size_t len)
{
    if (len == 0)
        return "has no host";
    if (h[0] == '[') {
        const char *close = memchr(h, ']', len);
        if (close == NULL)
            return "has a [ without ] in its host";
        size_t after = len - (size_t)(close + 1 - h);
        if (after == 0)
            return NULL;
        return close[1] == ':' ? url_port_check(close + 2, after - 1) : "has a broken host";
    }
    const char *colon = memchr(h, ':', len);
    size_t name = colon != NULL ? (size_t)(colon - h) : len;
    if (name == 0)
        return "has no host";
    for (size_t i = 0; i < name; i++)
        if (strchr("<>\"\\^`{|}[]", h[i]) != NULL)
            return "has a broken host";
    return colon != NULL ? url_port_check(colon + 1, len - name - 1) : NULL;
}

static size_t url_find(const char *text, size_t from, size_t len, const char *any)
{
    while (from < len && strchr(any, text[from]) == NULL)
        from++;
    return from;
}

const char *fetch_url_check(const char *text, size_t len, struct fetch_url *out)
{
    const char *why = url_bytes_check(text, len);
    if (why != NULL)
        return why;
    size_t at = url_scheme_len(text, len);
    if (at == 0)
        return memmem(text, len, "://", 3) != NULL ? "is neither http:// nor https://"
                                                   : "has no http:// or https:// in front";
    size_t end = url_find(text, at, len, "/?#");
    for (size_t i = at; i < end; i++)
        if (text[i] == '@')
            at = i + 1;
    why = url_host_check(text + at, end - at);
    if (why != NULL)
        return why;
    *out = (struct fetch_url){end, at, end - at, url_find(text, end, len, "#")};
    return NULL;
}

static bool url_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

void fetch_url_name(const char *url, char *out, size_t size)
{
    struct fetch_url u;
    size_t n = 0, max = size - 1 < 100 ? size - 1 : 100;
    if (fetch_url_check(url, strlen(url), &u) == NULL) {
        size_t end = url_find(url, u.origin_len, u.end, "?");
        size_t from = end;
        while (from > u.origin_len && url[from - 1] != '/')
            from--;
        for (size_t i = from; i < end && n < max; i++, n++)
            out[n] = url_name_byte(url[i]) && !(n == 0 && url[i] == '.') ? url[i] : '_';
    }
    out[n] = 0;
    if (n == 0)
        strncpy(out, "index", size - 1)[size - 1] = 0;
}
