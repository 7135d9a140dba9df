/* Raw system calls: no errno, no cancellation point, nothing of libc. Each returns what the kernel
 * does: a negative errno on failure. */
#ifndef TRACER_PRELOAD_SYS_H
#define TRACER_PRELOAD_SYS_H

#include "wire/sys_call.h"

/* number is __NR_something: a bare name could be a poisoned one. */
#define SYS0(number)             sys_call6(number, 0, 0, 0, 0, 0, 0)
#define SYS1(number, a)          sys_call6(number, (long)(a), 0, 0, 0, 0, 0)
#define SYS2(number, a, b)       sys_call6(number, (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS3(number, a, b, c)    sys_call6(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS4(number, a, b, c, d) sys_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS5(number, a, b, c, d, e)                                                                \
    sys_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define SYS6(number, a, b, c, d, e, f)                                                             \
    sys_call6(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#endif
