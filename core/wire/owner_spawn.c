/* Two clones, both without exit signal: the outer one is reaped here by __WCLONE, the inner one
 * becomes init's child and execs (an exec gives a clone its SIGCHLD back, which then goes to init).
 * Both share the program's memory until then (nothing is copied, however large it is), run on
 * stacks of their own, and keep to raw system calls; the calling thread is stopped meanwhile
 * (CLONE_VFORK), with all its signals blocked, so that no handler runs in the shared memory. */
#include <asm/signal.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "wire/owner_private.h"
#include "wire/sys.h"
#include "wire/text.h"

#define STACK_SIZE      16384
#define PATHS           3
#define SIGNALS         64
#define DESCRIPTORS_MAX 65536u
#define KERNEL_SIGSET   8 /* bytes, as rt_sigprocmask takes them */
#define PROGRAM         "/llm-tracer"

/* What runs in the clones, whose stacks no sanitizer knows. */
#define CHILD                                                                                      \
    __attribute__((no_sanitize("address"), no_sanitize("thread"), no_sanitize("undefined")))

/* How the kernel takes a handler's description; the restorer's place differs by machine. */
struct kernel_handler {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

static struct {
    _Atomic uint32_t busy; /* pid of the process that uses this: a fork copies it */
    char paths[PATHS][OWNER_PATH_MAX];
    char *arguments[4];
    char *const *variables;
    char outer_stack[STACK_SIZE] __attribute__((aligned(16)));
    char inner_stack[STACK_SIZE] __attribute__((aligned(16)));
} spawn;

#define CALL(number, a, b, c, d) sys_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#if defined(__x86_64__)
/* clone on a new stack; the child calls function there, which never returns. */
CHILD static long clone_onto(unsigned long flags, void *stack_end, void (*function)(void))
{
    long result;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "call *%[function]\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)__NR_clone), "D"(flags), "S"(stack_end),
                       "d"(0L), [function] "b"(function)
                     : "rcx", "r10", "r8", "r11", "memory");
    return result;
}
#else
/* Without a stack switch of our own the children copy the program's memory, as a fork does. */
CHILD static long clone_onto(unsigned long flags, void *stack_end, void (*function)(void))
{
    (void)stack_end;
    long result = CALL(__NR_clone, flags & ~(unsigned long)CLONE_VM, 0, 0, 0);
    if (result == 0)
        function();
    return result;
}
#endif

CHILD static void end_child(int code)
{
    for (;;)
        (void)CALL(__NR_exit_group, code, 0, 0, 0);
}

/* Default handlers, nothing blocked, no alarm to come. */
CHILD static void reset_signals(void)
{
    struct kernel_handler standard = {NULL, 0, NULL, 0};
    for (int number = 1; number <= SIGNALS; number++)
        (void)CALL(__NR_rt_sigaction, number, &standard, NULL, KERNEL_SIGSET);
    uint64_t none = 0;
    (void)CALL(__NR_rt_sigprocmask, SIG_SETMASK, &none, NULL, KERNEL_SIGSET);
}

/* 0, 1 and 2 are /dev/null, all others closed. */
CHILD static void reset_descriptors(void)
{
    long null = CALL(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        if (null != fd)
            (void)CALL(__NR_dup3, null, fd, 0, 0);
    if (CALL(__NR_close_range, 3, ~0u, 0, 0) == 0)
        return;
    struct rlimit64 limit = {0, 0};
    (void)CALL(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    for (unsigned fd = 3; fd < limit.rlim_cur && fd < DESCRIPTORS_MAX; fd++)
        (void)CALL(__NR_close, fd, 0, 0, 0);
}

/* The program's limit on file sizes is not the collector's. */
CHILD static void reset_limits(void)
{
    static const int resources[] = {RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_NOFILE};
    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        struct rlimit64 limit = {0, 0};
        if (CALL(__NR_prlimit64, 0, resources[i], NULL, &limit) != 0)
            continue;
        limit.rlim_cur = limit.rlim_max;
        if (resources[i] == RLIMIT_NOFILE && limit.rlim_cur > DESCRIPTORS_MAX)
            limit.rlim_cur = DESCRIPTORS_MAX;
        (void)CALL(__NR_prlimit64, 0, resources[i], &limit, NULL);
    }
}

CHILD static void inner(void)
{
    (void)CALL(__NR_setsid, 0, 0, 0, 0);
    (void)CALL(__NR_chdir, "/", 0, 0, 0);
    (void)CALL(__NR_umask, 077, 0, 0, 0);
    reset_limits();
    reset_descriptors();
    reset_signals();
    for (int i = 0; i < PATHS; i++) {
        spawn.arguments[0] = spawn.paths[i];
        if (spawn.paths[i][0])
            (void)CALL(__NR_execve, spawn.paths[i], spawn.arguments, spawn.variables, 0);
    }
    end_child(127);
}

CHILD static void outer(void)
{
    (void)clone_onto(CLONE_VM | CLONE_VFORK, spawn.inner_stack + STACK_SIZE, inner);
    end_child(0);
}

/* Its children would be ours, or it must not get orphans of others. */
static bool must_not_spawn(void)
{
    int subreaper = 0;
    return sys_getpid() == 1 ||
           (CALL(__NR_prctl, PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0) == 0 && subreaper != 0);
}

/* A file that may be executed: a folder of that name is not one. */
static bool is_program(const char *path)
{
    if (!path[0] || CALL(__NR_faccessat, AT_FDCWD, path, 1 /* X_OK */, 0) != 0)
        return false;
    long fd = sys_open(path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd >= 0)
        sys_close((int)fd);
    return fd < 0;
}

/* Paths that cannot be told, or are too long, are empty. */
static bool put_path(int which, const char *folder, size_t len, const char *rest)
{
    struct text t = text_in(spawn.paths[which], OWNER_PATH_MAX);
    text_bytes(&t, folder, len);
    text_add(&t, rest);
    if (t.cut)
        spawn.paths[which][0] = '\0';
    return is_program(spawn.paths[which]);
}

/* Seen from the object's folder: where the build and the installation put the program, where a
 * folder per architecture puts it, and beside it. */
static bool find_near(const struct owner_host *host)
{
    char *own = spawn.paths[PATHS - 1];
    if (!host->own_path(own, OWNER_PATH_MAX))
        return false;
    size_t folder = text_length(own);
    while (folder > 0 && own[folder - 1] != '/')
        folder--;
    if (folder-- == 0)
        return false;
    bool found = put_path(0, own, folder, "/../bin" PROGRAM);
    found = put_path(1, own, folder, "/../../bin" PROGRAM) || found;
    own[folder] = '\0';
    struct text t = {own, OWNER_PATH_MAX, folder, 0};
    text_add(&t, PROGRAM);
    if (t.cut)
        own[0] = '\0';
    return is_program(own) || found;
}

/* In the folders of PATH; a relative one would be another folder for each caller. */
static bool find_in_path(const struct owner_host *host)
{
    const char *at = host->setting(OWNER_PATH);
    for (int i = 0; i < PATHS; i++)
        spawn.paths[i][0] = '\0';
    while (at && *at) {
        size_t len = 0;
        while (at[len] && at[len] != ':')
            len++;
        if (at[0] == '/' && put_path(0, at, len, PROGRAM))
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

/* One caller at a time. A thread of our parent may have been the one when it forked us: it is none
 * of our threads, and its mark does not count. */
static bool enter(void)
{
    uint32_t pid = (uint32_t)sys_getpid();
    uint32_t holder = atomic_load_explicit(&spawn.busy, memory_order_relaxed);
    return holder != pid && atomic_compare_exchange_strong(&spawn.busy, &holder, pid);
}

bool owner_spawn(const struct owner_host *host)
{
    if (must_not_spawn() || !enter())
        return true;
    static char command[] = "collect", option[] = "--spawned";
    spawn.arguments[1] = command;
    spawn.arguments[2] = option;
    spawn.arguments[3] = NULL;
    spawn.variables = host->collector_environment();
    /* Else nothing is cloned: init would be left with a dead child. */
    bool found = find_near(host) || find_in_path(host);
    if (found) {
        uint64_t all = ~UINT64_C(0), before = 0;
        (void)CALL(__NR_rt_sigprocmask, SIG_SETMASK, &all, &before, KERNEL_SIGSET);
        long child = clone_onto(CLONE_VM | CLONE_VFORK, spawn.outer_stack + STACK_SIZE, outer);
        while (child > 0 && CALL(__NR_wait4, child, NULL, __WCLONE, NULL) == -EINTR)
            continue;
        (void)CALL(__NR_rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET);
    }
    atomic_store(&spawn.busy, 0);
    return found;
}
