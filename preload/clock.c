#include "clock.h"

#include "elf_object.h"
#include "libc.h"
#include "sys.h"

#if defined(__aarch64__)
#define VDSO_CLOCK "__kernel_clock_gettime"
#else
#define VDSO_CLOCK "__vdso_clock_gettime"
#endif

unsigned long getauxval(unsigned long) __attribute__((weak));

typedef int clock_function(clockid_t, struct timespec *);

/* The vDSO's function; a raw system call where there is none. NULL: not looked for yet. */
static _Atomic(clock_function *) best_clock;

static int raw_clock(clockid_t clock, struct timespec *time)
{
    return (int)SYS2(__NR_clock_gettime, clock, time);
}

static void *find_vdso_clock(uintptr_t image)
{
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)image;
    const ElfW(Phdr) *segments = (const ElfW(Phdr) *)(image + header->e_phoff);
    uintptr_t base = image;
    for (int i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD)
            base = image + segments[i].p_offset - segments[i].p_vaddr;
    struct elf_object object;
    if (!elf_object_read(&object, base, segments, header->e_phnum))
        return NULL;
    return elf_object_function(&object, VDSO_CLOCK, elf_hash(VDSO_CLOCK));
}

/* Idempotent, so that any thread and any signal handler may be the first to ask. */
__attribute__((noinline)) static clock_function *find_clock(void)
{
    int *host = host_errno();
    int saved = host == NULL ? 0 : *host;
    uintptr_t image = getauxval == NULL ? 0 : getauxval(AT_SYSINFO_EHDR);
    if (host != NULL)
        *host = saved;
    void *found = image == 0 ? NULL : find_vdso_clock(image);
    clock_function *function = raw_clock;
    if (found != NULL)
        memcpy(&function, &found, sizeof(function));
    atomic_store_explicit(&best_clock, function, memory_order_relaxed);
    return function;
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time = {0, 0};
    clock_function *function = atomic_load_explicit(&best_clock, memory_order_relaxed);
    if (LLMT_UNLIKELY(function == NULL))
        function = find_clock();
    if (function(clock, &time) != 0)
        (void)raw_clock(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

uint64_t clock_now(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}
