/* What the tracing service keeps its traces in: one table of backends, each a folder. The records
 * are those of the service's HTTP contract: documents with ids of text, of one project each.
 *
 *   sqlite/    a file of its own, service.db in the data directory (the default)
 *   dynamodb/  two tables that several servers may share
 *   local/     the collector's store (store.h), to be looked at only: for `llm-tracer ui`
 *
 * A backend is opened once and gives sessions; a session serves one thread at a time, different
 * sessions different threads at once. Texts are UTF-8 and not terminated. Every function may give
 * ERR_NOMEM, ERR_IO (the store failed), ERR_BUSY (try again later: another writer, or throttled),
 * ERR_FULL (disk or account full; nothing was changed) and ERR_CORRUPT, with a sentence for the log
 * in backend_error; none of them says anything about the data. */
#ifndef TRACER_STORE_BACKEND_H
#define TRACER_STORE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "span/span.h"

#define STORED_ID_MAX      128 /* bytes of an id; those of older servers are UUIDs */
#define STORED_TAGS_MAX    50
#define STORED_CONTENT_MAX ((size_t)350000) /* what DynamoDB may hold of an item's JSON */

struct backend;
struct backend_session;

/* A borrowed text; at NULL: unknown, absent. */
struct text {
    const char *at;
    size_t len;
};

enum stored_status { STORED_ANY, STORED_RUNNING, STORED_OK, STORED_ERROR };

/* A trace. Times are wall ns; end_time 0: running. JSON texts are valid and on one line. */
struct stored_trace {
    struct text trace_id, name, project_id;
    int64_t start_time, end_time;
    struct text metadata; /* JSON object */
    struct text tags;     /* JSON array of strings */
    struct text user_id, session_id, output;
    /* Kept by the backend, of its spans: */
    int64_t span_count;
    double total_cost;                                      /* 0 when no span told */
    int64_t calls;                                          /* spans of type llm or embedding */
    int64_t errors;                                         /* spans with an error */
    int64_t running;                                        /* spans without end */
    int64_t tokens_input, tokens_output, tokens_cache_read; /* SPAN_UNKNOWN: no span told */
    double ttft_ms;    /* of the call that started first and told; negative: unknown */
    struct text model; /* of that which came first among its spans */
    int64_t models;    /* how many different ones */
    struct text error; /* of the span that failed first; of a trace without: metadata.error */
};

struct stored_span {
    struct text span_id, trace_id, parent_span_id, name;
    enum span_type type;
    int64_t start_time, end_time;
    struct text input_data, output_data, metadata; /* JSON objects */
    struct text model;
    int64_t tokens_input, tokens_output; /* SPAN_UNKNOWN: not told */
    double cost_usd;                     /* negative: not told */
    struct text error;
    /* What its metadata tells, taken out of it by whoever makes the write or reads it: */
    int64_t tokens_cache_read; /* metadata.tokens_cache_read */
    double ttft_ms;            /* metadata.ttft_ms; negative: unknown */
};

/* The four writes of the contract. What is absent in the record (at NULL, SPAN_UNKNOWN, negative,
 * time 0) leaves what is stored as it is in a complete; a create always has a start_time.
 *
 * Result of each, given in `result`:
 *   ERR_OK      done. For a create: also when the id exists in the same project (nothing changes;
 *               `existed` is set). A repeated complete takes over what it tells and keeps the first
 *               end_time; figures count once: the difference is added to the trace's totals.
 *   ERR_NOENT   no such trace or span, or the trace is another project's; a create of an id that
 *               exists in another project
 *   ERR_DENIED  the span that is completed belongs to a trace of another project */
enum stored_op {
    STORED_CREATE_TRACE,
    STORED_CREATE_SPAN,
    STORED_COMPLETE_SPAN,
    STORED_COMPLETE_TRACE
};
struct stored_write {
    enum stored_op op;
    struct text project_id; /* of the key; spans have none of their own */
    union {
        struct stored_trace trace; /* the two of traces; trace_id set */
        struct stored_span span;   /* the two of spans; span_id set, trace_id at a create */
    };
    int result;
    bool existed;
    struct text trace_id; /* set for a completed span where the backend knows it (else at NULL): for
                             events; lives until the next call on the session */
};

enum stored_sort { SORT_START, SORT_DURATION, SORT_COST, SORT_TOKENS, SORT_TTFT };

/* Which traces. Zero or at NULL: any. Every filter runs in the store: a page is never empty while
 * there is more. */
struct stored_filter {
    struct text project_id; /* at NULL: of every project */
    size_t limit;           /* 1..1000 */
    struct text cursor;     /* as the page before gave it */
    struct text user_id, session_id;
    struct text tags[STORED_TAGS_MAX]; /* any of them matches */
    size_t tag_count;
    struct text name;  /* part of it, any case */
    struct text model; /* part of the name of any of its spans' models, any case */
    struct text q; /* words, all of them: in names, inputs, outputs, errors of trace and spans */
    enum stored_status status;
    int64_t from, to; /* start_time, wall ns: from <= t < to */
    int64_t min_duration_ms;
    enum stored_sort sort; /* what is unknown comes last; equal ones newest first */
    bool ascending;
};

/* As status filters it and GET /api/traces tells it. */
static inline enum stored_status stored_trace_status(const struct stored_trace *t)
{
    if (t->end_time == 0)
        return STORED_RUNNING;
    return t->errors > 0 || t->error.at != NULL ? STORED_ERROR : STORED_OK;
}

/* Called with records whose texts live until it returns; not 0 ends the reading with that. */
typedef int stored_trace_fn(void *user, const struct stored_trace *trace);
typedef int stored_span_fn(void *user, const struct stored_span *span);

/* Totals of one group; what is unknown is SPAN_UNKNOWN or negative. */
struct stored_group {
    struct text model, user_id, session_id; /* those that were grouped by; at NULL: it has none */
    int64_t time;                           /* start of its hour or day in UTC, wall ns */
    int64_t traces;                         /* SPAN_UNKNOWN when grouped by model */
    int64_t spans, calls, errors, tokens_input, tokens_output, tokens_cache_read;
    double cost;
    double latency_p50_ms, latency_p95_ms, ttft_p50_ms, ttft_p95_ms; /* of calls; within 3 % */
    int64_t first_time, last_time; /* first and last start of a trace or call in it */
};
typedef int stored_group_fn(void *user, const struct stored_group *group);
enum stored_group_by {
    GROUP_MODEL = 1,
    GROUP_DAY = 2,
    GROUP_HOUR = 4,
    GROUP_USER = 8,
    GROUP_SESSION = 16
};
/* A trace counts in the hour in which it started. By user and session its spans count there too;
 * else each span counts in the hour of its own start. (DynamoDB finds spans by their trace only:
 * there they always count with it.) */
struct stored_stats {
    struct text project_id; /* at NULL: every project */
    unsigned group_by;      /* 0: one group of everything; MODEL with DAY or HOUR; else one alone */
    struct text user_id;    /* only sessions of this user; at NULL: any (GROUP_SESSION) */
    int64_t from, to;       /* wall ns; 0: open; parts of an hour count as the whole */
    size_t limit;           /* 1..10000 groups: times ascending, else the latest last_time first */
};

struct backend_settings {
    const char *data_dir;     /* sqlite, local */
    const char *traces_table; /* dynamodb */
    const char *spans_table;
    const char *endpoint_url; /* or NULL */
    const char *region;
    int64_t ttl_days;
    bool init; /* make what is missing (DynamoDB's tables, indexes, TTL) */
};

struct backend_ops {
    const char *name;          /* as GET /health tells it */
    unsigned writers, readers; /* sessions that are worth having at once, 1..32 */
    size_t batch;              /* writes worth giving at once to backend_write */
    bool shared;               /* others write there too: changes are looked for */
    bool read_only;
    int (*open)(struct backend **out, const struct backend_settings *settings, char **notice);
    void (*close)(struct backend *b);
    int (*session_new)(struct backend *b, bool writer, struct backend_session **out);
    void (*session_free)(struct backend_session *s);
    const char *(*error)(const struct backend_session *s);
    int (*write)(struct backend_session *s, struct stored_write *const *writes, size_t count);
    int (*list)(struct backend_session *s, const struct stored_filter *f, stored_trace_fn *each,
                void *user, char **next_cursor);
    int (*trace)(struct backend_session *s, struct text project_id, struct text trace_id,
                 stored_trace_fn *each, void *user);
    int (*spans)(struct backend_session *s, struct text project_id, struct text trace_id,
                 bool content, stored_span_fn *each, void *user);
    int (*span)(struct backend_session *s, struct text project_id, struct text span_id,
                stored_span_fn *each, void *user);
    int (*stats)(struct backend_session *s, const struct stored_stats *q, stored_group_fn *each,
                 void *user);
    int64_t (*changes)(struct backend_session *s);
    int (*purge)(struct backend_session *s, int64_t older_than);
};

extern const struct backend_ops backend_sqlite, backend_dynamodb, backend_local;
/* NULL-terminated. */
extern const struct backend_ops *const backends[];
/* NULL when there is none of that name. */
const struct backend_ops *backend_find(const char *name);

/* ---- What the functions of the table promise
 *
 * open: ERR_NOENT (tables or file are missing and init is false), ERR_DENIED (not ours, or not
 *   allowed), ERR_VERSION (made by a newer version), ERR_CORRUPT. *notice: new memory or NULL, a
 *   sentence for the person: what was done, or why it failed and what to do.
 * session_new: writer sessions write; any session reads.
 * write: all of them in order, in as few transactions as the store allows; a write that is refused
 *   (its result) does not keep the others from being done. ERR_OK: each result is set and what they
 *   say is durable. Else: none of them, or only a part that a repetition of the same writes does
 *   not store twice, was done. UNSUPPORTED by a read-only backend.
 * list: newest first or as sort says. *next_cursor: new memory, NULL at the end. ERR_BAD: the
 *   cursor is none of ours, or of another sort.
 * trace, spans, span: ERR_NOENT: no such, or another project's. spans: in order of start_time, then
 *   of their coming; content false: input_data and output_data are left out (at NULL).
 * stats: one call of each per group.
 * changes: a number that differs when another process may have changed something since; -1: that
 *   cannot be told, look at the newest traces.
 * purge: one small step of deleting traces that started before older_than with their spans; how
 *   much was done, 0: nothing is left. */

/* A sentence about the last failure on this session; "" when there was none. */
const char *backend_error(const struct backend_ops *ops, const struct backend_session *s);

/* ---- Shared by backends */

static inline struct text text_of(const char *s)
{
    size_t n = 0;
    while (s != NULL && s[n] != '\0')
        n++;
    return (struct text){s, n};
}

/* Sums of figures (tokens, counts) end at the largest integer that JSON readers keep exactly: what
 * anybody may send 2^53 times must neither overflow nor become "unknown". */
#define FIGURE_MAX ((int64_t)1 << 53)
static inline int64_t figure_limit(int64_t figure)
{
    return figure < 0 ? SPAN_UNKNOWN : figure > FIGURE_MAX ? FIGURE_MAX : figure;
}
/* SPAN_UNKNOWN (any negative) adds nothing: it is the sum only when both are. */
static inline int64_t figure_add(int64_t a, int64_t b)
{
    a = figure_limit(a);
    b = figure_limit(b);
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return figure_limit(a + b);
}

/* The same of costs: finite, and what is not told (negative) adds nothing. */
#define COST_SUM_MAX 1e18
static inline double cost_add(double a, double b)
{
    const double sum = (a > 0 ? a : 0) + (b > 0 ? b : 0);
    return a < 0 && b < 0 ? -1 : sum < COST_SUM_MAX ? sum : COST_SUM_MAX;
}

/* Durations in ms, kept as counts of buckets 1/32 of an octave wide, so that a percentile is within
 * 3 %. Zero value: empty. */
#define HISTOGRAM_BUCKETS 1024
struct histogram {
    int64_t total;
    uint32_t counts[HISTOGRAM_BUCKETS]; /* 0: below 0.001 ms; the last: above 71 minutes */
};
void histogram_add(struct histogram *h, double ms, int64_t count); /* count may be negative */
void histogram_merge(struct histogram *into, const struct histogram *from);
double histogram_percentile(const struct histogram *h, double q); /* 0..1; -1: empty */
/* Only what is not zero, as bytes (a varint of the distance and one of the count each). */
struct buf;
int histogram_print(const struct histogram *h, struct buf *out) WARN_UNUSED_RESULT;
/* Adds what was printed; ERR_BAD: malformed, nothing is added after that point. */
int histogram_parse(struct histogram *h, const void *bytes, size_t len) WARN_UNUSED_RESULT;

#endif
