"""What one traced call (a trace, a span in it, output and usage, both ended) costs the program: with
this package, and with a client that speaks to the service by itself, as its predecessor does: httpx,
four round trips. And what a step of an event loop costs more once a trace was begun.

`api_http.py KIND COUNT` runs one of KINDS and prints microseconds; tests/bench/run calls `bench`."""

import asyncio
import gc
import json
import os
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUTPUT = {"content": "x" * 200}
WARM_UP = 20


class HttpClient:
    """The least that does what the contract asks of a client, over one kept-alive connection."""

    def __init__(self, base_url, api_key):
        import httpx
        self.project = api_key[len("project-"):]
        self.http = httpx.AsyncClient(base_url=base_url, headers={"X-API-Key": api_key},
                                      timeout=2.0)

    async def send(self, method, path, body):
        answer = await self.http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def traced_call(self):
        trace = (await self.send("POST", "/api/traces",
                                 {"name": "chat", "project_id": self.project}))["trace_id"]
        span = (await self.send("POST", f"/api/traces/{trace}/spans",
                                {"name": "answer", "span_type": "llm",
                                 "model": "gpt-4o"}))["span_id"]
        await self.send("PATCH", f"/api/spans/{span}/complete",
                        {"output_data": OUTPUT, "tokens_input": 12, "tokens_output": 3})
        await self.send("PATCH", f"/api/traces/{trace}/complete", {"output": "done"})


class Watch:
    """Wall time and this thread's CPU time, for each of count."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter(), time.thread_time()

    def read(self, count):
        return {"wall": (time.perf_counter() - self.wall) / count * 1e6,
                "cpu": (time.thread_time() - self.cpu) / count * 1e6}


async def run_http(count):
    client = HttpClient(os.environ["TRACER_URL"], os.environ["TRACER_API_KEY"])
    for _ in range(WARM_UP):
        await client.traced_call()
    watch = Watch()
    for _ in range(count):
        await client.traced_call()
    return watch.read(count)


async def run_async(count):
    from llm_tracer import TracerClient

    async def traced_call(client):
        async with client.trace("chat") as trace:
            async with trace.span("answer", "llm", model="gpt-4o") as span:
                span.set_output(OUTPUT, 12, 3)
            trace.set_output("done")

    async with TracerClient(timeout=20) as client:
        for _ in range(WARM_UP):
            await traced_call(client)
        watch = Watch()
        for _ in range(count):
            await traced_call(client)
        return watch.read(count)


async def run_sync(count):
    from llm_tracer import SyncTracerClient

    def traced_call(client):
        with client.trace("chat") as trace:
            with trace.span("answer", "llm", model="gpt-4o") as span:
                span.set_output(OUTPUT, 12, 3)
            trace.set_output("done")

    with SyncTracerClient(timeout=20) as client:
        for _ in range(WARM_UP):
            traced_call(client)
        watch = Watch()
        for _ in range(count):
            traced_call(client)
        return watch.read(count)


async def run_step(count):
    """A step before the first trace of the process, after it, and inside spans of two tasks that
    take turns, so that the thread's active span changes at each step."""
    from llm_tracer import TracerClient

    async def steps():
        watch = Watch()
        for _ in range(count):
            await asyncio.sleep(0)
        return watch.read(count)["cpu"]

    async def in_a_span():
        async with client.trace("t"):
            return await steps()

    found = {"before": min([await steps() for _ in range(3)])}
    client = TracerClient()
    async with client.trace("first"):
        pass
    found["after"] = min([await steps() for _ in range(3)])
    found["two tasks, spans"] = min([sum(await asyncio.gather(in_a_span(), in_a_span())) / 4
                                     for _ in range(3)])
    return found


KINDS = {"http": run_http, "async": run_async, "sync": run_sync, "step": run_step}


def bench(options, box):
    """The bench of tests/bench/run: medians of paired runs, the kinds in turn."""
    sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
    import harness
    import service
    counts = {"http": 200, "async": 2000, "sync": 30, "step": 20000}
    server = service.Service()
    env = {"TRACER_URL": server.url, "TRACER_API_KEY": "project-bench", "PYTHONPATH":
           os.path.join(ROOT, "core", "client", "python"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(kind, preload=False):
        count = counts[kind] // (4 if options.short else 1)
        done = box.run([harness.PYTHON, os.path.abspath(__file__), kind, str(count)],
                       preload=preload, env=env)
        if done.returncode != 0:
            raise SystemExit(done.stderr.decode()[-2000:])
        return json.loads(done.stdout)

    try:
        runs = [{kind: run(kind) for kind in KINDS} | {"preload": run("async", True)}
                for _ in range(options.pairs)]
    finally:
        server.close()

    def middle(pick):
        cut = statistics.quantiles([pick(r) for r in runs], n=4)
        return f"{cut[1]:9.2f}  [{cut[0]:.2f} .. {cut[2]:.2f}] us"

    for name, kind in (("httpx, four round trips", "http"), ("TracerClient", "async"),
                       ("TracerClient, preloaded", "preload"),
                       ("SyncTracerClient (waits for the service)", "sync")):
        print(f"python: traced call, {name:42} wall {middle(lambda r: r[kind]['wall'])}, "
              f"CPU {middle(lambda r: r[kind]['cpu'])}")
    for clock in ("wall", "cpu"):
        ratio = statistics.median(r["http"][clock] / r["async"][clock] for r in runs)
        print(f"python: httpx takes {ratio:.0f} times the {clock} of TracerClient")
    print(f"python: step of an idle loop, CPU                        "
          f"{middle(lambda r: r['step']['before'])}")
    print(f"python: added to it once a trace was begun               "
          f"{middle(lambda r: r['step']['after'] - r['step']['before'])}")
    print(f"python: added to it where the active span changes        "
          f"{middle(lambda r: r['step']['two tasks, spans'] - r['step']['before'])}")


def main():
    gc.disable()
    print(json.dumps(asyncio.run(KINDS[sys.argv[1]](int(sys.argv[2])))))


if __name__ == "__main__":
    main()
