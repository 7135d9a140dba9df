/* A small HTTP/1.1 server on loopback, in threads of the test. Keeps what it received and sent on
 * every connection, which is what the ring must hold too. */
#ifndef TESTS_PRELOAD_SERVER_H
#define TESTS_PRELOAD_SERVER_H

#include <stddef.h>
#include <stdint.h>

#define SERVER_CONNECTIONS_MAX 4096

/* What passed over one connection, from the server's side. */
struct transcript {
    char *received, *sent;
    size_t received_len, sent_len;
};

/* Listens on a port chosen by the kernel. The answer to a request has as many bytes as its target's
 * `?size=` says (31 without one), and comes in pieces of `?piece=` bytes; `?reset=1` ends the
 * connection with a reset in the middle of the answer; `?slow=MS` waits before the answer's body.
 */
void server_start(void);
void server_stop(void);
uint16_t server_port(void);
/* Forgets all transcripts; no connection may be open. */
void server_clear(void);
/* Waits until all connections are closed (at most 5 s). */
void server_wait(void);
size_t server_count(void);
/* Borrowed until server_clear. */
const struct transcript *server_transcript(size_t index);
/* Byte i of an answer's body. */
char server_byte(size_t i);

#endif
