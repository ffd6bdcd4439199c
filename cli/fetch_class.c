/*
 * fetch_class.c -- outcome names, the --retry-on table, what of Retry-After is obeyed.
 * Promises: total functions on any bytes; no state; the last word wins.
 */
#include "fetch_class.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char *const class_names[FETCH_OUTCOMES] = {
    [FETCH_OK] = "ok",
    [FETCH_HTTP] = "http",
    [FETCH_TIMEOUT_CONNECT] = "timeout_connect",
    [FETCH_TIMEOUT_TTFB] = "timeout_ttfb",
    [FETCH_TIMEOUT_TOTAL] = "timeout_total",
    [FETCH_IDLE] = "idle",
    [FETCH_REFUSED] = "refused",
    [FETCH_RESET] = "reset",
    [FETCH_DNS] = "dns",
    [FETCH_TLS] = "tls",
    [FETCH_TRUNCATED] = "truncated",
    [FETCH_TOO_LARGE] = "too_large",
    [FETCH_PROTOCOL] = "protocol",
    [FETCH_REDIRECT_LOOP] = "redirect_loop",
    [FETCH_BREAKER_OPEN] = "breaker_open",
    [FETCH_DEADLINE] = "deadline",
    [FETCH_HALTED] = "halted",
    [FETCH_CANCELLED] = "cancelled",
    [FETCH_INVALID] = "invalid",
};

#define CLASS_BIT(o) (1u << (o))
#define CLASS_TIMEOUTS                                                                             \
    (CLASS_BIT(FETCH_TIMEOUT_CONNECT) | CLASS_BIT(FETCH_TIMEOUT_TTFB) |                            \
     CLASS_BIT(FETCH_TIMEOUT_TOTAL) | CLASS_BIT(FETCH_IDLE))

const char *fetch_outcome_name(enum fetch_outcome o)
{
    return (unsigned)o < FETCH_OUTCOMES ? class_names[o] : "invalid";
}

bool fetch_outcome_is_left(enum fetch_outcome o)
{
    return o == FETCH_DEADLINE || o == FETCH_HALTED || o == FETCH_CANCELLED;
}

static void class_status_set(struct fetch_retry_on *r, int from, int to, bool on)
{
    for (int s = from; s <= to; s++) {
        if (on)
            r->status[s / 8] |= (uint8_t)(1u << s % 8);
        else
            r->status[s / 8] &= (uint8_t) ~(1u << s % 8);
    }
}

static bool class_word_is(const char *w, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(w, word, len) == 0;
}

/* The bits of an outcome word; 0: it is none that can be retried. */
static uint32_t class_word_bits(const char *w, size_t len)
{
    if (class_word_is(w, len, "timeout"))
        return CLASS_TIMEOUTS;
    for (int o = FETCH_TIMEOUT_CONNECT; o <= FETCH_REDIRECT_LOOP; o++)
        if (class_word_is(w, len, class_names[o]))
            return CLASS_BIT(o);
    return 0;
}

static int class_status_word(struct fetch_retry_on *r, const char *w, size_t len, bool on)
{
    if (len != 3 || w[0] < '1' || w[0] > '5')
        return -EINVAL;
    int hundred = (w[0] - '0') * 100;
    if (w[1] == 'x' && w[2] == 'x') {
        class_status_set(r, hundred, hundred + 99, on);
        return 0;
    }
    if (!isdigit((unsigned char)w[1]) || !isdigit((unsigned char)w[2]))
        return -EINVAL;
    int code = hundred + (w[1] - '0') * 10 + (w[2] - '0');
    class_status_set(r, code, code, on);
    return 0;
}

static int class_word_apply(struct fetch_retry_on *r, const char *w, size_t len)
{
    bool on = len == 0 || w[0] != '!';
    if (!on) {
        w++;
        len--;
    }
    if (on && class_word_is(w, len, "none")) {
        memset(r, 0, sizeof *r);
        return 0;
    }
    uint32_t bits = class_word_bits(w, len);
    if (bits == 0)
        return class_status_word(r, w, len, on);
    r->outcomes = on ? r->outcomes | bits : r->outcomes & ~bits;
    return 0;
}

int fetch_retry_on_parse(struct fetch_retry_on *r, const char *text, const char **bad,
                         size_t *bad_len)
{
    struct fetch_retry_on made = {{0}, 0};
    for (const char *p = text;;) {
        size_t len = strcspn(p, ",");
        if (class_word_apply(&made, p, len) < 0) {
            *bad = p;
            *bad_len = len;
            return -EINVAL;
        }
        if (p[len] == 0)
            break;
        p += len + 1;
    }
    *r = made;
    return 0;
}

bool fetch_retry_on_has(const struct fetch_retry_on *r, enum fetch_outcome o, int status)
{
    if (o == FETCH_HTTP)
        return status >= 0 && status < 600 && (r->status[status / 8] >> status % 8 & 1);
    return o > FETCH_HTTP && o < FETCH_OUTCOMES && (r->outcomes & CLASS_BIT(o)) != 0;
}

weir_span fetch_ra_wait(const struct fetch_ra *ra, weir_span asked)
{
    if (asked < 0 || ra->mode == FETCH_RA_IGNORE)
        return WEIR_NS(-1);
    if (ra->mode == FETCH_RA_CAP && asked > ra->cap)
        return ra->cap;
    return asked;
}
