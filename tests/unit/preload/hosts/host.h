/* A program that knows nothing of tracing: each scenario does what real programs do and prints what
 * it saw, the same with and without the preloaded object. */
#ifndef TESTS_PRELOAD_HOST_H
#define TESTS_PRELOAD_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Scenarios get the server's port and one text of their own. */
typedef int scenario(int port, const char *argument);

scenario io_functions, io_errno, io_peek, io_again, io_pieces, io_binary, io_sendfile, io_reset,
    io_large, io_http2, io_stale, io_stop;
scenario descriptor_dup, descriptor_reuse, descriptor_many, descriptor_list, descriptor_range,
    descriptor_stdio, descriptor_nonblocking;
scenario process_fork, process_vfork, process_exec, process_title, process_spawn, process_server,
    process_limit, process_environment;
scenario signal_jump, signal_nested, signal_entry;
scenario thread_cancel, thread_race, thread_stack, thread_span;

/* A connected TCP socket; ends the program when that fails. */
int host_connect(int port);
/* Text of a POST to path with `body`, in memory that the next call overwrites. */
const char *host_request(const char *path, const char *body);
/* Sends all of it by send(). */
void host_send(int fd, const char *text, size_t len);
/* Reads one whole answer by recv(); returns its body's length and a sum over its bytes. */
size_t host_receive(int fd, uint32_t *sum);
/* Request, answer, and a line of output about it. */
void host_exchange(int fd, const char *path, const char *body);
uint32_t host_sum(const char *data, size_t len);

#endif
