/* Transactions, and putting traces and spans. */
#include <stdlib.h>
#include <string.h>

#include "store/db.h"

#define DOCUMENT_KEPT ((size_t)1 << 20) /* memory of the printing buffer that is kept */

void db_forget_caches(struct store *s)
{
    db_drop_touched(s);
    for (int kind = IDS_SPAN; kind <= IDS_TRACE; kind++) {
        idmap_clear(&s->ids[kind].recent);
        s->ids[kind].seen = 0;
        idfilter_release(&s->ids[kind].filter);
        s->ids[kind].filtered = 0;
    }
    s->ring_row = 0;
}

int db_meta_read(struct store *s, struct db_meta *meta)
{
    int err;
    sqlite3_stmt *st = db_use(s, META_GET, &err);
    if (st == NULL)
        return err;
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : db_error(s, ERR_CORRUPT, "%s: its counters are missing", s->path);
    *meta = (struct db_meta){
        .next_span = sqlite3_column_int64(st, 0),
        .next_trace = sqlite3_column_int64(st, 1),
        .next_seq = sqlite3_column_int64(st, 2),
        .indexed_span = sqlite3_column_int64(st, 3),
        .indexed_trace = sqlite3_column_int64(st, 4),
        .purged_traces = sqlite3_column_int64(st, 5),
    };
    sqlite3_reset(st);
    return ERR_OK;
}

static int begin(struct store *s)
{
    int err = db_follow(s);
    if (err == ERR_OK)
        err = db_run(s, BEGIN_WRITE, "");
    if (err != ERR_OK)
        return err;
    s->in_transaction = true;
    s->failed = false;
    err = db_meta_read(s, &s->meta);
    s->meta_at_begin = s->meta;
    if (err != ERR_OK) {
        store_rollback(s);
        return err;
    }
    return ERR_OK;
}

int store_begin(struct store *s)
{
    if (s->mode != STORE_WRITE)
        return db_error(s, ERR_DENIED, "%s: opened for reading only", s->path);
    if (s->in_transaction)
        return db_error(s, ERR_BUSY, "%s: a transaction is open already", s->path);
    int err = begin(s);
    return err == ERR_CORRUPT && s->damaged ? begin(s) : err; /* in a new file then */
}

static int save_meta(struct store *s)
{
    if (memcmp(&s->meta, &s->meta_at_begin, sizeof(s->meta)) == 0)
        return ERR_OK;
    const struct db_meta *m = &s->meta;
    return db_run(s, META_SET, "iiiiii", m->next_span, m->next_trace, m->next_seq, m->indexed_span,
                  m->indexed_trace, m->purged_traces);
}

int store_commit(struct store *s)
{
    if (!s->in_transaction)
        return db_error(s, ERR_BAD, "%s: no transaction is open", s->path);
    int err = s->failed ? ERR_IO : db_flush_touched(s);
    if (err == ERR_OK)
        err = save_meta(s);
    if (err == ERR_OK)
        err = db_run(s, COMMIT, "");
    if (err != ERR_OK) {
        store_rollback(s);
        return err;
    }
    s->in_transaction = false;
    db_drop_touched(s);
    return ERR_OK;
}

void store_rollback(struct store *s)
{
    if (!s->in_transaction)
        return;
    if (s->db != NULL && !sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->in_transaction = s->failed = false;
    db_forget_caches(s);
}

int db_enter(struct store *s, bool *own)
{
    *own = false;
    if (s->in_transaction)
        return s->failed ? ERR_IO : ERR_OK;
    int err = store_begin(s);
    *own = err == ERR_OK;
    return err;
}

int db_leave(struct store *s, bool own, int err)
{
    if (!own)
        return err;
    if (err < 0) {
        store_rollback(s);
        return err;
    }
    int committed = store_commit(s);
    return committed < 0 ? committed : err;
}

/* Whether something may be put: inside a transaction that has not failed. */
static int check_open(struct store *s)
{
    if (!s->in_transaction)
        return db_error(s, ERR_BAD, "%s: no transaction is open", s->path);
    return s->failed ? ERR_IO : ERR_OK;
}

static int insert_trace(struct store *s, const struct trace *t, const int64_t *destinations,
                        size_t count, struct db_touched **out)
{
    int64_t ring = 0;
    int err = db_ring_row(s, t->ring_id, &ring);
    if (err != ERR_OK)
        return err;
    char places[128];
    db_destinations_print(destinations, count, places, sizeof(places));
    char *metadata = t->metadata == NULL ? NULL : json_print_new(t->metadata);
    char *tags = t->tags == NULL ? NULL : json_print_new(t->tags);
    int64_t row = s->meta.next_trace;
    err = db_run(s, TRACE_INSERT, "ibiiitttttttttt", row, (const void *)t->trace_id, TRACE_ID_LEN,
                 t->start_time, t->end_time, ring, places[0] == '\0' ? NULL : places, t->name,
                 t->project_id, t->user_id, t->session_id, t->error, metadata, tags, t->output,
                 t->state);
    free(metadata);
    free(tags);
    if (err != ERR_OK)
        return err;
    err = db_touch_new(s, t->trace_id, row, out);
    if (err != ERR_OK)
        return err;
    s->meta.next_trace++;
    db_note_trace(s, t->trace_id, row);
    (*out)->last_time = t->start_time;
    db_touch_error(*out, t->error);
    err = db_queue(s, *out, OUTBOX_TRACE_BEGIN, 0, destinations, count);
    if (err == ERR_OK && t->end_time != 0)
        err = db_queue(s, *out, OUTBOX_TRACE_END, 0, destinations, count);
    return err == ERR_OK ? db_index_tail(s, IDS_TRACE) : err;
}

static int describe_trace(struct store *s, const struct trace *t, struct db_touched *touched,
                          const int64_t *destinations, size_t count)
{
    int err;
    sqlite3_stmt *st = db_use(s, TRACE_BY_ROW, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", touched->row);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    int64_t ended_before = sqlite3_column_int64(st, 2);
    sqlite3_reset(st);
    int64_t ring = 0;
    err = db_ring_row(s, t->ring_id, &ring);
    if (err != ERR_OK)
        return err;
    char places[128];
    db_destinations_print(destinations, count, places, sizeof(places));
    char *metadata = t->metadata == NULL ? NULL : json_print_new(t->metadata);
    char *tags = t->tags == NULL ? NULL : json_print_new(t->tags);
    err = db_run(s, TRACE_DESCRIBE, "iiittttttttit", touched->row, t->start_time, t->end_time,
                 t->name, t->project_id, t->user_id, t->session_id, metadata, tags, t->output,
                 places[0] == '\0' ? NULL : places, ring, t->state);
    free(metadata);
    free(tags);
    if (err == ERR_OK)
        db_touch_error(touched, t->error);
    if (err == ERR_OK && t->end_time > ended_before)
        err = db_queue(s, touched, OUTBOX_TRACE_END, 0, destinations, count);
    return err;
}

int store_put_trace(struct store *s, const struct trace *t, const int64_t *destinations,
                    size_t count)
{
    int err = check_open(s);
    if (err != ERR_OK)
        return err;
    struct db_touched *touched;
    err = db_touch(s, t->trace_id, &touched);
    if (err == ERR_NOENT)
        return insert_trace(s, t, destinations, count, &touched);
    return err != ERR_OK ? err : describe_trace(s, t, touched, destinations, count);
}

/* What a span that is stored already adds to its trace. */
struct stored_span {
    int64_t row, trace, end_time;
    struct span_figures counted;
    bool failed, running;
    bool by_hand;
    int64_t destinations[8];
    size_t destination_count;
};

static int read_stored(struct store *s, int64_t row, struct stored_span *out)
{
    int err;
    sqlite3_stmt *st = db_use(s, SPAN_STATE, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", row);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    out->row = row;
    out->trace = sqlite3_column_int64(st, 0);
    out->end_time = sqlite3_column_int64(st, 1);
    out->running = out->end_time == 0;
    out->counted = (struct span_figures){
        statement_figure(st, 2), statement_figure(st, 3),
        sqlite3_column_type(st, 4) == SQLITE_NULL ? SPAN_UNKNOWN : sqlite3_column_double(st, 4)};
    out->failed = sqlite3_column_int(st, 5) != 0;
    out->destination_count =
        db_destinations_parse((const char *)sqlite3_column_text(st, 6), out->destinations, 8);
    out->by_hand = sqlite3_column_int(st, 8) != 0;
    sqlite3_reset(st);
    return ERR_OK;
}

static void add_to_trace(struct db_touched *t, const struct stored_span *before,
                         const struct span *now)
{
    bool ended = now->end_time != 0;
    if (before->row == 0)
        t->span_count++;
    t->running += (int)!ended - (int)before->running;
    t->errors += (int)(now->error != NULL) - (int)before->failed;
    db_touch_figures(t, before->counted, span_counted(now));
    if (now->start_time > t->last_time)
        t->last_time = now->start_time;
    if (now->end_time > t->last_time)
        t->last_time = now->end_time;
    db_touch_model(t, now, ended);
    db_touch_error(t, now->error);
    t->dirty = true;
}

/* *text is borrowed: from the span when it is sealed, else from the handle. */
static int print_document(struct store *s, const struct span *span, const char **text)
{
    if (s->document.cap > DOCUMENT_KEPT)
        buf_release(&s->document);
    buf_clear(&s->document);
    *text = span->printed;
    int err = *text == NULL ? span_print(span, &s->document) : ERR_OK;
    if (err == ERR_FULL || (*text != NULL && span->printed_len > DB_DOCUMENT_MAX))
        return db_error(s, ERR_RANGE, "%s: a span of more than %zu MB", s->path,
                        DB_DOCUMENT_MAX >> 20);
    if (*text == NULL)
        *text = buf_str(&s->document);
    return err;
}

/* Its input comes from the call inside, and no service takes one later. Twice changes nothing. */
static bool created_late(const struct span *span, bool by_hand)
{
    return by_hand && span->type == SPAN_LLM;
}

static int update_span(struct store *s, const struct span *span, const struct stored_span *before,
                       const int64_t *destinations, size_t count)
{
    if (!before->running)
        return ERR_OK; /* a finished span stays as it is */
    struct db_touched *t;
    const char *document;
    const struct span_figures counted = span_counted(span);
    int err = db_touch_row(s, before->trace, &t);
    if (err == ERR_OK)
        err = print_document(s, span, &document);
    if (err == ERR_OK)
        err = db_run(s, SPAN_UPDATE, "iiiffditt", before->row, span->start_time, span->end_time,
                     counted.tokens_input, counted.tokens_output, counted.cost_usd,
                     (int64_t)(span->error != NULL), document,
                     span->end_time == 0 ? span->state : NULL);
    if (err == ERR_OK)
        add_to_trace(t, before, span);
    if (err == ERR_OK && span->end_time != 0 && created_late(span, before->by_hand))
        err = db_queue(s, t, OUTBOX_SPAN_BEGIN, before->row, destinations, count);
    if (err == ERR_OK && span->end_time != 0)
        err = db_queue(s, t, OUTBOX_SPAN_END, before->row, destinations, count);
    return err;
}

static int trace_of_span(struct store *s, const struct span *span, const int64_t *destinations,
                         size_t count, struct db_touched **out)
{
    int err = db_touch(s, span->trace_id, out);
    if (err != ERR_NOENT)
        return err;
    /* Its trace was never put, or was purged: a span is not lost for that. */
    struct trace t = {.name = span->name, .start_time = span->start_time};
    memcpy(t.trace_id, span->trace_id, TRACE_ID_LEN);
    return insert_trace(s, &t, destinations, count, out);
}

static int insert_span(struct store *s, const struct span *span, const int64_t *destinations,
                       size_t count)
{
    struct db_touched *t;
    const char *document;
    const struct span_figures counted = span_counted(span);
    int64_t ring = 0;
    int err = trace_of_span(s, span, destinations, count, &t);
    if (err == ERR_OK)
        err = db_ring_row(s, span->ring_id, &ring);
    if (err == ERR_OK)
        err = print_document(s, span, &document);
    if (err != ERR_OK)
        return err;
    char places[128] = "";
    if (span->end_time == 0) /* for store_abandon; a finished one needs none */
        db_destinations_print(destinations, count, places, sizeof(places));
    int64_t row = s->meta.next_span;
    err = db_run(s, SPAN_INSERT, "iiiiiffdiittt", row, db_span_key(span->span_id), t->row,
                 span->start_time, span->end_time, counted.tokens_input, counted.tokens_output,
                 counted.cost_usd, (int64_t)(span->error != NULL), ring,
                 places[0] == '\0' ? NULL : places, document,
                 span->end_time == 0 ? span->state : NULL);
    if (err != ERR_OK)
        return err;
    s->meta.next_span++;
    db_note_span(s, span->span_id, row);
    static const struct stored_span nothing = {
        .counted = {SPAN_UNKNOWN, SPAN_UNKNOWN, SPAN_UNKNOWN}};
    add_to_trace(t, &nothing, span);
    if (span->end_time != 0 || span->input_data != NULL || !created_late(span, span->state != NULL))
        err = db_queue(s, t, OUTBOX_SPAN_BEGIN, row, destinations, count);
    if (err == ERR_OK && span->end_time != 0)
        err = db_queue(s, t, OUTBOX_SPAN_END, row, destinations, count);
    return err == ERR_OK ? db_index_tail(s, IDS_SPAN) : err;
}

int store_put_span(struct store *s, const struct span *span, const int64_t *destinations,
                   size_t count)
{
    int err = check_open(s);
    if (err != ERR_OK)
        return err;
    int64_t row = 0;
    struct stored_span before = {0};
    err = db_span_row(s, span->span_id, &row);
    if (err == ERR_OK)
        err = read_stored(s, row, &before);
    if (err == ERR_NOENT)
        return insert_span(s, span, destinations, count);
    return err != ERR_OK ? err : update_span(s, span, &before, destinations, count);
}

/* Ends one running span of the ring. ERR_NOENT: there is none. */
static int abandon_span(struct store *s, int64_t ring, int64_t end_time, const char *error)
{
    int64_t row = 0;
    int err = db_int(s, &row, SPAN_RUNNING, "i", ring);
    struct stored_span before = {0};
    if (err == ERR_OK)
        err = read_stored(s, row, &before);
    sqlite3_stmt *st = err == ERR_OK ? db_use(s, SPAN_BY_ROW, &err) : NULL;
    if (st == NULL)
        return err;
    db_bind(st, "i", row);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    struct span *span = db_read_span(st, 0);
    sqlite3_reset(st);
    if (span == NULL)
        return ERR_NOMEM;
    span->end_time = end_time > span->start_time ? end_time : span->start_time + 1;
    span->partial = true;
    if (span->error == NULL) {
        span->error = strdup(before.by_hand ? STORE_NOT_ENDED : error);
        if (before.by_hand && span->error_type == NULL)
            span->error_type = strdup(STORE_NOT_ENDED_TYPE);
    }
    err = update_span(s, span, &before, before.destinations, before.destination_count);
    span_free(span);
    return err;
}

/* The metadata of a trace made by hand, with what is said of one that its program did not end. */
static int read_marked(struct store *s, int64_t row, json **out)
{
    int err;
    sqlite3_stmt *st = db_use(s, TRACE_BY_ROW, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", row);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    struct trace *t = db_read_trace(st, 0);
    sqlite3_reset(st);
    if (t == NULL)
        return ERR_NOMEM;
    *out = t->metadata != NULL ? t->metadata : json_object();
    t->metadata = NULL;
    trace_free(t);
    json_set_text(*out, STORE_ENDED_BY, STORE_ENDED_BY_EXIT);
    return ERR_OK;
}

/* Ends one running trace of the ring. ERR_NOENT: there is none. */
static int abandon_trace(struct store *s, int64_t ring, int64_t end_time)
{
    int err;
    sqlite3_stmt *st = db_use(s, TRACE_RUNNING, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", ring);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    int64_t row = sqlite3_column_int64(st, 0);
    bool by_hand = sqlite3_column_type(st, 1) != SQLITE_NULL;
    int64_t destinations[8];
    size_t count = db_destinations_parse((const char *)sqlite3_column_text(st, 2), destinations, 8);
    sqlite3_reset(st);
    struct db_touched *touched;
    err = db_touch_row(s, row, &touched);
    if (err != ERR_OK)
        return err;
    struct trace t = {.end_time = end_time > touched->last_time ? end_time : touched->last_time};
    memcpy(t.trace_id, touched->id, TRACE_ID_LEN);
    if (by_hand)
        err = read_marked(s, row, &t.metadata);
    if (err == ERR_OK)
        err = describe_trace(s, &t, touched, destinations, count);
    if (err == ERR_OK && by_hand)
        db_touch_error(touched, STORE_TRACE_LEFT);
    json_free(t.metadata);
    return err;
}

int store_abandon(struct store *s, const char *ring_id, int64_t end_time, const char *error)
{
    bool own;
    int64_t ring = 0;
    int err = db_enter(s, &own);
    if (err != ERR_OK)
        return err;
    err = db_int(s, &ring, RING_FIND, "t", ring_id);
    while (err == ERR_OK)
        err = abandon_span(s, ring, end_time, error);
    if (err == ERR_NOENT && ring != 0)
        do
            err = abandon_trace(s, ring, end_time);
        while (err == ERR_OK);
    return db_leave(s, own, err == ERR_NOENT ? ERR_OK : err);
}
