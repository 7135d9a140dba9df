"""Delivery to tracing services: under each program's own key and URL, once, in order, also when the
service was down for the whole run."""

import json
import os
import socket
import subprocess
import unittest

import harness
import service
from test_clients import client

# Says more of a trace and a span, by hand, once it is told that the service knows them.
LATE = """
import ctypes, sys
api = ctypes.CDLL(sys.argv[1])
for name in ("llmt_client_new", "llmt_trace_begin", "llmt_trace_span_begin"):
    getattr(api, name).restype = ctypes.c_void_p
P = ctypes.c_void_p
client = P(api.llmt_client_new(None))
trace = P(api.llmt_trace_begin(client, b"live", None))
span = P(api.llmt_trace_span_begin(trace, b"step", b"agent", None))
left = P(api.llmt_trace_begin(client, b"left", None))
sys.stdin.readline()
api.llmt_span_set_input(span, b'{"question": "late"}')
api.llmt_span_end(span)
sys.stdin.readline()
api.llmt_trace_set_metadata(trace, b'{"score": 0.9}')
api.llmt_trace_set_output(trace, b"out")
api.llmt_trace_end(trace)
"""
MESSAGES = [{"role": "user", "content": "What is up today?"}]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Delivery(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)

    def call(self, model, env):
        body = json.dumps({"model": model, "messages": MESSAGES})
        done = self.box.run(["sh", client("curl.sh"), self.endpoint.secure,
                             "/v1/chat/completions", body], env=env)
        self.assertEqual(done.returncode, 0)
        return harness.usages(done.stdout.decode())[0]

    def serve(self, **arguments):
        made = service.Service(**arguments)
        self.addCleanup(made.close)
        return made

    def test_two_programs_with_two_keys(self):
        """The collector itself was started without any key."""
        first, second = self.serve(), self.serve()
        told = self.call("gpt-4o", {"TRACER_URL": first.url, "TRACER_API_KEY": "project-alpha"})
        self.call("gpt-4o-mini", {"TRACER_URL": second.url + "/",
                                  "TRACER_API_KEY": "project-beta"})
        self.call("gpt-4", {})
        harness.wait_for(lambda: first.complete("alpha") and second.complete("beta"), 20,
                         "both services have their span")
        (span,) = first.complete("alpha")
        self.assertEqual((span["span_type"], span["model"], span["tokens_input"],
                          span["tokens_output"]), ("llm", "gpt-4o") + told)
        self.assertGreater(span["cost_usd"], 0)
        self.assertEqual(second.complete("beta")[0]["model"], "gpt-4o-mini")
        self.assertEqual((len(first.traces), len(second.traces)), (1, 1))
        self.box.spans(3)
        keys = ["project-alpha", "project-beta"]
        held = {f.split(": ")[0] for f in self.box.leaks(keys)}
        self.assertLessEqual(held, {os.path.join(self.box.data, "keys")})
        self.assertEqual(os.stat(os.path.join(self.box.data, "keys")).st_mode & 0o777, 0o600)

    def test_service_down_for_the_whole_run(self):
        port = free_port()
        env = {"TRACER_URL": f"http://127.0.0.1:{port}", "TRACER_API_KEY": "project-late"}
        told = [self.call(f"gpt-4o-{i}", env) for i in range(6)]
        self.box.spans(6)
        server = self.serve(port=port)
        harness.wait_for(lambda: len(server.complete("late")) >= 6, 90, "everything arrives")
        harness.wait_for(lambda: all(t["end_time"] for t in server.traces.values()), 60,
                         "the traces end")
        spans = server.complete("late")
        self.assertEqual([s["model"] for s in spans], [f"gpt-4o-{i}" for i in range(6)])
        self.assertEqual([(s["tokens_input"], s["tokens_output"]) for s in spans], told)
        self.assertEqual([s["completes"] for s in spans], [1] * 6)
        self.assertEqual(len(server.traces), 6)

    def test_authority_of_the_users_own(self):
        """A service behind a certificate that only SSL_CERT_FILE knows."""
        certificate = harness.certificate()
        server = self.serve(tls=certificate)
        env = {"TRACER_URL": server.url, "TRACER_API_KEY": "project-own"}
        self.call("gpt-4o", env)
        harness.wait_for(lambda: "certificate" in self.box.tool("status").stdout, 20,
                         "status says why nothing is delivered")
        self.assertEqual(server.log, [])
        self.box.kill_collector()
        self.box.start_collector({"SSL_CERT_FILE": certificate[0]})
        harness.wait_for(lambda: server.complete("own"), 40, "the span is delivered")

    def test_spans_of_a_run_arrive_live(self):
        """Created at the request, completed at the response."""
        server = self.serve()
        body = json.dumps({"model": "fault-slow-150", "stream": True, "messages": MESSAGES})
        process = subprocess.Popen(
            ["sh", client("curl.sh"), self.endpoint.plain, "/v1/chat/completions", body],
            env=self.box.preload_env({"TRACER_URL": server.url,
                                      "TRACER_API_KEY": "project-live"}),
            stdout=subprocess.DEVNULL)
        harness.wait_for(lambda: server.spans, 10, "the span is created")
        self.assertIsNone(process.poll())
        self.assertEqual(server.complete("live"), [])
        process.wait(timeout=30)
        harness.wait_for(lambda: server.complete("live"), 10, "the span is completed")

    def test_what_is_said_late(self):
        """Input after the span's create, metadata after the span's end, a trace never ended."""
        server = self.serve()
        process = subprocess.Popen(
            [harness.PYTHON, "-c", LATE, os.path.join(harness.BUILD, "lib", "libllmtracer.so")],
            env=dict(self.box.env, TRACER_URL=server.url, TRACER_API_KEY="project-late"),
            stdin=subprocess.PIPE)
        self.addCleanup(process.kill)
        harness.wait_for(lambda: server.spans and len(server.traces) == 2, 10, "both are created")
        process.stdin.write(b"\n")
        process.stdin.flush()
        harness.wait_for(lambda: server.complete("late"), 10, "the span is completed")
        process.communicate(b"\n", timeout=30)
        harness.wait_for(lambda: all(t["end_time"] for t in server.traces.values()), 20,
                         "the traces end")
        (span,) = server.complete("late")
        harness.wait_for(lambda: span["completes"] == 2, 10, "the trace's metadata arrives")
        facts = span["output_data"]["llm_tracer"]
        self.assertEqual(facts["input_data"], {"question": "late"})
        self.assertEqual(facts["trace_metadata"], {"score": 0.9})
        outputs = {t["name"]: t["output"] for t in server.traces.values()}
        self.assertEqual(outputs, {"live": "out", "left":
                                   "Error: process ended before the trace was ended"})
        self.assertEqual(server.refused, [])

    def test_collector_killed_during_delivery(self):
        server = self.serve()
        env = {"TRACER_URL": server.url, "TRACER_API_KEY": "project-kill"}
        for i in range(10):
            self.call(f"model-{i}", env)
            if i % 3 == 1:
                self.box.kill_collector()
                self.box.start_collector()
        harness.wait_for(lambda: len(server.complete("kill")) >= 10, 60, "everything arrives")
        spans = server.complete("kill")
        self.assertEqual(sorted(s["model"] for s in spans),
                         sorted(f"model-{i}" for i in range(10)))


if __name__ == "__main__":
    unittest.main()
