/* Inside of events*.c: who listens, and what is to be told. One thread of this room (events.c)
 * reads what changed and gives it to the streams; everything is under one lock, and no call of the
 * store is made with it held. Private to events*.c. */
#ifndef TRACER_SERVICE_EVENTS_H
#define TRACER_SERVICE_EVENTS_H

#include <pthread.h>

#include "service/internal.h"

#define STREAMS_MAX       128
#define STREAMS_A_PROJECT 64
#define STREAM_BYTES      ((size_t)512 * 1024) /* that wait for a reader; then it is dropped */
#define EVENT_BYTES       ((size_t)32 * 1024)  /* of a trace; then without metadata and output */
#define TOLD_MAX          256 /* traces of which is remembered what was told last */
#define PENDING_MAX       64  /* traces that changed, and those that were told just now */
#define PENDING_SPANS     32  /* spans told of one burst; then the trace alone is */
#define SPANS_BYTES       ((size_t)32 * 1024) /* of their events */

#define BURST_NS     (10 * NS_PER_MS)  /* what comes together is told together */
#define INTERVAL_NS  (200 * NS_PER_MS) /* between two tellings of a trace */
#define HEARTBEAT_NS (15 * NS_PER_SEC)
#define RETRY_NS     NS_PER_SEC        /* after the store failed */
#define FLOOD_NS     NS_PER_SEC        /* between two looks while more changes than pending holds */
#define LOOK_NS      (300 * NS_PER_MS) /* whether another process changed something */
#define LOOK_SLOW_NS (2 * NS_PER_SEC)  /* where only reading tells that */
#define LOOK_TRACES  50

/* What one or several streams listen to. */
struct watch {
    struct watch *next;
    char *project; /* NULL: every project */
    char *trace;   /* NULL: every trace */
    unsigned streams;
    bool seen; /* it was looked at once: what differs from now on is news */
    struct {
        uint64_t trace, content;
        bool unheard; /* remembered by a silent look alone */
    } told[TOLD_MAX];
    size_t told_count;
};

struct event_stream {
    struct event_stream *next;
    struct service *service;
    struct watch *watch;
    struct event_wake *wake;
    struct buf waiting;
    bool dropped; /* what waits is its end */
    int64_t heard;
};

/* A trace that changed. */
struct pending {
    uint64_t hash; /* of project and trace; 0: free */
    char *project, *trace;
    bool changed;     /* else: it was told just now */
    int64_t due;      /* boot ns: told, or forgotten */
    struct buf spans; /* their events, as they are sent */
    uint64_t span_hashes[PENDING_SPANS];
    size_t span_count;
};

struct events {
    pthread_mutex_t lock;
    pthread_cond_t news;
    pthread_t thread;
    bool stopping;
    struct service *service;
    struct backend_session *session; /* the thread's */
    atomic_uint listening;           /* streams; read without the lock */
    struct event_stream *streams;
    struct watch *watches;
    struct pending pending[PENDING_MAX];
    bool flooded;      /* more traces changed than pending holds */
    int64_t flood_due; /* when that is looked at */
    int64_t wakes_at;  /* when the thread looks again */
    /* Of events_look.c, the thread's own: */
    int64_t asked_at;  /* for changes */
    int64_t looked_at; /* for what others did */
    int64_t changes;
};

uint64_t event_hash(uint64_t seed, const char *bytes, size_t len);

/* With the lock: gives the events of a trace to whom they concern. project NULL: unknown, asked for
 * by `only`. trace_event may be empty. again: also when it is what was told last. */
struct news {
    const char *project, *trace;
    const struct buf *trace_event;
    const struct buf *span_events; /* or NULL */
    struct watch *only;            /* or NULL: every watch that it concerns */
    bool silent;                   /* only remembers */
    bool again;
};
void events_give(struct events *e, const struct news *news, int64_t now);

/* The event of a trace; empties out first. ERR_NOMEM. */
int event_print_trace(struct buf *out, const struct stored_trace *trace) WARN_UNUSED_RESULT;

/* Without the lock, by the thread: looks for what others wrote and tells it, as often as its store
 * allows. */
void events_look(struct events *e, int64_t now);
/* The same now and whatever the store says. */
void events_look_again(struct events *e, int64_t now);

#endif
