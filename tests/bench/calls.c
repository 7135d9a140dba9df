/* Nanoseconds of hooked calls that are not LLM traffic: the minimum of many batches, as JSON. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH   2000
#define BATCHES 400

static int64_t now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int null_fd, zero_fd, closed = -1;
static char byte;

static void write_null(void)
{
    if (write(null_fd, &byte, 1) != 1)
        _exit(1);
}

static void read_zero(void)
{
    if (read(zero_fd, &byte, 1) != 1)
        _exit(1);
}

static void write_closed(void)
{
    if (write(closed, &byte, 1) == 1)
        _exit(1);
}

static void recv_closed(void)
{
    if (recv(closed, &byte, 1, 0) == 1)
        _exit(1);
}

static double measure(void (*call)(void))
{
    int64_t best = INT64_MAX;
    for (int b = 0; b < BATCHES; b++) {
        int64_t start = now();
        for (int i = 0; i < BATCH; i++)
            call();
        int64_t took = now() - start;
        best = took < best ? took : best;
    }
    return (double)best / BATCH;
}

int main(void)
{
    null_fd = open("/dev/null", O_WRONLY);
    zero_fd = open("/dev/zero", O_RDONLY);
    double a = measure(write_null);
    double b = measure(read_zero);
    double c = measure(write_closed);
    double d = measure(recv_closed);
    printf("{\"write_null\": %.2f, \"read_zero\": %.2f, \"write_ebadf\": %.2f, \"recv_ebadf\": "
           "%.2f}\n",
           a, b, c, d);
    return 0;
}
