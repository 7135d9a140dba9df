"""processes.py CASE [METHOD]: a Python program with several processes, or one that ends without tidying
up. Prints the name of each trace that is to be found, and nothing else."""

import atexit
import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading
import time

from llm_tracer import SyncTracerClient, TracerClient


def say(name):
    os.write(1, f"{name}\n".encode())  # whole, whoever else writes


def job(client, name):
    with client.trace(name) as trace, trace.span("step", "tool") as span:
        span.set_output({"name": name, "own": span.trace_id == trace.trace_id})
        assert trace.trace_id and span.span_id, name
    say(name)


def own_client(name):
    with SyncTracerClient() as client:
        job(client, name)


def fork():
    """Children go on with what they inherited, some inside a block of their parent's."""
    client = SyncTracerClient()
    job(client, "before")
    children = []
    with client.trace("around") as trace, trace.span("step", "chain"):
        for i in range(3):
            child = os.fork()
            if child == 0:
                job(client, f"child {i}")
                if i == 0:
                    client.close()
                sys.exit(0)  # leaves the parent's blocks
            children.append(child)
    say("around")
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    job(client, "after")


def with_multiprocessing(method):
    """The client itself is handed over."""
    context = multiprocessing.get_context(method)
    client = SyncTracerClient()
    job(client, "parent")
    processes = [context.Process(target=job, args=(client, f"process {i}")) for i in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(own_client, ["pool 0", "pool 1"]))
    job(client, "parent again")


def left_open():
    client = TracerClient()
    trace = client._create_trace("left", *[None] * 5)
    client._create_span(trace, "step", "tool", *[None] * 4)
    say("left")


def killed():
    """Within a block, which said something that is not sent before it ends."""
    with SyncTracerClient().trace("killed") as trace, trace.span("step", "tool", {"in": 1}) as span:
        span.set_output({"lost": True})
        trace.set_output("lost")
        say("killed")
        os.kill(os.getpid(), signal.SIGKILL)


def leaves(code):
    """The program ends within a block."""
    with SyncTracerClient().trace("left") as trace, trace.span("step", "tool") as span:
        span.set_output({"name": "left", "own": True})
        trace.set_output("so far")
        say("left")
        sys.exit(int(code))


def shutdown():
    """Clients in globals and cycles, a thread that is inside a span, work in atexit handlers."""
    global kept
    kept = SyncTracerClient()
    kept.itself = kept
    job(kept, "main")
    atexit.register(job, kept, "at exit")
    inside = threading.Event()

    def hang():
        with kept.trace("in the thread") as trace, trace.span("step", "tool"):
            say("in the thread")
            inside.set()
            time.sleep(60)

    threading.Thread(target=hang, daemon=True).start()
    inside.wait()


def closed():
    client = SyncTracerClient()
    trace = client.trace("closed").__enter__()
    span = trace.span("step", "tool").__enter__()
    client.close()
    client.close()
    assert client.create_trace("never") is None
    span.set_output({"name": "closed", "own": True})
    for context in (span, trace, client):
        context.__exit__(None, None, None)
    client.complete_span(span.span_id, error="never")
    say("closed")


if __name__ == "__main__":
    {"fork": fork, "multiprocessing": with_multiprocessing, "left_open": left_open,
     "shutdown": shutdown, "closed": closed, "killed": killed,
     "leaves": leaves}[sys.argv[1]](*sys.argv[2:])
