/* Where the rings of a user lie. Used by both sides, so that they agree; no libc (writer.h). */
#include "wire/sys.h"
#include "wire/text.h"
#include "wire/writer.h"

#define TMPFS_TYPE UINT64_C(0x01021994)
#define RAMFS_TYPE UINT64_C(0x858458f6)

/* A real directory (not a symbolic link), ours, closed to all others, in memory. */
__attribute__((noinline)) static int check_dir(const char *path, int any_file_system)
{
    long fd = sys_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return (int)fd;
    struct stat status = {0};
    struct statfs system = {0};
    long result = sys_fstat((int)fd, &status);
    if (result == 0)
        result = sys_fstatfs((int)fd, &system);
    sys_close((int)fd);
    if (result < 0)
        return (int)result;
    if ((long)status.st_uid != sys_geteuid() || (status.st_mode & 077) != 0)
        return -EPERM;
    uint64_t type = (uint32_t)system.f_type;
    if (!any_file_system && type != TMPFS_TYPE && type != RAMFS_TYPE)
        return -EMEDIUMTYPE;
    return 0;
}

/* Checks before it makes: a read-only file system says EROFS to mkdir even when the directory is
 * there. A directory on the wrong file system is not left behind by us: its parent is looked at. */
static int use_dir(const char *path, int any_file_system)
{
    int result = check_dir(path, any_file_system);
    if (result != -ENOENT)
        return result;
    result = (int)sys_mkdir(path, 0700);
    if (result < 0 && result != -EEXIST)
        return result;
    return check_dir(path, any_file_system);
}

__attribute__((noinline)) static int in_memory(const char *parent)
{
    long fd = sys_open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return (int)fd;
    struct statfs system = {0};
    long result = sys_fstatfs((int)fd, &system);
    sys_close((int)fd);
    if (result < 0)
        return (int)result;
    uint64_t type = (uint32_t)system.f_type;
    return type == TMPFS_TYPE || type == RAMFS_TYPE ? 0 : -EMEDIUMTYPE;
}

/* A slash at the end would make the kernel follow a symbolic link there. */
static void strip_slashes(struct text *t)
{
    while (t->len > 1 && t->data[t->len - 1] == '/')
        t->data[--t->len] = '\0';
}

int wire_runtime_dir(const char *tracer_runtime_dir, const char *xdg_runtime_dir, char *out,
                     size_t size)
{
    if (size == 0)
        return -ENAMETOOLONG;
    if (tracer_runtime_dir && tracer_runtime_dir[0]) {
        struct text t = text_in(out, size);
        text_add(&t, tracer_runtime_dir);
        strip_slashes(&t);
        if (t.cut)
            return -ENAMETOOLONG;
        return out[0] == '/' ? use_dir(out, 1) : -EINVAL;
    }
    if (xdg_runtime_dir && xdg_runtime_dir[0] == '/' && in_memory(xdg_runtime_dir) == 0) {
        struct text t = text_in(out, size);
        text_add(&t, xdg_runtime_dir);
        strip_slashes(&t);
        text_add(&t, "/llm-tracer");
        if (!t.cut && use_dir(out, 0) == 0)
            return 0;
    }
    int result = in_memory("/dev/shm");
    if (result < 0)
        return result;
    struct text t = text_in(out, size);
    text_add(&t, "/dev/shm/llm-tracer-");
    text_number(&t, (uint64_t)sys_geteuid());
    return t.cut ? -ENAMETOOLONG : use_dir(out, 0);
}
