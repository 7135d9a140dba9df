/* The exporters that need no service, and what the service's bodies keep of large spans. */
#include "helper.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "export/service.h"

struct fixture {
    char *dir;
    char path[4096];
    struct store *store;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->dir = make_dir();
    snprintf(f->path, sizeof(f->path), "%s/out.ndjson", f->dir);
    f->store = open_store(f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    remove_dir(f->dir);
    free(f);
    return 0;
}

static char *read_all(const char *path, size_t *len)
{
    char *text = calloc(1, 1 << 20);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    *len = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

static void file_gets_a_line_a_span(void **state)
{
    struct fixture *f = *state;
    int64_t id = add_destination(f->store, "file", f->path, NULL);
    for (uint8_t i = 1; i <= 4; i++)
        put_trace(f->store, i, 3, &id, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    size_t len;
    char *text = read_all(f->path, &len);
    size_t lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        struct span *s = span_parse(line, strlen(line));
        assert_non_null(s);
        assert_int_equal(s->trace_id[0], lines / 3 + 1);
        assert_int_equal(s->span_id[1], lines % 3 + 1);
        assert_non_null(s->output_data);
        span_free(s);
    }
    assert_int_equal(lines, 12);
    free(text);
}

static void file_without_content_holds_no_prompt(void **state)
{
    struct fixture *f = *state;
    int64_t id = 0;
    const struct destination d = {.kind = "file", .url = f->path, .content = false};
    assert_int_equal(store_destination(f->store, &d, NULL, &id), ERR_OK);
    put_trace(f->store, 1, 2, &id, 1);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    size_t len;
    char *text = read_all(f->path, &len);
    assert_null(strstr(text, "assistant"));
    assert_null(strstr(text, "a prompt in the command line"));
    assert_non_null(strstr(text, "tokens_input"));
    free(text);
}

static void file_that_cannot_be_written_waits(void **state)
{
    struct fixture *f = *state;
    char path[4200];
    snprintf(path, sizeof(path), "%s/missing/out", f->dir);
    int64_t id = add_destination(f->store, "file", path, NULL);
    put_trace(f->store, 1, 3, &id, 1);
    assert_true(run_queue(f->dir, f->store, 0, 200) > 0);
    assert_non_null(strstr(delivery_of(f->store).error, "cannot open"));
    *strrchr(path, '/') = '\0';
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
}

/* A full disk in the middle of a line: the half line is taken back, and nothing is there twice. */
static void half_lines_are_taken_back(void **state)
{
    struct fixture *f = *state;
    struct rlimit old;
    struct outbox_entry entries[EXPORT_BATCH_MAX];
    int64_t id = add_destination(f->store, "file", f->path, NULL);
    put_trace(f->store, 1, 3, &id, 1);
    int count = store_outbox_next(f->store, id, 0, entries, EXPORT_BATCH_MAX);
    assert_int_equal(count, 8);
    char error[EXPORT_REASON_MAX] = "";
    void *exporter_state = NULL;
    atomic_bool cancel = false;
    struct destination d = {.kind = "file", .url = f->path, .content = true};
    struct export_context c = {.store = f->store,
                               .destination = &d,
                               .state = &exporter_state,
                               .error = error,
                               .error_size = sizeof(error),
                               .timing = &fast,
                               .cancel = &cancel};
    const struct exporter *file = exporters[1];
    assert_string_equal(file->name, "file");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    const struct rlimit small = {.rlim_cur = 700, .rlim_max = old.rlim_max};
    bool delivered[EXPORT_BATCH_MAX] = {false};
    enum export_result all = EXPORT_DELIVERED;
    setrlimit(RLIMIT_FSIZE, &small);
    size_t taken = file->deliver_batch(&c, entries, (size_t)count, delivered, &all);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(taken, 0);
    assert_int_equal(all, EXPORT_RETRY);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, 0);
}

static void console_line_cannot_steer_a_terminal(void **state)
{
    struct fixture *f = *state;
    int64_t id = add_destination(f->store, "console", f->path, NULL);
    struct trace *t = make_trace(1, "trace");
    struct span *s = make_span(1, 1, 0);
    free(s->name);
    s->name = strdup("evil\033]0;x\007\nname");
    end_span(s);
    s->error = strdup("429 slow down");
    assert_int_equal(store_begin(f->store), ERR_OK);
    assert_int_equal(store_put_trace(f->store, t, &id, 1), ERR_OK);
    assert_int_equal(store_put_span(f->store, s, &id, 1), ERR_OK);
    assert_int_equal(store_commit(f->store), ERR_OK);
    assert_int_equal(run_queue(f->dir, f->store, 0, 5000), 0);
    size_t len;
    char *text = read_all(f->path, &len);
    assert_string_equal(text, "2026-01-02T03:00:01Z 01010101 llm evil?]0;x??name gpt-4o-mini "
                              "250 ms in=12 out=34 $0.0125 error: 429 slow down\n");
    free(text);
    span_free(s);
    trace_free(t);
}

static void large_content_keeps_head_and_tail(void **state)
{
    (void)state;
    json *value = json_object();
    json *messages = json_array();
    char *text = malloc(200001);
    memset(text, 'x', 200000);
    memcpy(text, "HEAD", 4);
    memcpy(text + 199996, "TAIL", 5);
    json *message = json_object();
    json_set_text(message, "role", "user");
    json_set_text(message, "content", text);
    json_add(messages, message);
    json_set(value, "messages", messages);
    json_trim(&value, OLD_CONTENT_MAX);
    assert_true(json_ascii_size(value) <= OLD_CONTENT_MAX);
    const char *kept = json_text(json_path(value, "messages.0.content"));
    assert_memory_equal(kept, "HEAD", 4);
    assert_string_equal(kept + strlen(kept) - 4, "TAIL");
    assert_non_null(strstr(kept, "bytes left out"));
    assert_true(json_is_true(json_get(value, "_truncated")));
    json_free(value);
    free(text);
}

/* Thousands of short messages in letters that count six each: the middle goes. */
static void many_messages_keep_the_ends(void **state)
{
    (void)state;
    json *value = json_object();
    json *messages = json_array();
    for (int i = 0; i < 3000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "ü ü ü ü %d", i);
        json_add(messages, json_string(text));
    }
    json_set(value, "messages", messages);
    size_t before = json_ascii_size(value);
    json_trim(&value, OLD_CONTENT_MAX);
    assert_true(json_ascii_size(value) <= OLD_CONTENT_MAX);
    const json *kept = json_get(value, "messages");
    assert_true(json_length(kept) > 100);
    assert_string_equal(json_text(json_at(kept, 0)), "ü ü ü ü 0");
    assert_string_equal(json_text(json_at(kept, json_length(kept) - 1)), "ü ü ü ü 2999");
    int64_t original = 0;
    assert_true(json_get_int(value, "_original_size", &original));
    assert_int_equal(original, before);
    json_free(value);
}

static void sizes_are_those_of_python(void **state)
{
    (void)state;
    json *value = parse("{\"a\":[\"ü\",\"\\u0001\",\"😀\",\"q\\\"\"],\"b\":null}");
    /* json.dumps gives {"a": ["\u00fc", "\u0001", "\ud83d\ude00", "q\""], "b": null} */
    assert_true(json_ascii_size(value) >=
                strlen("{'a': ['\\u00fc', '\\u0001', '\\ud83d\\ude00', 'q\\''], 'b': null}"));
    json_free(value);
}

static void texts_are_cut_between_characters(void **state)
{
    (void)state;
    char *cut = text_limit("aäöü", 2);
    assert_string_equal(cut, "aä");
    free(cut);
    char text[4001];
    for (size_t i = 0; i < 4000; i += 2)
        memcpy(text + i, "ö", 2);
    text[4000] = '\0';
    cut = text_trim(text, 500);
    json *clean = json_string(cut);
    assert_string_equal(json_text(clean), cut); /* still valid UTF-8 */
    assert_true(strlen(cut) < 1000);
    json_free(clean);
    free(cut);
}

#define LOCAL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOCAL(file_gets_a_line_a_span),
        LOCAL(file_without_content_holds_no_prompt),
        LOCAL(file_that_cannot_be_written_waits),
        LOCAL(half_lines_are_taken_back),
        LOCAL(console_line_cannot_steer_a_terminal),
        cmocka_unit_test(large_content_keeps_head_and_tail),
        cmocka_unit_test(many_messages_keep_the_ends),
        cmocka_unit_test(sizes_are_those_of_python),
        cmocka_unit_test(texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
