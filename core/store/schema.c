/* The tables, and every statement that is run on them. */
#include <stdio.h>

#include "store/db.h"

/* Each entry takes the file from that version to the next; what is here is never changed once it
 * was released. Rows are appended in order, and so is the index of ids (segment.c). */
static const char *const migrations[] = {
    "CREATE TABLE meta("
    " id INTEGER PRIMARY KEY CHECK (id = 1), next_span INTEGER, next_trace INTEGER,"
    " next_seq INTEGER, indexed_span INTEGER, indexed_trace INTEGER, purged_traces INTEGER);"
    "INSERT INTO meta VALUES(1, 1, 1, 1, 0, 0, 0);"

    "CREATE TABLE trace("
    " row INTEGER PRIMARY KEY, id BLOB NOT NULL, start_time INTEGER NOT NULL,"
    " end_time INTEGER NOT NULL, last_time INTEGER NOT NULL, span_count INTEGER NOT NULL,"
    " tokens_input INTEGER, tokens_output INTEGER, cost REAL, errors INTEGER NOT NULL,"
    " running INTEGER NOT NULL, waiting INTEGER NOT NULL, first_seq INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL, ring INTEGER NOT NULL, destinations TEXT, model TEXT, models TEXT,"
    " name TEXT, project_id TEXT, user_id TEXT, session_id TEXT, error TEXT, metadata TEXT,"
    " tags TEXT, output TEXT);"
    "CREATE INDEX trace_start ON trace(start_time);"
    "CREATE INDEX trace_running ON trace(ring) WHERE end_time = 0;"

    "CREATE TABLE span("
    " row INTEGER PRIMARY KEY, id INTEGER NOT NULL, trace INTEGER NOT NULL,"
    " start_time INTEGER NOT NULL, end_time INTEGER NOT NULL, tokens_input INTEGER,"
    " tokens_output INTEGER, cost REAL, failed INTEGER NOT NULL, ring INTEGER NOT NULL,"
    " destinations TEXT, document TEXT NOT NULL);"
    "CREATE INDEX span_trace ON span(trace);"
    "CREATE INDEX span_running ON span(ring) WHERE end_time = 0;"
    /* kind: enum db_ids_kind; entries: segment.c */
    "CREATE TABLE id_segment("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, first_row INTEGER NOT NULL,"
    " last_row INTEGER NOT NULL);"
    "CREATE TABLE id_chunk("
    " segment INTEGER NOT NULL, first_key INTEGER NOT NULL, entries BLOB NOT NULL,"
    " PRIMARY KEY(segment, first_key));"

    "CREATE TABLE outbox("
    " seq INTEGER PRIMARY KEY, destination INTEGER NOT NULL, op INTEGER NOT NULL,"
    " trace INTEGER NOT NULL, span INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
    " why TEXT);"
    "CREATE INDEX outbox_destination ON outbox(destination);"
    "CREATE TABLE rejected("
    " seq INTEGER PRIMARY KEY, destination INTEGER NOT NULL, op INTEGER NOT NULL,"
    " trace INTEGER NOT NULL, span INTEGER NOT NULL, time INTEGER NOT NULL, why TEXT);"

    "CREATE TABLE destination("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, url TEXT, project_id TEXT,"
    " content INTEGER NOT NULL, delivered INTEGER NOT NULL DEFAULT 0,"
    " rejected INTEGER NOT NULL DEFAULT 0, last_error TEXT,"
    " last_error_time INTEGER NOT NULL DEFAULT 0, last_success_time INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE ring("
    " row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, info TEXT);"
    "CREATE TABLE remote("
    " local TEXT, destination INTEGER, remote TEXT NOT NULL, PRIMARY KEY(local, destination))"
    " WITHOUT ROWID;",

    /* What a collector has to remember of spans and traces made by hand. */
    "ALTER TABLE trace ADD COLUMN state TEXT;"
    "ALTER TABLE span ADD COLUMN state TEXT;",
};

const int db_schema_version = (int)(sizeof(migrations) / sizeof(migrations[0]));

int db_migrate(struct store *s, int version)
{
    int err = ERR_OK;
    for (int v = version; v < db_schema_version && err == ERR_OK; v++) {
        char pragmas[96];
        err = db_exec(s, migrations[v]);
        snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id=%d; PRAGMA user_version=%d",
                 DB_APPLICATION_ID, v + 1);
        if (err == ERR_OK)
            err = db_exec(s, pragmas);
    }
    return err;
}

#define TRACE_COLUMNS                                                                              \
    "id, start_time, end_time, span_count, tokens_input, tokens_output, cost, errors, running,"    \
    " model, models, name, project_id, user_id, session_id, error, metadata, tags, output, row"
#define SPAN_COLUMNS "document, start_time, end_time, id, trace, row"

const char *const db_statement_sql[STATEMENT_COUNT] = {
    [BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [META_GET] = "SELECT next_span, next_trace, next_seq, indexed_span, indexed_trace,"
                 " purged_traces FROM meta WHERE id = 1",
    [META_SET] = "UPDATE meta SET next_span = ?1, next_trace = ?2, next_seq = ?3,"
                 " indexed_span = ?4, indexed_trace = ?5, purged_traces = ?6 WHERE id = 1",
    [META_INDEXED] = "SELECT indexed_trace FROM meta WHERE id = 1",
    [META_PURGED] = "SELECT purged_traces FROM meta WHERE id = 1",
    [TRACE_INSERT] =
        "INSERT INTO trace(row, id, start_time, end_time, last_time, span_count, errors, running,"
        " waiting, first_seq, last_seq, ring, destinations, name, project_id, user_id, session_id,"
        " error, metadata, tags, output, state)"
        " VALUES(?1, ?2, ?3, ?4, ?3, 0, 0, 0, 0, 0, 0, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
        " ?14, ?15)",
    [TRACE_UPDATE] =
        "UPDATE trace SET last_time = ?2, span_count = ?3, tokens_input = ?4, tokens_output = ?5,"
        " cost = ?6, errors = ?7, running = ?8, waiting = ?9, first_seq = ?10, last_seq = ?11,"
        " model = ?12, models = ?13, error = ?14 WHERE row = ?1",
    /* What is given replaces, what is not leaves; start is the earlier one, end the later. */
    [TRACE_DESCRIBE] =
        "UPDATE trace SET start_time = iif(?2 > 0 AND ?2 < start_time, ?2, start_time),"
        " end_time = max(end_time, ?3), name = coalesce(?4, name),"
        " project_id = coalesce(?5, project_id), user_id = coalesce(?6, user_id),"
        " session_id = coalesce(?7, session_id), metadata = coalesce(?8, metadata),"
        " tags = coalesce(?9, tags), output = coalesce(?10, output),"
        " destinations = coalesce(?11, destinations), ring = iif(?12 > 0, ?12, ring),"
        " state = coalesce(?13, state)"
        " WHERE row = ?1",
    [TRACE_TOTALS] =
        "SELECT id, last_time, span_count, tokens_input, tokens_output, cost, errors, running,"
        " waiting, first_seq, last_seq, model, models, error FROM trace WHERE row = ?1",
    [TRACE_BY_ROW] = "SELECT " TRACE_COLUMNS " FROM trace WHERE row = ?1",
    /* ?1, ?2: after this start and row; ?5: part of the name; ?6: part of a model's name. */
    [TRACE_PAGE] = "SELECT " TRACE_COLUMNS " FROM trace WHERE start_time <= ?1"
                   " AND (start_time < ?1 OR row < ?2) AND start_time >= ?3 AND start_time <= ?4"
                   " AND (?5 IS NULL OR instr(lower(name), lower(?5)) > 0)"
                   " AND (?6 IS NULL OR instr(lower(coalesce(models, model)), lower(?6)) > 0)"
                   " ORDER BY start_time DESC, row DESC",
    [TRACE_ID_BY_ROW] = "SELECT id FROM trace WHERE row = ?1",
    [TRACE_FIRST] = "SELECT coalesce(min(row), 0) FROM trace",
    [SPAN_FIRST] = "SELECT coalesce(min(row), 0) FROM span",
    [TRACE_TAIL] = "SELECT row, id FROM trace WHERE row > ?1",
    [TRACE_DELETE] = "DELETE FROM trace WHERE row = ?1",
    [TRACE_IN_RANGE] = "SELECT row FROM trace WHERE row = ?1 AND id BETWEEN ?2 AND ?3",
    [TRACE_TAIL_PREFIX] = "SELECT row FROM trace WHERE row > ?3 AND id BETWEEN ?1 AND ?2 LIMIT 2",
    [TRACE_RUNNING] = "SELECT row, state, destinations FROM trace WHERE ring = ?1 AND end_time = 0",
    [TRACE_KEPT] = "SELECT " TRACE_COLUMNS ", state, destinations,"
                   " (SELECT r.id FROM ring r WHERE r.row = ring) FROM trace WHERE row = ?1",
    [TRACE_COUNT] = "SELECT count(*), coalesce(sum(span_count), 0) FROM trace",
    [SPAN_INSERT] = "INSERT INTO span VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
                    " ?13)",
    [SPAN_UPDATE] = "UPDATE span SET start_time = ?2, end_time = ?3, tokens_input = ?4,"
                    " tokens_output = ?5, cost = ?6, failed = ?7, document = ?8, state = ?9"
                    " WHERE row = ?1",
    [SPAN_STATE] = "SELECT trace, end_time, tokens_input, tokens_output, cost, failed,"
                   " destinations, id, state IS NOT NULL FROM span WHERE row = ?1",
    [SPAN_KEPT] = "SELECT s.document, s.start_time, s.end_time, s.id, s.trace, s.row, s.state,"
                  " s.destinations, (SELECT r.id FROM ring r WHERE r.row = s.ring), t.id"
                  " FROM span s JOIN trace t ON t.row = s.trace WHERE s.row = ?1",
    [SPAN_ID_BY_ROW] = "SELECT id FROM span WHERE row = ?1",
    [SPAN_TAIL] = "SELECT row, id FROM span WHERE row > ?1",
    [SPAN_ROWS_OF_TRACE] = "SELECT row FROM span WHERE trace = ?1 ORDER BY start_time, row",
    [SPAN_BY_ROW] = "SELECT " SPAN_COLUMNS " FROM span WHERE row = ?1",
    [SPAN_NEXT] = "SELECT " SPAN_COLUMNS " FROM span WHERE row > ?1 ORDER BY row LIMIT 1",
    [SPAN_RUNNING] = "SELECT row FROM span WHERE ring = ?1 AND end_time = 0 LIMIT 1",
    [SPAN_DELETE] = "DELETE FROM span WHERE row = ?1",
    /* Of each segment, newest first, the one chunk that can hold key ?2. */
    [SEGMENT_FIND] =
        "SELECT (SELECT entries FROM id_chunk c WHERE c.segment = g.id AND c.first_key <= ?2"
        " ORDER BY c.first_key DESC LIMIT 1), g.first_row FROM id_segment g WHERE g.kind = ?1"
        " ORDER BY g.id DESC",
    [SEGMENT_RANGE] =
        "SELECT c.entries, g.first_row FROM id_segment g CROSS JOIN id_chunk c ON c.segment = g.id"
        " AND c.first_key <= ?3 AND c.first_key >= coalesce((SELECT max(first_key) FROM id_chunk d"
        " WHERE d.segment = g.id AND d.first_key <= ?2), ?2) WHERE g.kind = ?1",
    [SEGMENT_INSERT] = "INSERT INTO id_segment(kind, first_row, last_row) VALUES(?1, ?2, ?3)",
    [SEGMENT_ROWS] =
        "SELECT coalesce(sum(last_row - first_row + 1), 0) FROM id_segment WHERE kind = ?1",
    [SEGMENT_DROP] = "DELETE FROM id_segment WHERE kind = ?1 AND last_row < ?2",
    [CHUNK_INSERT] = "INSERT INTO id_chunk VALUES(?1, ?2, ?3)",
    [CHUNK_DROP] = "DELETE FROM id_chunk WHERE segment IN"
                   " (SELECT id FROM id_segment WHERE kind = ?1 AND last_row < ?2)",
    [CHUNKS_AFTER] = "SELECT c.entries FROM id_segment g CROSS JOIN id_chunk c ON c.segment = g.id"
                     " WHERE g.kind = ?1 AND g.last_row > ?2",
    [OUTBOX_INSERT] = "INSERT INTO outbox(seq, destination, op, trace, span)"
                      " VALUES(?1, ?2, ?3, ?4, ?5)",
    [OUTBOX_NEXT] = "SELECT o.seq, o.op, o.trace, o.span, o.attempts, t.id, s.id FROM outbox o"
                    " LEFT JOIN trace t ON t.row = o.trace LEFT JOIN span s ON s.row = o.span"
                    " WHERE o.destination = ?1 AND o.seq > ?2 ORDER BY o.seq",
    [OUTBOX_BOUNDS] = "SELECT"
                      " coalesce((SELECT seq FROM outbox WHERE destination = ?1"
                      " ORDER BY seq LIMIT 1), 0),"
                      " coalesce((SELECT seq FROM outbox WHERE destination = ?1"
                      " ORDER BY seq DESC LIMIT 1), 0)",
    [OUTBOX_GET] = "SELECT destination, op, trace, span FROM outbox WHERE seq = ?1",
    [OUTBOX_DELETE] = "DELETE FROM outbox WHERE seq = ?1",
    [OUTBOX_FAILED] = "UPDATE outbox SET attempts = attempts + 1, why = ?2 WHERE seq = ?1",
    [OUTBOX_DESTINATIONS] = "SELECT DISTINCT destination FROM outbox ORDER BY destination",
    [OUTBOX_WAITING] = "SELECT count(*) FROM outbox WHERE destination = ?1",
    [OUTBOX_TOTALS] = "SELECT (SELECT count(*) FROM outbox), coalesce((SELECT"
                      " iif(o.span > 0, s.start_time, t.start_time) FROM outbox o"
                      " LEFT JOIN span s ON s.row = o.span LEFT JOIN trace t ON t.row = o.trace"
                      " ORDER BY o.seq LIMIT 1), 0)",
    [OUTBOX_DELETE_OF_TRACE] = "DELETE FROM outbox WHERE seq BETWEEN ?2 AND ?3 AND trace = ?1",
    [REJECTED_INSERT] = "INSERT OR REPLACE INTO rejected VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [REJECTED_TRIM] = "DELETE FROM rejected WHERE seq IN (SELECT seq FROM rejected"
                      " ORDER BY seq DESC LIMIT 100 OFFSET 10000)",
    [DESTINATION_FIND] = "SELECT id FROM destination WHERE kind = ?1 AND url IS ?2"
                         " AND project_id IS ?3 AND content = ?4",
    [DESTINATION_INSERT] =
        "INSERT INTO destination(kind, url, project_id, content) VALUES(?1, ?2, ?3, ?4)",
    [DESTINATION_RESTORE] = "INSERT OR IGNORE INTO destination(id, kind, url, project_id, content)"
                            " VALUES(?1, ?2, ?3, ?4, ?5)",
    [DESTINATION_GET] = "SELECT id, kind, url, project_id, content FROM destination WHERE id = ?1",
    [DESTINATION_ALL] =
        "SELECT id, kind, url, project_id, content, delivered, rejected, last_error,"
        " last_error_time, last_success_time FROM destination WHERE id > ?1 ORDER BY id LIMIT 1",
    [DESTINATION_DELIVERED] =
        "UPDATE destination SET delivered = delivered + ?2, last_error = NULL,"
        " last_success_time = ?3 WHERE id = ?1",
    [DESTINATION_REJECTED] = "UPDATE destination SET rejected = rejected + 1, last_error = ?2,"
                             " last_error_time = ?3 WHERE id = ?1",
    [DESTINATION_FAILED] =
        "UPDATE destination SET last_error = ?2, last_error_time = ?3 WHERE id = ?1",
    [RING_FIND] = "SELECT row FROM ring WHERE id = ?1",
    [RING_INSERT] = "INSERT INTO ring(id) VALUES(?1)",
    [RING_INFO] = "UPDATE ring SET info = ?2 WHERE row = ?1",
    [RING_GET] = "SELECT info FROM ring WHERE id = ?1",
    [RING_FORGET] = "DELETE FROM ring WHERE id = ?1",
    [REMOTE_PUT] = "INSERT OR REPLACE INTO remote VALUES(?1, ?2, ?3)",
    [REMOTE_GET] = "SELECT remote FROM remote WHERE local = ?1 AND destination = ?2",
    [REMOTE_DELETE] = "DELETE FROM remote WHERE local = ?1",
    [PURGE_EXPIRED] = "SELECT row FROM trace WHERE start_time < ?1 AND last_time < ?1"
                      " AND waiting = 0 AND running = 0 ORDER BY start_time LIMIT 1",
    /* A trace that goes on, such as a long-lived process's: its first spans are too old. */
    [PURGE_EXPIRED_PART] =
        "SELECT t.row FROM trace t WHERE t.start_time < ?1 AND t.waiting = 0 AND"
        " (SELECT s.start_time FROM span s WHERE s.trace = t.row ORDER BY s.row LIMIT 1) < ?1"
        " ORDER BY t.start_time LIMIT 1",
    [PURGE_OLDEST_DELIVERED] = "SELECT row FROM trace WHERE waiting = 0 AND running = 0"
                               " AND end_time > 0 ORDER BY start_time LIMIT 1",
    [PURGE_OLDEST_ANY] = "SELECT row FROM trace ORDER BY start_time LIMIT 1",
    [PURGE_SPANS_OF_TRACE] = "SELECT row FROM span WHERE trace = ?1 AND start_time < ?3"
                             " ORDER BY row LIMIT ?2",
    [PAGE_COUNT] = "PRAGMA page_count",
    [FREE_COUNT] = "PRAGMA freelist_count",
    [PAGE_SIZE] = "PRAGMA page_size",
    [VACUUM_STEP] = "PRAGMA incremental_vacuum(256)",
};
