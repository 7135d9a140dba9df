#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/http.h"
#include "llm/llm.h"
#include "llm/redact.h"

#define MASK       "***"
#define SECRET_MIN 8 /* a shorter word is no key, and may stand anywhere */

static const char *const secret_parameters[] = {
    "key",
    "api_key",
    "apikey",
    "api-key",
    "access_token",
    "token",
    "auth",
    "authorization",
    "sig",
    "signature",
    "secret",
    "client_secret",
    "password",
    "passwd",
    "code",
    "credential",
    "x-amz-signature",
    "x-amz-credential",
    "x-amz-security-token",
    "x-goog-signature",
    "x-goog-credential",
    "refresh_token",
    "id_token",
    "session_token",
    "subscription-key",
    "private_key",
};

static const char *const secret_headers[] = {
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-key",
    "apikey",
    "x-api-key",
    "x-goog-api-key",
    "x-amz-security-token",
    "x-auth-token",
    "x-access-token",
    "x-csrf-token",
    "x-xsrf-token",
    "ocp-apim-subscription-key",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "x-vault-token",
};

/* Words that make any header name one that is not stored. */
static const char *const secret_words[] = {"api-key", "apikey",     "secret",     "password",
                                           "cookie",  "credential", "auth-token", "access-token"};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

bool llm_name_is_secret(const char *name, size_t len)
{
    for (size_t i = 0; i < LENGTH(secret_parameters); i++)
        if (strlen(secret_parameters[i]) == len &&
            strncasecmp(secret_parameters[i], name, len) == 0)
            return true;
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether a parameter's name, percent-decoded, is one of the secret ones. */
static bool parameter_is_secret(const char *name, size_t len)
{
    char plain[64];
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (n == sizeof(plain))
            return false;
        char c = name[i];
        if (c == '%' && i + 2 < len && hex_digit(name[i + 1]) >= 0 && hex_digit(name[i + 2]) >= 0) {
            c = (char)(hex_digit(name[i + 1]) * 16 + hex_digit(name[i + 2]));
            i += 2;
        }
        plain[n++] = c;
    }
    return llm_name_is_secret(plain, n);
}

/* user:password@ in front of a host (RFC 3986 §3.2.1). Returns where the rest begins. */
static const char *redact_userinfo(const char *target, struct buf *out, int *err)
{
    const char *authority = strstr(target, "://");
    if (!authority || strcspn(target, "?#/") < (size_t)(authority - target))
        return target;
    authority += 3;
    size_t len = strcspn(authority, "/?#");
    const char *at = memchr(authority, '@', len);
    if (!at)
        return target;
    *err |= buf_append(out, target, (size_t)(authority - target));
    *err |= buf_append_str(out, MASK);
    return at;
}

char *llm_redact_target(const char *target)
{
    struct buf out;
    int err = ERR_OK;
    buf_init(&out, 3 * strlen(target) + 16);
    target = redact_userinfo(target, &out, &err);
    size_t path = strcspn(target, "?#");
    err |= buf_append(&out, target, path);
    const char *at = target + path;
    while (*at && err == ERR_OK) { /* at a '?', '&', ';' or '#' */
        size_t len = 1 + strcspn(at + 1, "&;#");
        const char *equals = memchr(at, '=', len);
        if (equals && parameter_is_secret(at + 1, (size_t)(equals - at) - 1)) {
            err |= buf_append(&out, at, (size_t)(equals - at) + 1);
            err |= buf_append_str(&out, MASK);
        } else {
            err |= buf_append(&out, at, len);
        }
        at += len;
    }
    if (err != ERR_OK) {
        buf_release(&out);
        return NULL;
    }
    char *text = buf_take(&out);
    return text ? text : strdup("");
}

bool llm_header_is_public(const char *name)
{
    for (size_t i = 0; i < LENGTH(secret_headers); i++)
        if (strcasecmp(secret_headers[i], name) == 0)
            return false;
    for (size_t i = 0; i < LENGTH(secret_words); i++)
        if (strcasestr(name, secret_words[i]))
            return false;
    return true;
}

static void mask(char *text, const char *secret, size_t len)
{
    char *at = text;
    if (len < SECRET_MIN)
        return;
    while ((at = memmem(at, strlen(at), secret, len)) != NULL) {
        memset(at, '*', len);
        at += len;
    }
}

static void mask_parameters(char *text, const char *target)
{
    const char *at = target + strcspn(target, "?");
    while (*at) { /* at a '?' or '&' */
        size_t len = 1 + strcspn(at + 1, "&#");
        const char *equals = memchr(at, '=', len);
        if (equals && parameter_is_secret(at + 1, (size_t)(equals - at) - 1))
            mask(text, equals + 1, len - (size_t)(equals + 1 - at));
        at += len;
    }
}

void llm_mask_secrets(char *text, const struct http_head *request)
{
    if (!text)
        return;
    for (size_t i = 0; i < request->header_count; i++) {
        const char *value = request->headers[i].value;
        if (llm_header_is_public(request->headers[i].name))
            continue;
        for (size_t len; *value; value += len + (value[len] != '\0')) {
            len = strcspn(value, " ;,"); /* "Bearer KEY", "a=KEY; b=KEY" */
            mask(text, value, len);
            const char *equals = memchr(value, '=', len);
            if (equals)
                mask(text, equals + 1, len - (size_t)(equals + 1 - value));
        }
    }
    if (request->target)
        mask_parameters(text, request->target);
}
