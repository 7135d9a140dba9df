/* The collector's store as a backend that is only looked at: `llm-tracer ui`. What the store itself
 * does not have in a form that is quick to ask (sorted, counted, searched) lies in an index beside
 * it, which is made of the store and can be made anew at any time (index.h). Private to the
 * folder. */
#ifndef TRACER_STORE_LOCAL_LOCAL_H
#define TRACER_STORE_LOCAL_LOCAL_H

#include <sqlite3.h>

#include "base/buf.h"
#include "store/backend.h"
#include "store/db.h"

#define LOCAL_SCRATCH_MAX ((size_t)1 << 30) /* a document may have 256 MB */

struct local_index;
struct search;

struct backend {
    char *dir;
    struct local_index *index;
};

struct backend_session {
    struct backend *backend;
    struct store *store; /* NULL: there is none yet */
    uint64_t attached;   /* the store's `opened` when the index was attached; 0: it is not */
    uint64_t prepared;   /* the same, when its functions were added */
    uint64_t changed;    /* what local_changes counts */
    int64_t version;
    struct buf scratch;
    const struct search *search; /* that the list being read asks */
    char error[512];
};

/* Opens the store, or follows it if another file lies there now. ERR_NOENT: there is none yet. */
int local_enter(struct backend_session *s);
/* Also waits a little for the index to have what the store has, and attaches it as `ui`. *indexed:
 * it has everything; otherwise only what the store itself tells can be asked for. */
int local_enter_indexed(struct backend_session *s, bool *indexed);
/* The same, and waits as long as one answer may take. */
int local_wait_indexed(struct backend_session *s, bool *indexed);
int local_error(struct backend_session *s, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Prepares a statement on the session's store. NULL: *err says why. */
sqlite3_stmt *local_prepare(struct backend_session *s, const char *sql, int *err);
/* 1: a row; 0: done; else an error. */
int local_step(struct backend_session *s, sqlite3_stmt *st);
/* at NULL: SQL NULL. The text must live as long as the statement. */
void local_bind_text(sqlite3_stmt *st, int at, struct text text);
struct text local_column(sqlite3_stmt *st, int column);

/* What a list shows of a trace, from the tables t (trace) and, with the index, d (digest). */
#define LOCAL_TRACE_COLUMNS                                                                        \
    "t.id, t.start_time, t.end_time, t.span_count, t.tokens_input, t.tokens_output, t.cost,"       \
    " t.errors, t.running, t.model, t.models, t.name, t.project_id, t.user_id, t.session_id,"      \
    " coalesce(t.error, iif(json_valid(t.metadata), json_extract(t.metadata, '$.error'), NULL)),"  \
    " t.metadata, t.tags, t.output, t.row"
#define LOCAL_TRACE_COLUMN_COUNT 20
/* A sum of figures that ends at FIGURE_MAX, where sum() fails; NULL where none is known. */
#define LOCAL_SUM(column)                                                                          \
    "iif(count(" column ") = 0, NULL,"                                                             \
    " CAST(min(total(" column "), 9007199254740992.0) AS INTEGER))"
/* Status as the service tells it (enum stored_status), of a row of trace. */
#define LOCAL_STATUS                                                                               \
    "iif(t.end_time = 0, 1, iif(t.errors > 0 OR coalesce(t.error,"                                 \
    " iif(json_valid(t.metadata), json_extract(t.metadata, '$.error'), NULL)) IS NOT NULL, 3, 2))"

/* Calls `each` with the trace of the statement's row. figures: the first of three columns (calls,
 * tokens_cache_read, ttft_ms); NULL in them or -1: they are taken from the trace's spans. */
int local_give_trace(struct backend_session *s, sqlite3_stmt *st, int figures,
                     stored_trace_fn *each, void *user);

int local_list(struct backend_session *s, const struct stored_filter *f, stored_trace_fn *each,
               void *user, char **next_cursor);
int local_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                stored_trace_fn *each, void *user);
int local_spans(struct backend_session *s, struct text project_id, struct text trace_id,
                bool content, stored_span_fn *each, void *user);
int local_span(struct backend_session *s, struct text project_id, struct text span_id,
               stored_span_fn *each, void *user);
int local_stats(struct backend_session *s, const struct stored_stats *q, stored_group_fn *each,
                void *user);

#endif
