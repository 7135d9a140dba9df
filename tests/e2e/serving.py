"""`llm-tracer serve` for tests: the server on a free port of loopback with a data directory of its
own, and a client that speaks to it over kept connections.

    with serving.Server() as server:
        answer = server.client("project-a").post("/api/traces", {...})
        answer.status, answer.json, answer.headers

Closing ends it by SIGTERM and fails when it did not end well, or when a sanitizer spoke."""

import contextlib
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

import harness

OURS = ("TRACER_", "TRACING_", "XDG_", "OTEL_", "AWS_", "DYNAMODB_", "API_KEY", "DEFAULT_PROJECT",
        "RATE_LIMIT", "CORS_", "STORAGE_", "MAX_BODY", "LISTEN_", "NOTIFY_", "LD_PRELOAD")
URL = re.compile(rb"(https?)://(127\.0\.0\.1|\[::1\]|localhost|0\.0\.0\.0):(\d+)")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
SPAN_TYPES = ("llm", "tool", "agent", "function", "retrieval", "embedding", "chain", "other")


def environment(more=None):
    """That of the test without any of our settings."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    env.update({"LC_ALL": "C.UTF-8", "TZ": "UTC"})
    env.update(more or {})
    return env


class Answer:
    def __init__(self, status, headers, raw):
        self.status = status
        self.headers = headers
        self.raw = raw

    @property
    def json(self):
        try:
            return json.loads(self.raw)
        except ValueError:
            raise AssertionError(f"{self.status}, and no JSON: {self.raw[:500]!r}") from None

    def __repr__(self):
        return f"{self.status} {self.raw[:600]!r}"


class Client:
    """Calls under one key, on one kept connection a thread. key None: none is sent."""

    def __init__(self, port=None, key=None, path=None, timeout=30):
        self.port, self.key, self.path, self.timeout = port, key, path, timeout
        self.local = threading.local()

    def connection(self):
        made = getattr(self.local, "connection", None)
        if made is None:
            made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
            if self.path:
                made.sock = socket.socket(socket.AF_UNIX)
                made.sock.connect(self.path)
            self.local.connection = made
        return made

    def close(self):
        made = getattr(self.local, "connection", None)
        if made is not None:
            made.close()
            self.local.connection = None

    def request(self, method, path, body=None, headers=None):
        """body: an object (sent as JSON), bytes or None. A kept connection that the server closed
        meanwhile is made again, as every client does; a request on a new one is sent once."""
        whole = {} if self.key is None else {"X-API-Key": self.key}
        if body is not None and not isinstance(body, (bytes, bytearray)):
            body = json.dumps(body).encode()
        if body is not None:
            whole["Content-Type"] = "application/json"
        whole.update(headers or {})
        whole = {k: v for k, v in whole.items() if v is not None}
        fresh = getattr(self.local, "connection", None) is None
        while True:
            made = self.connection()
            try:
                made.request(method, path, body, whole)
                response = made.getresponse()
                return Answer(response.status, response.headers, response.read())
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.close()
                if fresh:
                    raise
                fresh = True
            except BaseException:
                self.close()
                raise

    def get(self, path, headers=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode({k.rstrip("_"): v for k, v in query.items()
                                                  if v is not None})
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def patch(self, path, body, headers=None):
        return self.request("PATCH", path, body, headers)

    # The calls of the contract, which have to succeed.

    @staticmethod
    def good(answer):
        if answer.status != 200:
            raise AssertionError(repr(answer))
        return answer.json

    @property
    def project(self):
        return self.key[len("project-"):]

    def create_trace(self, name="trace", **fields):
        body = dict({"name": name, "project_id": self.project}, **fields)
        return self.good(self.post("/api/traces", body))["trace_id"]

    def create_span(self, trace_id, name="span", span_type="llm", **fields):
        body = dict({"name": name, "span_type": span_type}, **fields)
        return self.good(self.post(f"/api/traces/{trace_id}/spans", body))["span_id"]

    def complete_span(self, span_id, **fields):
        return self.good(self.patch(f"/api/spans/{span_id}/complete", fields))

    def complete_trace(self, trace_id, **fields):
        return self.good(self.patch(f"/api/traces/{trace_id}/complete", fields))

    def trace(self, trace_id, **query):
        return self.good(self.get(f"/api/traces/{trace_id}", **query))

    def span(self, span_id):
        return self.good(self.get(f"/api/spans/{span_id}"))["span"]

    def page(self, **query):
        return self.good(self.get("/api/traces", **query))

    def all(self, **query):
        """Every trace that matches, by as many pages as it takes; none of them may be empty while
        there is more."""
        found, cursor = [], None
        while True:
            page = self.page(cursor=cursor, **query)
            assert page["count"] == len(page["traces"]), page
            assert page["has_more"] == (page["next_cursor"] is not None), page
            found += page["traces"]
            if not page["has_more"]:
                return found
            assert page["traces"], "an empty page, and there is more"
            cursor = page["next_cursor"]

    def stats(self, **query):
        return self.good(self.get("/api/stats", **query))

    def ingest(self, lines, compress=False):
        raw = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson"}
        if compress:
            raw, headers["Content-Encoding"] = gzip.compress(raw, 1), "gzip"
        return self.good(self.post("/api/ingest", raw, headers))


class Server:
    """env: settings; arguments: more words; listen: None to leave it to arguments or env."""

    def __init__(self, env=None, arguments=(), data=None, listen="127.0.0.1:0", prefix=(),
                 ready=True, **popen):
        self.dir = tempfile.mkdtemp(prefix="llm-serve-")
        self.data = data or os.path.join(self.dir, "data")
        self.log = os.path.join(self.dir, "log")
        # The tests' times stand still, in a past that grows.
        self.env = environment({"TRACER_DATA_DIR": self.data, "HOME": self.dir,
                                "TRACE_TTL_DAYS": "36500"})
        self.env.update(env or {})
        words = [*prefix, harness.PROGRAM, "serve"]
        words += ["--listen", listen] if listen else []
        words += ["--init-tables"] if self.env.get("STORAGE_TYPE") == "dynamodb" else []
        self.words = words + list(arguments)
        self.popen = popen
        self.process = None
        self.port = None
        self.clients = []
        self.start(ready)

    def start(self, ready=True):
        """Also after kill() or stop(): over the same data."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.words, env=self.env, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, **self.popen)
        if ready:
            try:
                self.wait_ready()
            except BaseException:
                self.process.kill()
                self.process.wait()
                raise

    def said(self):
        with open(self.log, "rb") as f:
            return f.read()

    def wait_ready(self, seconds=30):
        def listens():
            found = URL.search(self.said())
            if found is None and self.process.poll() is not None:
                raise AssertionError(f"serve ended: {self.process.returncode}: "
                                     f"{self.said().decode(errors='replace')}")
            return found
        self.port = int(harness.wait_for(listens, seconds, "serve says where it listens").group(3))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def client(self, key="project-test", **arguments):
        made = Client(self.port, key, **arguments)
        self.clients.append(made)
        return made

    def connect(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)

    def stop(self, seconds=30):
        """By SIGTERM; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"serve did not end within {seconds} s of SIGTERM; it said "
                                 f"{self.said()[-2000:]!r}") from None

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS:"))

    def sanitizer(self):
        found = re.search(rb"(?s)(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:).*",
                          self.said())
        return found.group(0)[:6000].decode(errors="replace") if found else None

    def close(self):
        for client in self.clients:
            client.close()
        alive = self.process.poll() is None
        killed = self.process.returncode == -signal.SIGKILL
        code = self.stop()
        report, said = self.sanitizer(), self.said()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert report is None, report
        if alive:
            assert code == 0, f"serve ended with {code} after SIGTERM: {said[-2000:]!r}"
        else:
            assert killed or code == 0, f"serve had ended with {code}: {said[-3000:]!r}"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:  # what failed inside is the reason; do not hide it
            with contextlib.suppress(AssertionError):
                self.close()


def refusal(env=None, arguments=(), listen="127.0.0.1:0", seconds=20):
    """Runs serve with settings that it has to refuse: (exit code, what it said)."""
    server = Server(env, arguments, listen=listen, ready=False)
    try:
        harness.wait_for(lambda: server.process.poll() is not None or b"Listening on" in
                         server.said(), seconds, "it starts or is refused")
        if server.process.poll() is None:
            server.kill()
            raise AssertionError(f"not refused; it said {server.said()!r}")
        return server.process.returncode, server.said().decode(errors="replace")
    finally:
        shutil.rmtree(server.dir, ignore_errors=True)


def receive_answer(connection):
    """Reads one answer from a socket: an Answer, or None when the peer closed before one. What
    comes after it is lost: one request at a time."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
        return Answer(response.status, response.headers, response.read())
    except (http.client.BadStatusLine, ConnectionResetError, BrokenPipeError):
        return None
    finally:
        response.close()


def now_iso(seconds=0.0):
    """The time in so many seconds, as the contract writes it."""
    t = time.time() + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t % 1 * 1e6):06d}+00:00"
