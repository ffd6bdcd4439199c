/*
 * error.c -- the texts of weir's own codes; errno's come from libc.
 */
#include <string.h>
#include <weir/base.h>

static const char *const error_texts[] = {
    "circuit breaker is open",
    "rate limit refused",
    "full",
    "producer vanished",
    "deadlock",
    "never started",
    "not on a fiber",
    "fiber returned with a scope open",
    "item of another type",
    "truncated",
    "too large",
    "closed",
    "protocol error",
    "name does not resolve",
    "TLS failed",
    "retry budget is spent",
    "load shed",
};

const char *weir_strerror(int code)
{
    size_t k = (size_t)(WEIR_EOPEN - code);
    const char *text;

    if (code >= 0)
        return "success";
    if (code <= WEIR_EOPEN)
        return k < sizeof error_texts / sizeof *error_texts ? error_texts[k] : "unknown error";
    text = strerrordesc_np(-code);
    return text ? text : "unknown error";
}

#define ERROR_TEXT(x) #x
#define ERROR_VERSION(a, b, c) ERROR_TEXT(a) "." ERROR_TEXT(b) "." ERROR_TEXT(c)

const char *weir_version(void)
{
    return ERROR_VERSION(WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR, WEIR_VERSION_PATCH);
}
