/*
 * test_process_fds.c -- what a child gets, its descriptors above all, and what is
 * said through them.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/process_world.h"

/* --- what it gets ------------------------------------------------------- */

REAL_TEST(it_gets_its_arguments_environment_and_place)
{
    const char *const env[] = {"WEIR_ONE=1 2", "PATH=/usr/bin:/bin", NULL};
    char text[256] = "";
    struct weir_process_io io = {.out = text, .out_size = sizeof text - 1};
    setenv("WEIR_TWO", "parent's", 1);
    STREQ(says("echo $WEIR_TWO"), "parent's\n");
    STREQ(says_with("echo \"$WEIR_ONE|$WEIR_TWO|$PWD\"", CHILD(.env = env, .cwd = "/usr")),
          "1 2||/usr\n");
    EQ(weir_process_run(
           (const char *const[]){"me", "-c", "echo \"$0|$1|$#\"", "a b", "", "c", NULL},
           CHILD(.file = "sh"), &io),
       0);
    STREQ(text, "a b||2\n");
    return 0;
}

/* A line of its own status; a shell would have cleared its mask first. */
static unsigned long long status_of(const char *script)
{
    char text[64] = "";
    struct weir_process_io io = {.out = text, .out_size = sizeof text - 1};
    EQ(weir_process_run((const char *const[]){"sed", "-n", script, "/proc/self/status", NULL}, NULL,
                        &io),
       0);
    EQ(strlen(text), 17u);
    return strtoull(text, NULL, 16);
}

REAL_TEST(it_finds_its_signals_as_they_should_be)
{
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    EQ(status_of("s/^SigBlk:.//p"), 0u);
    EQ(status_of("s/^SigIgn:.//p") >> (SIGPIPE - 1) & 1, 0u);
    signal(SIGPIPE, SIG_DFL);
    return 0;
}

/* How often a line stands in a text. */
static int count_line(const char *text, const char *line, size_t len)
{
    int n = 0;
    while (*text) {
        n += strncmp(text, line, len) == 0 && text[len] == '\n';
        text = strchr(text, '\n') + 1;
    }
    return n;
}

REAL_TEST(its_three_descriptors_are_all_it_gets_of_ours)
{
    int a[2], b[2];
    EQ(pipe2(a, O_CLOEXEC), 0);
    EQ(pipe2(b, O_CLOEXEC), 0);
    const struct weir_process_opts pipes = {.in = {WEIR_FROM_FD, a[0]},
                                            .err = {WEIR_FROM_FD, b[1]}};
    const char *text = says_with("d=/proc/$$/fd; readlink $d/0 $d/1 $d/2 $d/*", &pipes),
               *line = text;
    for (int i = 0; i < 3; i++) {
        size_t len = strcspn(line, "\n");
        OK(strncmp(line, "pipe:", 5) == 0);
        EQ(count_line(text, line, len), 2); /* by its number, and among all */
        line += len + 1;
    }
    for (int i = 0; i < 2; i++) {
        EQ(close(a[i]), 0);
        EQ(close(b[i]), 0);
    }
    return 0;
}

REAL_TEST(its_descriptors_are_what_was_asked_for)
{
    int p[2];
    char text[64] = "";
    const struct weir_process_opts quiet = {.in = {WEIR_FROM_NULL, 0}, .err = {WEIR_FROM_NULL, 0}};
    STREQ(says_with("readlink /proc/$$/fd/0 /proc/$$/fd/2", &quiet), "/dev/null\n/dev/null\n");
    STREQ(says_with("echo out; echo err >&2", CHILD(.err = {WEIR_FROM_OUT, 0})), "out\nerr\n");
    EQ(pipe2(p, O_CLOEXEC), 0);
    struct weir_process_io io = {.out = text, .out_size = sizeof text};
    EQ(weir_process_run(SH("echo one; echo two >&2"), CHILD(.err = {WEIR_FROM_FD, p[1]}), &io), 0);
    MEMEQ(text, "one\n", 4);
    EQ(close(p[1]), 0); /* it stayed ours */
    EQ(read(p[0], text, sizeof text), 4);
    MEMEQ(text, "two\n", 4);
    EQ(read(p[0], text, sizeof text), 0); /* and the child's copies are closed */
    EQ(close(p[0]), 0);
    return 0;
}

/* --- low descriptors ---------------------------------------------------- */

static int low_saved[3];

static void low_close(void)
{
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        low_saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
        OK(low_saved[i] >= 0);
    }
    for (int i = 0; i < 3; i++)
        close(i);
}

static void low_restore(void)
{
    for (int i = 0; i < 3; i++) {
        dup2(low_saved[i], i);
        close(low_saved[i]);
    }
}

/* A failed assertion could not be shown while 2 is closed: so this counts what is wrong. */
static int low_wrong(void)
{
    char out[64] = "", err[64] = "";
    struct weir_process_io io = {
        .in = "x\n", .in_size = 2, .out = out, .out_size = 63, .err = err, .err_size = 63};
    weir_process *p;
    int wrong = 0;
    wrong += weir_process_run(SH("read x; echo \"o$x\"; echo \"e$x\" >&2"), NULL, &io) != 0;
    wrong += strcmp(out, "ox\n") != 0;
    wrong += strcmp(err, "ex\n") != 0;
    p = weir_process_open(sleeper, CHILD(.in = PIPE, .out = PIPE, .err = PIPE));
    for (int i = 0; i < 3; i++)
        wrong += weir_process_fd(p, i) < 3;
    wrong += weir_process_close(&p) != 1;
    memset(out, 0, sizeof out);
    io = (struct weir_process_io){.out = out, .out_size = 63};
    wrong += weir_process_run(SH("readlink /proc/$$/fd/0 /proc/$$/fd/2"), NULL, &io) != 0;
    wrong += strcmp(out, "/dev/null\n/dev/null\n") != 0;
    return wrong;
}

REAL_TEST(closed_low_descriptors_of_ours_do_not_reach_it)
{
    int wrong, first;
    low_close();
    wrong = low_wrong();
    first = open("/etc/passwd", O_RDONLY | O_CLOEXEC); /* 0, and none of the child's business */
    wrong += first != 0;
    wrong += low_wrong();
    close(first);
    low_restore();
    EQ(wrong, 0);
    return 0;
}

REAL_TEST(outputs_may_be_swapped)
{
    int out[2], err[2], wrong = 0;
    char text[8] = "";
    EQ(pipe2(out, O_CLOEXEC), 0);
    EQ(pipe2(err, O_CLOEXEC), 0);
    low_close();
    wrong += dup2(out[1], 1) != 1;
    wrong += dup2(err[1], 2) != 2;
    weir_process *p = weir_process_open(SH("echo o; echo e >&2"),
                                        CHILD(.out = {WEIR_FROM_FD, 2}, .err = {WEIR_FROM_FD, 1}));
    wrong += weir_process_wait(p, NULL, WEIR_NEVER) != 0;
    low_restore();
    EQ(wrong, 0);
    EQ(weir_process_close(&p), 0);
    EQ(read(out[0], text, 8), 2);
    EQ(text[0], 'e');
    EQ(read(err[0], text, 8), 2);
    EQ(text[0], 'o');
    for (int i = 0; i < 2; i++) {
        EQ(close(out[i]), 0);
        EQ(close(err[i]), 0);
    }
    return 0;
}

REAL_TEST(a_child_does_not_hold_anothers_pipe)
{
    weir_process *a = weir_process_open(cat, CHILD(.in = PIPE, .out = PIPE));
    weir_process *b = weir_process_open(sleeper, CHILD(.in = PIPE, .out = PIPE));
    char c;
    EQ(weir_process_shut(a, 0), 0);
    EQ(weir_read(weir_process_fd(a, 1), &c, 1, WEIR_NEVER), 0); /* would wait for b for ever */
    EQ(weir_process_wait(a, NULL, WEIR_NEVER), 0);
    EQ(weir_process_signal(b, 0), 0);
    EQ(weir_process_close(&a), 0);
    EQ(weir_process_close(&b), 1);
    return 0;
}

/* --- talking ------------------------------------------------------------ */

REAL_TEST(its_output_is_a_stream_of_lines)
{
    weir_process *p = weir_process_open(SH("echo one; echo two; printf three"), CHILD(.out = PIPE));
    weir_stream *s = weir_lines(weir_process_fd(p, 1), 0);
    struct weir_line l;
    for (int i = 0; i < 3; i++) {
        EQ(weir_next(s, &l), 1);
        STREQ(l.text, i == 0 ? "one" : i == 1 ? "two" : "three");
    }
    EQ(weir_next(s, &l), 0);
    weir_stream_close(&s);
    EQ(weir_process_wait(p, NULL, WEIR_NEVER), 0);
    EQ(weir_process_close(&p), 0);
    return 0;
}

enum { FEED_BYTES = 300000 };

static char feed_from[FEED_BYTES], feed_to[FEED_BYTES];

static int feed_run(void *arg)
{
    weir_stream *s = weir_chunks(weir_array(feed_from, FEED_BYTES, WEIR_TYPE(char)), 4096);
    return weir_process_feed(arg, &s);
}

REAL_TEST(a_stream_feeds_it_while_another_reads_it)
{
    weir_process *p = weir_process_open(cat, CHILD(.in = PIPE, .out = PIPE));
    weir_scope *s = weir_scope_open(NULL);
    size_t n;
    for (size_t i = 0; i < FEED_BYTES; i++)
        feed_from[i] = (char)(i * 7 + i / 251);
    GO(s, feed_run, p);
    EQ(weir_read_all(weir_process_fd(p, 1), feed_to, FEED_BYTES, &n, WEIR_NEVER), FEED_BYTES);
    MEMEQ(feed_to, feed_from, FEED_BYTES);
    EQ(weir_scope_close(&s), 0);
    EQ(weir_process_wait(p, NULL, WEIR_NEVER), 0); /* its input has ended */
    EQ(weir_process_close(&p), 0);
    return 0;
}

REAL_TEST(a_child_that_reads_no_more_is_an_epipe)
{
    weir_process *p =
        weir_process_open(SH("exec <&-; echo; read x"), CHILD(.in = PIPE, .out = PIPE));
    weir_stream *s = weir_chunks(weir_array(feed_from, FEED_BYTES, WEIR_TYPE(char)), 4096);
    EQ(weir_process_feed(p, &s), -EPIPE);
    EQ(weir_process_wait(p, NULL, WEIR_NEVER), 0);
    EQ(weir_process_close(&p), 0);
    return 0;
}

REAL_TEST(a_pipe_that_was_taken_outlives_the_handle)
{
    weir_process *p = weir_process_open(SH("echo late"), CHILD(.out = PIPE));
    int fd = weir_process_take(p, 1);
    char text[8];
    EQ(weir_process_take(p, 1), -EBADF);
    EQ(weir_process_wait(p, NULL, WEIR_NEVER), 0);
    EQ(weir_process_close(&p), 0);
    EQ(weir_read(fd, text, sizeof text, WEIR_NEVER), 5);
    EQ(weir_close(fd), 0);
    return 0;
}

REAL_TEST(a_run_writes_and_reads_at_once)
{
    char err[8] = "";
    struct weir_process_io io = {.in = feed_from,
                                 .in_size = FEED_BYTES,
                                 .out = feed_to,
                                 .out_size = FEED_BYTES,
                                 .err = err,
                                 .err_size = 8};
    for (size_t i = 0; i < FEED_BYTES; i++)
        feed_from[i] = (char)(i * 11 + i / 127);
    EQ(weir_process_run(SH("cat; echo well >&2; exit 5"), NULL, &io),
       0); /* exactly as much as fits */
    EQ(io.out_len, (size_t)FEED_BYTES);
    EQ(io.err_len, 5u);
    EQ(io.exit.code, 5);
    MEMEQ(feed_to, feed_from, FEED_BYTES);
    MEMEQ(err, "well\n", 5);
    io.out_size = FEED_BYTES - 1;
    EQ(weir_process_run(SH("cat; sleep 1000"), NULL, &io), WEIR_ETOOLARGE);
    EQ(io.out_len, (size_t)FEED_BYTES - 1);
    io.out_size = FEED_BYTES;
    EQ(weir_process_run(SH("exit 4"), NULL, &io), 0); /* reads nothing of its input */
    EQ(io.out_len, 0u);
    EQ(io.exit.code, 4);
    io.in_size = 0;
    EQ(weir_process_run(cat, NULL, &io), 0); /* an input that is empty */
    EQ(io.exit.code, 0);
    EQ(weir_process_run((const char *const[]){"/nowhere", NULL}, NULL, &io), -ENOENT);
    EQ(weir_process_run(cat, NULL, NULL), -EINVAL);
    EQ(weir_process_run(cat, NULL, &(struct weir_process_io){.in_size = 1}), -EINVAL);
    EQ(weir_process_run(cat, NULL, &(struct weir_process_io){.out_size = 1}), -EINVAL);
    EQ(weir_process_run(cat, NULL, &(struct weir_process_io){.err_size = 1}), -EINVAL);
    return 0;
}
