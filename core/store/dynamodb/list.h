/* Pages of traces, private to list*.c and stats.c. */
#ifndef TRACER_STORE_DYNAMODB_LIST_H
#define TRACER_STORE_DYNAMODB_LIST_H

#include "store/dynamodb/dynamodb.h"
#include "store/words.h"

/* A place in the index: behind it a page goes on. Owned; NULL: from the begin. */
struct place {
    char *start; /* start_time as it is in the item */
    char *trace_id;
};
void place_release(struct place *p);

/* What is asked for, ready to be compared. */
struct match {
    const struct stored_filter *filter;
    struct words_query words;
};
void match_init(struct match *m, const struct stored_filter *f);
/* list_match.c: whether the trace is asked for; spans are read where the trace does not tell. 1, 0,
 * or an error. */
int match_trace(struct backend_session *s, const struct match *m, const struct trace_record *r);

/* One request of a project's traces by start_time, with what the filter can leave to DynamoDB.
 * *more: where the next one goes on (owned by the caller), places at NULL at the end. */
int dynamo_traces_query(struct backend_session *s, const struct stored_filter *f, size_t limit,
                        const struct place *from, json **answer,
                        struct place *more) WARN_UNUSED_RESULT;

/* Makes figures that are missing or in doubt, and reads the trace again; bounded by `until` (boot
 * ns). */
int dynamo_record_refresh(struct backend_session *s, struct trace_record *r,
                          int64_t until) WARN_UNUSED_RESULT;

/* list_sort.c: pages by other than start_time. */
int dynamo_list_sorted(struct backend_session *s, const struct stored_filter *f,
                       stored_trace_fn *each, void *user, char **next_cursor) WARN_UNUSED_RESULT;

/* list_cursor.c: "sd" + values in hex. value: of the sort, NULL for start_time. ERR_BAD. */
struct cursor {
    struct place place;
    double value;
    bool unknown; /* behind all values that are known */
};
char *cursor_print(const struct stored_filter *f, const struct cursor *c);
int cursor_parse(const struct stored_filter *f, struct cursor *c) WARN_UNUSED_RESULT;

#endif
