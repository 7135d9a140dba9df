/* gnutls_client PORT MODE PATH BODY REQUESTS: requests over libgnutls in one of many ways. */
#include "client.h"

#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdbool.h>

static gnutls_certificate_credentials_t credentials;
static int port, requests;
static size_t body;
static const char *mode, *path;
static gnutls_datum_t ticket;

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static void wait_for(gnutls_session_t session)
{
    struct pollfd poller = {.fd = gnutls_transport_get_int(session)};

    poller.events = gnutls_record_get_direction(session) ? POLLOUT : POLLIN;
    poll(&poller, 1, 5000);
}

static bool again(ssize_t result)
{
    return result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED;
}

static bool send_once(gnutls_session_t session, const char *data, size_t len, size_t *sent)
{
    gnutls_range_st range = {.low = 100, .high = 16000};
    char *copy = NULL;
    ssize_t n;

    if (is("resume")) {
        copy = malloc(len);
        n = gnutls_record_send(session, memcpy(copy, data, len), len);
        memset(copy, '?', len); /* the library has what it needs */
    } else if (is("send2")) {
        n = gnutls_record_send2(session, data, len, 20, 0);
    } else if (is("range") && gnutls_record_can_use_length_hiding(session)) {
        n = gnutls_record_send_range(session, data, len, &range);
    } else {
        n = gnutls_record_send(session, data, len);
    }
    while (again(n)) {
        wait_for(session);
        n = copy != NULL ? gnutls_record_send(session, NULL, 0)
                         : gnutls_record_send(session, data, len);
    }
    free(copy);
    *sent += n > 0 ? (size_t)n : 0;
    return n >= 0;
}

static bool send_all(gnutls_session_t session, const char *data, size_t len)
{
    size_t sent = 0;

    if (is("cork")) {
        gnutls_record_cork(session);
    }
    while (sent < len) {
        if (!send_once(session, data + sent, len - sent, &sent)) {
            return false;
        }
    }
    if (is("cork")) {
        printf("uncork %d\n", gnutls_record_uncork(session, GNUTLS_RECORD_WAIT));
    }
    return true;
}

static ssize_t get(gnutls_session_t session, char *data, size_t len)
{
    ssize_t n;

    do {
        if (is("packet")) {
            gnutls_packet_t packet = NULL;
            gnutls_datum_t datum;

            n = gnutls_record_recv_packet(session, &packet);
            if (n > 0) {
                gnutls_packet_get(packet, &datum, NULL);
                memcpy(data, datum.data, datum.size);
                gnutls_packet_deinit(packet);
            }
        } else if (is("seq")) {
            unsigned char sequence[8];
            n = gnutls_record_recv_seq(session, data, len, sequence);
        } else {
            n = gnutls_record_recv(session, data, len);
        }
        if (again(n)) {
            wait_for(session);
        }
    } while (again(n));
    return n;
}

static void answer_of(gnutls_session_t session)
{
    char *answer = malloc(4 << 20);
    size_t got = 0, want = 0;
    ssize_t n = 0;

    while (answer != NULL && (want == 0 || got < want) &&
           (n = get(session, answer + got, is("packet") ? 20000 : 5000)) > 0) {
        got += (size_t)n;
        want = answer_length(answer, got);
    }
    printf("%zu bytes, sum %016llx, last %zd\n", got, (unsigned long long)sum_of(7, answer, got),
           n > 0 ? 0 : n);
    free(answer);
}

static gnutls_session_t open_session(void)
{
    gnutls_session_t session;
    int fd = dial(port);

    gnutls_init(&session, GNUTLS_CLIENT | (is("early") ? GNUTLS_ENABLE_EARLY_DATA : 0));
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_server_name_set(session, GNUTLS_NAME_DNS, "llm.test", 8);
    gnutls_transport_set_int2(session, fd, fd);
    return session;
}

static void handshake(gnutls_session_t session)
{
    int result;

    do {
        result = gnutls_handshake(session);
    } while (result < 0 && gnutls_error_is_fatal(result) == 0);
    if (result < 0) {
        die(gnutls_strerror(result));
    }
}

static void close_session(gnutls_session_t session)
{
    int fd = gnutls_transport_get_int(session);

    if (!is("cut")) {
        gnutls_bye(session, GNUTLS_SHUT_WR);
    }
    gnutls_deinit(session);
    close(fd);
}

static void exchanges(gnutls_session_t session)
{
    size_t len;
    char *request = make_request(path, body, &len);

    if (is("resume") || is("nonblock")) {
        int fd = gnutls_transport_get_int(session);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int));
    }
    for (int i = 0; i < requests; i++) {
        if (!send_all(session, request, len)) {
            die("send");
        }
        answer_of(session);
    }
    free(request);
}

static void early(void)
{
    size_t len;
    char *request = make_request(path, body, &len);
    gnutls_session_t session = open_session();

    handshake(session);
    exchanges(session);
    gnutls_session_get_data2(session, &ticket);
    close_session(session);
    session = open_session();
    gnutls_session_set_data(session, ticket.data, ticket.size);
    printf("early %zd\n", gnutls_record_send_early_data(session, request, len));
    handshake(session);
    if ((gnutls_session_get_flags(session) & GNUTLS_SFLAGS_EARLY_DATA) != 0) {
        printf("accepted\n");
        answer_of(session);
    }
    exchanges(session);
    close_session(session);
    gnutls_free(ticket.data);
    free(request);
}

int main(int argc, char **argv)
{
    gnutls_session_t session;

    if (argc < 6) {
        return 2;
    }
    port = atoi(argv[1]);
    mode = argv[2];
    path = argv[3];
    body = strtoul(argv[4], NULL, 10);
    requests = atoi(argv[5]);
    gnutls_certificate_allocate_credentials(&credentials);
    errno = 4242;
    if (is("early")) {
        early();
    } else {
        session = open_session();
        handshake(session);
        exchanges(session);
        close_session(session);
    }
    printf("errno %d\n", errno);
    gnutls_certificate_free_credentials(credentials);
    return 4;
}
