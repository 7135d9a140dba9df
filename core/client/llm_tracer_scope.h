/* llm_tracer_scope.h - included by llm_tracer.h: llmt_span_begin for either parent, key/value
 * pairs, and scopes that end what they began: macros in C11 (gcc and clang), classes in C++11 and
 * later. */
#ifndef LLM_TRACER_SCOPE_H
#define LLM_TRACER_SCOPE_H

#include "llm_tracer.h"

/* --- pairs ------------------------------------------------------------------------------------ */

/* One pair for llmt_span_set_output_pairs, whose texts are those given, not copies of them. */
static inline llmt_pair llmt_pair_of(const char *key, int kind, const char *text, int64_t integer,
                                     double number)
{
    llmt_pair pair;
    pair.key = key;
    pair.kind = kind;
    pair.text = text;
    pair.integer = integer;
    pair.number = number;
    return pair;
}

/* A pair: LLMT_TEXT(key, text), LLMT_INT(key, integer), LLMT_NUMBER(key, double),
 * LLMT_BOOL(key, condition), LLMT_JSON(key, text). */
#define LLMT_TEXT(key, value)   llmt_pair_of((key), 't', (value), 0, 0.0)
#define LLMT_INT(key, value)    llmt_pair_of((key), 'i', LLMT_NO_TEXT_, (value), 0.0)
#define LLMT_NUMBER(key, value) llmt_pair_of((key), 'n', LLMT_NO_TEXT_, 0, (value))
#define LLMT_BOOL(key, value)   llmt_pair_of((key), 'b', LLMT_NO_TEXT_, (value) ? 1 : 0, 0.0)
#define LLMT_JSON(key, value)   llmt_pair_of((key), 'j', (value), 0, 0.0)

/* LLMT_SET_OUTPUT(span, pair, ...): what llmt_span_set_output_pairs returns. */
#ifdef __cplusplus
#define LLMT_NO_TEXT_              nullptr
#define LLMT_SET_OUTPUT(span, ...) llmt::set_output((span), {__VA_ARGS__})
#else
#define LLMT_NO_TEXT_ ((const char *)0)
#define LLMT_SET_OUTPUT(span, ...)                                                                 \
    llmt_span_set_output_pairs((span), (const llmt_pair[]){__VA_ARGS__},                           \
                               sizeof((const llmt_pair[]){__VA_ARGS__}) / sizeof(llmt_pair))
#endif

#ifndef __cplusplus

/* --- C: macros -------------------------------------------------------------------------------- */

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

/* The first of the arguments, and what follows it; called with a comma at the end, so that there is
 * always a second one, as ISO C wants it. */
#define LLMT_FIRST_(first, ...) first
#define LLMT_REST_(first, ...)  __VA_ARGS__

/* Declares a client, trace or span that ends when the block is left, by return, break or goto too.
 * What follows the fixed arguments are members of the options:
 *     LLMT_CLIENT(client, .api_key = "project-demo");
 *     LLMT_TRACE(trace, client, "chat", .user_id = "u1");
 *     LLMT_SPAN(span, trace, "answer", "llm", .model = "gpt-4o");
 * A block that is left after llmt_span_set_error leaves a span that failed. Nothing runs when the
 * block is left by longjmp or by the end of the process; the collector ends the span then. */
#define LLMT_CLIENT(...) /* name, members of llmt_client_options */                                \
    llmt_client *LLMT_FIRST_(__VA_ARGS__, ) __attribute__((unused, cleanup(llmt_scope_client))) =  \
        llmt_client_new(__extension__ & (llmt_client_options){LLMT_REST_(__VA_ARGS__, )})
#define LLMT_TRACE(name, client, ...) /* title, members of llmt_trace_options */                   \
    llmt_trace *LLMT_FIRST_(name, ) __attribute__((unused, cleanup(llmt_scope_trace))) =           \
        llmt_trace_begin((client), LLMT_FIRST_(__VA_ARGS__, ),                                     \
                         __extension__ & (llmt_trace_options){LLMT_REST_(__VA_ARGS__, )})
#define LLMT_SPAN(name, parent, title, ...) /* type, members of llmt_span_options */               \
    llmt_span *LLMT_FIRST_(name, ) __attribute__((unused, cleanup(llmt_scope_span))) =             \
        llmt_span_begin((parent), (title), LLMT_FIRST_(__VA_ARGS__, ),                             \
                        __extension__ & (llmt_span_options){LLMT_REST_(__VA_ARGS__, )})

#else

/* --- C++: classes ----------------------------------------------------------------------------- */

#include <exception>
#include <initializer_list>
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

/*     llmt::Client client;
 *     llmt::Trace trace = client.trace("chat");
 *     llmt::SpanOptions options;
 *     options.model = "gpt-4o";
 *     llmt::Span span = trace.span("answer", "llm", options);
 *     span.set_output({LLMT_TEXT("content", text.c_str())});
 *
 * Each object holds one handle and closes or ends it when it is destroyed; release() takes the
 * handle out, get() lends it to the functions above. Objects move and do not copy; one that was
 * moved from, released or ended holds NULL, and everything does nothing then. Nothing here throws
 * or allocates, and what returns int returns what the function of that name does. Handles may be
 * used from many threads, an object from one at a time. */
namespace llmt
{

/* Options that begin as zero. In C++20 llmt_span_options{.model = "gpt-4o"} does as well. */
struct ClientOptions : llmt_client_options {
    ClientOptions() noexcept : llmt_client_options()
    {
    }
};
struct TraceOptions : llmt_trace_options {
    TraceOptions() noexcept : llmt_trace_options()
    {
    }
};
struct SpanOptions : llmt_span_options {
    SpanOptions() noexcept : llmt_span_options()
    {
    }
};

/* An id or a traceparent, by value; "" when there is none. */
template <size_t Size> struct Text {
    char text[Size];
    const char *c_str() const noexcept
    {
        return text;
    }
    explicit operator bool() const noexcept
    {
        return text[0] != '\0';
    }
};
typedef Text<LLMT_TRACE_ID_SIZE> TraceId;
typedef Text<LLMT_SPAN_ID_SIZE> SpanId;
typedef Text<LLMT_TRACEPARENT_SIZE> Traceparent;

/* Of the calling thread's active span. */
inline Traceparent current_traceparent() noexcept
{
    Traceparent out = {};
    llmt_current_traceparent(out.text);
    return out;
}

inline int set_output(llmt_span *span, std::initializer_list<llmt_pair> pairs) noexcept
{
    return llmt_span_set_output_pairs(span, pairs.begin(), pairs.size());
}

/* How many exceptions unwind this thread's stack (before C++17: whether one does). */
inline int unwinding() noexcept
{
#ifdef __cpp_lib_uncaught_exceptions
    return std::uncaught_exceptions();
#else
    return std::uncaught_exception() ? 1 : 0;
#endif
}

/* One handle, ended by End. */
template <typename T, int (*End)(T *)> class Handle
{
  public:
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;

    /* Lends the handle; it stays the object's. */
    T *get() const noexcept
    {
        return handle_;
    }
    /* Hands the handle over: the caller ends it. */
    T *release() noexcept
    {
        T *handle = handle_;
        handle_ = nullptr;
        return handle;
    }
    explicit operator bool() const noexcept
    {
        return handle_ != nullptr;
    }

  protected:
    explicit Handle(T *handle) noexcept : handle_(handle)
    {
    }
    Handle(Handle &&other) noexcept : handle_(other.release())
    {
    }
    ~Handle()
    {
        finish();
    }
    void replace(T *handle) noexcept
    {
        finish();
        handle_ = handle;
    }
    int finish() noexcept
    {
        T *handle = release();
        return handle != nullptr ? End(handle) : LLMT_OK;
    }

  private:
    T *handle_;
};

/* A span. Destroyed by an exception that leaves its block, and without an error of its own, it is
 * marked as failed with the text "exception". An error that was set past this object, by
 * llmt_span_set_error(span.get(), ...), does not count as its own. */
class Span : public Handle<llmt_span, llmt_span_end>
{
  public:
    Span() noexcept : Span(nullptr)
    {
    }
    explicit Span(llmt_span *handle) noexcept
        : Handle(handle), unwinding_(unwinding()), failed_(false)
    {
    }
    Span(Span &&other) noexcept
        : Handle(std::move(other)), unwinding_(other.unwinding_), failed_(other.failed_)
    {
    }
    Span &operator=(Span &&other) noexcept
    {
        if (this != &other) {
            replace(other.release());
            unwinding_ = other.unwinding_;
            failed_ = other.failed_;
        }
        return *this;
    }
    ~Span()
    {
        if (get() != nullptr && !failed_ && unwinding() > unwinding_)
            llmt_span_set_error(get(), "exception");
    }
    int end() noexcept
    {
        return finish();
    }

    __attribute__((warn_unused_result)) Span
    span(const char *name, const char *type,
         const llmt_span_options &options = SpanOptions()) const noexcept
    {
        return Span(llmt_span_span_begin(get(), name, type, &options));
    }
    int set_input(const char *json) noexcept
    {
        return llmt_span_set_input(get(), json);
    }
    int set_output(const char *json) noexcept
    {
        return llmt_span_set_output(get(), json);
    }
    int set_output(std::initializer_list<llmt_pair> pairs) noexcept
    {
        return llmt::set_output(get(), pairs);
    }
    int set_metadata(const char *json) noexcept
    {
        return llmt_span_set_metadata(get(), json);
    }
    int set_model(const char *model) noexcept
    {
        return llmt_span_set_model(get(), model);
    }
    int set_usage(int64_t tokens_input, int64_t tokens_output,
                  double cost_usd = LLMT_UNKNOWN) noexcept
    {
        return llmt_span_set_usage(get(), tokens_input, tokens_output, cost_usd);
    }
    int set_usage_details(int64_t tokens_cache_read, int64_t tokens_cache_write,
                          int64_t tokens_reasoning) noexcept
    {
        return llmt_span_set_usage_details(get(), tokens_cache_read, tokens_cache_write,
                                           tokens_reasoning);
    }
    int set_error(const char *text) noexcept
    {
        failed_ = true;
        return llmt_span_set_error(get(), text);
    }
    __attribute__((format(printf, 2, 3))) int set_errorf(const char *format, ...) noexcept
    {
        va_list arguments;
        va_start(arguments, format);
        failed_ = true;
        int result = llmt_span_set_errorv(get(), format, arguments);
        va_end(arguments);
        return result;
    }

    SpanId id() const noexcept
    {
        SpanId out = {};
        llmt_span_id(get(), out.text);
        return out;
    }
    TraceId trace_id() const noexcept
    {
        TraceId out = {};
        llmt_span_trace_id(get(), out.text);
        return out;
    }
    Traceparent traceparent() const noexcept
    {
        Traceparent out = {};
        llmt_span_traceparent(get(), out.text);
        return out;
    }
    int attach() const noexcept
    {
        return llmt_span_attach(get());
    }
    int detach() const noexcept
    {
        return llmt_span_detach(get());
    }

  private:
    int unwinding_; /* when it was made */
    bool failed_;
};

class Trace : public Handle<llmt_trace, llmt_trace_end>
{
  public:
    explicit Trace(llmt_trace *handle = nullptr) noexcept : Handle(handle)
    {
    }
    Trace(Trace &&) noexcept = default;
    Trace &operator=(Trace &&other) noexcept
    {
        if (this != &other)
            replace(other.release());
        return *this;
    }
    int end() noexcept
    {
        return finish();
    }

    __attribute__((warn_unused_result)) Span
    span(const char *name, const char *type,
         const llmt_span_options &options = SpanOptions()) const noexcept
    {
        return Span(llmt_trace_span_begin(get(), name, type, &options));
    }
    int set_output(const char *text) noexcept
    {
        return llmt_trace_set_output(get(), text);
    }
    int set_metadata(const char *json) noexcept
    {
        return llmt_trace_set_metadata(get(), json);
    }
    TraceId id() const noexcept
    {
        TraceId out = {};
        llmt_trace_id(get(), out.text);
        return out;
    }
    int attach() const noexcept
    {
        return llmt_trace_attach(get());
    }
    int detach() const noexcept
    {
        return llmt_trace_detach(get());
    }
};

class Client : public Handle<llmt_client, llmt_client_close>
{
  public:
    explicit Client(const llmt_client_options &options = ClientOptions()) noexcept
        : Handle(llmt_client_new(&options))
    {
    }
    explicit Client(llmt_client *handle) noexcept : Handle(handle)
    {
    }
    Client(Client &&) noexcept = default;
    Client &operator=(Client &&other) noexcept
    {
        if (this != &other)
            replace(other.release());
        return *this;
    }
    int close() noexcept
    {
        return finish();
    }

    __attribute__((warn_unused_result)) Trace
    trace(const char *name, const llmt_trace_options &options = TraceOptions()) const noexcept
    {
        return Trace(llmt_trace_begin(get(), name, &options));
    }
    bool enabled() const noexcept
    {
        return llmt_client_enabled(get());
    }
    int flush(int timeout_ms = -1) const noexcept
    {
        return llmt_flush(get(), timeout_ms);
    }
};

/* Makes a span active on this thread while it lives: for work on a thread pool. */
class Attached
{
  public:
    explicit Attached(llmt_span *span) noexcept
        : span_(llmt_span_attach(span) == LLMT_OK ? span : nullptr)
    {
    }
    explicit Attached(const Span &span) noexcept : Attached(span.get())
    {
    }
    Attached(const Attached &) = delete;
    Attached &operator=(const Attached &) = delete;
    ~Attached()
    {
        if (span_ != nullptr)
            llmt_span_detach(span_);
    }

  private:
    llmt_span *span_;
};

} // namespace llmt

#endif
#endif
