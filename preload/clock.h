/* Clocks without a system call: through the kernel's vDSO. */
#ifndef TRACER_PRELOAD_CLOCK_H
#define TRACER_PRELOAD_CLOCK_H

#include <stdint.h>

/* Finds the vDSO; called by the constructor. Without it every reading is a system call. */
void clock_init(void);
/* CLOCK_BOOTTIME in ns. */
uint64_t clock_now(void);
/* CLOCK_REALTIME in ns. */
uint64_t clock_wall(void);

#endif
