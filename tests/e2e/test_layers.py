"""libcurl's own layer, forced where its TLS library is hooked too: each transfer is seen once, over
HTTP/1.1 and HTTP/2; and connections that speak HTTP/2 outside of it are counted and named."""

import json
import os
import shutil
import socket
import subprocess
import unittest

import harness
from test_clients import CALLS, client


NGINX = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2;
  fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key};
    default_type application/json; location / {{ return 200 '{answer}'; }} }} }}
"""


class Layers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox()
        self.addCleanup(self.box.close)

    def test_forced_curl_layer(self):
        words = [w for path, body, _ in CALLS for w in (path, json.dumps(body))]
        for base, route in ((self.endpoint.secure, "curl"), (self.endpoint.plain, "libc")):
            with self.subTest(base):
                command = ["sh", client("curl.sh"), base] + words
                bare = self.box.run(command, preload=False)
                traced = self.box.run(command, env={"TRACER_HOOKS": "curl"})
                self.assertEqual((bare.returncode, bare.stdout, bare.stderr),
                                 (traced.returncode, traced.stdout, traced.stderr))
                spans = self.box.spans(len(CALLS))
                self.assertEqual({s["capture"]["route"] for s in spans}, {route})
                self.assertEqual([harness.tokens(s) for s in spans],
                                 harness.usages(traced.stdout.decode()))
                self.box.clean([harness.SECRET])
                self.box.close()
                self.box = harness.Sandbox()
                self.addCleanup(self.box.close)

    def test_http2_through_the_curl_layer(self):
        """nginx answers over HTTP/2; libcurl shows its own view of it."""
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
        if nginx is None:
            self.skipTest("nginx is not installed")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        cert, key = harness.certificate()
        answer = json.dumps({"id": "chatcmpl-h2", "object": "chat.completion", "model": "gpt-4o",
                             "choices": [{"index": 0, "finish_reason": "stop", "message": {
                                 "role": "assistant", "content": "over two"}}],
                             "usage": {"prompt_tokens": 21, "completion_tokens": 2,
                                       "total_tokens": 23}})
        conf = os.path.join(self.box.dir, "nginx.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(NGINX.format(dir=self.box.dir, port=port, cert=cert, key=key, answer=answer))
        server = subprocess.Popen([nginx, "-p", self.box.dir, "-c", conf],
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        harness.wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 10,
                         "nginx listens")
        command = ["curl", "-sS", "--http2", "--cacert", cert, "-w", "%{http_version}", "-d",
                   json.dumps(CALLS[0][1]), f"https://localhost:{port}/v1/chat/completions"]
        done = self.box.run(command, env={"TRACER_HOOKS": "curl"})
        self.assertEqual(done.stdout.decode(), answer + "2", done.stderr)
        (span,) = self.box.spans(1)
        self.assertEqual((span["capture"]["route"], harness.tokens(span), span["status_code"]),
                         ("curl", (21, 2), 200))

    def test_verbose_output_is_unchanged(self):
        """curl -v prints what it prints without us, but for what differs from run to run."""
        body = json.dumps(CALLS[0][1])
        command = ["curl", "-v", "-sS", "--http1.1", "--cacert", self.box.env["CERT"], "-d", body,
                   self.endpoint.plain + "/v1/chat/completions"]
        bare = self.box.run(command, preload=False)
        traced = self.box.run(command, env={"TRACER_HOOKS": "curl"})
        self.assertEqual(bare.stdout, traced.stdout)
        self.assertEqual(bare.stderr.count(b"\n< "), traced.stderr.count(b"\n< "))
        self.assertEqual(bare.stderr.count(b"\n> "), traced.stderr.count(b"\n> "))

    def test_http2_to_a_known_host_is_named(self):
        """Prior knowledge over http: the preface is seen, the connection is counted by its host."""
        command = ["curl", "-sS", "--http2-prior-knowledge", "-m", "2", "-d", "{}",
                   self.endpoint.plain + "/v1/chat/completions"]
        self.box.run(command, env={"TRACER_ENDPOINTS": "*"})

        def named():
            return "localhost" in self.status_line("http/2") or \
                "127.0.0.1" in self.status_line("http/2")
        harness.wait_for(named, 10, "status names the host")

    def test_http2_is_said_by_the_wrapper(self):
        """Of this run's connections only, also where the host has been counted before."""
        env = {"TRACER_ENDPOINTS": "*", "TRACER_SUMMARY": "always"}
        command = [harness.WRAPPER, "curl", "-sS", "--http2-prior-knowledge", "-m", "2", "-d", "{}",
                   self.endpoint.plain + "/v1/chat/completions"]
        for _ in range(2):
            said = self.box.run(command, preload=False, env=env).stderr.decode()
            self.assertRegex(said, r"llm-tracer: 1 connection to (localhost|127.0.0.1)(:\d+)? "
                                   r"spoke HTTP/2, which is not decoded: use --http1.1, or "
                                   r"TRACER_HOOKS=curl")
        said = self.box.run([harness.WRAPPER, "true"], preload=False, env=env).stderr.decode()
        self.assertIn("no LLM call was seen", said)

    def status_line(self, word):
        out = self.box.tool("status").stdout
        return "\n".join(line for line in out.splitlines() if word in line.lower())

    def test_endpoints_of_ones_own(self):
        """An OpenAI body under a path that nobody knows, by host and path globs."""
        body = json.dumps(CALLS[0][1])
        words = [self.endpoint.plain, "/odd/path/v1/chat/completionz", body]
        self.box.run(["sh", client("curl.sh")] + words)
        done = self.box.run(["sh", client("curl.sh")] + words,
                            env={"TRACER_ENDPOINTS": "other.example,localhost:*/odd/*"})
        self.assertEqual(done.returncode, 0)
        (span,) = self.box.spans(1)
        self.assertEqual(span["request_model"], "gpt-4o-mini")
        self.assertEqual(span["status_code"], 404)

    def test_endpoints_as_people_write_them(self):
        """A base URL as it was pasted, a path only, a host in another case; not what looks alike."""
        body = json.dumps(CALLS[0][1])
        port = self.endpoint.plain.rsplit(":", 1)[1]
        cases = ((f"http://localhost:{port}/my", 1), ("x.example, /my/api/", 1),
                 (f"LOCALHOST:{port}", 2))
        for item, count in cases:
            with self.subTest(item):
                box = harness.Sandbox()
                self.addCleanup(box.close)
                for target in ("/myapi?like=/my/api", "/my/api?k=v"):
                    done = box.run(["curl", "-sS", "-d", body, f"http://localhost:{port}{target}"],
                                   env={"TRACER_ENDPOINTS": item})
                    self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual([s["request_model"] for s in box.spans(count)],
                                 ["gpt-4o-mini"] * count)

    def test_two_programs_at_once(self):
        words = [self.endpoint.secure] + [w for path, body, _ in CALLS[:4]
                                          for w in (path, json.dumps(body))]
        running = [subprocess.Popen(["sh", client("curl.sh")] + words,
                                    env=self.box.preload_env(), stdout=subprocess.DEVNULL)
                   for _ in range(8)]
        for process in running:
            self.assertEqual(process.wait(timeout=60), 0)
        spans = self.box.spans(32)
        self.assertEqual(len({s["trace_id"] for s in spans}), 8)


if __name__ == "__main__":
    unittest.main()
