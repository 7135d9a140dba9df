/* Two clones, both without exit signal: the outer one is reaped here by __WCLONE, the inner one
 * becomes init's child and execs (an exec gives a clone its SIGCHLD back, which then goes to init).
 * Both share the host's memory until then (nothing is copied, however large the host), run on
 * stacks of their own, and keep to raw system calls; the host's thread is stopped meanwhile
 * (CLONE_VFORK), with all its signals blocked, so that no handler runs in the shared memory. */
#include "spawn.h"

#include "environment.h"
#include "own_path.h"
#include "session.h"
#include "sys.h"
#include "text.h"

#define STACK_SIZE    16384
#define PATHS         3
#define SIGNALS       64
#define KERNEL_SIGSET 8 /* bytes, as rt_sigprocmask takes them */

/* How the kernel takes a handler's description; the restorer's place differs by machine. */
struct kernel_handler {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

static struct {
    _Atomic uint32_t busy;
    char paths[PATHS][PATH_MAX];
    char *arguments[4];
    char *const *variables;
    char outer_stack[STACK_SIZE] __attribute__((aligned(16)));
    char inner_stack[STACK_SIZE] __attribute__((aligned(16)));
} spawn;

#if defined(__x86_64__)
/* clone on a new stack; the child calls function there, which never returns. */
static long clone_onto(unsigned long flags, void *stack_end, void (*function)(void))
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
/* Without a stack switch of our own the children copy the host's memory, as a fork does. */
static long clone_onto(unsigned long flags, void *stack_end, void (*function)(void))
{
    (void)stack_end;
    long result = SYS5(__NR_clone, flags & ~(unsigned long)CLONE_VM, 0, 0, 0, 0);
    if (result == 0)
        function();
    return result;
}
#endif

static void end_child(int code)
{
    for (;;)
        (void)SYS1(__NR_exit_group, code);
}

/* Default handlers, nothing blocked, no alarm to come. */
static void reset_signals(void)
{
    struct kernel_handler standard = {NULL, 0, NULL, 0};
    for (int number = 1; number <= SIGNALS; number++)
        (void)SYS4(__NR_rt_sigaction, number, &standard, NULL, KERNEL_SIGSET);
    uint64_t none = 0;
    (void)SYS4(__NR_rt_sigprocmask, SIG_SETMASK, &none, NULL, KERNEL_SIGSET);
}

/* 0, 1 and 2 are /dev/null, all others closed. */
static void reset_descriptors(void)
{
    long null = SYS4(__NR_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
    for (int fd = 0; fd < 3 && null >= 0; fd++)
        if (null != fd)
            (void)SYS3(__NR_dup3, null, fd, 0);
    if (SYS3(__NR_close_range, 3, ~0u, 0) == 0)
        return;
    struct rlimit limit = {0, 0};
    (void)SYS4(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    for (unsigned fd = 3; fd < limit.rlim_cur && fd < FD_MAX; fd++)
        (void)SYS1(__NR_close, fd);
}

/* The host's limit on file sizes is not the collector's. */
static void reset_limits(void)
{
    static const int resources[] = {RLIMIT_FSIZE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_NOFILE};
    for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
        struct rlimit limit = {0, 0};
        if (SYS4(__NR_prlimit64, 0, resources[i], NULL, &limit) != 0)
            continue;
        limit.rlim_cur = limit.rlim_max;
        if (resources[i] == RLIMIT_NOFILE && limit.rlim_cur > FD_MAX)
            limit.rlim_cur = FD_MAX;
        (void)SYS4(__NR_prlimit64, 0, resources[i], &limit, NULL);
    }
}

static void inner(void)
{
    (void)SYS0(__NR_setsid);
    (void)SYS1(__NR_chdir, "/");
    (void)SYS1(__NR_umask, 077);
    reset_limits();
    reset_descriptors();
    reset_signals();
    for (int i = 0; i < PATHS; i++) {
        spawn.arguments[0] = spawn.paths[i];
        if (spawn.paths[i][0] != '\0')
            (void)SYS3(__NR_execve, spawn.paths[i], spawn.arguments, spawn.variables);
    }
    end_child(127);
}

static void outer(void)
{
    (void)clone_onto(CLONE_VM | CLONE_VFORK, spawn.inner_stack + STACK_SIZE, inner);
    end_child(0);
}

/* Its children would be ours, or it must not get orphans of others. */
static bool must_not_spawn(void)
{
    int subreaper = 0;
    return SYS0(__NR_getpid) == 1 ||
           (SYS2(__NR_prctl, PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper != 0);
}

static bool is_program(const char *path)
{
    return path[0] != '\0' && SYS3(__NR_faccessat, AT_FDCWD, path, 1 /* X_OK */) == 0;
}

/* The program, seen from the object's folder: where the build and the installation put it, where a
 * folder per architecture puts it, and beside it. */
static bool find_program(void)
{
    static const char *const places[PATHS] = {"/../bin/llm-tracer", "/../../bin/llm-tracer",
                                              "/llm-tracer"};
    char *path = spawn.paths[PATHS - 1];
    if (!own_path(path, PATH_MAX))
        return false;
    size_t folder = text_length(path);
    while (folder > 0 && path[folder - 1] != '/')
        folder--;
    if (folder == 0)
        return false;
    bool found = false;
    for (int i = 0; i < PATHS; i++) {
        size_t at = 0;
        if (i < PATHS - 1)
            (void)text_put(spawn.paths[i], PATH_MAX, &at, path, folder - 1);
        else
            at = folder - 1;
        if (!text_put(spawn.paths[i], PATH_MAX, &at, places[i], text_length(places[i])))
            spawn.paths[i][0] = '\0';
        found = found || is_program(spawn.paths[i]);
    }
    return found; /* else nothing is cloned: init would be left with a dead child */
}

void spawn_collector(void)
{
    uint32_t idle = 0;
    if (must_not_spawn() || !atomic_compare_exchange_strong(&spawn.busy, &idle, 1))
        return;
    static char command[] = "collect", option[] = "--spawned";
    spawn.arguments[1] = command;
    spawn.arguments[2] = option;
    spawn.arguments[3] = NULL;
    spawn.variables = environment_for_collector();
    if (find_program()) {
        uint64_t all = ~UINT64_C(0), before = 0;
        (void)SYS4(__NR_rt_sigprocmask, SIG_SETMASK, &all, &before, KERNEL_SIGSET);
        long child = clone_onto(CLONE_VM | CLONE_VFORK, spawn.outer_stack + STACK_SIZE, outer);
        while (child > 0 && SYS4(__NR_wait4, child, NULL, __WCLONE, NULL) == -EINTR)
            continue;
        (void)SYS4(__NR_rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET);
    }
    atomic_store(&spawn.busy, 0);
}
