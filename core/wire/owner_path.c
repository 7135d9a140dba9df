/* Where an object lies in the file system. The loader's own note is relative when the way it was
 * found was, and the program may have changed its directory since; the kernel's is not. */
#include "wire/owner.h"
#include "wire/sys.h"
#include "wire/text.h"

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

/* The path in a line of /proc/PID/maps ("start-end perms offset device inode   /path") when address
 * lies in its range, else NULL. */
static const char *path_in(const char *line, uintptr_t address)
{
    uintptr_t start = 0, end = 0;
    while (hex_digit(*line, &start))
        line++;
    if (*line++ != '-')
        return NULL;
    while (hex_digit(*line, &end))
        line++;
    if (address < start || address >= end)
        return NULL;
    while (*line && *line != '/')
        line++;
    return *line ? line : NULL;
}

/* Looks through whole lines; what is left of the last one is moved to the front. Returns whether
 * the path was found. */
static bool look(char *lines, size_t *have, uintptr_t address, struct text *out)
{
    size_t from = 0;
    for (size_t i = 0; i < *have; i++) {
        if (lines[i] != '\n')
            continue;
        lines[i] = '\0';
        const char *path = path_in(lines + from, address);
        if (path) {
            text_add(out, path);
            return true;
        }
        from = i + 1;
    }
    __builtin_memmove(lines, lines + from, *have - from);
    *have -= from;
    return false;
}

bool owner_path_of(const void *address, char *out, size_t size)
{
    static char lines[OWNER_PATH_MAX + 128];
    long fd = sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct text path = text_in(out, size);
    size_t have = 0;
    bool found = false;
    while (!found) {
        long got = sys_read((int)fd, lines + have, sizeof(lines) - 1 - have);
        if (got == -EINTR)
            continue;
        if (got <= 0)
            break;
        have += (size_t)got;
        found = look(lines, &have, (uintptr_t)address, &path);
    }
    sys_close((int)fd);
    return found && !path.cut;
}
