#include "session.h"

#include "clock.h"
#include "environment.h"
#include "own_path.h"
#include "sys.h"

struct session session;

/* False on a kernel without MADV_WIPEONFORK (before 4.14): a forked child cannot be told from one
 * that shares our memory there, and captures nothing. */
LLMT_HOT static bool wiped_on_fork;

static _Thread_local struct {
    uint32_t tid, pid;
} thread __attribute__((tls_model("initial-exec")));

/* The program around us does not say, by its PATH, what we start. */
static const char *setting(enum owner_setting name)
{
    return name == OWNER_PATH ? NULL : environment_setting(name);
}

static const struct owner_host host = {
    .setting = setting,
    .collector_environment = environment_for_collector,
    .own_path = own_path,
    .now = clock_now,
    .wall = clock_wall,
};

void session_init(void)
{
    wiped_on_fork = owner_init(&session.owner, &session, sizeof(session));
}

bool session_is_mine(void)
{
    return owner_is_mine(&session.owner, wiped_on_fork);
}

bool session_may_change(void)
{
    return owner_may_change(&session.owner, wiped_on_fork);
}

uint32_t session_tid(void)
{
    uint32_t pid = atomic_load_explicit(&session.owner.pid, memory_order_relaxed);
    if (thread.pid != pid || thread.tid == 0) {
        thread.tid = (uint32_t)SYS0(__NR_gettid);
        thread.pid = pid;
    }
    return thread.tid;
}

struct ring_writer *session_ring_if_any(void)
{
    return owner_ring_if_any(&session.owner);
}

struct ring_writer *session_ring(uint64_t now)
{
    return environment_enabled() ? owner_ring(&session.owner, &host, now) : session_ring_if_any();
}

void session_watch(uint64_t now)
{
    owner_watch(&session.owner, &host, now);
}
