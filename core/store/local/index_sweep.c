/* What the store has dropped leaves the index: a few hundred traces at a time, all of them about
 * once a minute. */
#include "store/local/index_internal.h"

#define STEP     500
#define PAUSE_NS (60 * NS_PER_SEC)

static int drop(struct local_index *x, int64_t from, int64_t to)
{
    static const char *const steps[] = {
        "CREATE TEMP TABLE IF NOT EXISTS lost(span INTEGER PRIMARY KEY)",
        "DELETE FROM lost",
        "INSERT INTO lost SELECT span FROM fact WHERE trace BETWEEN ?1 AND ?2"
        " EXCEPT SELECT row FROM s.span WHERE trace BETWEEN ?1 AND ?2",
        "INSERT OR REPLACE INTO hour SELECT DISTINCT f.start_time / 3600000000000, 0 FROM lost l"
        " CROSS JOIN fact f ON f.span = l.span",
        "UPDATE segment SET gone = gone + (SELECT count(*) FROM lost WHERE"
        " (span - 1) / 16384 = segment.id) WHERE id IN (SELECT (span - 1) / 16384 FROM lost)",
        "DELETE FROM fact WHERE span IN (SELECT span FROM lost)",
        "DELETE FROM later WHERE span IN (SELECT span FROM lost)",
        "DELETE FROM trace_words WHERE rowid IN (SELECT trace FROM digest WHERE trace BETWEEN ?1"
        " AND ?2 AND trace NOT IN (SELECT row FROM s.trace WHERE row BETWEEN ?1 AND ?2))",
        "DELETE FROM digest WHERE trace BETWEEN ?1 AND ?2"
        " AND trace NOT IN (SELECT row FROM s.trace WHERE row BETWEEN ?1 AND ?2)",
    };
    int err = index_exec(x, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == ERR_OK; i++)
        err = index_run(x, steps[i], i == 2 || i > 6 ? "ii" : "", from, to);
    if (err == ERR_OK)
        err = index_exec(x, "COMMIT");
    if (err != ERR_OK)
        (void)sqlite3_exec(x->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

int index_sweep(struct local_index *x)
{
    int64_t now = clock_boot_ns();
    int64_t purged = x->purged;
    (void)index_get(x, &purged, "SELECT purged_traces FROM s.meta", "");
    if (x->sweep < 0 && purged == x->purged && now - x->looked_again < PAUSE_NS)
        return 0;
    if (x->sweep < 0 || purged != x->purged) {
        x->sweep = 0;
        x->looked_again = now;
    }
    x->purged = purged;
    int64_t last = 0;
    int err = index_get(x, &last,
                        "SELECT coalesce(max(trace), 0) FROM (SELECT trace FROM digest"
                        " WHERE trace > ?1 ORDER BY trace LIMIT ?2)",
                        "ii", x->sweep, (int64_t)STEP);
    if (err == ERR_OK && last > 0)
        err = drop(x, x->sweep + 1, last);
    if (err != ERR_OK)
        return err;
    x->sweep = last > 0 ? last : -1;
    return last > 0;
}
