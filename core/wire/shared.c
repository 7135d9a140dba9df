#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wire/reader_private.h"

static int operate(void *word, int command, uint32_t wake, int operation, uint32_t value)
{
    /* The comparison decides only whether waiters of the second word are woken: none. */
    uint32_t code = (uint32_t)FUTEX_OP(operation, (int)value, FUTEX_OP_CMP_EQ, 0);
    return syscall(SYS_futex, word, command, wake, 0L, word, code) < 0 ? ERR_IO : 0;
}

int shared_or(void *word, uint32_t bits)
{
    return operate(word, FUTEX_WAKE_OP_PRIVATE, 0, FUTEX_OP_OR, bits);
}

int shared_and_not(void *word, uint32_t bits)
{
    return operate(word, FUTEX_WAKE_OP_PRIVATE, 0, FUTEX_OP_ANDN, bits);
}

int shared_add(void *word, uint32_t value)
{
    return operate(word, FUTEX_WAKE_OP_PRIVATE, 0, FUTEX_OP_ADD, value);
}

int shared_set(void *word, uint32_t value)
{
    return operate(word, FUTEX_WAKE_OP_PRIVATE, 0, FUTEX_OP_SET, value);
}

int shared_set_wake(void *word, uint32_t value)
{
    return operate(word, FUTEX_WAKE_OP, 1, FUTEX_OP_SET, value);
}

int shared_wake(void *word)
{
    return syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) < 0 ? ERR_IO : 0;
}
