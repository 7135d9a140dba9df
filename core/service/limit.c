#include "service/limit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/map.h"

#define WINDOW_NS (60 * NS_PER_SEC)
#define WAYS      8 /* places that one address may take */

/* The minute that the last request fell into and the one before: what came in the last 60 s is
 * estimated from both, as if the older one's requests had come evenly. */
struct slot {
    uint64_t client; /* 0: free */
    int64_t minute;
    uint32_t now, before;
};

struct limit {
    pthread_mutex_t lock;
    uint64_t per_minute;
    uint64_t seed; /* else somebody could choose addresses that push out another's */
    size_t sets;
    struct slot slots[];
};

/* Never 0, and different for the families. */
static uint64_t address_number(uint64_t bits, uint64_t family)
{
    return hash_bytes(family, &bits, sizeof(bits)) | 1;
}

uint64_t limit_client(const struct sockaddr *address)
{
    uint64_t bits = 0;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        memcpy(&bits, &in.sin_addr, sizeof(in.sin_addr));
        return address_number(bits, 4);
    }
    if (address->sa_family != AF_INET6)
        return 0;
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof(in6));
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
        memcpy(&bits, &in6.sin6_addr.s6_addr[12], 4);
        return address_number(bits, 4);
    }
    memcpy(&bits, &in6.sin6_addr, sizeof(bits));
    return address_number(bits, 6);
}

struct limit *limit_new(int64_t per_minute, size_t slots)
{
    struct limit *l = calloc(1, sizeof(*l) + slots * sizeof(struct slot));
    if (l == NULL)
        return NULL;
    pthread_mutex_init(&l->lock, NULL);
    l->per_minute = (uint64_t)per_minute;
    l->sets = slots / WAYS;
    if (getrandom(&l->seed, sizeof(l->seed), 0) != sizeof(l->seed))
        l->seed = (uint64_t)clock_boot_ns();
    return l;
}

void limit_free(struct limit *l)
{
    if (l == NULL)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void move_on(struct slot *s, int64_t minute)
{
    if (minute == s->minute)
        return;
    s->before = minute == s->minute + 1 ? s->now : 0;
    s->now = 0;
    s->minute = minute;
}

/* The client's place; a new one takes that of whoever asked least. */
static struct slot *find(struct limit *l, uint64_t client, int64_t minute)
{
    size_t set = (size_t)hash_bytes(l->seed, &client, sizeof(client)) & (l->sets - 1);
    struct slot *first = &l->slots[set * WAYS];
    struct slot *least = first;
    for (size_t i = 0; i < WAYS; i++) {
        struct slot *s = &first[i];
        move_on(s, minute);
        if (s->client == client)
            return s;
        if ((uint64_t)s->now + s->before < (uint64_t)least->now + least->before)
            least = s;
    }
    *least = (struct slot){.client = client, .minute = minute};
    return least;
}

int limit_take(struct limit *l, uint64_t client, int64_t now)
{
    if (client == 0)
        return 0;
    int64_t into = now % WINDOW_NS;
    pthread_mutex_lock(&l->lock);
    struct slot *s = find(l, client, now / WINDOW_NS);
    double left = (double)(WINDOW_NS - into) / (double)WINDOW_NS;
    double recent = (double)s->before * left + s->now;
    int wait = 0;
    if (recent + 1 <= (double)l->per_minute) {
        s->now++;
    } else {
        /* Until enough of the minute before has faded; when this minute alone is full, until it is
         * the one before and its first request has faded. */
        double need = recent + 1 - (double)l->per_minute;
        double seconds = (double)need / (s->before > 0 ? s->before : 1) * 60;
        if (s->before == 0 || seconds > left * 60)
            seconds = left * 60 + 60.0 / (double)l->per_minute;
        wait = seconds < 1 ? 1 : seconds > 59 ? 60 : (int)seconds + 1;
    }
    pthread_mutex_unlock(&l->lock);
    return wait;
}
