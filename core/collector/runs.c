/* Runs of the wrapper. A run is told by a file in the runtime directory that the wrapper keeps
 * locked: it lives as long as the lock. When its command has ended the wrapper writes one byte into
 * it and waits for the file to go away, which says that the spans of the run are stored ('e') or
 * delivered ('d'). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "collector/internal.h"

#define RUNS_MAX 4096u

static void mark_path(const char *dir, const char *hex, char *out, size_t size)
{
    snprintf(out, size, "%s/run-%s", dir, hex);
}

int run_mark_begin(const char *runtime_dir, const char *trace)
{
    char path[4200];
    mark_path(runtime_dir, trace, path, sizeof(path));
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ERR_IO;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        unlink(path);
        close(fd);
        return ERR_IO;
    }
    return fd;
}

void run_mark_end(int fd, enum run_mark_wait wait)
{
    char c = wait == RUN_MARK_DELIVERED ? 'd' : 'e';
    if (pwrite(fd, &c, 1, 0) != 1)
        flock(fd, LOCK_UN); /* no room for one byte: the free lock says the same */
}

/* Behind the byte that the wrapper writes. */
struct answer_head {
    int64_t calls, traces;
};

void run_mark_read(int fd, struct run_answer *out)
{
    struct answer_head head;
    *out = (struct run_answer){0};
    if (pread(fd, &head, sizeof(head), 1) != (ssize_t)sizeof(head) || head.calls < 0 ||
        head.traces < 0 || head.traces > RUN_TRACES_MAX)
        return;
    out->calls = head.calls;
    const size_t size = (size_t)head.traces * TRACE_ID_LEN;
    out->traces = size > 0 ? malloc(size) : NULL;
    if (out->traces != NULL && pread(fd, out->traces, size, 1 + sizeof(head)) == (ssize_t)size)
        out->trace_count = (size_t)head.traces;
}

bool run_mark_answered(const char *runtime_dir, const char *trace)
{
    char path[4200];
    mark_path(runtime_dir, trace, path, sizeof(path));
    return access(path, F_OK) != 0 && errno == ENOENT;
}

void run_mark_close(int fd, const char *runtime_dir, const char *trace)
{
    char path[4200];
    mark_path(runtime_dir, trace, path, sizeof(path));
    unlink(path);
    close(fd);
}

static struct run_state *run_make(struct collector *c, const char *hex)
{
    if (c->runs.count >= RUNS_MAX)
        return NULL;
    struct run_state *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return NULL;
    memcpy(run->hex, hex, TRACE_ID_HEX);
    run->mark = run->alive = true;
    if (map_set(&c->runs, hex, TRACE_ID_HEX - 1, run) != ERR_OK) {
        free(run);
        return NULL;
    }
    return run;
}

void run_found(struct collector *c, const char *file)
{
    const char *hex = file + 4;
    uint8_t id[TRACE_ID_LEN];
    if (strncmp(file, "run-", 4) == 0 && id_from_hex(hex, TRACE_ID_LEN, id) == ERR_OK &&
        map_get(&c->runs, hex, TRACE_ID_HEX - 1) == NULL)
        run_make(c, hex);
}

void run_joined(struct collector *c, const char *run_trace)
{
    uint8_t id[TRACE_ID_LEN];
    char hex[TRACE_ID_HEX];
    if (run_trace == NULL || id_from_hex(run_trace, TRACE_ID_LEN, id) != ERR_OK)
        return;
    id_to_hex(id, TRACE_ID_LEN, hex);
    struct run_state *run = map_get(&c->runs, hex, TRACE_ID_HEX - 1);
    if (run == NULL)
        run = run_make(c, hex); /* without a mark, the first look finds that it ended */
    if (run != NULL)
        run->trace_ended = false;
}

void run_free(struct run_state *run)
{
    free(run->traces);
    free(run);
}

static struct run_state *run_of(const struct ring *r)
{
    uint8_t id[TRACE_ID_LEN];
    char hex[TRACE_ID_HEX];
    if (r->process.run_trace == NULL ||
        id_from_hex(r->process.run_trace, TRACE_ID_LEN, id) != ERR_OK)
        return NULL;
    return map_get(&r->collector->runs, id_to_hex(id, TRACE_ID_LEN, hex), TRACE_ID_HEX - 1);
}

void run_left(const struct ring *r)
{
    struct run_state *run = run_of(r);
    if (run != NULL)
        run->calls += (int64_t)r->calls;
}

static void add_trace(struct run_state *run, const uint8_t *id)
{
    if (run->trace_count == run->trace_cap) {
        size_t cap = run->trace_cap == 0 ? 16 : run->trace_cap * 2;
        void *traces = cap <= RUN_TRACES_MAX ? realloc(run->traces, cap * TRACE_ID_LEN) : NULL;
        if (traces == NULL)
            return;
        run->traces = traces;
        run->trace_cap = cap;
    }
    memcpy(run->traces[run->trace_count++], id, TRACE_ID_LEN);
}

void run_made_trace(struct collector *c, const struct trace_state *t)
{
    for (size_t i = 0; i < c->ring_count && t->ring_id != NULL; i++) {
        if (strcmp(c->rings[i]->id, t->ring_id) != 0)
            continue;
        struct run_state *run = run_of(c->rings[i]);
        if (run != NULL && !t->run)
            add_trace(run, t->trace->trace_id);
    }
}

/* Reads the mark. Once ended, a run stays so. */
static void run_look(struct collector *c, struct run_state *run)
{
    char path[4200], byte = 0;
    if (!run->alive)
        return;
    mark_path(c->runtime_dir, run->hex, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        run->mark = run->alive = false;
    } else {
        bool told = pread(fd, &byte, 1, 0) == 1;
        bool gone = !told && flock(fd, LOCK_SH | LOCK_NB) == 0;
        struct stat st;
        if (told || gone) {
            run->alive = false;
            run->wait = told ? byte : 'e';
        }
        if (told && fstat(fd, &st) == 0)
            run->ended = st.st_mtim.tv_sec * NS_PER_SEC + st.st_mtim.tv_nsec;
        close(fd);
    }
    if (!run->alive) {
        run->ended_round = c->round;
        c->rings_seen = doorbell_rings(c->bell) - 1; /* look for rings once more */
    }
}

static bool is_of_run(const struct ring *r, const struct run_state *run)
{
    return r->process.run_trace != NULL && strcasecmp(r->process.run_trace, run->hex) == 0;
}

struct run_rings {
    size_t living, dead;
};

static struct run_rings count_rings(const struct collector *c, const struct run_state *run)
{
    struct run_rings n = {0, 0};
    for (size_t i = 0; i < c->ring_count; i++)
        if (is_of_run(c->rings[i], run)) {
            if (c->rings[i]->alive)
                n.living++;
            else
                n.dead++;
        }
    return n;
}

static bool all_stored(const struct collector *c)
{
    for (size_t i = 0; i < c->depot_count; i++)
        if (depot_waiting(c->depots[i]))
            return false;
    return true;
}

static bool all_delivered(const struct collector *c)
{
    for (size_t i = 0; i < c->depot_count; i++)
        if (c->depots[i]->queue != NULL && export_pending(c->depots[i]->queue))
            return false;
    return true;
}

static void end_trace(struct collector *c, struct run_state *run)
{
    uint8_t id[TRACE_ID_LEN];
    size_t at = 0;
    if (run->trace_ended || id_from_hex(run->hex, TRACE_ID_LEN, id) != ERR_OK)
        return;
    run->trace_ended = true;
    bool found = false;
    for (struct trace_state *t; (t = map_next(&c->traces, &at, NULL, NULL)) != NULL;)
        if (memcmp(t->trace->trace_id, id, TRACE_ID_LEN) == 0) {
            found = true;
            trace_end(t, run->ended);
        }
    if (!found)
        run_row_end(c, run->hex, run->ended);
}

/* For who holds the mark open; its name goes away behind it. */
static void write_answer(const struct collector *c, const struct run_state *run, const char *path)
{
    struct answer_head head = {.calls = run->calls, .traces = (int64_t)run->trace_count};
    for (size_t i = 0; i < c->ring_count; i++)
        if (is_of_run(c->rings[i], run))
            head.calls += (int64_t)c->rings[i]->calls;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    const size_t size = run->trace_count * TRACE_ID_LEN;
    if (size > 0 && pwrite(fd, run->traces, size, 1 + sizeof(head)) != (ssize_t)size)
        head.traces = 0;
    if (pwrite(fd, &head, sizeof(head), 1) != (ssize_t)sizeof(head))
        log_debug("%s: %s", path, strerror(errno));
    close(fd);
}

/* True when nothing of the run is left to do. */
static bool run_step(struct collector *c, struct run_state *run)
{
    run_look(c, run);
    if (run->alive || c->round < run->ended_round + 3)
        return false;
    struct run_rings n = count_rings(c, run);
    if (n.dead > 0)
        return false;
    if (n.living == 0)
        end_trace(c, run);
    if (!all_stored(c)) {
        for (size_t i = 0; i < c->depot_count; i++)
            c->depots[i]->hurry = true;
        return false;
    }
    if (run->mark && (run->wait != 'd' || all_delivered(c))) {
        char path[4200];
        status_write(c); /* who waits for the answer may ask for it next */
        mark_path(c->runtime_dir, run->hex, path, sizeof(path));
        write_answer(c, run, path);
        unlink(path);
        run->mark = false;
    }
    return n.living == 0 && !run->mark;
}

void runs_look(struct collector *c)
{
    size_t at = 0;
    c->marks_waiting = false;
    for (struct run_state *run; (run = map_next(&c->runs, &at, NULL, NULL)) != NULL;) {
        if (run_step(c, run)) {
            run_row_forget(c, run->hex);
            map_take(&c->runs, run->hex, TRACE_ID_HEX - 1);
            run_free(run);
        } else if (!run->alive && run->mark) {
            c->marks_waiting = true;
        }
    }
}

bool runs_alive(const struct collector *c)
{
    return c->runs.count > 0;
}
