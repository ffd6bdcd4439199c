/*
 * signals.c -- one signal, any number of streams.
 *
 * A signalfd gives a signal to one reader only.  So each stream has one, and
 * whichever reads a signal books it for all that want it, and rings their bells.
 * Everything that more than one loop sees is under the lock.
 *
 * The mask is that of one thread, the home: the loop's own, or with several
 * loops the first's, for the others block all signals anyhow.  A stream's `restore` holds
 * what it was the first there to block; who closes hands these on:
 *
 *     blocked at home = blocked before + restore of all open streams, no signal in two
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <weir/signal.h>

#include "core/group.h"
#include "io/io.h"
#include "stream/stream.h"

enum { SIGNALS_MOST = 64 };

struct signals {
    struct weir__letter mask, unmask; /* to the home, if that is another loop */
    struct signals *next;
    struct weir__loop *loop, *home;
    sigset_t set, restore;
    bool masked, closed;
    int bell;
    struct weir__watch watch; /* of the signalfd */
    uint32_t queued;
    uint8_t queue[SIGNALS_MOST]; /* numbers that have come, each once */
    struct weir_signal came[SIGNALS_MOST + 1];
};

static struct {
    pthread_mutex_t lock;
    struct signals *first;
} signals_all = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* --- the mask; on the home's thread, under the lock ----------------------- */

static void signals_block(struct signals *s)
{
    sigset_t before;

    pthread_sigmask(SIG_BLOCK, &s->set, &before);
    for (int k = 1; k <= SIGNALS_MOST; k++)
        if (sigismember(&s->set, k) == 1 && !sigismember(&before, k))
            sigaddset(&s->restore, k);
    s->masked = true;
}

/* Another open stream that wants it blocked, or NULL. */
static struct signals *signals_heir(const struct signals *s, int signal)
{
    for (struct signals *t = signals_all.first; t; t = t->next)
        if (t != s && t->home == s->home && t->masked && !t->closed && sigismember(&t->set, signal))
            return t;
    return NULL;
}

/* What came while the stream was open does not strike when it is closed. */
static void signals_let_go(const sigset_t *set)
{
    static const struct timespec now;

    while (sigtimedwait(set, NULL, &now) > 0 || errno == EINTR)
        ;
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

static void signals_unblock(const struct signals *s)
{
    sigset_t free_set;
    bool any = false;

    sigemptyset(&free_set);
    for (int k = 1; k <= SIGNALS_MOST; k++) {
        struct signals *heir;

        if (sigismember(&s->restore, k) != 1)
            continue;
        heir = signals_heir(s, k);
        any |= !heir;
        sigaddset(heir ? &heir->restore : &free_set, k);
    }
    if (any)
        signals_let_go(&free_set);
}

static void signals_mask(struct weir__letter *l)
{
    pthread_mutex_lock(&signals_all.lock);
    signals_block(WEIR__ENTRY(l, struct signals, mask));
    pthread_mutex_unlock(&signals_all.lock);
}

static void signals_unmask(struct weir__letter *l)
{
    struct signals *s = WEIR__ENTRY(l, struct signals, unmask), **link = &signals_all.first;

    pthread_mutex_lock(&signals_all.lock);
    signals_unblock(s);
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    pthread_mutex_unlock(&signals_all.lock);
    weir__free(s, sizeof *s);
}

/* Letters from one loop to another arrive in their order. */
static void signals_at_home(const struct signals *s, struct weir__letter *l,
                            void (*fn)(struct weir__letter *))
{
    *l = (struct weir__letter){.fn = fn, .counted = true};
    if (s->home == s->loop)
        fn(l);
    else
        weir__group_post(s->home, l);
}

/* --- coming in -------------------------------------------------------------- */

static void signals_book(struct signals *s, const struct signalfd_siginfo *info)
{
    int k = (int)info->ssi_signo;
    struct weir_signal *c = &s->came[k];
    uint64_t one = 1;

    if (!c->count)
        s->queue[s->queued++] = (uint8_t)k;
    *c = (struct weir_signal){k, c->count + (c->count < UINT32_MAX), info->ssi_code,
                              (int)info->ssi_pid, info->ssi_uid};
    if (write(s->bell, &one, sizeof one) < 0)
        return; /* it has been rung more often than can be counted */
}

static void signals_deliver(const struct signalfd_siginfo *info)
{
    pthread_mutex_lock(&signals_all.lock);
    for (struct signals *s = signals_all.first; s; s = s->next)
        if (!s->closed && sigismember(&s->set, (int)info->ssi_signo) == 1)
            signals_book(s, info);
    pthread_mutex_unlock(&signals_all.lock);
}

static void signals_come(struct weir__watch *w, int events)
{
    struct signalfd_siginfo info;

    (void)events;
    while (read(w->fd, &info, sizeof info) == sizeof info)
        signals_deliver(&info);
}

/* --- the stream ------------------------------------------------------------- */

static size_t signals_take(struct signals *s, struct weir_signal *out, size_t max)
{
    size_t n;

    pthread_mutex_lock(&signals_all.lock);
    n = s->queued < max ? s->queued : max;
    for (size_t i = 0; i < n; i++) {
        out[i] = s->came[s->queue[i]];
        s->came[s->queue[i]].count = 0;
    }
    s->queued -= (uint32_t)n;
    memmove(s->queue, s->queue + n, s->queued);
    pthread_mutex_unlock(&signals_all.lock);
    return n;
}

static void signals_fds_close(struct signals *s)
{
    int fd = s->watch.fd;

    weir__watch_del(&s->watch);
    if (fd >= 0)
        (void)close(fd);
    if (s->bell >= 0)
        weir_close(s->bell);
    s->bell = -1;
}

static int signals_fds_open(struct signals *s)
{
    int fd = weir__fault_point(WEIR__FAULT_SYSCALL)
                 ? (errno = EMFILE, -1)
                 : signalfd(-1, &s->set, SFD_NONBLOCK | SFD_CLOEXEC),
        r;

    if (fd < 0)
        return -errno;
    s->watch.fn = signals_come;
    r = weir__watch_set(&s->watch, fd, WEIR_FD_READ);
    if (r < 0) {
        close(fd);
        return r;
    }
    s->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return s->bell < 0 ? -errno : 0;
}

/* On the loop to which it belongs from here on: `loop` is set when all is there. */
static int signals_open(struct signals *s)
{
    struct weir__loop *l = weir__loop_get();
    int r = l ? signals_fds_open(s) : WEIR_ENOFIBER;

    if (r < 0) {
        signals_fds_close(s);
        return r;
    }
    s->loop = l;
    s->home = l->many ? l->group->loops[0] : l;
    pthread_mutex_lock(&signals_all.lock);
    s->next = signals_all.first;
    signals_all.first = s;
    pthread_mutex_unlock(&signals_all.lock);
    signals_at_home(s, &s->mask, signals_mask);
    return 0;
}

static ssize_t signals_pull(void *self, void *items, size_t max)
{
    struct signals *s = self;
    ssize_t r = s->loop ? 0 : signals_open(s);
    size_t n;

    while ((n = signals_take(s, items, max)) == 0 && r >= 0) {
        uint64_t rung;

        r = weir_read(s->bell, &rung, sizeof rung, WEIR_NEVER);
    }
    return n ? (ssize_t)n : r;
}

static void signals_close(void *self, int why)
{
    struct signals *s = self;

    (void)why;
    if (!s->loop) {
        weir__free(s, sizeof *s);
        return;
    }
    pthread_mutex_lock(&signals_all.lock);
    s->closed = true;
    signals_fds_close(s);
    pthread_mutex_unlock(&signals_all.lock);
    signals_at_home(s, &s->unmask, signals_unmask);
}

static const struct weir_stream_ops signals_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, signals_pull, signals_close};

int weir__signal_set(sigset_t *set, const int *signals)
{
    static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    sigemptyset(set);
    if (!signals || !*signals)
        return -EINVAL;
    for (const int *s = signals; *s; s++)
        if (*s > SIGNALS_MOST || sigaddset(set, *s) < 0)
            return -EINVAL;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (sigismember(set, never[i]))
            return -EINVAL;
    return 0;
}

weir_stream *weir_signals(const int *signals)
{
    struct signals *s;
    weir_stream *out;
    sigset_t set;
    int r = weir__signal_set(&set, signals);

    if (r < 0)
        return weir__stream_poison(r);
    s = weir__alloc(sizeof *s);
    if (!s)
        return weir__stream_poison(-ENOMEM);
    s->set = set;
    sigemptyset(&s->restore);
    s->bell = s->watch.fd = -1;
    out = weir_stream_new(&signals_ops, s, WEIR_TYPE(struct weir_signal));
    r = out->poison;
    if (r < 0)
        weir__free(s, sizeof *s);
    else if (weir__loop_get())
        r = signals_open(s);
    if (r == 0)
        return out;
    weir_stream_close(&out);
    return weir__stream_poison(r);
}
