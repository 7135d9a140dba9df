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
#define USERINFO_MAX      512

/* Endings of names whose value is a secret: `OPENAI_API_KEY`, `--api-key`, `x-goog-api-key`. */
static const char *const secret_names[] = {
    "key",           "token",         "secret", "password",  "passwd",
    "passphrase",    "authorization", "pwd",    "auth",      "cookie",
    "credential",    "credentials",   "bearer", "signature", "sig",
    "oauth2-bearer", "proxy-user",    "pass",   "jwt",
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

static size_t secret_end(const char *text, size_t at)
{
    while (text[at] != '\0' && is_secret_char(text[at]))
        at++;
    return at;
}

/* A cookie header has several values: all of them go. */
static size_t cookie_end(const char *text, size_t at)
{
    return at + strcspn(text + at, "\"'\r\n");
}

/* Where the quotation that `quote` opened before `at` ends; 0: nowhere. */
static size_t quote_end(const char *text, size_t at, char quote)
{
    bool escaped = at >= 2 && text[at - 2] == '\\'; /* \"...\": the quote inside another one */
    for (; text[at] != '\0'; at++) {
        if (text[at] == quote)
            return escaped && text[at - 1] == '\\' ? at - 1 : at;
        if (text[at] == '\\' && !escaped && quote == '"' && text[at + 1] != '\0')
            at++;
    }
    return 0;
}

/* A value found in a text: its secret is text[begin, end). Both 0: there is none. */
struct secret {
    size_t begin, end;
};

/* The end of a header's value by its name; it has blanks in it. */
static size_t header_end(const char *text, size_t name_end, size_t begin, bool scheme)
{
    static const char *const names[] = {"cookie", "authorization"};
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(names[i]);
        if (name_end >= n && strncasecmp(text + name_end - n, names[i], n) == 0 &&
            (i == 0 || !scheme))
            return cookie_end(text, begin);
    }
    return 0;
}

/* The value behind a name that is text[at, end): `="v"`, `: v`, `: Bearer v`, `": "v"`. */
static struct secret assigned_value(const char *text, size_t name, size_t name_end)
{
    size_t at = skip_quotes(text, name_end);
    while (text[at] == ' ')
        at++;
    if (text[at] != '=' && text[at] != ':')
        return (struct secret){0, 0};
    at++;
    while (text[at] == ' ')
        at++;
    size_t open = skip_quotes(text, at);
    size_t begin = skip_scheme(text, open);
    size_t end = open > at && text[open - 1] != '\\' ? quote_end(text, open, text[open - 1]) : 0;
    if (end == 0)
        end = header_end(text, name_end, begin, begin > open);
    if (end == 0 && name > 0 && (text[name - 1] == '?' || text[name - 1] == '&'))
        end = begin + strcspn(text + begin, "& #\"'\r\n");
    if (end < begin)
        end = secret_end(text, begin);
    return (struct secret){begin, end};
}

/* The end of a shell's word, whose parts may be quoted. */
static size_t shell_word_end(const char *text, size_t at)
{
    while (text[at] != '\0' && strchr(" \t\r\n;|&<>()", text[at]) == NULL) {
        if (text[at] == '\\' && text[at + 1] != '\0' && strchr("\"'", text[at + 1]) != NULL)
            break;
        if (text[at] == '"' || text[at] == '\'') {
            size_t end = quote_end(text, at + 1, text[at]);
            if (end == 0)
                break;
            at = end;
        }
        at++;
    }
    return at;
}

enum option_value { VALUE_PLAIN, VALUE_USER, VALUE_COOKIE, VALUE_SECRET };

/* What follows the option text[at, end). curl's -u (user:password), -U and -b (cookie) may stand
 * behind other letters: -su. Others have these letters too (`python -u app.py`), so the value has
 * to look like it. */
static enum option_value option_value(const char *text, size_t at, size_t end)
{
    size_t len = end - at;
    if (len < 2 || text[at] != '-')
        return VALUE_PLAIN;
    if (text[at + 1] == '-') {
        bool user = len == 6 && strncmp(text + at, "--user", 6) == 0;
        return user || is_secret_name(text, at + 2, end) ? VALUE_SECRET : VALUE_PLAIN;
    }
    if (is_secret_name(text, at + 1, end))
        return VALUE_SECRET;
    for (size_t i = at + 1; i < end; i++)
        if (!isalpha((unsigned char)text[i]) && text[i] != '#')
            return VALUE_PLAIN;
    if (text[end - 1] == 'u' || text[end - 1] == 'U')
        return VALUE_USER;
    return text[end - 1] == 'b' ? VALUE_COOKIE : VALUE_PLAIN;
}

static bool looks_like(enum option_value kind, const char *text, size_t len)
{
    if (kind == VALUE_USER)
        return memchr(text, ':', len) != NULL;
    return kind == VALUE_SECRET || (kind == VALUE_COOKIE && memchr(text, '=', len) != NULL);
}

/* The value of an option in a command line or in a list of arguments: `--token v`, `-u "a:b"`,
 * `"--token", "v"`, `-ua:b`. */
static struct secret option_secret(const char *text, size_t name, size_t name_end)
{
    const struct secret none = {0, 0};
    if (text[name] != '-' || (name > 0 && strchr(" \t\r\n\"'`=,;|&([{", text[name - 1]) == NULL))
        return none;
    bool closed = name > 0 && text[name + 1] != '\0' && text[name + 2] == text[name - 1];
    if (!closed && (text[name + 1] == 'u' || text[name + 1] == 'b')) { /* without a blank */
        enum option_value kind = text[name + 1] == 'u' ? VALUE_USER : VALUE_COOKIE;
        size_t end = shell_word_end(text, name + 2);
        size_t mark = name + 2 + strcspn(text + name + 2, ":=");
        if (mark < end && text[mark] == (kind == VALUE_USER ? ':' : '=') &&
            strncmp(text + mark, "://", 3) != 0)
            return (struct secret){name + 2, end};
    }
    enum option_value kind = option_value(text, name, name_end);
    size_t gap = skip_quotes(text, name_end);
    size_t at = gap;
    if (kind == VALUE_PLAIN)
        return none;
    if (text[at] == '=')
        at++;
    else
        at += strspn(text + at, " \t\r\n,");
    if (at == gap || text[at] == '-')
        return none;
    size_t open = skip_quotes(text, at);
    size_t end;
    if (open == at) {
        end = shell_word_end(text, at);
    } else if (text[open - 1] == '\\') { /* an escape of something else */
        open = at;
        end = shell_word_end(text, at);
    } else {
        end = quote_end(text, open, text[open - 1]);
        if (end == 0)
            end = strlen(text); /* cut off: what is left is its secret's */
    }
    if (text[open] == '[' || !looks_like(kind, text + open, end - open))
        return none;
    return (struct secret){open, end};
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
    size_t n = 0;
    while (n < USERINFO_MAX && text[at + n] != '\0' &&
           strchr("/?# \t\r\n\"'", text[at + n]) == NULL)
        n++;
    while (n > 0 && text[at + n] != '@')
        n--;
    return n > 0 ? at + n : 0;
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
    struct secret found = {skip_scheme(text, at), 0}; /* "Bearer x" anywhere, when it is long */
    found.end = secret_end(text, found.begin);
    if (found.begin == at || found.end - found.begin < SCHEME_SECRET_MIN)
        found =
            is_secret_name(text, at, end) ? assigned_value(text, at, end) : (struct secret){0, 0};
    if (found.end <= found.begin)
        found = option_secret(text, at, end);
    if (found.end <= found.begin && text[end] == ':' && userinfo_end(text, end + 1) != 0)
        found = (struct secret){at, userinfo_end(text, end + 1)}; /* user:password@host */
    if (found.end <= found.begin) {
        put(out, text + at, end - at);
        return end;
    }
    put(out, text + at, found.begin - at);
    put(out, REDACTED, strlen(REDACTED));
    return found.end;
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

json *redact_argv(const json *argv)
{
    json *clean = json_array();
    enum option_value kind = VALUE_PLAIN; /* `--api-key VALUE`: the argument before this one */
    for (const json *arg = json_first(argv); arg != NULL; arg = json_next(arg)) {
        const char *text = json_text(arg) != NULL ? json_text(arg) : "";
        if (text[0] != '-' && looks_like(kind, text, strlen(text))) {
            json_add(clean, json_string(REDACTED));
            kind = VALUE_PLAIN;
            continue;
        }
        char *redacted = redact_text(text);
        json_add(clean, json_string(redacted));
        free(redacted);
        bool name = strpbrk(text, "=: ") == NULL;
        kind = name ? option_value(text, 0, strlen(text)) : VALUE_PLAIN;
    }
    return clean;
}
