/*
 * http.h -- an HTTP client whose requests park the fiber, not the thread.
 *
 *     weir_http *client = weir_http_new(NULL);
 *     struct weir_http_req req = {.url = "https://example.org/", .total_timeout = WEIR_S(10)};
 *     struct weir_http_resp resp = {0};
 *     int r = weir_http_do(client, &req, &resp);
 *     ... resp.status, resp.body ...
 *     weir_http_close(&resp);
 *     weir_http_free(&client);
 *
 * What it promises: a result of 0 means a complete answer, whatever its
 * status; a body that was cut, reset or broken is never a success.  At most
 * 256 KiB are held for a body that is read piece by piece: a slow reader
 * stops the sender.  (Not so where 1 KiB decodes to more than that, which
 * libcurl decodes at one go; max_body is the guard.)  TLS certificates are
 * verified unless that is switched off.  A request that is not idempotent
 * (POST, PATCH ...) goes out once; one that is may be sent again, unseen, if a
 * connection that was kept for reuse turns out to be dead.  Each phase has its
 * own deadline, and the outcome says which one it was.  A cancelled fiber
 * aborts its request at once.
 *
 * libcurl does the protocols: keep-alive, HTTP/2 over TLS, proxies,
 * compression, redirects.  Names are looked up by c-ares where the library was
 * built with it, once for all requests that wait for the same one, and kept
 * as long as their TTL says, 50 s at most; names without a dot, and all names
 * without c-ares, by the system on a thread each.  A client belongs to the loop
 * on which it was made, and must be freed before its run ends: elsewhere it and
 * its answers are -EXDEV, and weir_http_close and weir_http_free change nothing.
 */
#ifndef WEIR_HTTP_H
#define WEIR_HTTP_H

#include <weir/base.h>

WEIR_BEGIN

typedef struct weir_http weir_http;

/* --- the client -------------------------------------------------------- */

struct weir_http_opts {
    const char *agent;       /* User-Agent; NULL: "weir/VERSION"; "": none */
    const char *proxy;       /* NULL: as the environment says (https_proxy ...); "": none */
    const char *ca_file;     /* certificates to trust, PEM; NULL: the system's */
    const char *dns_servers; /* "ADDRESS[:PORT],..." to ask; NULL: the system's.  Needs c-ares */
    uint32_t insecure;       /* 1: certificates are not verified */
    uint32_t http1;          /* 1: no HTTP/2 */
    uint32_t per_host;       /* connections to one host; further requests wait; 0: no limit */
    uint32_t connections;    /* in all; 0: no limit */
    uint32_t idle;           /* connections kept for reuse; 0: 64.  At least 2 x the requests that
                             ever ran at once are kept */
    uint32_t reserved[5];    /* must be zero */
};

/* NULL is all defaults; strings are copied.  Never NULL: see weir_http_error. */
WEIR_API weir_http *weir_http_new(const struct weir_http_opts *opts);

/* 0, or why the client could not be made: -EINVAL, -ENOMEM, -ENOTSUP (too old a libcurl, or
   dns_servers without c-ares), WEIR_ENOFIBER. */
WEIR_API int weir_http_error(const weir_http *client);

/*
 * Aborts what is under way (-ECANCELED for whoever waits), closes all
 * connections and sets *client to NULL.  Answers stay valid until closed.
 */
WEIR_API void weir_http_free(weir_http **client);

/* --- a request --------------------------------------------------------- */

struct weir_http_req {
    const char *url;            /* http:// or https:// */
    const char *method;         /* NULL: GET, or POST if there is a body */
    const char *const *headers; /* "Name: value"; "Name:" takes one of ours away */
    size_t header_count;
    const void *body; /* sent as it is; NULL: none */
    size_t body_size;
    uint32_t redirects;  /* followed at most; 0: none is */
    uint32_t compressed; /* 1: asks for gzip, br, zstd, and decodes */
    uint64_t max_body;   /* decoded bytes, then WEIR_ETOOLARGE; 0: 64 MiB if collected, else none */
    weir_span connect_timeout; /* until a connection is there, name and TLS included; 0: 30 s */
    weir_span ttfb_timeout;    /* from there to the first byte of the answer; 0: 60 s */
    weir_span idle_timeout;    /* between two pieces of the answer; 0: 60 s */
    weir_span total_timeout;   /* for everything; 0: none but the scope's */
    /*
     * Takes the body, piece by piece, in the calling fiber; may park.  A piece
     * is lent until it returns.  0, or a negative code that ends the request
     * and is its result.  From the first piece on *resp says what the head
     * said (status, head, redirects ...), so that the sink may look; how it
     * all ended, only when weir_http_do returns.  NULL: the body is collected
     * in resp->body.
     */
    int (*sink)(void *ctx, const void *data, size_t size);
    void *ctx;
    uint32_t reserved[4]; /* must be zero */
};

enum weir_http_outcome {
    WEIR_HTTP_OK = 0,          /* a complete answer, whatever its status */
    WEIR_HTTP_TIMEOUT_CONNECT, /* no connection in time */
    WEIR_HTTP_TIMEOUT_TTFB,    /* connected, but no first byte in time */
    WEIR_HTTP_TIMEOUT_IDLE,    /* the answer stood still */
    WEIR_HTTP_TIMEOUT_TOTAL,   /* not done in time */
    WEIR_HTTP_REFUSED,         /* nobody listens there, or there is no way to get there */
    WEIR_HTTP_RESET,           /* the connection broke before the head of the answer was whole */
    WEIR_HTTP_DNS,             /* the name does not resolve */
    WEIR_HTTP_TLS,             /* handshake or certificate */
    WEIR_HTTP_TRUNCATED,       /* the body ended before it was whole */
    WEIR_HTTP_TOO_LARGE,       /* the body passed max_body, or the head 64 KiB */
    WEIR_HTTP_PROTOCOL,        /* the server does not speak HTTP, or badly */
    WEIR_HTTP_REDIRECT_LOOP,   /* more redirects than are followed */
    WEIR_HTTP_CANCELLED,       /* the fiber was, or the client was freed */
    WEIR_HTTP_INVALID,         /* the request makes no sense: its URL, say */
    WEIR_HTTP_SINK,            /* the sink said no; resp->error is what it said */
    WEIR_HTTP_FAILED           /* on our side: no memory, no descriptors */
};

/* "ok", "timeout_connect", "refused" ...; static, never NULL. */
WEIR_API const char *weir_http_outcome_name(enum weir_http_outcome o);

/*
 * The answer.  All zero at first; used again, it lets go of what it held.
 * Pointers are lent until weir_http_close or the next request with it.
 */
struct weir_http_resp {
    enum weir_http_outcome outcome;
    int error;             /* the result, as returned */
    int status;            /* 200, 404 ...; 0: none was seen */
    uint32_t version;      /* 10, 11, 20; 0: none was seen */
    uint32_t redirects;    /* followed */
    uint32_t reused;       /* 1: no new connection was needed */
    uint64_t bytes;        /* of body, decoded */
    uint64_t wire;         /* of body, as they came */
    weir_span retry_after; /* what the server asked, at most a year; < 0: nothing */
    /* Since the start, of the last hop; < 0: not reached.  tls is 0 without TLS. */
    weir_span dns, connect, tls, ttfb, total;
    const char *body; /* collected; ends in a 0 that does not count; NULL: none */
    size_t body_size;
    const char *head; /* status line and header lines of the last answer; NULL: none */
    size_t head_size;
    const char *url; /* where redirects led; NULL: not known */
    char text[192];  /* of a failure: phase, host, cause; else empty */
    void *opaque;
};

/*
 * Sends the request and parks until the answer is complete (its body
 * collected or given to the sink) or has failed.  Borrows req and what it
 * points to.  0 for a complete answer of any status; -ETIMEDOUT (resp->outcome
 * says which), -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -ECONNRESET,
 * WEIR_EDNS, WEIR_ETLS, WEIR_ETRUNCATED, WEIR_ETOOLARGE, WEIR_EPROTO, -ELOOP,
 * -ECANCELED, -EINVAL, -ENOMEM, WEIR_ENOFIBER, or what the sink said.  *resp is
 * filled whatever the result.  Within an attempt of a policy stack the stack
 * is told the class of the answer and its Retry-After (weir_try_hint).
 */
WEIR_API WEIR_MUST_USE int weir_http_do(weir_http *client, const struct weir_http_req *req,
                                        struct weir_http_resp *resp);

/*
 * The same, but returns once the head of the answer is there; its body is
 * then pulled with weir_http_read.  req->sink must be NULL; req->body is
 * borrowed until the close.
 */
WEIR_API WEIR_MUST_USE int weir_http_open(weir_http *client, const struct weir_http_req *req,
                                          struct weir_http_resp *resp);

/*
 * Up to `size` bytes of the body; parks until there is one.  0 is the end of
 * a body that is whole; failures as above, and they stay.  One reader at a
 * time: -EBUSY for a second.
 */
WEIR_API WEIR_MUST_USE ssize_t weir_http_read(struct weir_http_resp *resp, void *buf, size_t size);

/* Aborts what is not complete and lets go of everything.  Zeroes *resp.  Never parks. */
WEIR_API void weir_http_close(struct weir_http_resp *resp);

/*
 * The value of the first header of that name (any case) in resp->head, not
 * terminated, its length in *out_size; NULL if there is none.
 */
WEIR_API const char *weir_http_header(const struct weir_http_resp *resp, const char *name,
                                      size_t *out_size);

WEIR_END
#endif
