/*
 * check.c -- which field of which layer is wrong, without a second copy of the
 * rules: a layer is tried again and again with one field changed.
 *
 * A field is wrong by itself if it alone makes a layer of defaults fail.  If
 * there is none such, fields contradict each other: those are named that would
 * make the layer good if they were left out.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "policy/plan.h"

struct check_field {
    const char *name;
    size_t at, size; /* in struct weir_policy_layer */
};

#define CHECK_FIELD(kind, opts, field)                                                             \
    {                                                                                              \
#field, offsetof(struct weir_policy_layer, u.kind.field),                                  \
            sizeof(((struct opts *)0)->field)                                                      \
    }
#define CHECK_RETRY(field) CHECK_FIELD(retry, weir_retry_opts, field)
#define CHECK_BREAKER(field) CHECK_FIELD(breaker, weir_breaker_opts, field)
#define CHECK_RATE(field) CHECK_FIELD(rate, weir_rate_opts, field)
#define CHECK_BULKHEAD(field) CHECK_FIELD(bulkhead, weir_bulkhead_opts, field)
#define CHECK_TIMEOUT(field) CHECK_FIELD(timeout, weir_timeout_opts, field)
#define CHECK_ADAPTIVE(field) CHECK_FIELD(adaptive, weir_adaptive_opts, field)
#define CHECK_SHED(field) CHECK_FIELD(shed, weir_shed_opts, field)

static const struct check_field check_retry[] = {
    CHECK_RETRY(attempts),    CHECK_RETRY(unsafe),      CHECK_RETRY(retry_on),
    CHECK_RETRY(grow),        CHECK_RETRY(jitter),      CHECK_RETRY(factor_milli),
    CHECK_RETRY(percent),     CHECK_RETRY(reserved0),   CHECK_RETRY(base),
    CHECK_RETRY(cap),         CHECK_RETRY(min_attempt), CHECK_RETRY(retry_after_cap),
    CHECK_RETRY(reserved[0]), CHECK_RETRY(reserved[1]), {NULL, 0, 0},
};
static const struct check_field check_breaker[] = {
    CHECK_BREAKER(failures),    CHECK_BREAKER(window),
    CHECK_BREAKER(percent),     CHECK_BREAKER(min_calls),
    CHECK_BREAKER(probes),      CHECK_BREAKER(jitter),
    CHECK_BREAKER(mode),        CHECK_BREAKER(reserved0),
    CHECK_BREAKER(period),      CHECK_BREAKER(slow),
    CHECK_BREAKER(open),        CHECK_BREAKER(open_max),
    CHECK_BREAKER(lease),       CHECK_BREAKER(reserved[0]),
    CHECK_BREAKER(reserved[1]), {NULL, 0, 0},
};
static const struct check_field check_rate[] = {
    CHECK_RATE(per_sec),  CHECK_RATE(burst),       CHECK_RATE(count),       CHECK_RATE(period),
    CHECK_RATE(max_wait), CHECK_RATE(reserved[0]), CHECK_RATE(reserved[1]), {NULL, 0, 0},
};
static const struct check_field check_bulkhead[] = {
    CHECK_BULKHEAD(limit),    CHECK_BULKHEAD(queue),
    CHECK_BULKHEAD(max_wait), CHECK_BULKHEAD(target),
    CHECK_BULKHEAD(interval), CHECK_BULKHEAD(lifo),
    CHECK_BULKHEAD(reserved), {NULL, 0, 0},
};
static const struct check_field check_timeout[] = {
    CHECK_TIMEOUT(total),       CHECK_TIMEOUT(each), CHECK_TIMEOUT(reserved[0]),
    CHECK_TIMEOUT(reserved[1]), {NULL, 0, 0},
};
static const struct check_field check_adaptive[] = {
    CHECK_ADAPTIVE(law),
    CHECK_ADAPTIVE(initial),
    CHECK_ADAPTIVE(min),
    CHECK_ADAPTIVE(max),
    CHECK_ADAPTIVE(backoff),
    CHECK_ADAPTIVE(tolerance),
    CHECK_ADAPTIVE(samples),
    CHECK_ADAPTIVE(window),
    CHECK_ADAPTIVE(slow),
    CHECK_ADAPTIVE(queue),
    CHECK_ADAPTIVE(max_wait),
    CHECK_ADAPTIVE(reserved),
    {NULL, 0, 0},
};
static const struct check_field check_shed[] = {
    CHECK_SHED(k_milli),     CHECK_SHED(max_percent), CHECK_SHED(cls),
    CHECK_SHED(window),      CHECK_SHED(reserved[0]), CHECK_SHED(reserved[1]),
    CHECK_SHED(reserved[2]), CHECK_SHED(reserved[3]), {NULL, 0, 0},
};

static const struct check_field *const check_fields[] = {
    [WEIR_LAYER_RETRY] = check_retry,     [WEIR_LAYER_BREAKER] = check_breaker,
    [WEIR_LAYER_RATE] = check_rate,       [WEIR_LAYER_BULKHEAD] = check_bulkhead,
    [WEIR_LAYER_TIMEOUT] = check_timeout, [WEIR_LAYER_ADAPTIVE] = check_adaptive,
    [WEIR_LAYER_SHED] = check_shed,
};

/* The least that a layer of its kind has to say. */
static struct weir_policy_layer check_base(uint32_t kind)
{
    struct weir_policy_layer base = {.kind = kind};

    if (kind == WEIR_LAYER_RATE)
        base.u.rate.per_sec = 1;
    else if (kind == WEIR_LAYER_BULKHEAD)
        base.u.bulkhead.limit = 1;
    return base;
}

static int check_good(const struct weir_policy_layer *l)
{
    struct weir__plan_layer room = {.kind = l->kind};

    weir__list_init(&room.row);
    return weir__plan_kind(l->kind)->init(&room, l) == 0;
}

static void check_copy(struct weir_policy_layer *to, const struct weir_policy_layer *from,
                       const struct check_field *f)
{
    memcpy((char *)to + f->at, (const char *)from + f->at, f->size);
}

struct check_text {
    char *text;
    size_t size, n;
};

static void check_say(struct check_text *t, const char *before, const char *word)
{
    size_t at = t->n < t->size ? t->n : t->size;
    int n = snprintf(t->size ? t->text + at : NULL, t->size - at, "%s%s", before, word);

    t->n += n > 0 ? (size_t)n : 0;
}

/* Names the fields that are wrong: alone, or (together) with others. */
static int check_name(struct check_text *t, const struct weir_policy_layer *l, int together)
{
    const struct weir_policy_layer base = check_base(l->kind);
    int named = 0;

    for (const struct check_field *f = check_fields[l->kind]; f->name; f++) {
        struct weir_policy_layer one = together ? *l : base;
        check_copy(&one, together ? &base : l, f);
        if (check_good(&one) != together)
            continue;
        check_say(t, named++ ? ", " : ": ", f->name);
    }
    return named;
}

static int check_layer(struct check_text *t, const char *number, const struct weir_policy_layer *l)
{
    const struct weir__plan_kind *kind = weir__plan_kind(l->kind);
    int bad = !kind || l->mode > WEIR_OFF;

    if (!bad && check_good(l))
        return 0;
    check_say(t, number, ", ");
    check_say(t, kind ? kind->name : "kind", "");
    if (bad && kind)
        check_say(t, ": ", "mode");
    else if (!bad && !check_name(t, l, 0) && !check_name(t, l, 1))
        check_say(t, ": ", "options that contradict each other");
    return -EINVAL;
}

int weir_policy_check(const struct weir_policy_layer *layers, size_t n, char *text, size_t size)
{
    struct check_text t = {text, text ? size : 0, 0};
    char number[32];
    int r = 0;

    check_say(&t, "", "");
    if (n > WEIR_POLICY_LAYERS || (n > 0 && !layers)) {
        check_say(&t, "", layers ? "too many layers" : "no layers");
        return -EINVAL;
    }
    for (size_t i = 0; r == 0 && i < n; i++) {
        snprintf(number, sizeof number, "layer %zu", i);
        r = check_layer(&t, number, &layers[i]);
    }
    return r;
}
