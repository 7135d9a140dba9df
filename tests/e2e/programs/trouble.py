"""trouble.py sync|async CASE...: what trouble.c does, see there, but that callee takes a trace's and
a span's id."""

import asyncio
import contextlib
import os
import subprocess
import sys

from llm_tracer import SyncTracerClient, TracerClient

PROMPT = {"question": "hush: what is the answer?"}
ANSWER = "hush: forty-two"
MODE = sys.argv[1]
Client = SyncTracerClient if MODE == "sync" else TracerClient


@contextlib.asynccontextmanager
async def block(context):
    """Enters a context of either kind."""
    if MODE == "sync":
        with context as entered:
            yield entered
    else:
        async with context as entered:
            yield entered


async def result(value):
    return await value if MODE == "async" else value


async def one_job(client, name):
    async with block(client.trace(name, user_id="u1", session_id="s1")) as trace:
        async with block(trace.span("step", "chain")) as step:
            async with block(step.span("answer", "llm", input_data=PROMPT,
                                       model="gpt-4o")) as answer:
                answer.set_output(output_data={"text": ANSWER}, tokens_input=12, tokens_output=3,
                                  cost_usd=0.5)
        trace.set_output(ANSWER)


async def work(count, pause):
    async with block(Client()) as client:
        for _ in range(int(count)):
            await one_job(client, "job")
            await asyncio.sleep(float(pause) / 1000)


async def begin():
    client = Client()
    trace_id = await result(client.create_trace("job"))
    step = await result(client.create_span(trace_id, "step", "chain"))
    await result(client.create_span(trace_id, "answer", "llm", parent_span_id=step))


async def clients():
    async with block(Client(os.environ["FIRST_URL"], "project-alpha")) as first, \
            block(Client(os.environ["SECOND_URL"], "project-beta")) as second:
        for _ in range(3):
            await one_job(first, "of the first")
            await one_job(second, "of the second")


async def fork():
    async with block(Client()) as client, block(client.trace("job")) as trace, \
            block(trace.span("step", "chain")) as step:
        sys.stdout.flush()
        child = os.fork()
        where = "parent" if child else "child"
        if child:
            os.waitpid(child, 0)
        async with block(step.span(f"in the {where}", "tool")) as inner:
            inner.set_output(output_data={"where": where})
        if not child:
            os._exit(0)


async def caller(command=None):
    async with block(Client()) as client, block(client.trace("job")) as trace, \
            block(trace.span("step", "chain")) as step:
        words = ["sh", "-c", command] if command else \
            [sys.executable, __file__, MODE, "callee", trace.trace_id, step.span_id]
        traceparent = f"00-{trace.trace_id}-{step.span_id}-01"
        subprocess.run(words, env=dict(os.environ, TRACEPARENT=traceparent), capture_output=True,
                       check=False)


async def callee(trace_id, parent):
    async with block(Client()) as client:
        span = await result(client.create_span(trace_id, "remote", "tool",
                                               parent_span_id=parent))
        await result(client.complete_span(span, output_data={"where": "callee"}))


CASES = {"work": work, "open": begin, "leave": begin, "clients": clients, "fork": fork,
         "caller": caller, "callee": callee}
asyncio.run(CASES[sys.argv[2]](*sys.argv[3:]))
if sys.argv[2] == "open":
    print("ready", flush=True)
    sys.stdin.read()
print("out", flush=True)
print("err", file=sys.stderr)
sys.exit(7)
