/*
 * par_far.c -- jobs of weir_par_map on other loops.
 *
 * All that the operator keeps belongs to the loop of its stream, its home.  On
 * each other loop it has a crew: a foreman, who is a member of the operator's
 * pen, and workers in the foreman's scope.  A job goes there by letter, is the
 * crew's until the same letter brings it back, and everything that follows
 * from its result happens at home.
 *
 *     home                                  the other loop
 *     starts the foreman              ->    says that it is there
 *     sends a job, counts it          ->    a worker takes it, a new one if need be
 *     retry, result, failure          <-    attempt, and on_fail
 *     nothing will come any more      ->    the foreman leaves
 *
 * An inbox keeps the order, so a cancel, which is a letter too, comes after all jobs that were
 * sent before it; when the foreman is back all jobs are.
 */
#include "core/group.h"
#include "stream/par.h"

struct weir__par_crew {
    struct weir__par *par;
    struct weir__loop *loop;
    struct weir__letter here, leave;
    uint32_t running; /* home's: jobs that are there */
    bool up, left;    /* home's: the foreman has said so; it has been told to leave */
    /* of the other loop: */
    weir_scope *scope;
    struct weir__list jobs;
    uint32_t queued, starting; /* jobs nobody has taken; workers that have not looked yet */
    struct weir_event over;
};

/* --- on the other loop ------------------------------------------------------ */

static void crew_back(struct weir__letter *letter);

static void crew_return(struct weir__par_job *j)
{
    j->letter = (struct weir__letter){.fn = crew_back, .counted = true};
    weir__group_post(j->par->home, &j->letter);
}

static void crew_refuse(struct weir__par_job *j, int code)
{
    j->wait = 0;
    j->result = code;
    crew_return(j);
}

static struct weir__par_job *crew_take(struct weir__par_crew *c)
{
    struct weir__par_job *j = WEIR__ENTRY(c->jobs.next, struct weir__par_job, link);

    weir__list_remove(&j->link);
    c->queued--;
    return j;
}

static int crew_worker(void *arg)
{
    struct weir__par_crew *c = arg;

    c->starting--;
    while (c->queued) {
        struct weir__par_job *j = crew_take(c);

        if (weir_cancel_why()) {
            crew_refuse(j, -ECANCELED);
            continue;
        }
        weir__par_job_try(j);
        weir__par_job_handle(j);
        crew_return(j);
    }
    return 0;
}

/*
 * Without memory for another worker those that are there must do; without any the job
 * has failed.
 */
static void crew_arrives(struct weir__letter *letter)
{
    struct weir__par_job *j = WEIR__ENTRY(letter, struct weir__par_job, letter);
    struct weir__par_crew *c = j->crew;
    struct weir_go_opts opts = {.name = "job"};
    int r;

    weir__list_append(&c->jobs, &j->link);
    if (++c->queued <= c->starting)
        return;
    r = weir__scope_admit(c->scope, crew_worker, c, &opts, NULL);
    c->starting += r == 0;
    if (r < 0 && c->scope->running == 1) /* the foreman */
        crew_refuse(crew_take(c), r);
}

static int crew_foreman(void *arg)
{
    struct weir__par_crew *c = arg;

    c->scope = weir__self()->scope;
    weir__group_post(c->par->home, &c->here);
    (void)weir_event_wait(&c->over, WEIR_NEVER);
    return 0;
}

static void crew_may_leave(struct weir__letter *letter)
{
    weir_event_set(&WEIR__ENTRY(letter, struct weir__par_crew, leave)->over);
}

/* --- at home ------------------------------------------------------------------- */

static void crew_back(struct weir__letter *letter)
{
    struct weir__par_job *j = WEIR__ENTRY(letter, struct weir__par_job, letter);
    struct weir__par *p = j->par;

    j->crew->running--;
    p->away--;
    j->crew = NULL;
    weir__par_job_done(j);
    weir__par_dispatch(p);
    weir_event_set(&p->news);
}

static void crew_here(struct weir__letter *letter)
{
    struct weir__par_crew *c = WEIR__ENTRY(letter, struct weir__par_crew, here);

    c->up = true;
    weir__par_dispatch(c->par);
    weir__par_crews_retire(c->par);
}

/* The one with the least to do, unless there is less to do at home. */
static struct weir__par_crew *crew_choose(struct weir__par *p)
{
    struct weir__par_crew *best = NULL;
    uint32_t least = p->here + p->starting;

    for (uint32_t i = 0; i < p->crew_count; i++) {
        struct weir__par_crew *c = &p->crews[i];

        if (c->up && !c->left && c->running <= least && !(best && c->running == least)) {
            best = c;
            least = c->running;
        }
    }
    return best;
}

bool weir__par_crews_take(struct weir__par *p)
{
    struct weir__par_crew *c = p->crew_count && weir__pen_why(&p->pen) == 0 ? crew_choose(p) : NULL;
    struct weir__par_job *j;

    if (!c)
        return false;
    j = weir__par_job_begin(p);
    j->crew = c;
    c->running++;
    p->away++;
    j->letter = (struct weir__letter){.fn = crew_arrives, .counted = true};
    weir__group_post(c->loop, &j->letter);
    return true;
}

void weir__par_crews_retire(struct weir__par *p)
{
    if (!p->source_over || p->open || weir__pen_why(&p->pen) < 0)
        return;
    for (uint32_t i = 0; i < p->crew_count; i++) {
        struct weir__par_crew *c = &p->crews[i];

        if (!c->up || c->left)
            continue;
        c->left = true;
        weir__group_post(c->loop, &c->leave);
    }
}

static void crew_init(struct weir__par_crew *c, struct weir__par *p, struct weir__loop *loop)
{
    *c = (struct weir__par_crew){.par = p, .loop = loop};
    c->here = (struct weir__letter){.fn = crew_here, .counted = true};
    c->leave = (struct weir__letter){.fn = crew_may_leave, .counted = true};
    weir__list_init(&c->jobs);
    weir_event_init(&c->over);
}

/* A loop that cannot be had does no harm: the others do its work. */
int weir__par_crews_start(struct weir__par *p)
{
    struct weir_go_opts opts = {.name = "par_map"};
    struct weir__loop *l = weir__loop_get();
    uint32_t n = l && l->many ? l->group->count : 1;

    p->home = l;
    n = p->opts.loops < n ? p->opts.loops : n;
    if (n <= 1 || p->crews)
        return 0;
    p->crews = weir__alloc((n - 1) * sizeof *p->crews);
    if (!p->crews)
        return -ENOMEM;
    p->crew_count = n - 1;
    for (uint32_t i = 0; i < n - 1; i++) {
        crew_init(&p->crews[i], p, weir__group_beyond(l, (int)i + 1));
        (void)weir__pen_go_on(&p->pen, p->crews[i].loop, crew_foreman, &p->crews[i], &opts);
    }
    return 0;
}

void weir__par_crews_free(struct weir__par *p)
{
    weir__free(p->crews, p->crew_count * sizeof *p->crews);
}
