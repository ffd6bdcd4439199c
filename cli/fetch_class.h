/*
 * fetch_class.h -- how one attempt ended, and whether that is worth another.
 *
 * Every attempt and every item ends in one of the outcomes below, and in no
 * other.  What is retried is a table read from `--retry-on`; a later word of
 * the list beats an earlier one, so "5xx,!501" is all of 500 to 599 but one.
 * Nothing here knows a clock, a socket or a file.
 */
#ifndef WEIR_CLI_FETCH_CLASS_H
#define WEIR_CLI_FETCH_CLASS_H

#include <stdbool.h>
#include <weir/base.h>

enum fetch_outcome {
    FETCH_OK = 0,          /* a complete answer with a status of 200 to 299 */
    FETCH_HTTP,            /* a complete answer with any other status */
    FETCH_TIMEOUT_CONNECT, /* no connection in time */
    FETCH_TIMEOUT_TTFB,    /* connected, but no first byte in time */
    FETCH_TIMEOUT_TOTAL,   /* the attempt took longer than --max-time */
    FETCH_IDLE,            /* the body stood still */
    FETCH_REFUSED,         /* nobody listens there, or no way to get there */
    FETCH_RESET,           /* the connection broke before the answer's head was whole */
    FETCH_DNS,             /* the name does not resolve */
    FETCH_TLS,             /* handshake or certificate */
    FETCH_TRUNCATED,       /* the body ended before it was whole */
    FETCH_TOO_LARGE,       /* the body passed --max-body */
    FETCH_PROTOCOL,        /* the server does not speak HTTP */
    FETCH_REDIRECT_LOOP,   /* more redirects than are followed */
    FETCH_BREAKER_OPEN,    /* not tried: --breaker-action fail */
    FETCH_DEADLINE,        /* --deadline came first */
    FETCH_HALTED,          /* --halt came first */
    FETCH_CANCELLED,       /* a signal, or the output failed */
    FETCH_INVALID,         /* the line is no URL */
    FETCH_OUTCOMES
};

/* The word for it in records and in --retry-on; static. */
const char *fetch_outcome_name(enum fetch_outcome o);

/* Deadline, halted, cancelled: the item was left, nothing was found out about it. */
bool fetch_outcome_is_left(enum fetch_outcome o);

/* What one attempt found.  Plain data: a test makes them by hand. */
struct fetch_result {
    enum fetch_outcome outcome;
    int status;                        /* 0: none was seen */
    weir_span retry_after;             /* < 0: the answer has no Retry-After */
    uint64_t bytes;                    /* of body, as received */
    weir_span dns, connect, tls, ttfb; /* from the attempt's start; < 0: not reached */
};

/* --- --retry-on --------------------------------------------------------- */

struct fetch_retry_on {
    uint8_t status[75]; /* a bit for each of 0 .. 599 */
    uint32_t outcomes;  /* a bit for each outcome but ok and http */
};

#define FETCH_RETRY_ON_DEFAULT "408,425,429,5xx,!501,timeout,reset,refused,dns,truncated"

/*
 * Reads "408,5xx,!501,timeout,...": a status, a class 1xx .. 5xx, an outcome,
 * `timeout` (all three and idle), `none`.  0, or -EINVAL with *bad set to the
 * word that is none of these (and its length in *bad_len).
 */
int fetch_retry_on_parse(struct fetch_retry_on *r, const char *text, const char **bad,
                         size_t *bad_len);

bool fetch_retry_on_has(const struct fetch_retry_on *r, enum fetch_outcome o, int status);

/* --- Retry-After -------------------------------------------------------- */

enum fetch_ra_mode { FETCH_RA_HONOUR = 0, FETCH_RA_CAP, FETCH_RA_IGNORE };
enum fetch_ra_scope { FETCH_RA_AUTO = 0, FETCH_RA_URL, FETCH_RA_HOST };

struct fetch_ra {
    enum fetch_ra_mode mode;
    weir_span cap; /* of FETCH_RA_CAP */
    enum fetch_ra_scope scope;
};

/* The wait that is obeyed for what the server asked (< 0: nothing): >= 0, or < 0 for none. */
weir_span fetch_ra_wait(const struct fetch_ra *ra, weir_span asked);

#endif
