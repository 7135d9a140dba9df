/* Messages of several records, put together. Pieces come in any order and from a process that may
 * be broken: each is checked, they may not overlap, and what is held of a ring is bounded. */
#include <stdlib.h>
#include <string.h>

#include "collector/internal.h"

#define PARTIAL_MAX       64u         /* messages of a ring */
#define PARTIAL_BYTES_MAX (64u << 20) /* of a ring, with what it costs to hold them */
#define PIECES_MAX        4096u       /* of a message */

struct part {
    struct part *next;
    uint64_t offset;
    uint32_t length;
    struct kept kept;
    uint8_t data[];
};

struct partial {
    uint64_t number;
    uint16_t type;
    uint64_t total, got, time;
    size_t count;
    uint64_t arrived;          /* order */
    struct part *first, *last; /* by offset */
};

static void partial_free(struct ring *r, struct partial *p, struct kept_list *kept)
{
    struct part *next;
    for (struct part *at = p->first; at != NULL; at = next) {
        next = at->next;
        r->explicit.partial_bytes -= at->length + sizeof(*at);
        if (kept == NULL || !kept_list_add(kept, r, at->kept))
            kept_release(r, at->kept);
        free(at);
    }
    map_take(&r->explicit.partial, &p->number, sizeof(p->number));
    free(p);
}

static void drop(struct ring *r, struct partial *p)
{
    r->collector->totals.api_lost++;
    partial_free(r, p, NULL);
}

void pieces_release(struct ring *r)
{
    size_t at = 0;
    for (struct partial *p; (p = map_next(&r->explicit.partial, &at, NULL, NULL)) != NULL;) {
        struct part *next;
        for (struct part *part = p->first; part != NULL; part = next) {
            next = part->next;
            free(part);
        }
        free(p);
    }
    map_release(&r->explicit.partial);
    r->explicit.partial_bytes = 0;
}

void pieces_drop(struct ring *r)
{
    size_t at = 0;
    for (struct partial *p; (p = map_next(&r->explicit.partial, &at, NULL, NULL)) != NULL;)
        drop(r, p);
}

static struct partial *oldest(struct ring *r)
{
    struct partial *old = NULL;
    size_t at = 0;
    for (struct partial *p; (p = map_next(&r->explicit.partial, &at, NULL, NULL)) != NULL;)
        if (old == NULL || p->arrived < old->arrived)
            old = p;
    return old;
}

static struct partial *partial_get(struct ring *r, const struct wire_record *head)
{
    struct partial *p = map_get(&r->explicit.partial, &head->conn, sizeof(head->conn));
    if (p != NULL)
        return p;
    if (r->explicit.partial.count >= PARTIAL_MAX)
        drop(r, oldest(r));
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->number = head->conn;
    p->type = head->type;
    p->total = head->lost;
    p->arrived = r->depot->explicit.order++;
    if (map_set(&r->explicit.partial, &p->number, sizeof(p->number), p) != ERR_OK) {
        free(p);
        return NULL;
    }
    return p;
}

/* In its place by offset; false: it overlaps. Mostly the last. */
static bool insert(struct partial *p, struct part *new)
{
    struct part *before = p->last;
    if (before != NULL && before->offset >= new->offset) {
        before = NULL;
        for (struct part *at = p->first; at->offset < new->offset; at = at->next)
            before = at;
    }
    struct part *after = before != NULL ? before->next : p->first;
    if ((before != NULL && before->offset + before->length > new->offset) ||
        (after != NULL && new->offset + new->length > after->offset))
        return false;
    new->next = after;
    if (before != NULL)
        before->next = new;
    else
        p->first = new;
    if (after == NULL)
        p->last = new;
    p->got += new->length;
    p->count++;
    return true;
}

static bool is_valid(const struct wire_record *head, const struct partial *p)
{
    return head->type == p->type && head->lost == p->total && head->length > 0 &&
           head->offset < p->total && head->length <= p->total - head->offset &&
           p->count < PIECES_MAX;
}

static uint8_t *assemble(const struct partial *p)
{
    uint8_t *data = malloc(p->total);
    for (const struct part *at = p->first; at != NULL && data != NULL; at = at->next)
        memcpy(data + at->offset, at->data, at->length);
    return data;
}

void pieces_add(struct ring *r, const struct wire_record *head, const uint8_t *payload,
                struct kept k, uint8_t **whole, size_t *length, uint64_t *time,
                struct kept_list *kept)
{
    *whole = NULL;
    struct partial *p = NULL;
    struct part *part = NULL;
    if (head->lost > 0 && head->lost <= WIRE_MESSAGE_MAX)
        p = partial_get(r, head);
    if (p == NULL) {
        r->collector->totals.api_bad++;
        kept_release(r, k);
        return;
    }
    if (is_valid(head, p))
        part = malloc(sizeof(*part) + head->length);
    if (part != NULL) {
        *part = (struct part){.offset = head->offset, .length = head->length, .kept = k};
        memcpy(part->data, payload, head->length);
    }
    if (part == NULL || !insert(p, part)) {
        free(part);
        kept_release(r, k);
        drop(r, p);
        return;
    }
    r->explicit.partial_bytes += part->length + sizeof(*part);
    if (head->offset == 0)
        p->time = head->time;
    if (p->got == p->total) {
        *whole = assemble(p);
        *length = p->total;
        *time = p->time;
        if (*whole == NULL)
            drop(r, p);
        else
            partial_free(r, p, kept);
        return;
    }
    while (r->explicit.partial_bytes > PARTIAL_BYTES_MAX)
        drop(r, oldest(r));
}
