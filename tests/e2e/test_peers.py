"""npm @copilotkit/aimock as a server that no one here wrote."""

import json
import unittest

import harness
import peers
from test_clients import client

ASK = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = [{"role": "user", "content": "How is the weather?"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
CALLS = [
    ("/v1/chat/completions", {"model": "gpt-4o", "messages": ASK}),
    ("/v1/chat/completions", {"model": "gpt-4o", "messages": ASK, "stream": True,
                              "stream_options": {"include_usage": True}}),
    ("/v1/chat/completions", {"model": "gpt-4o", "messages": WEATHER, "tools": [TOOL]}),
    ("/v1/chat/completions", {"model": "gpt-4o", "messages": WEATHER, "tools": [TOOL],
                              "stream": True}),
    ("/v1/responses", {"model": "gpt-4o", "input": "the capital, please"}),
    ("/v1/responses", {"model": "gpt-4o", "input": "the capital, please", "stream": True}),
    ("/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": ASK}),
    ("/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": ASK,
                      "stream": True}),
    ("/v1/messages", {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": WEATHER,
                      "tools": [{"name": "get_weather", "input_schema": {"type": "object"}}],
                      "stream": True}),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hello"}),
    ("/api/chat", {"model": "llama3", "messages": ASK}),
    ("/api/chat", {"model": "llama3", "messages": ASK, "stream": False}),
]


class Peer(unittest.TestCase):
    def setUp(self):
        try:
            self.mock = peers.Aimock()
        except LookupError as error:
            raise unittest.SkipTest(str(error)) from None
        self.addCleanup(self.mock.close)
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)

    def test_calls(self):
        words = [w for path, body in CALLS for w in (path, json.dumps(body))]
        done = self.box.run(["sh", client("curl.sh"), self.mock.base] + words)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = harness.usages(done.stdout.decode())
        spans = self.box.spans(len(CALLS))
        for (path, body), usage, span in zip(CALLS, told, spans):
            with self.subTest(f"{path} {body.get('stream')}"):
                self.assertEqual(span["request_model"], body["model"])
                if usage is not None and "/api/" not in path:
                    self.assertEqual(harness.tokens(span), usage)
                if "embeddings" in path:
                    continue
                part = span["output_data"]["messages"][0]["parts"][0]
                if "tools" in body:
                    self.assertEqual((part["type"], part["name"], part["arguments"]),
                                     ("tool_call", "get_weather", {"city": "Paris"}))
                else:
                    self.assertEqual(part["content"], "The capital of France is Paris.")


if __name__ == "__main__":
    unittest.main()
