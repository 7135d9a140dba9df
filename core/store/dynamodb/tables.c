/* The two tables: whether they are what the layout says, and making them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/dynamodb/dynamodb.h"

#define READY_MAX_MS  ((int64_t)120000) /* AWS takes ten seconds or so */
#define READY_LOOK_MS 250

struct table {
    const char *name;
    const char *key;
    const char *index;
    const char *index_hash;
    const char *index_range; /* or NULL */
};

static struct table table_of(const struct backend *b, int which)
{
    if (which == 0)
        return (struct table){b->traces_table, "trace_id", DYNAMO_TRACES_INDEX, "project_id",
                              "start_time"};
    return (struct table){b->spans_table, "span_id", DYNAMO_SPANS_INDEX, "trace_id", NULL};
}

static int say(char **notice, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int say(char **notice, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    free(*notice);
    if (vasprintf(notice, format, args) < 0)
        *notice = NULL;
    va_end(args);
    return err;
}

/* Whether the key schema is hash (and range) and nothing else. */
static bool schema_is(const json *schema, const char *hash, const char *range)
{
    const char *found[2] = {NULL, NULL};
    for (const json *e = json_first(schema); e != NULL; e = json_next(e)) {
        const char *type = json_get_text(e, "KeyType");
        found[type != NULL && strcmp(type, "RANGE") == 0] = json_get_text(e, "AttributeName");
    }
    return found[0] != NULL && strcmp(found[0], hash) == 0 &&
           (range == NULL ? found[1] == NULL : found[1] != NULL && strcmp(found[1], range) == 0);
}

static const json *find_index(const json *table, const char *name)
{
    for (const json *e = json_first(json_get(table, "GlobalSecondaryIndexes")); e != NULL;
         e = json_next(e)) {
        const char *called = json_get_text(e, "IndexName");
        if (called != NULL && strcmp(called, name) == 0)
            return e;
    }
    return NULL;
}

static int describe(struct backend_session *s, const char *name, json **table)
{
    json *answer = NULL;
    out_clear(&s->body);
    out_format(&s->body, "{\"TableName\":\"%s\"}", name);
    int err = dynamo_call(s, "DescribeTable", &answer);
    *table = err == ERR_OK ? json_take(answer, "Table") : NULL;
    json_free(answer);
    return err == ERR_OK && *table == NULL ? session_fail(s, ERR_IO, "DescribeTable: no table told")
                                           : err;
}

static bool is_active(const json *value, const char *key)
{
    const char *status = json_get_text(value, key);
    return status == NULL || strcmp(status, "ACTIVE") == 0 || strcmp(status, "UPDATING") == 0;
}

/* ERR_OK, ERR_AGAIN: being made, ERR_NOENT: its index is missing, ERR_DENIED: another shape. */
static int judge_table(const struct table *t, const json *table, char **notice)
{
    const json *index = find_index(table, t->index);
    const char *projected = json_text(json_path(index, "Projection.ProjectionType"));
    if (!schema_is(json_get(table, "KeySchema"), t->key, NULL))
        return say(notice, ERR_DENIED,
                   "The DynamoDB table %s has another key than %s; it is not one of traces.",
                   t->name, t->key);
    if (index == NULL)
        return say(notice, ERR_NOENT,
                   "The DynamoDB table %s lacks the index %s. `llm-tracer serve --init-tables` "
                   "makes it.",
                   t->name, t->index);
    if (!schema_is(json_get(index, "KeySchema"), t->index_hash, t->index_range) ||
        projected == NULL || strcmp(projected, "ALL") != 0)
        return say(notice, ERR_DENIED,
                   "The index %s of the DynamoDB table %s has other keys than %s%s%s, or lacks "
                   "attributes.",
                   t->index, t->name, t->index_hash, t->index_range != NULL ? " and " : "",
                   t->index_range != NULL ? t->index_range : "");
    return is_active(table, "TableStatus") && is_active(index, "IndexStatus") ? ERR_OK : ERR_AGAIN;
}

static int check_table(struct backend_session *s, const struct table *t, char **notice)
{
    json *table = NULL;
    int err = describe(s, t->name, &table);
    if (err == ERR_NOENT)
        return say(
            notice, ERR_NOENT,
            "There is no DynamoDB table %s in %s. `llm-tracer serve --init-tables` makes it.",
            t->name, s->b->region);
    if (err == ERR_OK)
        err = judge_table(t, table, notice);
    else
        say(notice, err, "%s", s->error);
    json_free(table);
    return err;
}

/* Waits until table and index can be used. */
static int wait_ready(struct backend_session *s, const struct table *t, char **notice)
{
    int64_t begun = clock_boot_ns();
    for (;;) {
        int err = check_table(s, t, notice);
        if (err != ERR_AGAIN)
            return err;
        if ((clock_boot_ns() - begun) / NS_PER_MS > READY_MAX_MS)
            return say(notice, ERR_BUSY, "The DynamoDB table %s is still being made.", t->name);
        session_sleep_ms(READY_LOOK_MS);
    }
}

int dynamo_tables_check(struct backend_session *s, char **notice)
{
    for (int i = 0; i < 2; i++) {
        struct table t = table_of(s->b, i);
        int err = wait_ready(s, &t, notice);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static void print_definitions(struct out *o, const struct table *t)
{
    out_format(o,
               "\"AttributeDefinitions\":[{\"AttributeName\":\"%s\",\"AttributeType\":\"S\"},"
               "{\"AttributeName\":\"%s\",\"AttributeType\":\"S\"}",
               t->key, t->index_hash);
    if (t->index_range != NULL)
        out_format(o, ",{\"AttributeName\":\"%s\",\"AttributeType\":\"S\"}", t->index_range);
    out_text(o, "]");
}

static void print_index(struct out *o, const struct table *t)
{
    out_format(o,
               "{\"IndexName\":\"%s\",\"Projection\":{\"ProjectionType\":\"ALL\"},\"KeySchema\":["
               "{\"AttributeName\":\"%s\",\"KeyType\":\"HASH\"}",
               t->index, t->index_hash);
    if (t->index_range != NULL)
        out_format(o, ",{\"AttributeName\":\"%s\",\"KeyType\":\"RANGE\"}", t->index_range);
    out_text(o, "]}");
}

static int create_table(struct backend_session *s, const struct table *t)
{
    struct out *o = &s->body;
    out_clear(o);
    out_format(o,
               "{\"TableName\":\"%s\",\"BillingMode\":\"PAY_PER_REQUEST\",\"KeySchema\":["
               "{\"AttributeName\":\"%s\",\"KeyType\":\"HASH\"}],",
               t->name, t->key);
    print_definitions(o, t);
    out_text(o, ",\"GlobalSecondaryIndexes\":[");
    print_index(o, t);
    out_text(o, "]}");
    int err = dynamo_call(s, "CreateTable", NULL);
    return err == ERR_BUSY ? ERR_OK : err; /* another server makes it at this moment */
}

/* Gives an existing table its index. */
static int create_index(struct backend_session *s, const struct table *t)
{
    struct out *o = &s->body;
    out_clear(o);
    out_format(o, "{\"TableName\":\"%s\",", t->name);
    print_definitions(o, t);
    out_text(o, ",\"GlobalSecondaryIndexUpdates\":[{\"Create\":");
    print_index(o, t);
    out_text(o, "}]}");
    int err = dynamo_call(s, "UpdateTable", NULL);
    return err == ERR_BUSY ? ERR_OK : err;
}

/* *on: whether items expire; an existing setting is left alone. */
static int init_ttl(struct backend_session *s, const struct table *t, bool *on)
{
    json *answer = NULL;
    out_clear(&s->body);
    out_format(&s->body, "{\"TableName\":\"%s\"}", t->name);
    int err = dynamo_call(s, "DescribeTimeToLive", &answer);
    const char *status = json_text(json_path(answer, "TimeToLiveDescription.TimeToLiveStatus"));
    bool enabled = status != NULL && strncmp(status, "ENABL", 5) == 0;
    json_free(answer);
    *on = enabled;
    if (enabled || (err != ERR_OK && err != ERR_UNSUPPORTED))
        return err;
    out_clear(&s->body);
    out_format(&s->body,
               "{\"TableName\":\"%s\",\"TimeToLiveSpecification\":"
               "{\"Enabled\":true,\"AttributeName\":\"ttl\"}}",
               t->name);
    err = dynamo_call(s, "UpdateTimeToLive", NULL);
    *on = err == ERR_OK;
    return err == ERR_UNSUPPORTED ? ERR_OK : err;
}

static int init_table(struct backend_session *s, const struct table *t, bool *ttl, char **notice)
{
    json *table = NULL;
    int err = describe(s, t->name, &table);
    if (err == ERR_NOENT)
        err = create_table(s, t);
    else if (err == ERR_OK && find_index(table, t->index) == NULL &&
             schema_is(json_get(table, "KeySchema"), t->key, NULL))
        err = create_index(s, t);
    json_free(table);
    if (err != ERR_OK)
        return say(notice, err, "%s", s->error);
    err = wait_ready(s, t, notice);
    if (err != ERR_OK)
        return err;
    err = init_ttl(s, t, ttl);
    return err == ERR_OK ? ERR_OK : say(notice, err, "%s", s->error);
}

int dynamo_tables_init(struct backend_session *s, char **notice)
{
    bool ttl = true;
    for (int i = 0; i < 2; i++) {
        struct table t = table_of(s->b, i);
        bool on = false;
        int err = init_table(s, &t, &on, notice);
        if (err != ERR_OK)
            return err;
        ttl = ttl && on;
    }
    return say(notice, ERR_OK, "The DynamoDB tables %s and %s are ready%s.", s->b->traces_table,
               s->b->spans_table,
               ttl ? "" : "; this server of DynamoDB knows no TTL, so that nothing expires");
}
