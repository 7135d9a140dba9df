/* curl_client URL MODE BODY REQUESTS: requests over libcurl in one of many ways. */
#include "client.h"

#include <curl/curl.h>
#include <stdbool.h>

static const char *url, *mode;
static size_t body;
static int requests;
static uint64_t sum;
static size_t total, shown;

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static size_t take(char *data, size_t size, size_t count, void *user)
{
    (void)user;
    sum = sum_of(sum, data, size * count);
    total += size * count;
    return is("abort") && total > 20000 ? 0 : size * count;
}

static size_t give(char *data, size_t size, size_t count, void *user)
{
    size_t *left = user, n = *left < size * count ? *left : size * count;

    memset(data, 'c', n);
    *left -= n;
    return n;
}

static int debug(CURL *easy, curl_infotype type, char *data, size_t size, void *user)
{
    (void)easy;
    (void)data;
    if (type != CURLINFO_TEXT && type != CURLINFO_SSL_DATA_IN && type != CURLINFO_SSL_DATA_OUT) {
        printf("%s", is("multidup") ? "" : (const char *)user); /* in no certain order there */
        shown += size;
    }
    return 0;
}

static CURL *make(size_t *left, struct curl_slist **headers)
{
    CURL *easy = curl_easy_init();

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, 10L);
    *left = body;
    *headers = curl_slist_append(NULL, "Expect:");
    if (body > 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(easy, CURLOPT_READDATA, left);
        if (is("chunked")) {
            *headers = curl_slist_append(*headers, "Transfer-Encoding: chunked");
        } else {
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body);
        }
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
    if (is("debug") || is("silent") || is("dup") || is("reset") || is("multidup")) {
        curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, debug);
        curl_easy_setopt(easy, CURLOPT_DEBUGDATA, "+");
        curl_easy_setopt(easy, CURLOPT_VERBOSE, is("silent") ? 0L : 1L);
    }
    if (is("verbose")) {
        curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
        curl_easy_setopt(easy, CURLOPT_STDERR, fopen("/dev/null", "w"));
    }
    return easy;
}

static void with_easy(void)
{
    struct curl_slist *headers;
    size_t left;
    CURL *easy = make(&left, &headers);

    for (int i = 0; i < requests; i++) {
        left = body;
        printf("perform %d\n", curl_easy_perform(easy));
        if (is("reset")) {
            curl_easy_reset(easy);
            curl_easy_setopt(easy, CURLOPT_URL, url);
            curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
            curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
            curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
        }
        if (is("dup")) {
            CURL *copy = curl_easy_duphandle(easy);
            left = body;
            printf("copy %d\n", curl_easy_perform(copy));
            curl_easy_cleanup(copy);
        }
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
}

/* All at once, on one multi handle; then the same handles once more. */
static void with_multi(void)
{
    struct curl_slist *headers[64];
    CURL *easy[64];
    size_t left[64];
    CURLM *multi = curl_multi_init();
    int running = 0, messages;

    for (int i = 0; i < requests && i < 64; i++) {
        easy[i] = make(&left[i], &headers[i]);
        curl_multi_add_handle(multi, easy[i]);
        if (is("multidup")) {
            CURL *copy = curl_easy_duphandle(easy[i]);
            curl_multi_remove_handle(multi, easy[i]);
            curl_easy_cleanup(easy[i]);
            easy[i] = copy;
            curl_multi_add_handle(multi, easy[i]);
        }
    }
    do {
        CURLMsg *message;

        if (is("socket")) {
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        curl_multi_perform(multi, &running);
        curl_multi_wait(multi, NULL, 0, 100, NULL);
        while ((message = curl_multi_info_read(multi, &messages)) != NULL) {
            printf("done %d\n", message->data.result);
        }
    } while (running > 0);
    for (int i = 0; i < requests && i < 64; i++) {
        curl_multi_remove_handle(multi, easy[i]);
        curl_easy_cleanup(easy[i]);
        curl_slist_free_all(headers[i]);
    }
    curl_multi_cleanup(multi);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        return 2;
    }
    url = argv[1];
    mode = argv[2];
    body = strtoul(argv[3], NULL, 10);
    requests = atoi(argv[4]);
    sum = 7;
    total = 0;
    curl_global_init(CURL_GLOBAL_ALL);
    if (strncmp(mode, "multi", 5) == 0 || is("socket")) {
        with_multi();
    } else {
        with_easy();
    }
    printf("\n%zu bytes, sum %016llx, shown %zu\n", total,
           strncmp(mode, "multi", 5) == 0 || is("socket") ? 0 : (unsigned long long)sum, shown);
    curl_global_cleanup();
    return 5;
}
