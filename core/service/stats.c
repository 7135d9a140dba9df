/* GET /api/stats: totals of a project, as a whole and by group. */
#include <string.h>

#include "base/clock.h"
#include "service/api.h"
#include "service/print.h"

#define LIMIT_USUAL 1000
#define LIMIT_MAX   10000
#define NAME_CHARS  255
#define NS_A_HOUR   (3600 * NS_PER_SEC)

static const struct {
    const char *name;
    unsigned group_by;
} groupings[] = {
    {"model", GROUP_MODEL},
    {"day", GROUP_DAY},
    {"hour", GROUP_HOUR},
    {"user", GROUP_USER},
    {"session", GROUP_SESSION},
    {"day,model", GROUP_DAY | GROUP_MODEL},
    {"hour,model", GROUP_HOUR | GROUP_MODEL},
    {"model,day", GROUP_DAY | GROUP_MODEL},
    {"model,hour", GROUP_HOUR | GROUP_MODEL},
};
#define GROUPINGS (sizeof(groupings) / sizeof(groupings[0]))

static void read_group_by(const struct request *r, struct problems *p, struct stored_stats *q)
{
    const char *names[GROUPINGS + 1] = {NULL};
    size_t chosen = GROUPINGS;
    for (size_t i = 0; i < GROUPINGS; i++)
        names[i] = groupings[i].name;
    query_choice(r, p, "group_by", names,
                 "'model', 'day', 'hour', 'user', 'session', 'day,model', 'hour,model'", &chosen);
    if (chosen < GROUPINGS)
        q->group_by = groupings[chosen].group_by;
}

void stats_prepare(struct request *r)
{
    struct api_state *state = api_state(r);
    if (state == NULL)
        return;
    struct stored_stats *q = &state->stats;
    struct problems *p = &state->problems;
    int64_t limit = LIMIT_USUAL;
    q->project_id = r->project_id;
    read_group_by(r, p, q);
    query_time(r, p, "from", &q->from);
    query_time(r, p, "to", &q->to);
    query_int(r, p, "limit", 1, LIMIT_MAX, &limit);
    query_text(r, p, "user_id", NAME_CHARS, &q->user_id);
    q->limit = (size_t)limit;
    if ((q->group_by & (GROUP_MODEL | GROUP_DAY | GROUP_HOUR)) != 0) {
        q->from -= q->from % NS_A_HOUR;
        if (q->to % NS_A_HOUR != 0)
            q->to += NS_A_HOUR - q->to % NS_A_HOUR;
    }
    if (p->count > 0)
        problems_answer(p, r);
}

/* What a call of the backend prints into the answer. */
struct printing {
    struct buf *out;
    unsigned group_by;
    size_t count;
    int err; /* of printing, which is not the backend's */
};

static int64_t known(int64_t figure)
{
    return figure_add(figure, 0);
}

static int print_totals(struct buf *out, const struct stored_group *g)
{
    int err = buf_printf(out, "{\"total_traces\":%lld,\"total_spans\":%lld,\"total_tokens\":%lld",
                         (long long)known(g->traces), (long long)known(g->spans),
                         (long long)figure_add(known(g->tokens_input), g->tokens_output));
    if (err == ERR_OK)
        err = buf_append_str(out, ",\"total_cost\":");
    return err != ERR_OK ? err : print_figure(out, g->cost > 0 ? g->cost : 0);
}

/* What the group is of: only what was grouped by is told. */
static int print_keys(struct buf *out, const struct stored_group *g, unsigned group_by)
{
    const struct {
        unsigned group_by;
        const char *name;
        struct text text;
    } keys[] = {{GROUP_MODEL, "\"model\":", g->model},
                {GROUP_USER, "\"user_id\":", g->user_id},
                {GROUP_SESSION, "\"session_id\":", g->session_id}};
    int err = buf_append_char(out, '{');
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && err == ERR_OK; i++) {
        if ((group_by & keys[i].group_by) == 0)
            continue;
        err = buf_append_str(out, keys[i].name);
        if (err == ERR_OK)
            err = print_text(out, keys[i].text);
        if (err == ERR_OK)
            err = buf_append_char(out, ',');
    }
    if (err == ERR_OK && (group_by & (GROUP_DAY | GROUP_HOUR)) != 0) {
        err = buf_append_str(out, "\"time\":");
        if (err == ERR_OK)
            err = print_time(out, g->time);
        if (err == ERR_OK)
            err = buf_append_char(out, ',');
    }
    return err;
}

static int print_figures(struct buf *out, const struct stored_group *g)
{
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {{"\"traces\":", g->traces},
                  {",\"spans\":", g->spans},
                  {",\"calls\":", g->calls},
                  {",\"errors\":", g->errors},
                  {",\"tokens_input\":", g->tokens_input},
                  {",\"tokens_output\":", g->tokens_output},
                  {",\"tokens_cache_read\":", g->tokens_cache_read}};
    const struct {
        const char *name;
        double value;
    } figures[] = {{",\"cost\":", g->cost},
                   {",\"latency_p50_ms\":", g->latency_p50_ms},
                   {",\"latency_p95_ms\":", g->latency_p95_ms},
                   {",\"ttft_p50_ms\":", g->ttft_p50_ms},
                   {",\"ttft_p95_ms\":", g->ttft_p95_ms}};
    int err = ERR_OK;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]) && err == ERR_OK; i++) {
        err = buf_append_str(out, counts[i].name);
        if (err == ERR_OK)
            err = print_count(out, counts[i].value);
    }
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]) && err == ERR_OK; i++) {
        err = buf_append_str(out, figures[i].name);
        if (err == ERR_OK)
            err = print_figure(out, figures[i].value);
    }
    return err;
}

static int print_group(struct buf *out, const struct stored_group *g, unsigned group_by)
{
    int err = print_keys(out, g, group_by);
    if (err == ERR_OK)
        err = print_figures(out, g);
    if (err == ERR_OK)
        err = buf_append_str(out, ",\"first_time\":");
    if (err == ERR_OK)
        err = print_time(out, g->first_time);
    if (err == ERR_OK)
        err = buf_append_str(out, ",\"last_time\":");
    if (err == ERR_OK)
        err = print_time(out, g->last_time);
    return err != ERR_OK ? err : buf_append_char(out, '}');
}

/* Percentiles of the whole cannot be made of those of its groups, so they are told with them. */
static int print_whole(struct buf *out, const struct stored_group *g, bool grouped)
{
    int err = print_totals(out, g);
    if (err != ERR_OK || !grouped)
        return err;
    err = buf_append_str(out, ",\"whole\":{");
    if (err == ERR_OK)
        err = print_figures(out, g);
    return err != ERR_OK ? err : buf_append_char(out, '}');
}

static int each_total(void *user, const struct stored_group *group)
{
    struct printing *p = user;
    if (p->count++ == 0)
        p->err = print_whole(p->out, group, p->group_by != 0);
    return p->err;
}

static int each_group(void *user, const struct stored_group *group)
{
    struct printing *p = user;
    if (p->count++ > 0)
        p->err = buf_append_char(p->out, ',');
    if (p->err == ERR_OK)
        p->err = print_group(p->out, group, p->group_by);
    return p->err;
}

void stats_answer(struct request *r, struct backend_session *session)
{
    const struct api_state *state = r->state;
    const struct stored_group nothing = {
        .latency_p50_ms = -1, .latency_p95_ms = -1, .ttft_p50_ms = -1, .ttft_p95_ms = -1};
    struct stored_stats whole = state->stats;
    struct printing total = {.out = &r->answer, .group_by = state->stats.group_by};
    struct printing groups = {.out = &r->answer, .group_by = state->stats.group_by};
    whole.group_by = 0;
    whole.user_id = (struct text){0};
    int err = r->backend->stats(session, &whole, each_total, &total);
    if (err == ERR_OK && total.count == 0)
        total.err = print_whole(&r->answer, &nothing, total.group_by != 0);
    if (err == ERR_OK && total.err == ERR_OK && groups.group_by != 0) {
        total.err = buf_append_str(&r->answer, ",\"groups\":[");
        if (total.err == ERR_OK)
            err = r->backend->stats(session, &state->stats, each_group, &groups);
        if (err == ERR_OK && total.err == ERR_OK)
            total.err = buf_append_char(&r->answer, ']');
    }
    if (total.err != ERR_OK || groups.err != ERR_OK)
        api_finish(r, total.err != ERR_OK ? total.err : groups.err);
    else if (err != ERR_OK)
        request_fail_store(r, err, session);
    else
        api_finish(r, buf_append_char(&r->answer, '}'));
}
