#include "openai.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX (1024 * 1024)

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* -------------------------------------------------------------------------- JSON */

/* Appends text to JSON in out as a string without its quotes. */
static void append_escaped(char *out, size_t size, const char *text)
{
    size_t n = strlen(out);
    for (; *text != '\0' && n + 7 < size; text++) {
        if ((unsigned char)*text < 0x20)
            n += (size_t)snprintf(out + n, size - n, "\\u%04x", (unsigned)*text);
        else if (*text == '"' || *text == '\\')
            n += (size_t)snprintf(out + n, size - n, "\\%c", *text);
        else
            out[n++] = *text;
    }
    out[n] = '\0';
}

static void append(char *out, size_t size, const char *text)
{
    strncat(out, text, size - strlen(out) - 1);
}

/* Behind the colon of the first member of that name; NULL when there is none. */
static const char *find_member(const char *json, const char *name)
{
    char key[64];
    snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = strstr(json, key);
    if (at == NULL)
        return NULL;
    at += strlen(key);
    return at + strspn(at, " \n");
}

static int64_t read_number(const char *json, const char *name)
{
    const char *at = find_member(json, name);
    return at != NULL ? strtoll(at, NULL, 10) : 0;
}

/* The member's text; of escapes only those that an answer in UTF-8 needs. */
static void read_text(const char *json, const char *name, char *out, size_t size)
{
    const char *at = find_member(json, name);
    size_t n = 0;
    if (at != NULL && *at == '"') {
        for (at++; *at != '\0' && *at != '"' && n + 1 < size; at++) {
            if (*at == '\\' && at[1] != '\0') {
                at++;
                out[n++] = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at;
            } else {
                out[n++] = *at;
            }
        }
    }
    out[n] = '\0';
}

/* -------------------------------------------------------------------------- HTTP */

struct body {
    char *text;
    size_t length;
};

static size_t take(char *data, size_t size, size_t count, void *user)
{
    struct body *body = user;
    size_t n = size * count;
    if (body->length + n >= BODY_MAX)
        return 0;
    memcpy(body->text + body->length, data, n);
    body->length += n;
    body->text[body->length] = '\0';
    return n;
}

static CURLcode perform(CURL *curl, const char *path, const char *request, struct body *body)
{
    const char *base = getenv("OPENAI_BASE_URL");
    const char *key = getenv("OPENAI_API_KEY");
    const char *authorities = getenv("SSL_CERT_FILE");
    char url[1024];
    char authorization[1024];
    snprintf(url, sizeof(url), "%s%s", base != NULL ? base : "https://api.openai.com/v1", path);
    snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s",
             key != NULL ? key : "");
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, authorization);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
    if (authorities != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    return code;
}

static int call(const char *path, const char *request, struct body *body, struct answer *answer)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    long status = 0;
    memset(answer, 0, sizeof(*answer));
    pthread_once(&once, start_curl);
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return -1;
    CURLcode code = perform(curl, path, request, body);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        snprintf(answer->text, sizeof(answer->text), "%s", curl_easy_strerror(code));
    else if (status != 200)
        read_text(body->text, "message", answer->text, sizeof(answer->text));
    return code == CURLE_OK && status == 200 ? 0 : -1;
}

/* -------------------------------------------------------------------------- the two calls */

int openai_chat(const char *model, const char *system, const char *user, struct answer *answer)
{
    char request[16384];
    struct body body = {.text = calloc(1, BODY_MAX)};
    if (body.text == NULL)
        return -1;
    snprintf(request, sizeof(request), "{\"model\":\"%s\",\"messages\":[", model);
    if (system != NULL) {
        append(request, sizeof(request), "{\"role\":\"system\",\"content\":\"");
        append_escaped(request, sizeof(request), system);
        append(request, sizeof(request), "\"},");
    }
    append(request, sizeof(request), "{\"role\":\"user\",\"content\":\"");
    append_escaped(request, sizeof(request), user);
    append(request, sizeof(request), "\"}]}");
    int result = call("/chat/completions", request, &body, answer);
    if (result == 0) {
        read_text(body.text, "content", answer->text, sizeof(answer->text));
        answer->prompt_tokens = read_number(body.text, "prompt_tokens");
        answer->completion_tokens = read_number(body.text, "completion_tokens");
    }
    free(body.text);
    return result;
}

int openai_embed(const char *model, const char *text, struct answer *answer)
{
    char request[16384];
    struct body body = {.text = calloc(1, BODY_MAX)};
    if (body.text == NULL)
        return -1;
    snprintf(request, sizeof(request), "{\"model\":\"%s\",\"input\":\"", model);
    append_escaped(request, sizeof(request), text);
    append(request, sizeof(request), "\"}");
    int result = call("/embeddings", request, &body, answer);
    if (result == 0) {
        const char *at = find_member(body.text, "embedding");
        const char *end = at != NULL ? strchr(at, ']') : NULL;
        for (answer->dimensions = end != NULL; at != end; at++)
            answer->dimensions += *at == ',';
        answer->prompt_tokens = read_number(body.text, "prompt_tokens");
    }
    free(body.text);
    return result;
}
