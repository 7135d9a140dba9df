#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a header in the head, which ends with an empty line; NULL: it is not there. */
static const char *header(const char *at, const char *end, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = at; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (next == NULL)
            return NULL;
        if ((size_t)(next - line) > len && strncasecmp(line, name, len) == 0 && line[len] == ':') {
            line += len + 1;
            return line + strspn(line, " \t");
        }
        line = next + 1;
    }
    return NULL;
}

/* Length of a chunked body, or ANSWER_MORE, ANSWER_BAD. */
static long chunked(const char *at, size_t len)
{
    size_t used = 0;
    for (;;) {
        const char *line = memchr(at + used, '\n', len - used);
        if (line == NULL)
            return len - used > 64 ? ANSWER_BAD : ANSWER_MORE;
        char *stop;
        unsigned long size = strtoul(at + used, &stop, 16);
        if (stop == at + used || size > 1UL << 32)
            return ANSWER_BAD;
        used = (size_t)(line + 1 - at);
        if (used + size + 2 > len)
            return ANSWER_MORE;
        used += size + 2;
        if (size == 0)
            return (long)used;
    }
}

static long parse_one(const char *at, size_t len, bool head, bool closed, struct answer *out)
{
    if (len < 12)
        return closed ? ANSWER_BAD : ANSWER_MORE;
    if (memcmp(at, "HTTP/1.", 7) != 0)
        return ANSWER_BAD;
    const char *end = memmem(at, len, "\r\n\r\n", 4);
    if (end == NULL)
        return closed || len > 65536 ? ANSWER_BAD : ANSWER_MORE;
    end += 2;
    size_t body = (size_t)(end + 2 - at);
    out->status = atoi(at + 9);
    out->body = at + body;
    out->body_len = 0;
    const char *said = header(at, end, "Connection");
    out->close = said != NULL && strncasecmp(said, "close", 5) == 0;
    if (head || out->status < 200 || out->status == 204 || out->status == 304)
        return (long)body;
    const char *coding = header(at, end, "Transfer-Encoding");
    const char *length = header(at, end, "Content-Length");
    long took;
    if (coding != NULL) {
        took = chunked(at + body, len - body);
    } else if (length != NULL) {
        out->body_len = strtoul(length, NULL, 10);
        took = body + out->body_len <= len ? (long)out->body_len : ANSWER_MORE;
    } else {
        out->close = true;
        took = closed ? (long)(len - body) : ANSWER_MORE;
    }
    if (took < 0)
        return took == ANSWER_MORE && closed ? ANSWER_BAD : took;
    return (long)body + took;
}

long answer_parse(const char *at, size_t len, bool head, bool closed, struct answer *out)
{
    size_t skipped = 0;
    for (;;) {
        long took = parse_one(at + skipped, len - skipped, head, closed, out);
        if (took < 0)
            return took;
        skipped += (size_t)took;
        if (out->status >= 200)
            return (long)skipped;
    }
}
