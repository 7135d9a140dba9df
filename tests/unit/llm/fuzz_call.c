/* A call: the first byte picks the path, the second the answer's status and content type, the third
 * the ceiling; then the request's body, \xff|\xff, the answer's body. The answer in one piece and
 * byte by byte must give the same call. Seeds: fuzz_seeds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "golden/dump.h"
#include "http/http.h"
#include "llm/llm.h"

static const char *const targets[] = {
    "/v1/chat/completions", "/v1/responses", "/v1/completions",
    "/v1/embeddings",       "/v1/messages",  "/api/chat",
    "/api/generate",        "/api/embed",    "/unknown",
};

static const struct {
    int status;
    const char *type;
} answers[] = {
    {200, "application/json"}, {200, "text/event-stream"}, {200, "application/x-ndjson"},
    {200, "text/plain"},       {429, "application/json"},  {500, "text/html"},
};

static void play(const uint8_t *data, size_t size, size_t split, size_t piece, struct buf *out)
{
    static struct http_exchange x;
    struct llm_parser *p;
    const char *response = (const char *)data + split + 3;
    size_t len = size > split + 3 ? size - split - 3 : 0;
    size_t answer = data[1] % (sizeof(answers) / sizeof(*answers));
    x.request.method = "POST";
    x.request.target = targets[data[0] % (sizeof(targets) / sizeof(*targets))];
    x.request.header_count = 1;
    x.request.headers[0] = (struct http_header){"host", "api.openai.com"};
    x.response.status = answers[answer].status;
    x.response.header_count = 1;
    x.response.headers[0] = (struct http_header){"content-type", answers[answer].type};
    x.how = data[1] & 0x80 ? HTTP_ABORTED : HTTP_COMPLETE;
    x.t_request = 1;
    x.t_response_end = 9;
    if (llm_parser_new(&p, &x, NULL, "*", true, (size_t)1 << (10 + data[2] % 11)) != ERR_OK)
        abort();
    llm_parser_request_body(p, (const char *)data + 3, split - 3);
    if (llm_parser_request_end(p, &x)) {
        llm_parser_response(p, &x);
        for (size_t at = 0; at < len; at += piece)
            llm_parser_response_body(p, response + at, len - at < piece ? len - at : piece, 5);
        struct llm_call *call = llm_parser_end(p, &x);
        dump_call(out, call);
        llm_call_free(call);
    }
    llm_parser_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 1 << 20)
        return 0;
    const uint8_t *mark = memmem(data + 3, size - 3, "\xff|\xff", 3);
    size_t split = mark ? (size_t)(mark - data) : size;
    struct buf whole, pieces;
    buf_init(&whole, (size_t)64 << 20);
    buf_init(&pieces, (size_t)64 << 20);
    play(data, size, split, SIZE_MAX / 2, &whole);
    play(data, size, split, 1, &pieces);
    if (strcmp(buf_str(&whole), buf_str(&pieces)) != 0) {
        fprintf(stderr, "--- whole\n%s--- byte by byte\n%s", buf_str(&whole), buf_str(&pieces));
        abort();
    }
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
