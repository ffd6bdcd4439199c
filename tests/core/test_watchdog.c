/*
 * test_watchdog.c -- a fiber that holds the loop is named, one that does not
 * is left alone; an overflowed stack is named before the program dies.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"
#include "core/world.h"

struct dog_log {
    pthread_mutex_t lock;
    int n;
    char text[256];
};

static void dog_log(void *ctx, int level, const char *text)
{
    struct dog_log *l = ctx;
    pthread_mutex_lock(&l->lock);
    EQ(level, WEIR_LOG_WARN);
    l->n++;
    snprintf(l->text, sizeof l->text, "%s", text);
    pthread_mutex_unlock(&l->lock);
}

static int dog_run(weir_span watchdog, int (*fn)(void *), struct dog_log *log)
{
    struct weir_config c = {
        .alloc = test_alloc, .watchdog = watchdog, .log = dog_log, .log_ctx = log};
    return weir_run(&c, fn, NULL);
}

static int dog_hog(void *arg)
{
    (void)arg;
    weir_name("hog");
    usleep(250000);
    return 0;
}

TEST(a_fiber_that_holds_the_loop_is_named_once)
{
    struct dog_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    EQ(dog_run(WEIR_MS(30), dog_hog, &log), 0);
    EQ(log.n, 1);
    OK(strstr(log.text, "hog, started at core_watchdog+0x"));
}

static int dog_idle(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        EQ(weir_sleep(weir_after(WEIR_MS(80))), 0);
    return 0;
}

TEST(a_loop_that_is_idle_is_left_alone)
{
    struct dog_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    EQ(dog_run(WEIR_MS(40), dog_idle, &log), 0);
    EQ(log.n, 0);
}

static int dog_busy(void *arg)
{
    weir_time end = weir_after(WEIR_MS(250));
    (void)arg;
    while (weir_now() < end)
        EQ(weir_checkpoint(), 0);
    return 0;
}

TEST(a_loop_that_is_busy_but_takes_turns_is_left_alone)
{
    struct dog_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    EQ(dog_run(WEIR_MS(100), dog_busy, &log), 0);
    EQ(log.n, 0);
}

static int dog_quick(void *arg)
{
    (void)arg;
    return 4;
}

TEST(a_watchdog_does_not_hold_up_the_end)
{
    struct dog_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    EQ(dog_run(WEIR_S(60), dog_quick, &log), 4);
    clock_gettime(CLOCK_MONOTONIC, &b);
    LT(b.tv_sec - a.tv_sec, 10);
}

static void dog_fault(void *arg)
{
    struct dog_log log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    int r = dog_run(WEIR_S(1), dog_quick, &log);
    (void)arg;
    OK(r == 4 || (test_fault_hit() && r == -ENOMEM));
}

TEST(a_watchdog_that_cannot_start_is_an_error)
{
    EVERY_POINT(dog_fault, NULL);
}

/* --- overflow ----------------------------------------------------------- */

static int overflow_fd;

static void overflow_log(void *ctx, int level, const char *text)
{
    (void)ctx;
    (void)level;
    if (write(overflow_fd, text, strlen(text)) < 0)
        _exit(9);
}

static int overflow_deeper(volatile char *above)
{
    volatile char here[256];
    here[0] = (char)(above ? above[0] + 1 : 1);
    if (here[0] == 0 && above && above[1] == 77)
        return 0;
    here[1] = 0;
    return overflow_deeper(here) + here[0];
}

static int overflow_main(void *arg)
{
    (void)arg;
    weir_name("recursive");
    return overflow_deeper(NULL);
}

TEST(an_overflowed_stack_is_named_before_the_program_dies)
{
    char text[256] = "";
    int p[2], status;
    if (WEIR__ASAN || WEIR__TSAN || WEIR__MSAN)
        SKIP("the sanitizer has a handler of its own");
    EQ(pipe2(p, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct weir_config c = {.log = overflow_log, .catch_overflow = 1};
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        overflow_fd = p[1];
        _exit(weir_run(&c, overflow_main, NULL) != 0);
    }
    close(p[1]);
    EQ(waitpid(pid, &status, 0), pid);
    OK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    OK(read(p[0], text, sizeof text - 1) > 0);
    OK(strstr(text, "recursive") && strstr(text, "overflow"));
    close(p[0]);
}

static int overflow_handler(void *arg)
{
    struct sigaction now;
    (void)arg;
    EQ(sigaction(SIGSEGV, NULL, &now), 0);
    return now.sa_sigaction != NULL && now.sa_flags & SA_ONSTACK;
}

TEST(the_handler_is_there_only_if_asked_for_and_only_during_the_run)
{
    struct weir_config c = {.alloc = test_alloc, .catch_overflow = 1};
    struct sigaction before, after;
    if (WEIR__ASAN || WEIR__TSAN || WEIR__MSAN)
        SKIP("the sanitizer has a handler of its own");
    EQ(sigaction(SIGSEGV, NULL, &before), 0);
    EQ(weir_run(NULL, overflow_handler, NULL), 0);
    EQ(weir_run(&c, overflow_handler, NULL), 1);
    EQ(sigaction(SIGSEGV, NULL, &after), 0);
    OK(before.sa_handler == after.sa_handler);
}
