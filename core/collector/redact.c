/* Keys in command lines. Command lines are stored with every span, and people do write
 * `curl -H "Authorization: Bearer sk-…"`. What is named like a secret, and what has the form of a
 * well-known kind of key, is replaced; rather too much than too little. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "collector/collector.h"

#define REDACTED          "[redacted]"
#define REDACTED_MAX      (1u << 20)
#define SCHEME_SECRET_MIN 8

/* Endings of names whose value is a secret: `OPENAI_API_KEY`, `--api-key`, `x-goog-api-key`. */
static const char *const secret_names[] = {
    "key",           "token",     "secret", "password",      "passwd",     "passphrase",
    "authorization", "pwd",       "auth",   "cookie",        "credential", "credentials",
    "bearer",        "signature", "sig",    "oauth2-bearer", "proxy-user",
};
/* Beginnings of keys by their issuers. */
static const char *const key_prefixes[] = {
    "sk-",    "sk_",   "pk-lf-", "xai-", "gsk_",   "hf_",  "r8_",  "pplx-",
    "AIza",   "AKIA",  "ASIA",   "ghp_", "gho_",   "ghs_", "ghr_", "github_pat_",
    "glpat-", "xoxb-", "xoxp-",  "eyJ",  "nvapi-", "fw_",
};

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool is_secret_char(char c)
{
    return (unsigned char)c > ' ' && strchr("\"'`,;&|<>(){}[]\\", c) == NULL;
}

/* Whether the name that ends at text[end) is a secret's: its last word, as `_`, `-` or a change of
 * case divide words, is in the list ("api_key", "apiKey", "apikey", but not "monkey"). */
static bool is_secret_name(const char *text, size_t begin, size_t end)
{
    for (size_t i = 0; i < sizeof(secret_names) / sizeof(secret_names[0]); i++) {
        size_t n = strlen(secret_names[i]);
        if (end - begin < n || strncasecmp(text + end - n, secret_names[i], n) != 0)
            continue;
        size_t at = end - n;
        if (at == begin || !isalnum((unsigned char)text[at - 1]) ||
            isupper((unsigned char)text[at]))
            return true;
        if (at - begin >= 3 && strncasecmp(text + at - 3, "api", 3) == 0)
            return true;
    }
    return false;
}

static size_t skip_quotes(const char *text, size_t at)
{
    while (text[at] == '"' || text[at] == '\'' || text[at] == '\\')
        at++;
    return at;
}

static size_t skip_scheme(const char *text, size_t at)
{
    static const char *const schemes[] = {"Bearer ", "Basic ", "Token ", "ApiKey ", "Digest "};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncasecmp(text + at, schemes[i], strlen(schemes[i])) == 0)
            return at + strlen(schemes[i]);
    return at;
}

/* The value behind a name that ends at `end`: `="v"`, `: v`, `: Bearer v`, `": "v"`. Where its
 * secret begins, or 0 when there is no value. */
static size_t value_begin(const char *text, size_t end)
{
    size_t at = skip_quotes(text, end);
    while (text[at] == ' ')
        at++;
    if (text[at] != '=' && text[at] != ':')
        return 0;
    at++;
    while (text[at] == ' ')
        at++;
    at = skip_quotes(text, at);
    return skip_scheme(text, at);
}

static size_t secret_end(const char *text, size_t at)
{
    while (text[at] != '\0' && is_secret_char(text[at]))
        at++;
    return at;
}

/* A cookie header has several values: all of them go. */
static size_t cookie_end(const char *text, size_t at)
{
    return at + strcspn(text + at, "\"'");
}

static bool has_key_prefix(const char *text, size_t at, size_t end)
{
    for (size_t i = 0; i < sizeof(key_prefixes) / sizeof(key_prefixes[0]); i++) {
        size_t n = strlen(key_prefixes[i]);
        if (end - at >= n + 8 && strncmp(text + at, key_prefixes[i], n) == 0)
            return true;
    }
    return false;
}

/* `scheme://user:password@host`: the end of the password, or 0. */
static size_t userinfo_end(const char *text, size_t at)
{
    size_t n = strcspn(text + at, "@/ \"'");
    return text[at + n] == '@' && n > 0 ? at + n : 0;
}

static void put(struct buf *out, const char *text, size_t len)
{
    buf_append_cut(out, text, len);
}

/* Copies the word at `at` and, when it is a secret's name, its value redacted. Returns where to go
 * on. */
static size_t redact_word(struct buf *out, const char *text, size_t at)
{
    size_t end = at;
    while (is_name_char(text[end]))
        end++;
    if (has_key_prefix(text, at, end)) {
        put(out, REDACTED, strlen(REDACTED));
        return secret_end(text, end);
    }
    size_t value = skip_scheme(text, at); /* "Bearer x" anywhere, when x is long enough */
    if (value == at || secret_end(text, value) - value < SCHEME_SECRET_MIN)
        value = is_secret_name(text, at, end) ? value_begin(text, end) : 0;
    bool cookie = end - at >= 6 && strncasecmp(text + end - 6, "cookie", 6) == 0;
    size_t stop = value;
    if (value != 0)
        stop = cookie ? cookie_end(text, value) : secret_end(text, value);
    if (stop == value) {
        put(out, text + at, end - at);
        return end;
    }
    put(out, text + at, value - at);
    put(out, REDACTED, strlen(REDACTED));
    return stop;
}

char *redact_text(const char *text)
{
    struct buf out;
    buf_init(&out, REDACTED_MAX);
    for (size_t at = 0; text[at] != '\0';) {
        size_t end;
        if (is_name_char(text[at])) {
            at = redact_word(&out, text, at);
        } else if (strncmp(text + at, "://", 3) == 0 && (end = userinfo_end(text, at + 3)) != 0) {
            put(&out, "://" REDACTED, 3 + strlen(REDACTED));
            at = end;
        } else {
            put(&out, text + at, 1);
            at++;
        }
    }
    char *taken = buf_take(&out);
    buf_release(&out);
    return taken != NULL ? taken : strdup("");
}

/* `--api-key VALUE`, `-u user:password`: the next argument is the secret. */
static bool next_is_secret(const char *arg)
{
    if (strcmp(arg, "-u") == 0 || strcmp(arg, "--user") == 0 || strcmp(arg, "-b") == 0)
        return true;
    if (arg[0] != '-' || strpbrk(arg, "=: ") != NULL)
        return false;
    size_t begin = strspn(arg, "-");
    return is_secret_name(arg, begin, strlen(arg));
}

json *redact_argv(const json *argv)
{
    json *clean = json_array();
    bool secret = false;
    for (const json *arg = json_first(argv); arg != NULL; arg = json_next(arg)) {
        const char *text = json_text(arg) != NULL ? json_text(arg) : "";
        if (secret && text[0] != '-') {
            json_add(clean, json_string(REDACTED));
            secret = false;
            continue;
        }
        char *redacted = redact_text(text);
        json_add(clean, json_string(redacted));
        free(redacted);
        secret = next_is_secret(text);
    }
    return clean;
}
