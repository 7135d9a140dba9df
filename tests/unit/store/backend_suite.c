#include "backend_suite.h"

#include "span/span.h"

struct suite suite;

/* ---- Texts that live as long as a test */

static char **names;
static size_t name_count;

static char *keep(char *text)
{
    assert_non_null(text);
    names = realloc(names, (name_count + 1) * sizeof(*names));
    assert_non_null(names);
    names[name_count++] = text;
    return text;
}

void suite_forget_names(void)
{
    for (size_t i = 0; i < name_count; i++)
        free(names[i]);
    free(names);
    names = NULL;
    name_count = 0;
}

struct text suite_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    assert_true(len >= 0);
    return text_of(keep(text));
}

struct text suite_name(const char *what)
{
    static uint8_t run[4];
    static unsigned count;
    char hex[9];
    if (count == 0)
        id_random(run, sizeof(run));
    return suite_printf("%s-%s-%u", what, id_to_hex(run, sizeof(run), hex), ++count);
}

static struct text copy(struct text t)
{
    if (t.at == NULL)
        return t;
    char *at = malloc(t.len + 1);
    assert_non_null(at);
    memcpy(at, t.at, t.len);
    at[t.len] = '\0';
    return (struct text){keep(at), t.len};
}

bool text_is(struct text t, const char *expected)
{
    if (expected == NULL || t.at == NULL)
        return expected == NULL && t.at == NULL;
    return t.len == strlen(expected) && memcmp(t.at, expected, t.len) == 0;
}

bool text_equal(struct text a, struct text b)
{
    return (a.at == NULL) == (b.at == NULL) && a.len == b.len &&
           (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ---- Writes */

static void unknown_span(struct stored_span *s)
{
    s->tokens_input = s->tokens_output = s->tokens_cache_read = SPAN_UNKNOWN;
    s->cost_usd = s->ttft_ms = -1;
}

struct stored_write suite_create_trace(struct text project, struct text id, int64_t start)
{
    return (struct stored_write){
        .op = STORED_CREATE_TRACE,
        .project_id = project,
        .trace = {.trace_id = id,
                  .name = text_of("a trace"),
                  .project_id = project,
                  .start_time = start,
                  .metadata = text_of("{}"),
                  .tags = text_of("[]")},
    };
}

struct stored_write suite_create_span(struct text project, struct text trace, struct text id,
                                      int64_t start)
{
    struct stored_write w = {
        .op = STORED_CREATE_SPAN,
        .project_id = project,
        .span = {.span_id = id,
                 .trace_id = trace,
                 .name = text_of("a span"),
                 .type = SPAN_LLM,
                 .start_time = start},
    };
    unknown_span(&w.span);
    return w;
}

struct stored_write suite_complete_trace(struct text project, struct text id, int64_t end)
{
    return (struct stored_write){
        .op = STORED_COMPLETE_TRACE,
        .project_id = project,
        .trace = {.trace_id = id, .end_time = end},
    };
}

struct stored_write suite_complete_span(struct text project, struct text id, int64_t end)
{
    struct stored_write w = {
        .op = STORED_COMPLETE_SPAN,
        .project_id = project,
        .span = {.span_id = id, .end_time = end},
    };
    unknown_span(&w.span);
    return w;
}

static int write_some(struct stored_write **writes, size_t count)
{
    int err = ERR_BUSY;
    for (int i = 0; i < 20 && err == ERR_BUSY; i++)
        err = suite.ops->write(suite.writer, writes, count);
    if (err != ERR_OK)
        fail_msg("write: %s: %s", err_str(err), backend_error(suite.ops, suite.writer));
    return err;
}

void suite_write(struct stored_write *writes, size_t count)
{
    struct stored_write *some[64];
    size_t most = suite.ops->batch < 64 ? suite.ops->batch : 64;
    for (size_t at = 0; at < count;) {
        size_t n = 0;
        for (; n < most && at < count; n++, at++)
            some[n] = &writes[at];
        assert_int_equal(write_some(some, n), ERR_OK);
        for (size_t i = 0; i < n; i++)
            if (some[i]->result != ERR_OK)
                fail_msg("write %zu of %zu: %s", at - n + i, count, err_str(some[i]->result));
    }
}

int suite_write_one(struct stored_write w)
{
    struct stored_write *one = &w;
    assert_int_equal(write_some(&one, 1), ERR_OK);
    return w.result;
}

/* ---- Reads */

void suite_copy_trace(struct stored_trace *out, const struct stored_trace *from)
{
    *out = *from;
    struct text *texts[] = {&out->trace_id, &out->name,    &out->project_id, &out->metadata,
                            &out->tags,     &out->user_id, &out->session_id, &out->output,
                            &out->model,    &out->error};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = copy(*texts[i]);
}

void suite_copy_span(struct stored_span *out, const struct stored_span *from)
{
    *out = *from;
    struct text *texts[] = {&out->span_id,  &out->trace_id,   &out->parent_span_id,
                            &out->name,     &out->input_data, &out->output_data,
                            &out->metadata, &out->model,      &out->error};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = copy(*texts[i]);
}

static int copy_trace(void *user, const struct stored_trace *trace)
{
    suite_copy_trace(user, trace);
    return 0;
}

static int copy_span(void *user, const struct stored_span *span)
{
    suite_copy_span(user, span);
    return 0;
}

int suite_get_trace(struct text project, struct text id, struct stored_trace *out)
{
    return suite.ops->trace(suite.reader, project, id, copy_trace, out);
}

int suite_get_span(struct text project, struct text id, struct stored_span *out)
{
    return suite.ops->span(suite.reader, project, id, copy_span, out);
}

static int note_id(void *user, const struct stored_trace *trace)
{
    struct suite_ids *out = user;
    out->ids = realloc(out->ids, (out->count + 1) * sizeof(*out->ids));
    assert_non_null(out->ids);
    out->ids[out->count] = strndup(trace->trace_id.at, trace->trace_id.len);
    assert_non_null(out->ids[out->count]);
    out->count++;
    return 0;
}

void suite_list(struct stored_filter f, struct suite_ids *out)
{
    char *cursor = NULL;
    memset(out, 0, sizeof(*out));
    do {
        char *next = NULL;
        size_t before = out->count;
        f.cursor = text_of(cursor);
        int err = suite.ops->list(suite.reader, &f, note_id, out, &next);
        if (err != ERR_OK)
            fail_msg("list: %s: %s", err_str(err), backend_error(suite.ops, suite.reader));
        free(cursor);
        cursor = next;
        out->pages++;
        assert_true(out->count - before <= f.limit);
        if (cursor != NULL)
            assert_true(out->count > before); /* no empty page while there is more */
    } while (cursor != NULL);
}

void suite_ids_release(struct suite_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free(ids->ids[i]);
    free(ids->ids);
    memset(ids, 0, sizeof(*ids));
}

void suite_expect(struct stored_filter f, const struct text *expected, size_t count)
{
    struct suite_ids got;
    if (f.limit == 0)
        f.limit = 50;
    suite_list(f, &got);
    for (size_t i = 0; i < got.count && i < count; i++)
        if (!text_is(expected[i], got.ids[i]))
            fail_msg("place %zu: %s, not %.*s", i, got.ids[i], (int)expected[i].len,
                     expected[i].at);
    if (got.count != count)
        fail_msg("%zu traces, not %zu", got.count, count);
    suite_ids_release(&got);
}

/* ---- The run */

static int forget(void **state)
{
    (void)state;
    suite_forget_names();
    return 0;
}

static int run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    struct CMUnitTest *own = calloc(count, sizeof(*own));
    if (own == NULL)
        return 1;
    for (size_t i = 0; i < count; i++) {
        own[i] = tests[i];
        own[i].teardown_func = forget;
    }
    int failed = _cmocka_run_group_tests(name, own, count, NULL, NULL);
    free(own);
    return failed;
}

int backend_suite_run(const struct backend_ops *ops, const struct backend_settings *settings,
                      const struct backend_suite_options *options)
{
    char *notice = NULL;
    suite = (struct suite){.ops = ops, .options = *options};
    int err = ops->open(&suite.backend, settings, &notice);
    if (err == ERR_OK)
        err = ops->session_new(suite.backend, true, &suite.writer);
    if (err == ERR_OK)
        err = ops->session_new(suite.backend, false, &suite.reader);
    if (err != ERR_OK) {
        fprintf(stderr, "%s: open: %s: %s\n", ops->name, err_str(err),
                notice == NULL ? "" : notice);
        free(notice);
        return 1;
    }
    free(notice);
    int failed = run("writes", suite_write_tests, suite_write_test_count);
    failed += run("lists", suite_list_tests, suite_list_test_count);
    failed += run("stats", suite_stats_tests, suite_stats_test_count);
    failed += run("random", suite_random_tests, suite_random_test_count);
    ops->session_free(suite.reader);
    ops->session_free(suite.writer);
    ops->close(suite.backend);
    return failed;
}
