/*
 * par_map.c -- the one parallel operator.
 *
 * A feeder fiber pulls the source while there is room in the window; what
 * becomes of the jobs is par_job.c's.  All of them run whether or not anybody
 * pulls.
 */
#include <string.h>

#include "stream/par.h"

/* --- the feeder ----------------------------------------------------------------- */

static void par_item(struct weir__par *p, struct weir__par_job *j)
{
    int r;

    if (p->source_over) {
        weir__item_drop(&p->in, j->in);
        return;
    }
    r = weir__par_take(p, j);
    if (r < 0)
        weir__par_fail(p, r, p->opts.on_error == WEIR_PAR_DRAIN);
}

static int par_feed(struct weir__par *p)
{
    int r = 1;

    while (r > 0 && !p->source_over) {
        struct weir__par_job *j;

        if (weir__list_empty(&p->free)) {
            weir_event_clear(&p->room);
            r = weir_event_wait(&p->room, WEIR_NEVER) < 0 ? -ECANCELED : 1;
            continue;
        }
        j = WEIR__ENTRY(p->free.next, struct weir__par_job, link);
        r = (int)weir_pull(p->source, j->in, 1);
        if (r > 0)
            par_item(p, j);
    }
    return r;
}

static int par_feeder(void *arg)
{
    struct weir__par *p = arg;
    int r = par_feed(p);

    if (!p->failed && r < 0)
        p->end = weir__pen_told(&p->pen, r);
    p->source_over = true;
    weir__par_crews_retire(p);
    weir_event_set(&p->news);
    return 0;
}

static void par_deadline(struct weir__timer *t)
{
    weir__par_fail(WEIR__ENTRY(t, struct weir__par, deadline), -ETIMEDOUT, false);
}

static int par_start(struct weir__par *p)
{
    int r;

    if (p->started)
        return 0;
    p->deadline.fire = par_deadline;
    if (!p->locals)
        p->locals = weir__locals_join(weir__fiber_slot_get(WEIR__SLOT_LOCALS));
    if (p->opts.deadline) {
        weir_time at = p->opts.deadline > weir_now() ? p->opts.deadline : weir_now();

        r = weir__timer_arm(&p->deadline, at);
        if (r < 0)
            return r;
    }
    r = weir__par_crews_start(p);
    if (r == 0)
        r = weir__pen_go(&p->pen, par_feeder, p, "par_map");
    p->started = r == 0;
    return r;
}

/* --- pulling ---------------------------------------------------------------------- */

/* The next job whose result is due, or NULL. */
static struct weir__par_job *par_next(struct weir__par *p)
{
    struct weir__par_job *j;

    if (!p->by_seq)
        return weir__list_empty(&p->over) ? NULL
                                          : WEIR__ENTRY(p->over.next, struct weir__par_job, link);
    j = p->by_seq[p->next % p->opts.window];
    return j && j->seq == p->next && j->state == WEIR__JOB_OVER ? j : NULL;
}

static size_t par_give(struct weir__par *p, char *items, size_t max)
{
    struct weir__par_job *j;
    size_t k = 0;

    while (k < max && (j = par_next(p))) {
        if (j->emits)
            memcpy(items + k++ * p->out.size, j->out, p->out.size);
        p->next = j->seq + 1;
        weir__list_remove(&j->link);
        weir__par_job_free(p, j);
    }
    return k;
}

static bool par_quiet(const struct weir__par *p)
{
    return p->source_over && !p->workers && !p->away && weir__list_empty(&p->ready);
}

static ssize_t par_pull(void *self, void *items, size_t max)
{
    struct weir__par *p = self;
    int r = par_start(p);

    while (r == 0) {
        size_t k = par_give(p, items, max);

        if (k)
            return (ssize_t)k;
        if (p->failed && par_quiet(p))
            return p->failed;
        if (p->source_over && p->held == 0 && !p->failed)
            return p->end;
        weir_event_clear(&p->news);
        r = weir_event_wait(&p->news, WEIR_NEVER);
    }
    return r;
}

/* --- making and freeing ------------------------------------------------------------- */

static size_t par_stride(const struct weir__par *p)
{
    return ((p->in.size + 63) & ~63u) + ((p->out.size + 63) & ~63u);
}

static void par_free(struct weir__par *p)
{
    size_t n = p->opts.window;

    weir__free(p->jobs, n * sizeof *p->jobs);
    weir__free(p->by_seq, n * sizeof *p->by_seq);
    weir__free(p->runs, n * sizeof *p->runs);
    weir__places_free(p->items, n * par_stride(p));
    weir__table_free(&p->last);
    weir__par_crews_free(p);
    weir__locals_leave(p->locals);
    weir__free(p, sizeof *p);
}

static void par_close(void *self, int why)
{
    struct weir__par *p = self;

    (void)why;
    weir__timer_stop(&p->deadline);
    if (!p->failed)
        p->failed = -ECANCELED;
    p->source_over = true;
    weir__pen_cancel(&p->pen, -ECANCELED);
    weir__par_discard_idle(p);
    weir__pen_join(&p->pen);
    weir__par_jobs_settle(p);
    for (uint32_t i = 0; i < p->opts.window; i++)
        if (p->jobs[i].state == WEIR__JOB_OVER && p->jobs[i].emits)
            weir__item_drop(&p->out, p->jobs[i].out);
    weir_stream_close(&p->source);
    par_free(p);
}

static const struct weir_stream_ops par_ops = {sizeof(struct weir_stream_ops),
                                               WEIR_STREAM_RESUMABLE, par_pull, par_close};

static bool par_memory(struct weir__par *p)
{
    size_t n = p->opts.window;

    p->jobs = weir__alloc(n * sizeof *p->jobs);
    p->items = weir__places_new(n * par_stride(p));
    if (p->opts.ordered)
        p->by_seq = weir__alloc(n * sizeof *p->by_seq);
    if (p->opts.policy)
        p->runs = weir__alloc(n * sizeof *p->runs);
    return p->jobs && p->items && (p->by_seq || !p->opts.ordered) && (p->runs || !p->opts.policy);
}

static void par_job_init(struct weir__par *p, uint32_t i)
{
    struct weir__par_job *j = &p->jobs[i];

    j->in = p->items + i * par_stride(p);
    j->out = j->in + ((p->in.size + 63) & ~63u);
    j->run = p->runs ? &p->runs[i] : NULL;
    weir__par_job_init(j, p);
}

static int par_check(const struct weir_par_opts *o)
{
    if (!o || o->limit == 0 || o->ordered > 1 || o->offload > 1 ||
        (unsigned)o->on_error > WEIR_PAR_HANDLE)
        return -EINVAL;
    if ((o->window && o->window < o->limit) || o->window > 1 << 24 || o->limit > 1 << 22)
        return -EINVAL;
    if (o->on_error == WEIR_PAR_HANDLE && !o->on_fail)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    if (o->policy && weir_policy_error(o->policy) < 0)
        return weir_policy_error(o->policy);
    return weir__deadline_check(o->deadline);
}

static weir_stream *par_make(struct weir__par *p)
{
    weir_stream *s;

    weir__list_init(&p->free);
    weir__list_init(&p->ready);
    weir__list_init(&p->over);
    for (uint32_t i = 0; i < p->opts.window; i++)
        par_job_init(p, i);
    weir_event_init(&p->news);
    weir_event_init(&p->room);
    s = weir_stream_new(&par_ops, p, p->out);
    if (s->poison)
        return s;
    weir__pen_init(&p->pen);
    p->me = s;
    return s;
}

weir_stream *weir_par_map(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out,
                          const struct weir_par_opts *opts)
{
    weir_stream *made = NULL;
    struct weir__par *p;
    int r = weir__stream_check(s);

    if (r == 0)
        r = fn ? par_check(opts) : -EINVAL;
    if (r == 0)
        r = weir__type_check(&out);
    if (r < 0)
        return weir__stream_refuse(r, s, NULL);
    p = weir__alloc(sizeof *p);
    if (!p)
        return weir__stream_refuse(-ENOMEM, s, NULL);
    p->source = s;
    p->fn = fn;
    p->ctx = ctx;
    p->opts = *opts;
    p->opts.window = opts->window ? opts->window : 4 * opts->limit;
    p->in = s->type;
    p->out = out;
    if (par_memory(p))
        made = par_make(p);
    if (made && !made->poison)
        return made;
    par_free(p);
    return weir__stream_refuse(-ENOMEM, s, NULL);
}

int weir_par_set_limit(weir_stream *s, uint32_t limit)
{
    struct weir__par *p;
    int r = weir__stream_check(s);

    if (r < 0)
        return r;
    p = s->self;
    if (s->ops != &par_ops || s->closed || limit == 0 || limit > p->opts.window)
        return -EINVAL;
    if (!weir__stream_here(s))
        return -EXDEV;
    p->opts.limit = limit;
    if (p->started)
        weir__par_dispatch(p);
    return 0;
}
