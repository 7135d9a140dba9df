/* The service's SQLite store. Private to the folder.
 *
 * One process has the file (a lock beside it says so), which is why what is worth knowing of all
 * rows may be kept in memory: an entry a trace to choose pages from (shelf.h), and where ids are
 * (ids.h). Memory follows the file: it is changed when a transaction has been committed. It is some
 * 96 bytes a trace and two bytes a span: 100 MB for a million traces, beside some 50 MB that do not
 * grow (caches of pages by session, the batch that is written, the step of the index). */
#ifndef TRACER_STORE_SQLITE_H
#define TRACER_STORE_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "store/backend.h"
#include "store/sqlite/ids.h"
#include "store/sqlite/search.h"
#include "store/sqlite/shelf.h"
#include "store/statement.h"

#define SQL_BUSY_MS            10000
#define SERVICE_APPLICATION_ID 0x6c6c6d73 /* "llms" */

enum sql {
    SQL_BEGIN_WRITE,
    SQL_COMMIT,
    SQL_META_GET,
    SQL_META_SET,
    SQL_TRACE_TOTALS,
    SQL_TRACE_ID,
    SQL_TRACE_INSERT,
    SQL_TRACE_UPDATE,
    SQL_TRACE_BY_ROW,
    SQL_TRACE_SHELF,
    SQL_TRACE_DELETE,
    SQL_SPAN_ID,
    SQL_SPAN_STATE,
    SQL_SPAN_INSERT,
    SQL_SPAN_UPDATE,
    SQL_SPAN_BY_ROW,
    SQL_SPANS_OF_TRACE,
    SQL_SPANS_OF_TRACE_BARE,
    SQL_SPANS_DOOMED,
    SQL_SPAN_DELETE,
    SQL_DOOMED_INSERT,
    SQL_DOOMED_FIRST,
    SQL_DOOMED_DELETE,
    SQL_FREE_PAGES,
    SQL_VACUUM_STEP,
    SQL_AGAIN_PUT,
    SQL_AGAIN_DELETE,
    SQL_AGAIN_NEXT,
    SQL_ABOUT_GET,
    SQL_ABOUT_SET,
    SQL_PARTS,
    SQL_PART_LAST,
    SQL_PART_PUT,
    SQL_PART_ADD,
    SQL_PART_DELETE,
    SQL_LATER_PUT,
    SQL_LATER_DELETE,
    SQL_LATER_COUNT,
    SQL_LATER_FIRST,
    SQL_LATER_SPANS_ENDED,
    SQL_LATER_TRACES_ENDED,
    SQL_RESTATED_PUT,
    SQL_RESTATED_TIDY,
    SQL_RESTATED_GET,
    SQL_SEARCH_SPANS,
    SQL_SEARCH_TRACES,
    SQL_SEARCH_SPAN,
    SQL_SEARCH_TRACE,
    SQL_LOOK_SPANS,
    SQL_LOOK_TRACES,
    SQL_LOOK_SPANS_LATER,
    SQL_LOOK_TRACES_LATER,
    SQL_LOOK_SPANS_OF,
    SQL_LOOK_TRACE,
    SQL_TRACE_HASHES,
    SQL_SPAN_HASHES,
    SQL_TRACE_IN_RANGE,
    SQL_SPAN_IN_RANGE,
    SQL_SEGMENTS,
    SQL_SEGMENT_PUT,
    SQL_SEGMENT_DROP,
    SQL_CHUNK_GET,
    SQL_CHUNK_PUT,
    SQL_CHUNKS_ALL,
    SQL_CHUNKS_DROP,
    SQL_ROLLUP_GET,
    SQL_ROLLUP_PUT,
    SQL_ROLLUP_DELETE,
    SQL_ROLLUP_RANGE,
    SQL_ROLLUP_LATEST,
    SQL_ROLLUP_OF_KEY,
    SQL_ROLLUP_EVERYONE,
    SQL_COUNT
};

/* The row `meta`. */
struct sql_meta {
    int64_t next_trace, next_span;       /* a row number is never used twice */
    int64_t indexed_trace, indexed_span; /* rows up to these are in the index of ids */
    int64_t seed; /* of the hashes of ids: strangers shall not make equal ones */
};

struct backend {
    char *path;
    int lock;                     /* descriptor of the file that says who has the store */
    pthread_mutex_t writing;      /* held from the begin of a transaction until memory follows */
    struct sql_meta meta;         /* under writing */
    pthread_rwlock_t memory_lock; /* of shelf and ids */
    struct shelf shelf;
    struct ids ids[2]; /* by enum ids_kind */
    uint64_t hash_seed;
    struct search_index index;
    int64_t again_deleted; /* under writing */
};

/* Memory that is given up all at once. */
struct scratch_block;
struct scratch {
    struct scratch_block *blocks;
};
void *scratch_take(struct scratch *s, size_t size); /* zeroed; NULL */
/* ERR_NOMEM. */
int scratch_copy(struct scratch *s, struct text from, struct text *out);
void scratch_clear(struct scratch *s);

/* A trace as far as the transaction knows and changes it. */
struct touched_trace {
    int64_t row;
    uint64_t hash;
    bool fresh, changed;
    bool ended; /* in the file */
    struct touched_trace *next;
    struct stored_trace now; /* of one that was there: metadata and output only if replaced */
    struct text own_error;   /* metadata.error */
    int64_t ttft_start;      /* of the call that ttft_ms is of */
    int64_t model_row;       /* the span that `model` is of; 0: none */
    struct text models;      /* see models.c */
};

/* A span likewise. */
struct touched_span {
    int64_t row;
    uint64_t hash;
    bool fresh, changed;
    bool ended; /* in the file */
    struct touched_span *next;
    struct touched_trace *trace;
    struct stored_span now; /* of one that was there: contents only if replaced */
};

/* What one transaction does. */
struct batch {
    struct scratch scratch;
    struct map traces, spans;                        /* by id */
    struct touched_trace *first_trace, **last_trace; /* in the order of their coming */
    struct touched_span *first_span, **last_span;
    struct map rollups; /* rollup.c */
    struct rollup_cell *first_rollup;
    struct sql_meta meta;
};

struct backend_session {
    struct backend *b;
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
    bool writer;
    struct batch batch;
    char error[512];
};

/* ---- sql.c: statements and errors */
extern const char *const sql_text[SQL_COUNT]; /* schema.c */
/* Keeps a sentence and returns err. */
int sql_error(struct backend_session *s, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What SQLite's last failure means; keeps its sentence. */
int sql_failed(struct backend_session *s, const char *doing);
/* A prepared statement, ready to bind; NULL: the error is in *err. */
sqlite3_stmt *sql_use(struct backend_session *s, enum sql which, int *err);
/* Binds from ?1 on: 'i' int64_t; 'f' int64_t, negative is NULL; 'd' double, negative is NULL; 't'
 * struct text; 'b' struct text as a blob. They must live until the statement is reset. */
void sql_bind(sqlite3_stmt *st, const char *format, ...);
/* 1: a row; 0: done (the statement is reset); else an error (reset too). */
int sql_step(struct backend_session *s, sqlite3_stmt *st);
/* Uses, binds and runs a statement that gives no rows. */
int sql_run(struct backend_session *s, enum sql which, const char *format, ...);
int sql_exec(struct backend_session *s, const char *sql);
/* Columns; NULL is absent, SPAN_UNKNOWN and -1. Texts live until the next step. */
struct text sql_column_text(sqlite3_stmt *st, int column);
double sql_column_number(sqlite3_stmt *st, int column);

/* ---- schema.c */
extern const int sql_schema_version;
int sql_migrate(struct backend_session *s, int version);
/* ERR_CORRUPT: a table is missing or another one than the present version's. */
int sql_check_schema(struct backend_session *s);

/* ---- open.c */
extern int sqlite_open(struct backend **out, const struct backend_settings *settings,
                       char **notice);
void sqlite_close(struct backend *b);
int sqlite_session_new(struct backend *b, bool writer, struct backend_session **out);
void sqlite_session_free(struct backend_session *s);
int sql_meta_read(struct backend_session *s, struct sql_meta *out);

/* ---- batch.c: one transaction. The caller holds b->writing. */
void batch_forget(struct backend_session *s);
int batch_begin(struct backend_session *s);
/* Writes all that was changed and commits, unless err is one; after an error nothing was done. */
int batch_end(struct backend_session *s, int err);
/* What the batch or the file has of an id. ERR_NOENT. */
int batch_trace(struct backend_session *s, struct text id, struct touched_trace **out);
int batch_span(struct backend_session *s, struct text id, struct touched_span **out);
/* New ones, to be filled in by the caller; NULL: out of memory. */
struct touched_trace *batch_add_trace(struct backend_session *s, struct text id, int64_t row);
struct touched_span *batch_add_span(struct backend_session *s, struct text id);

/* ---- write.c */
int sqlite_write(struct backend_session *s, struct stored_write *const *writes, size_t count);

/* ---- touch.c: what spans add to their traces */
int touch_span_added(struct batch *b, struct touched_trace *t, const struct touched_span *span);
int touch_span_changed(struct batch *b, struct touched_trace *t, const struct stored_span *before,
                       const struct touched_span *span);
/* metadata.error, or absent. */
int touch_own_error(struct batch *b, struct text metadata, struct text *out);
void touch_shelf_entry(const struct touched_trace *t, struct shelf_entry *e);

/* ---- models.c: the models of a trace with the number of spans of each */
int models_change(struct scratch *s, struct text *models, struct text model, int64_t by);
int64_t models_count(struct text models);
/* Calls each(user, name) for every model until it returns true, which is returned. */
bool models_any(struct text models, bool (*each)(void *user, struct text name), void *user);

/* ---- read.c */
void read_trace_row(sqlite3_stmt *st, struct stored_trace *t, struct text *models);
int sqlite_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                 stored_trace_fn *each, void *user);
int sqlite_spans(struct backend_session *s, struct text project_id, struct text trace_id,
                 bool content, stored_span_fn *each, void *user);
int sqlite_span(struct backend_session *s, struct text project_id, struct text span_id,
                stored_span_fn *each, void *user);

/* ---- list.c */
int sqlite_list(struct backend_session *s, const struct stored_filter *f, stored_trace_fn *each,
                void *user, char **next_cursor);

/* ---- stats.c */
int sqlite_stats(struct backend_session *s, const struct stored_stats *q, stored_group_fn *each,
                 void *user);

/* ---- purge.c */
int sqlite_purge(struct backend_session *s, int64_t older_than);

static inline bool text_same(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || __builtin_memcmp(a.at, b.at, a.len) == 0);
}

/* Whether a call for that project may see what belongs to this one. */
static inline bool project_sees(struct text project_id, struct text owner)
{
    return project_id.at == NULL || text_same(project_id, owner);
}

#endif
