#include "client/set.h"

#include "client/active.h"
#include "client/flush.h"
#include "client/warning.h"

int set_json(struct scene *s, const struct item *item, enum wire_field_name name, const char *json)
{
    if (!json)
        return LLMT_EINVAL;
    struct message m;
    scene_message(&m, item);
    const bool good = message_json(&m, name, json, name == WIRE_FIELD_METADATA);
    const int result = scene_send(s, &m, WIRE_SPAN_OUTPUT, item->client);
    if (!good)
        warning_give(item->client, TROUBLE_BAD_JSON);
    return result != LLMT_OK || good ? result : LLMT_EJSON;
}

int add_figures(struct message *m, const enum wire_field_name *names, const int64_t *tokens,
                size_t count, double cost)
{
    for (size_t i = 0; i < count; i++)
        if (tokens[i] != LLMT_UNKNOWN && (tokens[i] < 0 || tokens[i] > LLMT_TOKENS_MAX))
            return LLMT_ERANGE;
    const bool cost_known = cost != LLMT_UNKNOWN;
    if (cost_known && !(cost >= 0 && cost <= LLMT_COST_MAX)) /* not a number: neither */
        return LLMT_ERANGE;
    for (size_t i = 0; i < count; i++)
        if (tokens[i] != LLMT_UNKNOWN)
            message_integer(m, names[i], tokens[i]);
    if (cost_known)
        message_number(m, WIRE_FIELD_COST, cost);
    return LLMT_OK;
}

int end_item(void *pointer, enum handle_kind kind, enum wire_type type)
{
    struct item item;
    const int result = item_end(pointer, kind, &item);
    if (result == LLMT_EINVAL)
        return result;
    struct scene s = scene_enter();
    active_remove(s.thread, handle_of(pointer));
    if (result != LLMT_OK)
        return result;
    if (item.epoch != s.moment.epoch)
        return LLMT_OK; /* inherited: who began it ends it */
    struct message m;
    scene_message(&m, &item);
    const int sent = scene_send(&s, &m, type, item.client);
    if (sent != LLMT_OK || item.settings->mode != LLMT_SYNC)
        return sent;
    return flush_sync(item.client, item.number, item.settings);
}
