#include "store/sqlite/shelf.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "store/words.h"
#include "json/scan.h"

void shelf_init(struct shelf *s)
{
    memset(s, 0, sizeof(*s));
}

void shelf_release(struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->chunks[i]);
    free(s->chunks);
    shelf_init(s);
}

int shelf_reserve(struct shelf *s, int64_t from, int64_t to)
{
    size_t last = (size_t)to / SHELF_CHUNK;
    if (last >= s->count) {
        size_t count = s->count == 0 ? 64 : s->count;
        while (count <= last)
            count *= 2;
        struct shelf_chunk **chunks = realloc(s->chunks, count * sizeof(struct shelf_chunk *));
        if (chunks == NULL)
            return ERR_NOMEM;
        memset(chunks + s->count, 0, (count - s->count) * sizeof(struct shelf_chunk *));
        s->chunks = chunks;
        s->count = count;
    }
    for (size_t i = (size_t)from / SHELF_CHUNK; i <= last; i++) {
        if (s->chunks[i] == NULL && (s->chunks[i] = calloc(1, sizeof(**s->chunks))) == NULL)
            return ERR_NOMEM;
        if (s->chunks[i]->live == 0)
            s->chunks[i]->latest = INT64_MIN;
    }
    return ERR_OK;
}

void shelf_put(struct shelf *s, int64_t row, const struct shelf_entry *e)
{
    struct shelf_chunk *chunk = s->chunks[(size_t)row / SHELF_CHUNK];
    struct shelf_entry *at = &chunk->entries[(size_t)row % SHELF_CHUNK];
    if (at->status == 0) {
        chunk->live++;
        s->live++;
    }
    *at = *e;
    if (e->start > chunk->latest)
        chunk->latest = e->start;
}

void shelf_remove(struct shelf *s, int64_t row)
{
    size_t at = (size_t)row / SHELF_CHUNK;
    struct shelf_chunk *chunk = at < s->count ? s->chunks[at] : NULL;
    if (chunk == NULL || chunk->entries[(size_t)row % SHELF_CHUNK].status == 0)
        return;
    chunk->entries[(size_t)row % SHELF_CHUNK].status = 0;
    s->live--;
    if (--chunk->live == 0) {
        free(chunk);
        s->chunks[at] = NULL;
    }
}

const struct shelf_entry *shelf_get(const struct shelf *s, int64_t row)
{
    size_t at = (size_t)row / SHELF_CHUNK;
    if (row < 0 || at >= s->count || s->chunks[at] == NULL)
        return NULL;
    const struct shelf_entry *e = &s->chunks[at]->entries[(size_t)row % SHELF_CHUNK];
    return e->status == 0 ? NULL : e;
}

bool shelf_any(const struct shelf *s, int64_t first, int64_t last)
{
    for (int64_t row = first; row <= last && (size_t)row / SHELF_CHUNK < s->count;) {
        const struct shelf_chunk *chunk = s->chunks[(size_t)row / SHELF_CHUNK];
        if (chunk == NULL || chunk->live == 0)
            row = (row / SHELF_CHUNK + 1) * SHELF_CHUNK;
        else if (chunk->entries[(size_t)row++ % SHELF_CHUNK].status != 0)
            return true;
    }
    return false;
}

uint32_t shelf_hash(struct text t)
{
    if (t.at == NULL)
        return 0;
    uint32_t h = (uint32_t)hash_bytes(0x5be1f, t.at, t.len);
    return h == 0 ? 1 : h;
}

uint64_t shelf_tag_bits(struct text tag)
{
    uint64_t h = hash_bytes(0x7a95, tag.at, tag.len);
    return UINT64_C(1) << (h & 63) | UINT64_C(1) << (h >> 6 & 63);
}

uint64_t shelf_tags(struct text array)
{
    struct scan scan;
    struct scan_value tag;
    uint64_t bits = 0;
    if (array.at == NULL || scan_open(&scan, array.at, array.len) != ERR_OK)
        return 0;
    while (scan_element(&scan, &tag) == 1) {
        if (tag.kind != SCAN_STRING)
            continue;
        size_t len = tag.len - 2;
        char *text = tag.escaped ? scan_text(&tag, &len) : NULL;
        if (!tag.escaped)
            bits |= shelf_tag_bits((struct text){tag.text + 1, len});
        else if (text != NULL)
            bits |= shelf_tag_bits((struct text){text, len});
        else
            bits = UINT64_MAX; /* cannot be told: a hint may say too much, never too little */
        free(text);
    }
    return bits;
}

void shelf_hint_add(struct shelf_hint *h, struct text t)
{
    struct folding f;
    char folded[WORD_MAX];
    size_t len;
    unsigned last = 0;
    size_t seen = 0;
    folding_init(&f, t);
    while ((len = folding_next(&f, folded)) > 0) {
        for (size_t i = 0; i < len; i++, seen++) {
            last = (last << 8 | (unsigned char)folded[i]) & 0xffffff;
            if (seen >= 1)
                h->pairs |= UINT64_C(1) << (((last & 0xffff) * 0x9e3779b1U) >> 26);
            if (seen >= 2)
                h->triples |= UINT64_C(1) << ((last * 0x85ebca6bU) >> 26);
        }
    }
}

static bool has_hint(const struct shelf_hint *all, const struct shelf_hint *part)
{
    return (all->pairs & part->pairs) == part->pairs &&
           (all->triples & part->triples) == part->triples;
}

static bool has_tag(const struct shelf_entry *e, const struct shelf_query *q)
{
    for (size_t i = 0; i < q->tag_count; i++)
        if ((e->tags & q->tags[i]) == q->tags[i])
            return true;
    return q->tag_count == 0;
}

static bool is_among(const struct shelf_query *q, int64_t row)
{
    return q->among == NULL || ((size_t)row < q->among_rows &&
                                (q->among[(size_t)row / 64] >> ((size_t)row % 64) & 1) != 0);
}

static bool matches(const struct shelf_entry *e, const struct shelf_query *q)
{
    return e->status != 0 && (q->project == 0 || e->project == q->project) &&
           (q->user == 0 || e->user == q->user) && (q->session == 0 || e->session == q->session) &&
           (q->status == STORED_ANY || e->status == q->status) &&
           (q->from == 0 || e->start >= q->from) && (q->to == 0 || e->start < q->to) &&
           (q->min_duration == 0 || e->duration >= q->min_duration) && has_tag(e, q) &&
           has_hint(&e->name, &q->name) && has_hint(&e->models, &q->model);
}

/* Doubles that are not negative are ordered as their bits are. */
static int64_t order_of(double value)
{
    int64_t bits;
    if (value < 0)
        return -1;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static int64_t value_of(const struct shelf_entry *e, enum stored_sort sort)
{
    switch (sort) {
    case SORT_DURATION:
        return e->duration;
    case SORT_COST:
        return order_of(e->cost);
    case SORT_TOKENS:
        return e->tokens;
    case SORT_TTFT:
        return order_of(e->ttft);
    default:
        return e->start < 0 ? 0 : e->start;
    }
}

/* Whether a comes before b. */
static bool before(const struct shelf_place *a, const struct shelf_place *b, bool ascending)
{
    if (a->value != b->value) {
        if (a->value < 0 || b->value < 0)
            return b->value < 0;
        return ascending ? a->value < b->value : a->value > b->value;
    }
    if (a->start != b->start)
        return a->start > b->start;
    return a->row > b->row;
}

/* out is a heap of the best so far, the last of them on top. */
static void sift_down(struct shelf_place *out, size_t count, size_t at, bool ascending)
{
    for (;;) {
        size_t last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (before(&out[last], &out[child], ascending))
                last = child;
        if (last == at)
            return;
        struct shelf_place swap = out[at];
        out[at] = out[last];
        out[last] = swap;
        at = last;
    }
}

static void offer(struct shelf_place *out, size_t *count, size_t max, const struct shelf_place *p,
                  bool ascending)
{
    if (*count == max) {
        if (before(p, &out[0], ascending)) {
            out[0] = *p;
            sift_down(out, max, 0, ascending);
        }
        return;
    }
    size_t at = (*count)++;
    out[at] = *p;
    while (at > 0 && before(&out[(at - 1) / 2], &out[at], ascending)) {
        struct shelf_place swap = out[at];
        out[at] = out[(at - 1) / 2];
        out[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

/* Whether nothing in the chunk can be among the results any more. */
static bool passes_over(const struct shelf_chunk *chunk, const struct shelf_query *q,
                        const struct shelf_place *out, size_t count, size_t max)
{
    if (q->from != 0 && chunk->latest < q->from)
        return true;
    return q->sort == SORT_START && !q->ascending && count == max && chunk->latest < out[0].start;
}

int shelf_choose(const struct shelf *s, const struct shelf_query *q, struct shelf_place *out,
                 size_t max)
{
    size_t count = 0;
    for (size_t c = s->count; c-- > 0;) {
        const struct shelf_chunk *chunk = s->chunks[c];
        if (chunk == NULL || chunk->live == 0 || passes_over(chunk, q, out, count, max))
            continue;
        for (size_t i = SHELF_CHUNK; i-- > 0;) {
            const struct shelf_entry *e = &chunk->entries[i];
            int64_t row = (int64_t)(c * SHELF_CHUNK + i);
            if (!matches(e, q) || !is_among(q, row))
                continue;
            struct shelf_place p = {value_of(e, q->sort), e->start, row};
            if (!q->has_after || before(&q->after, &p, q->ascending))
                offer(out, &count, max, &p, q->ascending);
        }
    }
    for (size_t left = count; left > 1; left--) { /* heap sort: the last goes to the end */
        struct shelf_place swap = out[0];
        out[0] = out[left - 1];
        out[left - 1] = swap;
        sift_down(out, left - 1, 0, q->ascending);
    }
    return (int)count;
}
