"""Spans in a span: an agent that searches, then lets a model write the answer."""

import asyncio

from openai import AsyncOpenAI

from llm_tracer import TracerClient


async def search(query):
    """Stands for a real search."""
    return [f"{query} {i}" for i in range(3)]


async def write(hits):
    response = await AsyncOpenAI().chat.completions.create(
        model="gpt-4", messages=[{"role": "user", "content": str(hits)}])
    return response.choices[0].message.content


async def main():
    async with TracerClient() as tracer, \
            tracer.trace("agent-task", user_id="user123") as trace, \
            trace.span("agent-loop", "agent") as agent:
        async with agent.span("search-tool", "tool") as tool:
            hits = await search("weather")
            tool.set_output(output_data={"hits": len(hits)})
        async with agent.span("synthesize", "llm", model="claude-3") as llm:
            answer = await write(hits)
            llm.set_output(output_data={"answer": answer}, tokens_input=1500, tokens_output=500)


asyncio.run(main())
