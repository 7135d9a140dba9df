/* Traces that a transaction changes: read once, changed in memory, written once at commit. */
#include <stdlib.h>
#include <string.h>

#include "store/backend.h"
#include "store/db.h"

#define MODELS_MAX 64
#define ERROR_MAX  1000

static void free_touched(struct db_touched *t)
{
    free(t->model);
    free(t->models);
    free(t->error);
    free(t);
}

static int remember(struct store *s, struct db_touched *t, struct db_touched **out)
{
    int err = map_set(&s->touched, t->id, TRACE_ID_LEN, t);
    if (err != ERR_OK) {
        free_touched(t);
        return err;
    }
    *out = s->last_touched = t;
    return ERR_OK;
}

int db_touch_new(struct store *s, const uint8_t *trace_id, int64_t row, struct db_touched **out)
{
    struct db_touched *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return ERR_NOMEM;
    memcpy(t->id, trace_id, TRACE_ID_LEN);
    t->row = row;
    t->tokens_input = t->tokens_output = SPAN_UNKNOWN;
    t->cost = SPAN_UNKNOWN;
    return remember(s, t, out);
}

static struct db_touched *read_totals(sqlite3_stmt *st, int64_t row)
{
    const void *id = sqlite3_column_blob(st, 0);
    struct db_touched *t = calloc(1, sizeof(*t));
    if (t == NULL || id == NULL || sqlite3_column_bytes(st, 0) != TRACE_ID_LEN) {
        free(t);
        return NULL;
    }
    memcpy(t->id, id, TRACE_ID_LEN);
    t->row = row;
    t->last_time = sqlite3_column_int64(st, 1);
    t->span_count = sqlite3_column_int64(st, 2);
    t->tokens_input = statement_figure(st, 3);
    t->tokens_output = statement_figure(st, 4);
    t->cost =
        sqlite3_column_type(st, 5) == SQLITE_NULL ? SPAN_UNKNOWN : sqlite3_column_double(st, 5);
    t->errors = sqlite3_column_int64(st, 6);
    t->running = sqlite3_column_int64(st, 7);
    t->waiting = sqlite3_column_int64(st, 8);
    t->first_seq = sqlite3_column_int64(st, 9);
    t->last_seq = sqlite3_column_int64(st, 10);
    t->model = db_column_text(st, 11);
    t->models = db_column_text(st, 12);
    t->error = db_column_text(st, 13);
    return t;
}

int db_touch_row(struct store *s, int64_t row, struct db_touched **out)
{
    if (s->last_touched != NULL && s->last_touched->row == row) {
        *out = s->last_touched;
        return ERR_OK;
    }
    int err;
    sqlite3_stmt *st = db_use(s, TRACE_TOTALS, &err);
    if (st == NULL)
        return err;
    db_bind(st, "i", row);
    err = db_step(s, st);
    if (err != 1)
        return err < 0 ? err : ERR_NOENT;
    struct db_touched *t = read_totals(st, row);
    sqlite3_reset(st);
    if (t == NULL)
        return ERR_NOMEM;
    struct db_touched *held = map_get(&s->touched, t->id, TRACE_ID_LEN);
    if (held != NULL) {
        free_touched(t);
        *out = s->last_touched = held;
        return ERR_OK;
    }
    return remember(s, t, out);
}

int db_touch(struct store *s, const uint8_t *trace_id, struct db_touched **out)
{
    if (s->last_touched != NULL && memcmp(s->last_touched->id, trace_id, TRACE_ID_LEN) == 0) {
        *out = s->last_touched;
        return ERR_OK;
    }
    *out = map_get(&s->touched, trace_id, TRACE_ID_LEN);
    if (*out != NULL) {
        s->last_touched = *out;
        return ERR_OK;
    }
    int64_t row;
    int err = db_trace_row(s, trace_id, &row);
    return err == ERR_OK ? db_touch_row(s, row, out) : err;
}

int db_flush_touched(struct store *s)
{
    size_t at = 0;
    int err = ERR_OK;
    for (struct db_touched *t; err == ERR_OK && (t = map_next(&s->touched, &at, NULL, NULL));) {
        if (!t->dirty)
            continue;
        err = db_run(s, TRACE_UPDATE, "iiiffdiiiiittt", t->row, t->last_time, t->span_count,
                     t->tokens_input, t->tokens_output, t->cost, t->errors, t->running, t->waiting,
                     t->first_seq, t->last_seq, t->model, t->models, t->error);
        if (err != ERR_OK) /* the rollback has freed them all */
            return err;
        t->dirty = false;
    }
    return err;
}

void db_drop_touched(struct store *s)
{
    size_t at = 0;
    for (struct db_touched *t; (t = map_next(&s->touched, &at, NULL, NULL)) != NULL;)
        free_touched(t);
    map_release(&s->touched);
    map_init(&s->touched);
    s->last_touched = NULL;
}

static void add_figure(int64_t *total, int64_t before, int64_t now)
{
    if (now < 0 && before < 0)
        return;
    const int64_t sum = figure_add(figure_add(*total, 0), now);
    const int64_t less = figure_add(before, 0);
    *total = sum > less ? sum - less : 0;
}

static void add_cost(double *total, double before, double now)
{
    if (!(now >= 0) && !(before >= 0))
        return;
    *total = (*total < 0 ? 0 : *total) + (now >= 0 ? now : 0) - (before >= 0 ? before : 0);
    if (*total < 0) /* a rounding error below nothing */
        *total = 0;
}

void db_touch_figures(struct db_touched *t, struct span_figures before, struct span_figures now)
{
    add_figure(&t->tokens_input, before.tokens_input, now.tokens_input);
    add_figure(&t->tokens_output, before.tokens_output, now.tokens_output);
    add_cost(&t->cost, before.cost_usd, now.cost_usd);
}

static bool has_line(const char *lines, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = lines; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, "\n");
        if (n == len && memcmp(at, line, len) == 0)
            return true;
        at += n + (at[n] == '\n');
    }
    return false;
}

static size_t count_lines(const char *lines)
{
    size_t n = lines != NULL && *lines != '\0';
    for (; lines != NULL && *lines != '\0'; lines++)
        n += *lines == '\n';
    return n;
}

/* The model of a running call is what was asked for; the list holds what answered. */
void db_touch_model(struct db_touched *t, const struct span *span, bool ended)
{
    if (span->model == NULL || span->model[0] == '\0' || strchr(span->model, '\n') != NULL ||
        (span->type != SPAN_LLM && span->type != SPAN_EMBEDDING))
        return;
    if (t->models == NULL && (t->model == NULL || (ended && strcmp(t->model, span->model) != 0))) {
        free(t->model);
        t->model = strdup(span->model);
    }
    if (!ended || has_line(t->models, span->model) || count_lines(t->models) >= MODELS_MAX)
        return;
    size_t before = t->models == NULL ? 0 : strlen(t->models);
    size_t len = strlen(span->model);
    char *models = realloc(t->models, before + len + 2);
    if (models == NULL)
        return;
    if (before > 0)
        models[before++] = '\n';
    memcpy(models + before, span->model, len + 1);
    t->models = models;
}

void db_touch_error(struct db_touched *t, const char *error)
{
    if (t->error != NULL || error == NULL)
        return;
    size_t len = strnlen(error, ERROR_MAX);
    while (error[len] != '\0' && len > 0 && ((unsigned char)error[len] & 0xc0) == 0x80)
        len--; /* not in the middle of a character */
    t->error = strndup(error, len);
    t->dirty = true;
}

int db_queue(struct store *s, struct db_touched *t, enum outbox_op op, int64_t span_row,
             const int64_t *destinations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (destinations[i] <= 0)
            continue;
        int64_t seq = s->meta.next_seq;
        int64_t row = t->row;
        int err =
            db_run(s, OUTBOX_INSERT, "iiiii", seq, destinations[i], (int64_t)op, row, span_row);
        if (err != ERR_OK)
            return err;
        s->meta.next_seq++;
        if (t->first_seq == 0)
            t->first_seq = seq;
        t->last_seq = seq;
        t->waiting++;
        t->dirty = true;
    }
    return ERR_OK;
}
