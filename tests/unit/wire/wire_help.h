/* What the tests of core/wire share: a runtime directory of their own, a ring, and a collector that
 * checks what it is given. */
#ifndef TESTS_WIRE_HELP_H
#define TESTS_WIRE_HELP_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* After the headers that it needs. */
#include <cmocka.h>

#include "base/clock.h"
#include "wire/reader.h"
#include "wire/writer.h"

#if !defined(__has_feature)
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif
#if UNDER_TSAN || defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#else
#define UNDER_SANITIZER 0
#endif

#define MB (UINT64_C(1) << 20)

/* A directory on /dev/shm, or in $TMPDIR when there is none. */
static inline void make_dir(char *out, size_t size)
{
    snprintf(out, size, "/dev/shm/wire-test-XXXXXX");
    if (mkdtemp(out))
        return;
    snprintf(out, size, "/tmp/wire-test-XXXXXX");
    assert_non_null(mkdtemp(out));
}

static inline void remove_dir(const char *dir)
{
    char command[400];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* Fields 22 and 28 of /proc/self/stat. */
static inline void own_stat(uint64_t *start, uint64_t *stack)
{
    char line[2048];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, line, sizeof(line) - 1);
    close(fd);
    line[got > 0 ? got : 0] = '\0';
    char *at = strrchr(line, ')') + 2;
    for (int field = 3; field < 22; field++)
        at = strchr(at, ' ') + 1;
    *start = strtoull(at, NULL, 10);
    for (int field = 22; field < 28; field++)
        at = strchr(at, ' ') + 1;
    *stack = strtoull(at, NULL, 10);
}

static inline struct wire_process_info own_info(void)
{
    struct wire_process_info info = {.pid = (uint32_t)getpid(), .uid = (uint32_t)geteuid()};
    struct stat status;
    own_stat(&info.start_ticks, &info.exec_nonce);
    assert_int_equal(stat("/proc/self/ns/pid", &status), 0);
    info.pid_ns = (uint64_t)status.st_ino;
    info.boot_time = (uint64_t)clock_boot_ns();
    info.wall_time = (uint64_t)clock_wall_ns();
    return info;
}

static inline int open_writer(struct ring_writer *w, const char *dir, uint64_t max_bytes)
{
    const struct wire_process_info info = own_info();
    const struct wire_piece text = {"exe=/test", 9};
    return ring_writer_open(w, dir, max_bytes, &info, &text, 1);
}

static inline uint32_t own_tid(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

/* A payload that says who wrote it and which it is, so that a torn one shows. */
static inline void fill_payload(uint8_t *out, uint32_t length, uint32_t who, uint64_t which)
{
    uint64_t word = (uint64_t)who << 48 ^ which * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < length; i++)
        out[i] = (uint8_t)(word >> (i % 8 * 8)) ^ (uint8_t)(i / 8);
}

static inline bool payload_matches(const uint8_t *payload, uint32_t length, uint32_t who,
                                   uint64_t which)
{
    uint64_t word = (uint64_t)who << 48 ^ which * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < length; i++)
        if (payload[i] != (uint8_t)((uint8_t)(word >> (i % 8 * 8)) ^ (uint8_t)(i / 8)))
            return false;
    return true;
}

/* Writes record `which` of producer `who`: conn is who, offset which. */
static inline int put_numbered(struct ring_writer *w, uint32_t who, uint64_t which,
                               const uint8_t *payload, uint32_t length)
{
    const struct wire_record head = {
        .type = WIRE_DATA_OUT, .time = which + 1, .conn = who, .offset = which, .tid = own_tid()};
    const struct wire_piece piece = {payload, length};
    return ring_writer_put(w, &head, &piece, 1);
}

/* Holds block `index` as a thread in the middle of a record would. */
static inline void hold_block(struct ring_writer *w, uint32_t index, uint32_t tid)
{
    uint64_t idle = RING_IDLE;
    assert_true(atomic_compare_exchange_strong(&w->table[index].state, &idle,
                                               RING_HELD | (uint64_t)tid << 32));
}

#endif
