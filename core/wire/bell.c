#include "wire/bell.h"

#include "wire/sys.h"
#include "wire/text.h"
#include "wire/writer.h"

/* Whether the file behind fd is a doorbell of ours; reserves its page. */
__attribute__((noinline)) static long check_bell(int fd)
{
    struct stat status = {0};
    long result = sys_fstat(fd, &status);
    if (result < 0)
        return result;
    if ((status.st_mode & SYS_MODE_TYPE) != SYS_MODE_REGULAR ||
        (long)status.st_uid != sys_geteuid() || status.st_size != RING_PAGE)
        return -EINVAL;
    uint64_t magic = 0;
    uint32_t version = 0;
    if (sys_pread(fd, &magic, sizeof(magic), offsetof(struct doorbell, magic)) != sizeof(magic) ||
        sys_pread(fd, &version, sizeof(version), offsetof(struct doorbell, version)) !=
            sizeof(version))
        return -EINVAL;
    if (magic != DOORBELL_MAGIC || version != WIRE_VERSION)
        return -EINVAL;
    return sys_reserve(fd, 0, RING_PAGE);
}

/* Makes a whole doorbell under a name of its own and links it to the known one: whoever is first
 * wins, and nobody ever sees half of one. */
__attribute__((noinline)) static long make_bell(const char *dir, struct wire_scratch *scratch)
{
    if (sys_file_limit() < RING_PAGE)
        return -EFBIG;
    char *temp = scratch->temp;
    uint8_t random[8] = {0};
    sys_getrandom(random, sizeof(random));
    struct text t = text_in(temp, sizeof(scratch->temp));
    text_add(&t, dir);
    text_add(&t, "/" RING_TEMP_PREFIX "bell-");
    text_number(&t, (uint64_t)sys_gettid());
    text_char(&t, '-');
    text_hex(&t, random, sizeof(random));
    if (t.cut)
        return -ENAMETOOLONG;
    long fd = sys_open(temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fd;
    sys_fchmod((int)fd, 0600);
    long result = sys_ftruncate((int)fd, RING_PAGE);
    if (result == 0)
        result = sys_reserve((int)fd, 0, RING_PAGE);
    if (result == 0) {
        struct doorbell *bell = (struct doorbell *)sys_map_file(RING_PAGE, (int)fd);
        if (sys_is_error(bell)) {
            result = (long)bell;
        } else {
            bell->magic = DOORBELL_MAGIC;
            bell->version = WIRE_VERSION;
            sys_munmap(bell, RING_PAGE);
            result = sys_link(temp, scratch->path);
        }
    }
    sys_close((int)fd);
    sys_unlink(temp);
    return result == -EEXIST ? 0 : result;
}

int bell_open(const char *dir, struct wire_scratch *scratch)
{
    char *path = scratch->path;
    struct text t = text_in(path, sizeof(scratch->path));
    text_add(&t, dir);
    text_add(&t, "/" DOORBELL_NAME);
    if (t.cut)
        return -ENAMETOOLONG;
    const int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    long fd = sys_open(path, flags, 0);
    if (fd == -ENOENT) {
        long result = make_bell(dir, scratch);
        if (result < 0)
            return (int)result;
        fd = sys_open(path, flags, 0);
    }
    if (fd < 0)
        return (int)fd;
    long result = check_bell((int)fd);
    if (result < 0) {
        sys_close((int)fd);
        return (int)result;
    }
    return (int)fd;
}

struct doorbell *bell_map(const char *dir, struct wire_scratch *scratch)
{
    int fd = bell_open(dir, scratch);
    if (fd < 0)
        return NULL;
    void *mapped = sys_map_file(RING_PAGE, fd);
    sys_close(fd);
    if (sys_is_error(mapped))
        return NULL;
    sys_madvise(mapped, RING_PAGE, MADV_DONTFORK);
    sys_madvise(mapped, RING_PAGE, MADV_DONTDUMP);
    return (struct doorbell *)mapped;
}

void bell_unmap(struct doorbell *bell)
{
    if (bell)
        sys_munmap(bell, RING_PAGE);
}

void bell_ring(struct doorbell *bell)
{
    if (!bell || atomic_load_explicit(&bell->asleep, memory_order_relaxed) == 0)
        return;
    if (atomic_exchange(&bell->asleep, 0) == 1)
        sys_futex_wake((void *)&bell->asleep);
}
