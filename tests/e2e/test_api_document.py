"""The programs in the document of the client that the API continues, as they stand there: four
complete examples, and four patterns inside a program that defines the names they use."""

import contextlib
import os
import unittest

import api
import document
import expected
import harness
import namespace
import service

TRACING_HOST = "tracing.myapp.com"


class Document(api.ApiTest):
    @classmethod
    def setUpClass(cls):
        document.programs()
        cls.python = harness.venv()
        if cls.python is None:
            raise unittest.SkipTest("the packages openai and fastapi could not be installed")
        super().setUpClass()

    def command(self, name):
        path = document.write(name, self.endpoint.dir)
        if name in document.PATTERNS:
            return [self.python, os.path.join(api.EXAMPLES, "around_pattern.py"), path]
        return [self.python, path]

    def test_batch(self):
        self.both(self.command("batch"), "batch", expected.batch(), stdout="")

    def test_notebook(self):
        self.both(self.command("notebook"), "notebook", expected.notebook(), stdout="")

    def test_sentiment(self):
        self.both(self.command("sentiment"), "sentiment", expected.sentiment(),
                  stdout="positive\n")

    def test_pattern_one_span(self):
        self.both(self.command("one_span"), "one_span", expected.one_span(), stdout="")

    def test_pattern_agent(self):
        self.both(self.command("agent"), "agent", expected.agent(), stdout="")

    def test_pattern_error(self):
        done = self.both(self.command("error"), "error", expected.error(), returncode=1)
        self.assertTrue(done.stderr.decode().endswith(f"ConnectionError: {expected.DOWN}\n"))
        self.both(self.command("error"), "error", expected.error(up=True), EXTERNAL_API="up")

    def test_pattern_sync(self):
        self.both(self.command("sync"), "sync", expected.sync(), stdout="")

    def serve_chat(self, loop, preload):
        """The application names its service, https://tracing.myapp.com: here that is ours."""
        certificate = harness.certificate(TRACING_HOST)
        authority = {"SSL_CERT_FILE": certificate[0]}
        self.box.kill_collector()
        self.box.start_collector(authority)
        with contextlib.closing(service.Service(port=443, tls=certificate)) as secure:
            self.serve_chat_to(secure, loop, preload, authority)
        self.assertEqual(self.server.log, [])

    def serve_chat_to(self, secure, loop, preload, authority):
        folder = os.path.dirname(document.write("chat_service", self.endpoint.dir))
        env = self.env(TRACER_URL="", **authority)
        self.serve_requests(api.uvicorn(self.python, "chat_service:app", loop), preload, env,
                            folder)
        traces = expected.chat_service(api.REQUESTS)
        expected.check_store(self, self.box, traces, preload)
        expected.check_service(self, secure, traces, "production", preload)

    def test_chat_service(self):
        if not namespace.inside():
            namespace.run(self, [TRACING_HOST])
            return
        for loop in ("asyncio", "uvloop"):
            for preload in (False, True):
                with self.subTest(loop=loop, preload=preload):
                    self.serve_chat(loop, preload)
                    self.fresh()

    def test_default_url(self):
        """Without TRACER_URL the service is http://localhost:8001."""
        if not namespace.inside():
            namespace.run(self, [])
            return
        usual = service.Service(port=8001)
        self.addCleanup(usual.close)
        done = self.run_scenario(self.command("sentiment"), "sentiment", True, TRACER_URL="")
        self.assertEqual((done.returncode, done.stdout), (0, b"positive\n"), done.stderr)
        expected.check_service(self, usual, expected.sentiment(), "cli", True)


if __name__ == "__main__":
    unittest.main()
