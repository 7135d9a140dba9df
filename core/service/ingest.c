/* POST /api/ingest: the four writes, one a line. A line that is wrong rejects only itself; all the
 * others go to the store as one batch, in their order. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "service/api.h"
#include "service/print.h"

#define LINES_MAX    50000 /* not blank; bounds the memory that tiny lines take */
#define SENTENCE_MAX 200

struct ingest_rejected {
    uint32_t line;
    struct text detail;
};

/* A batch on its way into the request. */
struct batch {
    struct request *r;
    struct api_state *state;
    uint32_t *lines; /* of the writes; has room for all of them, as r->writes */
    size_t rejected_room;
    uint32_t line;
    int64_t now;
    struct stored_write *spare; /* of a line that was rejected */
};

static int reject(struct batch *b, const char *detail, size_t len)
{
    struct api_state *state = b->state;
    if (state->rejected_count == b->rejected_room) {
        const size_t more = b->rejected_room == 0 ? 64 : b->rejected_room * 2;
        struct ingest_rejected *list = arena_get(&state->arena, more * sizeof(*list));
        if (list == NULL)
            return ERR_NOMEM;
        if (state->rejected_count > 0)
            memcpy(list, state->rejected, state->rejected_count * sizeof(*list));
        state->rejected = list;
        b->rejected_room = more;
    }
    char *copy = arena_get(&state->arena, len);
    if (copy == NULL)
        return ERR_NOMEM;
    memcpy(copy, detail, len);
    state->rejected[state->rejected_count++] =
        (struct ingest_rejected){.line = b->line, .detail = {.at = copy, .len = len}};
    return ERR_OK;
}

static int reject_problems(struct batch *b)
{
    struct buf sentence;
    buf_init(&sentence, SENTENCE_MAX);
    int err = problems_sentence(&b->state->problems, &sentence);
    if (err == ERR_OK || err == ERR_FULL)
        err = reject(b, buf_str(&sentence), sentence.len);
    buf_release(&sentence);
    b->state->problems.count = 0;
    return err;
}

static bool of_project(const struct stored_write *write, struct text project)
{
    return write->op != STORED_CREATE_TRACE ||
           (write->trace.project_id.len == project.len &&
            memcmp(write->trace.project_id.at, project.at, project.len) == 0);
}

static int read_line(struct batch *b, struct text line)
{
    static const char wrong_project[] = "project_id is not the project of the API key";
    struct arena *arena = &b->state->arena;
    if (b->spare == NULL)
        b->spare = arena_get(arena, sizeof(*b->spare));
    if (b->spare == NULL)
        return ERR_NOMEM;
    struct stored_write *write = b->spare;
    int err = body_read_line(line, arena, write, &b->state->problems);
    if (err == ERR_BAD)
        return reject_problems(b);
    if (err == ERR_OK && !of_project(write, b->r->project_id))
        return reject(b, wrong_project, sizeof(wrong_project) - 1);
    if (err == ERR_OK)
        err = write_finish(write, arena, b->now);
    if (err != ERR_OK)
        return err;
    write->project_id = b->r->project_id;
    b->lines[b->r->write_count] = b->line;
    b->r->writes[b->r->write_count++] = write;
    b->spare = NULL;
    return ERR_OK;
}

static int read_lines(struct batch *b, struct text body)
{
    size_t seen = 0;
    while (body.len > 0) {
        const char *end = memchr(body.at, '\n', body.len);
        const size_t len = end == NULL ? body.len : (size_t)(end - body.at);
        const struct text line = {.at = body.at, .len = len};
        b->line++;
        if (!text_is_blank(line)) {
            if (++seen > LINES_MAX)
                return ERR_FULL;
            const int err = read_line(b, line);
            if (err != ERR_OK)
                return err;
        }
        if (end == NULL)
            break;
        body.at += len + 1;
        body.len -= len + 1;
    }
    return ERR_OK;
}

/* Room for as many writes as there can be. */
static int make_room(struct batch *b, struct text body)
{
    size_t room = 1;
    const char *at = body.at, *end = body.at + body.len;
    while (room < LINES_MAX && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        room++;
        at++;
    }
    b->r->writes = malloc(room * sizeof(struct stored_write *));
    b->lines = arena_get(&b->state->arena, room * sizeof(uint32_t));
    b->state->lines = b->lines;
    return b->r->writes == NULL || b->lines == NULL ? ERR_NOMEM : ERR_OK;
}

static const char *refusal(const struct stored_write *write)
{
    if (write->result == ERR_DENIED)
        return "the span belongs to a trace of another project";
    if (write->result == ERR_NOENT)
        return write->op == STORED_COMPLETE_SPAN ? "Span not found" : "Trace not found";
    return write->result == ERR_BAD ? REFUSED_INVALID : err_str(write->result);
}

static int print_rejected(struct buf *out, bool *first, uint32_t line, struct text detail)
{
    int err = buf_printf(out, "%s{\"line\":%u,\"detail\":", *first ? "" : ",", line);
    *first = false;
    if (err == ERR_OK)
        err = print_text(out, detail);
    return err != ERR_OK ? err : buf_append_char(out, '}');
}

/* Those that were rejected here and those that the store refused, in the order of their lines. */
static int print_answer(struct request *r, const struct api_state *state)
{
    struct buf *out = &r->answer;
    size_t accepted = 0, here = 0;
    bool first = true;
    for (size_t i = 0; i < r->write_count; i++)
        accepted += r->writes[i]->result == ERR_OK;
    int err = buf_printf(out, "{\"accepted\":%zu,\"rejected\":[", accepted);
    for (size_t i = 0; i <= r->write_count && err == ERR_OK; i++) {
        const uint32_t line = i < r->write_count ? state->lines[i] : UINT32_MAX;
        for (; here < state->rejected_count && state->rejected[here].line < line; here++)
            if (err == ERR_OK)
                err = print_rejected(out, &first, state->rejected[here].line,
                                     state->rejected[here].detail);
        if (i < r->write_count && r->writes[i]->result != ERR_OK && err == ERR_OK)
            err = print_rejected(out, &first, line, text_of(refusal(r->writes[i])));
    }
    return err != ERR_OK ? err : buf_append_str(out, "]}");
}

void ingest_prepare(struct request *r)
{
    if (!api_may_write(r))
        return;
    struct batch b = {.r = r, .state = api_state(r), .now = clock_wall_ns()};
    if (b.state == NULL)
        return;
    int err = make_room(&b, api_body(r));
    if (err == ERR_OK)
        err = read_lines(&b, api_body(r));
    if (err == ERR_FULL)
        request_fail(r, 413, "a batch holds at most %d lines", LINES_MAX);
    else if (err != ERR_OK)
        request_fail(r, 503, "out of memory");
    else if (r->write_count == 0) /* nothing for the store to do */
        api_finish(r, print_answer(r, b.state));
}

void ingest_answer(struct request *r, struct backend_session *session)
{
    if (r->write_result != ERR_OK) {
        request_fail_store(r, r->write_result, session);
        return;
    }
    for (size_t i = 0; i < r->write_count; i++)
        if (r->writes[i]->result == ERR_OK)
            api_tell(r, r->writes[i]);
    api_finish(r, print_answer(r, r->state));
}
