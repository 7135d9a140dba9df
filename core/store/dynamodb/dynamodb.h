/* The store in DynamoDB, private to this folder: client.c (one signed request), credentials*.c,
 * value.c (attribute values), item.c and read_item.c (the records as items), tables.c, write*.c
 * (the four writes), totals.c (what a trace keeps of its spans), recount.c, list.c, spans.c,
 * stats.c. Any number of servers may share the tables; those of the contract's older servers
 * (layout: "DynamoDB layout" of the contract, version 1) may write there at the same time.
 *
 * A trace's totals and its spans are different items, so a server that dies between two requests
 * must not leave totals that tell of other spans than there are. Before a server writes spans of a
 * trace it puts a token into the trace's set `open`; the token leaves with the very update that
 * adds the totals, on the condition that it is still there. A token that is older than OPEN_LIVE_MS
 * tells that totals are in doubt: whoever reads or writes the trace next counts its spans again
 * (recount.c), on the condition that `rev`, which each of these updates raises, has not moved. A
 * server that meets a span again whose last token (`by`) is still open, as when a client repeats
 * what was not acknowledged, does not wait for that token's age: it counts too. A server that finds
 * its own token gone was taken for dead, and counts again in turn.
 *
 * Attributes of ours beside the contract's. Trace: open (SS), rev, counted (spans in the figures:
 * differs from span_count when an older server wrote some), calls, errors, running, tokens_input,
 * tokens_output, tokens_cache_read, ttft_ms, ttft_time, model, model_span, model_counts (M),
 * error, written (ms, the last write). Span: rev, by (the token of the last write), arrived (us),
 * input_bytes, tokens_cache_read, ttft_ms. Both: metadata_json (L: the names of metadata whose text
 * is JSON).
 *
 * What GetItem and BatchGetItem read is what was acknowledged; the two indexes (list, spans of a
 * trace, stats) follow within a moment. */
#ifndef TRACER_STORE_DYNAMODB_H
#define TRACER_STORE_DYNAMODB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/backend.h"
#include "json/json.h"

#define DYNAMO_TRACES_INDEX "project-time-index"
#define DYNAMO_SPANS_INDEX  "trace-index"
#define DYNAMO_ANSWER_MAX   ((size_t)24 * 1024 * 1024) /* 16 MB at most, and JSON's escapes */
#define DYNAMO_ERROR_MAX    2000  /* bytes of a span's error kept in its trace */
#define DYNAMO_MODELS_MAX   64    /* names of models counted in a trace */
#define OPEN_LIVE_MS        60000 /* a token's server is judged dead after that */
#define BLIND_LIVE_MS       5000  /* others keep off a trace with a blind batch that long */
#define TOKEN_BLIND         'x'   /* between a token's time in hex and its random part */
#define TOKEN_SAFE          's'
#define TOKENS              "xs"
#define TOKEN_MAX           48
#define OLDER_INPUT_BYTES   60000 /* input and metadata of a span that an older server made */
#define BLIND_SEND_MS       2000  /* and the batch sends nothing more after that */

/* ---- value.c: text that is being made, with the first failure kept. */
struct out {
    struct buf buf;
    int err;
};
void out_init(struct out *o);
void out_release(struct out *o);
void out_clear(struct out *o);
void out_text(struct out *o, const char *text);
void out_bytes(struct out *o, const char *at, size_t len);
void out_quote(struct out *o, struct text text);
void out_format(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A double as a DynamoDB number: at most 15 digits, within its range. */
void out_number(struct out *o, double value);
/* {"S":...}, {"N":...} */
void out_s(struct out *o, struct text text);
void out_n(struct out *o, int64_t value);
void out_n_double(struct out *o, double value);

/* Appends a JSON value as an attribute value. *size grows by what DynamoDB counts for it. False
 * when it cannot be held as it is (too deep, a nameless member, a number out of range). */
bool value_from_json(struct out *o, const json *value, size_t *size, int depth);
/* Appends an attribute value as JSON; what is malformed becomes null. */
void value_to_json(struct out *o, const json *value);
/* A document of ours: a map, or {"_json": text} of what a map cannot hold. */
void value_from_document(struct out *o, const json *document, size_t *size);
void value_to_document(struct out *o, const json *value);
/* Metadata: texts; what is none is JSON in a text, and its name goes to `names` (a list's
 * members). */
void value_from_metadata(struct out *o, const json *metadata, struct out *names, size_t *size);
void value_to_metadata(struct out *o, const json *map, const json *names);
/* Attributes of an item; false or NULL (and nothing changed) when absent or of another type. */
const char *item_text(const json *item, const char *name);
bool item_int(const json *item, const char *name, int64_t *out);
bool item_double(const json *item, const char *name, double *out);
const json *item_attribute(const json *item, const char *name, const char *type);

/* ---- credentials.c: as of AWS's default chain. Thread-safe. */
struct credentials {
    char key[256], secret[256];
    char token[8192]; /* "" when there is none */
    int64_t expires;  /* wall ns; 0: never */
};
struct credential_source;
int credentials_new(struct credential_source **out) WARN_UNUSED_RESULT;
void credentials_free(struct credential_source *c);
/* A copy of those in force, fetched again before they expire; fresh: those that were given were
 * refused. ERR_NOENT: there are none; ERR_IO: the endpoint did not give them; with a sentence. */
int credentials_get(struct credential_source *c, bool fresh, struct credentials *out, char *why,
                    size_t why_size) WARN_UNUSED_RESULT;
/* Fills *out; token may be NULL. ERR_NOENT: key or secret are missing; ERR_BAD: too long. */
int credentials_set(struct credentials *out, const char *key, const char *secret,
                    const char *token) WARN_UNUSED_RESULT;
/* credentials_file.c, credentials_http.c: one source each. ERR_NOENT: not configured. */
int credentials_from_file(struct credentials *out, char *why, size_t why_size) WARN_UNUSED_RESULT;
int credentials_from_container(struct credentials *out, char *why,
                               size_t why_size) WARN_UNUSED_RESULT;
int credentials_from_instance(struct credentials *out, char *why,
                              size_t why_size) WARN_UNUSED_RESULT;

/* ---- profile.c: AWS's shared files. Not for several threads with setenv. */
const char *profile_name(void); /* $AWS_PROFILE, else "default" */
/* $variable, else ~/.aws/file. ERR_NOENT: neither is known. */
int profile_path(char *out, size_t size, const char *variable, const char *file) WARN_UNUSED_RESULT;
/* Each name and value of a section. ERR_NOENT: no such file; ERR_IO: errno says why. */
typedef void profile_fn(void *user, const char *name, const char *value);
int profile_read(const char *path, const char *section, profile_fn *each,
                 void *user) WARN_UNUSED_RESULT;

/* ---- region.c */
#define REGION_MAX 65
/* set: what the settings say, which may be the default. */
void region_find(char region[REGION_MAX], const char *set);

/* ---- session.c and client.c */
#define RESUME_MAX 16 /* listings that ran out of time, to be gone on with */

struct backend {
    char *traces_table, *spans_table, *endpoint, *region;
    char sigv4[128];
    int64_t ttl_days;
    struct credential_source *credentials;
    pthread_mutex_t lock; /* over what follows */
    struct resume {
        uint64_t asked; /* hash of filter and cursor; 0: unused */
        char *at;       /* where to go on */
    } resume[RESUME_MAX];
    unsigned resume_next;
};

struct backend_session {
    struct backend *b;
    void *curl;
    struct buf answer;
    struct out body; /* of the request that is being made */
    char error[512];
    char curl_error[256];
    char error_type[64]; /* of the last answer that refused */
    char *trace_ids;     /* those told in the writes of the last call */
    uint64_t random;
};

/* Says why, for backend_error, and gives err. */
int session_fail(struct backend_session *s, int err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t session_random(struct backend_session *s);
void session_sleep_ms(int64_t ms);

/* Sends s->body and waits. *answer: a new value (may be NULL: not wanted). Tried again, with
 * backoff and jitter, when throttled, not answered or answered with 5xx; so what is sent must bear
 * being obeyed twice. ERR_EXIST  the condition of the write did not hold ERR_NOENT  no such table
 * or index ERR_BAD    refused as invalid (a ValidationException) ERR_UNSUPPORTED  an operation that
 * the server does not know ERR_DENIED not allowed ERR_BUSY, ERR_IO, ERR_FULL, ERR_NOMEM */
int dynamo_call(struct backend_session *s, const char *operation, json **answer) WARN_UNUSED_RESULT;
/* The same code as one of those that backend.h knows. */
int dynamo_error(int err);

/* ---- tables.c */
int dynamo_tables_check(struct backend_session *s, char **notice) WARN_UNUSED_RESULT;
int dynamo_tables_init(struct backend_session *s, char **notice) WARN_UNUSED_RESULT;

/* ---- read_item.c: an item as a record in memory of its own. */
struct trace_record {
    struct stored_trace trace;
    int64_t rev, counted;
    int64_t written;                        /* ms, by a server of ours; 0: not told */
    int64_t ttft_time;                      /* INT64_MAX: none */
    struct text model_span;                 /* whose model is the trace's */
    bool figures;                           /* ours have counted its spans */
    bool open_live, open_blind, open_stale; /* tokens in it that are not `own` */
    char *others;                           /* those that are live, a line each; NULL: none */
    bool own;                               /* the token asked for is in it */
    bool model_map;                         /* model_counts is there */
    bool expired;
    bool end_unreadable;    /* there is an end_time, which is none */
    struct text start_text; /* as it is in the item: part of the index's key */
    char *model_names;      /* of those that count, a line each; NULL: none */
    char *memory;
};
struct span_record {
    struct stored_span span;
    int64_t rev; /* 0: none */
    int64_t arrived, input_bytes;
    struct text by;
    bool expired;
    bool end_unreadable; /* as of a trace */
    bool partial;        /* without the content that was asked for */
    char *memory;
};
/* ERR_CORRUPT: no id; ERR_NOMEM. own: a token or NULL. */
int dynamo_trace_record_read(struct trace_record *r, const json *item,
                             const char *own) WARN_UNUSED_RESULT;
void dynamo_trace_record_release(struct trace_record *r);
int dynamo_span_record_read(struct span_record *r, const json *item,
                            bool content) WARN_UNUSED_RESULT;
void dynamo_span_record_release(struct span_record *r);
/* Takes tokens_cache_read and ttft_ms out of span->metadata where they are not known. */
void dynamo_span_read_metadata(struct stored_span *span);

/* ---- item.c: records as items, none of which may pass DynamoDB's 400 KB. What of them may be
 * large is made to fit by estimate (level 0); where DynamoDB still refuses, the next level leaves
 * it less room, down to 20 KB beside what is always small. */
#define CUT_LEVELS 5
/* metadata, input and output of one item, and its text (a trace's output, a span's error), NULL
 * where absent. */
struct documents {
    json *values[3];
    char *text;
    size_t sizes[3]; /* bytes, known after documents_fit */
};
void documents_init(struct documents *d, struct text metadata, struct text input,
                    struct text output);
/* Cuts them where they do not fit beside the `taken` bytes, documents with the contract's two
 * markers; text: at NULL, or what d->text is made of. */
void documents_fit(struct documents *d, struct text text, size_t taken, unsigned level);
void documents_release(struct documents *d);
/* `"name":value` behind what is there; what is NULL or absent is left out. */
void put_name(struct out *o, const char *name);
void put_text(struct out *o, const char *name, struct text text);
void put_int(struct out *o, const char *name, int64_t value);
void put_time(struct out *o, const char *name, int64_t wall_ns);
void put_ttl(struct out *o, const struct backend *b);
void put_metadata(struct out *o, const json *metadata);
void put_document(struct out *o, const char *name, const json *document);
/* All attributes of a new item. open: a token to begin with, or NULL. */
void item_put_trace(struct out *o, const struct backend *b, const struct stored_trace *t,
                    const char *open, unsigned level);
void item_put_span(struct out *o, const struct backend *b, const struct stored_span *s,
                   const char *by, int64_t arrived, unsigned level);
int64_t dynamo_duration_of(int64_t start, int64_t end);
int64_t dynamo_now_ms(void);

/* ---- update.c: an UpdateItem expression. */
struct update {
    struct out set, add, remove, drop, where, names, values;
    int count;
};
void update_init(struct update *u);
void update_release(struct update *u);
/* Makes a name usable; it is in `text` until the next call on the same text. */
const char *update_name(struct update *u, const char *name, char text[16]);
/* Begins a value, of which the caller appends the attribute value to u->values. */
const char *update_value(struct update *u, char text[16]);
/* name = the value that the caller appends to u->values. */
void update_set(struct update *u, const char *name);
void update_set_s(struct update *u, const char *name, struct text text);
void update_set_n(struct update *u, const char *name, int64_t value);
void update_set_double(struct update *u, const char *name, double value);
void update_add_n(struct update *u, const char *name, int64_t value);
void update_add_double(struct update *u, const char *name, double value);
/* One text into or out of a set of texts. */
void update_add_member(struct update *u, const char *name, const char *member);
void update_drop_member(struct update *u, const char *name, const char *member);
void update_remove(struct update *u, const char *name);
/* A condition more, joined by AND: in format stands # for the name and $ for the value (an
 * attribute value, or NULL: none). */
void update_where(struct update *u, const char *format, const char *name, struct out *value);
void update_where_text(struct update *u, const char *format, const char *name, struct text value);
void update_where_n(struct update *u, const char *format, const char *name, int64_t value);
/* metadata, input_data, output_data as they were made to fit, those that are there. */
void update_set_documents(struct update *u, const struct documents *d);
/* Sends it for one key. returned: "NONE", "ALL_NEW" ...; the attributes in *item (may be NULL). */
/* (ERR_* as dynamo_call) */
int update_send(struct backend_session *s, struct update *u, const char *table, const char *key,
                struct text id, const char *returned, json **item) WARN_UNUSED_RESULT;

/* ---- spans.c: the items of a trace's spans, by the index, in no order. Not 0 from each ends it.
 */
enum spans_part { SPANS_KEYS, SPANS_LIGHT, SPANS_WHOLE }; /* span_id; without contents; all */
typedef int item_fn(void *user, const json *item);
int dynamo_spans_query(struct backend_session *s, struct text trace_id, enum spans_part part,
                       item_fn *each, void *user) WARN_UNUSED_RESULT;

/* ---- write.c, list.c, spans.c, stats.c: as backend.h promises. */
int dynamo_write(struct backend_session *s, struct stored_write *const *writes, size_t count);
int dynamo_list(struct backend_session *s, const struct stored_filter *f, stored_trace_fn *each,
                void *user, char **next_cursor);
int dynamo_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                 stored_trace_fn *each, void *user);
int dynamo_spans(struct backend_session *s, struct text project_id, struct text trace_id,
                 bool content, stored_span_fn *each, void *user);
int dynamo_span(struct backend_session *s, struct text project_id, struct text span_id,
                stored_span_fn *each, void *user);
int dynamo_stats(struct backend_session *s, const struct stored_stats *q, stored_group_fn *each,
                 void *user);

#endif
