// The C++ classes of llm_tracer_scope.h against recorded calls: what they end, when, and how a span
// fares when an exception leaves its block. Built for several versions of the language.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <type_traits>

#include "fake.h"
#include "llm_tracer.h"

namespace
{

int failures;
long allocations;

void expect(const char *test, const char *expected)
{
    if (strcmp(fake_log(), expected) != 0) {
        std::printf("%s: expected\n%sbut was\n%s", test, expected, fake_log());
        failures++;
    }
    fake_clear();
}

void check(bool condition, const char *test, const char *what)
{
    if (!condition) {
        std::printf("%s: not so: %s\n", test, what);
        failures++;
    }
}

template <typename T> void only_moves(const char *name)
{
    check(!std::is_copy_constructible<T>::value, name, "no copy");
    check(!std::is_copy_assignable<T>::value, name, "no copy by assignment");
    check(std::is_nothrow_move_constructible<T>::value, name, "moves without throwing");
    check(std::is_nothrow_move_assignable<T>::value, name, "is assigned without throwing");
    check(std::is_nothrow_destructible<T>::value, name, "ends without throwing");
    check(std::is_nothrow_default_constructible<T>::value, name, "is made without throwing");
}

void scopes_end_what_they_began()
{
    {
        llmt::ClientOptions options;
        options.api_key = "project-demo";
        options.mode = LLMT_SYNC;
        llmt::Client client(options);
        llmt::Trace trace = client.trace("chat");
        llmt::SpanOptions more;
        more.model = "gpt-4o";
        llmt::Span agent = trace.span("loop", "agent");
        llmt::Span answer = agent.span("answer", "llm", more);
        answer.set_output("{}");
        answer.set_usage(12, 3);
        trace.set_output("done");
        check(client.enabled() && client.flush() == LLMT_OK, "scopes", "the client answers");
    }
    expect("scopes", "client 1 project-demo 1\n"
                     "trace 2 in 1 chat -\n"
                     "span 3 in 2 loop agent -\n"
                     "span 4 in 3 answer llm gpt-4o\n"
                     "output 4 {}\n"
                     "usage 4 12 3 -1\n"
                     "trace output 2 done\n"
                     "flush 1 -1\n"
                     "end 4\nend 3\nend trace 2\nclose 1\n");
}

void options_are_zero()
{
    llmt::ClientOptions client;
    llmt::TraceOptions trace;
    llmt::SpanOptions span;
    check(client.flags == 0 && client.mode == LLMT_ASYNC && client.base_url == nullptr &&
              client.api_key == nullptr && client.project_id == nullptr && client.timeout_ms == 0 &&
              client.on_warning == nullptr && client.user == nullptr,
          "options", "of a client");
    check(trace.flags == 0 && trace.metadata == nullptr && trace.tags == nullptr &&
              trace.user_id == nullptr && trace.session_id == nullptr &&
              trace.project_id == nullptr && trace.traceparent == nullptr,
          "options", "of a trace");
    check(span.flags == 0 && span.input == nullptr && span.metadata == nullptr &&
              span.model == nullptr && span.parent_span_id == nullptr,
          "options", "of a span");
#if __cplusplus >= 202002L
    llmt::Span named = llmt::Trace().span("a", "llm", {.flags = LLMT_DETACHED, .model = "m"});
    expect("options", "span 1 in 0 a llm m\n");
    named.end();
    fake_clear();
#endif
}

void moved_ones_end_once()
{
    {
        llmt::Client client;
        llmt::Client other(std::move(client));
        // NOLINTNEXTLINE(bugprone-use-after-move): what is left is what is tested
        check(!client && other, "moved", "the client went over");
        llmt::Trace first = other.trace("first"), second = other.trace("second");
        second = std::move(first); // ends the second
        llmt::Span a = second.span("a", "tool"), b = second.span("b", "tool");
        b = std::move(a); // ends b
        llmt::Span &same = b;
        b = std::move(same);
        // NOLINTNEXTLINE(bugprone-use-after-move): here too
        check(b.get() != nullptr && !a, "moved", "the span went over and stayed");
        llmt::Client none;
        none = std::move(other);
    }
    expect("moved", "client 1 - 0\n"
                    "trace 2 in 1 first -\ntrace 3 in 1 second -\n"
                    "end trace 3\n"
                    "span 4 in 2 a tool -\nspan 5 in 2 b tool -\n"
                    "end 5\n"
                    "client 6 - 0\nclose 6\n"
                    "close 1\nend 4\nend trace 2\n");
}

void released_ones_do_not_end()
{
    llmt_span *kept;
    {
        llmt::Span span = llmt::Trace().span("a", "tool");
        kept = span.release();
        check(span.get() == nullptr && !span, "released", "nothing is left");
        check(span.end() == LLMT_OK && span.end() == LLMT_OK, "released", "ending nothing is fine");
    }
    expect("released", "span 1 in 0 a tool -\n");
    {
        llmt::Span again(kept);
        check(again.end() == LLMT_OK, "released", "ended by hand");
    }
    expect("released", "end 1\n");
}

void an_exception_fails_the_span()
{
    try {
        llmt::Trace trace = llmt::Client(static_cast<llmt_client *>(nullptr)).trace("t");
        llmt::Span outer = trace.span("outer", "agent");
        llmt::Span inner = outer.span("inner", "tool");
        inner.set_errorf("status %d", 503);
        throw std::runtime_error("boom");
    } catch (const std::runtime_error &) {
        llmt::Span handler = llmt::Trace().span("handler", "function");
    }
    expect("exception", "trace 1 in 0 t -\n"
                        "span 2 in 1 outer agent -\nspan 3 in 2 inner tool -\n"
                        "error 3 status 503\n"
                        "end 3\n"
                        "error 2 exception\nend 2\n"
                        "end trace 1\n"
                        "span 4 in 0 handler function -\nend 4\n");
}

struct Cleanup {
    ~Cleanup()
    {
        llmt::Span span = llmt::Trace().span("cleanup", "function");
        llmt::Span moved(std::move(span));
    }
};

// A span that lives and ends well while another one's exception unwinds did not fail.
void a_span_of_a_destructor_is_not_failed()
{
    try {
        Cleanup cleanup;
        throw 1;
    } catch (int) {
    }
    expect("destructor", "span 1 in 0 cleanup function -\nend 1\n");
}

void every_setter_reaches_its_function()
{
    {
        llmt::TraceOptions options;
        llmt::Trace trace(llmt_trace_begin(nullptr, "t", &options));
        trace.set_metadata("{\"a\":1}");
        trace.attach();
        trace.detach();
        llmt::Span span(llmt_span_begin(trace.get(), "s", "llm"));
        span.set_input("{\"q\":1}");
        span.set_metadata("{\"m\":1}");
        span.set_model("gpt");
        span.set_usage(1, 2, 0.5);
        span.set_usage_details(3, 4, 5);
        span.set_error("no");
        span.attach();
        span.detach();
        span.set_output({LLMT_TEXT("t", "x"), LLMT_INT("i", -7), LLMT_NUMBER("n", 0.5),
                         LLMT_BOOL("b", true), LLMT_JSON("j", "[1]")});
        LLMT_SET_OUTPUT(span.get(), LLMT_BOOL("b", false));
        llmt::Span child(llmt_span_begin(span.get(), "c", "tool"));
        child.release();
        span.release();
        trace.release();
    }
    expect("setters", "trace 1 in 0 t -\ntrace metadata 1 {\"a\":1}\n"
                      "attach trace 1\ndetach trace 1\n"
                      "span 2 in 1 s llm -\ninput 2 {\"q\":1}\nmetadata 2 {\"m\":1}\nmodel 2 gpt\n"
                      "usage 2 1 2 0.5\ndetails 2 3 4 5\nerror 2 no\nattach 2\ndetach 2\n"
                      "pairs 2 t:t:x:0:0 i:i:-:-7:0 n:n:-:0:0.5 b:b:-:1:0 j:j:[1]:0:0\n"
                      "pairs 2 b:b:-:0:0\n"
                      "span 3 in 2 c tool -\n");
}

void ids_are_values()
{
    llmt::Trace trace = llmt::Client(static_cast<llmt_client *>(nullptr)).trace("t");
    llmt::Span span = trace.span("s", "llm");
    check(!strcmp(trace.id().c_str(), "0123456789abcdef0123456789abcdef"), "ids", "of the trace");
    check(!strcmp(span.trace_id().c_str(), trace.id().c_str()), "ids", "of the span's trace");
    check(!strcmp(span.id().c_str(), "0123456789abcdef") && span.id(), "ids", "of the span");
    check(!strcmp(span.traceparent().c_str(), "00-t-s-01"), "ids", "traceparent");
    check(!strcmp(llmt::current_traceparent().c_str(), "00-current-01"), "ids", "the current one");
    llmt::Span none;
    check(!none.id() && !none.trace_id() && !none.traceparent(), "ids", "none");
    span.release();
    trace.release();
    fake_clear();
}

void attached_while_it_lives()
{
    llmt::Span span = llmt::Trace().span("s", "llm"), none;
    fake_clear();
    try {
        llmt::Attached attached(span), nothing(none);
        throw 1;
    } catch (int) {
    }
    expect("attached", "attach 1\ndetach 1\n");
    span.release();
}

} // namespace

void *operator new(std::size_t size)
{
    allocations++;
    void *memory = std::malloc(size);
    if (memory == nullptr)
        std::abort();
    return memory;
}

void operator delete(void *memory) noexcept
{
    std::free(memory);
}

void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}

int main()
{
    only_moves<llmt::Client>("Client");
    only_moves<llmt::Trace>("Trace");
    only_moves<llmt::Span>("Span");
    scopes_end_what_they_began();
    options_are_zero();
    moved_ones_end_once();
    released_ones_do_not_end();
    every_setter_reaches_its_function();
    ids_are_values();
    check(allocations == 0, "memory", "nothing is allocated");
    an_exception_fails_the_span();
    a_span_of_a_destructor_is_not_failed();
    attached_while_it_lives();
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
