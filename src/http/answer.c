/*
 * answer.c -- what comes in: lines of the head, pieces of the body.
 *
 * Only the final answer counts: the heads of interim answers (1xx) and of
 * redirects that are followed are overwritten by the next.  A body that is
 * collected grows in one buffer up to its maximum; one that is pulled is held
 * up to WEIR__HTTP_HOLD bytes, then libcurl is paused.  These run inside
 * libcurl: a result other than `size` makes it fail the transfer.
 */
#include <string.h>
#include <weir/run.h>

#include "http/http.h"

static size_t answer_refuse(struct weir__http_transfer *t, int why)
{
    if (!t->why)
        t->why = why;
    return 0;
}

/* --- the head ---------------------------------------------------------- */

static bool answer_is_redirect(const struct weir__http_transfer *t, long status)
{
    size_t size;

    return t->follows && status >= 300 && status < 400 && status != 304 &&
           weir__http_head_find(t->head.data, t->head.len, "Location", &size);
}

/* The head is whole: is it the final one, and may its body come? */
static int answer_head_end(struct weir__http_transfer *t)
{
    long status = 0;
    curl_off_t length = -1;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) { /* interim: the answer itself is still awaited */
        weir__http_phase_set(t, WEIR__HTTP_IN_WAIT);
        return 0;
    }
    if (answer_is_redirect(t, status)) {
        weir__http_phase_set(t, WEIR__HTTP_IN_CONNECT);
        return 0;
    }
    t->out.status = (int)status;
    t->head_done = true;
    if (t->pulled) { /* somebody may wait for just this */
        weir__http_facts(t);
        weir_event_set(&t->event);
    }
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return !t->no_body && length > 0 && (uint64_t)length > t->max_body ? WEIR_ETOOLARGE : 0;
}

size_t weir__http_on_head(char *data, size_t one, size_t size, void *transfer)
{
    struct weir__http_transfer *t = transfer;
    struct weir__http_buf *h = &t->head;
    int r;

    size *= one;
    t->since = weir_now();
    if (t->head_done)
        return size; /* a trailer */
    if (size > 5 && memcmp(data, "HTTP/", 5) == 0)
        h->len = 0;
    if (h->len + size > WEIR__HTTP_HEAD_MAX)
        return answer_refuse(t, WEIR_ETOOLARGE);
    if (weir__http_buf_grow(h, size) < 0)
        return answer_refuse(t, -ENOMEM);
    memcpy(h->data + h->len, data, size);
    h->len += size;
    if (t->phase == WEIR__HTTP_IN_WAIT)
        weir__http_phase_set(t, WEIR__HTTP_IN_BODY);
    if (size > 2 || (data[0] != '\r' && data[0] != '\n'))
        return size;
    r = answer_head_end(t);
    return r < 0 ? answer_refuse(t, r) : size;
}

/* --- the body ---------------------------------------------------------- */

/*
 * Whole or not at all: libcurl keeps a piece that was refused by a pause, at most 16 KiB.  While a
 * sink looks at what is there, which it may park over, only what fits behind it may come.
 */
static size_t answer_hold(struct weir__http_transfer *t, const char *data, size_t size)
{
    struct weir__http_buf *b = &t->body;

    if (size > WEIR__HTTP_HOLD)
        return answer_refuse(t, -EMSGSIZE);
    if (b->len + size > (t->lent ? b->cap - 1 : WEIR__HTTP_HOLD)) {
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (weir__http_buf_grow(b, size) < 0)
        return answer_refuse(t, -ENOMEM);
    memcpy(b->data + b->len, data, size);
    b->len += size;
    weir_event_set(&t->event);
    return size;
}

static size_t answer_collect(struct weir__http_transfer *t, const char *data, size_t size)
{
    struct weir__http_buf *b = &t->body;

    if (weir__http_buf_grow(b, size) < 0)
        return answer_refuse(t, -ENOMEM);
    memcpy(b->data + b->len, data, size);
    b->len += size;
    return size;
}

size_t weir__http_on_body(char *data, size_t one, size_t size, void *transfer)
{
    struct weir__http_transfer *t = transfer;
    size_t taken;

    size *= one;
    t->since = weir_now();
    if (t->why)
        return 0;
    if (t->out.bytes + size > t->max_body)
        return answer_refuse(t, WEIR_ETOOLARGE);
    taken = t->pulled ? answer_hold(t, data, size) : answer_collect(t, data, size);
    if (taken == size)
        t->out.bytes += size;
    return taken;
}
