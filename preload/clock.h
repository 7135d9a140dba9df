/* Clocks without a system call: through the kernel's vDSO. */
#ifndef TRACER_PRELOAD_CLOCK_H
#define TRACER_PRELOAD_CLOCK_H

#include <stdint.h>

/* CLOCK_BOOTTIME in ns. */
uint64_t clock_now(void);
/* CLOCK_REALTIME in ns. */
uint64_t clock_wall(void);

#endif
