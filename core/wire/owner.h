/* The ring of this process, for the objects that live in traced programs (preload/, core/client/):
 * made at the first record, one winner among racing threads, a new one in a forked child, a
 * collector started when none runs. The same law as the writer's: no libc, no lock, no allocation,
 * async-signal-safe. */
#ifndef TRACER_WIRE_OWNER_H
#define TRACER_WIRE_OWNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/writer.h"

#define OWNER_CANDIDATES 8u
#define OWNER_TEXTS      128u
#define OWNER_TEXT       24576u
#define OWNER_PATH_MAX   4096
#define OWNER_PAGE       4096u

/* What the environment may say of a ring. Most of it goes into the process record, as it is. */
enum owner_setting {
    OWNER_URL,
    OWNER_KEY,
    OWNER_PROJECT,
    OWNER_CONTENT,
    OWNER_ENDPOINTS,
    OWNER_RUN_TRACE,
    OWNER_RUN_NAME,
    OWNER_TRACEPARENT,
    OWNER_DATA_DIR,
    OWNER_EXPORT,
    OWNER_MAX_CONTENT,
    OWNER_RUNTIME_DIR,
    OWNER_XDG_RUNTIME_DIR,
    OWNER_RING_MAX_MB,
    OWNER_PATH, /* where the collector's program is looked for when it is not near the object; a
                   host that must not do that says NULL */
    OWNER_SETTINGS
};

/* What the object around it provides. All of it is called from any thread and any signal handler
 * (core/client, which promises less, from any thread). */
struct owner_host {
    const char *(*setting)(enum owner_setting name); /* NULL: not set */
    char *const *(*collector_environment)(void);     /* see owner_is_for_collector */
    bool (*own_path)(char *out, size_t size); /* of the object's file; one caller at a time */
    uint64_t (*now)(void);                    /* CLOCK_BOOTTIME, ns */
    uint64_t (*wall)(void);                   /* CLOCK_REALTIME, ns */
};

/* A ring that is being made. */
struct owner_candidate {
    _Atomic uint32_t taken;
    uint32_t text_count, text_used;
    char dir[WRITER_PATH_MAX];
    struct ring_writer writer;
    struct wire_process_info info;
    struct wire_piece texts[OWNER_TEXTS];
    char text[OWNER_TEXT];
    char scratch[OWNER_PAGE]; /* last: need not be emptied by a fork */
};

/* Lies in memory that a fork empties (MADV_WIPEONFORK); zeroed is "a fork has just emptied this".
 * The first members are what hot paths look at. */
struct ring_owner {
    _Atomic uint32_t pid;
    _Atomic(struct ring_writer *) ring;
    _Atomic uint64_t retry_at;   /* no ring could be made: not before this time again */
    _Atomic uint64_t next_check; /* when to look after the collector */
    struct owner_candidate candidates[OWNER_CANDIDATES];
};

/* Called once, before anything else. Marks the memory from..from+size, in which *o lies, so that a
 * fork empties it; from is page-aligned, and only whole pages are marked, since the kernel would
 * take what follows on the last one too. (Align the type, and its size is whole pages; the end of a
 * ring_owner may stay as it is.) Returns whether the kernel can (4.14 and later): it is then told
 * to the functions below as `wiped`. */
bool owner_init(struct ring_owner *o, void *from, size_t size);
/* False in a child that shares our memory (vfork, clone), which must change nothing. One system
 * call. */
bool owner_is_mine(struct ring_owner *o, bool wiped);
/* The same, but leaves a memory that a fork has just emptied without an owner: a vfork child may be
 * the first to ask. */
bool owner_may_change(struct ring_owner *o, bool wiped);

/* The slow halves of the two below. */
struct ring_writer *owner_make_ring(struct ring_owner *o, const struct owner_host *host,
                                    uint64_t now);
void owner_look_after_collector(struct ring_owner *o, const struct owner_host *host, uint64_t now);

/* The ring if there is one already. */
static inline struct ring_writer *owner_ring_if_any(struct ring_owner *o)
{
    return atomic_load_explicit(&o->ring, memory_order_acquire);
}

/* The ring, made if there is none; NULL: no room, or a failure within the last five seconds. The
 * caller has asked owner_is_mine. now: CLOCK_BOOTTIME, ns. */
static inline struct ring_writer *owner_ring(struct ring_owner *o, const struct owner_host *host,
                                             uint64_t now)
{
    struct ring_writer *ring = owner_ring_if_any(o);
    return ring ? ring : owner_make_ring(o, host, now);
}

/* Once a second: starts a collector when none runs. Cheap otherwise. */
static inline void owner_watch(struct ring_owner *o, const struct owner_host *host, uint64_t now)
{
    if (__builtin_expect(now >= atomic_load_explicit(&o->next_check, memory_order_relaxed), 0))
        owner_look_after_collector(o, host, now);
}

/* The setting that a variable (NAME=value) gives, or -1. */
int owner_setting_of(const char *variable);
/* The name of its variable; lives for ever. */
const char *owner_setting_name(enum owner_setting setting);
/* Whether a variable (NAME=value) is one that a collector started from here needs: where its files
 * are, how it reaches the network and its stores; never where spans are delivered. */
bool owner_is_for_collector(const char *variable);

/* The absolute path of the file whose mapping holds address, by /proc/self/maps; false when it
 * cannot be told. For own_path above: one caller at a time. */
bool owner_path_of(const void *address, char *out, size_t size);

#endif
