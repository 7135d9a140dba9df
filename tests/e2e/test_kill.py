"""Processes that are killed: the program in the middle of a stream, the collector in the middle of
its work."""

import json
import os
import signal
import subprocess
import time
import unittest

import harness
from test_clients import client

MESSAGES = [{"role": "user", "content": "What is up today?"}]


class Kill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)

    def start(self, command, env=None):
        return subprocess.Popen(command, env=self.box.preload_env(env), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def hang(self):
        """A curl whose stream stops after four frames; returns once an open span shows it."""
        body = json.dumps({"model": "fault-hang", "stream": True, "messages": MESSAGES})
        process = self.start(["curl", "-sSN", "--http1.1", "--cacert", self.box.env["CERT"], "-H",
                              "Authorization: Bearer " + harness.SECRET, "-d", body,
                              self.endpoint.secure + "/v1/chat/completions"])
        harness.wait_for(self.box.all_spans, 10, "an open span")
        return process

    def test_program_killed_in_a_stream(self):
        process = self.hang()
        time.sleep(2.5)  # a collector that nobody calls looks once in 0.9 s who lives
        process.kill()
        process.communicate()
        (span,) = self.box.spans(1)
        self.assertGreater(span["duration_ms"], 1000)  # it waited until it was killed
        self.assertTrue(span["partial"])
        self.assertIn("error", span)
        self.assertEqual(span["request_model"], "fault-hang")
        self.assertTrue(span["output_data"]["messages"][0]["parts"][0]["content"]
                        .startswith("Answer "))
        self.box.clean([harness.SECRET])

    def test_open_call_is_a_running_span(self):
        process = self.hang()
        (span,) = self.box.all_spans()
        self.assertNotIn("end_time", span)
        process.terminate()
        process.communicate()
        self.box.spans(1)

    def test_collector_killed_between_calls(self):
        words = [self.endpoint.secure, "/v1/chat/completions",
                 json.dumps({"model": "gpt-4o-mini", "messages": MESSAGES})]
        command = ["sh", client("curl.sh")] + words
        for _ in range(5):
            self.box.run(command)
        self.box.spans(5)
        self.box.kill_collector()
        self.assertEqual(len(self.box.all_spans()), 5)
        for _ in range(3):
            self.box.run(command, env={"TRACER_TEST": "meanwhile"})
        self.box.start_collector()
        spans = self.box.spans(8)
        self.assertEqual(len({s["span_id"] for s in spans}), 8)
        self.box.clean([harness.SECRET])

    def test_collector_killed_in_a_stream(self):
        process = self.start(["sh", client("curl.sh"), self.endpoint.plain,
                              "/v1/chat/completions", json.dumps(
                                  {"model": "fault-slow-150", "stream": True,
                                   "stream_options": {"include_usage": True},
                                   "messages": MESSAGES})])
        harness.wait_for(self.box.all_spans, 10, "an open span")
        time.sleep(0.5)
        self.box.kill_collector()
        time.sleep(0.3)
        self.box.start_collector()
        out, _ = process.communicate(timeout=60)
        (span,) = self.box.spans(1)
        self.assertEqual(harness.tokens(span), harness.usages(out.decode())[0])
        self.assertNotIn("partial", {k: v for k, v in span.items() if v})
        self.box.clean([harness.SECRET])

    def test_collector_killed_again_and_again(self):
        """A program calls without a pause while collectors come and go: every call is one span."""
        calls = 120
        process = self.start([harness.PYTHON, client("loop.py"), self.endpoint.plain, str(calls)])
        for i in range(8):
            time.sleep(0.25)
            self.box.kill_collector(signal.SIGKILL if i % 2 == 0 else signal.SIGTERM)
            self.box.start_collector()
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        spans = self.box.spans(calls, seconds=30)
        self.assertEqual(len({s["span_id"] for s in spans}), calls)
        self.assertEqual(sorted(s["tokens_input"] for s in spans),
                         sorted(json.loads(line)["prompt_tokens"] for line in out.splitlines()))

    def test_bare_preload_starts_a_collector(self):
        self.box.kill_collector(signal.SIGTERM)
        done = self.box.run(["sh", client("curl.sh"), self.endpoint.plain, "/v1/chat/completions",
                             json.dumps({"model": "gpt-4o-mini", "messages": MESSAGES})])
        self.assertEqual(done.returncode, 0)
        self.box.spans(1)

    def test_wrapper_leaves_signal_and_exit_code_alone(self):
        env = dict(self.box.env, TRACER_SUMMARY="never")
        for script, code in (("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM),
                             ("kill -KILL $$", -signal.SIGKILL), ("true", 0)):
            with self.subTest(script):
                done = subprocess.run([harness.WRAPPER, "sh", "-c", script], env=env,
                                      capture_output=True, timeout=30, check=False)
                self.assertEqual(done.returncode, code, done.stderr)
        done = subprocess.run([harness.WRAPPER, "no-such-program-here"], env=env,
                              capture_output=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 127)

    def test_wrapper_makes_one_trace_of_all_processes(self):
        body = json.dumps({"model": "gpt-4o-mini", "messages": MESSAGES})
        script = " && ".join(f"sh {client('curl.sh')} {base} /v1/chat/completions '{body}'"
                             for base in (self.endpoint.plain, self.endpoint.secure))
        done = subprocess.run([harness.WRAPPER, "sh", "-c", script],
                              env=dict(self.box.env, TRACER_SUMMARY="always"),
                              capture_output=True, timeout=60, check=False, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        spans = self.box.spans(2)
        self.assertEqual(len({s["trace_id"] for s in spans}), 1)
        last = done.stderr.strip().splitlines()[-1]
        self.assertIn("2 calls", last)
        self.assertIn("llm-tracer show " + spans[0]["trace_id"][:8], last)
        self.assertNotEqual(spans[0]["process"]["pid"], spans[1]["process"]["pid"])


if __name__ == "__main__":
    unittest.main()
