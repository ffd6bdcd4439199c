/*
 * par_map.c -- the one parallel operator.
 *
 * A feeder fiber pulls the source while there is room in the window; up to
 * `limit` workers, fibers too, take jobs from the ready list and leave when it
 * is empty.  A job is READY, RUNNING, WAITING (for its policy: it holds a
 * timer, but no slot and no stack) or OVER (its result, or that it has none,
 * waits to be pulled):
 *
 *     held = ready + running + waiting + over  <=  window
 *
 * All of them run whether or not anybody pulls.
 */
#include <string.h>
#include <weir/sync.h>

#include "call/attempt.h"
#include "stream/stream.h"

enum job_state { JOB_FREE, JOB_READY, JOB_RUNNING, JOB_WAITING, JOB_OVER };

struct par_job {
    struct weir__list link; /* free, ready or over */
    struct par *par;
    uint64_t seq;
    uint8_t state;
    bool emits; /* over, with an item */
    struct weir__timer timer;
    struct weir__plan_run *run; /* NULL without a policy */
    char *in, *out;
};

struct par {
    struct weir__pen pen;
    weir_stream *source, *me;
    weir_fn *fn;
    void *ctx;
    struct weir_par_opts opts;
    struct weir_type in, out;
    struct par_job *jobs, **by_seq; /* by_seq: ordered only, at seq % window */
    char *items;
    struct weir__plan_run *runs;
    struct weir__list free, ready, over;
    uint32_t workers, held;
    uint64_t seq, next; /* of the next item in; of the next result out, if ordered */
    struct weir_event news, room;
    struct weir__timer deadline;
    int end, failed;
    bool started, source_over;
};

/* --- jobs ------------------------------------------------------------------ */

static void par_dispatch(struct par *p);

static void par_job_free(struct par *p, struct par_job *j)
{
    if (p->by_seq)
        p->by_seq[j->seq % p->opts.window] = NULL;
    j->state = JOB_FREE;
    weir__list_append(&p->free, &j->link);
    p->held--;
    weir_event_set(&p->room);
}

static void par_job_over(struct par *p, struct par_job *j, bool emits)
{
    j->state = JOB_OVER;
    j->emits = emits;
    weir__item_drop(&p->in, j->in);
    if (!emits && !p->by_seq)
        par_job_free(p, j);
    else if (!p->by_seq)
        weir__list_append(&p->over, &j->link);
    weir_event_set(&p->news);
}

/* An item that was taken and will never be done. */
static void par_job_discard(struct par *p, struct par_job *j)
{
    weir__timer_stop(&j->timer);
    if (j->run)
        weir__plan_abandon(p->opts.policy, j->run, weir_now());
    weir__list_remove(&j->link);
    if (p->opts.on_drop)
        p->opts.on_drop(p->ctx, j->in);
    else
        weir__item_drop(&p->in, j->in);
    p->me->dropped++;
    par_job_free(p, j);
}

static void par_discard_idle(struct par *p)
{
    for (uint32_t i = 0; i < p->opts.window; i++)
        if (p->jobs[i].state == JOB_READY || p->jobs[i].state == JOB_WAITING)
            par_job_discard(p, &p->jobs[i]);
}

/* The first failure ends the feeding; unless what runs may end, it is cancelled. */
static void par_fail(struct par *p, int code, bool drain)
{
    if (!p->failed)
        p->failed = code;
    p->source_over = true;
    par_discard_idle(p);
    if (!drain)
        weir__pen_cancel(&p->pen, code);
    weir_event_set(&p->room);
    weir_event_set(&p->news);
}

static void par_job_failed(struct par *p, struct par_job *j, int code)
{
    bool drain = p->opts.on_error == WEIR_PAR_DRAIN && code != -ECANCELED;
    int r = weir__pen_told(&p->pen, code);

    if (p->failed && code == -ECANCELED) { /* an echo of our own cancel */
        par_job_discard(p, j);
        return;
    }
    if (p->opts.on_error == WEIR_PAR_HANDLE && code != -ECANCELED)
        r = p->opts.on_fail(p->ctx, j->in, j->out, code);
    if (r >= 0) {
        par_job_over(p, j, r > 0);
        return;
    }
    weir__item_drop(&p->in, j->in);
    p->me->dropped++;
    weir__list_remove(&j->link);
    par_job_free(p, j);
    par_fail(p, r, drain);
}

static void par_job_end(struct par *p, struct par_job *j, int r)
{
    if (j->run)
        weir__plan_abandon(p->opts.policy, j->run, weir_now());
    if (r < 0)
        par_job_failed(p, j, r);
    else
        par_job_over(p, j, r > 0);
}

static void par_job_ready(struct par_job *j)
{
    if (j->state != JOB_WAITING)
        return;
    weir__timer_stop(&j->timer);
    j->state = JOB_READY;
    weir__list_append(&j->par->ready, &j->link);
    par_dispatch(j->par);
}

static void par_job_timer(struct weir__timer *t)
{
    par_job_ready(WEIR__ENTRY(t, struct par_job, timer));
}

/* Under the policy's lock: the rest is left to the timer, which fires in the next turn. */
static void par_job_wake(struct weir__plan_run *r)
{
    struct par_job *j = r->wake_ctx;

    if (j->state == JOB_WAITING)
        (void)weir__timer_arm(&j->timer, weir_now());
}

static void par_job_wait(struct par *p, struct par_job *j, int64_t wait)
{
    weir_time until = wait == WEIR__PLAN_PARK ? j->run->park_until : weir_after(wait);

    if (p->failed) {
        par_job_discard(p, j);
        return;
    }
    j->state = JOB_WAITING;
    if (weir__timer_arm(&j->timer, until) < 0)
        par_job_end(p, j, -ENOMEM);
}

/* --- workers ------------------------------------------------------------------ */

static int par_attempt(void *arg)
{
    struct par_job *j = arg;

    return j->par->fn(j->par->ctx, j->in, j->out);
}

static void par_job_run(struct par *p, struct par_job *j)
{
    int64_t wait;
    int r;

    j->state = JOB_RUNNING;
    weir__fiber_slot_set(WEIR__SLOT_JOB, j);
    if (!j->run) {
        par_job_end(p, j, par_attempt(j));
        return;
    }
    wait = weir__plan_admit(p->opts.policy, j->run, weir_now());
    if (wait == 0) {
        r = weir__attempt_run(j->run, par_attempt, j);
        wait = weir__plan_done(p->opts.policy, j->run, r, weir_now(), &r);
    } else {
        r = (int)wait;
    }
    if (wait > 0)
        par_job_wait(p, j, wait);
    else
        par_job_end(p, j, r);
}

static int par_worker(void *arg)
{
    struct par *p = arg;

    while (!weir__list_empty(&p->ready)) {
        struct par_job *j = WEIR__ENTRY(p->ready.next, struct par_job, link);

        weir__list_remove(&j->link);
        par_job_run(p, j);
    }
    p->workers--;
    weir_event_set(&p->news);
    return 0;
}

/* One more worker, if there is work and a slot.  Without memory those that are there must do. */
static void par_dispatch(struct par *p)
{
    int r;

    if (weir__list_empty(&p->ready) || p->workers >= p->opts.limit)
        return;
    r = weir__pen_go(&p->pen, par_worker, p, "job");
    if (r == 0)
        p->workers++;
    else if (p->workers == 0)
        par_fail(p, r, false);
}

/* --- the feeder ----------------------------------------------------------------- */

static void par_take(struct par *p, struct par_job *j)
{
    weir__list_remove(&j->link);
    j->seq = p->seq++;
    j->state = JOB_READY;
    if (p->by_seq)
        p->by_seq[j->seq % p->opts.window] = j;
    if (j->run) {
        weir__plan_begin(p->opts.policy, j->run, weir_now(),
                         p->opts.deadline ? p->opts.deadline : WEIR_NEVER);
        j->run->wake = par_job_wake;
        j->run->wake_ctx = j;
    }
    p->held++;
    weir__list_append(&p->ready, &j->link);
    par_dispatch(p);
}

static int par_feed(struct par *p)
{
    int r = 1;

    while (r > 0 && !p->source_over) {
        struct par_job *j;

        if (weir__list_empty(&p->free)) {
            weir_event_clear(&p->room);
            r = weir_event_wait(&p->room, WEIR_NEVER) < 0 ? -ECANCELED : 1;
            continue;
        }
        j = WEIR__ENTRY(p->free.next, struct par_job, link);
        r = (int)weir_pull(p->source, j->in, 1);
        if (r > 0 && !p->source_over)
            par_take(p, j);
        else if (r > 0)
            weir__item_drop(&p->in, j->in);
    }
    return r;
}

static int par_feeder(void *arg)
{
    struct par *p = arg;
    int r = par_feed(p);

    if (!p->failed && r < 0)
        p->end = weir__pen_told(&p->pen, r);
    p->source_over = true;
    weir_event_set(&p->news);
    return 0;
}

static void par_deadline(struct weir__timer *t)
{
    par_fail(WEIR__ENTRY(t, struct par, deadline), -ETIMEDOUT, false);
}

static int par_start(struct par *p)
{
    int r;

    if (p->started)
        return 0;
    p->deadline.fire = par_deadline;
    if (p->opts.deadline) {
        weir_time at = p->opts.deadline > weir_now() ? p->opts.deadline : weir_now();

        r = weir__timer_arm(&p->deadline, at);
        if (r < 0)
            return r;
    }
    r = weir__pen_go(&p->pen, par_feeder, p, "par_map");
    p->started = r == 0;
    return r;
}

/* --- pulling ---------------------------------------------------------------------- */

/* The next job whose result is due, or NULL. */
static struct par_job *par_next(struct par *p)
{
    struct par_job *j;

    if (!p->by_seq)
        return weir__list_empty(&p->over) ? NULL : WEIR__ENTRY(p->over.next, struct par_job, link);
    j = p->by_seq[p->next % p->opts.window];
    return j && j->seq == p->next && j->state == JOB_OVER ? j : NULL;
}

static size_t par_give(struct par *p, char *items, size_t max)
{
    struct par_job *j;
    size_t k = 0;

    while (k < max && (j = par_next(p))) {
        if (j->emits)
            memcpy(items + k++ * p->out.size, j->out, p->out.size);
        p->next = j->seq + 1;
        weir__list_remove(&j->link);
        par_job_free(p, j);
    }
    return k;
}

static bool par_quiet(const struct par *p)
{
    return p->source_over && !p->workers && weir__list_empty(&p->ready);
}

static ssize_t par_pull(void *self, void *items, size_t max)
{
    struct par *p = self;
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

static size_t par_stride(const struct par *p)
{
    return ((p->in.size + 63) & ~63u) + ((p->out.size + 63) & ~63u);
}

static void par_free(struct par *p)
{
    size_t n = p->opts.window;

    weir__free(p->jobs, n * sizeof *p->jobs);
    weir__free(p->by_seq, n * sizeof *p->by_seq);
    weir__free(p->runs, n * sizeof *p->runs);
    weir__places_free(p->items, n * par_stride(p));
    weir__free(p, sizeof *p);
}

static void par_close(void *self, int why)
{
    struct par *p = self;

    (void)why;
    weir__timer_stop(&p->deadline);
    if (!p->failed)
        p->failed = -ECANCELED;
    p->source_over = true;
    weir__pen_cancel(&p->pen, -ECANCELED);
    par_discard_idle(p);
    weir__pen_join(&p->pen);
    for (uint32_t i = 0; i < p->opts.window; i++)
        if (p->jobs[i].state == JOB_OVER && p->jobs[i].emits)
            weir__item_drop(&p->out, p->jobs[i].out);
    weir_stream_close(&p->source);
    par_free(p);
}

static const struct weir_stream_ops par_ops = {sizeof(struct weir_stream_ops),
                                               WEIR_STREAM_RESUMABLE, par_pull, par_close};

static bool par_memory(struct par *p)
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

static void par_job_init(struct par *p, uint32_t i)
{
    struct par_job *j = &p->jobs[i];

    j->par = p;
    j->timer.fire = par_job_timer;
    j->in = p->items + i * par_stride(p);
    j->out = j->in + ((p->in.size + 63) & ~63u);
    j->run = p->runs ? &p->runs[i] : NULL;
    weir__list_init(&j->link);
    weir__list_append(&p->free, &j->link);
}

static int par_check(const struct weir_par_opts *o)
{
    if (!o || o->limit == 0 || o->ordered > 1 || (unsigned)o->on_error > WEIR_PAR_HANDLE)
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

static weir_stream *par_make(struct par *p)
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
    struct par *p;
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

weir_stream *weir_buffered(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out,
                           uint32_t limit)
{
    struct weir_par_opts o = {.limit = limit, .ordered = 1};

    return weir_par_map(s, fn, ctx, out, &o);
}

weir_stream *weir_buffer_unordered(weir_stream *s, weir_fn *fn, void *ctx, struct weir_type out,
                                   uint32_t limit)
{
    struct weir_par_opts o = {.limit = limit};

    return weir_par_map(s, fn, ctx, out, &o);
}

static int par_skip_result(void *ctx, void *in, void *out)
{
    (void)ctx;
    (void)in;
    (void)out;
    return 1;
}

/* The jobs' results are of no use: an int each, never emitted. */
struct par_each {
    weir_fn *fn;
    void *ctx;
};

static int par_each_run(void *ctx, void *in, void *out)
{
    struct par_each *e = ctx;
    int r = e->fn(e->ctx, in, NULL);

    (void)out;
    return r < 0 ? r : 0;
}

int weir_for_each_concurrent(weir_stream **s, weir_fn *fn, void *ctx, uint32_t limit)
{
    struct par_each e = {fn, ctx};
    weir_stream *each;

    if (!s)
        return -EINVAL;
    each = weir_buffer_unordered(*s, fn ? par_each_run : NULL, &e, WEIR_TYPE(int), limit);
    *s = NULL;
    return weir_for_each(&each, par_skip_result, NULL);
}

uint64_t weir_job_seq(void)
{
    const struct par_job *j = weir__fiber_slot_get(WEIR__SLOT_JOB);

    return j ? j->seq : 0;
}
