/* A stored span's document (span_print's text) read without a tree: its members are slices of the
 * text. A tree would cost ten times as much, and a trace may have ten thousand spans. Bounds are
 * kept whatever the text is. Thread-safe. */
#ifndef TRACER_STORE_LOCAL_DOCUMENT_H
#define TRACER_STORE_LOCAL_DOCUMENT_H

#include "store/backend.h"

/* One member of an object: its key without quotes, its value as it stands. */
struct member {
    struct text key, value;
};

/* The members of the object that begins at text->at, one after the other; *at: 0 at first. False:
 * no more, or it is no object. */
bool document_next(struct text object, size_t *at, struct member *out);

/* A string's text: borrowed from the value when nothing is escaped, else appended to out, which
 * must have room for it. at NULL: it is no string. */
struct text document_text(struct text value, struct buf *out);
bool document_int(struct text value, int64_t *out);
double document_number(struct text value); /* negative: none */

/* What the index keeps of a span: the members before its input. */
struct facts {
    bool call;                 /* llm or embedding */
    bool failed;               /* it has an error */
    struct text model;         /* raw, a string value; at NULL: none */
    int64_t tokens_cache_read; /* SPAN_UNKNOWN */
    double ttft_ms;            /* negative: unknown */
};
void document_facts(struct text document, struct facts *out);

/* The span as the service has it; content false: without input and output. Its texts are borrowed
 * from the document and from scratch, which is emptied first. Times are the caller's. ERR_BAD: it
 * is no document; ERR_NOMEM. */
int document_span(struct text document, bool content, struct stored_span *out,
                  struct buf *scratch) WARN_UNUSED_RESULT;

#endif
