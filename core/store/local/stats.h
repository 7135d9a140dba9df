/* Totals of spans by model, over any time. Not thread-safe. */
#ifndef TRACER_STORE_LOCAL_STATS_H
#define TRACER_STORE_LOCAL_STATS_H

#include <sqlite3.h>

#include "base/buf.h"
#include "store/backend.h"

/* Of the spans of one model; 0: those without. What no span told is negative. */
struct total {
    int64_t model;
    int64_t spans, calls, errors, tokens_input, tokens_output, tokens_cache_read;
    double cost;
    struct histogram latency, ttft; /* of calls */
    int64_t first_time, last_time;  /* first 0: no span */
};

struct totals {
    bool by_model; /* else all goes into one */
    struct total **items;
    size_t count, cap;
};

void totals_init(struct totals *t, bool by_model);
void totals_release(struct totals *t);
void totals_clear(struct totals *t);
typedef int total_fn(void *user, const struct total *t);
int totals_each(const struct totals *t, total_fn *each, void *user);

/* The spans of hour ?1 (since 1970) from the index in the schema named. */
#define TOTALS_FACT_COLUMNS                                                                        \
    "f.model, f.call, f.failed, f.tokens_input, f.tokens_output, f.tokens_cache_read, f.cost,"     \
    " f.latency, f.ttft, f.start_time"
#define TOTALS_FACTS_OF_HOUR(schema)                                                               \
    "SELECT " TOTALS_FACT_COLUMNS " FROM " schema ".fact f"                                        \
    " WHERE f.start_time / 3600000000000 = ?1"
/* Adds the statement's row. ERR_NOMEM. */
int totals_add_fact(struct totals *t, sqlite3_stmt *st);
/* Totals that were put together before. */
#define TOTALS_OF_HOUR(schema)                                                                     \
    "SELECT model, spans, calls, errors, tokens_input, tokens_output, tokens_cache_read, cost,"    \
    " latency, ttft, first_time, last_time FROM " schema ".total WHERE hour = ?1"
int totals_add_hour(struct totals *t, sqlite3_stmt *st);

#endif
