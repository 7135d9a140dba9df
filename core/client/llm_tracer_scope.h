/* llm_tracer_scope.h - included by llm_tracer.h: llmt_span_begin for either parent, and scopes that
 * end what they began: macros in C (gcc and clang), classes in C++11 and later. */
#ifndef LLM_TRACER_SCOPE_H
#define LLM_TRACER_SCOPE_H

#include "llm_tracer.h"

#ifdef __cplusplus

#include <utility>

inline llmt_span *llmt_span_begin(llmt_trace *parent, const char *name, const char *type,
                                  const llmt_span_options *options = nullptr) noexcept
{
    return llmt_trace_span_begin(parent, name, type, options);
}

inline llmt_span *llmt_span_begin(llmt_span *parent, const char *name, const char *type,
                                  const llmt_span_options *options = nullptr) noexcept
{
    return llmt_span_span_begin(parent, name, type, options);
}

#else

/* llmt_span_begin(trace or span, name, type, options) */
#define llmt_span_begin(parent, ...)                                                               \
    _Generic((parent),                                                                             \
        llmt_trace *: llmt_trace_span_begin,                                                       \
        llmt_span *: llmt_span_span_begin,                                                         \
        void *: llmt_span_span_begin)((parent), __VA_ARGS__)

static inline void llmt_scope_client(llmt_client **client)
{
    llmt_client_close(*client);
}

static inline void llmt_scope_trace(llmt_trace **trace)
{
    llmt_trace_end(*trace);
}

static inline void llmt_scope_span(llmt_span **span)
{
    llmt_span_end(*span);
}

/* Declares a client, trace or span that ends when the block is left, by return, break or goto too.
 * What follows the fixed arguments are members of the options:
 *     LLMT_CLIENT(client, .api_key = "project-demo");
 *     LLMT_TRACE(trace, client, "chat", .user_id = "u1");
 *     LLMT_SPAN(span, trace, "answer", "llm", .model = "gpt-4o");
 * A block that is left after llmt_span_set_error leaves a span that failed. */
#define LLMT_CLIENT(name, ...)                                                                     \
    llmt_client *name __attribute__((cleanup(llmt_scope_client))) =                                \
        llmt_client_new(&(llmt_client_options){0, ##__VA_ARGS__})
#define LLMT_TRACE(name, client, title, ...)                                                       \
    llmt_trace *name __attribute__((cleanup(llmt_scope_trace))) =                                  \
        llmt_trace_begin((client), (title), &(llmt_trace_options){0, ##__VA_ARGS__})
#define LLMT_SPAN(name, parent, title, type, ...)                                                  \
    llmt_span *name __attribute__((cleanup(llmt_scope_span))) =                                    \
        llmt_span_begin((parent), (title), (type), &(llmt_span_options){0, ##__VA_ARGS__})

#endif
#endif
