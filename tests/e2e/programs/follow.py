"""follow.py KIND CLIENT BASE TASKS CALLS: many tasks (or threads) side by side, each with a trace of
its own and a span for each of its calls to the endpoint, and calls beside them in no span at all.
Prints one JSON line a call: what it asked, and the trace and span that it was made in.

KIND: asyncio, uvloop, run_in_executor, to_thread, anyio; threads with traces of their own, and what
asks for them: threads (they themselves), pool, thread_pool (of multiprocessing), thread, subclass,
timer, context (a thread that runs a copied one)."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import json
import multiprocessing.pool
import random
import sys
import threading
import urllib.request

from llm_tracer import SyncTracerClient, TracerClient

KIND, CLIENT, BASE, TASKS, CALLS = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
if KIND == "anyio":
    import anyio
URL = BASE + "/v1/chat/completions"
said = []


def body(question):
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}


def note(question, trace_id, span_id):
    said.append({"question": question, "trace_id": trace_id, "span_id": span_id})


def ask_blocking(question):
    request = urllib.request.Request(URL, json.dumps(body(question)).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert json.load(reply)["usage"]


@contextlib.asynccontextmanager
async def asking():
    """A function that asks the endpoint, over connections that tasks share."""
    if CLIENT == "httpx":
        import httpx
        async with httpx.AsyncClient(timeout=60) as http:
            async def ask(question):
                (await http.post(URL, json=body(question))).raise_for_status()
            yield ask
    elif CLIENT == "aiohttp":
        import aiohttp
        async with aiohttp.ClientSession() as http:
            async def ask(question):
                async with http.post(URL, json=body(question)) as reply:
                    assert (await reply.json())["usage"]
            yield ask
    else:
        async def ask(question):
            if KIND == "to_thread":
                await asyncio.to_thread(ask_blocking, question)
            elif KIND == "anyio":
                await anyio.to_thread.run_sync(ask_blocking, question)
            else:
                await asyncio.get_running_loop().run_in_executor(None, ask_blocking, question)
        yield ask


async def task(tracer, ask, number):
    choose = random.Random(number)
    async with tracer.trace(f"task {number}") as trace:
        await asyncio.sleep(choose.random() / 20)
        for call in range(CALLS):
            async with trace.span(f"step {call}", "chain") as span:
                await asyncio.sleep(choose.random() / 50)
                question = f"<{number}.{call}>"
                note(question, trace.trace_id, span.span_id)
                await ask(question)
                span.set_output({"asked": question})
        question = f"<{number}.last>"
        note(question, trace.trace_id, None)
        await ask(question)
        trace.set_output(f"task {number} is done")


async def beside(ask, number):
    await asyncio.sleep(0.01)
    for call in range(CALLS):
        note(f"<beside {number}.{call}>", None, None)
        await ask(f"<beside {number}.{call}>")


async def main():
    async with TracerClient() as tracer, asking() as ask:
        await asyncio.gather(*(task(tracer, ask, i) for i in range(TASKS)),
                             *(beside(ask, i) for i in range(3)))


class Asking(threading.Thread):
    def __init__(self, question):
        super().__init__(daemon=True)
        self.question = question

    def run(self):
        ask_blocking(self.question)


STARTED = {
    "thread": lambda question: threading.Thread(target=ask_blocking, args=(question,)),
    "subclass": Asking,
    "timer": lambda question: threading.Timer(0.001, ask_blocking, (question,)),
    "context": lambda question: threading.Thread(target=contextvars.copy_context().run,
                                                 args=(ask_blocking, question)),
}


def ask_elsewhere(question, pool):
    """As KIND says, or on this thread."""
    if KIND in STARTED:
        thread = STARTED[KIND](question)
        thread.start()
        thread.join()
    elif KIND == "pool":
        pool.submit(ask_blocking, question).result()
    elif KIND == "thread_pool":
        pool.map(ask_blocking, [question])
    else:
        ask_blocking(question)


def job(tracer, number, pool):
    with tracer.trace(f"task {number}") as trace:
        for call in range(CALLS):
            with trace.span(f"step {call}", "chain") as span:
                question = f"<{number}.{call}>"
                note(question, trace.trace_id, span.span_id)
                ask_elsewhere(question, pool)


def in_threads():
    """A pool whose workers are made inside a trace: what it does for others is not in that one."""
    tracer = SyncTracerClient()
    make = (multiprocessing.pool.ThreadPool if KIND == "thread_pool"
            else concurrent.futures.ThreadPoolExecutor)
    numbers = iter(range(1, TASKS))

    def work(pool):
        for number in numbers:
            job(tracer, number, pool)

    with contextlib.ExitStack() as ended:
        threads = [threading.Thread(target=lambda: work(pool)) for _ in range(8)]
        ready = threading.Event()

        def beside():
            ready.wait(60)
            for call in range(CALLS):
                note(f"<beside {call}>", None, None)
                ask_elsewhere(f"<beside {call}>", pool)

        outside = threading.Thread(target=beside)
        outside.start()
        with tracer.trace("task 0") as trace:
            pool = ended.enter_context(make(4))
            with trace.span("step 0", "chain") as span:
                note("<0.0>", trace.trace_id, span.span_id)
                ask_elsewhere("<0.0>", pool)
                ready.set()
                outside.join()
            for call in range(1, CALLS):
                with trace.span(f"step {call}", "chain"):
                    pass
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    tracer.close()


if KIND in ("threads", "pool", "thread_pool", *STARTED):
    in_threads()
elif KIND == "uvloop":
    import uvloop
    loop = uvloop.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
else:
    asyncio.run(main())
for line in said:
    print(json.dumps(line))
