"""around_pattern.py FILE: runs a piece of code that uses names which it does not define, and awaits
outside of a function as in a notebook. It is compiled as it stands."""

import ast
import asyncio
import inspect
import os
import sys

from openai import AsyncOpenAI

from llm_tracer import SyncTracerClient, TracerClient


class Answer(str):
    """A text that also carries what the provider said of it."""

    usage = None

    @property
    def text(self):
        return str(self)


class Llm:
    """A small model client of the kind that applications have."""

    def __init__(self):
        self.client = AsyncOpenAI()

    async def complete(self, prompt):
        messages = [{"role": "user", "content": str(prompt)}]
        response = await self.client.chat.completions.create(model="gpt-4", messages=messages)
        answer = Answer(response.choices[0].message.content)
        answer.usage = response.usage
        return answer


class ExternalApi:
    async def call(self):
        if os.environ.get("EXTERNAL_API") != "up":
            raise ConnectionError("the external service is down")
        return "fine"


async def search(query):
    return [f"{query} {i}" for i in range(3)]


def process_data():
    return list(range(42))


async def run(path):
    with open(path, "rb") as f:
        code = compile(f.read(), path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    tracer = TracerClient()
    names = {"tracer": tracer, "SyncTracerClient": SyncTracerClient, "llm": Llm(),
             "prompt": "What is up today?", "query": "weather", "search": search,
             "external_api": ExternalApi(), "process_data": process_data}
    try:
        running = eval(code, names)
        if inspect.iscoroutine(running):
            await running
    finally:
        await tracer.close()


asyncio.run(run(sys.argv[1]))
