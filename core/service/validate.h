/* What comes in is looked at here, by the contract's table: bodies of the four writes, lines of a
 * batch, parameters of queries. What is accepted is borrowed from the text where it lies, so that a
 * request of megabytes is not copied. Private to this room. Not thread-safe. */
#ifndef TRACER_SERVICE_VALIDATE_H
#define TRACER_SERVICE_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "service/service.h"
#include "store/backend.h"

/* ---- Memory that is freed at once */

struct arena_block;
struct arena { /* zero value: empty */
    struct arena_block *last;
};
/* Aligned for anything. NULL: out of memory. */
void *arena_get(struct arena *a, size_t size);
void arena_release(struct arena *a);

/* ---- What is wrong with an input */

/* The kinds, as pydantic calls them in answers that clients know. */
enum problem_kind {
    PROBLEM_MISSING,
    PROBLEM_JSON,  /* number: the byte it was noticed at */
    PROBLEM_DEPTH, /* the same */
    PROBLEM_BODY,  /* no object */
    PROBLEM_TEXT,
    PROBLEM_SHORT, /* number: the least length */
    PROBLEM_LONG,  /* number: the greatest length */
    PROBLEM_PROJECT,
    PROBLEM_ID,
    PROBLEM_CHOICE, /* text: what is to be chosen from */
    PROBLEM_OBJECT,
    PROBLEM_LIST,
    PROBLEM_ITEMS, /* number: the most items */
    PROBLEM_INT,
    PROBLEM_INT_TEXT,
    PROBLEM_FRACTION,
    PROBLEM_NUMBER,
    PROBLEM_FINITE,
    PROBLEM_LEAST,    /* number */
    PROBLEM_GREATEST, /* number */
    PROBLEM_TIME,
    PROBLEM_TIME_RANGE,
    PROBLEM_BOOL,
    PROBLEM_UTF8,
    PROBLEM_CURSOR
};

#define PROBLEMS_MAX 32 /* that are listed; a body has fewer fields */

struct problem {
    enum problem_kind kind;
    const char *field; /* static; NULL: the whole body */
    int64_t index;     /* in a list; negative: of the field itself */
    int64_t number;
    const char *text; /* static */
};

struct problems {      /* zero value: none */
    const char *where; /* static: "body" or "query" */
    size_t count;
    struct problem list[PROBLEMS_MAX];
};

void problems_add(struct problems *p, struct problem problem);
/* {"detail": [{"loc": ["body", "name"], "msg": "...", "type": "..."}, ...]}: all of them. */
int problems_print(const struct problems *p, struct buf *out) WARN_UNUSED_RESULT;
/* The first of them in one sentence, for a line of a batch: "name: Field required". */
int problems_sentence(const struct problems *p, struct buf *out) WARN_UNUSED_RESULT;
/* Answers 422 with them. */
void problems_answer(const struct problems *p, struct request *r);

/* ---- The four writes */

enum body_kind {
    BODY_CREATE_TRACE,
    BODY_CREATE_SPAN,
    BODY_COMPLETE_SPAN,
    BODY_COMPLETE_TRACE,
    BODY_KINDS
};

/* Largest figures that are taken: what a JSON number holds exactly (2^53), and what sums of stay
 * finite. */
#define TOKENS_MAX INT64_C(9007199254740992)
#define COST_MAX   1e12

/* Reads the body of one write into `write`: op, fields, derived figures; not project_id, ids that
 * the path gives, or what the server sets (write_finish). Texts are borrowed from the body or lie
 * in the arena. ERR_OK; ERR_BAD: *problems says why; ERR_NOMEM. */
int body_read(enum body_kind kind, struct text body, struct arena *arena,
              struct stored_write *write, struct problems *problems) WARN_UNUSED_RESULT;
/* One line of a batch: the same with its "op" and the ids, all of which have to be there. The kind
 * is told by write->op. */
int body_read_line(struct text line, struct arena *arena, struct stored_write *write,
                   struct problems *problems) WARN_UNUSED_RESULT;
/* Sets what the client left to the server: ids and times of a create, the end of a complete.
 * now: wall ns. An end before the start (a clock that was set back) becomes the start: refusing it
 * would lose the record. ERR_NOMEM. */
int write_finish(struct stored_write *write, struct arena *arena, int64_t now) WARN_UNUSED_RESULT;
/* What the metadata tells of a span (tokens_cache_read, ttft_ms), numbers or, by older clients,
 * numbers as text. Of a span whose figures do not count ("counted": false) no tokens. */
void span_derive(struct stored_span *span);

/* ---- Times */

/* ISO 8601 with `Z` or an offset, to the letter. ERR_BAD: malformed or no such day; ERR_RANGE:
 * before 1970-01-02 or after 2199. */
int time_read(struct text text, int64_t *wall_ns) WARN_UNUSED_RESULT;

/* ---- Queries. An absent parameter leaves *out as it is. */

void query_text(const struct request *r, struct problems *p, const char *name, size_t chars_max,
                struct text *out);
void query_int(const struct request *r, struct problems *p, const char *name, int64_t least,
               int64_t greatest, int64_t *out);
void query_time(const struct request *r, struct problems *p, const char *name, int64_t *out);
void query_bool(const struct request *r, struct problems *p, const char *name, bool *out);
/* choices: NULL-terminated; *out is the index. told: what the message lists. */
void query_choice(const struct request *r, struct problems *p, const char *name,
                  const char *const *choices, const char *told, size_t *out);
/* Comma-separated; blank ones are dropped, each is cut as a stored tag is. */
void query_tags(const struct request *r, struct problems *p, struct stored_filter *f);

/* Characters (Unicode code points) of valid UTF-8. */
size_t text_chars(struct text t);
/* The first so many characters. */
struct text text_cut(struct text t, size_t chars);
bool text_is_blank(struct text t);

#endif
