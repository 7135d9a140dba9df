/* A stream of events: sent as it comes, asleep between. */
#include <stdlib.h>

#include "service/connection_inbound.h"

#define STREAM_BLOCK ((size_t)16 << 10)

enum { STREAM_AWAKE, STREAM_WOKEN, STREAM_ASLEEP };

struct event_wake {
    struct MHD_Connection *connection;
    struct event_stream *stream;
    atomic_int state;
};

/* A wake that comes while the reader has not gone to sleep yet keeps it from doing so; one that
 * comes afterwards resumes the connection, once. */
void event_wake(struct event_wake *wake)
{
    if (atomic_exchange(&wake->state, STREAM_WOKEN) == STREAM_ASLEEP)
        MHD_resume_connection(wake->connection);
}

static ssize_t read_stream(void *user, uint64_t position, char *out, size_t room)
{
    struct event_wake *wake = user;
    (void)position;
    atomic_store(&wake->state, STREAM_AWAKE);
    ssize_t n = events_read(wake->stream, out, room);
    if (n > 0)
        return n;
    if (n < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    MHD_suspend_connection(wake->connection);
    int awake = STREAM_AWAKE;
    if (!atomic_compare_exchange_strong(&wake->state, &awake, STREAM_ASLEEP))
        MHD_resume_connection(wake->connection);
    return 0;
}

static void end_stream(void *user)
{
    struct event_wake *wake = user;
    events_close(wake->stream);
    free(wake);
}

enum MHD_Result inbound_send_stream(struct inbound *e)
{
    struct event_wake *wake = calloc(1, sizeof(*wake));
    if (wake == NULL)
        return MHD_NO;
    wake->connection = e->connection;
    wake->stream = events_open(&e->r, wake);
    if (wake->stream == NULL) {
        free(wake);
        inbound_complete(e, NULL);
        return inbound_send(e);
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, wake, end_stream);
    if (response == NULL) {
        end_stream(wake);
        return MHD_NO;
    }
    answer_add_headers(e, response);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    /* Proxies would otherwise gather it. */
    (void)MHD_add_response_header(response, "X-Accel-Buffering", "no");
    connection_enter(e->slot, CONNECTION_ANSWER, 0, 0);
    enum MHD_Result result = MHD_queue_response(e->connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}
