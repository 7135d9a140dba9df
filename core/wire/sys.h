/* System calls without libc, for code that lives in other people's programs: nothing here touches
 * errno, a lock or the loader. Results are the kernel's own: negative errno on failure. */
#ifndef TRACER_WIRE_SYS_H
#define TRACER_WIRE_SYS_H

#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/sys_call.h"

/* linux/stat.h hides these when a libc's headers are about. */
#define SYS_MODE_TYPE    0170000u
#define SYS_MODE_REGULAR 0100000u

static inline long sys_open(const char *path, int flags, int mode)
{
    return sys_call6(__NR_openat, AT_FDCWD, (long)path, flags, mode, 0, 0);
}

static inline long sys_close(int fd)
{
    return sys_call6(__NR_close, fd, 0, 0, 0, 0, 0);
}

static inline long sys_fstat(int fd, struct stat *out)
{
    return sys_call6(__NR_fstat, fd, (long)out, 0, 0, 0, 0);
}

static inline long sys_fstatfs(int fd, struct statfs *out)
{
    return sys_call6(__NR_fstatfs, fd, (long)out, 0, 0, 0, 0);
}

static inline long sys_ftruncate(int fd, uint64_t size)
{
    return sys_call6(__NR_ftruncate, fd, (long)size, 0, 0, 0, 0);
}

static inline long sys_fchmod(int fd, unsigned mode)
{
    return sys_call6(__NR_fchmod, fd, (long)mode, 0, 0, 0, 0);
}

static inline long sys_mkdir(const char *path, unsigned mode)
{
    return sys_call6(__NR_mkdirat, AT_FDCWD, (long)path, (long)mode, 0, 0, 0);
}

static inline long sys_link(const char *from, const char *to)
{
    return sys_call6(__NR_linkat, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0, 0);
}

static inline long sys_rename(const char *from, const char *to)
{
#ifdef __NR_renameat
    return sys_call6(__NR_renameat, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0, 0);
#else
    return sys_call6(__NR_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0, 0);
#endif
}

static inline long sys_unlink(const char *path)
{
    return sys_call6(__NR_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
}

static inline long sys_read(int fd, void *out, size_t size)
{
    return sys_call6(__NR_read, fd, (long)out, (long)size, 0, 0, 0);
}

/* Up to size bytes of the link's text, without a NUL. */
static inline long sys_readlink(const char *path, char *out, size_t size)
{
    return sys_call6(__NR_readlinkat, AT_FDCWD, (long)path, (long)out, (long)size, 0, 0);
}

static inline long sys_pread(int fd, void *out, size_t size, uint64_t offset)
{
    return sys_call6(__NR_pread64, fd, (long)out, (long)size, (long)offset, 0, 0);
}

/* ThreadSanitizer does not see raw mappings come and go: without this a new one is taken for what
 * lay there before. */
#if defined(__SANITIZE_THREAD__)
#define SYS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SYS_TSAN 1
#endif
#endif
#ifdef SYS_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
extern char sys_mappings; /* writer_open.c */
#define SYS_MAPPED()    __tsan_acquire(&sys_mappings)
#define SYS_UNMAPPING() __tsan_release(&sys_mappings)
#else
#define SYS_MAPPED()    (void)0
#define SYS_UNMAPPING() (void)0
#endif

/* A shared, writable mapping of a file's first bytes, with none of them faulted in: in a program
 * that called mlockall(MCL_FUTURE) the kernel would otherwise fill every hole of the file. */
static inline void *sys_map_file(uint64_t size, int fd)
{
    long at = sys_call6(__NR_mmap, 0, (long)size, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (at < 0 && at >= -4095)
        return (void *)at;
    sys_call6(__NR_munlock, at, (long)size, 0, 0, 0, 0);
    long result = sys_call6(__NR_mprotect, at, (long)size, PROT_READ | PROT_WRITE, 0, 0, 0);
    SYS_MAPPED();
    if (result == 0)
        return (void *)at;
    sys_call6(__NR_munmap, at, (long)size, 0, 0, 0, 0);
    return (void *)result;
}

/* Whether a pointer from sys_map_file is an error in disguise. */
static inline int sys_is_error(const void *mapped)
{
    return (uintptr_t)mapped >= (uintptr_t)-4095;
}

static inline long sys_munmap(void *at, uint64_t size)
{
    SYS_UNMAPPING();
    return sys_call6(__NR_munmap, (long)at, (long)size, 0, 0, 0, 0);
}

static inline long sys_madvise(void *at, uint64_t size, int advice)
{
    return sys_call6(__NR_madvise, (long)at, (long)size, advice, 0, 0, 0);
}

static inline long sys_futex_wake(void *word)
{
    return sys_call6(__NR_futex, (long)word, FUTEX_WAKE, 1, 0, 0, 0);
}

static inline long sys_getpid(void)
{
    return sys_call6(__NR_getpid, 0, 0, 0, 0, 0, 0);
}

static inline long sys_gettid(void)
{
    return sys_call6(__NR_gettid, 0, 0, 0, 0, 0, 0);
}

static inline long sys_getppid(void)
{
    return sys_call6(__NR_getppid, 0, 0, 0, 0, 0, 0);
}

static inline long sys_geteuid(void)
{
    return sys_call6(__NR_geteuid, 0, 0, 0, 0, 0, 0);
}

static inline long sys_getrandom(void *out, size_t size)
{
    return sys_call6(__NR_getrandom, (long)out, (long)size, 1 /* GRND_NONBLOCK */, 0, 0, 0);
}

static inline void sys_yield(void)
{
    (void)sys_call6(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
}

/* Reserves memory of a file. tmpfs gives up with EINTR when a signal is pending; it runs as soon as
 * the call returns, so trying again is enough. */
static inline long sys_reserve(int fd, uint64_t offset, uint64_t size)
{
    long result = -EINTR;
    for (int tries = 0; tries < 8 && result == -EINTR; tries++)
        result = sys_call6(__NR_fallocate, fd, 0, (long)offset, (long)size, 0, 0);
    return result;
}

/* RLIMIT_FSIZE in bytes; growing a file beyond it raises SIGXFSZ. */
static inline uint64_t sys_file_limit(void)
{
    struct rlimit64 limit = {0, 0};
    if (sys_call6(__NR_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) < 0)
        return 0;
    return limit.rlim_cur;
}

static inline uint64_t sys_clock_ns(int clock)
{
    struct timespec now = {0, 0};
    sys_call6(__NR_clock_gettime, clock, (long)&now, 0, 0, 0, 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

#endif
