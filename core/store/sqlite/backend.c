#include "store/sqlite/sqlite.h"

static const char *last_error(const struct backend_session *s)
{
    return s->error;
}

/* One process has the file, and tells of its own writes. */
static int64_t changes(struct backend_session *s)
{
    (void)s;
    return 0;
}

const struct backend_ops backend_sqlite = {
    .name = "sqlite",
    .writers = 1,
    .readers = 4,
    .batch = 2000,
    .open = sqlite_open,
    .close = sqlite_close,
    .session_new = sqlite_session_new,
    .session_free = sqlite_session_free,
    .error = last_error,
    .write = sqlite_write,
    .list = sqlite_list,
    .trace = sqlite_trace,
    .spans = sqlite_spans,
    .span = sqlite_span,
    .stats = sqlite_stats,
    .changes = changes,
    .purge = sqlite_purge,
};
