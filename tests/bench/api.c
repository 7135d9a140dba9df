/* What the explicit API costs the program: one span begun and ended, with and without output, on
 * one thread and on several. The ring is read and emptied between batches, untimed, so that its
 * memory is warm and never runs out. Prints one JSON object of nanoseconds.
 *
 * usage: bench_api [BATCHES [THREADS]]
 *        bench_api count WORK N     does it N times and measures nothing, for callgrind */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "client/llm_tracer.h"
#include "wire/reader.h"

#define BATCH       500 /* pairs; their records fit into the ring's first blocks */
#define BATCHES_MAX 20000
#define THREADS_MAX 64

enum work { WORK_SPAN, WORK_OUTPUT, WORK_USAGE, WORK_TRACE, WORKS };

static const char *const names[WORKS] = {"span", "span_output_200", "span_output_200_usage",
                                         "trace"};
static char output[256];
static llmt_client *client;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void one(enum work work, llmt_trace *trace)
{
    if (work == WORK_TRACE) {
        llmt_trace_end(llmt_trace_begin(client, "request", NULL));
        return;
    }
    llmt_span *span = llmt_span_begin(trace, "answer", "llm", NULL);
    if (work != WORK_SPAN)
        llmt_span_set_output(span, output);
    if (work == WORK_USAGE)
        llmt_span_set_usage(span, 1200, 340, 0.0123);
    llmt_span_end(span);
}

static double batch(enum work work, llmt_trace *trace)
{
    const uint64_t start = now_ns();
    for (int i = 0; i < BATCH; i++)
        one(work, trace);
    return (double)(now_ns() - start) / BATCH;
}

/* --- the ring, read as the collector does ----------------------------------------------------- */

static struct ring_reader *reader;

struct drained {
    uint64_t records;
};

static int each(void *user, const struct wire_record *head, const uint8_t *payload,
                uint64_t position)
{
    (void)head;
    (void)payload;
    ((struct drained *)user)->records++;
    ring_reader_release(reader, position);
    return 0;
}

static void drain(void)
{
    struct drained d = {0};
    while (ring_reader_poll(reader, 1 << 24, each, &d) > 0)
        continue;
    ring_reader_reclaim(reader);
}

static void open_ring(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (strncmp(e->d_name, RING_NAME_PREFIX, strlen(RING_NAME_PREFIX)) == 0 &&
            ring_reader_new(&reader, path) == 0)
            break;
    }
    if (d)
        closedir(d);
    if (!reader) {
        fprintf(stderr, "bench_api: no ring in %s\n", dir);
        exit(1);
    }
}

/* --- threads ---------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    double *took;
    enum work work;
};

static pthread_barrier_t before, after;
static int batches = 400;

static void *run(void *arg)
{
    struct worker *w = arg;
    llmt_trace *trace = llmt_trace_begin(client, "bench", NULL);
    for (int i = 0; i < batches; i++) {
        pthread_barrier_wait(&before);
        w->took[i] = batch(w->work, trace);
        pthread_barrier_wait(&after);
    }
    llmt_trace_end(trace);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median over all batches of all threads. */
static double measure(enum work work, int threads)
{
    static struct worker workers[THREADS_MAX];
    double *took = calloc((size_t)(threads * batches), sizeof(*took));
    if (!took)
        exit(1);
    pthread_barrier_init(&before, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&after, NULL, (unsigned)threads + 1);
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){.took = took + i * batches, .work = work};
        if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
            exit(1);
    }
    for (int i = 0; i < batches; i++) {
        drain();
        pthread_barrier_wait(&before);
        pthread_barrier_wait(&after);
    }
    for (int i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&before);
    pthread_barrier_destroy(&after);
    qsort(took, (size_t)(threads * batches), sizeof(*took), compare);
    const double median = took[threads * batches / 2];
    free(took);
    return median;
}

static uint64_t lost(void)
{
    struct ring_counters c;
    ring_reader_counters(reader, &c);
    return c.lost_records;
}

static void prepare(void)
{
    memset(output, 'a', 200);
    memcpy(output, "{\"content\": \"", 13);
    memcpy(output + 198, "\"}", 3);
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* none of those has a collector started */
    client = llmt_client_new(&(llmt_client_options){.api_key = "project-bench"});
}

static int count(const char *name, int times)
{
    llmt_trace *trace = llmt_trace_begin(client, "bench", NULL);
    for (int work = 0; work < WORKS; work++)
        for (int i = 0; strcmp(name, names[work]) == 0 && i < times; i++)
            one((enum work)work, trace);
    llmt_trace_end(trace);
    return 0;
}

int main(int argc, char **argv)
{
    prepare();
    if (argc == 4 && strcmp(argv[1], "count") == 0)
        return count(argv[2], atoi(argv[3]));
    const int threads = argc > 2 ? atoi(argv[2]) : 2;
    batches = argc > 1 ? atoi(argv[1]) : batches;
    const char *dir = getenv("TRACER_RUNTIME_DIR");
    if (!dir || batches < 1 || batches > BATCHES_MAX || threads < 1 || threads > THREADS_MAX)
        return 2;
    llmt_trace_end(llmt_trace_begin(client, "warm", NULL));
    open_ring(dir);
    printf("{");
    for (int work = 0; work < WORKS; work++)
        printf("\"%s\": %.1f, \"%s_%d_threads\": %.1f, ", names[work], measure((enum work)work, 1),
               names[work], threads, measure((enum work)work, threads));
    printf("\"lost\": %llu}\n", (unsigned long long)lost());
    llmt_client_close(client);
    ring_reader_free(reader);
    return 0;
}
