"""A client that is made once and used for one experiment after another, as in a notebook."""

import openai

from llm_tracer import SyncTracerClient

MODEL = "gpt-4-turbo"
QUESTION = {"role": "user", "content": "Explain transformers"}


def experiment(name, tags, messages, output):
    with tracer.trace(name, tags=tags) as trace:
        with trace.span(MODEL, "llm", model=MODEL) as span:
            response = openai.chat.completions.create(model=MODEL, messages=messages)
            span.set_output(output_data={"content": response.choices[0].message.content},
                            tokens_input=response.usage.prompt_tokens,
                            tokens_output=response.usage.completion_tokens)
        trace.set_output(output)


tracer = SyncTracerClient(api_key="project-notebook")
experiment("experiment-v1", ["baseline"], [QUESTION], "Baseline complete")
experiment("experiment-v2", ["with-system-prompt"],
           [{"role": "system", "content": "You are a ML expert."}, QUESTION],
           "With system prompt complete")
tracer.close()
