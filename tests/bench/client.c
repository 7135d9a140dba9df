/* A libcurl keep-alive loop: client URL CERT KIND CALLS [PAUSE_US between calls]. Prints CPU ns (of
 * this process), wall ns a call, and its memory, as one JSON object. */
#include <curl/curl.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROMPT_SIZE (200 * 1024)

static size_t discard(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    (void)user;
    return size * count;
}

static int64_t now(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static long threads(void)
{
    long count = 0;
    DIR *d = opendir("/proc/self/task");
    while (d != NULL && readdir(d) != NULL)
        count++;
    if (d != NULL)
        closedir(d);
    return count - 2;
}

static char *make_body(const char *kind)
{
    size_t size = strcmp(kind, "prompt") == 0 ? PROMPT_SIZE : 500;
    char *body = malloc(size + 200);
    if (body == NULL)
        abort();
    if (strcmp(kind, "embed") == 0) {
        strcpy(body, "{\"model\":\"text-embedding-3-small\",\"input\":\"a text to embed\"}");
        return body;
    }
    int at =
        sprintf(body, "{\"model\":\"gpt-4o\",%s\"messages\":[{\"role\":\"user\",\"content\":\"",
                strcmp(kind, "sse") == 0 ? "\"stream\":true," : "");
    memset(body + at, 'x', size);
    strcpy(body + (size_t)at + size, "\"}]}");
    return body;
}

static int call(CURL *curl)
{
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        fprintf(stderr, "client: %s\n", curl_easy_strerror(code));
    return code == CURLE_OK ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: client URL CERT KIND CALLS [PAUSE_US]\n");
        return 2;
    }
    const char *kind = argv[3];
    int calls = atoi(argv[4]);
    useconds_t pause_us = argc == 6 ? (useconds_t)atoi(argv[5]) : 0;
    char url[512];
    snprintf(url, sizeof(url), "%s/%s/v1/%s", argv[1], kind,
             strcmp(kind, "embed") == 0 ? "embeddings" : "chat/completions");
    char *body = make_body(kind);
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Authorization: Bearer bench");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CAINFO, argv[2]);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
    int failed = 0;
    for (int i = 0; i < 20 && failed == 0; i++) {
        failed = call(curl);
        if (pause_us > 0)
            usleep(pause_us);
    }
    int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    int64_t wall = now(CLOCK_MONOTONIC);
    for (int i = 0; i < calls && failed == 0; i++) {
        failed = call(curl);
        if (pause_us > 0)
            usleep(pause_us);
    }
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = now(CLOCK_MONOTONIC) - wall;
    printf("{\"cpu_ns\": %.1f, \"wall_ns\": %.1f, \"threads\": %ld}\n", (double)cpu / calls,
           (double)wall / calls, threads());
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(body);
    return failed != 0;
}
