/* Puts load on a tracing service by its contract and tells how it was served.
 *
 * usage: bench_service_load PORT KEY cycle CONNECTIONS SECONDS
 *            each connection creates a trace, creates its span, completes both, and begins again
 *        bench_service_load PORT KEY ingest CONNECTIONS BATCHES SPANS plain|gzip SEED DAYS
 *            batches of so many spans, ten a trace, their times spread over so many days; made
 *            before the clock starts
 *        bench_service_load PORT KEY get TIMES PATH...
 *            each path so often on one connection
 *
 * Prints one JSON object a run (get: a path); times in microseconds. Answers that are no 200 are
 * counted as bad. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service_load.h"

struct samples {
    uint32_t *at;
    size_t count, room;
};

static void samples_add(struct samples *s, int64_t from_ns)
{
    if (s->count == s->room) {
        s->room = s->room * 2 + 4096;
        s->at = realloc(s->at, s->room * sizeof(s->at[0]));
        if (s->at == NULL)
            abort();
    }
    s->at[s->count++] = (uint32_t)((load_now() - from_ns) / 1000);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t quantile(const struct samples *s, double q)
{
    return s->count == 0 ? 0 : s->at[(size_t)(q * (double)(s->count - 1))];
}

static void report(struct samples *s, const char *path, double seconds, size_t bad, size_t bytes)
{
    qsort(s->at, s->count, sizeof(s->at[0]), compare);
    printf("{\"path\": \"%s\", \"requests\": %zu, \"seconds\": %.4f, \"bad\": %zu, \"bytes\": %zu, "
           "\"p50\": %u, \"p95\": %u, \"p99\": %u, \"max\": %u}\n",
           path, s->count, seconds, bad, bytes, quantile(s, 0.5), quantile(s, 0.95),
           quantile(s, 0.99), quantile(s, 1));
    free(s->at);
    *s = (struct samples){0};
}

/* ---- cycle */

#define SPAN_BODY                                                                                  \
    "{\"name\":\"chat gpt-4o\",\"span_type\":\"llm\",\"model\":\"gpt-4o\",\"input_data\":{"        \
    "\"messages\":[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"Explain in two " \
    "sentences what a tracing service keeps of a call to a language model, and why somebody "      \
    "would want to look at it a week later.\"}]}]},\"metadata\":{\"provider\":\"openai\"}}"
#define SPAN_END                                                                                   \
    "{\"output_data\":{\"messages\":[{\"role\":\"assistant\",\"parts\":[{\"type\":\"text\","       \
    "\"content\":\"It keeps what was asked and answered, with its tokens, cost and times. A week " \
    "later that tells why an answer was slow, dear or wrong.\"}]}]},\"tokens_input\":31,"          \
    "\"tokens_output\":42,\"cost_usd\":0.0004975}"

struct cycle {
    struct load_peer peer;
    int step;
    char trace_id[80], span_id[80];
    int64_t began;
};

static void id_of(const struct answer *a, const char *name, char *out)
{
    const char *at = a->body_len > 0 ? memmem(a->body, a->body_len, name, strlen(name)) : NULL;
    out[0] = '\0';
    if (at == NULL)
        return;
    at = strchr(at + strlen(name), ':');
    at = at != NULL ? strchr(at, '"') : NULL;
    if (at != NULL)
        sscanf(at + 1, "%64[A-Za-z0-9-]", out);
}

static void cycle_send(struct cycle *c, const char *key)
{
    char path[256], body[2048];
    const char *method = c->step < 2 ? "POST" : "PATCH";
    const char *text = body;
    if (c->step == 0) {
        snprintf(path, sizeof(path), "/api/traces");
        snprintf(body, sizeof(body),
                 "{\"name\":\"chat-request\",\"project_id\":\"%s\",\"user_id\":\"user-7\","
                 "\"session_id\":\"s-1\",\"tags\":[\"bench\"]}",
                 key + strlen("project-"));
    } else if (c->step == 1) {
        snprintf(path, sizeof(path), "/api/traces/%s/spans", c->trace_id);
        text = SPAN_BODY;
    } else if (c->step == 2) {
        snprintf(path, sizeof(path), "/api/spans/%s/complete", c->span_id);
        text = SPAN_END;
    } else {
        snprintf(path, sizeof(path), "/api/traces/%s/complete", c->trace_id);
        text = "{\"output\":\"Request completed\"}";
    }
    c->began = load_now();
    load_request(&c->peer, method, path, key, "application/json", NULL, text, strlen(text));
}

static int run_cycle(uint16_t port, const char *key, size_t count, double seconds)
{
    struct cycle *cycles = calloc(count, sizeof(*cycles));
    struct samples samples = {0};
    size_t bad = 0;
    int64_t start = load_now();
    if (cycles == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        load_open(&cycles[i].peer, port);
        cycle_send(&cycles[i], key);
    }
    while ((double)(load_now() - start) < seconds * 1e9) {
        struct answer a;
        struct cycle *c = (struct cycle *)load_wait(&a);
        samples_add(&samples, c->began);
        bad += a.status != 200;
        if (c->step == 0)
            id_of(&a, "\"trace_id\"", c->trace_id);
        if (c->step == 1)
            id_of(&a, "\"span_id\"", c->span_id);
        c->step = a.status == 200 ? (c->step + 1) % 4 : 0;
        load_taken(&c->peer);
        cycle_send(c, key);
    }
    report(&samples, "cycle", (double)(load_now() - start) / 1e9, bad, 0);
    for (size_t i = 0; i < count; i++)
        load_close(&cycles[i].peer);
    free(cycles);
    return 0;
}

/* ---- ingest */

static int run_ingest(uint16_t port, const char *key, char **words)
{
    size_t connections = strtoul(words[0], NULL, 10), count = strtoul(words[1], NULL, 10);
    size_t spans = strtoul(words[2], NULL, 10), bytes = 0, bad = 0, next = 0, open = 0;
    bool gzip = strcmp(words[3], "gzip") == 0;
    struct load_batches made;
    load_batches_make(&made, key + strlen("project-"), count, spans, gzip,
                      strtoull(words[4], NULL, 10), strtod(words[5], NULL));
    struct cycle *peers = calloc(connections, sizeof(*peers));
    struct samples samples = {0};
    int64_t start = load_now();
    if (peers == NULL)
        abort();
    for (size_t i = 0; i < connections; i++)
        load_open(&peers[i].peer, port);
    for (size_t i = 0; i < connections && next < count; i++, next++, open++) {
        peers[i].began = load_now();
        load_request(&peers[i].peer, "POST", "/api/ingest", key, "application/x-ndjson",
                     gzip ? "gzip" : NULL, made.at[next].bytes, made.at[next].len);
    }
    while (open > 0) {
        struct answer a;
        struct cycle *c = (struct cycle *)load_wait(&a);
        samples_add(&samples, c->began);
        bad += a.status != 200 || memmem(a.body, a.body_len, "\"line\"", 6) != NULL;
        load_taken(&c->peer);
        open--;
        if (next < count) {
            c->began = load_now();
            load_request(&c->peer, "POST", "/api/ingest", key, "application/x-ndjson",
                         gzip ? "gzip" : NULL, made.at[next].bytes, made.at[next].len);
            next++;
            open++;
        }
    }
    double seconds = (double)(load_now() - start) / 1e9;
    for (size_t i = 0; i < count; i++)
        bytes += made.at[i].len;
    report(&samples, "ingest", seconds, bad, bytes);
    for (size_t i = 0; i < connections; i++)
        load_close(&peers[i].peer);
    free(peers);
    load_batches_release(&made);
    return 0;
}

/* ---- get */

static void run_get(uint16_t port, const char *key, size_t times, const char *path)
{
    struct load_peer peer = {0};
    struct samples samples = {0};
    struct answer a;
    size_t bad = 0, bytes = 0;
    int64_t start = load_now();
    load_open(&peer, port);
    for (size_t i = 0; i < times; i++) {
        int64_t began = load_now();
        load_request(&peer, "GET", path, key, NULL, NULL, NULL, 0);
        load_wait(&a);
        samples_add(&samples, began);
        bad += a.status != 200;
        bytes = peer.len;
        load_taken(&peer);
    }
    report(&samples, path, (double)(load_now() - start) / 1e9, bad, bytes);
    load_close(&peer);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    uint16_t port = (uint16_t)atoi(argv[1]);
    if (strcmp(argv[3], "cycle") == 0)
        return run_cycle(port, argv[2], strtoul(argv[4], NULL, 10), strtod(argv[5], NULL));
    if (strcmp(argv[3], "ingest") == 0 && argc == 10)
        return run_ingest(port, argv[2], argv + 4);
    if (strcmp(argv[3], "get") == 0) {
        for (int i = 5; i < argc; i++)
            run_get(port, argv[2], strtoul(argv[4], NULL, 10), argv[i]);
        return 0;
    }
    return 2;
}
