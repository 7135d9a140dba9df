/* Which trace a call belongs to. */
#include "support.h"

#include "span/conversation.h"

#define USER(t) "{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"" t "\"}]}"
#define ASSISTANT(t)                                                                               \
    "{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\",\"content\":\"" t "\"}]}"
#define SYSTEM(t)   "{\"role\":\"system\",\"parts\":[{\"type\":\"text\",\"content\":\"" t "\"}]}"
#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define RUN         "11112222333344445555666677778888"

/* Places a call with these messages; answered with `answer` unless NULL. The trace's id in hex. */
static const char *place(struct grouper *g, const struct group_process *p, const char *list,
                         const char *answer)
{
    static char hex[4][TRACE_ID_HEX];
    static unsigned which;
    static uint8_t span_id[SPAN_ID_LEN];
    struct group_process process = *p;
    span_id[0]++; /* each call has its own */
    process.span_id = span_id;
    struct llm_call *c = make_call();
    c->input = messages(list);
    struct group_result r;
    assert_int_equal(grouper_place(g, &process, c, &r), ERR_OK);
    free(r.name);
    if (answer != NULL) {
        c->output = messages(answer);
        grouper_finish(g, c, r.trace_id);
    }
    llm_call_free(c);
    which = (which + 1) % 4;
    return id_to_hex(r.trace_id, TRACE_ID_LEN, hex[which]);
}

static void test_order(void **state)
{
    (void)state;
    struct grouper *g = grouper_new();
    struct llm_call *c = make_call();
    c->traceparent = strdup(TRACEPARENT);
    c->request_model = strdup("gpt-4o");
    struct group_process p = {.ring_id = "r",
                              .run_trace = RUN,
                              .run_name = "my run",
                              .traceparent =
                                  "00-ffffffffffffffffffffffffffffffff-b7ad6b7169203331-00",
                              .command = "python app.py",
                              .listens = true};
    struct group_result r;
    char hex[TRACE_ID_HEX];
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    assert_string_equal(id_to_hex(r.trace_id, TRACE_ID_LEN, hex),
                        "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(id_to_hex(r.parent_span_id, SPAN_ID_LEN, hex), "b7ad6b7169203331");
    assert_string_equal(r.name, "chat gpt-4o");
    free(r.name);
    strcpy(c->traceparent, "garbage");
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    assert_string_equal(id_to_hex(r.trace_id, TRACE_ID_LEN, hex), RUN);
    assert_true(id_is_zero(r.parent_span_id, SPAN_ID_LEN));
    assert_string_equal(r.name, "my run");
    assert_false(r.inferred);
    free(r.name);
    p.run_trace = NULL;
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    assert_string_equal(id_to_hex(r.trace_id, TRACE_ID_LEN, hex),
                        "ffffffffffffffffffffffffffffffff");
    free(r.name);
    p.traceparent = NULL;
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    assert_true(r.inferred); /* a conversation */
    uint8_t conversation[TRACE_ID_LEN];
    memcpy(conversation, r.trace_id, TRACE_ID_LEN);
    free(r.name);
    p.listens = false;
    p.run_name = NULL;
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    assert_memory_not_equal(r.trace_id, conversation, TRACE_ID_LEN);
    assert_string_equal(r.name, "python app.py");
    assert_false(r.inferred);
    free(r.name);
    llm_call_free(c);
    grouper_free(g);
}

static void test_conversations(void **state)
{
    (void)state;
    struct grouper *g = grouper_new();
    struct group_process p = {.ring_id = "r", .listens = true};
    char first[TRACE_ID_HEX];
    strcpy(first, place(g, &p, "[" SYSTEM("be kind, it is 10:00") "," USER("Hello") "]",
                        "[" ASSISTANT("Hi! What is it?") "]"));
    /* The same question from someone else is another conversation. */
    char other[TRACE_ID_HEX];
    strcpy(other, place(g, &p, "[" USER("Hello") "]", "[" ASSISTANT("Good day.") "]"));
    assert_string_not_equal(first, other);
    /* What extends the first: instructions changed, white space too. */
    assert_string_equal(first,
                        place(g, &p,
                              "[" SYSTEM("be kind, it is 10:01") "," USER("Hello") "," ASSISTANT(
                                  "  Hi! What is it?\\n") "," USER("A question") "]",
                              "[" ASSISTANT("An answer") "]"));
    assert_string_equal(first,
                        place(g, &p,
                              "[" USER("Hello") "," ASSISTANT("Hi! What is it?") "," USER(
                                  "A question") "," ASSISTANT("An answer") "," USER("Thanks") "]",
                              NULL));
    assert_string_equal(
        other, place(g, &p, "[" USER("Hello") "," ASSISTANT("Good day.") "," USER("x") "]", NULL));
    /* An answer that was never given. */
    const char *third =
        place(g, &p, "[" USER("Hello") "," ASSISTANT("Made up.") "," USER("x") "]", NULL);
    assert_string_not_equal(third, first);
    assert_string_not_equal(third, other);
    grouper_free(g);
}

/* A tool's loop: the answer comes back with its call's arguments in another form, without the
 * reasoning, and the tool's answer after it. */
static void test_tool_loop(void **state)
{
    (void)state;
    struct grouper *g = grouper_new();
    struct group_process p = {.ring_id = "r", .listens = true};
    char first[TRACE_ID_HEX];
    strcpy(
        first,
        place(g, &p, "[" USER("weather?") "]",
              "[{\"role\":\"assistant\",\"finish_reason\":\"tool_call\",\"parts\":["
              "{\"type\":\"reasoning\",\"content\":\"hmm\"},"
              "{\"type\":\"tool_call\",\"id\":\"c1\",\"name\":\"w\",\"arguments\":{\"a\":1}}]}]"));
    const char *again = place(
        g, &p,
        "[" USER(
            "weather?") ",{\"role\":\"assistant\",\"parts\":["
                        "{\"type\":\"text\",\"content\":\"\"},"
                        "{\"type\":\"tool_call\",\"id\":\"c1\",\"name\":\"w\",\"arguments\":\"{"
                        "\\\"a\\\": 1}\"}]},"
                        "{\"role\":\"tool\",\"parts\":["
                        "{\"type\":\"tool_call_response\",\"id\":\"c1\",\"response\":{\"t\":3}}]}]",
        NULL);
    assert_string_equal(first, again);
    grouper_free(g);
}

static void test_ids_of_the_provider(void **state)
{
    (void)state;
    struct grouper *g = grouper_new();
    struct group_process p = {.ring_id = "r", .listens = true};
    struct llm_call *c = make_call();
    c->response_id = strdup("resp_1");
    uint8_t trace[TRACE_ID_LEN];
    memset(trace, 0x5a, sizeof(trace));
    grouper_finish(g, c, trace);
    c->previous_response_id = strdup("resp_1");
    struct group_result r;
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    assert_memory_equal(r.trace_id, trace, TRACE_ID_LEN);
    assert_false(r.inferred);
    free(r.name);
    c->provider = strdup("another");
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    assert_memory_not_equal(r.trace_id, trace, TRACE_ID_LEN);
    free(r.name);
    c->conversation_id = strdup("conv_1");
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    memcpy(trace, r.trace_id, sizeof(trace));
    free(r.name);
    p.ring_id = "other process";
    assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
    assert_memory_equal(r.trace_id, trace, TRACE_ID_LEN);
    free(r.name);
    llm_call_free(c);
    grouper_free(g);
}

/* A collector that replaces another one finds the same traces. */
static void test_deterministic(void **state)
{
    (void)state;
    uint8_t span_id[SPAN_ID_LEN] = {1, 2, 3};
    for (int listens = 0; listens < 2; listens++) {
        struct group_process p = {
            .ring_id = "r", .listens = listens != 0, .span_id = listens ? span_id : NULL};
        uint8_t id[TRACE_ID_LEN] = {0};
        for (int round = 0; round < 2; round++) {
            struct grouper *g = grouper_new();
            struct llm_call *c = make_call();
            struct group_result r;
            assert_int_equal(grouper_place(g, &p, c, &r), ERR_OK);
            if (round == 1)
                assert_memory_equal(id, r.trace_id, TRACE_ID_LEN);
            memcpy(id, r.trace_id, TRACE_ID_LEN);
            free(r.name);
            llm_call_free(c);
            grouper_free(g);
        }
    }
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct conversation_memory m;
    conversation_memory_init(&m, 100);
    uint8_t trace[TRACE_ID_LEN] = {0};
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        struct conversation_key key = conversation_key_text("t", text);
        trace[0] = (uint8_t)i;
        conversation_remember(&m, &key, trace);
        struct conversation_key zero = conversation_key_text("t", "0");
        assert_true(conversation_find(&m, &zero, trace)); /* used, so it stays */
        assert_int_equal(trace[0], 0);
    }
    assert_int_equal(m.by_key.count, 100);
    struct conversation_key key = conversation_key_text("t", "899");
    assert_false(conversation_find(&m, &key, trace));
    key = conversation_key_text("t", "999");
    assert_true(conversation_find(&m, &key, trace));
    assert_int_equal(trace[0], (uint8_t)999);
    conversation_memory_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),         cmocka_unit_test(test_conversations),
        cmocka_unit_test(test_tool_loop),     cmocka_unit_test(test_ids_of_the_provider),
        cmocka_unit_test(test_deterministic), cmocka_unit_test(test_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
