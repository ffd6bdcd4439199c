/*
 * 15-pipeline.c -- three stages with bounded queues between them (the guide's
 * code example 15).
 *
 * weir_stage puts a queue and a fiber between two stages; a full queue makes
 * the stage before it wait.  There is no way for a stage to vanish: its failure
 * comes out at the end, after what was done before it.  What cannot be parsed
 * goes to the dead letters instead.
 */
#include <errno.h>
#include <stdio.h>
#include <weir.h>

enum { MESSAGES = 100 };

struct raw {
    char text[32];
};

struct result {
    char text[32];
};

struct pipeline {
    int next;           /* of the source */
    int fails_at;       /* an id that the last stage cannot process; -1: none */
    weir_chan *letters; /* what did not parse, kept for somebody to look at */
};

static int get(void *ctx, void *in, void *out)
{
    struct pipeline *p = ctx;
    struct raw *raw = out;

    (void)in;
    if (p->next == MESSAGES)
        return 0;
    if (p->next % 25 == 7)
        snprintf(raw->text, sizeof raw->text, "{\"id\": oops %d}", p->next);
    else
        snprintf(raw->text, sizeof raw->text, "{\"id\": %d}", p->next);
    p->next++;
    return 1;
}

static int parse(void *ctx, void *in, void *out)
{
    struct pipeline *p = ctx;
    int r;

    if (sscanf(((struct raw *)in)->text, "{\"id\": %d}", (int *)out) == 1)
        return 1;
    r = weir_send(p->letters, (struct raw *)in, 0); /* never waits: the oldest makes room */
    return r < 0 ? r : 0;
}

static int transform(void *ctx, void *in, void *out)
{
    struct pipeline *p = ctx;

    if (*(int *)in == p->fails_at)
        return -EIO;
    snprintf(((struct result *)out)->text, sizeof(struct result), "processed: %d", *(int *)in);
    return 1;
}

static weir_stream *queue(weir_stream *s, const char *name, size_t capacity)
{
    return weir_stage(s, &(struct weir_stage_opts){.name = name, .capacity = capacity});
}

static int run(int fails_at)
{
    struct pipeline p = {
        .fails_at = fails_at,
        .letters =
            weir_chan_with(WEIR_TYPE(struct raw),
                           &(struct weir_chan_opts){.capacity = 16, .overflow = WEIR_DROP_OLDEST})};
    weir_stream *s = weir_unfold(get, &p, WEIR_TYPE(struct raw));
    struct result last = {""}, result;
    struct raw raw;
    int n = 0, r;

    s = queue(s, "raw", 64);
    s = queue(weir_filter_map(s, parse, &p, WEIR_TYPE(int)), "parsed", 32);
    s = queue(weir_map(s, transform, &p, WEIR_TYPE(struct result)), "results", 16);
    while ((r = weir_next(s, &result)) > 0) {
        last = result;
        n++;
    }
    weir_stream_close(&s);
    printf("%d results, the last is \"%s\": %s\n", n, last.text, weir_strerror(r));
    while (r == 0 && weir_recv(p.letters, &raw, 0) > 0)
        printf("  a dead letter: %s\n", raw.text);
    weir_chan_free(&p.letters);
    return r;
}

static int app(void *arg)
{
    int r = run(-1);

    (void)arg;
    if (r < 0)
        return r;
    return run(42) == -EIO ? 0 : -EINVAL; /* a failure in the last stage is heard of */
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "pipeline: %s\n", weir_strerror(r));
    return r < 0;
}
