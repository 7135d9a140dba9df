/* Waiting until the collector has stored and delivered what a client recorded. */
#ifndef TRACER_CLIENT_FLUSH_H
#define TRACER_CLIENT_FLUSH_H

#include "client/settings.h"

/* Waits at most timeout_ms; unless patient, not for a service that takes nothing at present.
 * LLMT_OK or LLMT_ETIMEDOUT. */
int flush_wait(uint32_t client_number, int timeout_ms, bool patient);
/* The same for what completes with LLMT_SYNC: at most the client's timeout, and after a wait in
 * vain not at all for a while. */
int flush_sync(uint64_t client, uint32_t client_number, struct settings *settings);

#endif
