"""An endpoint that throws faults: the program sees them as without the preload, and each call is a
span that tells what happened."""

import json
import os
import unittest

import harness
from test_clients import client

MESSAGES = [{"role": "user", "content": "What is up today?"}]


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)

    def ask(self, body, path="/v1/chat/completions", base=None, count=1, command=None):
        words = [base or self.endpoint.secure, path, json.dumps(body)]
        command = command or ["sh", client("curl.sh")]
        bare = self.box.run(command + words, preload=False)
        traced = self.box.run(command + words)
        self.assertEqual((bare.returncode, bare.stdout), (traced.returncode, traced.stdout))
        spans = self.box.spans(count)
        return traced, spans

    def test_split_bytes(self):
        for path in ("/v1/chat/completions", "/v1/messages"):
            with self.subTest(path):
                done, spans = self.ask({"model": "fault-split", "stream": True, "max_tokens": 5,
                                        "stream_options": {"include_usage": True},
                                        "messages": MESSAGES}, path)
                self.assertEqual(harness.tokens(spans[-1]),
                                 harness.usages(done.stdout.decode())[0])
                self.box.close()
                self.box = harness.Sandbox()
                self.addCleanup(self.box.close)

    def test_reset_in_the_middle_of_a_stream(self):
        done, (span,) = self.ask({"model": "fault-cut", "stream": True, "messages": MESSAGES})
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(span["partial"])
        self.assertIn("error", span)
        self.assertTrue(span["output_data"]["messages"][0]["parts"][0]["content"]
                        .startswith("Answer "))

    def test_slow_stream(self):
        _, (span,) = self.ask({"model": "fault-slow-30", "stream": True, "messages": MESSAGES})
        self.assertGreater(span["ttft_ms"], 0)
        self.assertGreater(span["duration_ms"], 15 * 30)
        self.assertGreater(span["duration_ms"], span["ttft_ms"] + 300)
        self.assertNotIn("error", span)

    def test_garbage_instead_of_http(self):
        done, (span,) = self.ask({"model": "fault-garbage", "messages": MESSAGES})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("error", span)
        self.assertTrue(span["partial"])

    def test_answer_that_is_not_json(self):
        _, (span,) = self.ask({"model": "fault-html", "messages": MESSAGES})
        self.assertEqual(span["status_code"], 200)
        self.assertEqual(span["usage_source"], "missing")

    def test_error_in_the_middle_of_a_stream(self):
        _, (span,) = self.ask({"model": "fault-error", "stream": True, "messages": MESSAGES})
        self.assertEqual(span["error"], "The server had an error")
        self.assertEqual(span["error_type"], "server_error")

    def test_anthropic_error_in_the_middle_of_a_stream(self):
        _, (span,) = self.ask({"model": "fault-error", "stream": True, "max_tokens": 5,
                               "messages": MESSAGES}, "/v1/messages")
        self.assertEqual((span["error"], span["error_type"]), ("Overloaded", "overloaded_error"))

    def test_statuses(self):
        for code, kind in ((401, "authentication_error"), (429, "rate_limit_error"),
                           (500, "server_error"), (529, "overloaded_error")):
            with self.subTest(code):
                _, (span,) = self.ask({"model": f"fault-status-{code}", "messages": MESSAGES})
                self.assertEqual((span["status_code"], span["error_type"], span["error"]),
                                 (code, kind, f"told to answer {code}"))
                self.assertNotIn("cost_usd", span)
                self.box.close()
                self.box = harness.Sandbox()
                self.addCleanup(self.box.close)

    def test_prompt_of_10_megabytes(self):
        text = "lorem ipsum " * (10 * 1024 * 1024 // 12)
        path = os.path.join(self.box.dir, "body.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"model": "gpt-4o-mini",
                       "messages": [{"role": "user", "content": text}]}, f)
        for base in (self.endpoint.plain, self.endpoint.secure):
            command = ["curl", "-sS", "--http1.1", "--cacert", self.box.env["CERT"], "-H",
                       "Content-Type: application/json", "--data-binary", "@" + path,
                       base + "/v1/chat/completions"]
            bare = self.box.run(command, preload=False)
            traced = self.box.run(command)
            self.assertEqual(bare.stdout, traced.stdout)
        for span in self.box.spans(2, seconds=60):
            self.assertEqual(span["tokens_input"],
                             json.loads(bare.stdout)["usage"]["prompt_tokens"])
            self.assertEqual(span["input_data"]["messages"][0]["parts"][0]["content"], text)
            self.assertEqual(span["capture"]["dropped_bytes"], 0)

    def test_answer_of_100_megabytes(self):
        done = self.box.run(["curl", "-sS", "--http1.1", "-d", json.dumps(
            {"model": "fault-big-100", "messages": MESSAGES}),
            self.endpoint.plain + "/v1/chat/completions"], timeout=200)
        self.assertEqual(done.returncode, 0)
        self.assertGreater(len(done.stdout), 100 << 20)
        (span,) = self.box.spans(1, seconds=60)
        self.assertEqual(span["status_code"], 200)
        self.assertGreater(span["capture"]["dropped_bytes"], 0)

    def test_a_thousand_connections_at_once(self):
        for base, secure in ((self.endpoint.plain, False), (self.endpoint.secure, True)):
            with self.subTest(base):
                done = self.box.run([harness.PYTHON, client("many.py"), base, "1000"],
                                    timeout=300)
                self.assertEqual(done.returncode, 0, done.stderr[-2000:])
                told = sorted(json.loads(line) for line in done.stdout.splitlines())
                spans = self.box.spans(1000, seconds=90)
                self.assertEqual(told, sorted([s["tokens_input"], s["tokens_output"]]
                                              for s in spans))
                self.box.close()
                self.box = harness.Sandbox()
                self.addCleanup(self.box.close)


if __name__ == "__main__":
    unittest.main()
