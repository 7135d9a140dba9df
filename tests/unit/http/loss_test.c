/* Gaps in the streams, and connections that are seen from the middle on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/http/transcript.h"

struct loss_case {
    const char *name;
    struct step steps[16];
    const char *expected;
    struct http_options options;
    bool whole_only; /* a message is looked for where a piece begins: bytes do not begin it */
};

#define GET     "GET /g HTTP/1.1\r\n\r\n"                       /* 19 bytes */
#define POST5   "POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\n" /* 39 bytes */
#define OK10    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
#define NONE    "HTTP/1.1 204 x\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct loss_case cases[] = {
    {.name = "inside bodies of known length",
     {OUT(POST5 "a"), LOST_OUT(3), OUT("e" GET), IN(OK10 "01"), LOST_IN(8), IN(NONE)},
     "@0 POST /p {ae} 10-30 | 200 {01} 40-40 | complete lost=3,8\n"
     "@44 GET /g {} 30-30 | 204 {} 60-60 | complete\n"},
    {.name = "inside the data of a chunk",
     {OUT(GET), IN(CHUNKED "a\r\n01"), LOST_IN(5), IN("789\r\n0\r\n\r\n")},
     "@0 GET /g {} 10-10 | 200 {01789} 20-40 | complete lost=0,5\n"},
    {.name = "up to the end of a chunk's data",
     {OUT(GET), IN(CHUNKED "a\r\n01"), LOST_IN(8), IN("\r\n1\r\nx\r\n0\r\n\r\n")},
     "@0 GET /g {} 10-10 | 200 {01x} 20-40 | complete lost=0,8\n"},
    {.name = "inside a body until close",
     {OUT(GET), IN("HTTP/1.0 200 OK\r\n\r\nab"), LOST_IN(5), IN("cd"), {EOF_IN, NULL, 0}},
     "@0 GET /g {} 10-10 | 200 {abcd} 20-40 | complete lost=0,5\n"},
    {.name = "over a chunk's end, the next answer is found",
     {OUT(GET), IN(CHUNKED "a\r\n01"), LOST_IN(9), IN("\n1\r\nx\r\n"), OUT(GET), IN(NONE)},
     "@0 GET /g {} 10-10 | 200 {01} 20-20 | gap lost=0,9\n"
     "@19 GET /g {} 50-50 | 204 {} 60-60 | complete\n",
     .whole_only = true},
    {.name = "over the end of a body of known length",
     {OUT(GET), IN(OK10 "01"), LOST_IN(50), OUT(GET), IN("rest of a lost one"), IN(NONE)},
     "@0 GET /g {} 10-10 | 200 {01} 20-20 | complete lost=0,8\n"
     "@19 GET /g {} 40-40 | 204 {} 60-60 | complete\n",
     .whole_only = true},
    {.name = "the head of a response",
     {OUT(GET), IN("HTTP/1.1 2"), LOST_IN(50), IN("xyz"), OUT(GET), IN(NONE)},
     "@0 GET /g {} 10-10 | gap\n@19 GET /g {} 50-50 | 204 {} 60-60 | complete\n",
     .whole_only = true},
    {.name = "a whole response, told late",
     {OUT(GET), OUT(GET), LOST_IN(50), IN(NONE)},
     "@0 GET /g {} 10-10 | gap\n@19 GET /g {} 20-20 | 204 {} 40-40 | complete\n",
     .whole_only = true},
    {.name = "the head of a request",
     {OUT("GET /lost HT"), LOST_OUT(50), OUT("more of it"), IN(NONE), OUT(GET), IN(NONE)},
     "@72 GET /g {} 50-50 | 204 {} 60-60 | complete\n",
     .whole_only = true},
    {.name = "the framing of a request; its answer comes whole",
     {OUT("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), LOST_OUT(20), OUT("zz"),
      IN(OK10 "0123456789"), OUT(GET), IN(NONE)},
     "@0 POST /c {ab} 10-0 | 200 {0123456789} 40-40 | complete lost=20,0\n"
     "@75 GET /g {} 50-50 | 204 {} 60-60 | complete\n",
     .whole_only = true},
    {.name = "a lost request's answer is not the next one's",
     {LOST_OUT(50), IN(NONE), OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")},
     "@50 GET /g {} 30-30 | 200 {x} 40-40 | complete\n",
     .whole_only = true},
    {.name = "the response that is being read goes on past a loss of requests",
     {OUT(GET), IN(OK10 "01234"), LOST_OUT(30), OUT(GET), IN("56789"), IN(NONE)},
     "@0 GET /g {} 10-10 | 200 {0123456789} 20-50 | complete\n"
     "@49 GET /g {} 40-40 | 204 {} 60-60 | complete\n",
     .whole_only = true},
    {.name = "an answer older than the request is not its own",
     {LOST_OUT(50), OUT(GET), IN_OLD(NONE), IN(OK10 "0123456789")},
     "@50 GET /g {} 20-20 | 200 {0123456789} 40-40 | complete\n",
     .whole_only = true},
    {.name = "nor is one behind the response that was being read",
     {OUT(GET), IN(OK10 "01234"), LOST_OUT(30), OUT(GET), IN_OLD("56789"), IN_OLD(NONE),
      IN(OK10 "0123456789")},
     "@0 GET /g {} 10-10 | 200 {0123456789} 20-5 | complete\n"
     "@49 GET /g {} 40-40 | 200 {0123456789} 70-70 | complete\n",
     .whole_only = true},
    {.name = "compressed data cannot go on",
     {OUT(GET), IN("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n"),
      LOST_IN(10), IN("012345678901234567890123456789" NONE), OUT(GET)},
     "@0 GET /g {} 10-10 | 200 {} 20-40 | complete lost=0,40 undecoded=response\n"
     "@19 GET /g {} 50-50 | 204 {} 40-40 | complete\n"},
    {.name = "resync: from the middle of a response",
     {IN("rest of something\r\n"), OUT("rest of a body"), IN(NONE), OUT(GET), IN(NONE)},
     "@14 GET /g {} 40-40 | 204 {} 50-50 | complete\n",
     {.resync = true},
     true},
    {.name = "resync: what looks like a request in the middle of a piece is none",
     {OUT("x GET /g HTTP/1.1\r\n\r\n"), OUT("GET up HTTP/3.9\r\n\r\n"), OUT(GET), IN(NONE)},
     "@40 GET /g {} 30-30 | 204 {} 40-40 | complete\n",
     {.resync = true},
     true},
};

static void check(const struct loss_case *t, enum split split, unsigned seed)
{
    struct buf out;
    struct http_options options = t->options;
    options.body_max = 1 << 20;
    buf_init(&out, 1 << 20);
    transcript_run(&out, t->steps, &options, split, seed);
    if (strcmp(buf_str(&out), t->expected) != 0)
        fail_msg("%s (split %d, seed %u): got\n%swanted\n%s", t->name, split, seed, buf_str(&out),
                 t->expected);
    buf_release(&out);
}

static void losses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(&cases[i], SPLIT_NONE, 0);
        if (cases[i].whole_only)
            continue;
        check(&cases[i], SPLIT_BYTES, 0);
        for (unsigned seed = 1; seed <= 20; seed++)
            check(&cases[i], SPLIT_RANDOM, seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
