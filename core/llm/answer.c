#include "llm/answer.h"

#include <stdlib.h>
#include <string.h>

#include "llm/llm.h"
#include "llm/message.h"

void answer_init(struct answer *a, size_t bytes_max)
{
    memset(a, 0, sizeof(*a));
    a->bytes_max = bytes_max;
}

static void block_release(struct answer_block *b)
{
    free(b->id);
    free(b->name);
    buf_release(&b->text);
    json_free(b->value);
}

void answer_clear(struct answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        struct answer_choice *c = &a->choices[i];
        for (size_t j = 0; j < c->count; j++)
            block_release(&c->blocks[j]);
        free(c->blocks);
        free(c->role);
        free(c->finish);
    }
    free(a->choices);
    answer_init(a, a->bytes_max);
}

void answer_release(struct answer *a)
{
    answer_clear(a);
}

struct answer_choice *answer_choice(struct answer *a, int64_t index)
{
    for (size_t i = a->count; i > 0; i--)
        if (a->choices[i - 1].index == index)
            return &a->choices[i - 1];
    if (a->count == LLM_CHOICES_MAX)
        return NULL;
    struct answer_choice *grown = realloc(a->choices, (a->count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    a->choices = grown;
    /* In the order of their indexes, whatever order they came in. */
    size_t at = a->count++;
    for (; at > 0 && grown[at - 1].index > index; at--)
        grown[at] = grown[at - 1];
    grown[at] = (struct answer_choice){.index = index};
    return &grown[at];
}

struct answer_block *answer_block_new(struct answer *a, struct answer_choice *c,
                                      enum block_kind kind, int64_t key)
{
    if (!c || a->blocks == LLM_BLOCKS_MAX)
        return NULL;
    if (!c->blocks || c->count == c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 2;
        struct answer_block *grown = realloc(c->blocks, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        c->blocks = grown;
        c->cap = cap;
    }
    struct answer_block *b = &c->blocks[c->count++];
    a->blocks++;
    *b = (struct answer_block){.kind = kind, .key = key};
    buf_init(&b->text, a->bytes_max);
    return b;
}

struct answer_block *answer_block(struct answer *a, struct answer_choice *c, enum block_kind kind,
                                  int64_t key)
{
    if (!c)
        return NULL;
    if (key == BLOCK_ANY) {
        struct answer_block *last = c->count ? &c->blocks[c->count - 1] : NULL;
        if (last && last->kind == kind)
            return last;
        return answer_block_new(a, c, kind, key);
    }
    for (size_t i = c->count; i > 0; i--)
        if (c->blocks[i - 1].kind == kind && c->blocks[i - 1].key == key)
            return &c->blocks[i - 1];
    return answer_block_new(a, c, kind, key);
}

void answer_append(struct answer *a, struct answer_block *b, const char *text)
{
    if (!b || !text)
        return;
    size_t len = strlen(text);
    size_t room = a->bytes_max - a->bytes;
    size_t fits = len < room ? len : room;
    if (buf_append(&b->text, text, fits) != ERR_OK)
        fits = 0;
    a->bytes += fits;
    a->cut += len - fits;
}

void answer_part(struct answer *a, struct answer_choice *c, json *part)
{
    struct answer_block *b = answer_block_new(a, c, BLOCK_PART, BLOCK_ANY);
    if (b)
        b->value = part;
    else
        json_free(part);
}

bool answer_has_content(const struct answer *a)
{
    return a->blocks > 0;
}

static json *block_text(const struct answer_block *b)
{
    return json_string_n(buf_str(&b->text), b->text.len);
}

static json *block_part(const struct answer_block *b)
{
    json *part;
    switch (b->kind) {
    case BLOCK_TEXT:
        return b->text.len ? part_text(block_text(b)) : NULL;
    case BLOCK_REASONING:
        return b->text.len ? part_reasoning(block_text(b)) : NULL;
    case BLOCK_REFUSAL:
        return part_refusal(block_text(b));
    case BLOCK_TOOL:
        return part_tool_call(b->id, b->name, b->value ? json_copy(b->value) : block_text(b));
    case BLOCK_AUDIO:
        part = part_blob("audio", NULL, NULL);
        json_set_int(part, "size", b->size);
        json_set_text(part, "id", b->id);
        if (b->text.len)
            json_set(part, "transcript", block_text(b));
        return part;
    case BLOCK_PART:
        break;
    }
    return json_copy(b->value);
}

/* Some providers say "stop" also when the model wants a tool. */
static const char *finish_of(const struct answer_choice *c, const char *fallback)
{
    const char *name = c->finish ? finish_reason_name(c->finish) : fallback;
    bool tool = false;
    for (size_t i = 0; i < c->count; i++)
        tool = tool || c->blocks[i].kind == BLOCK_TOOL;
    return tool && name && strcmp(name, "stop") == 0 ? "tool_call" : name;
}

json *answer_messages(const struct answer *a, const char *fallback)
{
    json *messages = json_array();
    for (size_t i = 0; i < a->count; i++) {
        const struct answer_choice *c = &a->choices[i];
        json *parts;
        json *m = message_new(c->role ? c->role : "assistant", &parts);
        for (size_t j = 0; j < c->count; j++)
            json_add(parts, block_part(&c->blocks[j]));
        json_set_text(m, "finish_reason", finish_of(c, fallback));
        json_add(messages, m);
    }
    return messages;
}

json *answer_finish_reasons(const struct answer *a)
{
    json *reasons = json_array();
    for (size_t i = 0; i < a->count; i++)
        if (a->choices[i].finish)
            json_add(reasons, json_string(a->choices[i].finish));
    if (json_length(reasons) > 0)
        return reasons;
    json_free(reasons);
    return NULL;
}
