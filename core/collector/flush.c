/* Answers to WIRE_FLUSH records: a program waits until what it recorded is stored and delivered. A
 * flush goes through three stages: everything committed before it is read and made into spans; a
 * commit of the store that began after that; and what the outbox holds for the client's service at
 * that moment has left it, or the service takes nothing and the program would rather go on. Its
 * record is kept until then, so that a collector that takes over answers it; one that nobody can
 * wait for any more is forgotten. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "collector/internal.h"
#include "wire/api.h"

#define FORGET_NS (600 * NS_PER_SEC) /* longer than any caller waits */
/* Deliveries are looked at again after this part of the time that they have taken. */
#define LOOK_PART      8
#define LOOK_MIN       (NS_PER_MS / 2)
#define LOOK_MAX       (50 * NS_PER_MS)
#define RECENTLY_NS    NS_PER_SEC /* after a flush the next one is near */
#define POLL_NS_RECENT (2 * NS_PER_MS)

enum stage { FLUSH_READ, FLUSH_COMMIT, FLUSH_DELIVER };

struct flush {
    struct flush *next;
    uint64_t ticket;
    uint64_t time; /* of the record */
    uint32_t slot, client;
    bool patient;
    struct kept kept;
    enum stage stage;
    uint64_t polls;   /* of the ring, when it was read */
    uint64_t commits; /* of the depot, when all was read */
    int64_t arrived;  /* boot ns, ours */
    int64_t began;    /* boot ns: of the last stage */
    int64_t looked;   /* boot ns: at the outbox */
    int64_t upto;     /* seq of the outbox */
};

static void take_out(struct ring *r, struct flush **at)
{
    struct flush *f = *at;
    *at = f->next;
    r->collector->flush_count--;
    kept_release(r, f->kept);
    free(f);
}

/* A slot is one waiting thread's: a later record in it says that the earlier one's is gone. */
static bool supersedes(struct ring *r, const struct wire_record *head, uint32_t slot)
{
    for (struct flush **at = &r->flushes; *at != NULL; at = &(*at)->next) {
        if ((*at)->slot != slot)
            continue;
        if ((*at)->time > head->time)
            return false;
        take_out(r, at);
        return true;
    }
    return true;
}

void ring_flush(struct ring *r, const struct wire_record *head, const uint8_t *payload,
                struct kept k)
{
    struct wire_api_head about;
    struct wire_api_flush wanted;
    struct flush *f = NULL;
    if (head->length < sizeof(about) + sizeof(wanted))
        goto out;
    memcpy(&about, payload, sizeof(about));
    memcpy(&wanted, payload + sizeof(about), sizeof(wanted));
    if (wanted.ticket == 0 || wanted.slot >= RING_FLUSH_SLOTS || !supersedes(r, head, wanted.slot))
        goto out;
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        goto out;
    *f = (struct flush){.next = r->flushes,
                        .ticket = wanted.ticket,
                        .time = head->time,
                        .slot = wanted.slot,
                        .client = about.client,
                        .patient = (wanted.flags & WIRE_FLUSH_PATIENT) != 0,
                        .kept = k,
                        .polls = r->polls,
                        .arrived = r->collector->now};
    r->flushes = f;
    r->collector->flush_count++;
    r->collector->flushed = r->collector->now;
    return;
out:
    kept_release(r, k);
}

/* Whether everything that waits for the destination has left the outbox, up to `upto`. */
static bool is_delivered(struct flush *f, struct depot *d, int64_t destination)
{
    int64_t first, last;
    return store_outbox_bounds(d->store, destination, &first, &last) == ERR_OK &&
           (first == 0 || first > f->upto);
}

static int64_t look_pause(const struct flush *f, int64_t now)
{
    int64_t pause = (now - f->began) / LOOK_PART;
    return pause < LOOK_MIN ? LOOK_MIN : pause > LOOK_MAX ? LOOK_MAX : pause;
}

/* The stages may follow each other at once. Returns whether the flush is answered. */
static bool step(struct ring *r, struct flush *f)
{
    struct depot *d = r->depot;
    const int64_t now = clock_boot_ns();
    if (f->stage == FLUSH_READ && r->polls >= f->polls + WHOLE_POLLS) {
        f->stage = FLUSH_COMMIT;
        f->commits = d->commits;
        d->hurry = d->settle = true;
    }
    if (f->stage == FLUSH_COMMIT && d->commits > f->commits) {
        int64_t first, to = client_service(r, f->client);
        if (to != 0 && store_outbox_bounds(d->store, to, &first, &f->upto) != ERR_OK)
            return false;
        f->stage = FLUSH_DELIVER;
        f->began = now;
    }
    if (f->stage != FLUSH_DELIVER || now - f->looked < look_pause(f, now))
        return false;
    f->looked = now;
    int64_t to = client_service(r, f->client);
    uint64_t answer = f->ticket;
    if (to != 0 && !is_delivered(f, d, to)) {
        if (f->patient || d->queue == NULL || !export_failing(d->queue, to))
            return false;
        answer = WIRE_FLUSH_IN_VAIN(f->ticket);
    }
    return ring_reader_flushed(r->reader, f->slot, answer) == ERR_OK || r->failed;
}

void flushes_look(struct collector *c)
{
    for (size_t i = 0; i < c->ring_count && c->flush_count > 0; i++) {
        struct ring *r = c->rings[i];
        for (struct flush **at = &r->flushes; *at != NULL;) {
            if (r->done || c->now - (*at)->arrived > FORGET_NS || step(r, *at))
                take_out(r, at);
            else
                at = &(*at)->next;
        }
    }
}

void flushes_forget(struct ring *r)
{
    while (r->flushes != NULL)
        take_out(r, &r->flushes);
}

int64_t flushes_pause(const struct collector *c)
{
    int64_t least =
        c->flushed != 0 && c->now - c->flushed < RECENTLY_NS ? POLL_NS_RECENT : INT64_MAX;
    for (size_t i = 0; i < c->ring_count && c->flush_count > 0; i++) {
        const struct ring *r = c->rings[i];
        for (const struct flush *f = r->flushes; f != NULL; f = f->next) {
            int64_t pause = 0;
            if (f->stage == FLUSH_DELIVER)
                pause = look_pause(f, c->now);
            else if (r->depot->error != NULL || depot_full(r->depot))
                pause = LOOK_MAX;
            if (pause < least)
                least = pause;
        }
    }
    return least;
}
