/* Rings written by the tests themselves: what the hooks of a traced program would have written. */
#ifndef TESTS_COLLECTOR_SYNTHETIC_H
#define TESTS_COLLECTOR_SYNTHETIC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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
#include "collector/collector.h"
#include "store/store.h"
#include "wire/writer.h"

#define TEXTS_MAX 64

struct place {
    char root[64], runtime[96], data[96];
};

static inline void place_make(struct place *p)
{
    strcpy(p->root, "/tmp/collector-test-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    snprintf(p->runtime, sizeof(p->runtime), "%s/run", p->root);
    snprintf(p->data, sizeof(p->data), "%s/data", p->root);
    char command[256];
    snprintf(command, sizeof(command), "mkdir -m 700 %s %s", p->runtime, p->data);
    assert_int_equal(system(command), 0);
}

static inline void place_remove(struct place *p)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf %s", p->root);
    assert_int_equal(system(command), 0);
}

static inline struct collector *start_collector(struct place *p)
{
    struct collector *c = NULL;
    struct collector_options o = {.runtime_dir = p->runtime, .data_dir = p->data};
    assert_int_equal(collector_new(&c, &o), ERR_OK);
    return c;
}

static inline unsigned long long stat_field(int field)
{
    char text[1024] = "";
    FILE *f = fopen("/proc/self/stat", "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    char *p = strrchr(text, ')');
    for (int at = 3; at <= field; at++)
        p = strchr(p + 1, ' ');
    return strtoull(p, NULL, 10);
}

static inline uint64_t pid_namespace(void)
{
    char text[64];
    ssize_t n = readlink("/proc/self/ns/pid", text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    return strtoull(strchr(text, '[') + 1, NULL, 10);
}

/* A ring of this process. texts: NAME=value, NULL at the end. */
static inline void ring_make_large(struct ring_writer *w, const struct place *p,
                                   const char *const *texts, size_t size)
{
    struct wire_process_info info = {.pid = (uint32_t)getpid(),
                                     .start_ticks = stat_field(22),
                                     .exec_nonce = stat_field(28),
                                     .pid_ns = pid_namespace(),
                                     .boot_time = (uint64_t)clock_boot_ns(),
                                     .wall_time = (uint64_t)clock_wall_ns(),
                                     .ppid = (uint32_t)getppid(),
                                     .uid = (uint32_t)getuid()};
    struct wire_piece pieces[TEXTS_MAX];
    while (texts != NULL && texts[info.text_count] != NULL) {
        pieces[info.text_count].data = texts[info.text_count];
        pieces[info.text_count].length = strlen(texts[info.text_count]);
        info.text_count++;
    }
    assert_int_equal(ring_writer_open(w, p->runtime, size, &info, pieces, info.text_count), 0);
}

static inline void ring_make(struct ring_writer *w, const struct place *p, const char *const *texts)
{
    ring_make_large(w, p, texts, 64u << 20);
}

/* A connection as the hooks follow it. */
struct line {
    struct ring_writer *w;
    uint64_t id;
    uint64_t offset[2], lost[2];
};

static inline struct wire_record head_of(const struct line *l, enum wire_type type)
{
    int dir = type == WIRE_DATA_IN;
    return (struct wire_record){.type = (uint16_t)type,
                                .conn = l->id,
                                .time = (uint64_t)clock_boot_ns(),
                                .offset = l->offset[dir],
                                .lost = l->lost[dir],
                                .tid = (uint32_t)getpid()};
}

static inline void line_open_as(struct line *l, struct ring_writer *w, uint64_t id,
                                enum wire_proto proto, const char *host)
{
    *l = (struct line){.w = w, .id = id};
    struct wire_record head = head_of(l, WIRE_CONNECTION);
    struct wire_connection_info about = {.slot = (uint32_t)id % RING_CONN_SLOTS,
                                         .layer = WIRE_LAYER_OPENSSL,
                                         .tls = 1,
                                         .proto = (uint8_t)proto};
    struct wire_piece pieces[3] = {
        {&about, sizeof(about)}, {host, strlen(host) + 1}, {"127.0.0.1:443", 14}};
    assert_int_equal(ring_writer_put(w, &head, pieces, 3), 0);
}

static inline void line_open(struct line *l, struct ring_writer *w, uint64_t id)
{
    line_open_as(l, w, id, WIRE_PROTO_HTTP1, "api.openai.com");
}

static inline void line_put(struct line *l, enum wire_type type, const char *data, size_t len)
{
    int dir = type == WIRE_DATA_IN;
    struct wire_record head = head_of(l, type);
    assert_int_equal(ring_writer_put_data(l->w, &head, NULL, data, len), 0);
    l->offset[dir] += len;
}

static inline void line_close(struct line *l)
{
    struct wire_record head = head_of(l, WIRE_CLOSE);
    struct wire_close_info info = {l->offset[1], l->lost[1]};
    struct wire_piece piece = {&info, sizeof(info)};
    assert_int_equal(ring_writer_put(l->w, &head, &piece, 1), 0);
}

static inline int make_request(char *out, size_t size, const char *question, bool stream)
{
    char body[2048];
    int n = snprintf(body, sizeof(body),
                     "{\"model\":\"gpt-4o\",\"stream\":%s,\"messages\":[{\"role\":\"user\","
                     "\"content\":\"%s\"}]}",
                     stream ? "true" : "false", question);
    return snprintf(out, size,
                    "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
                    "Content-Type: application/json\r\nAuthorization: Bearer sk-SECRETSECRET\r\n"
                    "Content-Length: %d\r\n\r\n%s",
                    n, body);
}

static inline int make_answer(char *out, size_t size, const char *answer)
{
    char body[2048];
    int n = snprintf(body, sizeof(body),
                     "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,"
                     "\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"message\":"
                     "{\"role\":\"assistant\",\"content\":\"%s\"},\"finish_reason\":\"stop\"}],"
                     "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":14,"
                     "\"total_tokens\":34}}",
                     answer);
    return snprintf(out, size,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    "Set-Cookie: session=COOKIESECRET\r\nContent-Length: %d\r\n\r\n%s",
                    n, body);
}

static inline void line_ask(struct line *l, const char *question)
{
    char text[4096];
    int n = make_request(text, sizeof(text), question, false);
    line_put(l, WIRE_DATA_OUT, text, (size_t)n);
}

static inline void line_answer(struct line *l, const char *answer)
{
    char text[4096];
    int n = make_answer(text, sizeof(text), answer);
    line_put(l, WIRE_DATA_IN, text, (size_t)n);
}

static inline void line_call(struct line *l, const char *question)
{
    line_ask(l, question);
    line_answer(l, "fine");
}

/* Rounds of the collector until it has nothing to do, or so many ms. */
static inline void settle(struct collector *c, int ms)
{
    for (int i = 0; i < ms; i++) {
        bool worked = collector_step(c);
        if (!worked && i > 5 && collector_idle(c))
            break;
        if (!worked)
            usleep(1000);
    }
    assert_int_equal(collector_flush(c), ERR_OK);
}

struct spans {
    struct span *items[4096];
    size_t count;
};

static inline int keep_span(void *user, const struct span *s)
{
    struct spans *all = user;
    struct buf text;
    buf_init(&text, 1u << 24);
    assert_int_equal(span_print(s, &text), ERR_OK);
    assert_true(all->count < 4096);
    all->items[all->count++] = span_parse(buf_str(&text), text.len);
    buf_release(&text);
    return 0;
}

static inline void spans_read(const struct place *p, struct spans *out)
{
    struct store *s;
    out->count = 0;
    assert_int_equal(store_open(&s, p->data, STORE_READ, NULL), ERR_OK);
    assert_true(store_each_span(s, NULL, keep_span, out) >= 0);
    store_close(s);
}

static inline void spans_free(struct spans *s)
{
    for (size_t i = 0; i < s->count; i++)
        span_free(s->items[i]);
    s->count = 0;
}

static inline size_t count_files(const struct place *p, const char *prefix)
{
    char command[256], line[64] = "";
    snprintf(command, sizeof(command), "ls %s | grep -c '^%s'", p->runtime, prefix);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    pclose(f);
    return strtoull(line, NULL, 10);
}

#endif
