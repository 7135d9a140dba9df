#include "client/active.h"

#include <string.h>

#include "client/hex.h"

/* Tells the preloaded object what is active. A signal handler of this thread may read it at any
 * moment: `set` is 0 while the ids change. ids NULL: nothing. */
static void tell(struct thread *t, const struct ids *ids)
{
    struct llmt_active_span *told = t->told;
    if (!told)
        return;
    *(volatile uint32_t *)&told->set = 0;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (!ids)
        return;
    memcpy(told->trace_id, ids->trace, sizeof(told->trace_id));
    memcpy(told->span_id, ids->span, sizeof(told->span_id));
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    *(volatile uint32_t *)&told->set = 1;
}

/* What ended on other threads leaves the top of the stack. */
static void drop_ended(struct thread *t)
{
    while (t->depth > 0 && !item_runs(t->stack[t->depth - 1]))
        t->depth--;
}

/* ... and the rest of it, where room is needed. */
static void drop_all_ended(struct thread *t)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->depth; i++)
        if (item_runs(t->stack[i]))
            t->stack[kept++] = t->stack[i];
    t->depth = kept;
}

static void show_top(struct thread *t)
{
    struct item item;
    t->override = OVERRIDE_NOT;
    if (!t->told)
        return;
    while (t->depth > 0 && !item_ids(t->stack[t->depth - 1], &item))
        t->depth--;
    tell(t, t->depth > 0 ? &item.ids : NULL);
}

bool active_push(struct thread *t, const struct item *item)
{
    drop_ended(t);
    if (t->depth == ACTIVE_MAX)
        drop_all_ended(t);
    if (t->depth == ACTIVE_MAX)
        return false;
    t->stack[t->depth++] = item->handle;
    t->override = OVERRIDE_NOT;
    tell(t, &item->ids);
    return true;
}

void active_remove(struct thread *t, uint64_t handle)
{
    uint32_t kept = 0;
    while (kept < t->depth && t->stack[kept] != handle)
        kept++;
    if (kept == t->depth)
        return;
    for (uint32_t i = kept; i < t->depth; i++)
        if (t->stack[i] != handle)
            t->stack[kept++] = t->stack[i];
    t->depth = kept;
    show_top(t);
}

static int attach(const void *pointer, enum handle_kind kind)
{
    struct item item;
    const int result = item_find(pointer, kind, &item);
    if (result != LLMT_OK)
        return result;
    return active_push(thread_get(process_epoch()), &item) ? LLMT_OK : LLMT_ENOBUFS;
}

/* Takes the topmost of its places away. */
static int detach(const void *pointer, enum handle_kind kind)
{
    const uint64_t handle = handle_of(pointer);
    if (!pointer)
        return LLMT_EINVAL;
    struct thread *t = thread_get(process_epoch());
    uint32_t at = t->depth;
    while (at > 0 && t->stack[at - 1] != handle)
        at--;
    const bool runs = handle_kind(handle) == kind && item_runs(handle);
    if (at == 0)
        return runs ? LLMT_EINVAL : LLMT_EENDED;
    memmove(&t->stack[at - 1], &t->stack[at], (t->depth - at) * sizeof(t->stack[0]));
    t->depth--;
    show_top(t);
    return runs ? LLMT_OK : LLMT_EENDED;
}

int llmt_span_attach(llmt_span *span)
{
    return attach(span, HANDLE_SPAN);
}

int llmt_span_detach(llmt_span *span)
{
    return detach(span, HANDLE_SPAN);
}

int llmt_trace_attach(llmt_trace *trace)
{
    return attach(trace, HANDLE_TRACE);
}

int llmt_trace_detach(llmt_trace *trace)
{
    return detach(trace, HANDLE_TRACE);
}

int llmt_activate(const char *trace_id, const char *span_id)
{
    struct ids ids = {{0}, {0}};
    if (trace_id && (!hex_read(trace_id, ids.trace, sizeof(ids.trace)) ||
                     (span_id && !hex_read(span_id, ids.span, sizeof(ids.span)))))
        return LLMT_EINVAL;
    struct thread *t = thread_get(process_epoch());
    t->ids = ids;
    t->override = trace_id ? OVERRIDE_IDS : OVERRIDE_NOTHING;
    tell(t, trace_id ? &ids : NULL);
    return LLMT_OK;
}

/* The header must name a span. A trace without one is told by its caller's, else by half of its own
 * id, which no span has. */
static void write_traceparent(const struct ids *ids, const uint8_t *caller, char *out)
{
    const uint8_t *span = ids->span;
    if (span_id_is_none(span))
        span = caller && !span_id_is_none(caller) ? caller : ids->trace + WIRE_SPAN_ID_LEN;
    memcpy(out, "00-", sizeof("00-")); /* the NUL is written over */
    hex_write(out + 3, ids->trace, WIRE_TRACE_ID_LEN);
    out[35] = '-';
    hex_write(out + 36, span, WIRE_SPAN_ID_LEN);
    memcpy(out + 52, "-01", sizeof("-01"));
}

const char *llmt_current_traceparent(char out[LLMT_TRACEPARENT_SIZE])
{
    if (!out)
        return NULL;
    out[0] = '\0';
    struct thread *t = thread_get(process_epoch());
    struct item item;
    if (t->override == OVERRIDE_IDS) {
        write_traceparent(&t->ids, NULL, out);
        return out;
    }
    uint32_t top = t->override == OVERRIDE_NOTHING ? 0 : t->depth;
    while (top > 0 && !item_ids(t->stack[top - 1], &item))
        top--;
    if (top == 0)
        return NULL;
    write_traceparent(&item.ids, item.caller, out);
    return out;
}

const char *llmt_span_traceparent(const llmt_span *span, char out[LLMT_TRACEPARENT_SIZE])
{
    struct item item;
    if (!out)
        return NULL;
    out[0] = '\0';
    if (item_find(span, HANDLE_SPAN, &item) != LLMT_OK)
        return NULL;
    write_traceparent(&item.ids, NULL, out);
    return out;
}
