/*
 * test_dump.c -- the dump says who waits for what, since when, in which scope.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/world.h"

static char dump_text[16 << 10];

static void dump_take(void)
{
    int fd = memfd_create("dump", MFD_CLOEXEC);
    OK(fd >= 0);
    EQ(weir_dump(fd), 0);
    ssize_t n = pread(fd, dump_text, sizeof dump_text - 1, 0);
    OK(n > 0);
    dump_text[n] = '\0';
    close(fd);
}

static void dump_has(const char *what)
{
    if (!strstr(dump_text, what))
        FAIL("no \"%s\" in:\n%s", what, dump_text);
}

static int dump_recv(void *arg)
{
    int v;
    return weir_recv(*(weir_chan **)arg, &v, WEIR_NEVER);
}

SIM_TEST(a_dump_tells_who_waits_for_what_since_when)
{
    weir_chan *ch = weir_chan_new(WEIR_TYPE(int), 1);
    weir_span span = WEIR_S(5);
    char at[64];
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "workers"});
    EQ(weir_go_with(s, dump_recv, &ch, &(struct weir_go_opts){.name = "parser"}), 0);
    EQ(weir_go_with(s, fiber_sleep, &span, &(struct weir_go_opts){.name = "ticker"}), 0);
    EQ(weir_sleep(weir_after(WEIR_MS(12))), 0);
    GO(s, fiber_nothing, NULL);
    dump_take();
    dump_has("scope");
    dump_has("weir_run");
    dump_has("workers: 3 running");
    dump_has("main: running");
    snprintf(at, sizeof at, "parser: parked in recv %p for 12.000 ms", (void *)ch);
    dump_has(at);
    dump_has("ticker: parked in sleep");
    dump_has(": ready");
    OK(!strstr(dump_text, "cancelled"));
    EQ(weir_scope_cancel(s, -EPERM), 0);
    dump_take();
    dump_has("cancelled");
    EQ(weir_scope_close(&s), -EPERM);
    weir_chan_free(&ch);
    return 0;
}

SIM_TEST(a_dump_to_what_cannot_be_written_is_refused)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EQ(weir_dump(-1), -EBADF);
    EQ(weir_dump(9999), -EBADF);
    EQ(weir_dump(fd), -EBADF);
    close(fd);
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        EQ(weir_dump(fd), -ENOSPC);
        close(fd);
    }
    return 0;
}

static int dump_deep(void *arg)
{
    int depth = *(int *)arg;
    weir_scope *s = weir_scope_open(&(struct weir_scope_opts){.name = "level"});
    if (depth-- == 0) {
        dump_take();
        return weir_scope_close(&s);
    }
    GO(s, dump_deep, &depth);
    return weir_scope_close(&s);
}

SIM_TEST(scopes_in_scopes_are_shown_as_a_tree)
{
    int depth = 5, seen = 0;
    EQ(dump_deep(&depth), 0);
    for (const char *p = dump_text; (p = strstr(p, "level")); p++)
        seen++;
    EQ(seen, 6);
    dump_has("parked in scope_close");
    return 0;
}
