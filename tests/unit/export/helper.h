/* A service to deliver to, and stores with traces to deliver, for the exporter's tests. */
#ifndef TRACER_TESTS_EXPORT_HELPER_H
#define TRACER_TESTS_EXPORT_HELPER_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "export/export.h"
#include "export/http_client.h"
#include "store/store.h"
#include "json/json.h"

static const struct export_timing fast = {
    .request = 400,
    .retry_min = 20,
    .retry_max = 200,
    .rate_limit = 40,
    .blocked = 400,
    .idle = 50,
    .suspect_tries = 3,
};

struct service_process {
    pid_t pid;
    int input;
    int port, control;
    char url[64];
};

static inline void service_start(struct service_process *s, bool extensions)
{
    int in[2];
    int out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        unsetenv("LD_PRELOAD");
        execlp("/usr/bin/python3", "python3", "-S", TESTS_DIR "/unit/export/service.py",
               extensions ? "--extensions" : NULL, NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s->input = in[1];
    char line[64] = "";
    FILE *f = fdopen(out[0], "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    fclose(f);
    assert_int_equal(sscanf(line, "%d %d", &s->port, &s->control), 2);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
}

static inline void service_stop(struct service_process *s)
{
    close(s->input);
    waitpid(s->pid, NULL, 0);
}

/* Gives an order (NULL: none) and returns the service's state. */
static inline json *service_order(const struct service_process *s, const char *order)
{
    struct http_client *client;
    struct http_answer answer;
    struct buf body;
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", s->control);
    buf_init(&body, 65536);
    if (order != NULL)
        buf_append_cut(&body, order, strlen(order));
    assert_int_equal(http_client_new(&client, NULL, NULL), ERR_OK);
    http_client_send(client, order != NULL ? "POST" : "GET", url, "application/json",
                     order != NULL ? &body : NULL, 10000, &answer);
    assert_int_equal(answer.status, 200);
    json *state = json_parse(buf_str(answer.body), answer.body->len);
    http_client_free(client);
    buf_release(&body);
    assert_non_null(state);
    return state;
}

static inline void service_tell(const struct service_process *s, const char *order)
{
    json_free(service_order(s, order));
}

static inline json *parse(const char *text)
{
    json *value = json_parse(text, strlen(text));
    assert_non_null(value);
    return value;
}

/* A folder of its own under TMPDIR. */
static inline char *make_dir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = malloc(4096);
    snprintf(dir, 4096, "%s/export-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void remove_dir(char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

static inline struct store *open_store(const char *dir)
{
    struct store *s = NULL;
    char *notice = NULL;
    assert_int_equal(store_open(&s, dir, STORE_WRITE, &notice), ERR_OK);
    assert_null(notice);
    return s;
}

static inline int64_t add_destination(struct store *s, const char *kind, const char *url,
                                      const char *key)
{
    int64_t id = 0;
    const struct destination d = {
        .kind = (char *)kind, .url = (char *)url, .project_id = NULL, .content = true};
    assert_int_equal(store_destination(s, &d, key, &id), ERR_OK);
    return id;
}

static inline struct trace *make_trace(uint8_t number, const char *name)
{
    struct trace *t = trace_new();
    memset(t->trace_id, number, TRACE_ID_LEN);
    t->name = strdup(name);
    t->start_time = INT64_C(1767322800000000000) + number * NS_PER_SEC;
    return t;
}

static inline struct span *make_span(uint8_t trace, uint8_t number, uint8_t parent)
{
    struct span *s = span_new();
    char name[32];
    snprintf(name, sizeof(name), "span %d.%d", trace, number);
    memset(s->trace_id, trace, TRACE_ID_LEN);
    memset(s->span_id, number, SPAN_ID_LEN);
    s->span_id[0] = trace;
    if (parent != 0) {
        memset(s->parent_span_id, parent, SPAN_ID_LEN);
        s->parent_span_id[0] = trace;
    }
    s->name = strdup(name);
    s->type = SPAN_LLM;
    s->model = strdup("gpt-4o-mini");
    s->provider = strdup("openai");
    s->start_time = INT64_C(1767322800000000000) + trace * NS_PER_SEC + number * NS_PER_MS;
    s->input_data = parse("{\"messages\":[{\"role\":\"user\"}]}");
    s->process.pid = 4242;
    s->process.argv = parse("[\"curl\",\"-d\",\"a prompt in the command line\"]");
    s->metadata = parse("{\"nested\":{\"a\":[1,2]}}");
    return s;
}

static inline void end_span(struct span *s)
{
    s->end_time = s->start_time + 250 * NS_PER_MS;
    s->tokens_input = 12;
    s->tokens_output = 34;
    s->tokens_cache_read = 5;
    s->cost_usd = 0.0125;
    s->output_data = parse("{\"messages\":[{\"role\":\"assistant\"}]}");
}

/* A trace with so many finished spans, each the child of the one before, put into the store as a
 * collector would: begun, then ended. */
static inline void put_trace(struct store *s, uint8_t number, int spans,
                             const int64_t *destinations, size_t count)
{
    char name[32];
    snprintf(name, sizeof(name), "trace %d", number);
    struct trace *t = make_trace(number, name);
    assert_int_equal(store_begin(s), ERR_OK);
    assert_int_equal(store_put_trace(s, t, destinations, count), ERR_OK);
    for (int i = 1; i <= spans; i++) {
        struct span *span = make_span(number, (uint8_t)i, (uint8_t)(i - 1));
        assert_int_equal(store_put_span(s, span, destinations, count), ERR_OK);
        end_span(span);
        assert_int_equal(store_put_span(s, span, destinations, count), ERR_OK);
        span_free(span);
    }
    t->end_time = t->start_time + NS_PER_SEC;
    t->output = strdup("done");
    assert_int_equal(store_put_trace(s, t, destinations, count), ERR_OK);
    assert_int_equal(store_commit(s), ERR_OK);
    trace_free(t);
}

static inline int64_t count_waiting(struct store *s)
{
    struct store_totals totals = {0};
    assert_int_equal(store_totals(s, &totals), ERR_OK);
    return totals.outbox;
}

/* Runs the queue until at most `left` entries wait or the time is up. Returns how many wait. */
static inline int64_t run_queue(const char *dir, struct store *s, int64_t left, int timeout_ms)
{
    struct export_queue *q;
    assert_int_equal(export_start_timed(&q, dir, NULL, NULL, &fast), ERR_OK);
    int64_t until = clock_boot_ns() + timeout_ms * NS_PER_MS;
    while (count_waiting(s) > left && clock_boot_ns() < until)
        usleep(5000);
    export_stop(q, 1000);
    return count_waiting(s);
}

struct delivery {
    int64_t waiting, delivered, rejected;
    char error[512];
};

static inline int copy_delivery(void *user, const struct delivery_state *state)
{
    struct delivery *d = user;
    d->waiting += state->waiting;
    d->delivered += state->delivered;
    d->rejected += state->rejected;
    if (state->last_error != NULL)
        snprintf(d->error, sizeof(d->error), "%s", state->last_error);
    return ERR_OK;
}

static inline struct delivery delivery_of(struct store *s)
{
    struct delivery d = {0};
    assert_true(store_each_delivery(s, copy_delivery, &d) >= 0);
    return d;
}

#endif
