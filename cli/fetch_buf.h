/*
 * fetch_buf.h -- bytes on their way out, and JSON put into them.
 *
 * A failed allocation makes the buffer `failed` and every later put a no-op:
 * one check at the end is enough.  Strings come out as JSON whatever bytes
 * they hold: what is not UTF-8 becomes U+FFFD.
 */
#ifndef WEIR_CLI_FETCH_BUF_H
#define WEIR_CLI_FETCH_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetch_buf {
    char *p;
    size_t n, cap;
    bool failed;
};

/* Room for `more` bytes, to be written at p + n by the caller; NULL: no memory. */
char *fetch_buf_room(struct fetch_buf *b, size_t more);

void fetch_buf_put(struct fetch_buf *b, const void *p, size_t n);
void fetch_buf_text(struct fetch_buf *b, const char *text);
void fetch_buf_u64(struct fetch_buf *b, uint64_t n);

/* Nanoseconds as decimal seconds with 6 places, or as milliseconds with 3. */
void fetch_buf_seconds(struct fetch_buf *b, int64_t ns);
void fetch_buf_millis(struct fetch_buf *b, int64_t ns);

/* "text" with quotes, escaped; never ends in the middle of a character. */
void fetch_buf_json(struct fetch_buf *b, const char *text, size_t n);

/* RFC 4648 with padding, no quotes. */
void fetch_buf_base64(struct fetch_buf *b, const void *p, size_t n);

/* Empties it; keeps at most `keep` bytes of memory. */
void fetch_buf_reset(struct fetch_buf *b, size_t keep);
void fetch_buf_fini(struct fetch_buf *b);

/* Is all of it well-formed UTF-8 (no surrogates, nothing overlong)? */
bool fetch_utf8_is(const char *p, size_t n);

#endif
