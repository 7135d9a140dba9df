"""As counted.c: spans that tell the tokens and the cost of the calls made inside them. Prints the
usage that the provider told, summed up."""

import json
import os
import urllib.request

from llm_tracer import SyncTracerClient


def call(path, body):
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + path,
                                     json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        usage = json.load(reply)["usage"]
    return usage["prompt_tokens"], usage.get("completion_tokens", 0)


def main():
    with SyncTracerClient() as tracer, tracer.trace("counted") as trace:
        with trace.span("embed", "embedding") as span:
            first = call("/embeddings", {"model": "text-embedding-3-small",
                                         "input": "one two three"})
            span.set_output(tokens_input=first[0], tokens_output=first[1], cost_usd=0.25)
        with trace.span("agent", "agent") as agent:
            with agent.span("tool", "tool") as tool:
                then = call("/chat/completions", {"model": "gpt-4", "messages": [
                    {"role": "user", "content": "What is up today?"}]})
                tool.set_output(tokens_input=then[0], tokens_output=then[1], cost_usd=0.25)
            agent.set_output(tokens_input=then[0], tokens_output=then[1], cost_usd=0.25)
    print(json.dumps([first[0] + then[0], first[1] + then[1]]))


main()
