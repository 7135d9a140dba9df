/* Totals of whole hours by model, made once an hour has been quiet for a while. */
#include <stdlib.h>

#include "store/local/index_internal.h"
#include "store/local/stats.h"

#define QUIET_NS  (30 * NS_PER_SEC)
#define RECENT_NS (2 * INDEX_HOUR) /* hours before that get little more */

struct made {
    struct local_index *x;
    int64_t hour;
};

static int put_total(void *user, const struct total *t)
{
    const struct made *made = user;
    struct local_index *x = made->x;
    struct buf latency, ttft;
    int err;
    buf_init(&latency, 65536);
    buf_init(&ttft, 65536);
    sqlite3_stmt *st = index_prepare(
        x, "INSERT INTO total VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        &err);
    if (err == ERR_OK)
        err = histogram_print(&t->latency, &latency);
    if (err == ERR_OK)
        err = histogram_print(&t->ttft, &ttft);
    if (err == ERR_OK) {
        const int64_t figures[] = {
            made->hour, t->model,        t->spans,         t->calls,
            t->errors,  t->tokens_input, t->tokens_output, t->tokens_cache_read};
        for (int i = 0; i < 8; i++)
            sqlite3_bind_int64(st, i + 1, figures[i]);
        sqlite3_bind_double(st, 9, t->cost);
        sqlite3_bind_blob64(st, 10, buf_str(&latency), latency.len, SQLITE_STATIC);
        sqlite3_bind_blob64(st, 11, buf_str(&ttft), ttft.len, SQLITE_STATIC);
        sqlite3_bind_int64(st, 12, t->first_time);
        sqlite3_bind_int64(st, 13, t->last_time);
        err = index_step(x, st);
    }
    sqlite3_finalize(st);
    buf_release(&latency);
    buf_release(&ttft);
    return err;
}

static int make_hour(struct local_index *x, int64_t hour)
{
    struct totals totals;
    totals_init(&totals, true);
    int err = index_exec(x, "BEGIN IMMEDIATE");
    if (err == ERR_OK)
        err = index_run(x, "DELETE FROM total WHERE hour = ?1", "i", hour);
    sqlite3_stmt *st = err == ERR_OK ? index_prepare(x, TOTALS_FACTS_OF_HOUR("main"), &err) : NULL;
    if (st != NULL) {
        sqlite3_bind_int64(st, 1, hour);
        while ((err = index_step(x, st)) == 1 && (err = totals_add_fact(&totals, st)) == ERR_OK)
            ;
        sqlite3_finalize(st);
    }
    if (err == ERR_OK)
        err = totals_each(&totals, put_total, &(struct made){x, hour});
    if (err == ERR_OK)
        err = index_run(x, "DELETE FROM hour WHERE hour = ?1", "i", hour);
    if (err == ERR_OK)
        err = index_exec(x, "COMMIT");
    if (err != ERR_OK)
        (void)sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
    totals_release(&totals);
    return err;
}

int index_hours(struct local_index *x)
{
    int64_t hour;
    int64_t now = clock_wall_ns();
    int err = index_get(x, &hour, "SELECT hour FROM hour WHERE changed < ?1 OR hour < ?2 LIMIT 1",
                        "ii", now - QUIET_NS, (now - RECENT_NS) / INDEX_HOUR);
    if (err == ERR_NOENT)
        return 0;
    if (err == ERR_OK)
        err = make_hour(x, hour);
    return err == ERR_OK ? 1 : err;
}
