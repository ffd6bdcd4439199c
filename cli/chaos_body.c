/*
 * chaos_body.c -- the documents of `weir chaos`, each a function of its path.
 *
 * chaos_body.h lists them; nothing here depends on the time, the seed or on
 * earlier requests.
 */
#include "chaos_body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "args.h"

static char chaos_pattern[CHAOS_PATTERN_SIZE];

const char *chaos_body_pattern(void)
{
    static const char line[] = "0123456789abcde\n";

    if (!chaos_pattern[0])
        for (size_t i = 0; i < sizeof chaos_pattern; i++)
            chaos_pattern[i] = line[i % 16];
    return chaos_pattern;
}

size_t chaos_json_escape(char *out, const char *text, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    char *o = out;

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            *o++ = '\\';
            *o++ = (char)c;
        } else if (c < 0x20 || c >= 0x7f) {
            memcpy(o, "\\u00", 4);
            o[4] = hex[c >> 4];
            o[5] = hex[c & 15];
            o += 6;
        } else {
            *o++ = (char)c;
        }
    }
    return (size_t)(o - out);
}

const char *chaos_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } table[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {408, "Request Timeout"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {417, "Expectation Failed"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"}};

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return table[i].text;
    return "Status";
}

/* --- the documents ------------------------------------------------------------------------- */

static void chaos_body_default(const char *path, size_t n, struct chaos_body *b)
{
    size_t at = (size_t)sprintf(b->text, "{\"path\":\"");

    at += chaos_json_escape(b->text + at, path, n);
    at += (size_t)sprintf(b->text + at, "\",\"n\":%zu}\n", n);
    b->size = at;
}

static void chaos_body_not_found(struct chaos_body *b, const char *form)
{
    b->status = 404;
    b->size = (uint64_t)sprintf(b->text, "{\"error\":\"not found\",\"expected\":\"%s\"}\n", form);
}

/* The number that is all of the path after `prefix`; 0, -EINVAL, or -ERANGE above max. */
static int chaos_body_number(const char *path, const char *prefix, uint64_t max, uint64_t *out)
{
    int r = args_parse_uint(path + strlen(prefix), out);

    if (r == 0 && *out > max)
        r = -ERANGE;
    return r;
}

static void chaos_body_bytes(const char *path, struct chaos_body *b)
{
    uint64_t n;

    if (chaos_body_number(path, "/bytes/", CHAOS_BYTES_MAX, &n) < 0) {
        chaos_body_not_found(b, "/bytes/N, N up to 2^40");
        return;
    }
    b->page = CHAOS_PAGE_BYTES;
    b->size = n;
}

static void chaos_body_status(const char *path, struct chaos_body *b)
{
    uint64_t n;

    if (chaos_body_number(path, "/status/", 599, &n) < 0 || n < 200) {
        chaos_body_not_found(b, "/status/CODE, 200 to 599");
        return;
    }
    b->status = (unsigned)n;
    if (n != 204 && n != 304)
        b->size = (uint64_t)sprintf(b->text, "{\"status\":%u}\n", (unsigned)n);
}

static void chaos_body_delay(const char *path, size_t size, struct chaos_body *b)
{
    uint64_t n;

    if (chaos_body_number(path, "/delay/", 3600000, &n) < 0) {
        chaos_body_not_found(b, "/delay/MS, at most an hour");
        return;
    }
    b->delay = WEIR_MS((int64_t)n);
    chaos_body_default(path, size, b);
}

/* page=N or cursor=cN among the query's parts; 1 without either, 0 if malformed. */
static uint64_t chaos_page_number(const char *query)
{
    uint64_t page = 1;
    char part[32];

    while (*query) {
        size_t n = strcspn(query, "&");
        const char *digits = NULL;

        if (n < sizeof part) {
            memcpy(part, query, n);
            part[n] = '\0';
            if (strncmp(part, "page=", 5) == 0)
                digits = part + 5;
            else if (strncmp(part, "cursor=c", 8) == 0)
                digits = part + 8;
            if (digits && args_parse_uint(digits, &page) < 0)
                return 0;
        }
        query += n + (query[n] == '&');
    }
    return page;
}

static void chaos_body_items(const char *path, struct chaos_body *b)
{
    uint64_t page = path[6] == '?' ? chaos_page_number(path + 7) : 1;
    char *o = b->text;

    if (page < 1 || page > CHAOS_PAGES) {
        chaos_body_not_found(b, "/items?page=N, 1 to 20");
        return;
    }
    o += sprintf(o, "{\"page\":%u,\"pages\":%d,\"items\":[", (unsigned)page, CHAOS_PAGES);
    for (unsigned i = 0; i < CHAOS_PAGE_ITEMS; i++) {
        unsigned id = (unsigned)(page - 1) * CHAOS_PAGE_ITEMS + i + 1;
        o += sprintf(o, "%s{\"id\":%u,\"name\":\"item-%u\"}", i ? "," : "", id, id);
    }
    if (page < CHAOS_PAGES) {
        unsigned next = (unsigned)page + 1;
        o += sprintf(o, "],\"next\":\"/items?page=%u\",\"cursor\":\"c%u\"}\n", next, next);
        snprintf(b->link, sizeof b->link, "</items?page=%u>; rel=\"next\"", next);
    } else {
        o += sprintf(o, "],\"next\":null,\"cursor\":null}\n");
    }
    b->size = (uint64_t)(o - b->text);
}

static int chaos_path_is(const char *path, const char *name)
{
    size_t n = strlen(name);

    return strncmp(path, name, n) == 0 && (path[n] == '\0' || path[n] == '?');
}

static void chaos_body_control(const char *path, struct chaos_body *b)
{
    if (chaos_path_is(path, "/__stats"))
        b->page = CHAOS_PAGE_STATS;
    else if (chaos_path_is(path, "/__reset"))
        b->page = CHAOS_PAGE_RESET;
    else
        b->page = CHAOS_PAGE_UNKNOWN;
}

void chaos_body_make(const char *path, size_t path_size, char *text, struct chaos_body *out)
{
    *out = (struct chaos_body){.page = CHAOS_PAGE_JSON, .status = 200, .text = text};
    if (strncmp(path, "/__", 3) == 0)
        chaos_body_control(path, out);
    else if (strncmp(path, "/bytes/", 7) == 0)
        chaos_body_bytes(path, out);
    else if (strncmp(path, "/status/", 8) == 0)
        chaos_body_status(path, out);
    else if (strncmp(path, "/delay/", 7) == 0)
        chaos_body_delay(path, path_size, out);
    else if (chaos_path_is(path, "/items"))
        chaos_body_items(path, out);
    else
        chaos_body_default(path, path_size, out);
}
