#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/sqlite/sqlite.h"

/* The index is made anew when this changes: what is a word, or what is kept. */
#define SEARCH_VERSION        2
#define SEARCH_APPLICATION_ID 0x6c6c6d77 /* "llmw" */

static const char schema[] =
    "CREATE TABLE search.about("
    " id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, seed INTEGER NOT NULL,"
    " trace_done INTEGER NOT NULL, span_done INTEGER NOT NULL, again_done INTEGER NOT NULL,"
    " forced_trace INTEGER NOT NULL, forced_span INTEGER NOT NULL, documents INTEGER NOT NULL);"
    "CREATE TABLE search.part("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, first_trace INTEGER NOT NULL,"
    " last_trace INTEGER NOT NULL, documents INTEGER NOT NULL, begun INTEGER NOT NULL);"
    "CREATE TABLE search.later(kind INTEGER, row INTEGER, PRIMARY KEY(kind, row)) WITHOUT ROWID;"
    "CREATE TABLE search.restated(trace INTEGER PRIMARY KEY);";

/* ---- Terms: a document is given to FTS5 as its words with a space after each */

static int tokenizer_new(void *context, const char **args, int count, Fts5Tokenizer **out)
{
    static char one;
    (void)context;
    (void)args;
    (void)count;
    *out = (Fts5Tokenizer *)(void *)&one;
    return SQLITE_OK;
}

static void tokenizer_free(Fts5Tokenizer *tokenizer)
{
    (void)tokenizer;
}

static int tokenize(Fts5Tokenizer *tokenizer, void *context, int flags, const char *text, int len,
                    int (*token)(void *, int, const char *, int, int, int))
{
    (void)tokenizer;
    (void)flags;
    for (int at = 0; at < len;) {
        const char *space = memchr(text + at, ' ', (size_t)(len - at));
        int end = space == NULL ? len : (int)(space - text);
        int code = end > at ? token(context, 0, text + at, end - at, at, end) : SQLITE_OK;
        if (code != SQLITE_OK)
            return code;
        at = end + 1;
    }
    return SQLITE_OK;
}

static int add_tokenizer(struct backend_session *s)
{
    fts5_api *api = NULL;
    sqlite3_stmt *st = NULL;
    fts5_tokenizer words = {tokenizer_new, tokenizer_free, tokenize};
    if (sqlite3_prepare_v2(s->db, "SELECT fts5(?1)", -1, &st, NULL) != SQLITE_OK)
        return sql_error(s, ERR_UNSUPPORTED, "this SQLite has no FTS5");
    sqlite3_bind_pointer(st, 1, &api, "fts5_api_ptr", NULL);
    (void)sqlite3_step(st);
    sqlite3_finalize(st);
    if (api == NULL || api->xCreateTokenizer(api, "words", NULL, &words, NULL) != SQLITE_OK)
        return sql_error(s, ERR_UNSUPPORTED, "this SQLite has no FTS5");
    return ERR_OK;
}

/* ---- The file */

static void file_path(const struct backend_session *s, const char *suffix, char *out, size_t size)
{
    size_t stem = strlen(s->b->path) - strlen(".db");
    snprintf(out, size, "%.*s-search.db%s", (int)stem, s->b->path, suffix);
}

int search_attach(struct backend_session *s)
{
    char path[4300];
    sqlite3_stmt *st = NULL;
    int err = add_tokenizer(s);
    if (err != ERR_OK)
        return err;
    file_path(s, "", path, sizeof(path));
    if (sqlite3_prepare_v2(s->db, "ATTACH ?1 AS search", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_DONE)
        err = sql_failed(s, "open the search index");
    sqlite3_finalize(st);
    return err;
}

static void remove_file(const struct backend_session *s)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[4300];
        file_path(s, suffixes[i], path, sizeof(path));
        (void)unlink(path);
    }
}

/* Made by ourselves, so that nobody else may ever read it. */
static int make_file(struct backend_session *s)
{
    char path[4300];
    file_path(s, "", path, sizeof(path));
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return sql_error(s, errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO, "%s: %s", path,
                         strerror(errno));
    return ERR_OK;
}

/* Nobody else's file is taken away: the header says whose it is. Before SQLite has it open (closing
 * a descriptor drops its locks). */
static int check_owner(struct backend_session *s)
{
    static const char magic[16] = "SQLite format 3";
    unsigned char header[100];
    char path[4300];
    file_path(s, "", path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return sql_error(s, ERR_IO, "%s: %s", path, strerror(errno));
    ssize_t len = read(fd, header, sizeof(header));
    close(fd);
    if (len == 0)
        return ERR_OK;
    uint32_t id = 0;
    for (int i = 68; i < 72 && len == sizeof(header); i++) /* SQLite file format, 1.3 */
        id = id << 8 | header[i];
    if (id == SEARCH_APPLICATION_ID && memcmp(header, magic, sizeof(magic)) == 0)
        return ERR_OK;
    return sql_error(s, ERR_DENIED,
                     "%s is no search index of this program; it was left as it is. Move it away: a "
                     "new one is made out of the store",
                     path);
}

/* 1: the file that is attached is an index of this store, as this version makes it; 0: it is not;
 * else why that cannot be read, which is no reason to make it anew. */
static int is_ours(struct backend_session *s)
{
    sqlite3_stmt *st = NULL;
    bool ours = sqlite3_prepare_v2(s->db, "SELECT version, seed FROM search.about", -1, &st,
                                   NULL) == SQLITE_OK &&
                sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int(st, 0) == SEARCH_VERSION &&
                sqlite3_column_int64(st, 1) == s->b->meta.seed;
    const int code = sqlite3_errcode(s->db) & 0xff;
    const bool unread = code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_CANTOPEN ||
                        code == SQLITE_BUSY || code == SQLITE_NOMEM;
    int err = !ours && unread ? sql_failed(s, "read the search index") : ERR_OK;
    sqlite3_finalize(st);
    return err != ERR_OK ? err : ours;
}

static int make(struct backend_session *s)
{
    char about[160];
    snprintf(about, sizeof(about), "INSERT INTO search.about VALUES(1, %d, %lld, 0, 0, 0, 0, 0, 0)",
             SEARCH_VERSION, (long long)s->b->meta.seed);
    char pragmas[200];
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA search.page_size = 8192; PRAGMA search.auto_vacuum = INCREMENTAL;"
             "PRAGMA search.application_id = %d; PRAGMA search.journal_mode = WAL; BEGIN",
             SEARCH_APPLICATION_ID);
    int err = sql_exec(s, pragmas);
    if (err == ERR_OK)
        err = sql_exec(s, schema);
    if (err == ERR_OK)
        err = sql_exec(s, about);
    if (err == ERR_OK)
        return sql_exec(s, "COMMIT");
    (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

int search_open(struct backend_session *s)
{
    int err = make_file(s);
    if (err == ERR_OK)
        err = check_owner(s);
    if (err != ERR_OK)
        return err;
    err = search_attach(s);
    int ours = err == ERR_OK ? is_ours(s) : 0;
    if (ours != 0)
        return ours < 0 ? ours : ERR_OK;
    (void)sqlite3_exec(s->db, "DETACH search", NULL, NULL, NULL);
    remove_file(s);
    err = make_file(s);
    if (err == ERR_OK)
        err = search_attach(s);
    return err == ERR_OK ? make(s) : err;
}
