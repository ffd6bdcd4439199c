/*
 * program.c -- a stranger's program: built outside the tree against an installed weir.
 */
#include <stdio.h>
#include <string.h>

#include <weir.h>

static int hello(void *arg)
{
    int *ran = arg;
    *ran = 1;
    return weir_sleep(weir_after(WEIR_MS(1)));
}

int main(void)
{
    int ran = 0;
    int r = weir_run(NULL, hello, &ran);
    if (r < 0) {
        fprintf(stderr, "%s\n", weir_strerror(r));
        return 1;
    }
    printf("weir %s\n", weir_version());
    return ran ? 0 : 1;
}
