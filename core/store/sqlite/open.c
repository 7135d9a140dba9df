/* Opening the file: ours, someone else's, from a later version, damaged; and its sessions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/sqlite.h"
#include "store/store.h"

#define LOG_PAGES       2000 /* of 8 KB */
#define LOG_PAGES_MAX   16000
#define CHECK_BYTES_MAX ((int64_t)16 << 20) /* a file up to this is checked whole at each start */

static int connect_file(struct backend_session *s)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(s->b->path, &s->db, flags, NULL);
    if (s->db == NULL)
        return ERR_NOMEM;
    if (code != SQLITE_OK)
        return sql_failed(s, "open it");
    (void)sqlite3_extended_result_codes(s->db, 1);
    (void)sqlite3_busy_timeout(s->db, SQL_BUSY_MS);
    return ERR_OK;
}

static int query_int(struct backend_session *s, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int err = ERR_OK;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else
        err = sql_failed(s, "read it");
    sqlite3_finalize(st);
    return err;
}

/* Whose file it is, before anything in it is changed. *version 0: an empty one. */
static int identify(struct backend_session *s, int64_t *version)
{
    int64_t application = 0;
    int64_t tables = 0;
    int err = query_int(s, "PRAGMA application_id", &application);
    if (err == ERR_OK)
        err = query_int(s, "PRAGMA user_version", version);
    if (err == ERR_OK)
        err = query_int(s, "SELECT count(*) FROM sqlite_schema", &tables);
    if (err == ERR_CORRUPT)
        return sql_error(s, err, "%s is damaged or no database; it was left as it is", s->b->path);
    if (err != ERR_OK)
        return err;
    if (application != SERVICE_APPLICATION_ID && (application != 0 || tables > 0 || *version != 0))
        return sql_error(s, ERR_DENIED, "%s is a database of another program; it was left as it is",
                         s->b->path);
    if (*version > sql_schema_version)
        return sql_error(s, ERR_VERSION,
                         "%s was made by a newer llm-tracer (format %d, this one knows %d)",
                         s->b->path, (int)*version, sql_schema_version);
    return ERR_OK;
}

static int check_pages(struct backend_session *s)
{
    struct stat st;
    if (stat(s->b->path, &st) != 0 || st.st_size > CHECK_BYTES_MAX)
        return ERR_OK;
    sqlite3_stmt *check = NULL;
    const char *text = NULL;
    if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &check, NULL) == SQLITE_OK &&
        sqlite3_step(check) == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(check, 0);
    int err = text == NULL ? sql_failed(s, "check it") : ERR_OK;
    if (text != NULL && strcmp(text, "ok") != 0)
        err = sql_error(s, ERR_CORRUPT, "%s is damaged (%.200s); it was left as it is", s->b->path,
                        text);
    sqlite3_finalize(check);
    return err;
}

static int set_up(struct backend_session *s, int64_t version)
{
    int err = version == sql_schema_version ? sql_check_schema(s) : ERR_OK;
    /* page_size and auto_vacuum count only while the file is empty; said again, auto_vacuum would
     * write, for which a full disk has no room. */
    if (err == ERR_OK && version == 0)
        err = sql_exec(s, "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL");
    if (err == ERR_OK)
        err = sql_exec(s, "PRAGMA journal_mode = WAL");
    if (err == ERR_OK && version < sql_schema_version) {
        err = sql_exec(s, "BEGIN IMMEDIATE");
        if (err == ERR_OK)
            err = sql_migrate(s, (int)version);
        if (err == ERR_OK)
            err = sql_check_schema(s);
        if (err == ERR_OK)
            return sql_exec(s, "COMMIT");
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return err;
}

/* The log is copied into the file from time to time; readers that follow each other without a gap
 * would let it grow: then it waits for those who read just now. */
static int bound_log(void *user, sqlite3 *db, const char *name, int pages)
{
    (void)user;
    if (pages >= LOG_PAGES_MAX)
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    else if (pages >= LOG_PAGES)
        (void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return SQLITE_OK;
}

/* synchronous FULL: what was acknowledged is there after a power cut too. */
static int set_up_session(struct backend_session *s)
{
    int err = sql_exec(s, s->writer ? "PRAGMA synchronous = FULL; PRAGMA main.cache_size = -8192;"
                                      "PRAGMA search.cache_size = -1024;"
                                      "PRAGMA journal_size_limit = 67108864;"
                                      "PRAGMA secure_delete = FAST"
                                    : "PRAGMA query_only = ON; PRAGMA main.cache_size = -2048;"
                                      "PRAGMA search.cache_size = -1024");
    if (s->writer)
        (void)sqlite3_wal_hook(s->db, bound_log, NULL);
    return err;
}

int sql_meta_read(struct backend_session *s, struct sql_meta *out)
{
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_META_GET, &err);
    if (st == NULL)
        return err;
    err = sql_step(s, st);
    if (err == 1) {
        out->next_trace = sqlite3_column_int64(st, 0);
        out->next_span = sqlite3_column_int64(st, 1);
        out->indexed_trace = sqlite3_column_int64(st, 2);
        out->indexed_span = sqlite3_column_int64(st, 3);
        out->seed = sqlite3_column_int64(st, 4);
    }
    sqlite3_reset(st);
    if (err == 0)
        return sql_error(s, ERR_CORRUPT, "%s is damaged: its counters are missing", s->b->path);
    return err < 0 ? err : ERR_OK;
}

static int fill_shelf(struct backend_session *s)
{
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_TRACE_SHELF, &err);
    if (st == NULL)
        return err;
    while ((err = sql_step(s, st)) == 1) {
        struct touched_trace t = {.row = sqlite3_column_int64(st, 0)};
        struct shelf_entry e;
        t.now.start_time = sqlite3_column_int64(st, 1);
        t.now.end_time = sqlite3_column_int64(st, 2);
        t.now.errors = sqlite3_column_int64(st, 3);
        t.now.tokens_input = statement_figure(st, 4);
        t.now.tokens_output = statement_figure(st, 5);
        t.now.total_cost = sqlite3_column_double(st, 6);
        t.now.ttft_ms = sql_column_number(st, 7);
        t.now.project_id = sql_column_text(st, 8);
        t.now.user_id = sql_column_text(st, 9);
        t.now.session_id = sql_column_text(st, 10);
        t.now.name = sql_column_text(st, 11);
        t.models = sql_column_text(st, 12);
        t.now.tags = sql_column_text(st, 13);
        if (sqlite3_column_int(st, 14))
            t.own_error = text_of("error");
        touch_shelf_entry(&t, &e);
        err =
            t.row < 1 || t.row >= s->b->meta.next_trace
                ? sql_error(s, ERR_CORRUPT, "%s is damaged: a row beyond its counters", s->b->path)
                : shelf_reserve(&s->b->shelf, t.row, t.row);
        if (err != ERR_OK)
            break;
        shelf_put(&s->b->shelf, t.row, &e);
    }
    sqlite3_reset(st);
    return err;
}

/* One process has the store. Held until the process ends. */
static int lock_store(struct backend_session *s)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s.lock", s->b->path);
    s->b->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->b->lock < 0)
        return sql_error(s, ERR_IO, "%s: %s", path, strerror(errno));
    if (flock(s->b->lock, LOCK_EX | LOCK_NB) != 0)
        return sql_error(s, ERR_BUSY, "%s is in use by another server", s->b->path);
    return ERR_OK;
}

/* Made by ourselves, so that nobody else may ever read it; only when it is not there: closing a
 * descriptor of a file in use would drop SQLite's locks on it (POSIX). */
static int make_file(struct backend_session *s)
{
    int fd = open(s->b->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return sql_error(s, errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO, "%s: %s",
                         s->b->path, strerror(errno));
    return ERR_OK;
}

static int open_store(struct backend_session *s)
{
    int64_t version = 0;
    int err = lock_store(s);
    if (err == ERR_OK)
        err = make_file(s);
    if (err == ERR_OK)
        err = connect_file(s);
    if (err == ERR_OK)
        err = identify(s, &version);
    if (err == ERR_OK)
        err = check_pages(s);
    if (err == ERR_OK)
        err = set_up(s, version);
    if (err == ERR_OK)
        err = sql_meta_read(s, &s->b->meta);
    s->b->hash_seed = (uint64_t)s->b->meta.seed;
    if (err == ERR_OK)
        err = fill_shelf(s);
    if (err == ERR_OK)
        err = ids_open(s, IDS_OF_TRACES);
    if (err == ERR_OK)
        err = ids_open(s, IDS_OF_SPANS);
    if (err == ERR_OK)
        err = search_open(s);
    return err;
}

static int start_index(struct backend *b)
{
    struct backend_session *s;
    int err = sqlite_session_new(b, false, &s);
    if (err != ERR_OK)
        return err;
    err = sql_exec(s, "PRAGMA query_only = OFF; PRAGMA search.cache_size = -8192;"
                      "PRAGMA search.journal_size_limit = 16777216;"
                      "PRAGMA search.secure_delete = FAST");
    if (err == ERR_OK)
        err = search_index_open(&b->index, s);
    else
        sqlite_session_free(s);
    return err == ERR_OK ? search_index_start(&b->index) : err;
}

int sqlite_open(struct backend **out, const struct backend_settings *settings, char **notice)
{
    *out = NULL;
    *notice = NULL;
    struct backend *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return ERR_NOMEM;
    b->lock = -1;
    pthread_mutex_init(&b->writing, NULL);
    pthread_rwlock_init(&b->memory_lock, NULL);
    shelf_init(&b->shelf);
    struct backend_session *s = calloc(1, sizeof(*s));
    int err = ERR_NOMEM;
    if (s == NULL || asprintf(&b->path, "%s/service.db", settings->data_dir) < 0) {
        b->path = NULL;
    } else {
        s->b = b;
        s->writer = true;
        err = store_make_folder(settings->data_dir);
        if (err != ERR_OK)
            (void)sql_error(s, err, "%s: %s", settings->data_dir, strerror(errno));
        else if (strlen(b->path) > 4000)
            err = sql_error(s, ERR_RANGE, "the path of the store is too long");
        else
            err = open_store(s);
        if (err != ERR_OK && s->error[0] != '\0')
            *notice = strdup(s->error);
    }
    sqlite_session_free(s);
    if (err == ERR_OK)
        err = start_index(b);
    if (err == ERR_OK)
        *out = b;
    else
        sqlite_close(b);
    return err;
}

void sqlite_close(struct backend *b)
{
    if (b == NULL)
        return;
    search_index_stop(&b->index);
    if (b->lock >= 0)
        close(b->lock);
    shelf_release(&b->shelf);
    ids_release(&b->ids[IDS_OF_TRACES]);
    ids_release(&b->ids[IDS_OF_SPANS]);
    pthread_rwlock_destroy(&b->memory_lock);
    pthread_mutex_destroy(&b->writing);
    free(b->path);
    free(b);
}

int sqlite_session_new(struct backend *b, bool writer, struct backend_session **out)
{
    *out = NULL;
    struct backend_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->b = b;
    s->writer = writer;
    int err = connect_file(s);
    if (err == ERR_OK)
        err = search_attach(s);
    if (err == ERR_OK)
        err = set_up_session(s);
    if (err == ERR_OK)
        *out = s;
    else
        sqlite_session_free(s);
    return err;
}

void sqlite_session_free(struct backend_session *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(s->statements[i]);
    if (s->db != NULL)
        (void)sqlite3_close_v2(s->db);
    batch_forget(s);
    free(s);
}
