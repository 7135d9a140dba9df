/* Random writes, against a model that is nothing but arrays. */
#include "backend_suite.h"

enum { PROJECTS = 2, USERS = 4, SESSIONS = 5, MODELS = 4, WORDS = 12, MAX_TRACES = 400 };
enum { MAX_SPANS = 4000, OPS_A_ROUND = 120 };

struct model_span {
    struct text id;
    int trace;
    int64_t start, end;
    bool call, failed;
    int model; /* -1: none */
    int64_t in, out, cache;
    double cost, ttft;
    unsigned input_words, output_words; /* bits of vocabulary */
};
struct model_trace {
    struct text id;
    int project, user, session; /* user, session: -1: none */
    int64_t start, end;
    unsigned tags, output_words;
    bool gone;
};
static struct {
    struct text projects[PROJECTS];
    struct model_trace traces[MAX_TRACES];
    struct model_span spans[MAX_SPANS];
    int trace_count, span_count;
    unsigned random;
} m;

static const char *const vocabulary[WORDS] = {"alpha", "beta",  "gamma", "delta", "epsilon", "zeta",
                                              "eta",   "theta", "iota",  "kappa", "lambda",  "mu"};
static const char *const model_names[MODELS] = {"gpt-4o", "claude-sonnet", "gemini-pro", "llama"};

static int pick(int below)
{
    m.random = m.random * 1103515245U + 12345U;
    return (int)(m.random >> 8) % below;
}

static struct text said(unsigned words)
{
    struct text t = suite_printf("{\"text\":\"");
    for (int i = 0; i < WORDS; i++)
        if ((words >> i & 1) != 0)
            t = suite_printf("%s %s", t.at, vocabulary[i]);
    return suite_printf("%s\"}", t.at);
}

static unsigned some_words(void)
{
    return pick(3) == 0 ? 0 : 1U << pick(WORDS) | 1U << pick(WORDS) | 1U << pick(4);
}

/* ---- Writes: made, and done in the model */

static bool make_trace(struct stored_write *w)
{
    if (m.trace_count == MAX_TRACES)
        return false;
    int at = m.trace_count++;
    struct model_trace *t = &m.traces[at];
    /* Times of their own, not in order, over some hours. */
    *t = (struct model_trace){.id = suite_name("trace"),
                              .project = pick(4) == 0,
                              .user = pick(USERS + 1) - 1,
                              .session = pick(SESSIONS + 1) - 1,
                              .start = T0 + at * 7 * S + pick(5) * 3600 * S,
                              .tags = (unsigned)pick(8)};
    *w = suite_create_trace(m.projects[t->project], t->id, t->start);
    if (t->user >= 0)
        w->trace.user_id = suite_printf("user %d", t->user);
    if (t->session >= 0)
        w->trace.session_id = suite_printf("session %d", t->session);
    w->trace.tags =
        suite_printf("[%s%s%s\"all\"]", (t->tags & 1) != 0 ? "\"t0\"," : "",
                     (t->tags & 2) != 0 ? "\"t1\"," : "", (t->tags & 4) != 0 ? "\"t2\"," : "");
    return true;
}

static bool make_span(struct stored_write *w)
{
    if (m.span_count == MAX_SPANS || m.trace_count == 0)
        return false;
    int trace = pick(m.trace_count);
    if (m.traces[trace].gone)
        return false;
    struct model_span *s = &m.spans[m.span_count++];
    *s = (struct model_span){.id = suite_name("span"),
                             .trace = trace,
                             .start = m.traces[trace].start + m.span_count * MS,
                             .call = pick(3) != 0,
                             .model = pick(MODELS + 1) - 1,
                             .in = pick(3) == 0 ? -1 : pick(100),
                             .out = -1,
                             .cache = -1,
                             .cost = pick(3) == 0 ? pick(64) / 64.0 : -1,
                             .ttft = -1,
                             .input_words = some_words()};
    *w =
        suite_create_span(m.projects[m.traces[trace].project], m.traces[trace].id, s->id, s->start);
    w->span.type = s->call ? SPAN_EMBEDDING : SPAN_AGENT;
    w->span.model = s->model < 0 ? (struct text){NULL, 0} : text_of(model_names[s->model]);
    w->span.tokens_input = s->in;
    w->span.cost_usd = s->cost;
    w->span.input_data = said(s->input_words);
    return true;
}

static bool finish_span(struct stored_write *w)
{
    struct model_span *s = m.span_count == 0 ? NULL : &m.spans[pick(m.span_count)];
    if (s == NULL || m.traces[s->trace].gone)
        return false;
    struct text project = m.projects[m.traces[s->trace].project];
    int64_t end = s->start + (1 + pick(2000)) * MS;
    *w = suite_complete_span(project, s->id, end);
    if (s->end == 0)
        s->end = end;
    if (pick(2) == 0)
        w->span.tokens_input = s->in = pick(100);
    if (pick(2) == 0)
        w->span.tokens_output = s->out = pick(100);
    if (pick(3) == 0)
        w->span.tokens_cache_read = s->cache = pick(10);
    if (pick(2) == 0)
        w->span.cost_usd = s->cost = pick(64) / 64.0;
    if (pick(3) == 0)
        w->span.ttft_ms = s->ttft = 1 + pick(500);
    if (pick(6) == 0) {
        w->span.error = text_of("failed");
        s->failed = true;
    }
    if (pick(4) == 0)
        w->span.model = text_of(model_names[s->model = pick(MODELS)]);
    if (pick(2) == 0)
        w->span.output_data = said(s->output_words = some_words());
    return true;
}

static bool finish_trace(struct stored_write *w)
{
    struct model_trace *t = m.trace_count == 0 ? NULL : &m.traces[pick(m.trace_count)];
    if (t == NULL || t->gone)
        return false;
    int64_t end = t->start + (1 + pick(100000)) * MS;
    *w = suite_complete_trace(m.projects[t->project], t->id, end);
    if (t->end == 0)
        t->end = end;
    if (pick(2) == 0)
        w->trace.output = said(t->output_words = some_words());
    return true;
}

static void write_round(void)
{
    struct stored_write w[OPS_A_ROUND];
    size_t count = 0;
    size_t most = (size_t)(1 + pick(OPS_A_ROUND));
    while (count < most) {
        int what = pick(10);
        bool made = what < 2   ? make_trace(&w[count])
                    : what < 6 ? make_span(&w[count])
                    : what < 9 ? finish_span(&w[count])
                               : finish_trace(&w[count]);
        if (made)
            count++;
        if (m.trace_count == MAX_TRACES && m.span_count == MAX_SPANS)
            break;
    }
    suite_write(w, count);
    if (pick(3) == 0) /* an answer was lost: all of it comes again */
        for (size_t i = 0; i < count; i++)
            if (w[i].op == STORED_CREATE_TRACE || w[i].op == STORED_CREATE_SPAN)
                suite_write(&w[i], 1);
}

/* ---- What the model says of a trace */

struct sums {
    int64_t spans, calls, errors, running, in, out, cache;
    double cost, ttft;
    int64_t ttft_start;
    unsigned models;
};

static void add(int64_t *total, int64_t value)
{
    if (value >= 0)
        *total = (*total < 0 ? 0 : *total) + value;
}

static struct sums sums_of(int trace)
{
    struct sums sums = {.in = -1, .out = -1, .cache = -1, .ttft = -1};
    for (int i = 0; i < m.span_count; i++) {
        const struct model_span *s = &m.spans[i];
        if (s->trace != trace)
            continue;
        sums.spans++;
        sums.calls += s->call;
        sums.errors += s->failed;
        sums.running += s->end == 0;
        add(&sums.in, s->in);
        add(&sums.out, s->out);
        add(&sums.cache, s->cache);
        sums.cost += s->cost < 0 ? 0 : s->cost;
        if (s->call && s->ttft >= 0 && (sums.ttft < 0 || s->start < sums.ttft_start)) {
            sums.ttft = s->ttft;
            sums.ttft_start = s->start;
        }
        if (s->model >= 0)
            sums.models |= 1U << s->model;
    }
    return sums;
}

static void check_traces(void)
{
    for (int i = 0; i < m.trace_count; i++) {
        const struct model_trace *t = &m.traces[i];
        struct stored_trace got;
        if (suite.options.scale == 1 && i % 7 != 0)
            continue;
        int err = suite_get_trace(m.projects[t->project], t->id, &got);
        assert_int_equal(err, t->gone ? ERR_NOENT : ERR_OK);
        if (t->gone)
            continue;
        struct sums sums = sums_of(i);
        assert_int_equal(got.end_time, t->end);
        assert_int_equal(got.span_count, sums.spans);
        assert_int_equal(got.calls, sums.calls);
        assert_int_equal(got.errors, sums.errors);
        assert_int_equal(got.running, sums.running);
        assert_int_equal(got.tokens_input, sums.in);
        assert_int_equal(got.tokens_output, sums.out);
        assert_int_equal(got.tokens_cache_read, sums.cache);
        assert_int_equal((int64_t)(got.total_cost * 64 + 0.5), (int64_t)(sums.cost * 64 + 0.5));
        assert_true(got.ttft_ms == sums.ttft);
        assert_int_equal(got.models, __builtin_popcount(sums.models));
        assert_int_equal(got.error.at != NULL, sums.errors > 0);
    }
}

/* ---- Queries */

struct query {
    int project, user, session, tag, model;
    enum stored_status status;
    int64_t from, min_duration;
    unsigned words;
    enum stored_sort sort;
    bool ascending;
};

static struct query random_query(void)
{
    struct query q = {.project = pick(PROJECTS), .user = -1, .session = -1, .tag = -1, .model = -1};
    if (pick(4) == 0)
        q.user = pick(USERS);
    if (pick(4) == 0)
        q.session = pick(SESSIONS);
    if (pick(4) == 0)
        q.tag = pick(3);
    if (pick(4) == 0)
        q.model = pick(MODELS);
    if (pick(4) == 0)
        q.status = (enum stored_status)(1 + pick(3));
    if (pick(4) == 0)
        q.from = T0 + pick(20000) * S;
    if (pick(5) == 0)
        q.min_duration = pick(60000);
    if (pick(3) == 0)
        q.words = 1U << pick(WORDS) | (pick(2) == 0 ? 1U << pick(4) : 0);
    q.sort = pick(2) == 0 ? SORT_START : (enum stored_sort)pick(5);
    q.ascending = pick(3) == 0;
    return q;
}

static bool words_match(int trace, unsigned words)
{
    if ((m.traces[trace].output_words & words) == words)
        return true;
    for (int i = 0; i < m.span_count; i++)
        if (m.spans[i].trace == trace &&
            ((m.spans[i].input_words | m.spans[i].output_words) & words) == words)
            return true;
    return false;
}

static bool wanted(int trace, const struct query *q, const struct sums *sums)
{
    const struct model_trace *t = &m.traces[trace];
    enum stored_status status = t->end == 0        ? STORED_RUNNING
                                : sums->errors > 0 ? STORED_ERROR
                                                   : STORED_OK;
    return !t->gone && t->project == q->project && (q->user < 0 || t->user == q->user) &&
           (q->session < 0 || t->session == q->session) &&
           (q->tag < 0 || (t->tags >> q->tag & 1) != 0) &&
           (q->model < 0 || (sums->models >> q->model & 1) != 0) &&
           (q->status == STORED_ANY || q->status == status) && t->start >= q->from &&
           (q->min_duration == 0 || (t->end != 0 && t->end - t->start >= q->min_duration * MS)) &&
           (q->words == 0 || words_match(trace, q->words));
}

struct ranked {
    int trace;
    double value, start;
};
static bool ranked_ascending;

static int by_rank(const void *va, const void *vb)
{
    const struct ranked *a = va;
    const struct ranked *b = vb;
    if (a->value != b->value) {
        if (a->value < 0 || b->value < 0)
            return a->value < 0 ? 1 : -1;
        return (a->value < b->value) == ranked_ascending ? -1 : 1;
    }
    return a->start > b->start ? -1 : a->start < b->start;
}

static double rank_value(int trace, enum stored_sort sort, const struct sums *sums)
{
    const struct model_trace *t = &m.traces[trace];
    switch (sort) {
    case SORT_DURATION:
        return t->end == 0 ? -1 : (double)(t->end - t->start);
    case SORT_COST:
        return sums->cost;
    case SORT_TOKENS:
        return sums->in < 0 && sums->out < 0
                   ? -1
                   : (double)((sums->in < 0 ? 0 : sums->in) + (sums->out < 0 ? 0 : sums->out));
    case SORT_TTFT:
        return sums->ttft;
    default:
        return (double)(t->start - T0);
    }
}

static struct stored_filter filter_of(const struct query *q)
{
    struct stored_filter f = {.project_id = m.projects[q->project],
                              .limit = (size_t)(1 + pick(60)),
                              .status = q->status,
                              .from = q->from,
                              .min_duration_ms = q->min_duration,
                              .sort = q->sort,
                              .ascending = q->ascending};
    if (q->user >= 0)
        f.user_id = suite_printf("user %d", q->user);
    if (q->session >= 0)
        f.session_id = suite_printf("session %d", q->session);
    if (q->tag >= 0) {
        f.tags[0] = suite_printf("t%d", q->tag);
        f.tags[1] = text_of("unused");
        f.tag_count = 2;
    }
    if (q->model >= 0)
        f.model = text_of(model_names[q->model]);
    for (int i = 0; i < WORDS; i++)
        if ((q->words >> i & 1) != 0)
            f.q = suite_printf("%s %s", f.q.at == NULL ? "" : f.q.at, vocabulary[i]);
    return f;
}

static void check_query(void)
{
    struct ranked ranked[MAX_TRACES];
    struct text expected[MAX_TRACES];
    struct query q = random_query();
    size_t count = 0;
    for (int i = 0; i < m.trace_count; i++) {
        struct sums sums = sums_of(i);
        if (wanted(i, &q, &sums))
            ranked[count++] =
                (struct ranked){i, rank_value(i, q.sort, &sums), (double)(m.traces[i].start - T0)};
    }
    ranked_ascending = q.ascending;
    qsort(ranked, count, sizeof(*ranked), by_rank);
    for (size_t i = 0; i < count; i++)
        expected[i] = m.traces[ranked[i].trace].id;
    suite_expect(filter_of(&q), expected, count);
}

/* ---- Totals */

struct tally {
    unsigned by;
    size_t groups;
    int64_t traces, spans, calls, errors, in;
    double cost;
};

static int add_group(void *user, const struct stored_group *g)
{
    struct tally *t = user;
    t->groups++;
    if (g->traces > 0)
        t->traces += g->traces;
    t->spans += g->spans;
    t->calls += g->calls;
    t->errors += g->errors;
    if (g->tokens_input > 0)
        t->in += g->tokens_input;
    t->cost += g->cost;
    return 0;
}

/* Every grouping adds up to the same, and has as many groups as there are different ones. */
static void check_stats(int project)
{
    static const unsigned by[] = {
        0, GROUP_MODEL, GROUP_HOUR, GROUP_DAY, GROUP_USER, GROUP_SESSION, GROUP_HOUR | GROUP_MODEL};
    struct tally expected = {0};
    unsigned users = 0;
    unsigned sessions = 0;
    unsigned models = 0;
    for (int i = 0; i < m.trace_count; i++) {
        struct sums sums = sums_of(i);
        if (m.traces[i].gone || m.traces[i].project != project)
            continue;
        expected.traces++;
        expected.spans += sums.spans;
        expected.calls += sums.calls;
        expected.errors += sums.errors;
        expected.in += sums.in < 0 ? 0 : sums.in;
        expected.cost += sums.cost;
        users |= 1U << (m.traces[i].user + 1);
        sessions |= 1U << (m.traces[i].session + 1);
    }
    for (int i = 0; i < m.span_count; i++)
        if (!m.traces[m.spans[i].trace].gone && m.traces[m.spans[i].trace].project == project)
            models |= 1U << (m.spans[i].model + 1);
    for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
        struct tally got = {.by = by[i]};
        struct stored_stats q = {
            .project_id = m.projects[project], .group_by = by[i], .limit = 10000};
        assert_int_equal(suite.ops->stats(suite.reader, &q, add_group, &got), ERR_OK);
        if ((by[i] & GROUP_MODEL) == 0)
            assert_int_equal(got.traces, expected.traces);
        assert_int_equal(got.spans, expected.spans);
        assert_int_equal(got.calls, expected.calls);
        assert_int_equal(got.errors, expected.errors);
        assert_int_equal(got.in, expected.in);
        assert_int_equal((int64_t)(got.cost * 64 + 0.5), (int64_t)(expected.cost * 64 + 0.5));
        if (by[i] == GROUP_USER)
            assert_int_equal(got.groups, __builtin_popcount(users));
        if (by[i] == GROUP_SESSION)
            assert_int_equal(got.groups, __builtin_popcount(sessions));
        if (by[i] == GROUP_MODEL)
            assert_int_equal(got.groups, __builtin_popcount(models));
    }
}

static void purge_some(void)
{
    int64_t older = T0 + pick(4000) * S;
    int done = 1;
    for (int steps = 0; done > 0; steps++) {
        done = suite.ops->purge(suite.writer, older);
        assert_true(done >= 0 && steps < 10000);
    }
    for (int i = 0; i < m.trace_count; i++)
        m.traces[i].gone = m.traces[i].gone || m.traces[i].start < older;
}

static void test_random(void **state)
{
    (void)state;
    unsigned rounds = 4 * suite.options.scale;
    memset(&m, 0, sizeof(m));
    m.random = 20260102;
    for (int i = 0; i < PROJECTS; i++)
        m.projects[i] = suite_name("random");
    for (unsigned round = 0; round < rounds; round++) {
        write_round();
        if (suite.options.purges && pick(8) == 0)
            purge_some();
        for (int i = 0; i < 6; i++)
            check_query();
        if (round % 4 == 3) {
            check_traces();
            check_stats(0);
            check_stats(1);
        }
    }
}

const struct CMUnitTest suite_random_tests[] = {cmocka_unit_test(test_random)};
const size_t suite_random_test_count = sizeof(suite_random_tests) / sizeof(suite_random_tests[0]);
