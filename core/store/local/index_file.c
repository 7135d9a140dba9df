/* The index's files, between those who use them and the collector that empties the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/db.h"
#include "store/local/index_internal.h"

#define KEPT_SECONDS (24L * 3600) /* unused, when the store drops something */

static int lock(const char *dir, int how)
{
    char path[4300];
    snprintf(path, sizeof(path), "%s/ui-index.lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && flock(fd, how) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int index_lock(const char *dir)
{
    return lock(dir, LOCK_SH);
}

void index_remove_files(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[4300];
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

/* Whether the store has a trace; when that cannot be told, it has. */
static bool is_empty(struct store *s)
{
    int64_t first = 1;
    return db_int(s, &first, TRACE_FIRST, "") == ERR_OK && first == 0;
}

void store_drop_index(struct store *s)
{
    char path[4300];
    struct stat st;
    snprintf(path, sizeof(path), "%s/ui-index.db", s->dir);
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    if (time(NULL) - st.st_mtime < KEPT_SECONDS && !is_empty(s))
        return;
    int fd = lock(s->dir, LOCK_EX | LOCK_NB);
    if (fd < 0)
        return; /* somebody looks at it, and drops what was dropped */
    index_remove_files(path);
    close(fd);
}
