/* How this room lays out cJSON's nodes: one allocation each, with the name and the text of a string
 * or number behind the node, and the room for a name in valueint. cJSON's own flags (IsReference,
 * StringIsConst) keep cJSON_Delete from freeing those two by themselves. cJSON's hooks stay at
 * malloc and free. Private to this room. */
#ifndef TRACER_JSON_NODE_H
#define TRACER_JSON_NODE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "json/json.h"

/* A node with room for a name (SIZE_MAX: none) and a text (SIZE_MAX: none) of those lengths and
 * their NUL, to be filled in by the caller. type without flags. NULL when out of memory. */
json *node_new(int type, size_t name_room, size_t text_room);
/* The same without a name, and with room for a short one. */
json *node_build(int type, size_t text_room);
/* Whether a name of that length has room in the node. */
bool node_name_fits(const json *value, size_t len);
/* Puts it there; clean UTF-8 that fits. */
void node_name(json *value, const char *name, size_t len);
/* Puts it at the end of the container, which has no name to give. */
void node_append(json *container, json *value);
/* As json_set, without a look whether the object has one of that name: O(1). */
void node_put(json *object, const char *key, json *value);
/* Takes its name away, as for a value that goes into another container. */
void node_forget_name(json *value);

/* The length of the JSON number at text, or 0: none begins there. *whole: no fraction, no exponent.
 */
size_t number_span(const char *text, size_t len, bool *whole);
/* Its value; len as number_span told. Infinite when it is too large. */
double number_value(const char *text, size_t len);

#endif
