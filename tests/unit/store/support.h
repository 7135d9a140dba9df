/* What the store's tests share: a folder that goes away, small traces and spans. */
#ifndef TESTS_UNIT_STORE_SUPPORT_H
#define TESTS_UNIT_STORE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

#define T0 INT64_C(1767323045678901234) /* 2026-01-02T03:04:05.678901234 */
#define NS INT64_C(1000000000)

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int folder_make(void **state)
{
    char path[] = "/tmp/store-test-XXXXXX";
    if (mkdtemp(path) == NULL)
        return -1;
    *state = strdup(path);
    return *state == NULL ? -1 : 0;
}

static inline int folder_remove(void **state)
{
    int err = nftw(*state, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return err;
}

static inline struct store *open_store(const char *dir)
{
    struct store *s;
    char *notice;
    int err = store_open(&s, dir, STORE_WRITE, &notice);
    if (err != ERR_OK)
        fail_msg("%s: %s", err_str(err), notice == NULL ? "" : notice);
    free(notice);
    return s;
}

/* The id that belongs to a number, spread over all prefixes. */
static inline void id_of(uint64_t n, uint8_t *id, size_t len)
{
    id_derive("test", n, 0, len == SPAN_ID_LEN ? "span" : "trace", id, len);
}

static inline struct trace *make_trace(uint64_t n)
{
    struct trace *t = trace_new();
    char name[32];
    snprintf(name, sizeof(name), "trace %" PRIu64, n);
    id_of(n, t->trace_id, TRACE_ID_LEN);
    t->name = strdup(name);
    t->start_time = T0 + (int64_t)n * 1000;
    return t;
}

/* A span of a trace, running; tokens 10 in and 5 out, cost 0.5. */
static inline struct span *make_span(uint64_t trace, uint64_t n)
{
    struct span *s = span_new();
    id_of(trace, s->trace_id, TRACE_ID_LEN);
    id_of(n, s->span_id, SPAN_ID_LEN);
    s->name = strdup("chat gpt-4o");
    s->type = SPAN_LLM;
    s->model = strdup("gpt-4o");
    s->start_time = T0 + (int64_t)n * 1000;
    s->tokens_input = 10;
    s->tokens_output = 5;
    s->cost_usd = 0.5;
    return s;
}

static inline void put_trace(struct store *s, uint64_t n, const int64_t *to, size_t count)
{
    struct trace *t = make_trace(n);
    assert_int_equal(store_put_trace(s, t, to, count), ERR_OK);
    trace_free(t);
}

static inline void put_span(struct store *s, uint64_t trace, uint64_t n, bool ended,
                            const int64_t *to, size_t count)
{
    struct span *span = make_span(trace, n);
    if (ended)
        span->end_time = span->start_time + 1500;
    int err = store_put_span(s, span, to, count);
    if (err != ERR_OK)
        fail_msg("put: %s: %s", err_str(err), store_error(s));
    span_free(span);
}

#endif
