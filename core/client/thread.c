#include "client/thread.h"

#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/process.h"

static _Thread_local struct thread own;
static _Atomic uint32_t threads;

/* splitmix64, to make four words of what there is when the kernel has no random bytes yet. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void seed(struct thread *t)
{
    /* Not libc's getrandom, at which a thread may be cancelled. */
    const long got = syscall(SYS_getrandom, t->random, sizeof(t->random), GRND_NONBLOCK);
    if (got == (long)sizeof(t->random) &&
        (t->random[0] | t->random[1] | t->random[2] | t->random[3]) != 0)
        return;
    uint64_t state = process_now() ^ (uint64_t)t->tid << 32 ^ (uint64_t)(uintptr_t)t;
    for (int i = 0; i < 4; i++)
        t->random[i] = mix(&state);
}

/* First use on this thread, or in a forked child: there it would make its parent's ids again. */
__attribute__((noinline)) static void renew(struct thread *t, uint32_t epoch)
{
    process_init(); /* a thread may come here before there is a client */
    const struct llmt_preload_v1 *preload = process_preload();
    if (t->epoch == 0)
        t->shard = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);
    t->tid = (uint32_t)syscall(SYS_gettid);
    t->told = preload ? preload->active() : NULL;
    seed(t);
    t->epoch = epoch;
}

struct thread *thread_get(uint32_t epoch)
{
    struct thread *t = &own;
    if (__builtin_expect(t->epoch != epoch, 0))
        renew(t, epoch);
    return t;
}

static uint64_t rotate(uint64_t word, int by)
{
    return word << by | word >> (64 - by);
}

/* xoshiro256++ (Blackman and Vigna, 2019). */
uint64_t thread_random(struct thread *t)
{
    uint64_t *s = t->random;
    const uint64_t result = rotate(s[0] + s[3], 23) + s[0], shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}
