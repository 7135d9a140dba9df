/* What TRACER_ENDPOINTS means. Every input ends at a page that cannot be read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "unit/cmocka_all.h"
#include "wire/endpoint_match.h"

#define ROOM 65536

static char *ends[3]; /* of the list, the host and the path */

static int make_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *pages =
            mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(pages, MAP_FAILED);
        ends[i] = pages + ROOM;
        assert_int_equal(mprotect(ends[i], 4096, PROT_NONE), 0);
    }
    return 0;
}

static char *at_the_end(size_t page, const char *text, size_t len)
{
    return memcpy(ends[page] - len, text, len);
}

/* host NULL or path NULL: unknown. */
static bool names(const char *list, const char *host, const char *path, bool tls)
{
    struct endpoint_host read;
    size_t host_len = host ? strlen(host) : 0, path_len = path ? strlen(path) : 0;
    bool known =
        endpoint_host_read(&read, at_the_end(1, host ? host : "", host_len), host_len, tls);
    return endpoint_list_matches(at_the_end(0, list, strlen(list) + 1), known ? &read : NULL,
                                 at_the_end(2, path ? path : "", path_len), path_len);
}

static const struct {
    const char *list, *host, *path;
    bool named;
} cases[] = {
    /* Hosts: globs in any case. */
    {"llm.corp", "llm.corp", "/ask", true},
    {"llm.corp", "LLM.Corp:8443", "/ask", true},
    {"LOCALHOST", "localhost:9", "/", true},
    {"LOCALHOST:9", "localhost:9", "/", true},
    {"*.CORP", "a.b.corp", "/", true},
    {"l?m.corp", "lLm.corp", "/", true},
    {"llm.corp", "llm.corp.evil", "/", false},
    {"llm.corp", "my.llm.corp", "/", false},
    {"llm.corp", NULL, "/", false},
    {"llm.corp", "llm.corp", NULL, true},
    /* Ports: absent is any; what was not sent is the scheme's. */
    {"llm.corp:8080", "llm.corp:8080", "/", true},
    {"llm.corp:8080", "llm.corp:80", "/", false},
    {"llm.corp:8080", "llm.corp", "/", false},
    {"llm.corp:80", "llm.corp", "/", true},
    {"llm.corp:80", "llm.corp:", "/", true},
    {"llm.corp:", "llm.corp:9", "/", true},
    {"llm.corp:*", "llm.corp", "/", true},
    {"llm.corp:80?0", "llm.corp:8090", "/", true},
    {"llm.corp:80?0", "llm.corp:8091", "/", false},
    {":8080", "llm.corp:8080", "/", true},
    {":8080", "llm.corp:8081", "/", false},
    {":8080", NULL, "/", false},
    {"*:8080", "llm.corp:8080", "/", true},
    {"[::1]:9", "[::1]:9", "/", true},
    {"[::1]", "[::1]:9", "/", true},
    {"[::1]:9", "[::1]:8", "/", false},
    {"[::A]", "[::a]", "/", true},
    /* Paths: without a glob this one and what lies under it. */
    {"10.0.0.5:8080/api", "10.0.0.5:8080", "/api", true},
    {"10.0.0.5:8080/api", "10.0.0.5:8080", "/api/", true},
    {"10.0.0.5:8080/api", "10.0.0.5:8080", "/api/x/y", true},
    {"10.0.0.5:8080/api", "10.0.0.5:8080", "/apix", false},
    {"10.0.0.5:8080/api", "10.0.0.5:8080", "/ap", false},
    {"10.0.0.5:8080/api", "10.0.0.5:8080", "/x/api", false},
    {"10.0.0.5:8080/api", "10.0.0.5:8080", "/API", false},
    {"10.0.0.5:8080/api", "10.0.0.5:8081", "/api", false},
    {"10.0.0.5:8080/api", "10.0.0.5:8080", NULL, false},
    {"localhost:9/my", "localhost:9", "/my/api", true},
    {"localhost:9/my/", "localhost:9", "/my/api", true},
    {"localhost:9/my//", "localhost:9", "/my", true},
    {"localhost:9/", "localhost:9", "/any", true},
    {"localhost:9/", "localhost:9", NULL, true},
    {"/my/api", "any.host", "/my/api", true},
    {"/my/api", NULL, "/my/api/x", true},
    {"/my/api", "any.host", "/other", false},
    {":9/my", "any.host:9", "/my", true},
    {"*/my", NULL, "/my/x", true},
    {"/", "any.host", "/", true},
    {"/", "any.host", "/x", true},
    {"/", "any.host", NULL, false},
    /* With a glob the whole path. */
    {"localhost/odd/*", "localhost", "/odd/x/y", true},
    {"localhost/odd/*", "localhost", "/odd/", true},
    {"localhost/odd/*", "localhost", "/odd", false},
    {"localhost/*/chat", "localhost", "/v1/chat", true},
    {"localhost/*/chat", "localhost", "/v1/chat/x", false},
    {"localhost/v?", "localhost", "/v1", true},
    {"localhost/v?", "localhost", "/v1/x", false},
    {"localhost/*", "localhost", NULL, false},
    {"*/v1/*", "any.host", "/v1/x", true},
    /* Queries never count. */
    {"localhost/api", "localhost", "/api?k=/x", true},
    {"localhost/api", "localhost", "/x?k=/api", false},
    {"localhost/*/end", "localhost", "/x?k=/end", false},
    {"localhost/*", "localhost", "?k", false},
    {"localhost/api", "localhost", "/api#part", true},
    /* Schemes are left aside. */
    {"http://h:8080/v1", "h:8080", "/v1/chat/completions", true},
    {"HTTPS://h:8080/v1/", "h:8080", "/v1/models", true},
    {"https://h", "h:80", "/", true},
    {"http://h:8080/v1", "h:8081", "/v1/models", false},
    {"http://*", "any.host", "/", true},
    {"http://", "any.host", "/", false},
    {"http", "http", "/", true},
    {"https:", "https:5", "/", true},
    {"ftp://h", "h", "/", false},
    {"h/x?u=http://other", "other", "/", false},
    /* Items. */
    {"*", "any.host", "/", true},
    {"*", NULL, NULL, true},
    {" \t* ", NULL, NULL, true},
    {"a, b\t,\tllm.corp ", "llm.corp", "/", true},
    {"a,,llm.corp,", "llm.corp", "/", true},
    {"a llm.corp", "llm.corp", "/", false},
    {"llm.corp a", "a", "/", false},
    {"a,b", "llm.corp", "/", false},
    {"", "llm.corp", "/", false},
    {" ", "llm.corp", "/", false},
    {",, ,\t,:,", "llm.corp", "/", false},
    {":", NULL, NULL, false},
    {"http:///", "llm.corp", "/x", true},
};

static void test_items(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (names(cases[i].list, cases[i].host, cases[i].path, false) != cases[i].named)
            fail_msg("\"%s\" for %s %s", cases[i].list, cases[i].host ? cases[i].host : "-",
                     cases[i].path ? cases[i].path : "-");
    assert_true(names("llm.corp:443", "llm.corp", "/", true));
    assert_false(names("llm.corp:80", "llm.corp", "/", true));
}

static void test_hosts_that_are_none(void **state)
{
    (void)state;
    struct endpoint_host host;
    static char name[ENDPOINT_HOST_MAX + 2];
    memset(name, 'a', sizeof(name) - 1);
    assert_true(endpoint_host_read(&host, name, ENDPOINT_HOST_MAX, false));
    assert_false(endpoint_host_read(&host, name, ENDPOINT_HOST_MAX + 1, false));
    assert_false(endpoint_host_read(&host, ":80", 3, false));
    assert_false(endpoint_host_read(&host, NULL, 0, false));
    assert_true(endpoint_host_read(&host, "[::1", 4, false));
    assert_false(names("a*", name, "/", false));
    assert_true(names("*/", name, "/", false));
}

static void test_globs(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *text;
        bool matches;
    } globs[] = {{"*", "", true},
                 {"a*b?c", "a---bxc", true},
                 {"a*b?c", "a---bc", false},
                 {"", "a", false},
                 {"", "", true},
                 {"*/chat/*", "/x/chat/", true},
                 {"?", "", false},
                 {"**", "x", true},
                 {"a*a", "a", false},
                 {"*ab*ab", "abab", true},
                 {"*ab*ab", "ab", false},
                 {"A", "a", false},
                 {"a*b*c", "a*b*c", true},
                 {"*a*b*", "xbxax", false},
                 {"*?*", "", false},
                 {"*a?b*", "aab-aXb", true}};
    for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++) {
        size_t glob_len = strlen(globs[i].glob), len = strlen(globs[i].text);
        if (endpoint_glob(at_the_end(0, globs[i].glob, glob_len), glob_len,
                          at_the_end(1, globs[i].text, len), len) != globs[i].matches)
            fail_msg("%s against %s", globs[i].glob, globs[i].text);
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A list as long as an environment takes, against a path as long as a request line. */
static void test_hostile_lists_take_no_time(void **state)
{
    (void)state;
    static char list[32768], path[8192], host[ENDPOINT_HOST_MAX + 1];
    memset(path, 'a', sizeof(path) - 1);
    path[0] = '/';
    memset(host, 'a', sizeof(host) - 1);
    static const char *const units[] = {"*a", "*",       "a*", "?*", "/*a",
                                        "/",  "a,*b/*a", ",",  ":",  " "};
    double start = seconds();
    for (size_t i = 0; i < 2 * sizeof(units) / sizeof(units[0]); i++) {
        const char *unit = units[i / 2];
        size_t len = i % 2 ? 2 : 0;
        memcpy(list, "/b", 2);
        for (; len + strlen(unit) + 2 < sizeof(list); len += strlen(unit))
            memcpy(list + len, unit, strlen(unit));
        memcpy(list + len, "b", 2);
        assert_false(names(list, host, path, false));
    }
    assert_true(seconds() - start < 2);
}

/* Random bytes of the rule's own alphabet: nothing is read that is not there, and no item can be
 * undone by others around it. */
static void test_random_items(void **state)
{
    (void)state;
    static const char alphabet[] = "ahtps*?:/[]. \t1#";
    srand(7);
    for (int round = 0; round < 100000; round++) {
        char text[3][24], list[64];
        for (size_t i = 0; i < 3; i++) {
            size_t len = (size_t)rand() % (sizeof(text[i]) - 1);
            for (size_t j = 0; j < len; j++)
                text[i][j] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
            text[i][len] = '\0';
        }
        bool alone = names(text[0], text[1], text[2], round & 1);
        snprintf(list, sizeof(list), "no.host , %s\t,no.host", text[0]);
        assert_int_equal(names(list, text[1], text[2], round & 1), alone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),        cmocka_unit_test(test_hosts_that_are_none),
        cmocka_unit_test(test_globs),        cmocka_unit_test(test_hostile_lists_take_no_time),
        cmocka_unit_test(test_random_items),
    };
    return cmocka_run_group_tests(tests, make_pages, NULL);
}
