/*
 * chaos.h -- the parts of the `weir chaos` server that its files share.
 *
 * One fiber accepts, one fiber serves a connection; all run on one loop, so
 * nothing here is locked.  A pointer into the statistics (struct chaos_path)
 * lives until the fiber next parks, no longer.
 */
#ifndef WEIR_CLI_CHAOS_H
#define WEIR_CLI_CHAOS_H

#include <llhttp.h>
#include <weir.h>
#include <weir/rate.h>

#include "chaos_body.h"
#include "chaos_faults.h"
#include "chaos_stats.h"

enum {
    CHAOS_DOWNS_MAX = 8,
    CHAOS_HEAD_MAX = 16384, /* bytes of request line and headers; more is 431 */
    CHAOS_IN_SIZE = 4096,
    CHAOS_OUT_SIZE = 4096
};

/* Down for `length` from `at` after the start, and again every `every` if that is not 0. */
struct chaos_down {
    weir_span length, at, every;
};

struct chaos_options {
    struct chaos_spec spec;
    uint64_t seed, first_n, capacity, max_body, max_connections;
    weir_span latency_low, latency_high, header_timeout, idle_timeout;
    struct weir_rate_opts rate; /* count 0: no limit */
    struct chaos_down down[CHAOS_DOWNS_MAX];
    size_t downs;
    const char *host;
    uint16_t port;
    int quiet;
};

struct chaos_server {
    struct chaos_options opts;
    struct chaos_stats stats;
    struct weir_rate rate;
    struct chaos_conn *conns; /* all that are open */
    weir_scope *scope;        /* of their fibers */
    weir_time start;
    uint64_t serving; /* requests that use capacity now */
    int listener, listening, port, stopping;
};

struct chaos_request {
    size_t path_size, head_size, name_size, value_size;
    uint64_t body_size;
    unsigned error; /* the status to refuse it with; 0: it is well formed */
    unsigned method, keep_alive, head_done, done, has_host, expects;
    char name[16], value[16]; /* the header at hand, as far as it fits */
    char path[CHAOS_PATH_MAX + 1];
};

struct chaos_conn {
    struct chaos_server *server;
    struct chaos_conn *next, **back;
    int fd, idle;
    size_t in_at, in_end;
    llhttp_t parser;
    struct chaos_request req;
    char in[CHAOS_IN_SIZE], out[CHAOS_OUT_SIZE], text[CHAOS_TEXT_MAX];
};

/* What becomes of the connection after an answer. */
enum chaos_next { CHAOS_KEEP, CHAOS_CLOSE, CHAOS_RST, CHAOS_DROP };

/* A real clock, for the statistics: the loop's is as old as its turn. */
int64_t chaos_clock(void);

/* chaos_request.c: makes the parser ready for a connection's first request. */
void chaos_request_init(struct chaos_conn *c);

/*
 * Reads the next request into c->req: 1, perhaps with `error` set; 0 when the
 * client is gone or has been idle for too long; negative on failure.  Parks.
 */
int chaos_request_read(struct chaos_conn *c);

/* chaos_answer.c: answers c->req, as well or as badly as it has to.  Parks. */
enum chaos_next chaos_answer(struct chaos_conn *c);

/* chaos_send.c: the bytes of an answer. */
struct chaos_reply {
    unsigned status;
    uint64_t declared; /* Content-Length */
    uint32_t retry_after;
    int chunked, close;
    const char *link; /* or NULL */
};

/* The head, and with it the first bytes of the body if they fit.  0 or negative.  Parks. */
int chaos_send_head(struct chaos_conn *c, const struct chaos_reply *reply,
                    const struct chaos_body *body, uint64_t body_end, uint64_t *out_sent);

/* Bytes [from, to) of the body.  0 or negative.  Parks. */
int chaos_send_body(struct chaos_conn *c, const struct chaos_body *body, uint64_t from,
                    uint64_t to);

/* Plain bytes.  0 or negative.  Parks. */
int chaos_send_text(struct chaos_conn *c, const char *text, size_t size);

/* chaos_conn.c: a connection's fiber; takes `arg`, a struct chaos_conn. */
int chaos_conn_run(void *arg);

/* NULL without memory; takes fd on success. */
struct chaos_conn *chaos_conn_new(struct chaos_server *s, int fd);
void chaos_conn_free(struct chaos_conn *c);

/* Ends the reading side of those that wait for a request or hang: they close by themselves. */
void chaos_conn_stop_all(struct chaos_server *s);

/* chaos_server.c: listens, serves until a signal, stops.  0 or negative; what failed is printed. */
int chaos_server_run(struct chaos_server *s);

/* chaos_down.c: whether it is down `span` after the start; pure. */
int chaos_down_at(const struct chaos_options *o, weir_span span);

/* How long after the start that next may change, after `span`; WEIR_NEVER for never. */
weir_span chaos_down_change(const struct chaos_options *o, weir_span span);

/* Reads 10s@30s or 10s@30s/60s.  0 or -EINVAL. */
int chaos_down_parse(const char *text, struct chaos_down *out);

#endif
