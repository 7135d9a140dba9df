#include "client/process.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "client/environment.h"
#include "wire/owner.h"

#pragma weak llmt_preload_v1
#pragma weak dlsym

#define PAGE   4096
#define SECOND UINT64_C(1000000000)

/* Emptied by a fork. What hot paths look at comes first. */
static struct {
    _Atomic uint32_t epoch;
    _Atomic(struct ring_writer *) ring; /* whoever owns it */
    _Atomic uint64_t next_check;
    struct ring_owner owner; /* not used with the preloaded object */
} mine __attribute__((aligned(PAGE)));

/* False on a kernel without MADV_WIPEONFORK (before 4.14): every call then asks for its process,
 * and a forked child records nothing. */
static bool wiped;
static _Atomic uint32_t epochs;
static _Atomic uint32_t known_pid; /* of the current epoch, where forks empty nothing */
static const struct llmt_preload_v1 *preload;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char object_mark;

static bool own_path(char *out, size_t size)
{
    return owner_path_of(&object_mark, out, size);
}

static uint64_t wall(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

static const struct owner_host host = {.setting = environment_setting,
                                       .collector_environment = environment_for_collector,
                                       .own_path = own_path,
                                       .now = process_now,
                                       .wall = wall};

/* By the weak symbol, else by name: a linker may have settled a weak symbol of an executable. */
static const struct llmt_preload_v1 *find_preload(void)
{
    const struct llmt_preload_v1 *(*entry)(void) = llmt_preload_v1;
    if (!entry && dlsym) {
        void *found = dlsym(RTLD_DEFAULT, "llmt_preload_v1");
        memcpy(&entry, &found, sizeof(entry));
    }
    const struct llmt_preload_v1 *table = entry ? entry() : NULL;
    const bool same = table && table->version == LLMT_PRELOAD_VERSION &&
                      table->size >= sizeof(*table) &&
                      table->writer_size == sizeof(struct ring_writer);
    return same ? table : NULL;
}

static void init(void)
{
    environment_init();
    preload = find_preload();
    wiped = owner_init(&mine.owner, &mine, sizeof(mine));
}

void process_init(void)
{
    (void)pthread_once(&once, init);
}

const struct llmt_preload_v1 *process_preload(void)
{
    return preload;
}

/* A new epoch where a fork leaves no other trace. */
static void look_for_fork(void)
{
    const uint32_t pid = (uint32_t)getpid();
    if (atomic_exchange(&known_pid, pid) != pid)
        atomic_store(&mine.epoch, 0);
}

uint32_t process_epoch(void)
{
    if (!wiped)
        look_for_fork();
    uint32_t epoch = atomic_load_explicit(&mine.epoch, memory_order_relaxed);
    if (epoch != 0)
        return epoch;
    const uint32_t made = atomic_fetch_add(&epochs, 1) + 1;
    return atomic_compare_exchange_strong(&mine.epoch, &epoch, made) ? made : epoch;
}

/* The ring is asked for again where it is not remembered, and once a second: that starts a
 * collector when none runs. */
__attribute__((noinline)) static struct ring_writer *ask_for_ring(uint64_t now)
{
    struct ring_writer *ring = NULL;
    if (preload) {
        ring = preload->ring();
    } else if (owner_is_mine(&mine.owner, wiped)) {
        ring = owner_ring(&mine.owner, &host, now);
        if (ring)
            owner_watch(&mine.owner, &host, now);
    }
    if (wiped && ring) {
        atomic_store_explicit(&mine.next_check, now + SECOND, memory_order_relaxed);
        atomic_store_explicit(&mine.ring, ring, memory_order_release);
    }
    return ring;
}

struct moment process_enter(void)
{
    struct moment m = {.now = process_now()};
    m.epoch = atomic_load_explicit(&mine.epoch, memory_order_relaxed);
    if (__builtin_expect(m.epoch == 0 || !wiped, 0))
        m.epoch = process_epoch();
    m.ring = atomic_load_explicit(&mine.ring, memory_order_acquire);
    if (__builtin_expect(
            !m.ring || m.now >= atomic_load_explicit(&mine.next_check, memory_order_relaxed), 0))
        m.ring = ask_for_ring(m.now);
    return m;
}
