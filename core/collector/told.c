/* Which setting of a field came last: records are read in any order, so each field has the time of
 * what was taken, and each member of the metadata, too. */
#include <stdlib.h>
#include <string.h>

#include "collector/explicit.h"

/* Members that may be added one by one: each addition looks at all of them. */
#define MEMBERS_MAX 4096u

bool told_wins(struct told *t, int field, int64_t time)
{
    if (time < t->at[field])
        return false;
    t->at[field] = time;
    return true;
}

static int64_t time_of(const struct told *t, const json *object, const char *key)
{
    int64_t time;
    if (json_get_int(t->members, key, &time))
        return time;
    return json_get(object, key) != NULL ? t->base : INT64_MIN;
}

void told_merge(struct told *t, json **to, json *from, int64_t time)
{
    if (*to == NULL) {
        *to = from;
        t->base = time;
        return;
    }
    size_t count = json_length(*to);
    for (json *e = json_first(from); e != NULL; e = json_first(from)) {
        char *key = strdup(json_key(e));
        json *value = key == NULL ? NULL : json_take(from, key);
        bool known = value != NULL && json_get(*to, key) != NULL;
        if (value == NULL || (!known && count >= MEMBERS_MAX)) {
            json_free(value);
            free(key);
            json_set_bool(*to, "_truncated", true);
            break;
        }
        if (time >= time_of(t, *to, key)) {
            if (t->members == NULL)
                t->members = json_object();
            json_set(*to, key, value);
            json_set_int(t->members, key, time);
            count += !known;
        } else {
            json_free(value);
        }
        free(key);
    }
    json_free(from);
}

void told_cut(struct told *t, const struct api_message *m, int field)
{
    const char *name = api_field_name(field);
    if (field == WIRE_FIELD_OUTPUT && m->of_trace)
        name = "output";
    if ((m->cut >> field & 1) == 0) {
        json_free(json_take(t->cut, name));
        return;
    }
    if (t->cut == NULL)
        t->cut = json_object();
    json_set_int(t->cut, name,
                 m->length[field] < INT64_MAX ? (int64_t)m->length[field] : INT64_MAX);
}

char *told_print(const struct told *t)
{
    json *o = json_object();
    json *times = json_array();
    for (int field = 1; field < API_FIELDS; field++)
        if (t->at[field] != 0) {
            json_add(times, json_from_int(field));
            json_add(times, json_from_int(t->at[field]));
        }
    json_set(o, "set", times);
    if (t->base != 0)
        json_set_int(o, "base", t->base);
    if (t->members != NULL)
        json_set(o, "members", json_copy(t->members));
    if (json_length(t->cut) > 0)
        json_set(o, "cut", json_copy(t->cut));
    if (t->around)
        json_set_bool(o, "around", true);
    char *text = json_print_new(o);
    json_free(o);
    return text;
}

void told_parse(struct told *t, const char *text)
{
    told_release(t);
    json *o = text != NULL ? json_parse_printed(text, strlen(text)) : NULL;
    for (json *e = json_first(json_get(o, "set")); e != NULL; e = json_next(e)) {
        int64_t field = 0;
        (void)json_int(e, &field);
        e = json_next(e);
        if (field > 0 && field < API_FIELDS)
            (void)json_int(e, &t->at[field]);
        if (e == NULL)
            break;
    }
    (void)json_get_int(o, "base", &t->base);
    t->around = json_is_true(json_get(o, "around"));
    t->members = json_take(o, "members");
    t->cut = json_take(o, "cut");
    json_free(o);
}

void told_release(struct told *t)
{
    json_free(t->members);
    json_free(t->cut);
    memset(t, 0, sizeof(*t));
}

void told_merge_stored(struct told *t, json **to, const struct told *stored, json *from)
{
    struct told sum = {.base = stored->base, .members = json_copy(stored->members)};
    json *all = from;
    for (json *e = json_first(*to); e != NULL; e = json_next(e)) {
        json *one = json_object();
        json_set(one, json_key(e), json_copy(e));
        told_merge(&sum, &all, one, time_of(t, *to, json_key(e)));
    }
    json_free(*to);
    json_free(t->members);
    *to = all;
    t->base = sum.base;
    t->members = sum.members;
    for (json *e = json_first(stored->cut); e != NULL; e = json_next(e)) {
        if (t->cut == NULL)
            t->cut = json_object();
        if (json_get(t->cut, json_key(e)) == NULL)
            json_set(t->cut, json_key(e), json_copy(e));
    }
}
