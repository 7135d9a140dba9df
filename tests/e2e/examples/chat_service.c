/* chat_service.c - a service: requests arrive on one thread and are answered on others. A request's
 * trace begins where it arrives and is attached to the thread that works on it.
 *
 *     chat_service < requests          a request a line: USER TAB QUESTION */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm_tracer.h"
#include "openai.h"

#define WORKERS 4

struct request {
    struct request *next;
    llmt_trace *trace;
    char user[64];
    char question[1024];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *first, **last;
    int closed;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, &queue.first, 0};

/* NULL closes the queue. */
static void queue_put(struct request *request)
{
    pthread_mutex_lock(&queue.lock);
    if (request != NULL) {
        *queue.last = request;
        queue.last = &request->next;
    } else {
        queue.closed = 1;
    }
    pthread_cond_broadcast(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
}

/* NULL when it is closed and empty. */
static struct request *queue_take(void)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.first == NULL && !queue.closed)
        pthread_cond_wait(&queue.changed, &queue.lock);
    struct request *request = queue.first;
    if (request != NULL) {
        queue.first = request->next;
        if (queue.first == NULL)
            queue.last = &queue.first;
    }
    pthread_mutex_unlock(&queue.lock);
    return request;
}

static int answer_request(const struct request *request, struct answer *answer)
{
    LLMT_SPAN(span, request->trace, "gpt-4-call", "llm", .model = "gpt-4");
    if (openai_chat("gpt-4", NULL, request->question, answer) != 0) {
        llmt_span_set_error(span, answer->text);
        return -1;
    }
    LLMT_SET_OUTPUT(span, LLMT_TEXT("content", answer->text));
    llmt_span_set_usage(span, answer->prompt_tokens, answer->completion_tokens, LLMT_UNKNOWN);
    return 0;
}

static void *work(void *unused)
{
    struct request *request;
    struct answer answer;
    while ((request = queue_take()) != NULL) {
        llmt_trace_attach(request->trace); /* what this thread does now is part of the request */
        if (answer_request(request, &answer) == 0)
            llmt_trace_set_output(request->trace, "Chat completed");
        llmt_trace_detach(request->trace);
        llmt_trace_end(request->trace);
        printf("%s: %s\n", request->user, answer.text);
        free(request);
    }
    return unused;
}

static struct request *read_request(llmt_client *tracer)
{
    struct request *request = calloc(1, sizeof(*request));
    if (request == NULL || scanf("%63[^\t]\t%1023[^\n]\n", request->user, request->question) != 2) {
        free(request);
        return NULL;
    }
    /* Detached: it is not this thread that works on it. */
    request->trace =
        llmt_trace_begin(tracer, "chat-request",
                         &(llmt_trace_options){.flags = LLMT_DETACHED, .user_id = request->user});
    return request;
}

int main(void)
{
    LLMT_CLIENT(tracer, .api_key = "project-production");
    pthread_t workers[WORKERS];
    struct request *request;
    int started = 0;

    while (started < WORKERS && pthread_create(&workers[started], NULL, work, NULL) == 0)
        started++;
    while (started > 0 && (request = read_request(tracer)) != NULL)
        queue_put(request);
    queue_put(NULL);
    for (int i = 0; i < started; i++)
        pthread_join(workers[i], NULL);
    return started == 0;
}
