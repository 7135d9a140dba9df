/* Prints what the object costs; not a test. Without arguments it runs itself with and without the
 * object, in turn: measure OBJECT RUNTIME-FOLDER */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAIRS 300

extern char **environ;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- inside the measured process -------------------------------------------------------------- */

static int client, server;
static char data[1 << 20];
static size_t out_size, in_size;

static void connect_both(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0), size = 4 << 20;
    client = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(client, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(client, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0 ||
        connect(client, (struct sockaddr *)&address, len) != 0)
        exit(3);
    server = accept(listener, NULL, NULL);
}

/* The peer in the same thread, by raw system calls that no hook sees. */
static void peer(size_t take, size_t give)
{
    static char bytes[1 << 20];
    while (take > 0) {
        long n = syscall(SYS_read, server, bytes, take);
        if (n <= 0)
            exit(3);
        take -= (size_t)n;
    }
    for (size_t at = 0; at < give;) {
        long n = syscall(SYS_write, server, data + at, give - at);
        if (n <= 0)
            exit(3);
        at += (size_t)n;
    }
}

static int file;

static void untracked_write(void)
{
    if (write(file, data, 1) != 1)
        exit(3);
}

static void untracked_read(void)
{
    if (read(file, data, 1) < 0)
        exit(3);
}

static void exchange(void)
{
    if (send(client, data, out_size, 0) != (ssize_t)out_size)
        exit(3);
    peer(out_size, in_size);
    static char in[1 << 20];
    for (size_t have = 0; have < in_size;) {
        ssize_t n = recv(client, in + have, in_size - have, 0);
        if (n <= 0)
            exit(3);
        have += (size_t)n;
    }
}

static double least(void (*call)(void), int batch, int batches)
{
    double best = 1e18;
    for (int i = 0; i < batches; i++) {
        uint64_t start = now();
        for (int j = 0; j < batch; j++)
            call();
        double each = (double)(now() - start) / batch;
        if (each < best)
            best = each;
    }
    return best;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median of single calls, which takes in what happens only now and then. */
static double median_of(void (*call)(void), int count)
{
    double *times = malloc((size_t)count * sizeof(double));
    if (times == NULL)
        exit(3);
    for (int i = 0; i < count; i++) {
        uint64_t start = now();
        call();
        times[i] = (double)(now() - start);
    }
    qsort(times, (size_t)count, sizeof(double), compare_doubles);
    double median = times[count / 2];
    free(times);
    return median;
}

static void run_calls(void)
{
    static const struct {
        size_t out, in;
    } sizes[] = {{1400, 1}, {200, 120}, {200000, 1}, {200, 30000}};
    file = open("/dev/null", O_RDWR);
    printf("%.2f ", least(untracked_write, 2000, 400));
    printf("%.2f ", least(untracked_read, 2000, 400));
    connect_both();
    strcpy(data, "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\n\r\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        out_size = sizes[i].out;
        in_size = sizes[i].in;
        printf("%.1f ", median_of(exchange, out_size > 10000 || in_size > 10000 ? 400 : 4000));
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%ld\n", usage.ru_maxrss);
}

/* --- outside ---------------------------------------------------------------------------------- */

static double start_once(const char *preload)
{
    char *arguments[] = {(char *)(size_t) "true", NULL};
    char *variables[] = {(char *)(size_t)preload, NULL};
    pid_t pid;
    uint64_t start = now();
    if (posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, preload ? variables : variables + 1))
        exit(3);
    waitpid(pid, NULL, 0);
    return (double)(now() - start) / 1000;
}

static void measure_start(const char *preload)
{
    double with[PAIRS], without[PAIRS], added[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        without[i] = start_once(NULL);
        with[i] = start_once(preload);
        added[i] = with[i] - without[i];
    }
    qsort(with, PAIRS, sizeof(double), compare_doubles);
    qsort(without, PAIRS, sizeof(double), compare_doubles);
    qsort(added, PAIRS, sizeof(double), compare_doubles);
    printf("start of /bin/true: %.0f us, with the object %.0f us, added %.0f us (median of %d "
           "pairs; quartiles %.0f and %.0f)\n",
           without[PAIRS / 2], with[PAIRS / 2], added[PAIRS / 2], PAIRS, added[PAIRS / 4],
           added[PAIRS * 3 / 4]);
}

#define FIGURES 7

static void run_self(const char *preload, const char *runtime, double *least_of)
{
    char command[1024], line[256];
    snprintf(command, sizeof(command),
             "%s TRACER_RUNTIME_DIR=%s TRACER_RING_MAX_MB=1024 %s /proc/%d/exe calls", "env",
             runtime, preload, getpid());
    FILE *out = popen(command, "r");
    double figures[FIGURES];
    if (out == NULL || fgets(line, sizeof(line), out) == NULL)
        exit(3);
    pclose(out);
    char *at = line;
    for (int i = 0; i < FIGURES; i++) {
        figures[i] = strtod(at, &at);
        if (least_of[i] == 0 || figures[i] < least_of[i])
            least_of[i] = figures[i];
    }
}

int main(int argc, char **argv)
{
    static const char *const names[FIGURES] = {
        "untracked write, ns",           "untracked read, ns", "send 1.4 KB, ns",
        "small send and 120 B recv, ns", "send 200 KB, ns",    "small send and 30 KB recv, ns",
        "largest resident memory, KB"};
    if (argc == 2) {
        run_calls();
        return 0;
    }
    if (argc != 3)
        return 2;
    char preload[512];
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", argv[1]);
    measure_start(preload);
    double with[FIGURES] = {0}, without[FIGURES] = {0};
    for (int i = 0; i < 7; i++) {
        run_self("", argv[2], without);
        run_self(preload, argv[2], with);
    }
    for (int i = 0; i < FIGURES; i++)
        printf("%-32s %10.1f, with the object %10.1f, added %10.1f\n", names[i], without[i],
               with[i], with[i] - without[i]);
    return 0;
}
