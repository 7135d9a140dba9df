/* Totals. */
#include "store/sqlite/sqlite.h"

int sqlite_stats(struct backend_session *s, const struct stored_stats *q, stored_group_fn *each,
                 void *user)
{
    int err;
    sqlite3_stmt *st = sql_use(s, SQL_STATS_TOTALS, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "tii", q->project_id, q->from, q->to == 0 ? INT64_MAX : q->to);
    err = sql_step(s, st);
    if (err == 1) {
        struct stored_group g = {
            .traces = sqlite3_column_int64(st, 0),
            .spans = sqlite3_column_int64(st, 1),
            .calls = sqlite3_column_int64(st, 2),
            .errors = sqlite3_column_int64(st, 3),
            .tokens_input = sql_column_figure(st, 4),
            .tokens_output = sql_column_figure(st, 5),
            .tokens_cache_read = sql_column_figure(st, 6),
            .cost = sqlite3_column_double(st, 7),
            .first_time = sqlite3_column_int64(st, 8),
            .last_time = sqlite3_column_int64(st, 9),
            .latency_p50_ms = -1,
            .latency_p95_ms = -1,
            .ttft_p50_ms = -1,
            .ttft_p95_ms = -1,
        };
        err = each(user, &g);
    }
    sqlite3_reset(st);
    return err;
}
