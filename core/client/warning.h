/* What the program is told when something is not as it should be: once for each kind of trouble. */
#ifndef TRACER_CLIENT_WARNING_H
#define TRACER_CLIENT_WARNING_H

#include "client/client.h"

enum trouble {
    TROUBLE_NO_KEY,
    TROUBLE_BAD_KEY,
    TROUBLE_BAD_PROJECT,
    TROUBLE_BAD_TIMEOUT,
    TROUBLE_BAD_TYPE,
    TROUBLE_BAD_JSON,
    TROUBLE_BAD_NUMBER,
    TROUBLE_BAD_TRACEPARENT,
    TROUBLE_NO_RING,
    TROUBLE_RING_FULL,
    TROUBLE_NO_COLLECTOR,
    TROUBLE_NO_WAIT,
    TROUBLE_TOO_MANY,
    TROUBLES
};

/* Says it to the client's callback, or on stderr where that is still the program's and takes it at
 * once; there once for all clients with the same
 * settings, so that a client for each piece of work does not fill a log. Nothing after the client
 * was closed. Thread-safe. */
void warning_give(uint64_t client, enum trouble trouble);

#endif
