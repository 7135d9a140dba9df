#include "server_fake.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

struct fake *fake;

struct backend_session {
    int unused;
};

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* ----------------------------------------------------------------------------- backend */

static int fake_open(struct backend **out, const struct backend_settings *settings, char **notice)
{
    (void)settings;
    *notice = NULL;
    *out = (struct backend *)fake;
    return ERR_OK;
}

static void fake_close(struct backend *b)
{
    (void)b;
    atomic_fetch_add(&fake->closes, 1);
}

static int fake_session_new(struct backend *b, bool writer, struct backend_session **out)
{
    (void)b;
    (void)writer;
    *out = calloc(1, sizeof(**out));
    atomic_fetch_add(&fake->sessions, 1);
    return *out != NULL ? ERR_OK : ERR_NOMEM;
}

static void fake_session_free(struct backend_session *s)
{
    atomic_fetch_sub(&fake->sessions, 1);
    free(s);
}

static const char *fake_error(const struct backend_session *s)
{
    (void)s;
    return "the test wants it so";
}

static bool is_poison(const struct stored_write *w)
{
    return w->op == STORED_CREATE_TRACE && w->trace.name.len == 6 &&
           memcmp(w->trace.name.at, "poison", 6) == 0;
}

static int fake_write(struct backend_session *s, struct stored_write *const *writes, size_t count)
{
    (void)s;
    atomic_fetch_add(&fake->write_calls, 1);
    pause_ms(atomic_load(&fake->write_ms));
    int err = atomic_load(&fake->write_error);
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        if (atomic_load(&fake->refuse_poison) && is_poison(writes[i]))
            err = ERR_IO;
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        writes[i]->result = ERR_OK;
        atomic_fetch_add(&fake->writes, 1);
    }
    return err;
}

static int fake_list(struct backend_session *s, const struct stored_filter *f,
                     stored_trace_fn *each, void *user, char **next_cursor)
{
    (void)s;
    (void)f;
    (void)each;
    (void)user;
    *next_cursor = NULL;
    atomic_fetch_add(&fake->reads, 1);
    pause_ms(atomic_load(&fake->read_ms));
    return ERR_OK;
}

static int fake_trace(struct backend_session *s, struct text project_id, struct text trace_id,
                      stored_trace_fn *each, void *user)
{
    (void)s;
    (void)project_id;
    (void)trace_id;
    (void)each;
    (void)user;
    return ERR_NOENT;
}

static int fake_spans(struct backend_session *s, struct text project_id, struct text trace_id,
                      bool content, stored_span_fn *each, void *user)
{
    (void)content;
    (void)each;
    return fake_trace(s, project_id, trace_id, NULL, user);
}

static int fake_span(struct backend_session *s, struct text project_id, struct text span_id,
                     stored_span_fn *each, void *user)
{
    (void)each;
    return fake_trace(s, project_id, span_id, NULL, user);
}

static int fake_stats(struct backend_session *s, const struct stored_stats *q,
                      stored_group_fn *each, void *user)
{
    (void)s;
    (void)q;
    (void)each;
    (void)user;
    return ERR_OK;
}

static int64_t fake_changes(struct backend_session *s)
{
    (void)s;
    return 0;
}

static int fake_purge(struct backend_session *s, int64_t older_than)
{
    (void)s;
    (void)older_than;
    atomic_fetch_add(&fake->purges, 1);
    return 0;
}

static const struct backend_ops fake_ops = {
    .name = "fake",
    .writers = 1,
    .readers = 2,
    .batch = 64,
    .open = fake_open,
    .close = fake_close,
    .session_new = fake_session_new,
    .session_free = fake_session_free,
    .error = fake_error,
    .write = fake_write,
    .list = fake_list,
    .trace = fake_trace,
    .spans = fake_spans,
    .span = fake_span,
    .stats = fake_stats,
    .changes = fake_changes,
    .purge = fake_purge,
};

/* ----------------------------------------------------------------------------- server */

static void tell_url(void *user, const char *url)
{
    int fd = *(int *)user;
    char line[256];
    int n = snprintf(line, sizeof(line), "+%s\n", url);
    if (write(fd, line, (size_t)n) != n)
        _exit(100);
}

static void serve(struct service_settings settings, int fd)
{
    char *why = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no server behind */
    settings.ready = tell_url;
    settings.user = &fd;
    int err = service_run(&settings, &why);
    if (err != ERR_OK)
        dprintf(fd, "-%s\n", why != NULL ? why : err_str(err));
    free(why);
    close(fd);
    exit(err == ERR_OK ? 0 : 1); /* what a sanitizer found shows in the status */
}

void fake_start(struct fake_server *server, struct service_settings settings)
{
    int ends[2];
    char line[1024];
    settings.backend = &fake_ops;
    if (settings.listen == NULL && settings.socket == NULL)
        settings.listen = "127.0.0.1:0";
    if (settings.keys == NULL)
        settings.keys = "";
    if (settings.cors_origins == NULL)
        settings.cors_origins = "";
    if (settings.body_max == 0)
        settings.body_max = (size_t)1 << 20;
    settings.store.ttl_days = 90;
    if (fake == NULL)
        fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(fake != MAP_FAILED);
    memset(fake, 0, sizeof(*fake));
    assert_int_equal(pipe(ends), 0);
    *server = (struct fake_server){.pid = fork()};
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        close(ends[0]);
        serve(settings, ends[1]);
    }
    close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    assert_non_null(fgets(line, sizeof(line), f));
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    const char *colon = strrchr(line, ':');
    if (line[0] == '-')
        server->why = strdup(line + 1);
    else if (strncmp(line, "+http", 5) == 0 && colon != NULL)
        server->port = atoi(colon + 1);
}

int fake_wait(struct fake_server *server)
{
    int status = 0;
    free(server->why);
    server->why = NULL;
    for (int i = 0; i < 2000; i++) {
        if (waitpid(server->pid, &status, WNOHANG) == server->pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
        pause_ms(10);
    }
    kill(server->pid, SIGKILL);
    waitpid(server->pid, &status, 0);
    return 255;
}

int fake_stop(struct fake_server *server)
{
    kill(server->pid, SIGTERM);
    return fake_wait(server);
}

/* ----------------------------------------------------------------------------- client */

int fake_connect(const struct fake_server *server)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)server->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
        return fd;
    close(fd);
    return -1;
}

void fake_send(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server closed already: its answer is what counts */
        text += n;
        len -= (size_t)n;
    }
}

static bool read_byte(int fd, char *c)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 20000) == 1 && recv(fd, c, 1, 0) == 1;
}

int fake_answer(int fd, char *head, size_t head_room, char *body, size_t body_room)
{
    char text[FAKE_ROOM];
    size_t n = 0;
    while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0)
        if (n == sizeof(text) - 1 || !read_byte(fd, &text[n++]))
            return 0;
    text[n] = '\0';
    const char *length = strcasestr(text, "\r\nContent-Length: ");
    size_t left = length == NULL ? 0 : strtoul(length + 18, NULL, 10);
    size_t kept = 0;
    for (char c; left > 0 && read_byte(fd, &c); left--)
        if (body != NULL && kept + 1 < body_room)
            body[kept++] = c;
    if (body != NULL)
        body[kept] = '\0';
    if (head != NULL)
        snprintf(head, head_room, "%s", text);
    return left == 0 ? atoi(text + 9) : 0;
}

int fake_ask(const struct fake_server *server, const char *request, char *head, char *body)
{
    int fd = fake_connect(server);
    if (fd < 0)
        return -1;
    fake_send(fd, request);
    int status = fake_answer(fd, head, FAKE_ROOM, body, FAKE_ROOM);
    close(fd);
    return status;
}

const char *fake_create(const char *name)
{
    static char request[512];
    char body[256];
    snprintf(body, sizeof(body), "{\"name\": \"%s\", \"project_id\": \"demo\"}", name);
    snprintf(request, sizeof(request),
             "POST /api/traces HTTP/1.1\r\nHost: localhost\r\nX-API-Key: project-demo\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    return request;
}
