#include "span/conversation.h"

#include <stdlib.h>
#include <string.h>

struct conversation_entry {
    struct conversation_key key;
    uint8_t trace_id[TRACE_ID_LEN];
    struct conversation_entry *newer, *older;
};

void conversation_memory_init(struct conversation_memory *m, size_t max)
{
    memset(m, 0, sizeof(*m));
    map_init(&m->by_key);
    m->max = max;
}

void conversation_memory_release(struct conversation_memory *m)
{
    for (struct conversation_entry *e = m->newest; e != NULL;) {
        struct conversation_entry *older = e->older;
        free(e);
        e = older;
    }
    map_release(&m->by_key);
    m->newest = m->oldest = NULL;
}

static void unlink_entry(struct conversation_memory *m, struct conversation_entry *e)
{
    *(e->newer == NULL ? &m->newest : &e->newer->older) = e->older;
    *(e->older == NULL ? &m->oldest : &e->older->newer) = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(struct conversation_memory *m, struct conversation_entry *e)
{
    e->older = m->newest;
    e->newer = NULL;
    *(m->newest == NULL ? &m->oldest : &m->newest->newer) = e;
    m->newest = e;
}

static struct conversation_entry *find(struct conversation_memory *m,
                                       const struct conversation_key *key)
{
    struct conversation_entry *e = map_get(&m->by_key, key, sizeof(*key));
    if (e != NULL) {
        unlink_entry(m, e);
        link_newest(m, e);
    }
    return e;
}

bool conversation_find(struct conversation_memory *m, const struct conversation_key *key,
                       uint8_t *trace_id)
{
    struct conversation_entry *e = find(m, key);
    if (e == NULL)
        return false;
    memcpy(trace_id, e->trace_id, TRACE_ID_LEN);
    return true;
}

void conversation_remember(struct conversation_memory *m, const struct conversation_key *key,
                           const uint8_t *trace_id)
{
    struct conversation_entry *e = find(m, key);
    if (e == NULL) {
        e = calloc(1, sizeof(*e));
        if (e == NULL)
            return;
        e->key = *key;
        if (map_set(&m->by_key, key, sizeof(*key), e) != ERR_OK) {
            free(e);
            return;
        }
        link_newest(m, e);
    }
    memcpy(e->trace_id, trace_id, TRACE_ID_LEN);
    if (m->by_key.count > m->max) {
        struct conversation_entry *oldest = m->oldest;
        unlink_entry(m, oldest);
        (void)map_take(&m->by_key, &oldest->key, sizeof(oldest->key));
        free(oldest);
    }
}

/* Folds a text in, eight bytes at a time and in two independent lanes (multiply and fold, as in
 * wyhash): histories are long and are hashed whole at each request. Not a defence against someone
 * who makes collisions on purpose; all that could get is two conversations in one trace. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void mix(struct conversation_key *key, const char *text, size_t len)
{
    uint64_t a = key->half[0] ^ len;
    uint64_t b = key->half[1] ^ (uint64_t)len << 32;
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = 0;
        memcpy(&word, text + at, len - at < 8 ? len - at : 8);
        a = fold(a ^ word, 0x9e3779b97f4a7c15ULL) + word;
        b = fold(b ^ word, 0xd6e8feb86659fd93ULL) ^ a;
    }
    key->half[0] = fold(a ^ 0xa0761d6478bd642fULL, b ^ 0xe7037ed1a0b428dbULL);
    key->half[1] = fold(b ^ 0x8ebc6af09c88c6e3ULL, a ^ 0x589965cc75374cc3ULL);
}

static void mix_text(struct conversation_key *key, const char *kind, const char *text)
{
    static const char space[] = " \t\r\n";
    text += strspn(text, space);
    size_t len = strlen(text);
    while (len > 0 && strchr(space, text[len - 1]) != NULL)
        len--;
    mix(key, kind, strlen(kind));
    mix(key, text, len);
}

struct conversation_key conversation_key_text(const char *kind, const char *text)
{
    struct conversation_key key = conversation_key_start();
    mix_text(&key, kind, text);
    return key;
}

struct conversation_key conversation_key_start(void)
{
    return (struct conversation_key){{0x243f6a8885a308d3ULL, 0x13198a2e03707344ULL}};
}

static bool is_blank(const char *text)
{
    return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

/* Any other value, such as a tool's answer: as it is printed. */
static bool mix_value(struct conversation_key *key, const char *kind, const json *value)
{
    if (json_is_string(value)) {
        mix_text(key, kind, json_text(value));
        return true;
    }
    char *text = value == NULL ? NULL : json_print_new(value);
    if (text == NULL)
        return false;
    mix_text(key, kind, text);
    free(text);
    return true;
}

/* A message's part in the GenAI form. False: it says nothing for this purpose. */
static bool mix_part(struct conversation_key *key, const json *part)
{
    const char *type = json_get_text(part, "type");
    const char *content = json_get_text(part, "content");
    if (type == NULL || strcmp(type, "reasoning") == 0)
        return false;
    if (strcmp(type, "text") == 0) {
        if (is_blank(content))
            return false;
        mix_text(key, "text", content);
        return true;
    }
    if (strcmp(type, "tool_call") == 0) {
        const char *id = json_get_text(part, "id");
        const char *name = json_get_text(part, "name");
        mix_text(key, "tool_call", id == NULL ? "" : id);
        mix_text(key, "name", name == NULL ? "" : name);
        return true;
    }
    if (strcmp(type, "tool_call_response") == 0) {
        const char *id = json_get_text(part, "id");
        mix_text(key, "tool_call_response", id == NULL ? "" : id);
        return mix_value(key, "response", json_get(part, "response")) || id != NULL;
    }
    return mix_value(key, type, part);
}

bool conversation_key_add(struct conversation_key *key, const json *message)
{
    const char *role = json_get_text(message, "role");
    if (role == NULL || strcmp(role, "system") == 0 || strcmp(role, "developer") == 0)
        return false;
    struct conversation_key next = *key;
    mix_text(&next, "role", role);
    bool says = false;
    for (const json *p = json_first(json_get(message, "parts")); p != NULL; p = json_next(p))
        says |= mix_part(&next, p);
    if (says)
        *key = next;
    return says;
}
