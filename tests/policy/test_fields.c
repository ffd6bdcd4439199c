/*
 * test_fields.c -- P1: every field of every layer at 0, 1, -1, its least and
 * its most, and those that contradict each other: refused with the name of the
 * field, or a stack that works.
 */
#include "harness/test.h"

#include <errno.h>
#include <stddef.h>

#include <weir/pass.h>

#define T0 WEIR_EPOCH

struct field {
    uint32_t kind;
    const char *of, *name;
    size_t at, size;
};

#define FIELD(KIND, of, opts, field)                                                               \
    {                                                                                              \
        WEIR_LAYER_##KIND, #of, #field, offsetof(struct weir_policy_layer, u.of.field),            \
            sizeof(((struct opts *)0)->field)                                                      \
    }
#define RETRY(field) FIELD(RETRY, retry, weir_retry_opts, field)
#define BREAKER(field) FIELD(BREAKER, breaker, weir_breaker_opts, field)
#define RATE(field) FIELD(RATE, rate, weir_rate_opts, field)
#define BULKHEAD(field) FIELD(BULKHEAD, bulkhead, weir_bulkhead_opts, field)
#define TIMEOUT(field) FIELD(TIMEOUT, timeout, weir_timeout_opts, field)
#define ADAPTIVE(field) FIELD(ADAPTIVE, adaptive, weir_adaptive_opts, field)
#define SHED(field) FIELD(SHED, shed, weir_shed_opts, field)

/* All of them, but for pointers. */
static const struct field fields[] = {
    RETRY(attempts),      RETRY(unsafe),
    RETRY(retry_on),      RETRY(grow),
    RETRY(jitter),        RETRY(factor_milli),
    RETRY(percent),       RETRY(reserved0),
    RETRY(base),          RETRY(cap),
    RETRY(min_attempt),   RETRY(retry_after_cap),
    RETRY(reserved[0]),   RETRY(reserved[1]),
    BREAKER(failures),    BREAKER(window),
    BREAKER(percent),     BREAKER(min_calls),
    BREAKER(probes),      BREAKER(jitter),
    BREAKER(mode),        BREAKER(reserved0),
    BREAKER(period),      BREAKER(slow),
    BREAKER(open),        BREAKER(open_max),
    BREAKER(lease),       BREAKER(reserved[0]),
    BREAKER(reserved[1]), RATE(per_sec),
    RATE(burst),          RATE(count),
    RATE(period),         RATE(max_wait),
    RATE(reserved[0]),    RATE(reserved[1]),
    BULKHEAD(limit),      BULKHEAD(queue),
    BULKHEAD(max_wait),   BULKHEAD(target),
    BULKHEAD(interval),   BULKHEAD(lifo),
    BULKHEAD(reserved),   TIMEOUT(total),
    TIMEOUT(each),        TIMEOUT(reserved[0]),
    TIMEOUT(reserved[1]), ADAPTIVE(law),
    ADAPTIVE(initial),    ADAPTIVE(min),
    ADAPTIVE(max),        ADAPTIVE(backoff),
    ADAPTIVE(tolerance),  ADAPTIVE(samples),
    ADAPTIVE(window),     ADAPTIVE(slow),
    ADAPTIVE(queue),      ADAPTIVE(max_wait),
    ADAPTIVE(reserved),   SHED(k_milli),
    SHED(max_percent),    SHED(cls),
    SHED(window),         SHED(reserved[0]),
    SHED(reserved[1]),    SHED(reserved[2]),
    SHED(reserved[3]),
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static const int64_t values[] = {0, 1, 2, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};

enum { VALUES = sizeof values / sizeof values[0] };

static struct weir_policy_layer base_of(uint32_t kind)
{
    struct weir_policy_layer l = {.kind = kind};

    if (kind == WEIR_LAYER_RATE)
        l.u.rate.per_sec = 1;
    if (kind == WEIR_LAYER_BULKHEAD)
        l.u.bulkhead.limit = 1;
    return l;
}

static struct weir_policy_layer with(const struct field *f, int64_t value)
{
    struct weir_policy_layer l = base_of(f->kind);
    uint32_t narrow = (uint32_t)value;

    if (f->size == 4)
        memcpy((char *)&l + f->at, &narrow, 4);
    else
        memcpy((char *)&l + f->at, &value, 8);
    return l;
}

/* Must it be refused, whatever the layer makes of the field?  1 yes, 0 no, -1 that is its own. */
static int must_fail(const struct field *f, int64_t value)
{
    int whole = value != 0 && (f->size == 8 || (uint32_t)value != 0);

    if (strncmp(f->name, "reserved", 8) == 0)
        return whole;
    if (strcmp(f->name, "max_wait") == 0 || strcmp(f->name, "retry_after_cap") == 0)
        return value < -1;
    if (f->size == 8 && value < 0)
        return 1;
    if ((strcmp(f->name, "grow") == 0 || strcmp(f->name, "jitter") == 0 ||
         strcmp(f->name, "mode") == 0 || strcmp(f->name, "law") == 0) &&
        f->size == 4 && (uint32_t)value > 1000)
        return 1;
    return -1;
}

/* A few calls, one after the other, long apart: nothing overflows, all end. */
static void use(weir_policy *p)
{
    weir_time now = T0;

    for (int i = 0; i < 6; i++) {
        struct weir_pass c;
        int64_t wait;
        int result = 0;

        weir_pass_begin(&c, p, now, WEIR_NEVER, NULL, NULL);
        for (int k = 0; k < 4 && (wait = weir_pass_enter(&c, now)) >= 0; k++) {
            struct weir_retry_outcome o = {.result = i % 2 ? -EIO : 0};
            if (wait == 0 && weir_pass_done(&c, weir_pass_attempt(&c), &o, now, &result) <= 0)
                break;
            now += WEIR_MS(70);
        }
        weir_pass_abandon(&c, now);
        now += WEIR_S(20000);
    }
}

/* "layer 1, retry: base, cap" has `cap`. */
static int names(const char *text, const char *field)
{
    const char *at = strstr(text, field);
    size_t n = strlen(field);

    for (; at; at = strstr(at + 1, field))
        if (at[-1] == ' ' && (at[n] == ',' || at[n] == '\0'))
            return 1;
    return 0;
}

static int tried(const struct field *f, int64_t value)
{
    struct weir_policy_layer l[2] = {base_of(WEIR_LAYER_TIMEOUT), with(f, value)};
    weir_policy *p = weir_policy_new(l, 2), *good;
    int r = weir_policy_error(p);
    char text[200];

    EQ(weir_policy_check(l, 2, text, sizeof text), r);
    if (r == 0) {
        STREQ(text, "");
        use(p);
    } else if (!strstr(text, "layer 1, ") || !strstr(text, f->of) || !names(text, f->name)) {
        FAIL("%s.%s = %lld: '%s'", f->of, f->name, (long long)value, text);
    }
    l[0] = base_of(f->kind);
    good = weir_policy_new(l, 1); /* a stack that has it otherwise takes it or leaves it alike */
    EQ(weir_policy_reconfigure(good, 0, &l[1], T0), r);
    use(good);
    weir_policy_free(&good);
    weir_policy_free(&p);
    return r;
}

TEST_WITH(P1_every_field_at_its_ends_is_refused_by_name_or_works, .timeout = 60)
{
    int refused = 0, taken = 0;

    for (int i = 0; i < FIELDS; i++)
        for (int v = 0; v < VALUES; v++) {
            int r = tried(&fields[i], values[v]), must = must_fail(&fields[i], values[v]);

            if (must >= 0 && (r < 0) != must)
                FAIL("%s.%s = %lld gave %d", fields[i].of, fields[i].name, (long long)values[v], r);
            refused += r < 0;
            taken += r == 0;
        }
    LT(150, refused);
    LT(150, taken);
}

/* The table above has each field that there is. */
TEST(P1_no_field_is_left_out)
{
    static const struct {
        uint32_t kind;
        size_t size, pointers;
    } kinds[] = {
        {WEIR_LAYER_RETRY, sizeof(struct weir_retry_opts), 5 * sizeof(void *)},
        {WEIR_LAYER_BREAKER, sizeof(struct weir_breaker_opts), 2 * sizeof(void *)},
        {WEIR_LAYER_RATE, sizeof(struct weir_rate_opts), 0},
        {WEIR_LAYER_BULKHEAD, sizeof(struct weir_bulkhead_opts), 0},
        {WEIR_LAYER_TIMEOUT, sizeof(struct weir_timeout_opts), 0},
        {WEIR_LAYER_ADAPTIVE, sizeof(struct weir_adaptive_opts), 0},
        {WEIR_LAYER_SHED, sizeof(struct weir_shed_opts), 0},
    };

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        size_t all = kinds[k].pointers;
        for (int i = 0; i < FIELDS; i++)
            all += fields[i].kind == kinds[k].kind ? fields[i].size : 0;
        LE(kinds[k].size, all + 7); /* and padding */
        LE(all, kinds[k].size);
    }
}

/* --- fields that contradict each other -------------------------------------------------- */

#define SAYS(text, ...) says(text, &(struct weir_policy_layer)__VA_ARGS__)

static void says(const char *text, const struct weir_policy_layer *layer)
{
    char got[200];
    weir_policy *p = weir_policy_new(layer, 1);

    EQ(weir_policy_error(p), -EINVAL);
    EQ(weir_policy_check(layer, 1, got, sizeof got), -EINVAL);
    STREQ(got, text);
}

TEST(P1_what_contradicts_itself_is_told_by_the_fields_that_do)
{
    SAYS("layer 0, retry: base, cap", WEIR_RETRY(.base = WEIR_S(5), .cap = WEIR_S(1)));
    SAYS("layer 0, breaker: open, open_max",
         WEIR_BREAKER(.open = WEIR_S(60), .open_max = WEIR_S(40)));
    SAYS("layer 0, breaker: failures, window", WEIR_BREAKER(.failures = 20, .window = 10));
    SAYS("layer 0, breaker: window, period", WEIR_BREAKER(.window = 10, .period = WEIR_S(1)));
    SAYS("layer 0, breaker: percent", WEIR_BREAKER(.percent = 50));
    SAYS("layer 0, adaptive: min, max", WEIR_ADAPTIVE(.min = 50, .max = 20));
    SAYS("layer 0, bulkhead: limit", WEIR_BULKHEAD(.queue = 5));
    SAYS("layer 0, bulkhead: interval", WEIR_BULKHEAD(.limit = 1, .interval = 5));
    SAYS("layer 0, kind", {.kind = WEIR_LAYER_NONE});
    SAYS("layer 0, kind", {.kind = UINT32_MAX});
    SAYS("layer 0, timeout: mode", {.kind = WEIR_LAYER_TIMEOUT, .mode = 3});
}

TEST(P1_the_first_layer_that_is_wrong_is_named_and_the_text_is_cut)
{
    struct weir_policy_layer l[3] = {WEIR_RETRY(), WEIR_SHED(.cls = 9), WEIR_BREAKER(.open = -1)};
    char text[64];

    EQ(weir_policy_check(l, 3, text, sizeof text), -EINVAL);
    STREQ(text, "layer 1, shed: cls");
    EQ(weir_policy_check(l, 3, NULL, 0), -EINVAL);
    for (size_t n = 1; n < 20; n++) {
        memset(text, 'x', sizeof text);
        EQ(weir_policy_check(l, 3, text, n), -EINVAL);
        EQ(strlen(text), n - 1 < 18 ? n - 1 : 18);
        EQ(text[n], 'x');
    }
    EQ(weir_policy_check(l, 1, text, sizeof text), 0);
    STREQ(text, "");
    EQ(weir_policy_check(NULL, 0, text, sizeof text), 0);
    EQ(weir_policy_check(NULL, 1, text, sizeof text), -EINVAL);
    STREQ(text, "no layers");
    EQ(weir_policy_check(l, WEIR_POLICY_LAYERS + 1, text, sizeof text), -EINVAL);
    STREQ(text, "too many layers");
}
