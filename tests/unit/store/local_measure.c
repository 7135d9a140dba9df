/* What `llm-tracer ui` costs over a large store: how long the index takes, then pages of the list,
 * searches, totals and a long trace, each as percentiles. Not a test.
 *
 * bin/store_local_measure [spans [folder]]: ten spans a trace; a folder that has a store is used as
 * it is. */
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "store/backend.h"
#include "support.h"

#define PER_TRACE 10
#define LONG      10000
#define ROUNDS    40

static const char *const words[] = {"weather", "invoice", "summary", "planet", "river",  "engine",
                                    "garden",  "window",  "doctor",  "yellow", "copper", "signal",
                                    "market",  "railway", "kitchen", "harbour"};

static char *sentence(uint64_t n, size_t len)
{
    char *text = malloc(len + 64);
    size_t at = (size_t)snprintf(text, 64, "ticket%" PRIu64 " ", n);
    for (uint64_t i = n * 2654435761u; at < len;
         i = i * 6364136223846793005u + 1442695040888963407u)
        at += (size_t)sprintf(text + at, "%s%u ", words[i >> 60], (unsigned)(i >> 44 & 0xff));
    text[at] = '\0';
    return text;
}

static json *messages(const char *role, uint64_t n, size_t len)
{
    char *text = sentence(n, len);
    json *part = json_object();
    json_set_text(part, "type", "text");
    json_set_text(part, "content", text);
    json *parts = json_array();
    json_add(parts, part);
    json *message = json_object();
    json_set_text(message, "role", role);
    json_set(message, "parts", parts);
    json *list = json_array();
    json_add(list, message);
    json *data = json_object();
    json_set(data, "messages", list);
    free(text);
    return data;
}

static void put_one(struct store *s, uint64_t trace, uint64_t n, int64_t start)
{
    static const char *const models[] = {"gpt-4o", "claude-sonnet-4", "gemini-2.5-pro", "llama3.2"};
    struct span *span = make_span(trace, n);
    span->type = n % PER_TRACE < 7 ? SPAN_LLM : SPAN_TOOL;
    if (span->type == SPAN_LLM)
        span->model = strdup(models[n % 4]);
    span->provider = strdup("openai");
    span->operation = strdup("chat");
    span->usage_source = strdup("reported");
    span->ttft_ms = (double)(n % 900) + 12.5;
    span->ttfc_ms = span->ttft_ms / 2;
    span->chunk_count = (int64_t)(n % 77);
    span->tokens_input = (int64_t)(n % 3000);
    span->tokens_output = (int64_t)(n % 700);
    span->tokens_cache_read = (int64_t)(n % 100);
    span->cost_usd = (double)(n % 1000) / 1e5;
    span->start_time = start;
    span->end_time = start + (int64_t)(n % 5000 + 1) * NS_PER_MS;
    if (n % 501 == 0)
        span->error = strdup("rate limit reached");
    span->input_data = messages("user", n, 900);
    span->output_data = messages("assistant", n + 7, 900);
    assert_int_equal(store_put_span(s, span, NULL, 0), ERR_OK);
    span_free(span);
}

static void put_a_trace(struct store *s, uint64_t n, int64_t start, int64_t end)
{
    char text[64];
    struct trace *t = make_trace(n);
    t->start_time = start;
    t->end_time = end;
    snprintf(text, sizeof(text), "user-%" PRIu64, n % 997);
    t->user_id = strdup(text);
    snprintf(text, sizeof(text), "session-%" PRIu64, n / 5);
    t->session_id = strdup(text);
    t->tags = json_array();
    json_add(t->tags, json_string(n % 50 == 0 ? "rare" : "common"));
    assert_int_equal(store_put_trace(s, t, NULL, 0), ERR_OK);
    trace_free(t);
}

static void fill(const char *folder, uint64_t spans)
{
    struct store *s = open_store(folder);
    int64_t began = clock_boot_ns();
    const int64_t step = 30 * 24 * 3600 * NS / (int64_t)(spans / PER_TRACE);
    for (uint64_t n = 0; n < spans + LONG; n++) {
        if (n % 1000 == 0)
            assert_int_equal(store_begin(s), ERR_OK);
        uint64_t trace = n < spans ? n / PER_TRACE : spans / PER_TRACE;
        int64_t start = T0 + (int64_t)trace * step;
        if (n < spans ? n % PER_TRACE == 0 : n == spans)
            put_a_trace(s, trace, start, start + 60 * NS);
        put_one(s, trace, n, start + (int64_t)(n % PER_TRACE) * NS);
        if (n % 1000 == 999) {
            assert_int_equal(store_commit(s), ERR_OK);
            assert_true(store_index_step(s) >= 0);
        }
    }
    store_close(s);
    printf("filling with %" PRIu64 " spans: %.1f s\n", spans + LONG,
           (double)(clock_boot_ns() - began) / 1e9);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Processor time of this thread: what is left of a figure when others use the machine. */
static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct times {
    double wall[ROUNDS], cpu[ROUNDS];
    int64_t began;
    double cpu_began;
};

static void times_begin(struct times *t)
{
    t->began = clock_boot_ns();
    t->cpu_began = cpu_ms();
}

static void times_end(struct times *t, size_t i)
{
    t->wall[i] = (double)(clock_boot_ns() - t->began) / 1e6;
    t->cpu[i] = cpu_ms() - t->cpu_began;
}

static void print_times(const char *what, struct times *t, size_t rows)
{
    qsort(t->wall, ROUNDS, sizeof(double), by_size);
    qsort(t->cpu, ROUNDS, sizeof(double), by_size);
    printf("%-36s p50 %8.2f  p95 %8.2f ms; CPU p50 %8.2f  p95 %8.2f ms (%zu rows)\n", what,
           t->wall[ROUNDS / 2], t->wall[ROUNDS * 95 / 100], t->cpu[ROUNDS / 2],
           t->cpu[ROUNDS * 95 / 100], rows);
    fflush(stdout);
}

static int count_trace(void *user, const struct stored_trace *t)
{
    (void)t;
    ++*(size_t *)user;
    return 0;
}

static int count_span(void *user, const struct stored_span *s)
{
    (void)s;
    ++*(size_t *)user;
    return 0;
}

static int count_group(void *user, const struct stored_group *g)
{
    (void)g;
    ++*(size_t *)user;
    return 0;
}

/* Pages one after another; from the first again at the end. */
static void measure_list(struct backend_session *s, const char *what, struct stored_filter f)
{
    static struct times t;
    size_t rows = 0;
    char *cursor = NULL;
    f.limit = 50;
    for (size_t i = 0; i < ROUNDS; i++) {
        char *next = NULL;
        times_begin(&t);
        f.cursor = text_of(cursor);
        int err = backend_local.list(s, &f, count_trace, &rows, &next);
        times_end(&t, i);
        if (err != ERR_OK)
            printf("%s: %s: %s\n", what, err_str(err), backend_error(&backend_local, s));
        free(cursor);
        cursor = next;
    }
    free(cursor);
    print_times(what, &t, rows / ROUNDS);
}

static void measure_stats(struct backend_session *s, const char *what, unsigned group_by)
{
    static struct times t;
    size_t rows = 0;
    const struct stored_stats q = {.group_by = group_by, .limit = 1000};
    for (size_t i = 0; i < ROUNDS; i++) {
        times_begin(&t);
        rows = 0;
        assert_int_equal(backend_local.stats(s, &q, count_group, &rows), ERR_OK);
        times_end(&t, i);
    }
    print_times(what, &t, rows);
}

static void measure_trace(struct backend_session *s, uint64_t n, bool content)
{
    static struct times t;
    size_t rows = 0;
    uint8_t id[TRACE_ID_LEN];
    char hex[TRACE_ID_HEX];
    id_of(n, id, TRACE_ID_LEN);
    struct text text = text_of(id_to_hex(id, TRACE_ID_LEN, hex));
    for (size_t i = 0; i < ROUNDS; i++) {
        times_begin(&t);
        rows = 0;
        assert_int_equal(backend_local.spans(s, (struct text){0}, text, content, count_span, &rows),
                         ERR_OK);
        times_end(&t, i);
    }
    print_times(content ? "a long trace" : "a long trace without content", &t, rows);
}

static void print_memory(const char *when)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("%s: %.0f MB at most, CPU %.1f s\n", when, (double)use.ru_maxrss / 1024,
           (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec);
}

static void measure_all(struct backend_session *s, uint64_t spans)
{
    measure_list(s, "list, newest first", (struct stored_filter){0});
    measure_list(s, "list by duration", (struct stored_filter){.sort = SORT_DURATION});
    measure_list(s, "list by cost, ascending",
                 (struct stored_filter){.sort = SORT_COST, .ascending = true});
    measure_list(s, "list by tokens", (struct stored_filter){.sort = SORT_TOKENS});
    measure_list(s, "list by time to first token", (struct stored_filter){.sort = SORT_TTFT});
    measure_list(s, "list of one user", (struct stored_filter){.user_id = text_of("user-77")});
    measure_list(s, "list of errors", (struct stored_filter){.status = STORED_ERROR});
    measure_list(s, "list of running ones", (struct stored_filter){.status = STORED_RUNNING});
    measure_list(s, "list of a model", (struct stored_filter){.model = text_of("CLAUDE")});
    measure_list(s, "list of a model that nobody used",
                 (struct stored_filter){.model = text_of("nothing")});
    measure_list(s, "list of a part of a name", (struct stored_filter){.name = text_of("e 4711")});
    measure_list(
        s, "list of a rare tag",
        (struct stored_filter){.tags = {text_of("rare")}, .tag_count = 1, .sort = SORT_COST});
    measure_list(s, "search, one span", (struct stored_filter){.q = text_of("ticket4711")});
    measure_list(s, "search, two words", (struct stored_filter){.q = text_of("weather17 river99")});
    measure_list(s, "search, one word in 5 %", (struct stored_filter){.q = text_of("weather17")});
    measure_list(s, "search, nothing", (struct stored_filter){.q = text_of("absent")});
    measure_list(s, "search, every span", (struct stored_filter){.q = text_of("operation")});
    measure_stats(s, "stats", 0);
    measure_stats(s, "stats by model", GROUP_MODEL);
    measure_stats(s, "stats by day and model", GROUP_MODEL | GROUP_DAY);
    measure_stats(s, "stats by hour and model", GROUP_MODEL | GROUP_HOUR);
    measure_stats(s, "stats by user", GROUP_USER);
    measure_stats(s, "stats by session", GROUP_SESSION);
    measure_trace(s, spans / PER_TRACE, false);
    measure_trace(s, spans / PER_TRACE, true);
}

/* Until a search is answered. */
static void wait_for_words(struct backend_session *s)
{
    char *next = NULL;
    size_t rows = 0;
    const struct stored_filter f = {.limit = 1, .q = text_of("absent")};
    while (backend_local.list(s, &f, count_trace, &rows, &next) == ERR_BUSY)
        usleep(100000);
    free(next);
}

int main(int argc, char **argv)
{
    uint64_t spans = argc > 1 ? strtoull(argv[1], NULL, 10) / 1000 * 1000 : 100000;
    char *folder = argc > 2 ? strdup(argv[2]) : NULL;
    char path[4096];
    struct backend *b;
    struct backend_session *s;
    char *notice;
    if (folder == NULL)
        folder_make((void **)&folder);
    snprintf(path, sizeof(path), "%s/traces.db", folder);
    if (access(path, F_OK) != 0)
        fill(folder, spans);
    const struct backend_settings settings = {.data_dir = folder};
    int64_t began = clock_boot_ns();
    assert_int_equal(backend_local.open(&b, &settings, &notice), ERR_OK);
    assert_int_equal(backend_local.session_new(b, false, &s), ERR_OK);
    printf("open: %.1f ms\n", (double)(clock_boot_ns() - began) / 1e6);
    measure_list(s, "list while the index is made", (struct stored_filter){0});
    size_t rows = 0;
    const struct stored_stats all = {.limit = 1};
    while (backend_local.stats(s, &all, count_group, &rows) == ERR_BUSY)
        ;
    printf("figures are there: %.1f s\n", (double)(clock_boot_ns() - began) / 1e9);
    wait_for_words(s);
    printf("words are there: %.1f s\n", (double)(clock_boot_ns() - began) / 1e9);
    print_memory("after that");
    measure_all(s, spans);
    print_memory("at the end");
    backend_local.session_free(s);
    backend_local.close(b);
    if (argc <= 2)
        folder_remove((void **)&folder);
    return 0;
}
