#include "service/connection.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The lock is held where a connection opens or closes and where a socket is shut down, so that a
 * descriptor is never one that the system has given to somebody else meanwhile. What a connection
 * does is told without it. */
struct connections {
    pthread_mutex_t lock;
    size_t max, descriptors;
    int highest; /* descriptor that was ever open */
    atomic_size_t count, used;
    struct connection *slots; /* untouched pages cost nothing */
};

struct connections *connections_new(size_t max, size_t descriptors)
{
    struct connections *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->slots = calloc(descriptors, sizeof(*c->slots));
    if (c->slots == NULL) {
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->max = max;
    c->descriptors = descriptors;
    return c;
}

void connections_free(struct connections *c)
{
    if (c == NULL)
        return;
    pthread_mutex_destroy(&c->lock);
    free(c->slots);
    free(c);
}

struct connection *connections_open(struct connections *c, int fd, uint64_t client, bool local)
{
    if (fd < 0 || (size_t)fd >= c->descriptors ||
        atomic_load(&c->count) >= c->max + CONNECTION_SPARE)
        return NULL;
    struct connection *slot = &c->slots[fd];
    pthread_mutex_lock(&c->lock);
    slot->client = client;
    slot->local = local;
    slot->used = false;
    slot->early = false;
    if (fd > c->highest)
        c->highest = fd;
    atomic_fetch_add(&c->count, 1);
    connection_enter(slot, CONNECTION_IDLE, CONNECTION_IDLE_S + CONNECTION_HEAD_S, 0);
    pthread_mutex_unlock(&c->lock);
    return slot;
}

struct connection *connections_get(struct connections *c, int fd)
{
    return fd < 0 || (size_t)fd >= c->descriptors ? NULL : &c->slots[fd];
}

void connections_close(struct connections *c, int fd)
{
    struct connection *slot = connections_get(c, fd);
    if (slot == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    if (atomic_exchange(&slot->stage, CONNECTION_CLOSED) != CONNECTION_CLOSED) {
        atomic_fetch_sub(&c->count, 1);
        atomic_fetch_sub(&c->used, slot->used);
    }
    pthread_mutex_unlock(&c->lock);
}

bool connections_are_many(const struct connections *c)
{
    return atomic_load(&c->count) > c->max;
}

void connections_use(struct connections *c, struct connection *slot)
{
    if (!slot->used)
        atomic_fetch_add(&c->used, 1);
    slot->used = true;
}

bool connections_are_busy(const struct connections *c)
{
    return atomic_load_explicit(&c->used, memory_order_relaxed) > CONNECTION_KEPT;
}

static int64_t time_for(size_t bytes)
{
    return (int64_t)(bytes / CONNECTION_RATE) * NS_PER_SEC;
}

void connection_enter(struct connection *c, enum connection_stage stage, unsigned seconds,
                      size_t bytes)
{
    int64_t now = clock_boot_ns();
    int64_t deadline = INT64_MAX;
    if (seconds > 0)
        deadline = now + (int64_t)seconds * NS_PER_SEC + time_for(bytes);
    atomic_store_explicit(&c->deadline, INT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&c->since, now, memory_order_relaxed);
    atomic_store_explicit(&c->stage, (int)stage, memory_order_release);
    atomic_store_explicit(&c->deadline, deadline, memory_order_release);
}

void connection_progress(struct connection *c, size_t bytes)
{
    /* In thousandths of the rate: pieces are smaller than a second's worth. */
    int64_t more = (int64_t)bytes * (NS_PER_SEC / (int64_t)CONNECTION_RATE);
    int64_t deadline = atomic_load_explicit(&c->deadline, memory_order_relaxed);
    if (deadline != INT64_MAX)
        atomic_store_explicit(&c->deadline, deadline + more, memory_order_release);
}

/* Whether the client sent its end, and all that came before it has been read. */
static bool has_left(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool is_over(struct connection *slot, int fd, int64_t now)
{
    int stage = atomic_load_explicit(&slot->stage, memory_order_acquire);
    if (stage == CONNECTION_CLOSED)
        return false;
    if (atomic_load_explicit(&slot->deadline, memory_order_acquire) < now)
        return true;
    int64_t age = now - atomic_load_explicit(&slot->since, memory_order_relaxed);
    return (stage == CONNECTION_HEAD || stage == CONNECTION_BODY) && age > NS_PER_SEC &&
           has_left(fd);
}

void connections_reap(struct connections *c, int64_t now)
{
    pthread_mutex_lock(&c->lock);
    for (int fd = 0; fd <= c->highest; fd++)
        if (is_over(&c->slots[fd], fd, now))
            shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&c->lock);
}

/* The one that has been at this stage longest, since before the time given. */
static bool evict(struct connections *c, enum connection_stage stage, int64_t before)
{
    int longest = -1;
    pthread_mutex_lock(&c->lock);
    for (int fd = 0; fd <= c->highest; fd++) {
        struct connection *slot = &c->slots[fd];
        int64_t began = atomic_load_explicit(&slot->since, memory_order_relaxed);
        bool bounded = atomic_load_explicit(&slot->deadline, memory_order_acquire) != INT64_MAX;
        if (atomic_load_explicit(&slot->stage, memory_order_acquire) == (int)stage && bounded &&
            began < before) {
            before = began;
            longest = fd;
        }
    }
    if (longest >= 0) {
        /* Not found a second time before it is closed. */
        atomic_store(&c->slots[longest].since, INT64_MAX);
        shutdown(longest, SHUT_RDWR);
    }
    pthread_mutex_unlock(&c->lock);
    return longest >= 0;
}

bool connections_evict(struct connections *c)
{
    return evict(c, CONNECTION_IDLE, INT64_MAX);
}

bool connections_evict_reader(struct connections *c, int64_t now)
{
    return evict(c, CONNECTION_ANSWER, now - CONNECTION_READ_S * NS_PER_SEC);
}

void connections_end(struct connections *c, enum connection_stage stage)
{
    pthread_mutex_lock(&c->lock);
    for (int fd = 0; fd <= c->highest; fd++)
        if (atomic_load_explicit(&c->slots[fd].stage, memory_order_acquire) == (int)stage)
            shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&c->lock);
}
