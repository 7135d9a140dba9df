/* Words of texts, in one case: what a full-text search looks for, in every backend alike.
 *
 * A word is a run of letters and digits; each character of scripts that are written without spaces
 * (Chinese, Japanese, Thai and the like) and each symbol beyond ASCII is a word of its own. Upper
 * and lower case are the same (Latin, Greek, Cyrillic, Armenian, Georgian aside). Of JSON, the
 * strings and numbers count, the names of members do not. What looks like encoded data (a run of
 * more than WORDS_BLOB characters of base64) has no words. Pure; thread-safe. */
#ifndef TRACER_STORE_WORDS_H
#define TRACER_STORE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/backend.h"

#define WORD_MAX    64 /* bytes of a word; what is longer is known by its first ones */
#define WORDS_BLOB  160
#define WORDS_SEEN  ((size_t)64 << 10) /* bytes at each end of a longer text that have words */
#define WORDS_ASKED 16                 /* words of a query; more are left out */

/* The characters of a text in lower case, one after another. */
struct folding {
    const unsigned char *at, *end;
};
void folding_init(struct folding *f, struct text t);
/* The next one's UTF-8 bytes (at most 4) go to out; bytes that are no UTF-8 come as they are. 0: no
 * more. */
size_t folding_next(struct folding *f, char *out);

/* Whether part occurs in whole, in any case. An empty part does, in anything that is there. */
bool text_contains(struct text whole, struct text part);

/* Called with each word in lower case; not 0 ends it with that. */
typedef int words_fn(void *user, const char *word, size_t len);
/* Of a longer text the words within WORDS_SEEN of its begin and end. */
int words_of_text(struct text t, words_fn *each, void *user);
int words_of_json(struct text document, words_fn *each, void *user);

/* The words of a query. */
struct words_query {
    char words[WORDS_ASKED][WORD_MAX];
    size_t lengths[WORDS_ASKED];
    size_t count; /* 0: the query has no word; everything matches */
};
void words_query_init(struct words_query *q, struct text text);

/* What one document (a span, or a trace by itself) has of them: begin with 0, look at each of its
 * texts, and it matches when words_all is true. */
typedef uint32_t words_found;
void words_look(const struct words_query *q, words_found *found, struct text t);
void words_look_json(const struct words_query *q, words_found *found, struct text document);
static inline bool words_all(const struct words_query *q, words_found found)
{
    return found == (UINT32_C(1) << q->count) - 1;
}

/* The documents: a span by its name, model, error, input and output, a trace by its name, user,
 * session and output. "All words" means: in one of these. */
bool words_in_trace(const struct words_query *q, const struct stored_trace *t);
bool words_in_span(const struct words_query *q, const struct stored_span *s);
int words_of_trace(const struct stored_trace *t, words_fn *each, void *user);
int words_of_span(const struct stored_span *s, words_fn *each, void *user);

#endif
