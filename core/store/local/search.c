#include "store/local/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/local/document.h"
#include "store/words.h"

#define UNREAD_MAX 20000 /* spans that one search reads by itself */
#define FEW        500
#define SQL_MAX    65536

struct task {
    struct backend_session *s;
    struct search *found;
    struct words_query words;
    char match[WORDS_ASKED * (WORD_MAX + 4)];
};

static void add(struct search *f, int64_t trace)
{
    if (trace >= 0 && (size_t)trace / 8 < f->bytes)
        f->traces[trace / 8] |= (uint8_t)(1 << trace % 8);
}

static int get_int(struct backend_session *s, const char *sql, int64_t *out)
{
    int err;
    sqlite3_stmt *st = local_prepare(s, sql, &err);
    if (st == NULL)
        return err;
    err = local_step(s, st);
    if (err == 1)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return err < 0 ? err : ERR_OK;
}

/* Spans without words in the index: (trace, document). */
static int look_at(struct task *t, const char *sql, int64_t after)
{
    int err;
    struct stored_span span;
    sqlite3_stmt *st = local_prepare(t->s, sql, &err);
    if (st == NULL)
        return err;
    if (sqlite3_bind_parameter_count(st) > 0)
        sqlite3_bind_int64(st, 1, after);
    while ((err = local_step(t->s, st)) == 1) {
        err = document_span(local_column(st, 1), true, &span, &t->s->scratch);
        if (err == ERR_OK && words_in_span(&t->words, &span))
            add(t->found, sqlite3_column_int64(st, 0));
        if (err != ERR_OK && err != ERR_BAD)
            break;
    }
    sqlite3_finalize(st);
    return err;
}

/* What has been written since, and what runs. Before the index is asked: what it takes in meanwhile
 * is found there too. */
static int look_at_unread(struct task *t)
{
    int64_t read = 0;
    int64_t last = 0;
    int err = get_int(t->s, "SELECT text_head FROM ui.state", &read);
    if (err == ERR_OK)
        err = get_int(t->s, "SELECT next_span - 1 FROM main.meta", &last);
    if (err == ERR_OK && last - read > UNREAD_MAX)
        return local_error(t->s, ERR_BUSY, "the words of %" PRId64 " spans are still being read",
                           last - read);
    if (err == ERR_OK)
        err = look_at(t, "SELECT trace, document FROM main.span WHERE row > ?1", read);
    return err == ERR_OK ? look_at(t,
                                   "SELECT s.trace, s.document FROM ui.later l"
                                   " CROSS JOIN main.span s ON s.row = l.span",
                                   0)
                         : err;
}

static int add_rows(struct task *t, const char *sql)
{
    int err;
    sqlite3_stmt *st = local_prepare(t->s, sql, &err);
    if (st == NULL)
        return err;
    sqlite3_bind_text(st, 1, t->match, -1, SQLITE_STATIC);
    while ((err = local_step(t->s, st)) == 1)
        add(t->found, sqlite3_column_int64(st, 0));
    sqlite3_finalize(st);
    return err;
}

static int ask_segments(struct task *t)
{
    int err;
    char sql[256];
    sqlite3_stmt *st = local_prepare(t->s, "SELECT id FROM ui.segment ORDER BY id DESC", &err);
    if (st == NULL)
        return err;
    while ((err = local_step(t->s, st)) == 1) {
        int64_t id = sqlite3_column_int64(st, 0);
        snprintf(sql, sizeof(sql),
                 "SELECT f.trace FROM ui.text_%" PRId64 " x CROSS JOIN ui.fact f"
                 " ON f.span = x.rowid WHERE text_%" PRId64 " MATCH ?1",
                 id, id);
        err = add_rows(t, sql);
        if (err != ERR_OK)
            break;
    }
    sqlite3_finalize(st);
    return err;
}

/* Each word in quotes; a word has letters and digits only. */
static void print_match(struct task *t)
{
    size_t at = 0;
    for (size_t i = 0; i < t->words.count; i++)
        at += (size_t)snprintf(t->match + at, sizeof(t->match) - at, "\"%.*s\" ",
                               (int)t->words.lengths[i], t->words.words[i]);
}

static size_t count_bits(const struct search *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->bytes; i++)
        n += (size_t)__builtin_popcount(f->traces[i]);
    return n;
}

static int print_few(struct search *f)
{
    struct buf sql;
    buf_init(&sql, SQL_MAX);
    int err = buf_append_str(&sql, " AND d.trace IN (0");
    for (size_t i = 0; i < f->bytes * 8 && err == ERR_OK; i++)
        if ((f->traces[i / 8] >> i % 8 & 1) != 0)
            err = buf_printf(&sql, ",%zu", i);
    if (err == ERR_OK)
        err = buf_append_char(&sql, ')');
    f->sql = buf_take(&sql);
    f->few = true;
    return err;
}

/* SQL function local_found(row). */
static void is_found(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    const struct backend_session *s = sqlite3_user_data(context);
    int64_t row = argc == 1 ? sqlite3_value_int64(argv[0]) : -1;
    const struct search *f = s->search;
    bool found = f != NULL && row >= 0 && (size_t)row / 8 < f->bytes &&
                 (f->traces[row / 8] >> row % 8 & 1) != 0;
    sqlite3_result_int(context, found);
}

static int use(struct backend_session *s, struct search *f)
{
    size_t count = count_bits(f);
    f->nothing = count == 0;
    if (count <= FEW)
        return print_few(f);
    s->search = f;
    if (sqlite3_create_function(s->store->db, "local_found", 1, SQLITE_UTF8, s, is_found, NULL,
                                NULL) != SQLITE_OK)
        return ERR_NOMEM;
    f->sql = strdup(" AND local_found(d.trace)");
    return f->sql == NULL ? ERR_NOMEM : ERR_OK;
}

int search_traces(struct backend_session *s, struct text q, struct search *out)
{
    struct task t = {.s = s, .found = out};
    int64_t last = 0;
    words_query_init(&t.words, q);
    if (t.words.count == 0)
        return ERR_OK;
    print_match(&t);
    int err = get_int(s, "SELECT next_trace FROM main.meta", &last);
    if (err != ERR_OK)
        return err;
    out->bytes = (size_t)last / 8 + 1;
    out->traces = calloc(1, out->bytes);
    if (out->traces == NULL)
        return ERR_NOMEM;
    err = look_at_unread(&t);
    if (err == ERR_OK)
        err = add_rows(&t, "SELECT rowid FROM ui.trace_words WHERE trace_words MATCH ?1");
    if (err == ERR_OK)
        err = ask_segments(&t);
    return err == ERR_OK ? use(s, out) : err;
}

void search_release(struct backend_session *s, struct search *search)
{
    s->search = NULL;
    free(search->traces);
    free(search->sql);
    *search = (struct search){0};
}
