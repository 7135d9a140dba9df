/* The program's own debug settings of each handle, and our callback in front of them. */
#include "curl.h"

#include "text.h"

/* curl/curl.h */
#define CURLOPT_VERBOSE       41
#define CURLOPT_DEBUGDATA     10095
#define CURLOPT_DEBUGFUNCTION 20094
#define CURLINFO_SCHEME       (0x100000 + 49)
#define CURLINFO_HEADER_IN    1 /* types of the debug callback */
#define CURLINFO_HEADER_OUT   2
#define CURLINFO_DATA_IN      3
#define CURLINFO_DATA_OUT     4

#define SLOTS     1024
#define SLOT_WAYS 8 /* places where a handle's slot may be */

struct curl_slot {
    _Atomic uintptr_t handle; /* 0: free */
    curl_debug_fn *function;  /* the program's */
    void *data;
    bool verbose;
    bool installed; /* ours are in force */
    bool capturing; /* the request under way is https */
    bool head_done; /* its head was sent whole: another head is another request */
};

static struct curl_slot slots[SLOTS];
/* A program's setting found no slot: a handle without one may have settings that are not known. */
static _Atomic bool slots_overflowed;

typedef int curl_setopt_fn(CURL *, int, ...);
typedef int curl_getinfo_fn(CURL *, int, ...);

static struct curl_slot *slot_of(CURL *easy, bool claim)
{
    uintptr_t handle = (uintptr_t)easy;
    struct curl_slot *ways = &slots[(handle >> 4 ^ handle >> 14) % (SLOTS / SLOT_WAYS) * SLOT_WAYS];

    for (size_t i = 0; i < SLOT_WAYS; i++) {
        if (atomic_load_explicit(&ways[i].handle, memory_order_acquire) == handle) {
            return &ways[i];
        }
    }
    for (size_t i = 0; claim && i < SLOT_WAYS; i++) {
        uintptr_t expected = 0;

        if (atomic_compare_exchange_strong(&ways[i].handle, &expected, handle)) {
            return &ways[i];
        }
    }
    return NULL;
}

static void slot_clear(struct curl_slot *slot)
{
    slot->function = NULL;
    slot->data = NULL;
    slot->verbose = false;
    slot->installed = false;
    slot->capturing = false;
    slot->head_done = false;
}

static void slot_free(struct curl_slot *slot)
{
    slot_clear(slot);
    atomic_store_explicit(&slot->handle, 0, memory_order_release);
}

static bool slot_is_default(const struct curl_slot *slot)
{
    return slot->function == NULL && slot->data == NULL && !slot->verbose;
}

static const struct track_source curl_source = {.layer = WIRE_LAYER_CURL, .tls = true};

static void slot_end(struct curl_slot *slot, bool in_order)
{
    track_key key = (track_key)atomic_load_explicit(&slot->handle, memory_order_relaxed);

    if (slot->capturing) {
        if (in_order) {
            track_received(key, NULL, 0);
        }
        track_end(key, !in_order);
    }
    slot->capturing = false;
    slot->head_done = false;
}

/* Whether the request under way is https; http is the libc hooks' matter. */
static bool slot_is_https(CURL *easy)
{
    curl_getinfo_fn *getinfo = curl_function(easy, CURL_EASY_GETINFO);
    const char *scheme = NULL;

    if (getinfo == NULL || getinfo(easy, CURLINFO_SCHEME, &scheme) != 0 || scheme == NULL) {
        return false;
    }
    return text_equal(scheme, "HTTPS") || text_equal(scheme, "https");
}

static bool ends_head(const char *data, size_t size)
{
    return size >= 4 && data[size - 4] == '\r' && data[size - 3] == '\n' &&
           data[size - 2] == '\r' && data[size - 1] == '\n';
}

static void slot_sent(struct curl_slot *slot, CURL *easy, const char *data, size_t size)
{
    uint64_t begin = slot->capturing ? track_begin((track_key)easy) : 0;

    if (begin != 0) {
        track_sent(&curl_source, (track_key)easy, data, size, begin);
    }
}

/* Each request is a connection of its own: what a handle does next (a redirect, another try) may
 * go anywhere. A head may come in pieces, the last of them as data (7.88). */
static void slot_look(struct curl_slot *slot, CURL *easy, int type, const char *data, size_t size)
{
    switch (type) {
    case CURLINFO_HEADER_OUT:
        if (slot->head_done) {
            slot_end(slot, true);
        }
        if (!slot->capturing) {
            slot->capturing = slot_is_https(easy);
        }
        slot_sent(slot, easy, data, size);
        slot->head_done = ends_head(data, size);
        break;
    case CURLINFO_DATA_OUT:
        slot->head_done = true;
        slot_sent(slot, easy, data, size);
        break;
    case CURLINFO_HEADER_IN:
    case CURLINFO_DATA_IN:
        slot->head_done = true;
        if (slot->capturing && size > 0 && track_active((track_key)easy)) {
            track_received((track_key)easy, data, size);
        }
        break;
    default:
        break;
    }
}

/* In force during a transfer. libcurl hands it to handles of its own making too (DNS over HTTPS):
 * those are the program's to see and nobody's to record. */
static int curl_debug(CURL *easy, int type, char *data, size_t size, void *user)
{
    struct curl_slot *slot = user;

    if ((uintptr_t)easy == atomic_load_explicit(&slot->handle, memory_order_relaxed)) {
        slot_look(slot, easy, type, data, size);
    }
    if (slot->verbose && slot->function != NULL) {
        return slot->function(easy, type, data, size, slot->data);
    }
    return 0;
}

bool curl_slot_option(CURL *easy, int option, void **value)
{
    struct curl_slot *slot;

    if (option != CURLOPT_VERBOSE && option != CURLOPT_DEBUGDATA &&
        option != CURLOPT_DEBUGFUNCTION) {
        return false;
    }
    /* libcurl copies a transfer's settings, ours among them, to a handle of its own. */
    if (option == CURLOPT_DEBUGFUNCTION && *value == (void *)curl_debug) {
        return false;
    }
    if (option == CURLOPT_DEBUGDATA && (uintptr_t)*value - (uintptr_t)slots < sizeof(slots)) {
        return false;
    }
    slot = slot_of(easy, true);
    if (slot == NULL) {
        atomic_store_explicit(&slots_overflowed, true, memory_order_relaxed);
        return false;
    }
    if (option == CURLOPT_VERBOSE) {
        slot->verbose = *value != NULL;
        *value = slot->installed ? (void *)1 : *value;
    } else if (option == CURLOPT_DEBUGDATA) {
        slot->data = *value;
        *value = slot->installed ? slot : *value;
    } else {
        memcpy(&slot->function, value, sizeof(*value));
        *value = slot->installed ? (void *)curl_debug : *value;
    }
    return true;
}

static void slot_apply(struct curl_slot *slot, CURL *easy, bool ours)
{
    curl_setopt_fn *setopt = curl_function(easy, CURL_EASY_SETOPT);

    if (setopt == NULL) {
        return;
    }
    setopt(easy, CURLOPT_DEBUGFUNCTION, ours ? curl_debug : slot->function);
    setopt(easy, CURLOPT_DEBUGDATA, ours ? slot : slot->data);
    setopt(easy, CURLOPT_VERBOSE, ours ? 1L : (long)slot->verbose);
    slot->installed = ours;
}

/* A verbose handle without a function has libcurl print for itself, in ways that differ by
 * version: it is left alone. */
struct curl_slot *curl_slot_install(CURL *easy)
{
    bool overflowed = atomic_load_explicit(&slots_overflowed, memory_order_relaxed);
    struct curl_slot *slot = slot_of(easy, !overflowed);

    if (slot == NULL || slot->installed || (slot->verbose && slot->function == NULL)) {
        return NULL;
    }
    slot->capturing = false;
    slot->head_done = false;
    slot_apply(slot, easy, true);
    return slot;
}

void curl_slot_finish(CURL *easy, bool in_order)
{
    struct curl_slot *slot = slot_of(easy, false);

    if (slot != NULL) {
        slot_end(slot, in_order);
    }
}

void curl_slot_restore(CURL *easy)
{
    struct curl_slot *slot = slot_of(easy, false);

    if (slot == NULL || !slot->installed) {
        return;
    }
    slot_apply(slot, easy, false);
    if (slot_is_default(slot)) {
        slot_free(slot);
    }
}

void curl_slot_reset(CURL *easy)
{
    struct curl_slot *slot = slot_of(easy, false);

    if (slot == NULL) {
        return;
    }
    if (!slot->installed) {
        slot_free(slot);
        return;
    }
    slot->function = NULL;
    slot->data = NULL;
    slot->verbose = false;
    slot_apply(slot, easy, true);
}

void curl_slot_copy(CURL *easy, CURL *copy)
{
    struct curl_slot *from = slot_of(easy, false), *to = slot_of(copy, false);

    if (to != NULL) {
        slot_clear(to);
    }
    if (from == NULL) {
        return;
    }
    if (from->installed) {
        slot_apply(from, copy, false);
        from->installed = true;
    }
    to = slot_is_default(from) ? to : slot_of(copy, true);
    if (to != NULL) {
        to->function = from->function;
        to->data = from->data;
        to->verbose = from->verbose;
    } else if (!slot_is_default(from)) {
        atomic_store_explicit(&slots_overflowed, true, memory_order_relaxed);
    }
}

void curl_slot_release(CURL *easy)
{
    struct curl_slot *slot = slot_of(easy, false);

    if (slot != NULL) {
        slot_free(slot);
    }
}
