/*
 * replay.c -- runs a target on the files it is given, and on those in the
 * folders: so a corpus, and each input that once broke something, is a test.
 * Without a folder that is there it also runs a stated number of made-up inputs.
 *
 *     PROGRAM [-n INPUTS] FILE|FOLDER ...
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { REPLAY_MOST = 1 << 16 };

static long replayed;

static void replay_file(const char *path)
{
    static uint8_t data[REPLAY_MOST];
    FILE *f = fopen(path, "rbe");
    size_t n;

    if (!f) {
        perror(path);
        exit(2);
    }
    n = fread(data, 1, sizeof data, f);
    fclose(f);
    (void)LLVMFuzzerTestOneInput(data, n);
    replayed++;
}

static void replay(const char *path)
{
    struct dirent *e;
    struct stat st = {0}; /* MSan does not know stat */
    DIR *d;

    if (stat(path, &st) < 0) {
        perror(path);
        exit(2);
    }
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }
    d = opendir(path);
    while (d && (e = readdir(d))) {
        char inside[4096];

        if (e->d_name[0] == '.')
            continue;
        snprintf(inside, sizeof inside, "%s/%s", path, e->d_name);
        replay(inside);
    }
    if (d)
        closedir(d);
}

/* The same inputs on every run. */
static void made_up(long inputs)
{
    uint64_t state = 1;
    uint8_t data[512];

    for (long i = 0; i < inputs; i++) {
        size_t n = 0;

        state = state * 6364136223846793005u + 1442695040888963407u;
        for (size_t want = (size_t)(state >> 40) % sizeof data; n < want; n++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            data[n] = (uint8_t)(state >> 56);
        }
        (void)LLVMFuzzerTestOneInput(data, n);
        replayed++;
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            made_up(atol(argv[++i]));
        else
            replay(argv[i]);
    }
    printf("%ld inputs\n", replayed);
    return replayed ? 0 : 2;
}
