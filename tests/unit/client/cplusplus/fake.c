#include "fake.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "llm_tracer.h"

static char log_text[8192];
static size_t log_len;
static unsigned made; /* handles, numbered from 1; never dereferenced by anybody */
static char handles[64];

const char *fake_log(void)
{
    return log_text;
}

void fake_clear(void)
{
    log_len = 0;
    made = 0;
    log_text[0] = '\0';
}

__attribute__((format(printf, 1, 2))) static int say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(log_text + log_len, sizeof(log_text) - log_len, format, arguments);
    va_end(arguments);
    assert(n >= 0 && (size_t)n < sizeof(log_text) - log_len);
    log_len += (size_t)n;
    return LLMT_OK;
}

static void *make(void)
{
    assert(made + 1 < sizeof(handles));
    return &handles[++made];
}

static int number(const void *handle)
{
    return handle == NULL ? 0 : (int)((const char *)handle - handles);
}

static const char *or_dash(const char *text)
{
    return text != NULL ? text : "-";
}

llmt_client *llmt_client_new(const llmt_client_options *options)
{
    llmt_client *client = make();
    say("client %d %s %d\n", number(client), or_dash(options->api_key), options->mode);
    return client;
}

bool llmt_client_enabled(const llmt_client *client)
{
    return client != NULL;
}

int llmt_client_close(llmt_client *client)
{
    return say("close %d\n", number(client));
}

int llmt_flush(llmt_client *client, int timeout_ms)
{
    return say("flush %d %d\n", number(client), timeout_ms);
}

llmt_trace *llmt_trace_begin(llmt_client *client, const char *name,
                             const llmt_trace_options *options)
{
    llmt_trace *trace = make();
    say("trace %d in %d %s %s\n", number(trace), number(client), name, or_dash(options->user_id));
    return trace;
}

int llmt_trace_set_output(llmt_trace *trace, const char *text)
{
    return say("trace output %d %s\n", number(trace), text);
}

int llmt_trace_set_metadata(llmt_trace *trace, const char *json)
{
    return say("trace metadata %d %s\n", number(trace), json);
}

int llmt_trace_end(llmt_trace *trace)
{
    return say("end trace %d\n", number(trace));
}

const char *llmt_trace_id(const llmt_trace *trace, char out[LLMT_TRACE_ID_SIZE])
{
    snprintf(out, LLMT_TRACE_ID_SIZE, "%s",
             trace != NULL ? "0123456789abcdef0123456789abcdef" : "");
    return out;
}

static llmt_span *begin_span(const void *parent, const char *name, const char *type,
                             const llmt_span_options *options)
{
    llmt_span *span = make();
    say("span %d in %d %s %s %s\n", number(span), number(parent), name, type,
        or_dash(options != NULL ? options->model : NULL));
    return span;
}

llmt_span *llmt_trace_span_begin(llmt_trace *trace, const char *name, const char *type,
                                 const llmt_span_options *options)
{
    return begin_span(trace, name, type, options);
}

llmt_span *llmt_span_span_begin(llmt_span *parent, const char *name, const char *type,
                                const llmt_span_options *options)
{
    return begin_span(parent, name, type, options);
}

int llmt_span_set_input(llmt_span *span, const char *json)
{
    return say("input %d %s\n", number(span), json);
}

int llmt_span_set_output(llmt_span *span, const char *json)
{
    return say("output %d %s\n", number(span), json);
}

int llmt_span_set_output_pairs(llmt_span *span, const llmt_pair *pairs, size_t count)
{
    say("pairs %d", number(span));
    for (size_t i = 0; i < count; i++)
        say(" %s:%c:%s:%" PRId64 ":%g", pairs[i].key, pairs[i].kind, or_dash(pairs[i].text),
            pairs[i].integer, pairs[i].number);
    return say("\n");
}

int llmt_span_set_metadata(llmt_span *span, const char *json)
{
    return say("metadata %d %s\n", number(span), json);
}

int llmt_span_set_model(llmt_span *span, const char *model)
{
    return say("model %d %s\n", number(span), model);
}

int llmt_span_set_usage(llmt_span *span, int64_t tokens_input, int64_t tokens_output,
                        double cost_usd)
{
    return say("usage %d %" PRId64 " %" PRId64 " %g\n", number(span), tokens_input, tokens_output,
               cost_usd);
}

int llmt_span_set_usage_details(llmt_span *span, int64_t tokens_cache_read,
                                int64_t tokens_cache_write, int64_t tokens_reasoning)
{
    return say("details %d %" PRId64 " %" PRId64 " %" PRId64 "\n", number(span), tokens_cache_read,
               tokens_cache_write, tokens_reasoning);
}

int llmt_span_set_error(llmt_span *span, const char *text)
{
    return say("error %d %s\n", number(span), text);
}

int llmt_span_set_errorv(llmt_span *span, const char *format, va_list arguments)
{
    char text[128];
    vsnprintf(text, sizeof(text), format, arguments);
    return llmt_span_set_error(span, text);
}

int llmt_span_end(llmt_span *span)
{
    return say("end %d\n", number(span));
}

const char *llmt_span_id(const llmt_span *span, char out[LLMT_SPAN_ID_SIZE])
{
    snprintf(out, LLMT_SPAN_ID_SIZE, "%s", span != NULL ? "0123456789abcdef" : "");
    return out;
}

const char *llmt_span_trace_id(const llmt_span *span, char out[LLMT_TRACE_ID_SIZE])
{
    return llmt_trace_id((const llmt_trace *)span, out);
}

const char *llmt_span_traceparent(const llmt_span *span, char out[LLMT_TRACEPARENT_SIZE])
{
    out[0] = '\0';
    return span != NULL ? strcpy(out, "00-t-s-01") : NULL;
}

const char *llmt_current_traceparent(char out[LLMT_TRACEPARENT_SIZE])
{
    return strcpy(out, "00-current-01");
}

int llmt_span_attach(llmt_span *span)
{
    if (span == NULL)
        return LLMT_EINVAL;
    return say("attach %d\n", number(span));
}

int llmt_span_detach(llmt_span *span)
{
    return say("detach %d\n", number(span));
}

int llmt_trace_attach(llmt_trace *trace)
{
    return say("attach trace %d\n", number(trace));
}

int llmt_trace_detach(llmt_trace *trace)
{
    return say("detach trace %d\n", number(trace));
}
