/* Opening the file: ours, someone else's, from a later version, damaged, or replaced under us. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/db.h"

#define BUSY_MS         10000
#define CHECK_BYTES_MAX ((int64_t)16 << 20) /* a file up to this is checked whole at each start */

/* Memory statistics take a lock around each allocation of SQLite's. */
static void configure_sqlite(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int pragma_int(struct store *s, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int err = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK ? ERR_OK
                                                                         : db_failed(s, "read it");
    if (err == ERR_OK && sqlite3_step(st) == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    else if (err == ERR_OK)
        err = db_failed(s, "read it");
    sqlite3_finalize(st);
    return err;
}

/* Whose file it is, before anything in it is changed. *version 0: an empty one. */
static int identify(struct store *s, int64_t *version)
{
    int64_t application = 0;
    int64_t tables = 0;
    /* All of one moment: another process may be just making it. */
    bool own = sqlite3_get_autocommit(s->db) != 0;
    int err = own ? db_exec(s, "BEGIN") : ERR_OK;
    if (err == ERR_OK)
        err = pragma_int(s, "PRAGMA application_id", &application);
    if (err == ERR_OK)
        err = pragma_int(s, "PRAGMA user_version", version);
    if (err == ERR_OK)
        err = pragma_int(s, "SELECT count(*) FROM sqlite_schema", &tables);
    if (own && !sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    if (err != ERR_OK)
        return err;
    if (application != DB_APPLICATION_ID && (application != 0 || tables > 0))
        return db_error(s, ERR_DENIED, "%s is a database of another program; it was left alone",
                        s->path);
    if (*version > db_schema_version)
        return db_error(s, ERR_VERSION,
                        "%s was made by a newer llm-tracer (format %d, this one knows %d)", s->path,
                        (int)*version, db_schema_version);
    return ERR_OK;
}

static int set_up_writer(struct store *s)
{
    /* page_size and auto_vacuum count only while the file is empty. NORMAL with the log: what was
     * committed survives the end of any process; a power cut may take the last moments, but leaves
     * the file whole. */
    int err = db_exec(s, "PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL;"
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                         "PRAGMA wal_autocheckpoint = 1024; PRAGMA journal_size_limit = 67108864;"
                         "PRAGMA cache_size = -32768");
    if (err == ERR_OK)
        err = db_exec(s, "BEGIN IMMEDIATE");
    if (err != ERR_OK)
        return err;
    int64_t version = 0; /* once more: another process may have been faster */
    err = identify(s, &version);
    if (err == ERR_OK && version < db_schema_version)
        err = db_migrate(s, (int)version);
    if (err == ERR_OK)
        return db_exec(s, "COMMIT");
    (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

/* A reader's damage note makes the next writer look at the whole file. */
static void suspect_path(const struct store *s, char *out, size_t size)
{
    snprintf(out, size, "%s.suspect", s->path);
}

void db_note_suspect(struct store *s)
{
    char path[4200];
    suspect_path(s, path, sizeof(path));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

static bool is_suspect(const struct store *s)
{
    char path[4200];
    suspect_path(s, path, sizeof(path));
    return access(path, F_OK) == 0;
}

static void clear_suspect(const struct store *s)
{
    char path[4200];
    suspect_path(s, path, sizeof(path));
    (void)unlink(path);
}

static int check_pages(struct store *s)
{
    struct stat st;
    if (stat(s->path, &st) != 0 || (st.st_size > CHECK_BYTES_MAX && !is_suspect(s)))
        return ERR_OK;
    sqlite3_stmt *check = NULL;
    if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &check, NULL) != SQLITE_OK)
        return db_failed(s, "check it");
    int code = sqlite3_step(check);
    const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(check, 0) : NULL;
    int err = ERR_OK;
    if (code != SQLITE_ROW)
        err = db_failed(s, "check it");
    else if (text == NULL || strcmp(text, "ok") != 0)
        err = db_error(s, ERR_CORRUPT, "%s is damaged: %s", s->path, text == NULL ? "" : text);
    sqlite3_finalize(check);
    if (err == ERR_OK)
        clear_suspect(s);
    return err;
}

static int open_connection(struct store *s, const char *name, int flags)
{
    int code = sqlite3_open_v2(name, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
    if (s->db == NULL)
        return ERR_NOMEM;
    if (code != SQLITE_OK)
        return db_failed(s, "open it");
    s->opened++;
    (void)sqlite3_extended_result_codes(s->db, 1);
    (void)sqlite3_busy_timeout(s->db, BUSY_MS);
    return ERR_OK;
}

static void remember_file(struct store *s)
{
    struct stat st;
    if (stat(s->path, &st) == 0) {
        s->device = st.st_dev;
        s->inode = st.st_ino;
    }
}

static int open_writer(struct store *s)
{
    /* Made by ourselves, so that nobody else may ever read it; only when it is not there: closing a
     * descriptor of a file in use would drop SQLite's locks on it (POSIX). */
    int fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return db_error(s, ERR_IO, "%s: %s", s->path, strerror(errno));
    int err = open_connection(s, s->path, SQLITE_OPEN_READWRITE);
    int64_t version = 0;
    if (err == ERR_OK)
        err = identify(s, &version);
    if (err == ERR_OK)
        err = set_up_writer(s);
    if (err == ERR_OK)
        err = check_pages(s);
    if (err == ERR_OK)
        remember_file(s);
    return err;
}

/* On a file system that cannot be written, the log's index cannot be made: the file is then read as
 * it is, since nobody can be writing to it. */
static int open_immutable(struct store *s)
{
    char uri[4200];
    size_t at = (size_t)snprintf(uri, sizeof(uri), "file:");
    for (const char *p = s->path; *p != '\0' && at + 16 < sizeof(uri); p++) {
        if (strchr("%?#", *p) != NULL)
            at += (size_t)snprintf(uri + at, sizeof(uri) - at, "%%%02x", (unsigned char)*p);
        else
            uri[at++] = *p;
    }
    snprintf(uri + at, sizeof(uri) - at, "?immutable=1");
    return open_connection(s, uri, SQLITE_OPEN_READONLY);
}

static int open_reader(struct store *s)
{
    if (access(s->path, F_OK) != 0)
        return db_error(s, ERR_NOENT, "%s: nothing is stored yet", s->path);
    int64_t version = 0;
    int err = open_connection(s, s->path, SQLITE_OPEN_READONLY);
    if (err == ERR_OK)
        err = identify(s, &version);
    if (err == ERR_IO && access(s->dir, W_OK) != 0) {
        db_close_file(s);
        err = open_immutable(s);
        if (err == ERR_OK)
            err = identify(s, &version);
    }
    if (err == ERR_OK && version == 0) /* a writer is just making it */
        return db_error(s, ERR_NOENT, "%s: nothing is stored yet", s->path);
    if (err == ERR_OK && version < db_schema_version)
        return db_error(s, ERR_VERSION,
                        "%s is of an older format; `llm-tracer collect` brings it up to date",
                        s->path);
    if (err == ERR_CORRUPT)
        db_note_suspect(s);
    remember_file(s);
    return err;
}

void db_close_file(struct store *s)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(s->statements[i]);
        s->statements[i] = NULL;
    }
    if (s->db != NULL)
        (void)sqlite3_close_v2(s->db);
    s->db = NULL;
    s->damaged = false;
}

/* Renames the file and its log; nothing in them is changed. */
static int move_aside(struct store *s, char **notice)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char date[32];
    struct tm tm;
    time_t now = time(NULL);
    strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    char base[4200];
    for (int n = 0;; n++) {
        snprintf(base, sizeof(base), n == 0 ? "%s.corrupt-%s" : "%s.corrupt-%s-%d", s->path, date,
                 n);
        if (access(base, F_OK) != 0)
            break;
    }
    for (size_t i = 0; i < 3; i++) {
        char from[4300];
        char to[4300];
        snprintf(from, sizeof(from), "%s%s", s->path, suffixes[i]);
        snprintf(to, sizeof(to), "%s%s", base, suffixes[i]);
        if (rename(from, to) != 0 && i == 0)
            return db_error(s, ERR_IO, "%s is damaged and cannot be moved aside: %s", s->path,
                            strerror(errno));
    }
    clear_suspect(s);
    if (notice != NULL && *notice == NULL &&
        asprintf(notice, "the store was damaged; it is now %s, and a new one was begun", base) < 0)
        *notice = NULL;
    return ERR_OK;
}

/* Held while a writer opens the file (shared) and while one moves it aside (exclusive), so that no
 * one opens a file whose log was just taken away. -1: none; opening goes on without. */
static int lock_file(struct store *s, int how)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s.lock", s->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && flock(fd, how) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void unlock_file(int fd)
{
    if (fd >= 0)
        close(fd);
}

static bool same_file(const struct store *s)
{
    struct stat st;
    return stat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode;
}

/* Moves a damaged file aside, unless another process has just done so, and opens what is there.
 * known: the damage was met in the file that this handle had open; else it is looked for again. */
static int replace_damaged(struct store *s, bool known, char **notice)
{
    int lock = lock_file(s, LOCK_EX);
    if (lock < 0)
        return db_error(s, ERR_IO, "%s.lock: %s", s->path, strerror(errno));
    db_close_file(s);
    int err = known && same_file(s) ? ERR_CORRUPT : open_writer(s);
    if (err == ERR_CORRUPT) {
        db_close_file(s);
        err = move_aside(s, notice);
        if (err == ERR_OK)
            err = open_writer(s);
    }
    unlock_file(lock);
    return err;
}

static int restore_destinations(struct store *s)
{
    int err = ERR_OK;
    for (size_t i = 0; i < s->known_count && err == ERR_OK; i++) {
        const struct destination *d = &s->known[i];
        err = db_run(s, DESTINATION_RESTORE, "ittti", d->id, d->kind, d->url, d->project_id,
                     (int64_t)d->content);
    }
    return err;
}

int db_open_file(struct store *s, char **notice)
{
    if (s->mode == STORE_READ)
        return open_reader(s);
    int lock = lock_file(s, LOCK_SH);
    int err = open_writer(s);
    unlock_file(lock);
    return err == ERR_CORRUPT ? replace_damaged(s, false, notice) : err;
}

/* Damage met while running: a reader leaves a note for the next writer, a writer begins anew. */
int db_recover(struct store *s)
{
    if (s->mode == STORE_READ)
        return ERR_CORRUPT;
    char *notice = NULL;
    db_forget_caches(s);
    int err = replace_damaged(s, true, &notice);
    if (err == ERR_OK)
        err = restore_destinations(s);
    if (err != ERR_OK)
        db_close_file(s);
    if (notice != NULL)
        (void)db_error(s, ERR_CORRUPT, "%s", notice);
    free(notice);
    return err;
}

int db_follow(struct store *s)
{
    if (s->damaged && s->db != NULL && s->mode == STORE_WRITE)
        return db_recover(s);
    if (s->db != NULL && same_file(s))
        return ERR_OK;
    db_forget_caches(s);
    db_close_file(s);
    int err = db_open_file(s, NULL);
    if (err == ERR_OK && s->mode == STORE_WRITE)
        err = restore_destinations(s);
    if (err != ERR_OK)
        db_close_file(s);
    return err;
}

int store_open(struct store **out, const char *dir, enum store_mode mode, char **notice)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_sqlite);
    *out = NULL;
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        if (notice != NULL)
            *notice = NULL;
        return ERR_NOMEM;
    }
    s->mode = mode;
    id_random((uint8_t *)&s->seed, sizeof(s->seed));
    map_init(&s->touched);
    for (int kind = IDS_SPAN; kind <= IDS_TRACE; kind++) {
        idmap_init(&s->ids[kind].recent, s->seed);
        idfilter_init(&s->ids[kind].filter, s->seed);
    }
    buf_init(&s->document, DB_DOCUMENT_MAX);
    s->dir = strdup(dir);
    int err = ERR_NOMEM;
    char *said = NULL;
    if (s->dir != NULL && asprintf(&s->path, "%s/traces.db", dir) >= 0)
        err = strlen(s->path) > 4000 ? db_error(s, ERR_RANGE, "the path of the store is too long")
                                     : db_open_file(s, &said);
    else
        s->path = NULL;
    if (err != ERR_OK && said == NULL && s->error[0] != '\0')
        said = strdup(s->error);
    if (notice != NULL)
        *notice = said;
    else
        free(said);
    if (err == ERR_OK)
        *out = s;
    else
        store_close(s);
    return err;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    store_rollback(s);
    db_close_file(s);
    db_drop_touched(s);
    for (int kind = IDS_SPAN; kind <= IDS_TRACE; kind++) {
        idmap_release(&s->ids[kind].recent);
        idfilter_release(&s->ids[kind].filter);
    }
    buf_release(&s->document);
    for (size_t i = 0; i < s->known_count; i++)
        destination_release(&s->known[i]);
    free(s->known);
    free(s->dir);
    free(s->path);
    free(s);
}

const char *store_error(const struct store *s)
{
    return s->error;
}
