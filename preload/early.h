/* TLS 1.3 early data (RFC 8446 §2.3) is sent before the server can refuse it; a program whose early
 * data was refused sends it once more. Remembers connections whose early data was recorded until
 * the next bytes are sent, when the answer is known. Lock-free; what finds no room is not
 * remembered, and its bytes would then stand twice in the record of that connection. */
#ifndef TRACER_PRELOAD_EARLY_H
#define TRACER_PRELOAD_EARLY_H

#include <stdbool.h>

#include "track.h"

void early_remember(track_key key);
/* Whether the connection was remembered; it no longer is. A load when there is none at all. */
bool early_take(track_key key);

#endif
