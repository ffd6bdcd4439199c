/*
 * test_harness.c -- the harness catches what it promises to catch.
 */
#include "harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"

static void *block_new(size_t size)
{
    return test_alloc.realloc(test_alloc.ctx, NULL, 0, size);
}

static void block_free(void *p, size_t size)
{
    test_alloc.realloc(test_alloc.ctx, p, size, 0);
}

static void core_dump_off(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

TEST(what_holds_passes)
{
    uint64_t big = UINT64_MAX;
    OK(1);
    EQ(1 + 1, 2);
    NE(big, 0u);
    LT(0.1, 0.2);
    LE(-1, -1);
    STREQ("weir", "weir");
    MEMEQ("abc", "abd", 2);
}

TEST_MUST_FAIL(a_false_condition_is_caught, "OK(1 == 2) is false")
{
    OK(1 == 2);
}

TEST_MUST_FAIL(unequal_numbers_are_both_printed, "EQ(one, 2): not 1 == 2")
{
    int one = 1;
    EQ(one, 2);
}

TEST_MUST_FAIL(doubles_are_compared_as_doubles, "not 0.5 == 0.75")
{
    EQ(0.5, 0.75);
}

TEST_MUST_FAIL(unequal_text_is_caught, "\"dam\"")
{
    STREQ("weir", "dam");
}

TEST_MUST_FAIL(unequal_bytes_are_caught, "byte 2 of 3 is 63, not 64")
{
    MEMEQ("abc", "abd", 3);
}

TEST_MUST_FAIL(a_leaked_descriptor_is_caught, "/dev/null")
{
    OK(open("/dev/null", O_RDONLY) >= 0);
}

TEST_MUST_FAIL(a_leaked_byte_is_caught, "1 bytes of test_alloc left behind")
{
    OK(block_new(1));
}

TEST_MUST_FAIL(a_leaked_child_is_caught, "a child process was left behind")
{
    if (fork() == 0) {
        pause();
        _exit(0);
    }
}

TEST_MUST_FAIL(a_wrong_size_at_free_is_caught, "was given back as one of 9")
{
    block_free(block_new(8), 9);
}

TEST_MUST_FAIL(a_crash_is_caught)
{
    core_dump_off();
    raise(SIGSEGV);
}

TEST_MUST_FAIL(an_exit_in_the_middle_is_caught)
{
    _exit(3);
}

TEST_WITH(a_test_that_hangs_is_ended, .must_fail = 1, .saying = "timed out", .timeout = 0.2)
{
    for (;;)
        pause();
}

TEST(the_failing_allocation_is_the_chosen_one)
{
    test_alloc_fail_at(2);
    void *a = block_new(8), *b = block_new(8), *c = block_new(8);
    OK(a && !b && c);
    EQ(test_alloc_live(), 16);
    EQ(test_alloc_calls(), 3);
    block_free(a, 8);
    block_free(c, 8);
    EQ(test_alloc_live(), 0);
}

TEST(a_seed_gives_the_same_numbers_again)
{
    uint64_t first = test_random();
    NE(first, test_random());
}

/* Two points; what fails is cleaned up. */
static void points_two(void *arg)
{
    int *kinds = arg;
    void *p = weir__fault_point(WEIR__FAULT_ALLOC) ? NULL : block_new(4);
    int hit = weir__fault_point(WEIR__FAULT_SYSCALL);
    EQ(p == NULL, test_fault_k == 1 && *kinds != WEIR__FAULT_SYSCALL);
    EQ(hit, *kinds == WEIR__FAULT_SYSCALL ? test_fault_k == 1 : test_fault_k == 2);
    EQ(test_fault_hit(), !p || hit);
    if (p)
        block_free(p, 4);
}

TEST(every_point_fails_once)
{
    int all = 0, some = WEIR__FAULT_SYSCALL;
    EVERY_POINT(points_two, &all);
    EVERY_POINT_OF(some, points_two, &some);
}

static void points_leak(void *arg)
{
    (void)arg;
    void *p = block_new(4);
    if (weir__fault_point(WEIR__FAULT_ALLOC) || weir__fault_point(WEIR__FAULT_SUSPEND))
        return;
    block_free(p, 4);
}

TEST_MUST_FAIL(a_leak_on_a_failed_path_is_caught, "4 bytes of test_alloc left behind")
{
    EVERY_POINT(points_leak, NULL);
}

static void points_hang(void *arg)
{
    (void)arg;
    while (weir__fault_point(WEIR__FAULT_SUSPEND))
        core_dump_off(), abort();
}

TEST_MUST_FAIL(a_crash_on_a_failed_path_is_caught, "fault point 1: signal 6")
{
    EVERY_POINT(points_hang, NULL);
}

TEST(a_disarmed_point_never_fails_and_is_not_counted)
{
    for (int i = 0; i < 100; i++)
        OK(!weir__fault_point(WEIR__FAULT_ALLOC));
    EQ(weir__fault.seen, 0);
}

TEST(a_skipped_test_says_so_by_its_exit_status)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        SKIP("to show that %d skips", 77);
    EQ(waitpid(pid, &status, 0), pid);
    OK(WIFEXITED(status));
    EQ(WEXITSTATUS(status), 77);
}
