/* What the collector manages: a child writes captured calls into a ring as fast as the collector
 * empties it, the collector's own CPU time and the wall time are printed.
 * collector [CALLS [LOAD]]: needs TRACER_RUNTIME_DIR and TRACER_DATA_DIR (empty folders) in the
 * environment, and bin/llm-tracer beside itself. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire/writer.h"

#define OUTSTANDING_MAX (8u << 20)
#define CONNECTIONS     64

struct load {
    const char *name;
    int calls;
    size_t prompt; /* bytes of the prompt's text */
    const char *answer;
    int events; /* of a streamed answer; 0: not streamed */
};

static uint64_t now_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Waits until the collector has emptied enough: what is written here must not be lost. */
static void hold_back(struct ring_writer *w)
{
    for (;;) {
        uint64_t waiting = 0;
        for (uint32_t i = 0; i < w->blocks_max; i++)
            waiting += atomic_load(&w->table[i].committed);
        if (waiting < OUTSTANDING_MAX)
            return;
        usleep(200);
    }
}

static uint64_t offsets[CONNECTIONS][2];

static void put(struct ring_writer *w, uint64_t conn, enum wire_type type, const char *data,
                size_t len)
{
    struct wire_record head = {.type = (uint16_t)type, .conn = conn + 1, .tid = 1};
    int in = type == WIRE_DATA_IN;
    head.time = now_ns(CLOCK_BOOTTIME);
    head.offset = offsets[conn][in];
    if (ring_writer_put_data(w, &head, NULL, data, len) != 0) {
        fprintf(stderr, "bench: the ring was full\n");
        exit(1);
    }
    offsets[conn][in] += len;
}

static void put_call(struct ring_writer *w, uint64_t conn, const struct load *load,
                     const char *request, size_t request_len)
{
    static char answer[64 * 1024];
    put(w, conn, WIRE_DATA_OUT, request, request_len);
    if (load->events == 0) {
        int n = snprintf(answer, sizeof(answer),
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                         "%zu\r\n\r\n%s",
                         strlen(load->answer), load->answer);
        put(w, conn, WIRE_DATA_IN, answer, (size_t)n);
        return;
    }
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    put(w, conn, WIRE_DATA_IN, head, sizeof(head) - 1);
    for (int i = 0; i < load->events; i++) {
        int n =
            snprintf(answer, sizeof(answer), "%zx\r\n%s\r\n", strlen(load->answer), load->answer);
        put(w, conn, WIRE_DATA_IN, answer, (size_t)n);
    }
    put(w, conn, WIRE_DATA_IN, "0\r\n\r\n", 5);
}

static char *make_request(const struct load *load, size_t *len)
{
    char *request = malloc(load->prompt + 1024);
    char *text = malloc(load->prompt + 1);
    if (request == NULL || text == NULL)
        abort();
    for (size_t i = 0; i < load->prompt; i++)
        text[i] = i % 6 == 5 ? ' ' : (char)('a' + i % 23);
    text[load->prompt] = '\0';
    int n =
        sprintf(request + 512,
                "{\"model\":\"gpt-4o\",%s\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
                load->events > 0 ? "\"stream\":true," : "", text);
    size_t body = (size_t)n;
    int h = snprintf(request, 512,
                     "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n"
                     "Content-Type: application/json\r\nAuthorization: Bearer sk-bench\r\n"
                     "User-Agent: bench\r\nContent-Length: %zu\r\n\r\n",
                     body);
    memmove(request + h, request + 512, body);
    *len = (size_t)h + body;
    free(text);
    return request;
}

static void host(const struct load *load)
{
    static struct ring_writer w;
    struct wire_process_info info = {.pid = (uint32_t)getpid(),
                                     .boot_time = now_ns(CLOCK_BOOTTIME),
                                     .wall_time = now_ns(CLOCK_REALTIME),
                                     .uid = getuid()};
    struct wire_piece text = {"exe=/bench", 11};
    char dir[256];
    struct stat pid_ns;
    info.text_count = 1;
    if (stat("/proc/self/ns/pid", &pid_ns) == 0)
        info.pid_ns = pid_ns.st_ino; /* else its end is only seen after an hour's silence */
    FILE *f = fopen("/proc/self/stat", "r");
    char stat[1024] = "";
    if (f == NULL || fgets(stat, sizeof(stat), f) == NULL)
        exit(1);
    fclose(f);
    unsigned long long start = 0;
    unsigned long long stack = 0;
    char *p = strrchr(stat, ')');
    for (int field = 3; p != NULL && field <= 28; field++) {
        p = strchr(p + 1, ' ');
        if (p != NULL && field == 22)
            start = strtoull(p, NULL, 10);
        if (p != NULL && field == 28)
            stack = strtoull(p, NULL, 10);
    }
    info.start_ticks = start;
    info.exec_nonce = stack;
    if (wire_runtime_dir(getenv("TRACER_RUNTIME_DIR"), NULL, dir, sizeof(dir)) != 0 ||
        ring_writer_open(&w, dir, 64u << 20, &info, &text, 1) != 0) {
        fprintf(stderr, "bench: no ring\n");
        exit(1);
    }
    for (uint64_t c = 0; c < CONNECTIONS; c++) {
        struct wire_record head = {.type = WIRE_CONNECTION, .conn = c + 1, .tid = 1};
        struct wire_connection_info about = {
            .slot = (uint32_t)c, .layer = WIRE_LAYER_LIBC, .proto = WIRE_PROTO_HTTP1};
        struct wire_piece pieces[2] = {{&about, sizeof(about)},
                                       {"api.openai.com\0"
                                        "127.0.0.1:80",
                                        28}};
        head.time = now_ns(CLOCK_BOOTTIME);
        if (ring_writer_put(&w, &head, pieces, 2) != 0)
            exit(1);
    }
    size_t len;
    char *request = make_request(load, &len);
    for (int i = 0; i < load->calls; i++) {
        if (i % 16 == 0)
            hold_back(&w);
        put_call(&w, (uint64_t)(i % CONNECTIONS), load, request, len);
    }
    free(request);
    _exit(0);
}

static int rings_left(void)
{
    int found = 0;
    DIR *d = opendir(getenv("TRACER_RUNTIME_DIR"));
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        found += strncmp(e->d_name, "ring-", 5) == 0;
    if (d != NULL)
        closedir(d);
    return found;
}

static void measure(const char *program, const struct load *load)
{
    pid_t collector = fork();
    if (collector == 0) {
        execl(program, program, "collect", "--foreground", (char *)NULL);
        _exit(127);
    }
    usleep(300000);
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    pid_t child = fork();
    if (child == 0)
        host(load);
    int status;
    waitpid(child, &status, 0);
    uint64_t written = now_ns(CLOCK_MONOTONIC) - start;
    for (int i = 0; i < 60000 && rings_left() > 0; i++)
        usleep(1000);
    kill(collector, SIGTERM);
    struct rusage usage;
    wait4(collector, &status, 0, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    size_t len;
    char *request = make_request(load, &len);
    free(request);
    double bytes = (double)load->calls * ((double)len + (double)(strlen(load->answer) + 100) *
                                                            (load->events > 0 ? load->events : 1));
    printf("collector %-7s %7d calls: %8.0f calls/s and %6.1f MB/s while written, CPU %.2f us a "
           "call, %6.1f MB per CPU second, at most %ld MB resident\n",
           load->name, load->calls, load->calls / ((double)written / 1e9),
           bytes / 1e6 / ((double)written / 1e9), cpu * 1e6 / load->calls, bytes / 1e6 / cpu,
           usage.ru_maxrss / 1024);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (getenv("TRACER_RUNTIME_DIR") == NULL || getenv("TRACER_DATA_DIR") == NULL)
        return 2;
    char program[4200];
    ssize_t n = readlink("/proc/self/exe", program, 4096);
    if (n < 0)
        return 1;
    program[n] = '\0';
    strcpy(strrchr(program, '/') + 1, "llm-tracer");
    int calls = argc > 1 ? atoi(argv[1]) : 100000;
    static const char answer[] =
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":"
        "\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"A short answer of some words, so that there is something to keep.\"},"
        "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":14,"
        "\"total_tokens\":34,\"prompt_tokens_details\":{\"cached_tokens\":0}}}";
    static const char event[] =
        "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"
        "\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"},"
        "\"finish_reason\":null}]}\n\n";
    const struct load loads[] = {
        {"small", calls, 600, answer, 0},
        {"prompt", calls / 50, 200 * 1024, answer, 0},
        {"stream", calls / 100, 600, event, 200},
    };
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
        if (argc < 3 || strcmp(argv[2], loads[i].name) == 0)
            measure(program, &loads[i]);
    return 0;
}
