/* The reader of the explicit API's messages: limits, repairs, hostile bytes. */
#include <math.h>
#include <sys/mman.h>

#include "client/llm_tracer.h"
#include "collector/message.h"
#include "messages.h"

static struct api_message got;

static int teardown(void **state)
{
    (void)state;
    api_message_release(&got);
    return 0;
}

/* Reads from memory that ends where the message does. */
static int read_message(const struct message *m, enum wire_type type)
{
    const size_t size = sizeof(m->head) + m->length, room = (size + 4095) / 4096 * 4096;
    uint8_t *memory =
        mmap(NULL, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + room, 4096, PROT_NONE), 0);
    memcpy(memory + room - size, &m->head, sizeof(m->head));
    memcpy(memory + room - m->length, m->fields, m->length);
    api_message_release(&got);
    int err = api_message_read(&got, (uint16_t)type, memory + room - size, size);
    munmap(memory, room + 4096);
    return err;
}

static void put_flagged(struct message *m, int name, uint16_t flags, const void *data, size_t len)
{
    size_t at = m->length;
    message_field(m, name, data, len);
    memcpy(m->fields + at + offsetof(struct wire_api_field, flags), &flags, sizeof(flags));
}

static void put_cut(struct message *m, int name, uint16_t flags, uint64_t before, const char *text)
{
    char data[4096];
    memcpy(data, &before, sizeof(before));
    int len = snprintf(data + sizeof(before), sizeof(data) - sizeof(before), "%s", text);
    put_flagged(m, name, flags | WIRE_FIELD_CUT, data, sizeof(before) + (size_t)len);
}

/* One side cuts as the other does. */
static void test_limits_are_the_librarys(void **state)
{
    (void)state;
    assert_int_equal(API_NAME_MAX, LLMT_NAME_MAX);
    assert_int_equal(API_TAGS_MAX, LLMT_TAGS_MAX);
    assert_int_equal(API_TAG_MAX, LLMT_TAG_MAX);
    assert_int_equal(API_TEXT_MAX, LLMT_TEXT_MAX);
    assert_int_equal(API_DATA_MAX, LLMT_DATA_MAX);
    assert_int_equal(API_TOKENS_MAX, LLMT_TOKENS_MAX);
    assert_true(API_COST_MAX - LLMT_COST_MAX == 0);
}

static void test_ids(void **state)
{
    (void)state;
    struct {
        enum wire_type type;
        int trace, span;
        uint32_t client;
        int err;
    } const cases[] = {
        {WIRE_TRACE_BEGIN, 1, 0, 1, ERR_OK},  {WIRE_TRACE_BEGIN, 0, 0, 1, ERR_BAD},
        {WIRE_TRACE_END, 0, 1, 1, ERR_BAD},   {WIRE_SPAN_BEGIN, 1, 2, 1, ERR_OK},
        {WIRE_SPAN_BEGIN, 1, 0, 1, ERR_BAD},  {WIRE_SPAN_BEGIN, 0, 2, 1, ERR_BAD},
        {WIRE_SPAN_END, 0, 2, 1, ERR_OK},     {WIRE_SPAN_END, 1, 0, 1, ERR_BAD},
        {WIRE_SPAN_OUTPUT, 0, 0, 1, ERR_BAD}, {WIRE_SPAN_OUTPUT, 1, 0, 1, ERR_OK},
        {WIRE_CLIENT, 0, 0, 1, ERR_OK},       {WIRE_CLIENT, 0, 0, 0, ERR_BAD},
        {WIRE_FLUSH, 0, 0, 1, ERR_BAD},       {WIRE_DATA_IN, 1, 1, 1, ERR_BAD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct message m = message_of(cases[i].client, cases[i].trace, cases[i].span);
        assert_int_equal(read_message(&m, cases[i].type), cases[i].err);
    }
    uint8_t few[sizeof(struct wire_api_head)] = {1};
    api_message_release(&got);
    assert_int_equal(api_message_read(&got, WIRE_TRACE_BEGIN, few, sizeof(few) - 1), ERR_BAD);
}

static void test_type_out_of_range(void **state)
{
    (void)state;
    struct message m = message_of(1, 1, 2);
    m.head.span_type = 200;
    assert_int_equal(read_message(&m, WIRE_SPAN_BEGIN), ERR_OK);
    assert_int_equal(got.head.span_type, WIRE_SPAN_OTHER);
}

static void test_text_limits(void **state)
{
    (void)state;
    char name[4 * API_NAME_MAX + 16] = "";
    for (size_t i = 0; i < API_NAME_MAX + 3; i++)
        snprintf(name + 2 * i, 3, "%s", "\xc3\xbc");
    struct message m = message_of(1, 1, 2);
    message_text(&m, WIRE_FIELD_NAME, name);
    message_field(&m, WIRE_FIELD_ERROR, "bad\xff\0end", 8);
    put_cut(&m, WIRE_FIELD_MODEL, 0, 1000, "gpt");
    message_text(&m, WIRE_FIELD_PROJECT_ID, "no project");
    message_text(&m, WIRE_FIELD_USER_ID, "");
    assert_int_equal(read_message(&m, WIRE_SPAN_BEGIN), ERR_OK);
    assert_int_equal(strlen(got.value[WIRE_FIELD_NAME].text), 2 * API_NAME_MAX);
    assert_true((got.cut & 1u << WIRE_FIELD_NAME) != 0);
    assert_int_equal(got.length[WIRE_FIELD_NAME], 2 * (API_NAME_MAX + 3));
    assert_string_equal(got.value[WIRE_FIELD_ERROR].text, "bad\xef\xbf\xbd\xef\xbf\xbd"
                                                          "end");
    assert_false((got.cut & 1u << WIRE_FIELD_ERROR) != 0);
    assert_string_equal(got.value[WIRE_FIELD_MODEL].text, "gpt");
    assert_int_equal(got.length[WIRE_FIELD_MODEL], 1000);
    assert_false(api_has(&got, WIRE_FIELD_PROJECT_ID));
    assert_false(api_has(&got, WIRE_FIELD_USER_ID));
}

static void expect_data(const char *json_text, uint16_t flags, const char *expected)
{
    struct message m = message_of(1, 1, 2);
    put_flagged(&m, WIRE_FIELD_OUTPUT, flags, json_text, strlen(json_text));
    assert_int_equal(read_message(&m, WIRE_SPAN_OUTPUT), ERR_OK);
    char *text = json_print_new(got.value[WIRE_FIELD_OUTPUT].data);
    assert_string_equal(text, expected);
    free(text);
}

static void test_data(void **state)
{
    (void)state;
    char deep[400], expected[500];
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    snprintf(expected, sizeof(expected), "{\"text\":\"%s\"}", deep);
    expect_data("{\"a\":1}", 0, "{\"a\":1}");
    expect_data("[1,2]", 0, "{\"value\":[1,2]}");
    expect_data("\"x\"", 0, "{\"value\":\"x\"}");
    expect_data("{\"a\":1", 0, "{\"text\":\"{\\\"a\\\":1\"}");
    expect_data("{\"a\":1}", WIRE_FIELD_TEXT, "{\"text\":\"{\\\"a\\\":1}\"}");
    expect_data("{\"a\":\"\n\xff\"}", 0, "{\"a\":\"\\n\xef\xbf\xbd\"}");
    expect_data(deep, 0, expected);
    expect_data("", 0, "{\"text\":\"\"}");
    struct message m = message_of(1, 1, 2);
    put_cut(&m, WIRE_FIELD_OUTPUT, WIRE_FIELD_TEXT, 5000000, "{\"a\":");
    assert_int_equal(read_message(&m, WIRE_SPAN_END), ERR_OK);
    char *text = json_print_new(got.value[WIRE_FIELD_OUTPUT].data);
    assert_string_equal(
        text, "{\"text\":\"{\\\"a\\\":\",\"_truncated\":true,\"_original_size\":5000000}");
    free(text);
}

static void test_trace_output_is_text(void **state)
{
    (void)state;
    struct message m = message_of(1, 1, 0);
    message_text(&m, WIRE_FIELD_OUTPUT, "{\"not\":\"parsed\"}");
    assert_int_equal(read_message(&m, WIRE_TRACE_END), ERR_OK);
    assert_string_equal(got.value[WIRE_FIELD_OUTPUT].text, "{\"not\":\"parsed\"}");
}

static void test_tags(void **state)
{
    (void)state;
    struct message m = message_of(1, 1, 0);
    char tag[16];
    message_text(&m, WIRE_FIELD_TAG, "first");
    message_text(&m, WIRE_FIELD_TAG, " \t");
    for (int i = 0; i < 60; i++) {
        snprintf(tag, sizeof(tag), "t%d", i);
        message_text(&m, WIRE_FIELD_TAG, tag);
    }
    assert_int_equal(read_message(&m, WIRE_TRACE_BEGIN), ERR_OK);
    const json *tags = got.value[WIRE_FIELD_TAG].data;
    assert_int_equal(json_length(tags), API_TAGS_MAX);
    assert_string_equal(json_text(json_at(tags, 0)), "first");
    assert_string_equal(json_text(json_at(tags, 1)), "t0");
    assert_true((got.cut & 1u << WIRE_FIELD_TAG) != 0);
}

static void test_figures(void **state)
{
    (void)state;
    struct message m = message_of(1, 1, 2);
    message_figure(&m, WIRE_FIELD_TOKENS_INPUT, 7);
    message_figure(&m, WIRE_FIELD_TOKENS_OUTPUT, -1);
    message_figure(&m, WIRE_FIELD_TOKENS_REASONING, API_TOKENS_MAX + 1);
    message_field(&m, WIRE_FIELD_TOKENS_CACHE_READ, "abc", 3);
    message_cost(&m, (double)NAN);
    assert_int_equal(read_message(&m, WIRE_SPAN_OUTPUT), ERR_OK);
    assert_int_equal(got.value[WIRE_FIELD_TOKENS_INPUT].figure, 7);
    assert_int_equal(got.set, 1u << WIRE_FIELD_TOKENS_INPUT);
    message_cost(&m, -0.1);
    message_cost(&m, 2 * API_COST_MAX);
    assert_int_equal(read_message(&m, WIRE_SPAN_OUTPUT), ERR_OK);
    assert_false(api_has(&got, WIRE_FIELD_COST));
    message_cost(&m, 0.25);
    assert_int_equal(read_message(&m, WIRE_SPAN_OUTPUT), ERR_OK);
    assert_true(got.value[WIRE_FIELD_COST].cost == 0.25);
}

/* Every length of a message, and every byte of it changed: what is read stays within it. */
static void test_hostile(void **state)
{
    (void)state;
    unsigned seed = (unsigned)time(NULL);
    struct message whole = message_of(1, 1, 2);
    message_text(&whole, WIRE_FIELD_NAME, "name");
    put_cut(&whole, WIRE_FIELD_INPUT, 0, 99, "{\"a\":[1,{\"b\":\"c\"}]}");
    message_field(&whole, 31, "unknown", 7);
    message_text(&whole, WIRE_FIELD_TAG, "tag");
    message_figure(&whole, WIRE_FIELD_TOKENS_INPUT, 5);
    put_cut(&whole, WIRE_FIELD_ERROR, 0, 99, "failed");
    for (size_t length = 0; length <= whole.length; length++) {
        struct message m = whole;
        m.length = length;
        assert_int_equal(read_message(&m, WIRE_SPAN_BEGIN), ERR_OK);
    }
    for (int round = 0; round < 20000; round++) {
        struct message m = whole;
        for (int i = rand_r(&seed) % 4; i >= 0; i--)
            m.fields[(size_t)rand_r(&seed) % m.length] = (uint8_t)rand_r(&seed);
        assert_int_equal(read_message(&m, WIRE_SPAN_BEGIN), ERR_OK);
    }
    struct message m = message_of(1, 1, 2);
    put_flagged(&m, WIRE_FIELD_ERROR, WIRE_FIELD_CUT, "1234567", 7);
    message_text(&m, WIRE_FIELD_NAME, "behind it");
    assert_int_equal(read_message(&m, WIRE_SPAN_BEGIN), ERR_OK);
    assert_true(got.malformed);
    assert_string_equal(got.value[WIRE_FIELD_NAME].text, "behind it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_limits_are_the_librarys, teardown),
        cmocka_unit_test_teardown(test_ids, teardown),
        cmocka_unit_test_teardown(test_type_out_of_range, teardown),
        cmocka_unit_test_teardown(test_text_limits, teardown),
        cmocka_unit_test_teardown(test_data, teardown),
        cmocka_unit_test_teardown(test_trace_output_is_text, teardown),
        cmocka_unit_test_teardown(test_tags, teardown),
        cmocka_unit_test_teardown(test_figures, teardown),
        cmocka_unit_test_teardown(test_hostile, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
