/* What a trace keeps of its spans, as a change to be added or as the whole. Private to this folder.
 */
#ifndef TRACER_STORE_DYNAMODB_TOTALS_H
#define TRACER_STORE_DYNAMODB_TOTALS_H

#include "base/map.h"
#include "store/dynamodb/dynamodb.h"

enum { TOKENS_INPUT, TOKENS_OUTPUT, TOKENS_CACHE_READ, TOKENS_KINDS };
extern const char *const dynamo_totals_tokens[TOKENS_KINDS]; /* names of the attributes */

/* Zero value is not valid: dynamo_totals_init. Texts are copies. */
struct totals {
    int64_t spans, calls, errors, running;
    int64_t tokens[TOKENS_KINDS];
    bool told[TOKENS_KINDS];
    double cost;
    double ttft_ms;    /* of the call that started first and told */
    int64_t ttft_time; /* its start; INT64_MAX: none */
    char *error;       /* of the span that failed first here */
    int64_t error_time;
    char *model; /* of the span that came first here and has one, whose id is model_span */
    char *model_span;
    int64_t model_arrived;
    struct map models; /* name → struct model_count */
    int err;           /* ERR_NOMEM */
};
struct model_count {
    char *name;
    int64_t spans; /* may be negative */
};

void dynamo_totals_init(struct totals *t);
void dynamo_totals_release(struct totals *t);
/* A span that was not there before; arrived: any number that rises as spans come. */
void dynamo_totals_add(struct totals *t, const struct stored_span *s, int64_t arrived);
/* A span that was `before` and is `after` now. */
void dynamo_totals_change(struct totals *t, const struct stored_span *before,
                          const struct stored_span *after, int64_t arrived);

/* Appends to an update of the trace whose item was read as `r`: what the totals change. */
void dynamo_totals_update(const struct totals *t, const struct trace_record *r, struct update *u);
/* The same for totals of all spans: what is there is replaced. */
void dynamo_totals_replace(const struct totals *t, struct update *u);

#endif
