#include "service/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PREFIX     "project-"
#define KEY_PREFIX_LEN (sizeof(KEY_PREFIX) - 1)
#define KEY_ROOM       112 /* AUTH_KEY_MAX, a NUL, and padding */

_Static_assert(AUTH_KEY_MAX < KEY_ROOM, "a key and its NUL have room");

/* Padded with zeros, so that every comparison looks at the same number of bytes. */
struct key {
    unsigned char bytes[KEY_ROOM];
};

struct auth {
    struct key *keys;
    size_t count; /* 0: every well-formed key is its own project */
    bool required;
    bool has_default; /* else requests without a key see every project */
    struct key fallback;
};

static bool is_project_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* Contract: project-{id}, the id 1..100 of [a-zA-Z0-9_-]. */
static bool is_well_formed(const char *key, size_t len)
{
    if (len <= KEY_PREFIX_LEN || len > AUTH_KEY_MAX || memcmp(key, KEY_PREFIX, KEY_PREFIX_LEN) != 0)
        return false;
    for (size_t i = KEY_PREFIX_LEN; i < len; i++)
        if (!is_project_byte(key[i]))
            return false;
    return true;
}

static struct key pad(const char *key, size_t len)
{
    struct key padded = {{0}};
    memcpy(padded.bytes, key, len);
    return padded;
}

/* Every byte of every key is looked at, whatever was found before. */
static bool is_accepted(const struct auth *a, const struct key *sent)
{
    unsigned found = 0;
    for (size_t i = 0; i < a->count; i++) {
        const volatile unsigned char *accepted = a->keys[i].bytes;
        unsigned difference = 0;
        for (size_t j = 0; j < KEY_ROOM; j++)
            difference |= (unsigned)(accepted[j] ^ sent->bytes[j]);
        found |= ((difference - 1) >> 8) & 1; /* 1 only for a difference of 0 */
    }
    return found != 0;
}

static int refuse(char **why, const char *format, size_t number)
{
    if (asprintf(why, format, number) < 0)
        *why = NULL;
    return ERR_RANGE;
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

static int add_key(struct auth *a, const char *key, size_t len)
{
    struct key *more = realloc(a->keys, (a->count + 1) * sizeof(*more));
    if (more == NULL)
        return ERR_NOMEM;
    a->keys = more;
    a->keys[a->count++] = pad(key, len);
    return ERR_OK;
}

static int read_keys(struct auth *a, const char *keys, char **why)
{
    size_t number = 0;
    for (const char *p = skip_blanks(keys); *p != '\0'; p = skip_blanks(p)) {
        size_t span = strcspn(p, ",");
        size_t len = span;
        while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
            len--;
        number++;
        if (!is_well_formed(p, len))
            return refuse(why,
                          "API_KEYS: key %zu is not of the form project-{id}, the id being 1 to "
                          "100 letters, digits, _ or -",
                          number);
        int err = add_key(a, p, len);
        if (err != ERR_OK)
            return err;
        p += span + (p[span] == ',');
    }
    return ERR_OK;
}

int auth_new(struct auth **out, const char *keys, bool required, const char *default_key,
             char **why)
{
    *why = NULL;
    struct auth *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return ERR_NOMEM;
    a->required = required;
    int err = read_keys(a, keys, why);
    if (err == ERR_OK && default_key != NULL) {
        size_t len = strlen(default_key);
        if (!is_well_formed(default_key, len)) {
            err = refuse(why,
                         "DEFAULT_PROJECT_KEY is not of the form project-{id}, the id being 1 to "
                         "%zu letters, digits, _ or -",
                         (size_t)100);
        } else {
            a->has_default = true;
            a->fallback = pad(default_key, len);
        }
    }
    if (err != ERR_OK) {
        auth_free(a);
        return err;
    }
    *out = a;
    return ERR_OK;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    if (a->count > 0)
        explicit_bzero(a->keys, a->count * sizeof(*a->keys));
    free(a->keys);
    free(a);
}

int auth_may_listen(const struct auth *a, bool loopback, const char *where, char **why)
{
    *why = NULL;
    if (loopback)
        return ERR_OK;
    const char *missing = NULL;
    if (!a->required)
        missing = "with API_KEY_REQUIRED=false everybody who reaches it could read and write: set "
                  "API_KEY_REQUIRED=true, or listen on 127.0.0.1";
    else if (a->count == 0)
        missing = "without API_KEYS everybody who reaches it could make up a key: set "
                  "API_KEYS=project-NAME,..., or listen on 127.0.0.1";
    if (missing == NULL)
        return ERR_OK;
    if (asprintf(why, "%s is not a loopback address, and %s", where, missing) < 0)
        *why = NULL;
    return ERR_RANGE;
}

/* The id behind the first "project-" of a key that lives elsewhere. */
static struct text id_of(const char *key, size_t len)
{
    return (struct text){key + KEY_PREFIX_LEN, len - KEY_PREFIX_LEN};
}

int auth_project(const struct auth *a, const char *key, struct text *project)
{
    *project = (struct text){NULL, 0};
    if (key == NULL || *key == '\0') {
        if (a->required)
            return ERR_NOENT;
        const char *fallback = (const char *)a->fallback.bytes;
        if (a->has_default)
            *project = id_of(fallback, strlen(fallback));
        return ERR_OK;
    }
    size_t len = strnlen(key, AUTH_KEY_MAX + 1);
    if (!is_well_formed(key, len))
        return ERR_BAD;
    struct key sent = pad(key, len);
    bool accepted = a->count == 0 || is_accepted(a, &sent);
    explicit_bzero(&sent, sizeof(sent));
    if (!accepted)
        return ERR_DENIED;
    *project = id_of(key, len);
    return ERR_OK;
}

bool auth_is_closed(const struct auth *a)
{
    return a->required && a->count > 0;
}

bool auth_required(const struct auth *a)
{
    return a->required;
}
