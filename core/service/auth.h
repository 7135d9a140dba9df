/* Who may come in: the keys that are accepted, and which project a request is of. Immutable once
 * made, so any thread may ask. */
#ifndef TRACER_SERVICE_AUTH_H
#define TRACER_SERVICE_AUTH_H

#include <stdbool.h>

#include "service/service.h"

#define AUTH_KEY_MAX 108 /* "project-" and a project id of at most 100 bytes */

struct auth;

/* keys: API_KEYS, comma-separated, "" for none; default_key NULL: requests without a key see every
 * project. ERR_RANGE: a key is not of the form project-{id}; *why (new memory) says which by its
 * position, never by its text. ERR_NOMEM. */
int auth_new(struct auth **out, const char *keys, bool required, const char *default_key,
             char **why) WARN_UNUSED_RESULT;
void auth_free(struct auth *a);

/* Whether a server may listen where others than this machine's users reach it. ERR_RANGE: *why (new
 * memory) says what is missing. */
int auth_may_listen(const struct auth *a, bool loopback, const char *where,
                    char **why) WARN_UNUSED_RESULT;

/* The project of a request with this X-API-Key (NULL: none was sent). ERR_OK: *project borrows from
 * the key or from a; at NULL: every project. ERR_NOENT: a key is needed and none was sent; ERR_BAD:
 * not of the form; ERR_DENIED: not accepted. The time it takes depends on neither the keys accepted
 * nor how much of one was right. */
int auth_project(const struct auth *a, const char *key, struct text *project) WARN_UNUSED_RESULT;

/* Whether only requests with a key of a list come in: a page that was pointed here by its name has
 * none. */
bool auth_is_closed(const struct auth *a);

/* Whether a request must bring a key, as GET /health tells it. */
bool auth_required(const struct auth *a);

#endif
