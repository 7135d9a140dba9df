/* Many threads that trace by hand, each its own traces:
 *
 *     load_threads THREADS TRACES [URL]
 *
 * A trace is a chain with a tool and an llm span in it. With a URL each of these two calls the
 * endpoint there: the call in the tool becomes a span of its own, that in the llm span fills it.
 * Without one, the program itself says what came out. Every few traces a thread waits until its
 * own are stored, as a program that outruns its disk has to. Prints nothing; exit code 0 when every
 * call was answered and every function said LLMT_OK. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm_tracer.h"

#define FLUSH_EVERY 50
#define FLUSH_MS    120000

static llmt_client *client;
static const char *url;
static int traces;
static atomic_int failures;

struct worker {
    pthread_t id;
    int number;
    CURL *curl;
    struct curl_slist *headers;
};

static void expect(int result)
{
    if (result != LLMT_OK && atomic_fetch_add(&failures, 1) == 0)
        fprintf(stderr, "load_threads: %s\n", llmt_strerror(result));
}

static size_t drop(char *data, size_t size, size_t count, void *user)
{
    (void)data, (void)user;
    return size * count;
}

static void call(struct worker *w, const char *kind, int number)
{
    char body[256];
    long status = 0;
    snprintf(body, sizeof(body),
             "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"%s %d %d\"}]}",
             kind, w->number, number);
    curl_easy_setopt(w->curl, CURLOPT_POSTFIELDS, body);
    CURLcode code = curl_easy_perform(w->curl);
    curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
    if ((code != CURLE_OK || status != 200) && atomic_fetch_add(&failures, 1) == 0)
        fprintf(stderr, "load_threads: %s (%ld)\n", curl_easy_strerror(code), status);
}

static void one_trace(struct worker *w, int number)
{
    char name[64];
    char user[16];
    snprintf(name, sizeof(name), "trace %d %d", w->number, number);
    snprintf(user, sizeof(user), "user-%d", w->number);
    LLMT_TRACE(trace, client, name, .user_id = user);
    snprintf(name, sizeof(name), "chain %d %d", w->number, number);
    LLMT_SPAN(chain, trace, name, "chain");
    {
        snprintf(name, sizeof(name), "tool %d %d", w->number, number);
        LLMT_SPAN(tool, chain, name, "tool");
        if (w->curl != NULL)
            call(w, "tool", number);
        expect(LLMT_SET_OUTPUT(tool, LLMT_INT("number", number)));
    }
    {
        snprintf(name, sizeof(name), "llm %d %d", w->number, number);
        LLMT_SPAN(llm, chain, name, "llm", .model = "gpt-4o");
        if (w->curl != NULL)
            call(w, "llm", number);
        else
            expect(llmt_span_set_usage(llm, number + 1, w->number + 1, LLMT_UNKNOWN));
    }
    expect(llmt_trace_set_output(trace, user));
}

static void *work(void *argument)
{
    struct worker *w = argument;
    for (int i = 0; i < traces; i++) {
        one_trace(w, i);
        if (i % FLUSH_EVERY == FLUSH_EVERY - 1)
            expect(llmt_flush(client, FLUSH_MS));
    }
    return NULL;
}

static void open_curl(struct worker *w)
{
    w->curl = curl_easy_init();
    w->headers = curl_slist_append(NULL, "Content-Type: application/json");
    curl_easy_setopt(w->curl, CURLOPT_URL, url);
    curl_easy_setopt(w->curl, CURLOPT_HTTPHEADER, w->headers);
    curl_easy_setopt(w->curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(w->curl, CURLOPT_NOSIGNAL, 1L);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: load_threads THREADS TRACES [URL]\n");
        return 2;
    }
    int count = atoi(argv[1]);
    traces = atoi(argv[2]);
    url = argv[3];
    struct worker *workers = calloc((size_t)count, sizeof(*workers));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client = llmt_client_new(NULL);
    for (int i = 0; i < count; i++) {
        workers[i].number = i;
        if (url != NULL)
            open_curl(&workers[i]);
        if (pthread_create(&workers[i].id, NULL, work, &workers[i]) != 0)
            abort();
    }
    for (int i = 0; i < count; i++) {
        pthread_join(workers[i].id, NULL);
        curl_easy_cleanup(workers[i].curl);
        curl_slist_free_all(workers[i].headers);
    }
    expect(llmt_client_close(client));
    free(workers);
    return atomic_load(&failures) != 0;
}
