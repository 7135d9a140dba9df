#include "session.h"

#include "clock.h"
#include "environment.h"
#include "spawn.h"
#include "sys.h"
#include "text.h"

#define SECOND          UINT64_C(1000000000)
#define RETRY_AFTER     (5 * SECOND)
#define HEARTBEAT_MAX   (5 * SECOND)  /* a collector beats once a second */
#define SPAWN_EVERY     (10 * SECOND) /* at most */
#define RING_MB_DEFAULT 64
#define RING_MB_MAX     1024
#define MEGABYTE        (UINT64_C(1) << 20)

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct session session;

/* False on a kernel without MADV_WIPEONFORK (before 4.14): a forked child cannot be told from one
 * that shares our memory there, and captures nothing. */
LLMT_HOT static bool wiped_on_fork;

static _Thread_local struct {
    uint32_t tid, pid;
} thread __attribute__((tls_model("initial-exec")));

static uint32_t own_pid(void)
{
    return (uint32_t)SYS0(__NR_getpid);
}

void session_init(void)
{
    wiped_on_fork = SYS3(__NR_madvise, &session, sizeof(session), MADV_WIPEONFORK) == 0;
    atomic_store_explicit(&session.pid, own_pid(), memory_order_relaxed);
}

bool session_is_mine(void)
{
    uint32_t pid = own_pid();
    uint32_t owner = atomic_load_explicit(&session.pid, memory_order_relaxed);
    if (owner == 0 && wiped_on_fork && atomic_compare_exchange_strong(&session.pid, &owner, pid))
        return true;
    return owner == pid;
}

bool session_may_change(void)
{
    uint32_t owner = atomic_load_explicit(&session.pid, memory_order_relaxed);
    return (owner == 0 && wiped_on_fork) || owner == own_pid();
}

uint32_t session_tid(void)
{
    uint32_t pid = atomic_load_explicit(&session.pid, memory_order_relaxed);
    if (thread.pid != pid || thread.tid == 0) {
        thread.tid = (uint32_t)SYS0(__NR_gettid);
        thread.pid = pid;
    }
    return thread.tid;
}

static uint64_t ring_bytes(void)
{
    const char *text = environment_get(ENV_TRACER_RING_MAX_MB);
    uint64_t megabytes = text == NULL ? RING_MB_DEFAULT : text_number(text);
    if (megabytes == 0)
        megabytes = RING_MB_DEFAULT;
    return (megabytes < RING_MB_MAX ? megabytes : RING_MB_MAX) * MEGABYTE;
}

static struct ring_candidate *take_candidate(void)
{
    for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
        uint32_t is_free = 0;
        if (atomic_compare_exchange_strong(&session.candidates[i].taken, &is_free, 1))
            return &session.candidates[i];
    }
    return NULL;
}

static bool open_ring(struct ring_candidate *candidate, uint64_t now)
{
    int result = wire_runtime_dir(environment_get(ENV_TRACER_RUNTIME_DIR),
                                  environment_get(ENV_XDG_RUNTIME_DIR), candidate->dir,
                                  sizeof(candidate->dir));
    if (result < 0)
        return false;
    process_describe(candidate, now);
    return ring_writer_open(&candidate->writer, candidate->dir, ring_bytes(), &candidate->info,
                            candidate->texts, candidate->text_count) == 0;
}

/* Builds a ring and publishes it, unless another thread was faster: then that one's is used and
 * ours is unlinked. */
static struct ring_writer *make_ring(uint64_t now)
{
    struct ring_candidate *candidate = take_candidate();
    if (candidate == NULL)
        return NULL;
    struct ring_writer *ring = NULL;
    if (!open_ring(candidate, now)) {
        atomic_store_explicit(&session.retry_at, now + RETRY_AFTER, memory_order_relaxed);
        atomic_store(&candidate->taken, 0);
        return session_ring_if_any();
    }
    if (atomic_compare_exchange_strong(&session.ring, &ring, &candidate->writer))
        return &candidate->writer;
    ring_writer_discard(&candidate->writer);
    atomic_store(&candidate->taken, 0);
    return ring;
}

struct ring_writer *session_ring_if_any(void)
{
    return atomic_load_explicit(&session.ring, memory_order_acquire);
}

struct ring_writer *session_ring(uint64_t now)
{
    struct ring_writer *ring = session_ring_if_any();
    if (ring != NULL)
        return ring;
    if (!environment_enabled() ||
        now < atomic_load_explicit(&session.retry_at, memory_order_relaxed))
        return NULL;
    return make_ring(now);
}

void session_watch(uint64_t now)
{
    uint64_t due = atomic_load_explicit(&session.next_check, memory_order_relaxed);
    if (LLMT_LIKELY(now < due) ||
        !atomic_compare_exchange_strong(&session.next_check, &due, now + SECOND))
        return;
    struct ring_writer *ring = session_ring_if_any();
    struct doorbell *bell = ring == NULL ? NULL : ring->bell;
    if (bell == NULL)
        return;
    uint64_t beat = atomic_load_explicit(&bell->heartbeat, memory_order_relaxed);
    bool beats = now < beat || now - beat < HEARTBEAT_MAX;
    uint32_t collector = atomic_load_explicit(&bell->collector, memory_order_relaxed);
    /* One that was killed leaves a fresh heartbeat; one of another PID namespace is not found, and
     * then its lock sends the new one away. */
    if (collector != 0 && beats && SYS2(__NR_kill, collector, 0) != -ESRCH)
        return;
    uint64_t last = atomic_load_explicit(&bell->spawned, memory_order_relaxed);
    if (last != 0 && last <= now && now - last < SPAWN_EVERY)
        return;
    if (atomic_compare_exchange_strong(&bell->spawned, &last, now))
        spawn_collector();
}
