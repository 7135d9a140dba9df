"""`llm-tracer ui` over what a traced program leaves: live figures, filters, search, totals, a store
that is not there yet, is emptied or replaced, other users of the machine, and the browser."""

import json
import os
import pwd
import re
import shlex
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

import harness
import serving
from test_clients import client

MESSAGES = [{"role": "user", "content": "What is up today, quixotic friend?"}]
URL = re.compile(rb"http://127\.0\.0\.1:(\d+)/")


class Ui:
    """The program over a sandbox's data, on a free port, without a browser."""

    def __init__(self, box, *arguments, env=None, browser=False):
        self.log = os.path.join(box.dir, "ui.log")
        words = list(arguments) + ([] if browser else ["--no-browser"])
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([harness.PROGRAM, "ui", *words], stdout=log, stderr=log,
                                            env=dict(box.env, **(env or {})))

        def listens():
            if self.process.poll() is not None:
                raise AssertionError(f"it ended: {self.said()!r}")
            return URL.search(self.said())
        self.port = int(harness.wait_for(listens, 20, "the address is told").group(1))
        self.client = serving.Client(self.port)

    def said(self):
        with open(self.log, "rb") as f:
            return f.read()

    def get(self, path, **query):
        return serving.Client.good(self.client.get(path, **query))

    def traces(self, **query):
        return self.get("/api/traces", **query)["traces"]

    def stop(self, number=signal.SIGINT):
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def close(self):
        code = self.stop()
        assert code == 0, f"exit code {code}: {self.said()!r}"


class Case(unittest.TestCase):
    collect = True

    @classmethod
    def setUpClass(cls):
        cls.endpoint = harness.Endpoint()

    @classmethod
    def tearDownClass(cls):
        cls.endpoint.close()

    def setUp(self):
        self.box = harness.Sandbox(collect=self.collect)
        self.addCleanup(self.box.close)

    def ui(self, *arguments, **more):
        made = Ui(self.box, *arguments, **more)
        self.addCleanup(made.close)
        return made

    def command(self, model="gpt-4o-mini", **more):
        return ["sh", client("curl.sh"), self.endpoint.plain, "/v1/chat/completions",
                json.dumps({"model": model, "messages": MESSAGES, **more})]

    def wrap(self, *command, **more):
        done = subprocess.run([harness.WRAPPER, *command], timeout=60, check=False,
                              env=dict(self.box.env, TRACER_SUMMARY="never", **more),
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)


class Live(Case):
    def test_call_in_flight(self):
        ui = self.ui()
        self.assertEqual(ui.traces(), [])
        process = subprocess.Popen([harness.WRAPPER, *self.command("fault-slow-300", stream=True)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=dict(self.box.env, TRACER_SUMMARY="never"))
        self.addCleanup(process.wait)
        chunks, texts = [], []

        def look():
            for trace in ui.traces(status="running"):
                self.assertEqual((trace["status"], trace["duration_ms"]), ("running", None))
                whole = ui.get(f"/api/traces/{trace['trace_id']}")
                for span in whole["spans"]:
                    if span["end_time"] is None and "chunk_count" in span["metadata"]:
                        chunks.append(span["metadata"]["chunk_count"])
                        if span["output_data"]:
                            texts.append(json.dumps(span["output_data"]))
                            self.assertGreater(span["metadata"]["ttft_ms"], 0)
            return len(set(chunks)) >= 3
        harness.wait_for(look, 15, "the chunk count grows")
        self.assertEqual(chunks, sorted(chunks))
        self.assertGreaterEqual(len(set(texts)), 2)
        self.assertEqual(process.wait(timeout=60), 0)
        (trace,) = harness.wait_for(lambda: ui.traces(status="ok"), 20, "it ends")
        self.assertEqual((trace["calls"], trace["running"], trace["errors"]), (1, 0, 0))
        self.assertGreater(trace["ttft_ms"], 0)
        (span,) = ui.get(f"/api/traces/{trace['trace_id']}")["spans"]
        self.assertGreater(span["metadata"]["chunk_count"], max(chunks))
        self.assertEqual(ui.traces(status="running"), [])

    def test_events(self):
        """What the collector writes is told to the page."""
        ui = self.ui()
        stream = socket.create_connection(("127.0.0.1", ui.port), timeout=20)
        self.addCleanup(stream.close)
        stream.sendall(f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{ui.port}\r\n\r\n".encode())
        told = b""
        worker = threading.Thread(target=self.wrap, args=self.command())
        worker.start()
        while b'"status":"ok"' not in told.replace(b" ", b""):
            part = stream.recv(65536)
            self.assertTrue(part, told)
            told += part
        worker.join()
        self.assertIn(b"event: trace", told)
        self.assertIn(b"gpt-4o-mini", told)

    def test_same_names_as_the_tools(self):
        """A span is told as an exporter would tell it to a service, from what `spans` prints."""
        self.wrap(*self.command(stream=True))
        (printed,) = self.box.spans(1)
        ui = self.ui()
        span = ui.get(f"/api/spans/{printed['span_id']}")["span"]
        for name in ("span_id", "trace_id", "name", "span_type", "start_time", "end_time", "model",
                     "input_data", "output_data", "tokens_input", "tokens_output", "cost_usd"):
            self.assertEqual(span[name], printed.get(name), name)
        for name in ("provider", "operation", "request_model", "response_id", "chunk_count",
                     "ttft_ms", "usage_source", "finish_reasons", "status_code", "process"):
            self.assertEqual(span["metadata"][name], printed[name], name)
        self.assertNotIn("tokens_input", span["metadata"])
        light = ui.get(f"/api/traces/{printed['trace_id']}", content="false")["spans"][0]
        self.assertIsNone(light["input_data"])
        self.assertEqual(light["metadata"], span["metadata"])

    def test_filters_search_and_totals(self):
        for model in ("gpt-4o", "gpt-4o-mini", "fault-status-500"):
            self.wrap(*self.command(model))
        self.box.spans(3)
        self.box.ended_traces(3)
        ui = self.ui()

        def models(**query):
            return [t["model"] for t in ui.traces(**query)]
        everything = models()
        self.assertEqual(len(everything), 3)
        self.assertEqual(len(models(status="ok")), 2)
        self.assertEqual(len(models(status="error")), 1)
        self.assertEqual(len(models(model="MINI")), 1)
        self.assertEqual(models(order="asc"), everything[::-1])
        self.assertEqual(len(models(q="quixotic FRIEND")), 3)
        self.assertEqual(models(q="quixotic enemy"), [])
        self.assertEqual(models(name="nowhere"), [])
        self.assertEqual(models(min_duration_ms=3600000), [])
        self.assertEqual(models(to="2000-01-01T00:00:00Z"), [])
        pages, cursor = [], None
        for sort in ("start_time", "duration", "cost", "tokens", "ttft"):
            seen, cursor = [], None
            while True:
                page = ui.get("/api/traces", limit=1, sort=sort, cursor=cursor)
                seen += [t["trace_id"] for t in page["traces"]]
                self.assertEqual(page["count"], 1)
                cursor = page["next_cursor"]
                if not page["has_more"]:
                    break
            pages.append(sorted(seen))
        self.assertEqual(pages, [pages[0]] * 5)
        self.assertEqual(len(set(pages[0])), 3)
        totals = ui.get("/api/stats")
        self.assertEqual((totals["total_traces"], totals["total_spans"]), (3, 3))
        groups = ui.get("/api/stats", group_by="day,model")["groups"]
        self.assertEqual(sum(g["calls"] for g in groups), 3)
        self.assertEqual(sum(g["errors"] for g in groups), 1)
        self.assertAlmostEqual(sum(g["cost"] or 0 for g in groups), totals["total_cost"])

    def test_writes_are_refused(self):
        ui = self.ui()
        body = {"name": "t", "project_id": "public"}
        for answer in (ui.client.post("/api/traces", body),
                       ui.client.post("/api/ingest", b'{"op":"create_trace"}\n')):
            self.assertGreaterEqual(answer.status, 400)
            self.assertLess(answer.status, 500, answer)
        health = ui.get("/health")
        self.assertEqual((health["read_only"], health["auth"]), (True, False))


class Store(Case):
    collect = False

    def test_nothing_is_stored_yet(self):
        ui = self.ui()
        self.assertEqual(ui.traces(), [])
        self.assertEqual(ui.traces(q="word", sort="cost"), [])
        self.assertEqual(ui.get("/api/stats")["total_traces"], 0)
        self.assertEqual(ui.client.get("/api/traces/" + "0" * 32).status, 404)
        self.box.start_collector()
        self.wrap(*self.command())
        harness.wait_for(ui.traces, 10, "the first call is shown")
        harness.wait_for(lambda: ui.traces(q="quixotic"), 10, "it is found")

    def test_no_collector_runs(self):
        self.box.start_collector()
        self.wrap(*self.command())
        self.box.ended_traces(1)
        self.box.kill_collector(signal.SIGTERM)
        ui = self.ui()
        self.assertEqual(len(ui.traces(q="quixotic")), 1)

    def test_store_is_purged_and_replaced(self):
        self.box.start_collector()
        self.wrap(*self.command())
        self.box.ended_traces(1)
        ui = self.ui()
        self.assertEqual(len(ui.traces(q="quixotic")), 1)
        self.box.kill_collector(signal.SIGTERM)
        # Whoever moves the store away, the next collector begins a new one.
        for suffix in ("", "-wal", "-shm"):
            path = os.path.join(self.box.data, "traces.db" + suffix)
            if os.path.exists(path):
                os.rename(path, path + ".aside")
        self.assertLess(ui.client.get("/api/traces").status, 500)
        self.box.start_collector()
        self.wrap(*self.command("gpt-4o", messages=[{"role": "user", "content": "periwinkle"}]))
        (trace,) = harness.wait_for(lambda: ui.traces(q="periwinkle"), 10, "the new one is shown")
        self.assertIn("gpt-4o", trace["model"])
        self.assertEqual(ui.traces(q="quixotic"), [])
        self.assertEqual(len(ui.traces(sort="cost")), 1)

    def test_its_files_are_its_users_alone(self):
        ui = self.ui()
        self.assertEqual(ui.traces(), [])
        names = [n for n in os.listdir(self.box.data) if n.startswith("ui-index.db")]
        self.assertIn("ui-index.db", names)
        for name in names:
            mode = stat.S_IMODE(os.stat(os.path.join(self.box.data, name)).st_mode)
            self.assertEqual(mode, 0o600, name)

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_other_users_are_refused(self):
        ui = self.ui()
        open_to_all = self.ui("--any-user")
        nobody = pwd.getpwnam("nobody").pw_uid
        script = ("import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
                  "s.sendall(b'GET /api/traces HTTP/1.1\\r\\nHost: 127.0.0.1:' + sys.argv[1].encode() +"
                  "b'\\r\\nConnection: close\\r\\n\\r\\n'); print(s.makefile('rb').readline())")
        for port, status in ((ui.port, "403"), (open_to_all.port, "200")):
            done = subprocess.run([harness.PYTHON, "-c", script, str(port)], user=nobody,
                                  capture_output=True, timeout=20, check=True, text=True, cwd="/")
            self.assertIn(f"HTTP/1.1 {status}", done.stdout)
        self.assertEqual(ui.traces(), [])


class Browser(Case):
    collect = False

    def script(self, name):
        """A browser that writes down what it is asked to open, and whether it has our terminal."""
        path, seen = os.path.join(self.box.dir, name), os.path.join(self.box.dir, name + ".seen")
        with open(path, "w", encoding="utf-8") as f:
            quoted = shlex.quote(seen)
            f.write(f'#!/bin/sh\necho "$*" > {quoted}.new; [ -t 0 ] && echo tty >> {quoted}.new\n'
                    f"mv {quoted}.new {quoted}; sleep 5\n")
        os.chmod(path, 0o755)
        return path, seen

    @staticmethod
    def read(path):
        with open(path, encoding="utf-8") as f:
            return f.read()

    def test_browser_of_the_environment(self):
        path, seen = self.script("browser")
        ui = self.ui(browser=True, env={"BROWSER": f"/nowhere/is-one:{path} --new %s end"})
        harness.wait_for(lambda: os.path.exists(seen), 10, "it is opened")
        self.assertEqual(self.read(seen), f"--new http://127.0.0.1:{ui.port}/ end\n")
        children = subprocess.run(["ps", "--ppid", str(ui.process.pid), "-o", "pid="],
                                  capture_output=True, text=True, check=False).stdout.split()
        self.assertEqual(children, [])  # neither a child nor a zombie

    def test_browser_of_the_display(self):
        path, seen = self.script("xdg-open")
        folders = os.path.dirname(path) + ":" + self.box.env["PATH"]
        env = {"PATH": folders, "BROWSER": "", "DISPLAY": ":7", "SSH_CONNECTION": ""}
        ui = self.ui(browser=True, env=env)
        harness.wait_for(lambda: os.path.exists(seen), 10, "it is opened")
        self.assertEqual(self.read(seen), f"http://127.0.0.1:{ui.port}/\n")

    def test_no_browser(self):
        """Without a display, over a forwarded one, and never one that takes the terminal."""
        path, seen = self.script("xdg-open")
        w3m, w3m_seen = self.script("w3m")
        env = {"PATH": os.path.dirname(path) + ":" + self.box.env["PATH"], "DISPLAY": "",
               "WAYLAND_DISPLAY": "", "BROWSER": ""}
        for more in ({}, {"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"},
                     {"BROWSER": w3m}):
            ui = Ui(self.box, browser=True, env=dict(env, **more))
            self.assertEqual(ui.traces(), [])
            time.sleep(0.2)
            ui.close()
        self.assertFalse(os.path.exists(seen) or os.path.exists(w3m_seen))

    def test_command_line(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = self.box.tool("ui", "--no-browser", "--port", str(taken.getsockname()[1]))
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("llm-tracer ui:", done.stderr)
        self.assertEqual(self.box.tool("ui", "--port", "70000").returncode, 2)
        self.assertEqual(self.box.tool("ui", "--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
