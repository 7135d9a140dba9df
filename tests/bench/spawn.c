/* spawn OBJECT PAIRS PROGRAM: starts PROGRAM without and with OBJECT preloaded, in turn, and prints
 * each pair's wall microseconds as a JSON array of [without, with]. */
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

static double start(const char *program, char **environment)
{
    char *argv[] = {(char *)program, NULL};
    struct timespec a;
    struct timespec b;
    pid_t pid;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (posix_spawn(&pid, program, NULL, NULL, argv, environment) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "spawn: %s failed\n", program);
        exit(1);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    static char preload[4200];
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", argv[1]);
    char *bare[] = {"PATH=/usr/bin:/bin", "X=LD_PRELOAD", NULL};
    char *with[] = {"PATH=/usr/bin:/bin", preload, NULL};
    int pairs = atoi(argv[2]);
    for (int i = 0; i < 50; i++)
        start(argv[3], i % 2 ? with : bare);
    for (int i = 0; i < pairs; i++) {
        double first = start(argv[3], i % 2 ? with : bare);
        double second = start(argv[3], i % 2 ? bare : with);
        printf("%s[%.2f, %.2f]", i == 0 ? "[" : ", ", i % 2 ? second : first,
               i % 2 ? first : second);
    }
    printf("]\n");
    return 0;
}
