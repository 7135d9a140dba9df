// agent_scopes.cpp - agent.c in C++: client, trace and spans end with their objects, also when an
// exception leaves their block.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "llm_tracer.h"
#include "openai.h"

// Stands for a real search.
static std::vector<std::string> search(const std::string &query)
{
    return {query + " 0\n", query + " 1\n", query + " 2\n"};
}

static std::string synthesize(const llmt::Span &agent, const std::vector<std::string> &hits)
{
    llmt::SpanOptions options;
    options.model = "claude-3";
    llmt::Span span = agent.span("synthesize", "llm", options);

    std::string question;
    for (const std::string &hit : hits)
        question += hit;
    answer reply;
    if (openai_chat("gpt-4", nullptr, question.c_str(), &reply) != 0) {
        span.set_error(reply.text);
        throw std::runtime_error(reply.text);
    }
    span.set_output({LLMT_TEXT("answer", reply.text)});
    span.set_usage(1500, 500);
    return reply.text;
}

static void run(const llmt::Client &tracer)
{
    llmt::TraceOptions options;
    options.user_id = "user123";
    llmt::Trace trace = tracer.trace("agent-task", options);
    llmt::Span agent = trace.span("agent-loop", "agent");

    std::vector<std::string> hits;
    {
        llmt::Span tool = agent.span("search-tool", "tool");
        hits = search("weather");
        tool.set_output({LLMT_INT("hits", static_cast<int64_t>(hits.size()))});
    }
    synthesize(agent, hits);
}

int main()
{
    llmt::Client tracer;
    try {
        run(tracer);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "agent_scopes: %s\n", error.what());
        return 1;
    }
    return 0;
}
