/* The line at the end of a run: what was captured and what its programs traced by hand, or why
 * nothing was. */
#include <elf.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/options.h"
#include "cli/run.h"
#include "cli/text.h"
#include "collector/collector.h"

/* An executable that no loader loads anything into. */
static bool is_static(const char *path)
{
    Elf64_Ehdr head;
    bool dynamic = true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
        memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_ident[EI_CLASS] == ELFCLASS64) {
        dynamic = false;
        for (size_t i = 0; i < head.e_phnum && !dynamic; i++) {
            Elf64_Phdr p;
            off_t at = (off_t)(head.e_phoff + i * sizeof(p));
            dynamic = pread(fd, &p, sizeof(p), at) == (ssize_t)sizeof(p) && p.p_type == PT_INTERP;
        }
    }
    close(fd);
    return !dynamic;
}

static int64_t connections(const json *status, const char *host)
{
    int64_t count = 0;
    (void)json_get_int(json_get(status, "http2"), host, &count);
    return count;
}

/* The collector counts connections that it cannot decode; those of this run are what came on top of
 * what it had, if it was the same one. */
static bool say_http2(struct run *r)
{
    json *now = collector_status_read(r->runtime);
    int64_t began = 0, same = -1, all = 0;
    const char *host = NULL;
    size_t hosts = 0;
    if (!json_get_int(r->before, "started", &same) || !json_get_int(now, "started", &began) ||
        began != same) {
        json_free(r->before);
        r->before = NULL;
    }
    for (const json *e = json_first(json_get(now, "http2")); e != NULL; e = json_next(e)) {
        int64_t more = connections(now, json_key(e)) - connections(r->before, json_key(e));
        if (more <= 0)
            continue;
        all += more;
        hosts++;
        host = hosts == 1 ? json_key(e) : host;
    }
    if (hosts > 0)
        cli_error(
            NULL,
            "%lld connection%s to %.300s%s spoke HTTP/2, which is not decoded: use --http1.1, "
            "or TRACER_HOOKS=curl for programs on libcurl",
            (long long)all, all == 1 ? "" : "s", host, hosts > 1 ? " and others" : "");
    json_free(now);
    return hosts > 0;
}

static void say_nothing_captured(struct run *r, bool answered)
{
    if (answered && say_http2(r))
        return;
    char path[CLI_PATH_MAX];
    struct stat st;
    const char *why = "no LLM call was seen";
    bool found = cli_find_program(r->argv[0], path, sizeof(path)) == ERR_OK;
    if (!answered)
        why = "the collector did not answer in time";
    else if (found && is_static(path))
        why = "nothing was captured: it is a static program";
    else if (found && stat(path, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)))
        why = "nothing was captured: it runs with privileges of its own";
    fprintf(stderr, "llm-tracer: %s · llm-tracer doctor %s\n", why, r->argv[0]);
}

struct summary {
    int64_t calls, spans, tokens_input, tokens_output;
    double cost;
    bool errors;
    size_t by_hand;       /* traces, the run's own apart */
    struct trace *own;    /* NULL: it has no span */
    struct trace *newest; /* of those by hand */
};

static void add_figure(int64_t *to, int64_t figure)
{
    if (figure >= 0)
        *to = (*to < 0 ? 0 : *to) + figure;
}

static void add_trace(struct summary *s, const struct trace *t)
{
    s->spans += t->span_count;
    add_figure(&s->tokens_input, t->tokens_input);
    add_figure(&s->tokens_output, t->tokens_output);
    if (t->total_cost >= 0)
        s->cost = (s->cost < 0 ? 0 : s->cost) + t->total_cost;
    s->errors |= t->error != NULL;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, TRACE_ID_LEN);
}

static void add_answer(struct summary *s, struct store *store, struct run_answer *answer)
{
    if (answer->calls > s->calls)
        s->calls = answer->calls;
    if (answer->trace_count > 1)
        qsort(answer->traces, answer->trace_count, TRACE_ID_LEN, by_id);
    for (size_t i = 0; i < answer->trace_count; i++) {
        struct trace *t = NULL;
        if ((i > 0 && by_id(answer->traces[i - 1], answer->traces[i]) == 0) ||
            store_get_trace(store, answer->traces[i], &t) != ERR_OK)
            continue;
        add_trace(s, t);
        s->by_hand++;
        if (s->newest == NULL || t->start_time > s->newest->start_time) {
            trace_free(s->newest);
            s->newest = t;
        } else {
            trace_free(t);
        }
    }
}

static struct summary summarize(const struct run *r, bool answered)
{
    struct summary s = {.tokens_input = SPAN_UNKNOWN, .tokens_output = SPAN_UNKNOWN, .cost = -1};
    struct run_answer answer = {0};
    char dir[CLI_PATH_MAX];
    bool fallback;
    struct store *store;
    uint8_t id[TRACE_ID_LEN];
    if (cli_data_dir(dir, sizeof(dir), &fallback) != ERR_OK ||
        store_open(&store, dir, STORE_READ, NULL) != ERR_OK)
        return s;
    if (id_from_hex(r->trace, TRACE_ID_LEN, id) == ERR_OK &&
        store_get_trace(store, id, &s.own) == ERR_OK) {
        s.calls = s.own->span_count;
        add_trace(&s, s.own);
    }
    if (s.own != NULL && s.own->span_count == 0) {
        trace_free(s.own);
        s.own = NULL;
    }
    if (answered)
        run_mark_read(r->mark, &answer);
    add_answer(&s, store, &answer);
    free(answer.traces);
    store_close(store);
    return s;
}

static void add_word(struct buf *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_word(struct buf *line, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n > 0)
        buf_append_cut(line, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* `, trace "chat-request"`, ", 3 traces", "" without one by hand. */
static void add_traces(struct buf *line, const struct summary *s)
{
    const char *name = s->newest != NULL ? s->newest->name : NULL;
    struct buf shown;
    buf_init(&shown, 100);
    if (s->by_hand == 1 && name != NULL) {
        text_escape(&shown, name, strlen(name), TEXT_LINE);
        add_word(line, " in trace \"%s\"", buf_str(&shown));
    } else if (s->by_hand > 0) {
        add_word(line, " in %zu trace%s", s->by_hand, s->by_hand == 1 ? "" : "s");
    }
    if (s->by_hand > 0 && s->own != NULL)
        add_word(line, " and the run's own");
    buf_release(&shown);
}

static void say(const struct run *r, const struct summary *s)
{
    char in[TEXT_FIGURE_MAX], out[TEXT_FIGURE_MAX], cost[TEXT_FIGURE_MAX], hex[TRACE_ID_HEX];
    const bool calls = s->calls > 0;
    const int64_t count = calls ? s->calls : s->spans;
    struct buf line;
    buf_init(&line, 2048);
    add_word(&line, "llm-tracer: %lld %s%s", (long long)count, calls ? "call" : "span",
             count == 1 ? "" : "s");
    if (s->tokens_input >= 0 || s->tokens_output >= 0)
        add_word(&line, ", %s in + %s out tokens", text_tokens(s->tokens_input, in),
                 text_tokens(s->tokens_output, out));
    if (s->cost >= 0)
        add_word(&line, ", %s", text_cost(s->cost, cost));
    add_word(&line, "%s", s->errors ? ", errors" : "");
    add_traces(&line, s);
    add_word(&line, " · llm-tracer show %.8s\n",
             s->own != NULL ? r->trace : id_to_hex(s->newest->trace_id, TRACE_ID_LEN, hex));
    fputs(buf_str(&line), stderr);
    buf_release(&line);
}

static bool wants_summary(const struct run *r)
{
    const char *when = option_text(OPTION_TRACER_SUMMARY);
    if (r->nested || strcmp(when, "never") == 0)
        return false;
    return strcmp(when, "always") == 0 || isatty(STDERR_FILENO);
}

void run_summary(struct run *r, bool answered)
{
    if (!wants_summary(r))
        return;
    struct summary s = summarize(r, answered);
    if (s.own != NULL || s.newest != NULL)
        say(r, &s);
    else if (s.calls > 0) /* by ids of their own requests */
        fprintf(stderr, "llm-tracer: %lld call%s in traces of other programs · llm-tracer list\n",
                (long long)s.calls, s.calls == 1 ? "" : "s");
    else
        say_nothing_captured(r, answered);
    trace_free(s.own);
    trace_free(s.newest);
}
