/* Included in front of every file of preload/ (-include): the law of the host process, as far as a
 * compiler can hold it. What the code may use comes first, then what it must never name. The whole
 * law is told in preload.c. */
#ifndef TRACER_PRELOAD_LAW_H
#define TRACER_PRELOAD_LAW_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* An exported hook; everything else is hidden. */
#define LLMT_EXPORT __attribute__((visibility("default")))
/* What every process touches at its start lies together, in pages that the loader touches anyway: a
 * page fault costs as much as all the rest of the constructor. */
#define LLMT_HOT __attribute__((section(".data")))
/* Tables that every start reads lie with the code that reads them, as reads of the file are faulted
 * in by the piece. */
#define LLMT_HOT_TABLE   __attribute__((section(".text.startup.tables")))
#define LLMT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define LLMT_LIKELY(x)   __builtin_expect(!!(x), 1)

/* errno is the host's: it is read through host_errno (libc.h), never set but on a fallback path. */
#undef errno
#undef environ
#undef alloca
#undef stdin
#undef stdout
#undef stderr

/* No memory from anybody's allocator. */
#pragma GCC poison malloc calloc realloc free reallocarray aligned_alloc posix_memalign memalign
#pragma GCC poison strdup strndup asprintf vasprintf alloca
/* No stdio. */
#pragma GCC poison printf fprintf dprintf sprintf snprintf vprintf vfprintf vsnprintf puts fputs
#pragma GCC poison fopen fdopen fread fwrite fflush fgets getline perror stderr stdout stdin
/* No locks, no threads. */
#pragma GCC poison pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock pthread_once
#pragma GCC poison pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_cond_wait pthread_create
#pragma GCC poison pthread_key_create pthread_setspecific pthread_getspecific pthread_atfork
#pragma GCC poison pthread_spin_lock sem_wait
/* No loader. */
#pragma GCC poison dlopen dlmopen dlclose dlsym dlvsym dlerror dladdr
/* No end of the process, no handlers, no signals. */
#pragma GCC poison exit _exit _Exit abort atexit on_exit raise kill assert
#pragma GCC poison signal sigaction sigprocmask pthread_sigmask sigaltstack
/* No children by libc, no environment by libc, no errno. */
#pragma GCC poison fork vfork posix_spawn system popen execve execv execvp
#pragma GCC poison getenv secure_getenv setenv unsetenv putenv errno
/* No system calls by libc: they set errno and can be cancelled. */
#pragma GCC poison syscall open openat creat mmap munmap madvise ioctl fstat stat getpid gettid
#pragma GCC poison clock_gettime gettimeofday nanosleep usleep sleep

#endif
