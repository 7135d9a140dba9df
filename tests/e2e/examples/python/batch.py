"""A job with an end: the client is closed with the block that uses it. Items run side by side, each
in a task and a trace of its own.

    batch.py [PROMPT...]
"""

import asyncio
import sys

from openai import AsyncOpenAI

from llm_tracer import TracerClient

PROMPTS = ["Explain quantum computing", "What is machine learning?", "How do neural networks work?"]


async def process(tracer, openai, number, prompt):
    async with tracer.trace(f"batch-item-{number}") as trace:
        async with trace.span("embedding", "embedding") as span:
            made = await openai.embeddings.create(model="text-embedding-3-small", input=prompt)
            span.set_output(output_data={"dimensions": len(made.data[0].embedding)})
        async with trace.span("completion", "llm", model="gpt-4") as span:
            response = await openai.chat.completions.create(
                model="gpt-4", messages=[{"role": "user", "content": prompt}])
            span.set_output(output_data={"content": response.choices[0].message.content},
                            tokens_input=response.usage.prompt_tokens,
                            tokens_output=response.usage.completion_tokens)
        trace.set_output(f"Processed prompt {number}")


async def main(prompts):
    openai = AsyncOpenAI()
    async with TracerClient(api_key="project-batch") as tracer:
        await asyncio.gather(*(process(tracer, openai, i, p) for i, p in enumerate(prompts)))


asyncio.run(main(sys.argv[1:] or PROMPTS))
