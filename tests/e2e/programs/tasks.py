"""tasks.py asyncio|uvloop|pool TASKS TRACES: what load_threads does, in Python: as asyncio tasks
that take turns on one thread, or in a pool of threads that other work is handed to. OPENAI_BASE_URL
names the endpoint."""

import asyncio
import concurrent.futures
import contextvars
import sys

import openai

from llm_tracer import SyncTracerClient, TracerClient

MODE, TASKS, TRACES = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def prompt(kind, task, number):
    return [{"role": "user", "content": f"{kind} {task} {number}"}]


async def job(client, model, task, number):
    async with client.trace(f"trace {task} {number}", user_id=f"user-{task}") as trace:
        async with trace.span(f"chain {task} {number}", "chain") as chain:
            async with chain.span(f"tool {task} {number}", "tool") as tool:
                await model.chat.completions.create(model="gpt-4o",
                                                    messages=prompt("tool", task, number))
                tool.set_output(output_data={"number": number})
            async with chain.span(f"llm {task} {number}", "llm", model="gpt-4o"):
                # Handed to a task of its own, which carries the context on.
                await asyncio.create_task(model.chat.completions.create(
                    model="gpt-4o", messages=prompt("llm", task, number)))
        trace.set_output(f"user-{task}")


async def jobs(client, model, task):
    for number in range(TRACES):
        await job(client, model, task, number)


async def tasks():
    async with TracerClient() as client, openai.AsyncOpenAI(max_retries=0) as model:
        await asyncio.gather(*(jobs(client, model, task) for task in range(TASKS)))


def in_pool(pool, function, *arguments, **more):
    """Waits for work that another thread does in this one's context."""
    return pool.submit(contextvars.copy_context().run, function, *arguments, **more).result()


def pool_jobs(client, model, pool, task):
    for number in range(TRACES):
        with client.trace(f"trace {task} {number}", user_id=f"user-{task}") as trace:
            with trace.span(f"chain {task} {number}", "chain") as chain:
                with chain.span(f"tool {task} {number}", "tool") as tool:
                    in_pool(pool, model.chat.completions.create, model="gpt-4o",
                            messages=prompt("tool", task, number))
                    tool.set_output(output_data={"number": number})
                with chain.span(f"llm {task} {number}", "llm", model="gpt-4o"):
                    model.chat.completions.create(model="gpt-4o",
                                                  messages=prompt("llm", task, number))
            trace.set_output(f"user-{task}")


def threads():
    with SyncTracerClient() as client, openai.OpenAI(max_retries=0) as model, \
            concurrent.futures.ThreadPoolExecutor(TASKS) as calls, \
            concurrent.futures.ThreadPoolExecutor(TASKS) as pool:
        for done in [pool.submit(pool_jobs, client, model, calls, task) for task in range(TASKS)]:
            done.result()


if MODE == "pool":
    threads()
elif MODE == "uvloop":
    import uvloop
    uvloop.run(tasks())
else:
    asyncio.run(tasks())
