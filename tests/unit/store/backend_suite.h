/* What every backend that can be written has to do: core/store/backend.h as tests. A backend's own
 * test calls backend_suite_run; projects and ids are new in each run, so that the store may have
 * other things in it. */
#ifndef TESTS_UNIT_STORE_BACKEND_SUITE_H
#define TESTS_UNIT_STORE_BACKEND_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/backend.h"

struct backend_suite_options {
    unsigned scale;  /* 1: some hundred writes in each of the random tests; more: times as many */
    bool span_hours; /* spans count in the hour of their own start, not of their trace's */
    bool purges;     /* purge deletes (and does not leave it to the store's own clock) */
};

/* Opens the backend, runs all tests, closes it. Returns how many failed. */
int backend_suite_run(const struct backend_ops *ops, const struct backend_settings *settings,
                      const struct backend_suite_options *options);

/* ---- For the files of the suite */

#define T0 INT64_C(1767323045678901000) /* 2026-01-02T03:04:05.678901 */
#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

struct suite {
    const struct backend_ops *ops;
    struct backend *backend;
    struct backend_session *writer, *reader;
    struct backend_suite_options options;
};
extern struct suite suite;

/* A name that is new in this run, for a project or an id; lives until the end of the test. */
struct text suite_name(const char *what);
struct text suite_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void suite_forget_names(void);

/* Writes with nothing told but what the arguments say. */
struct stored_write suite_create_trace(struct text project, struct text id, int64_t start);
struct stored_write suite_create_span(struct text project, struct text trace, struct text id,
                                      int64_t start);
struct stored_write suite_complete_trace(struct text project, struct text id, int64_t end);
struct stored_write suite_complete_span(struct text project, struct text id, int64_t end);
/* Does them together, as many at once as the backend takes; fails the test on an error. */
void suite_write(struct stored_write *writes, size_t count);
/* Does one and returns its result. */
int suite_write_one(struct stored_write w);

bool text_is(struct text t, const char *expected); /* NULL: absent */
bool text_equal(struct text a, struct text b);

/* Ids of the traces of all pages of a query, in order. */
struct suite_ids {
    char **ids;
    size_t count, pages;
};
void suite_list(struct stored_filter f, struct suite_ids *out);
void suite_ids_release(struct suite_ids *ids);
/* Lists and compares with ids of suite_name, NULL-terminated. */
void suite_expect(struct stored_filter f, const struct text *expected, size_t count);

/* A copy of one trace, spans' texts included, until suite_forget_names. ERR_NOENT. */
int suite_get_trace(struct text project, struct text id, struct stored_trace *out);
int suite_get_span(struct text project, struct text id, struct stored_span *out);
void suite_copy_trace(struct stored_trace *out, const struct stored_trace *from);
void suite_copy_span(struct stored_span *out, const struct stored_span *from);

/* The tests of the other files, each with its count. */
extern const struct CMUnitTest suite_write_tests[], suite_list_tests[], suite_stats_tests[],
    suite_random_tests[];
extern const size_t suite_write_test_count, suite_list_test_count, suite_stats_test_count,
    suite_random_test_count;

#endif
