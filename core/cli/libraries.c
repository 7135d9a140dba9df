#include "cli/libraries.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE 4096

static const char *const default_dirs[] = {
#if defined(__x86_64__)
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
#endif
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
    NULL};

/* Whether the file is there and of our class; its path becomes new memory. */
static bool try_path(const char *dir, size_t dir_len, const char *name, char **out)
{
    char path[PATH_SIZE];
    struct elf_file e;
    int n = snprintf(path, sizeof(path), "%.*s/%s", (int)dir_len, dir, name);
    if (n <= 0 || (size_t)n >= sizeof(path) || access(path, R_OK) != 0 ||
        elf_read(&e, path) != ERR_OK)
        return false;
    bool good = e.is_64;
    elf_release(&e);
    if (good)
        *out = strdup(path);
    return good && *out != NULL;
}

/* A list of folders with colons; $ORIGIN is the folder of the file that names it. */
static bool try_list(const char *list, const char *origin, const char *name, char **out)
{
    while (*list != '\0') {
        size_t len = strcspn(list, ":");
        char dir[PATH_SIZE];
        const char *slash = strrchr(origin, '/');
        size_t token = strncmp(list, "$ORIGIN", 7) == 0     ? 7
                       : strncmp(list, "${ORIGIN}", 9) == 0 ? 9
                                                            : 0;
        int n;
        if (token > 0 && token <= len)
            n = snprintf(dir, sizeof(dir), "%.*s%.*s", slash != NULL ? (int)(slash - origin) : 0,
                         origin, (int)(len - token), list + token);
        else
            n = snprintf(dir, sizeof(dir), "%.*s", (int)len, list);
        if (n > 0 && (size_t)n < sizeof(dir) && try_path(dir, (size_t)n, name, out))
            return true;
        list += len + (list[len] == ':');
    }
    return false;
}

/* The folders that the system's loader is configured with. */
static bool try_configured(const char *name, char **out)
{
    glob_t files;
    bool found = false;
    char line[PATH_SIZE];
    if (glob("/etc/ld.so.conf.d/*.conf", 0, NULL, &files) != 0)
        return false;
    for (size_t i = 0; i < files.gl_pathc && !found; i++) {
        FILE *f = fopen(files.gl_pathv[i], "re");
        while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
            line[strcspn(line, "\r\n#")] = '\0';
            found = line[0] == '/' && try_path(line, strlen(line), name, out);
        }
        if (f != NULL)
            fclose(f);
    }
    globfree(&files);
    return found;
}

/* In the loader's order (ld.so(8)). */
static char *locate(const char *name, const char *path, const struct elf_file *e)
{
    char *out = NULL;
    const char *environment = getenv("LD_LIBRARY_PATH");
    if (strchr(name, '/') != NULL)
        return access(name, R_OK) == 0 ? strdup(name) : NULL;
    if (e->runpath[0] == '\0' && try_list(e->rpath, path, name, &out))
        return out;
    if (environment != NULL && try_list(environment, path, name, &out))
        return out;
    if (try_list(e->runpath, path, name, &out) || try_configured(name, &out))
        return out;
    for (size_t i = 0; default_dirs[i] != NULL; i++)
        if (try_path(default_dirs[i], strlen(default_dirs[i]), name, &out))
            return out;
    return NULL;
}

static bool is_known(const struct libraries *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return true;
    return false;
}

static int add_one(struct libraries *l, const char *name, const char *path,
                   const struct elf_file *e, const char *user)
{
    if (l->count == LIBRARIES_MAX || is_known(l, name))
        return ERR_OK;
    struct library *item = &l->items[l->count];
    item->name = strdup(name);
    item->user = user != NULL ? strdup(user) : NULL;
    if (item->name == NULL || (user != NULL && item->user == NULL)) {
        free(item->name);
        free(item->user);
        return ERR_NOMEM;
    }
    item->path = locate(name, path, e);
    l->count++;
    return ERR_OK;
}

static int add_needed(struct libraries *l, const char *path, const struct elf_file *e,
                      const char *user)
{
    int err = ERR_OK;
    for (size_t i = 0; i < e->needed_count && err == ERR_OK; i++)
        err = add_one(l, e->needed[i], path, e, user);
    return err;
}

int libraries_add(struct libraries *l, const char *path, const struct elf_file *e, const char *user)
{
    size_t next = l->count;
    int err = add_needed(l, path, e, user);
    for (; next < l->count && err == ERR_OK; next++) { /* breadth first, as the loader does */
        struct elf_file library;
        if (l->items[next].path == NULL || elf_read(&library, l->items[next].path) != ERR_OK)
            continue;
        err = add_needed(l, l->items[next].path, &library, l->items[next].name);
        elf_release(&library);
    }
    return err;
}

void libraries_release(struct libraries *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].name);
        free(l->items[i].path);
        free(l->items[i].user);
    }
    l->count = 0;
}

const struct library *libraries_find(const struct libraries *l, const char *prefix)
{
    for (size_t i = 0; i < l->count; i++)
        if (strncmp(l->items[i].name, prefix, strlen(prefix)) == 0)
            return &l->items[i];
    return NULL;
}
