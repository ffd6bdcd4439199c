/*
 * test_pages.c -- a guard below each stack, and nothing but the guard.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

/* Whether a mapping of this process has the name and covers the byte. */
static int named(const void *at, const char *name)
{
    FILE *f = fopen("/proc/self/maps", "re");
    unsigned long from, to, wanted = (unsigned long)(uintptr_t)at;
    char line[512];
    int found = 0;

    OK(f != NULL);
    while (!found && fgets(line, sizeof line, f))
        found = sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= wanted && wanted < to &&
                strstr(line, name) != NULL;
    fclose(f);
    return found;
}

/* Whether this kernel was built with names. */
static int names_work(void)
{
    void *page = mmap(NULL, WEIR__PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int works = prctl(0x53564d41, 0, page, (size_t)WEIR__PAGE, "weir test") == 0;

    works = works && named(page, "[anon:weir test]");
    munmap(page, WEIR__PAGE);
    return works;
}

TEST(stacks_have_a_name_in_the_map_of_the_process)
{
    char *slab;

    if (!names_work())
        SKIP("the kernel has no names for mappings");
    slab = weir__pages_slab(64 << 10, 4);
    OK(slab != NULL);
    OK(named(slab, "[anon:weir stacks]"));
    OK(named(slab + (4 << 16) - 1, "[anon:weir stacks]"));
    weir__pages_free(slab, 64 << 10, 4);
}
