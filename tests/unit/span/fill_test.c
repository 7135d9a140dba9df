/* Several captured calls inside one span. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "span/span.h"

static struct span *call_at(int64_t start, int64_t end, const char *model)
{
    struct span *s = span_new();
    assert_non_null(s);
    s->start_time = start;
    s->end_time = end;
    s->model = strdup(model);
    s->metadata = json_object();
    json_set_text(s->metadata, "request_id", model);
    return s;
}

static void add(struct span *sum, struct span *from)
{
    span_sum(sum, from);
    span_free(from);
}

static struct span *failed(int64_t start, int64_t end)
{
    struct span *s = call_at(start, end, "first");
    s->error = strdup("overloaded");
    s->error_type = strdup("529");
    s->status_code = 529;
    s->partial = true;
    s->usage_source = strdup("missing");
    return s;
}

static struct span *answered(int64_t start, int64_t end, int64_t tokens)
{
    struct span *s = call_at(start, end, "second");
    s->tokens_input = tokens;
    s->tokens_output = 2 * tokens;
    s->tokens_reasoning = 1;
    s->cost_usd = 0.5;
    s->cost_source = strdup("reported");
    s->usage_source = strdup("reported");
    s->status_code = 200;
    s->stream = 1;
    s->chunk_count = 3;
    s->ttfc_ms = 10.0 * (double)tokens;
    s->ttft_ms = 20.0 * (double)tokens;
    s->dropped_bytes = 5;
    s->output_data = json_object();
    json_set_int(s->output_data, "tokens", tokens);
    return s;
}

static void check_mended(const struct span *s)
{
    assert_null(s->error);
    assert_null(s->error_type);
    assert_false(s->partial);
    assert_int_equal(s->status_code, 200);
    assert_string_equal(s->model, "second");
    assert_string_equal(s->usage_source, "reported");
    assert_string_equal(json_get_text(s->metadata, "request_id"), "second");
    assert_int_equal(s->tokens_input, 7);
    assert_int_equal(s->tokens_output, 14);
    assert_int_equal(s->tokens_cache_read, SPAN_UNKNOWN);
    assert_true(s->cost_usd == 0.5);
    assert_true(s->ttfc_ms == 70);
    assert_int_equal(s->start_time, 100);
}

/* In whatever order the two come. */
static void test_a_failure_then_success(void **state)
{
    (void)state;
    struct span *sum = failed(100, 200);
    add(sum, answered(300, 400, 7));
    check_mended(sum);
    span_free(sum);
    sum = answered(300, 400, 7);
    add(sum, failed(100, 200));
    check_mended(sum);
    span_free(sum);
}

static void test_a_success_then_failure(void **state)
{
    (void)state;
    struct span *sum = answered(100, 200, 7);
    add(sum, failed(300, 400));
    assert_string_equal(sum->error, "overloaded");
    assert_true(sum->partial);
    assert_int_equal(sum->status_code, 529);
    assert_int_equal(sum->tokens_input, 7);
    assert_string_equal(sum->usage_source, "reported");
    assert_non_null(sum->output_data);
    span_free(sum);
}

static void test_sums(void **state)
{
    (void)state;
    struct span *sum = answered(200, 500, 10), *other = answered(100, 300, 4);
    int64_t tokens = 0;
    free(other->cost_source);
    other->cost_source = strdup("table");
    add(sum, other);
    assert_int_equal(sum->tokens_input, 14);
    assert_int_equal(sum->tokens_output, 28);
    assert_int_equal(sum->tokens_reasoning, 2);
    assert_int_equal(sum->chunk_count, 6);
    assert_int_equal(sum->dropped_bytes, 10);
    assert_true(sum->cost_usd == 1.0);
    assert_string_equal(sum->cost_source, "table");
    assert_true(sum->ttft_ms == 80); /* of the first */
    assert_true(json_get_int(sum->output_data, "tokens", &tokens));
    assert_int_equal(tokens, 10); /* of the last */
    other = answered(600, 700, 1);
    other->tokens_input = INT64_MAX;
    other->dropped_bytes = INT64_MAX;
    add(sum, other);
    assert_int_equal(sum->tokens_input, INT64_MAX);
    assert_int_equal(sum->dropped_bytes, INT64_MAX);
    span_free(sum);
}

/* What the program left open; its own stays. */
static void test_fills(void **state)
{
    (void)state;
    struct span *s = span_new(), *from = answered(100, 200, 7);
    from->tokens_cache_read = 2;
    from->tokens_cache_write = 3;
    from->retry = 1;
    s->tokens_input = 70;
    span_fill(s, from);
    span_free(from);
    assert_int_equal(s->tokens_input, 70);
    assert_null(s->usage_source); /* of the program's */
    assert_int_equal(s->tokens_output, 14);
    assert_int_equal(s->tokens_cache_read, 2);
    assert_int_equal(s->tokens_cache_write, 3);
    assert_int_equal(s->tokens_reasoning, 1);
    assert_true(s->cost_usd == 0.5);
    assert_string_equal(s->cost_source, "reported");
    assert_true(s->ttfc_ms == 70);
    assert_true(s->ttft_ms == 140);
    assert_int_equal(s->chunk_count, 3);
    assert_int_equal(s->stream, 1);
    assert_int_equal(s->status_code, 200);
    assert_int_equal(s->retry, 1);
    assert_string_equal(s->model, "second");
    assert_int_equal(s->start_time, 0);
    assert_non_null(s->output_data);
    assert_non_null(json_get(s->metadata, "request_id"));
    span_free(s);
}

static void test_copy(void **state)
{
    (void)state;
    struct span *s = answered(1, 2, 3), *copy = span_copy(s);
    struct buf a, b;
    buf_init(&a, 1 << 16);
    buf_init(&b, 1 << 16);
    assert_non_null(copy);
    assert_int_equal(span_print(s, &a), ERR_OK);
    span_free(s);
    assert_int_equal(span_print(copy, &b), ERR_OK);
    assert_string_equal(buf_str(&a), buf_str(&b));
    assert_int_equal(span_seal(copy, 1 << 16), ERR_OK);
    assert_null(span_copy(copy));
    span_free(copy);
    buf_release(&a);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_then_success),
        cmocka_unit_test(test_a_success_then_failure),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_fills),
        cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
