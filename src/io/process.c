/*
 * process.c -- a child that is kept: by a fiber of its own, which waits for it,
 * ends it when its pen is cancelled, and reaps it.
 *
 *     open -> running -> over        `over` comes once, in process_settle, and means reaped
 *
 * The number is used for signals only while the child has not been reaped, so it
 * cannot be another's by then.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <weir/sync.h>

#include "io/io.h"
#include "io/process.h"
#include "stream/stream.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum {
    PROCESS_FLAGS = WEIR_PROCESS_GROUP | WEIR_PROCESS_KILL,
    PROCESS_ERRNOS = 134,
    PROCESS_SIGNALS = 64
};

struct weir_process {
    int poison;
    pid_t pid; /* 0 until there is one */
    int pidfd; /* -1 once it is over */
    int ends[3];
    uint32_t flags;
    weir_span grace;
    struct weir__loop *loop;
    struct weir__pen pen;
    struct weir_event ended;
    bool over, ending;
    int lost; /* why nobody knows how it ended */
    int sent; /* signals that its end took */
    struct weir_exit exit;
};

/* --- poison ------------------------------------------------------------- */

static weir_process process_poisons[PROCESS_ERRNOS + 1]; /* the last: WEIR_ENOFIBER */

static weir_process *process_poison(int code)
{
    bool known = code < 0 && code > -PROCESS_ERRNOS;
    weir_process *p = &process_poisons[known ? -code : PROCESS_ERRNOS];

    __atomic_store_n(&p->poison, known ? code : WEIR_ENOFIBER, __ATOMIC_RELAXED);
    return p;
}

int weir_process_error(const weir_process *p)
{
    return p ? p->poison : -EINVAL;
}

static int process_check(const weir_process *p)
{
    int r = weir_process_error(p);

    return r < 0 ? r : p->loop == weir__loop_get() ? 0 : -EXDEV;
}

/* --- the end ------------------------------------------------------------ */

static void process_over(weir_process *p)
{
    p->over = true;
    weir_close(p->pidfd);
    p->pidfd = -1;
    weir_event_set(&p->ended);
}

/* Reaps it if it has ended: whether it is over. */
static bool process_settle(weir_process *p, int flags)
{
    siginfo_t info = {0};
    int r;

    if (p->over)
        return true;
    while ((r = waitid((idtype_t)P_PIDFD, (id_t)p->pidfd, &info, WEXITED | flags)) < 0 &&
           errno == EINTR)
        ;
    if (r == 0 && info.si_pid == 0)
        return false;
    if (r < 0)
        p->lost = -errno; /* somebody else has waited for it, or nobody may */
    else if (info.si_code == CLD_EXITED)
        p->exit.code = info.si_status;
    else
        p->exit.signal = info.si_status;
    process_over(p);
    return true;
}

/* The same, unless the keeper is ending it: then the number has to stay as it is. */
static bool process_look(weir_process *p)
{
    return p->over || (!p->ending && process_settle(p, WNOHANG));
}

/* Whether it has ended; it is left unreaped, so its number and its group's stay its own. */
static bool process_dead(const weir_process *p)
{
    siginfo_t info = {0};

    return p->over ||
           waitid((idtype_t)P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
           info.si_pid != 0;
}

/* 0 when it has ended, or negative. */
static int process_await(weir_process *p)
{
    int r = 0;

    while (r >= 0 && !process_dead(p))
        r = weir_fd_wait(p->pidfd, WEIR_FD_READ, WEIR_NEVER);
    return process_dead(p) ? 0 : r;
}

static int process_send(const weir_process *p, int signal)
{
    long r;

    if (p->flags & WEIR_PROCESS_GROUP)
        r = kill(-p->pid, signal);
    else
        r = syscall(SYS_pidfd_send_signal, p->pidfd, signal, NULL, 0);
    return r < 0 ? -errno : 0;
}

/* 0 when it ends within the span after the signal. */
static int process_urge(weir_process *p, int signal, weir_span span)
{
    struct weir_limit shield;
    int r;

    (void)process_send(p, signal);
    p->sent++;
    r = weir_shield_init(&shield, span);
    if (r == 0)
        r = process_await(p);
    return weir_limit_fini(&shield, r);
}

/*
 * In a cancelled fiber.  A leader may end before its group: so the group is killed
 * before the leader is reaped, while the number is still theirs.
 */
static void process_end(weir_process *p)
{
    enum { PATIENCE = 10 /* seconds for the system to take down what was killed */ };
    int r = -ETIMEDOUT;

    if (process_dead(p))
        return;
    p->ending = true;
    if (!(p->flags & WEIR_PROCESS_KILL))
        r = process_urge(p, SIGTERM, p->grace);
    if (r < 0)
        r = process_urge(p, SIGKILL, WEIR_S(PATIENCE));
    else if (p->flags & WEIR_PROCESS_GROUP)
        (void)process_send(p, SIGKILL);
    if (r < 0)
        (void)process_settle(p, 0); /* stands still: a fiber could not wait for it */
}

/* The fiber that keeps it. */
static int process_keep(void *arg)
{
    weir_process *p = arg;

    if (!p->pid)
        return 0; /* it was never born */
    if (process_await(p) < 0)
        process_end(p);
    (void)process_settle(p, WNOHANG);
    return 0;
}

/* --- opening ------------------------------------------------------------ */

static int process_opts_check(const struct weir_process_opts *o)
{
    if (o->flags & ~(uint32_t)PROCESS_FLAGS || o->grace < 0 || o->grace > WEIR_EPOCH)
        return -EINVAL;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++)
        if (o->reserved[i])
            return -EINVAL;
    return o->file && !*o->file ? -ENOENT : 0;
}

static void process_ends_close(weir_process *p)
{
    for (int i = 0; i < 3; i++)
        (void)weir_process_shut(p, i);
}

/* It has just been made, and cannot be kept. */
static void process_undo(weir_process *p)
{
    if (!p->pid)
        return;
    (void)kill(p->flags & WEIR_PROCESS_GROUP ? -p->pid : p->pid, SIGKILL);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (p->pidfd >= 0)
        weir_close(p->pidfd);
    p->pid = 0;
}

static int process_pidfd(weir_process *p)
{
    int r;

    if (weir__fault_point(WEIR__FAULT_SYSCALL))
        return -EMFILE;
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0); /* always close-on-exec */
    if (p->pidfd < 0 && errno == ESRCH) { /* it has ended, and an ignored SIGCHLD reaped it */
        p->lost = -ECHILD;
        process_over(p);
        return 0;
    }
    if (p->pidfd < 0)
        return -errno;
    r = weir_fd_wait(p->pidfd, WEIR_FD_READ, 0); /* what a wait needs is there from here on */
    return r == -EAGAIN || r > 0 ? 0 : r;
}

/* Nothing in here parks, so the keeper has not run before there is what to keep. */
static int process_start(weir_process *p, const char *const *argv,
                         const struct weir_process_opts *o)
{
    int r = weir__pen_init(&p->pen);

    if (r == 0)
        r = weir__pen_go(&p->pen, process_keep, p, "process");
    if (r == 0)
        r = weir__process_spawn(argv, o, &p->pid, p->ends);
    if (r == 0)
        r = process_pidfd(p);
    if (r < 0)
        process_undo(p);
    return r;
}

static void process_free(weir_process *p)
{
    process_ends_close(p);
    weir__pen_cancel(&p->pen, -ECANCELED);
    weir__pen_join(&p->pen);
    weir__free(p, sizeof *p);
}

weir_process *weir_process_open(const char *const *argv, const struct weir_process_opts *opts)
{
    static const struct weir_process_opts none;
    const struct weir_process_opts *o = opts ? opts : &none;
    int r = argv && argv[0] ? process_opts_check(o) : -EINVAL;
    weir_process *p;

    if (r == 0)
        r = weir__io_begin(0);
    if (r < 0)
        return process_poison(r);
    p = weir__alloc(sizeof *p);
    if (!p)
        return process_poison(-ENOMEM);
    p->pidfd = p->ends[0] = p->ends[1] = p->ends[2] = -1;
    p->flags = o->flags;
    p->grace = o->grace ? o->grace : WEIR_S(2);
    p->loop = weir__loop_get();
    weir_event_init(&p->ended);
    r = process_start(p, argv, o);
    if (r == 0)
        return p;
    process_free(p);
    return process_poison(r);
}

/* --- using -------------------------------------------------------------- */

static int process_told(const weir_process *p, struct weir_exit *out)
{
    if (p->lost < 0)
        return p->lost;
    if (out)
        *out = p->exit;
    return 0;
}

int weir_process_wait(weir_process *p, struct weir_exit *out, weir_time deadline)
{
    int r = process_check(p);

    if (r == 0)
        r = weir__io_begin(deadline);
    if (r < 0)
        return r;
    if (!process_look(p))
        r = weir_event_wait(&p->ended, deadline);
    return r < 0 ? r : process_told(p, out);
}

int weir_process_signal(weir_process *p, int signal)
{
    int r = process_check(p);

    if (r < 0)
        return r;
    if (signal < 0 || signal > PROCESS_SIGNALS)
        return -EINVAL;
    return process_look(p) ? -ESRCH : process_send(p, signal);
}

int weir_process_stop(weir_process *p, struct weir_exit *out)
{
    int r = process_check(p);

    if (r < 0)
        return r;
    weir__pen_cancel(&p->pen, -ECANCELED);
    return weir_process_wait(p, out, WEIR_NEVER);
}

int weir_process_pid(const weir_process *p)
{
    int r = weir_process_error(p);

    return r < 0 ? r : p->pid;
}

int weir_process_fd(const weir_process *p, int which)
{
    int r = process_check(p);

    if (r < 0)
        return r;
    return which < 0 || which > 2 || p->ends[which] < 0 ? -EBADF : p->ends[which];
}

int weir_process_take(weir_process *p, int which)
{
    int fd = weir_process_fd(p, which);

    if (fd >= 0)
        p->ends[which] = -1;
    return fd;
}

int weir_process_shut(weir_process *p, int which)
{
    int fd = weir_process_take(p, which);

    return fd < 0 ? fd : weir_close(fd);
}

int weir_process_close(weir_process **pp)
{
    weir_process *p = pp ? *pp : NULL;
    int r;

    if (!p || p->poison) {
        if (pp)
            *pp = NULL;
        return 0;
    }
    if (p->loop != weir__loop_get() || !weir__self())
        return -EXDEV;
    *pp = NULL;
    process_ends_close(p);
    (void)process_look(p); /* one that has ended by itself needs no signal */
    weir__pen_cancel(&p->pen, -ECANCELED);
    weir__pen_join(&p->pen);
    r = p->sent;
    weir__free(p, sizeof *p);
    return r;
}
