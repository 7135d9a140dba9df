/* Puts the sample traces into a store: fill DIR [COUNT of further traces]. For looking at what the
 * commands print. */
#include <stdio.h>

#include "sample.h"
#include "store/store.h"

static int put_spans(struct store *s, int trace, int shift)
{
    int err = ERR_OK;
    for (size_t i = 0; i < SAMPLE_SPANS && err == ERR_OK; i++) {
        if (sample_spans[i].trace != trace)
            continue;
        struct span *span = sample_span(&sample_spans[i]);
        for (int k = 0; k < 4; k++) {
            span->trace_id[k] = (uint8_t)(span->trace_id[k] + (shift >> (8 * k)));
            span->span_id[k] = (uint8_t)(span->span_id[k] + (shift >> (8 * k)));
        }
        err = store_put_span(s, span, NULL, 0);
        span_free(span);
    }
    return err;
}

static int put_trace(struct store *s, int number, int shift)
{
    struct trace *t = sample_trace(number);
    for (int k = 0; k < 4; k++)
        t->trace_id[k] = (uint8_t)(t->trace_id[k] + (shift >> (8 * k)));
    t->start_time += shift * NS_PER_SEC;
    int err = store_put_trace(s, t, NULL, 0);
    if (err == ERR_OK)
        err = put_spans(s, number, shift);
    trace_free(t);
    return err;
}

int main(int argc, char **argv)
{
    struct store *s = NULL;
    char *notice = NULL;
    int further = argc > 2 ? atoi(argv[2]) : 0;
    int err = argc < 2 ? ERR_BAD : store_open(&s, argv[1], STORE_WRITE, &notice);
    if (err == ERR_OK)
        err = store_begin(s);
    for (int i = 1; i <= SAMPLE_TRACES && err == ERR_OK; i++)
        err = put_trace(s, i, 0);
    for (int i = 0; i < further && err == ERR_OK; i++)
        err = put_trace(s, i % 2 + 1, 1000 + i);
    if (err == ERR_OK)
        err = store_commit(s);
    store_close(s);
    free(notice);
    if (err != ERR_OK)
        fprintf(stderr, "fill: %s\n", err_str(err));
    return err == ERR_OK ? 0 : 1;
}
