#include "client/item.h"

#include <string.h>

#include "client/hex.h"
#include "client/slots.h"
#include "client/warning.h"

/* A cache line. Every member is atomic, since a stale handle may read while the slot is used anew;
 * the state, read before and after, tells. */
struct entry {
    struct slot slot;
    _Atomic uint64_t trace[2];
    _Atomic uint64_t span; /* of a trace: its caller's */
    _Atomic uint64_t client;
    _Atomic(struct settings *) settings;
    _Atomic uint32_t number, epoch;
};

_Static_assert(sizeof(struct entry) == SLOT_LINE, "a slot of the table");
_Static_assert(sizeof(struct ids) == 24, "three words");

static struct slot_table table = {.slot_size = sizeof(struct entry), .chunks_max = SLOT_CHUNK_MAX};

static struct entry *entry_at(uint64_t handle)
{
    return (struct entry *)(void *)slot_at(&table, handle_index(handle));
}

static uint64_t running_state(uint64_t handle)
{
    return slot_state(handle_generation(handle), (unsigned)handle_kind(handle));
}

bool item_new(struct item *item, enum handle_kind kind, uint32_t shard)
{
    struct slot *slot;
    const uint32_t index = slot_take(&table, shard, &slot);
    if (index == 0)
        return false;
    struct entry *e = (struct entry *)(void *)slot;
    uint64_t words[3];
    memcpy(words, &item->ids, sizeof(words));
    if (kind == HANDLE_TRACE)
        memcpy(&words[2], item->caller, sizeof(item->caller));
    atomic_store_explicit(&e->trace[0], words[0], memory_order_release);
    atomic_store_explicit(&e->trace[1], words[1], memory_order_release);
    atomic_store_explicit(&e->span, words[2], memory_order_release);
    atomic_store_explicit(&e->client, item->client, memory_order_release);
    atomic_store_explicit(&e->settings, item->settings, memory_order_release);
    atomic_store_explicit(&e->number, item->number, memory_order_release);
    atomic_store_explicit(&e->epoch, item->epoch, memory_order_release);
    atomic_store_explicit(&slot->flags, item->flags, memory_order_release);
    const uint64_t generation =
        slot_generation(atomic_load_explicit(&slot->state, memory_order_relaxed));
    atomic_store_explicit(&slot->state, slot_state(generation, (unsigned)kind),
                          memory_order_release);
    item->handle = handle_make(kind, index, generation);
    return true;
}

static void read_entry(struct entry *e, uint64_t handle, struct item *out)
{
    uint64_t words[3];
    words[0] = atomic_load_explicit(&e->trace[0], memory_order_acquire);
    words[1] = atomic_load_explicit(&e->trace[1], memory_order_acquire);
    words[2] = atomic_load_explicit(&e->span, memory_order_acquire);
    memcpy(&out->ids, words, sizeof(words));
    memset(out->caller, 0, sizeof(out->caller));
    if (handle_kind(handle) == HANDLE_TRACE) {
        memcpy(out->caller, out->ids.span, sizeof(out->caller));
        memset(out->ids.span, 0, sizeof(out->ids.span));
    }
    out->client = atomic_load_explicit(&e->client, memory_order_acquire);
    out->settings = atomic_load_explicit(&e->settings, memory_order_acquire);
    out->number = atomic_load_explicit(&e->number, memory_order_acquire);
    out->epoch = atomic_load_explicit(&e->epoch, memory_order_acquire);
    out->flags = atomic_load_explicit(&e->slot.flags, memory_order_acquire);
    out->handle = handle;
}

bool item_runs(uint64_t handle)
{
    struct entry *e = entry_at(handle);
    return e && handle_kind(handle) >= HANDLE_TRACE &&
           atomic_load_explicit(&e->slot.state, memory_order_acquire) == running_state(handle);
}

bool item_ids(uint64_t handle, struct item *out)
{
    if (!item_runs(handle))
        return false;
    read_entry(entry_at(handle), handle, out);
    return item_runs(handle);
}

int item_find(const void *pointer, enum handle_kind kind, struct item *out)
{
    const uint64_t handle = handle_of(pointer);
    if (!pointer)
        return LLMT_EINVAL;
    return handle_kind(handle) == kind && item_ids(handle, out) ? LLMT_OK : LLMT_EENDED;
}

const char *item_write_id(const void *pointer, enum handle_kind kind, bool of_trace, char *out)
{
    struct item item;
    if (!out)
        return "";
    out[0] = '\0';
    if (item_find(pointer, kind, &item) != LLMT_OK)
        return out;
    const size_t size = of_trace ? sizeof(item.ids.trace) : sizeof(item.ids.span);
    hex_write(out, of_trace ? item.ids.trace : item.ids.span, size);
    out[2 * size] = '\0';
    return out;
}

int item_end(const void *pointer, enum handle_kind kind, struct item *out)
{
    const uint64_t handle = handle_of(pointer);
    if (!pointer)
        return LLMT_EINVAL;
    struct entry *e = handle_kind(handle) == kind ? entry_at(handle) : NULL;
    uint64_t state = running_state(handle);
    if (!e || !atomic_compare_exchange_strong(&e->slot.state, &state,
                                              slot_state(handle_generation(handle), 0)))
        return LLMT_EENDED;
    read_entry(e, handle, out);
    slot_give(&table, handle_index(handle), &e->slot);
    return LLMT_OK;
}

struct scene scene_enter(void)
{
    struct scene s = {.moment = process_enter()};
    s.thread = thread_get(s.moment.epoch);
    return s;
}

int scene_open(struct scene *s, const void *pointer, enum handle_kind kind, struct item *item)
{
    const int result = item_find(pointer, kind, item);
    if (result != LLMT_OK)
        return result;
    *s = scene_enter();
    return item->epoch == s->moment.epoch ? LLMT_OK : LLMT_EENDED;
}

void scene_message(struct message *m, const struct item *item)
{
    message_init(m, item->number);
    memcpy(m->head.trace_id, item->ids.trace, sizeof(m->head.trace_id));
    memcpy(m->head.span_id, item->ids.span, sizeof(m->head.span_id));
    if (!span_id_is_none(item->caller))
        m->head.flags = WIRE_API_JOINED;
}

int scene_send(struct scene *s, struct message *m, enum wire_type type, uint64_t client)
{
    const int result = message_send(m, type, &s->moment, s->thread);
    if (__builtin_expect(result != LLMT_OK, 0))
        warning_give(client, s->moment.ring ? TROUBLE_RING_FULL : TROUBLE_NO_RING);
    else if (__builtin_expect(
                 atomic_load_explicit(&s->moment.ring->alone, memory_order_relaxed) != 0, 0))
        warning_give(client, TROUBLE_NO_COLLECTOR);
    return result;
}
