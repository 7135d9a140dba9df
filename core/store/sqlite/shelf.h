/* What a page of traces is chosen by, in memory: an entry a trace, by row number. A filter of any
 * kind and any order is one pass over it, some nanoseconds a trace, and a write keeps no index of
 * any of it on disk. Texts are only hinted at: what passes is looked at in the file.
 * Not thread-safe. */
#ifndef TRACER_STORE_SQLITE_SHELF_H
#define TRACER_STORE_SQLITE_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/backend.h"

#define SHELF_CHUNK 1024

/* Which pairs and triples of bytes a text has, folded to one case: a text that has a part has the
 * part's bits. */
struct shelf_hint {
    uint64_t pairs, triples;
};

struct shelf_entry {
    int64_t start;
    int64_t duration; /* ns; negative: running */
    int64_t tokens;   /* in and out; negative: unknown */
    double cost;
    double ttft;   /* ms; negative: unknown */
    uint64_t tags; /* bits of each */
    struct shelf_hint name, models;
    uint32_t project, user, session; /* hashes; 0: absent */
    uint8_t status;                  /* enum stored_status; 0: no such row */
};

struct shelf_chunk {
    int64_t latest; /* no start is later */
    size_t live;
    struct shelf_entry entries[SHELF_CHUNK];
};

struct shelf {
    struct shelf_chunk **chunks; /* by row / SHELF_CHUNK; NULL: all gone */
    size_t count;
    int64_t live;
};

void shelf_init(struct shelf *s);
void shelf_release(struct shelf *s);
/* Makes room, so that shelf_put of rows up to this one cannot fail. ERR_NOMEM. */
int shelf_reserve(struct shelf *s, int64_t from, int64_t to);
void shelf_put(struct shelf *s, int64_t row, const struct shelf_entry *e);
void shelf_remove(struct shelf *s, int64_t row);
/* NULL: no such row. */
const struct shelf_entry *shelf_get(const struct shelf *s, int64_t row);

/* Whether there is any row of these. */
bool shelf_any(const struct shelf *s, int64_t first, int64_t last);

uint32_t shelf_hash(struct text t); /* 0 for an absent one, never for another */
uint64_t shelf_tag_bits(struct text tag);
/* Of all tags of a JSON array. */
uint64_t shelf_tags(struct text json);
void shelf_hint_add(struct shelf_hint *h, struct text t);

/* A place in an order of traces. */
struct shelf_place {
    int64_t value; /* negative: unknown, which comes last */
    int64_t start, row;
};

/* What is looked for. Zero: any. */
struct shelf_query {
    uint32_t project, user, session;
    uint64_t tags[STORED_TAGS_MAX];
    size_t tag_count;
    struct shelf_hint name, model;
    enum stored_status status;
    int64_t from, to;
    int64_t min_duration; /* ns */
    enum stored_sort sort;
    bool ascending;
    bool has_after;
    struct shelf_place after;
    const uint64_t *among; /* bits by row: only these; NULL: all */
    size_t among_rows;     /* rows it has bits for */
};

/* The first `max` of what matches, in order. Returns how many. ERR_NOMEM. */
int shelf_choose(const struct shelf *s, const struct shelf_query *q, struct shelf_place *out,
                 size_t max);

#endif
