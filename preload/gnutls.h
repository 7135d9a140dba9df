/* GnuTLS. Its header is not needed: sessions are only passed on. */
#ifndef TRACER_PRELOAD_GNUTLS_H
#define TRACER_PRELOAD_GNUTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "library.h"
#include "track.h"

typedef struct gnutls_session_int *gnutls_session_t;
typedef struct mbuffer_st *gnutls_packet_t;

/* What is called in libgnutls; the order of gnutls_names. */
enum gnutls_function {
    GNUTLS_SEND,
    GNUTLS_SEND2,
    GNUTLS_SEND_RANGE,
    GNUTLS_SEND_EARLY_DATA,
    GNUTLS_UNCORK,
    GNUTLS_HANDSHAKE,
    GNUTLS_RECV,
    GNUTLS_RECV_SEQ,
    GNUTLS_RECV_PACKET,
    GNUTLS_RECV_EARLY_DATA,
    GNUTLS_BYE,
    GNUTLS_DEINIT,
    GNUTLS_SERVER_NAME_SET,
    GNUTLS_SERVER_NAME_GET,
    GNUTLS_PACKET_GET,
    GNUTLS_TRANSPORT_GET_PTR,
    GNUTLS_ERROR_IS_FATAL,
    GNUTLS_SESSION_GET_FLAGS,
    GNUTLS_FUNCTIONS
};

/* The function for this session, or for one that cannot be told the caller's own; *known says
 * whether the session may be looked at. NULL: no library has it. */
void *gnutls_real(gnutls_session_t session, enum gnutls_function which, const void *caller,
                  bool *known);
/* The function of the session's library; NULL if that cannot be told or has none. */
void *gnutls_function(gnutls_session_t session, enum gnutls_function which);

struct gnutls_call {
    struct track_guard guard;
    uint64_t begin;
    bool outer;
};

/* Before a call that sends; false: of no interest, just call the original. */
bool gnutls_send_begin(struct gnutls_call *call, gnutls_session_t session);
/* After it, with its result: bytes taken, or a negative GNUTLS_E_ code. */
void gnutls_send_end(struct gnutls_call *call, gnutls_session_t session, const void *data,
                     size_t len, ssize_t result);
/* The same for early data, which the library queues whole: result 0. */
void gnutls_early_end(struct gnutls_call *call, gnutls_session_t session, const void *data,
                      size_t len, ssize_t result);
/* Around a call that receives; data is what came, result its length, 0 at the end, or a code. */
void gnutls_receive_begin(struct gnutls_call *call, gnutls_session_t session);
void gnutls_receive_end(struct gnutls_call *call, gnutls_session_t session, const void *data,
                        size_t len, ssize_t result);
/* Before the session is freed. */
void gnutls_end(gnutls_session_t session);

ssize_t gnutls_record_send(gnutls_session_t session, const void *data, size_t len);
ssize_t gnutls_record_send2(gnutls_session_t session, const void *data, size_t len, size_t pad,
                            unsigned flags);
ssize_t gnutls_record_send_range(gnutls_session_t session, const void *data, size_t len,
                                 const void *range);
ssize_t gnutls_record_send_early_data(gnutls_session_t session, const void *data, size_t len);
int gnutls_handshake(gnutls_session_t session);
int gnutls_record_uncork(gnutls_session_t session, unsigned flags);
ssize_t gnutls_record_recv(gnutls_session_t session, void *data, size_t len);
ssize_t gnutls_record_recv_seq(gnutls_session_t session, void *data, size_t len,
                               unsigned char *sequence);
ssize_t gnutls_record_recv_packet(gnutls_session_t session, gnutls_packet_t *packet);
ssize_t gnutls_record_recv_early_data(gnutls_session_t session, void *data, size_t len);
int gnutls_server_name_set(gnutls_session_t session, unsigned type, const void *name, size_t len);
int gnutls_bye(gnutls_session_t session, unsigned how);
void gnutls_deinit(gnutls_session_t session);

#endif
