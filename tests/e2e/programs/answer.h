/* Reading HTTP/1.1 answers, for the programs that put load on a server. */
#ifndef TESTS_ANSWER_H
#define TESTS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

struct answer {
    int status;
    bool close;       /* the connection ends behind it */
    const char *body; /* of one with a Content-Length; in the bytes given */
    size_t body_len;
};

enum { ANSWER_BAD = -1, ANSWER_MORE = -2 };

/* How many of the bytes are the first answer (behind those of 1xx), ANSWER_MORE or ANSWER_BAD.
 * head: it answers HEAD. closed: no more bytes will come. */
long answer_parse(const char *at, size_t len, bool head, bool closed, struct answer *out);

#endif
