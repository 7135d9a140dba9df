#include <stdio.h>
#include <string.h>

#include "storm.h"

uint64_t storm_next(struct storm_random *r)
{
    /* splitmix64, by Sebastiano Vigna */
    uint64_t z = (r->state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

size_t storm_below(struct storm_random *r, size_t below)
{
    return storm_next(r) % below;
}

struct out {
    char *at;
    size_t len, size;
};

static void put(struct out *o, const char *text)
{
    size_t len = strlen(text);
    if (o->len + len < o->size) {
        memcpy(o->at + o->len, text, len + 1);
        o->len += len;
    }
}

static void put_many(struct out *o, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        put(o, text);
}

static void put_id(struct storm_random *r, struct out *o)
{
    char id[24];
    snprintf(id, sizeof(id), "\"storm-%zu\"", storm_below(r, STORM_IDS));
    put(o, id);
}

static void put_value(struct storm_random *r, struct out *o, int depth);

static void put_nested(struct storm_random *r, struct out *o, int depth)
{
    static const char *const names[] = {
        "messages",          "role", "content", "parts",     "type", "ttft_ms",
        "tokens_cache_read", "a",    "\\u0000", "__proto__", ""};
    bool object = storm_below(r, 2) == 0;
    size_t count = storm_below(r, 4);
    put(o, object ? "{" : "[");
    for (size_t i = 0; i < count; i++) {
        put(o, i > 0 ? "," : "");
        if (object) {
            put(o, "\"");
            put(o, names[storm_below(r, sizeof(names) / sizeof(names[0]))]);
            put(o, "\":");
        }
        put_value(r, o, depth + 1);
    }
    put(o, object ? "}" : "]");
}

static void put_value(struct storm_random *r, struct out *o, int depth)
{
    static const char *const plain[] = {"null",
                                        "true",
                                        "false",
                                        "0",
                                        "1",
                                        "-1",
                                        "7",
                                        "1.5",
                                        "-0.0",
                                        "1e3",
                                        "1e400",
                                        "-1e400",
                                        "9007199254740993",
                                        "18446744073709551616",
                                        "1e-400",
                                        "NaN",
                                        "\"\"",
                                        "\"x\"",
                                        "\" \"",
                                        "\"2026-01-02T03:04:05Z\"",
                                        "\"2026-01-02T03:04:05.678901+00:00\"",
                                        "\"llm\"",
                                        "\"tool\"",
                                        "\"error\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\ud83d\"",
                                        "\"\\u0000\"",
                                        "\"\xc3\xa9\"",
                                        "\"\xff\"",
                                        "\"<script>alert(1)</script>\"",
                                        "\"p0\"",
                                        "\"p1\"",
                                        "{}",
                                        "[]"};
    size_t kind = storm_below(r, 12);
    if (kind < 7 || depth > 5) {
        put(o, plain[storm_below(r, sizeof(plain) / sizeof(plain[0]))]);
    } else if (kind < 9) {
        put_nested(r, o, depth);
    } else if (kind == 9) {
        put_id(r, o);
    } else if (kind == 10) {
        put(o, "\"");
        put_many(o, storm_below(r, 2) ? "x" : "\xf0\x9f\x98\x80", storm_below(r, 300));
        put(o, "\"");
    } else if (storm_below(r, 40) == 0) {
        size_t depths = storm_below(r, 20000);
        put_many(o, "[", depths);
        put_many(o, "]", depths);
    } else {
        put(o, "42");
    }
}

/* A value that the field takes, mostly. */
static void put_field(struct storm_random *r, struct out *o, const char *name)
{
    static const char *const types[] = {"\"llm\"", "\"tool\"", "\"agent\"", "\"embedding\"",
                                        "\"chain\""};
    static const char *const ops[] = {"\"create_trace\"", "\"create_span\"", "\"complete_span\"",
                                      "\"complete_trace\"", "\"other\""};
    put(o, "\"");
    put(o, name);
    put(o, "\":");
    if (storm_below(r, 25) == 0)
        put_value(r, o, 0);
    else if (strcmp(name, "project_id") == 0)
        put(o, storm_below(r, 8) ? "\"p0\"" : "\"p1\"");
    else if (strcmp(name, "span_type") == 0)
        put(o, types[storm_below(r, 5)]);
    else if (strcmp(name, "op") == 0)
        put(o, ops[storm_below(r, 5)]);
    else if (strstr(name, "_id") != NULL)
        put_id(r, o);
    else if (strstr(name, "_time") != NULL)
        put(o, storm_below(r, 2) ? "\"2026-01-02T03:04:05Z\"" : "\"2026-11-02T03:04:05.5+02:00\"");
    else if (strncmp(name, "tokens", 6) == 0 || strcmp(name, "cost_usd") == 0)
        put(o, storm_below(r, 2) ? "12" : "3");
    else if (strcmp(name, "tags") == 0)
        put(o, "[\"a\",\"b c\",\"\"]");
    else if (strstr(name, "data") != NULL)
        put_nested(r, o, 0);
    else
        put(o, "\"fox and words\"");
}

static void put_object(struct storm_random *r, struct out *o)
{
    static const char *const fields[] = {
        "op",         "name",          "project_id", "trace_id",      "span_id", "span_type",
        "start_time", "end_time",      "user_id",    "session_id",    "tags",    "metadata",
        "input_data", "output_data",   "output",     "error",         "model",   "tokens_input",
        "cost_usd",   "tokens_output", "unknown",    "parent_span_id"};
    bool first = true;
    put(o, "{");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (storm_below(r, i < 6 ? 20 : 2) == 0)
            continue;
        put(o, first ? "" : ",");
        put_field(r, o, fields[i]);
        first = false;
    }
    put(o, "}");
}

size_t storm_body(struct storm_random *r, char *out, size_t size)
{
    struct out o = {out, 0, size};
    size_t kind = storm_below(r, 30);
    if (kind < 20) {
        put_object(r, &o);
    } else if (kind < 27) {
        for (size_t lines = storm_below(r, 12); lines > 0; lines--) {
            put_object(r, &o);
            put(&o, storm_below(r, 9) ? "\n" : "\r\n\n");
        }
    } else if (kind == 27) {
        put_value(r, &o, 0);
    } else if (kind == 28) {
        for (size_t len = storm_below(r, 500); o.len < len;)
            o.at[o.len++] = (char)storm_next(r);
    }
    if (o.len > 0 && storm_below(r, 8) == 0)
        for (size_t n = 1 + storm_below(r, 4); n > 0; n--)
            o.at[storm_below(r, o.len)] = (char)storm_next(r);
    return o.len;
}
