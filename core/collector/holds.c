/* Which records of a ring are still needed. Each record that was delivered has one owner at a time:
 * the piece that waits for earlier bytes, the connection whose exchange is open, the commit group;
 * then it is released. */
#include <stdlib.h>

#include "collector/internal.h"

/* However short the ring is, this much may be kept. */
#define KEPT_MIN         (1u << 20)
#define KEPT_RECORDS_MAX 65536u /* of one connection */

void kept_take(struct ring *r, struct kept k)
{
    r->kept_bytes += k.size;
}

void kept_release(struct ring *r, struct kept k)
{
    if (k.size == 0)
        return;
    r->kept_bytes -= k.size;
    r->released = true;
    ring_reader_release(r->reader, k.position);
}

bool kept_list_add(struct kept_list *l, struct ring *r, struct kept k)
{
    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 4 : l->cap * 2;
        struct kept_item *items = realloc(l->items, cap * sizeof(*items));
        if (items == NULL)
            return false;
        l->items = items;
        l->cap = cap;
    }
    l->items[l->count++] = (struct kept_item){r, k};
    l->bytes += k.size;
    return true;
}

/* Out of memory: given back early, which only a replaced collector would notice. */
void kept_commit(struct ring *r, struct kept k)
{
    if (k.size > 0 && !kept_list_add(&r->depot->kept, r, k))
        kept_release(r, k);
}

void ring_conn_keep(struct conn *c, struct kept k)
{
    if (k.size == 0)
        return;
    if (c->kept.count >= KEPT_RECORDS_MAX)
        ring_conn_release_early(c);
    if (c->early || !kept_list_add(&c->kept, c->ring, k))
        kept_release(c->ring, k);
}

void ring_conn_kept_commit(struct conn *c)
{
    for (size_t i = 0; i < c->kept.count; i++)
        kept_later(c->ring, c->kept.items[i].kept);
    c->kept.count = c->kept.bytes = 0;
    c->early = false;
}

void kept_list_release(struct kept_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        kept_release(l->items[i].ring, l->items[i].kept);
    l->count = l->bytes = 0;
}

/* A list as long as one long answer made it is not kept for the next. */
void kept_list_trim(struct kept_list *l)
{
    if (l->count > 0 || l->cap <= KEPT_RECORDS_MAX)
        return;
    free(l->items);
    *l = (struct kept_list){0};
}

void ring_conn_release_early(struct conn *c)
{
    if (c->kept.count > 0)
        c->ring->collector->totals.released_early++;
    kept_list_release(&c->kept);
    c->early = true;
}

static struct conn *conn_with_most(struct ring *r)
{
    struct conn *most = NULL;
    size_t at = 0;
    for (struct conn *c; (c = map_next(&r->conns, &at, NULL, NULL)) != NULL;)
        if (c->kept.bytes > 0 && (most == NULL || c->kept.bytes > most->kept.bytes))
            most = c;
    return most;
}

/* The pressure rule. What is kept of one ring never passes three quarters of what its writers have
 * reserved, and 1 MB is always allowed. Above it, first the commit group is hurried; a group that
 * the store refuses is in our memory anyway and is given back; then the open exchange that keeps
 * most is given back, records to come included. So a ring need not grow with the length of an
 * answer, and its writers never lose bytes behind a long stream. The price: a collector that
 * replaces a killed one cannot begin that one exchange anew; its span, in the store as running,
 * ends as partial with its process. */
void ring_relieve(struct ring *r)
{
    if (r->kept_bytes <= KEPT_MIN)
        return;
    ring_reader_counters(r->reader, &r->counters);
    size_t limit = (size_t)r->counters.blocks_reserved * RING_BLOCK_SIZE / 4 * 3;
    if (limit < KEPT_MIN)
        limit = KEPT_MIN;
    if (r->kept_bytes > limit / 2) {
        r->depot->hurry = true;
        if (r->explicit.kept > 0) /* what runs is shown, then its records are not needed */
            r->depot->settle = r->explicit.pressed = true;
    }
    if (r->kept_bytes > limit && r->depot->error != NULL) {
        kept_list_release(&r->depot->kept);
        if (r->explicit.kept > 0)
            explicit_give_back(r);
    }
    if (r->kept_bytes > limit && r->explicit.partial.count > 0)
        pieces_drop(r);
    while (r->kept_bytes > limit) {
        struct conn *c = conn_with_most(r);
        if (c == NULL)
            break;
        ring_conn_release_early(c);
    }
}
