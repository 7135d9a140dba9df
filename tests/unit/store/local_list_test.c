/* Lists over the collector's store: every filter, every order, the same with the index and while it
 * is still made. */
#include <sqlite3.h>

#include "local_support.h"

enum { TRACES = 60 };

/* What a test knows of a trace that it put. */
struct known {
    char name[32];
    int64_t start, duration; /* ns; duration 0: it runs */
    double cost, ttft;       /* negative: unknown */
    int64_t tokens;
    bool failed, tagged;
    int user, session, model;
};
static struct known known[TRACES];
static const char *const models[] = {"gpt-4o", "claude-sonnet", "gemini-pro", "llama"};

static uint64_t random_next(void)
{
    static uint64_t state = 42;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

static char *printed(const char *format, int n)
{
    char text[32];
    snprintf(text, sizeof(text), format, n);
    return n < 0 ? NULL : strdup(text);
}

/* Few different values, so that there are equal ones. */
static void choose(struct known *k, int n)
{
    snprintf(k->name, sizeof(k->name), "%s%d", n % 2 == 0 ? "Alpha" : "beta", n);
    k->start = T0 + (int64_t)(random_next() % 20) * NS;
    k->duration = random_next() % 5 == 0 ? 0 : (int64_t)(random_next() % 4 + 1) * 100 * NS_PER_MS;
    k->cost = random_next() % 4 == 0 ? -1 : (double)(random_next() % 5) / 8;
    k->tokens = random_next() % 4 == 0 ? -1 : (int64_t)(random_next() % 5) * 10;
    k->ttft = random_next() % 4 == 0 ? -1 : (double)(random_next() % 5) * 3;
    k->failed = random_next() % 4 == 0;
    k->tagged = random_next() % 3 == 0;
    k->user = (int)(random_next() % 4) - 1;
    k->session = (int)(random_next() % 6) - 1;
    k->model = (int)(random_next() % 4);
}

static struct span *span_of(const struct known *k, int n)
{
    struct span *span = make_span((uint64_t)n, (uint64_t)n);
    free(span->model);
    span->model = strdup(models[k->model]);
    span->start_time = k->start;
    span->end_time = k->start + NS_PER_MS;
    span->cost_usd = k->cost;
    span->ttft_ms = k->ttft;
    span->tokens_input = k->tokens;
    span->tokens_output = -1;
    if (k->failed)
        span->error = strdup("it failed");
    return span;
}

static void put_known(const char *dir)
{
    struct store *s = open_store(dir);
    for (int n = 0; n < TRACES; n++) {
        struct known *k = &known[n];
        choose(k, n);
        struct trace *t = named_trace((uint64_t)n, k->name, 0, 0);
        t->start_time = k->start;
        t->end_time = k->duration == 0 ? 0 : k->start + k->duration;
        t->user_id = printed("user%d", k->user);
        t->session_id = printed("session%d", k->session);
        t->tags = json_array();
        json_add(t->tags, json_string("every"));
        if (k->tagged)
            json_add(t->tags, json_string("so\"me"));
        put_named(s, t);
        put_a_span(s, span_of(k, n));
    }
    store_close(s);
}

/* ---- the same question answered the slow way */

static struct stored_filter asked;

static double key_of(const struct known *k)
{
    switch (asked.sort) {
    case SORT_DURATION:
        return k->duration == 0 ? -1 : (double)k->duration;
    case SORT_COST:
        return k->cost;
    case SORT_TOKENS:
        return (double)k->tokens;
    case SORT_TTFT:
        return k->ttft;
    case SORT_START:
        break;
    }
    return (double)(k->start - T0);
}

/* Newest first: by start, then by row, which is the order in which they were put. */
static int by_time(const struct known *a, const struct known *b)
{
    if (a->start != b->start)
        return a->start < b->start ? 1 : -1;
    return a < b ? 1 : -1;
}

static int in_order(const void *a, const void *b)
{
    const struct known *x = *(const struct known *const *)a;
    const struct known *y = *(const struct known *const *)b;
    double p = key_of(x);
    double q = key_of(y);
    if ((p < 0) != (q < 0))
        return p < 0 ? 1 : -1;
    if (p < 0 || (p <= q && q <= p))
        return by_time(x, y);
    return (p < q) == asked.ascending ? -1 : 1;
}

static bool has_part(const char *whole, struct text part)
{
    char text[64] = "";
    memcpy(text, part.at, part.len);
    return strcasestr(whole, text) != NULL;
}

static enum stored_status status_of(const struct known *k)
{
    return k->duration == 0 ? STORED_RUNNING : k->failed ? STORED_ERROR : STORED_OK;
}

static bool fits_number(struct text wanted, const char *format, int n)
{
    char *text = printed(format, n);
    bool fits = wanted.at == NULL || (text != NULL && strlen(text) == wanted.len &&
                                      memcmp(text, wanted.at, wanted.len) == 0);
    free(text);
    return fits;
}

static bool fits(const struct known *k)
{
    const struct stored_filter *f = &asked;
    return fits_number(f->user_id, "user%d", k->user) &&
           fits_number(f->session_id, "session%d", k->session) &&
           (f->tag_count == 0 || k->tagged) && (f->name.at == NULL || has_part(k->name, f->name)) &&
           (f->model.at == NULL || has_part(models[k->model], f->model)) &&
           (f->status == STORED_ANY || f->status == status_of(k)) &&
           (f->from == 0 || k->start >= f->from) && (f->to == 0 || k->start < f->to) &&
           (f->min_duration_ms == 0 || k->duration >= f->min_duration_ms * NS_PER_MS) &&
           (f->q.at == NULL || has_part(k->failed ? "failed" : "-", f->q));
}

static void check(struct look *l, struct stored_filter f)
{
    struct known *found[TRACES];
    struct names expected = {0};
    struct names got;
    size_t count = 0;
    asked = f;
    for (int n = 0; n < TRACES; n++)
        if (fits(&known[n]))
            found[count++] = &known[n];
    qsort(found, count, sizeof(found[0]), in_order);
    for (size_t i = 0; i < count; i++)
        names_add(&expected, &(struct stored_trace){.name = text_of(found[i]->name)});
    size_t pages = list_all(l, f, &got);
    assert_string_equal(got.text, expected.text);
    assert_int_equal(pages, count == 0 ? 1 : (count + f.limit - 1) / f.limit);
}

static void check_filters(struct look *l, struct stored_filter f)
{
    const struct text nothing = {0};
    check(l, f);
    f.user_id = text_of("user1");
    check(l, f);
    f.session_id = text_of("session2");
    check(l, f);
    f.user_id = nothing;
    check(l, f);
    f.session_id = text_of("nobody's");
    check(l, f);
    f.session_id = nothing;
    f.tags[0] = text_of("other");
    f.tags[1] = text_of("so\"me");
    f.tag_count = 2;
    check(l, f);
    f.tag_count = 0;
    f.name = text_of("ALPHA1");
    check(l, f);
    f.name = text_of("%");
    check(l, f);
    f.name = nothing;
    f.model = text_of("-SONN");
    check(l, f);
    f.min_duration_ms = 200;
    check(l, f);
    f.model = nothing;
    f.from = T0 + 5 * NS;
    f.to = T0 + 12 * NS;
    check(l, f);
    f.min_duration_ms = 0;
    for (f.status = STORED_RUNNING; f.status <= STORED_ERROR; f.status++)
        check(l, f);
}

static void check_orders(struct look *l, bool indexed)
{
    static const size_t limits[] = {1, 7, 12, TRACES};
    for (int sort = SORT_START; sort <= (indexed ? SORT_TTFT : SORT_TOKENS); sort++)
        for (int ascending = 0; ascending <= 1; ascending++)
            for (size_t i = 0; i < 4; i++)
                check_filters(l, (struct stored_filter){.limit = limits[i],
                                                        .sort = (enum stored_sort)sort,
                                                        .ascending = ascending != 0});
}

static void test_indexed(void **state)
{
    put_known(*state);
    struct look l = look_open(*state);
    check(&l, (struct stored_filter){.limit = 5, .q = text_of("failed")}); /* waits for it */
    check_orders(&l, true);
    look_close(&l);
}

/* Another process that holds the index keeps it from being made. */
static void test_not_indexed(void **state)
{
    char path[256];
    sqlite3 *other;
    struct look l = look_open(*state); /* makes the file */
    look_close(&l);
    put_known(*state);
    snprintf(path, sizeof(path), "%s/ui-index.db", (char *)*state);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    l = look_open(*state);
    check_orders(&l, false);
    struct names names;
    list_all(&l, (struct stored_filter){.limit = 100}, &names);
    assert_int_equal(names.count, TRACES);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    check(&l, (struct stored_filter){.limit = 5, .sort = SORT_TTFT});
    look_close(&l);
}

static void test_cursors(void **state)
{
    static const char *const bad[] = {
        "x",         "ad",         "adk.",           "adk.0x0p+0.1",   "..",
        "aak.1.2.3", "adk.1.2.3x", "adq.0x0p+0.1.2", "bdk.0x0p+0.1.2", "adk. 1.2.3"};
    put_known(*state);
    struct look l = look_open(*state);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *next = NULL;
        struct names names = {0};
        const struct stored_filter f = {.limit = 5, .cursor = text_of(bad[i])};
        assert_int_equal(backend_local.list(l.session, &f, names_add, &names, &next), ERR_BAD);
        assert_null(next);
    }
    look_close(&l);
}

static int stop(void *user, const struct stored_trace *t)
{
    (void)t;
    return ++*(int *)user == 3 ? -77 : 0;
}

static void test_ends_early(void **state)
{
    put_known(*state);
    struct look l = look_open(*state);
    char *next = NULL;
    int seen = 0;
    const struct stored_filter f = {.limit = 10};
    assert_int_equal(backend_local.list(l.session, &f, stop, &seen, &next), -77);
    assert_int_equal(seen, 3);
    assert_null(next);
    look_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_indexed, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_not_indexed, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_cursors, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(test_ends_early, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
