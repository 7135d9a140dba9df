/* The service's messages: a failing store or a hostile client must not fill a disk with them. */
#ifndef TRACER_SERVICE_SERVER_LOG_H
#define TRACER_SERVICE_SERVER_LOG_H

/* An error for the log: at most 10 in a minute, the rest is counted and told with the next one. No
 * prompt, key or header goes here. Thread-safe. */
void service_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
