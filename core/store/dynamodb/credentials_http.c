/* Keys of a role, from the endpoint of the container (ECS, EKS) or of the instance (EC2, version 2
 * of its protocol alone: a token first, so that a server-side request forgery gets nothing). */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "store/dynamodb/dynamodb.h"

#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST  "http://169.254.169.254"
#define ANSWER_MAX     ((size_t)64 * 1024)
#define CONNECT_MS     1000L
#define REQUEST_MS     5000L
#define TRIES          2
#define TOKEN_SECONDS  "21600"
#define ROLE_MAX       256

struct fetched {
    struct buf body;
    long status;
    char error[CURL_ERROR_SIZE];
};

static size_t take(char *data, size_t size, size_t count, void *user)
{
    struct fetched *f = user;
    return buf_append(&f->body, data, size * count) == ERR_OK ? size * count : 0;
}

/* header: a whole line, or NULL. ERR_IO: no answer. */
static int ask(struct fetched *f, const char *method, const char *url, const char *header)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = header != NULL ? curl_slist_append(NULL, header) : NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (curl != NULL && (header == NULL || headers != NULL)) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* never for an address on the machine's link */
#if LIBCURL_VERSION_NUM >= 0x075500
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
        curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, REQUEST_MS);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, f->error);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &f->status);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return code == CURLE_OK ? ERR_OK : ERR_IO;
}

/* With a second try; the body is as it came, emptied before each. */
static int fetch(struct fetched *f, const char *method, const char *url, const char *header)
{
    int err = ERR_IO;
    for (int i = 0; i < TRIES; i++) {
        if (i > 0)
            session_sleep_ms(200);
        buf_clear(&f->body);
        f->status = 0;
        f->error[0] = '\0';
        err = ask(f, method, url, header);
        if (err == ERR_OK && f->status < 500)
            break;
    }
    return err;
}

static void fetched_init(struct fetched *f)
{
    memset(f, 0, sizeof(*f));
    buf_init(&f->body, ANSWER_MAX);
}

static void fetched_release(struct fetched *f)
{
    if (f->body.data != NULL)
        explicit_bzero(f->body.data, f->body.cap);
    buf_release(&f->body);
}

static int no_answer(const struct fetched *f, const char *what, char *why, size_t why_size)
{
    if (f->status == 0)
        snprintf(why, why_size, "The AWS credentials endpoint of the %s does not answer: %s.", what,
                 f->error[0] != '\0' ? f->error : "no answer");
    else
        snprintf(why, why_size, "The AWS credentials endpoint of the %s answers %ld.", what,
                 f->status);
    return ERR_IO;
}

static int read_keys(const struct fetched *f, const char *what, struct credentials *out, char *why,
                     size_t why_size)
{
    json *body = json_parse(buf_str(&f->body), f->body.len);
    const char *expires = json_get_text(body, "Expiration");
    int err = credentials_set(out, json_get_text(body, "AccessKeyId"),
                              json_get_text(body, "SecretAccessKey"), json_get_text(body, "Token"));
    if (err == ERR_OK && expires != NULL)
        err = clock_parse_iso(expires, &out->expires);
    json_free(body);
    if (err != ERR_OK) {
        snprintf(why, why_size, "What the AWS credentials endpoint of the %s gives are no keys.",
                 what);
        err = ERR_IO;
    }
    return err;
}

/* The rule of AWS's programs for AWS_CONTAINER_CREDENTIALS_FULL_URI: https, or a loopback address,
 * or one of the two of ECS and EKS. */
static bool host_is_allowed(const char *url)
{
    static const char *const hosts[] = {"127.0.0.1",     "localhost",      "[::1]",
                                        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
    if (strncasecmp(url, "https://", 8) == 0)
        return true;
    if (strncasecmp(url, "http://", 7) != 0)
        return false;
    const char *host = url + 7;
    if (host[strcspn(host, "@\\")] != '\0') /* a name before it, or a trick */
        return false;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        size_t n = strlen(hosts[i]);
        if (strncasecmp(host, hosts[i], n) == 0 && strchr(":/?#", host[n]) != NULL)
            return true; /* the string's end too */
    }
    return false;
}

/* "Authorization: ..." of the variable or the file; ERR_NOENT: none is wanted. */
static int authorization(char *out, size_t size, char *why, size_t why_size)
{
    const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char text[8192] = "";
    if (path != NULL && path[0] != '\0') {
        FILE *file = fopen(path, "re");
        size_t n = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
        if (file != NULL)
            fclose(file);
        text[n] = '\0';
        text[strcspn(text, "\r\n")] = '\0';
        if (n == 0) {
            snprintf(why, why_size, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read.");
            return ERR_IO;
        }
    } else if (token != NULL && token[0] != '\0') {
        snprintf(text, sizeof(text), "%s", token);
    } else {
        return ERR_NOENT;
    }
    if (strpbrk(text, "\r\n") != NULL) {
        snprintf(why, why_size, "The token for the AWS credentials endpoint is malformed.");
        return ERR_IO;
    }
    snprintf(out, size, "Authorization: %s", text);
    explicit_bzero(text, sizeof(text));
    return ERR_OK;
}

int credentials_from_container(struct credentials *out, char *why, size_t why_size)
{
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char url[2048];
    char header[8300];
    if (relative != NULL && relative[0] == '/')
        snprintf(url, sizeof(url), CONTAINER_HOST "%s", relative);
    else if (full != NULL && full[0] != '\0')
        snprintf(url, sizeof(url), "%s", full);
    else
        return ERR_NOENT;
    if (!host_is_allowed(url)) {
        snprintf(why, why_size,
                 "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that keys may not be asked of: "
                 "neither https nor a loopback address.");
        return ERR_IO;
    }
    int err = authorization(header, sizeof(header), why, why_size);
    if (err != ERR_OK && err != ERR_NOENT)
        return err;
    struct fetched f;
    fetched_init(&f);
    err = fetch(&f, "GET", url, err == ERR_OK ? header : NULL);
    explicit_bzero(header, sizeof(header));
    if (err == ERR_OK && f.status == 200)
        err = read_keys(&f, "container", out, why, why_size);
    else
        err = no_answer(&f, "container", why, why_size);
    fetched_release(&f);
    return err;
}

static bool is_true(const char *text)
{
    return text != NULL && strcasecmp(text, "true") == 0;
}

/* A role's name as it may stand in a path (IAM allows these characters). */
static bool is_role(const char *name)
{
    size_t n =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-");
    return n > 0 && n < ROLE_MAX && name[n] == '\0';
}

static int ask_instance(struct fetched *f, const char *host, const char *header, const char *role,
                        struct credentials *out, char *why, size_t why_size)
{
    char url[2048];
    snprintf(url, sizeof(url), "%s/latest/meta-data/iam/security-credentials/%s", host, role);
    int err = fetch(f, "GET", url, header);
    if (err != ERR_OK || f->status != 200)
        return no_answer(f, "instance", why, why_size);
    return role[0] == '\0' ? ERR_OK : read_keys(f, "instance", out, why, why_size);
}

int credentials_from_instance(struct credentials *out, char *why, size_t why_size)
{
    const char *host = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    char url[1024];
    char header[1024];
    char role[ROLE_MAX];
    struct fetched f;
    if (is_true(getenv("AWS_EC2_METADATA_DISABLED")))
        return ERR_NOENT;
    snprintf(url, sizeof(url), "%s", host != NULL && host[0] != '\0' ? host : INSTANCE_HOST);
    size_t len = strlen(url);
    if (url[len - 1] == '/')
        url[--len] = '\0';
    snprintf(url + len, sizeof(url) - len, "/latest/api/token");
    fetched_init(&f);
    int err = ask(&f, "PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_SECONDS);
    url[len] = '\0';
    if (err != ERR_OK || f.status == 0) {
        fetched_release(&f);
        return host != NULL ? no_answer(&f, "instance", why, why_size)
                            : ERR_NOENT; /* no instance of AWS's */
    }
    buf_str(&f.body);
    bool usable = f.status == 200 && f.body.len > 0 && f.body.len < 512 &&
                  strpbrk(buf_str(&f.body), "\r\n") == NULL;
    snprintf(header, sizeof(header), "X-aws-ec2-metadata-token: %.512s", buf_str(&f.body));
    err = usable ? ask_instance(&f, url, header, "", out, why, why_size)
                 : no_answer(&f, "instance", why, why_size);
    if (err == ERR_OK) {
        snprintf(role, sizeof(role), "%.*s", (int)strcspn(buf_str(&f.body), "\r\n"),
                 buf_str(&f.body));
        err = is_role(role) ? ask_instance(&f, url, header, role, out, why, why_size)
                            : no_answer(&f, "instance", why, why_size);
    }
    explicit_bzero(header, sizeof(header));
    fetched_release(&f);
    return err;
}
