"""The tracing service under load: `llm-tracer serve` over its embedded store, and as a reference the
same contract written in FastAPI over a DynamoDB, in turn on the same machine. Printed, never
asserted; the targets stand beside the figures."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import urllib.parse

import dynamo
import harness
import serving

HERE = os.path.dirname(os.path.abspath(__file__))
LOAD = os.path.join(harness.BUILD, "bin", "bench_service_load")
CACHE = os.path.join(harness.BUILD, "bench-service")
KEY = "project-bench"
REFERENCE = ["fastapi==0.165.0", "uvicorn==0.54.0", "uvloop==0.23.0", "boto3==1.44.5",
             "httptools==0.9.0", "orjson==3.13.0"]
SPANS_A_BATCH = 1000
INDEX_SECONDS = 240
SEED = 20260101  # of the stored spans; what is measured on top has others
# Words of the batches' vocabulary, from the most frequent to one that is nowhere.
SEARCHES = {"a frequent word": "babababa", "a rare word": "vimixanu", "two words": "kebababa bakebaba",
            "no such word": "nothing"}


def load(port, *words):
    done = subprocess.run([LOAD, str(port), KEY, *[str(w) for w in words]], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for one in found:
        if one["bad"]:
            print(f"service: {one['bad']} of {one['requests']} answers were no 200", flush=True)
    return found


def middle(values):
    cut = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    return f"{statistics.median(values):9.0f}  [{cut[0]:.0f} .. {cut[2]:.0f}]"


class Memory:
    """The highest resident size while something runs."""

    def __init__(self, server):
        self.path = f"/proc/{server.process.pid}"

    def __enter__(self):
        with open(self.path + "/clear_refs", "w", encoding="ascii") as f:
            f.write("5")  # forgets the highest so far
        return self

    def __exit__(self, *_):
        with open(self.path + "/status", encoding="ascii") as f:
            high = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
        print(f"service: memory meanwhile: at most {high / 1024:.0f} MB   target <= 100 MB",
              flush=True)


# ------------------------------------------------------------------------------- the reference

def reference_python():
    folder = os.path.join(CACHE, "venv")
    done = os.path.join(folder, "installed")
    python = os.path.join(folder, "bin", "python")
    if os.path.exists(done):
        with open(done, encoding="utf-8") as f:
            if f.read().split() == REFERENCE:
                return python
    shutil.rmtree(folder, ignore_errors=True)
    for command in ([harness.PYTHON, "-m", "venv", folder],
                    [python, "-m", "pip", "install", "-q", *REFERENCE]):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            print(f"service: the reference could not be installed: {made.stderr[-300:]}")
            return None
    with open(done, "w", encoding="utf-8") as f:
        f.write("\n".join(REFERENCE))
    return python


class Reference:
    def __init__(self, python, endpoint):
        self.log = os.path.join(CACHE, "reference.log")
        env = serving.environment(dynamo.environment(endpoint))
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "uvicorn", "server:app", "--port", "0", "--loop", "uvloop",
                 "--no-access-log", "--workers", "1"], cwd=os.path.join(HERE, "reference"),
                env=env, stdout=log, stderr=log)

        def listens():
            with open(self.log, "rb") as f:
                return serving.URL.search(f.read())
        self.port = int(harness.wait_for(listens, 30, "the reference listens").group(3))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


# ------------------------------------------------------------------------------------- writes

def bench_cycles(options, rounds, targets):
    """targets: name to port. One in turn after the other, so that both see the same machine."""
    seconds = 1 if options.short else 3
    for connections in (1, 16, 64):
        rates = {name: [] for name in targets}
        latency = {name: [] for name in targets}
        for _ in range(rounds):
            for name, port in targets.items():
                (one,) = load(port, "cycle", connections, seconds)
                rates[name].append(one["requests"] / one["seconds"])
                latency[name].append(one["p95"])
        for name in targets:
            goal = "   target >= 5000" if name == "serve" else ""
            print(f"service: {name:9} create + complete, {connections:2} kept connections: "
                  f"{middle(rates[name])} requests/s, p95 {statistics.median(latency[name]) / 1000:.2f} "
                  f"ms{goal}", flush=True)
        if "reference" in rates:
            ratio = statistics.median(a / b for a, b in zip(rates["serve"], rates["reference"]))
            print(f"service: that is {ratio:.1f} times the reference", flush=True)


def bench_ingest(options, rounds, targets):
    batches = 20 if options.short else 60
    for coding in ("plain", "gzip"):
        for connections in (1, 4):
            for name, port in targets.items():
                if name == "reference" and connections > 1:
                    continue
                count = batches if name == "serve" else 2
                rates = []
                for i in range(rounds if name == "serve" else 1):
                    seed = os.getpid() * 1000003 + i * 101 + connections + len(coding) * 7919
                    (one,) = load(port, "ingest", connections, count, SPANS_A_BATCH, coding, seed,
                                  1)
                    rates.append(count * SPANS_A_BATCH / one["seconds"])
                goal = "   target >= 50000" if name == "serve" else ""
                print(f"service: {name:9} /api/ingest, batches of {SPANS_A_BATCH}, {coding}, "
                      f"{connections} connections: {middle(rates)} spans/s{goal}", flush=True)


# ----------------------------------------------------------------------------- reads and growth

def seeded(spans):
    """A data directory with so many stored spans, made once a build of the program."""
    folder = os.path.join(CACHE, f"data-{spans}")
    mark = os.path.join(folder, "made")
    stamp = str(os.stat(harness.PROGRAM).st_mtime_ns)
    if os.path.exists(mark):
        with open(mark, encoding="utf-8") as f:
            if f.read() == stamp:
                return folder
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, mode=0o700)
    with serving.Server(data=os.path.join(folder, "data")) as server:
        (one,) = load(server.port, "ingest", 2, spans // SPANS_A_BATCH, SPANS_A_BATCH, "gzip", SEED,
                      30)
        client = server.client(KEY)
        big = client.create_trace("ten thousand", trace_id="ten-thousand")
        for part in range(10):
            client.ingest([{"op": "create_span", "trace_id": big, "span_id": f"s-{part}-{i}",
                            "name": f"step {i}", "span_type": "tool", "input_data": {"n": i},
                            "output_data": {"text": "an answer of some words " * 4},
                            "tokens_input": 5, "cost_usd": 0.001,
                            "parent_span_id": f"s-{part}-{i // 2}" if i else None}
                           for i in range(1000)])
        print(f"service: {spans} spans stored at {spans / one['seconds']:.0f} spans/s", flush=True)
        began = time.monotonic()
        while time.monotonic() - began < INDEX_SECONDS:
            # What the index does not have yet is looked at one by one.
            if load(server.port, "get", 5, "/api/traces?q=nothing")[0]["p50"] < 20000:
                break
            time.sleep(1)
        print(f"service: {spans} spans: the search found its pace {time.monotonic() - began:.0f} s "
              f"after the last was stored", flush=True)
    with open(mark, "w", encoding="utf-8") as f:
        f.write(stamp)
    return folder


def size_of(folder):
    return sum(os.path.getsize(os.path.join(base, name))
               for base, _, names in os.walk(folder) for name in names)


def paths(client):
    """What is read: name to (path, target in ms)."""
    cursor = urllib.parse.quote(client.page(limit=1000)["next_cursor"] or "")
    hour = urllib.parse.quote(serving.now_iso(-3 * 86400))
    found = {"first page of 50": ("/api/traces", 50), "page behind 1000": (
        f"/api/traces?cursor={cursor}", 50),
        "filter by model": ("/api/traces?model=mini", 50),
        "filter by user": ("/api/traces?user_id=user-77", 50),
        "filter by tag and status": ("/api/traces?tags=env-2&status=error", 50),
        "sorted by cost": ("/api/traces?sort=cost", 50),
        "sorted by duration, 3 days": (f"/api/traces?sort=duration&from={hour}", 50),
        "stats": ("/api/stats", None), "stats by day and model": (
            "/api/stats?group_by=day,model", None),
        "stats by user": ("/api/stats?group_by=user&limit=20", None),
        "a trace of 10,000 spans": ("/api/traces/ten-thousand", 200),
        "the same without contents": ("/api/traces/ten-thousand?content=false", 200)}
    for name, words in SEARCHES.items():
        found[f"search, {name}"] = ("/api/traces?q=" + urllib.parse.quote(words), 50)
    return found


def bench_reads(options, spans):
    folder = seeded(spans)
    with serving.Server(data=os.path.join(folder, "data")) as server, Memory(server):
        client = server.client(KEY)
        harness.wait_for(lambda: client.stats()["total_spans"] >= spans, 60, "all is counted")
        for name, (path, target) in paths(client).items():
            times = (20 if options.short else 100) if "10,000" not in name and "same" not in name \
                else (5 if options.short else 20)
            load(server.port, "get", 2, path)
            (one,) = load(server.port, "get", times, path)
            goal = f"   target p95 <= {target} ms" if target else ""
            print(f"service: {spans:7} spans: {name:28} p50 {one['p50'] / 1000:8.2f} ms, p95 "
                  f"{one['p95'] / 1000:8.2f} ms, {one['bytes']} bytes{goal}", flush=True)
    print(f"service: {spans:7} spans: {size_of(folder) / spans:.0f} bytes a span on disk",
          flush=True)


def bench_start(spans):
    """Until the first answer, over what is stored."""
    folder = seeded(spans)
    began = os.times().elapsed
    with serving.Server(data=os.path.join(folder, "data")) as server:
        server.client(KEY).page()
        print(f"service: {spans:7} spans: first page {1000 * (os.times().elapsed - began):.0f} ms "
              f"after the start, {server.memory() / 1e6:.0f} MB", flush=True)


def bench(options, _box):
    if not os.path.exists(LOAD):
        print("service: bench_service_load is not built; skipped")
        return
    os.makedirs(CACHE, exist_ok=True)
    rounds = 2 if options.short else 5
    python = reference_python()
    with dynamo.dynalite() as endpoint, serving.Server() as server, Memory(server):
        targets = {"serve": server.port}
        if python is None:
            bench_cycles(options, rounds, targets)
            bench_ingest(options, rounds, targets)
        else:
            with Reference(python, endpoint) as reference:
                targets["reference"] = reference.port
                bench_cycles(options, rounds, targets)
                bench_ingest(options, rounds, targets)
    for spans in (10000, 100000, 1000000):
        bench_reads(options, spans)
        bench_start(spans)
    sys.stdout.flush()
