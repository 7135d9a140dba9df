/* Records as the JSON of answers: every field is there, null where unknown. All append to out and
 * give ERR_NOMEM or ERR_FULL. Private to this room. */
#ifndef TRACER_SERVICE_PRINT_H
#define TRACER_SERVICE_PRINT_H

#include "base/buf.h"
#include "store/backend.h"

/* The trace as the list and the events tell it. */
int print_trace(struct buf *out, const struct stored_trace *trace) WARN_UNUSED_RESULT;
int print_span(struct buf *out, const struct stored_span *span) WARN_UNUSED_RESULT;

/* at NULL: null. */
int print_text(struct buf *out, struct text text) WARN_UNUSED_RESULT;
int print_int(struct buf *out, int64_t value) WARN_UNUSED_RESULT;
/* Negative: null, as unknown figures are. */
int print_count(struct buf *out, int64_t value) WARN_UNUSED_RESULT;
/* The shortest text that reads back as the same double; negative and not finite: null. */
int print_figure(struct buf *out, double value) WARN_UNUSED_RESULT;
/* `"2026-01-02T03:04:05.678901+00:00"`; 0: null. */
int print_time(struct buf *out, int64_t wall_ns) WARN_UNUSED_RESULT;

/* running: not ended; error: a span of it failed, or it tells an error. */
enum stored_status trace_status(const struct stored_trace *trace);
const char *status_name(enum stored_status status);

#endif
