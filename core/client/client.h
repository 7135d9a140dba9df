/* Clients behind their handles. */
#ifndef TRACER_CLIENT_CLIENT_H
#define TRACER_CLIENT_CLIENT_H

#include "client/public.h"
#include "client/settings.h"

/* Flags of a client. */
#define CLIENT_DISABLED 1u /* TRACING_ENABLED said no when it was opened */
#define CLIENT_USED     2u /* something of it was to be recorded */

/* What a client is; a copy. */
struct client_view {
    uint64_t handle;
    struct settings *settings;
    llmt_warning_fn *on_warning;
    void *user;
    uint32_t number; /* names it in records */
    uint32_t flags;
};

struct moment;
struct thread;

/* False when the handle is NULL, no client's, or that of a client which was closed. */
bool client_look(uint64_t handle, struct client_view *out);
/* The same with the error: LLMT_OK, LLMT_EINVAL for NULL, LLMT_EENDED. */
int client_find(const llmt_client *client, struct client_view *out);
/* Sets bits of troubles told; returns whether all were set before. */
bool client_warned(uint64_t handle, uint32_t bits);
/* Notes that something of it was to be recorded. */
void client_note_use(uint64_t handle);
/* Whether this process's ring has its announcement. */
bool client_is_announced(uint64_t handle, uint32_t epoch);
/* Puts a WIRE_CLIENT record into the ring unless this process has done so. The client may be closed
 * by now: then it is announced anew. Returns whether the ring has it. */
bool client_announce(uint64_t handle, uint32_t number, const struct settings *s,
                     const struct moment *m, struct thread *t);

#endif
