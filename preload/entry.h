/* The active span of a thread, set through llmt_preload_v1 (core/wire/entry.h). */
#ifndef TRACER_PRELOAD_ENTRY_H
#define TRACER_PRELOAD_ENTRY_H

/* Trace id and span id, 24 bytes; NULL: none is active on this thread. */
const void *entry_active_span(void);

#endif
