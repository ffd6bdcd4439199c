/*
 * chaos_body.h -- what a path answers: a pure function of the path.
 *
 *     /bytes/N        N bytes of the line 0123456789abcde, over and over
 *     /status/CODE    {"status":CODE}, under that status
 *     /delay/MS       the small document, MS milliseconds late
 *     /items?page=N   page N of 20, 50 items each; ?cursor=cN is the same page
 *     anything else   {"path":"PATH","n":LENGTH}
 *
 * each JSON document on one line that ends in a newline.  PATH is the request's
 * path with its query, LENGTH its number of bytes.  So a shell can tell what a
 * body must be:
 *
 *     printf '{"path":"%s","n":%d}\n' "$path" "${#path}"     | sha256sum
 *     yes 0123456789abcde | head -c "$n"                     | sha256sum
 */
#ifndef WEIR_CLI_CHAOS_BODY_H
#define WEIR_CLI_CHAOS_BODY_H

#include <stddef.h>
#include <stdint.h>

#include <weir/base.h>

enum {
    CHAOS_PATH_MAX = 4096,                    /* a longer target is 414 */
    CHAOS_TEXT_MAX = 6 * CHAOS_PATH_MAX + 64, /* the longest document: each byte as \u00XX */
    CHAOS_PAGES = 20,
    CHAOS_PAGE_ITEMS = 50
};

#define CHAOS_BYTES_MAX ((uint64_t)1 << 40)

enum chaos_page {
    CHAOS_PAGE_JSON,
    CHAOS_PAGE_BYTES,
    CHAOS_PAGE_STATS,  /* /__stats */
    CHAOS_PAGE_RESET,  /* /__reset */
    CHAOS_PAGE_UNKNOWN /* any other path that begins /__ */
};

struct chaos_body {
    enum chaos_page page;
    unsigned status;
    weir_span delay; /* /delay */
    uint64_t size;   /* bytes of the body */
    char link[64];   /* the Link header, or "" */
    char *text;      /* JSON: the body, `size` bytes of the caller's buffer */
};

/* Fills *out; a JSON body is written to `text`, of CHAOS_TEXT_MAX bytes.  Nothing is allocated. */
void chaos_body_make(const char *path, size_t path_size, char *text, struct chaos_body *out);

/* 64 KiB of the /bytes pattern; from offset o it starts at o mod 16. */
enum { CHAOS_PATTERN_SIZE = 65536 };
const char *chaos_body_pattern(void);

/* `size` bytes of text as the inside of a JSON string; returns the length written, no NUL. */
size_t chaos_json_escape(char *out, const char *text, size_t size);

/* The usual phrase for a status, or "Status". */
const char *chaos_reason(unsigned status);

#endif
