#include "own_path.h"

#include "symbol.h"
#include "sys.h"
#include "text.h"

static const char own_mark;

static bool hex_digit(char c, uintptr_t *value)
{
    if (c >= '0' && c <= '9')
        *value = *value << 4 | (uintptr_t)(c - '0');
    else if (c >= 'a' && c <= 'f')
        *value = *value << 4 | (uintptr_t)(c - 'a' + 10);
    else
        return false;
    return true;
}

/* A line of /proc/PID/maps: "start-end perms offset device inode   /path". */
static bool line_is_ours(const char *line, const char **path)
{
    uintptr_t start = 0, end = 0, mark = (uintptr_t)&own_mark;
    while (hex_digit(*line, &start))
        line++;
    if (*line++ != '-')
        return false;
    while (hex_digit(*line, &end))
        line++;
    if (mark < start || mark >= end)
        return false;
    while (*line != '\0' && *line != '/')
        line++;
    *path = line;
    return *line == '/';
}

static bool path_from_maps(char *out, size_t size)
{
    static char line[PATH_MAX + 128]; /* one caller at a time: spawn.c */
    int fd = sys_open("/proc/self/maps", O_RDONLY);
    if (fd < 0)
        return false;
    bool found = false;
    size_t have = 0;
    while (!found) {
        long got = SYS3(__NR_read, fd, line + have, sizeof(line) - 1 - have);
        if (got <= 0)
            break;
        have += (size_t)got;
        size_t from = 0;
        for (size_t i = 0; i < have && !found; i++) {
            if (line[i] != '\n')
                continue;
            line[i] = '\0';
            const char *path;
            size_t at = 0;
            found = line_is_ours(line + from, &path) &&
                    text_put(out, size, &at, path, text_length(path));
            from = i + 1;
        }
        memmove(line, line + from, have - from);
        have -= from;
    }
    sys_close(fd);
    return found;
}

bool own_path(char *out, size_t size)
{
    const char *path = symbol_own_path();
    size_t at = 0;
    if (path != NULL && path[0] == '/')
        return text_put(out, size, &at, path, text_length(path));
    return path_from_maps(out, size);
}
