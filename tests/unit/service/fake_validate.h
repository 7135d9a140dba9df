/* What tests of this room's rules share: bodies read, and what the server has elsewhere. */
#ifndef TESTS_UNIT_SERVICE_FAKE_VALIDATE_H
#define TESTS_UNIT_SERVICE_FAKE_VALIDATE_H

#include "unit/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/validate.h"

#define WIDE "\xf0\x9f\x98\x80" /* one character, four bytes */

/* ---- What the server has elsewhere */

static const char *query[16]; /* name, value, ... */

const char *request_query(const struct request *r, const char *name)
{
    (void)r;
    for (size_t i = 0; query[i] != NULL; i += 2)
        if (strcmp(query[i], name) == 0)
            return query[i + 1];
    return NULL;
}

void request_fail(struct request *r, int status, const char *format, ...)
{
    (void)format;
    r->status = status;
}

/* ---- */

static struct arena arena;
static struct stored_write written;

static inline int release(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

/* A copy of just that size, which lives as long as what was read out of it is looked at. */
static inline struct text whole(const char *text)
{
    static char *held;
    const size_t len = strlen(text);
    free(held);
    held = malloc(len + (len == 0));
    assert_non_null(held);
    return (struct text){.at = memcpy(held, text, len), .len = len};
}

/* Reads the body; the problems as they are answered, or "" when it is taken. */
static inline const char *read_body(enum body_kind kind, const char *body)
{
    static struct buf out;
    struct problems problems = {0};
    buf_release(&out);
    buf_init(&out, 1 << 20);
    const int err = body_read(kind, whole(body), &arena, &written, &problems);
    assert_int_equal(err == ERR_BAD, problems.count > 0);
    if (err == ERR_OK)
        return "";
    assert_int_equal(err, ERR_BAD);
    assert_int_equal(problems_print(&problems, &out), ERR_OK);
    return buf_str(&out);
}

static inline const char *read_span(const char *members)
{
    char body[4096];
    snprintf(body, sizeof(body), "{\"name\":\"s\",\"span_type\":\"llm\"%s%s}",
             members[0] != '\0' ? "," : "", members);
    return read_body(BODY_CREATE_SPAN, body);
}

static inline const char *read_trace(const char *members)
{
    char body[16384];
    snprintf(body, sizeof(body), "{\"name\":\"t\",\"project_id\":\"p\"%s%s}",
             members[0] != '\0' ? "," : "", members);
    return read_body(BODY_CREATE_TRACE, body);
}

static inline void assert_text(struct text text, const char *expected)
{
    assert_non_null(text.at);
    if (text.len != strlen(expected) || memcmp(text.at, expected, text.len) != 0)
        fail_msg("\"%.*s\" instead of \"%s\"", (int)text.len, text.at, expected);
}

static inline void assert_said(const char *said, const char *part)
{
    if (strstr(said, part) == NULL)
        fail_msg("%s is not in %s", part, said);
}

#endif
