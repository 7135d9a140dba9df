/* backend_dynamodb: opening, sessions, and the table of its functions. */
#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dynamodb/dynamodb.h"

#define TABLE_NAME_MIN 3 /* DynamoDB's limits of a name */
#define TABLE_NAME_MAX 255

static void curl_begin(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool is_name(const char *text, size_t min, size_t max, const char *also)
{
    size_t len = text != NULL ? strlen(text) : 0;
    if (len < min || len > max)
        return false;
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr(also, *p) == NULL)
            return false;
    return true;
}

static void dynamo_close(struct backend *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < RESUME_MAX; i++)
        free(b->resume[i].at);
    credentials_free(b->credentials);
    pthread_mutex_destroy(&b->lock);
    free(b->traces_table);
    free(b->spans_table);
    free(b->endpoint);
    free(b->region);
    free(b);
}

static char *endpoint_of(const struct backend_settings *settings)
{
    char *text = NULL;
    if (settings->endpoint_url != NULL && settings->endpoint_url[0] != '\0') {
        size_t len = strlen(settings->endpoint_url);
        const char *slash = settings->endpoint_url[len - 1] == '/' ? "" : "/";
        if (asprintf(&text, "%s%s", settings->endpoint_url, slash) < 0)
            return NULL;
        return text;
    }
    const char *suffix = strncmp(settings->region, "cn-", 3) == 0 ? ".cn" : "";
    if (asprintf(&text, "https://dynamodb.%s.amazonaws.com%s/", settings->region, suffix) < 0)
        return NULL;
    return text;
}

static int backend_make(struct backend **out, const struct backend_settings *settings)
{
    struct backend *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return ERR_NOMEM;
    pthread_mutex_init(&b->lock, NULL);
    b->traces_table = strdup(settings->traces_table);
    b->spans_table = strdup(settings->spans_table);
    b->region = strdup(settings->region);
    b->endpoint = endpoint_of(settings);
    b->ttl_days = settings->ttl_days;
    snprintf(b->sigv4, sizeof(b->sigv4), "aws:amz:%s:dynamodb", settings->region);
    if (b->traces_table == NULL || b->spans_table == NULL || b->region == NULL ||
        b->endpoint == NULL || credentials_new(&b->credentials) != ERR_OK) {
        dynamo_close(b);
        return ERR_NOMEM;
    }
    *out = b;
    return ERR_OK;
}

static void session_free(struct backend_session *s)
{
    if (s == NULL)
        return;
    curl_easy_cleanup(s->curl);
    buf_release(&s->answer);
    out_release(&s->body);
    free(s->trace_ids);
    free(s);
}

static int session_new(struct backend *b, bool writer, struct backend_session **out)
{
    (void)writer;
    struct backend_session *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    s->b = b;
    buf_init(&s->answer, DYNAMO_ANSWER_MAX);
    out_init(&s->body);
    id_random((uint8_t *)&s->random, sizeof(s->random));
    s->curl = curl_easy_init();
    if (s->curl == NULL) {
        session_free(s);
        return ERR_NOMEM;
    }
    *out = s;
    return ERR_OK;
}

/* What of the settings is printed into requests as it is. */
static const char *settings_problem(const struct backend_settings *settings)
{
    if (!is_name(settings->traces_table, TABLE_NAME_MIN, TABLE_NAME_MAX, "_.-"))
        return "DYNAMODB_TRACES_TABLE is no name of a DynamoDB table.";
    if (!is_name(settings->spans_table, TABLE_NAME_MIN, TABLE_NAME_MAX, "_.-"))
        return "DYNAMODB_SPANS_TABLE is no name of a DynamoDB table.";
    if (!is_name(settings->region, 1, 64, "-"))
        return "AWS_REGION is no name of a region.";
    return NULL;
}

static int dynamo_open(struct backend **out, const struct backend_settings *settings, char **notice)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct backend *b = NULL;
    struct backend_session *s = NULL;
    struct backend_settings found = *settings;
    char region[REGION_MAX];
    region_find(region, settings->region);
    found.region = region;
    settings = &found;
    const char *problem = settings_problem(settings);
    *notice = NULL;
    if (problem != NULL) {
        *notice = strdup(problem);
        return ERR_RANGE;
    }
    pthread_once(&once, curl_begin);
    int err = backend_make(&b, settings);
    if (err == ERR_OK)
        err = session_new(b, true, &s);
    if (err == ERR_OK)
        err = settings->init ? dynamo_tables_init(s, notice) : dynamo_tables_check(s, notice);
    session_free(s);
    if (err != ERR_OK) {
        dynamo_close(b);
        return err == ERR_BAD || err == ERR_UNSUPPORTED ? ERR_IO : err;
    }
    *out = b;
    return ERR_OK;
}

static const char *session_error(const struct backend_session *s)
{
    return s->error;
}

/* Other servers write there, and nothing tells of it. */
static int64_t dynamo_changes(struct backend_session *s)
{
    (void)s;
    return -1;
}

/* DynamoDB deletes by itself what is past its `ttl`; until it has, we do not tell of it. */
static int dynamo_purge(struct backend_session *s, int64_t older_than)
{
    (void)s, (void)older_than;
    return 0;
}

const struct backend_ops backend_dynamodb = {
    .name = "dynamodb",
    .writers = 8,
    .readers = 8,
    .batch = 200,
    .shared = true,
    .read_only = false,
    .open = dynamo_open,
    .close = dynamo_close,
    .session_new = session_new,
    .session_free = session_free,
    .error = session_error,
    .write = dynamo_write,
    .list = dynamo_list,
    .trace = dynamo_trace,
    .spans = dynamo_spans,
    .span = dynamo_span,
    .stats = dynamo_stats,
    .changes = dynamo_changes,
    .purge = dynamo_purge,
};
