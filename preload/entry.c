/* The versioned entry for the explicit API's library. */
#include "entry.h"

#include "clock.h"
#include "session.h"
#include "wire/entry.h"

static _Thread_local struct llmt_active_span active_span __attribute__((tls_model("initial-exec")));

_Static_assert(offsetof(struct llmt_active_span, span_id) ==
                   offsetof(struct llmt_active_span, trace_id) + WIRE_TRACE_ID_LEN,
               "the two ids lie as they do in a record");

const void *entry_active_span(void)
{
    return active_span.set != 0 ? active_span.trace_id : NULL;
}

static struct ring_writer *entry_ring(void)
{
    uint64_t now = clock_now();
    struct ring_writer *ring = session_is_mine() ? session_ring(now) : NULL;
    if (ring != NULL)
        session_watch(now);
    return ring;
}

static struct llmt_active_span *entry_active(void)
{
    return &active_span;
}

static const struct llmt_preload_v1 entry = {
    .version = LLMT_PRELOAD_VERSION,
    .size = sizeof(struct llmt_preload_v1),
    .ring = entry_ring,
    .active = entry_active,
    .now = clock_now,
    .writer_size = sizeof(struct ring_writer),
};

LLMT_EXPORT const struct llmt_preload_v1 *llmt_preload_v1(void)
{
    return &entry;
}
