#include "conn.h"

#define KEY_EMPTY     UINT64_C(0)
#define KEY_LEFT      UINT64_C(6) /* was used: a search goes on behind it; no pointer, no descriptor */
#define PROBE_MAX     32u
#define SLOT_MASK     (RING_CONN_SLOTS - 1)
#define KEY_OF_ID(id) ((id) << 3 | 4) /* a plain socket's key: found through fd_slots only */

_Static_assert((RING_CONN_SLOTS & SLOT_MASK) == 0, "a power of two");
_Static_assert(RING_CONN_SLOTS < UINT16_MAX, "a slot fits into fd_slots");

static uint32_t hash_of(uint64_t key)
{
    key *= UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing */
    return (uint32_t)(key >> 40);
}

static bool is_descriptor(track_key key)
{
    return (key & 1) != 0;
}

static unsigned descriptor_of(track_key key)
{
    return (unsigned)(key >> 1);
}

static int find_key(uint64_t key)
{
    uint32_t start = hash_of(key);
    for (uint32_t i = 0; i < PROBE_MAX; i++) {
        uint32_t slot = (start + i) & SLOT_MASK;
        uint64_t found = atomic_load_explicit(&session.keys[slot], memory_order_acquire);
        if (found == key)
            return (int)slot;
        if (found == KEY_EMPTY)
            return CONN_NONE;
    }
    return CONN_NONE;
}

int conn_find(track_key key)
{
    if (!is_descriptor(key))
        return find_key(key);
    unsigned fd = descriptor_of(key);
    if (fd >= FD_MAX)
        return CONN_NONE;
    return (int)atomic_load_explicit(&session.fd_slots[fd], memory_order_acquire) - 1;
}

static int claim(uint64_t key)
{
    uint32_t start = hash_of(key);
    for (uint32_t i = 0; i < PROBE_MAX; i++) {
        uint32_t slot = (start + i) & SLOT_MASK;
        uint64_t found = atomic_load_explicit(&session.keys[slot], memory_order_relaxed);
        if ((found == KEY_EMPTY || found == KEY_LEFT) &&
            atomic_compare_exchange_strong(&session.keys[slot], &found, key))
            return (int)slot;
    }
    return CONN_NONE;
}

int conn_take(track_key key)
{
    uint64_t id = atomic_fetch_add_explicit(&session.next_id, 1, memory_order_relaxed) + 1;
    int slot = claim(is_descriptor(key) ? KEY_OF_ID(id) : key);
    if (slot == CONN_NONE)
        return CONN_NONE;
    struct conn *conn = &session.conns[slot];
    conn->server = 0;
    conn->again = 0;
    atomic_store_explicit(&conn->failed, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->pending, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->descriptors, 1, memory_order_relaxed);
    atomic_store_explicit(&conn->out_offset, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->out_lost, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->in_offset, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->in_lost, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->id, id, memory_order_release);
    if (!is_descriptor(key))
        return slot;
    uint16_t none = 0;
    if (!atomic_compare_exchange_strong(&session.fd_slots[descriptor_of(key)], &none,
                                        (uint16_t)(slot + 1))) {
        conn_drop(slot);
        return (int)none - 1;
    }
    return slot;
}

bool conn_leave(int slot)
{
    return atomic_fetch_sub(&session.conns[slot].descriptors, 1) == 1;
}

void conn_drop(int slot)
{
    struct conn *conn = &session.conns[slot];
    pending_release(atomic_exchange(&conn->pending, 0));
    atomic_store_explicit(&conn->id, 0, memory_order_relaxed);
    atomic_store_explicit(&session.keys[slot], KEY_LEFT, memory_order_release);
}

static _Atomic uintptr_t *memory_of(track_key key)
{
    return &session.remembered[hash_of(key) % REMEMBERED_MAX];
}

/* Objects lie at multiples of 4 at least, which leaves two bits for what is remembered. */
enum remembered conn_remembered(track_key key)
{
    uintptr_t found = atomic_load_explicit(memory_of(key), memory_order_relaxed);
    return (found & ~(uintptr_t)3) == key ? (enum remembered)(found & 3) : REMEMBERED_NOTHING;
}

void conn_remember(track_key key, enum remembered what)
{
    if ((key & 3) != 0)
        return;
    if (what != REMEMBERED_NOTHING)
        atomic_store_explicit(memory_of(key), key | (uintptr_t)what, memory_order_relaxed);
    else if (conn_remembered(key) != REMEMBERED_NOTHING)
        atomic_store_explicit(memory_of(key), 0, memory_order_relaxed);
}

uint8_t pending_take(void)
{
    for (unsigned i = 0; i < PENDING_MAX; i++) {
        uint32_t is_free = 0;
        if (atomic_compare_exchange_strong(&session.pendings[i].taken, &is_free, 1)) {
            session.pendings[i].len = 0;
            return (uint8_t)(i + 1);
        }
    }
    return 0;
}

struct pending *pending_at(uint8_t index_plus_one)
{
    return &session.pendings[index_plus_one - 1];
}

void pending_release(uint8_t index_plus_one)
{
    if (index_plus_one != 0)
        atomic_store(&pending_at(index_plus_one)->taken, 0);
}
