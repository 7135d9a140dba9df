"""What the tests of the explicit API share: programs against the local endpoint and a service."""

import json
import os
import re
import signal
import subprocess
import threading
import unittest
import urllib.request

import expected
import harness
import service

EXAMPLES = os.path.join(harness.HERE, "examples")
PACKAGE = os.path.join(harness.ROOT, "core", "client", "python")
REQUESTS = [(f"user-{i % 3}", f"What is {i} plus {i * i}?") for i in range(8)]
SCENARIOS = ("batch", "notebook", "sentiment", "one_span", "agent", "sync")


def example(name):
    """Path of a built C or C++ example."""
    return os.path.join(harness.BUILD, "bin", f"example_{name}")


class ApiTest(unittest.TestCase):
    """A test with an endpoint for all of its cases, and a sandbox and a service for each."""

    maxDiff = None
    endpoint = None

    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()
        cls.addClassCleanup(cls.endpoint.close)

    def setUp(self):
        self.fresh()

    def fresh(self, **arguments):
        """Another sandbox and service, for the next part of a case."""
        self.box = harness.Sandbox(**arguments)
        self.addCleanup(self.box.close)
        self.server = service.Service()
        self.addCleanup(self.server.close)

    def env(self, project=None, base=None, **more):
        """A program's environment. project None: no key, but what the program itself has."""
        found = {"OPENAI_API_KEY": harness.SECRET, "SSL_CERT_FILE": self.box.env["CERT"],
                 "TRACER_URL": self.server.url, "PYTHONPATH": PACKAGE,
                 "PYTHONDONTWRITEBYTECODE": "1"}
        if base or self.endpoint:
            found["OPENAI_BASE_URL"] = (base or self.endpoint.plain) + "/v1"
        if project:
            found["TRACER_API_KEY"] = f"project-{project}"
        found.update(more)
        return found

    def run_scenario(self, command, scenario, preload, base=None, **env):
        """Runs a program with the key that its scenario needs."""
        key = None if scenario in expected.PROJECTS else expected.PATTERN_PROJECT
        return self.box.run(command, preload=preload, env=self.env(key, base, **env))

    def check(self, traces, scenario, preload):
        expected.check_store(self, self.box, traces, preload)
        expected.check_service(self, self.server, traces, expected.project_of(scenario), preload)
        self.assertEqual(self.box.counters()["lost_records"], 0)
        self.box.clean([harness.SECRET])

    def both(self, command, scenario, traces, bases=None, stdout=None, returncode=0, **env):
        """Without and with the preload, over http and (with it) https."""
        for preload, base in ((False, self.endpoint.plain), (True, self.endpoint.plain),
                              (True, self.endpoint.secure)):
            with self.subTest(preload=preload, base=base.split(":")[0]):
                done = self.run_scenario(command, scenario, preload, base, **env)
                self.assertEqual(done.returncode, returncode, done.stderr.decode()[-3000:])
                if stdout is not None:
                    self.assertEqual(done.stdout.decode(), stdout)
                if returncode == 0:
                    self.assertEqual(done.stderr, b"")
                self.check(traces, scenario, preload)
            self.box.close()
            self.server.close()
            self.fresh()
        return done

    def serve_requests(self, command, preload, env, cwd):
        """Runs a FastAPI application under uvicorn, sends the requests side by side, stops it."""
        environment = self.box.preload_env(env) if preload else dict(self.box.env, **env)
        log = os.path.join(self.box.dir, "uvicorn.log")
        with open(log, "w", encoding="utf-8") as f:
            process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=f, stderr=f)
        try:
            port = harness.wait_for(lambda: re.search(r"running on http://127.0.0.1:(\d+)",
                                                      read(log)), 30, "uvicorn listens").group(1)
            answers = self.send_all(f"http://127.0.0.1:{port}/chat", log)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
        self.assertIn("Application shutdown complete", read(log))
        self.assertNotIn("Traceback", read(log))
        return answers

    def send_all(self, url, log):
        answers = [None] * len(REQUESTS)

        def send(i):
            who, question = REQUESTS[i]
            body = json.dumps({"user_id": who, "messages": [expected.user(question)]}).encode()
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as reply:
                answers[i] = json.load(reply)["response"]

        threads = [threading.Thread(target=send, args=(i,)) for i in range(len(REQUESTS))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wanted = [s.output["content"] for t in expected.chat_service(REQUESTS) for s in t.spans]
        self.assertEqual(answers, wanted, read(log)[-3000:])
        return answers


def uvicorn(python, application, loop):
    return [python, "-m", "uvicorn", application, "--port", "0", "--loop", loop]


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()
