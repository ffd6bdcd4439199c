/*
 * lines.c -- lines of a descriptor, out of one buffer that grows to the limit.
 */
#include <string.h>
#include <weir/io.h>

#include "stream/stream.h"

struct lines {
    int fd;
    weir__reader *read;
    size_t max;
    char *buf;
    size_t size, head, len, scanned; /* unread bytes, of which so many hold no newline */
    bool end;
};

static int lines_grow(struct lines *l)
{
    size_t size = l->size ? l->size * 2 : 4096;
    char *buf;

    if (l->head) {
        memmove(l->buf, l->buf + l->head, l->len);
        l->head = 0;
        return 0;
    }
    if (l->len > l->max)
        return WEIR_ETOOLARGE;
    buf = weir__realloc(l->buf, l->size, size);
    if (!buf)
        return -ENOMEM;
    l->buf = buf;
    l->size = size;
    return 0;
}

/* More bytes behind those that are there; one place is kept for a zero. */
static int lines_fill(struct lines *l)
{
    ssize_t n;

    while (l->head + l->len + 1 >= l->size) {
        int r = lines_grow(l);

        if (r < 0)
            return r;
    }
    n = l->read(l->fd, l->buf + l->head + l->len, l->size - l->head - l->len - 1);
    if (n < 0)
        return (int)n;
    l->end = n == 0;
    l->len += (size_t)n;
    return 0;
}

static ssize_t lines_give(struct lines *l, struct weir_line *out, size_t len, size_t whole)
{
    if (len > l->max)
        return WEIR_ETOOLARGE;
    *out = (struct weir_line){l->buf + l->head, len};
    out->text[len] = '\0';
    l->head += whole;
    l->len -= whole;
    l->scanned = 0;
    return 1;
}

static ssize_t lines_pull(void *self, void *items, size_t max)
{
    struct lines *l = self;

    (void)max; /* one: its text is lent until the next pull */
    for (;;) {
        char *from = l->buf + l->head + l->scanned;
        char *nl = l->len > l->scanned ? memchr(from, '\n', l->len - l->scanned) : NULL;
        int r;

        if (nl) {
            size_t len = (size_t)(nl - (l->buf + l->head));

            return lines_give(l, items, len && nl[-1] == '\r' ? len - 1 : len, len + 1);
        }
        if (l->end)
            return l->len ? lines_give(l, items, l->len, l->len) : 0;
        l->scanned = l->len;
        if (l->len > l->max + 1)
            return WEIR_ETOOLARGE;
        r = lines_fill(l);
        if (r < 0)
            return r;
    }
}

static void lines_close(void *self, int why)
{
    struct lines *l = self;

    (void)why;
    weir__free(l->buf, l->size);
    weir__free(l, sizeof *l);
}

static const struct weir_stream_ops lines_ops = {sizeof(struct weir_stream_ops),
                                                 WEIR_STREAM_RESUMABLE, lines_pull, lines_close};

static ssize_t lines_read(int fd, void *buf, size_t size)
{
    return weir_read(fd, buf, size, WEIR_NEVER);
}

weir_stream *weir_lines(int fd, size_t max)
{
    return weir__lines_by(fd, max, lines_read);
}

weir_stream *weir__lines_by(int fd, size_t max, weir__reader *read)
{
    struct lines *l;
    weir_stream *s;

    if (fd < 0 || max > SIZE_MAX / 4)
        return weir__stream_poison(fd < -1 ? fd : -EINVAL);
    l = weir__alloc(sizeof *l);
    if (!l)
        return weir__stream_poison(-ENOMEM);
    l->fd = fd;
    l->read = read;
    l->max = max ? max : 64 << 10;
    s = weir_stream_new(&lines_ops, l, WEIR_TYPE(struct weir_line));
    if (s->poison)
        lines_close(l, s->poison);
    return s;
}
