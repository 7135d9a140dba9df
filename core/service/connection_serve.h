/* The functions that libmicrohttpd calls, each with the service as `user`. */
#ifndef TRACER_SERVICE_CONNECTION_SERVE_H
#define TRACER_SERVICE_CONNECTION_SERVE_H

#include <microhttpd.h>

#include "service/internal.h"

/* A request line came (MHD_OPTION_URI_LOG_CALLBACK): makes the inbound. */
void *serve_request_line(void *user, const char *uri, struct MHD_Connection *connection);
/* The head, each piece of the body, its end, and after a resume. */
enum MHD_Result serve_request(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **inbound);
/* The request is over, whether it was answered or not: frees the inbound. */
void serve_completed(void *user, struct MHD_Connection *connection, void **inbound,
                     enum MHD_RequestTerminationCode how);
/* A connection began or ended. */
void serve_connection(void *user, struct MHD_Connection *connection, void **context,
                      enum MHD_ConnectionNotificationCode what);
/* Leaves the URL as it came. */
size_t serve_unescape(void *user, struct MHD_Connection *connection, char *text);

#endif
