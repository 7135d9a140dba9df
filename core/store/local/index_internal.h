/* The index's connection and thread; private to index*.c. Everything below but index.c's own locks
 * belongs to the thread. */
#ifndef TRACER_STORE_LOCAL_INDEX_INTERNAL_H
#define TRACER_STORE_LOCAL_INDEX_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/clock.h"
#include "store/local/index.h"
#include "store/statement.h"

#define INDEX_BATCH   4096                /* spans of one transaction */
#define INDEX_SEGMENT INT64_C(16384)      /* spans whose words are in one table */
#define INDEX_HOUR    (3600 * NS_PER_SEC) /* totals are kept by it */
#define INDEX_FTS     "fts5(words, content='', detail=none, tokenize='ascii')"
#define INDEX_WORDS   ((size_t)4 << 20) /* of one span are searched */

struct local_index {
    char *dir, *path;
    char uri[4400];   /* of the index */
    char store[4400]; /* of the store */
    bool in_memory;
    int used; /* says that somebody uses the file, until it is closed; -1: nothing does */

    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    uint64_t asked, answered; /* looks at the store: the last one wanted, the last one finished */
    bool complete;            /* figures are there of all spans, as of that look */
    atomic_bool stop;
    unsigned patient; /* those who wait for that */

    sqlite3 *db;
    bool attached;
    dev_t device;
    ino_t inode;
    int64_t data_version; /* of the store, as of the last look */
    int64_t looked_again; /* boot ns: at what the store may have dropped */
    int64_t sweep;        /* trace up to which that went; -1: it is through */
    int64_t purged;
    struct buf words;
};

/* index_file.c: a descriptor, while which is open nobody removes the files; -1: none. */
int index_lock(const char *dir);
void index_remove_files(const char *path);

/* 1: a row; 0: done; else an error (the statement is reset). */
int index_step(struct local_index *x, sqlite3_stmt *st);
sqlite3_stmt *index_prepare(struct local_index *x, const char *sql, int *err);
/* Prepares, binds the numbers given ('i' each), runs, finalizes. */
int index_run(struct local_index *x, const char *sql, const char *format, ...);
/* The first column of the first row; ERR_NOENT. */
int index_get(struct local_index *x, int64_t *out, const char *sql, const char *format, ...);
int index_exec(struct local_index *x, const char *sql);

/* Whether a session waits for the next look, or the thread is to end. */
bool index_is_wanted(struct local_index *x);

/* index_words.c: appends a word and a blank to the buffer `user`. */
int index_add_word(void *user, const char *word, size_t len);

/* index_fill.c: figures of the next spans, in a transaction of its own. Returns 1 when there is
 * more to do at once, 0 when all is there. */
int index_fill(struct local_index *x);
/* index_sweep.c: a small step of dropping what the store has dropped. */
int index_sweep(struct local_index *x);
/* index_words.c: words of the next spans; the same. */
int index_words(struct local_index *x);
/* index_hours.c: totals of an hour that does not change any more; the same. */
int index_hours(struct local_index *x);

#endif
