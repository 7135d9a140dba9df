"""64 threads, each with its own 1,000 traces by hand at the same time, and 100 asyncio tasks: every
span is under its right parent, calls joined the right spans, all figures are those that the
provider told.

TRACER_LOAD_TRACES is the number of traces a thread."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import api
import harness

THREADS = 64
TRACES = int(os.environ.get("TRACER_LOAD_TRACES", "1000"))
PROGRAM = [os.path.join(harness.BUILD, "bin", "load_threads")]
DELAY_MS = 20  # of an answer: a quick model
KEPT = ("trace_id", "span_id", "parent_span_id", "span_type", "model", "tokens_input",
        "tokens_output", "end_time", "error", "partial", "output_data", "cost_source")


class Server:
    """programs/server.c"""

    def __init__(self, delay_ms):
        self.dir = tempfile.mkdtemp(prefix="llm-load-")
        port = os.path.join(self.dir, "port")
        self.process = subprocess.Popen([os.path.join(harness.BUILD, "bin", "load_server"), port,
                                         str(delay_ms)])
        harness.wait_for(lambda: os.path.exists(port), 10, "the server listens")
        self.url = f"http://127.0.0.1:{api.read(port).strip()}/v1/chat/completions"

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def prompt_of(span):
    messages = (span.get("input_data") or {}).get("messages")
    return messages[0]["parts"][0]["content"] if messages else None


class Threads(unittest.TestCase):
    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)

    def run_load(self, command, threads, traces, *words, preload=True, env=None):
        self.all = threads * traces
        done = self.box.run([*command, str(threads), str(traces), *words], preload=preload,
                            env=env, timeout=600)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
        # Nothing is delivered: that is all there is to say.
        self.assertRegex(done.stderr.decode(), r"\A[^\n]*TRACER_API_KEY[^\n]*\n\Z")

    def settle(self, spans):
        def stored():
            now = self.box.status()["store"]
            return now["spans"] >= spans and now["traces"] >= self.all
        harness.wait_for(stored, 120, f"{spans} spans are stored; {self.box.status()}")
        harness.wait_for(lambda: not self.box.counters()["rings"], 30, "the ring ends")
        self.assertEqual(self.box.status()["store"]["spans"], spans)
        counters = self.box.counters()
        for name in ("lost_records", "lost_bytes", "gaps", "corrupt_blocks", "unparsed"):
            self.assertEqual(counters[name], 0, name)

    def read_spans(self):
        """trace id to its spans by kind; a call that became a span of its own is `call`."""
        traces = {}
        process = subprocess.Popen([harness.PROGRAM, "spans", "--json"], env=self.box.env,
                                   stdout=subprocess.PIPE)
        with process.stdout as lines:
            for line in lines:
                span = json.loads(line)
                kind, thread, number = span["name"].split() if "status_code" not in span or \
                    span["name"].startswith("llm ") else ("call", None, None)
                kept = {k: span[k] for k in KEPT if k in span}
                kept.update(prompt=prompt_of(span), place=(thread, number))
                held = traces.setdefault(span["trace_id"], {})
                self.assertNotIn(kind, held, span)
                held[kind] = kept
        self.assertEqual(process.wait(), 0)
        return traces

    def read_traces(self):
        return {t["trace_id"]: t for t in self.box.traces()}

    def check_place(self, spans, thread, number):
        """The explicit spans, in their places."""
        chain, tool, llm = spans["chain"], spans["tool"], spans["llm"]
        self.assertNotIn("parent_span_id", chain)
        self.assertEqual(tool["parent_span_id"], chain["span_id"])
        self.assertEqual(llm["parent_span_id"], chain["span_id"])
        for span in (chain, tool, llm):
            self.assertEqual(span["place"], (str(thread), str(number)))
            self.assertIn("end_time", span)
            self.assertNotIn("error", span)
            self.assertFalse(span.get("partial"))
        self.assertEqual([s["span_type"] for s in (chain, tool, llm)], ["chain", "tool", "llm"])
        self.assertEqual(tool["output_data"], {"number": number})
        self.assertEqual(llm["model"], "gpt-4o")
        self.assertEqual((llm["tokens_input"], llm["tokens_output"]), (number + 1, thread + 1))

    def check_calls(self, spans, thread, number):
        call, llm = spans["call"], spans["llm"]
        self.assertEqual(call["parent_span_id"], spans["tool"]["span_id"])
        self.assertEqual(call["prompt"], f"tool {thread} {number}")
        self.assertEqual(llm["prompt"], f"llm {thread} {number}")
        self.assertEqual((call["tokens_input"], call["tokens_output"]),
                         (number + 100001, thread + 1))
        self.assertEqual(llm["output_data"]["messages"][0]["parts"][0]["content"],
                         f"llm {thread} {number} done")
        self.assertEqual(llm["cost_source"], "table")

    def check(self, calls):
        traces, spans = self.read_traces(), self.read_spans()
        self.assertEqual(traces.keys(), spans.keys())
        self.assertEqual(len(traces), self.all)
        seen = set()
        for trace_id, trace in traces.items():
            _, thread, number = trace["name"].split()
            thread, number = int(thread), int(number)
            seen.add((thread, number))
            self.assertEqual((trace["user_id"], trace["status"], trace["span_count"]),
                             (f"user-{thread}", "ok", 4 if calls else 3))
            self.check_place(spans[trace_id], thread, number)
            if calls:
                self.check_calls(spans[trace_id], thread, number)
            told = (2 * number + 100002, 2 * thread + 2) if calls else (number + 1, thread + 1)
            self.assertEqual((trace["tokens_input"], trace["tokens_output"]), told)
        self.assertEqual(len(seen), self.all)

    def serve(self):
        server = Server(DELAY_MS)
        self.addCleanup(server.close)
        return server.url

    def test_with_captured_calls(self):
        self.run_load(PROGRAM, THREADS, TRACES, self.serve())
        self.settle(self.all * 4)
        self.check(calls=True)

    def test_collector_killed_again_and_again(self):
        """Each next one goes on where the last one was: nothing is lost, nothing there twice."""
        server = self.serve()
        self.all = 8 * 100
        process = subprocess.Popen(PROGRAM + ["8", "100", server], env=self.box.preload_env(),
                                   stderr=subprocess.PIPE)
        while process.poll() is None:
            time.sleep(0.4)
            self.box.kill_collector()
            self.box.start_collector()
        self.assertEqual(process.returncode, 0, process.communicate())
        self.settle(self.all * 4)
        self.check(calls=True)

    def test_without_the_preload(self):
        self.run_load(PROGRAM, THREADS, TRACES, preload=False)
        self.settle(self.all * 3)
        self.check(calls=False)

    def test_python(self):
        """Tasks that take turns on one thread, and calls that are handed to other threads."""
        python = harness.venv()
        if python is None:
            self.skipTest("the package openai could not be installed")
        script = os.path.join(harness.HERE, "programs", "tasks.py")
        url = self.serve().removesuffix("/chat/completions")
        for mode, tasks in (("asyncio", 100), ("uvloop", 100), ("pool", 16)):
            with self.subTest(mode):
                self.run_load([python, script, mode], tasks, 4,
                              env={"OPENAI_BASE_URL": url, "OPENAI_API_KEY": harness.SECRET,
                                   "PYTHONPATH": api.PACKAGE})
                self.settle(self.all * 4)
                self.check(calls=True)
            self.box.close()
            self.box = harness.Sandbox()
            self.addCleanup(self.box.close)


if __name__ == "__main__":
    unittest.main()
