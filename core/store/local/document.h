/* A stored span's document (span_print's text) read as it lies: its members are slices of the text.
 * A tree would cost ten times as much, and a trace may have ten thousand spans. Thread-safe. */
#ifndef TRACER_STORE_LOCAL_DOCUMENT_H
#define TRACER_STORE_LOCAL_DOCUMENT_H

#include "store/backend.h"
#include "json/scan.h"

/* What the index keeps of a span: the members before its input. */
struct facts {
    bool call;                 /* llm or embedding */
    bool failed;               /* it has an error */
    struct scan_value model;   /* a string, or none */
    int64_t tokens_cache_read; /* SPAN_UNKNOWN */
    double ttft_ms;            /* negative: unknown */
};
void document_facts(struct text document, struct facts *out);
/* A string's text: borrowed from the value when nothing is escaped, else appended to out, which
 * must have room for it. at NULL: it is no string. */
struct text document_text(const struct scan_value *value, struct buf *out);

/* The span as the service has it; content false: without input and output. Its texts are borrowed
 * from the document and from scratch, which is emptied first. Times are the caller's. ERR_BAD: it
 * is no document; ERR_NOMEM. */
int document_span(struct text document, bool content, struct stored_span *out,
                  struct buf *scratch) WARN_UNUSED_RESULT;

#endif
