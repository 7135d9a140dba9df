/* The bodies of the four writes, by one table a write. A body is gone through once; each field's
 * value is judged where it lies, and only what has to be changed is copied. */
#include <string.h>

#include "service/validate_field.h"

#define NAME_CHARS    255
#define PROJECT_CHARS 100
#define PARENT_CHARS  100
#define ID_CHARS      64

enum field_name {
    FIELD_OP,
    FIELD_TRACE_ID,
    FIELD_SPAN_ID,
    FIELD_NAME,
    FIELD_PROJECT_ID,
    FIELD_METADATA,
    FIELD_TAGS,
    FIELD_USER_ID,
    FIELD_SESSION_ID,
    FIELD_START_TIME,
    FIELD_END_TIME,
    FIELD_SPAN_TYPE,
    FIELD_PARENT_SPAN_ID,
    FIELD_INPUT_DATA,
    FIELD_OUTPUT_DATA,
    FIELD_MODEL,
    FIELD_TOKENS_INPUT,
    FIELD_TOKENS_OUTPUT,
    FIELD_COST_USD,
    FIELD_ERROR,
    FIELD_OUTPUT,
    FIELD_COUNT
};

#define FIELD(name)                                                                                \
    {                                                                                              \
        name, sizeof(name) - 1                                                                     \
    }
static const struct {
    const char *text;
    size_t len;
} names[FIELD_COUNT] = {
    [FIELD_OP] = FIELD("op"),
    [FIELD_TRACE_ID] = FIELD("trace_id"),
    [FIELD_SPAN_ID] = FIELD("span_id"),
    [FIELD_NAME] = FIELD("name"),
    [FIELD_PROJECT_ID] = FIELD("project_id"),
    [FIELD_METADATA] = FIELD("metadata"),
    [FIELD_TAGS] = FIELD("tags"),
    [FIELD_USER_ID] = FIELD("user_id"),
    [FIELD_SESSION_ID] = FIELD("session_id"),
    [FIELD_START_TIME] = FIELD("start_time"),
    [FIELD_END_TIME] = FIELD("end_time"),
    [FIELD_SPAN_TYPE] = FIELD("span_type"),
    [FIELD_PARENT_SPAN_ID] = FIELD("parent_span_id"),
    [FIELD_INPUT_DATA] = FIELD("input_data"),
    [FIELD_OUTPUT_DATA] = FIELD("output_data"),
    [FIELD_MODEL] = FIELD("model"),
    [FIELD_TOKENS_INPUT] = FIELD("tokens_input"),
    [FIELD_TOKENS_OUTPUT] = FIELD("tokens_output"),
    [FIELD_COST_USD] = FIELD("cost_usd"),
    [FIELD_ERROR] = FIELD("error"),
    [FIELD_OUTPUT] = FIELD("output"),
};

#define TRACE(member) offsetof(struct stored_write, trace.member)
#define SPAN(member)  offsetof(struct stored_write, span.member)

static const struct field_rule create_trace[] = {
    {FIELD_NAME, TYPE_TEXT, true, NAME_CHARS, TRACE(name)},
    {FIELD_PROJECT_ID, TYPE_PROJECT, true, PROJECT_CHARS, TRACE(project_id)},
    {FIELD_METADATA, TYPE_OBJECT, false, 0, TRACE(metadata)},
    {FIELD_TAGS, TYPE_TAGS, false, 0, TRACE(tags)},
    {FIELD_USER_ID, TYPE_TEXT, false, NAME_CHARS, TRACE(user_id)},
    {FIELD_SESSION_ID, TYPE_TEXT, false, NAME_CHARS, TRACE(session_id)},
    {FIELD_TRACE_ID, TYPE_ID, false, ID_CHARS, TRACE(trace_id)},
    {FIELD_START_TIME, TYPE_TIME, false, 0, TRACE(start_time)},
    {FIELD_END_TIME, TYPE_TIME, false, 0, TRACE(end_time)},
};
static const struct field_rule create_span[] = {
    {FIELD_NAME, TYPE_TEXT, true, NAME_CHARS, SPAN(name)},
    {FIELD_SPAN_TYPE, TYPE_SPAN_TYPE, true, 0, SPAN(type)},
    {FIELD_PARENT_SPAN_ID, TYPE_TEXT, false, PARENT_CHARS, SPAN(parent_span_id)},
    {FIELD_INPUT_DATA, TYPE_OBJECT, false, 0, SPAN(input_data)},
    {FIELD_OUTPUT_DATA, TYPE_OBJECT, false, 0, SPAN(output_data)},
    {FIELD_METADATA, TYPE_OBJECT, false, 0, SPAN(metadata)},
    {FIELD_MODEL, TYPE_TEXT, false, NAME_CHARS, SPAN(model)},
    {FIELD_TOKENS_INPUT, TYPE_TOKENS, false, 0, SPAN(tokens_input)},
    {FIELD_TOKENS_OUTPUT, TYPE_TOKENS, false, 0, SPAN(tokens_output)},
    {FIELD_COST_USD, TYPE_COST, false, 0, SPAN(cost_usd)},
    {FIELD_ERROR, TYPE_TEXT, false, 0, SPAN(error)},
    {FIELD_SPAN_ID, TYPE_ID, false, ID_CHARS, SPAN(span_id)},
    {FIELD_START_TIME, TYPE_TIME, false, 0, SPAN(start_time)},
    {FIELD_END_TIME, TYPE_TIME, false, 0, SPAN(end_time)},
};
static const struct field_rule complete_span[] = {
    {FIELD_OUTPUT_DATA, TYPE_OBJECT, false, 0, SPAN(output_data)},
    {FIELD_ERROR, TYPE_TEXT, false, 0, SPAN(error)},
    {FIELD_TOKENS_INPUT, TYPE_TOKENS, false, 0, SPAN(tokens_input)},
    {FIELD_TOKENS_OUTPUT, TYPE_TOKENS, false, 0, SPAN(tokens_output)},
    {FIELD_COST_USD, TYPE_COST, false, 0, SPAN(cost_usd)},
    {FIELD_END_TIME, TYPE_TIME, false, 0, SPAN(end_time)},
    {FIELD_METADATA, TYPE_OBJECT, false, 0, SPAN(metadata)},
    {FIELD_MODEL, TYPE_TEXT, false, NAME_CHARS, SPAN(model)},
};
static const struct field_rule complete_trace[] = {
    {FIELD_OUTPUT, TYPE_TEXT, false, 0, TRACE(output)},
    {FIELD_END_TIME, TYPE_TIME, false, 0, TRACE(end_time)},
    {FIELD_METADATA, TYPE_OBJECT, false, 0, TRACE(metadata)},
};
/* What the path says otherwise, of a line of a batch. */
static const struct field_rule line_ids[BODY_KINDS][2] = {
    [BODY_CREATE_TRACE] = {{FIELD_TRACE_ID, TYPE_ID, true, ID_CHARS, TRACE(trace_id)}},
    [BODY_CREATE_SPAN] = {{FIELD_TRACE_ID, TYPE_TEXT, true, STORED_ID_MAX, SPAN(trace_id)},
                          {FIELD_SPAN_ID, TYPE_ID, true, ID_CHARS, SPAN(span_id)}},
    [BODY_COMPLETE_SPAN] = {{FIELD_SPAN_ID, TYPE_TEXT, true, STORED_ID_MAX, SPAN(span_id)}},
    [BODY_COMPLETE_TRACE] = {{FIELD_TRACE_ID, TYPE_TEXT, true, STORED_ID_MAX, TRACE(trace_id)}},
};

#define BODY(op, rules)                                                                            \
    {                                                                                              \
#op, sizeof(#op) - 1, rules, sizeof(rules) / sizeof((rules)[0])                            \
    }
static const struct {
    const char *op;
    size_t op_len;
    const struct field_rule *rules;
    size_t count;
} bodies[BODY_KINDS] = {
    [BODY_CREATE_TRACE] = BODY(create_trace, create_trace),
    [BODY_CREATE_SPAN] = BODY(create_span, create_span),
    [BODY_COMPLETE_SPAN] = BODY(complete_span, complete_span),
    [BODY_COMPLETE_TRACE] = BODY(complete_trace, complete_trace),
};

static enum field_name field_of(const struct scan_value *name)
{
    for (int i = 0; i < FIELD_COUNT; i++)
        if ((name->escaped || name->len == names[i].len + 2) &&
            scan_is(name, names[i].text, names[i].len))
            return (enum field_name)i;
    return FIELD_COUNT;
}

/* The body as a whole cannot be read. */
static int refuse(struct problems *problems, enum problem_kind kind, size_t at)
{
    problems_add(problems, (struct problem){.kind = kind, .index = -1, .number = (int64_t)at});
    return ERR_BAD;
}

/* Finds the fields; of a name that is there twice the last counts, as in Python. NaN, which Python
 * writes, is taken for null inside of objects that are kept, and nowhere else. */
static int find_fields(struct text body, struct scan_value *found, struct problems *problems)
{
    struct scan s;
    struct scan_value name, value;
    int more;
    memset(found, 0, sizeof(*found) * FIELD_COUNT);
    if (text_is_blank(body))
        return refuse(problems, PROBLEM_MISSING, 0);
    if (scan_open(&s, body.at, body.len) != ERR_OK || s.close != '}') {
        const int err = scan_one(body.at, body.len, &value);
        if (err == ERR_OK)
            return refuse(problems, PROBLEM_BODY, 0);
        return refuse(problems, err == ERR_RANGE ? PROBLEM_DEPTH : PROBLEM_JSON, 0);
    }
    while ((more = scan_member(&s, &name, &value)) == 1) {
        const enum field_name field = field_of(&name);
        if (field < FIELD_COUNT)
            found[field] = value;
        else if (value.kind == SCAN_NUMBER && !value.clean)
            return refuse(problems, PROBLEM_JSON, (size_t)(value.text - body.at));
    }
    if (more < 0)
        return refuse(problems, more == ERR_RANGE ? PROBLEM_DEPTH : PROBLEM_JSON,
                      (size_t)(s.at - body.at));
    return ERR_OK;
}

static void clear_write(enum body_kind kind, struct stored_write *write)
{
    static const enum stored_op ops[] = {
        [BODY_CREATE_TRACE] = STORED_CREATE_TRACE,
        [BODY_CREATE_SPAN] = STORED_CREATE_SPAN,
        [BODY_COMPLETE_SPAN] = STORED_COMPLETE_SPAN,
        [BODY_COMPLETE_TRACE] = STORED_COMPLETE_TRACE,
    };
    *write = (struct stored_write){.op = ops[kind]};
    if (kind == BODY_CREATE_SPAN || kind == BODY_COMPLETE_SPAN) {
        struct stored_span *span = &write->span;
        span->tokens_input = span->tokens_output = span->tokens_cache_read = SPAN_UNKNOWN;
        span->cost_usd = span->ttft_ms = -1;
    } else {
        struct stored_trace *trace = &write->trace;
        trace->tokens_input = trace->tokens_output = trace->tokens_cache_read = SPAN_UNKNOWN;
        trace->ttft_ms = -1;
    }
}

static void read_one(struct reading *r, const struct field_rule *rule,
                     const struct scan_value *found, struct stored_write *write)
{
    r->field = names[rule->field].text;
    field_read(r, rule, &found[rule->field], (char *)write + rule->offset);
}

static int read_fields(enum body_kind kind, const struct scan_value *found, struct arena *arena,
                       struct stored_write *write, struct problems *problems)
{
    struct reading r = {.arena = arena, .problems = problems};
    for (size_t i = 0; i < bodies[kind].count; i++)
        read_one(&r, &bodies[kind].rules[i], found, write);
    if (r.err != ERR_OK)
        return r.err;
    if (problems->count > 0)
        return ERR_BAD;
    if (kind == BODY_CREATE_SPAN || kind == BODY_COMPLETE_SPAN)
        span_derive(&write->span);
    return ERR_OK;
}

int body_read(enum body_kind kind, struct text body, struct arena *arena,
              struct stored_write *write, struct problems *problems)
{
    struct scan_value found[FIELD_COUNT];
    problems->where = "body";
    const int err = find_fields(body, found, problems);
    if (err != ERR_OK)
        return err;
    clear_write(kind, write);
    return read_fields(kind, found, arena, write, problems);
}

int body_read_line(struct text line, struct arena *arena, struct stored_write *write,
                   struct problems *problems)
{
    struct scan_value found[FIELD_COUNT];
    struct reading r = {.arena = arena, .problems = problems, .field = "op", .index = -1};
    int kind = 0;
    problems->where = "line";
    const int err = find_fields(line, found, problems);
    if (err != ERR_OK)
        return err;
    while (kind < BODY_KINDS && !scan_is(&found[FIELD_OP], bodies[kind].op, bodies[kind].op_len))
        kind++;
    if (kind == BODY_KINDS) {
        problems_add(problems,
                     (struct problem){.kind = found[FIELD_OP].kind == SCAN_NONE ? PROBLEM_MISSING
                                                                                : PROBLEM_CHOICE,
                                      .field = "op",
                                      .index = -1,
                                      .text = "'create_trace', 'create_span', "
                                              "'complete_span', 'complete_trace'"});
        return ERR_BAD;
    }
    clear_write((enum body_kind)kind, write);
    for (size_t i = 0; i < 2 && line_ids[kind][i].needed; i++)
        read_one(&r, &line_ids[kind][i], found, write);
    if (r.err != ERR_OK)
        return r.err;
    return read_fields((enum body_kind)kind, found, arena, write, problems);
}
