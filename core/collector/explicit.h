/* Traces and spans that programs make by hand (wire/api.h), while they run.
 *
 * Records come in any order. What a record sets is noted with its time, so that the last setting of
 * each field counts, whoever reads it when. A span that was ended is finished once everything is
 * read that was committed before its end, and goes into the store with the group, as captured calls
 * do. One that outlasts a group is shown in the store as running, with the times of what was set,
 * so that nothing more is needed of it: its records are released, and it may be forgotten here, or
 * the collector be killed, and is found again by its id. */
#ifndef TRACER_COLLECTOR_EXPLICIT_H
#define TRACER_COLLECTOR_EXPLICIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "collector/kept.h"
#include "collector/message.h"
#include "span/span.h"
#include "store/store.h"
#include "wire/record.h"

#define EXPLICIT_DESTINATIONS 8u

struct collector;
struct depot;
struct trace_state;

/* When what is known of a trace or span was said: wall ns, 0: never. */
struct told {
    int64_t at[API_FIELDS]; /* by enum wire_field_name, metadata apart */
    int64_t base;           /* the metadata's members, but for those in `members` */
    json *members;          /* of the metadata: name -> time; NULL: none */
    bool around;            /* a span: captured calls were made inside it, however deep below */
    json *cut;              /* texts over their limits: name -> length before; NULL: none */
};

/* A client of a process. Traces, spans and its ring share it. */
struct client {
    size_t users;
    uint32_t number;
    bool shared; /* of all that have none: nothing of it may be changed */
    bool known;  /* its record was seen, now or by an earlier collector */
    bool closed; /* its process says so */
    uint64_t closed_polls;
    bool stored;               /* in the ring's row */
    struct destination wanted; /* kind NULL: no service, or resolved */
    char *key;
    char *project_id;
    int64_t service; /* id of the service; 0: none */
    int64_t destinations[EXPLICIT_DESTINATIONS];
    size_t destination_count;
    bool resolved;
    struct kept birth, death; /* its records, until the row is stored */
};

struct explicit_list {
    struct explicit_span *first, *last;
    size_t count;
};

struct explicit_span {
    struct depot *depot;
    struct ring *ring; /* whose end is its end; NULL: not here any more */
    struct client *client;
    struct trace_state *trace; /* NULL: its begin was not seen */
    uint8_t span_id[SPAN_ID_LEN];
    struct span *span; /* as far as known; end_time is 0 until it is finished */
    struct told told;
    struct api_message *end; /* what the end said beside the end; NULL: nothing */
    struct kept_list kept;   /* until the store says it */
    bool begun;              /* its begin was seen, or it was found in the store */
    bool ended;
    bool stored;  /* the store shows it as running */
    bool changed; /* since then */
    bool unsure;  /* the store may know it */
    bool looked;  /* it did not */
    bool over;    /* the store has it finished: what comes is late */
    bool putting; /* in the transaction */
    bool urgent;  /* to be put with the next one */
    /* Captured calls that fill it and have not ended: it is not finished before, but when its
     * process ends. Counted by join.c. */
    size_t holds;
    struct joined *joined; /* inside.c's; NULL: none */
    int64_t end_time;      /* wall ns */
    struct ring *end_ring;
    uint64_t end_polls, first_polls;
    int64_t arrived, written; /* boot ns, ours */
    size_t bytes;             /* of its records */
    uint64_t order;           /* of arrival of its begin */
    struct explicit_list *list;
    struct explicit_span *next, *prev;
    struct explicit_span *below; /* while it is put: the one that was asked for, or above that */
};

/* What a trace_state has beside a captured trace's. */
struct explicit_trace {
    struct told told;
    struct client *client;
    struct kept_list kept;
    bool begun;          /* its begin was seen */
    bool unsure;         /* the store may know it */
    bool ended;          /* its end was seen */
    bool end_content;    /* what its end says may be kept */
    bool end_part;       /* by those who joined it alone */
    bool left;           /* its process ended before it */
    bool dressed;        /* ready to be put */
    char *fallback;      /* a name, if nobody gives one */
    struct ring *joined; /* the last one that made it from a traceparent; only compared */
    /* While its end is not through: the first one that is the trace's own, and what that said; of
     * those who joined it the last one. */
    int64_t end_time;
    struct api_message *end; /* NULL: nothing */
    struct ring *end_ring;   /* NULL: its end is through */
    uint64_t end_polls;
};

/* A ring's part. */
struct ring_explicit {
    struct map clients; /* number -> client */
    struct map partial; /* messages of several records: number -> struct partial */
    size_t partial_bytes;
    struct explicit_list unborn; /* spans whose begin was not seen */
    struct explicit_list ended;  /* by this ring's process, not finished */
    struct trace_state *ending;  /* traces whose end is not through */
    size_t kept;                 /* records in spans and traces */
    bool met;                    /* an earlier collector may have read it */
    bool forgot;                 /* spans or traces of it are in the store alone */
    bool pressed;                /* it runs short of room */
};

struct depot_explicit {
    struct map spans;             /* id -> explicit_span */
    struct explicit_list fresh;   /* not in the store */
    struct explicit_list shown;   /* in the store as they are, oldest look first */
    struct explicit_list changed; /* in the store as they were */
    size_t pending;               /* unborn, ended or ending */
    bool urgent;                  /* one of the spans is */
    bool more;                    /* than one transaction takes is to be put */
    struct explicit_span **put;   /* in the transaction */
    size_t put_count, put_cap;
    int64_t change_due; /* boot ns: when the first of those is to be written */
    size_t bytes;       /* of all those spans' records */
    uint64_t order;
};

/* --- explicit.c --- */
/* A record of the API, WIRE_TRACE_BEGIN to WIRE_CLIENT_END; owns k. */
void ring_api(struct ring *r, const struct wire_record *head, const uint8_t *payload,
              struct kept k);
/* One of which nothing is known but its id; NULL: no memory. */
struct explicit_span *explicit_new(struct ring *r, const uint8_t *span_id);
void explicit_free(struct explicit_span *es);
/* Whether it is counted as such. */
bool explicit_is_pending(const struct explicit_span *es);
/* Into the list where it belongs now. */
void explicit_place(struct explicit_span *es);
/* Something of it is new that no record of the API says: its row is written with the next commit.
 */
void explicit_changed(struct explicit_span *es);
/* Puts what comes of the fields into the span; takes the message's values. */
void explicit_apply(struct explicit_span *es, struct api_message *m, int64_t time, bool content);
/* Out of memory, whatever the store has of it. Its records go to the commit group. */
void explicit_forget(struct explicit_span *es);
void explicit_forget_pending(struct explicit_span *es); /* one that may be unborn or ended */
void explicit_release_kept(struct explicit_span *es);   /* the store says it all */

/* --- finish.c --- */
/* After each poll: what is through is finished. False: not all of it, which is more than one commit
 * takes. */
bool explicit_service(struct ring *r);
/* The ring's process is gone and everything is read: what it left open ends. False: as above. */
bool explicit_end_ring(struct ring *r);
/* The store refuses, and the ring runs short of room: what is known here is given back to it. */
void explicit_give_back(struct ring *r);
/* The span of that id that runs, looked for in the store too; NULL: none, or none yet. */
struct explicit_span *explicit_find(struct depot *d, const uint8_t *span_id);
/* The marks of what was cut. */
void explicit_dress(struct explicit_span *es);
/* Frees without a word; in another collector they live on. */
void explicit_release_ring(struct ring *r);
void explicit_release_depot(struct depot *d);

/* --- told_trace.c --- */
/* The trace of that id, made if missing; NULL: no memory. */
struct trace_state *explicit_trace_get(struct ring *r, const uint8_t *trace_id,
                                       struct client *client, int64_t start);
void explicit_trace_tell(struct ring *r, struct api_message *m, int64_t time,
                         const struct kept_list *kept);
/* Ends those whose end is through; all: nothing more will come of this ring. */
void explicit_traces_service(struct ring *r, bool all);
/* A span of that client is in it. */
void explicit_trace_enter(struct trace_state *t, const struct client *client, const char *name);
/* The trace's process is gone. */
void explicit_trace_left(struct trace_state *t);
/* Before it is put: what the store knows of it already. ERR_OK, or an error of the store. */
int explicit_trace_dress(struct trace_state *t);
void explicit_trace_written(struct trace_state *t);
void explicit_trace_release_kept(struct trace_state *t);
/* A span ended in it, perhaps after its end. */
void explicit_trace_extend(struct trace_state *t, int64_t end_time);
/* Whether nothing of it is needed here: the store has all. */
bool explicit_trace_is_idle(const struct trace_state *t);
void explicit_trace_free(struct explicit_trace *e);

/* --- shown.c --- */
bool explicit_due(const struct depot *d, int64_t before);
bool explicit_waiting(const struct depot *d);
/* Puts what outlasted a group, what changed, and the parents of what is finished. */
int explicit_put(struct depot *d, int64_t before);
/* Puts the open span of that id and those above it, unless the store shows them. */
int explicit_put_chain(struct depot *d, const uint8_t *span_id);
void explicit_written(struct depot *d);
void explicit_undone(struct depot *d);
/* What the store knows of a span that is met again. ERR_NOENT: nothing. */
int explicit_adopt(struct explicit_span *es);
/* boot ns: when a span that changed is written again. */
int64_t explicit_change_due(const struct explicit_span *es);

/* --- inside.c --- */
/* The span is about to be finished: fills it. es->joined is NULL then. */
void join_finish(struct explicit_span *es);
/* The span with what its calls say of it, to be shown while it runs; new memory, or NULL: it is
 * shown as it is. */
struct span *join_shown(const struct explicit_span *es);
/* The span was found in the store as `from`, with its state, and what was told there: leaves in it
 * what the program said, and takes the rest. */
void join_adopt(struct explicit_span *es, struct span *from, const struct told *stored);
/* The span is forgotten. */
void join_release(struct explicit_span *es);

/* --- join.c --- */
/* The spans made by hand from that id up, as far as they run, are around a call of that start (wall
 * ns). look: those that are in the store alone, too, which adds to the depot's map. */
void join_mark(struct depot *d, const uint8_t *trace_id, const uint8_t *span_id, int64_t start,
               bool look);

/* --- told.c --- */
/* Notes the time and returns whether a setting of that time counts. */
bool told_wins(struct told *t, int field, int64_t time);
/* Adds the members of `from` that count to *to; takes `from`. */
void told_merge(struct told *t, json **to, json *from, int64_t time);
/* Marks the texts of m that were cut. */
void told_cut(struct told *t, const struct api_message *m, int field);
char *told_print(const struct told *t); /* new memory or NULL */
void told_parse(struct told *t, const char *text);
void told_release(struct told *t);
/* Adds what the store had, with its times, to what is known: the later setting of each field is
 * told by told_wins with the time of the store's; metadata is merged. Takes `from`. */
void told_merge_stored(struct told *t, json **to, const struct told *stored, json *from);

/* --- clients.c --- */
/* Never NULL; one whose record was not seen yet is not `known`. Borrowed: see client_use. */
struct client *client_get(struct ring *r, uint32_t number);
struct client *client_new(void); /* of no ring, without destinations */
struct client *client_use(struct client *c);
void client_leave(struct client *c);
void client_tell(struct ring *r, const struct api_message *m, struct kept k);
/* Gives all clients of the ring their destinations; false: the store refuses some. */
bool clients_resolve(struct ring *r);
json *clients_to_json(struct ring *r);
void clients_from_json(struct ring *r, const json *value);
void clients_written(struct ring *r);
void clients_release(struct ring *r);
/* The id of the client's service; 0: none. */
int64_t client_service(struct ring *r, uint32_t number);

/* --- pieces.c --- */
/* A piece of a message. *whole: new memory with *length bytes when it was the last, with the time
 * of the first and the records of all in *kept; NULL: more is to come, or it was refused. */
void pieces_add(struct ring *r, const struct wire_record *head, const uint8_t *payload,
                struct kept k, uint8_t **whole, size_t *length, uint64_t *time,
                struct kept_list *kept);
/* Drops messages that are not whole. */
void pieces_drop(struct ring *r);
/* Frees them without a word. */
void pieces_release(struct ring *r);

#endif
