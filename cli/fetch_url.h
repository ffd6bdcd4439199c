/*
 * fetch_url.h -- a line of input: is it a URL, and whose?
 *
 * Checks form only; libcurl has the last word on the rest.  Never allocates,
 * never looks past `len`.
 */
#ifndef WEIR_CLI_FETCH_URL_H
#define WEIR_CLI_FETCH_URL_H

#include <stdbool.h>
#include <weir/base.h>

#define FETCH_URL_MAX 65536

/* Slices of the text that was checked. */
struct fetch_url {
    size_t origin_len;        /* "http://host:port" is the first origin_len bytes */
    size_t host_at, host_len; /* "host:port" as written, without user and password */
    size_t end;               /* the length without a #fragment */
};

/* NULL if it is a http or https URL, with *out filled; else what is wrong with it, static text. */
const char *fetch_url_check(const char *text, size_t len, struct fetch_url *out);

/*
 * A file name for what the URL brings: the last part of its path, at most
 * 100 bytes, with everything but letters, digits and "._-" replaced, never
 * starting with a dot; "index" if there is none.  Writes at most `size` bytes
 * with the final 0.
 */
void fetch_url_name(const char *url, char *out, size_t size);

#endif
