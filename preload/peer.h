/* The address at the other end of a socket. */
#ifndef TRACER_PRELOAD_PEER_H
#define TRACER_PRELOAD_PEER_H

#define PEER_TEXT_MAX 48 /* "[8 x 4 digits]:65535" and its NUL */

/* "1.2.3.4:443" or "[2001:db8:0:0:0:0:0:1]:443"; "" when fd is no connected TCP socket. out has
 * room for PEER_TEXT_MAX bytes. Returns its length. */
size_t peer_text(int fd, char *out);

#endif
