"""The repository's own programs of the explicit API, in C, C++ and Python: what they leave in the
local store and at the service, with and without the preload."""

import json
import os
import re
import subprocess
import unittest

import api
import expected
import harness

HITS = "weather 0\nweather 1\nweather 2\n"
NATIVE = {"agent": expected.agent(HITS)}
SAID = {"sentiment": "positive\n"}


def traces_of(scenario):
    return getattr(expected, scenario)()


class Native(api.ApiTest):
    """The C programs, and one in C++."""

    def test_scenarios(self):
        for name in api.SCENARIOS:
            with self.subTest(name):
                self.both([api.example(name)], name, NATIVE.get(name) or traces_of(name),
                          stdout=SAID.get(name, ""))

    def test_static_library(self):
        self.both([api.example("sentiment_static")], "sentiment", traces_of("sentiment"),
                  stdout="positive\n")
        linked = subprocess.run(["ldd", api.example("sentiment_static")], capture_output=True,
                                text=True, check=True)
        self.assertNotIn("libllmtracer", linked.stdout)

    def test_scopes_of_cpp(self):
        if not os.path.exists(api.example("agent_scopes")):
            self.skipTest("this machine has no C++ compiler")
        self.both([api.example("agent_scopes")], "agent", NATIVE["agent"], stdout="")

    def test_under_valgrind(self):
        """No byte is touched that is not the program's, and none is lost."""
        command = [harness.need("valgrind"), "-q", "--error-exitcode=99", "--leak-check=full"]
        for name in ("batch", "sync", "agent"):
            with self.subTest(name):
                done = self.run_scenario(command + [api.example(name)], name, False)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.check(NATIVE.get(name) or traces_of(name), name, False)
                self.fresh()

    def test_error(self):
        done = self.both([api.example("error")], "error", expected.error(), returncode=1)
        self.assertEqual(done.stderr.decode(), expected.DOWN + "\n")
        self.both([api.example("error")], "error", expected.error(up=True), EXTERNAL_API="up")

    def test_chat_service(self):
        lines = "".join(f"{who}\t{question}\n" for who, question in api.REQUESTS)
        traces = expected.chat_service(api.REQUESTS)
        said = sorted(f"{t.user_id}: {t.spans[0].output['content']}" for t in traces)
        for preload in (False, True):
            with self.subTest(preload=preload):
                done = self.box.run([api.example("chat_service")], preload=preload,
                                    env=self.env(), input=lines.encode())
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                self.assertEqual(sorted(done.stdout.decode().splitlines()), said)
                self.check(traces, "chat_service", preload)
                self.fresh()


class Python(api.ApiTest):
    """The Python programs with the real openai package."""

    @classmethod
    def setUpClass(cls):
        cls.python = harness.venv()
        if cls.python is None:
            raise unittest.SkipTest("the packages openai and fastapi could not be installed")
        super().setUpClass()

    def command(self, name):
        return [self.python, os.path.join(api.EXAMPLES, "python", f"{name}.py")]

    def test_scenarios(self):
        for name in api.SCENARIOS:
            with self.subTest(name):
                self.both(self.command(name), name, traces_of(name), stdout=SAID.get(name, ""))

    def test_error(self):
        done = self.both(self.command("error"), "error", expected.error(), returncode=1)
        self.assertTrue(done.stderr.decode().endswith(f"ConnectionError: {expected.DOWN}\n"))
        self.both(self.command("error"), "error", expected.error(up=True), EXTERNAL_API="up")

    def test_chat_service(self):
        for loop in ("asyncio", "uvloop"):
            for preload in (False, True):
                with self.subTest(loop=loop, preload=preload):
                    self.serve_requests(api.uvicorn(self.python, "chat_service:app", loop),
                                        preload, self.env(),
                                        os.path.join(api.EXAMPLES, "python"))
                    self.check(expected.chat_service(api.REQUESTS), "chat_service", preload)
                    self.fresh()


    def test_several_calls_in_one_span(self):
        """Tokens are summed, the last answer is the output, an embedding stays a span of its own."""
        script = os.path.join(harness.HERE, "programs", "several.py")
        for base in (self.endpoint.plain, self.endpoint.secure):
            with self.subTest(base.split(":")[0]):
                done = self.run_scenario([self.python, script], "several", True, base)
                self.assertEqual((done.returncode, done.stderr), (0, b""))
                told = json.loads(done.stdout)
                spans = {s["name"]: s for s in self.box.spans(3)}
                self.check_several(spans, told)
                self.fresh()

    def check_several(self, spans, told):
        answers, refused = spans.pop("answers"), spans.pop("refused")
        (embedding,) = spans.values()
        self.assertEqual((embedding["span_type"], embedding["parent_span_id"]),
                         ("embedding", answers["span_id"]))
        self.assertEqual((answers["tokens_input"], answers["tokens_output"]),
                         (sum(t[0] for t in told), sum(t[1] for t in told)))
        last = expected.chat("gpt-4-turbo", expected.user("What is up today?"))
        self.assertEqual(answers["output_data"]["messages"][0]["parts"][0]["content"], last.text)
        # Those of the first call, which was streamed; the last was not.
        expected.check_first_times(self, dict(answers, stream=True))
        self.assertGreater(answers["cost_usd"], 0)
        self.assertEqual((refused["status_code"], refused["request_model"]),
                         (401, "fault-status-401"))
        self.assertIn("told to answer 401", refused["error"])
        self.server.settle(expected.PATTERN_PROJECT, 1, 3)


class Readme(unittest.TestCase):
    def test_programs(self):
        """What the README shows of a program is the program."""
        text = api.read(os.path.join(harness.ROOT, "README.md"))
        block = re.compile(r"^```\w+\n(.*?)^```$", re.M | re.S)
        shown = [(m.group(1), block.search(text, m.end()).group(1))
                 for m in re.finditer(r"`(tests/e2e/examples/[^`]+)`", text)]
        self.assertGreaterEqual(len([path for path, _ in shown if path.endswith(".c")]), 2)
        for path, program in shown:
            self.assertEqual(program, api.read(os.path.join(harness.ROOT, path)), path)


if __name__ == "__main__":
    unittest.main()
