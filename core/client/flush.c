#include "client/flush.h"

#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "client/client.h"
#include "client/message.h"
#include "client/warning.h"

#define MILLISECOND  UINT64_C(1000000)
#define SECOND       (1000 * MILLISECOND)
#define NO_WAITING   (30 * SECOND) /* after a wait in vain */
#define SLEEP_FIRST  (50 * UINT64_C(1000))
#define SLEEP_MOST   (10 * MILLISECOND)
#define TIMEOUT_MOST 600000

/* Which of the header's answers a thread of this process waits for. A fork does not empty it, so it
 * names the epoch. */
static _Atomic uint64_t taken; /* epoch << 32 | a bit a slot */

_Static_assert(RING_FLUSH_SLOTS == 32, "a bit each");

/* A slot of the header that no other thread waits at; RING_FLUSH_SLOTS: all are. */
static uint32_t take_slot(uint32_t epoch, uint32_t from)
{
    uint64_t now = atomic_load(&taken);
    for (;;) {
        const uint32_t used = now >> 32 == epoch ? (uint32_t)now : 0;
        if (used == UINT32_MAX)
            return RING_FLUSH_SLOTS;
        uint32_t slot = from % RING_FLUSH_SLOTS;
        uint32_t bit = UINT32_C(1) << slot; /* NOLINT: the analyzer takes 32 for possible */
        while (used & bit) {
            slot = (slot + 1) % RING_FLUSH_SLOTS;
            bit = UINT32_C(1) << slot;
        }
        const uint64_t wanted = (uint64_t)epoch << 32 | used | bit;
        if (atomic_compare_exchange_weak(&taken, &now, wanted))
            return slot;
    }
}

static void give_slot(uint32_t epoch, uint32_t slot)
{
    uint64_t now = atomic_load(&taken);
    while (now >> 32 == epoch &&
           !atomic_compare_exchange_weak(&taken, &now, now & ~(UINT64_C(1) << slot)))
        continue;
}

/* Sleeps a little longer each time, until *word is not `value` any more and a collector says so
 * (word NULL: never); false once the deadline is over. */
static bool rest(uint64_t deadline, uint64_t *step, const void *word, uint32_t value)
{
    const uint64_t now = process_now();
    if (now >= deadline)
        return false;
    const uint64_t most = deadline - now < *step ? deadline - now : *step;
    const struct timespec time = {0, (long)most};
    if (word)
        (void)syscall(SYS_futex, word, FUTEX_WAIT, value, &time, NULL, 0);
    else
        (void)nanosleep(&time, NULL);
    *step = *step * 3 / 2 < SLEEP_MOST ? *step * 3 / 2 : SLEEP_MOST;
    return true;
}

/* Puts the ticket into the ring. While that is full it is tried again only when the collector gave
 * something back, since every try in vain is counted as a loss. */
static bool put_ticket(uint32_t number, const struct wire_api_flush *flush, uint64_t deadline)
{
    const struct wire_api_head head = {.client = number};
    const struct wire_piece pieces[] = {{&head, sizeof(head)}, {flush, sizeof(*flush)}};
    uint64_t step = SLEEP_FIRST;
    for (;;) {
        const struct moment m = process_enter();
        if (!m.ring)
            return false;
        const struct wire_record record = {
            .type = WIRE_FLUSH, .time = m.now, .tid = thread_get(m.epoch)->tid};
        const uint32_t returned = atomic_load(&m.ring->header->returned);
        if (ring_writer_put(m.ring, &record, pieces, 2) == 0)
            return true;
        while (atomic_load(&m.ring->header->returned) == returned)
            if (!rest(deadline, &step, NULL, 0))
                return false;
    }
}

/* Until the collector has written the ticket to the header, which wakes us; a look from time to
 * time is for one that died before it did. */
static int await_answer(const struct ring_header *header, const struct wire_api_flush *flush,
                        uint64_t deadline)
{
    const _Atomic uint64_t *answer = &header->flushed[flush->slot];
    const bool low_first = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    const uint8_t *low = (const uint8_t *)answer + (low_first ? 0 : 4);
    uint64_t step = SLEEP_FIRST;
    for (;;) {
        const uint64_t seen = atomic_load_explicit(answer, memory_order_acquire);
        if (seen == flush->ticket)
            return LLMT_OK;
        if (seen == WIRE_FLUSH_IN_VAIN(flush->ticket))
            return LLMT_ETIMEDOUT;
        if (!rest(deadline, &step, low, (uint32_t)seen))
            return LLMT_ETIMEDOUT;
        (void)process_enter(); /* starts a collector when the last one died */
    }
}

static int take_slot_and_wait(uint32_t client_number, int timeout_ms, bool patient)
{
    const struct moment m = process_enter();
    if (!m.ring)
        return LLMT_ETIMEDOUT;
    const uint64_t deadline = m.now + (uint64_t)timeout_ms * MILLISECOND;
    struct wire_api_flush flush = {.ticket = thread_random(thread_get(m.epoch)) | 1,
                                   .flags = patient ? WIRE_FLUSH_PATIENT : 0};
    uint64_t step = SLEEP_FIRST;
    while ((flush.slot = take_slot(m.epoch, (uint32_t)(flush.ticket >> 32))) == RING_FLUSH_SLOTS)
        if (!rest(deadline, &step, NULL, 0))
            return LLMT_ETIMEDOUT;
    const int result = put_ticket(client_number, &flush, deadline)
                           ? await_answer(m.ring->header, &flush, deadline)
                           : LLMT_ETIMEDOUT;
    give_slot(m.epoch, flush.slot);
    return result;
}

/* A thread that is cancelled here would keep its slot for ever. */
int flush_wait(uint32_t client_number, int timeout_ms, bool patient)
{
    int cancel;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    const int result = take_slot_and_wait(client_number, timeout_ms, patient);
    (void)pthread_setcancelstate(cancel, NULL);
    return result;
}

int flush_sync(uint64_t client, uint32_t client_number, struct settings *settings)
{
    if (process_now() < atomic_load_explicit(&settings->no_waiting_till, memory_order_relaxed))
        return LLMT_ETIMEDOUT;
    const int result = flush_wait(client_number, settings->timeout_ms, false);
    if (result != LLMT_OK) {
        atomic_store_explicit(&settings->no_waiting_till, process_now() + NO_WAITING,
                              memory_order_relaxed);
        warning_give(client, TROUBLE_NO_WAIT);
    }
    return result;
}

int llmt_flush(llmt_client *client, int timeout_ms)
{
    struct client_view c;
    const int result = client_find(client, &c);
    if (result != LLMT_OK)
        return result;
    if (c.flags & CLIENT_DISABLED)
        return LLMT_EDISABLED;
    if (!(c.flags & CLIENT_USED))
        return LLMT_OK;
    if (timeout_ms < 0)
        return flush_wait(c.number, c.settings->timeout_ms, false);
    return flush_wait(c.number, timeout_ms < TIMEOUT_MOST ? timeout_ms : TIMEOUT_MOST, true);
}
