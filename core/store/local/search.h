/* Full-text search: the words of a query, all of them in one span or in what is said of the trace
 * itself (store/words.h). */
#ifndef TRACER_STORE_LOCAL_SEARCH_H
#define TRACER_STORE_LOCAL_SEARCH_H

#include "store/local/local.h"

/* What a search found, for as long as the list is read. */
struct search {
    bool nothing;    /* no trace */
    bool few;        /* sql names them one by one */
    uint8_t *traces; /* a bit a row of trace; NULL: every trace */
    size_t bytes;
    char *sql; /* to follow other conditions on the digest d; NULL: none */
};

/* Needs the index. ERR_BUSY: too much of what is stored has not been read by it yet. */
int search_traces(struct backend_session *s, struct text q, struct search *out);
void search_release(struct backend_session *s, struct search *search);

#endif
