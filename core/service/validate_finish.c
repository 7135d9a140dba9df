/* What the server adds to a write. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "service/validate.h"
#include "json/scan.h"

#define NUMBER_TEXT_MAX 40

/* A figure in metadata: a number, or (older clients make text of every value) a number as text. */
static bool read_figure(const struct scan_value *value, double *out)
{
    struct scan_value inside = *value;
    if (value->kind == SCAN_STRING) {
        if (value->escaped || value->len > NUMBER_TEXT_MAX ||
            scan_one(value->text + 1, value->len - 2, &inside) != ERR_OK)
            return false;
    }
    return scan_number(&inside, out) && isfinite(*out) && *out >= 0;
}

void span_derive(struct stored_span *span)
{
    struct scan s;
    struct scan_value name, value;
    double figure;
    bool counted = true;
    if (span->metadata.at == NULL ||
        scan_open(&s, span->metadata.at, span->metadata.len) != ERR_OK || s.close != '}')
        return;
    while (scan_member(&s, &name, &value) == 1) {
        if (name.len == sizeof("\"ttft_ms\"") - 1 && scan_is(&name, "ttft_ms", 7)) {
            if (read_figure(&value, &figure))
                span->ttft_ms = figure;
        } else if (scan_is(&name, "tokens_cache_read", 17)) {
            if (read_figure(&value, &figure) && figure <= (double)TOKENS_MAX)
                span->tokens_cache_read = (int64_t)figure;
        } else if (scan_is(&name, "counted", 7)) {
            counted =
                !(value.kind == SCAN_BOOL && value.text[0] == 'f') && !scan_is(&value, "false", 5);
        }
    }
    if (!counted)
        span->tokens_cache_read = SPAN_UNKNOWN;
}

static int make_id(struct text *id, struct arena *arena, size_t len)
{
    uint8_t bytes[TRACE_ID_LEN];
    if (id->at != NULL)
        return ERR_OK;
    char *hex = arena_get(arena, 2 * len + 1);
    if (hex == NULL)
        return ERR_NOMEM;
    id_random(bytes, len);
    *id = (struct text){.at = id_to_hex(bytes, len, hex), .len = 2 * len};
    return ERR_OK;
}

/* A record that came with its end alone did not begin after it. */
static void set_times(int64_t *start, int64_t *end, int64_t now)
{
    if (*start == 0)
        *start = *end != 0 && *end < now ? *end : now;
    if (*end != 0 && *end < *start)
        *end = *start;
}

int write_finish(struct stored_write *write, struct arena *arena, int64_t now)
{
    switch (write->op) {
    case STORED_CREATE_TRACE:
        set_times(&write->trace.start_time, &write->trace.end_time, now);
        return make_id(&write->trace.trace_id, arena, TRACE_ID_LEN);
    case STORED_CREATE_SPAN:
        set_times(&write->span.start_time, &write->span.end_time, now);
        return make_id(&write->span.span_id, arena, SPAN_ID_LEN);
    case STORED_COMPLETE_SPAN:
        if (write->span.end_time == 0)
            write->span.end_time = now;
        return ERR_OK;
    case STORED_COMPLETE_TRACE:
        if (write->trace.end_time == 0)
            write->trace.end_time = now;
        return ERR_OK;
    }
    return ERR_OK;
}
