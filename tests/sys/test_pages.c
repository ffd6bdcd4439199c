/*
 * test_pages.c -- a guard below each stack, and nothing but the guard.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "harness/test.h"
#include "sys/pages.h"

/* What the kernel says of one byte: 1, or -errno. */
static int look(int fd, const char *at)
{
    return write(fd, at, 1) < 0 ? -errno : 1;
}

TEST(each_stack_has_a_guard_below_it_and_only_there)
{
    enum { SIZE = 64 << 10, COUNT = 40 };
    char *slab = weir__pages_slab(SIZE, COUNT);
    int p[2];

    OK(slab != NULL);
    EQ(pipe2(p, O_CLOEXEC), 0);
    for (size_t i = 0; i < COUNT; i++) {
        EQ(look(p[1], slab + i * SIZE), -EFAULT);
        EQ(look(p[1], slab + i * SIZE + WEIR__PAGE - 1), -EFAULT);
        EQ(look(p[1], slab + i * SIZE + WEIR__PAGE), 1);
        EQ(look(p[1], slab + (i + 1) * SIZE - 1), 1);
    }
    close(p[0]);
    close(p[1]);
    weir__pages_free(slab, SIZE, COUNT);
}
