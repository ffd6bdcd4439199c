/*
 * test_select_fd.c -- a descriptor as a case of select, beside channels and stop.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weir/door.h>
#include <weir/io.h>
#include <weir/loop.h>
#include <weir/net.h>

#include "core/world.h"

enum { READ = WEIR_FD_READ, WRITE = WEIR_FD_WRITE };

static void pair_open(int fd[2])
{
    EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

static void pair_close(int fd[2])
{
    EQ(weir_close(fd[0]), 0);
    EQ(weir_close(fd[1]), 0);
}

static void put(int fd)
{
    EQ(write(fd, "x", 1), 1);
}

static void get(int fd)
{
    char c;
    EQ(read(fd, &c, 1), 1);
}

REAL_TEST(a_ready_descriptor_goes_at_once_with_its_events)
{
    int fd[2], v = 0;
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    pair_open(fd);
    struct weir_select read[] = {WEIR_ON_RECV(ch, &v), WEIR_ON_FD(fd[0], READ)};
    struct weir_select both[] = {WEIR_ON_FD(fd[0], READ | WRITE)};
    struct weir_select apart[] = {WEIR_ON_FD(fd[0], READ), WEIR_ON_FD(fd[0], WRITE)};
    EQ(weir_select(read, 2, 0), -EAGAIN);
    EQ(weir_select(read, 2, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    EQ(weir_select(both, 1, WEIR_NEVER), 0);
    EQ(both[0].result, WRITE);
    EQ(weir_select(apart, 2, WEIR_NEVER), 1);
    EQ(apart[1].result, WRITE);
    put(fd[1]);
    EQ(weir_select(read, 2, WEIR_NEVER), 1);
    EQ(read[1].result, READ);
    EQ(weir_select(both, 1, WEIR_NEVER), 0);
    EQ(both[0].result, READ | WRITE);
    EQ(weir_select(read, 2, 0), 1); /* nothing has been read */
    get(fd[0]);
    EQ(weir_select(read, 2, 0), -EAGAIN);
    EQ(weir_shutdown(fd[1], WRITE), 0); /* an end is an event */
    EQ(weir_select(read, 2, WEIR_NEVER), 1);
    EQ(read[1].result, READ);
    pair_close(fd);
    weir_chan_free(&ch);
    return 0;
}

REAL_TEST(what_is_wrong_with_a_descriptor_is_said)
{
    int fd[2], plain = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    struct weir_select c[2] = {WEIR_ON_FD(-1, READ)};
    EQ(weir_select(c, 1, WEIR_NEVER), 0);
    EQ(c[0].result, -EBADF);
    c[0] = (struct weir_select)WEIR_ON_FD(9999, READ);
    EQ(weir_select(c, 1, WEIR_NEVER), 0);
    EQ(c[0].result, -EBADF);
    c[0] = (struct weir_select)WEIR_ON_FD(plain, READ);
    EQ(weir_select(c, 1, WEIR_NEVER), 0);
    EQ(c[0].result, -EPERM);
    pair_open(fd);
    c[0] = (struct weir_select)WEIR_ON_FD(fd[0], 0);
    EQ(weir_select(c, 1, WEIR_NEVER), -EINVAL);
    c[0] = (struct weir_select)WEIR_ON_FD(fd[0], 4);
    EQ(weir_select(c, 1, WEIR_NEVER), -EINVAL);
    c[0] = (struct weir_select)WEIR_ON_FD(fd[0], READ);
    c[1] = (struct weir_select)WEIR_ON_FD(fd[0], READ | WRITE);
    EQ(weir_select(c, 2, WEIR_NEVER), -EINVAL);
    EQ(weir_select(c, 1, 5), -EINVAL);
    pair_close(fd);
    EQ(close(plain), 0);
    return 0;
}

REAL_TEST(number_zero_is_a_descriptor_too)
{
    int fd[2], saved = fcntl(0, F_DUPFD_CLOEXEC, 100);
    if (saved < 0)
        SKIP("0 is closed");
    struct weir_select c[] = {WEIR_ON_FD(0, READ)};
    pair_open(fd);
    EQ(dup2(fd[0], 0), 0);
    EQ(weir_select(c, 1, 0), -EAGAIN);
    put(fd[1]);
    EQ(weir_select(c, 1, WEIR_NEVER), 0);
    EQ(c[0].result, READ);
    weir_fd_forget(0);
    EQ(dup2(saved, 0), 0);
    EQ(close(saved), 0);
    pair_close(fd);
    return 0;
}

REAL_TEST(ready_cases_are_chosen_fairly_descriptors_too)
{
    int fd[2], hits[2] = {0}, v = 0;
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    struct weir_select c[] = {WEIR_ON_RECV(ch, &v), WEIR_ON_FD(-1, READ)};
    pair_open(fd);
    c[1] = (struct weir_select)WEIR_ON_FD(fd[0], READ);
    put(fd[1]);
    EQ(weir_send(ch, &v, 0), 1);
    for (int i = 0; i < 600; i++) {
        int k = weir_select(c, 2, WEIR_NEVER);
        hits[k]++;
        if (k == 0)
            EQ(weir_send(ch, &v, 0), 1);
    }
    LT(200, hits[0]);
    LT(200, hits[1]);
    pair_close(fd);
    weir_chan_free(&ch);
    return 0;
}

REAL_TEST(sixty_four_descriptors_are_as_good_as_one)
{
    static int fd[64][2];
    struct weir_select c[64];
    for (int i = 0; i < 64; i++) {
        pair_open(fd[i]);
        c[i] = (struct weir_select)WEIR_ON_FD(fd[i][0], READ);
    }
    EQ(weir_select(c, 64, weir_after(WEIR_MS(1))), -ETIMEDOUT);
    for (int i = 0; i < 64; i++) {
        put(fd[i][1]);
        EQ(weir_select(c, 64, WEIR_NEVER), i);
        get(fd[i][0]);
    }
    for (int i = 0; i < 64; i++)
        pair_close(fd[i]);
    return 0;
}

/* --- waking ---------------------------------------------------------------- */

struct waits {
    int fd[2];
    weir_chan *ch;
    weir_scope *stop;
    int got, result, item;
};

static int waits_for_one(void *arg)
{
    struct waits *w = arg;
    struct weir_select c[] = {WEIR_ON_RECV(w->ch, &w->item), WEIR_ON_FD(w->fd[0], READ),
                              WEIR_ON_STOP(w->stop)};
    w->got = weir_select(c, w->stop ? 3 : 2, WEIR_NEVER);
    w->result = w->got >= 0 ? c[w->got].result : 0;
    return w->got < 0 ? w->got : 0;
}

static void waits_begin(struct waits *w, weir_scope **s)
{
    *w = (struct waits){.ch = weir_chan_new(WEIR_TYPE(int), 0), .got = -1};
    pair_open(w->fd);
    *s = weir_scope_open(NULL);
    GO(*s, waits_for_one, w);
    world_settle();
}

static void waits_end(struct waits *w)
{
    if (w->fd[0] >= 0)
        EQ(weir_close(w->fd[0]), 0);
    EQ(weir_close(w->fd[1]), 0);
    weir_chan_free(&w->ch);
}

static int waking_main(void *arg)
{
    struct waits w;
    weir_scope *s;
    int v = 5;
    (void)arg;
    waits_begin(&w, &s);
    put(w.fd[1]);
    EQ(weir_scope_close(&s), 0);
    EQ(w.got, 1);
    EQ(w.result, READ);
    EQ(weir_send(w.ch, &v, 0), -EAGAIN); /* it stands there no more */
    waits_end(&w);
    waits_begin(&w, &s);
    EQ(weir_send(w.ch, &v, 0), 1);
    EQ(weir_scope_close(&s), 0);
    EQ(w.got, 0);
    EQ(w.item, 5);
    EQ(weir_fd_wait(w.fd[0], READ, weir_after(WEIR_MS(1))), -ETIMEDOUT); /* not -EBUSY */
    waits_end(&w);
    waits_begin(&w, &s);
    EQ(weir_fd_wait(w.fd[0], READ, WEIR_NEVER), -EBUSY);
    EQ(weir_close(w.fd[0]), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(w.got, 1);
    EQ(w.result, -EBADF);
    w.fd[0] = -1;
    waits_end(&w);
    waits_begin(&w, &s);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    EQ(w.got, -ECANCELED);
    waits_end(&w);
    return 0;
}

TEST(whichever_comes_first_wakes_it_and_the_others_are_gone)
{
    EQ(world_real(waking_main, NULL), 0);
    world_seeds(waking_main);
}

static int drains_soon(void *arg)
{
    struct waits *w = arg;
    GO(w->stop, waits_for_one, w);
    world_settle();
    EQ(weir_scope_drain(w->stop, WEIR_NEVER), 0);
    return 0;
}

REAL_TEST(stop_fires_beside_a_descriptor)
{
    struct waits w = {.ch = weir_chan_new(WEIR_TYPE(int), 0), .got = -1};
    pair_open(w.fd);
    w.stop = weir_scope_open(NULL);
    EQ(drains_soon(&w), 0);
    EQ(w.got, 2);
    EQ(weir_scope_close(&w.stop), 0);
    waits_end(&w);
    return 0;
}

static int reads_for_ever(void *arg)
{
    char c;
    EQ(weir_read(*(int *)arg, &c, 1, WEIR_NEVER), -ECANCELED);
    return 0;
}

REAL_TEST(one_that_another_waits_for_is_busy)
{
    int fd[2];
    weir_scope *s = weir_scope_open(NULL);
    pair_open(fd);
    GO(s, reads_for_ever, &fd[0]);
    world_settle();
    struct weir_select c[] = {WEIR_ON_FD(fd[0], READ)}, d[] = {WEIR_ON_FD(fd[0], WRITE)};
    EQ(weir_select(c, 1, WEIR_NEVER), 0);
    EQ(c[0].result, -EBUSY);
    EQ(weir_select(d, 1, WEIR_NEVER), 0); /* the other direction is free */
    EQ(d[0].result, WRITE);
    EQ(weir_scope_cancel(s, -EPERM), 0);
    EQ(weir_scope_close(&s), -EPERM);
    pair_close(fd);
    return 0;
}

/* --- false alarms ------------------------------------------------------------ */

struct robbery {
    struct waits *victim;
    int fd[2];
};

static int robs(void *arg)
{
    struct robbery *b = arg;
    EQ(weir_fd_wait(b->fd[0], READ, WEIR_NEVER), READ);
    get(b->victim->fd[0]);
    return 0;
}

REAL_TEST(one_that_is_woken_and_robbed_waits_on)
{
    struct waits w;
    struct robbery b = {.victim = &w};
    weir_scope *s, *t = weir_scope_open(NULL);
    pair_open(b.fd);
    GO(t, robs, &b);
    world_settle();
    waits_begin(&w, &s);
    put(b.fd[1]); /* both are woken in one turn, this one first */
    put(w.fd[1]);
    world_settle();
    EQ(weir_scope_running(t), 0u);
    EQ(w.got, -1);
    put(w.fd[1]);
    EQ(weir_scope_close(&s), 0);
    EQ(w.got, 1);
    EQ(w.result, READ);
    EQ(weir_scope_close(&t), 0);
    waits_end(&w);
    pair_close(b.fd);
    return 0;
}

struct steal {
    int fd[2], bytes;
    int read, stolen, over;
};

static int steal_selects(void *arg)
{
    struct steal *t = arg;
    struct weir_select c[] = {WEIR_ON_FD(t->fd[0], READ)};
    char b;
    for (;;) {
        EQ(weir_select(c, 1, WEIR_NEVER), 0);
        EQ(c[0].result, READ);
        ssize_t n = read(t->fd[0], &b, 1);
        if (n == 0)
            return 0;
        EQ(n, 1); /* what is told as readable is */
        t->read++;
    }
}

static int steal_takes(void *arg)
{
    struct steal *t = arg;
    char b;
    for (int i = 0; i < t->bytes; i++) {
        put(t->fd[1]);
        for (uint64_t k = test_random() % 3; k; k--)
            EQ(weir_yield(), 0);
        if (test_random() % 2)
            EQ(weir_sleep(weir_after(1)), 0);
        t->stolen += read(t->fd[0], &b, 1) == 1;
    }
    EQ(shutdown(t->fd[1], SHUT_WR), 0);
    return 0;
}

static int steal_main(void *arg)
{
    struct steal t = {.bytes = arg ? *(int *)arg : 30};
    weir_scope *s = weir_scope_open(NULL);
    pair_open(t.fd);
    GO(s, steal_selects, &t);
    GO(s, steal_takes, &t);
    EQ(weir_scope_close(&s), 0);
    EQ(t.read + t.stolen, t.bytes);
    pair_close(t.fd);
    return 0;
}

TEST(an_edge_that_is_old_news_wakes_nobody_for_nothing)
{
    int many = 300;
    EQ(world_real(steal_main, &many), 0);
    world_seeds(steal_main); /* a wait at a descriptor is a real millisecond there: not so many */
}

/* --- many loops, and a thread -------------------------------------------------- */

enum { MANY_ITEMS = 2000 };

struct many {
    weir_chan *ch;
    long items, bytes;
};

static int many_feeds(void *arg)
{
    int fd = *(int *)arg;
    for (int i = 0; i < MANY_ITEMS; i++)
        EQ(weir_write(fd, "x", 1, WEIR_NEVER), 1);
    return weir_shutdown(fd, WRITE);
}

/* Both until both have ended; what has ended is left out. */
static int many_selects(void *arg)
{
    struct many *m = arg;
    int fd[2], v = 0, reading = 1, receiving = 1;
    char b;
    weir_scope *s = weir_scope_open(NULL);
    pair_open(fd);
    GO(s, many_feeds, &fd[1]);
    while (reading || receiving) {
        struct weir_select c[2] = {WEIR_ON_FD(fd[0], READ), WEIR_ON_RECV(m->ch, &v)};
        int k = weir_select(reading ? c : c + 1, reading + receiving, WEIR_NEVER);
        OK(k >= 0);
        if (reading && k == 0) {
            EQ(c[0].result, READ);
            reading = (int)weir_read(fd[0], &b, 1, 0);
            OK(reading >= 0);
            m->bytes += reading;
        } else {
            receiving = c[1].result;
            OK(receiving >= 0);
            m->items += receiving;
        }
    }
    EQ(weir_scope_close(&s), 0);
    pair_close(fd);
    return 0;
}

static int many_main(void *arg)
{
    struct many m[3] = {{0}};
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 2);
    weir_scope *s = weir_scope_open(NULL);
    int one = 1;
    (void)arg;
    for (int i = 0; i < 3; i++) {
        m[i].ch = ch;
        EQ(weir_go_on(s, i, many_selects, &m[i], NULL), 0);
    }
    for (int i = 0; i < MANY_ITEMS; i++)
        EQ(weir_send(ch, &one, WEIR_NEVER), 1);
    EQ(weir_chan_close(ch, 0), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(m[0].items + m[1].items + m[2].items, MANY_ITEMS);
    for (int i = 0; i < 3; i++)
        EQ(m[i].bytes, MANY_ITEMS);
    weir_chan_free(&ch);
    return 0;
}

TEST_WITH(loops_select_their_descriptors_and_shared_channels, .timeout = 60)
{
    NEEDS_THREADS();
    struct weir_config c = {.alloc = test_alloc, .loops = 3};
    EQ(weir_run(&c, many_main, NULL), 0);
}

struct thread_world {
    weir_door *door;
    int fd;
    weir_chan *done;
};

static void *thread_selects(void *arg)
{
    struct thread_world *t = arg;
    struct weir_select c[] = {WEIR_ON_FD(t->fd, READ)};
    int one = 1;
    EQ(weir_door_enter(t->door), 0);
    EQ(weir_select(c, 1, WEIR_NEVER), 0);
    EQ(c[0].result, READ);
    EQ(weir_send(t->done, &one, WEIR_NEVER), 1);
    EQ(weir_door_leave(), 0);
    return NULL;
}

REAL_TEST(a_thread_selects_descriptors_through_a_door)
{
    NEEDS_THREADS();
    int fd[2], v = 0;
    struct thread_world t = {weir_door_open(), -1, weir_chan_new(WEIR_TYPE(int), 1)};
    pthread_t thread;
    pair_open(fd);
    t.fd = fd[0];
    EQ(pthread_create(&thread, NULL, thread_selects, &t), 0);
    put(fd[1]);
    EQ(weir_recv(t.done, &v, WEIR_NEVER), 1);
    EQ(weir_door_close(&t.door), 0);
    EQ(pthread_join(thread, NULL), 0);
    weir_chan_free(&t.done);
    pair_close(fd);
    return 0;
}

/* --- every point ------------------------------------------------------------------ */

static int point_puts(void *arg)
{
    put(*(int *)arg);
    return 0;
}

static int point_main(void *arg)
{
    int fd[2], v = 0;
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_scope *s = weir_scope_open(NULL);
    (void)arg;
    pair_open(fd);
    struct weir_select c[] = {WEIR_ON_RECV(ch, &v), WEIR_ON_FD(fd[0], READ)};
    int r = weir_select(c, 2, 0);
    r = r == -EAGAIN ? weir_go(s, point_puts, &fd[1]) : r >= 0 ? c[r].result : r;
    if (r == 0) {
        r = weir_select(c, 2, WEIR_NEVER);
        r = r >= 0 ? c[r].result : r;
        EQ(r > 0, r == READ);
    }
    int z = weir_scope_close(&s);
    pair_close(fd);
    weir_chan_free(&ch);
    return r < 0 ? r : z;
}

static void point_run(void *arg)
{
    int r = world_real(point_main, arg);
    OK(test_fault_hit() ? r <= 0 : r == 0);
}

TEST(selects_of_descriptors_hold_whatever_fails)
{
    EVERY_POINT(point_run, NULL);
}

/* --- closed on another loop ---------------------------------------------- */

static int closes(void *arg)
{
    return weir_close(*(int *)arg);
}

static int puts_later(void *arg)
{
    EQ(weir_sleep(weir_after(WEIR_MS(1))), 0);
    put(*(int *)arg);
    return 0;
}

static int waits_in_vain(void *arg)
{
    EQ(weir_fd_wait(*(int *)arg, READ, WEIR_NEVER), -EBADF);
    return 0;
}

/* This loop knows the number, and it comes back while somebody still waits for the old one. */
static int number_comes_back(void *arg)
{
    int old[2], new[2];
    weir_scope *s = weir_scope_open(NULL), *far = weir_scope_open(NULL);

    (void)arg;
    pair_open(old);
    GO(s, waits_in_vain, &old[0]);
    EQ(weir_yield(), 0);
    EQ(weir_go_on(far, 1, closes, &old[0], NULL), 0);
    EQ(weir_scope_close(&far), 0);
    pair_open(new);
    EQ(new[0], old[0]);
    far = weir_scope_open(NULL);
    GO(far, puts_later, &new[1]);
    EQ(weir_fd_wait(new[0], READ, weir_after(WEIR_S(20))), READ);
    EQ(weir_scope_close(&far), 0);
    EQ(weir_scope_close(&s), 0);
    pair_close(new);
    EQ(weir_close(old[1]), 0);
    return 0;
}

TEST(a_number_that_comes_back_from_another_loop_is_waited_for_anew)
{
    NEEDS_THREADS();
    EQ(weir_run(&(struct weir_config){.alloc = test_alloc, .loops = 2}, number_comes_back, NULL),
       0);
}
