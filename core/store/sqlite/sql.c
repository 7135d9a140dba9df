/* Statements and errors. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/sqlite/sqlite.h"

int sql_error(struct backend_session *s, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->error, sizeof(s->error), format, args);
    va_end(args);
    return err;
}

/* Why a write to the file or its log failed: SQLite tells of a full disk, but not of a quota or a
 * limit on files. */
static int write_errno(struct backend_session *s, int pointer)
{
    sqlite3_file *file = NULL;
    int error = 0;
    if (sqlite3_file_control(s->db, "main", pointer, &file) == SQLITE_OK && file != NULL &&
        file->pMethods != NULL)
        (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
    return error;
}

static bool is_no_room(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static bool no_room(struct backend_session *s, int code)
{
    if ((code & 0xff) == SQLITE_FULL)
        return true;
    return (code & 0xff) == SQLITE_IOERR &&
           (is_no_room(sqlite3_system_errno(s->db)) ||
            (code == SQLITE_IOERR_WRITE &&
             (is_no_room(write_errno(s, SQLITE_FCNTL_FILE_POINTER)) ||
              is_no_room(write_errno(s, SQLITE_FCNTL_JOURNAL_POINTER)))));
}

int sql_failed(struct backend_session *s, const char *doing)
{
    int code = sqlite3_extended_errcode(s->db);
    return sql_error(s, no_room(s, code) ? ERR_FULL : statement_error(code),
                     "%s: cannot %s: %s (code %d, errno %d)", s->b->path, doing,
                     sqlite3_errmsg(s->db), code, sqlite3_system_errno(s->db));
}

sqlite3_stmt *sql_use(struct backend_session *s, enum sql which, int *err)
{
    *err = ERR_OK;
    sqlite3_stmt **slot = &s->statements[which];
    if (*slot == NULL && sqlite3_prepare_v3(s->db, sql_text[which], -1, SQLITE_PREPARE_PERSISTENT,
                                            slot, NULL) != SQLITE_OK)
        *err = sql_failed(s, "prepare a statement");
    return *slot;
}

static void bind_text(sqlite3_stmt *st, int at, struct text t, bool blob)
{
    if (t.at == NULL)
        sqlite3_bind_null(st, at);
    else if (blob)
        sqlite3_bind_blob64(st, at, t.at, t.len, SQLITE_STATIC);
    else
        sqlite3_bind_text64(st, at, t.at, t.len, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_all(sqlite3_stmt *st, const char *format, va_list args)
{
    for (int at = 1; *format != '\0'; format++, at++) {
        if (*format == 'i' || *format == 'f') {
            statement_bind_int(st, at, va_arg(args, int64_t), *format == 'f');
        } else if (*format == 'd') {
            statement_bind_number(st, at, va_arg(args, double));
        } else {
            bind_text(st, at, va_arg(args, struct text), *format == 'b');
        }
    }
}

void sql_bind(sqlite3_stmt *st, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bind_all(st, format, args);
    va_end(args);
}

int sql_step(struct backend_session *s, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        return 1;
    int err = code == SQLITE_DONE ? 0 : sql_failed(s, "run a statement");
    sqlite3_reset(st);
    return err;
}

int sql_run(struct backend_session *s, enum sql which, const char *format, ...)
{
    int err;
    sqlite3_stmt *st = sql_use(s, which, &err);
    if (st == NULL)
        return err;
    va_list args;
    va_start(args, format);
    bind_all(st, format, args);
    va_end(args);
    err = sql_step(s, st);
    sqlite3_reset(st);
    return err < 0 ? err : ERR_OK;
}

int sql_exec(struct backend_session *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK
                                                                   : sql_failed(s, "run a command");
}

struct text sql_column_text(sqlite3_stmt *st, int column)
{
    if (sqlite3_column_type(st, column) == SQLITE_NULL)
        return (struct text){NULL, 0};
    const char *at = sqlite3_column_blob(st, column); /* the bytes as they are: UTF-8 */
    return (struct text){at == NULL ? "" : at, (size_t)sqlite3_column_bytes(st, column)};
}

double sql_column_number(sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL ? -1 : sqlite3_column_double(st, column);
}
