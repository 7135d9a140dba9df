/* libmicrohttpd answers what is no HTTP (a malformed line, header or chunk, a head that is too
 * large, a version that it does not speak) before it asks us, by fixed pages of HTML; and 0.9.75
 * sends the head of such an answer twice when it is Content-Length that is wrong. It makes and
 * queues them with its own public functions, called as any program would call them, so that
 * definitions in the program come before the library's. These say the page's title as JSON, with
 * the headers of every other answer, in one piece, and hand everything else on.
 *
 * Where the library no longer works this way, or is linked statically (the definitions are weak:
 * the library's own then count), clients get the pages again, and nothing worse. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "service/connection_inbound.h"
#include "json/json.h"

#define PAGE_BEGIN "<html><head><title>"
#define PAGE_MAX   ((size_t)2048) /* ours, which the dashboard is made of, are larger and differ */

/* The answer that this thread's connection gets in place of a page: made, but not queued yet.
 * Borrows the text of the response. */
static _Thread_local struct {
    const struct MHD_Response *response;
    const char *text;
    size_t len;
} pending;

typedef struct MHD_Response *response_maker(size_t size, void *buffer,
                                            enum MHD_ResponseMemoryMode mode);

static struct MHD_Response *make(size_t size, void *buffer, enum MHD_ResponseMemoryMode mode)
{
    static _Atomic(response_maker *) known;
    response_maker *maker = atomic_load_explicit(&known, memory_order_relaxed);
    if (maker == NULL) {
        maker = (response_maker *)dlsym(RTLD_NEXT, "MHD_create_response_from_buffer");
        atomic_store_explicit(&known, maker, memory_order_relaxed);
    }
    return maker == NULL ? NULL : maker(size, buffer, mode);
}

/* The title as plain text; false: the buffer is no page of the library. */
static bool read_title(struct buf *title, const char *page, size_t size)
{
    static const char quote[] = "&quot;";
    size_t at = sizeof(PAGE_BEGIN) - 1;
    if (size <= at || size > PAGE_MAX || memcmp(page, PAGE_BEGIN, at) != 0)
        return false;
    while (at < size && page[at] != '<') {
        bool quoted = size - at >= sizeof(quote) - 1 && memcmp(page + at, quote, 6) == 0;
        if (buf_append_char(title, quoted ? '"' : page[at]) != ERR_OK)
            return false;
        at += quoted ? sizeof(quote) - 1 : 1;
    }
    return title->len > 0;
}

/* NULL: out of memory. */
static struct MHD_Response *make_detail(const struct buf *title)
{
    struct buf body;
    struct MHD_Response *response = NULL;
    buf_init(&body, PAGE_MAX * 8);
    if (buf_append_str(&body, "{\"detail\": ") == ERR_OK &&
        json_quote(&body, title->data, title->len) == ERR_OK &&
        buf_append_char(&body, '}') == ERR_OK) {
        size_t len = body.len;
        char *text = buf_take(&body);
        response = make(len, text, MHD_RESPMEM_MUST_FREE);
        if (response == NULL) {
            free(text);
        } else {
            pending.response = response;
            pending.text = text;
            pending.len = len;
        }
    }
    buf_release(&body);
    if (response == NULL)
        return NULL;
    answer_add_guards(response);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    return response;
}

__attribute__((weak)) struct MHD_Response *
MHD_create_response_from_buffer(size_t size, void *buffer, enum MHD_ResponseMemoryMode mode)
{
    struct buf title;
    struct MHD_Response *response = NULL;
    buf_init(&title, PAGE_MAX);
    pending.response = NULL;
    if (mode == MHD_RESPMEM_PERSISTENT && read_title(&title, buffer, size))
        response = make_detail(&title);
    buf_release(&title);
    return response != NULL ? response : make(size, buffer, mode);
}

typedef enum MHD_Result response_queuer(struct MHD_Connection *connection, unsigned status,
                                        struct MHD_Response *response);

static enum MHD_Result queue(struct MHD_Connection *connection, unsigned status,
                             struct MHD_Response *response)
{
    static _Atomic(response_queuer *) known;
    response_queuer *queuer = atomic_load_explicit(&known, memory_order_relaxed);
    if (queuer == NULL) {
        queuer = (response_queuer *)dlsym(RTLD_NEXT, "MHD_queue_response");
        atomic_store_explicit(&known, queuer, memory_order_relaxed);
    }
    return queuer == NULL ? MHD_NO : queuer(connection, status, response);
}

static enum MHD_Result append_header(void *user, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    return buf_printf(user, "%s: %s\r\n", name, value) == ERR_OK ? MHD_YES : MHD_NO;
}

/* Nothing of this connection is on its way: the answers before it have been sent. What does not fit
 * into the socket is lost, to a client that reads none of its answers. */
static void send_pending(struct MHD_Connection *connection, unsigned status,
                         struct MHD_Response *response)
{
    struct buf out;
    struct tm tm;
    char date[64];
    const time_t now = time(NULL);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    buf_init(&out, PAGE_MAX * 16);
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %T GMT", &tm);
    int err = buf_printf(
        &out, "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Length: %zu\r\nConnection: close\r\n", status,
        MHD_get_reason_phrase_for(status), date, pending.len);
    MHD_get_response_headers(response, append_header, &out);
    if (err == ERR_OK && buf_append_str(&out, "\r\n") == ERR_OK &&
        buf_append(&out, pending.text, pending.len) == ERR_OK && info != NULL)
        (void)send(info->connect_fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (info != NULL)
        (void)shutdown(info->connect_fd, SHUT_WR);
    buf_release(&out);
}

__attribute__((weak)) enum MHD_Result MHD_queue_response(struct MHD_Connection *connection,
                                                         unsigned status,
                                                         struct MHD_Response *response)
{
    /* It goes on as if it would send the answer, and closes the connection when it cannot. (If it
     * is told that queueing failed it uses the request's memory after its end.) */
    if (response != NULL && response == pending.response) {
        send_pending(connection, status, response);
        pending.response = NULL;
    }
    return queue(connection, status, response);
}
