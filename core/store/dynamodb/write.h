/* One call of backend_dynamodb.write, private to the write*.c files. Its writes are put together by
 * trace and by span, so that a span that is created and completed in one call is one item, and a
 * trace's totals are one update:
 *
 *   1. spans to be completed that are not created here are read (their trace is in them)
 *   2. each trace is opened: its item is made, or the token is put into it (write_trace.c)
 *   3. spans are put and updated (write_span.c)
 *   4. each trace is closed: totals added, token out, completed (write_trace.c)
 *
 * New spans go by BatchWriteItem, which knows no conditions, only where nobody else can be writing
 * spans of that trace: the token is of the blind kind then, no other one is in the trace, those who
 * come later wait for it to go, and a read after it tells that the spans are not there yet.
 * Otherwise each goes by itself on the condition that it is not there. A span's update has the
 * condition that it is still as it was read (rev); an update whose answer was lost and that was
 * obeyed is known by the token it left in `by`. */
#ifndef TRACER_STORE_DYNAMODB_WRITE_H
#define TRACER_STORE_DYNAMODB_WRITE_H

#include "store/dynamodb/dynamodb.h"
#include "store/dynamodb/totals.h"

#define BATCH_PUT   25  /* BatchWriteItem's limit */
#define BATCH_GET   100 /* BatchGetItem's limit */
#define BLIND_LEAST 3   /* new spans from which on a batch is worth its read */

/* The writes to one trace by one project. */
struct group {
    struct text project_id, trace_id;
    char *id;                      /* what trace_id points to */
    struct stored_write *create;   /* or NULL */
    struct stored_write *complete; /* the first of them, or NULL */
    struct stored_trace completed; /* what they tell together */
    size_t spans, creates;         /* plans in it, and those that create */
    bool fresh;                    /* made here, by this very call */
    unsigned level;                /* of cutting, as a plan's */
    int refused;                   /* ERR_NOENT, ERR_BAD: none of its writes can be done */
    bool foreign;                  /* since the trace is another project's */
    char token[TOKEN_MAX];
    bool open;                  /* the token is in the trace */
    struct trace_record record; /* as it was read, with memory of its own */
    struct totals totals;
    /* Tokens of others, a line each, under which spans of this call were written before: their
     * totals are not added yet, or never will be. */
    struct out suspects;
};

/* The writes to one span. */
struct plan {
    struct text span_id;
    struct group *group; /* NULL: not known, or refused */
    struct text project_id;
    struct stored_write *create;  /* or NULL */
    bool completes;               /* something is told by a complete */
    bool done;                    /* put, updated or refused */
    bool elsewhere;               /* it is there, in another trace of the project */
    bool known;                   /* `old` was read */
    unsigned level;               /* of cutting: raised when DynamoDB refuses the item */
    struct stored_span told;      /* of the create, and of the completes over it */
    struct stored_span completed; /* of the completes alone */
    struct span_record old;
    int result; /* of its writes */
};

struct round {
    struct backend_session *s;
    struct stored_write *const *writes;
    size_t count;
    struct group *groups;
    size_t group_count;
    struct plan *plans;
    size_t plan_count;
    struct plan **plan_of;   /* of each write; NULL: a trace's */
    struct group **group_of; /* of each write of a trace */
    struct map by_trace, by_span;
    int64_t arrived; /* of the first span */
};

/* write_trace.c */
int group_open(struct round *r, struct group *g) WARN_UNUSED_RESULT;
int group_close(struct round *r, struct group *g) WARN_UNUSED_RESULT;
/* The call failed: says in the trace that its totals are in doubt. */
void group_abandon(struct round *r, struct group *g);
/* Cuts what is stored of the trace to the level's room. ERR_EXIST: it changed meanwhile. */
int dynamo_trace_shrink(struct backend_session *s, const struct trace_record *record,
                        unsigned level) WARN_UNUSED_RESULT;
/* Reads a trace's item. ERR_NOENT: there is none. */
int dynamo_trace_get(struct backend_session *s, struct text trace_id, const char *own,
                     struct trace_record *out) WARN_UNUSED_RESULT;

/* write_span.c */
int dynamo_spans_read(struct round *r, struct plan **plans, size_t count) WARN_UNUSED_RESULT;
int dynamo_span_put(struct round *r, struct plan *p) WARN_UNUSED_RESULT;
int dynamo_span_update(struct round *r, struct plan *p) WARN_UNUSED_RESULT;
int dynamo_spans_put_blind(struct round *r, struct plan **plans, size_t count) WARN_UNUSED_RESULT;
/* Notes in the group what the span's last token tells. */
void group_note_suspect(struct plan *p);
/* Takes over what `from` tells; a time of end that is there stays. */
void dynamo_span_overlay(struct stored_span *into, const struct stored_span *from);

/* recount.c: counts a trace's spans again, unless somebody is writing them (ERR_AGAIN). With a
 * round and a group: its own token and those that it suspects do not keep it from that, and the
 * round's spans of the group count also where the index does not tell them yet. */
int dynamo_trace_recount(struct backend_session *s, struct text trace_id, const struct round *r,
                         const struct group *g) WARN_UNUSED_RESULT;

#endif
