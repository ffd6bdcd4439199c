/*
 * outcome.c -- how a transfer ended: one outcome, one code, one line of text.
 *
 * Every failure says in which phase it was and of which host.  A body that
 * broke off in any way is TRUNCATED, a connection that broke before the head
 * was whole is RESET: neither is ever OK.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <weir/run.h>

#include "http/http.h"

static const char *const outcome_names[] = {
    "ok",        "timeout_connect", "timeout_ttfb",  "idle",      "timeout_total",
    "refused",   "reset",           "dns",           "tls",       "truncated",
    "too_large", "protocol",        "redirect_loop", "cancelled", "invalid",
    "sink",      "failed"};

const char *weir_http_outcome_name(enum weir_http_outcome o)
{
    size_t count = sizeof outcome_names / sizeof *outcome_names;

    return (size_t)o < count ? outcome_names[o] : "unknown";
}

struct outcome_verdict {
    enum weir_http_outcome outcome;
    int code;
};

/* --- from libcurl's result --------------------------------------------- */

/* What a callback of ours refused for. */
static struct outcome_verdict outcome_ours(int why)
{
    if (why == WEIR_ETOOLARGE)
        return (struct outcome_verdict){WEIR_HTTP_TOO_LARGE, why};
    if (why == -ECONNRESET)
        return (struct outcome_verdict){WEIR_HTTP_RESET, why};
    return (struct outcome_verdict){WEIR_HTTP_FAILED, why};
}

static struct outcome_verdict outcome_of_connect(const struct weir__http_transfer *t)
{
    long e = 0;

    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &e);
    switch (e) {
    case ETIMEDOUT:
        return (struct outcome_verdict){WEIR_HTTP_TIMEOUT_CONNECT, -ETIMEDOUT};
    case ECONNRESET:
        return (struct outcome_verdict){WEIR_HTTP_RESET, -ECONNRESET};
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return (struct outcome_verdict){WEIR_HTTP_FAILED, -(int)e};
    case EHOSTUNREACH:
    case ENETUNREACH:
        return (struct outcome_verdict){WEIR_HTTP_REFUSED, -(int)e};
    default:
        return (struct outcome_verdict){WEIR_HTTP_REFUSED, -ECONNREFUSED};
    }
}

/* The connection broke, or what came over it was nonsense, which libcurl 7.88 calls the same. */
static struct outcome_verdict outcome_of_break(const struct weir__http_transfer *t)
{
    if (strstr(t->problem, "chunked"))
        return (struct outcome_verdict){WEIR_HTTP_PROTOCOL, WEIR_EPROTO};
    if (t->head_done)
        return (struct outcome_verdict){WEIR_HTTP_TRUNCATED, WEIR_ETRUNCATED};
    return (struct outcome_verdict){WEIR_HTTP_RESET, -ECONNRESET};
}

static struct outcome_verdict outcome_of_timeout(const struct weir__http_transfer *t)
{
    if (t->phase == WEIR__HTTP_IN_CONNECT)
        return (struct outcome_verdict){WEIR_HTTP_TIMEOUT_CONNECT, -ETIMEDOUT};
    return (struct outcome_verdict){WEIR_HTTP_TIMEOUT_TOTAL, -ETIMEDOUT};
}

/* Before a connection it is the caller's URL, later the server's answer or redirect. */
static struct outcome_verdict outcome_of_url(const struct weir__http_transfer *t)
{
    if (t->phase == WEIR__HTTP_IN_CONNECT && t->head.len == 0)
        return (struct outcome_verdict){WEIR_HTTP_INVALID, -EINVAL};
    return (struct outcome_verdict){WEIR_HTTP_PROTOCOL, WEIR_EPROTO};
}

static struct outcome_verdict outcome_of_curl(const struct weir__http_transfer *t, CURLcode r)
{
    switch (r) {
    case CURLE_COULDNT_CONNECT:
        return outcome_of_connect(t);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return (struct outcome_verdict){WEIR_HTTP_DNS, WEIR_EDNS};
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED:
        return (struct outcome_verdict){WEIR_HTTP_TLS, WEIR_ETLS};
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2_STREAM:
        return outcome_of_break(t);
    case CURLE_OPERATION_TIMEDOUT:
        return outcome_of_timeout(t);
    case CURLE_TOO_MANY_REDIRECTS:
        return (struct outcome_verdict){WEIR_HTTP_REDIRECT_LOOP, -ELOOP};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return outcome_of_url(t);
    case CURLE_OUT_OF_MEMORY:
        return (struct outcome_verdict){WEIR_HTTP_FAILED, -ENOMEM};
    case CURLE_FAILED_INIT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_UNKNOWN_OPTION:
        return (struct outcome_verdict){WEIR_HTTP_FAILED, -EINVAL};
    default:
        return (struct outcome_verdict){WEIR_HTTP_PROTOCOL, WEIR_EPROTO};
    }
}

/* --- text -------------------------------------------------------------- */

static const char *outcome_phase(const struct weir__http_transfer *t,
                                 enum weir_http_outcome outcome)
{
    if (outcome == WEIR_HTTP_DNS)
        return "resolving";
    if (outcome == WEIR_HTTP_TLS)
        return "TLS with";
    switch (t->phase) {
    case WEIR__HTTP_IN_CONNECT:
        return "connecting to";
    case WEIR__HTTP_IN_WAIT:
        return "waiting for";
    default:
        return "reading from";
    }
}

/* The host and port of a URL, without user and password. */
static int outcome_host(const char *url, const char **out)
{
    const char *host = url ? strstr(url, "://") : NULL, *end;

    *out = host ? host + 3 : "?";
    if (!host)
        return 1;
    end = *out + strcspn(*out, "/?#");
    for (const char *at = *out; at < end; at++)
        if (*at == '@')
            *out = at + 1;
    return end - *out > 100 ? 100 : (int)(end - *out);
}

static void outcome_say(struct weir__http_transfer *t, enum weir_http_outcome outcome,
                        const char *cause)
{
    const char *host;
    int length = outcome_host(t->out.url, &host);

    snprintf(t->out.text, sizeof t->out.text, "%s %.*s: %.100s", outcome_phase(t, outcome), length,
             host, cause);
    for (char *at = t->out.text; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = ' ';
}

static const char *outcome_cause(const struct weir__http_transfer *t,
                                 enum weir_http_outcome outcome, int code)
{
    switch (outcome) {
    case WEIR_HTTP_TIMEOUT_CONNECT:
        return "no connection in time";
    case WEIR_HTTP_TIMEOUT_TTFB:
        return "no answer in time";
    case WEIR_HTTP_TIMEOUT_IDLE:
        return "nothing more came in time";
    case WEIR_HTTP_TIMEOUT_TOTAL:
        return "not done in time";
    case WEIR_HTTP_TOO_LARGE:
        return "larger than allowed";
    default:
        return *t->problem ? t->problem : weir_strerror(code);
    }
}

/* --- facts ------------------------------------------------------------- */

static weir_span outcome_time(const struct weir__http_transfer *t, CURLINFO what, bool reached)
{
    curl_off_t us = 0;

    curl_easy_getinfo(t->easy, what, &us);
    return us > 0 || reached ? t->named + WEIR_US(us) : -1;
}

static void outcome_times(struct weir__http_transfer *t)
{
    struct weir_http_resp *o = &t->out;
    bool connected = t->phase >= WEIR__HTTP_IN_WAIT;

    o->dns = outcome_time(t, CURLINFO_NAMELOOKUP_TIME_T, connected);
    o->connect = outcome_time(t, CURLINFO_CONNECT_TIME_T, connected);
    o->tls = outcome_time(t, CURLINFO_APPCONNECT_TIME_T, connected);
    o->ttfb = outcome_time(t, CURLINFO_STARTTRANSFER_TIME_T, t->head_done);
    o->total = weir_now() - t->start;
}

static uint32_t outcome_version(CURL *easy)
{
    long version = 0;

    curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    default:
        return 0;
    }
}

void weir__http_facts(struct weir__http_transfer *t)
{
    struct weir_http_resp *o = &t->out;
    long redirects = 0, connects = 0, status = 0;
    curl_off_t wire = 0;
    char *url = NULL;

    curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_COUNT, &redirects);
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
    curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    o->redirects = (uint32_t)redirects;
    o->reused = connects == 0 && t->phase >= WEIR__HTTP_IN_WAIT;
    o->wire = (uint64_t)wire;
    o->url = url;
    o->status = (int)status;
    o->version = outcome_version(t->easy);
    outcome_times(t);
    o->head = t->head.len ? t->head.data : NULL;
    o->head_size = t->head.len;
    if (t->head_done && status >= 300)
        o->retry_after = weir__http_head_retry_after(o->head, o->head_size, time(NULL));
}

void weir__http_outcome_set(struct weir__http_transfer *t, enum weir_http_outcome outcome, int code)
{
    weir__http_facts(t);
    t->out.outcome = outcome;
    t->out.error = code;
    if (code < 0)
        outcome_say(t, outcome, outcome_cause(t, outcome, code));
}

void weir__http_outcome_read(struct weir__http_transfer *t, CURLcode result)
{
    struct outcome_verdict v = {WEIR_HTTP_OK, 0};

    if (t->why)
        v = outcome_ours(t->why);
    else if (result != CURLE_OK)
        v = outcome_of_curl(t, result);
    else if (!t->head_done) /* closed in the middle of the head: libcurl calls that a success */
        v = outcome_of_break(t);
    weir__http_outcome_set(t, v.outcome, v.code);
}
