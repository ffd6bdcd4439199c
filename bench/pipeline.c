/*
 * pipeline.c -- example 15 of the guide: texts {"id": n}, parsed by cJSON,
 * written again as lines, whose lengths are summed; boundaries of 64, 32 and 16
 * between the steps.  _2t: the texts and the parsing are on another loop.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>
#include <weir.h>

#include "workloads.h"

/* Items are values: a short text needs no memory of its own. */
struct pipeline_text {
    uint32_t len;
    char bytes[60];
};

static void pipeline_json_drop(void *item)
{
    cJSON_Delete(*(cJSON **)item);
    *(cJSON **)item = NULL;
}

static struct weir_type pipeline_json_type(void)
{
    struct weir_type t = WEIR_TYPE(cJSON *);

    t.drop = pipeline_json_drop;
    return t;
}

/* --- a writer, as far as this text needs one -------------------------------------- */

struct pipeline_out {
    char *at, *end;
    bool full;
};

static void pipeline_put(struct pipeline_out *o, const char *bytes, size_t n)
{
    if ((size_t)(o->end - o->at) < n) {
        o->full = true;
        return;
    }
    memcpy(o->at, bytes, n);
    o->at += n;
}

static void pipeline_put_integer(struct pipeline_out *o, int64_t v)
{
    char digits[24], *p = digits + sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do
        *--p = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0)
        *--p = '-';
    pipeline_put(o, p, (size_t)(digits + sizeof digits - p));
}

/* Objects of integers; anything else is refused. */
static void pipeline_put_object(struct pipeline_out *o, const cJSON *object)
{
    pipeline_put(o, "{", 1);
    for (const cJSON *i = object->child; i; i = i->next) {
        o->full = o->full || !cJSON_IsNumber(i) || strpbrk(i->string, "\"\\");
        pipeline_put(o, "\"", 1);
        pipeline_put(o, i->string, strlen(i->string));
        pipeline_put(o, "\":", 2);
        pipeline_put_integer(o, (int64_t)i->valuedouble);
        if (i->next)
            pipeline_put(o, ",", 1);
    }
    pipeline_put(o, "}", 1);
}

/* --- the steps ------------------------------------------------------------------------ */

struct pipeline_source {
    int64_t next, end;
};

static int pipeline_make(void *ctx, void *in, void *out)
{
    struct pipeline_source *s = ctx;
    struct pipeline_text *t = out;
    struct pipeline_out o;

    (void)in;
    if (s->next == s->end)
        return 0;
    o = (struct pipeline_out){t->bytes, t->bytes + sizeof t->bytes, false};
    pipeline_put(&o, "{\"id\": ", 7);
    pipeline_put_integer(&o, s->next++);
    pipeline_put(&o, "}", 1);
    t->len = (uint32_t)(o.at - t->bytes);
    return 1;
}

static int pipeline_parse(void *ctx, void *in, void *out)
{
    struct pipeline_text *t = in;

    (void)ctx;
    *(cJSON **)out = cJSON_ParseWithLength(t->bytes, t->len);
    return *(cJSON **)out ? 1 : 0;
}

static int pipeline_show(void *ctx, void *in, void *out)
{
    struct pipeline_text *t = out;
    struct pipeline_out o;

    (void)ctx;
    o = (struct pipeline_out){t->bytes, t->bytes + sizeof t->bytes, false};
    pipeline_put(&o, "Processed: ", 11);
    pipeline_put_object(&o, *(cJSON **)in);
    t->len = (uint32_t)(o.at - t->bytes);
    return o.full ? -EINVAL : 1;
}

struct pipeline_sum {
    long lines;
    size_t bytes;
};

static int pipeline_add(void *ctx, void *in, void *acc)
{
    struct pipeline_sum *sum = acc;

    (void)ctx;
    sum->lines++;
    sum->bytes += ((struct pipeline_text *)in)->len;
    return 1;
}

static long pipeline_fold(long n)
{
    struct pipeline_source source = {0, n};
    struct pipeline_sum sum = {0, 0};
    weir_stream *s = weir_unfold(pipeline_make, &source, WEIR_TYPE(struct pipeline_text));

    s = weir_stage(s, &(struct weir_stage_opts){.capacity = 64});
    s = weir_map(s, pipeline_parse, NULL, pipeline_json_type());
    s = weir_stage(s, &(struct weir_stage_opts){.capacity = 32, .loop = 1});
    s = weir_map(s, pipeline_show, NULL, WEIR_TYPE(struct pipeline_text));
    s = weir_stage(s, &(struct weir_stage_opts){.capacity = 16});
    bench_check(weir_fold(&s, pipeline_add, NULL, &sum) == 0, "the pipeline failed");
    bench_check(sum.lines == n && sum.bytes > 19 * (size_t)n, "lost lines");
    return n;
}

const struct bench_case pipeline_cases[] = {
    {"pipeline3_fold_1t", 7, 1000000, pipeline_fold},
    {"pipeline3_fold_2t", 7, 1000000, pipeline_fold, 2},
    {0},
};
