/*
 * par_job.c -- jobs of weir_par_map and the workers that run them.
 *
 * Up to `limit` workers, fibers, take jobs from the ready list and leave when
 * there is none that fits.  Jobs of one key stand in a chain: only its head is
 * ready, runs or waits for its policy, and the next follows when that is over.
 */
#include "core/group.h"
#include "stream/par.h"

/* --- jobs ------------------------------------------------------------------ */

static void par_job_make_ready(struct weir__par *p, struct weir__par_job *j)
{
    j->state = WEIR__JOB_READY;
    weir__list_append(&p->ready, &j->link);
    weir__par_dispatch(p);
}

void weir__par_job_free(struct weir__par *p, struct weir__par_job *j)
{
    if (p->by_seq)
        p->by_seq[j->seq % p->opts.window] = NULL;
    j->state = WEIR__JOB_FREE;
    weir__list_append(&p->free, &j->link);
    p->held--;
    weir_event_set(&p->room);
}

/* Who comes next of the same key may run; once the operator has failed they have been discarded. */
static void par_key_next(struct weir__par *p, struct weir__par_job *j)
{
    struct weir__par_job *next = j->after;

    if (!p->opts.key || p->failed)
        return;
    j->after = NULL;
    if (next)
        par_job_make_ready(p, next);
    else
        weir__table_remove(&p->last, j->key);
}

static void par_job_over(struct weir__par *p, struct weir__par_job *j, bool emits)
{
    j->state = WEIR__JOB_OVER;
    j->emits = emits;
    p->open--;
    weir__item_drop(&p->in, j->in);
    par_key_next(p, j);
    if (!emits && !p->by_seq)
        weir__par_job_free(p, j);
    else if (!p->by_seq)
        weir__list_append(&p->over, &j->link);
    weir__par_crews_retire(p);
    weir_event_set(&p->news);
}

/* An item that was taken and will never be done: the operator has failed, or is closed. */
static void par_job_discard(struct weir__par *p, struct weir__par_job *j)
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
    p->open--;
    weir__par_job_free(p, j);
}

void weir__par_discard_idle(struct weir__par *p)
{
    for (uint32_t i = 0; i < p->opts.window; i++) {
        uint8_t state = p->jobs[i].state;

        if (state == WEIR__JOB_QUEUED || state == WEIR__JOB_READY || state == WEIR__JOB_WAITING)
            par_job_discard(p, &p->jobs[i]);
    }
}

/* The first failure ends the feeding; unless what runs may end, it is cancelled. */
void weir__par_fail(struct weir__par *p, int code, bool drain)
{
    if (!p->failed)
        p->failed = code;
    p->source_over = true;
    weir__par_discard_idle(p);
    if (!drain)
        weir__pen_cancel(&p->pen, code);
    weir_event_set(&p->room);
    weir_event_set(&p->news);
}

static void par_job_failed(struct weir__par *p, struct weir__par_job *j, int code)
{
    bool drain = p->opts.on_error == WEIR_PAR_DRAIN && code != -ECANCELED;
    int r = weir__pen_told(&p->pen, code);

    if (p->failed && code == -ECANCELED && !j->handled) { /* an echo of our own cancel */
        par_job_discard(p, j);
        return;
    }
    if (!j->handled) {
        j->wait = 0;
        j->result = code;
        weir__par_job_handle(j);
    }
    if (j->handled)
        r = j->result;
    if (r >= 0) {
        par_job_over(p, j, r > 0);
        return;
    }
    weir__item_drop(&p->in, j->in);
    p->me->dropped++;
    weir__list_remove(&j->link);
    p->open--;
    weir__par_job_free(p, j);
    weir__par_fail(p, r, drain);
    weir__par_crews_retire(p);
}

static void par_job_end(struct weir__par *p, struct weir__par_job *j, int r)
{
    if (j->run)
        weir__plan_abandon(p->opts.policy, j->run, weir_now());
    if (r < 0)
        par_job_failed(p, j, r);
    else
        par_job_over(p, j, r > 0);
}

static void par_job_ready(struct weir__par_job *j)
{
    if (j->state != WEIR__JOB_WAITING)
        return;
    weir__timer_stop(&j->timer);
    par_job_make_ready(j->par, j);
}

static void par_job_timer(struct weir__timer *t)
{
    par_job_ready(WEIR__ENTRY(t, struct weir__par_job, timer));
}

/*
 * Under the policy's lock, and on any loop: the rest is left to a letter, or to the timer, which
 * fires in the next turn.  A job that is elsewhere has not been told to wait yet.
 */
static void par_job_wake(struct weir__plan_run *r)
{
    struct weir__par_job *j = r->wake_ctx;
    struct weir__loop *home = j->par->home;

    if (home->many && home != weir__loop_get()) {
        if (__atomic_exchange_n(&j->told, 1, __ATOMIC_ACQ_REL) == 0)
            weir__group_post(home, &j->rouse);
    } else if (j->state == WEIR__JOB_WAITING) {
        (void)weir__timer_arm(&j->timer, weir_now());
    } else {
        j->roused = true;
    }
}

/* The policy is asked again in any case, so one that is late or meant another wait does no harm. */
static void par_job_roused(struct weir__letter *letter)
{
    struct weir__par_job *j = WEIR__ENTRY(letter, struct weir__par_job, rouse);

    __atomic_store_n(&j->told, 0, __ATOMIC_RELEASE);
    if (j->state == WEIR__JOB_RUNNING)
        j->roused = true;
    par_job_ready(j);
}

void weir__par_jobs_settle(struct weir__par *p)
{
    for (uint32_t i = 0; i < p->opts.window; i++)
        while (__atomic_load_n(&p->jobs[i].told, __ATOMIC_ACQUIRE))
            (void)weir_yield();
}

static void par_job_wait(struct weir__par *p, struct weir__par_job *j, int64_t wait)
{
    weir_time until = wait == WEIR__PLAN_PARK ? j->run->park_until : weir_after(wait);

    if (p->failed) {
        par_job_discard(p, j);
        return;
    }
    if (j->roused) {
        j->roused = false;
        par_job_make_ready(p, j);
        return;
    }
    j->state = WEIR__JOB_WAITING;
    if (weir__timer_arm(&j->timer, until) < 0)
        par_job_end(p, j, -ENOMEM);
}

/* --- workers ------------------------------------------------------------------ */

static int par_attempt_here(void *arg)
{
    struct weir__par_job *j = arg;

    return j->par->fn(j->par->ctx, j->in, j->out);
}

static int par_attempt(void *arg)
{
    struct weir__par_job *j = arg;

    return WEIR__UNLIKELY(j->par->opts.offload) ? weir_offload(par_attempt_here, j)
                                                : par_attempt_here(j);
}

void weir__par_job_try(struct weir__par_job *j)
{
    weir_policy *policy = j->par->opts.policy;

    weir__fiber_slot_set(WEIR__SLOT_JOB, j);
    weir__locals_become(j->par->locals);
    j->wait = 0;
    if (!j->run) {
        j->result = par_attempt(j);
        return;
    }
    j->wait = weir__plan_admit(policy, j->run, weir_now());
    if (j->wait == 0) {
        j->result = weir__attempt_run(j->run, par_attempt, j);
        j->wait = weir__plan_done(policy, j->run, j->result, weir_now(), &j->result);
    } else if (j->wait < 0) {
        j->result = (int)j->wait;
        j->wait = 0;
    }
}

void weir__par_job_handle(struct weir__par_job *j)
{
    struct weir__par *p = j->par;

    if (p->opts.on_error != WEIR_PAR_HANDLE || j->wait || j->result >= 0 || j->result == -ECANCELED)
        return;
    j->result = p->opts.on_fail(p->ctx, j->in, j->out, j->result);
    j->handled = true;
}

void weir__par_job_done(struct weir__par_job *j)
{
    struct weir__par *p = j->par;
    uint64_t share = j->share;

    if (j->wait)
        par_job_wait(p, j, j->wait);
    else
        par_job_end(p, j, j->result);
    p->used -= share; /* last: who comes next of the same key takes this one's place */
}

/* What the job takes of the limit: one that is heavier than all of it takes all, and runs alone. */
static uint64_t par_job_share(const struct weir__par *p, const struct weir__par_job *j)
{
    return j->weight < p->opts.limit ? j->weight : p->opts.limit;
}

/* Jobs start in the order in which they became ready: a heavy one is not overtaken for ever. */
static bool par_may_run(const struct weir__par *p)
{
    const struct weir__par_job *j = WEIR__ENTRY(p->ready.next, struct weir__par_job, link);

    return !weir__list_empty(&p->ready) && p->used + par_job_share(p, j) <= p->opts.limit;
}

struct weir__par_job *weir__par_job_begin(struct weir__par *p)
{
    struct weir__par_job *j = WEIR__ENTRY(p->ready.next, struct weir__par_job, link);

    weir__list_remove(&j->link);
    j->share = par_job_share(p, j);
    j->state = WEIR__JOB_RUNNING;
    p->used += j->share;
    return j;
}

/* Whether there is one for this loop; other loops that have less to do are served first. */
static bool par_work_here(struct weir__par *p)
{
    while (par_may_run(p))
        if (!weir__par_crews_take(p))
            return true;
    return false;
}

static int par_worker(void *arg)
{
    struct weir__par *p = arg;

    p->starting = false;
    while (par_work_here(p)) {
        struct weir__par_job *j = weir__par_job_begin(p);

        p->here++;
        weir__par_dispatch(p);
        weir__par_job_try(j);
        p->here--;
        weir__par_job_done(j);
    }
    p->workers--;
    weir_event_set(&p->news);
    return 0;
}

/*
 * One at a time: a worker that finds work looks first whether another could,
 * too.  Without memory those that are there must do.
 */
void weir__par_dispatch(struct weir__par *p)
{
    int r;

    if (!par_work_here(p) || p->starting)
        return;
    r = weir__pen_go(&p->pen, par_worker, p, "job");
    if (r == 0) {
        p->workers++;
        p->starting = true;
    } else if (p->workers + p->away == 0) {
        weir__par_fail(p, r, false);
    }
}

/* --- taking ----------------------------------------------------------------------- */

/* 1 with the job's place among those of its key; 0 skip; negative. */
static int par_key_take(struct weir__par *p, struct weir__par_job *j)
{
    struct weir__par_job *last;
    int r;

    j->weight = p->opts.weight ? p->opts.weight(p->ctx, j->in) : 1;
    j->state = WEIR__JOB_READY;
    if (!p->opts.key)
        return 1;
    r = p->opts.key(p->ctx, j->in, &j->key);
    if (r <= 0)
        return r;
    last = weir__table_get(&p->last, j->key);
    r = weir__table_put(&p->last, j->key, j);
    if (r < 0)
        return r;
    if (last) {
        last->after = j;
        j->state = WEIR__JOB_QUEUED;
    }
    return 1;
}

int weir__par_take(struct weir__par *p, struct weir__par_job *j)
{
    int r = par_key_take(p, j);

    if (r <= 0) {
        j->state = WEIR__JOB_FREE;
        weir__item_drop(&p->in, j->in);
        p->me->dropped++;
        return r;
    }
    weir__list_remove(&j->link);
    j->seq = p->seq++;
    if (p->by_seq)
        p->by_seq[j->seq % p->opts.window] = j;
    if (j->run) {
        weir__plan_begin(p->opts.policy, j->run, weir_now(),
                         p->opts.deadline ? p->opts.deadline : WEIR_NEVER);
        j->run->wake = par_job_wake;
        j->run->wake_ctx = j;
    }
    p->held++;
    p->open++;
    j->handled = j->roused = false;
    if (j->state == WEIR__JOB_READY)
        par_job_make_ready(p, j);
    return 1;
}

/* --- making --------------------------------------------------------------------------- */

void weir__par_job_init(struct weir__par_job *j, struct weir__par *p)
{
    j->par = p;
    j->timer.fire = par_job_timer;
    j->rouse = (struct weir__letter){.fn = par_job_roused, .counted = true};
    weir__list_init(&j->link);
    weir__list_append(&p->free, &j->link);
}

uint64_t weir_job_seq(void)
{
    const struct weir__par_job *j = weir__fiber_slot_get(WEIR__SLOT_JOB);

    return j ? j->seq : 0;
}
