/* Where the data directory is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/options.h"
#include "store/store.h"

/* Makes the folder and its parents, 0700; true when it can be written then. */
static bool make_folder(const char *path)
{
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(part, path, len + 1);
    for (char *p = part + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST && access(part, F_OK) != 0)
            return false;
        *p = '/';
    }
    if (mkdir(part, 0700) != 0 && errno != EEXIST)
        return false;
    struct stat st;
    if (stat(part, &st) != 0)
        return false;
    if (!S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return false;
    }
    return access(part, W_OK | X_OK) == 0;
}

int store_make_folder(const char *dir)
{
    return make_folder(dir) ? ERR_OK : ERR_IO;
}

/* An absolute path, since the collector leaves the folder it was started in. */
static int absolute(const char *path, char *out, size_t size)
{
    int len;
    if (path[0] == '/') {
        len = snprintf(out, size, "%s", path);
    } else {
        char here[4096];
        if (getcwd(here, sizeof(here)) == NULL)
            return ERR_IO;
        len = snprintf(out, size, "%s/%s", here, path);
    }
    return len < 0 || (size_t)len >= size ? ERR_RANGE : ERR_OK;
}

/* The folder wanted, "" when nothing names one. */
static int wanted(char *out, size_t size)
{
    const char *set = option_text(OPTION_TRACER_DATA_DIR);
    if (set[0] != '\0')
        return absolute(set, out, size);
    const char *data =
        getenv("XDG_DATA_HOME"); /* a relative one is to be ignored (XDG base dirs) */
    const char *home = getenv("HOME");
    int len = 0;
    out[0] = '\0';
    if (data != NULL && data[0] == '/')
        len = snprintf(out, size, "%s/llm-tracer", data);
    else if (home != NULL && home[0] == '/')
        len = snprintf(out, size, "%s/.local/share/llm-tracer", home);
    return len < 0 || (size_t)len >= size ? ERR_RANGE : ERR_OK;
}

int store_data_dir(const char *runtime_dir, char *out, size_t size, bool *fallback)
{
    char substitute[4096];
    *fallback = false;
    int err = wanted(out, size);
    bool named = err == ERR_OK && out[0] != '\0';
    if (named && make_folder(out))
        return ERR_OK;
    int error = named ? errno : ENOENT;
    *fallback = true;
    if (!named) /* what would have been wanted */
        snprintf(out, size, "$HOME/.local/share/llm-tracer");
    if (runtime_dir[0] != '\0') {
        err = absolute(runtime_dir, substitute, sizeof(substitute));
        if (err == ERR_OK && strlen(substitute) >= size)
            err = ERR_RANGE;
        if (err != ERR_OK)
            return err;
        if (make_folder(substitute)) {
            memcpy(out, substitute, strlen(substitute) + 1);
            return ERR_OK;
        }
    }
    errno = error;
    return ERR_IO;
}
