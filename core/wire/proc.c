#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/reader_private.h"

/* Field 1 is the pid, 2 the name in parentheses, which may hold anything; numbers are as in
 * proc(5). */
static int parse_stat(char *line, struct proc_status *out)
{
    char *at = strrchr(line, ')');
    if (!at || at[1] != ' ')
        return ERR_IO;
    char *save = NULL;
    int field = 3;
    bool zombie = false;
    uint64_t threads = 0;
    memset(out, 0, sizeof(*out));
    for (char *word = strtok_r(at + 2, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        if (field == 3)
            zombie = *word == 'Z' || *word == 'X';
        else if (field == 20)
            threads = strtoull(word, NULL, 10);
        else if (field == 22)
            out->start_ticks = strtoull(word, NULL, 10);
        else if (field == 28)
            out->start_stack = strtoull(word, NULL, 10);
        field++;
    }
    out->ended = zombie && threads <= 1; /* a first thread may end before the others */
    return field > 28 ? 0 : ERR_IO;
}

int proc_status(uint32_t pid, struct proc_status *out)
{
    char path[64];
    char line[2048];
    snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOENT : ERR_IO;
    ssize_t got = read(fd, line, sizeof(line) - 1);
    int saved = errno;
    close(fd);
    if (got < 0)
        return saved == ESRCH ? ERR_NOENT : ERR_IO;
    line[got] = '\0';
    return parse_stat(line, out);
}

bool proc_thread_alive(uint32_t pid, uint32_t tid)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof(path), "/proc/%" PRIu32 "/task/%" PRIu32, pid, tid);
    return stat(path, &status) == 0 || (errno != ENOENT && errno != ESRCH);
}

uint64_t proc_own_namespace(void)
{
    char text[32];
    ssize_t len = readlink("/proc/self", text, sizeof(text) - 1);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    struct stat status;
    if (strtol(text, NULL, 10) != (long)getpid() || stat("/proc/self/ns/pid", &status) != 0)
        return 0;
    return (uint64_t)status.st_ino;
}
