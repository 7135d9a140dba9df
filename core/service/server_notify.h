/* What the service manager is told, as sd_notify(3) documents it. */
#ifndef TRACER_SERVICE_SERVER_NOTIFY_H
#define TRACER_SERVICE_SERVER_NOTIFY_H

#include <stdint.h>

/* Sends lines of NAME=value ("READY=1\nSTATUS=..."). Nothing when NOTIFY_SOCKET is not set. */
void notify_send(const char *state);
/* How often WATCHDOG=1 is to be sent, in ns: half of what the manager waits; 0: it does not. */
int64_t notify_watchdog_ns(void);

#endif
