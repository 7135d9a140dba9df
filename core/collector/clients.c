/* The explicit API's clients: where each wants its traces delivered. A client's record becomes ids
 * of destinations; those are kept in the ring's row, so that a collector that takes over knows
 * them, and never the key. */
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "collector/internal.h"

#define CLIENTS_MAX 4096u /* of a ring; what further ones record stays in the local store */

/* Whose traces stay in the local store: the process did not say who it is. */
static struct client nobody = {.users = 1, .shared = true, .known = true, .resolved = true};

static void forget_wanted(struct client *c)
{
    destination_release(&c->wanted);
    memset(&c->wanted, 0, sizeof(c->wanted));
    if (c->key != NULL)
        explicit_bzero(c->key, strlen(c->key));
    free(c->key);
    c->key = NULL;
}

struct client *client_use(struct client *c)
{
    if (c != NULL)
        c->users++;
    return c;
}

void client_leave(struct client *c)
{
    if (c == NULL || --c->users > 0 || c == &nobody)
        return;
    forget_wanted(c);
    free(c->project_id);
    free(c);
}

/* Closed, without traces and spans, and nothing more of it can come. */
static bool is_over(const struct ring *r, const struct client *c)
{
    return c->closed && c->users == 1 && r->polls >= c->closed_polls + WHOLE_POLLS &&
           r->flushes == NULL;
}

static void forget(struct ring *r, struct client *c)
{
    kept_release(r, c->birth);
    kept_release(r, c->death);
    map_take(&r->explicit.clients, &c->number, sizeof(c->number));
    client_leave(c);
}

static void forget_over(struct ring *r)
{
    size_t at = 0;
    for (struct client *c; (c = map_next(&r->explicit.clients, &at, NULL, NULL)) != NULL;)
        if (is_over(r, c))
            forget(r, c);
}

struct client *client_new(void)
{
    struct client *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return client_use(&nobody);
    c->users = 1;
    return c;
}

struct client *client_get(struct ring *r, uint32_t number)
{
    struct client *c = map_get(&r->explicit.clients, &number, sizeof(number));
    if (c != NULL)
        return c;
    if (r->explicit.clients.count >= CLIENTS_MAX)
        forget_over(r);
    if (number == 0 || r->explicit.clients.count >= CLIENTS_MAX)
        return &nobody;
    c = client_new();
    c->number = number;
    if (c == &nobody || map_set(&r->explicit.clients, &number, sizeof(number), c) != ERR_OK) {
        client_leave(c);
        return &nobody;
    }
    return c;
}

/* Takes the texts out of the message's fields. Without a key that is one, nothing is delivered. */
static void want_service(struct client *c, const struct ring *r, const struct api_message *m)
{
    const char *key = api_has(m, WIRE_FIELD_KEY) ? m->value[WIRE_FIELD_KEY].text : NULL;
    const char *url = api_has(m, WIRE_FIELD_URL) ? m->value[WIRE_FIELD_URL].text
                                                 : option_table[OPTION_TRACER_URL].fallback;
    bool whole = (m->cut & (1u << WIRE_FIELD_URL | 1u << WIRE_FIELD_KEY)) == 0;
    bool valid = whole && key != NULL && api_is_key(key);
    if (api_has(m, WIRE_FIELD_PROJECT_ID))
        c->project_id = strdup(m->value[WIRE_FIELD_PROJECT_ID].text);
    else if (valid)
        c->project_id = strdup(key + 8);
    if (!valid)
        return;
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    c->wanted =
        (struct destination){.kind = strdup("service"),
                             .url = strndup(url, len),
                             .project_id = strdup(c->project_id != NULL ? c->project_id : key + 8),
                             .content = r->process.content};
    c->key = strdup(key);
    if (c->wanted.kind == NULL || c->wanted.url == NULL || c->key == NULL)
        forget_wanted(c);
}

static void add_destination(struct client *c, int64_t id)
{
    if (c->destination_count < EXPLICIT_DESTINATIONS)
        c->destinations[c->destination_count++] = id;
}

/* The files and the console that the process's environment names are every client's. */
static void add_process_exports(struct client *c, const struct process *p)
{
    for (size_t i = 0; i < p->destination_count; i++)
        if (p->wanted[i].kind != NULL && strcmp(p->wanted[i].kind, "service") != 0)
            add_destination(c, p->destinations[i]);
}

static bool resolve(struct client *c, struct ring *r)
{
    const struct process *p = &r->process;
    if (p->destination_count < p->wanted_count || !depot_ready(r->depot))
        return false;
    if (c->wanted.kind != NULL) {
        if (store_destination(r->depot->store, &c->wanted, c->key, &c->service) != ERR_OK)
            return false;
        add_destination(c, c->service);
        forget_wanted(c);
    }
    add_process_exports(c, p);
    c->resolved = true;
    r->row_dirty = r->collector->rows_dirty = true;
    return true;
}

bool clients_resolve(struct ring *r)
{
    bool all = true;
    size_t at = 0;
    for (struct client *c; (c = map_next(&r->explicit.clients, &at, NULL, NULL)) != NULL;)
        if (c->known && !c->resolved)
            all &= resolve(c, r);
    return all;
}

static void take_record(struct ring *r, struct client *c, struct kept *place, struct kept k)
{
    kept_release(r, *place); /* of the same record, told twice */
    *place = k;
    c->stored = false;
    r->row_dirty = r->collector->rows_dirty = true;
}

void client_tell(struct ring *r, const struct api_message *m, struct kept k)
{
    struct client *c = client_get(r, m->head.client);
    if (c == &nobody) {
        kept_release(r, k);
    } else if (m->type == WIRE_CLIENT_END) {
        c->closed = true;
        c->closed_polls = r->polls;
        take_record(r, c, &c->death, k);
    } else {
        if (!c->known)
            want_service(c, r, m);
        c->known = true;
        take_record(r, c, &c->birth, k);
        if (!c->resolved)
            (void)resolve(c, r);
    }
}

/* [{"number", "closed", "project", "service": id, "to": [ids]}] */
json *clients_to_json(struct ring *r)
{
    json *list = json_array();
    size_t at = 0;
    for (struct client *c; (c = map_next(&r->explicit.clients, &at, NULL, NULL)) != NULL;) {
        if (!c->resolved || is_over(r, c))
            continue;
        json *o = json_object();
        json *ids = json_array();
        for (size_t i = 0; i < c->destination_count; i++)
            json_add(ids, json_from_int(c->destinations[i]));
        json_set_int(o, "number", c->number);
        json_set_bool(o, "closed", c->closed);
        json_set_text(o, "project", c->project_id);
        json_set_int(o, "service", c->service);
        json_set(o, "to", ids);
        json_add(list, o);
    }
    return list;
}

void clients_from_json(struct ring *r, const json *value)
{
    for (json *o = json_first(value); o != NULL; o = json_next(o)) {
        int64_t number = 0, id;
        if (!json_get_int(o, "number", &number) || number <= 0 || number > UINT32_MAX)
            continue;
        struct client *c = client_get(r, (uint32_t)number);
        if (c->known)
            continue;
        const char *project = json_get_text(o, "project");
        c->known = c->resolved = c->stored = true;
        c->closed = json_is_true(json_get(o, "closed"));
        c->project_id = project != NULL ? strdup(project) : NULL;
        (void)json_get_int(o, "service", &c->service);
        for (json *e = json_first(json_get(o, "to")); e != NULL; e = json_next(e))
            if (json_int(e, &id))
                add_destination(c, id);
    }
}

void clients_written(struct ring *r)
{
    size_t at = 0;
    for (struct client *c; (c = map_next(&r->explicit.clients, &at, NULL, NULL)) != NULL;) {
        if (!c->resolved)
            continue;
        c->stored = true;
        kept_release(r, c->birth);
        kept_release(r, c->death);
        c->birth.size = c->death.size = 0;
        if (is_over(r, c))
            forget(r, c);
    }
}

void clients_release(struct ring *r)
{
    size_t at = 0;
    for (struct client *c; (c = map_next(&r->explicit.clients, &at, NULL, NULL)) != NULL;)
        client_leave(c);
    map_release(&r->explicit.clients);
}

int64_t client_service(struct ring *r, uint32_t number)
{
    const struct client *c = map_get(&r->explicit.clients, &number, sizeof(number));
    return c != NULL ? c->service : 0;
}
