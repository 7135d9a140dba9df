/* What the tests of the backend over the collector's store share. */
#ifndef TESTS_UNIT_STORE_LOCAL_SUPPORT_H
#define TESTS_UNIT_STORE_LOCAL_SUPPORT_H

#include "base/clock.h"
#include "store/backend.h"
#include "support.h"

struct look {
    struct backend *backend;
    struct backend_session *session;
};

static inline struct look look_open(const char *dir)
{
    struct look l;
    char *notice;
    const struct backend_settings settings = {.data_dir = dir};
    int err = backend_local.open(&l.backend, &settings, &notice);
    if (err != ERR_OK)
        fail_msg("%s: %s", err_str(err), notice == NULL ? "" : notice);
    assert_null(notice);
    assert_int_equal(backend_local.session_new(l.backend, false, &l.session), ERR_OK);
    return l;
}

static inline void look_close(struct look *l)
{
    backend_local.session_free(l->session);
    backend_local.close(l->backend);
}

/* Names of the traces of a page, each with a blank behind it. */
struct names {
    char text[65536];
    size_t count;
};

static inline int names_add(void *user, const struct stored_trace *t)
{
    struct names *n = user;
    size_t at = strlen(n->text);
    assert_true(at + t->name.len + 2 < sizeof(n->text));
    snprintf(n->text + at, sizeof(n->text) - at, "%.*s ", (int)t->name.len, t->name.at);
    n->count++;
    return 0;
}

/* All pages of a filter; returns how many pages there were. */
static inline size_t list_all(struct look *l, struct stored_filter f, struct names *out)
{
    char *cursor = NULL;
    size_t pages = 0;
    *out = (struct names){0};
    do {
        char *next = NULL;
        size_t before = out->count;
        f.cursor = text_of(cursor);
        int err = backend_local.list(l->session, &f, names_add, out, &next);
        if (err != ERR_OK)
            fail_msg("%s: %s", err_str(err), backend_error(&backend_local, l->session));
        assert_true(out->count - before <= f.limit);
        assert_true(next == NULL || out->count > before); /* no empty page before the last one */
        free(cursor);
        cursor = next;
        pages++;
    } while (cursor != NULL);
    return pages;
}

static inline void expect_list(struct look *l, struct stored_filter f, const char *names)
{
    struct names found;
    if (f.limit == 0)
        f.limit = 100;
    list_all(l, f, &found);
    assert_string_equal(found.text, names);
}

/* Looks until the list is that, at most some seconds: what is done behind is not there at once. */
static inline void await_list(struct look *l, struct stored_filter f, const char *names)
{
    struct names found;
    if (f.limit == 0)
        f.limit = 100;
    for (int i = 0; i < 500; i++) {
        list_all(l, f, &found);
        if (strcmp(found.text, names) == 0)
            return;
        usleep(20000);
    }
    assert_string_equal(found.text, names);
}

/* A trace of that name, which begins at T0 + second and took so many ms (0: it runs). */
static inline struct trace *named_trace(uint64_t n, const char *name, int64_t second, int64_t ms)
{
    struct trace *t = make_trace(n);
    free(t->name);
    t->name = strdup(name);
    t->start_time = T0 + second * NS;
    t->end_time = ms == 0 ? 0 : t->start_time + ms * NS_PER_MS;
    return t;
}

static inline void put_named(struct store *s, struct trace *t)
{
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_put_trace(s, t, NULL, 0), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    trace_free(t);
}

static inline void put_a_span(struct store *s, struct span *span)
{
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    span_free(span);
}

#endif
