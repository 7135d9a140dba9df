#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/reader_private.h"

#define FOREIGN_SILENCE (3600 * NS_PER_SEC)
#define TEMP_AGE_SEC    60

/* Without a pid to ask for: whether it wrote within the last hour, by its own clock or by ours. */
static bool wrote_lately(struct ring_reader *r)
{
    const int64_t now = clock_boot_ns();
    if (reader_load(r) != 0)
        return false;
    uint64_t time = atomic_load_explicit(&r->header->alive_time, memory_order_relaxed);
    if (time != r->alive_time || r->alive_seen == 0) {
        bool first = r->alive_seen == 0;
        r->alive_time = time;
        r->alive_seen = first && time < (uint64_t)now ? (int64_t)time : now;
    }
    return now - r->alive_seen < FOREIGN_SILENCE;
}

bool ring_reader_alive(struct ring_reader *r)
{
    const struct ring_identity *id = &r->identity;
    uint64_t own = proc_own_namespace();
    if (own == 0 || id->pid_ns != own)
        return wrote_lately(r);
    struct proc_status status;
    int err = proc_status(id->pid, &status);
    if (err == ERR_NOENT)
        return false;
    if (err != 0)
        return wrote_lately(r);
    if (status.ended || status.start_ticks != id->start_ticks)
        return false;
    /* 0: not told without permission, or a first thread that ended before the others. */
    return status.start_stack == 0 || id->exec_nonce == 0 || status.start_stack == id->exec_nonce;
}

int ring_dir_sweep(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d)
        return ERR_IO;
    int removed = 0;
    const time_t now = time(NULL);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        struct stat status;
        if (strncmp(e->d_name, RING_TEMP_PREFIX, strlen(RING_TEMP_PREFIX)) != 0)
            continue;
        if (fstatat(dirfd(d), e->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode) && now - status.st_ctime > TEMP_AGE_SEC &&
            unlinkat(dirfd(d), e->d_name, 0) == 0)
            removed++;
    }
    closedir(d);
    return removed;
}
