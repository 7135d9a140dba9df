/* What the files of this room share. One thread uses all of it.
 *
 * A ring's records are released (overwritten, their room given back) only after what was made of
 * them is committed in the store; see holds.c. */
#ifndef TRACER_COLLECTOR_INTERNAL_H
#define TRACER_COLLECTOR_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "collector/collector.h"
#include "collector/explicit.h"
#include "collector/kept.h"
#include "export/export.h"
#include "http/http.h"
#include "llm/llm.h"
#include "span/span.h"
#include "store/store.h"
#include "wire/reader.h"

#define POLL_BYTES         (4u << 20) /* of one ring before the next one's turn */
#define WHOLE_POLLS        2u         /* see struct ring */
#define COMMIT_NS          (100 * NS_PER_MS)
#define COMMIT_SPANS       1000u
#define COMMIT_BYTES       (8u << 20)
#define GROUP_SPANS        32768u /* with one commit; what is more goes with the next ones */
#define GROUP_LEAST        1024u  /* of one ring, however many others have */
#define SECOND_LOOK_NS     (500 * NS_PER_MS) /* a missing record's time to appear */
#define LINGER_NS          (3 * NS_PER_SEC)
#define HELD_CONN_MAX      (64u << 20)  /* bytes waiting for earlier ones, one connection */
#define HELD_ALL_MAX       (256u << 20) /* the same, all together */
#define CONNECTIONS_MAX    65536u       /* of one ring */
#define UNSTORED_BYTES_MAX (64u << 20)  /* of finished spans that the store refuses */
#define DEPOTS_MAX         16u
#define DESTINATIONS_MAX   8u
#define CONTENT_MAX        (256 << 20)

struct ring;
struct conn;
struct depot;

/* Records that are given to the commit group two whole polls from when they came. */
struct later_item {
    struct kept kept;
    uint64_t polls;
};

struct later_list {
    struct later_item *items;
    size_t first, count, cap;
};

/* What the ring's process told of itself. */
struct process {
    int64_t pid;
    uint64_t pid_ns;
    int64_t boot_to_wall;
    char *exe, *cwd, *command, *run_trace, *run_name, *traceparent, *endpoints, *data_dir;
    json *argv;
    bool content;
    int64_t content_max;
    int listens; /* -1: not looked at yet */
    /* Where its spans go: wanted ones become ids once the store has them. */
    struct destination wanted[DESTINATIONS_MAX];
    char *keys[DESTINATIONS_MAX];
    size_t wanted_count;
    int64_t destinations[DESTINATIONS_MAX];
    size_t destination_count;
};

/* A trace that spans were put into. */
struct trace_state {
    struct depot *depot;
    struct trace *trace;
    struct ring *ring; /* its end is the trace's end; NULL: a run's */
    bool run;
    bool begun, ended; /* in the store */
    bool dirty;
    bool changed;                   /* and the store is to be told, though it begun */
    struct explicit_trace *by_hand; /* NULL: of captured calls alone */
    struct trace_state *ending;     /* the next one of its ring's list of that name */
    size_t open;                    /* calls and explicit spans not ended */
    int64_t used;                   /* boot ns */
    int64_t last;                   /* wall ns: the latest end of its spans */
    char *ring_id;
    int64_t destinations[DESTINATIONS_MAX];
    size_t destination_count;
};

/* Where a call is kept, beside its connection. */
enum call_list {
    CALL_IN_NONE,
    CALL_FRESH,     /* the depot's: the store does not know it */
    CALL_SHOWN,     /* the depot's: the store shows it as running */
    CALL_UNDECIDED, /* the ring's: which trace it belongs to is not known yet */
    CALL_INSIDE     /* a joined span's: it runs and fills that span */
};

/* Ids that were active when a record was written, or that a request's traceparent names. */
struct active_ids {
    uint8_t trace_id[TRACE_ID_LEN];
    uint8_t span_id[SPAN_ID_LEN]; /* zero: the trace itself */
};

/* One exchange with an endpoint. */
struct call {
    struct ring *ring;
    struct conn *conn; /* NULL: the exchange has ended, where the span belongs is not decided */
    struct llm_parser *parser;
    struct llm_call *seen; /* the parser's, from the request's end to the exchange's */
    uint8_t span_id[SPAN_ID_LEN];
    struct group_result place;
    struct trace_state *trace; /* NULL: not placed yet */
    int64_t began;             /* boot ns, ours */
    int64_t start;             /* wall ns: of the request */
    size_t bytes;
    struct active_ids active;
    bool has_active;
    enum call_list list;      /* that it is in */
    struct call *next, *prev; /* of that list */
    struct client *client;    /* of the span that it is under; NULL: of its trace */
    struct joined *inside;    /* the span that it fills, while it is in that one's list */
    bool absorbed;            /* it was added to a span that could not wait for its end */
    enum llm_operation operation;
    uint64_t first_polls, polls; /* of the ring: when the decision where it belongs was put off */
    struct span *ended;          /* it waits for that decision */
    int64_t looked;              /* boot ns: for something new, while shown */
    int64_t written;             /* boot ns: as far as it had come */
    uint64_t told;               /* call_progress then */
};

/* A record that waits for earlier ones of its stream. */
struct piece {
    struct piece *next;
    uint64_t offset, lost;
    int64_t time;
    uint64_t poll;
    int64_t arrived;
    struct kept kept;
    uint32_t length;
    bool eof, has_active;
    struct active_ids active;
    char data[];
};

struct stream {
    uint64_t next;             /* offset of the byte to come */
    uint64_t lost;             /* of those before it */
    bool floating;             /* inherited: the first bytes that come say where it goes on */
    struct piece *held, *tail; /* by offset */
};

struct conn {
    uint64_t id;
    struct ring *ring;
    struct http_conn *http; /* NULL: not looked at */
    char *host, *peer;
    uint32_t slot;
    uint8_t layer, proto;
    bool tls, server;
    bool known;    /* its CONNECTION record was seen, now or by an earlier collector */
    bool settling; /* inherited: pieces are gathered before the first is used */
    bool stopped;
    bool closing;
    uint64_t close_offset[2];
    uint64_t close_lost[2];
    int64_t close_time, close_arrived;
    uint64_t close_poll;
    struct stream dir[2];
    size_t held_bytes;
    int64_t opened, last;    /* boot ns */
    struct kept birth;       /* the CONNECTION record, until the store knows the connection */
    struct kept_list kept;   /* what the open exchanges were made from */
    bool early;              /* the open exchanges' records are released at once */
    bool stored;             /* in the ring's row */
    size_t answerable;       /* exchanges whose request is complete and whose answer is not */
    bool touched;            /* an exchange began or ended while the current piece was parsed */
    struct actives *actives; /* which ids were active at which bytes; NULL: none ever were */
    bool waiting;
    struct conn *next, *prev; /* of the ring's waiting list */
};

struct ring {
    struct collector *collector;
    struct depot *depot;
    char *name;
    struct ring_reader *reader;
    const char *id; /* hex */
    struct process process;
    bool has_process;
    bool inherited;       /* an earlier collector has read it */
    int64_t boot_to_wall; /* as that one had it: times of one ring must compare; 0: not known */
    bool row_dirty;       /* the store's row is to be written anew */
    bool alive, done, failed;
    bool abandoned; /* the collector ends: what is open is left to the next one */
    /* Polls that went through all blocks. What was committed before a record that came while the
     * count was n is read once it is n + WHOLE_POLLS. */
    uint64_t polls;
    uint64_t empty_after_death;
    int64_t alive_checked, rows_checked, reclaimed, opened;
    int64_t lived; /* wall ns: its process certainly ran then; 0: not known */
    struct map conns;
    struct conn *waiting;
    struct flush *flushes;   /* that wait for their answer */
    struct call *undecided;  /* calls of which join.c does not know yet where they belong */
    struct later_list later; /* records of ended calls that may be among them */
    struct ring_explicit explicit;
    size_t kept_bytes;
    uint64_t calls, open_calls, unparsed, gaps, gap_bytes;
    struct ring_counters counters;
    bool released;
};

struct finished {
    struct span *span;
    struct ring *ring;
    struct trace_state *trace;
    struct client *client; /* where it goes; NULL: where the process's spans go */
    size_t bytes;
};

/* A data directory with its store, its exporter and its commit group. */
struct depot {
    struct collector *collector;
    char *dir;
    struct store *store;
    struct export_queue *queue;
    int lock; /* of the exporter; -1: another collector has it */
    struct finished *spans;
    size_t span_count, span_cap;
    size_t unstored_bytes;       /* of those spans */
    size_t read_bytes;           /* since the last commit */
    struct trace_state **traces; /* dirty ones */
    size_t trace_count, trace_cap;
    struct kept_list kept; /* released by the next commit */
    bool hurry;            /* commit at once */
    bool settle;           /* at once, even of nothing, and what runs is shown */
    uint64_t commits;      /* that succeeded */
    struct depot_explicit explicit;
    struct joined *joined; /* spans with calls inside */
    struct call *fresh;
    struct call *shown, *shown_last; /* by the time of the last look */
    int64_t committed, retry_at, opened_at;
    int64_t backoff;
    char *error;
    bool said;
    int64_t purge_at, index_at;
};

struct run_state {
    char hex[TRACE_ID_HEX];
    char wait; /* 0: runs; 'e', 'd': see run_mark_end */
    bool mark; /* its file exists */
    bool alive;
    bool trace_ended;
    int64_t ended;                   /* wall ns: when its command ended; 0: nobody told */
    uint64_t ended_round;            /* of the collector, when it was seen that it ended */
    int64_t calls;                   /* of its rings that are gone */
    uint8_t (*traces)[TRACE_ID_LEN]; /* made by hand in its processes */
    size_t trace_count, trace_cap;
};

struct totals {
    uint64_t calls, spans, gaps, gap_bytes, unparsed, unknown_records, released_early, rings_done;
    uint64_t api_bad, api_lost, api_late; /* messages: malformed; without a begin; of the ended */
    uint64_t lost_records, lost_bytes, untracked, corrupt_blocks; /* of rings that are gone */
};

struct collector {
    char *runtime_dir;
    bool foreground, data_fallback;
    int lock;
    struct doorbell_view *bell;
    struct depot *depots[DEPOTS_MAX]; /* the first is of the data directory given */
    size_t depot_count;
    struct ring **rings;
    size_t ring_count, ring_cap;
    struct map ignored; /* names of files that are no ring of ours */
    struct map refused; /* data directories that cannot be written */
    struct map traces;  /* depot and trace id -> trace_state */
    struct map runs;    /* hex -> run_state */
    struct grouper *grouper;
    struct map http2; /* host -> count */
    json *notices;
    struct totals totals;
    size_t held_bytes;
    size_t read_bytes; /* of the current round */
    uint32_t rings_seen;
    int64_t now, scanned, housekept, swept, active, started, told;
    int64_t boot_to_wall; /* of rings whose processes share our clocks; 0: none yet */
    int64_t predecessor;  /* wall ns: the last word of the collector before; 0: none */
    uint64_t round;
    size_t flush_count; /* that wait, of all rings */
    int64_t flushed;    /* boot ns: when the last one came */
    bool marks_waiting; /* a run has ended and waits for its answer */
    bool status_due;    /* a ring is done, which the status does not say yet */
    _Atomic bool stop;
    bool index_dirty, rows_dirty; /* something of rows.c is to be written */
};

/* holds.c */
void kept_take(struct ring *r, struct kept k);
void kept_release(struct ring *r, struct kept k);
bool kept_list_add(struct kept_list *l, struct ring *r, struct kept k); /* false: no memory */
void kept_commit(struct ring *r, struct kept k);    /* released by the next commit */
void ring_conn_keep(struct conn *c, struct kept k); /* while exchanges of c are open */
void ring_conn_kept_commit(struct conn *c);
void ring_conn_release_early(struct conn *c);
void kept_list_release(struct kept_list *l);
void kept_list_trim(struct kept_list *l);
void ring_relieve(struct ring *r);

/* process.c; process_resolve is in rows.c */
int process_read(struct process *p, const uint8_t *payload, size_t length);
void process_release(struct process *p);
void process_resolve(struct process *p, struct ring *r);
json *process_to_json(const struct process *p);
bool process_listens(struct process *p);

/* streams.c */
struct conn *ring_conn_get(struct ring *r, uint64_t id, bool make);
void ring_conn_open(struct conn *c, const struct wire_record *head, const uint8_t *payload,
                    struct kept k);
void ring_conn_data(struct conn *c, const struct wire_record *head, const uint8_t *payload,
                    struct kept k);
void ring_conn_closing(struct conn *c, const struct wire_record *head, const uint8_t *payload);
void ring_conn_end(struct conn *c, int64_t time);
void ring_look_again(struct ring *r, bool now);
json *conns_to_json(struct ring *r);
void conns_from_json(struct ring *r, const json *value);

/* calls.c */
extern const struct http_handler call_handler;
/* A span of the call as far as it is known; NULL: no memory. The trace must be placed. */
struct span *call_snapshot(struct call *call);
/* Enters the call into the trace of call->place, which is made if it is new. False: no memory. */
bool call_place(struct call *call);
/* Puts the call into a list of its own, out of the one that it was in. */
void call_enlist(struct call *call, enum call_list list, struct call **first);
void call_leave(struct call *call);
/* The ended call becomes a span of its own; takes call->ended over. */
void call_commit(struct call *call);
/* Whose destinations the call's span goes to, once it is placed; borrowed; NULL: its process's. */
struct client *call_client(const struct call *call);
void call_free(struct call *call);
/* Changes whenever there is more to be seen of the call. */
uint64_t call_progress(const struct call *call);
/* The store shows the call as it is now: it is the last of those to look at again. */
void call_settled(struct call *call);
/* Nothing to show: it is the last to look at again. */
void call_looked_at(struct call *call);

/* traces.c */
struct trace_state *trace_get(struct ring *r, const struct group_result *place, int64_t start);
void trace_touch(struct trace_state *t);
/* Ends with its last span, but not before end_time (wall ns; 0: nothing else is known). */
void trace_end(struct trace_state *t, int64_t end_time);
void traces_end_ring(struct ring *r);
/* The process's destinations are known only now: its traces get them. */
void traces_add_destinations(struct ring *r);
void traces_end_idle(struct collector *c);
void trace_state_free(struct trace_state *t);
/* Returns whether one of them is new to it. */
bool trace_add_destinations(struct trace_state *t, const int64_t *ids, size_t count);
/* The trace of that id; NULL: none, or (make) no memory. */
struct trace_state *trace_find(struct depot *d, const uint8_t *id);
struct trace_state *trace_make(struct ring *r, const struct group_result *place, int64_t start);
/* Frees what is ended and committed. */
void traces_sweep(struct collector *c);

/* depots.c */
/* That of the folder, made if it is new; the collector's own, if none or another cannot be. The
 * first call makes its own: NULL: no memory. */
struct depot *depot_get(struct collector *c, const char *dir);

/* depot.c */
bool depot_ready(struct depot *d); /* opens the store if it is not open */
void depot_failed(struct depot *d, const char *what);
void depot_free(struct depot *d);
int depot_commit(struct depot *d);
bool depot_due(const struct depot *d);
bool depot_waiting(const struct depot *d);
bool depot_full(const struct depot *d);
void depot_idle_step(struct depot *d);
int depot_add_span(struct depot *d, const struct finished *f);

/* rings.c */
struct ring *ring_of(const struct collector *c, const char *id); /* NULL: none, or done */
void rings_scan(struct collector *c);
void ring_service(struct ring *r);
void rings_give_back(struct collector *c);
void rings_sweep(struct collector *c);
void ring_free(struct ring *r);
/* The commit of d was durable: rows are clean, connections known. */
void rings_written(struct collector *c, struct depot *d);

/* rows.c */
int ring_store_row(struct ring *r);
void ring_load_row(struct ring *r);
void ring_abandon_row(struct ring *r);
int index_store(struct collector *c);
/* A run's trace, kept so that it can be ended by a collector that saw none of its calls. */
int run_row_store(struct trace_state *t);
/* end_time: of the run's command; 0: not told, the last span's end is the trace's. */
void run_row_end(struct collector *c, const char *hex, int64_t end_time);
void run_row_forget(struct collector *c, const char *hex);
void rings_forget_lost(struct collector *c, int64_t last_seen);

/* runs.c */
void run_found(struct collector *c, const char *file);
/* A process of the run appeared, whether its wrapper still lives or not: its end ends the trace. */
void run_joined(struct collector *c, const char *run_trace);
/* The trace was made by hand, and the store has its begin. */
void run_made_trace(struct collector *c, const struct trace_state *t);
/* The ring is about to be forgotten. */
void run_left(const struct ring *r);
void run_free(struct run_state *run);
void runs_look(struct collector *c);
bool runs_alive(const struct collector *c);

/* actives.c */
/* The bytes of a request that follow: ids may be NULL. */
void conn_note_active(struct conn *c, uint64_t offset, const struct active_ids *ids);
/* Those of the byte at that offset of the requests' stream, or NULL; bytes before it are not asked
 * for again. */
const struct active_ids *conn_active_at(struct conn *c, uint64_t offset);

/* join.c */
/* The request is complete and call->place is what the process would do: decides where the call
 * belongs, now or at a later look. False: no memory. */
bool join_begin(struct call *call);
/* The exchange has ended and call->ended is its span: adds it to the span that it is inside of,
 * commits it, or keeps it until that is decided. The call is join.c's then. */
void join_end(struct call *call);
/* Decides what can be decided; all: nothing more will come of this ring. */
void join_look(struct ring *r, bool all);
/* Frees what waits, without a decision. */
void join_forget(struct ring *r);
/* To the commit group, once the calls made from it are decided. */
void kept_later(struct ring *r, struct kept k);

/* inside.c: calls inside explicit spans; more of it in explicit.h */
struct call **joined_calls(struct joined *j); /* the list of those that run; NULL for NULL */
/* Whether the span has the call already, told by the collector before. */
bool inside_has(const struct explicit_span *es, const struct call *call);
/* The call, running or ended, fills the span from now on. */
void inside_add(struct explicit_span *es, struct call *call);
/* One of those that run was taken out of the list. */
void inside_left(struct joined *j);
/* One that was added has ended; frees it. */
void inside_end(struct call *call);
/* What was said since is shown, and spans that have waited long enough for their calls go on. */
void inside_look(struct depot *d);
/* Puts spans that have ended and wait for their calls, as running. */
int inside_put(struct depot *d);

/* flush.c */
void ring_flush(struct ring *r, const struct wire_record *head, const uint8_t *payload,
                struct kept k);
/* Answers those that are through. */
void flushes_look(struct collector *c);
void flushes_forget(struct ring *r);
/* ns until the next round is due for their sake; 0: at once; INT64_MAX: no hurry. */
int64_t flushes_pause(const struct collector *c);

/* status.c */
void status_write(struct collector *c);
void collector_notice(struct collector *c, const char *text);

#endif
