/* Clocks and time texts. All times are nanoseconds in int64_t; wall times count from the Unix
 * epoch, boot times from the machine's start (CLOCK_BOOTTIME). Thread-safe. */
#ifndef TRACER_BASE_CLOCK_H
#define TRACER_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define NS_PER_SEC    INT64_C(1000000000)
#define NS_PER_MS     INT64_C(1000000)
#define NS_PER_US     INT64_C(1000)
#define CLOCK_ISO_MAX 40 /* room for clock_iso's text with its NUL */

int64_t clock_wall_ns(void);
int64_t clock_boot_ns(void);
/* Offset to add to a boot time to get a wall time, read now. */
int64_t clock_boot_to_wall(void);
/* `2026-01-02T03:04:05.678901+00:00` (service contract: ISO 8601 UTC with offset, microseconds).
 * out has room for CLOCK_ISO_MAX bytes; returns out. */
char *clock_iso(int64_t wall_ns, char *out);
/* Reads ISO 8601 with offset or `Z`, 0 to 9 fraction digits. ERR_BAD. */
int clock_parse_iso(const char *text, int64_t *wall_ns) WARN_UNUSED_RESULT;

#endif
