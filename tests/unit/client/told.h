/* What the tests of core/client share: a runtime directory of their own, and the messages that the
 * library put into its ring, taken apart field by field as the collector would. */
#ifndef TESTS_CLIENT_TOLD_H
#define TESTS_CLIENT_TOLD_H

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "client/llm_tracer.h"
#include "wire/api.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define FIELDS_MAX 80
#define TOLD_MAX   4096

struct told_field {
    uint16_t name, flags;
    uint64_t before; /* of one that was cut */
    uint32_t length;
    const uint8_t *data;
};

struct told {
    uint16_t type;
    uint64_t time;
    uint32_t tid;
    uint32_t size; /* of the whole message */
    struct wire_api_head head;
    uint32_t count;
    struct told_field fields[FIELDS_MAX];
    uint8_t *bytes;
    uint64_t number; /* of a message in pieces */
    uint32_t have;
};

/* All that was read since told_clear. */
static struct told told[TOLD_MAX];
static unsigned told_count;
static char told_dir[64];
static struct ring_reader *told_reader;
static bool told_discarding; /* what is read is only counted, here: */
static uint64_t told_discarded;

/* --- folder and environment ------------------------------------------------------------------- */

static inline void told_remove_dir(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", told_dir);
    if (system(command) != 0)
        fprintf(stderr, "%s stays\n", told_dir);
}

/* Before the first client. The process becomes a subreaper: such have no collector started. */
static inline void told_begin(void)
{
    static const char *const names[] = {"TRACER_URL",      "TRACER_API_KEY", "TRACER_PROJECT_ID",
                                        "TRACING_ENABLED", "TRACEPARENT",    "TRACER_RING_MAX_MB"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    snprintf(told_dir, sizeof(told_dir), "/dev/shm/client-test-XXXXXX");
    if (!mkdtemp(told_dir)) {
        snprintf(told_dir, sizeof(told_dir), "/tmp/client-test-XXXXXX");
        if (!mkdtemp(told_dir))
            abort();
    }
    setenv("TRACER_RUNTIME_DIR", told_dir, 1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    atexit(told_remove_dir);
}

/* The ring of a process (0: any) as a path; false when there is none. */
static inline bool told_find_ring(pid_t pid, char *out, size_t size)
{
    char prefix[64];
    bool found = false;
    snprintf(prefix, sizeof(prefix), pid ? "ring-%d-" : "ring-", (int)pid);
    DIR *dir = opendir(told_dir);
    for (struct dirent *e; dir && !found && (e = readdir(dir));) {
        found = strncmp(e->d_name, prefix, strlen(prefix)) == 0;
        if (found)
            snprintf(out, size, "%s/%s", told_dir, e->d_name);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* --- reading ---------------------------------------------------------------------------------- */

static inline void told_take_apart(struct told *m)
{
    uint32_t at = sizeof(m->head);
    assert_true(m->size >= at);
    memcpy(&m->head, m->bytes, sizeof(m->head));
    assert_int_equal(m->head.zero, 0);
    if (m->type == WIRE_FLUSH)
        return;
    while (at < m->size) {
        struct wire_api_field wire;
        assert_true(m->size - at >= sizeof(wire));
        memcpy(&wire, m->bytes + at, sizeof(wire));
        at += (uint32_t)sizeof(wire);
        assert_true(wire.length <= m->size - at && m->count < FIELDS_MAX);
        struct told_field *f = &m->fields[m->count++];
        *f = (struct told_field){.name = wire.name, .flags = wire.flags, .length = wire.length};
        f->data = m->bytes + at;
        at += wire.length;
        if (wire.flags & WIRE_FIELD_CUT) {
            assert_true(f->length >= sizeof(f->before));
            memcpy(&f->before, f->data, sizeof(f->before));
            f->data += sizeof(f->before);
            f->length -= (uint32_t)sizeof(f->before);
        }
    }
}

static inline struct told *told_slot(const struct wire_record *head)
{
    for (unsigned i = 0; head->conn && i < told_count; i++)
        if (told[i].number == head->conn)
            return &told[i];
    assert_true(told_count < TOLD_MAX);
    struct told *m = &told[told_count++];
    *m = (struct told){.type = head->type, .time = head->time, .tid = head->tid};
    m->number = head->conn;
    m->size = head->conn ? (uint32_t)head->lost : head->length;
    m->bytes = malloc(m->size);
    assert_non_null(m->bytes);
    return m;
}

static int told_each(void *user, const struct wire_record *head, const uint8_t *payload,
                     uint64_t position)
{
    (void)user;
    ring_reader_release(told_reader, position);
    told_discarded += told_discarding && head->type >= WIRE_TRACE_BEGIN;
    if (told_discarding || head->type < WIRE_TRACE_BEGIN)
        return 0;
    struct told *m = told_slot(head);
    assert_int_equal(m->type, head->type);
    assert_true(head->offset + head->length <= m->size);
    memcpy(m->bytes + head->offset, payload, head->length);
    m->have += head->length;
    if (m->have == m->size)
        told_take_apart(m);
    return 0;
}

static inline void told_clear(void)
{
    for (unsigned i = 0; i < told_count; i++)
        free(told[i].bytes);
    told_count = 0;
}

static int told_compare(const void *a, const void *b)
{
    const struct told *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

/* Reads all that is new in the ring at path, behind what was read before, in the order of time. */
static inline void told_read_path(struct ring_reader **reader, const char *path)
{
    if (!*reader)
        assert_int_equal(ring_reader_new(reader, path), 0);
    told_reader = *reader;
    const unsigned before = told_count;
    while (ring_reader_poll(*reader, 64u << 20, told_each, NULL) > 0)
        continue;
    ring_reader_reclaim(*reader);
    /* Of one thread and one moment, the order in the block is that of the calls. */
    qsort(told + before, told_count - before, sizeof(told[0]), told_compare);
    for (unsigned i = 0; i < told_count; i++)
        assert_int_equal(told[i].have, told[i].size);
}

/* Forgets what was read before, and reads what is new in this process's ring. */
static inline void told_read(void)
{
    static struct ring_reader *own;
    char path[400];
    told_clear();
    if (!own && !told_find_ring(getpid(), path, sizeof(path)))
        return;
    told_read_path(&own, path);
}

/* --- looking ---------------------------------------------------------------------------------- */

static inline unsigned told_of_type(uint16_t type)
{
    unsigned count = 0;
    for (unsigned i = 0; i < told_count; i++)
        count += told[i].type == type;
    return count;
}

/* The nth (from 0) message of a type; it must be there. */
static inline struct told *told_nth(uint16_t type, unsigned n)
{
    for (unsigned i = 0; i < told_count; i++)
        if (told[i].type == type && n-- == 0)
            return &told[i];
    fail_msg("no message of type %u", type);
    return NULL;
}

static inline const struct told_field *told_field_nth(const struct told *m, uint16_t name,
                                                      unsigned n)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->fields[i].name == name && n-- == 0)
            return &m->fields[i];
    return NULL;
}

static inline const struct told_field *told_field(const struct told *m, uint16_t name)
{
    return told_field_nth(m, name, 0);
}

/* The field's whole text; text NULL: there is none. */
static inline void assert_told_text(const struct told *m, uint16_t name, const char *text)
{
    const struct told_field *f = told_field(m, name);
    if (!text) {
        assert_null(f);
        return;
    }
    assert_non_null(f);
    assert_int_equal(f->length, strlen(text));
    assert_memory_equal(f->data, text, f->length);
    assert_null(told_field_nth(m, name, 1));
}

static inline void assert_told_integer(const struct told *m, uint16_t name, int64_t value)
{
    const struct told_field *f = told_field(m, name);
    int64_t have;
    assert_non_null(f);
    assert_int_equal(f->length, sizeof(have));
    memcpy(&have, f->data, sizeof(have));
    assert_true(have == value);
}

static inline void assert_told_number(const struct told *m, uint16_t name, double value)
{
    const struct told_field *f = told_field(m, name);
    assert_non_null(f);
    assert_int_equal(f->length, sizeof(value));
    assert_memory_equal(f->data, &value, sizeof(value));
}

static inline void told_hex(const uint8_t *bytes, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* The ids of a message's head as text; "" expected: zero. */
static inline void assert_told_ids(const struct told *m, const char *trace, const char *span,
                                   const char *parent)
{
    const struct {
        const uint8_t *have;
        size_t size;
        const char *expected;
    } ids[] = {{m->head.trace_id, WIRE_TRACE_ID_LEN, trace},
               {m->head.span_id, WIRE_SPAN_ID_LEN, span},
               {m->head.parent_id, WIRE_SPAN_ID_LEN, parent}};
    for (size_t i = 0; i < 3; i++) {
        char text[40] = "";
        told_hex(ids[i].have, ids[i].size, text);
        if (*ids[i].expected)
            assert_string_equal(text, ids[i].expected);
        else
            assert_int_equal(strspn(text, "0"), 2 * ids[i].size);
    }
}

static inline bool told_is_hex(const char *text, size_t len)
{
    return strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

/* --- warnings --------------------------------------------------------------------------------- */

static char told_warnings[4096]; /* one a line */
static unsigned told_warning_count;
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;

static void told_warn(void *user, const char *text)
{
    pthread_mutex_lock(&told_lock);
    assert_ptr_equal(user, told_warnings);
    assert_null(strchr(text, '\n'));
    strncat(told_warnings, text, sizeof(told_warnings) - strlen(told_warnings) - 2);
    strcat(told_warnings, "\n");
    told_warning_count++;
    pthread_mutex_unlock(&told_lock);
}

static inline void told_forget_warnings(void)
{
    told_warnings[0] = '\0';
    told_warning_count = 0;
}

/* A client with a key whose warnings come here. */
static inline llmt_client *told_client(void)
{
    return llmt_client_new(&(llmt_client_options){
        .api_key = "project-test", .on_warning = told_warn, .user = told_warnings});
}

/* A child that has no collector started either. */
static inline pid_t told_fork(void)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    return child;
}

/* Runs a function in a child and returns its exit code; 1000 and the signal when it was killed. */
static inline int in_child(int (*function)(void))
{
    const pid_t child = told_fork();
    if (child == 0)
        _exit(function());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#endif
