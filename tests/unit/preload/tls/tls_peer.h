/* A TLS server in the test's own process that remembers every byte of plaintext of every
 * connection, both ways. Speaks just enough HTTP/1.1; what it answers is told by the path:
 *   /cl/N        N bytes with a Content-Length
 *   /chunked/N   N bytes in chunks
 *   /slow/N      the same, a chunk a millisecond
 *   /close/N     N bytes until the close, in order
 *   /cut/N       half of N bytes, then the socket is closed without a word
 * A path that ends in /over closes the connection in order after the answer. */
#ifndef TESTS_TLS_PEER_H
#define TESTS_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct tls_peer;

struct tls_peer_stream {
    struct buf in, out; /* as the server sees it */
};

/* Listens on a port of the kernel's choice, with a certificate made on the spot. Aborts the test
 * program on failure. */
struct tls_peer *tls_peer_new(void);
void tls_peer_free(struct tls_peer *peer);
int tls_peer_port(const struct tls_peer *peer);
/* Whether early data is taken or refused; taken at first. */
void tls_peer_refuse_early_data(struct tls_peer *peer, bool refuse);
/* Speaks plain HTTP instead. */
void tls_peer_set_plain(struct tls_peer *peer, bool plain);
/* Waits until no connection is open, then hands out those since the last call, in the order of
 * their start; *count is their number. Valid until the next call. */
struct tls_peer_stream *tls_peer_take(struct tls_peer *peer, size_t *count);

#endif
