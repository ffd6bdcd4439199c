/*
 * watchdog.c -- tells of a fiber that holds the loop, and of one whose stack
 * overflowed.  Both are asked for in weir_config; both only read.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"
#include "sys/pages.h"

/* --- the loop is held -------------------------------------------------- */

struct weir__watchdog {
    struct weir__loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool stopping;
};

/* The name may change while it is read: it is a hint, and ends in a zero whatever happens. */
static __attribute__((no_sanitize("thread"))) void watchdog_report(struct weir__loop *l)
{
    const struct weir__fiber *f = __atomic_load_n(&l->current, __ATOMIC_RELAXED);
    char name[16] = "?", site[WEIR__SITE_TEXT] = "?";

    if (f && f != &l->root) {
        memcpy(name, f->name, sizeof name - 1);
        (void)weir__site_text(site, f->site);
    }
    weir__log(l, WEIR_LOG_WARN, "fiber %s, started at %s, has held the loop for more than %lld ms",
              name[0] ? name : "-", site, (long long)(l->config.watchdog / 1000000));
}

/* One look a period: a turn that has not ended since the last look is too long. */
static void *watchdog_run(void *arg)
{
    struct weir__watchdog *w = arg;
    uint64_t before = UINT64_MAX, told = UINT64_MAX;

    pthread_mutex_lock(&w->lock);
    while (!w->stopping) {
        struct timespec t;
        uint64_t turns = __atomic_load_n(&w->loop->turns, __ATOMIC_RELAXED);
        bool idle = turns >> 63;

        if (!idle && turns == before && turns != told) {
            watchdog_report(w->loop);
            told = turns;
        }
        before = turns;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_nsec += w->loop->config.watchdog % 1000000000;
        t.tv_sec += w->loop->config.watchdog / 1000000000 + t.tv_nsec / 1000000000;
        t.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&w->stop, &w->lock, &t);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int weir__watchdog_start(struct weir__loop *l)
{
    struct weir__watchdog *w = weir__alloc(sizeof *w);
    pthread_condattr_t attr;
    int r;

    if (!w)
        return -ENOMEM;
    w->loop = l;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->stop, &attr);
    pthread_condattr_destroy(&attr);
    r = pthread_create(&w->thread, NULL, watchdog_run, w);
    if (r != 0) {
        pthread_mutex_destroy(&w->lock);
        pthread_cond_destroy(&w->stop);
        weir__free(w, sizeof *w);
        return -r;
    }
    l->watchdog = w;
    return 0;
}

void weir__watchdog_stop(struct weir__loop *l)
{
    struct weir__watchdog *w = l->watchdog;

    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->stop);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->stop);
    weir__free(w, sizeof *w);
    l->watchdog = NULL;
}

/* --- a stack overflowed ------------------------------------------------ */

enum { OVERFLOW_STACK = 64 << 10 };

static struct sigaction overflow_before;

static void overflow_handle(int sig, siginfo_t *info, void *context)
{
    struct weir__loop *l = weir__loop_get();
    const struct weir__fiber *f = l ? l->current : NULL;
    const char *at = info->si_addr;

    (void)sig;
    (void)context;
    if (f && f != &l->root && at >= f->stack - WEIR__PAGE && at < f->stack)
        weir__log(l, WEIR_LOG_ERROR, "fiber %s, started at %p: its stack of %zu bytes overflowed",
                  f->name[0] ? f->name : "-", f->site, f->stack_size);
    sigaction(SIGSEGV, &overflow_before, NULL); /* the fault repeats, and the program dies of it */
}

int weir__overflow_catch(struct weir__loop *l)
{
    struct sigaction a = {.sa_sigaction = overflow_handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t s = {.ss_size = OVERFLOW_STACK};

    s.ss_sp = weir__alloc(OVERFLOW_STACK);
    if (!s.ss_sp)
        return -ENOMEM;
    l->signal_stack = s.ss_sp;
    sigemptyset(&a.sa_mask);
    if (sigaltstack(&s, NULL) < 0 || sigaction(SIGSEGV, &a, &overflow_before) < 0)
        return -errno;
    return 0;
}

void weir__overflow_release(struct weir__loop *l)
{
    stack_t off = {.ss_flags = SS_DISABLE};

    if (!l->signal_stack)
        return;
    sigaction(SIGSEGV, &overflow_before, NULL);
    sigaltstack(&off, NULL);
    weir__free(l->signal_stack, OVERFLOW_STACK);
    l->signal_stack = NULL;
}
