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
            free(run);
        } else if (!run->alive && run->mark) {
            c->marks_waiting = true;
        }
    }
}

bool runs_alive(const struct collector *c)
{
    return c->runs.count > 0;
}
