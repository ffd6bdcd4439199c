/*
 * easy.c -- a request as options of an easy handle.
 *
 * The handle is wiped first, so nothing of the request before it is left.
 */
#include <string.h>
#include <strings.h>

#include "http/http.h"

/* libcurl gives up a connect after 300 s by itself, unless told of a longer time. */
#define EASY_CONNECT_OWN WEIR_S(290)

static const weir_span easy_connect = WEIR_S(30), easy_ttfb = WEIR_S(60), easy_idle = WEIR_S(60);
static const uint64_t easy_max_body = 64 << 20;

static int easy_check(const struct weir_http_req *q)
{
    for (size_t i = 0; i < sizeof q->reserved / sizeof *q->reserved; i++)
        if (q->reserved[i])
            return -EINVAL;
    if (!q->url || (q->header_count && !q->headers) || (q->body_size && !q->body))
        return -EINVAL;
    if (q->connect_timeout < 0 || q->ttfb_timeout < 0 || q->idle_timeout < 0 ||
        q->total_timeout < 0)
        return -EINVAL;
    if (strncasecmp(q->url, "http://", 7) != 0 && strncasecmp(q->url, "https://", 8) != 0)
        return -EINVAL;
    return q->compressed > 1 || q->redirects > INT16_MAX ? -EINVAL : 0;
}

/* No line of a request may be smuggled in through a method or header. */
static bool easy_is_line(const char *text)
{
    return text && *text && !strpbrk(text, "\r\n");
}

static int easy_headers(struct weir__http_transfer *t, const struct weir_http_req *q)
{
    for (size_t i = 0; i < q->header_count; i++) {
        struct curl_slist *longer;

        if (!easy_is_line(q->headers[i]))
            return -EINVAL;
        longer = curl_slist_append(t->headers, q->headers[i]);
        if (!longer)
            return -ENOMEM;
        t->headers = longer;
    }
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    return 0;
}

static bool easy_is_idempotent(const char *method)
{
    static const char *const names[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], method) == 0)
            return true;
    return false;
}

static int easy_method(struct weir__http_transfer *t, const struct weir_http_req *q)
{
    CURL *e = t->easy;
    const char *method = q->method ? q->method : q->body ? "POST" : "GET";

    if (!easy_is_line(method) || strchr(method, ' '))
        return -EINVAL;
    t->once = !easy_is_idempotent(method);
    if (q->body) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_size);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body);
        if (strcmp(method, "POST") != 0)
            curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
    } else if (strcmp(method, "HEAD") == 0) {
        t->no_body = true;
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
        if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
            curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, 0L);
            curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, "");
        }
    }
    return 0;
}

/*
 * Called when a connection is there, for each hop, before the request is sent.
 * libcurl sends a request again by itself when a connection that was reused
 * breaks before an answer; what is not idempotent must not be: its caller asks
 * for a retry, or nobody does.
 */
static int easy_connected(void *transfer, char *ip, char *local, int port, int local_port)
{
    struct weir__http_transfer *t = transfer;

    (void)ip, (void)local, (void)port, (void)local_port;
    if (t->once && t->phase == WEIR__HTTP_IN_WAIT)
        t->why = -ECONNRESET;
    weir__http_phase_set(t, WEIR__HTTP_IN_WAIT);
    return t->why ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static void easy_callbacks(struct weir__http_transfer *t)
{
    CURL *e = t->easy;

    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->problem);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, weir__http_on_head);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, weir__http_on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, easy_connected);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, weir__http_socket_open);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t->client);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, weir__http_socket_close);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t->client);
}

static void easy_client(CURL *e, const struct weir_http_opts *o)
{
    if (*o->agent)
        curl_easy_setopt(e, CURLOPT_USERAGENT, o->agent);
    if (o->proxy)
        curl_easy_setopt(e, CURLOPT_PROXY, o->proxy);
    if (o->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
    if (o->insecure) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (o->http1)
        curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
}

static int easy_request(struct weir__http_transfer *t, const struct weir_http_req *q)
{
    CURL *e = t->easy;

    t->connect = q->connect_timeout ? q->connect_timeout : easy_connect;
    t->ttfb = q->ttfb_timeout ? q->ttfb_timeout : easy_ttfb;
    t->idle = q->idle_timeout ? q->idle_timeout : easy_idle;
    t->total = q->total_timeout;
    t->follows = q->redirects > 0;
    t->max_body = q->max_body ? q->max_body : t->pulled ? UINT64_MAX : easy_max_body;
    if (t->connect > EASY_CONNECT_OWN)
        curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)INT32_MAX / 1000);
    if (t->follows) {
        curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)q->redirects);
        curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    }
    /*
     * One h2 connection, not one a request.  Without TLS nothing says before the first answer
     * that there will be none, and a silent one would hold up all others.
     */
    if (strncasecmp(q->url, "https:", 6) == 0)
        curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
    if (q->compressed) {
        curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
        /* A paused libcurl holds what one read decodes to: let that be little. */
        if (t->pulled)
            curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 1024L);
    }
    return curl_easy_setopt(e, CURLOPT_URL, q->url) == CURLE_OK ? 0 : -ENOMEM;
}

int weir__http_easy_setup(struct weir__http_transfer *t, const struct weir_http_req *req)
{
    int r = easy_check(req);

    if (r < 0)
        return r;
    curl_easy_reset(t->easy);
    easy_callbacks(t);
    easy_client(t->easy, &t->client->opts);
    r = easy_request(t, req);
    if (r == 0)
        r = easy_method(t, req);
    return r == 0 ? easy_headers(t, req) : r;
}
