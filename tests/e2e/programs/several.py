"""Several calls inside one llm span that says nothing itself: one streamed, one whole, an embedding.
Then one span for a call that fails. Prints the usage that the provider told, as JSON."""

import asyncio
import json

import openai

from llm_tracer import TracerClient

QUESTION = [{"role": "user", "content": "What is up today?"}]


async def answers(model):
    """The usage of each call."""
    stream = await model.chat.completions.create(model="gpt-4", messages=QUESTION, stream=True,
                                                 stream_options={"include_usage": True})
    told = [chunk.usage async for chunk in stream if chunk.usage]
    whole = await model.chat.completions.create(model="gpt-4-turbo", messages=QUESTION)
    await model.embeddings.create(model="text-embedding-3-small", input="one two three")
    return [[u.prompt_tokens, u.completion_tokens] for u in told + [whole.usage]]


async def main():
    async with TracerClient() as tracer, openai.AsyncOpenAI(max_retries=0) as model:
        async with tracer.trace("several") as trace:
            async with trace.span("answers", "llm"):
                print(json.dumps(await answers(model)))
            async with trace.span("refused", "llm"):
                try:
                    await model.chat.completions.create(model="fault-status-401",
                                                        messages=QUESTION)
                except openai.AuthenticationError:
                    pass


asyncio.run(main())
