#include "service/server_linger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define PIECE ((size_t)64 << 10)

struct lingering {
    int fd;
    int64_t until; /* boot ns */
    size_t left;   /* bytes that are still taken */
};

struct linger_room {
    pthread_mutex_t lock; /* of the two below */
    struct lingering all[LINGER_MAX];
    size_t count;
    atomic_bool end;
    int wake;
    pthread_t thread;
    char piece[PIECE]; /* of the thread */
};

/* False: it has ended, or had its share. */
static bool throw_away(struct linger_room *l, struct lingering *one, bool ready, int64_t now)
{
    if (ready) {
        ssize_t n = recv(one->fd, l->piece, PIECE, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n > 0 && (size_t)n >= one->left)
            return false;
        one->left -= n > 0 ? (size_t)n : 0;
    }
    return now < one->until;
}

/* The first count are those that were waited for; new ones came behind them. */
static void look(struct linger_room *l, const struct pollfd *polled, size_t count)
{
    int64_t now = clock_boot_ns();
    size_t kept = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->count; i++) {
        bool ready = i < count && polled[i].revents != 0;
        if (throw_away(l, &l->all[i], ready, now))
            l->all[kept++] = l->all[i];
        else
            close(l->all[i].fd);
    }
    l->count = kept;
    pthread_mutex_unlock(&l->lock);
}

static void *linger(void *user)
{
    struct linger_room *l = user;
    struct pollfd polled[LINGER_MAX + 1];
    eventfd_t woken;
    while (!atomic_load(&l->end)) {
        pthread_mutex_lock(&l->lock);
        size_t count = l->count;
        for (size_t i = 0; i < count; i++)
            polled[i] = (struct pollfd){.fd = l->all[i].fd, .events = POLLIN};
        pthread_mutex_unlock(&l->lock);
        polled[count] = (struct pollfd){.fd = l->wake, .events = POLLIN};
        (void)poll(polled, count + 1, count > 0 ? LINGER_MS / 10 : -1);
        if (polled[count].revents != 0)
            (void)eventfd_read(l->wake, &woken);
        look(l, polled, count);
    }
    return NULL;
}

int linger_start(struct linger_room **out)
{
    *out = NULL;
    struct linger_room *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return ERR_NOMEM;
    pthread_mutex_init(&l->lock, NULL);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake < 0 || pthread_create(&l->thread, NULL, linger, l) != 0) {
        if (l->wake >= 0)
            close(l->wake);
        pthread_mutex_destroy(&l->lock);
        free(l);
        return ERR_IO;
    }
    *out = l;
    return ERR_OK;
}

void linger_take(struct linger_room *l, int fd)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    int own = l->count < LINGER_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (own >= 0)
        l->all[l->count++] = (struct lingering){
            .fd = own, .until = clock_boot_ns() + LINGER_MS * NS_PER_MS, .left = LINGER_BYTES};
    pthread_mutex_unlock(&l->lock);
    if (own < 0)
        return;
    shutdown(own, SHUT_WR); /* the end behind the answer */
    (void)eventfd_write(l->wake, 1);
}

void linger_stop(struct linger_room *l)
{
    if (l == NULL)
        return;
    atomic_store(&l->end, true);
    (void)eventfd_write(l->wake, 1);
    pthread_join(l->thread, NULL);
    for (size_t i = 0; i < l->count; i++)
        close(l->all[i].fd);
    close(l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
