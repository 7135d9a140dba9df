/* What the hooks of every layer share: which connections are looked at, and handing their bytes to
 * the ring. Async-signal-safe, lock-free, no libc; errno is untouched (raw system calls). */
#ifndef TRACER_PRELOAD_TRACK_H
#define TRACER_PRELOAD_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/record.h"

/* Names a connection: the address of its TLS object, or TRACK_FD(fd) for plain sockets. */
typedef uintptr_t track_key;
#define TRACK_FD(fd) ((track_key)(unsigned)(fd) << 1 | 1)

/* How a layer tells what it knows of a connection; asked once, when a connection turns out to be
 * towards an endpoint. Any function may be NULL. Must not call hooked functions. */
struct track_source {
    enum wire_layer layer;
    bool tls;
    const char *(*host)(track_key key); /* SNI; NULL: unknown */
    int (*fd)(track_key key);           /* its socket, for the peer's address; -1: unknown */
    bool (*is_server)(track_key key);   /* the program accepted it */
};

/* Before a call that sends: 0 when the bytes are of no interest (switched off, a connection that is
 * ignored for good); else the time to hand to track_sent. A load and a branch when nothing is
 * tracked. */
uint64_t track_begin(track_key key);
/* After a call that sent len bytes of data (what succeeded, never what was tried). The first bytes
 * of an unknown connection decide whether it is captured. */
void track_sent(const struct track_source *source, track_key key, const void *data, size_t len,
                uint64_t begin);
/* Whether the connection is captured: one look-up. */
bool track_active(track_key key);
/* After a call that received; nothing unless the connection is captured. len 0: the peer ended. */
void track_received(track_key key, const void *data, size_t len);
/* The same for a connection that the program may have accepted: under TRACER_ROLE=server its first
 * received bytes decide whether it is captured. */
void track_received_from(const struct track_source *source, track_key key, const void *data,
                         size_t len);
/* Bytes passed that no hook could read (sendfile, splice): counted as lost. */
void track_skipped(track_key key, bool out, uint64_t len);
/* A call failed because the transport did (reset, timed out): shows when the connection ends. */
void track_failed(track_key key);
/* The connection is over (freed, closed, or its key is used anew); failed: not in order. */
void track_end(track_key key, bool failed);

/* Nested hooks: a library's public function may call another public one of the same family. Put
 * `struct track_guard guard; bool outer = track_enter(&guard, key);` before the original is called
 * and track_leave(&guard) after it; outer is false inside another call for the same key, which then
 * records nothing. Stores the frame's address, so that a siglongjmp leaves no stale guard. */
struct track_guard {
    track_key key;
    uintptr_t frame;
    track_key saved_key;
    uintptr_t saved_frame;
};
bool track_enter(struct track_guard *guard, track_key key);
void track_leave(struct track_guard *guard);

/* False once and for all when TRACING_ENABLED=false: every hook is a plain jump then. */
bool track_enabled(void);
/* TRACER_HOOKS=curl: TLS hooks leave connections alone that libcurl owns. */
bool track_force_curl(void);

#endif
