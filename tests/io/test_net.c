/*
 * test_net.c -- addresses as text; TCP, UNIX and datagram sockets on loopback.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weir/io.h>
#include <weir/net.h>

#include "core/core.h"
#include "core/world.h"

static struct weir_addr net_addr(const char *text)
{
    struct weir_addr a;
    EQ(weir_addr_parse(text, &a), 0);
    return a;
}

static int net_option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    EQ(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

/* --- addresses ------------------------------------------------------------ */

TEST(what_is_read_is_written_the_same)
{
    static const char *const texts[] = {
        "127.0.0.1:80",      "0.0.0.0:0",       "255.255.255.255:65535", "[::1]:443",   "[::]:0",
        "[fe80::1%lo]:8080", "[2001:db8::7]:1", "/run/weir.sock",        "./weir.sock", "@weir",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct weir_addr a = net_addr(texts[i]);
        char text[WEIR_ADDR_TEXT];
        EQ(weir_addr_text(&a, text, sizeof text), (int)strlen(texts[i]));
        STREQ(text, texts[i]);
    }
}

TEST(what_is_no_address_is_refused)
{
    static const char *const texts[] = {
        "",
        "80",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:8 ",
        "127.0.0.1: 8",
        "127.0.0.1:99999999999999999999",
        "[::1]",
        "[::1]:",
        "::1:80",
        "[::1:80",
        "[127.0.0.1]:80",
        "[]:80",
        "[::1%nosuchthing]:80",
        "[::1%]:80",
        "1.2.3:4",
        "localhost:80",
        "@",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1",
    };
    struct weir_addr a = {.size = 77};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        EQ(weir_addr_parse(texts[i], &a), -EINVAL);
    EQ(weir_addr_parse(NULL, &a), -EINVAL);
    EQ(weir_addr_parse("127.0.0.1:1", NULL), -EINVAL);
    EQ(weir_addr_host("localhost", 1, &a), -EINVAL);
    EQ(weir_addr_host("127.0.0.1", 1, NULL), -EINVAL);
    char path[120];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[108] = '\0';
    EQ(weir_addr_parse(path, &a), -ENAMETOOLONG);
    EQ(a.size, 77u); /* nothing was written */
    path[107] = '\0';
    EQ(weir_addr_parse(path, &a), 0);
    char text[WEIR_ADDR_TEXT];
    EQ(weir_addr_text(&a, text, sizeof text), 107);
    STREQ(text, path);
}

TEST(a_text_without_room_is_refused_whole)
{
    struct weir_addr a = net_addr("127.0.0.1:80"), none = {0};
    char text[13] = "before";
    EQ(weir_addr_text(&a, text, 12), -ENOSPC);
    STREQ(text, "before");
    EQ(weir_addr_text(&a, text, 13), 12);
    EQ(weir_addr_text(&a, text, 0), -EINVAL);
    EQ(weir_addr_text(&a, NULL, 13), -EINVAL);
    EQ(weir_addr_text(NULL, text, 13), -EINVAL);
    EQ(weir_addr_text(&none, text, 13), -EINVAL);
    a.storage[0] = AF_NETLINK;
    EQ(weir_addr_text(&a, text, 13), -EAFNOSUPPORT);
    EQ(weir_addr_port(&a), 0);
    EQ(weir_addr_port(NULL), 0);
}

/* --- TCP ------------------------------------------------------------------- */

REAL_TEST(both_ends_know_each_other)
{
    struct weir_addr at = net_addr("127.0.0.1:0"), peer, local, who;
    int listener = weir_listen(&at, NULL);
    OK(listener >= 0);
    EQ(weir_addr_local(listener, &at), 0);
    OK(weir_addr_port(&at) != 0);
    int c = weir_connect(&at, NULL, WEIR_NEVER), s = weir_accept(listener, &peer, WEIR_NEVER);
    OK(c >= 0 && s >= 0);
    char a[WEIR_ADDR_TEXT], b[WEIR_ADDR_TEXT];
    EQ(weir_addr_local(c, &local), 0);
    OK(weir_addr_text(&local, a, sizeof a) > 0 && weir_addr_text(&peer, b, sizeof b) > 0);
    STREQ(a, b);
    EQ(weir_addr_peer(s, &who), 0);
    OK(weir_addr_text(&who, b, sizeof b) > 0);
    STREQ(a, b);
    EQ(weir_addr_peer(listener, &who), -ENOTCONN);
    EQ(weir_addr_peer(-1, &who), -EBADF);
    EQ(weir_addr_local(c, NULL), -EINVAL);
    EQ(net_option_of(c, IPPROTO_TCP, TCP_NODELAY), 1);
    EQ(net_option_of(s, IPPROTO_TCP, TCP_NODELAY), 1);
    OK(fcntl(s, F_GETFL) & O_NONBLOCK);
    OK(fcntl(s, F_GETFD) & FD_CLOEXEC);
    EQ(weir_close(c), 0);
    EQ(weir_close(s), 0);
    return weir_close(listener);
}

REAL_TEST(options_reach_the_socket)
{
    struct weir_addr at = net_addr("127.0.0.1:0"), from = net_addr("127.0.0.2:0"), who;
    struct weir_sock_opts lo = {.flags = WEIR_SOCK_REUSEPORT | WEIR_SOCK_DELAY, .backlog = 5};
    int a = weir_listen(&at, &lo);
    OK(a >= 0);
    EQ(weir_addr_local(a, &at), 0);
    int b = weir_listen(&at, &lo); /* the same port once more */
    OK(b >= 0);
    EQ(weir_listen(&at, NULL), -EADDRINUSE);
    EQ(weir_close(b), 0);
    struct weir_sock_opts co = {.keepalive = WEIR_MS(6500), .recv_buffer = 20000, .from = &from};
    int c = weir_connect(&at, &co, WEIR_NEVER), s = weir_accept(a, &who, WEIR_NEVER);
    OK(c >= 0 && s >= 0);
    char text[WEIR_ADDR_TEXT];
    OK(weir_addr_text(&who, text, sizeof text) > 0);
    EQ(strncmp(text, "127.0.0.2:", 10), 0);
    EQ(net_option_of(c, SOL_SOCKET, SO_KEEPALIVE), 1);
    EQ(net_option_of(c, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    EQ(net_option_of(c, SOL_SOCKET, SO_RCVBUF), 40000); /* the kernel keeps twice of it */
    EQ(net_option_of(c, IPPROTO_TCP, TCP_NODELAY), 1);
    EQ(net_option_of(s, IPPROTO_TCP, TCP_NODELAY), 0);
    EQ(weir_sock_set(s, &(struct weir_sock_opts){.keepalive = WEIR_S(30)}), 0);
    EQ(net_option_of(s, IPPROTO_TCP, TCP_NODELAY), 1);
    EQ(net_option_of(s, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    EQ(weir_close(c), 0);
    EQ(weir_close(s), 0);
    return weir_close(a);
}

REAL_TEST(bad_options_are_refused)
{
    struct weir_addr at = net_addr("127.0.0.1:0"), none = {0}, odd = at;
    struct weir_sock_opts bad[] = {
        {.flags = 16},
        {.flags = 1u << 31},
        {.keepalive = 1},
        {.keepalive = -1},
        {.keepalive = WEIR_S(32768)},
        {.recv_buffer = UINT32_MAX},
        {.send_buffer = 1u << 31},
        {.backlog = UINT32_MAX},
        {.reserved = {0, 0, 0, 1}},
        {.from = &none},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(weir_listen(&at, &bad[i]), -EINVAL);
        EQ(weir_connect(&at, &bad[i], WEIR_NEVER), -EINVAL);
        EQ(weir_dgram_open(&at, &bad[i]), -EINVAL);
        EQ(weir_sock_set(0, &bad[i]), -EINVAL);
    }
    EQ(weir_connect(&at, &(struct weir_sock_opts){.flags = WEIR_SOCK_REUSEPORT}, WEIR_NEVER),
       -EINVAL);
    EQ(weir_connect(&at, &(struct weir_sock_opts){.backlog = 1}, WEIR_NEVER), -EINVAL);
    EQ(weir_listen(&at, &(struct weir_sock_opts){.from = &at}), -EINVAL);
    EQ(weir_dgram_open(&at, &(struct weir_sock_opts){.keepalive = WEIR_S(5)}), -EINVAL);
    EQ(weir_sock_set(0, NULL), -EINVAL);
    EQ(weir_sock_set(-1, &(struct weir_sock_opts){0}), -EBADF);
    odd.size--;
    EQ(weir_listen(NULL, NULL), -EINVAL);
    EQ(weir_listen(&none, NULL), -EINVAL);
    EQ(weir_listen(&odd, NULL), -EINVAL);
    odd = at;
    odd.reserved = 1;
    EQ(weir_connect(&odd, NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_connect(NULL, NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_connect(&at, NULL, WEIR_S(1)), -EINVAL);
    EQ(weir_accept(-1, NULL, WEIR_NEVER), -EBADF);
    EQ(weir_accept(0, NULL, WEIR_S(1)), -EINVAL);
    EQ(weir_unix_listen("127.0.0.1:80", 0), -EINVAL);
    EQ(weir_unix_connect("127.0.0.1:80", WEIR_NEVER), -EINVAL);
    EQ(weir_unix_connect(NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_socketpair(NULL), -EINVAL);
    return 0;
}

TEST(off_a_fiber_nothing_parks)
{
    struct weir_addr at = net_addr("127.0.0.1:9");
    char c;
    EQ(weir_connect(&at, NULL, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_accept(0, NULL, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_dgram_send(0, "", 0, &at, WEIR_NEVER), WEIR_ENOFIBER);
    EQ(weir_dgram_recv(0, &c, 1, NULL, WEIR_NEVER), WEIR_ENOFIBER);
}

REAL_TEST(an_accept_has_its_deadline)
{
    struct weir_addr at = net_addr("127.0.0.1:0"), peer = {.size = 7};
    int listener = weir_listen(&at, NULL);
    EQ(weir_accept(listener, &peer, 0), -EAGAIN);
    EQ(weir_accept(listener, &peer, weir_after(WEIR_MS(2))), -ETIMEDOUT);
    EQ(peer.size, 7u);
    return weir_close(listener);
}

/* --- half-close --------------------------------------------------------------- */

static int half_serve(void *arg)
{
    int fd = *(int *)arg;
    char buf[100];
    size_t all = 0;
    ssize_t n;
    while ((n = weir_read(fd, buf + all, sizeof buf - all, WEIR_NEVER)) > 0)
        all += (size_t)n;
    EQ(n, 0); /* the client's end, yet it still listens */
    EQ(weir_write_all(fd, buf, all, NULL, WEIR_NEVER), (ssize_t)all);
    return weir_close(fd);
}

REAL_TEST(a_half_closed_client_still_gets_its_answer)
{
    int fd[2];
    char buf[8];
    EQ(weir_socketpair(fd), 0);
    weir_scope *s = weir_scope_open(NULL);
    GO(s, half_serve, &fd[1]);
    EQ(weir_write_all(fd[0], "half", 4, NULL, WEIR_NEVER), 4);
    EQ(weir_shutdown(fd[0], WEIR_FD_WRITE), 0);
    EQ(weir_write(fd[0], "x", 1, WEIR_NEVER), -EPIPE);
    EQ(weir_read_all(fd[0], buf, 4, NULL, WEIR_NEVER), 4);
    MEMEQ(buf, "half", 4);
    EQ(weir_read(fd[0], buf, 1, WEIR_NEVER), 0);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_shutdown(fd[0], 0), -EINVAL);
    EQ(weir_shutdown(fd[0], 4), -EINVAL);
    EQ(weir_shutdown(fd[0], -1), -EINVAL);
    EQ(weir_shutdown(-1, WEIR_FD_READ), -EBADF);
    return weir_close(fd[0]);
}

REAL_TEST(a_shut_down_read_wakes_who_waits)
{
    int fd[2];
    char c;
    EQ(weir_socketpair(fd), 0);
    EQ(weir_shutdown(fd[0], WEIR_FD_READ), 0);
    EQ(weir_read(fd[0], &c, 1, WEIR_NEVER), 0);
    EQ(weir_shutdown(fd[0], WEIR_FD_READ | WEIR_FD_WRITE), 0);
    EQ(weir_read(fd[1], &c, 1, WEIR_NEVER), 0);
    EQ(weir_close(fd[1]), 0);
    return weir_close(fd[0]);
}

/* --- UNIX ----------------------------------------------------------------------- */

static void unix_exchange(const char *name)
{
    char c = 0, text[WEIR_ADDR_TEXT];
    struct weir_addr who;
    int listener = weir_unix_listen(name, 0);
    OK(listener >= 0);
    int a = weir_unix_connect(name, weir_after(WEIR_S(5))),
        b = weir_accept(listener, &who, WEIR_NEVER);
    OK(a >= 0 && b >= 0);
    EQ(weir_addr_text(&who, text, sizeof text), 7);
    STREQ(text, "unnamed");
    EQ(weir_addr_peer(a, &who), 0);
    EQ(weir_addr_text(&who, text, sizeof text), (int)strlen(name));
    STREQ(text, name);
    EQ(weir_tcp_port(a), -EAFNOSUPPORT);
    EQ(weir_write(a, "u", 1, WEIR_NEVER), 1);
    EQ(weir_read(b, &c, 1, WEIR_NEVER), 1);
    EQ(c, 'u');
    EQ(weir_sock_set(a, &(struct weir_sock_opts){.send_buffer = 4096}), 0);
    EQ(weir_unix_listen(name, 0), -EADDRINUSE);
    EQ(weir_close(a), 0);
    EQ(weir_close(b), 0);
    EQ(weir_close(listener), 0);
}

REAL_TEST(abstract_names_and_paths)
{
    char name[64], dir[] = "/tmp/weir-net-XXXXXX";
    OK(mkdtemp(dir));
    snprintf(name, sizeof name, "@weir-test-%d", (int)getpid());
    unix_exchange(name);
    unix_exchange(name); /* it went with its socket */
    snprintf(name, sizeof name, "%s/s", dir);
    EQ(weir_unix_connect(name, WEIR_NEVER), -ENOENT);
    unix_exchange(name);
    EQ(weir_unix_connect(name, WEIR_NEVER), -ECONNREFUSED);
    EQ(weir_unix_listen(name, 0), -EADDRINUSE); /* a path stays */
    struct weir_addr at = net_addr(name);
    struct weir_sock_opts over = {.flags = WEIR_SOCK_REPLACE};
    int a = weir_listen(&at, &over);
    OK(a >= 0);
    EQ(weir_listen(&at, &over), -EADDRINUSE); /* somebody listens: not taken over */
    EQ(weir_close(a), 0);
    EQ(unlink(name), 0);
    int file = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    OK(file >= 0);
    EQ(close(file), 0);
    EQ(weir_listen(&at, &over), -EADDRINUSE); /* what is no socket is left alone */
    struct stat st;
    EQ(stat(name, &st), 0);
    OK(S_ISREG(st.st_mode));
    EQ(unlink(name), 0);
    return rmdir(dir);
}

static int unix_late_accept(void *arg)
{
    EQ(weir_sleep(weir_after(WEIR_MS(3))), 0);
    for (int i = 0; i < 3; i++) {
        int fd = weir_accept(*(int *)arg, NULL, WEIR_NEVER);
        OK(fd >= 0);
        EQ(weir_close(fd), 0);
    }
    return 0;
}

REAL_TEST(a_full_unix_queue_is_waited_for)
{
    char name[64];
    int fd[3], n = 0, r;
    snprintf(name, sizeof name, "@weir-full-%d", (int)getpid());
    int listener = weir_unix_listen(name, 1);
    while (n < 3 && (r = weir_unix_connect(name, 0)) >= 0)
        fd[n++] = r;
    EQ(n, 2); /* a backlog of 1 holds two */
    EQ(r, -EAGAIN);
    EQ(weir_unix_connect(name, weir_after(WEIR_MS(4))), -ETIMEDOUT);
    weir_scope *s = weir_scope_open(NULL);
    GO(s, unix_late_accept, &listener);
    fd[2] = weir_unix_connect(name, weir_after(WEIR_S(10)));
    OK(fd[2] >= 0);
    EQ(weir_scope_close(&s), 0);
    for (int i = 0; i < 3; i++)
        EQ(weir_close(fd[i]), 0);
    return weir_close(listener);
}

/* --- datagrams --------------------------------------------------------------------- */

REAL_TEST(datagrams_come_whole_or_not_at_all)
{
    struct weir_addr any = net_addr("127.0.0.1:0"), a_at, b_at, from;
    int a = weir_dgram_open(&any, NULL), b = weir_dgram_open(&any, NULL);
    char buf[8] = "before", ta[WEIR_ADDR_TEXT], tf[WEIR_ADDR_TEXT];
    OK(a >= 0 && b >= 0);
    EQ(weir_addr_local(a, &a_at), 0);
    EQ(weir_addr_local(b, &b_at), 0);
    EQ(weir_dgram_recv(b, buf, 8, NULL, 0), -EAGAIN);
    EQ(weir_dgram_recv(b, buf, 8, NULL, weir_after(WEIR_MS(2))), -ETIMEDOUT);
    EQ(weir_dgram_send(a, "hello", 5, &b_at, WEIR_NEVER), 5);
    EQ(weir_dgram_recv(b, buf, 8, &from, WEIR_NEVER), 5);
    MEMEQ(buf, "hello", 5);
    OK(weir_addr_text(&a_at, ta, sizeof ta) > 0 && weir_addr_text(&from, tf, sizeof tf) > 0);
    STREQ(ta, tf);
    EQ(weir_dgram_send(a, "too large", 9, &b_at, WEIR_NEVER), 9);
    EQ(weir_dgram_send(a, NULL, 0, &b_at, WEIR_NEVER), 0);
    EQ(weir_dgram_send(a, "12345678", 8, &b_at, WEIR_NEVER), 8);
    EQ(weir_dgram_recv(b, buf, 8, NULL, WEIR_NEVER), WEIR_ETOOLARGE);
    EQ(weir_dgram_recv(b, NULL, 0, NULL, WEIR_NEVER), 0);
    EQ(weir_dgram_recv(b, buf, 8, NULL, WEIR_NEVER), 8);
    char *huge = calloc(1, 70000);
    EQ(weir_dgram_send(a, huge, 70000, &b_at, WEIR_NEVER), -EMSGSIZE);
    free(huge);
    EQ(weir_dgram_send(a, "x", 1, NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_dgram_send(a, NULL, 1, &b_at, WEIR_NEVER), -EINVAL);
    EQ(weir_dgram_recv(b, NULL, 1, NULL, WEIR_NEVER), -EINVAL);
    EQ(weir_dgram_recv(b, buf, 1, NULL, WEIR_S(1)), -EINVAL);
    EQ(weir_close(a), 0);
    return weir_close(b);
}

/* --- every point ---------------------------------------------------------------------- */

static int point_serve(void *arg)
{
    struct weir_addr peer;
    int fd = weir_accept(*(int *)arg, &peer, WEIR_NEVER), r = 0;
    char buf[8];
    if (fd < 0)
        return fd;
    ssize_t n = weir_read_all(fd, buf, 4, NULL, WEIR_NEVER);
    if (n == 4)
        n = weir_writev_all(fd, (struct iovec[]){{buf, 1}, {buf + 1, 3}}, 2, NULL, WEIR_NEVER);
    r = n < 0 ? (int)n : 0;
    EQ(weir_close(fd), 0);
    return r;
}

static int point_main(void *arg)
{
    char name[64], buf[4];
    (void)arg;
    snprintf(name, sizeof name, "@weir-point-%d", (int)getpid());
    int listener = weir_unix_listen(name, 4), fd = -1, r = listener;
    if (r < 0)
        return r;
    weir_scope *s = weir_scope_open(NULL);
    r = weir_go(s, point_serve, &listener);
    if (r == 0)
        r = fd = weir_unix_connect(name, weir_after(WEIR_S(5)));
    if (r >= 0)
        r = (int)weir_writev(fd, &(struct iovec){(void *)"abcd", 4}, 1, WEIR_NEVER);
    if (r == 4)
        r = (int)weir_readv(fd, &(struct iovec){buf, 4}, 1, WEIR_NEVER);
    if (fd >= 0)
        EQ(weir_close(fd), 0);
    if (r < 0 && weir_scope_error(s) == 0)
        EQ(weir_scope_cancel(s, r), 0);
    int z = weir_scope_close(&s);
    EQ(weir_close(listener), 0);
    return r < 0 ? r : z;
}

static void point_run(void *arg)
{
    int r = world_real(point_main, arg);
    OK(test_fault_hit() ? r <= 0 : r == 0);
}

TEST_WITH(an_exchange_holds_whatever_fails, .timeout = 60)
{
    EVERY_POINT(point_run, NULL);
}
