"""Secrets of every place where they are given: none is found in any file afterwards. Prompts are
content and stay."""

import json
import os
import signal
import subprocess
import time
import unittest

import harness
from test_clients import client

PROMPT = "a prompt that is kept"
CHAT = "/v1/chat/completions"
HEADERS = {"Authorization": "Bearer {}", "x-api-key": "{}", "api-key": "{}",
           "x-goog-api-key": "{}", "Cookie": "session={}; other=1", "Proxy-Authorization": "Own {}"}


def secret(place):
    """One that tells where it was given, and has no form of a known kind of key."""
    return f"hush-{place}-7c1e55d0"


def body(**more):
    return json.dumps({"model": "gpt-4o-mini", "api_key": secret("body"),
                       "messages": [{"role": "user", "content": PROMPT}], **more})


def with_place(base, place):
    return base.replace("://", f"://user:{secret('userinfo')}@") + \
        f"{CHAT}?key={secret('query')}&place={place}"


def curl(base, **more):
    """A curl with a secret in every place that it has."""
    words = ["curl", "-sSN", "--http1.1", "-d", body(**more)]
    for name, value in HEADERS.items():
        words += ["-H", f"{name}: {value.format(secret(name.lower()))}"]
    return words + ["-b", f"sid={secret('jar')}", with_place(base, "argv")]


def in_a_string(base):
    """The same kinds as text inside one argument."""
    url = base + CHAT
    return "\n".join([
        f"A_KEY={secret('variable')}",
        f"curl -sS -d '{body()}' --oauth2-bearer {secret('bearer')} {url}",
        f"curl -sS -d '{body()}' -u me:{secret('user')} {url}",
        f"curl -sS -d '{body()}' --user 'me:{secret('quoted')} x' {url}",
        f"curl -sS -d '{body()}' -b sid={secret('cookie')} {url}",
        f"curl -sS -d '{body()}' -H \"Authorization: Bearer {secret('header')}\" {url}",
        f": --api-key {secret('option')} --token \"{secret('token')}\""])


ALL = ["hush-"]


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)
        self.export = os.path.join(self.box.dir, "export.jsonl")
        self.env = {"TRACER_EXPORT": "file:" + self.export, "TRACER_LOG_LEVEL": "debug"}

    def exported(self, count):
        def lines():
            if not os.path.exists(self.export):
                return False
            with open(self.export, encoding="utf-8") as f:
                return sum(1 for _ in f) >= count
        harness.wait_for(lines, 10, "the export")

    def check(self):
        """Nothing under the data and runtime folders, the export file and the logs; the prompt is
        there, so that the files are those that were written."""
        self.box.clean(ALL)
        self.assertTrue(self.box.leaks([PROMPT], [self.box.data]))

    def test_arguments_headers_and_body(self):
        for base in (self.endpoint.plain, self.endpoint.secure):
            done = self.box.run(curl(base) + ["--cacert", self.box.env["CERT"]], env=self.env)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.box.spans(2)
        self.exported(2)
        self.check()
        self.assertTrue(self.box.leaks([PROMPT], [self.box.dir]))

    def test_text_in_one_argument_under_the_wrapper(self):
        command = [harness.WRAPPER, "/bin/sh", "-c", in_a_string(self.endpoint.plain)]
        done = self.box.run(command, preload=False, env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.box.spans(5)), 5)
        listed = self.box.tool("list", "--json").stdout
        self.assertTrue(json.loads(listed)["name"].startswith("sh -c A_KEY=[redacted]"), listed)
        self.assertNotIn("hush-", listed)
        self.exported(5)
        self.check()

    def test_a_run_name_of_the_users_own(self):
        env = dict(self.env, TRACER_RUN_TRACE="0123456789abcdef0123456789abcdef",
                   TRACER_RUN_NAME=f"nightly --token {secret('name')}")
        self.assertEqual(self.box.run(curl(self.endpoint.plain), env=env).returncode, 0)
        self.box.spans(1)
        self.exported(1)
        self.assertIn("nightly --token [redacted]", self.box.tool("list", "--json").stdout)
        self.check()

    def start(self):
        process = subprocess.Popen(curl(self.endpoint.plain, stream=True, model="fault-slow-150"),
                                   env=self.box.preload_env(self.env), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        harness.wait_for(self.box.all_spans, 10, "an open span")
        time.sleep(0.3)
        return process

    def test_program_killed_in_a_stream(self):
        process = self.start()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)
        (span,) = self.box.spans(1)
        self.assertTrue(span["partial"])
        self.exported(1)
        self.check()

    def test_collector_killed_in_a_stream(self):
        process = self.start()
        self.box.kill_collector()
        self.box.start_collector()
        process.communicate(timeout=60)
        self.box.spans(1)
        self.exported(1)
        self.check()

    def test_name_without_the_folder(self):
        command = [harness.PYTHON, client("urllib_client.py"), self.endpoint.plain, CHAT, body()]
        done = self.box.run(command, env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.box.spans(1)
        name = json.loads(self.box.tool("list", "--json").stdout)["name"]
        self.assertTrue(name.startswith(os.path.basename(harness.PYTHON) + " "), name)
        self.check()


if __name__ == "__main__":
    unittest.main()
