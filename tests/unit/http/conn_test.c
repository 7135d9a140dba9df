/* Scripted connections, each given in one piece a step, byte by byte, and in random pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/http/transcript.h"

struct conn_case {
    const char *name;
    struct step steps[16];
    const char *expected;
    struct http_options options; /* body_max 0: 1 MB */
};

#define REQ     "POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" /* 62 bytes */
#define GET     "GET /g HTTP/1.1\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct conn_case cases[] = {
    {.name = "content-length both ways",
     {OUT(REQ), IN("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")},
     "@0 POST /v1/x {hello} 10-10 | 200 {abc} 20-20 | complete\n"},
    {.name = "kept alive, offsets go on",
     {OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"), OUT(GET),
      IN("HTTP/1.1 404 No\r\ncontent-length:  0 \r\n\r\n")},
     "@0 GET /g {} 10-10 | 200 {a} 20-20 | complete\n"
     "@19 GET /g {} 30-30 | 404 {} 40-40 | complete\n"},
    {.name = "pipelined",
     {OUT(GET GET "HEAD /h HTTP/1.1\r\n\r\n"),
      IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 204 None\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")},
     "@0 GET /g {} 10-10 | 200 {a} 20-20 | complete\n"
     "@19 GET /g {} 10-10 | 204 {} 20-20 | complete\n"
     "@38 HEAD /h {} 10-10 | 200 {} 20-20 | complete\n"},
    {.name = "chunked both ways, extension and trailers",
     {OUT("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\nab\r\n"),
      OUT("0A \r\n0123456789\r\n000\r\nX: y\r\nZ: w\r\n\r\n"), IN(CHUNKED "5\r\ndata:\r\n"),
      IN("1\r\n \r\n"), IN("0\r\n\r\n")},
     "@0 POST /c {ab0123456789} 10-20 | 200 {data: } 30-50 | complete\n"},
    {.name = "LF-only line ends",
     {OUT("POST /l HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n"),
      IN("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")},
     "@0 POST /l {abc} 10-10 | 200 {ok} 20-20 | complete\n"},
    {.name = "blank lines before start lines",
     {OUT("\r\n\r\n" GET), IN("\r\nHTTP/1.1 204 x\r\n\r\n")},
     "@4 GET /g {} 10-10 | 204 {} 20-20 | complete\n"},
    {.name = "until close",
     {OUT(GET), IN("HTTP/1.0 200 OK\r\n\r\nall "), IN("of it"), {EOF_IN, NULL, 0}},
     "@0 GET /g {} 10-10 | 200 {all of it} 20-30 | complete\n"},
    {.name = "until close, but reset",
     {OUT(GET), IN("HTTP/1.0 200 OK\r\n\r\nall "), {STEP_CLOSE, NULL, 0}},
     "@0 GET /g {} 10-10 | 200 {all } 20-20 | aborted\ndead\n"},
    {.name = "cut by the end of the stream",
     {OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), {EOF_IN, NULL, 0}},
     "@0 GET /g {} 10-10 | 200 {abc} 20-20 | aborted\n"},
    {.name = "no answer",
     {OUT(GET), {STEP_CLOSE, NULL, 0}},
     "@0 GET /g {} 10-10 | aborted\ndead\n"},
    {.name = "head cut", {OUT("GET /g HTTP/1.1\r\nHost"), {STEP_CLOSE, NULL, 0}}, "dead\n"},
    {.name = "request cut",
     {OUT("POST /p HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"), {STEP_CLOSE, NULL, 0}},
     "@0 POST /p {abc} 10-0 | aborted\ndead\n"},
    {.name = "100-continue and 103 are skipped",
     {OUT("POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
      IN("HTTP/1.1 100 Continue\r\n\r\n"), OUT("hi"),
      IN("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
         "0\r\n\r\n")},
     "@0 POST /p {hi} 10-30 | 200 {} 40-40 | complete\n"},
    {.name = "early error, the body goes on",
     {OUT("POST /p HTTP/1.1\r\nContent-Length: 6\r\n\r\nab"),
      IN("HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n\r\nno"), OUT("cd"), OUT("ef" GET),
      IN("HTTP/1.1 204 x\r\n\r\n")},
     "@0 POST /p {abcdef} 10-40 | 413 {no} 20-20 | complete\n"
     "@45 GET /g {} 40-40 | 204 {} 50-50 | complete\n"},
    {.name = "early error, then closed",
     {OUT("POST /p HTTP/1.1\r\nContent-Length: 6\r\n\r\nab"),
      IN("HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n\r\nno"),
      {STEP_CLOSE, NULL, 0}},
     "@0 POST /p {ab} 10-0 | 413 {no} 20-20 | complete\ndead\n"},
    {.name = "response before its request was seen",
     {IN("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), IN("HTTP/1.1 204 x\r\n\r\n"), OUT(GET),
      OUT(GET)},
     "@0 GET /g {} 30-30 | 200 {hi} 10-10 | complete\n"
     "@19 GET /g {} 40-40 | 204 {} 20-20 | complete\n"},
    {.name = "response until close before its request was seen",
     {IN("HTTP/1.0 200 OK\r\n\r\nhi"), {EOF_IN, NULL, 0}, OUT(GET)},
     "@0 GET /g {} 30-30 | 200 {hi} 10-10 | complete\n"},
    {.name = "101 ends it",
     {OUT("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
      IN("HTTP/1.1 101 Switching\r\n\r\n\x81\x05hello"), OUT("\x81junk")},
     "@0 GET /ws {} 10-10 | 101 {} 20-20 | complete\ndead\n"},
    {.name = "CONNECT",
     {OUT("CONNECT a:443 HTTP/1.1\r\n\r\n"), IN("HTTP/1.1 200 OK\r\n\r\n"), OUT("\x16\x03\x01")},
     "@0 CONNECT a:443 {} 10-10 | 200 {} 20-20 | complete\ndead\n"},
    {.name = "CONNECT refused, then asked again",
     {OUT("CONNECT a:443 HTTP/1.1\r\n\r\n"), IN("HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nx"),
      OUT(GET), IN("HTTP/1.1 204 x\r\n\r\n")},
     "@0 CONNECT a:443 {} 10-10 | 407 {x} 20-20 | complete\n"
     "@26 GET /g {} 30-30 | 204 {} 40-40 | complete\n"},
    {.name = "304 and its length",
     {OUT(GET), IN("HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n")},
     "@0 GET /g {} 10-10 | 304 {} 20-20 | complete\n"},
    {.name = "Transfer-Encoding wins over Content-Length",
     {OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: Chunked\r\n\r\n"
                   "3\r\nabc\r\n0\r\n\r\n")},
     "@0 GET /g {} 10-10 | 200 {abc} 20-20 | complete\n"},
    {.name = "equal lengths",
     {OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na")},
     "@0 GET /g {} 10-10 | 200 {a} 20-20 | complete\n"},
    {.name = "different lengths",
     {OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")},
     "@0 GET /g {} 10-10 | 200 {} 20-20 | malformed\ndead\n"},
    {.name = "length that is none",
     {OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab")},
     "@0 GET /g {} 10-10 | 200 {} 20-20 | malformed\ndead\n"},
    {.name = "length that overflows",
     {OUT("POST / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\na")},
     "@0 POST / {} 10-0 | malformed\ndead\n"},
    {.name = "chunk size that overflows",
     {OUT(GET), IN(CHUNKED "10000000000000001\r\na")},
     "@0 GET /g {} 10-10 | 200 {} 20-20 | malformed\ndead\n"},
    {.name = "chunk without its line end",
     {OUT(GET), IN(CHUNKED "1\r\nab")},
     "@0 GET /g {} 10-10 | 200 {a} 20-20 | malformed\ndead\n"},
    {.name = "folded field, odd fields, no colon",
     {OUT("POST /f HTTP/1.1\r\nX: a\r\n b\r\nContent-Length:\r\n\t 2\r\nnonsense\r\n: x\r\n\r\nok"),
      IN("HTTP/1.1 204\r\n\r\n")},
     "@0 POST /f {ok} 10-10 | 204 {} 20-20 | complete\n"},
    {.name = "NUL in a request line", {OUT("GET /a\0b HTTP/1.1\r\n\r\n")}, "dead\n"},
    {.name = "request without a target", {OUT("POST  HTTP/1.1\r\n\r\n")}, "dead\n"},
    {.name = "not HTTP", {OUT("\x16\x03\x01\x02\x00\x01")}, "dead\n"},
    {.name = "HTTP/2 preface", {OUT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}, "dead\n"},
    {.name = "answer that is not HTTP",
     {OUT(GET), IN("220 smtp\r\n")},
     "@0 GET /g {} 10-10 | malformed\ndead\n"},
    {.name = "unknown coding is handed out as sent",
     {OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Encoding: rot13\r\nContent-Length: 2\r\n\r\nuv")},
     "@0 GET /g {} 10-10 | 200 {uv} 20-20 | complete undecoded=response\n"},
    {.name = "body over the limit",
     {OUT(REQ), IN("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789")},
     "@0 POST /v1/x {hell} 10-10 | 200 {1234} 20-20 | complete lost=1,5\n",
     {.body_max = 4}},
    {.name = "server",
     {IN(REQ), OUT("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")},
     "@0 POST /v1/x {hello} 10-10 | 200 {abc} 20-20 | complete\n",
     {.server = true}},
    {.name = "curl: HTTP/2 names, body without length ends with the stream",
     {OUT("POST /c HTTP/2\r\ncontent-length: 2\r\n\r\n"),
      OUT("hi"),
      IN("HTTP/2 200 \r\n"),
      IN("content-type: text/event-stream\r\n"),
      IN("\r\n"),
      IN("data: x\n\n"),
      {EOF_IN, NULL, 0}},
     "@0 POST /c {hi} 10-20 | 200 {data: x\n\n} 30-60 | complete\n",
     {.curl_layer = true}},
    {.name = "curl: chunked announced, framing taken off",
     {OUT(GET), IN(CHUNKED), IN("data: x\n\n"), IN("data: y\n\n"), {EOF_IN, NULL, 0}},
     "@0 GET /g {} 10-10 | 200 {data: x\n\ndata: y\n\n} 20-40 | complete\n",
     {.curl_layer = true}},
    {.name = "curl: chunked announced, framing there",
     {OUT(GET), IN(CHUNKED), IN("a\r\n0123456789\r\n"), IN("0\r\n\r\n")},
     "@0 GET /g {} 10-10 | 200 {0123456789} 20-40 | complete\n",
     {.curl_layer = true}},
    {.name = "curl: framing taken off a body that begins with a line end",
     {OUT(GET), IN(CHUNKED), IN("\r\n{}"), {EOF_IN, NULL, 0}},
     "@0 GET /g {} 10-10 | 200 {\r\n{}} 20-30 | complete\n",
     {.curl_layer = true}},
    {.name = "curl: body too short to tell",
     {OUT(GET), IN(CHUNKED), IN("ad"), {EOF_IN, NULL, 0}},
     "@0 GET /g {} 10-10 | 200 {ad} 20-30 | complete\n",
     {.curl_layer = true}},
    {.name = "curl: HTTP/2 upload without a length ends with the answer",
     {OUT("PUT /u HTTP/2\r\n\r\n"), OUT("abc"), IN("HTTP/2 204 \r\n\r\n")},
     "@0 PUT /u {abc} 10-30 | 204 {} 30-30 | complete\n",
     {.curl_layer = true}},
};

static void check(const struct conn_case *t, enum split split, unsigned seed)
{
    struct buf out;
    struct http_options options = t->options;
    if (options.body_max == 0)
        options.body_max = 1 << 20;
    buf_init(&out, 1 << 20);
    transcript_run(&out, t->steps, &options, split, seed);
    if (strcmp(buf_str(&out), t->expected) != 0)
        fail_msg("%s (split %d, seed %u): got\n%swanted\n%s", t->name, split, seed, buf_str(&out),
                 t->expected);
    buf_release(&out);
}

static void scripted_connections(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(&cases[i], SPLIT_NONE, 0);
        check(&cases[i], SPLIT_BYTES, 0);
        for (unsigned seed = 1; seed <= 20; seed++)
            check(&cases[i], SPLIT_RANDOM, seed);
    }
}

/* What curl tells its debug callback comes in pieces that mean something; the next request ends a
 * body without a length. */
static void curl_next_request_ends_body(void **state)
{
    (void)state;
    const struct conn_case t = {"curl: next request",
                                {OUT("GET /1 HTTP/2\r\n\r\n"), IN("HTTP/2 200 \r\n\r\n"), IN("abc"),
                                 OUT("PUT /2 HTTP/2\r\n\r\n"), OUT("x"),
                                 OUT("GET /3 HTTP/2\r\n\r\n"), IN("HTTP/2 204 \r\n\r\n"),
                                 IN("HTTP/2 204 \r\n\r\n")},
                                "@0 GET /1 {} 10-10 | 200 {abc} 20-30 | complete\n"
                                "@17 PUT /2 {x} 40-60 | 204 {} 70-70 | complete\n"
                                "@35 GET /3 {} 60-60 | 204 {} 80-80 | complete\n",
                                {.curl_layer = true}};
    check(&t, SPLIT_NONE, 0);
}

/* The answer came before the body, which the client then does not send. */
static void unsent_body(void **state)
{
    (void)state;
    const struct conn_case t = {
        "unsent body",
        {OUT("POST /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
         IN("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"), OUT(REQ),
         IN("HTTP/1.1 204 x\r\n\r\n")},
        "@0 POST /p {} 10-0 | 401 {} 20-20 | complete\n"
        "@61 POST /v1/x {hello} 30-30 | 204 {} 40-40 | complete\n",
        {0}};
    check(&t, SPLIT_NONE, 0);
}

struct fields {
    size_t count;
    char folded[32], empty[32], last[32], target[64];
    int minor;
    bool bad_get;
};

static void keep_fields(void *user, struct http_exchange *x)
{
    struct fields *f = user;
    const struct http_head *head = &x->request;
    f->count = head->header_count;
    f->minor = head->minor;
    strcpy(f->target, head->target);
    strcpy(f->folded, http_header_get(head, "x-folded"));
    strcpy(f->empty, http_header_get(head, "x-empty"));
    strcpy(f->last, http_header_get(head, "x-last"));
    f->bad_get = http_header_get(head, "x-missing") != NULL;
}

static void fields_are_told(void **state)
{
    (void)state;
    static const char text[] =
        "GET  /a b?q=1   HTTP/1.0\r\n :x\r\nX-Folded: a \r\n\t b\r\nX-EMPTY:\r\n"
        "X-Last \t: \x80z\x01 w \t\r\nx-last: second\r\n\r\n";
    const struct http_handler handler = {.request = keep_fields};
    const struct http_options options = {.body_max = 1};
    struct fields f = {0};
    struct http_conn *c;
    assert_int_equal(http_conn_new(&c, &options, &handler, &f), ERR_OK);
    http_conn_data(c, HTTP_OUT, 7, text, sizeof(text) - 1, 1);
    assert_int_equal(f.count, 4);
    assert_int_equal(f.minor, 0);
    assert_string_equal(f.target, "/a b?q=1");
    assert_string_equal(f.folded, "a   \t b");
    assert_string_equal(f.empty, "");
    assert_string_equal(f.last, "\x80z\x01 w");
    assert_false(f.bad_get);
    http_conn_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripted_connections),
        cmocka_unit_test(curl_next_request_ends_body),
        cmocka_unit_test(unsent_body),
        cmocka_unit_test(fields_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
