/*
 * poller.c -- descriptors on epoll.
 *
 * A descriptor is registered once, edge-triggered, for both directions, at its
 * first wait; after that a wait costs no system call.  An edge that finds no
 * waiter is remembered in `ready` and used up by the next wait.  A watch (code
 * on the loop's stack) is level-triggered instead, and asks for what it wants.
 *
 * A close takes a descriptor out of every epoll, and its number may come back
 * at once: a loop other than the one that closed it hears of it by a counter,
 * which the entry has to agree with, and asks epoll if it does not.
 */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <weir/io.h>

#include "core/core.h"
#include "core/inbox.h"
#include "core/select.h"
#include "sys/clock.h"

enum { POLLER_BATCH = 64, POLLER_INBOX = -1, POLLER_ALARM = -2, POLLER_CLOSINGS = 1024 };

/* Closes by any loop; descriptors that share a counter ask once too often. */
static uint32_t poller_closings[POLLER_CLOSINGS];

struct poller_fd {
    struct weir__waiter *reader, *writer;
    struct weir__watch *watch;
    uint8_t ready;     /* edges nobody has used yet */
    uint8_t armed;     /* what a watch is registered for */
    bool known;        /* registered with epoll */
    uint32_t closings; /* of its counter, when that was last sure */
};

struct weir__poller {
    int epoll;
    int alarm;       /* a timerfd for a host, who does not know our timers; -1: none */
    weir_time rings; /* when it is set to ring; 0: it is not; -1: it rings now */
    struct poller_fd *fds;
    size_t count;   /* of the table */
    size_t pending; /* waiters and watches with events */
};

static int poller_open(struct weir__loop *l)
{
    struct weir__poller *p;

    if (l->poller)
        return 0;
    p = weir__alloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    p->alarm = -1;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll < 0) {
        int r = -errno;

        weir__free(p, sizeof *p);
        return r;
    }
    l->poller = p;
    return 0;
}

static int poller_grow(struct weir__poller *p, int fd)
{
    size_t count = p->count ? p->count : 64;
    struct poller_fd *fds;

    while (count <= (size_t)fd)
        count *= 2;
    fds = weir__realloc(p->fds, p->count * sizeof *fds, count * sizeof *fds);
    if (!fds)
        return -ENOMEM;
    memset(fds + p->count, 0, (count - p->count) * sizeof *fds);
    p->fds = fds;
    p->count = count;
    return 0;
}

static int poller_entry(int fd, struct weir__poller **p, struct poller_fd **out)
{
    int r;

    if (fd < 0)
        return -EBADF;
    r = poller_open(weir__loop_get());
    if (r < 0)
        return r;
    *p = weir__loop_get()->poller;
    if ((size_t)fd >= (*p)->count && (r = poller_grow(*p, fd)) < 0)
        return r;
    *out = &(*p)->fds[fd];
    return 0;
}

static int poller_ctl(struct weir__poller *p, int op, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};

    return epoll_ctl(p->epoll, op, fd, &e) < 0 ? -errno : 0;
}

/* --- fibers ------------------------------------------------------------ */

enum { POLLER_EDGES = EPOLLIN | EPOLLOUT | EPOLLRDHUP };

static uint32_t poller_closings_of(int fd)
{
    return __atomic_load_n(&poller_closings[fd % POLLER_CLOSINGS], __ATOMIC_ACQUIRE);
}

/* Closed meanwhile, on another loop: who still waits for the file there was is told. */
static void poller_gone(struct weir__poller *p, struct poller_fd *f)
{
    if (f->reader)
        weir__wake(f->reader->fiber, -EBADF, f->reader);
    if (f->writer)
        weir__wake(f->writer->fiber, -EBADF, f->writer);
    if (f->watch && f->watch->events)
        p->pending--;
    memset(f, 0, sizeof *f);
}

static int poller_register(struct weir__poller *p, struct poller_fd *f, int fd)
{
    uint32_t closings = poller_closings_of(fd);
    int r;

    if (f->known && f->watch)
        return -EBUSY;
    if (f->known && f->closings != closings &&
        poller_ctl(p, EPOLL_CTL_MOD, fd, POLLER_EDGES | EPOLLET) < 0)
        poller_gone(p, f);
    f->closings = closings;
    if (f->known)
        return 0;
    r = poller_ctl(p, EPOLL_CTL_ADD, fd, POLLER_EDGES | EPOLLET);
    f->known = r == 0;
    f->ready = 0;
    return r;
}

/* Whether somebody else waits for one of these already. */
static bool poller_taken(const struct poller_fd *f, int events)
{
    return (events & WEIR_FD_READ && f->reader) || (events & WEIR_FD_WRITE && f->writer);
}

static void poller_stand(struct weir__poller *p, int fd, int events, struct weir__waiter *w)
{
    struct poller_fd *f = &p->fds[fd];

    if (events & WEIR_FD_READ)
        f->reader = w;
    if (events & WEIR_FD_WRITE)
        f->writer = w;
    p->pending++;
}

static void poller_leave(struct weir__poller *p, int fd, const struct weir__waiter *w)
{
    struct poller_fd *f = &p->fds[fd]; /* the table may have moved */

    p->pending--;
    if (f->reader == w)
        f->reader = NULL;
    if (f->writer == w)
        f->writer = NULL;
}

static int poller_park(struct weir__poller *p, int fd, int events, weir_time deadline)
{
    struct weir__fiber *me = weir__self();
    struct weir__waiter w;
    int r;

    if (poller_taken(&p->fds[fd], events))
        return -EBUSY;
    weir__waiter_init(&w, me, NULL);
    poller_stand(p, fd, events, &w);
    r = weir__wait(me, deadline, events & WEIR_FD_READ ? "fd read" : "fd write", NULL);
    poller_leave(p, fd, &w);
    return r;
}

int weir__fd_wait_edge(int fd, int events, weir_time deadline)
{
    struct weir__poller *p;
    struct poller_fd *f;
    int r;

    if (!weir__self())
        return WEIR_ENOFIBER;
    r = poller_entry(fd, &p, &f);
    if (r == 0)
        r = poller_register(p, f, fd);
    if (r < 0)
        return r;
    r = f->ready & events;
    f->ready &= (uint8_t)~events;
    return r ? r : poller_park(p, fd, events, deadline);
}

static int poller_probe(int fd, int events)
{
    struct pollfd q = {.fd = fd};

    if (events & WEIR_FD_READ)
        q.events |= POLLIN | POLLRDHUP;
    if (events & WEIR_FD_WRITE)
        q.events |= POLLOUT;
    if (poll(&q, 1, 0) <= 0)
        return 0;
    if (q.revents & POLLNVAL)
        return -EBADF;
    if (q.revents & (POLLERR | POLLHUP))
        return events;
    return (q.revents & (POLLIN | POLLRDHUP) ? WEIR_FD_READ : 0) |
           (q.revents & POLLOUT ? WEIR_FD_WRITE : 0);
}

/* What cannot be waited for says so (-EPERM for a plain file), though poll(2) calls it ready. */
static int poller_known(int fd)
{
    struct weir__poller *p;
    struct poller_fd *f;
    int r = weir__self() ? poller_entry(fd, &p, &f) : WEIR_ENOFIBER;

    return r < 0 ? r : poller_register(p, f, fd);
}

int weir_fd_wait(int fd, int events, weir_time deadline)
{
    int r;

    if (!events || events & ~(WEIR_FD_READ | WEIR_FD_WRITE) || weir__deadline_check(deadline) < 0)
        return -EINVAL;
    r = poller_known(fd);
    if (r < 0)
        return r;
    for (;;) { /* a remembered edge may be stale: only what poll(2) sees is told */
        r = poller_probe(fd, events);
        if (r != 0)
            return r;
        r = weir__fd_wait_edge(fd, events, deadline);
        if (r < 0)
            return r;
    }
}

void weir_fd_forget(int fd)
{
    struct weir__loop *l = weir__loop_get();
    struct poller_fd *f;

    if (fd >= 0 && (!l || l->many))
        __atomic_add_fetch(&poller_closings[fd % POLLER_CLOSINGS], 1, __ATOMIC_RELEASE);
    if (!l || !l->poller || fd < 0 || (size_t)fd >= l->poller->count)
        return;
    f = &l->poller->fds[fd];
    if (!f->known)
        return;
    (void)epoll_ctl(l->poller->epoll, EPOLL_CTL_DEL, fd, NULL);
    poller_gone(l->poller, f);
}

int weir_close(int fd)
{
    weir_fd_forget(fd);
    return close(fd) < 0 ? -errno : 0;
}

/* --- a case of select ---------------------------------------------------- */

static int poller_case(const struct weir_select *c)
{
    int events = (int)(intptr_t)c->item;

    return events && !(events & ~(WEIR_FD_READ | WEIR_FD_WRITE)) ? 0 : -EINVAL;
}

/* What poll(2) sees is told, and no edge from before. */
static int poller_look(void *object, void *item)
{
    int fd = (int)(intptr_t)object, events = (int)(intptr_t)item, r = poller_known(fd);

    if (r < 0)
        return r;
    if (poller_taken(&weir__loop_get()->poller->fds[fd], events))
        return -EBUSY;
    r = poller_probe(fd, events);
    return r ? r : WEIR__CHAN_PARK;
}

/* A descriptor is waited on by its own loop: nothing happens to it while somebody stands up. */
static bool poller_case_ready(const void *object)
{
    (void)object;
    return false;
}

static uint32_t *poller_case_lock(void *object)
{
    (void)object;
    return NULL;
}

const struct weir__select_kind weir__select_fd = {.check = poller_case,
                                                  .look = poller_look,
                                                  .ready = poller_case_ready,
                                                  .lock = poller_case_lock};

void weir__fd_stand(struct weir_select *c, struct weir__waiter *w)
{
    poller_stand(weir__loop_get()->poller, (int)(intptr_t)c->object, (int)(intptr_t)c->item, w);
}

void weir__fd_leave(struct weir_select *c, struct weir__waiter *w)
{
    poller_leave(weir__loop_get()->poller, (int)(intptr_t)c->object, w);
}

/* --- watches ----------------------------------------------------------- */

static uint32_t poller_epoll_events(int events)
{
    return (events & WEIR_FD_READ ? EPOLLIN | EPOLLRDHUP : 0) |
           (events & WEIR_FD_WRITE ? EPOLLOUT : 0);
}

int weir__watch_set(struct weir__watch *w, int fd, int events)
{
    struct weir__poller *p;
    struct poller_fd *f;
    int r = poller_entry(fd, &p, &f);

    if (r < 0)
        return r;
    if (f->known && f->watch != w)
        weir_fd_forget(fd); /* the number was closed and is another descriptor now */
    if (!f->known || events & ~f->armed) {
        r = poller_ctl(p, f->known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
                       poller_epoll_events(events));
        if (r == -ENOENT)
            r = poller_ctl(p, EPOLL_CTL_ADD, fd, poller_epoll_events(events));
        else if (r == -EEXIST)
            r = poller_ctl(p, EPOLL_CTL_MOD, fd, poller_epoll_events(events));
        if (r < 0)
            return r;
        f->armed = (uint8_t)events;
    }
    if (f->watch == w)
        p->pending -= w->events != 0;
    p->pending += events != 0;
    f->known = true;
    f->watch = w;
    w->fd = fd;
    w->events = events;
    return 0;
}

void weir__watch_del(struct weir__watch *w)
{
    struct weir__loop *l = weir__loop_get();

    if (w->fd >= 0 && l && l->poller && (size_t)w->fd < l->poller->count &&
        l->poller->fds[w->fd].watch == w)
        weir_fd_forget(w->fd);
    w->fd = -1;
    w->events = 0;
}

/* --- polling ----------------------------------------------------------- */

static int poller_seen(uint32_t events)
{
    int seen = 0;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        seen |= WEIR_FD_READ;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        seen |= WEIR_FD_WRITE;
    return seen;
}

static void poller_watch_fire(struct weir__poller *p, int fd, int seen)
{
    struct poller_fd *f = &p->fds[fd];
    struct weir__watch *w = f->watch;

    if (seen & w->events) {
        w->fn(w, seen & w->events);
        return;
    }
    if (!w->events) { /* an error or hang-up is told whatever one asks for: it would not stop */
        weir_fd_forget(fd);
        return;
    }
    if (poller_ctl(p, EPOLL_CTL_MOD, fd, poller_epoll_events(w->events)) == 0)
        f->armed = (uint8_t)w->events; /* it no longer wanted this: now epoll knows */
}

static void poller_fire(struct weir__poller *p, int fd, int seen)
{
    struct poller_fd *f = &p->fds[fd];
    struct weir__waiter *reader = f->reader, *writer = f->writer;

    if (f->watch) {
        poller_watch_fire(p, fd, seen);
        return;
    }
    /* An edge that finds its waiter already awake (a timeout, a cancel) is kept for the next. */
    if (seen & WEIR_FD_READ && reader && weir__wake(reader->fiber, WEIR_FD_READ, reader))
        seen &= ~WEIR_FD_READ;
    if (seen & WEIR_FD_WRITE && writer && weir__wake(writer->fiber, WEIR_FD_WRITE, writer))
        seen &= ~WEIR_FD_WRITE;
    f->ready |= (uint8_t)seen;
}

static int poller_wait(struct weir__poller *p, struct epoll_event *events, weir_span span)
{
    struct timespec t = {.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000};
    int n = epoll_pwait2(p->epoll, events, POLLER_BATCH, span < 0 ? NULL : &t, NULL);

    if (n < 0 && errno == ENOSYS) /* before Linux 5.11: whole milliseconds, never early */
        n = epoll_wait(p->epoll, events, POLLER_BATCH,
                       span < 0               ? -1
                       : span > WEIR_S(86400) ? 86400000
                                              : (int)((span + 999999) / 1000000));
    return n;
}

int weir__poller_poll(struct weir__loop *l, weir_time until, bool block)
{
    struct epoll_event events[POLLER_BATCH];
    weir_span span = until == WEIR_NEVER ? -1 : until > l->now ? until - l->now : 0;
    int n = poller_wait(l->poller, events, block ? span : 0);

    if (n > 0)
        WEIR__MSAN_WRITTEN(events, (size_t)n * sizeof *events);
    for (int i = 0; i < n; i++) {
        int fd = events[i].data.fd;

        if (fd == POLLER_INBOX)
            weir__inbox_serve(l);
        else if (fd == POLLER_ALARM)
            l->poller->rings = -1; /* setting it again silences it */
        else if (l->poller->fds[fd].known)
            poller_fire(l->poller, fd, poller_seen(events[i].events));
    }
    return n;
}

int weir__poller_inbox(struct weir__loop *l, int eventfd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = POLLER_INBOX};
    int r = poller_open(l);

    if (r < 0)
        return r;
    return epoll_ctl(l->poller->epoll, EPOLL_CTL_ADD, eventfd, &e) < 0 ? -errno : 0;
}

/* --- a host ------------------------------------------------------------ */

int weir__poller_host(struct weir__loop *l)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = POLLER_ALARM};
    int r = poller_open(l);

    if (r < 0)
        return r;
    l->poller->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->poller->alarm < 0 ||
        epoll_ctl(l->poller->epoll, EPOLL_CTL_ADD, l->poller->alarm, &e) < 0)
        return -errno;
    return l->poller->epoll;
}

void weir__poller_alarm(struct weir__loop *l)
{
    struct itimerspec t = {{0, 0}, {0, 0}};
    weir_time at = 0;

    if (weir__timer_next(l, &at) && at - WEIR_EPOCH <= 0)
        at = WEIR_EPOCH + 1; /* zero would disarm it */
    if (at == l->poller->rings)
        return;
    if (at) {
        t.it_value.tv_sec = (at - WEIR_EPOCH) / 1000000000;
        t.it_value.tv_nsec = (at - WEIR_EPOCH) % 1000000000;
    }
    (void)timerfd_settime(l->poller->alarm, TFD_TIMER_ABSTIME, &t, NULL);
    l->poller->rings = at;
}

size_t weir__poller_pending(const struct weir__loop *l)
{
    return l->poller ? l->poller->pending : 0;
}

void weir__poller_free(struct weir__loop *l)
{
    struct weir__poller *p = l->poller;

    if (!p)
        return;
    if (p->alarm >= 0)
        close(p->alarm);
    close(p->epoll);
    weir__free(p->fds, p->count * sizeof *p->fds);
    weir__free(p, sizeof *p);
    l->poller = NULL;
}
