/*
 * file_stream.c -- a file as a stream: opened by the first pull, then lines.c or
 * supply.c with another way to read.
 */
#include <fcntl.h>
#include <weir/file.h>

#include "io/io.h"
#include "stream/items.h"
#include "stream/stream.h"

struct file_stream {
    weir_stream *(*make)(int fd, size_t max, weir__reader *read);
    size_t max, bytes;
    weir_stream *inner; /* NULL until it is open */
    int fd;
    char *path;
};

static int file_stream_open(struct file_stream *f)
{
    int r;

    if (f->fd < 0)
        f->fd = weir_file_open(f->path, O_RDONLY, 0);
    if (f->fd < 0)
        return f->fd;
    f->inner = f->make(f->fd, f->max, weir_file_read);
    r = weir_stream_error(f->inner);
    if (r < 0)
        f->inner = NULL;
    return r;
}

static ssize_t file_stream_pull(void *self, void *items, size_t max)
{
    struct file_stream *f = self;
    int r = f->inner ? 0 : file_stream_open(f);

    return r < 0 ? r : weir_pull(f->inner, items, max);
}

static void file_stream_close(void *self, int why)
{
    struct file_stream *f = self;

    (void)why;
    weir_stream_close(&f->inner);
    if (f->fd >= 0)
        (void)close(f->fd); /* it was read only: nothing to wait for */
    weir__free(f->path, f->bytes);
    weir__free(f, sizeof *f);
}

static const struct weir_stream_ops file_stream_ops = {
    sizeof(struct weir_stream_ops), WEIR_STREAM_RESUMABLE, file_stream_pull, file_stream_close};

static weir_stream *file_stream_new(const char *path, const struct file_stream *init,
                                    struct weir_type type)
{
    struct file_stream *f;

    if (!path || init->max > SIZE_MAX / 4)
        return weir__stream_poison(-EINVAL);
    f = weir__self_new(init, sizeof *init);
    if (!f)
        return weir__stream_poison(-ENOMEM);
    f->fd = -1;
    f->bytes = strlen(path) + 1;
    f->path = weir__alloc(f->bytes);
    if (f->path)
        memcpy(f->path, path, f->bytes);
    return weir__self_stream(&file_stream_ops, f, type, f->path, NULL);
}

weir_stream *weir_file_lines(const char *path, size_t max)
{
    struct file_stream init = {.make = weir__lines_by, .max = max};

    return file_stream_new(path, &init, WEIR_TYPE(struct weir_line));
}

weir_stream *weir_file_bytes(const char *path, size_t max)
{
    struct file_stream init = {.make = weir__bytes_by, .max = max};

    return file_stream_new(path, &init, WEIR_TYPE(struct weir_chunk));
}
