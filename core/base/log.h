/* Messages for the person who runs a program of ours: one line each on stderr, or in the file that
 * log_to names. Never give it a prompt, an answer, a key or a header's value. Thread-safe. */
#ifndef TRACER_BASE_LOG_H
#define TRACER_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above this level are dropped; LOG_WARN at start. */
void log_set_level(enum log_level level);
/* Appends to the file (created 0600) instead of stderr; NULL goes back to stderr. Beyond 1 MB the
 * file is started anew. Returns ERR_OK or ERR_IO (messages stay where they were). */
int log_to(const char *path);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
