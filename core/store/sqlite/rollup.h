/* Totals by hour that are kept with each commit, so that no question about a million spans reads
 * them: of spans by their model and hour of start, of traces by their hour of start, and of both by
 * the trace's user or session and its hour. */
#ifndef TRACER_STORE_SQLITE_ROLLUP_H
#define TRACER_STORE_SQLITE_ROLLUP_H

#include "store/sqlite/sqlite.h"

#define ROLLUP_HOUR_NS INT64_C(3600000000000)

enum rollup_kind { ROLLUP_MODEL = 1, ROLLUP_TRACE, ROLLUP_USER, ROLLUP_SESSION };

struct rollup_figures {
    int64_t traces, spans, calls, errors;
    int64_t tokens_input, tokens_output, tokens_cache_read; /* sums */
    int64_t told_input, told_output, told_cache_read;       /* of how many spans */
    double cost;
    int64_t first_time, last_time; /* 0: none; after a purge they may be of what is gone */
};

/* The hour of a time: hours since 1970, rounded down. */
int64_t rollup_hour(int64_t time);

/* What the transaction adds (1) or takes away (-1). ERR_NOMEM. */
int rollup_trace(struct batch *b, const struct stored_trace *t, int by);
int rollup_span(struct batch *b, const struct stored_trace *t, const struct stored_span *span,
                int by);
/* Adds all that to the file. */
int rollup_store(struct backend_session *s);
void rollup_read_figures(sqlite3_stmt *st, int column, struct rollup_figures *f);
void rollup_add(struct rollup_figures *to, const struct rollup_figures *f);

#endif
