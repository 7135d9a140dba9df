/* Messages and their parts in the form of the OpenTelemetry GenAI conventions (v1.41.1, the JSON
 * schemas of gen_ai.input.messages and gen_ai.output.messages). Private to core/llm. */
#ifndef TRACER_LLM_MESSAGE_H
#define TRACER_LLM_MESSAGE_H

#include "json/json.h"

/* {"role", "parts": []}; parts is set to the borrowed array. */
json *message_new(const char *role, json **parts);
/* {"role", "parts": [{"type":"text","content"}]} */
json *text_message(const char *role, json *content);

/* Parts. JSON arguments are taken over; NULL ones are left out. */
json *part_text(json *content);
json *part_reasoning(json *content);
json *part_refusal(json *content); /* not in the conventions; they allow types of one's own */
/* arguments: a string that parses as an object becomes the object. */
json *part_tool_call(const char *id, const char *name, json *arguments);
json *part_tool_response(const char *id, json *response);
/* A data: URL becomes a blob of which type and size are kept, any other URL a uri part. */
json *part_from_url(const char *modality, const char *url);
/* base64: of the bytes, which are not kept; NULL: none. */
json *part_blob(const char *modality, const char *mime_type, const char *base64);
json *part_file(const char *modality, const char *file_id);

/* OpenTelemetry's word for a provider's finish reason: stop, length, content_filter, tool_call,
 * error; the provider's own where there is none. Never NULL unless reason is. */
const char *finish_reason_name(const char *reason);

/* A string as the JSON that it holds, if that is an object or array; else itself. Takes over. */
json *json_unwrap(json *value);
/* Bytes behind base64 text of that many characters. */
size_t base64_size(const char *text, size_t len);

#endif
