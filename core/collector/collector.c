/* The collector's life: its lock, its rounds, its sleep, its end. */
#include "collector/collector.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/internal.h"

#define POLL_NS       (20 * NS_PER_MS)
#define POLL_NS_BUSY  (2 * NS_PER_MS) /* after a round that read some */
#define POLL_NS_ASKED NS_PER_MS
#define BUSY_BYTES    (128u << 10)
#define FILLING_BYTES (1u << 20) /* in one round: the rings are read again at once */
#define AWAKE_NS      NS_PER_SEC /* polls on after the last record while calls are open */
#define SCAN_NS       (100 * NS_PER_MS)
#define SLEEP_MS      900 /* the heart beats once a second */
#define SWEEP_NS      (60 * NS_PER_SEC)
#define HOUSEKEEP_NS  (900 * NS_PER_MS)
#define STATUS_NS     (50 * NS_PER_MS) /* between two writes of the status that nobody waits for */
#define TAKEOVER_MS   5000             /* a collector that announced its end needs less than that */

/* The lock is an advisory one on a file that stays: the kernel frees it however the holder ends. */
static int take_lock(const char *dir, int *out)
{
    char path[4200], pid[32];
    snprintf(path, sizeof(path), "%s/%s", dir, COLLECTOR_LOCK_NAME);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ERR_IO;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int err = errno == EWOULDBLOCK ? ERR_BUSY : ERR_IO;
        close(fd);
        return err;
    }
    int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        log_debug("%s: %s", path, strerror(errno)); /* the number is for people and tools */
    *out = fd;
    return ERR_OK;
}

int64_t collector_running(const char *runtime_dir)
{
    char path[4200], text[32] = "";
    snprintf(path, sizeof(path), "%s/%s", runtime_dir, COLLECTOR_LOCK_NAME);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return 0;
    int64_t pid = 0;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0 && pread(fd, text, sizeof(text) - 1, 0) > 0)
        pid = strtoll(text, NULL, 10);
    close(fd);
    return pid;
}

/* Waits for one that is about to end: it has announced so and gives its lock back soon. */
static int wait_lock(struct collector *c)
{
    int err = take_lock(c->runtime_dir, &c->lock);
    for (int ms = 0; err == ERR_BUSY && ms < TAKEOVER_MS; ms += 20) {
        int64_t age;
        if (doorbell_collector(c->bell, &age) != 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 20 * NS_PER_MS}, NULL);
        err = take_lock(c->runtime_dir, &c->lock);
    }
    return err;
}

static int64_t last_seen(const char *runtime_dir)
{
    json *status = collector_status_read(runtime_dir);
    int64_t updated = 0;
    if (!json_get_int(status, "updated", &updated) || updated <= 0)
        updated = clock_wall_ns();
    json_free(status);
    return updated;
}

int collector_new(struct collector **out, const struct collector_options *options)
{
    struct collector *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ERR_NOMEM;
    c->lock = -1;
    c->runtime_dir = strdup(options->runtime_dir);
    c->foreground = options->foreground;
    c->data_fallback = options->data_fallback;
    c->grouper = grouper_new();
    map_init(&c->ignored);
    map_init(&c->refused);
    map_init(&c->traces);
    map_init(&c->runs);
    map_init(&c->http2);
    int err = ERR_NOMEM;
    if (c->runtime_dir == NULL || c->grouper == NULL)
        goto out;
    err = doorbell_open(&c->bell, c->runtime_dir);
    if (err == ERR_OK)
        err = wait_lock(c);
    if (err != ERR_OK)
        goto out;
    doorbell_announce(c->bell, (uint32_t)getpid());
    c->now = c->active = clock_boot_ns();
    c->started = clock_wall_ns();
    err = ERR_NOMEM;
    if (depot_get(c, options->data_dir) == NULL)
        goto out;
    int64_t seen = c->predecessor = last_seen(c->runtime_dir);
    rings_scan(c);
    rings_forget_lost(c, seen);
    status_write(c);
    *out = c;
    return ERR_OK;
out:
    collector_free(c);
    return err;
}

void collector_free(struct collector *c)
{
    if (c == NULL)
        return;
    if (c->depot_count > 0) {
        (void)collector_flush(c);
        rings_give_back(c);
        rings_sweep(c);
        (void)collector_flush(c);
        status_write(c);
    }
    for (size_t i = 0; i < c->ring_count; i++)
        c->rings[i]->abandoned = true; /* what is open goes on with the next collector */
    for (size_t i = 0; i < c->ring_count; i++)
        ring_free(c->rings[i]);
    free(c->rings);
    for (size_t i = 0; i < c->depot_count; i++)
        depot_free(c->depots[i]);
    size_t at = 0;
    for (void *t; (t = map_next(&c->traces, &at, NULL, NULL)) != NULL;)
        trace_state_free(t);
    at = 0;
    for (void *run; (run = map_next(&c->runs, &at, NULL, NULL)) != NULL;)
        run_free(run);
    map_release(&c->traces);
    map_release(&c->runs);
    map_release(&c->ignored);
    map_release(&c->refused);
    map_release(&c->http2);
    json_free(c->notices);
    grouper_free(c->grouper);
    if (c->bell != NULL && c->lock >= 0)
        doorbell_announce(c->bell, 0);
    if (c->bell != NULL)
        doorbell_close(c->bell);
    if (c->lock >= 0)
        close(c->lock);
    free(c->runtime_dir);
    free(c);
}

void collector_stop(struct collector *c)
{
    atomic_store(&c->stop, true);
}

int collector_flush(struct collector *c)
{
    int result = ERR_OK;
    c->now = clock_boot_ns();
    for (size_t i = 0; i < c->depot_count; i++) {
        int err = depot_commit(c->depots[i]);
        if (err != ERR_OK)
            result = err;
    }
    traces_sweep(c);
    return result;
}

static void commit_due(struct collector *c)
{
    bool any = false;
    for (size_t i = 0; i < c->depot_count; i++)
        if (depot_due(c->depots[i])) {
            (void)depot_commit(c->depots[i]);
            any = true;
        }
    if (any)
        traces_sweep(c);
}

/* Someone removed the lock's file: the next collector would not see ours, and two would empty the
 * same rings. */
static bool lock_is_gone(const struct collector *c)
{
    char path[4200];
    struct stat ours, there;
    snprintf(path, sizeof(path), "%s/%s", c->runtime_dir, COLLECTOR_LOCK_NAME);
    if (fstat(c->lock, &ours) != 0)
        return false;
    if (stat(path, &there) != 0)
        return errno == ENOENT;
    return ours.st_ino != there.st_ino || ours.st_dev != there.st_dev;
}

static void housekeep(struct collector *c)
{
    c->housekept = c->now;
    if (lock_is_gone(c)) {
        log_warn("%s was removed; this collector ends", COLLECTOR_LOCK_NAME);
        collector_stop(c);
        return;
    }
    doorbell_announce(c->bell, (uint32_t)getpid());
    traces_end_idle(c);
    status_write(c);
    for (size_t i = 0; i < c->depot_count; i++) /* one that is never idle keeps house, too */
        depot_idle_step(c->depots[i]);
    if (c->now - c->swept >= SWEEP_NS) {
        c->swept = c->now;
        (void)ring_dir_sweep(c->runtime_dir); /* rings whose makers died in the making */
    }
}

bool collector_step(struct collector *c)
{
    c->now = clock_boot_ns();
    c->round++;
    c->read_bytes = 0;
    if (doorbell_rings(c->bell) != c->rings_seen || c->now - c->scanned >= SCAN_NS)
        rings_scan(c);
    for (size_t i = 0; i < c->depot_count; i++)
        inside_look(c->depots[i]);
    for (size_t i = 0; i < c->ring_count; i++)
        ring_service(c->rings[i]);
    flushes_look(c);
    commit_due(c);
    flushes_look(c);
    rings_give_back(c);
    rings_sweep(c);
    runs_look(c);
    if (c->now - c->housekept >= HOUSEKEEP_NS)
        housekeep(c);
    if (c->status_due && c->now - c->told >= STATUS_NS)
        status_write(c);
    return c->read_bytes > 0;
}

static bool has_open(const struct collector *c)
{
    for (size_t i = 0; i < c->ring_count; i++) {
        const struct ring *r = c->rings[i];
        if (r->open_calls > 0 || r->waiting != NULL || r->later.count > 0 || !r->alive)
            return true;
    }
    return false;
}

static bool is_waiting(const struct collector *c)
{
    for (size_t i = 0; i < c->depot_count; i++)
        if (depot_waiting(c->depots[i]) || c->depots[i]->fresh != NULL ||
            explicit_waiting(c->depots[i]))
            return true;
    return c->status_due;
}

bool collector_idle(struct collector *c)
{
    if (has_open(c) || is_waiting(c) || runs_alive(c))
        return false;
    for (size_t i = 0; i < c->ring_count; i++)
        if (c->rings[i]->alive || ring_reader_pending(c->rings[i]->reader))
            return false;
    for (size_t i = 0; i < c->depot_count; i++)
        if (c->depots[i]->queue != NULL && export_pending(c->depots[i]->queue))
            return false;
    return true;
}

/* The last look before a sleep, after `asleep` was set. */
static bool nothing_new(void *user)
{
    struct collector *c = user;
    if (atomic_load(&c->stop) || doorbell_rings(c->bell) != c->rings_seen)
        return false;
    for (size_t i = 0; i < c->ring_count; i++)
        if (ring_reader_pending(c->rings[i]->reader))
            return false;
    return true;
}

/* While calls are open the rings are polled, so that no writer pays for waking us. */
static void rest(struct collector *c)
{
    bool open = has_open(c) && c->now - c->active < AWAKE_NS;
    if (open || is_waiting(c) || c->marks_waiting || c->flush_count > 0) {
        int64_t ns = c->read_bytes >= BUSY_BYTES ? POLL_NS_BUSY : POLL_NS;
        const int64_t asked = flushes_pause(c);
        if (c->marks_waiting) /* a wrapper waits at its end */
            ns = POLL_NS_ASKED;
        if (ns > asked)
            ns = asked;
        if (c->read_bytes < FILLING_BYTES && ns > 0)
            nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
        return;
    }
    for (size_t i = 0; i < c->depot_count; i++)
        depot_idle_step(c->depots[i]);
    if (doorbell_wait(c->bell, SLEEP_MS, nothing_new, c))
        c->scanned = 0; /* by a new ring, or by a wrapper that wants its answer */
}

/* Says that there is no collector any more, then looks once more: whoever made a ring before that
 * is seen here, whoever makes one after it starts another collector. */
static bool may_end(struct collector *c)
{
    doorbell_announce(c->bell, 0);
    rings_scan(c);
    if (c->ring_count == 0 && collector_idle(c))
        return true;
    doorbell_announce(c->bell, (uint32_t)getpid());
    return false;
}

void collector_run(struct collector *c)
{
    int64_t busy = clock_boot_ns();
    while (!atomic_load(&c->stop)) {
        if (collector_step(c) || !collector_idle(c))
            busy = c->now;
        if (!c->foreground && c->now - busy >= LINGER_NS && may_end(c))
            break;
        rest(c);
    }
}
