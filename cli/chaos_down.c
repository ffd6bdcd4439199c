/*
 * chaos_down.c -- the times at which the server is down: pure.
 *
 * LENGTH@AT is down during [AT, AT + LENGTH) after the start; with /EVERY that
 * repeats, shifted by EVERY each time.
 */
#include <errno.h>
#include <string.h>

#include "args.h"
#include "chaos.h"

/* Where `span` is within the window's own period, 0 at its beginning; negative before the first. */
static weir_span chaos_down_phase(const struct chaos_down *d, weir_span span)
{
    weir_span phase = span - d->at;

    return phase >= 0 && d->every ? phase % d->every : phase;
}

int chaos_down_at(const struct chaos_options *o, weir_span span)
{
    for (size_t i = 0; i < o->downs; i++) {
        weir_span phase = chaos_down_phase(&o->down[i], span);
        if (phase >= 0 && phase < o->down[i].length)
            return 1;
    }
    return 0;
}

weir_span chaos_down_change(const struct chaos_options *o, weir_span span)
{
    weir_span least = WEIR_NEVER;

    for (size_t i = 0; i < o->downs; i++) {
        const struct chaos_down *d = &o->down[i];
        weir_span phase = chaos_down_phase(d, span), wait = WEIR_NEVER;

        if (phase < 0)
            wait = -phase;
        else if (phase < d->length)
            wait = d->length - phase;
        else if (d->every)
            wait = d->every - phase;
        if (wait != WEIR_NEVER && span + wait < least)
            least = span + wait;
    }
    return least;
}

int chaos_down_parse(const char *text, struct chaos_down *out)
{
    struct chaos_down d = {0};
    char copy[80], *at, *every;

    if (strlen(text) >= sizeof copy)
        return -EINVAL;
    strcpy(copy, text);
    if (!(at = strchr(copy, '@')))
        return -EINVAL;
    *at++ = '\0';
    if ((every = strchr(at, '/')))
        *every++ = '\0';
    if (args_parse_span(copy, &d.length) < 0 || args_parse_span(at, &d.at) < 0 ||
        (every && args_parse_span(every, &d.every) < 0))
        return -EINVAL;
    if (d.length < 1 || (every && d.every <= d.length))
        return -EINVAL;
    *out = d;
    return 0;
}
