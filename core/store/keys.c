/* Keys of destinations: dir/keys, 0600, a line `id<TAB>key` each. The file is replaced whole, by a
 * rename, so that a reader finds either the old one or the new one; writers come one at a time,
 * since store_destination runs inside a write transaction. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/db.h"

#define KEYS_BYTES_MAX ((size_t)1 << 20)

static int read_all(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : ERR_IO;
    int err = ERR_OK;
    char chunk[4096];
    ssize_t n;
    while (err == ERR_OK && (n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n > 0)
            err = buf_append(out, chunk, (size_t)n);
        else if (errno != EINTR)
            err = ERR_IO;
    }
    close(fd);
    return err;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_IO;
        data += n;
        len -= (size_t)n;
    }
    return ERR_OK;
}

static void sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

static int replace_file(const char *dir, const char *path, const struct buf *content)
{
    char temporary[4300];
    snprintf(temporary, sizeof(temporary), "%s.%ld.new", path, (long)getpid());
    (void)unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ERR_IO;
    int err = write_all(fd, buf_str(content), content->len);
    if (fsync(fd) != 0)
        err = ERR_IO;
    if (close(fd) != 0)
        err = ERR_IO;
    if (err == ERR_OK && rename(temporary, path) != 0)
        err = ERR_IO;
    if (err == ERR_OK)
        sync_folder(dir);
    else
        (void)unlink(temporary);
    return err;
}

/* The next line of the file: its id and key, which is not terminated. False at the end. */
static bool next_line(const char **at, int64_t *id, const char **key, size_t *len)
{
    while (**at != '\0') {
        const char *line = *at;
        size_t n = strcspn(line, "\n");
        *at = line + n + (line[n] == '\n');
        char *tab;
        errno = 0;
        *id = strtoll(line, &tab, 10);
        if (errno != 0 || tab == line || *tab != '\t' || tab >= line + n)
            continue;
        *key = tab + 1;
        *len = (size_t)(line + n - *key);
        return true;
    }
    return false;
}

int keys_put(const char *dir, int64_t id, const char *key)
{
    for (const unsigned char *p = (const unsigned char *)key; *p != '\0'; p++)
        if (*p < 0x20 || *p == 0x7f)
            return ERR_BAD;
    char path[4200];
    snprintf(path, sizeof(path), "%s/keys", dir);
    struct buf old;
    struct buf made;
    buf_init(&old, KEYS_BYTES_MAX);
    buf_init(&made, KEYS_BYTES_MAX);
    int err = read_all(path, &old);
    const char *at = buf_str(&old);
    int64_t found;
    const char *text;
    size_t len;
    bool same = false;
    while (err == ERR_OK && next_line(&at, &found, &text, &len)) {
        if (found == id)
            same = len == strlen(key) && memcmp(text, key, len) == 0;
        else
            err = buf_printf(&made, "%" PRId64 "\t%.*s\n", found, (int)len, text);
    }
    if (err == ERR_OK && !same) {
        err = buf_printf(&made, "%" PRId64 "\t%s\n", id, key);
        if (err == ERR_OK)
            err = replace_file(dir, path, &made);
    }
    buf_release(&old);
    buf_release(&made);
    return err;
}

int keys_get(const char *dir, int64_t id, char **key)
{
    *key = NULL;
    char path[4200];
    snprintf(path, sizeof(path), "%s/keys", dir);
    struct buf content;
    buf_init(&content, KEYS_BYTES_MAX);
    int err = read_all(path, &content);
    const char *at = buf_str(&content);
    int64_t found;
    const char *text;
    size_t len;
    while (err == ERR_OK && *key == NULL && next_line(&at, &found, &text, &len))
        if (found == id && (*key = strndup(text, len)) == NULL)
            err = ERR_NOMEM;
    buf_release(&content);
    return err;
}
