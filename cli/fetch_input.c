/*
 * fetch_input.c -- the reader: arguments, files and stdin become items.
 *
 * A line is handed on as soon as it is there.  Blank lines are skipped; a
 * line that is no URL becomes an item that is `invalid`; a file that cannot
 * be read is said, counted, and passed over.  Never holds more than one
 * buffer and one item that waits for room.
 */
#include "fetch.h"

#include "fetch_url.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/io.h>

/* More than the longest URL, so that a full buffer without a line break is one line too long. */
#define INPUT_BUFFER (FETCH_URL_MAX + 4096)

/* Read at once: as long as lines are short, the rest of the buffer is never touched. */
#define INPUT_PIECE 8192

struct input_lines {
    size_t n;      /* bytes at the front of buf that are no whole line yet */
    bool skipping; /* the rest of a line that was too long */
    char buf[INPUT_BUFFER];
};

static int input_item(struct fetch_run *run, const char *line, size_t len)
{
    run->input_waits = fetch_sched_room(&run->sched) == 0;
    int r = weir_sem_take(&run->room, 1, WEIR_NEVER);
    run->input_waits = false;
    if (r < 0)
        return r;
    struct fetch_job *job = fetch_job_new(line, len, run->seq, fetch_now(run));
    if (job == NULL || fetch_sched_add(&run->sched, job, fetch_now(run)) < 0) {
        fetch_job_free(&job);
        (void)weir_sem_give(&run->room, 1);
        return -ENOMEM;
    }
    run->seq++;
    run->counts.in++;
    weir_event_set(&run->wake);
    return run->seq % 64 == 0 ? weir_checkpoint() : 0;
}

static bool input_blank(const char *line, size_t len)
{
    return strspn(line, " \t\r") >= len;
}

static int input_line(struct fetch_run *run, struct input_lines *in, char *line, size_t len)
{
    bool skip = in->skipping;
    in->skipping = false;
    line[len] = 0; /* over the line break, or behind the last byte */
    return skip || input_blank(line, len) ? 0 : input_item(run, line, len);
}

/* Hands on every whole line of the buffer. */
static int input_split(struct fetch_run *run, struct input_lines *in)
{
    char *line = in->buf, *end = in->buf + in->n, *stop;
    int r = 0;
    while (r == 0 && (stop = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        r = input_line(run, in, line, (size_t)(stop - line));
        line = stop + 1;
    }
    in->n = (size_t)(end - line);
    memmove(in->buf, line, in->n);
    if (r == 0 && in->n == INPUT_BUFFER - 1) {
        r = input_line(run, in, in->buf, in->n);
        in->skipping = true;
        in->n = 0;
    }
    return r;
}

static int input_read(struct fetch_run *run, int fd)
{
    struct input_lines *in = malloc(sizeof *in);
    if (in == NULL)
        return -ENOMEM;
    in->n = 0;
    in->skipping = false;
    int r = 0;
    while (r == 0) {
        size_t room = INPUT_BUFFER - 1 - in->n;
        ssize_t n =
            weir_read(fd, in->buf + in->n, room < INPUT_PIECE ? room : INPUT_PIECE, WEIR_NEVER);
        if (n <= 0) {
            r = (int)n;
            break;
        }
        in->n += (size_t)n;
        r = input_split(run, in);
    }
    if (r == 0 && in->n > 0)
        r = input_line(run, in, in->buf, in->n);
    free(in);
    return r;
}

/*
 * A description of our own that does not block: the one we were given may be
 * the shell's too.  Plain files are read as they are.
 */
static int input_stdin(void)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (S_ISFIFO(st.st_mode) || isatty(STDIN_FILENO)) {
        int fd = open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (fd >= 0 && !S_ISREG(st.st_mode))
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

struct input_open {
    const char *path;
    int fd;
};

/* On the pool: opening a FIFO waits for its writer. */
static int input_open_main(void *arg)
{
    struct input_open *o = arg;
    o->fd = open(o->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return o->fd < 0 ? -errno : 0;
}

static int input_open_file(const char *path)
{
    struct stat st;
    struct input_open o = {path, -ENOENT};
    if (strcmp(path, "-") == 0)
        return input_stdin();
    if (stat(path, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    int r = S_ISFIFO(st.st_mode) ? weir_offload(input_open_main, &o) : input_open_main(&o);
    if (r < 0)
        return r;
    if (!S_ISREG(st.st_mode))
        (void)fcntl(o.fd, F_SETFL, fcntl(o.fd, F_GETFL) | O_NONBLOCK);
    return o.fd;
}

static int input_file(struct fetch_run *run, const char *path)
{
    int fd = input_open_file(path), r = fd;
    if (fd >= 0) {
        r = input_read(run, fd);
        weir_close(fd);
    }
    if (r == 0 || r == -ECANCELED)
        return r;
    fetch_say(run, "weir fetch: cannot read %s: %s", strcmp(path, "-") == 0 ? "stdin" : path,
              weir_strerror(r));
    run->counts.input_errors++;
    return r == -ENOMEM ? r : 0;
}

static int input_argument(struct fetch_run *run, const char *arg)
{
    if (strcmp(arg, "-") == 0)
        return input_file(run, arg);
    if (arg[0] == '@')
        return input_file(run, arg + 1);
    return input_item(run, arg, strlen(arg));
}

int fetch_input_main(void *arg)
{
    struct fetch_run *run = arg;
    int r = 0;
    if (run->opts->input_count == 0)
        r = input_file(run, "-");
    for (int i = 0; r == 0 && i < run->opts->input_count; i++)
        r = input_argument(run, run->opts->inputs[i]);
    run->input_ended = true;
    run->input_cut = r != 0;
    weir_event_set(&run->wake);
    return 0;
}
