#include "track.h"

#include "clock.h"
#include "conn.h"
#include "descriptor.h"
#include "entry.h"
#include "environment.h"
#include "peer.h"
#include "request.h"
#include "session.h"
#include "text.h"

#define HOST_MAX 255

/* What a look at first bytes needs. */
struct look {
    const struct track_source *source;
    track_key key;
    int slot; /* of a request in pieces, or CONN_NONE */
    bool first;
    bool in; /* a server's connection: the request is received */
    int fd;  /* of its socket, once it is captured; -1: unknown */
    uint64_t time;
    const char *sni;
    struct request_view view;
};

static bool is_descriptor(track_key key)
{
    return (key & 1) != 0;
}

static int descriptor_of(track_key key)
{
    return (int)(key >> 1);
}

static const char *extra_endpoints(void)
{
    const char *extra = environment_setting(OWNER_ENDPOINTS);
    return extra == NULL ? "" : extra;
}

bool track_enabled(void)
{
    return environment_enabled();
}

bool track_force_curl(void)
{
    const char *hooks = environment_get(ENV_TRACER_HOOKS);
    return hooks != NULL && text_equal(hooks, "curl");
}

/* --- records --------------------------------------------------------------------------------- */

static void record_init(struct wire_record *head, uint64_t id, enum wire_type type, uint64_t time)
{
    memset(head, 0, sizeof(*head));
    head->type = (uint16_t)type;
    head->time = time;
    head->conn = id;
    head->tid = session_tid();
}

/* One piece of one direction. data NULL: bytes that nobody saw, lost by their nature. */
static void put_piece(struct ring_writer *ring, struct conn *conn, bool out, const void *data,
                      size_t len, uint64_t time)
{
    uint64_t id = atomic_load_explicit(&conn->id, memory_order_relaxed);
    if (id == 0)
        return;
    _Atomic uint64_t *offset = out ? &conn->out_offset : &conn->in_offset;
    _Atomic uint64_t *lost = out ? &conn->out_lost : &conn->in_lost;
    uint64_t at = atomic_fetch_add_explicit(offset, len, memory_order_relaxed);
    if (data == NULL && len > 0) {
        atomic_fetch_add_explicit(lost, len, memory_order_relaxed);
        return;
    }
    struct wire_record head;
    record_init(&head, id, out ? WIRE_DATA_OUT : WIRE_DATA_IN, time);
    head.offset = at;
    head.lost = atomic_load_explicit(lost, memory_order_relaxed);
    head.flags = len == 0 ? WIRE_EOF : 0;
    const void *span = out ? entry_active_span() : NULL;
    if (span != NULL)
        head.flags |= WIRE_HAS_SPAN;
    uint64_t dropped = ring_writer_put_data(ring, &head, span, data, len);
    if (dropped > 0)
        atomic_fetch_add_explicit(lost, dropped, memory_order_relaxed);
}

__attribute__((noinline)) static bool put_connection(struct ring_writer *ring,
                                                     const struct look *look, uint64_t id, int slot,
                                                     enum wire_proto proto)
{
    const char *host = look->sni != NULL ? look->sni : look->view.host;
    size_t host_len = look->sni != NULL ? text_length(look->sni) : look->view.host_len;
    if (host == NULL || host_len > HOST_MAX) {
        host = "";
        host_len = 0;
    }
    struct wire_record head;
    record_init(&head, id, WIRE_CONNECTION, look->time);
    struct wire_connection_info info = {.slot = (uint32_t)slot,
                                        .layer = (uint8_t)look->source->layer,
                                        .tls = look->source->tls,
                                        .proto = (uint8_t)proto,
                                        .server = look->in};
    struct ring_place place;
    uint8_t *to =
        ring_writer_hold(ring, sizeof(info) + HOST_MAX + 1 + PEER_TEXT_MAX, head.tid, &place);
    if (to == NULL)
        return false;
    memcpy(to, &info, sizeof(info));
    char *text = (char *)to + sizeof(info);
    memcpy(text, host, host_len);
    text[host_len] = '\0';
    size_t peer_len = peer_text(look->fd, text + host_len + 1);
    head.length = (uint32_t)(sizeof(info) + host_len + 1 + peer_len + 1);
    ring_writer_commit(ring, &place, &head);
    return true;
}

static void put_close(struct conn *conn, bool failed)
{
    struct ring_writer *ring = session_ring_if_any();
    uint64_t id = atomic_load_explicit(&conn->id, memory_order_relaxed);
    if (ring == NULL || id == 0)
        return;
    struct wire_record head;
    record_init(&head, id, WIRE_CLOSE, clock_now());
    head.offset = atomic_load_explicit(&conn->out_offset, memory_order_relaxed);
    head.lost = atomic_load_explicit(&conn->out_lost, memory_order_relaxed);
    if (failed || atomic_load_explicit(&conn->failed, memory_order_relaxed) != 0)
        head.flags = WIRE_ERROR;
    struct wire_close_info info = {atomic_load_explicit(&conn->in_offset, memory_order_relaxed),
                                   atomic_load_explicit(&conn->in_lost, memory_order_relaxed)};
    const struct wire_piece piece = {&info, sizeof(info)};
    ring_writer_put(ring, &head, &piece, 1);
}

/* --- what a connection is -------------------------------------------------------------------- */

static void leave_slot(track_key key, int slot)
{
    if (is_descriptor(key))
        atomic_store(&session.fd_slots[descriptor_of(key)], 0);
    if (conn_leave(slot))
        conn_drop(slot);
}

static void set_ignored(track_key key)
{
    if (is_descriptor(key))
        descriptor_set(descriptor_of(key), DESCRIPTOR_NONE);
    else
        conn_remember(key, REMEMBERED_IGNORED);
}

static void set_again(track_key key, bool in)
{
    if (is_descriptor(key))
        descriptor_set(descriptor_of(key), in ? DESCRIPTOR_ACCEPTED_AGAIN : DESCRIPTOR_AGAIN);
    else
        conn_remember(key, REMEMBERED_AGAIN);
}

static void set_captured(track_key key)
{
    if (is_descriptor(key))
        descriptor_set(descriptor_of(key), DESCRIPTOR_CAPTURED);
    else
        conn_remember(key, REMEMBERED_NOTHING);
}

static bool is_again(track_key key, int slot)
{
    if (slot != CONN_NONE)
        return session.conns[slot].again != 0;
    if (!is_descriptor(key))
        return conn_remembered(key) == REMEMBERED_AGAIN;
    enum descriptor_state state = descriptor_state(descriptor_of(key));
    return state != DESCRIPTOR_FIRST && state != DESCRIPTOR_ACCEPTED;
}

/* The collector asked not to look at it any more. */
static bool is_stopped(struct ring_writer *ring, int slot)
{
    return atomic_load_explicit(&ring->stop[slot], memory_order_relaxed) != 0;
}

static void record(track_key key, int slot, bool out, const void *data, size_t len, uint64_t time)
{
    struct ring_writer *ring = session_ring_if_any();
    if (ring == NULL || is_stopped(ring, slot)) {
        set_ignored(key);
        leave_slot(key, slot);
        return;
    }
    put_piece(ring, &session.conns[slot], out, data, len, time);
    session_watch(time);
}

/* --- first bytes ------------------------------------------------------------------------------ */

/* Keeps the bytes of a request whose beginning does not tell yet. False: no room for it. */
static bool keep_pending(struct look *look, const char *data, size_t len)
{
    if (look->slot != CONN_NONE || len >= PENDING_SIZE || !session_is_mine())
        return look->slot != CONN_NONE;
    uint8_t index = pending_take();
    if (index == 0)
        return false;
    int slot = conn_take(look->key);
    if (slot == CONN_NONE) {
        pending_release(index);
        return false;
    }
    struct conn *conn = &session.conns[slot];
    struct pending *pending = pending_at(index);
    memcpy(pending->data, data, len);
    pending->len = (uint32_t)len;
    pending->begin = look->time;
    conn->again = !look->first;
    pending_release(atomic_exchange(&conn->pending, index));
    return true;
}

/* Asked before any record is begun: a library may have much to look for. */
static void ask_descriptor(struct look *look)
{
    look->fd = look->source->fd != NULL ? look->source->fd(look->key) : -1;
}

/* The connection goes to an endpoint: makes ring, slot and connection record. Returns the slot. */
static int start_capture(struct look *look)
{
    struct ring_writer *ring = session_is_mine() ? session_ring(look->time) : NULL;
    if (ring == NULL)
        return CONN_NONE;
    ask_descriptor(look);
    int slot = look->slot != CONN_NONE ? look->slot : conn_take(look->key);
    if (slot == CONN_NONE) {
        atomic_fetch_add_explicit(&ring->header->untracked, 1, memory_order_relaxed);
        return CONN_NONE;
    }
    struct conn *conn = &session.conns[slot];
    conn->server = look->in;
    atomic_store_explicit(&ring->stop[slot], 0, memory_order_relaxed);
    uint64_t id = atomic_load_explicit(&conn->id, memory_order_relaxed);
    if (!put_connection(ring, look, id, slot, WIRE_PROTO_HTTP1)) {
        /* Without it nothing that follows could be understood; the next request tries again. */
        if (look->slot == CONN_NONE)
            leave_slot(look->key, slot);
        return CONN_NONE;
    }
    set_captured(look->key);
    return slot;
}

static void note_http2(struct look *look)
{
    struct ring_writer *ring = session_is_mine() ? session_ring(look->time) : NULL;
    if (ring == NULL)
        return;
    ask_descriptor(look);
    uint64_t id = atomic_fetch_add_explicit(&session.next_id, 1, memory_order_relaxed) + 1;
    (void)put_connection(ring, look, id, 0, WIRE_PROTO_HTTP2);
    session_watch(look->time);
}

static void forget_pending(struct look *look)
{
    if (look->slot != CONN_NONE)
        leave_slot(look->key, look->slot);
    look->slot = CONN_NONE;
}

/* Looks at all that is there of a request. rest: bytes behind what a pending buffer took. */
static void decide(struct look *look, const char *data, size_t len, const char *rest,
                   size_t rest_len)
{
    const struct track_source *source = look->source;
    look->sni = source->host != NULL ? source->host(look->key) : NULL;
    switch (request_look(data, len, look->sni, extra_endpoints(), source->tls, &look->view)) {
    case REQUEST_UNKNOWN:
        forget_pending(look);
        if (look->first)
            set_ignored(look->key);
        return;
    case REQUEST_HTTP2:
        note_http2(look);
        forget_pending(look);
        set_ignored(look->key);
        return;
    case REQUEST_MORE:
        if (rest_len == 0 && keep_pending(look, data, len))
            return;
        break;
    case REQUEST_MATCH: {
        int slot = start_capture(look);
        if (slot == CONN_NONE)
            break;
        struct conn *conn = &session.conns[slot];
        record(look->key, slot, !look->in, data, len, look->time);
        if (rest_len > 0)
            record(look->key, slot, !look->in, rest, rest_len, look->time);
        pending_release(atomic_exchange(&conn->pending, 0));
        return;
    }
    case REQUEST_OTHER:
        break;
    }
    forget_pending(look);
    set_again(look->key, look->in);
}

/* Further bytes of a request in pieces: as many as fit go behind the first ones. Returns how many.
 */
static size_t join_pending(struct look *look, uint8_t index, const char *data, size_t len)
{
    struct pending *pending = pending_at(index);
    size_t room = PENDING_SIZE - pending->len, part = len < room ? len : room;
    memcpy(pending->data + pending->len, data, part);
    pending->len += (uint32_t)part;
    look->time = pending->begin;
    return part;
}

static void look_at(struct look *look, const void *data, size_t len)
{
    const struct track_source *source = look->source;
    look->first = !is_again(look->key, look->slot);
    if (source->is_server != NULL && !look->in && source->is_server(look->key)) {
        set_ignored(look->key);
        return;
    }
    uint8_t index =
        look->slot == CONN_NONE
            ? 0
            : atomic_load_explicit(&session.conns[look->slot].pending, memory_order_relaxed);
    const char *first = data, *rest = first + len;
    size_t first_len = len, rest_len = 0;
    if (index != 0) {
        rest_len = len - join_pending(look, index, data, len);
        rest -= rest_len;
        first = pending_at(index)->data;
        first_len = pending_at(index)->len;
    }
    decide(look, first, first_len, rest, rest_len);
}

/* --- what the hooks call ---------------------------------------------------------------------- */

uint64_t track_begin(track_key key)
{
    if (is_descriptor(key))
        return descriptor_state(descriptor_of(key)) == DESCRIPTOR_NONE ? 0 : clock_now();
    if (!environment_enabled() || conn_remembered(key) == REMEMBERED_IGNORED)
        return 0;
    return clock_now();
}

static bool is_captured(int slot)
{
    return slot != CONN_NONE &&
           atomic_load_explicit(&session.conns[slot].pending, memory_order_relaxed) == 0;
}

void track_sent(const struct track_source *source, track_key key, const void *data, size_t len,
                uint64_t begin)
{
    if (begin == 0 || len == 0)
        return;
    int slot = conn_find(key);
    if (is_captured(slot)) {
        if (session_is_mine())
            record(key, slot, true, data, len, begin);
        return;
    }
    if (data == NULL ||
        (is_descriptor(key) && descriptor_state(descriptor_of(key)) >= DESCRIPTOR_ACCEPTED))
        return;
    struct look look = {.source = source, .key = key, .slot = slot, .time = begin};
    look_at(&look, data, len);
}

bool track_active(track_key key)
{
    return is_captured(conn_find(key));
}

void track_received(track_key key, const void *data, size_t len)
{
    int slot = conn_find(key);
    if (is_captured(slot) && session_is_mine())
        record(key, slot, false, data, len, clock_now());
}

void track_received_from(const struct track_source *source, track_key key, const void *data,
                         size_t len)
{
    int slot = conn_find(key);
    if (is_captured(slot)) {
        track_received(key, data, len);
        return;
    }
    if (data == NULL || len == 0 || !environment_is_server())
        return;
    struct look look = {
        .source = source, .key = key, .slot = slot, .in = true, .time = clock_now()};
    look_at(&look, data, len);
}

void track_skipped(track_key key, bool out, uint64_t len)
{
    int slot = conn_find(key);
    if (is_captured(slot) && len > 0 && session_is_mine())
        record(key, slot, out, NULL, len, clock_now());
}

void track_failed(track_key key)
{
    int slot = conn_find(key);
    if (slot != CONN_NONE && session_is_mine())
        atomic_store_explicit(&session.conns[slot].failed, 1, memory_order_relaxed);
}

void track_end(track_key key, bool failed)
{
    if (!is_descriptor(key))
        conn_remember(key, REMEMBERED_NOTHING);
    int slot = conn_find(key);
    if (slot == CONN_NONE || !session_is_mine())
        return;
    struct conn *conn = &session.conns[slot];
    if (is_descriptor(key))
        atomic_store(&session.fd_slots[descriptor_of(key)], 0);
    if (!conn_leave(slot)) {
        if (failed)
            atomic_store_explicit(&conn->failed, 1, memory_order_relaxed);
        return;
    }
    if (is_captured(slot))
        put_close(conn, failed);
    conn_drop(slot);
}
