#include "store/statement.h"

#include "span/span.h"

int statement_error(int code)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_TOOBIG:
        return ERR_RANGE;
    default:
        return ERR_IO;
    }
}

void statement_bind_int(sqlite3_stmt *st, int at, int64_t value, bool nullable)
{
    if (nullable && value < 0)
        sqlite3_bind_null(st, at);
    else
        sqlite3_bind_int64(st, at, value);
}

void statement_bind_number(sqlite3_stmt *st, int at, double value)
{
    if (value >= 0)
        sqlite3_bind_double(st, at, value);
    else
        sqlite3_bind_null(st, at);
}

void statement_bind(sqlite3_stmt *st, const char *format, va_list args)
{
    for (int at = 1; *format != '\0'; format++, at++) {
        if (*format == 'i' || *format == 'f') {
            statement_bind_int(st, at, va_arg(args, int64_t), *format == 'f');
        } else if (*format == 'd') {
            statement_bind_number(st, at, va_arg(args, double));
        } else if (*format == 't') {
            sqlite3_bind_text(st, at, va_arg(args, const char *), -1, SQLITE_STATIC);
        } else {
            const void *data = va_arg(args, const void *);
            sqlite3_bind_blob(st, at, data, va_arg(args, int), SQLITE_STATIC);
        }
    }
}

int64_t statement_figure(sqlite3_stmt *st, int column)
{
    return sqlite3_column_type(st, column) == SQLITE_NULL ? SPAN_UNKNOWN
                                                          : sqlite3_column_int64(st, column);
}
