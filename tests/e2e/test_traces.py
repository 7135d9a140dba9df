"""When traces and spans begin and end, as the tools tell it: processes that outlive the wrapper,
programs that are collected late, calls that still run."""

import datetime
import json
import signal
import subprocess
import time
import unittest

import harness
from test_clients import client

MESSAGES = [{"role": "user", "content": "What is up today?"}]
DAEMON = """
import os, subprocess, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
null = os.open(os.devnull, os.O_RDWR)
for fd in range(3):
    os.dup2(null, fd)
time.sleep(1)
subprocess.run(sys.argv[1:], check=False)
"""


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Traces(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)

    def call(self, model="gpt-4o-mini", **more):
        return ["sh", client("curl.sh"), self.endpoint.plain, "/v1/chat/completions",
                json.dumps({"model": model, "messages": MESSAGES, **more})]

    def trace(self):
        """The only trace."""
        done = self.box.tool("list", "--json")
        (trace,) = [json.loads(line) for line in done.stdout.splitlines()]
        return trace

    def ended(self, seconds=10):
        def look():
            trace = self.trace()
            return trace if "end_time" in trace else None
        return harness.wait_for(look, seconds, "the trace ends")

    def wrap(self, *command):
        return subprocess.run([harness.WRAPPER, *command], timeout=60, check=False,
                              env=dict(self.box.env, TRACER_SUMMARY="never"), capture_output=True)

    def ends_with(self, span):
        def look():
            trace = self.trace()
            end = trace.get("end_time")
            return trace if end is not None and when(end) >= when(span["end_time"]) else None
        trace = harness.wait_for(look, 10, "the trace ends with its last span")
        self.assertLess(when(trace["end_time"]) - when(span["end_time"]), 1)

    def test_background_process_outlives_the_wrapper(self):
        done = self.wrap("sh", "-c", '(sleep 1; exec "$@") >/dev/null 2>&1 & exit 3', "sh",
                         *self.call())
        self.assertEqual(done.returncode, 3, done.stderr)
        (span,) = self.box.spans(1)
        self.ends_with(span)

    def test_daemon_behind_a_call_of_the_wrapper(self):
        script = '"$@"; exec ' + harness.PYTHON + ' -c "$DAEMON" "$@"'
        self.box.env["DAEMON"] = DAEMON
        done = self.wrap("sh", "-c", script, "sh", *self.call())
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second = self.box.spans(2)
        self.assertEqual(first["trace_id"], second["trace_id"])
        self.assertGreater(when(second["start_time"]) - when(first["end_time"]), 0.8)
        self.ends_with(second)

    def test_bare_run_collected_late(self):
        """The collector is stopped, not gone: the program would start another one."""
        self.box.collector.send_signal(signal.SIGSTOP)
        begin = time.time()
        self.box.run(self.call())
        took = time.time() - begin
        time.sleep(3)
        self.box.collector.send_signal(signal.SIGCONT)
        (span,) = self.box.spans(1)
        trace = self.ended()
        duration = when(trace["end_time"]) - when(trace["start_time"])
        self.assertLess(abs(duration - took), 1)
        self.assertGreaterEqual(when(trace["end_time"]), when(span["end_time"]))

    def status(self):
        return json.loads(self.box.tool("status", "--json").stdout)

    def test_status_right_behind_a_run(self):
        for count in range(1, 4):
            self.assertEqual(self.wrap(*self.call()).returncode, 0)
            status = self.status()
            self.assertEqual(status["store"]["spans"], count)
            counters = status["collector"]["counters"]
            self.assertEqual((counters["calls"], counters["spans"], counters["rings"]),
                             (count, count, []))

    def test_status_believes_the_rings(self):
        """The collector is stopped, so that what it told stays as it was."""
        process = subprocess.Popen(self.call("fault-hang", stream=True), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=self.box.preload_env())
        def alive():
            return [r["alive"] for r in self.status()["collector"]["counters"]["rings"]]
        harness.wait_for(lambda: alive() == [True], 10, "the ring is told as alive")
        self.box.collector.send_signal(signal.SIGSTOP)
        process.kill()
        process.wait()
        harness.wait_for(lambda: True not in alive(), 2, "the ring is told as ended")
        self.box.collector.send_signal(signal.SIGCONT)
        self.box.spans(1)

    def test_running_span_moves(self):
        process = subprocess.Popen(self.call("fault-slow-400", stream=True),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=self.box.preload_env())
        harness.wait_for(self.box.all_spans, 10, "an open span")
        seen, texts = set(), set()
        end = time.monotonic() + 3.5
        while time.monotonic() < end:
            (span,) = self.box.all_spans()
            self.assertNotIn("end_time", span)
            seen.add(span.get("chunk_count", 0))
            if "output_data" in span:
                self.assertIn("ttft_ms", span)
                (part,) = span["output_data"]["messages"][0]["parts"]
                texts.add(part["content"])
            time.sleep(0.1)
        process.wait()
        (whole,) = self.box.spans(1)
        self.assertGreaterEqual(len(seen), 3, seen)
        self.assertLessEqual(len(seen), 5, seen)
        self.assertGreaterEqual(len(texts), 2, texts)
        (part,) = whole["output_data"]["messages"][0]["parts"]
        for text in texts:
            self.assertTrue(part["content"].startswith(text))
        self.assertGreater(whole["chunk_count"], max(seen))


if __name__ == "__main__":
    unittest.main()
