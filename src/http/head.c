/*
 * head.c -- finding things in the head of an answer.
 *
 * Retry-After is a number of seconds or a date.  A date is measured against
 * the answer's own Date if it has one, so that a server whose clock is wrong
 * is still understood; else against ours.
 */
#include <string.h>
#include <strings.h>

#include "http/http.h"

enum { HEAD_YEAR = 365 * 86400, HEAD_DATE_MAX = 63 };

static const char *head_trim(const char *at, const char *end, size_t *out_size)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
        end--;
    *out_size = (size_t)(end - at);
    return at;
}

const char *weir__http_head_find(const char *head, size_t size, const char *name, size_t *out_size)
{
    size_t length = strlen(name);
    const char *end = head + size;

    while (head < end) {
        const char *line_end = memchr(head, '\n', (size_t)(end - head));

        if (!line_end)
            line_end = end;
        if ((size_t)(line_end - head) > length && head[length] == ':' &&
            strncasecmp(head, name, length) == 0)
            return head_trim(head + length + 1, line_end, out_size);
        head = line_end + 1;
    }
    return NULL;
}

/* Seconds since 1970 of an HTTP date; negative if it is none. */
static int64_t head_date(const char *text, size_t size)
{
    char copy[HEAD_DATE_MAX + 1];

    if (size == 0 || size > HEAD_DATE_MAX)
        return -EINVAL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return curl_getdate(copy, NULL);
}

/* A number of seconds, at most a year; negative if it is none. */
static int64_t head_seconds(const char *text, size_t size)
{
    int64_t seconds = 0;

    if (size == 0)
        return -EINVAL;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        if (seconds < HEAD_YEAR)
            seconds = seconds * 10 + (text[i] - '0');
    }
    return seconds < HEAD_YEAR ? seconds : HEAD_YEAR;
}

weir_span weir__http_head_retry_after(const char *head, size_t size, int64_t now)
{
    size_t length, date_length;
    const char *text = weir__http_head_find(head, size, "Retry-After", &length), *date;
    int64_t seconds, at;

    if (!text)
        return -EINVAL;
    seconds = head_seconds(text, length);
    if (seconds >= 0)
        return WEIR_S(seconds);
    at = head_date(text, length);
    if (at < 0)
        return -EINVAL;
    date = weir__http_head_find(head, size, "Date", &date_length);
    if (date && head_date(date, date_length) >= 0)
        now = head_date(date, date_length);
    seconds = at > now ? at - now : 0;
    return WEIR_S(seconds < HEAD_YEAR ? seconds : HEAD_YEAR);
}

const char *weir_http_header(const struct weir_http_resp *resp, const char *name, size_t *out_size)
{
    if (!resp || !resp->head || !name || !out_size)
        return NULL;
    return weir__http_head_find(resp->head, resp->head_size, name, out_size);
}
