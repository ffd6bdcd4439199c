/*
 * process_spawn.c -- a child by posix_spawn(3), and which descriptors it gets.
 *
 * Whatever the child is to have as 0, 1 or 2 is first a close-on-exec descriptor
 * of ours above 2, so the three dup2 in the child cannot step on each other, and
 * only they get through the exec:
 *
 *     0, 1, 2 of the child = dup2 of three descriptors >= 3, each of them CLOEXEC
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

#include "io/io.h"
#include "io/process.h"

struct spawn {
    int child[3]; /* -1: as the output */
    int ours[3];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
};

static void spawn_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

/* The same descriptor above 2; the low one is closed.  Passes a failure on. */
static int spawn_raise(int fd)
{
    int high;

    if (fd < 0 || fd > 2)
        return fd < 0 ? -errno : fd;
    high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (high < 0)
        high = -errno;
    spawn_close(fd);
    return high;
}

static int spawn_null(void)
{
    return spawn_raise(weir__fault_point(WEIR__FAULT_SYSCALL)
                           ? (errno = EMFILE, -1)
                           : open("/dev/null", O_RDWR | O_CLOEXEC));
}

static int spawn_copy(int fd)
{
    int high = weir__fault_point(WEIR__FAULT_SYSCALL) ? (errno = EMFILE, -1)
                                                      : fcntl(fd, F_DUPFD_CLOEXEC, 3);

    return high < 0 ? -errno : high;
}

/* One of ours that happens to be number 0, 1 or 2 is not what a child should find there. */
static int spawn_inherit(int which)
{
    int flags = fcntl(which, F_GETFD);

    return flags < 0 || flags & FD_CLOEXEC ? spawn_null() : spawn_copy(which);
}

/* The child's end is blocking, as programs expect it; ours is not. */
static int spawn_pipe(struct spawn *s, int which)
{
    int ends[2], r;

    if (weir__fault_point(WEIR__FAULT_SYSCALL))
        return -EMFILE;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    ends[0] = spawn_raise(ends[0]);
    ends[1] = spawn_raise(ends[1]);
    s->child[which] = ends[which != 0];
    s->ours[which] = ends[which == 0];
    r = s->child[which] < 0 ? s->child[which] : s->ours[which] < 0 ? s->ours[which] : 0;
    if (r == 0 && fcntl(s->ours[which], F_SETFL, O_NONBLOCK) < 0)
        r = -errno;
    return r;
}

static int spawn_end(struct spawn *s, const struct weir_process_end *e, int which)
{
    int fd = -EINVAL;

    if (e->from == WEIR_FROM_PIPE)
        return spawn_pipe(s, which);
    if (e->from == WEIR_FROM_OUT)
        return which == 2 ? 0 : -EINVAL;
    if (e->from == WEIR_FROM_PARENT)
        fd = spawn_inherit(which);
    else if (e->from == WEIR_FROM_NULL)
        fd = spawn_null();
    else if (e->from == WEIR_FROM_FD)
        fd = e->fd < 0 ? -EBADF : spawn_copy(e->fd);
    s->child[which] = fd;
    return fd < 0 ? fd : 0;
}

/* What goes on in the child before the exec, in this order.  0 or an errno. */
static int spawn_actions(struct spawn *s, const char *cwd)
{
    int e = 0;

    for (int i = 0; i < 3 && e == 0; i++)
        e = posix_spawn_file_actions_adddup2(&s->actions, s->child[i] < 0 ? 1 : s->child[i], i);
    if (e == 0 && cwd)
        e = posix_spawn_file_actions_addchdir_np(&s->actions, cwd);
    return e;
}

/* No signal is blocked or, for SIGPIPE, ignored only because the program needs it so. */
static int spawn_attr(struct spawn *s, uint32_t flags)
{
    short set = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t signals;
    int e;

    sigemptyset(&signals);
    e = posix_spawnattr_setsigmask(&s->attr, &signals);
    sigaddset(&signals, SIGPIPE);
    if (e == 0)
        e = posix_spawnattr_setsigdefault(&s->attr, &signals);
    if (e == 0 && flags & WEIR_PROCESS_GROUP) {
        set |= POSIX_SPAWN_SETPGROUP;
        e = posix_spawnattr_setpgroup(&s->attr, 0);
    }
    return e ? e : posix_spawnattr_setflags(&s->attr, set);
}

static int spawn_run(struct spawn *s, const char *const *argv, const struct weir_process_opts *o,
                     pid_t *pid)
{
    int e = posix_spawn_file_actions_init(&s->actions);

    if (e != 0)
        return -e;
    e = posix_spawnattr_init(&s->attr);
    if (e == 0) {
        e = spawn_actions(s, o->cwd);
        if (e == 0)
            e = spawn_attr(s, o->flags);
        if (e == 0 && weir__fault_point(WEIR__FAULT_SYSCALL))
            e = EAGAIN;
        if (e == 0)
            e = posix_spawnp(pid, o->file ? o->file : argv[0], &s->actions, &s->attr,
                             (char *const *)(uintptr_t)argv,
                             o->env ? (char *const *)(uintptr_t)o->env : environ);
        posix_spawnattr_destroy(&s->attr);
    }
    posix_spawn_file_actions_destroy(&s->actions);
    return -e;
}

int weir__process_spawn(const char *const *argv, const struct weir_process_opts *o, pid_t *pid,
                        int ends[3])
{
    const struct weir_process_end *from[3] = {&o->in, &o->out, &o->err};
    struct spawn s = {.child = {-1, -1, -1}, .ours = {-1, -1, -1}};
    int r = 0;

    for (int i = 0; i < 3 && r == 0; i++)
        r = spawn_end(&s, from[i], i);
    if (r == 0)
        r = spawn_run(&s, argv, o, pid);
    for (int i = 0; i < 3; i++) {
        spawn_close(s.child[i]);
        if (r < 0)
            spawn_close(s.ours[i]);
        ends[i] = r < 0 || s.ours[i] < 0 ? -1 : s.ours[i];
    }
    return r;
}
