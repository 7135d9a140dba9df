#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/bell.h"
#include "wire/reader_private.h"

struct doorbell_view {
    int fd;
    uint8_t *mapped; /* for the kernel's futex operations: never touched here */
};

int doorbell_open(struct doorbell_view **out, const char *dir)
{
    struct doorbell_view *d = calloc(1, sizeof(*d));
    if (!d)
        return ERR_NOMEM;
    struct wire_scratch scratch;
    d->fd = bell_open(dir, &scratch);
    if (d->fd < 0) {
        errno = -d->fd;
        free(d);
        return errno == EINVAL ? ERR_BAD : ERR_IO;
    }
    void *mapped = mmap(NULL, RING_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
    if (mapped == MAP_FAILED) {
        close(d->fd);
        free(d);
        return ERR_IO;
    }
    d->mapped = mapped;
    *out = d;
    return 0;
}

void doorbell_close(struct doorbell_view *d)
{
    if (!d)
        return;
    munmap(d->mapped, RING_PAGE);
    close(d->fd);
    free(d);
}

static void put_field(const struct doorbell_view *d, size_t offset, const void *data, size_t size)
{
    (void)!pwrite(d->fd, data, size, (off_t)offset);
}

static uint64_t get_field(const struct doorbell_view *d, size_t offset, size_t size)
{
    uint64_t value = 0; /* little-endian: a short field fills the low bytes */
    return pread(d->fd, &value, size, (off_t)offset) == (ssize_t)size ? value : 0;
}

void doorbell_announce(struct doorbell_view *d, uint32_t pid)
{
    const uint64_t now = pid ? (uint64_t)clock_boot_ns() : 0;
    put_field(d, offsetof(struct doorbell, collector), &pid, sizeof(pid));
    put_field(d, offsetof(struct doorbell, heartbeat), &now, sizeof(now));
}

static void *asleep_word(const struct doorbell_view *d)
{
    return d->mapped + offsetof(struct doorbell, asleep);
}

bool doorbell_wait(struct doorbell_view *d, int timeout_ms, bool (*before_sleep)(void *),
                   void *user)
{
    const struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * NS_PER_MS};
    if (shared_set(asleep_word(d), 1) != 0) {
        nanosleep(&timeout, NULL); /* the file was cut short: poll instead of spinning */
        return false;
    }
    if (timeout_ms > 0 && (!before_sleep || before_sleep(user)))
        syscall(SYS_futex, asleep_word(d), FUTEX_WAIT, 1, &timeout, NULL, 0);
    bool rung = get_field(d, offsetof(struct doorbell, asleep), sizeof(uint32_t)) == 0;
    (void)!shared_set(asleep_word(d), 0);
    return rung;
}

uint32_t doorbell_rings(struct doorbell_view *d)
{
    return (uint32_t)get_field(d, offsetof(struct doorbell, rings), sizeof(uint32_t));
}

void doorbell_ring(struct doorbell_view *d)
{
    (void)!shared_set_wake(asleep_word(d), 0);
}

uint32_t doorbell_collector(struct doorbell_view *d, int64_t *age_ns)
{
    int64_t beat = (int64_t)get_field(d, offsetof(struct doorbell, heartbeat), sizeof(uint64_t));
    if (age_ns)
        *age_ns = beat > 0 ? clock_boot_ns() - beat : INT64_MAX;
    return (uint32_t)get_field(d, offsetof(struct doorbell, collector), sizeof(uint32_t));
}
