/*
 * recover.c -- restart, recover, finally: stages that see how their source
 * ended.  A result that is the puller's own business (its cancel, no fiber)
 * passes through all of them, and nothing is started, counted or told for it.
 */
#include <string.h>
#include <weir/recover.h>

#include "base/rand.h"
#include "stream/items.h"

/* --- restart ------------------------------------------------------------------- */

struct restart {
    struct weir__pen pen; /* runs nothing: it knows where we were built */
    weir_stream *source, *me;
    weir_restart_fn *make;
    void *ctx;
    struct weir_type type;
    struct weir_restart_opts opts;
    struct weir_retry rule;
    struct weir_retry_state state;
    struct weir_rng rng;
    struct weir_restart about;
    char *token;
    weir_time began, due; /* of this run; of the next, while waiting for it, else 0 */
    int failed;           /* to be told once what came before it has been */
};

/* The next source, or the failure that this run is. */
static int restart_open(struct restart *p)
{
    struct weir__nest nest;
    int r = weir__pen_why(&p->pen);

    if (r < 0)
        return r;
    if (!p->began)
        weir_retry_begin(&p->rule, &p->state, weir_now());
    p->began = weir_now();
    weir__nest_enter(&nest, &p->pen);
    p->source = p->make(p->ctx, &p->about);
    weir__nest_leave(&nest);
    return weir__built_check(&p->source, &p->type, &p->pen);
}

static void restart_count_anew(struct restart *p)
{
    p->state.failed = 0;
    p->state.backoff = (struct weir_backoff_state){0};
}

/*
 * This run ended with `code`: 0 if there is to be another, else the end.  The
 * rule is told of no deadline: the puller's is not the stream's, and a pull that
 * it cuts short goes on with the wait another time.
 */
static int restart_after(struct restart *p, int code)
{
    struct weir_retry_outcome out = {.result = code};
    struct weir_retry_event event = {.result = code, .cls = (uint32_t)weir_classify(code)};
    weir_time now = weir_now();
    int64_t wait;

    weir_stream_close(&p->source);
    if (p->opts.stable && now - p->began >= p->opts.stable)
        restart_count_anew(p);
    wait = weir_retry_next(&p->rule, &p->state, &out, now, WEIR_NEVER, &p->rng);
    if (wait == WEIR_RETRY_STOP)
        return code;
    event.attempt = p->state.failed;
    event.wait = wait;
    if (p->rule.opts.on_retry)
        p->rule.opts.on_retry(p->rule.opts.ctx, &event);
    p->about.run++;
    p->about.failed = code;
    p->due = weir_after(wait);
    return 0;
}

/* Where a source would have to go on if it failed now; k items of n passed. */
static ssize_t restart_given(struct restart *p, char *items, ssize_t n)
{
    ssize_t k = n;

    for (ssize_t i = 0; p->token && i < n; i++) {
        int r = p->opts.token(p->ctx, items + (size_t)i * p->type.size, p->token);

        if (r >= 0)
            continue;
        weir__items_drop(&p->type, items + (size_t)i * p->type.size, (size_t)(n - i));
        p->me->dropped += (uint64_t)(n - i);
        p->failed = r;
        k = i;
        break;
    }
    p->about.given += (uint64_t)k;
    if (p->opts.anew_on_item && k > 0)
        restart_count_anew(p);
    return k > 0 ? k : p->failed;
}

static int restart_wait(struct restart *p)
{
    int r = p->due ? weir_sleep(p->due) : 0;

    if (r == 0)
        p->due = 0;
    return r;
}

static ssize_t restart_pull(void *self, void *items, size_t max)
{
    struct restart *p = self;
    ssize_t r = p->failed;

    while (r == 0) {
        r = restart_wait(p);
        if (r < 0)
            return r;
        r = p->source ? 0 : restart_open(p);
        if (r == 0)
            r = weir_pull(p->source, items, max);
        if (r > 0)
            return restart_given(p, items, r);
        if (r == 0 || weir__pull_is_resumable(r))
            return r;
        r = restart_after(p, (int)r);
    }
    return r;
}

static void restart_close(void *self, int why)
{
    struct restart *p = self;

    (void)why;
    if (p->due)
        weir_retry_abandon(&p->rule, &p->state, weir_now());
    weir_stream_close(&p->source);
    weir__pen_join(&p->pen);
    if (p->token)
        weir__items_free(&p->opts.token_type, p->token, 1);
    weir__free(p, sizeof *p);
}

static const struct weir_stream_ops restart_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, restart_pull, restart_close};

static int restart_check(const struct restart *p)
{
    const struct weir_restart_opts *o = &p->opts;

    if (!p->make || weir__type_check(&p->type) < 0 || o->stable < 0 || o->anew_on_item > 1)
        return -EINVAL;
    if (o->reserved[0] || o->reserved[1] || o->reserved[2])
        return -EINVAL;
    if (o->token && (weir__type_check(&o->token_type) < 0 || o->token_type.drop))
        return -EINVAL;
    return 0;
}

weir_stream *weir_restart(weir_restart_fn *make, void *ctx, struct weir_type type,
                          const struct weir_restart_opts *opts)
{
    static const struct weir_restart_opts defaults;
    struct restart init = {.make = make, .ctx = ctx, .type = type, .opts = opts ? *opts : defaults};
    struct restart *p;
    int r = restart_check(&init);

    if (r == 0)
        r = weir_retry_init(&init.rule, &init.opts.retry);
    if (r < 0)
        return weir__stream_poison(r);
    p = weir__self_new(&init, sizeof init);
    if (!p)
        return weir__stream_poison(-ENOMEM);
    weir_rng_init(&p->rng, weir__seed_next(), 0);
    weir__pen_init(&p->pen);
    if (p->opts.token)
        p->token = weir__items_alloc(&p->opts.token_type, 1);
    p->about.token = p->token;
    return weir__self_stream(&restart_ops, p, type, p->token || !p->opts.token, &p->me);
}

/* --- recover ---------------------------------------------------------------------- */

struct recover {
    struct weir__pen pen; /* as above */
    weir_stream *source;
    uint32_t classes;
    weir_recover_fn *make;
    void *ctx;
    struct weir_type type;
    int code; /* of the first stream; `source` is the one to go on with, once it is made */
};

/* What to go on with: 0; or the failure that stands; or a cancel, and it is tried again. */
static int recover_open(struct recover *v)
{
    struct weir__nest nest;

    weir__nest_enter(&nest, &v->pen);
    v->source = v->make(v->ctx, v->code);
    weir__nest_leave(&nest);
    return v->source ? weir__built_check(&v->source, &v->type, &v->pen) : v->code;
}

static ssize_t recover_pull(void *self, void *items, size_t max)
{
    struct recover *v = self;
    ssize_t r = v->source ? weir_pull(v->source, items, max) : v->code;

    if (r >= 0 || weir__pull_is_resumable(r) || (v->code && v->source))
        return r;
    if (weir__pen_why(&v->pen) < 0 || !(v->classes & WEIR_CLASS_BIT(weir_classify((int)r))))
        return r;
    v->code = (int)r;
    weir_stream_close(&v->source);
    r = recover_open(v);
    return r < 0 ? r : weir_pull(v->source, items, max);
}

static void recover_close(void *self, int why)
{
    struct recover *v = self;

    (void)why;
    weir_stream_close(&v->source);
    weir__pen_join(&v->pen);
    weir__free(v, sizeof *v);
}

static const struct weir_stream_ops recover_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, recover_pull, recover_close};

weir_stream *weir_recover(weir_stream *s, uint32_t classes, weir_recover_fn *make, void *ctx)
{
    uint32_t known = WEIR_CLASS_BIT(WEIR_CLASS_REJECTED_LOCAL + 1) - 1;
    struct recover init = {.source = s, .classes = classes, .make = make, .ctx = ctx}, *v;
    int r = weir__stage_check(s, make && !(classes & ~known));

    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    if (classes == 0)
        init.classes = known & ~WEIR_CLASS_BIT(WEIR_CLASS_CANCELLED);
    init.type = s->type;
    v = weir__self_new(&init, sizeof init);
    if (!v)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    weir__pen_init(&v->pen);
    return weir__self_stream(&recover_ops, v, s->type, true, NULL);
}

/* --- finally ------------------------------------------------------------------------- */

struct finally {
    weir_stream *source;
    void (*fn)(void *ctx, int why);
    void *ctx;
};

static void finally_tell(struct finally *f, int why)
{
    void (*fn)(void *, int) = f->fn;

    weir_stream_close(&f->source);
    f->fn = NULL;
    if (fn)
        fn(f->ctx, why);
}

static ssize_t finally_pull(void *self, void *items, size_t max)
{
    struct finally *f = self;
    ssize_t r = weir_pull(f->source, items, max);

    if (r <= 0 && !weir__pull_is_resumable(r))
        finally_tell(f, (int)r);
    return r;
}

static void finally_close(void *self, int why)
{
    finally_tell(self, why);
    weir__free(self, sizeof(struct finally));
}

static const struct weir_stream_ops finally_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, finally_pull, finally_close};

static weir_stream *finally_refuse(struct finally *f, int code)
{
    finally_tell(f, code);
    return weir__stream_poison(code);
}

weir_stream *weir_finally(weir_stream *s, void (*fn)(void *ctx, int why), void *ctx)
{
    struct finally init = {s, fn, ctx}, *f;
    struct weir_type type = weir_stream_type(s);
    int r = weir__stage_check(s, fn);

    if (r < 0)
        return finally_refuse(&init, r);
    f = weir__self_new(&init, sizeof init);
    if (!f)
        return finally_refuse(&init, -ENOMEM);
    return weir__self_stream(&finally_ops, f, type, true, NULL);
}
