/* The table of captured connections. Lock-free; a slot is claimed and left by compare-and-swap. */
#ifndef TRACER_PRELOAD_CONN_H
#define TRACER_PRELOAD_CONN_H

#include "session.h"
#include "track.h"

#define CONN_NONE (-1)

/* The slot of a connection, or CONN_NONE. */
int conn_find(track_key key);
/* A new slot for key, with one descriptor; CONN_NONE when the table is full. A plain socket's slot
 * is found through its descriptors, so it is published in fd_slots too (false there: lost a race,
 * and the other's slot is returned). */
int conn_take(track_key key);
/* One user less; true when that was the last, and the caller ends the connection. */
bool conn_leave(int slot);
/* Empties the slot; nothing is recorded. */
void conn_drop(int slot);

/* What is known of TLS connections without a slot. Small and lossy: a connection that falls out of
 * it is looked at once more. */
enum remembered { REMEMBERED_NOTHING = 0, REMEMBERED_IGNORED = 1, REMEMBERED_AGAIN = 2 };
enum remembered conn_remembered(track_key key);
void conn_remember(track_key key, enum remembered what);

/* A buffer for the first bytes of a request in pieces; 0 when none is free, else its index + 1. */
uint8_t pending_take(void);
struct pending *pending_at(uint8_t index_plus_one);
void pending_release(uint8_t index_plus_one);

#endif
