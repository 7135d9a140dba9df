/* Deletes what is too old, some rows a step. A trace goes first, its spans with it or, when they
 * are many, in the next steps: nobody sees them any more. */
#include "store/sqlite/sqlite.h"

enum { SPANS_A_STEP = 500, TRACES_A_STEP = 100 };

struct step {
    struct backend_session *s;
    int64_t rows[TRACES_A_STEP]; /* deleted traces */
    size_t count;
    int spans;
};

/* Deletes spans of a trace that is gone; *left: there are more. */
static int delete_spans(struct step *step, int64_t trace, bool *left)
{
    struct backend_session *s = step->s;
    int64_t room = SPANS_A_STEP - step->spans;
    int err = sql_run(s, SQL_SPANS_DELETE, "ii", trace, room);
    int deleted = sqlite3_changes(s->db);
    step->spans += deleted;
    *left = deleted >= room;
    return err;
}

static int finish_doomed(struct step *step)
{
    int err = ERR_OK;
    while (err == ERR_OK && step->spans < SPANS_A_STEP) {
        int64_t trace = 0;
        bool left = false;
        sqlite3_stmt *st = sql_use(step->s, SQL_DOOMED_FIRST, &err);
        if (st == NULL)
            return err;
        err = sql_step(step->s, st);
        if (err == 1)
            trace = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
        if (err != 1)
            return err;
        err = delete_spans(step, trace, &left);
        if (err == ERR_OK && !left)
            err = sql_run(step->s, SQL_DOOMED_DELETE, "i", trace);
    }
    return err;
}

static int doom_traces(struct step *step, int64_t older_than)
{
    struct shelf_place places[TRACES_A_STEP];
    struct shelf_query q = {.to = older_than, .sort = SORT_START, .ascending = true};
    if (older_than <= 0)
        return ERR_OK;
    pthread_rwlock_rdlock(&step->s->b->shelf_lock);
    int count = shelf_choose(&step->s->b->shelf, &q, places, TRACES_A_STEP);
    pthread_rwlock_unlock(&step->s->b->shelf_lock);
    int err = ERR_OK;
    for (int i = 0; i < count && err == ERR_OK && step->spans < SPANS_A_STEP; i++) {
        err = sql_run(step->s, SQL_DOOMED_INSERT, "i", places[i].row);
        if (err == ERR_OK)
            err = sql_run(step->s, SQL_TRACE_DELETE, "i", places[i].row);
        if (err == ERR_OK)
            err = finish_doomed(step);
        step->rows[step->count++] = places[i].row;
    }
    return err;
}

int sqlite_purge(struct backend_session *s, int64_t older_than)
{
    struct step step = {.s = s};
    if (!s->writer)
        return sql_error(s, ERR_UNSUPPORTED, "this session does not write");
    pthread_mutex_lock(&s->b->writing);
    int err = batch_begin(s);
    if (err == ERR_OK)
        err = finish_doomed(&step);
    if (err == ERR_OK && step.spans < SPANS_A_STEP)
        err = doom_traces(&step, older_than);
    err = batch_end(s, err);
    if (err == ERR_OK) {
        pthread_rwlock_wrlock(&s->b->shelf_lock);
        for (size_t i = 0; i < step.count; i++)
            shelf_remove(&s->b->shelf, step.rows[i]);
        pthread_rwlock_unlock(&s->b->shelf_lock);
    }
    pthread_mutex_unlock(&s->b->writing);
    return err < 0 ? err : step.spans + (int)step.count;
}
