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

/* From the line that has `what` on, its spawn site. */
static void dump_site(const char *what, char site[128])
{
    const char *at = strstr(dump_text, what);
    OK(at != NULL);
    at = strstr(at, ", started at ");
    OK(at != NULL);
    snprintf(site, 128, "%.*s", (int)strcspn(at, "\n"), at);
}

static __attribute__((noinline)) int dump_start(weir_scope *s, const char *name)
{
    return weir_go_with(s, fiber_forever, NULL, &(struct weir_go_opts){.name = name});
}

SIM_TEST(a_fiber_is_shown_with_the_line_it_was_started_at)
{
    weir_scope *s = weir_scope_open(NULL);
    char a[128], b[128], c[128];
    EQ(dump_start(s, "first"), 0);
    EQ(dump_start(s, "second"), 0);
    EQ(weir_go_with(s, fiber_forever, NULL, &(struct weir_go_opts){.name = "third"}), 0);
    dump_take();
    dump_site(" first:", a);
    dump_site(" second:", b);
    dump_site(" third:", c);
    STREQ(a, b);
    NE(strcmp(a, c), 0);
    dump_has("started at core_dump+0x"); /* for addr2line: the file and the offset in it */
    (void)weir_scope_cancel(s, -ECANCELED);
    (void)weir_scope_close(&s);
    return 0;
}

static int dump_lock(void *arg)
{
    int r = weir_mutex_lock(arg, WEIR_NEVER);
    return r < 0 ? r : weir_mutex_unlock(arg);
}

static int dump_send(void *arg)
{
    int v = 1;
    return weir_send((weir_chan *)arg, &v, WEIR_NEVER);
}

SIM_TEST(a_dump_tells_who_holds_what_is_waited_for)
{
    weir_chan *ch = weir_chan_with(WEIR_TYPE(int), &(struct weir_chan_opts){.name = "orders"});
    weir_scope *s = weir_scope_open(NULL);
    struct weir_mutex m;
    int v;
    weir_mutex_init(&m);
    weir_name("holder");
    EQ(weir_mutex_lock(&m, WEIR_NEVER), 0);
    GO(s, dump_lock, &m);
    GO(s, dump_send, ch);
    world_settle();
    dump_take();
    dump_has("parked in mutex_lock");
    dump_has(" holder, started at");
    dump_has(", held by");
    dump_has("(channel orders)");
    EQ(weir_mutex_unlock(&m), 0);
    EQ(weir_recv(ch, &v, WEIR_NEVER), 1);
    EQ(weir_scope_close(&s), 0);
    weir_chan_free(&ch);
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
