/* Opening, sessions, and what a session's other functions share. */
#include "store/local/local.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/local/index.h"
#include "store/words.h"

int local_error(struct backend_session *s, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->error, sizeof(s->error), format, args);
    va_end(args);
    return err;
}

static const char *error_of(const struct backend_session *s)
{
    return s->error;
}

/* A store of an older format is brought up to date as a collector would do it. */
static int open_store(const char *dir, struct store **out, char **notice)
{
    int err = store_open(out, dir, STORE_READ, notice);
    if (err != ERR_VERSION)
        return err;
    struct store *writer = NULL;
    free(*notice);
    *notice = NULL;
    err = store_open(&writer, dir, STORE_WRITE, notice);
    store_close(writer);
    return err == ERR_OK ? store_open(out, dir, STORE_READ, notice) : err;
}

static struct text value_text(sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    return (struct text){text, text == NULL ? 0 : (size_t)sqlite3_value_bytes(value)};
}

static bool is_ascii(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if ((t.at[i] & 0x80) != 0)
            return false;
    return true;
}

/* text_contains of a part that is ASCII: nothing else becomes ASCII in lower case. A list may ask
 * this of a hundred thousand names. */
static bool contains_ascii(struct text whole, struct text part)
{
    const char first[3] = {(char)tolower(part.at[0]), (char)toupper(part.at[0]), '\0'};
    for (size_t i = 0; i + part.len <= whole.len; i++)
        if ((whole.at[i] == first[0] || whole.at[i] == first[1]) &&
            strncasecmp(whole.at + i, part.at, part.len) == 0)
            return true;
    return false;
}

/* SQL function local_contains(whole, part): in any case, as every backend has it. */
static void contains(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    (void)argc;
    struct text whole = value_text(argv[0]);
    struct text part = value_text(argv[1]);
    bool ascii = whole.at != NULL && part.len > 0 && is_ascii(part);
    sqlite3_result_int(context, ascii ? contains_ascii(whole, part) : text_contains(whole, part));
}

static int add_functions(struct backend_session *s)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    if (s->prepared == s->store->opened)
        return ERR_OK;
    if (sqlite3_create_function(s->store->db, "local_contains", 2, flags, NULL, contains, NULL,
                                NULL) != SQLITE_OK)
        return local_error(s, ERR_NOMEM, "out of memory");
    s->prepared = s->store->opened;
    return ERR_OK;
}

int local_enter(struct backend_session *s)
{
    if (s->store != NULL) {
        int err = db_follow(s->store);
        if (err == ERR_OK)
            return add_functions(s);
        (void)local_error(s, err, "%s", store_error(s->store));
        store_close(s->store);
        s->store = NULL;
        s->attached = 0;
        return err;
    }
    char *notice = NULL;
    int err = open_store(s->backend->dir, &s->store, &notice);
    s->attached = s->prepared = 0;
    if (err != ERR_OK)
        (void)local_error(s, err, "%s", notice != NULL ? notice : err_str(err));
    free(notice);
    return err == ERR_OK ? add_functions(s) : err;
}

static int attach(struct backend_session *s)
{
    int err;
    if (s->attached == s->store->opened)
        return ERR_OK;
    sqlite3_stmt *st = local_prepare(s, "ATTACH ?1 AS ui", &err);
    if (st == NULL)
        return err;
    sqlite3_bind_text(st, 1, index_uri(s->backend->index), -1, SQLITE_STATIC);
    err = local_step(s, st);
    sqlite3_finalize(st);
    if (err == ERR_OK)
        s->attached = s->store->opened;
    return err;
}

int local_enter_indexed(struct backend_session *s, bool *indexed)
{
    *indexed = false;
    int err = local_enter(s);
    if (err != ERR_OK)
        return err;
    *indexed = index_catch_up(s->backend->index) && attach(s) == ERR_OK;
    return ERR_OK;
}

int local_wait_indexed(struct backend_session *s, bool *indexed)
{
    *indexed = index_wait(s->backend->index) && attach(s) == ERR_OK;
    return ERR_OK;
}

static int failed(struct backend_session *s)
{
    int err = db_failed(s->store, "read it");
    return local_error(s, err, "%s", store_error(s->store));
}

sqlite3_stmt *local_prepare(struct backend_session *s, const char *sql, int *err)
{
    sqlite3_stmt *st = NULL;
    *err = ERR_OK;
    if (sqlite3_prepare_v2(s->store->db, sql, -1, &st, NULL) != SQLITE_OK)
        *err = failed(s);
    return st;
}

int local_step(struct backend_session *s, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);
    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? ERR_OK : failed(s);
}

void local_bind_text(sqlite3_stmt *st, int at, struct text text)
{
    if (text.at == NULL)
        sqlite3_bind_null(st, at);
    else
        sqlite3_bind_text64(st, at, text.at, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

struct text local_column(sqlite3_stmt *st, int column)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    return (struct text){text, text == NULL ? 0 : (size_t)sqlite3_column_bytes(st, column)};
}

static void close_backend(struct backend *b)
{
    if (b == NULL)
        return;
    index_free(b->index);
    free(b->dir);
    free(b);
}

/* No store is no error: it comes with the first traced call. */
static int open_backend(struct backend **out, const struct backend_settings *settings,
                        char **notice)
{
    *out = NULL;
    *notice = NULL;
    struct store *store = NULL;
    int err = open_store(settings->data_dir, &store, notice);
    store_close(store);
    if (err != ERR_OK && err != ERR_NOENT)
        return err;
    free(*notice);
    *notice = NULL;
    struct backend *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return ERR_NOMEM;
    b->dir = strdup(settings->data_dir);
    err = b->dir == NULL ? ERR_NOMEM : index_new(&b->index, b->dir, notice);
    if (err == ERR_OK)
        *out = b;
    else
        close_backend(b);
    return err;
}

static int session_new(struct backend *b, bool writer, struct backend_session **out)
{
    *out = NULL;
    (void)writer;
    struct backend_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->backend = b;
    buf_init(&s->scratch, LOCAL_SCRATCH_MAX);
    *out = s;
    return ERR_OK;
}

static void session_free(struct backend_session *s)
{
    if (s == NULL)
        return;
    store_close(s->store);
    buf_release(&s->scratch);
    free(s);
}

static int write_nothing(struct backend_session *s, struct stored_write *const *writes,
                         size_t count)
{
    (void)writes;
    (void)count;
    return local_error(s, ERR_UNSUPPORTED, "the collector's store is only read here");
}

/* A number that grows with whatever the store's file or the file itself went through. */
static int64_t changes(struct backend_session *s)
{
    int64_t version = 0;
    uint64_t before = s->store == NULL ? 0 : s->store->opened;
    int err = local_enter(s);
    sqlite3_stmt *st = err == ERR_OK ? local_prepare(s, "PRAGMA data_version", &err) : NULL;
    if (st != NULL && local_step(s, st) == 1)
        version = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    uint64_t now = s->store == NULL ? 0 : s->store->opened;
    if (version != s->version || before != now)
        s->changed++;
    s->version = version;
    return (int64_t)s->changed;
}

static int purge(struct backend_session *s, int64_t older_than)
{
    (void)older_than;
    return local_error(s, ERR_UNSUPPORTED, "the collector purges its store itself");
}

const struct backend_ops backend_local = {
    .name = "local",
    .writers = 1,
    .readers = 4,
    .batch = 1,
    .shared = true,
    .read_only = true,
    .open = open_backend,
    .close = close_backend,
    .session_new = session_new,
    .session_free = session_free,
    .error = error_of,
    .write = write_nothing,
    .list = local_list,
    .trace = local_trace,
    .spans = local_spans,
    .span = local_span,
    .stats = local_stats,
    .changes = changes,
    .purge = purge,
};
