/* Pages of traces: chosen in memory, looked at in the file. A page begins after the place of the
 * last one's end in the order, so that traces which come in meanwhile move nothing. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite/sqlite.h"
#include "store/words.h"
#include "json/scan.h"

enum { PAGE_MAX = 1000, ROUND_MAX = 8192 };

static const char sort_letters[] = "sdckt"; /* by enum stored_sort */

static char *print_cursor(const struct shelf_query *q, const struct shelf_place *p)
{
    char *text = NULL;
    return asprintf(&text, "%c%c%" PRId64 ".%" PRId64 ".%" PRId64, sort_letters[q->sort],
                    q->ascending ? 'a' : 'd', p->value, p->start, p->row) < 0
               ? NULL
               : text;
}

/* A number up to that character. */
static bool take_number(const char **at, char end, int64_t *out)
{
    char *after;
    if (isspace((unsigned char)**at))
        return false;
    errno = 0;
    long long number = strtoll(*at, &after, 10);
    if (errno != 0 || after == *at || *after != end)
        return false;
    *out = number;
    *at = end == '\0' ? after : after + 1;
    return true;
}

static int parse_cursor(struct text cursor, struct shelf_query *q)
{
    char text[80];
    if (cursor.at == NULL)
        return ERR_OK;
    if (cursor.len < 2 || cursor.len >= sizeof(text))
        return ERR_BAD;
    memcpy(text, cursor.at, cursor.len);
    text[cursor.len] = '\0';
    const char *at = text + 2;
    if (text[0] != sort_letters[q->sort] || text[1] != (q->ascending ? 'a' : 'd') ||
        !take_number(&at, '.', &q->after.value) || !take_number(&at, '.', &q->after.start) ||
        !take_number(&at, '\0', &q->after.row) || at != text + cursor.len)
        return ERR_BAD;
    q->has_after = true;
    return ERR_OK;
}

static int make_query(const struct stored_filter *f, struct shelf_query *q)
{
    *q = (struct shelf_query){
        .project = shelf_hash(f->project_id),
        .user = shelf_hash(f->user_id),
        .session = shelf_hash(f->session_id),
        .tag_count = f->tag_count < STORED_TAGS_MAX ? f->tag_count : STORED_TAGS_MAX,
        .status = f->status,
        .from = f->from,
        .to = f->to,
        .sort = f->sort,
        .ascending = f->ascending,
    };
    if (f->min_duration_ms > 0)
        q->min_duration =
            f->min_duration_ms > INT64_MAX / 1000000 ? INT64_MAX : f->min_duration_ms * 1000000;
    for (size_t i = 0; i < q->tag_count; i++)
        q->tags[i] = shelf_tag_bits(f->tags[i]);
    shelf_hint_add(&q->name, f->name);
    shelf_hint_add(&q->model, f->model);
    return parse_cursor(f->cursor, q);
}

/* ---- What memory only hinted at */

static bool tag_is_asked(const struct stored_filter *f, const struct scan_value *tag)
{
    for (size_t i = 0; i < f->tag_count; i++)
        if (scan_is(tag, f->tags[i].at, f->tags[i].len))
            return true;
    return false;
}

static bool has_any_tag(const struct stored_filter *f, struct text tags)
{
    struct scan scan;
    struct scan_value tag;
    if (f->tag_count == 0)
        return true;
    if (tags.at == NULL || scan_open(&scan, tags.at, tags.len) != ERR_OK)
        return false;
    while (scan_element(&scan, &tag) == 1)
        if (tag.kind == SCAN_STRING && tag_is_asked(f, &tag))
            return true;
    return false;
}

static bool model_has_part(void *user, struct text model)
{
    const struct stored_filter *f = user;
    return text_contains(model, f->model);
}

static bool is_or_any(struct text asked, struct text is)
{
    return asked.at == NULL || (is.at != NULL && text_same(asked, is));
}

static bool fits(const struct stored_filter *f, const struct stored_trace *t, struct text models)
{
    return project_sees(f->project_id, t->project_id) && is_or_any(f->user_id, t->user_id) &&
           is_or_any(f->session_id, t->session_id) && has_any_tag(f, t->tags) &&
           (f->name.at == NULL || text_contains(t->name, f->name)) &&
           (f->model.at == NULL || models_any(models, model_has_part, (void *)(uintptr_t)f));
}

struct page {
    struct backend_session *s;
    struct search *search; /* NULL: no words are asked for */
    const struct stored_filter *filter;
    stored_trace_fn *each;
    void *user;
    size_t limit, given;
    bool more;
    struct shelf_place last;
};

/* 1, 0, ERR_AGAIN, an error. */
static int has_words(struct page *p, int64_t row)
{
    int err = p->search == NULL ? 1 : search_has(p->search, row);
    return err == 1 && p->search != NULL ? search_confirm(p->search, row) : err;
}

/* 0, or what `each` or the store says; ERR_AGAIN: of the search. */
static int look_at(struct page *p, const struct shelf_place *place)
{
    int err;
    sqlite3_stmt *st = sql_use(p->s, SQL_TRACE_BY_ROW, &err);
    if (st == NULL)
        return err;
    sql_bind(st, "i", place->row);
    err = sql_step(p->s, st);
    if (err == 1) {
        struct stored_trace t;
        struct text models;
        err = 0;
        read_trace_row(st, &t, &models);
        if (fits(p->filter, &t, models) && (err = has_words(p, place->row)) == 1) {
            err = 0;
            p->more = p->given == p->limit;
            if (!p->more) {
                p->given++;
                p->last = *place;
                err = p->each(p->user, &t);
            }
        }
    }
    sqlite3_reset(st);
    return err;
}

/* When the search has found all there is, only that is looked at from here on. */
static void narrow(const struct page *p, struct shelf_query *q)
{
    if (p->search == NULL || !p->search->complete)
        return;
    q->among = p->search->bits;
    q->among_rows = p->search->rows;
}

static int look_at_all(struct page *p, struct shelf_query *q, const struct shelf_place *places,
                       size_t count)
{
    int err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK && !p->more; i++) {
        err = look_at(p, &places[i]);
        if (err != ERR_AGAIN) {
            q->has_after = true;
            q->after = places[i];
        }
    }
    return err;
}

static int read_page(struct page *p, struct shelf_query *q)
{
    struct backend *b = p->s->b;
    size_t round = p->limit + 1;
    bool left = true;
    int err = ERR_OK;
    struct shelf_place *places = malloc(ROUND_MAX * sizeof(*places));
    if (places == NULL)
        return ERR_NOMEM;
    while (err == ERR_OK && left && !p->more) {
        pthread_rwlock_rdlock(&b->memory_lock);
        size_t count = (size_t)shelf_choose(&b->shelf, q, places, round);
        pthread_rwlock_unlock(&b->memory_lock);
        left = count == round;
        err = look_at_all(p, q, places, count);
        if (err == ERR_AGAIN && p->search != NULL && !p->search->complete) {
            err = search_more(p->search);
            narrow(p, q);
            left = true;
        }
        if (round < ROUND_MAX && (round *= 4) > ROUND_MAX)
            round = ROUND_MAX;
    }
    free(places);
    return err;
}

int sqlite_list(struct backend_session *s, const struct stored_filter *f, stored_trace_fn *each,
                void *user, char **next_cursor)
{
    struct shelf_query q;
    *next_cursor = NULL;
    if (make_query(f, &q) != ERR_OK)
        return sql_error(s, ERR_BAD, "that is no cursor of such a page");
    struct page page = {.s = s,
                        .filter = f,
                        .each = each,
                        .user = user,
                        .limit = f->limit < 1          ? 1
                                 : f->limit > PAGE_MAX ? PAGE_MAX
                                                       : f->limit};
    struct search search = {.s = NULL};
    struct words_query words;
    int err = ERR_OK;
    words_query_init(&words, f->q);
    if (words.count > 0) {
        page.search = &search;
        err = search_begin(&search, s, &words);
        narrow(&page, &q);
    }
    if (err == ERR_OK)
        err = read_page(&page, &q);
    search_end(&search);
    if (err == ERR_OK && page.more && (*next_cursor = print_cursor(&q, &page.last)) == NULL)
        err = ERR_NOMEM;
    return err;
}
