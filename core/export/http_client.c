#include "export/http_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http_client {
    CURL *curl;
    char *key_header;
    const atomic_bool *cancel;
    const struct buf *sent; /* the request's body */
    size_t sent_at;
    struct buf body;
    bool too_big;
    char error[CURL_ERROR_SIZE];
};

static void global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t take_body(char *data, size_t size, size_t count, void *user)
{
    struct http_client *c = user;
    if (buf_append(&c->body, data, size * count) != ERR_OK) {
        c->too_big = true;
        return 0;
    }
    return size * count;
}

/* libcurl sends a request again by itself when a kept connection dies without an answer, although
 * the server may have obeyed it. A body that it has to fetch and cannot rewind keeps it from that.
 */
static size_t give_body(char *out, size_t size, size_t count, void *user)
{
    struct http_client *c = user;
    size_t room = size * count;
    size_t n = c->sent->len - c->sent_at < room ? c->sent->len - c->sent_at : room;
    if (n > 0)
        memcpy(out, c->sent->data + c->sent_at, n);
    c->sent_at += n;
    return n;
}

static int check_cancel(void *user, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    (void)dt, (void)dn, (void)ut, (void)un;
    struct http_client *c = user;
    return c->cancel != NULL && atomic_load(c->cancel);
}

int http_client_new(struct http_client **out, const char *key, const atomic_bool *cancel)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, global_init);
    struct http_client *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ERR_NOMEM;
    buf_init(&c->body, HTTP_CLIENT_BODY_MAX);
    c->cancel = cancel;
    c->curl = curl_easy_init();
    if (key != NULL) {
        if (asprintf(&c->key_header, "X-API-Key: %s", key) < 0)
            c->key_header = NULL;
    }
    if (c->curl == NULL || (key != NULL && c->key_header == NULL)) {
        http_client_free(c);
        return ERR_NOMEM;
    }
    *out = c;
    return ERR_OK;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    curl_easy_cleanup(c->curl);
    if (c->key_header != NULL)
        explicit_bzero(c->key_header, strlen(c->key_header));
    free(c->key_header);
    buf_release(&c->body);
    free(c);
}

/* The certificate authorities that the user names, as the curl program takes them: the library by
 * itself knows only those that it was built for. */
static void set_authorities(CURL *curl)
{
    const char *file = getenv("CURL_CA_BUNDLE");
    const char *folder = getenv("SSL_CERT_DIR");
    if (file == NULL || file[0] == '\0')
        file = getenv("SSL_CERT_FILE");
    if (file != NULL && file[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CAINFO, file);
    if (folder != NULL && folder[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CAPATH, folder);
}

static void set_fixed_options(struct http_client *c)
{
    CURL *curl = c->curl;
    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    set_authorities(curl);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "llm-tracer/" TRACER_VERSION);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, NULL);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, check_cancel);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

static struct curl_slist *make_headers(const struct http_client *c, const char *content_type)
{
    char line[128];
    struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");
    /* Without it libcurl waits a second for `100 Continue` that few servers send. */
    struct curl_slist *more = curl_slist_append(list, "Expect:");
    list = more != NULL ? more : list;
    if (content_type != NULL) {
        snprintf(line, sizeof(line), "Content-Type: %s", content_type);
        more = curl_slist_append(list, line);
        list = more != NULL ? more : list;
    }
    if (c->key_header != NULL) {
        more = curl_slist_append(list, c->key_header);
        list = more != NULL ? more : list;
    }
    return list;
}

/* Whether a transfer that failed so may have been seen by the server. */
static bool may_have_arrived(CURL *curl, CURLcode code)
{
    long sent = 0;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        return false;
    default:
        curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent);
        return sent > 0;
    }
}

static void read_answer(struct http_client *c, CURLcode code, struct http_answer *answer)
{
    long status = 0;
    char *type = NULL;
    char *location = NULL;
    if (code != CURLE_OK) {
        answer->sent = may_have_arrived(c->curl, code);
        answer->cancelled = code == CURLE_ABORTED_BY_CALLBACK;
        answer->failure = c->too_big            ? "the answer is too large"
                          : c->error[0] != '\0' ? c->error
                                                : curl_easy_strerror(code);
        return;
    }
    curl_off_t wait = 0;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &wait);
    curl_easy_getinfo(c->curl, CURLINFO_REDIRECT_URL, &location);
    answer->status = (int)status;
    answer->sent = true;
    answer->json = type != NULL && strncasecmp(type, "application/json", 16) == 0;
    answer->retry_after_ms = wait > 0 ? (wait < 86400 ? wait : 86400) * 1000 : 0;
    answer->location = location;
}

void http_client_send(struct http_client *c, const char *method, const char *url,
                      const char *content_type, const struct buf *body, int64_t timeout_ms,
                      struct http_answer *answer)
{
    *answer = (struct http_answer){.body = &c->body};
    buf_clear(&c->body);
    c->error[0] = '\0';
    c->too_big = false;
    set_fixed_options(c);
    struct curl_slist *headers = make_headers(c, body != NULL ? content_type : NULL);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    if (body != NULL) {
        curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
        c->sent = body;
        c->sent_at = 0;
        curl_easy_setopt(c->curl, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(c->curl, CURLOPT_READDATA, c);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
        timeout_ms += (int64_t)(body->len / 65536) * 1000;
    }
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    CURLcode code = curl_easy_perform(c->curl);
    read_answer(c, code, answer);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
}
