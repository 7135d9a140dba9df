"""A small command with a client that lives as long as it is used.

    sentiment.py [TEXT]
"""

import sys

import openai

from llm_tracer import SyncTracerClient

INSTRUCTION = "Analyze sentiment. Reply: positive/negative/neutral"


def embed(trace, text):
    with trace.span("embed", "embedding") as span:
        made = openai.embeddings.create(model="text-embedding-3-small", input=text)
        span.set_output(output_data={"dimensions": len(made.data[0].embedding)})


def judge(trace, text):
    with trace.span("sentiment", "llm", model="gpt-4") as span:
        response = openai.chat.completions.create(
            model="gpt-4", messages=[{"role": "system", "content": INSTRUCTION},
                                     {"role": "user", "content": text}])
        sentiment = response.choices[0].message.content
        span.set_output(output_data={"sentiment": sentiment},
                        tokens_input=response.usage.prompt_tokens,
                        tokens_output=response.usage.completion_tokens)
    return sentiment


def analyze(text):
    with SyncTracerClient(api_key="project-cli") as tracer:
        with tracer.trace("text-analysis") as trace:
            embed(trace, text)
            sentiment = judge(trace, text)
            trace.set_output(f"Analysis complete: {sentiment}")
    return sentiment


print(analyze(" ".join(sys.argv[1:]) or "I love this product! It works great."))
