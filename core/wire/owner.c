/* Who owns a ring, and since when. */
#include "wire/owner.h"

#include "wire/owner_private.h"
#include "wire/sys.h"
#include "wire/text.h"

#define SECOND          UINT64_C(1000000000)
#define RETRY_AFTER     (5 * SECOND)
#define HEARTBEAT_MAX   (5 * SECOND)  /* a collector beats once a second */
#define SPAWN_EVERY     (10 * SECOND) /* at most */
#define MAKING_ROUNDS   2000
#define MAKING_MAX      (SECOND / 500) /* about ten times as long as a ring takes to make */
#define RING_MB_DEFAULT 64
#define RING_MB_MAX     1024
#define MEGABYTE        (UINT64_C(1) << 20)

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* Run at every start of a program: with the rest of what is, so that it lies on few pages. */
__attribute__((section(".text.startup"))) bool owner_init(struct ring_owner *o, void *from,
                                                          size_t size)
{
    bool wiped = sys_madvise(from, size / OWNER_PAGE * OWNER_PAGE, MADV_WIPEONFORK) == 0;
    atomic_store_explicit(&o->pid, (uint32_t)sys_getpid(), memory_order_relaxed);
    return wiped;
}

bool owner_is_mine(struct ring_owner *o, bool wiped)
{
    uint32_t pid = (uint32_t)sys_getpid();
    uint32_t owner = atomic_load_explicit(&o->pid, memory_order_relaxed);
    if (owner == 0 && wiped && atomic_compare_exchange_strong(&o->pid, &owner, pid))
        return true;
    return owner == pid;
}

bool owner_may_change(struct ring_owner *o, bool wiped)
{
    uint32_t owner = atomic_load_explicit(&o->pid, memory_order_relaxed);
    return (owner == 0 && wiped) || owner == (uint32_t)sys_getpid();
}

static uint64_t ring_bytes(const struct owner_host *host)
{
    const char *text = host->setting(OWNER_RING_MAX_MB);
    uint64_t megabytes = text ? text_to_number(text) : 0;
    if (megabytes == 0)
        megabytes = RING_MB_DEFAULT;
    return (megabytes < RING_MB_MAX ? megabytes : RING_MB_MAX) * MEGABYTE;
}

static struct owner_candidate *take_free(struct ring_owner *o)
{
    for (unsigned i = 0; i < OWNER_CANDIDATES; i++) {
        uint32_t is_free = 0;
        if (atomic_compare_exchange_strong(&o->candidates[i].taken, &is_free, 1))
            return &o->candidates[i];
    }
    return NULL;
}

/* NULL: as many threads are at it as can be. One of them will have made the ring in a moment, which
 * is waited for, a little: the records of all other threads of a pool that starts to work would be
 * lost otherwise, and not even counted. */
static struct owner_candidate *take_candidate(struct ring_owner *o, const struct owner_host *host)
{
    struct owner_candidate *c = take_free(o);
    const uint64_t until = c ? 0 : host->now() + MAKING_MAX;
    for (int i = 0; i < MAKING_ROUNDS && !c && !owner_ring_if_any(o) && host->now() < until; i++) {
        sys_yield();
        c = take_free(o);
    }
    return c;
}

static bool open_ring(struct owner_candidate *c, const struct owner_host *host, uint32_t pid)
{
    if (wire_runtime_dir(host->setting(OWNER_RUNTIME_DIR), host->setting(OWNER_XDG_RUNTIME_DIR),
                         c->dir, sizeof(c->dir)) < 0)
        return false;
    owner_describe(c, host, pid);
    return ring_writer_open(&c->writer, c->dir, ring_bytes(host), &c->info, c->texts,
                            c->text_count) == 0;
}

static void not_before(struct ring_owner *o, uint64_t time)
{
    atomic_store_explicit(&o->retry_at, time, memory_order_relaxed);
}

/* Builds a ring and publishes it, unless another thread was faster: then that one's is used and
 * ours is unlinked. */
static struct ring_writer *make(struct ring_owner *o, struct owner_candidate *c,
                                const struct owner_host *host, uint64_t now)
{
    struct ring_writer *ring = owner_ring_if_any(o);
    if (!ring && !open_ring(c, host, atomic_load_explicit(&o->pid, memory_order_relaxed))) {
        not_before(o, now + RETRY_AFTER);
        return owner_ring_if_any(o);
    }
    if (!ring && atomic_compare_exchange_strong(&o->ring, &ring, &c->writer))
        return &c->writer;
    ring_writer_discard(&c->writer);
    return ring;
}

struct ring_writer *owner_make_ring(struct ring_owner *o, const struct owner_host *host,
                                    uint64_t now)
{
    if (now < atomic_load_explicit(&o->retry_at, memory_order_relaxed))
        return NULL;
    struct owner_candidate *c = take_candidate(o, host);
    struct ring_writer *ring = c ? make(o, c, host, now) : owner_ring_if_any(o);
    if (!c && !ring)
        not_before(o, now + RETRY_AFTER); /* they died at it: this is not waited for each time */
    if (c && ring != &c->writer)
        atomic_store(&c->taken, 0);
    return ring;
}

static bool collector_runs(const struct doorbell *bell, uint64_t now)
{
    uint64_t beat = atomic_load_explicit(&bell->heartbeat, memory_order_relaxed);
    bool beats = now < beat || now - beat < HEARTBEAT_MAX;
    uint32_t collector = atomic_load_explicit(&bell->collector, memory_order_relaxed);
    /* One that was killed leaves a fresh heartbeat; one of another PID namespace is not found, and
     * then its lock sends the new one away. */
    return collector != 0 && beats &&
           sys_call6(__NR_kill, (long)collector, 0, 0, 0, 0, 0) != -ESRCH;
}

void owner_look_after_collector(struct ring_owner *o, const struct owner_host *host, uint64_t now)
{
    uint64_t due = atomic_load_explicit(&o->next_check, memory_order_relaxed);
    if (now < due || !atomic_compare_exchange_strong(&o->next_check, &due, now + SECOND))
        return;
    struct ring_writer *ring = owner_ring_if_any(o);
    struct doorbell *bell = ring ? ring->bell : NULL;
    if (!bell)
        return;
    if (collector_runs(bell, now)) {
        atomic_store_explicit(&ring->alone, 0, memory_order_relaxed);
        return;
    }
    uint64_t last = atomic_load_explicit(&bell->spawned, memory_order_relaxed);
    if (last != 0 && last <= now && now - last < SPAWN_EVERY)
        return;
    if (atomic_compare_exchange_strong(&bell->spawned, &last, now))
        atomic_store_explicit(&ring->alone, !owner_spawn(host), memory_order_relaxed);
}
