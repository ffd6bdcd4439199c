/*
 * fetch_file.c -- a body's way into a file.
 * Promises: under its own name a file is whole or absent; a failed or
 * interrupted transfer leaves nothing behind but, after a crash, a hidden
 * ".weir-..." file.
 */
#include "fetch.h"

#include "fetch_url.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int file_names(struct fetch_file *f, const char *dir, const struct fetch_job *job)
{
    char name[128];
    fetch_url_name(job->url, name, sizeof name);
    f->path = f->temp = NULL;
    if (asprintf(&f->path, "%s/%06llu-%s", dir, (unsigned long long)job->seq, name) < 0)
        f->path = NULL;
    if (asprintf(&f->temp, "%s/.weir-%ld-%llu.part", dir, (long)getpid(),
                 (unsigned long long)job->seq) < 0)
        f->temp = NULL;
    return f->path != NULL && f->temp != NULL ? 0 : -ENOMEM;
}

static void file_forget(struct fetch_file *f)
{
    free(f->path);
    free(f->temp);
    f->path = f->temp = NULL;
    f->fd = -1;
}

struct file_birth {
    struct fetch_file *f;
    const char *dir;
    const struct fetch_job *job;
};

/* On the loop's stack: printf alone would take each fiber another page of its own. */
static int file_make(void *birth)
{
    struct file_birth *b = birth;
    struct fetch_file *f = b->f;
    int r = file_names(f, b->dir, b->job);
    f->fd = -1;
    if (r == 0) {
        f->fd = open(f->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
        r = f->fd < 0 ? -errno : 0;
    }
    if (r < 0)
        file_forget(f);
    return r;
}

int fetch_file_open(struct fetch_file *f, const char *dir, const struct fetch_job *job)
{
    struct file_birth birth = {f, dir, job};
    return weir_loop_call(file_make, &birth);
}

int fetch_file_write(struct fetch_file *f, const void *p, size_t n)
{
    const char *from = p;
    while (n > 0) {
        ssize_t w = write(f->fd, from, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -errno;
        from += w;
        n -= (size_t)w;
    }
    return 0;
}

int fetch_file_keep(struct fetch_file *f, char **out_path)
{
    int r = close(f->fd) < 0 ? -errno : 0;
    f->fd = -1;
    if (r == 0 && rename(f->temp, f->path) < 0)
        r = -errno;
    if (r < 0) {
        fetch_file_drop(f);
        return r;
    }
    *out_path = f->path;
    f->path = NULL;
    file_forget(f);
    return 0;
}

void fetch_file_drop(struct fetch_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    if (f->temp != NULL)
        (void)unlink(f->temp);
    file_forget(f);
}
