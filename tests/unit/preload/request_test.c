/* The pure parts: what the first bytes of a request tell, endpoints, globs, copying. Every input
 * ends at a page that cannot be read. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "endpoint.h"
#include "request.h"
#include "text.h"
#include "wire/endpoint_match.h"

void *preload_memcpy(void *restrict to, const void *restrict from, size_t n);
void *preload_memmove(void *to, const void *from, size_t n);
void *preload_memset(void *to, int byte, size_t n);
int preload_memcmp(const void *a, const void *b, size_t n);

#define ROOM 65536

static char *page_end;

static int make_pages(void **state)
{
    (void)state;
    char *pages =
        mmap(NULL, ROOM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    page_end = pages + ROOM;
    return mprotect(page_end, 4096, PROT_NONE);
}

static const char *at_the_end(const char *text, size_t len)
{
    return memcpy(page_end - len, text, len);
}

static const struct {
    const char *text, *sni, *extra, *host;
    enum request_verdict verdict;
} cases[] = {
    {"POST /v1/chat/completions HTTP/1.1\r\nHost: a.example\r\n\r\n", NULL, "", "a.example",
     REQUEST_MATCH},
    {"POST /v1/chat/completions?x=/other HTTP/1.1\r\nHost: a\r\n\r\n", NULL, "", "a",
     REQUEST_MATCH},
    {"POST /openai/deployments/d-1/chat/completions?api-version=2 HTTP/1.1\r\nhost:x\r\n\r\n", NULL,
     "", "x", REQUEST_MATCH},
    {"POST /v1beta/models/gemini-2:streamGenerateContent?alt=sse HTTP/1.1\r\nHost: x\r\n\r\n", NULL,
     "", "x", REQUEST_MATCH},
    {"POST /v1/messages HTTP/2\r\nHost: x\r\n\r\n", NULL, "", "x", REQUEST_MATCH},
    {"POST /v1/messages HTTP/2.5\r\nHost: x\r\n\r\n", NULL, "", NULL, REQUEST_UNKNOWN},
    {"GET /v1/models HTTP/1.1\r\nA: b\r\nHOST:\t api.openai.com:443 \r\n\r\n", NULL, "",
     "api.openai.com:443", REQUEST_MATCH},
    {"GET / HTTP/1.1\r\nHost: eu.API.openai.com\r\n\r\n", NULL, "", "eu.API.openai.com",
     REQUEST_MATCH},
    {"GET / HTTP/1.1\r\nHost: localhost:11434\r\n\r\n", NULL, "", "localhost:11434", REQUEST_MATCH},
    {"GET / HTTP/1.1\r\nHost: localhost:11435\r\n\r\n", NULL, "", "localhost:11435", REQUEST_OTHER},
    {"GET / HTTP/1.1\r\nHost: [::1]:11434\r\n\r\n", NULL, "", "[::1]:11434", REQUEST_MATCH},
    {"GET / HTTP/1.1\r\nHost: api.openai.com.evil.example\r\n\r\n", NULL, "",
     "api.openai.com.evil.example", REQUEST_OTHER},
    {"GET / HTTP/1.1\r\nHost: x.example\r\n\r\n", "api.openai.com", "", "x.example", REQUEST_MATCH},
    {"GET / HTTP/1.1\r\n\r\n", "api.anthropic.com", "", NULL, REQUEST_MATCH},
    {"GET / HTTP/1.1\r\n\r\n", NULL, "", NULL, REQUEST_OTHER},
    {"GET /v1/chat/completions/x HTTP/1.1\r\nHost: a\r\n\r\n", NULL, "", "a", REQUEST_OTHER},
    {"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n", NULL, "", NULL,
     REQUEST_OTHER},
    {"POST http://api.openai.com/x HTTP/1.1\r\n\r\n", NULL, "", "api.openai.com", REQUEST_MATCH},
    {"GET /x?u=http://api.openai.com/ HTTP/1.1\r\nHost: a\r\n\r\n", NULL, "", "a", REQUEST_OTHER},
    {"GET / HTTP/1.1\r\nHost: my.host:8000\r\n\r\n", NULL, "my.host", "my.host:8000",
     REQUEST_MATCH},
    {"GET / HTTP/1.1\r\nHost: my.host:8000\r\n\r\n", NULL, "a,my.host:8001", "my.host:8000",
     REQUEST_OTHER},
    {"GET / HTTP/1.1\r\nHost: my.host\r\n\r\n", NULL, "a, http://my.host:80 ", "my.host",
     REQUEST_MATCH},
    {"GET /llm/1 HTTP/1.1\r\nHost: my.host\r\n\r\n", NULL, "my.*/llm/*", "my.host", REQUEST_MATCH},
    {"GET /llx/1 HTTP/1.1\r\nHost: my.host\r\n\r\n", NULL, "my.*/llm/*", "my.host", REQUEST_OTHER},
    {"GET /llm/1 HTTP/1.1\r\nHost: b\r\n\r\n", NULL, "/llm/?", "b", REQUEST_MATCH},
    {"GET /x HTTP/1.1\r\nHost: b\r\n\r\n", NULL, "*", "b", REQUEST_MATCH},
    {"POST /my/api?k=v HTTP/1.1\r\nHost: localhost:9\r\n\r\n", NULL, "http://LOCALHOST:9/my/",
     "localhost:9", REQUEST_MATCH},
    {"POST /myapi HTTP/1.1\r\nHost: localhost:9\r\n\r\n", NULL, "localhost:9/my", "localhost:9",
     REQUEST_OTHER},
    {"POST http://localhost:9/my/api HTTP/1.1\r\n\r\n", NULL, "/my", "localhost:9", REQUEST_MATCH},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "api.openai.com", "", NULL, REQUEST_HTTP2},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "example.com", "", NULL, REQUEST_UNKNOWN},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NULL, "", NULL, REQUEST_UNKNOWN},
    {"\x16\x03\x01\x02", NULL, "*", NULL, REQUEST_UNKNOWN},
    {"EHLO example.com\r\n", NULL, "*", NULL, REQUEST_UNKNOWN},
    {"GETX / HTTP/1.1\r\n\r\n", NULL, "*", NULL, REQUEST_UNKNOWN},
    {"GET / FTP/1.1\r\n\r\n", NULL, "*", NULL, REQUEST_UNKNOWN},
    {"GET /\r\n", NULL, "*", NULL, REQUEST_UNKNOWN},
    {"HTTP/1.1 200 OK\r\n\r\n", NULL, "*", NULL, REQUEST_UNKNOWN},
    {"P", NULL, "", NULL, REQUEST_MORE},
    {"POST /v1/chat/completions HTTP/1", NULL, "", NULL, REQUEST_MORE},
    {"POST /elsewhere HTTP/1.1\r\nHost: api.openai.c", NULL, "", NULL, REQUEST_MORE},
};

static void test_first_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].text);
        struct request_view view;
        const char *text = at_the_end(cases[i].text, len);
        enum request_verdict verdict =
            request_look(text, len, cases[i].sni, cases[i].extra, cases[i].sni != NULL, &view);
        if (verdict != cases[i].verdict)
            fail_msg("case %zu: %d instead of %d: %s", i, verdict, cases[i].verdict, cases[i].text);
        if (cases[i].host != NULL) {
            assert_int_equal(view.host_len, strlen(cases[i].host));
            assert_memory_equal(view.host, cases[i].host, view.host_len);
        }
    }
}

/* Cut anywhere, a request is never told to be something that it is not. */
static void test_first_bytes_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t len = 1; len <= strlen(cases[i].text); len++) {
            struct request_view view;
            const char *text = at_the_end(cases[i].text, len);
            enum request_verdict verdict =
                request_look(text, len, cases[i].sni, cases[i].extra, cases[i].sni != NULL, &view);
            assert_true(verdict == REQUEST_MORE || verdict == cases[i].verdict);
        }
    }
}

static void test_endless_lines_end(void **state)
{
    (void)state;
    static char text[ROOM];
    struct request_view view;
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    assert_int_equal(request_look(at_the_end(text, 8191), 8191, NULL, "", false, &view),
                     REQUEST_MORE);
    assert_int_equal(request_look(at_the_end(text, ROOM), ROOM, NULL, "", false, &view),
                     REQUEST_UNKNOWN);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(request_look(at_the_end(text, ROOM), ROOM, NULL, "", false, &view),
                     REQUEST_OTHER);
}

static void test_hosts_too_long_match_nothing(void **state)
{
    (void)state;
    static char host[400];
    memset(host, 'a', sizeof(host));
    memcpy(host + 385, ".api.openai.com", 15);
    assert_false(endpoint_matches(host, sizeof(host), NULL, 0, "", true));
    assert_true(endpoint_matches(host + 145, 255, NULL, 0, "", true));
    assert_false(endpoint_matches(host + 144, 256, NULL, 0, "", true));
    assert_false(endpoint_matches(":", 1, NULL, 0, ",,, ,:,/", true));
    assert_false(endpoint_matches(":443", 4, NULL, 0, "a", true));
    assert_false(endpoint_matches("", 0, "", 0, "a", true));
}

static void test_globs(void **state)
{
    (void)state;
    static const struct {
        const char *glob, *text;
        bool matches;
    } globs[] = {{"", "", true},           {"", "a", false},          {"*", "", true},
                 {"*", "abc", true},       {"a*", "abc", true},       {"*c", "abc", true},
                 {"a*c", "abc", true},     {"a*c", "ac", true},       {"a*c", "a", false},
                 {"a?c", "abc", true},     {"a?c", "ac", false},      {"?", "", false},
                 {"*a*b*", "xaxbx", true}, {"*a*b*", "xbxax", false}, {"a*a", "a", false},
                 {"**", "x", true},        {"ab", "a", false},        {"*ab*ab", "abab", true},
                 {"*ab*ab", "ab", false}};
    for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++) {
        size_t len = strlen(globs[i].text);
        bool matches = endpoint_glob(globs[i].glob, strlen(globs[i].glob),
                                     at_the_end(globs[i].text, len), len);
        if (matches != globs[i].matches)
            fail_msg("%s against %s", globs[i].glob, globs[i].text);
    }
}

static void test_numbers_and_texts(void **state)
{
    (void)state;
    char out[8];
    size_t at = 0;
    assert_true(text_put_number(out, sizeof(out), &at, 1234567));
    assert_string_equal(out, "1234567");
    assert_false(text_put(out, sizeof(out), &at, "x", 1));
    at = 0;
    assert_false(text_put_number(out, sizeof(out), &at, UINT64_MAX));
    assert_string_equal(out, "1844674");
}

static void test_copying(void **state)
{
    (void)state;
    static unsigned char from[4096], to[4200], same[4200];
    for (size_t i = 0; i < sizeof(from); i++)
        from[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t len = 0; len < 1100; len++) {
        for (size_t shift = 0; shift < 17; shift += 5) {
            memset(to, 0xee, sizeof(to));
            memset(same, 0xee, sizeof(same));
            memcpy(same + 20 + shift, from + shift, len);
            assert_ptr_equal(preload_memcpy(to + 20 + shift, from + shift, len), to + 20 + shift);
            assert_memory_equal(to, same, sizeof(to));
        }
        memset(same, 0, len);
        preload_memset(to, 0, len);
        assert_memory_equal(to, same, len);
        memcpy(to, from, 2000);
        memcpy(same, from, 2000);
        preload_memmove(to + 3, to, len);
        memmove(same + 3, same, len);
        preload_memmove(to, to + 5, len);
        memmove(same, same + 5, len);
        assert_memory_equal(to, same, 2010);
    }
    assert_int_equal(preload_memcmp("abc", "abd", 3) < 0, 1);
    assert_int_equal(preload_memcmp("abc", "abc", 3), 0);
}

static void test_looking_is_cheap(void **state)
{
    (void)state;
    static const char text[] = "GET /some/where/else HTTP/1.1\r\nHost: www.example.com\r\n"
                               "User-Agent: something\r\n\r\n";
    struct request_view view;
    double best = 1e9;
    for (int i = 0; i < 50; i++) {
        struct timespec start, end;
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (int j = 0; j < 1000; j++)
            assert_int_equal(request_look(text, sizeof(text) - 1, NULL, "", false, &view),
                             REQUEST_OTHER);
        clock_gettime(CLOCK_MONOTONIC, &end);
        double ns =
            (double)(end.tv_sec - start.tv_sec) * 1e6 + (double)(end.tv_nsec - start.tv_nsec) / 1e3;
        if (ns < best)
            best = ns;
    }
    printf("looking at a request to somebody else: %.0f ns\n", best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_bytes),
        cmocka_unit_test(test_first_bytes_cut_anywhere),
        cmocka_unit_test(test_endless_lines_end),
        cmocka_unit_test(test_hosts_too_long_match_nothing),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_numbers_and_texts),
        cmocka_unit_test(test_copying),
        cmocka_unit_test(test_looking_is_cheap),
    };
    return cmocka_run_group_tests(tests, make_pages, NULL);
}
