/* The collector: one process a runtime directory that reads the rings of all traced processes and
 * turns their bytes into stored and delivered spans (ring -> http -> llm -> span -> store ->
 * export). One thread, beside the exporter's own. */
#ifndef TRACER_COLLECTOR_COLLECTOR_H
#define TRACER_COLLECTOR_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "span/span.h"
#include "json/json.h"

#define COLLECTOR_LOCK_NAME   "collector.lock" /* held while a collector runs; holds its pid */
#define COLLECTOR_STATUS_NAME "collector.json" /* see collector_status_read */
#define COLLECTOR_LOG_NAME    "collector.log"

struct collector_options {
    const char *runtime_dir;
    const char *data_dir; /* of processes that name none themselves */
    bool data_fallback;   /* the data directory is a substitute: said in the status */
    bool foreground;      /* does not end by itself */
};

struct collector;

/* Takes the lock of the runtime directory and opens the store. ERR_BUSY: a collector runs there
 * already. ERR_IO, ERR_NOMEM. A store that cannot be opened is no error: it is tried again. */
int collector_new(struct collector **out,
                  const struct collector_options *options) WARN_UNUSED_RESULT;
/* Works until nothing is left to do for a few seconds (never, in the foreground) or until
 * collector_stop; what was read is stored then, as far as the store can take it. */
void collector_run(struct collector *c);
/* Async-signal-safe. */
void collector_stop(struct collector *c);
/* Commits what is finished and gives up the lock; what is open stays in the rings for the next. */
void collector_free(struct collector *c);

/* One round without sleeping, for tests and benchmarks: reads every ring, commits when due. Returns
 * whether anything was read. */
bool collector_step(struct collector *c);
/* Commits now, due or not. ERR_IO when a store refused. */
int collector_flush(struct collector *c);
/* Whether nothing lives, waits or is open. */
bool collector_idle(struct collector *c);

/* The pid of the collector that holds the lock of the runtime directory; 0: none. */
int64_t collector_running(const char *runtime_dir);

/* What the collector last wrote about itself, about once a second, when a ring is done and before
 * a run is answered: {"version", "pid", "started",
 * "updated" (wall ns), "foreground", "runtime_dir", "data_dir", "data_fallback", "store_error"
 * (absent: none), "waiting_spans", "calls", "spans", "gaps", "gap_bytes", "lost_records",
 * "lost_bytes", "untracked", "corrupt_blocks", "unparsed", "unknown_records", "released_early",
 * "bad_messages", "lost_messages", "late_messages" (the explicit API's: malformed; of spans whose
 * begin was lost, or in pieces of which some were; of spans that had ended),
 * "rings_done", "http2": {host: connections}, "notices": [text], "rings": [{"ring_id", "pid",
 * "exe", "alive", "connections", "open_calls", "calls", "lost_records", "lost_bytes", "untracked",
 * "corrupt_blocks", "blocks_reserved", "blocks_used"}]}. Totals include the rings shown. NULL:
 * there is none. The caller frees it with json_free. */
json *collector_status_read(const char *runtime_dir);

/* A run of the wrapper: a file `run-TRACE` in the runtime directory, locked while the wrapper
 * lives. Its trace stays open until the wrapper has ended (in order or not) and the processes of
 * the run are gone. */
enum run_mark_wait {
    RUN_MARK_STORED,   /* the answer: everything of the ended processes is in the store */
    RUN_MARK_DELIVERED /* ... and was delivered, as far as it can be */
};
/* Makes and locks the file; returns its descriptor or ERR_IO. trace: 32 hex digits. */
int run_mark_begin(const char *runtime_dir, const char *trace) WARN_UNUSED_RESULT;
/* Says that the command has ended; the collector answers by removing the file. */
void run_mark_end(int fd, enum run_mark_wait wait);
/* What the answer says of the run beside its own trace; needs the mark's descriptor after it was
 * answered. */
struct run_answer {
    int64_t calls;                   /* captured from its processes; 0 also when nothing is said */
    uint8_t (*traces)[TRACE_ID_LEN]; /* made by hand in its processes; one may be there twice; new
                                        memory */
    size_t trace_count;              /* at most RUN_TRACES_MAX */
};
#define RUN_TRACES_MAX 65536u
void run_mark_read(int fd, struct run_answer *out);
/* Whether the collector has answered. */
bool run_mark_answered(const char *runtime_dir, const char *trace);
/* Removes the file: nobody answered. Closes fd. */
void run_mark_close(int fd, const char *runtime_dir, const char *trace);

/* Argument texts without what looks like a key, token or password (redact.c): a new array of the
 * same length, or NULL when out of memory. */
json *redact_argv(const json *argv);
/* One text; new memory, NULL when out of memory. */
char *redact_text(const char *text);

#endif
