/* What every user of SQLite in this room does alike: what a code means, binding, reading figures.
 * Private to the room. */
#ifndef TRACER_STORE_STATEMENT_H
#define TRACER_STORE_STATEMENT_H

#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* The error behind a result code of SQLite that is none of OK, ROW and DONE: ERR_NOMEM, ERR_BUSY,
 * ERR_CORRUPT, ERR_RANGE (a text or blob above SQLite's bounds), else ERR_IO. */
int statement_error(int code);
/* NULL for what is negative; a whole number only if it is nullable. */
void statement_bind_int(sqlite3_stmt *st, int at, int64_t value, bool nullable);
void statement_bind_number(sqlite3_stmt *st, int at, double value);
/* Binds from ?1 on: 'i' int64_t; 'f' int64_t, negative is NULL; 'd' double, negative is NULL; 't'
 * text or NULL; 'b' const void * and int length. Texts and blobs must live until the statement is
 * reset. */
void statement_bind(sqlite3_stmt *st, const char *format, va_list args);
/* SPAN_UNKNOWN for NULL. */
int64_t statement_figure(sqlite3_stmt *st, int column);

#endif
