/* Where ids are. An id is known by its hash, seeded per file. New rows are in memory; from time to
 * time those are written as a segment: entries of twelve bytes, sorted by hash, appended and never
 * changed. (A tree ordered by random hashes would be rewritten all over by each batch.) A filter
 * in memory tells nearly always that an id is new without reading any. */
#ifndef TRACER_STORE_SQLITE_IDS_H
#define TRACER_STORE_SQLITE_IDS_H

#include "store/idfilter.h"
#include "store/idmap.h"

#include "store/backend.h"

enum ids_kind { IDS_OF_TRACES, IDS_OF_SPANS };

struct ids {
    struct idmap recent; /* rows after `indexed` */
    struct idfilter filter;
    int64_t indexed;
};

struct backend;
struct backend_session;

uint64_t ids_hash(const struct backend *b, struct text id);
/* Fills memory from the file. */
int ids_open(struct backend_session *s, enum ids_kind kind);
void ids_release(struct ids *ids);
/* The row of an id that the session can see. ERR_NOENT. For any session; takes the lock. */
int ids_find(struct backend_session *s, enum ids_kind kind, struct text id, int64_t *row);

/* In a transaction: writes a segment if enough rows wait. *upto: what it has then; 0: nothing was
 * done. After the commit ids_indexed makes memory follow. */
int ids_index(struct backend_session *s, enum ids_kind kind, int64_t *upto);
void ids_indexed(struct backend *b, enum ids_kind kind, int64_t upto);
/* A row that is about to be committed: each one that is found is looked at, so that one which was
 * given up after all does no harm. ERR_NOMEM. */
int ids_add(struct backend *b, enum ids_kind kind, uint64_t hash, int64_t row);
/* Whether the filter should be made anew, larger. */
bool ids_filter_is_full(const struct ids *ids);
int ids_refill(struct backend_session *s, enum ids_kind kind);
/* In a transaction: drops segments of whose rows none is left; returns how many. */
int ids_drop(struct backend_session *s, enum ids_kind kind);

#endif
