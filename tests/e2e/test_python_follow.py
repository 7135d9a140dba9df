"""The active span follows the tasks and threads of a Python program: each call that the preloaded
object captures is below the span of the task, or of the thread's job, that made it."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest

import harness

PACKAGE = os.path.join(harness.ROOT, "core", "client", "python")
PROGRAM = os.path.join(harness.HERE, "programs", "follow.py")
TASKS, CALLS = 100, 2


def uvloop_python():
    """The system's Python with its packages, and uvloop beside them; None when it cannot be had."""
    folder = os.path.join(harness.CACHE, "uvloop")
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(os.path.join(folder, "installed")):
        shutil.rmtree(folder, ignore_errors=True)
        for command in ([harness.PYTHON, "-m", "venv", "--system-site-packages", folder],
                        [python, "-m", "pip", "install", "-q", "uvloop"]):
            done = subprocess.run(command, capture_output=True, check=False, timeout=400)
            if done.returncode != 0:
                sys.stderr.write(done.stderr.decode()[-500:])
                return None
        with open(os.path.join(folder, "installed"), "w", encoding="utf-8"):
            pass
    return python


class Follow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint(delay=0.005)
        cls.addClassCleanup(cls.endpoint.close)

    def follow(self, kind, client, base, tasks=TASKS, python=harness.PYTHON):
        box = harness.Sandbox(env={"PYTHONPATH": PACKAGE, "PYTHONDONTWRITEBYTECODE": "1"})
        self.addCleanup(box.close)
        box.env["SSL_CERT_FILE"] = box.env["CERT"]
        done = box.run([python, PROGRAM, kind, client, base, str(tasks), str(CALLS)])
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-2000:])
        said = [json.loads(line) for line in done.stdout.splitlines()]
        own = tasks * CALLS
        spans = box.spans(len(said) + own, 40)
        captured = {re.search("<[^>]*>", json.dumps(s["input_data"])).group(): s for s in spans
                    if s["span_type"] == "llm"}
        self.assertEqual(len([s for s in spans if s["span_type"] == "chain"]), own)
        self.assertEqual(set(captured), {call["question"] for call in said})
        traces = {call["trace_id"] for call in said} - {None}
        self.assertEqual(len(traces), tasks)
        for call in said:
            span = captured[call["question"]]
            if call["trace_id"] is None:
                self.assertNotIn(span["trace_id"], traces, call)
            else:
                self.assertEqual((span["trace_id"], span.get("parent_span_id")),
                                 (call["trace_id"], call["span_id"]), call)

    def each(self, kind, client, **more):
        for base in (self.endpoint.plain, self.endpoint.secure):
            with self.subTest(base=base.split(":")[0]):
                self.follow(kind, client, base, **more)

    def test_asyncio_httpx(self):
        self.each("asyncio", "httpx")

    def test_asyncio_aiohttp(self):
        self.each("asyncio", "aiohttp")

    def with_uvloop(self, client):
        python = uvloop_python()
        if python is None:
            self.skipTest("uvloop could not be installed")
        self.each("uvloop", client, python=python)

    def test_uvloop_httpx(self):
        self.with_uvloop("httpx")

    def test_uvloop_aiohttp(self):
        self.with_uvloop("aiohttp")

    def test_threads(self):
        self.each("threads", "urllib", tasks=40)

    def test_pool(self):
        self.each("pool", "urllib", tasks=40)

    def test_pool_of_multiprocessing(self):
        self.each("thread_pool", "urllib", tasks=40)

    def test_started_threads(self):
        for kind in ("thread", "subclass", "timer", "context"):
            with self.subTest(kind):
                self.follow(kind, "urllib", self.endpoint.plain, tasks=20)

    def test_executor_of_the_loop(self):
        self.each("run_in_executor", "urllib")

    def test_to_thread(self):
        self.each("to_thread", "urllib")

    def test_anyio(self):
        self.each("anyio", "urllib")


if __name__ == "__main__":
    unittest.main()
