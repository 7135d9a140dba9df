#include "client/settings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/utf8.h"

#define BUCKETS          256u
#define KEY_PREFIX       "project-"
#define PROJECT_MAX      100u
#define TIMEOUT_STANDARD 5000
#define TIMEOUT_MAX      600000

static _Atomic(struct settings *) buckets[BUCKETS];

bool settings_tracing_enabled(void)
{
    static const char *const words[] = {"false", "0", "no", "off"};
    const char *value = getenv("TRACING_ENABLED");
    for (size_t i = 0; value && i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(value, words[i]) == 0)
            return false;
    return true;
}

bool settings_is_project(const char *text)
{
    size_t len = 0;
    for (; text[len]; len++) {
        const char c = text[len];
        const bool known = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                           (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!known || len == PROJECT_MAX)
            return false;
    }
    return len > 0;
}

static const char *given(const char *option, const char *variable)
{
    const char *value = option && *option ? option : getenv(variable);
    return value && *value ? value : NULL;
}

/* The length of a URL without the slashes at its end. */
static size_t url_length(const char *url)
{
    size_t len = utf8_cut(url, strlen(url), SETTINGS_URL_MAX);
    while (len > 0 && url[len - 1] == '/')
        len--;
    return len;
}

struct wish {
    const char *url, *key, *project;
    size_t url_len;
    llmt_mode mode;
    int timeout_ms;
};

static int timeout_of(const llmt_client_options *options, unsigned *faults)
{
    const int wanted = options ? options->timeout_ms : 0;
    if (wanted > 0 && wanted <= TIMEOUT_MAX)
        return wanted;
    if (wanted != 0)
        *faults |= SETTINGS_BAD_TIMEOUT;
    return wanted > TIMEOUT_MAX ? TIMEOUT_MAX : TIMEOUT_STANDARD;
}

static struct wish read_wish(const llmt_client_options *options, unsigned *faults)
{
    static const llmt_client_options none;
    const llmt_client_options *o = options ? options : &none;
    struct wish w = {.mode = o->mode == LLMT_SYNC ? LLMT_SYNC : LLMT_ASYNC};
    w.timeout_ms = timeout_of(options, faults);
    w.url = given(o->base_url, "TRACER_URL");
    if (!w.url)
        w.url = SETTINGS_URL_DEFAULT;
    w.url_len = url_length(w.url);
    w.key = given(o->api_key, "TRACER_API_KEY");
    if (!w.key)
        *faults |= SETTINGS_NO_KEY;
    const bool known = w.key && strncmp(w.key, KEY_PREFIX, strlen(KEY_PREFIX)) == 0 &&
                       settings_is_project(w.key + strlen(KEY_PREFIX));
    if (w.key && !known)
        *faults |= SETTINGS_BAD_KEY;
    if (!known)
        w.key = "";
    w.project = given(o->project_id, "TRACER_PROJECT_ID");
    if (w.project && !settings_is_project(w.project)) {
        *faults |= SETTINGS_BAD_PROJECT;
        w.project = NULL;
    }
    if (!w.project)
        w.project = *w.key ? w.key + strlen(KEY_PREFIX) : "";
    return w;
}

/* FNV-1a. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t hash_wish(const struct wish *w)
{
    const uint64_t numbers = (uint64_t)w->timeout_ms << 1 | (uint64_t)w->mode;
    uint64_t hash = hash_bytes(UINT64_C(0xcbf29ce484222325) ^ numbers, w->url, w->url_len);
    hash = hash_bytes(hash, w->key, strlen(w->key) + 1);
    return hash_bytes(hash, w->project, strlen(w->project) + 1);
}

static bool is_same(const struct settings *s, const struct wish *w, uint64_t hash)
{
    return s->hash == hash && s->mode == w->mode && s->timeout_ms == w->timeout_ms &&
           strlen(s->url) == w->url_len && memcmp(s->url, w->url, w->url_len) == 0 &&
           strcmp(s->key, w->key) == 0 && strcmp(s->project, w->project) == 0;
}

static struct settings *find(struct settings *from, const struct wish *w, uint64_t hash)
{
    while (from && !is_same(from, w, hash))
        from = from->next;
    return from;
}

static char *copy_text(char **at, const char *text, size_t len)
{
    char *copy = *at;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

static struct settings *make(const struct wish *w, uint64_t hash)
{
    const size_t key = strlen(w->key), project = strlen(w->project);
    struct settings *s = calloc(1, sizeof(*s) + w->url_len + key + project + 3);
    if (!s)
        return NULL;
    char *at = (char *)(s + 1);
    s->hash = hash;
    s->mode = w->mode;
    s->timeout_ms = w->timeout_ms;
    s->url = copy_text(&at, w->url, w->url_len);
    s->key = copy_text(&at, w->key, key);
    s->project = copy_text(&at, w->project, project);
    return s;
}

struct settings *settings_get(const llmt_client_options *options, unsigned *faults)
{
    *faults = 0;
    const struct wish w = read_wish(options, faults);
    const uint64_t hash = hash_wish(&w);
    _Atomic(struct settings *) *bucket = &buckets[hash % BUCKETS];
    struct settings *first = atomic_load_explicit(bucket, memory_order_acquire);
    struct settings *found = find(first, &w, hash);
    if (found)
        return found;
    struct settings *made = make(&w, hash);
    if (!made)
        return NULL;
    made->next = first;
    while (!atomic_compare_exchange_weak(bucket, &made->next, made)) {
        found = find(made->next, &w, hash);
        if (found) {
            free(made);
            return found;
        }
    }
    return made;
}
