/* Statements and errors. */
#include "store/db.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int db_error(struct store *s, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->error, sizeof(s->error), format, args);
    va_end(args);
    return err;
}

int db_failed(struct store *s, const char *doing)
{
    int code = sqlite3_extended_errcode(s->db);
    int err = statement_error(code);
    (void)db_error(s, err, "%s: cannot %s: %s (code %d, errno %d)", s->path, doing,
                   sqlite3_errmsg(s->db), code, sqlite3_system_errno(s->db));
    if (s->in_transaction) {
        s->failed = true;
        if (!sqlite3_get_autocommit(s->db))
            (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        db_forget_caches(s);
    }
    if (err == ERR_CORRUPT) {
        s->damaged = true;
        db_note_suspect(s);
    }
    if ((code & 0xff) == SQLITE_FULL) /* what the log holds twice may be the room that is missing */
        (void)sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return err;
}

sqlite3_stmt *db_use(struct store *s, enum statement which, int *err)
{
    *err = ERR_OK;
    if (s->db == NULL) { /* it could not be opened again; db_follow tries at the next call */
        *err = ERR_IO;
        return NULL;
    }
    sqlite3_stmt **slot = &s->statements[which];
    if (*slot == NULL && sqlite3_prepare_v3(s->db, db_statement_sql[which], -1,
                                            SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK) {
        *err = db_failed(s, "prepare a statement");
        return NULL;
    }
    return *slot;
}

void db_bind(sqlite3_stmt *st, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    statement_bind(st, format, args);
    va_end(args);
}

int db_step(struct store *s, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        return 1;
    int err = code == SQLITE_DONE ? 0 : db_failed(s, "run a statement");
    sqlite3_reset(st);
    return err;
}

int db_run(struct store *s, enum statement which, const char *format, ...)
{
    int err;
    sqlite3_stmt *st = db_use(s, which, &err);
    if (st == NULL)
        return err;
    va_list args;
    va_start(args, format);
    statement_bind(st, format, args);
    va_end(args);
    err = db_step(s, st);
    sqlite3_reset(st);
    return err < 0 ? err : ERR_OK;
}

int db_int(struct store *s, int64_t *out, enum statement which, const char *format, ...)
{
    int err;
    sqlite3_stmt *st = db_use(s, which, &err);
    if (st == NULL)
        return err;
    va_list args;
    va_start(args, format);
    statement_bind(st, format, args);
    va_end(args);
    err = db_step(s, st);
    if (err == 1)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return err == 1 ? ERR_OK : err == 0 ? ERR_NOENT : err;
}

int db_exec(struct store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK : db_failed(s, "run");
}

char *db_column_text(sqlite3_stmt *st, int column)
{
    const unsigned char *text = sqlite3_column_text(st, column);
    return text == NULL ? NULL : strdup((const char *)text);
}
