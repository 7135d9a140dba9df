/* Beginning traces and spans, with and without a handle. */
#ifndef TRACER_CLIENT_BEGIN_H
#define TRACER_CLIENT_BEGIN_H

#include "client/item.h"

#define UNNAMED "unnamed"

/* Writes a TRACE_BEGIN record with new ids, or those of options->traceparent; *item gets them.
 * c: a client that is neither closed nor disabled. LLMT_OK, LLMT_EJSON, LLMT_ENOBUFS. */
int begin_trace(struct scene *s, const struct client_view *c, const char *name,
                const llmt_trace_options *options, struct item *item);

/* What a span begins in. */
struct place {
    const uint8_t *trace;
    const uint8_t *parent; /* a span's id; NULL: a root of its trace */
    uint64_t client;
    struct settings *settings;
    uint32_t number;
    bool announced; /* this process's ring has the client */
};
/* Writes a SPAN_BEGIN record. LLMT_OK, LLMT_ETYPE, LLMT_EJSON, LLMT_ENOBUFS. */
int begin_span(struct scene *s, const struct place *place, const char *name, const char *type,
               const llmt_span_options *options, struct item *item);

#endif
