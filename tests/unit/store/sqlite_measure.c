/* What the service's SQLite store costs; run by hand: bin/store_sqlite_measure FOLDER [spans].
 * Traces of five spans, each created and, in a later batch, completed; one word in every span, one
 * in every thousandth trace. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "store/backend.h"

enum { SPANS_A_TRACE = 5, BATCH = 1000, QUERIES = 200 };

static const struct backend_ops *ops = &backend_sqlite;
static struct backend_session *writer, *reader;
static char padding[1200];

static double now(void)
{
    return (double)clock_boot_ns() / 1e9;
}

static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void check(int err, const struct backend_session *s, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, err_str(err), backend_error(ops, s));
    exit(1);
}

struct texts {
    char trace[40], span[40], parent[40], name[64], user[32], session[32], input[2000], output[900];
};

static struct text id(char *out, uint64_t n, const char *kind)
{
    uint64_t a = (n + 1) * 0x9e3779b97f4a7c15ULL ^ (uint64_t)kind[0] << 32;
    a = (a ^ a >> 29) * 0xbf58476d1ce4e5b9ULL;
    snprintf(out, 40, "%016" PRIx64 "%016" PRIx64, a ^ a >> 32, n);
    return text_of(out);
}

static size_t make(struct stored_write *w, struct texts *t, uint64_t n, bool complete)
{
    static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "gemini-pro"};
    uint64_t trace = n / SPANS_A_TRACE;
    int64_t start = INT64_C(1767323045000000000) + (int64_t)n * 40000000;
    struct text project = text_of(trace % 10 == 0 ? "small" : "large");
    size_t count = 0;
    memset(w, 0, 3 * sizeof(*w));
    id(t->trace, trace, "trace");
    id(t->span, n, "span");
    if (n % SPANS_A_TRACE == 0 && !complete) {
        snprintf(t->name, sizeof(t->name), "answer question %" PRIu64, trace);
        snprintf(t->user, sizeof(t->user), "user-%" PRIu64, trace % 997);
        snprintf(t->session, sizeof(t->session), "session-%" PRIu64, trace / 5);
        w[count++] = (struct stored_write){.op = STORED_CREATE_TRACE,
                                           .project_id = project,
                                           .trace = {.trace_id = text_of(t->trace),
                                                     .name = text_of(t->name),
                                                     .start_time = start,
                                                     .tags = text_of("[\"prod\",\"eu\"]"),
                                                     .metadata = text_of("{}"),
                                                     .user_id = text_of(t->user),
                                                     .session_id = text_of(t->session)}};
    }
    struct stored_write *s = &w[count++];
    s->op = complete ? STORED_COMPLETE_SPAN : STORED_CREATE_SPAN;
    s->project_id = project;
    s->span = (struct stored_span){.span_id = text_of(t->span),
                                   .trace_id = text_of(t->trace),
                                   .name = text_of("chat completion"),
                                   .type = SPAN_LLM,
                                   .start_time = start,
                                   .tokens_input = SPAN_UNKNOWN,
                                   .tokens_output = SPAN_UNKNOWN,
                                   .tokens_cache_read = SPAN_UNKNOWN,
                                   .cost_usd = -1,
                                   .ttft_ms = -1};
    if (!complete) {
        snprintf(t->input, sizeof(t->input),
                 "{\"messages\":[{\"role\":\"user\",\"content\":\"common %s%" PRIu64 " %s\"}]}",
                 trace % 1000 == 7 ? "seldom " : "question", trace, padding + n % 400);
        s->span.input_data = text_of(t->input);
        s->span.model = text_of(models[n % 4]);
        s->span.metadata = text_of("{\"provider\":\"openai\",\"operation\":\"chat\"}");
    } else {
        snprintf(t->output, sizeof(t->output), "{\"text\":\"the answer is %" PRIu64 " %.300s\"}", n,
                 padding + n % 700);
        s->span.output_data = text_of(t->output);
        s->span.end_time = start + (int64_t)(n % 5000) * 1000000;
        s->span.tokens_input = (int64_t)(n % 3000);
        s->span.tokens_output = (int64_t)(n % 700);
        s->span.cost_usd = (double)(n % 100) / 1000;
        s->span.ttft_ms = (double)(n % 900);
        if (n % 200 == 11)
            s->span.error = text_of("RateLimitError: 429");
    }
    if (complete && n % SPANS_A_TRACE == SPANS_A_TRACE - 1)
        w[count++] = (struct stored_write){.op = STORED_COMPLETE_TRACE,
                                           .project_id = project,
                                           .trace = {.trace_id = text_of(t->trace),
                                                     .end_time = start + 1000000000,
                                                     .output = text_of("done")}};
    return count;
}

static void write_spans(uint64_t from, uint64_t to)
{
    static struct stored_write w[4 * BATCH];
    static struct stored_write *p[4 * BATCH];
    static struct texts texts[2 * BATCH];
    for (uint64_t n = from; n < to; n += BATCH) {
        size_t count = 0;
        for (uint64_t i = 0; i < BATCH; i++)
            count += make(&w[count], &texts[i], n + i, false);
        for (uint64_t i = 0; i < BATCH && n >= BATCH; i++) /* those of the batch before end */
            count += make(&w[count], &texts[BATCH + i], n - BATCH + i, true);
        for (size_t i = 0; i < count; i++)
            p[i] = &w[i];
        check(ops->write(writer, p, count), writer, "write");
        for (size_t i = 0; i < count; i++)
            check(w[i].result, writer, "one write");
    }
}

/* As a client does that tells of calls when they have ended: all in one batch. */
static void write_ended(uint64_t from, uint64_t to)
{
    static struct stored_write w[4 * BATCH];
    static struct stored_write *p[4 * BATCH];
    static struct texts texts[2 * BATCH];
    for (uint64_t n = from; n < to; n += BATCH) {
        size_t count = 0;
        for (uint64_t i = 0; i < BATCH; i++) {
            count += make(&w[count], &texts[2 * i], n + i, false);
            count += make(&w[count], &texts[2 * i + 1], n + i, true);
        }
        for (size_t i = 0; i < count; i++)
            p[i] = &w[i];
        check(ops->write(writer, p, count), writer, "write");
    }
}

static double per_span(void (*write)(uint64_t, uint64_t), uint64_t from, uint64_t to)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    double begin = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    write(from, to);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return ((double)t.tv_sec + (double)t.tv_nsec / 1e9 - begin) * 1e6 / (double)(to - from);
}

static int count_trace(void *user, const struct stored_trace *t)
{
    (void)t;
    ++*(size_t *)user;
    return 0;
}

static int count_span(void *user, const struct stored_span *t)
{
    (void)t;
    ++*(size_t *)user;
    return 0;
}

static int count_group(void *user, const struct stored_group *t)
{
    (void)t;
    ++*(size_t *)user;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_list(const char *what, struct stored_filter f)
{
    double times[QUERIES];
    size_t found = 0;
    int queries = 0;
    f.limit = 50;
    for (double until = now() + 2; queries < QUERIES && now() < until; queries++) {
        char *cursor = NULL;
        found = 0;
        double begin = now();
        check(ops->list(reader, &f, count_trace, &found, &cursor), reader, "list");
        times[queries] = now() - begin;
        free(cursor);
    }
    qsort(times, (size_t)queries, sizeof(*times), by_value);
    printf("  %-44s %3zu found  p50 %7.2f ms  p95 %7.2f ms\n", what, found,
           times[queries / 2] * 1e3, times[queries * 95 / 100] * 1e3);
}

static void measure_stats(const char *what, unsigned by)
{
    size_t groups = 0;
    struct stored_stats q = {.project_id = text_of("large"), .group_by = by, .limit = 1000};
    double begin = now();
    check(ops->stats(reader, &q, count_group, &groups), reader, "stats");
    printf("  stats by %-20s %5zu groups %7.2f ms\n", what, groups, (now() - begin) * 1e3);
}

static void measure_large_trace(void)
{
    size_t found = 0;
    struct texts t;
    struct stored_write w[3];
    struct stored_write *p = w;
    static char trace[40];
    memset(w, 0, sizeof(w));
    snprintf(trace, sizeof(trace), "the-large-trace");
    w[0] = (struct stored_write){
        .op = STORED_CREATE_TRACE,
        .project_id = text_of("large"),
        .trace = {.trace_id = text_of(trace), .name = text_of("large"), .start_time = 1}};
    check(ops->write(writer, &p, 1), writer, "write");
    for (uint64_t n = 0; n < 10000; n++) {
        size_t count = make(w, &t, 1000000000 + n, false);
        p = &w[count - 1];
        p->project_id = text_of("large");
        p->span.trace_id = text_of(trace);
        check(ops->write(writer, &p, 1), writer, "write");
    }
    for (int content = 0; content < 2; content++) {
        double begin = now();
        found = 0;
        check(
            ops->spans(reader, text_of("large"), text_of(trace), content == 1, count_span, &found),
            reader, "spans");
        printf("  a trace of %zu spans, %s content: %.1f ms\n", found, content ? "with" : "without",
               (now() - begin) * 1e3);
    }
}

static void measure_lists(void)
{
    struct text large = text_of("large");
    struct text small = text_of("small");
    measure_list("newest", (struct stored_filter){.project_id = large});
    measure_list("status error", (struct stored_filter){.project_id = large, .status = 3});
    measure_list("user", (struct stored_filter){.project_id = large, .user_id = text_of("user-5")});
    measure_list("session",
                 (struct stored_filter){.project_id = large, .session_id = text_of("session-77")});
    measure_list("part of name",
                 (struct stored_filter){.project_id = large, .name = text_of("question 1777")});
    measure_list("no such name",
                 (struct stored_filter){.project_id = large, .name = text_of("zebra")});
    measure_list("no such tag", (struct stored_filter){
                                    .project_id = large, .tags = {text_of("x")}, .tag_count = 1});
    measure_list("part of model",
                 (struct stored_filter){.project_id = large, .model = text_of("SONNET")});
    measure_list("no such model",
                 (struct stored_filter){.project_id = large, .model = text_of("llama")});
    measure_list("min duration, none",
                 (struct stored_filter){.project_id = large, .min_duration_ms = 100000000});
    for (int sort = 1; sort < 5; sort++)
        measure_list("sort",
                     (struct stored_filter){.project_id = large, .sort = (enum stored_sort)sort});
    measure_list("q: in every span",
                 (struct stored_filter){.project_id = large, .q = text_of("common")});
    measure_list(
        "q: in every span, by cost",
        (struct stored_filter){.project_id = large, .q = text_of("common"), .sort = SORT_COST});
    measure_list("q: in no span",
                 (struct stored_filter){.project_id = large, .q = text_of("xylophone")});
    measure_list("q: in a thousandth",
                 (struct stored_filter){.project_id = large, .q = text_of("seldom common")});
    measure_list("q: in a thousandth, small project",
                 (struct stored_filter){.project_id = small, .q = text_of("seldom")});
    measure_list("q: in every span, errors", (struct stored_filter){.project_id = large,
                                                                    .q = text_of("common"),
                                                                    .status = STORED_ERROR});
    measure_list("q: one",
                 (struct stored_filter){.project_id = large, .q = text_of("question1777 common")});
}

int main(int argc, char **argv)
{
    struct backend *b;
    char *notice;
    uint64_t spans = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    struct backend_settings settings = {.data_dir = argc > 1 ? argv[1] : "."};
    uint64_t seed = 1;
    for (size_t i = 0; i + 1 < sizeof(padding); i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        padding[i] = seed >> 33 & 7 ? (char)('a' + (seed >> 40) % 26) : ' ';
    }
    if (ops->open(&b, &settings, &notice) != ERR_OK) {
        fprintf(stderr, "%s\n", notice == NULL ? "cannot open" : notice);
        return 1;
    }
    check(ops->session_new(b, true, &writer), writer, "session");
    check(ops->session_new(b, false, &reader), reader, "session");
    uint64_t done = 0;
    for (uint64_t step = 10000; done < spans; step = done < 100000 ? done * 9 : 300000) {
        uint64_t to = done + step < spans ? done + step : spans;
        double begin = now();
        double used = cpu();
        double own = per_span(write_spans, done, to);
        double seconds = now() - begin;
        printf("%8" PRIu64
               " spans: %7.0f spans/s, %5.1f us CPU a span of the writer, %5.1f of all\n",
               to, (double)(to - done) / seconds, own, (cpu() - used) * 1e6 / (double)(to - done));
        done = to;
    }
    double begin = now();
    double own = per_span(write_ended, done + 1000000, done + 1050000);
    printf("created and completed at once: %7.0f spans/s, %5.1f us CPU a span of the writer\n",
           50000 / (now() - begin), own);
    begin = now();
    for (int i = 0; argc > 3 && i < atoi(argv[3]); i++) { /* seconds for the index to follow */
        struct timespec second = {1, 0};
        nanosleep(&second, NULL);
    }
    printf("waited %.1f s\n", now() - begin);
    measure_lists();
    measure_stats("all", 0);
    measure_stats("model", GROUP_MODEL);
    measure_stats("hour", GROUP_HOUR);
    measure_stats("hour, model", GROUP_HOUR | GROUP_MODEL);
    measure_stats("user", GROUP_USER);
    measure_stats("session", GROUP_SESSION);
    if (spans <= 2000000)
        measure_large_trace();
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("memory at most %ld MB\n", u.ru_maxrss / 1024);
    ops->session_free(reader);
    ops->session_free(writer);
    begin = now();
    ops->close(b);
    printf("closed in %.1f ms\n", (now() - begin) * 1e3);
    begin = now();
    check(ops->open(&b, &settings, &notice), NULL, "open");
    printf("opened in %.1f ms\n", (now() - begin) * 1e3);
    ops->close(b);
    char path[4096];
    struct stat st;
    snprintf(path, sizeof(path), "%s/service.db", settings.data_dir);
    if (stat(path, &st) == 0)
        printf("file: %.0f bytes a span\n", (double)st.st_size / (double)spans);
    return 0;
}
