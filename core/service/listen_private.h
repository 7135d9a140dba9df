/* What the files listen*.c share. */
#ifndef TRACER_SERVICE_LISTEN_PRIVATE_H
#define TRACER_SERVICE_LISTEN_PRIVATE_H

#include "service/listen.h"

/* Takes the descriptor over when it gives ERR_OK. path: as in struct listener. */
int listen_add(struct listeners *l, int fd, const char *path, char **why) WARN_UNUSED_RESULT;
/* Sets *why and gives err. */
int listen_fail(char **why, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
