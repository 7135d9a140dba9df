/* What belongs to this process alone: its ring, its number, its connections. All of it lies in
 * memory that a fork empties (MADV_WIPEONFORK), so that a child starts anew by itself. */
#ifndef TRACER_PRELOAD_SESSION_H
#define TRACER_PRELOAD_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/owner.h"

#define SESSION_PAGE   4096
#define SESSION_WIPED  __attribute__((aligned(SESSION_PAGE)))
#define FD_MAX         65536u /* descriptors above are not looked at */
#define PENDING_MAX    32u
#define PENDING_SIZE   1024u
#define REMEMBERED_MAX 4096u

/* A connection that is captured, or whose first request is not complete yet. */
struct conn {
    _Atomic uint64_t id;          /* 0: the slot is empty */
    _Atomic uint32_t descriptors; /* that share it; 1 for a TLS object */
    _Atomic uint8_t pending; /* index into pendings plus one, while the request is incomplete */
    uint8_t server;
    _Atomic uint8_t failed;
    uint8_t again; /* a request on this connection went elsewhere before */
    _Atomic uint64_t out_offset, out_lost, in_offset, in_lost;
};

/* The first bytes of a request that came in pieces. */
struct pending {
    _Atomic uint32_t taken;
    uint32_t len;
    uint64_t begin;
    char data[PENDING_SIZE];
};

struct session {
    struct ring_owner owner; /* first: what every start writes to lies on the first page */
    _Atomic uint64_t next_id;
    _Atomic uint64_t keys[RING_CONN_SLOTS];
    struct conn conns[RING_CONN_SLOTS];
    _Atomic uint16_t fd_slots[FD_MAX]; /* index into conns plus one */
    _Atomic uintptr_t remembered[REMEMBERED_MAX];
    struct pending pendings[PENDING_MAX];
} SESSION_WIPED;

extern struct session session;

/* Called by the constructor. */
void session_init(void);
/* False in a child that shares our memory (vfork, clone): it must change nothing. Costs a system
 * call, so it is asked only where something would be changed. */
bool session_is_mine(void);
/* The same for what leaves no trace of whose memory it is (a descriptor's state): right after a
 * fork it does not make the memory the caller's own, since a vfork child may be the first to ask.
 */
bool session_may_change(void);
/* The process's ring, made at the first call; NULL when there is none. now: clock_now(). */
struct ring_writer *session_ring(uint64_t now);
/* The ring if there is one already. */
struct ring_writer *session_ring_if_any(void);
/* Starts a collector when none runs; cheap. */
void session_watch(uint64_t now);
/* The calling thread's kernel id. */
uint32_t session_tid(void);

#endif
