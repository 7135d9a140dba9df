/* A span to JSON and back. */
#include "support.h"

#include "base/clock.h"

#define T0 INT64_C(1767323045678901234)

static char *print(const struct span *s)
{
    struct buf out;
    buf_init(&out, 1 << 24);
    assert_int_equal(span_print(s, &out), ERR_OK);
    return buf_take(&out);
}

static void test_all_fields_in_order(void **state)
{
    (void)state;
    struct span *s = span_new();
    memset(s->trace_id, 0xab, TRACE_ID_LEN);
    memset(s->span_id, 0x01, SPAN_ID_LEN);
    memset(s->parent_span_id, 0x02, SPAN_ID_LEN);
    s->name = strdup("chat gpt-4o");
    s->type = SPAN_LLM;
    s->start_time = T0;
    s->end_time = T0 + 1234567;
    s->model = strdup("gpt-4o-2024");
    s->provider = strdup("openai");
    s->operation = strdup("chat");
    s->request_model = strdup("gpt-4o");
    s->response_model = strdup("gpt-4o-2024");
    s->response_id = strdup("id\"1");
    s->stream = 1;
    s->chunk_count = 3;
    s->ttfc_ms = 12.3456;
    s->ttft_ms = 20;
    s->tokens_input = 9;
    s->tokens_output = 0;
    s->tokens_cache_read = 1;
    s->tokens_cache_write = 2;
    s->tokens_reasoning = 3;
    s->usage_source = strdup("reported");
    s->cost_usd = 0.1 + 0.2;
    s->cost_source = strdup("table");
    s->finish_reasons = json_array();
    json_add(s->finish_reasons, json_string("stop"));
    s->status_code = 200;
    s->retry = 0;
    s->error = strdup("e");
    s->error_type = strdup("t");
    s->partial = true;
    s->input_data = json_object();
    s->output_data = json_object();
    s->metadata = json_object();
    s->process.pid = 7;
    s->process.exe = strdup("/bin/x");
    s->process.argv = json_array();
    s->capture_route = strdup("openssl");
    s->dropped_bytes = 5;
    char *text = print(s);
    assert_string_equal(
        text,
        "{\"trace_id\":\"abababababababababababababababab\",\"span_id\":\"0101010101010101\","
        "\"parent_span_id\":\"0202020202020202\",\"name\":\"chat gpt-4o\",\"span_type\":\"llm\","
        "\"start_time\":\"2026-01-02T03:04:05.678901+00:00\","
        "\"end_time\":\"2026-01-02T03:04:05.680135+00:00\",\"duration_ms\":1.234,"
        "\"model\":\"gpt-4o-2024\",\"provider\":\"openai\",\"operation\":\"chat\","
        "\"request_model\":\"gpt-4o\",\"response_model\":\"gpt-4o-2024\","
        "\"response_id\":\"id\\\"1\",\"stream\":true,\"chunk_count\":3,\"ttfc_ms\":12.346,"
        "\"ttft_ms\":20,\"tokens_input\":9,\"tokens_output\":0,\"tokens_cache_read\":1,"
        "\"tokens_cache_write\":2,\"tokens_reasoning\":3,\"usage_source\":\"reported\","
        "\"cost_usd\":0.3,\"cost_source\":\"table\",\"finish_reasons\":[\"stop\"],"
        "\"status_code\":200,\"retry\":0,\"error\":\"e\",\"error_type\":\"t\",\"partial\":true,"
        "\"input_data\":{},\"output_data\":{},\"metadata\":{},"
        "\"process\":{\"pid\":7,\"exe\":\"/bin/x\",\"argv\":[]},"
        "\"capture\":{\"route\":\"openssl\",\"dropped_bytes\":5}}");
    struct span *back = span_parse(text, strlen(text));
    assert_non_null(back);
    char *again = print(back);
    assert_string_equal(again, text);
    assert_memory_equal(back->parent_span_id, s->parent_span_id, SPAN_ID_LEN);
    assert_int_equal(back->stream, 1);
    assert_int_equal(back->dropped_bytes, 5);
    assert_int_equal(back->start_time, T0 / 1000 * 1000);
    free(again);
    free(text);
    span_free(back);
    span_free(s);
}

/* Said only of those that do not count. */
static void test_uncounted(void **state)
{
    (void)state;
    struct span *s = span_new();
    s->span_id[7] = 1;
    s->tokens_input = 3;
    s->cost_usd = 0.5;
    assert_int_equal(span_counted(s).tokens_input, 3);
    assert_int_equal(span_counted(s).tokens_output, SPAN_UNKNOWN);
    assert_true(span_counted(s).cost_usd == 0.5);
    s->uncounted = true;
    char *text = print(s);
    assert_non_null(strstr(text, "\"tokens_input\":3,\"cost_usd\":0.5,\"counted\":false"));
    struct span *back = span_parse(text, strlen(text));
    assert_true(back->uncounted);
    assert_int_equal(back->tokens_input, 3);
    assert_int_equal(span_counted(back).tokens_input, SPAN_UNKNOWN);
    assert_true(span_counted(back).cost_usd < 0);
    free(text);
    span_free(back);
    span_free(s);
}

/* What nobody told is absent, and unknown again when read. */
static void test_unknown(void **state)
{
    (void)state;
    struct span *s = span_new();
    s->span_id[7] = 1;
    s->start_time = T0;
    char *text = print(s);
    assert_string_equal(text, "{\"trace_id\":\"00000000000000000000000000000000\","
                              "\"span_id\":\"0000000000000001\",\"span_type\":\"other\","
                              "\"start_time\":\"2026-01-02T03:04:05.678901+00:00\"}");
    struct span *back = span_parse(text, strlen(text));
    assert_int_equal(back->tokens_input, SPAN_UNKNOWN);
    assert_int_equal(back->tokens_reasoning, SPAN_UNKNOWN);
    assert_int_equal(back->status_code, SPAN_UNKNOWN);
    assert_int_equal(back->retry, SPAN_UNKNOWN);
    assert_int_equal(back->stream, -1);
    assert_true(back->cost_usd < 0 && back->ttfc_ms < 0 && back->ttft_ms < 0);
    assert_int_equal(back->end_time, 0);
    assert_null(back->name);
    free(text);
    span_free(back);
    span_free(s);
}

static uint64_t random_state = 88172645463325252ULL;

static uint64_t roll(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Any bytes but NUL, one time in three nothing. */
static char *random_text(void)
{
    if (roll() % 3 == 0)
        return NULL;
    size_t len = roll() % 40;
    char *text = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = roll() % 4 == 0 ? (char)(1 + roll() % 255) : (char)(' ' + roll() % 90);
    text[len] = '\0';
    return text;
}

static int64_t random_figure(void)
{
    return roll() % 3 == 0 ? SPAN_UNKNOWN : (int64_t)(roll() >> (1 + roll() % 62));
}

static double random_number(void)
{
    return roll() % 3 == 0 ? -1 : (double)(roll() % 1000000007) / (double)(1 + roll() % 1000003);
}

static json *random_json(int depth)
{
    char *text = random_text();
    json *value = NULL;
    switch (roll() % (depth > 3 ? 4 : 6)) {
    case 0:
        value = json_string(text);
        break;
    case 1:
        value = json_from_int((int64_t)roll());
        break;
    case 2:
        value = json_from_number(random_number());
        break;
    case 3:
        value = json_from_bool(roll() % 2);
        break;
    case 4:
        value = json_array();
        for (uint64_t n = roll() % 4; n > 0; n--)
            json_add(value, random_json(depth + 1));
        break;
    default:
        value = json_object();
        for (uint64_t n = roll() % 4; n > 0; n--) {
            char key[8];
            snprintf(key, sizeof(key), "k%d", (int)n);
            json_set(value, key, random_json(depth + 1));
        }
    }
    free(text);
    return value;
}

static struct span *random_span(void)
{
    struct span *s = span_new();
    id_random(s->trace_id, TRACE_ID_LEN);
    id_random(s->span_id, SPAN_ID_LEN);
    if (roll() % 2)
        id_random(s->parent_span_id, SPAN_ID_LEN);
    char **const texts[] = {
        &s->name,           &s->model,       &s->provider,     &s->operation,   &s->request_model,
        &s->response_model, &s->response_id, &s->usage_source, &s->cost_source, &s->error,
        &s->error_type,     &s->process.exe, &s->capture_route};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = random_text();
    int64_t *const figures[] = {
        &s->chunk_count,        &s->tokens_input,     &s->tokens_output, &s->tokens_cache_read,
        &s->tokens_cache_write, &s->tokens_reasoning, &s->status_code,   &s->retry};
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        *figures[i] = random_figure();
    s->type = (enum span_type)(roll() % SPAN_TYPE_COUNT);
    s->start_time = (int64_t)(roll() >> 1);
    s->end_time = roll() % 2 ? 0 : (int64_t)(roll() >> 1);
    s->stream = (int)(roll() % 3) - 1;
    s->ttfc_ms = random_number();
    s->ttft_ms = random_number();
    s->cost_usd = random_number();
    s->partial = roll() % 2;
    s->finish_reasons = roll() % 2 ? random_json(0) : NULL;
    s->input_data = roll() % 2 ? random_json(0) : NULL;
    s->output_data = roll() % 2 ? random_json(0) : NULL;
    s->metadata = roll() % 2 ? random_json(0) : NULL;
    s->process.pid = (int64_t)(roll() % 3);
    s->process.argv = roll() % 2 ? random_json(0) : NULL;
    s->dropped_bytes = (int64_t)(roll() % 3);
    return s;
}

/* Print, parse, print: the same text; and each text is JSON with ISO times that clock.h reads. */
static void test_random_round_trips(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct span *s = random_span();
        char *text = print(s);
        struct span *back = span_parse(text, strlen(text));
        if (back == NULL)
            fail_msg("not read back: %s", text);
        char *again = print(back);
        assert_string_equal(again, text);
        assert_int_equal(back->start_time, s->start_time / 1000 * 1000);
        assert_int_equal(back->tokens_input, s->tokens_input);
        assert_int_equal(back->type, s->type);
        free(again);
        free(text);
        span_free(back);
        span_free(s);
    }
}

/* Our own calendar against the C library's, over the whole range. */
/* What may be parsed from outside can be read back once it lies inside a span. */
static void test_deepest(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 1];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    struct span *s = span_new();
    struct buf first, second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    id_random(s->trace_id, TRACE_ID_LEN);
    id_random(s->span_id, SPAN_ID_LEN);
    s->metadata = json_object();
    json_set(s->metadata, "deep", json_parse(text, sizeof(text) - 1));
    s->output_data = json_parse(text, sizeof(text) - 1);
    assert_non_null(s->output_data);
    assert_int_equal(span_print(s, &first), ERR_OK);
    struct span *read = span_parse(buf_str(&first), first.len);
    assert_non_null(read);
    assert_int_equal(span_print(read, &second), ERR_OK);
    assert_string_equal(buf_str(&first), buf_str(&second));
    span_free(s);
    span_free(read);
    buf_release(&first);
    buf_release(&second);
}

static void test_times(void **state)
{
    (void)state;
    struct span *s = span_new();
    for (int i = 0; i < 20000; i++) {
        s->start_time = i < 3 ? (int64_t[]){1, INT64_MAX, INT64_MIN + 1}[i] : (int64_t)roll();
        char iso[CLOCK_ISO_MAX];
        char *text = print(s);
        assert_non_null(strstr(text, clock_iso(s->start_time, iso)));
        free(text);
    }
    span_free(s);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"trace_id\":\"00\",\"span_id\":\"0000000000000001\"}",
        "{\"trace_id\":\"00000000000000000000000000000000\"}",
        "{\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":1}",
        "{\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":\"000000000000000g\"}",
        ("{\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":\"0000000000000001\","
         "\"start_time\":\"yesterday\"}"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(span_parse(bad[i], strlen(bad[i])));
    /* Fields of the wrong type are unknown. */
    const char *odd = "{\"trace_id\":\"00000000000000000000000000000000\","
                      "\"span_id\":\"0000000000000001\",\"tokens_input\":-5,\"cost_usd\":\"1\","
                      "\"name\":7,\"stream\":\"yes\",\"process\":[1],\"capture\":3}";
    struct span *s = span_parse(odd, strlen(odd));
    assert_non_null(s);
    assert_int_equal(s->tokens_input, SPAN_UNKNOWN);
    assert_true(s->cost_usd < 0);
    assert_null(s->name);
    assert_int_equal(s->stream, -1);
    span_free(s);
}

/* Too little room: an error, and nothing half. */
static void test_ceiling(void **state)
{
    (void)state;
    struct span *s = random_span();
    s->dropped_bytes = 3;
    s->process.pid = 9;
    char *text = print(s);
    for (size_t max = 3; max < strlen(text) + 3; max++) {
        struct buf out;
        buf_init(&out, max);
        assert_int_equal(buf_append_str(&out, "abc"), ERR_OK);
        assert_int_equal(span_print(s, &out), ERR_FULL);
        assert_string_equal(buf_str(&out), "abc");
        buf_release(&out);
    }
    free(text);
    span_free(s);
}

/* What a collector remembers of a span is nobody else's. */
static void test_state_is_not_printed(void **state)
{
    (void)state;
    struct span *s = span_new();
    struct buf text;
    buf_init(&text, 1000);
    s->state = strdup("secret");
    assert_int_equal(span_print(s, &text), ERR_OK);
    assert_null(strstr(buf_str(&text), "secret"));
    buf_release(&text);
    span_free(s);
}

/* A sealed span prints what it printed before, whatever became of its values. */
static void test_sealed(void **state)
{
    (void)state;
    struct span *s = random_span();
    s->dropped_bytes = 3;
    json_free(s->metadata);
    s->metadata = json_object();
    json_set_text(s->metadata, "key", "value");
    char *before = print(s);
    assert_int_equal(span_seal(s, strlen(before) - 1), ERR_FULL);
    assert_null(s->printed);
    assert_string_equal(json_get_text(s->metadata, "key"), "value");
    for (int times = 0; times < 2; times++) {
        assert_int_equal(span_seal(s, strlen(before)), ERR_OK);
        assert_null(s->metadata);
        assert_int_equal(s->dropped_bytes, 3);
        assert_int_equal(s->printed_len, strlen(before));
        char *after = print(s);
        assert_string_equal(after, before);
        free(after);
    }
    free(before);
    span_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fields_in_order),
        cmocka_unit_test(test_uncounted),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_random_round_trips),
        cmocka_unit_test(test_deepest),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_state_is_not_printed),
        cmocka_unit_test(test_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
