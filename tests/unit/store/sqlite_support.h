/* What the tests of the service's SQLite store share. */
#ifndef TESTS_UNIT_STORE_SQLITE_SUPPORT_H
#define TESTS_UNIT_STORE_SQLITE_SUPPORT_H

#include "support.h"

#include "store/backend.h"
#include "store/sqlite/sqlite.h"

struct sqlite_store {
    struct backend *backend;
    struct backend_session *writer, *reader;
};

static inline struct sqlite_store open_sqlite(const char *dir)
{
    struct sqlite_store s = {NULL, NULL, NULL};
    struct backend_settings settings = {.data_dir = dir};
    char *notice = NULL;
    int err = backend_sqlite.open(&s.backend, &settings, &notice);
    if (err != ERR_OK)
        fail_msg("open: %s: %s", err_str(err), notice == NULL ? "" : notice);
    assert_null(notice);
    assert_int_equal(backend_sqlite.session_new(s.backend, true, &s.writer), ERR_OK);
    assert_int_equal(backend_sqlite.session_new(s.backend, false, &s.reader), ERR_OK);
    return s;
}

static inline void close_sqlite(struct sqlite_store *s)
{
    backend_sqlite.session_free(s->reader);
    backend_sqlite.session_free(s->writer);
    backend_sqlite.close(s->backend);
}

/* Texts of one write. */
struct write_texts {
    char trace[32], span[32], name[32], input[96];
};

/* Creates trace `n` of project p (span 0) or its span; nothing of it ends. */
static inline void make_write(struct stored_write *w, struct write_texts *t, uint64_t n,
                              uint64_t span)
{
    memset(w, 0, sizeof(*w));
    snprintf(t->trace, sizeof(t->trace), "trace-%" PRIu64, n);
    snprintf(t->span, sizeof(t->span), "span-%" PRIu64 "-%" PRIu64, n, span);
    snprintf(t->name, sizeof(t->name), "name %" PRIu64, n);
    snprintf(t->input, sizeof(t->input), "{\"q\":\"common word%" PRIu64 " part%" PRIu64 "\"}", n,
             span);
    w->project_id = text_of("p");
    if (span == 0) {
        w->op = STORED_CREATE_TRACE;
        w->trace = (struct stored_trace){
            .trace_id = text_of(t->trace), .name = text_of(t->name), .start_time = T0 + (int64_t)n};
        return;
    }
    w->op = STORED_CREATE_SPAN;
    w->span = (struct stored_span){.trace_id = text_of(t->trace),
                                   .span_id = text_of(t->span),
                                   .name = text_of("call"),
                                   .type = SPAN_LLM,
                                   .start_time = T0 + (int64_t)n,
                                   .input_data = text_of(t->input),
                                   .model = text_of("gpt-4o"),
                                   .tokens_input = 10,
                                   .tokens_output = SPAN_UNKNOWN,
                                   .tokens_cache_read = SPAN_UNKNOWN,
                                   .cost_usd = 0.5,
                                   .ttft_ms = -1};
}

/* Traces first .. first + count - 1 with so many spans each, in one batch; what write said. */
static inline int try_traces(struct backend_session *s, uint64_t first, uint64_t count,
                             uint64_t spans)
{
    size_t total = (size_t)(count * (spans + 1));
    struct stored_write *writes = calloc(total, sizeof(*writes));
    struct stored_write **all = calloc(total, sizeof(*all));
    struct write_texts *texts = calloc(total, sizeof(*texts));
    if (writes == NULL || all == NULL || texts == NULL)
        abort();
    for (size_t i = 0; i < total; i++) {
        make_write(&writes[i], &texts[i], first + i / (spans + 1), i % (spans + 1));
        all[i] = &writes[i];
    }
    int err = backend_sqlite.write(s, all, total);
    for (size_t i = 0; i < total && err == ERR_OK; i++)
        err = writes[i].result;
    free(writes);
    free(all);
    free(texts);
    return err;
}

static inline void put_traces(struct sqlite_store *s, uint64_t first, uint64_t count,
                              uint64_t spans)
{
    int err = try_traces(s->writer, first, count, spans);
    if (err != ERR_OK)
        fail_msg("write: %s: %s", err_str(err), backend_error(&backend_sqlite, s->writer));
}

static inline int count_one(void *user, const struct stored_trace *t)
{
    (void)t;
    ++*(size_t *)user;
    return 0;
}

/* Traces on all pages. */
static inline size_t count_listed(struct sqlite_store *s, struct stored_filter f)
{
    size_t count = 0;
    char *cursor = NULL;
    f.limit = 100;
    do {
        char *next = NULL;
        f.cursor = text_of(cursor);
        int err = backend_sqlite.list(s->reader, &f, count_one, &count, &next);
        if (err != ERR_OK)
            fail_msg("list: %s: %s", err_str(err), backend_error(&backend_sqlite, s->reader));
        free(cursor);
        cursor = next;
    } while (cursor != NULL);
    return count;
}

static inline int take_spans(void *user, const struct stored_group *g)
{
    *(int64_t *)user += g->spans;
    return 0;
}

static inline int64_t total_spans(struct sqlite_store *s)
{
    int64_t spans = 0;
    struct stored_stats q = {.project_id = text_of("p"), .limit = 1};
    assert_int_equal(backend_sqlite.stats(s->reader, &q, take_spans, &spans), ERR_OK);
    return spans;
}

/* Ends the thread of the index and fills the index to the end. */
static inline void settle_index(struct sqlite_store *s)
{
    struct search_index *x = &s->backend->index;
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_cond_signal(&x->wake);
    pthread_mutex_unlock(&x->lock);
    if (x->running)
        pthread_join(x->thread, NULL);
    x->running = false;
    int more = 1;
    while (more == 1)
        more = search_index_step(x);
    assert_int_equal(more, 0);
}

#endif
