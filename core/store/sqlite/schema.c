/* The tables, and every statement that is run on them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite/sqlite.h"

/* Each entry takes the file from that version to the next; what is here is never changed once it
 * was released. Large texts come last in a row, so that what is before them is read without. */
static const char *const migrations[] = {
    "CREATE TABLE meta("
    " id INTEGER PRIMARY KEY CHECK (id = 1), next_trace INTEGER NOT NULL,"
    " next_span INTEGER NOT NULL, indexed_trace INTEGER NOT NULL,"
    " indexed_span INTEGER NOT NULL, seed INTEGER NOT NULL);"
    "INSERT INTO meta VALUES(1, 1, 1, 0, 0, random());"

    "CREATE TABLE trace("
    " row INTEGER PRIMARY KEY, hash INTEGER NOT NULL, start_time INTEGER NOT NULL,"
    " end_time INTEGER NOT NULL, span_count INTEGER NOT NULL, calls INTEGER NOT NULL,"
    " errors INTEGER NOT NULL, running INTEGER NOT NULL, tokens_input INTEGER,"
    " tokens_output INTEGER, tokens_cache_read INTEGER, cost REAL NOT NULL, ttft_ms REAL,"
    " ttft_start INTEGER NOT NULL, model_row INTEGER NOT NULL, id TEXT NOT NULL,"
    " project_id TEXT NOT NULL, user_id TEXT, session_id TEXT, name TEXT, model TEXT,"
    " models BLOB, tags TEXT, error TEXT, own_error TEXT, metadata TEXT, output TEXT);"

    "CREATE TABLE span("
    " row INTEGER PRIMARY KEY, trace INTEGER NOT NULL, hash INTEGER NOT NULL,"
    " start_time INTEGER NOT NULL, end_time INTEGER NOT NULL, type INTEGER NOT NULL,"
    " tokens_input INTEGER, tokens_output INTEGER, tokens_cache_read INTEGER, cost REAL,"
    " ttft_ms REAL, failed INTEGER NOT NULL, id TEXT NOT NULL, parent TEXT, name TEXT, model TEXT,"
    " error TEXT, metadata TEXT, input TEXT, output TEXT);"
    "CREATE INDEX span_trace ON span(trace, start_time);"

    /* ids.c; kind: enum ids_kind */
    "CREATE TABLE id_segment("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, first_row INTEGER NOT NULL,"
    " last_row INTEGER NOT NULL);"
    "CREATE TABLE id_chunk(row INTEGER PRIMARY KEY, entries BLOB NOT NULL);"

    /* What was changed after the search index had it; kind 0: a trace, 1: a span */
    "CREATE TABLE again("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, row INTEGER NOT NULL,"
    " trace INTEGER NOT NULL);"
    "CREATE INDEX again_trace ON again(trace);"

    /* Traces that are gone, whose spans are to go. */
    "CREATE TABLE doomed("
    " trace INTEGER PRIMARY KEY, start_time INTEGER NOT NULL, project_id TEXT NOT NULL,"
    " user_id TEXT, session_id TEXT);"

    /* rollup.h; key and user are '' where there is none */
    "CREATE TABLE rollup("
    " project TEXT NOT NULL, kind INTEGER NOT NULL, hour INTEGER NOT NULL, key TEXT NOT NULL,"
    " user TEXT NOT NULL, traces INTEGER NOT NULL, spans INTEGER NOT NULL,"
    " calls INTEGER NOT NULL, errors INTEGER NOT NULL, tokens_input INTEGER NOT NULL,"
    " tokens_output INTEGER NOT NULL, tokens_cache_read INTEGER NOT NULL,"
    " told_input INTEGER NOT NULL, told_output INTEGER NOT NULL,"
    " told_cache_read INTEGER NOT NULL, first_time INTEGER NOT NULL, last_time INTEGER NOT NULL,"
    " cost REAL NOT NULL, latency BLOB, ttft BLOB, PRIMARY KEY(project, kind, hour, key, user))"
    " WITHOUT ROWID;",

    /* The latest sessions and users are told without reading all of them. */
    "CREATE INDEX rollup_latest ON rollup(project, kind, last_time);"
    "CREATE INDEX rollup_key ON rollup(project, kind, key);",
};

const int sql_schema_version = (int)(sizeof(migrations) / sizeof(migrations[0]));

int sql_migrate(struct backend_session *s, int version)
{
    int err = ERR_OK;
    for (int v = version; v < sql_schema_version && err == ERR_OK; v++) {
        char pragmas[96];
        err = sql_exec(s, migrations[v]);
        snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id=%d; PRAGMA user_version=%d",
                 SERVICE_APPLICATION_ID, v + 1);
        if (err == ERR_OK)
            err = sql_exec(s, pragmas);
    }
    return err;
}

/* What of ours is not there as we make it, or NULL: new memory. */
static int find_difference(struct backend_session *s, sqlite3 *made, char **name)
{
    sqlite3_stmt *ours = NULL;
    sqlite3_stmt *theirs = NULL;
    int err = ERR_OK;
    if (sqlite3_prepare_v2(made, "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL", -1,
                           &ours, NULL) != SQLITE_OK)
        return ERR_NOMEM;
    if (sqlite3_prepare_v2(s->db, "SELECT 1 FROM main.sqlite_schema WHERE name = ?1 AND sql = ?2",
                           -1, &theirs, NULL) != SQLITE_OK)
        err = sql_failed(s, "read its tables");
    while (err == ERR_OK && *name == NULL && sqlite3_step(ours) == SQLITE_ROW) {
        sql_bind(theirs, "tt", sql_column_text(ours, 0), sql_column_text(ours, 1));
        err = sql_step(s, theirs);
        if (err == 0)
            *name = strdup((const char *)sqlite3_column_text(ours, 0));
        err = err < 0 ? err : ERR_OK;
        sqlite3_reset(theirs);
    }
    sqlite3_finalize(ours);
    sqlite3_finalize(theirs);
    return err;
}

int sql_check_schema(struct backend_session *s)
{
    sqlite3 *made = NULL;
    char *name = NULL;
    int code = sqlite3_open(":memory:", &made);
    for (int v = 0; v < sql_schema_version && code == SQLITE_OK; v++)
        code = sqlite3_exec(made, migrations[v], NULL, NULL, NULL);
    int err = code == SQLITE_OK ? find_difference(s, made, &name) : ERR_NOMEM;
    (void)sqlite3_close(made);
    if (err == ERR_OK && name != NULL)
        err = sql_error(s, ERR_CORRUPT,
                        "%s does not hold together: \"%s\" is not as format %d has it. It was left "
                        "as it is; move it away to begin anew, or put a copy of it in its place",
                        s->b->path, name, sql_schema_version);
    free(name);
    return err;
}

#define TRACE_COLUMNS                                                                              \
    "id, project_id, name, start_time, end_time, metadata, tags, user_id, session_id, output,"     \
    " span_count, cost, calls, errors, running, tokens_input, tokens_output, tokens_cache_read,"   \
    " ttft_ms, model, models, error, own_error"

#define SPAN_COLUMNS                                                                               \
    "s.id, t.id, s.parent, s.name, s.type, s.start_time, s.end_time, s.metadata, s.model,"         \
    " s.tokens_input, s.tokens_output, s.cost, s.error, s.tokens_cache_read, s.ttft_ms"

#define ROLLUP_COLUMNS                                                                             \
    "traces, spans, calls, errors, tokens_input, tokens_output, tokens_cache_read, told_input,"    \
    " told_output, told_cache_read, first_time, last_time, cost, latency, ttft"

/* What is indexed: row, end, trace, words. */
#define SPAN_WORDS  "row, end_time, trace, name, model, error, input, output FROM main.span"
#define TRACE_WORDS "row, end_time, row, name, user_id, session_id, output FROM main.trace"
/* What is looked at without the index. */
#define SPAN_LOOK  "trace, name, model, error, input, output FROM main.span"
#define TRACE_LOOK "row, name, user_id, session_id, output FROM main.trace"

const char *const sql_text[SQL_COUNT] = {
    /* Not IMMEDIATE, which would lock the search index too: nobody else writes this file. */
    [SQL_BEGIN_WRITE] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_META_GET] = "SELECT next_trace, next_span, indexed_trace, indexed_span, seed FROM meta",
    [SQL_META_SET] = "UPDATE meta SET next_trace = ?1, next_span = ?2, indexed_trace = ?3,"
                     " indexed_span = ?4",

    [SQL_TRACE_TOTALS] = "SELECT start_time, end_time, span_count, calls, errors, running,"
                         " tokens_input, tokens_output, tokens_cache_read, cost, ttft_ms,"
                         " ttft_start, model_row, project_id, user_id, session_id, model, models,"
                         " error, own_error FROM trace WHERE row = ?1",
    [SQL_TRACE_ID] = "SELECT id FROM trace WHERE row = ?1",
    [SQL_TRACE_INSERT] =
        "INSERT INTO trace VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
        " ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)",
    [SQL_TRACE_UPDATE] =
        "UPDATE trace SET end_time = ?2, span_count = ?3, calls = ?4, errors = ?5, running = ?6,"
        " tokens_input = ?7, tokens_output = ?8, tokens_cache_read = ?9, cost = ?10, ttft_ms = ?11,"
        " ttft_start = ?12, model_row = ?13, model = ?14, models = ?15, error = ?16,"
        " own_error = ?17, metadata = coalesce(?18, metadata), output = coalesce(?19, output)"
        " WHERE row = ?1",
    [SQL_TRACE_BY_ROW] = "SELECT " TRACE_COLUMNS " FROM trace WHERE row = ?1",
    [SQL_TRACE_SHELF] =
        "SELECT row, start_time, end_time, errors, tokens_input, tokens_output, cost, ttft_ms,"
        " project_id, user_id, session_id, name, models, tags,"
        " error IS NOT NULL OR own_error IS NOT NULL FROM trace ORDER BY row",

    [SQL_TRACE_DELETE] = "DELETE FROM trace WHERE row = ?1",

    [SQL_SPAN_ID] = "SELECT id FROM span WHERE row = ?1",
    [SQL_SPAN_STATE] = "SELECT trace, start_time, end_time, type, tokens_input, tokens_output,"
                       " tokens_cache_read, cost, ttft_ms, model, error FROM span WHERE row = ?1",
    [SQL_SPAN_INSERT] =
        "INSERT INTO span VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
        " ?15, ?16, ?17, ?18, ?19, ?20)",
    [SQL_SPAN_UPDATE] =
        "UPDATE span SET end_time = ?2, tokens_input = ?3, tokens_output = ?4,"
        " tokens_cache_read = ?5, cost = ?6, ttft_ms = ?7, failed = ?8, model = ?9,"
        " error = ?10, metadata = coalesce(?11, metadata), input = coalesce(?12, input),"
        " output = coalesce(?13, output) WHERE row = ?1",
    [SQL_SPAN_BY_ROW] = "SELECT " SPAN_COLUMNS ", s.input, s.output, t.project_id FROM span s"
                        " JOIN trace t ON t.row = s.trace WHERE s.row = ?1",
    [SQL_SPANS_OF_TRACE] = "SELECT " SPAN_COLUMNS ", s.input, s.output FROM span s"
                           " JOIN trace t ON t.row = s.trace WHERE s.trace = ?1"
                           " ORDER BY s.start_time, s.row",
    [SQL_SPANS_OF_TRACE_BARE] = "SELECT " SPAN_COLUMNS ", NULL, NULL FROM span s"
                                " JOIN trace t ON t.row = s.trace WHERE s.trace = ?1"
                                " ORDER BY s.start_time, s.row",

    [SQL_SPANS_DOOMED] = "SELECT row, start_time, end_time, type, tokens_input, tokens_output,"
                         " tokens_cache_read, cost, ttft_ms, model, failed FROM span"
                         " WHERE trace = ?1 LIMIT ?2",
    [SQL_SPAN_DELETE] = "DELETE FROM span WHERE row = ?1",
    [SQL_DOOMED_INSERT] = "INSERT INTO doomed VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_DOOMED_FIRST] =
        "SELECT trace, start_time, project_id, user_id, session_id FROM doomed LIMIT 1",
    [SQL_DOOMED_DELETE] = "DELETE FROM doomed WHERE trace = ?1",

    [SQL_FREE_PAGES] = "SELECT (SELECT freelist_count FROM pragma_freelist_count),"
                       " (SELECT page_count FROM pragma_page_count)",
    [SQL_VACUUM_STEP] = "PRAGMA main.incremental_vacuum(256)",

    [SQL_AGAIN_PUT] = "INSERT INTO again(kind, row, trace) VALUES(?1, ?2, ?3)",
    [SQL_AGAIN_DELETE] = "DELETE FROM again WHERE seq <= ?1",
    [SQL_AGAIN_NEXT] =
        "SELECT seq, kind, row, trace FROM main.again WHERE seq > ?1 ORDER BY seq LIMIT 256",

    [SQL_ABOUT_GET] = "SELECT trace_done, span_done, again_done, forced_trace, forced_span,"
                      " documents FROM search.about",
    [SQL_ABOUT_SET] = "UPDATE search.about SET trace_done = ?1, span_done = ?2, again_done = ?3,"
                      " forced_trace = ?4, forced_span = ?5, documents = ?6",
    [SQL_PARTS] = "SELECT id, first_trace, last_trace FROM search.part ORDER BY id DESC",
    [SQL_PART_LAST] = "SELECT id, documents, begun FROM search.part ORDER BY id DESC LIMIT 1",
    [SQL_PART_PUT] = "INSERT INTO search.part(first_trace, last_trace, documents, begun)"
                     " VALUES(9223372036854775807, 0, 0, ?1)",
    [SQL_PART_ADD] = "UPDATE search.part SET documents = documents + ?2,"
                     " first_trace = min(first_trace, ?3), last_trace = max(last_trace, ?4)"
                     " WHERE id = ?1",
    [SQL_PART_DELETE] = "DELETE FROM search.part WHERE id = ?1",
    [SQL_LATER_PUT] = "INSERT OR IGNORE INTO search.later VALUES(?1, ?2)",
    [SQL_LATER_DELETE] = "DELETE FROM search.later WHERE kind = ?1 AND row = ?2",
    [SQL_LATER_COUNT] = "SELECT count(*) FROM search.later WHERE kind = ?1",
    [SQL_LATER_FIRST] = "SELECT row FROM search.later WHERE kind = ?1 ORDER BY row LIMIT ?2",
    [SQL_LATER_SPANS_ENDED] =
        "SELECT l.row FROM search.later l LEFT JOIN main.span s ON s.row = l.row"
        " WHERE l.kind = ?1 AND coalesce(s.end_time, 1) != 0 LIMIT ?2",
    [SQL_LATER_TRACES_ENDED] =
        "SELECT l.row FROM search.later l LEFT JOIN main.trace t ON t.row = l.row"
        " WHERE l.kind = ?1 AND coalesce(t.end_time, 1) != 0 LIMIT ?2",
    [SQL_RESTATED_PUT] = "INSERT OR IGNORE INTO search.restated VALUES(?1)",
    [SQL_RESTATED_TIDY] = "DELETE FROM search.restated WHERE NOT EXISTS"
                          " (SELECT 1 FROM main.trace t WHERE t.row = restated.trace)",
    /* Noted already, or still to be. */
    [SQL_RESTATED_GET] = "SELECT 1 FROM search.restated WHERE trace = ?1 UNION ALL"
                         " SELECT 1 FROM main.again WHERE trace = ?1 LIMIT 1",

    [SQL_SEARCH_SPANS] = "SELECT " SPAN_WORDS " WHERE row > ?1 ORDER BY row LIMIT ?2",
    [SQL_SEARCH_TRACES] = "SELECT " TRACE_WORDS " WHERE row > ?1 ORDER BY row LIMIT ?2",
    [SQL_SEARCH_SPAN] = "SELECT " SPAN_WORDS " WHERE row = ?1",
    [SQL_SEARCH_TRACE] = "SELECT " TRACE_WORDS " WHERE row = ?1",
    [SQL_LOOK_SPANS] = "SELECT " SPAN_LOOK " WHERE row > ?1",
    [SQL_LOOK_TRACES] = "SELECT " TRACE_LOOK " WHERE row > ?1",
    [SQL_LOOK_SPANS_LATER] = "SELECT " SPAN_LOOK " WHERE row IN (SELECT row FROM search.later"
                             " WHERE kind = 1 UNION SELECT row FROM main.again WHERE kind = 1"
                             " AND seq > ?1)",
    [SQL_LOOK_TRACES_LATER] = "SELECT " TRACE_LOOK " WHERE row IN (SELECT row FROM search.later"
                              " WHERE kind = 0 UNION SELECT row FROM main.again WHERE kind = 0"
                              " AND seq > ?1)",
    [SQL_LOOK_SPANS_OF] = "SELECT " SPAN_LOOK " WHERE trace = ?1",
    [SQL_LOOK_TRACE] = "SELECT " TRACE_LOOK " WHERE row = ?1",

    [SQL_TRACE_HASHES] = "SELECT row, hash FROM trace WHERE row > ?1",
    [SQL_SPAN_HASHES] = "SELECT row, hash FROM span WHERE row > ?1",
    [SQL_TRACE_IN_RANGE] = "SELECT 1 FROM trace WHERE row BETWEEN ?1 AND ?2 LIMIT 1",
    [SQL_SPAN_IN_RANGE] = "SELECT 1 FROM span WHERE row BETWEEN ?1 AND ?2 LIMIT 1",
    [SQL_SEGMENTS] =
        "SELECT id, first_row, last_row FROM id_segment WHERE kind = ?1 ORDER BY id DESC",
    [SQL_SEGMENT_PUT] = "INSERT INTO id_segment(kind, first_row, last_row) VALUES(?1, ?2, ?3)",
    [SQL_SEGMENT_DROP] = "DELETE FROM id_segment WHERE id = ?1",
    [SQL_CHUNK_GET] = "SELECT entries FROM id_chunk WHERE row = ?1",
    [SQL_CHUNK_PUT] = "INSERT INTO id_chunk VALUES(?1, ?2)",
    [SQL_CHUNKS_ALL] = "SELECT c.entries FROM id_segment s CROSS JOIN id_chunk c"
                       " ON c.row BETWEEN s.id * 128 AND s.id * 128 + 127 WHERE s.kind = ?1",
    [SQL_CHUNKS_DROP] = "DELETE FROM id_chunk WHERE row >= ?1 AND row < ?2",

    [SQL_ROLLUP_GET] = "SELECT " ROLLUP_COLUMNS " FROM rollup WHERE project = ?1 AND kind = ?2"
                       " AND hour = ?3 AND key = ?4 AND user = ?5",
    [SQL_ROLLUP_PUT] =
        "INSERT OR REPLACE INTO rollup(project, kind, hour, key, user, " ROLLUP_COLUMNS ")"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,"
        " ?18, ?19, ?20)",
    [SQL_ROLLUP_DELETE] = "DELETE FROM rollup WHERE project = ?1 AND kind = ?2 AND hour = ?3"
                          " AND key = ?4 AND user = ?5",
    [SQL_ROLLUP_RANGE] = "SELECT hour, key, user, " ROLLUP_COLUMNS " FROM rollup"
                         " WHERE project = ?1 AND kind = ?2 AND hour >= ?3 AND hour < ?4",
    [SQL_ROLLUP_LATEST] = "SELECT key, user FROM rollup INDEXED BY rollup_latest"
                          " WHERE project = ?1 AND kind = ?2 AND last_time >= ?3 AND hour >= ?4"
                          " AND hour < ?5 ORDER BY last_time DESC",
    [SQL_ROLLUP_OF_KEY] =
        "SELECT hour, key, user, " ROLLUP_COLUMNS " FROM rollup INDEXED BY rollup_key"
        " WHERE project = ?1 AND kind = ?2 AND key = ?3 AND hour >= ?4"
        " AND hour < ?5",
    [SQL_ROLLUP_EVERYONE] = "SELECT hour, key, user, " ROLLUP_COLUMNS " FROM rollup"
                            " WHERE ?1 IS NULL AND kind = ?2 AND hour >= ?3 AND hour < ?4",
};
