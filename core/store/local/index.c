/* The index's file and its thread. The thread alone writes; sessions attach the file and read. A
 * look at the store is one transaction for figures, then others for totals and words as long as
 * nobody waits for the next look. */
#include "store/local/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/local/index_internal.h"

#define APPLICATION_ID 0x6c6c6d75 /* "llmu" */
#define VERSION        1
#define TEXT_OF(n)     #n
#define NUMBER(n)      TEXT_OF(n)
#define LOOK_NS        (250 * NS_PER_MS)
#define CATCH_UP_NS    (400 * NS_PER_MS)
#define PATIENT_MAX    2
#define WAIT_NS        (20 * NS_PER_SEC)

static const char schema[] =
    "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK (id = 1), device INTEGER, inode INTEGER,"
    " span_head INTEGER, trace_head INTEGER, text_head INTEGER);"
    "INSERT INTO state VALUES(1, 0, 0, 0, 0, 0);"
    "CREATE TABLE digest("
    " trace INTEGER PRIMARY KEY, start_time INTEGER, duration INTEGER, cost REAL, tokens INTEGER,"
    " ttft REAL, status INTEGER, calls INTEGER, tokens_cache_read INTEGER, last_time INTEGER,"
    " spans INTEGER, errors INTEGER, tokens_input INTEGER, tokens_output INTEGER,"
    " user_id TEXT, session_id TEXT, project_id TEXT, name TEXT, models TEXT, tags TEXT,"
    " said INTEGER);"
    "CREATE INDEX digest_start ON digest(start_time);"
    "CREATE INDEX digest_user ON digest(user_id, start_time) WHERE user_id IS NOT NULL;"
    "CREATE INDEX digest_session ON digest(session_id, start_time) WHERE session_id IS NOT NULL;"
    "CREATE INDEX digest_status ON digest(status, start_time);"
    "CREATE INDEX digest_duration ON digest(duration, start_time);"
    "CREATE INDEX digest_cost ON digest(cost, start_time);"
    "CREATE INDEX digest_tokens ON digest(tokens, start_time);"
    "CREATE INDEX digest_ttft ON digest(ttft, start_time);"
    "CREATE TABLE model(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE fact("
    " span INTEGER PRIMARY KEY, trace INTEGER, start_time INTEGER, latency REAL, ttft REAL,"
    " tokens_input INTEGER, tokens_output INTEGER, tokens_cache_read INTEGER, cost REAL,"
    " model INTEGER, call INTEGER, failed INTEGER, running INTEGER);"
    "CREATE INDEX fact_trace ON fact(trace, call, start_time, latency, ttft);"
    "CREATE INDEX fact_hour ON fact(start_time / 3600000000000);"
    "CREATE INDEX fact_running ON fact(span) WHERE running;"
    "CREATE TABLE hour(hour INTEGER PRIMARY KEY, changed INTEGER);"
    "CREATE TABLE total("
    " hour INTEGER, model INTEGER, spans INTEGER, calls INTEGER, errors INTEGER,"
    " tokens_input INTEGER, tokens_output INTEGER, tokens_cache_read INTEGER, cost REAL,"
    " latency BLOB, ttft BLOB, first_time INTEGER, last_time INTEGER);"
    "CREATE INDEX total_hour ON total(hour);"
    "CREATE TABLE segment(id INTEGER PRIMARY KEY, gone INTEGER NOT NULL, made INTEGER NOT NULL);"
    "CREATE TABLE later(span INTEGER PRIMARY KEY);"
    "CREATE VIRTUAL TABLE trace_words USING fts5(words, detail=none, tokenize='ascii');"
    "PRAGMA application_id = " NUMBER(1819045237) ";"
                                                  "PRAGMA user_version = " NUMBER(VERSION) ";";

/* ---- statements */

static int failed(struct local_index *x)
{
    int code = sqlite3_extended_errcode(x->db);
    log_debug("%s: %s (code %d)", x->path, sqlite3_errmsg(x->db), code);
    return statement_error(code);
}

sqlite3_stmt *index_prepare(struct local_index *x, const char *sql, int *err)
{
    sqlite3_stmt *st = NULL;
    *err = sqlite3_prepare_v2(x->db, sql, -1, &st, NULL) == SQLITE_OK ? ERR_OK : failed(x);
    return st;
}

int index_step(struct local_index *x, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        return 1;
    int err = code == SQLITE_DONE ? ERR_OK : failed(x);
    sqlite3_reset(st);
    return err;
}

int index_run(struct local_index *x, const char *sql, const char *format, ...)
{
    int err;
    sqlite3_stmt *st = index_prepare(x, sql, &err);
    if (st == NULL)
        return err;
    va_list args;
    va_start(args, format);
    statement_bind(st, format, args);
    va_end(args);
    while ((err = index_step(x, st)) == 1)
        ;
    sqlite3_finalize(st);
    return err;
}

int index_get(struct local_index *x, int64_t *out, const char *sql, const char *format, ...)
{
    int err;
    sqlite3_stmt *st = index_prepare(x, sql, &err);
    if (st == NULL)
        return err;
    va_list args;
    va_start(args, format);
    statement_bind(st, format, args);
    va_end(args);
    err = index_step(x, st);
    if (err == 1)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return err == 1 ? ERR_OK : err == ERR_OK ? ERR_NOENT : err;
}

int index_exec(struct local_index *x, const char *sql)
{
    return sqlite3_exec(x->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK : failed(x);
}

/* ---- the file */

/* Drops every table, so that those who have the file open see it empty. */
static int wipe(struct local_index *x)
{
    int err = index_exec(x, "BEGIN IMMEDIATE");
    while (err == ERR_OK) {
        sqlite3_stmt *st = index_prepare(
            x,
            "SELECT 'DROP TABLE ' || quote(name) FROM main.sqlite_schema WHERE type = 'table'"
            " AND name NOT LIKE 'sqlite_%' ORDER BY sql NOT LIKE 'CREATE VIRTUAL%' LIMIT 1",
            &err);
        if (st == NULL || (err = index_step(x, st)) != 1) {
            sqlite3_finalize(st);
            break;
        }
        char *sql = strdup((const char *)sqlite3_column_text(st, 0));
        sqlite3_finalize(st);
        err = sql == NULL ? ERR_NOMEM : index_exec(x, sql);
        free(sql);
    }
    if (err == ERR_OK)
        err = index_exec(x, schema);
    if (err == ERR_OK)
        err = index_exec(x, "COMMIT; PRAGMA incremental_vacuum");
    if (err != ERR_OK)
        (void)sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

static int open_db(struct local_index *x)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t tables = 0;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
    if (sqlite3_open_v2(x->uri, &x->db, flags, NULL) != SQLITE_OK)
        return x->db == NULL ? ERR_NOMEM : failed(x);
    (void)sqlite3_busy_timeout(x->db, 5000);
    int err = index_get(x, &application, "PRAGMA application_id", "");
    if (err == ERR_OK)
        err = index_get(x, &version, "PRAGMA user_version", "");
    if (err == ERR_OK)
        err = index_get(x, &tables, "SELECT count(*) FROM sqlite_schema", "");
    if (err == ERR_OK && application != APPLICATION_ID && (application != 0 || tables > 0))
        return ERR_DENIED;
    if (err == ERR_OK && tables == 0)
        err = index_exec(x, "PRAGMA auto_vacuum = INCREMENTAL");
    /* What the store has dropped shall not lie about in free pages. NORMAL: made anew if lost. */
    if (err == ERR_OK)
        err = index_exec(x, "PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;"
                            "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;"
                            "PRAGMA journal_size_limit = 16777216;"
                            "CREATE TEMP TABLE changed(trace INTEGER PRIMARY KEY)");
    if (err == ERR_OK && version != VERSION)
        err = wipe(x);
    return err;
}

static void close_db(struct local_index *x)
{
    if (x->db != NULL)
        (void)sqlite3_close_v2(x->db);
    x->db = NULL;
    x->attached = false;
}

/* A path as a URI file name of SQLite. */
static void print_uri(char *out, size_t size, const char *path, const char *query)
{
    size_t at = (size_t)snprintf(out, size, "file:");
    for (const char *p = path; *p != '\0' && at + 4 + strlen(query) < size; p++)
        at += (size_t)(strchr("%?#", *p) != NULL
                           ? snprintf(out + at, size - at, "%%%02x", (unsigned char)*p)
                           : snprintf(out + at, size - at, "%c", *p));
    snprintf(out + at, size - at, "%s", query);
}

static int open_file(struct local_index *x)
{
    x->used = index_lock(x->dir);
    int fd = open(x->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ERR_IO;
    (void)fchmod(fd, 0600);
    (void)futimens(fd, NULL);
    close(fd);
    print_uri(x->uri, sizeof(x->uri), x->path, "");
    int err = open_db(x);
    if (err == ERR_CORRUPT) { /* it is made anew */
        close_db(x);
        index_remove_files(x->path);
        err = open_db(x);
    }
    return err;
}

static int open_memory(struct local_index *x)
{
    static _Atomic unsigned count;
    close_db(x);
    snprintf(x->uri, sizeof(x->uri), "file:/llm-tracer-ui-%d-%u?vfs=memdb", (int)getpid(), ++count);
    x->in_memory = true;
    return open_db(x);
}

/* ---- the thread */

static int attach_store(struct local_index *x)
{
    struct stat st;
    if (stat(x->store, &st) != 0)
        return ERR_NOENT;
    if (x->attached && st.st_dev == x->device && st.st_ino == x->inode)
        return ERR_OK;
    if (x->attached)
        (void)sqlite3_exec(x->db, "DETACH s", NULL, NULL, NULL);
    x->attached = false;
    char uri[4400];
    int64_t device = 0;
    int64_t inode = 0;
    print_uri(uri, sizeof(uri), x->store,
              access(x->dir, W_OK) == 0 ? "?vfs=unix&mode=ro" : "?vfs=unix&immutable=1");
    int err = index_run(x, "ATTACH ?1 AS s", "t", uri);
    if (err == ERR_OK)
        err = index_get(x, &device, "SELECT device FROM state", "");
    if (err == ERR_OK)
        err = index_get(x, &inode, "SELECT inode FROM state", "");
    if (err == ERR_OK && (device != (int64_t)st.st_dev || inode != (int64_t)st.st_ino)) {
        err = wipe(x);
        if (err == ERR_OK)
            err = index_run(x, "UPDATE state SET device = ?1, inode = ?2", "ii", (int64_t)st.st_dev,
                            (int64_t)st.st_ino);
    }
    if (err != ERR_OK) {
        (void)sqlite3_exec(x->db, "DETACH s", NULL, NULL, NULL);
        return err;
    }
    x->device = st.st_dev;
    x->inode = st.st_ino;
    x->attached = true;
    x->data_version = -1;
    x->sweep = 0;
    return ERR_OK;
}

/* All there is to do for figures; may be cut short by `stop`. */
static bool look(struct local_index *x)
{
    int more = 1;
    int err = attach_store(x);
    if (err == ERR_NOENT) /* nothing is stored, so nothing is missing */
        return true;
    if (err != ERR_OK)
        return false;
    int64_t version = -1;
    (void)index_get(x, &version, "PRAGMA s.data_version", "");
    if (version == x->data_version)
        return true;
    while (more == 1 && !x->stop)
        more = index_fill(x);
    if (more == 0)
        x->data_version = version;
    return more == 0;
}

bool index_is_wanted(struct local_index *x)
{
    pthread_mutex_lock(&x->lock);
    bool wanted = x->stop || x->asked > x->answered;
    pthread_mutex_unlock(&x->lock);
    return wanted;
}

static void work_behind(struct local_index *x)
{
    int64_t began = clock_boot_ns();
    int more = 1;
    while (more > 0 && x->attached && !index_is_wanted(x) && clock_boot_ns() - began < LOOK_NS) {
        more = index_sweep(x);
        if (more == 0)
            more = index_hours(x);
        if (more == 0)
            more = index_words(x);
    }
}

static void *run(void *user)
{
    struct local_index *x = user;
    pthread_mutex_lock(&x->lock);
    while (!x->stop) {
        uint64_t asked = x->asked;
        pthread_mutex_unlock(&x->lock);
        bool complete = look(x);
        pthread_mutex_lock(&x->lock);
        x->complete = complete;
        x->answered = asked;
        pthread_cond_broadcast(&x->done);
        pthread_mutex_unlock(&x->lock);
        if (complete)
            work_behind(x);
        pthread_mutex_lock(&x->lock);
        if (x->stop || x->asked > asked)
            continue;
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_NS;
        if (until.tv_nsec >= NS_PER_SEC) {
            until.tv_nsec -= NS_PER_SEC;
            until.tv_sec++;
        }
        pthread_cond_timedwait(&x->wake, &x->lock, &until);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

/* late: wait also for what is still far from done; not all readers at once, since there are others
 * who want something. */
static bool wait_for(struct local_index *x, int64_t patience, bool late)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += patience % NS_PER_SEC;
    until.tv_sec += patience / NS_PER_SEC + until.tv_nsec / NS_PER_SEC;
    until.tv_nsec %= NS_PER_SEC;
    pthread_mutex_lock(&x->lock);
    uint64_t mine = ++x->asked;
    pthread_cond_signal(&x->wake);
    late = late && x->patient < PATIENT_MAX;
    x->patient += late;
    while (late ? x->answered < mine || !x->complete : x->answered < mine && x->complete)
        if (x->stop || pthread_cond_timedwait(&x->done, &x->lock, &until) != 0)
            break;
    x->patient -= late;
    bool complete = x->complete;
    pthread_mutex_unlock(&x->lock);
    return complete;
}

bool index_catch_up(struct local_index *x)
{
    return wait_for(x, CATCH_UP_NS, false);
}

bool index_wait(struct local_index *x)
{
    return wait_for(x, WAIT_NS, true);
}

const char *index_uri(const struct local_index *x)
{
    return x->uri;
}

static int start(struct local_index *x)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->wake, &monotonic);
    pthread_cond_init(&x->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    x->running = pthread_create(&x->thread, NULL, run, x) == 0;
    return x->running ? ERR_OK : ERR_NOMEM;
}

int index_new(struct local_index **out, const char *dir, char **notice)
{
    *out = NULL;
    struct local_index *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return ERR_NOMEM;
    x->used = -1;
    buf_init(&x->words, INDEX_WORDS);
    x->dir = strdup(dir);
    int err = ERR_NOMEM;
    if (x->dir == NULL || asprintf(&x->path, "%s/ui-index.db", dir) < 0)
        x->path = NULL;
    else if (snprintf(x->store, sizeof(x->store), "%s/traces.db", dir) >= 4000)
        err = ERR_RANGE;
    else
        err = open_file(x);
    if (err == ERR_DENIED && asprintf(notice, "%s is a database of another program", x->path) < 0)
        *notice = NULL;
    if (err == ERR_IO || err == ERR_BUSY)
        err = open_memory(x);
    if (err == ERR_OK)
        err = start(x);
    if (err == ERR_OK)
        *out = x;
    else
        index_free(x);
    return err;
}

void index_free(struct local_index *x)
{
    if (x == NULL)
        return;
    if (x->running) {
        pthread_mutex_lock(&x->lock);
        x->stop = true;
        pthread_cond_broadcast(&x->wake);
        pthread_cond_broadcast(&x->done);
        pthread_mutex_unlock(&x->lock);
        pthread_join(x->thread, NULL);
        pthread_mutex_destroy(&x->lock);
        pthread_cond_destroy(&x->wake);
        pthread_cond_destroy(&x->done);
    }
    close_db(x);
    if (x->used >= 0)
        close(x->used);
    buf_release(&x->words);
    free(x->dir);
    free(x->path);
    free(x);
}
