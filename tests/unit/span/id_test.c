/* Ids and trace context. */
#include "support.h"

static void test_hex(void **state)
{
    (void)state;
    uint8_t id[SPAN_ID_LEN];
    char hex[SPAN_ID_HEX];
    assert_int_equal(id_from_hex("00ff10aBcDeF0123", SPAN_ID_LEN, id), ERR_OK);
    assert_string_equal(id_to_hex(id, SPAN_ID_LEN, hex), "00ff10abcdef0123");
    assert_int_equal(id_from_hex("00ff10abcdef012", SPAN_ID_LEN, id), ERR_BAD);
    assert_int_equal(id_from_hex("00ff10abcdef01234", SPAN_ID_LEN, id), ERR_BAD);
    assert_int_equal(id_from_hex("00ff10abcdef012g", SPAN_ID_LEN, id), ERR_BAD);
    assert_int_equal(id_from_hex(NULL, SPAN_ID_LEN, id), ERR_BAD);
}

static void test_derive(void **state)
{
    (void)state;
    uint8_t a[TRACE_ID_LEN], b[TRACE_ID_LEN];
    id_derive("ring", 3, 4096, "call", a, TRACE_ID_LEN);
    id_derive("ring", 3, 4096, "call", b, TRACE_ID_LEN);
    assert_memory_equal(a, b, TRACE_ID_LEN);
    assert_memory_not_equal(a, a + 8, 8);
    id_derive("ring", 4096, 3, "call", b, TRACE_ID_LEN);
    assert_memory_not_equal(a, b, TRACE_ID_LEN);
    id_derive("ring", 3, 4096, "tool", b, TRACE_ID_LEN);
    assert_memory_not_equal(a, b, TRACE_ID_LEN);
    id_derive("rin", 3, 4096, "gcall", b, TRACE_ID_LEN); /* the texts do not run into each other */
    assert_memory_not_equal(a, b, TRACE_ID_LEN);
    id_derive("ring", 3, 4096, NULL, b, TRACE_ID_LEN);
    assert_false(id_is_zero(b, TRACE_ID_LEN));
    /* Fixed for ever: a collector of tomorrow goes on with what today's began. */
    char hex[TRACE_ID_HEX];
    assert_string_equal(id_to_hex(a, TRACE_ID_LEN, hex), "7b5e0f6cfd93ce8f2d86a72fc0ad7d10");
}

static void test_random(void **state)
{
    (void)state;
    uint8_t a[SPAN_ID_LEN], b[SPAN_ID_LEN];
    id_random(a, SPAN_ID_LEN);
    id_random(b, SPAN_ID_LEN);
    assert_memory_not_equal(a, b, SPAN_ID_LEN);
}

static void test_traceparent(void **state)
{
    (void)state;
#define TP "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    uint8_t trace[TRACE_ID_LEN], span[SPAN_ID_LEN];
    char hex[TRACE_ID_HEX];
    assert_int_equal(traceparent_parse("00-" TP, trace, span), ERR_OK);
    assert_string_equal(id_to_hex(trace, TRACE_ID_LEN, hex), "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(id_to_hex(span, SPAN_ID_LEN, hex), "b7ad6b7169203331");
    assert_int_equal(traceparent_parse("cc-" TP "-what-comes", trace, span), ERR_OK);
    assert_int_equal(traceparent_parse("cc-" TP, trace, span), ERR_OK);
    static const char *const bad[] = {
        "",
        "00-" TP "-x",
        "cc-" TP "x",
        "ff-" TP,
        "0-" TP,
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(traceparent_parse(bad[i], trace, span), ERR_BAD);
    assert_int_equal(traceparent_parse(NULL, trace, span), ERR_BAD);
}

static void test_types(void **state)
{
    (void)state;
    enum span_type type;
    for (int i = 0; i < SPAN_TYPE_COUNT; i++) {
        assert_int_equal(span_type_parse(span_type_name((enum span_type)i), &type), ERR_OK);
        assert_int_equal(type, i);
    }
    assert_int_equal(span_type_parse("LLM", &type), ERR_BAD);
    assert_int_equal(type, SPAN_OTHER);
    assert_int_equal(span_type_parse(NULL, &type), ERR_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),    cmocka_unit_test(test_derive),
        cmocka_unit_test(test_random), cmocka_unit_test(test_traceparent),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
