/* The expression of an UpdateItem, put together piece by piece. */
#include <stdio.h>
#include <string.h>

#include "store/dynamodb/dynamodb.h"

void update_init(struct update *u)
{
    struct out *const parts[] = {&u->set,   &u->add,   &u->remove, &u->drop,
                                 &u->where, &u->names, &u->values};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        out_init(parts[i]);
    u->count = 0;
}

void update_release(struct update *u)
{
    struct out *const parts[] = {&u->set,   &u->add,   &u->remove, &u->drop,
                                 &u->where, &u->names, &u->values};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        out_release(parts[i]);
}

static void separate(struct out *o, const char *with)
{
    if (o->buf.len > 0)
        out_text(o, with);
}

const char *update_name(struct update *u, const char *name, char text[16])
{
    snprintf(text, 16, "#n%d", u->count++);
    separate(&u->names, ",");
    out_format(&u->names, "\"%s\":", text);
    out_quote(&u->names, text_of(name));
    return text;
}

const char *update_value(struct update *u, char text[16])
{
    snprintf(text, 16, ":v%d", u->count++);
    separate(&u->values, ",");
    out_format(&u->values, "\"%s\":", text);
    return text;
}

static void clause(struct update *u, struct out *part, const char *name, const char *between,
                   const char *value)
{
    char text[16];
    separate(part, ", ");
    out_format(part, "%s%s%s", update_name(u, name, text), between, value);
}

void update_set(struct update *u, const char *name)
{
    char value[16];
    clause(u, &u->set, name, " = ", update_value(u, value));
}

void update_set_s(struct update *u, const char *name, struct text text)
{
    update_set(u, name);
    out_s(&u->values, text);
}

void update_set_n(struct update *u, const char *name, int64_t value)
{
    update_set(u, name);
    out_n(&u->values, value);
}

void update_set_double(struct update *u, const char *name, double value)
{
    update_set(u, name);
    out_n_double(&u->values, value);
}

static void set_metadata(struct update *u, const json *metadata)
{
    struct out names;
    size_t size = 0;
    out_init(&names);
    update_set(u, "metadata");
    value_from_metadata(&u->values, metadata, &names, &size);
    update_set(u, "metadata_json");
    out_format(&u->values, "{\"L\":[%s]}", buf_str(&names.buf));
    if (names.err != ERR_OK && u->values.err == ERR_OK)
        u->values.err = names.err;
    out_release(&names);
}

void update_set_documents(struct update *u, const struct documents *d)
{
    static const char *const names[] = {"input_data", "output_data"};
    size_t size = 0;
    if (d->values[0] != NULL)
        set_metadata(u, d->values[0]);
    for (size_t i = 0; i < 2; i++) {
        if (d->values[i + 1] == NULL)
            continue;
        update_set(u, names[i]);
        value_from_document(&u->values, d->values[i + 1], &size);
    }
}

void update_add_n(struct update *u, const char *name, int64_t value)
{
    char text[16];
    clause(u, &u->add, name, " ", update_value(u, text));
    out_n(&u->values, value);
}

void update_add_double(struct update *u, const char *name, double value)
{
    char text[16];
    clause(u, &u->add, name, " ", update_value(u, text));
    out_n_double(&u->values, value);
}

static void one_text_set(struct out *o, const char *text)
{
    out_text(o, "{\"SS\":[");
    out_quote(o, text_of(text));
    out_text(o, "]}");
}

void update_add_member(struct update *u, const char *name, const char *member)
{
    char text[16];
    clause(u, &u->add, name, " ", update_value(u, text));
    one_text_set(&u->values, member);
}

void update_drop_member(struct update *u, const char *name, const char *member)
{
    char text[16];
    clause(u, &u->drop, name, " ", update_value(u, text));
    one_text_set(&u->values, member);
}

void update_remove(struct update *u, const char *name)
{
    clause(u, &u->remove, name, "", "");
}

void update_where(struct update *u, const char *format, const char *name, struct out *value)
{
    char name_text[16];
    char value_text[16] = "";
    update_name(u, name, name_text);
    if (value != NULL) {
        update_value(u, value_text);
        out_bytes(&u->values, buf_str(&value->buf), value->buf.len);
    }
    separate(&u->where, " AND ");
    for (const char *p = format; *p != '\0'; p++) {
        if (*p == '#')
            out_text(&u->where, name_text);
        else if (*p == '$')
            out_text(&u->where, value_text);
        else
            out_bytes(&u->where, p, 1);
    }
}

void update_where_text(struct update *u, const char *format, const char *name, struct text value)
{
    struct out o;
    out_init(&o);
    out_s(&o, value);
    update_where(u, format, name, &o);
    out_release(&o);
}

void update_where_n(struct update *u, const char *format, const char *name, int64_t value)
{
    struct out o;
    out_init(&o);
    out_n(&o, value);
    update_where(u, format, name, &o);
    out_release(&o);
}

static void print_clause(struct out *to, const char *word, const struct out *part)
{
    if (part->buf.len == 0)
        return;
    out_text(to, word);
    out_bytes(to, part->buf.data, part->buf.len);
    to->err = to->err != ERR_OK ? to->err : part->err;
}

int update_send(struct backend_session *s, struct update *u, const char *table, const char *key,
                struct text id, const char *returned, json **item)
{
    struct out *o = &s->body;
    json *answer = NULL;
    out_clear(o);
    out_format(o, "{\"TableName\":\"%s\",\"Key\":{\"%s\":", table, key);
    out_s(o, id);
    out_text(o, "},\"UpdateExpression\":\"");
    print_clause(o, " SET ", &u->set);
    print_clause(o, " ADD ", &u->add);
    print_clause(o, " REMOVE ", &u->remove);
    print_clause(o, " DELETE ", &u->drop);
    out_text(o, "\"");
    print_clause(o, ",\"ConditionExpression\":\"", &u->where);
    out_text(o, u->where.buf.len > 0 ? "\"" : "");
    print_clause(o, ",\"ExpressionAttributeNames\":{", &u->names);
    print_clause(o, "},\"ExpressionAttributeValues\":{", &u->values);
    out_format(o, "},\"ReturnValues\":\"%s\"}", returned);
    int err = dynamo_call(s, "UpdateItem", &answer);
    if (err == ERR_OK && item != NULL)
        *item = json_take(answer, "Attributes");
    json_free(answer);
    return err;
}
