#include "client/client.h"

#include <string.h>

#include "client/flush.h"
#include "client/handle.h"
#include "client/message.h"
#include "client/slots.h"
#include "client/warning.h"

#define CLIENTS_CHUNKS 256u /* 65,280 clients open at once */

/* Every member is atomic, since a stale handle may read while the slot is used anew; the state,
 * read before and after, tells. */
struct client {
    struct slot slot;
    _Atomic(struct settings *) settings;
    _Atomic(llmt_warning_fn *) on_warning;
    _Atomic(void *) user;
    _Atomic uint64_t announced; /* generation << 32 | epoch of the process whose ring has it */
    _Atomic uint32_t number;
    _Atomic uint32_t warned;
    uint8_t pad[8];
};

_Static_assert(sizeof(struct client) == SLOT_LINE, "a slot of the table");

static struct slot_table table = {.slot_size = sizeof(struct client), .chunks_max = CLIENTS_CHUNKS};
static _Atomic uint32_t numbers;

/* The slot that a handle names, when it is still the one it named. */
static struct client *slot_of(uint64_t handle)
{
    if (handle_kind(handle) != HANDLE_CLIENT)
        return NULL;
    struct client *c = (struct client *)(void *)slot_at(&table, handle_index(handle));
    const uint64_t state = slot_state(handle_generation(handle), HANDLE_CLIENT);
    return c && atomic_load_explicit(&c->slot.state, memory_order_acquire) == state ? c : NULL;
}

bool client_look(uint64_t handle, struct client_view *out)
{
    struct client *c = slot_of(handle);
    if (!c)
        return false;
    out->handle = handle;
    out->settings = atomic_load_explicit(&c->settings, memory_order_acquire);
    out->on_warning = atomic_load_explicit(&c->on_warning, memory_order_acquire);
    out->user = atomic_load_explicit(&c->user, memory_order_acquire);
    out->number = atomic_load_explicit(&c->number, memory_order_acquire);
    out->flags = atomic_load_explicit(&c->slot.flags, memory_order_acquire);
    return slot_of(handle) != NULL;
}

int client_find(const llmt_client *client, struct client_view *out)
{
    if (!client)
        return LLMT_EINVAL;
    return client_look(handle_of(client), out) ? LLMT_OK : LLMT_EENDED;
}

bool client_warned(uint64_t handle, uint32_t bits)
{
    struct client *c = slot_of(handle);
    return !c || (atomic_load_explicit(&c->warned, memory_order_relaxed) & bits) == bits ||
           (atomic_fetch_or(&c->warned, bits) & bits) == bits;
}

void client_note_use(uint64_t handle)
{
    struct client *c = slot_of(handle);
    if (c && !(atomic_load_explicit(&c->slot.flags, memory_order_relaxed) & CLIENT_USED))
        atomic_fetch_or(&c->slot.flags, CLIENT_USED);
}

/* What `announced` says when this process's ring has this client. */
static uint64_t announced_mark(uint64_t handle, uint32_t epoch)
{
    return handle_generation(handle) << 32 | epoch;
}

bool client_is_announced(uint64_t handle, uint32_t epoch)
{
    struct client *c = slot_of(handle);
    return c && atomic_load_explicit(&c->announced, memory_order_acquire) ==
                    announced_mark(handle, epoch);
}

bool client_announce(uint64_t handle, uint32_t number, const struct settings *s,
                     const struct moment *m, struct thread *t)
{
    if (client_is_announced(handle, m->epoch))
        return true;
    struct message message;
    message_init(&message, number);
    message_raw(&message, WIRE_FIELD_URL, s->url, strlen(s->url));
    message_raw(&message, WIRE_FIELD_KEY, s->key, strlen(s->key));
    message_raw(&message, WIRE_FIELD_PROJECT_ID, s->project, strlen(s->project));
    if (message_send(&message, WIRE_CLIENT, m, t) != LLMT_OK)
        return false;
    struct client *c = slot_of(handle);
    if (c)
        atomic_store_explicit(&c->announced, announced_mark(handle, m->epoch),
                              memory_order_release);
    return true;
}

/* From 1. Beside the preloaded object another copy of this library may write into the same ring
 * (one linked into the program, one that a package brought): numbers begin anywhere then. */
static uint32_t next_number(struct thread *t)
{
    uint32_t last = atomic_load_explicit(&numbers, memory_order_relaxed);
    if (last == 0 && process_preload()) {
        const uint32_t start = (uint32_t)thread_random(t) >> 1;
        (void)atomic_compare_exchange_strong(&numbers, &last, start);
    }
    uint32_t number = 0;
    while (number == 0)
        number = atomic_fetch_add_explicit(&numbers, 1, memory_order_relaxed) + 1;
    return number;
}

static void warn_of_faults(uint64_t handle, unsigned faults)
{
    static const struct {
        unsigned fault;
        enum trouble trouble;
    } known[] = {{SETTINGS_NO_KEY, TROUBLE_NO_KEY},
                 {SETTINGS_BAD_KEY, TROUBLE_BAD_KEY},
                 {SETTINGS_BAD_PROJECT, TROUBLE_BAD_PROJECT},
                 {SETTINGS_BAD_TIMEOUT, TROUBLE_BAD_TIMEOUT}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (faults & known[i].fault)
            warning_give(handle, known[i].trouble);
}

llmt_client *llmt_client_new(const llmt_client_options *options)
{
    process_init();
    unsigned faults;
    struct settings *settings = settings_get(options, &faults);
    if (!settings)
        return NULL;
    struct thread *t = thread_get(process_epoch());
    struct slot *slot;
    const uint32_t index = slot_take(&table, t->shard, &slot);
    if (index == 0)
        return NULL;
    struct client *c = (struct client *)(void *)slot;
    const bool enabled = settings_tracing_enabled();
    atomic_store_explicit(&c->settings, settings, memory_order_release);
    atomic_store_explicit(&c->on_warning, options ? options->on_warning : NULL,
                          memory_order_release);
    atomic_store_explicit(&c->user, options ? options->user : NULL, memory_order_release);
    atomic_store_explicit(&c->announced, 0, memory_order_release);
    atomic_store_explicit(&c->number, next_number(t), memory_order_release);
    atomic_store_explicit(&c->warned, 0, memory_order_release);
    atomic_store_explicit(&slot->flags, enabled ? 0 : CLIENT_DISABLED, memory_order_release);
    const uint64_t generation =
        slot_generation(atomic_load_explicit(&slot->state, memory_order_relaxed));
    atomic_store_explicit(&slot->state, slot_state(generation, HANDLE_CLIENT),
                          memory_order_release);
    const uint64_t handle = handle_make(HANDLE_CLIENT, index, generation);
    if (enabled)
        warn_of_faults(handle, faults);
    return (llmt_client *)handle_pointer(handle);
}

bool llmt_client_enabled(const llmt_client *client)
{
    struct client_view c;
    return client_find(client, &c) == LLMT_OK && !(c.flags & CLIENT_DISABLED) && *c.settings->key;
}

size_t llmt_client_get(const llmt_client *client, char what, char *out, size_t size)
{
    struct client_view c;
    const char *text = "";
    if (client_find(client, &c) == LLMT_OK)
        text = what == 'u'   ? c.settings->url
               : what == 'k' ? c.settings->key
               : what == 'p' ? c.settings->project
                             : "";
    const size_t len = strlen(text);
    if (out && size > 0) {
        const size_t copied = len < size ? len : size - 1;
        memcpy(out, text, copied);
        out[copied] = '\0';
    }
    return len;
}

/* Closes the handle; false when another thread was faster. */
static bool take_out(uint64_t handle)
{
    struct client *c = slot_of(handle);
    uint64_t state = slot_state(handle_generation(handle), HANDLE_CLIENT);
    if (!c || !atomic_compare_exchange_strong(&c->slot.state, &state,
                                              slot_state(handle_generation(handle), 0)))
        return false;
    slot_give(&table, handle_index(handle), &c->slot);
    return true;
}

int llmt_client_close(llmt_client *client)
{
    struct client_view c;
    int result = client_find(client, &c);
    if (result != LLMT_OK)
        return result;
    const bool announced = client_is_announced(c.handle, process_epoch());
    if (!take_out(c.handle))
        return LLMT_EENDED;
    if (c.settings->mode == LLMT_SYNC && (c.flags & CLIENT_USED))
        result = flush_sync(c.handle, c.number, c.settings);
    if (announced) {
        const struct moment m = process_enter();
        struct message message;
        message_init(&message, c.number);
        (void)message_send(&message, WIRE_CLIENT_END, &m, thread_get(m.epoch));
    }
    return result;
}
