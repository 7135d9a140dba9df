"""The smallest trace: one call to a model, with what it cost. The key comes from TRACER_API_KEY."""

import asyncio

from openai import AsyncOpenAI

from llm_tracer import TracerClient


async def main():
    async with TracerClient() as tracer, tracer.trace("user-request") as trace:
        async with trace.span("llm-call", "llm", model="gpt-4") as span:
            response = await AsyncOpenAI().chat.completions.create(
                model="gpt-4", messages=[{"role": "user", "content": "What is up today?"}])
            span.set_output(output_data={"content": response.choices[0].message.content},
                            tokens_input=response.usage.prompt_tokens,
                            tokens_output=response.usage.completion_tokens, cost_usd=0.003)
        trace.set_output("Request completed")


asyncio.run(main())
