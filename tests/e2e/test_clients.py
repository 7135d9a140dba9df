"""Unmodified clients, over http and https, with and without the preload: output and exit code are
identical, and the spans' tokens are those that the client itself was told."""

import json
import os
import unittest

import harness
import peers

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What is up today?"}]}
CALLS = [
    ("/v1/chat/completions", CHAT, "chat"),
    ("/v1/chat/completions", dict(CHAT, model="gpt-4o", stream=True,
                                  stream_options={"include_usage": True}), "chat"),
    ("/v1/chat/completions", dict(CHAT, stream=True), "chat"),
    ("/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 10,
                      "messages": [{"role": "user", "content": "Bonjour là-bas"}]}, "chat"),
    ("/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 10, "stream": True,
                      "messages": [{"role": "user", "content": "Hello there"}]}, "chat"),
    ("/v1/responses", {"model": "gpt-4o", "input": "Tell me more", "stream": True}, "chat"),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": ["a b c", "d"]}, "embeddings"),
    ("/api/chat", {"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}]}, "chat"),
    ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "once upon"},
     "text_completion"),
]


def client(name):
    return os.path.join(harness.HERE, "clients", name)


class Clients(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox()

    def tearDown(self):
        self.box.close()

    def check(self, command, base, route):
        words = [w for path, body, _ in CALLS for w in (path, json.dumps(body))]
        bare = self.box.run(command + [base] + words, preload=False)
        self.assertEqual(bare.returncode, 0, bare.stderr.decode()[-800:])
        traced = self.box.run(command + [base] + words)
        self.assertEqual(bare.stdout, traced.stdout)
        self.assertEqual(bare.stderr, traced.stderr)
        self.assertEqual(bare.returncode, traced.returncode)
        spans = self.box.spans(len(CALLS))
        told = harness.usages(traced.stdout.decode())
        self.assertEqual(len(told), len(CALLS))
        wanted = sorted((c[1]["model"], c[2], repr(u)) for c, u in zip(CALLS, told))
        got = sorted((s["request_model"], s["operation"], repr(harness.tokens(s))) for s in spans)
        self.assertEqual(wanted, got)
        for span in spans:
            self.assertEqual(span["status_code"], 200)
            self.assertEqual(span["capture"]["route"], route)
            self.assertNotIn("partial", {k: v for k, v in span.items() if v})
            self.assertNotIn("error", span)
            self.assertGreater(span["duration_ms"], 0)
        self.box.clean([harness.SECRET])

    def both(self, command, secure="openssl", env=None):
        self.box.env.update(env or {})
        with self.subTest("http"):
            self.check(command, self.endpoint.plain, "libc")
        self.box.close()
        self.box = harness.Sandbox(env=env)
        with self.subTest("https"):
            self.check(command, self.endpoint.secure, secure)

    def test_curl(self):
        self.both(["sh", client("curl.sh")])

    def test_wget(self):
        harness.need("wget")
        self.both(["sh", client("wget.sh")], secure="gnutls")

    def test_python_urllib(self):
        self.both([harness.PYTHON, client("urllib_client.py")])

    def test_python_requests(self):
        self.both([harness.PYTHON, client("requests_client.py")])

    def test_python_httpx(self):
        self.both([harness.PYTHON, client("httpx_client.py")])

    def test_python_aiohttp(self):
        self.both([harness.PYTHON, client("aiohttp_client.py")])

    def test_ruby(self):
        self.both([harness.need("ruby"), client("client.rb")])

    def test_perl(self):
        self.both(["/usr/bin/perl", client("client.pl")])

    def test_php(self):
        self.both([harness.need("php"), client("client.php")])

    def test_node_plain(self):
        """Any node over http; over https only one that links a shared libssl (Debian's)."""
        self.check([harness.need("node"), client("client.js")], self.endpoint.plain, "libc")

    def test_node_debian(self):
        root = peers.debian_node()
        if root is None:
            self.skipTest("no Debian root with node 18: it needs root, debootstrap and a mirror")
        self.both(["sh", client("chroot_node.sh"), root])


class Packages(unittest.TestCase):
    """The providers' own Python packages: sync, async, streamed."""

    @classmethod
    def setUpClass(cls):
        cls.python = harness.venv()
        if cls.python is None:
            raise unittest.SkipTest("the packages openai and anthropic could not be installed")
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def check(self, script, mode, base):
        box = harness.Sandbox()
        self.addCleanup(box.close)
        command = [self.python, client(script), base, mode]
        bare = box.run(command, preload=False)
        self.assertEqual(bare.returncode, 0, bare.stderr.decode()[-2000:])
        traced = box.run(command)
        self.assertEqual((bare.stdout, bare.stderr, bare.returncode),
                         (traced.stdout, traced.stderr, traced.returncode))
        told = [json.loads(line) for line in traced.stdout.splitlines()]
        spans = box.spans(len(told))
        self.assertEqual(sorted((t["input"], t["output"]) for t in told),
                         sorted((s["tokens_input"], s.get("tokens_output", 0)) for s in spans))
        texts = sorted(t["text"] for t in told if not t["text"].isdigit())
        self.assertEqual(texts, sorted(
            s["output_data"]["messages"][0]["parts"][0]["content"] for s in spans
            if s["operation"] == "chat"))
        box.clean([harness.SECRET])

    def test_openai(self):
        for mode in ("sync", "async", "stream"):
            for base in (self.endpoint.plain, self.endpoint.secure):
                with self.subTest(f"{mode} {base}"):
                    self.check("openai_sdk.py", mode, base)

    def test_anthropic(self):
        for mode in ("sync", "async", "stream"):
            for base in (self.endpoint.plain, self.endpoint.secure):
                with self.subTest(f"{mode} {base}"):
                    self.check("anthropic_sdk.py", mode, base)


if __name__ == "__main__":
    unittest.main()
