/* The SQLite file behind a store: its handle, prepared statements, and what a writer keeps in
 * memory. Private to the room. One thread at a time. */
#ifndef TRACER_STORE_DB_H
#define TRACER_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/map.h"
#include "store/idfilter.h"
#include "store/idmap.h"
#include "store/statement.h"
#include "store/store.h"

#define DB_APPLICATION_ID 0x6c6c6d74 /* "llmt" */
#define DB_DOCUMENT_MAX   ((size_t)256 << 20)
#define DB_TAIL_MAX       ((int64_t)1 << 17) /* rows that one handle leaves without an index */

enum statement {
    BEGIN_WRITE,
    COMMIT,
    ROLLBACK,
    META_GET,
    META_SET,
    META_INDEXED,
    META_PURGED,
    TRACE_INSERT,
    TRACE_UPDATE,
    TRACE_DESCRIBE,
    TRACE_TOTALS,
    TRACE_BY_ROW,
    TRACE_PAGE,
    TRACE_ID_BY_ROW,
    TRACE_FIRST,
    TRACE_TAIL,
    TRACE_DELETE,
    TRACE_TAIL_PREFIX,
    TRACE_IN_RANGE,
    TRACE_RUNNING,
    TRACE_KEPT,
    TRACE_COUNT,
    SPAN_INSERT,
    SPAN_UPDATE,
    SPAN_STATE,
    SPAN_KEPT,
    SPAN_ID_BY_ROW,
    SPAN_FIRST,
    SPAN_TAIL,
    SPAN_ROWS_OF_TRACE,
    SPAN_BY_ROW,
    SPAN_NEXT,
    SPAN_RUNNING,
    SPAN_DELETE,
    SEGMENT_FIND,
    SEGMENT_RANGE,
    SEGMENT_INSERT,
    SEGMENT_ROWS,
    SEGMENT_DROP,
    CHUNK_INSERT,
    CHUNK_DROP,
    CHUNKS_AFTER,
    OUTBOX_INSERT,
    OUTBOX_NEXT,
    OUTBOX_BOUNDS,
    OUTBOX_GET,
    OUTBOX_DELETE,
    OUTBOX_FAILED,
    OUTBOX_DESTINATIONS,
    OUTBOX_WAITING,
    OUTBOX_TOTALS,
    OUTBOX_DELETE_OF_TRACE,
    REJECTED_INSERT,
    REJECTED_TRIM,
    DESTINATION_FIND,
    DESTINATION_INSERT,
    DESTINATION_RESTORE,
    DESTINATION_GET,
    DESTINATION_ALL,
    DESTINATION_DELIVERED,
    DESTINATION_REJECTED,
    DESTINATION_FAILED,
    RING_FIND,
    RING_INSERT,
    RING_INFO,
    RING_GET,
    RING_FORGET,
    REMOTE_PUT,
    REMOTE_GET,
    REMOTE_DELETE,
    PURGE_EXPIRED,
    PURGE_EXPIRED_PART,
    PURGE_OLDEST_DELIVERED,
    PURGE_OLDEST_ANY,
    PURGE_SPANS_OF_TRACE,
    PAGE_COUNT,
    FREE_COUNT,
    PAGE_SIZE,
    VACUUM_STEP,
    STATEMENT_COUNT
};

/* The row `meta`: counters, so that no row number is ever used twice. */
struct db_meta {
    int64_t next_span, next_trace, next_seq;
    int64_t indexed_span, indexed_trace; /* rows up to these are in the id indexes */
    int64_t purged_traces;
};

/* A trace as far as the transaction changes it; written back at commit. */
struct db_touched {
    uint8_t id[TRACE_ID_LEN];
    int64_t row;
    int64_t last_time; /* latest start or end of a span */
    int64_t span_count, tokens_input, tokens_output, errors, running, waiting;
    double cost;
    int64_t first_seq, last_seq; /* its outbox entries lie between */
    char *model, *models, *error;
    bool dirty;
};

enum db_ids_kind { IDS_SPAN, IDS_TRACE };

/* What a handle knows of ids without reading the file. */
struct db_ids {
    struct idmap recent; /* all rows after the index up to `seen`, and others */
    int64_t seen;
    size_t room;            /* for `recent`, before what the index has is forgotten; 0: the usual */
    struct idfilter filter; /* all keys in the index up to row `filtered` */
    int64_t filtered;
};

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    enum store_mode mode;
    char *dir, *path;
    dev_t device;
    ino_t inode;
    uint64_t opened; /* how many times the file was opened: what hangs on s->db is gone with it */
    size_t page_size;

    bool in_transaction; /* begun by the caller or by one of our own functions */
    bool failed;         /* the transaction was rolled back; commit has to say so */
    bool damaged;        /* the file is; db_follow deals with it */
    struct db_meta meta, meta_at_begin;
    struct map touched; /* trace id to struct db_touched */
    struct db_touched *last_touched;

    struct db_ids ids[2]; /* by enum db_ids_kind */
    uint64_t seed;

    struct buf document;
    char ring_id[80]; /* the last one looked up */
    int64_t ring_row;

    struct destination *known; /* made through this handle: put again into a store begun anew */
    size_t known_count;

    char error[512];
};

/* Keeps a sentence and returns err. */
int db_error(struct store *s, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What SQLite's last failure means; keeps its sentence; rolls an open transaction back. */
int db_failed(struct store *s, const char *doing);

/* A prepared statement, ready to bind; NULL: db_failed was called, the error is in *err. */
sqlite3_stmt *db_use(struct store *s, enum statement which, int *err);
/* Binds from ?1 on: 'i' int64_t; 'f' int64_t, negative is NULL; 'd' double, negative is NULL; 't'
 * text or NULL; 'b' const void * and int length. Texts and blobs must live until the statement is
 * reset. */
void db_bind(sqlite3_stmt *st, const char *format, ...);
/* 1: a row; 0: done (the statement is reset); else an error (reset too). */
int db_step(struct store *s, sqlite3_stmt *st);
/* Uses, binds and runs a statement that gives no rows. */
int db_run(struct store *s, enum statement which, const char *format, ...);
/* Uses and binds a statement and gives the first column of its first row; ERR_NOENT. */
int db_int(struct store *s, int64_t *out, enum statement which, const char *format, ...);
int db_exec(struct store *s, const char *sql);
char *db_column_text(sqlite3_stmt *st, int column); /* new memory or NULL */

/* schema.c */
extern const int db_schema_version;
extern const char *const db_statement_sql[STATEMENT_COUNT];
int db_migrate(struct store *s, int version);

/* open.c: a file that is damaged is moved aside and begun anew (a writer), or reported. */
int db_open_file(struct store *s, char **notice);
void db_close_file(struct store *s);
int db_recover(struct store *s);
void db_note_suspect(struct store *s);
/* Opens the file again if another one lies at its place now. */
int db_follow(struct store *s);

/* write.c: for functions that may run inside the caller's transaction or by themselves. */
int db_enter(struct store *s, bool *own);
int db_leave(struct store *s, bool own, int err);
int db_meta_read(struct store *s, struct db_meta *meta);
void db_forget_caches(struct store *s);

/* touch.c */
int db_touch(struct store *s, const uint8_t *trace_id, struct db_touched **out); /* ERR_NOENT */
int db_touch_row(struct store *s, int64_t row, struct db_touched **out);
int db_touch_new(struct store *s, const uint8_t *trace_id, int64_t row, struct db_touched **out);
int db_flush_touched(struct store *s);
void db_drop_touched(struct store *s);
void db_touch_model(struct db_touched *t, const struct span *span, bool ended);
/* Each span counts once: what it added before is taken off. */
void db_touch_figures(struct db_touched *t, struct span_figures before, struct span_figures now);
void db_touch_error(struct db_touched *t, const char *error);
int db_queue(struct store *s, struct db_touched *t, enum outbox_op op, int64_t span_row,
             const int64_t *destinations, size_t count);

/* lookup.c: rows by id. ERR_NOENT. */
int db_trace_row(struct store *s, const uint8_t *id, int64_t *row);
int db_span_row(struct store *s, const uint8_t *id, int64_t *row);
void db_note_trace(struct store *s, const uint8_t *id, int64_t row);
void db_note_span(struct store *s, const uint8_t *id, int64_t row);
/* Memory has every row after the index then. */
int db_catch_up(struct store *s, enum db_ids_kind kind);
int64_t db_span_key(const uint8_t *id);
int64_t db_trace_key(const uint8_t *id);
void db_span_id(int64_t key, uint8_t *id);

/* segment.c */
typedef int db_check_fn(struct store *s, const uint8_t *id, int64_t row);
typedef int db_range_fn(struct store *s, void *user, int64_t row);
/* The newest row with the key that `check` accepts. ERR_NOENT. */
int db_segment_find(struct store *s, enum db_ids_kind kind, int64_t key, db_check_fn *check,
                    const uint8_t *id, int64_t *row);
int db_segment_range(struct store *s, enum db_ids_kind kind, int64_t low, int64_t high,
                     db_range_fn *each, void *user);
/* Inside a transaction: puts rows into the index before more wait for it than memory shall hold. */
int db_index_tail(struct store *s, enum db_ids_kind kind);
int db_segments_drop(struct store *s);
int db_filter_catch_up(struct store *s, enum db_ids_kind kind, int64_t indexed);

/* ring.c */
int db_ring_row(struct store *s, const char *ring_id, int64_t *row);
/* destination.c: "3,17" and back. */
void db_destinations_print(const int64_t *destinations, size_t count, char *out, size_t size);
size_t db_destinations_parse(const char *text, int64_t *out, size_t max);
/* keys.c */
int keys_put(const char *dir, int64_t id, const char *key);
int keys_get(const char *dir, int64_t id, char **key);
/* read.c */
struct trace *db_read_trace(sqlite3_stmt *st, int column);
struct span *db_read_span(sqlite3_stmt *st, int column);

#endif
