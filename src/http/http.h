/*
 * http.h -- what the files of libweir-http share.
 *
 * All of libcurl runs on the loop's stack: in callbacks of watches and timers,
 * or by weir_loop_call from a fiber.  A transfer is one request and its
 * answer; transfers with their buffers and easy handles are kept in a pool, so
 * that a request in steady state asks for no memory of weir's.
 *
 *     IDLE -> CONNECT -> WAIT -> BODY -> DONE -> IDLE
 *                ^                 |
 *                +---- redirect ---+
 */
#ifndef WEIR__HTTP_H
#define WEIR__HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <weir/http.h>
#include <weir/sync.h>

#include "core/core.h"

enum {
    WEIR__HTTP_HEAD_MAX = 64 << 10,   /* bytes of head */
    WEIR__HTTP_HOLD = (64 << 10) - 1, /* bytes of body that wait for a reader */
    WEIR__HTTP_KEEP = 64 << 10,       /* a larger collected body's buffer is not pooled */
    WEIR__HTTP_IDLE = 64              /* connections kept, by default */
};

enum weir__http_phase {
    WEIR__HTTP_IN_CONNECT,
    WEIR__HTTP_IN_WAIT,
    WEIR__HTTP_IN_BODY,
    WEIR__HTTP_IN_DONE
};

/* A buffer that only grows; `at` is where its reader is. */
struct weir__http_buf {
    char *data;
    size_t at, len, cap;
};

struct weir__http_transfer {
    struct weir__list link; /* in client->active while libcurl has it, or waits for a name */
    struct weir__http_transfer *next_free;
    weir_http *client;
    CURL *easy;
    struct curl_slist *headers, *resolve;
    struct weir_event event; /* set: look again */
    struct weir__timer timer;
    weir_time start, since, total_at; /* since: when this phase began, or the last byte came */
    weir_span connect, ttfb, idle, total;
    weir_span named; /* from start until its name was known and libcurl took over */
    uint64_t max_body;
    enum weir__http_phase phase;
    bool active;    /* libcurl has it */
    bool naming;    /* waits for the addresses of its host */
    bool pulled;    /* the body goes to a reader, not into one buffer */
    bool paused;    /* waits for the reader */
    bool follows;   /* redirects are followed */
    bool head_done; /* the head of the final answer is whole */
    bool reading;   /* a fiber is in weir_http_read */
    bool lent;      /* a sink looks at the body: it must not move */
    bool no_body;   /* HEAD */
    bool once;      /* not idempotent: never sent a second time */
    int why;        /* what a callback of ours refused to go on for; 0: nothing */
    int sink_error; /* what the sink said */
    struct weir__http_buf head, body;
    struct weir_http_resp out; /* filled as it becomes known */
    char problem[CURL_ERROR_SIZE];
};

/* A socket of libcurl's.  Indexed by descriptor; lives as long as the client. */
struct weir__http_sock {
    struct weir__watch watch;
    weir_http *client;
    bool ours; /* opened by us: we are told when it closes */
};

struct weir_http {
    int poison;              /* the code of a poisoned handle */
    struct weir__loop *loop; /* it belongs to */
    CURLM *multi;
    struct weir__timer timer;
    struct weir__list active;
    struct weir__http_transfer *pool;
    struct weir__http_names *names; /* NULL: libcurl resolves */
    struct weir__http_sock **socks;
    size_t sock_count;
    size_t refs;          /* the handle, and each transfer that is out */
    size_t running, most; /* transfers with libcurl: now, ever */
    struct weir_http_opts opts;
    char *strings; /* copies of what opts points to */
    size_t strings_size;
    bool kick;   /* libcurl wants to be called at once */
    bool closed; /* weir_http_free was called */
};

/* --- client.c ---------------------------------------------------------- */

/* Calls libcurl again if it asked for that, and finishes what has ended. */
void weir__http_turn(weir_http *c);
/* A reference less; the last one frees the client. */
void weir__http_unref(weir_http *c);

/* --- sockets.c --------------------------------------------------------- */

/* Callbacks of libcurl, with the client as their context. */
int weir__http_socket(CURL *easy, curl_socket_t fd, int what, void *client, void *sock);
curl_socket_t weir__http_socket_open(void *client, curlsocktype purpose, struct curl_sockaddr *a);
int weir__http_socket_close(void *client, curl_socket_t fd);
void weir__http_sockets_free(weir_http *c);

/* --- transfer.c -------------------------------------------------------- */

/* From the pool, or a new one: NULL is -ENOMEM.  Holds a reference to the client. */
struct weir__http_transfer *weir__http_transfer_take(weir_http *c);
/* Back into the pool; aborts it if need be. */
void weir__http_transfer_give(struct weir__http_transfer *t);
void weir__http_transfer_destroy(struct weir__http_transfer *t);
/* Begins: looks its name up if need be, and hands it to libcurl.  0 or a negative code. */
int weir__http_transfer_start(struct weir__http_transfer *t, const char *url);
/* Its name is known (0), or why not: it goes on, or ends. */
void weir__http_transfer_named(struct weir__http_transfer *t, int code);
/* Takes it away from libcurl, with an outcome of ours.  Not from a callback of libcurl. */
void weir__http_transfer_abort(struct weir__http_transfer *t, enum weir_http_outcome outcome,
                               int code);
/* libcurl is through with it. */
void weir__http_transfer_ended(struct weir__http_transfer *t, CURLcode result);
/* A new phase: its deadline runs from now. */
void weir__http_phase_set(struct weir__http_transfer *t, enum weir__http_phase phase);
/* Makes room for `more` bytes and a 0 behind them.  0 or -ENOMEM. */
int weir__http_buf_grow(struct weir__http_buf *b, size_t more);

/* --- names_cares.c, or names_none.c without c-ares ----------------------- */

/* 0 or a negative code; what was opened is freed by the other in any case. */
int weir__http_names_open(weir_http *c);
void weir__http_names_free(weir_http *c);
/*
 * 1: libcurl can go on by itself.  0: t stands in a list by its link, and
 * weir__http_transfer_named tells it in the end, perhaps before this returns.
 */
int weir__http_name_find(struct weir__http_transfer *t, const char *url);

/* --- easy.c ------------------------------------------------------------ */

/* Sets the easy handle up for a request.  0, -EINVAL, -ENOMEM. */
int weir__http_easy_setup(struct weir__http_transfer *t, const struct weir_http_req *req);

/* --- answer.c ---------------------------------------------------------- */

/* Callbacks of libcurl, with the transfer as their context. */
size_t weir__http_on_head(char *data, size_t one, size_t size, void *transfer);
size_t weir__http_on_body(char *data, size_t one, size_t size, void *transfer);

/* --- outcome.c --------------------------------------------------------- */

/* What is known so far goes into t->out: status, times, head ... */
void weir__http_facts(struct weir__http_transfer *t);
/* Fills t->out from libcurl's result; sets outcome, error, text, times. */
void weir__http_outcome_read(struct weir__http_transfer *t, CURLcode result);
/* The same for an end of our own making. */
void weir__http_outcome_set(struct weir__http_transfer *t, enum weir_http_outcome outcome,
                            int code);

/* --- head.c ------------------------------------------------------------ */

/* The first header of that name in a head; NULL if there is none. */
const char *weir__http_head_find(const char *head, size_t size, const char *name, size_t *out_size);
/* Retry-After of a head, in a head that may have a Date; < 0: none.  `now`: seconds since 1970. */
weir_span weir__http_head_retry_after(const char *head, size_t size, int64_t now);

#endif
