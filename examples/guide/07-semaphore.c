/*
 * 07-semaphore.c -- ten tasks, three at a time (the guide's code example 7).
 *
 * The permit is taken before the fiber is started and travels with it: what
 * waits is the loop, not ten (or a million) fibers.  Where each task is started
 * and bounded in one place, a scope with a .limit says all of this in one line.
 */
#include <stdio.h>
#include <weir.h>

enum { TASKS = 10, PERMITS = 3 };

struct task {
    int id;
    weir_time start;
    struct weir_permit permit;
};

static int work(void *arg)
{
    struct task *t = arg;
    int r = weir_sleep(weir_after(WEIR_MS(200 + t->id)));

    printf("%3d ms  [%d] is done\n", (int)((weir_now() - t->start) / WEIR_MS(1)), t->id);
    weir_permit_give(&t->permit);
    return r;
}

static int app(void *arg)
{
    weir_scope *s = weir_scope_open(NULL);
    weir_time start = weir_now();
    struct task task[TASKS];
    struct weir_sem sem;
    int r = weir_sem_init(&sem, PERMITS), r_close;

    (void)arg;
    for (int i = 0; i < TASKS && r == 0; i++) {
        task[i] = (struct task){.id = i, .start = start};
        r = weir_permit_take(&sem, 1, weir_after(WEIR_S(5)), &task[i].permit);
        if (r < 0)
            break;
        printf("%3d ms  [%d] starts, %d of %d permits are out\n",
               (int)((weir_now() - start) / WEIR_MS(1)), i, (int)weir_sem_taken(&sem), PERMITS);
        if ((r = weir_go(s, work, &task[i])) < 0)
            weir_permit_give(&task[i].permit);
    }
    r_close = weir_scope_close(&s);
    printf("at the end %d are out\n", (int)weir_sem_taken(&sem));
    return r < 0 ? r : r_close;
}

int main(void)
{
    int r = weir_sim_run(1, NULL, app, NULL);

    if (r < 0)
        fprintf(stderr, "semaphore: %s\n", weir_strerror(r));
    return r < 0;
}
