/* Full-text search of the service's SQLite store. */
#ifndef TRACER_STORE_SQLITE_SEARCH_H
#define TRACER_STORE_SQLITE_SEARCH_H

#include "store/sqlite/sqlite.h"
#include "store/words.h"

/* A bit a trace, by row. Zero value: empty. */
struct search_hits {
    uint64_t *bits;
    size_t rows;
};
void search_hits_release(struct search_hits *hits);
bool search_is_hit(const struct search_hits *hits, int64_t row);

/* Every trace that has all the words, of all projects. */
int search_find(struct backend_session *s, const struct words_query *q, struct search_hits *hits);

#endif
