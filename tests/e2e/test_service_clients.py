"""The clients that there are against `llm-tracer serve`: our exporter behind traced programs, the
programs of the Python client's document, and a client that knows nothing of the extensions."""

import json
import os
import subprocess
import time
import unittest
import urllib.request

import api
import document
import expected
import harness
import served
import serving
from test_api_examples import NATIVE
from test_clients import client

PROJECTS = ["alpha", "beta", "late", "own", *expected.PROJECTS.values(), expected.PATTERN_PROJECT]
MESSAGES = [{"role": "user", "content": "What is up today?"}]

# The client of the document as its service is called: four calls a trace, a span's at its end, ids
# by the server, every failure swallowed.
OLD_CLIENT = """
import json, os, sys, urllib.request

def call(method, path, body):
    request = urllib.request.Request(os.environ["TRACER_URL"] + path, json.dumps(body).encode(),
        {"X-API-Key": os.environ["TRACER_API_KEY"], "Content-Type": "application/json"},
        method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)

for i in range(int(sys.argv[1])):
    trace = call("POST", "/api/traces", {"name": f"job-{i}", "project_id": "old", "metadata": {},
                                         "tags": ["t"], "user_id": None, "session_id": None})
    span = call("POST", f"/api/traces/{trace['trace_id']}/spans", {
        "name": "call", "span_type": "llm", "parent_span_id": None, "input_data": {"q": i},
        "metadata": {}, "model": "gpt-4"})
    call("PATCH", f"/api/spans/{span['span_id']}/complete", {
        "output_data": {"a": i}, "error": None, "tokens_input": 3, "tokens_output": 4,
        "cost_usd": 0.5})
    call("PATCH", f"/api/traces/{trace['trace_id']}/complete", {"output": f"done {i}"})
"""


class Exporter(unittest.TestCase):
    """A program that nobody changed, its calls captured and delivered."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()
        cls.addClassCleanup(cls.endpoint.close)

    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)
        self.server = served.start(PROJECTS)
        self.addCleanup(self.server.close)

    def call(self, model, project, stream=False):
        body = {"model": model, "messages": MESSAGES}
        if stream:
            body.update(stream=True, stream_options={"include_usage": True})
        done = self.box.run(["sh", client("curl.sh"), self.endpoint.secure,
                             "/v1/chat/completions", json.dumps(body)],
                            env={"TRACER_URL": self.server.url,
                                 "TRACER_API_KEY": f"project-{project}"})
        self.assertEqual(done.returncode, 0)
        return harness.usages(done.stdout.decode())[0]

    def test_every_field_lands(self):
        told = self.call("gpt-4o", "alpha", stream=True)
        (local,) = self.box.spans(1)
        self.server.settle("alpha", 1, 1)
        (span,) = self.server.complete("alpha")
        for name in ("span_id", "trace_id", "name", "span_type", "model", "tokens_input",
                     "tokens_output", "cost_usd", "input_data", "output_data", "start_time",
                     "end_time"):
            with self.subTest(name=name):
                want = local.get(name)
                if name.endswith("_time"):  # its clock has finer steps than the contract's
                    self.assertEqual(span[name][:23], want[:23])
                else:
                    self.assertEqual(span[name], want)
        self.assertEqual((span["tokens_input"], span["tokens_output"]), told)
        self.assertRegex(span["start_time"], serving.TIME)
        for name in ("provider", "operation", "request_model", "response_model", "response_id",
                     "stream", "chunk_count", "ttft_ms", "finish_reasons", "status_code",
                     "usage_source", "process", "capture"):
            with self.subTest(metadata=name):
                self.assertEqual(span["metadata"].get(name), local.get(name))
        (trace,) = self.server.traces.values()
        self.assertEqual((trace["status"], trace["model"], trace["tokens_input"]),
                         ("ok", "gpt-4o", told[0]))
        self.assertAlmostEqual(trace["ttft_ms"], local["ttft_ms"], delta=0.01)
        self.assertAlmostEqual(trace["total_cost"], local["cost_usd"])
        for path in (self.server.server.log,):
            with open(path, "rb") as f:
                self.assertNotIn(b"What is up", f.read())

    def test_down_for_a_while(self):
        """Killed between programs; everything arrives once, in order."""
        server = self.server.server
        for i in range(9):
            self.call(f"gpt-4o-{i}", "late")
            if i % 3 == 1:
                server.kill()
                port = server.port
                server.words[server.words.index("--listen") + 1] = f"127.0.0.1:{port}"
            if i % 3 == 2:
                server.start()
        self.server.settle("late", 9, 9, 90)
        spans = sorted(self.server.complete("late"), key=lambda s: s["start_time"])
        self.assertEqual([s["model"] for s in spans], [f"gpt-4o-{i}" for i in range(9)])

    def test_a_call_in_flight_shows_as_running(self):
        body = json.dumps({"model": "fault-slow-150", "stream": True, "messages": MESSAGES})
        process = subprocess.Popen(
            ["sh", client("curl.sh"), self.endpoint.plain, "/v1/chat/completions", body],
            env=self.box.preload_env({"TRACER_URL": self.server.url,
                                      "TRACER_API_KEY": "project-beta"}),
            stdout=subprocess.DEVNULL)
        harness.wait_for(lambda: self.server.spans, 10, "the span is created")
        self.assertIsNone(process.poll())
        (trace,) = self.server.traces.values()
        self.assertEqual((trace["status"], trace["running"]), ("running", 1))
        process.wait(timeout=30)
        self.server.settle("beta", 1, 1)


class Programs(api.ApiTest):
    """The explicit API's programs and those of the document, as its own tests run them, with our
    server as the service."""

    def fresh(self, **arguments):
        super().fresh(**arguments)
        self.server.close()
        self.server = served.start(PROJECTS)
        self.addCleanup(self.server.close)

    def test_examples_in_c(self):
        for scenario, traces in (("batch", expected.batch()), ("agent", NATIVE["agent"])):
            with self.subTest(scenario=scenario):
                done = self.run_scenario([api.example(scenario)], scenario, True,
                                         self.endpoint.plain)
                self.assertEqual(done.returncode, 0, done.stderr)
                expected.check_service(self, self.server, traces,
                                       expected.project_of(scenario), True)
                self.fresh()

    def document(self, name, traces, returncode=0):
        python = harness.venv()
        if python is None:
            self.skipTest("the packages openai and fastapi could not be installed")
        document.programs()
        path = document.write(name, self.endpoint.dir)
        command = [python, path]
        if name in document.PATTERNS:
            command = [python, os.path.join(api.EXAMPLES, "around_pattern.py"), path]
        done = self.run_scenario(command, name, True, self.endpoint.plain)
        self.assertEqual(done.returncode, returncode, done.stderr.decode()[-3000:])
        expected.check_service(self, self.server, traces, expected.project_of(name), True)

    def test_documents_batch(self):
        self.document("batch", expected.batch())

    def test_documents_notebook(self):
        self.document("notebook", expected.notebook())

    def test_documents_agent(self):
        self.document("agent", expected.agent())

    def test_documents_error(self):
        self.document("error", expected.error(), returncode=1)


class OldClient(unittest.TestCase):
    def test_client_without_extensions(self):
        with serving.Server() as server:
            env = dict(serving.environment(), TRACER_URL=server.url, TRACER_API_KEY="project-old")
            several = [subprocess.Popen([harness.PYTHON, "-c", OLD_CLIENT, "20"], env=env)
                       for _ in range(3)]
            self.assertEqual([p.wait(timeout=60) for p in several], [0] * 3)
            c = server.client("project-old")
            found = c.stats()
            self.assertEqual((found["total_traces"], found["total_spans"], found["total_tokens"],
                              found["total_cost"]), (60, 60, 420, 30))
            for trace in c.all(limit=7):
                self.assertIsNotNone(trace["end_time"])
                self.assertTrue(trace["output"].startswith("done "))

    def test_trailing_slash_and_plain_urllib(self):
        with serving.Server() as server:
            request = urllib.request.Request(server.url + "/health")
            with urllib.request.urlopen(request, timeout=5) as answer:
                self.assertEqual(json.load(answer)["status"], "healthy")
            began = time.monotonic()
            for _ in range(20):  # each on a connection of its own, closed by the client
                with urllib.request.urlopen(request, timeout=5):
                    pass
            self.assertLess(time.monotonic() - began, 20)


if __name__ == "__main__":
    unittest.main()
