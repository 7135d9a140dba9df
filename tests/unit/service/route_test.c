/* From a path to a route, and what is undone of percent encoding. */
#include <string.h>

#include "service/server_route.h"
#include "unit/cmocka_all.h"

static const struct route table[] = {
    {.method = "GET", .path = "/api/traces"},
    {.method = "POST", .path = "/api/traces"},
    {.method = "GET", .path = "/api/traces/{}"},
    {.method = "POST", .path = "/api/traces/{}/spans"},
    {.method = "PATCH", .path = "/api/traces/{}/complete"},
    {.method = "GET", .path = "/two/{}/{}"},
    {0},
};

static struct route_match find(const char *method, const char *path)
{
    struct route_match match;
    memset(&match, 0xa5, sizeof(match));
    server_route_find(table, method, path, &match);
    return match;
}

static void methods_and_paths(void **state)
{
    (void)state;
    assert_ptr_equal(find("GET", "/api/traces").route, &table[0]);
    assert_ptr_equal(find("HEAD", "/api/traces").route, &table[0]);
    assert_ptr_equal(find("POST", "/api/traces").route, &table[1]);
    assert_ptr_equal(find("PATCH", "/api/traces/a/complete").route, &table[4]);
    struct route_match m = find("DELETE", "/api/traces");
    assert_null(m.route);
    assert_string_equal(m.methods, "GET, HEAD, POST");
    m = find("GET", "/api/traces/a/complete");
    assert_null(m.route);
    assert_string_equal(m.methods, "PATCH");
    assert_null(find("get", "/api/traces").route);
}

static void unknown_paths(void **state)
{
    static const char *const paths[] = {"",
                                        "/",
                                        "/api/traces/",
                                        "/api/tracesx",
                                        "api/traces",
                                        "//api/traces",
                                        "/api/traces/a/",
                                        "/api/traces//spans",
                                        "/api/traces/a/b/spans",
                                        "/two/a",
                                        "/two//b",
                                        "/api%2Ftraces"};
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct route_match m = find("GET", paths[i]);
        assert_null(m.route);
        assert_string_equal(m.methods, "");
    }
}

static void ids_are_decoded(void **state)
{
    (void)state;
    struct route_match m = find("GET", "/two/a%2Fb/%C3%A4%zz%");
    assert_ptr_equal(m.route, &table[5]);
    assert_string_equal(m.ids[0], "a/b");
    assert_int_equal(m.id_lens[0], 3);
    assert_string_equal(m.ids[1], "\xc3\xa4%zz%");
    assert_null(find("GET", "/two/a%00/b").route); /* no id has a NUL */
}

static void ids_are_bounded(void **state)
{
    char path[2048] = "/api/traces/";
    size_t head = strlen(path);
    (void)state;
    memset(path + head, 'x', STORED_ID_MAX);
    assert_int_equal(find("GET", path).id_lens[0], STORED_ID_MAX);
    path[head + STORED_ID_MAX] = 'x';
    assert_null(find("GET", path).route);
    memset(path + head, 'x', 2000);
    assert_null(find("GET", path).route);
    path[head] = '\0';
    for (int i = 0; i < STORED_ID_MAX; i++)
        strcat(path, "%41");
    struct route_match m = find("GET", path);
    assert_int_equal(m.id_lens[0], STORED_ID_MAX);
    assert_int_equal(m.ids[0][0], 'A');
}

static void decoding_ends_at_the_end(void **state)
{
    char out[8];
    (void)state;
    assert_int_equal(percent_decode("%4", 2, out), 2);
    assert_int_equal(percent_decode("%", 1, out), 1);
    assert_int_equal(percent_decode("%41", 3, out), 1);
    assert_int_equal(out[0], 'A');
    assert_int_equal(percent_decode("%41", 2, out), 2); /* the third byte is not looked at */
    assert_int_equal(percent_decode("", 0, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_and_paths),        cmocka_unit_test(unknown_paths),
        cmocka_unit_test(ids_are_decoded),          cmocka_unit_test(ids_are_bounded),
        cmocka_unit_test(decoding_ends_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
