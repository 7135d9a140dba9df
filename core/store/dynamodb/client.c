/* One request to DynamoDB at a time: signed by libcurl (AWS Signature Version 4), kept alive, tried
 * again while that helps. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "store/dynamodb/dynamodb.h"

#define API_VERSION    "DynamoDB_20120810"
#define CONNECT_MS     3000L
#define REQUEST_MS     8000L
#define WAIT_MAX_MS    10000 /* from the first try on, no further one is begun after that */
#define TRIES_MAX      9
#define BACKOFF_MS     25 /* before the second try, on average half of it; doubled each time */
#define BACKOFF_MAX_MS 2000
#define MESSAGE_MAX    300

void session_sleep_ms(int64_t ms)
{
    struct timespec wait = {ms / 1000, (ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}

uint64_t session_random(struct backend_session *s)
{
    /* xorshift64*, seeded by id_random when the session was made */
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return s->random * UINT64_C(2685821657736338717);
}

int session_fail(struct backend_session *s, int err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->error, sizeof(s->error), format, args);
    va_end(args);
    return err;
}

int dynamo_error(int err)
{
    switch (err) {
    case ERR_OK:
    case ERR_NOMEM:
    case ERR_BUSY:
    case ERR_FULL:
    case ERR_CORRUPT:
        return err;
    default:
        return ERR_IO;
    }
}

static size_t take_answer(char *data, size_t size, size_t count, void *user)
{
    struct backend_session *s = user;
    return buf_append(&s->answer, data, size * count) == ERR_OK ? size * count : 0;
}

/* The certificate authorities that the user names, as AWS's own programs and curl take them. */
static void set_authorities(CURL *curl)
{
    const char *const names[] = {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *file = getenv(names[i]);
        if (file != NULL && file[0] != '\0') {
            curl_easy_setopt(curl, CURLOPT_CAINFO, file);
            return;
        }
    }
}

static void set_options(struct backend_session *s, const struct credentials *c)
{
    CURL *curl = s->curl;
    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    set_authorities(curl);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "llm-tracer/" TRACER_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, s->curl_error);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, REQUEST_MS);
    /* libcurl asks for `100 Continue` before a megabyte; an empty Expect header to keep it from
     * that would be signed and not sent. */
    curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, 1L);
    curl_easy_setopt(curl, CURLOPT_URL, s->b->endpoint);
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, s->b->sigv4);
    curl_easy_setopt(curl, CURLOPT_USERNAME, c->key);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, c->secret);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, s->body.buf.data);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->body.buf.len);
}

static struct curl_slist *headers_for(const char *operation, const struct credentials *c)
{
    char line[sizeof(c->token) + 64];
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/x-amz-json-1.0");
    snprintf(line, sizeof(line), "X-Amz-Target: " API_VERSION ".%s", operation);
    struct curl_slist *more = list != NULL ? curl_slist_append(list, line) : NULL;
    if (more != NULL && c->token[0] != '\0') {
        snprintf(line, sizeof(line), "X-Amz-Security-Token: %s", c->token);
        more = curl_slist_append(list, line);
        explicit_bzero(line, sizeof(line));
    }
    if (more == NULL) {
        curl_slist_free_all(list);
        return NULL;
    }
    return list;
}

/* One try. *status 0: no answer. */
static int send_once(struct backend_session *s, const char *operation, bool fresh, long *status)
{
    struct credentials c;
    char why[256];
    *status = 0;
    int err = credentials_get(s->b->credentials, fresh, &c, why, sizeof(why));
    if (err != ERR_OK)
        return session_fail(s, err == ERR_NOMEM ? err : ERR_IO, "%s", why);
    struct curl_slist *headers = headers_for(operation, &c);
    buf_clear(&s->answer);
    s->curl_error[0] = '\0';
    if (headers == NULL) {
        err = ERR_NOMEM;
    } else {
        set_options(s, &c);
        curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, headers);
        CURLcode code = curl_easy_perform(s->curl);
        if (code == CURLE_OK)
            curl_easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, status);
        else
            session_fail(s, ERR_IO, "%s: no answer from %s: %s", operation, s->b->endpoint,
                         s->curl_error[0] != '\0' ? s->curl_error : curl_easy_strerror(code));
        curl_easy_setopt(s->curl, CURLOPT_HTTPHEADER, NULL);
    }
    curl_slist_free_all(headers);
    explicit_bzero(&c, sizeof(c));
    return err;
}

static const struct {
    const char *type;
    int err; /* ERR_AGAIN: try again */
} answers[] = {
    {"ConditionalCheckFailedException", ERR_EXIST},
    {"ResourceNotFoundException", ERR_NOENT},
    {"ValidationException", ERR_BAD},
    {"UnknownOperationException", ERR_UNSUPPORTED},
    {"ResourceInUseException", ERR_BUSY},
    {"LimitExceededException", ERR_FULL},
    {"ItemCollectionSizeLimitExceededException", ERR_FULL},
    {"ProvisionedThroughputExceededException", ERR_AGAIN},
    {"ThrottlingException", ERR_AGAIN},
    {"RequestLimitExceeded", ERR_AGAIN},
    {"TransactionConflictException", ERR_AGAIN},
    {"TransactionInProgressException", ERR_AGAIN},
    {"InternalServerError", ERR_AGAIN},
    {"ExpiredTokenException", ERR_CLOSED}, /* with credentials that are fetched again */
    {"ExpiredToken", ERR_CLOSED},
    {"UnrecognizedClientException", ERR_CLOSED},
    {"InvalidSignatureException", ERR_DENIED},
    {"IncompleteSignatureException", ERR_DENIED},
    {"MissingAuthenticationTokenException", ERR_DENIED},
    {"AccessDeniedException", ERR_DENIED},
};

/* Messages of a refused write may quote values, so that only those about keys, tables and rights
 * are passed on. */
static bool message_is_safe(int err)
{
    return err == ERR_DENIED || err == ERR_CLOSED || err == ERR_NOENT || err == ERR_FULL;
}

/* What an answer other than 200 says. The type is "prefix#Name". */
static int judge(struct backend_session *s, const char *operation, long status)
{
    json *body = json_parse(buf_str(&s->answer), s->answer.len);
    const char *type = json_get_text(body, "__type");
    const char *message = json_get_text(body, "message");
    if (message == NULL)
        message = json_get_text(body, "Message");
    const char *mark = type != NULL ? strrchr(type, '#') : NULL;
    const char *name = mark != NULL ? mark + 1 : type != NULL ? type : "";
    int err = status >= 500 || status == 429 ? ERR_AGAIN : ERR_IO;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        if (strcmp(answers[i].type, name) == 0)
            err = answers[i].err;
    snprintf(s->error_type, sizeof(s->error_type), "%s", name);
    session_fail(s, err, "%s: DynamoDB answered %ld %.60s%s%.*s", operation, status, name,
                 message != NULL && message_is_safe(err) ? ": " : "", MESSAGE_MAX,
                 message != NULL && message_is_safe(err) ? message : "");
    json_free(body);
    return err;
}

/* One try with its answer read. ERR_AGAIN: worth another one. */
static int try_once(struct backend_session *s, const char *operation, bool fresh, json **answer)
{
    long status = 0;
    int err = send_once(s, operation, fresh, &status);
    if (err != ERR_OK)
        return err;
    if (status == 0)
        return ERR_TIMEOUT;
    if (status != 200)
        return judge(s, operation, status);
    json *value = json_parse_printed(buf_str(&s->answer), s->answer.len);
    if (!json_is_object(value)) {
        json_free(value);
        session_fail(s, ERR_IO, "%s: the answer of %s is not JSON", operation, s->b->endpoint);
        return ERR_TIMEOUT;
    }
    if (answer != NULL)
        *answer = value;
    else
        json_free(value);
    return ERR_OK;
}

int dynamo_call(struct backend_session *s, const char *operation, json **answer)
{
    int64_t begun = clock_boot_ns();
    int64_t backoff = BACKOFF_MS;
    bool fresh = false;
    if (answer != NULL)
        *answer = NULL;
    if (s->body.err != ERR_OK)
        return session_fail(s, s->body.err, "%s: the request cannot be made", operation);
    s->error_type[0] = '\0';
    for (int i = 1;; i++) {
        int err = try_once(s, operation, fresh, answer);
        if (err == ERR_CLOSED && !fresh) { /* once with credentials that are fetched anew */
            fresh = true;
            continue;
        }
        if (err == ERR_CLOSED)
            return ERR_DENIED;
        if (err != ERR_AGAIN && err != ERR_TIMEOUT)
            return err;
        if (i >= TRIES_MAX || (clock_boot_ns() - begun) / NS_PER_MS + backoff > WAIT_MAX_MS)
            return err == ERR_AGAIN ? ERR_BUSY : ERR_IO;
        session_sleep_ms((int64_t)(session_random(s) % (uint64_t)backoff));
        backoff = backoff * 2 < BACKOFF_MAX_MS ? backoff * 2 : BACKOFF_MAX_MS;
        fresh = false;
    }
}
