#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/service.h"

static const char marks[] = {
    [OBJECT_NONE] = '0',       [OBJECT_CREATING] = '?',  [OBJECT_CREATED] = '=',
    [OBJECT_COMPLETING] = '!', [OBJECT_COMPLETED] = '+', [OBJECT_REFUSED] = '-',
};

void object_load(struct export_context *c, const uint8_t *id, size_t id_len, struct object *o)
{
    id_to_hex(id, id_len, o->local);
    o->state = OBJECT_NONE;
    o->sent = 0;
    snprintf(o->remote, sizeof(o->remote), "%s", o->local);
    char *text = store_remote_get(c->store, c->destination->id, o->local);
    if (text == NULL)
        return;
    for (size_t i = 0; i < sizeof(marks); i++)
        if (text[0] == marks[i])
            o->state = (enum object_state)i;
    if (o->state == OBJECT_CREATED || o->state == OBJECT_COMPLETING || o->state == OBJECT_COMPLETED)
        snprintf(o->remote, sizeof(o->remote), "%.*s", (int)strcspn(text + 1, " "), text + 1);
    const char *sum = strchr(text, ' '); /* no id has one */
    if (sum != NULL)
        o->sent = strtoull(sum + 1, NULL, 16);
    free(text);
}

bool object_id_fits(const char *id)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:~";
    return id != NULL && id[0] != '\0' && strlen(id) <= 100 && id[strspn(id, allowed)] == '\0';
}

enum export_result object_save(struct export_context *c, struct object *o, enum object_state state)
{
    char text[SERVICE_ID_MAX + 20];
    bool named = state == OBJECT_CREATED || state == OBJECT_COMPLETING || state == OBJECT_COMPLETED;
    int len = snprintf(text, sizeof(text), "%c%.*s", marks[state], named ? SERVICE_ID_MAX - 1 : 0,
                       o->remote);
    if (o->sent != 0 && len > 0)
        snprintf(text + len, sizeof(text) - (size_t)len, " %" PRIx64, o->sent);
    if (store_remote_put(c->store, c->destination->id, o->local, text) != ERR_OK)
        return service_fail(c, EXPORT_RETRY, "the local store cannot be written: %.200s",
                            store_error(c->store));
    o->state = state;
    return EXPORT_DELIVERED;
}
