/* Full-text search of the service's SQLite store.
 *
 * The index is a file of its own, service-search.db, which a thread fills behind the writes; it may
 * be deleted at any time and is made anew then. Documents are spans, and traces by themselves
 * (words.h); one that changes after it was indexed is indexed once more, and its trace is noted as
 * restated: what is found of it is looked at before it is believed. What runs is left for later,
 * when it has ended. Documents are never deleted one by one: they lie in parts, FTS5 tables of some
 * hundred thousand documents or a day, and a part whose traces are all gone goes as a whole. */
#ifndef TRACER_STORE_SQLITE_SEARCH_H
#define TRACER_STORE_SQLITE_SEARCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/backend.h"
#include "store/words.h"

#define SEARCH_PART_DOCUMENTS 262144
#define SEARCH_LAG_MAX        18000 /* writers wait for a step when so many are not in it yet */
#define SEARCH_WAIT_MS        500   /* but no longer than this at once */
#define SEARCH_LATER_MAX      1000  /* what has not ended is indexed as it is beyond that */

struct backend_session;

/* ---- search_file.c: the file, and how words become its terms */

/* Makes the file of s->b if it is missing, of another store or damaged, and connects s to it.
 * ERR_DENIED: the file there is not one of ours. */
int search_open(struct backend_session *s);
/* Connects a session to the file that search_open made. */
int search_attach(struct backend_session *s);

/* ---- search_index.c: the thread */

/* Smaller ones make every way of searching come to pass in a small test. */
struct search_limits {
    int64_t part_documents;
    size_t hits; /* so many are taken before the index is asked for single traces */
    int probes;  /* so many traces are asked for before more is taken */
};

struct search_index {
    struct backend_session *session; /* the thread's own */
    struct search_limits limits;
    pthread_t thread;
    bool running; /* the thread was started */
    pthread_mutex_t lock;
    pthread_cond_t wake, progress;
    /* Under lock: */
    bool stop, work, failing;
    int64_t committed, done; /* rows of traces and spans: in the store, and looked at */
    /* What a writer has to know, under the backend's `writing`: rows up to claimed_* may have been
     * looked at, those up to forced_* even if they were running; changes up to again_done are in
     * the index. */
    int64_t claimed_trace, claimed_span, forced_trace, forced_span, again_done;
};
/* Takes the session over, also when it fails. */
int search_index_open(struct search_index *x, struct backend_session *session);
/* search_thread.c */
void search_index_init(struct search_index *x, struct backend_session *session);
int search_index_start(struct search_index *x);
void search_index_stop(struct search_index *x);
/* Tells it that so many rows are committed. */
void search_index_wake(struct search_index *x, int64_t rows);
/* For a writer that holds nothing: returns when the index is near enough behind, or cannot be. What
 * is not in it is looked at by each search, which shall not take long. */
void search_index_wait(struct search_index *x);
/* That so many rows were looked at. */
void search_index_done(struct search_index *x, int64_t rows);
/* One batch. 1: there may be more to do, 0: all is indexed. For the thread, and for tests that have
 * not started it. */
int search_index_step(struct search_index *x);

/* ---- search.c: queries */

struct search_part {
    int64_t id, first_trace, last_trace;
    struct sqlite3_stmt *probe; /* asks for one trace */
};

struct search {
    struct backend_session *s;
    struct words_query words;
    char *match;    /* the query as FTS5 takes it */
    uint64_t *bits; /* a bit a trace found, by row; of any project */
    size_t rows;
    bool complete;             /* bits has every trace */
    struct search_part *parts; /* the newest first */
    size_t part_count, taken;  /* bits has what is in the first `taken` ones */
    int probes;                /* left until more parts are taken */
};

/* Begins a query, in a read transaction of the session that lasts until search_end. */
int search_begin(struct search *q, struct backend_session *s, const struct words_query *words);
void search_end(struct search *q);
/* Whether the trace has the words: 1, 0. ERR_AGAIN: that was asked for by itself too often; to be
 * asked again after search_more. */
int search_has(struct search *q, int64_t trace);
/* Takes all that some more parts have. */
int search_more(struct search *q);
/* Whether what was found of the trace is still so. */
int search_confirm(struct search *q, int64_t trace);

#endif
