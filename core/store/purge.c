/* Retention. */
#include <stdlib.h>
#include <string.h>

#include "store/db.h"

#define SPANS_A_STEP 1000

static int delete_span(struct store *s, int64_t row)
{
    int64_t key;
    int err = db_int(s, &key, SPAN_ID_BY_ROW, "i", row);
    uint8_t id[SPAN_ID_LEN];
    char hex[SPAN_ID_HEX];
    if (err == ERR_OK) {
        db_span_id(key, id);
        err = db_run(s, REMOTE_DELETE, "t", id_to_hex(id, SPAN_ID_LEN, hex));
    }
    return err != ERR_OK ? err : db_run(s, SPAN_DELETE, "i", row);
}

/* What goes next: a trace with all its spans, or those of its spans that began before a time. */
struct victim {
    int64_t trace;
    int64_t before;
    bool whole;
};

/* Deletes at most SPANS_A_STEP spans, oldest first; returns how many. */
static int delete_spans(struct store *s, const struct victim *victim)
{
    int64_t *rows = malloc(SPANS_A_STEP * sizeof(*rows));
    if (rows == NULL)
        return ERR_NOMEM;
    int count = 0;
    int err;
    sqlite3_stmt *st = db_use(s, PURGE_SPANS_OF_TRACE, &err);
    if (st != NULL) {
        db_bind(st, "iii", victim->trace, (int64_t)SPANS_A_STEP, victim->before);
        while (count < SPANS_A_STEP && (err = db_step(s, st)) == 1)
            rows[count++] = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    for (int i = 0; i < count && err >= 0; i++)
        err = delete_span(s, rows[i]);
    free(rows);
    return err < 0 ? err : count;
}

static int delete_trace(struct store *s, int64_t row)
{
    struct db_touched *t;
    int err = db_touch_row(s, row, &t);
    if (err != ERR_OK)
        return err;
    uint8_t id[TRACE_ID_LEN];
    char hex[TRACE_ID_HEX];
    memcpy(id, t->id, sizeof(id));
    int64_t first = t->first_seq;
    int64_t last = t->last_seq;
    err = first == 0 ? ERR_OK : db_run(s, OUTBOX_DELETE_OF_TRACE, "iii", row, first, last);
    if (err == ERR_OK)
        err = db_run(s, REMOTE_DELETE, "t", id_to_hex(id, TRACE_ID_LEN, hex));
    if (err == ERR_OK)
        err = db_run(s, TRACE_DELETE, "i", row);
    if (err == ERR_OK) {
        s->meta.purged_traces++;
        db_drop_touched(s); /* it must not be written back */
    }
    return err;
}

/* Bytes in use, without pages that wait to be used again. */
static int bytes_in_use(struct store *s, int64_t *bytes, int64_t *unused)
{
    int64_t pages = 0;
    int64_t unused_pages = 0;
    int err = db_int(s, &pages, PAGE_COUNT, "");
    if (err == ERR_OK)
        err = db_int(s, &unused_pages, FREE_COUNT, "");
    if (err == ERR_OK && s->page_size == 0) {
        int64_t size = 0;
        err = db_int(s, &size, PAGE_SIZE, "");
        s->page_size = (size_t)size;
    }
    *bytes = (pages - unused_pages) * (int64_t)s->page_size;
    *unused = unused_pages * (int64_t)s->page_size;
    return err;
}

static int choose_expired(struct store *s, int64_t older_than, struct victim *out)
{
    if (older_than <= 0)
        return ERR_NOENT;
    int err = db_int(s, &out->trace, PURGE_EXPIRED, "i", older_than);
    if (err != ERR_NOENT)
        return err;
    *out = (struct victim){.before = older_than};
    return db_int(s, &out->trace, PURGE_EXPIRED_PART, "i", older_than);
}

/* ERR_NOENT: nothing has to go. */
static int choose(struct store *s, int64_t older_than, int64_t max_bytes, struct victim *out)
{
    *out = (struct victim){.before = INT64_MAX, .whole = true};
    int err = choose_expired(s, older_than, out);
    if (err != ERR_NOENT || max_bytes <= 0)
        return err;
    *out = (struct victim){.before = INT64_MAX, .whole = true};
    int64_t bytes;
    int64_t unused;
    err = bytes_in_use(s, &bytes, &unused);
    if (err != ERR_OK)
        return err;
    if (bytes <= max_bytes)
        return ERR_NOENT;
    err = db_int(s, &out->trace, PURGE_OLDEST_DELIVERED, "");
    return err == ERR_NOENT ? db_int(s, &out->trace, PURGE_OLDEST_ANY, "") : err;
}

/* Gives free pages at the file's end back, a few at a time. */
static int shrink(struct store *s, int64_t max_bytes)
{
    int64_t bytes;
    int64_t unused;
    int err = bytes_in_use(s, &bytes, &unused);
    if (err != ERR_OK || unused == 0 ||
        (unused < bytes / 4 && (max_bytes <= 0 || bytes + unused <= max_bytes)))
        return err;
    sqlite3_stmt *st = db_use(s, VACUUM_STEP, &err);
    while (st != NULL && (err = db_step(s, st)) == 1)
        ;
    return err;
}

int store_purge(struct store *s, int64_t older_than, int64_t max_bytes)
{
    bool own;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    int purged = 0;
    int spans = 0;
    while (err == ERR_OK && spans < SPANS_A_STEP) {
        struct victim victim = {0};
        err = db_flush_touched(s);
        if (err == ERR_OK)
            err = choose(s, older_than, max_bytes, &victim);
        int deleted = err == ERR_OK ? delete_spans(s, &victim) : 0;
        if (deleted < 0)
            err = deleted;
        spans += deleted + 1;
        if (err == ERR_OK && victim.whole && deleted < SPANS_A_STEP)
            err = delete_trace(s, victim.trace);
        if (err == ERR_OK)
            purged++;
    }
    if (err == ERR_NOENT)
        err = ERR_OK;
    if (err == ERR_OK && purged > 0)
        err = db_segments_drop(s);
    if (err == ERR_OK)
        err = shrink(s, max_bytes);
    err = db_leave(s, own, err);
    return err < 0 ? err : purged;
}
