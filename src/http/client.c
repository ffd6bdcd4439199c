/*
 * client.c -- a client: one multi handle of libcurl's on the loop.
 *
 * libcurl asks for one timer and for events on sockets; each such call in is
 * followed by weir__http_turn, which finishes the transfers that ended by it.
 */
#include <stdio.h>
#include <string.h>
#include <weir/run.h>

#include "http/http.h"

static weir_http client_poisons[] = {
    {.poison = -EINVAL}, {.poison = -ENOMEM}, {.poison = WEIR_ENOFIBER}, {.poison = -ENOTSUP}};

static weir_http *client_poison(int code)
{
    for (size_t i = 0; i < sizeof client_poisons / sizeof *client_poisons; i++)
        if (client_poisons[i].poison == code)
            return &client_poisons[i];
    return &client_poisons[1];
}

/* --- libcurl's timer --------------------------------------------------- */

static int client_timer_set(CURLM *multi, long ms, void *client)
{
    weir_http *c = client;

    (void)multi;
    c->kick = ms == 0;
    if (ms <= 0)
        weir__timer_stop(&c->timer);
    else
        (void)weir__timer_arm(&c->timer, weir_after(WEIR_MS(ms)));
    return 0;
}

static void client_timer_fire(struct weir__timer *timer)
{
    weir_http *c = WEIR__ENTRY(timer, weir_http, timer);
    int running;

    (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    weir__http_turn(c);
}

static void client_finish_ended(weir_http *c)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left))) {
        struct weir__http_transfer *t = NULL;
        CURLcode result = m->data.result;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        weir__http_transfer_ended(t, result);
    }
}

/* One more round at once is common (a request is sent by it); more wait for the next turn. */
void weir__http_turn(weir_http *c)
{
    int running;

    client_finish_ended(c);
    if (!c->kick)
        return;
    c->kick = false;
    (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    client_finish_ended(c);
    if (c->kick) {
        c->kick = false;
        (void)weir__timer_arm(&c->timer, weir_now());
    }
}

/* --- making and freeing ------------------------------------------------ */

static int client_check(const struct weir_http_opts *o)
{
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return o->insecure > 1 || o->http1 > 1 ? -EINVAL : 0;
}

static size_t client_length(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static char *client_string(char *to, const char **from)
{
    size_t size = client_length(*from);

    if (!size)
        return to;
    *from = memcpy(to, *from, size);
    return to + size;
}

static int client_copy(weir_http *c, const struct weir_http_opts *opts)
{
    char agent[32], *to;

    if (opts)
        c->opts = *opts;
    snprintf(agent, sizeof agent, "weir/%s", weir_version());
    if (!c->opts.agent)
        c->opts.agent = agent;
    if (!c->opts.idle)
        c->opts.idle = WEIR__HTTP_IDLE;
    c->strings_size = client_length(c->opts.agent) + client_length(c->opts.proxy) +
                      client_length(c->opts.ca_file) + client_length(c->opts.dns_servers);
    to = c->strings = weir__alloc(c->strings_size);
    if (!to)
        return -ENOMEM;
    to = client_string(to, &c->opts.agent);
    to = client_string(to, &c->opts.proxy);
    to = client_string(to, &c->opts.ca_file);
    (void)client_string(to, &c->opts.dns_servers);
    return 0;
}

static int client_multi(weir_http *c)
{
    CURLM *m = c->multi = curl_multi_init();

    if (!m)
        return -ENOMEM;
    curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, weir__http_socket);
    curl_multi_setopt(m, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, client_timer_set);
    curl_multi_setopt(m, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)c->opts.idle);
    curl_multi_setopt(m, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->opts.per_host);
    curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->opts.connections);
    return 0;
}

void weir__http_unref(weir_http *c)
{
    if (--c->refs)
        return;
    while (c->pool) {
        struct weir__http_transfer *t = c->pool;

        c->pool = t->next_free;
        weir__http_transfer_destroy(t);
    }
    weir__free(c->strings, c->strings_size);
    weir__free(c, sizeof *c);
    curl_global_cleanup();
}

static int client_close(void *client)
{
    weir_http *c = client;

    c->closed = true;
    while (!weir__list_empty(&c->active))
        weir__http_transfer_abort(WEIR__ENTRY(c->active.next, struct weir__http_transfer, link),
                                  WEIR_HTTP_CANCELLED, -ECANCELED);
    weir__http_names_free(c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, NULL);
    (void)curl_multi_cleanup(c->multi);
    c->multi = NULL;
    weir__timer_stop(&c->timer);
    weir__http_sockets_free(c);
    weir__http_unref(c);
    return 0;
}

struct client_birth {
    const struct weir_http_opts *opts;
    weir_http *made;
};

static int client_make(void *birth)
{
    struct client_birth *b = birth;
    weir_http *c;
    int r;

    if (curl_version_info(CURLVERSION_NOW)->version_num < 0x075500)
        return -ENOTSUP;
    c = weir__alloc(sizeof *c);
    if (!c)
        return -ENOMEM;
    c->refs = 1;
    c->loop = weir__loop_here;
    c->timer.fire = client_timer_fire;
    weir__list_init(&c->active);
    r = curl_global_init(CURL_GLOBAL_DEFAULT) ? -ENOMEM : client_copy(c, b->opts);
    if (r == 0)
        r = client_multi(c);
    if (r == 0)
        r = weir__http_names_open(c);
    if (r < 0) {
        weir__http_names_free(c);
        (void)curl_multi_cleanup(c->multi);
        weir__http_unref(c);
    }
    if (r == 0)
        b->made = c;
    return r;
}

weir_http *weir_http_new(const struct weir_http_opts *opts)
{
    struct client_birth b = {opts, NULL};
    int r = opts ? client_check(opts) : 0;

    if (r == 0)
        r = weir_loop_call(client_make, &b);
    return r < 0 ? client_poison(r) : b.made;
}

int weir_http_error(const weir_http *client)
{
    return client ? client->poison : -EINVAL;
}

void weir_http_free(weir_http **client)
{
    weir_http *c = client ? *client : NULL;

    if (!c || (!c->poison && c->loop != weir__loop_here))
        return;
    *client = NULL;
    if (!c->poison)
        (void)weir_loop_call(client_close, c);
}
